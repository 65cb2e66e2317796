"""A host that processes share: in the SQLite file of its xenstore, so that both change together."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import cast

from confsync.impl.embedded.host import Claim, Guest
from confsync.impl.ports import Domain
from confsync.impl.xenstore.checksum import checksum, require_checksum
from confsync.impl.xenstore.engine import Connection
from confsync.impl.xenstore.sqlite import SCHEMA, SqliteStore

HOST_SCHEMA = f"{SCHEMA}\n{Path(__file__).with_name('schema.sql').read_text()}"
"""The tables of the xenstore and of the host."""
KEPT = 4096
"""How many ended domains are remembered."""
_COLUMNS = "uuid, paused, memory_kb, vcpus, scheduling, checksum"
_KEY = "domid = ? AND uuid = ? AND folder = ? AND device = ?"
Row = tuple[str, int, int, int, str, int]


def _guest(domid: int, row: Row) -> Guest:
    """The guest in a row. Damaged."""
    uuid, paused, memory, vcpus, scheduling, expected = row
    require_checksum(f"the row of domain {domid}", expected, domid, uuid, paused, memory, vcpus, scheduling)
    return Guest(uuid, bool(paused), memory, vcpus, cast("dict[str, int]", json.loads(scheduling)))


class SqliteHost:
    """`confsync.impl.embedded.host.Host` in the file of an embedded xenstore."""

    def __init__(self, store: SqliteStore) -> None:
        """`store`: one with HOST_SCHEMA."""
        self._store = store
        self._backends = Connection(store.engine, 0)

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
        return {domid: _guest(domid, cast("Row", tuple(row))) for domid, *row in rows}

    def guest(self, domid: int) -> Guest | None:
        row = self._database.execute(f"SELECT {_COLUMNS} FROM guests WHERE domid = ?", (domid,)).fetchone()
        return None if row is None else _guest(domid, row)

    def set_guest(self, domid: int, guest: Guest | None) -> None:
        if guest is None:
            self._end(domid)
            return
        scheduling = json.dumps(dict(guest.scheduling))
        row = (domid, guest.uuid, int(guest.paused), guest.memory_kb, guest.vcpus, scheduling)
        query = "INSERT OR REPLACE INTO guests VALUES (?, ?, ?, ?, ?, ?, ?)"
        self._database.execute(query, (*row, checksum(*row)))

    def _end(self, domid: int) -> None:
        """Have no guest of this number, and remember it: of a domain in no table, it is not known that it is gone."""
        guest = self.guest(domid)
        if guest is None:
            return
        self._database.execute("DELETE FROM guests WHERE domid = ?", (domid,))
        row = (domid, guest.uuid, checksum(domid, guest.uuid))
        query = "INSERT OR REPLACE INTO ended (domid, uuid, checksum) VALUES (?, ?, ?)"
        number = self._database.execute(query, row).lastrowid or 0
        self._database.execute("DELETE FROM ended WHERE number <= ?", (number - KEPT,))

    def ended(self, domain: Domain) -> bool:
        query = "SELECT checksum FROM ended WHERE domid = ? AND uuid = ?"
        row = self._database.execute(query, (domain.domid, domain.uuid)).fetchone()
        if row is not None:
            require_checksum(f"the row of the ended {domain}", row[0], domain.domid, domain.uuid)
        return row is not None

    def known(self) -> set[Domain]:
        """The domains that there are, and those that are remembered to have been."""
        ended = self._database.execute("SELECT domid, uuid FROM ended").fetchall()
        return {Domain(domid, guest.uuid) for domid, guest in self.guests().items()} | {Domain(*row) for row in ended}

    def verify(self) -> None:
        """Read all that is kept beside the xenstore. DamagedStore unless it is as it was written."""
        with self._store.reading():
            for domain in self.known():
                self.ended(domain)
            self.all_held()

    def held(self, claim: Claim) -> str | None:
        query = f"SELECT medium, checksum FROM held WHERE {_KEY}"
        row = self._database.execute(query, astuple(claim)).fetchone()
        return None if row is None else _medium(claim, *row)

    def hold(self, claim: Claim, medium: str | None) -> None:
        if medium is None:
            self._database.execute(f"DELETE FROM held WHERE {_KEY}", astuple(claim))
            return
        row = (*astuple(claim), medium)
        self._database.execute("INSERT OR REPLACE INTO held VALUES (?, ?, ?, ?, ?, ?)", (*row, checksum(*row)))

    def all_held(self) -> dict[Claim, str]:
        """All that is held."""
        rows = self._database.execute("SELECT domid, uuid, folder, device, medium, checksum FROM held").fetchall()
        found = {}
        for *key, medium, expected in rows:
            claim = Claim(*key)
            found[claim] = _medium(claim, medium, expected)
        return found


def _medium(claim: Claim, medium: str, expected: int) -> str:
    require_checksum(
        f"what is held for {claim.folder} {claim.index} of domain {claim.domid}", expected, *astuple(claim), medium
    )
    return medium
