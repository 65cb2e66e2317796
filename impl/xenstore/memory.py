"""An embedded xenstore in memory, whose state can be kept, put back and compared cheaply."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from confsync.impl.ports import Permission
from confsync.impl.xenstore.adapter import EmbeddedXenstore
from confsync.impl.xenstore.engine import Connection, Engine, WatchKey
from confsync.impl.xenstore.limits import Limits
from confsync.impl.xenstore.node import Node, plant
from confsync.impl.xenstore.view import Accessed, Private
from confsync.impl.xenstore.watches import Watched

_BITS = 128


def _hash(*parts: bytes) -> int:
    text = b"".join(b"%d:%b" % (len(part), part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text, digest_size=_BITS // 8).digest())


@lru_cache(maxsize=1024)
def _words(permissions: tuple[Permission, ...]) -> str:
    return " ".join(map(str, permissions))


def _digest(path: str, node: Node) -> int:
    # Only the value may hold a NUL, and it comes last.
    words, heard = _words(node.permissions), _words(node.heard)
    text = f"{path}\0{words}\0{heard}\0{'/'.join(node.children)}\0".encode() + node.value
    return int.from_bytes(hashlib.blake2b(text, digest_size=_BITS // 8).digest())


@dataclass(frozen=True, slots=True)
class Kept:
    """A table as it was. Nothing changes what is in it."""

    nodes: dict[str, Node]
    owned: dict[int, int]
    generation: int
    sum: int | None


class MemoryTable:
    """Nodes in a dictionary, which is copied only when it changes after a snapshot."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._shared = False
        self._generation = 0
        self._owned: dict[int, int] = {}
        self._sum: int | None = None
        self.get: Callable[[str], Node | None] = self._nodes.get

    def _own(self) -> None:
        if self._shared:
            self._nodes, self._owned, self._shared = self._nodes.copy(), self._owned.copy(), False
            self.get = self._nodes.get

    def _account(self, path: str, node: Node, by: int) -> None:
        self._owned[node.owner] = self._owned.get(node.owner, 0) + by
        if self._sum is not None:
            self._sum = (self._sum + by * _digest(path, node)) % 2**_BITS

    def put(self, path: str, node: Node) -> None:
        """Have this node there."""
        self._own()
        old = self._nodes.get(path)
        if old is not None:
            self._account(path, old, -1)
        self._nodes[path] = node
        self._account(path, node, 1)

    def delete(self, path: str) -> None:
        """Have no node there; there is one."""
        self._own()
        self._account(path, self._nodes.pop(path), -1)

    def next_generation(self) -> int:
        """A number that no change has had, since the last state that was put back."""
        self._generation += 1
        return self._generation

    def owned(self, domid: int) -> int:
        """How many nodes the domain owns."""
        return self._owned.get(domid, 0)

    def items(self) -> Iterator[tuple[str, Node]]:
        """Every path and node, as they are now."""
        self._shared = True
        return iter(self._nodes.items())

    def keep(self) -> Kept:
        """The table as it is, to be put back."""
        self._shared = True
        return Kept(self._nodes, self._owned, self._generation, self._sum)

    def put_back(self, kept: Kept) -> None:
        """Have the table as it was."""
        self._nodes, self._owned, self._generation, self._sum = kept.nodes, kept.owned, kept.generation, kept.sum
        self._shared = True
        self.get = self._nodes.get

    def fingerprint(self) -> int:
        """128 bits that depend on all nodes, and on nothing else: not on generations, nor on how it came to be."""
        if self._sum is None:
            self._sum = sum(_digest(path, node) for path, node in self._nodes.items()) % 2**_BITS
        return self._sum


@dataclass(frozen=True, slots=True)
class _KeptConnection:
    connection: Connection
    last: int
    transactions: dict[int, tuple[dict[str, Accessed], bool, bool]]
    watches: dict[WatchKey, tuple[Watched, dict[str, None]]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A store as it was: the tree, and what each connection had open."""

    table: Kept
    last: int
    special: dict[str, tuple[Permission, ...]]
    domains: frozenset[int] | None
    connections: dict[int, _KeptConnection]


class MemoryStore:
    """An embedded xenstore, for as long as the process lives."""

    def __init__(self, *, limits: Limits | None = None, domains: Iterable[int] | None = None) -> None:
        """`domains`: those that there are, besides domain 0; None: any that is named."""
        self.table = MemoryTable()
        plant(self.table)
        self.engine = Engine(self.table, limits or Limits(), domains)

    def connect(self, domid: int = 0) -> EmbeddedXenstore:
        """A connection of a domain's."""
        return EmbeddedXenstore(Connection(self.engine, domid))

    def introduce(self, domid: int) -> None:
        """The domain is there; those who watch `@introduceDomain` hear of it."""
        self.engine.introduce(domid)

    def release(self, domid: int) -> None:
        """The domain is gone: its connections end, and what it owns is removed [destroy_domain in C xenstored]."""
        self.engine.release(domid)

    def tree(self) -> dict[str, tuple[bytes, tuple[Permission, ...]]]:
        """Every node's value and permissions, by its path."""
        return {path: (node.value, node.permissions) for path, node in self.table.items()}

    def fingerprint(self) -> int:
        """128 bits of the tree: values, permissions, and the order of children. The same in every process."""
        return self.table.fingerprint()

    def fingerprint_of(self, connection: Connection) -> int:
        """128 bits of what a connection has open, as far as it matters given the tree: what each transaction has seen
        and changed, which of that a commit would find changed, and the events that wait. Not how they are numbered."""
        parts = [b"%d" % connection.domid]
        for private in connection.transactions.values():
            parts.append(b"transaction %d %d" % (private.spoilt, private.created))
            parts += [self._essence(path, seen) for path, seen in private.accessed.items()]
        for watched in connection.watches.values():
            parts.append("\0".join((watched.node, *watched.pending)).encode())
        return _hash(*parts)

    def _essence(self, path: str, seen: Accessed) -> bytes:
        node = self.table.get(path)
        if seen.before is None:
            before = "absent"
        else:
            before = "fresh" if node is not None and node.generation == seen.before.generation else "stale"
        if seen.now is None:
            now = "removed"
        elif before == "fresh" and not seen.modified:
            now = "same"  # as in the tree, whose own fingerprint says how that is
        else:
            now = f"{_digest(path, seen.now):x}"
        return f"{path} {before} {now} {seen.modified} {seen.fires} {seen.exact}".encode()

    def snapshot(self) -> Snapshot:
        """The state as it is now. Costs little: what is in it is copied only when it changes."""
        engine = self.engine
        domains = None if engine.domains is None else frozenset(engine.domains)
        connections = {number: _keep(connection) for number, connection in engine.connections.items()}
        return Snapshot(self.table.keep(), engine.last, dict(engine.special), domains, connections)

    def restore(self, snapshot: Snapshot) -> None:
        """Have the state that was. Adapters of connections, transactions and watches that were open then work again;
        those of later ones say that they are closed. Who waits for an event waits on."""
        engine = self.engine
        self.table.put_back(snapshot.table)
        engine.last, engine.special = snapshot.last, dict(snapshot.special)
        engine.domains = None if snapshot.domains is None else set(snapshot.domains)
        for connection in engine.connections.values():
            connection.transactions.clear()
            connection.watches.clear()
        engine.connections = {number: _put_back(kept) for number, kept in snapshot.connections.items()}


def _keep(connection: Connection) -> _KeptConnection:
    transactions = {
        tx: (dict(private.accessed), private.spoilt, private.created) for tx, private in connection.transactions.items()
    }
    watches = {key: (watched, dict(watched.pending)) for key, watched in connection.watches.items()}
    return _KeptConnection(connection, connection.last, transactions, watches)


def _put_back(kept: _KeptConnection) -> Connection:
    connection, engine = kept.connection, kept.connection.engine
    connection.last = kept.last
    connection.transactions, connection.watches = {}, {}
    for tx, (accessed, spoilt, created) in kept.transactions.items():
        private = Private(engine.table, engine.limits, connection.domid)
        private.accessed, private.spoilt, private.created = dict(accessed), spoilt, created
        connection.transactions[tx] = private
    for key, (watched, pending) in kept.watches.items():
        watched.pending = dict(pending)
        connection.watches[key] = watched
    return connection
