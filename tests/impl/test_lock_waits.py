"""Who waits for a lock is told who has it: of the lock files, and of the SQLite file."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from places import ROOT
from template_folder import LOCK, ONE, TEMPLATE, TWO, alive, put

from confsync.impl.errors import Busy, StoreError
from confsync.impl.holders import find_holder, held_by
from confsync.impl.templates.lock import Waits
from confsync.impl.templates.reading import Glimpse, ReadTemplates
from confsync.impl.templates.store import TemplateStore
from confsync.impl.xenstore.sqlite import FILE, SqliteStore

_HOLDS = """
import fcntl, os, sys
descriptor = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
fcntl.flock(descriptor, fcntl.LOCK_EX)
print("ready", flush=True)
sys.stdin.readline()
"""
_HOLDS_DATABASE = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN IMMEDIATE")
print("ready", flush=True)
sys.stdin.readline()
"""


@contextmanager
def holder(code: str, path: Path) -> Iterator[int]:
    """A process that has the lock; its number. It gives the lock up when the block is left."""
    call = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        try:
            yield process.pid
        finally:
            process.communicate("\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path


class Pauses:
    """Pauses that take no time; the last one gives up."""

    def __init__(self, most: int) -> None:
        self.seconds: list[float] = []
        self._most = most

    async def pause(self, seconds: float) -> None:
        if len(self.seconds) == self._most:
            raise TimeoutError
        self.seconds.append(seconds)


def test_who_waits_is_told_once_and_after_the_patience(folder: Path) -> None:
    said: list[str] = []
    pauses = Pauses(400)
    when: list[int] = []

    def tell(text: str) -> None:
        said.append(text)
        when.append(len(pauses.seconds))

    store = TemplateStore(folder, alive, waits=Waits(pauses.pause, tell, patience=1.0))
    with holder(_HOLDS, folder / LOCK) as pid, pytest.raises(TimeoutError):
        asyncio.run(store.lock(ONE))
    (line,) = said
    assert line.startswith(f"waiting for the lock of {ONE}, held by process {pid} (")
    assert line.isprintable()
    assert 0.5 <= sum(pauses.seconds[: when[0]]) <= 1.1, "seconds until it was told, by the pauses that were asked for"
    assert sum(pauses.seconds) > 2


def test_who_does_not_wait_is_told_nothing(folder: Path) -> None:
    def tell(text: str) -> None:
        pytest.fail(text)

    store = TemplateStore(folder, alive, waits=Waits(tells=tell, patience=0))
    asyncio.run(put(store, ONE, b"{}"))


def test_the_holder_s_command_is_told_without_its_interpreter(folder: Path) -> None:
    proc = folder / "proc"
    (folder / "f").touch()
    status = (folder / "f").stat()
    where = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    (proc / "77").mkdir(parents=True)
    for row, command, told in (
        (f"1: FLOCK  ADVISORY  WRITE 77 {where} 0 EOF", b"/x/python3\0/usr/bin/confsync\0domain\0list\0",
         "process 77 (confsync domain list)"),
        (f"1: POSIX  ADVISORY  WRITE 77 {where} 120 120", b"python\0-m\0confsync\0domain\0",
         "process 77 (confsync domain)"),
        (f"1: FLOCK  ADVISORY  WRITE 77 {where} 0 EOF", b"xl\0" + b"y" * 500, f"process 77 (xl {'y' * 194}...)"),
        (f"1: FLOCK  ADVISORY  WRITE 77 {where} 0 EOF", b"", "process 77"),
        (f"1: -> FLOCK  ADVISORY  WRITE 77 {where} 0 EOF", b"x", "a process that cannot be found out"),
        (f"1: FLOCK  ADVISORY  READ 77 {where} 0 EOF", b"x", "a process that cannot be found out"),
        (f"1: FLOCK  ADVISORY  WRITE 77 {where}1 0 EOF", b"x", "a process that cannot be found out"),
        (f"1: FLOCK  ADVISORY  WRITE {os.getpid()} {where} 0 EOF", b"x", "a process that cannot be found out"),
        ("nonsense", b"x", "a process that cannot be found out"),
    ):  # fmt: skip
        (proc / "locks").write_text(f"{row}\n")
        (proc / "77" / "cmdline").write_bytes(command)
        assert held_by(folder / "f", proc=proc) == f"held by {told}"
    assert find_holder((folder / "none",), proc) is None
    assert find_holder((folder / "f",), folder / "none") is None


def test_who_waits_for_the_database_is_told(folder: Path) -> None:
    said: list[str] = []
    SqliteStore(folder).close()
    store = SqliteStore(folder, busy=0.05, patience=0.01, tells=said.append)
    with holder(_HOLDS_DATABASE, folder / FILE) as pid:
        with pytest.raises(Busy, match=f"another process has had it for 0.05 s: held by process {pid} "):
            asyncio.run(store.connect().write("/a", b""))
        assert len(said) == 1
        assert said[0].startswith(f"waiting for {folder / FILE}, held by process {pid} (")
    asyncio.run(store.connect().write("/a", b""))
    assert len(said) == 1
    store.close()


# A template that is read without its lock


def test_a_glimpse_waits_for_the_lock_and_leaves_its_file(folder: Path) -> None:
    said: list[str] = []
    store = TemplateStore(folder, alive)
    asyncio.run(put(store, ONE, b"{}"))

    async def look() -> bool:
        async with Glimpse(store, ONE, waits=Waits(Pauses(3).pause, said.append, patience=0)) as glimpse:
            return glimpse.unchanged()

    with holder(_HOLDS, folder / LOCK) as pid, pytest.raises(TimeoutError):
        asyncio.run(look())
    assert said[0].startswith(f"waiting for the lock of {ONE}, held by process {pid} (")
    assert asyncio.run(look()), "its holder is dead: the lock is free, and its file stays"
    assert sorted(path.name for path in folder.iterdir()) == [TEMPLATE, LOCK]


def test_a_glimpse_notices_what_happens_meanwhile(folder: Path) -> None:
    store = TemplateStore(folder, alive)

    async def body() -> None:
        await put(store, ONE, b"{}")
        async with Glimpse(store, ONE) as glimpse:
            assert glimpse.unchanged()
            await put(store, TWO, b"{}")
            assert glimpse.unchanged(), "another domain's"
            lock = await store.lock(ONE)
            assert not glimpse.unchanged(), "somebody has the lock"
            await store.unlock(lock)
            assert glimpse.unchanged()
            await put(store, ONE, b"{}")
            assert not glimpse.unchanged(), "the same bytes, and another file"
        async with Glimpse(store, ONE) as glimpse:
            lock = await store.lock(ONE)
            await store.remove(lock)
            await store.unlock(lock)
            assert not glimpse.unchanged()
        async with Glimpse(store, ONE) as glimpse:
            assert glimpse.unchanged()
            await put(store, ONE, b"{}")
            assert not glimpse.unchanged()

    asyncio.run(body())


def test_a_glimpse_keeps_others_from_a_lock_that_a_death_has_left(folder: Path) -> None:
    store = TemplateStore(folder, alive)
    (folder / LOCK).touch(mode=0o600)

    async def body() -> None:
        async with Glimpse(store, ONE) as glimpse:
            assert await store.lock_at_once(ONE) is None
            assert glimpse.unchanged()
        lock = await store.lock_at_once(ONE)
        assert lock
        await store.unlock(lock)

    asyncio.run(body())


def test_what_only_reads_refuses_to_write(folder: Path) -> None:
    store = TemplateStore(folder, alive)

    async def body() -> None:
        await put(store, ONE, b"{}")
        read = ReadTemplates(store, alive)
        lock = await read.lock(ONE)
        for refused in (read.replace(lock, b"x"), read.remove(lock), read.lock_at_once(ONE)):
            with pytest.raises(StoreError, match="it was opened to be read"):
                await refused
        await read.unlock(lock)
        assert await read.read(ONE) == b"{}"
        assert list(await read.domains()) == [ONE]

    asyncio.run(body())
