"""What a request sees of the nodes: all of them as they are, or as one transaction has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from confsync.impl.errors import Again, OutOfMemory, QuotaExceeded
from confsync.impl.ports import Permission
from confsync.impl.xenstore import paths
from confsync.impl.xenstore.limits import Limits
from confsync.impl.xenstore.node import Node, Table
from confsync.impl.xenstore.permissions import is_privileged
from confsync.impl.xenstore.watches import Change

Fires = Callable[[Change], None]


class View(Protocol):
    """Nodes, as a request sees them."""

    @property
    def transaction(self) -> bool:
        """True if what is written is not yet seen by others."""

    def read(self, path: str) -> Node | None:
        """The node, if it is there. QuotaExceeded in a transaction that has seen too many."""

    def write(self, path: str, node: Node) -> None:
        """Have this node there; its generation is given anew. The path was read before."""

    def delete(self, path: str) -> None:
        """Have no node there. The path was read before, and there is one."""

    def fire(self, path: str, node: Node, *, exact: bool = False, before: Node | None = None) -> None:
        """Tell the watches that the node changed. `before`: as it was when its permissions were others."""

    def spoil(self) -> None:
        """A change failed half-way: a transaction can't be committed any more."""


@dataclass(frozen=True, slots=True)
class Direct:
    """The nodes as they are; a change is seen at once."""

    table: Table
    fires: Fires
    transaction: bool = False

    def read(self, path: str) -> Node | None:
        return self.table.get(path)

    def write(self, path: str, node: Node) -> None:
        self.table.put(path, node.at(self.table.next_generation()))

    def delete(self, path: str) -> None:
        self.table.delete(path)

    def fire(self, path: str, node: Node, *, exact: bool = False, before: Node | None = None) -> None:
        above = self.table.get(paths.parent(path))
        seen = [n.heard for n in (before, node, above) if n is not None]
        self.fires(Change(path, exact, tuple(seen)))

    def spoil(self) -> None:
        """Nothing: what a failed change has done is undone."""


@dataclass(frozen=True, slots=True)
class Accessed:
    """A node that a transaction has seen."""

    before: Node | None
    """As it was when it was first seen: at the commit it must still be of that generation."""
    now: Node | None
    modified: bool = False
    fires: bool = False
    exact: bool = False


class Private:
    """A transaction's own nodes: each is copied when it is first seen, and at the commit must be as it was then.

    [The head of xenstored_transaction.c. Each node that C xenstored writes, it has read before in the same request,
    so that every node counts that was seen.]
    """

    transaction = True

    def __init__(self, table: Table, limits: Limits, domid: int) -> None:
        self.table, self.limits, self.domid = table, limits, domid
        self.accessed: dict[str, Accessed] = {}
        self.spoilt = False
        self.created = False

    def read(self, path: str) -> Node | None:
        seen = self.accessed.get(path)
        if seen is not None:
            return seen.now
        if len(self.accessed) >= self.limits.transaction_nodes and not is_privileged(self.domid):
            self.spoilt = True
            raise QuotaExceeded(f"the transaction has seen {len(self.accessed)} nodes, and may see no more: {path}")
        node = self.table.get(path)
        self.accessed[path] = Accessed(node, node)
        return node

    def write(self, path: str, node: Node) -> None:
        seen = self.accessed[path]
        self.created = self.created or seen.now is None
        self.accessed[path] = Accessed(seen.before, node, True, seen.fires, seen.exact)

    def delete(self, path: str) -> None:
        seen = self.accessed[path]
        self.accessed[path] = Accessed(seen.before, None, True, seen.fires, seen.exact)

    def fire(self, path: str, node: Node, *, exact: bool = False, before: Node | None = None) -> None:  # noqa: ARG002
        seen = self.accessed[path]
        exact = exact and (seen.exact or not seen.fires)
        self.accessed[path] = Accessed(seen.before, seen.now, seen.modified, True, exact)

    def spoil(self) -> None:
        self.spoilt = True

    def stale(self) -> str | None:
        """A path that is no longer as the transaction saw it first, if there is one."""
        for path, seen in self.accessed.items():
            node = self.table.get(path)
            if (node and node.generation) != (seen.before and seen.before.generation):
                return path
        return None

    def _check_owners(self) -> None:
        if not self.created or is_privileged(self.domid):
            return
        more: dict[int, int] = {}
        for seen in self.accessed.values():
            was, is_ = seen.before and seen.before.owner, seen.now and seen.now.owner
            for owner, by in ((was, -1), (is_, 1)) if was != is_ else ():
                if isinstance(owner, int):
                    more[owner] = more.get(owner, 0) + by
        for owner, by in more.items():
            if not is_privileged(owner) and self.table.owned(owner) + by >= self.limits.nodes:
                raise QuotaExceeded(f"the commit gives domain {owner} more than its {self.limits.nodes} nodes")

    def commit(self, fires: Fires) -> None:
        """Have all nodes as the transaction has them. Again, OutOfMemory, QuotaExceeded: nothing happened."""
        if self.spoilt:
            raise OutOfMemory("a request of the transaction failed, and it can't be committed")
        self._check_owners()
        met = self.stale()
        if met is not None:
            raise Again(f"the commit met a change of {met}")
        for path, seen in self.accessed.items():
            if seen.modified:
                if seen.now is not None:
                    self.table.put(path, seen.now.at(self.table.next_generation()))
                elif seen.before is not None:
                    self.table.delete(path)
            if seen.fires:
                fires(Change(path, seen.exact, self._visible(path, seen)))

    def _visible(self, path: str, seen: Accessed) -> tuple[tuple[Permission, ...], ...]:
        nodes = [seen.before]
        if seen.now is not None:
            nodes += [seen.now, self.table.get(paths.parent(path))]
        return tuple(node.heard for node in nodes if node is not None)
