"""xenstored, but for its wire: connections, their transactions and watches, over a table of nodes.

Deterministic and synchronous. It follows C xenstored 4.17; the differential tests hold it against the real one.
Not there: the quota on memory, the write rate limit, and domains that act for another one (SET_TARGET).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from confsync.impl.errors import (
    ConnectionLost,
    Forbidden,
    InvalidRequest,
    NodeExists,
    NoTransaction,
    QuotaExceeded,
    TooBig,
)
from confsync.impl.ports import Permission
from confsync.impl.xenstore import paths
from confsync.impl.xenstore.limits import Limits
from confsync.impl.xenstore.node import Table
from confsync.impl.xenstore.permissions import NOBODY_ELSE, OWNER, WRITE, is_privileged, rights
from confsync.impl.xenstore.requests import Requester, cut
from confsync.impl.xenstore.view import Direct, Private, View
from confsync.impl.xenstore.watches import INTRODUCED, RELEASED, Change, Watched

WatchKey = tuple[str, str]
"""Path and token."""


class Engine:
    """A xenstored."""

    def __init__(self, table: Table, limits: Limits, domains: Iterable[int] | None) -> None:
        """`domains`: those that the hypervisor knows, besides domain 0; None: any that is named."""
        self.table, self.limits = table, limits
        self.domains = None if domains is None else {0, *domains}
        self.special: dict[str, tuple[Permission, ...]] = {INTRODUCED: NOBODY_ELSE, RELEASED: NOBODY_ELSE}
        self.connections: dict[int, Connection] = {}
        self.last = 0
        self.direct: View = Direct(table, self.fire)

    def exists(self, domid: int) -> bool:
        """True if the hypervisor knows the domain."""
        return self.domains is None or domid in self.domains

    def enter(self, connection: Connection) -> int:
        """A new connection's number."""
        self.last += 1
        self.connections[self.last] = connection
        return self.last

    def fire(self, change: Change) -> None:
        """Tell every watch that the change concerns."""
        for connection in self.connections.values():
            connection.hear(change)

    def introduce(self, domid: int) -> None:
        """The domain is there [INTRODUCE]."""
        if self.domains is not None:
            self.domains.add(domid)
        self.fire(Change(INTRODUCED, True, (self.special[INTRODUCED],)))

    def release(self, domid: int) -> None:
        """The domain is gone [destroy_domain]: its connections end, what it owns is removed, and what others allowed
        it is not for the number's next owner."""
        for connection in [c for c in self.connections.values() if c.domid == domid]:
            connection.close()
        for path in sorted(path for path, node in self.table.items() if node.owner == domid):
            node = self.table.get(path)  # one above it may have been cut
            if node is not None:
                cut(self.direct, path, node)
        self._forget(domid)
        if self.domains is not None:
            self.domains.discard(domid)
        self.fire(Change(RELEASED, True, (self.special[RELEASED],)))

    def _forget(self, domid: int) -> None:
        for path, node in list(self.table.items()):
            if any(entry.domid == domid for entry in node.permissions[1:]):
                self.table.put(path, node.forgetting(domid))


class Connection:
    """A connection of a domain to xenstored. Every method may raise XenstoreError; `tx` 0 is: no transaction."""

    def __init__(self, engine: Engine, domid: int) -> None:
        self.engine, self.domid = engine, domid
        self.requester = Requester(domid, engine.limits, engine.table.owned, engine.exists)
        self.transactions: dict[int, Private] = {}
        self.watches: dict[WatchKey, Watched] = {}
        self.last = 0
        self.number = engine.enter(self)

    def _view(self, tx: int) -> View:
        if self.number not in self.engine.connections:
            raise ConnectionLost("the connection is closed")
        if not tx:
            return self.engine.direct
        return self._transaction(tx)

    def _transaction(self, tx: int) -> Private:
        try:
            return self.transactions[tx]
        except KeyError:
            raise NoTransaction(f"transaction {tx} has ended") from None

    def read(self, path: str, tx: int = 0) -> bytes:
        """READ"""
        return self.requester.read(self._view(tx), path)

    def directory(self, path: str, tx: int = 0) -> tuple[str, ...]:
        """DIRECTORY, and DIRECTORY_PART as often as it takes."""
        return self.requester.directory(self._view(tx), path)

    def permissions(self, path: str, tx: int = 0) -> tuple[Permission, ...]:
        """GET_PERMS"""
        return self.requester.permissions(self._view(tx), path)

    def write(self, path: str, value: bytes, tx: int = 0) -> None:
        """WRITE"""
        self.requester.write(self._view(tx), path, value)

    def make(self, path: str, tx: int = 0) -> None:
        """MKDIR"""
        self.requester.make(self._view(tx), path)

    def remove(self, path: str, tx: int = 0) -> None:
        """RM"""
        self.requester.remove(self._view(tx), path)

    def set_permissions(self, path: str, permissions: Sequence[Permission], tx: int = 0) -> None:
        """SET_PERMS, of the special watches too."""
        view = self._view(tx)
        if path.startswith("@"):
            self._set_special(path, permissions)
        else:
            self.requester.set_permissions(view, path, permissions)

    def _set_special(self, name: str, permissions: Sequence[Permission]) -> None:
        wanted, _ = self.requester.wanted(permissions)
        if name not in self.engine.special:
            raise InvalidRequest(f"{name!r} is no special watch")
        needed = WRITE | OWNER
        if rights(self.domid, self.engine.special[name]) & needed != needed:
            raise Forbidden(f"permissions of {name}")
        self.engine.special[name] = wanted

    def begin(self) -> int:
        """TRANSACTION_START: the transaction's number."""
        self._view(0)
        if not self.requester.privileged and len(self.transactions) > self.engine.limits.transactions:
            raise QuotaExceeded(f"domain {self.domid} has {len(self.transactions)} transactions open")
        self.last += 1
        self.transactions[self.last] = Private(self.engine.table, self.engine.limits, self.domid)
        return self.last

    def end(self, tx: int, *, commit: bool) -> None:
        """TRANSACTION_END: it is over, however this ends."""
        self._view(tx)
        transaction = self.transactions.pop(tx)
        if commit:
            transaction.commit(self.engine.fire)

    def watch(self, path: str, token: str) -> Watched:
        """WATCH: there is one event at once."""
        self._view(0)
        limits = self.engine.limits
        node = paths.canonical(path, self.domid)
        if not path.startswith("@"):
            paths.checked(node, limits.path)
        elif len(path) > limits.path:
            raise InvalidRequest(f"{path[:80]!r}... is too long a name")
        if (node, token) in self.watches:
            raise NodeExists(f"watch of {path} with token {token!r}")
        if not is_privileged(self.domid) and len(self.watches) > limits.watches:
            raise TooBig(f"domain {self.domid} has {len(self.watches)} watches, and no room for one of {path}")
        watched = Watched(node, "" if path == node else paths.home(self.domid))
        self.watches[node, token] = watched
        watched.tell(node)
        return watched

    def unwatch(self, path: str, token: str) -> None:
        """UNWATCH"""
        self._view(0)
        key = paths.canonical(path, self.domid), token
        if key not in self.watches:
            raise NoTransaction(f"there is no watch of {path} with token {token!r}")
        del self.watches[key]

    def hear(self, change: Change) -> None:
        """A change happened."""
        if self.watches and change.heard_by(self.domid):
            for watched in self.watches.values():
                if watched.meets(change):
                    watched.tell(change.path)

    def close(self) -> None:
        """Its transactions are aborted and its watches end. Nothing if it is closed already."""
        self.engine.connections.pop(self.number, None)
        self.transactions.clear()
        ended = list(self.watches.values())
        self.watches.clear()
        for watched in ended:
            if watched.wake:
                watched.wake()
