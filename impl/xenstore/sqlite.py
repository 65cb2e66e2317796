"""An embedded xenstore in an SQLite file that processes share, and that any death of theirs leaves whole.

Each request, and each commit of a transaction, is one transaction of SQLite's: written ahead, and on the disk when it
returns. A transaction of xenstore's is kept in its process until then. Who only reads can have a copy in memory, of one
instant, and touches no file.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from confsync.impl.errors import Busy, ConnectionLost, DamagedStore, StoreError, XenstoreError
from confsync.impl.holders import PATIENCE, Tells, held_by, tell_nobody
from confsync.impl.ports import Permission
from confsync.impl.xenstore.adapter import EmbeddedWatch, EmbeddedXenstore
from confsync.impl.xenstore.checksum import Damaged
from confsync.impl.xenstore.engine import Connection, Engine
from confsync.impl.xenstore.limits import Limits
from confsync.impl.xenstore.node import plant
from confsync.impl.xenstore.snapshot import NotMade, read_snapshot, require_own
from confsync.impl.xenstore.sqlite_table import SqliteTable
from confsync.impl.xenstore.watches import Change, Watched

FILE = "xenstore.sqlite"
VERSION = 2
BUSY = 10.0
"""Seconds to wait for another process."""
POLL = 0.02
"""Seconds between looks for changes."""
SCHEMA = Path(__file__).with_name("schema.sql").read_text()
_WAYS_OUT = {
    sqlite3.SQLITE_FULL: "; free some space and run it again",
    sqlite3.SQLITE_READONLY: "; have the file and its folder writable",
    sqlite3.SQLITE_CANTOPEN: "; have the file and its folder writable",
    sqlite3.SQLITE_IOERR: "; see whether the disk is full, or fails (the kernel's log), and run it again",
}
_MOST_SAID = 300
"""Characters of SQLite's messages that are shown."""
_DAMAGES = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _code(error: BaseException) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _way_out(error: BaseException) -> str:
    return _WAYS_OUT.get(_code(error), "")


def _is_busy(error: sqlite3.Error) -> bool:
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _line(said: object) -> str:
    """What was said, which may quote what is damaged, as one line that cannot steer a terminal."""
    text = " ".join(str(said).split())[:_MOST_SAID]
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _schema(database: sqlite3.Connection) -> set[tuple[str, str, str]]:
    """The tables and indices: type, name, and the statement that made each."""
    return set(database.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_master").fetchall())


class SqliteStore:
    """An embedded xenstore in a folder."""

    def __init__(
        self,
        folder: Path,
        *,
        limits: Limits | None = None,
        domains: Iterable[int] | None = None,
        busy: float = BUSY,
        poll: float = POLL,
        schema: str = SCHEMA,
        snapshot: bool = False,
        tells: Tells = tell_nobody,
        patience: float = PATIENCE,
    ) -> None:
        """Open it, or make it; the folder is there. StoreError, Busy.

        `domains`: those that there are, besides domain 0; None: any that is named. `busy`, `poll`: see above.
        `schema`: SCHEMA, and what else is kept in the file. `snapshot`: have a copy of it, to read; NotMade.
        `tells`: is told who has the file, once another process has been waited for `patience` seconds.
        """
        self.path, self.busy, self.interval = folder / FILE, busy, poll
        self._process, self._closed, self._snapshot = os.getpid(), False, snapshot
        self._schema, self._tells, self._patience = schema, tells, min(patience, busy)
        if not snapshot:
            self._own_file()
        image = read_snapshot(self.path, busy) if snapshot else None
        where = ":memory:" if snapshot else self.path
        self._database = sqlite3.connect(where, timeout=self._patience, isolation_level=None)
        self._table = SqliteTable(self._database)
        self.engine: Engine = SharedEngine(self._table, limits or Limits(), domains)
        try:
            if image is None:
                self._set_up()
            else:
                self._set_up_snapshot(image)
            with self.reading():
                self._heard = self._table.last_change()
        except BaseException as e:
            self.close()
            if isinstance(e, Busy) or not isinstance(e, sqlite3.Error | XenstoreError):
                raise
            if snapshot:
                raise DamagedStore(self.path, _line(e)) from e
            cause = e.__cause__ if isinstance(e.__cause__, sqlite3.Error) else e
            raise StoreError(self.path, f"cannot be opened: {_line(cause)}{_way_out(cause)}") from e

    def _own_file(self) -> None:
        """Make the file if it is not there. It is not opened otherwise: to close it would end this process's locks."""
        try:
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            require_own(self.path, self.path.lstat())
        except OSError as e:
            raise StoreError(self.path, e.strerror or str(e)) from e

    def _set_up_snapshot(self, image: bytes) -> None:
        self._database.deserialize(image)
        self._database.execute("PRAGMA query_only = ON")
        with self.reading():
            if not self._version():
                raise NotMade(self.path, "it was not finished")
            self._verify()

    def _version(self) -> int:
        """The file's version, 0 if nothing is in it yet. StoreError if it is none of ours."""
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if not version and _schema(self._database):
            raise StoreError(self.path, "is another program's database: name another folder")
        if version not in (0, VERSION):
            raise StoreError(
                self.path,
                f"is of version {version}, and this toolstack reads version {VERSION}: name another folder",
            )
        return int(version)

    def _verify(self) -> None:
        """Look at all of the file. DamagedStore."""
        with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as proper:
            proper.executescript(self._schema)
            if _schema(proper) != _schema(self._database):
                raise DamagedStore(self.path, "its tables are not those of this toolstack")
        (found,) = self._database.execute("PRAGMA integrity_check(1)").fetchone()
        if found != "ok":
            raise DamagedStore(self.path, _line(found))
        self._table.verify()

    def _set_up(self) -> None:
        start, told = time.monotonic(), False
        while True:
            try:
                self._database.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError as e:  # SQLite does not wait for others here
                if not _is_busy(e):
                    raise
                waited = time.monotonic() - start
                if waited > self.busy:
                    raise self._busy() from e
                if waited >= self._patience and not told:
                    self._tell()
                    told = True
                time.sleep(0.01)
        self._database.execute("PRAGMA synchronous = FULL")
        with self.changing():
            if not self._version():
                for statement in self._schema.split(";\n"):
                    self._database.execute(statement)
                self._database.execute(f"PRAGMA user_version = {VERSION}")
                plant(self._table)

    def _busy(self) -> Busy:
        return Busy(f"{self.path}: another process has had it for {self.busy:g} s: {self._holder()}")

    def _holder(self) -> str:
        return held_by(self.path.with_name(f"{FILE}-shm"), self.path)

    def _tell(self) -> None:
        self._tells(f"waiting for {self.path}, {self._holder()}")

    def _begin(self, begin: str) -> None:
        """Begin a transaction of SQLite's; who is in the way is told after a while."""
        try:
            self._database.execute(begin)
        except sqlite3.OperationalError as e:
            if not _is_busy(e) or self._patience >= self.busy:
                raise
            self._tell()
            self._database.execute(f"PRAGMA busy_timeout = {int(1000 * (self.busy - self._patience))}")
            try:
                self._database.execute(begin)
            finally:
                self._database.execute(f"PRAGMA busy_timeout = {int(1000 * self._patience)}")

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        if os.getpid() != self._process:
            raise XenstoreError(f"{self.path}: opened by process {self._process}, and used by its child")
        if self._closed:
            raise ConnectionLost(f"{self.path} is closed")
        try:
            self._begin(begin)
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise
        except sqlite3.Error as e:
            if _is_busy(e):
                raise self._busy() from e
            if _code(e) in _DAMAGES or "decode to UTF-8" in str(e):
                raise DamagedStore(self.path, _line(e)) from e
            raise XenstoreError(f"{self.path}: {_line(e)}{_way_out(e)}") from e
        except (Damaged, UnicodeDecodeError) as e:  # the latter: SQLite's own message quotes what is no text
            raise DamagedStore(self.path, _line(e)) from e

    def reading(self) -> contextlib.AbstractContextManager[None]:
        """A transaction of SQLite's that changes nothing. Busy, XenstoreError."""
        return self._transaction("BEGIN")

    def changing(self) -> contextlib.AbstractContextManager[None]:
        """A transaction of SQLite's, with no other one beside it. Busy, XenstoreError."""
        return self._transaction("BEGIN" if self._snapshot else "BEGIN IMMEDIATE")

    @property
    def database(self) -> sqlite3.Connection:
        """The database, for who keeps something beside the nodes: within `reading` and `changing`."""
        return self._database

    def node(self, path: str) -> bytes | None:
        """A node's value, whoever asks, within `reading` or `changing`; None if it is not there."""
        found = self._table.get(path)
        return None if found is None else found.value

    def connect(self, domid: int = 0) -> SharedXenstore:
        """A connection of a domain's."""
        return SharedXenstore(SharedConnection(self, domid))

    def introduce(self, domid: int) -> None:
        """The domain is there; those who watch `@introduceDomain` hear of it."""
        with self.changing():
            self.engine.introduce(domid)

    def release(self, domid: int) -> None:
        """The domain is gone: its connections in this process end, and what it owns is removed."""
        with self.changing():
            self.engine.release(domid)

    def tree(self) -> dict[str, tuple[bytes, tuple[Permission, ...]]]:
        """Every node's value and permissions, by its path, at one instant."""
        with self.reading():
            return {path: (node.value, node.permissions) for path, node in self._table.items()}

    def listen(self) -> None:
        """Tell this process's watches what has changed since the last time, whoever did it."""
        with self.reading():
            dropped, changes, self._heard = self._table.changes_after(self._heard)
        watching = [c for c in self.engine.connections.values() if c.watches]
        for connection in watching:
            if dropped:
                for watched in connection.watches.values():
                    watched.tell(watched.node)
            for change in changes:
                connection.hear(change)

    def close(self) -> None:
        """Close the file: every connection is closed."""
        for connection in list(self.engine.connections.values()):
            connection.close()
        self._closed = True
        self._database.close()


class SharedEngine(Engine):
    """An engine whose changes go into the log that every process reads. The permissions of the special watches are
    each process's own."""

    def __init__(self, table: SqliteTable, limits: Limits, domains: Iterable[int] | None) -> None:
        super().__init__(table, limits, domains)
        self._log = table

    def fire(self, change: Change) -> None:
        self._log.record(change)


class SharedConnection(Connection):
    """A connection, each of whose requests is a transaction of SQLite's."""

    def __init__(self, store: SqliteStore, domid: int) -> None:
        super().__init__(store.engine, domid)
        self.store = store

    def _around(self, tx: int) -> contextlib.AbstractContextManager[None]:
        return self.store.reading() if tx else self.store.changing()

    def read(self, path: str, tx: int = 0) -> bytes:
        with self.store.reading():
            return super().read(path, tx)

    def directory(self, path: str, tx: int = 0) -> tuple[str, ...]:
        with self.store.reading():
            return super().directory(path, tx)

    def permissions(self, path: str, tx: int = 0) -> tuple[Permission, ...]:
        with self.store.reading():
            return super().permissions(path, tx)

    def write(self, path: str, value: bytes, tx: int = 0) -> None:
        with self._around(tx):
            super().write(path, value, tx)

    def make(self, path: str, tx: int = 0) -> None:
        with self._around(tx):
            super().make(path, tx)

    def remove(self, path: str, tx: int = 0) -> None:
        with self._around(tx):
            super().remove(path, tx)

    def set_permissions(self, path: str, permissions: Sequence[Permission], tx: int = 0) -> None:
        with self._around(tx):
            super().set_permissions(path, permissions, tx)

    def end(self, tx: int, *, commit: bool) -> None:
        with self.store.changing() if commit else contextlib.nullcontext():
            super().end(tx, commit=commit)

    def watch(self, path: str, token: str) -> Watched:
        self.store.listen()
        return super().watch(path, token)


class PolledWatch(EmbeddedWatch):
    """A watch that looks for changes of other processes, again and again."""

    def __init__(self, connection: SharedConnection, path: str, token: str, watched: Watched) -> None:
        super().__init__(connection, path, token, watched)
        self._store = connection.store

    def take(self) -> str | None:
        self._store.listen()
        return super().take()

    async def _wait(self) -> None:
        await asyncio.sleep(self._store.interval)


class SharedXenstore(EmbeddedXenstore):
    """A connection to a xenstore that processes share."""

    __slots__ = ("_shared",)

    def __init__(self, connection: SharedConnection) -> None:
        super().__init__(connection)
        self._shared = connection

    def _watch(self, path: str, token: str, watched: Watched) -> EmbeddedWatch:
        return PolledWatch(self._shared, path, token, watched)
