"""The nodes, and the log of changes, in an SQLite database. Every method runs within a transaction of SQLite's."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from functools import lru_cache
from typing import cast

from confsync.impl.errors import InvalidRequest
from confsync.impl.ports import Permission
from confsync.impl.xenstore import paths
from confsync.impl.xenstore.checksum import Damaged, checksum, require_checksum
from confsync.impl.xenstore.node import Node
from confsync.impl.xenstore.permissions import from_words
from confsync.impl.xenstore.watches import Change

KEPT = 4096
"""How many changes are kept, at least: who looks too late is told that anything may have changed."""
_SWEPT = 256
Row = tuple[bytes, str, str, int, str, int, int]
_COLUMNS = "value, permissions, children, generation, ignored, owner, checksum"


@lru_cache(maxsize=1024)
def _permissions(text: str) -> tuple[Permission, ...]:
    try:
        return from_words(text.split())
    except InvalidRequest as e:
        raise Damaged(str(e)) from e


def _words(permissions: tuple[Permission, ...]) -> str:
    return " ".join(map(str, permissions))


def _node(path: str, row: Row) -> Node:
    """The node in a row. Damaged."""
    value, permissions, children, generation, ignored, owner, expected = row
    what = f"the row of node {path}"
    require_checksum(what, expected, path, value, permissions, children, generation, ignored, owner)
    names = tuple(children.split())
    gone = frozenset(map(int, ignored.split())) if ignored else frozenset()
    return Node(value, _permissions(permissions), names, generation, gone)


class SqliteTable:
    """Nodes in the table `nodes`."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def get(self, path: str, /) -> Node | None:
        """The node, if it is there."""
        row = self._database.execute(f"SELECT {_COLUMNS} FROM nodes WHERE path = ?", (path,)).fetchone()
        return None if row is None else _node(path, row)

    def put(self, path: str, node: Node) -> None:
        """Have this node there."""
        ignored = " ".join(map(str, sorted(node.ignored)))
        words, children = _words(node.permissions), " ".join(node.children)
        row = (path, node.value, words, children, node.generation, ignored, node.owner)
        query = "INSERT OR REPLACE INTO nodes VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        self._database.execute(query, (*row, checksum(*row)))

    def delete(self, path: str) -> None:
        """Have no node there."""
        self._database.execute("DELETE FROM nodes WHERE path = ?", (path,))

    def next_generation(self) -> int:
        """A number that no change has had, in any process."""
        query = "UPDATE counter SET last_generation = last_generation + 1 RETURNING last_generation"
        (number,) = self._database.execute(query).fetchall()[0]
        return int(number)

    def owned(self, domid: int) -> int:
        """How many nodes the domain owns."""
        (count,) = self._database.execute("SELECT count(*) FROM nodes WHERE owner = ?", (domid,)).fetchone()
        return int(count)

    def items(self) -> Iterator[tuple[str, Node]]:
        """Every path and node."""
        for path, *row in self._database.execute(f"SELECT path, {_COLUMNS} FROM nodes").fetchall():
            yield path, _node(path, cast("Row", tuple(row)))

    def verify(self) -> None:
        """Read all of it. Damaged unless each node is as it was written, and the nodes are those that their parents
        name."""
        numbers = [int(number) for (number,) in self._database.execute("SELECT last_generation FROM counter")]
        nodes = dict(self.items())
        if len(numbers) != 1 or numbers[0] < max((node.generation for node in nodes.values()), default=0):
            raise Damaged("the number of the last change is not that of the last change")
        named = {paths.child(path, name) for path, node in nodes.items() for name in node.children}
        if odd := min((named | {paths.ROOT}) ^ nodes.keys(), default=None):
            raise Damaged(f"node {odd} is lost" if odd in named else f"node {odd} is in no parent's list")
        self.changes_after(0)

    def record(self, change: Change) -> None:
        """Put a change into the log; the oldest are dropped."""
        visible = "/".join(map(_words, change.visible))
        query = "INSERT INTO changes (path, exact, visible) VALUES (?, ?, ?)"
        number = self._database.execute(query, (change.path, change.exact, visible)).lastrowid or 0
        if number % _SWEPT == 0:
            self._database.execute("DELETE FROM changes WHERE number <= ?", (number - KEPT,))

    def last_change(self) -> int:
        """The number of the last change that was ever recorded."""
        (number,) = self._database.execute("SELECT coalesce(max(number), 0) FROM changes").fetchone()
        return int(number)

    def changes_after(self, number: int) -> tuple[bool, list[Change], int]:
        """Whether some were dropped, those that are kept, and the last one's number."""
        query = "SELECT number, path, exact, visible FROM changes WHERE number > ? ORDER BY number"
        rows = self._database.execute(query, (number,)).fetchall()
        if not rows:
            return False, [], number
        found = [
            Change(path, bool(exact), tuple(_permissions(words) for words in visible.split("/")) if visible else ())
            for _, path, exact, visible in rows
        ]
        return rows[0][0] > number + 1, found, rows[-1][0]
