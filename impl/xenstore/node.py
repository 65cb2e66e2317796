"""A node, and what a table of nodes must do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from confsync.impl.ports import Permission
from confsync.impl.xenstore.limits import RECORD_HEAD, RECORD_PERMISSION
from confsync.impl.xenstore.permissions import NOBODY_ELSE


@dataclass(frozen=True, slots=True)
class Node:
    """A node, all but its path. `generation` is of the change that made it so; no other change has it."""

    value: bytes
    permissions: tuple[Permission, ...]
    children: tuple[str, ...]
    generation: int
    ignored: frozenset[int] = frozenset()
    """Domains that died since the permissions were set: what they say of those is not for the number's next owner."""

    @property
    def owner(self) -> int:
        """The domain that owns the node, and that it counts for."""
        return self.permissions[0].domid

    @property
    def heard(self) -> tuple[Permission, ...]:
        """The permissions that count."""
        if not self.ignored:
            return self.permissions
        first, *rest = self.permissions
        return (first, *(entry for entry in rest if entry.domid not in self.ignored))

    def at(self, generation: int) -> Node:
        """The node, of another generation."""
        return Node(self.value, self.permissions, self.children, generation, self.ignored)

    def forgetting(self, domid: int) -> Node:
        """The node, when what it lets that domain do counts no longer."""
        return replace(self, ignored=self.ignored | {domid})

    @property
    def size(self) -> int:
        """Bytes, as C xenstored counts them [write_node_raw]."""
        names = sum(map(len, self.children)) + len(self.children)
        return RECORD_HEAD + RECORD_PERMISSION * len(self.permissions) + len(self.value) + names


class Table(Protocol):
    """Nodes by their paths."""

    def get(self, path: str, /) -> Node | None:
        """The node, if it is there."""

    def put(self, path: str, node: Node) -> None:
        """Have this node there."""

    def delete(self, path: str) -> None:
        """Have no node there; there is one."""

    def next_generation(self) -> int:
        """A number that no change has had."""

    def owned(self, domid: int) -> int:
        """How many nodes the domain owns."""

    def items(self) -> Iterator[tuple[str, Node]]:
        """Every path and node."""


def plant(table: Table) -> None:
    """Put into an empty table what xenstored begins with [setup_structure]."""
    for path, children in (("/", ("tool",)), ("/tool", ("xenstored",)), ("/tool/xenstored", ())):
        table.put(path, Node(b"", NOBODY_ELSE, children, table.next_generation()))
