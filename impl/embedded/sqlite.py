"""A host that processes share: in the SQLite file of its xenstore, so that both change together."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import cast

from impl.embedded.host import Claim, Guest
from impl.xenstore.engine import Connection
from impl.xenstore.sqlite import SqliteStore

_SCHEMA = Path(__file__).with_name("schema.sql")
_COLUMNS = "uuid, paused, memory_kb, vcpus, scheduling"
_KEY = "domid = ? AND uuid = ? AND folder = ? AND device = ?"
Row = tuple[str, int, int, int, str]


def _guest(row: Row) -> Guest:
    uuid, paused, memory, vcpus, scheduling = row
    return Guest(uuid, bool(paused), memory, vcpus, cast("dict[str, int]", json.loads(scheduling)))


class SqliteHost:
    """`impl.embedded.host.Host` in the file of an embedded xenstore."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._backends = Connection(store.engine, 0)
        with store.changing():
            for statement in _SCHEMA.read_text().split(";\n"):
                store.database.execute(statement)

    @contextmanager
    def exclusive(self) -> Iterator[SqliteHost]:
        with self._store.changing():
            yield self

    @property
    def _database(self) -> sqlite3.Connection:
        return self._store.database

    def node(self, path: str) -> bytes | None:
        return self._store.node(path)

    def set_node(self, path: str, value: bytes) -> None:
        self._backends.write(path, value)

    def guests(self) -> Mapping[int, Guest]:
        rows = self._database.execute(f"SELECT domid, {_COLUMNS} FROM guests").fetchall()
        return {domid: _guest(cast("Row", tuple(row))) for domid, *row in rows}

    def guest(self, domid: int) -> Guest | None:
        row = self._database.execute(f"SELECT {_COLUMNS} FROM guests WHERE domid = ?", (domid,)).fetchone()
        return None if row is None else _guest(row)

    def set_guest(self, domid: int, guest: Guest | None) -> None:
        if guest is None:
            self._database.execute("DELETE FROM guests WHERE domid = ?", (domid,))
            return
        row = (domid, guest.uuid, guest.paused, guest.memory_kb, guest.vcpus, json.dumps(dict(guest.scheduling)))
        self._database.execute("INSERT OR REPLACE INTO guests VALUES (?, ?, ?, ?, ?, ?)", row)

    def held(self, claim: Claim) -> str | None:
        row = self._database.execute(f"SELECT medium FROM held WHERE {_KEY}", astuple(claim)).fetchone()
        return None if row is None else str(row[0])

    def hold(self, claim: Claim, medium: str | None) -> None:
        if medium is None:
            self._database.execute(f"DELETE FROM held WHERE {_KEY}", astuple(claim))
        else:
            self._database.execute("INSERT OR REPLACE INTO held VALUES (?, ?, ?, ?, ?)", (*astuple(claim), medium))

    def all_held(self) -> dict[Claim, str]:
        """All that is held."""
        rows = self._database.execute("SELECT domid, uuid, folder, device, medium FROM held").fetchall()
        return {Claim(*claim): medium for *claim, medium in rows}
