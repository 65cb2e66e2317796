"""The embedded xenstore that processes share: nothing is lost, whoever dies, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import ROOT
from processes import LONG
from xenstore_hammer import begin

from confsync.impl.errors import Again, Busy, ConnectionLost, NoEntry, StoreError, XenstoreError
from confsync.impl.ports import Permission
from confsync.impl.xenstore import paths, sqlite_table
from confsync.impl.xenstore.node import Node
from confsync.impl.xenstore.sqlite import FILE, VERSION, SqliteStore

pytestmark = pytest.mark.slow

HAMMER = [sys.executable, "tests/support/xenstore_hammer.py"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    found = SqliteStore(tmp_path)
    yield found
    found.close()


def check(folder: Path) -> int:
    """The file is whole, each node is in its parent's list, the two counts agree, as do the children; the count."""
    database = sqlite3.connect(folder / FILE)
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    children = dict(database.execute("SELECT path, children FROM nodes").fetchall())
    database.close()
    listed = {paths.child(path, name) for path, names in children.items() for name in names.split()}
    assert listed | {"/"} == set(children)
    store = SqliteStore(folder)
    tree = store.tree()
    store.close()
    assert set(tree) == set(children)
    assert tree["/count/a"] == tree["/count/b"]
    count = int(tree["/count/a"][0])
    assert len(children["/count/children"].split()) == count % 3
    return count


def test_no_update_is_lost_among_processes(tmp_path: Path) -> None:
    processes, times = 4, 40
    store = SqliteStore(tmp_path)
    asyncio.run(begin(store.connect()))
    running = [
        subprocess.Popen([*HAMMER, "hammer", tmp_path, str(times)], cwd=ROOT, env=ENVIRONMENT) for _ in range(processes)
    ]
    assert [process.wait(LONG) for process in running] == [0] * processes
    store.close()
    assert check(tmp_path) == processes * times


def test_a_kill_at_any_moment_leaves_all_that_was_committed_and_nothing_half(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    asyncio.run(begin(store.connect()))
    seen = 0
    for kill in range(25):
        with subprocess.Popen(
            [*HAMMER, "forever", tmp_path], cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout
            told = int(process.stdout.readline())
            time.sleep(kill * 0.0004)
            process.kill()
            told = max([told, *(int(line) for line in process.stdout if line.endswith("\n"))])
        count = check(tmp_path)
        assert seen < told <= count <= told + 1
        seen = count
    store.close()


def test_what_was_written_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    async def body(x: SqliteStore) -> None:
        await x.connect().write("/a/b", b"\0\xff")
        await x.connect().set_permissions("/a", [Permission(3, "r"), Permission(1, "b")])

    first = SqliteStore(tmp_path)
    asyncio.run(body(first))
    tree = first.tree()
    first.close()
    second = SqliteStore(tmp_path)
    assert second.tree() == tree
    assert tree["/a/b"] == (b"\0\xff", (Permission(0, "n"),))
    assert tree["/a"] == (b"", (Permission(3, "r"), Permission(1, "b")))
    second.close()


def test_two_stores_are_one(tmp_path: Path, store: SqliteStore) -> None:
    async def body() -> None:
        other = SqliteStore(tmp_path, poll=0.001)
        x, y = store.connect(), other.connect()
        watch = await y.watch("/a")
        assert await watch.event() == "/a"
        tx = await x.begin()
        await tx.write("/a/b", b"1")
        with pytest.raises(NoEntry):
            await y.read("/a/b")
        await tx.commit()
        assert await y.read("/a/b") == b"1"
        assert await watch.event() == "/a/b"
        one, two = await x.begin(), await y.begin()
        for each in (one, two):
            await each.write("/a/b", await each.read("/a/b") + b"1")
        await one.commit()
        with pytest.raises(Again):
            await two.commit()
        waiting = asyncio.create_task(watch.event())
        assert await waiting == "/a/b"
        waiting = asyncio.create_task(watch.event())
        await asyncio.sleep(0.005)
        await x.remove("/a")
        assert await waiting == "/a"
        other.close()
        with pytest.raises(ConnectionLost):
            await y.read("/")

    asyncio.run(asyncio.wait_for(body(), LONG))


def test_the_log_of_changes_has_an_end_and_who_missed_some_is_told_so(tmp_path: Path, store: SqliteStore) -> None:
    async def body() -> None:
        other = SqliteStore(tmp_path)
        x, watch = store.connect(), await other.connect().watch("/far")
        assert watch.take() == "/far"
        tx = await x.begin()
        for n in range(sqlite_table.KEPT + 600):
            await tx.write(f"/n/{n}", b"")
        await tx.commit()
        with sqlite3.connect(tmp_path / FILE) as database:
            (kept,) = database.execute("SELECT count(*) FROM changes").fetchone()
        assert sqlite_table.KEPT <= kept < sqlite_table.KEPT + 600
        assert watch.take() == "/far"  # it may have changed
        assert watch.take() is None
        await x.write("/far/x", b"")
        assert watch.take() == "/far/x"
        other.close()

    asyncio.run(body())


def test_every_file_is_its_owner_s_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = SqliteStore(tmp_path)
        asyncio.run(store.connect().write("/a", b""))
        assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
        assert len(list(tmp_path.iterdir())) == 3
        store.close()
    finally:
        os.umask(before)


def _link(path: Path) -> None:
    path.symlink_to(path.with_name("elsewhere"))


def _open_to_all(path: Path) -> None:
    path.touch()
    path.chmod(0o644)


def _other_file(path: Path) -> None:
    path.write_bytes(b"no database" * 100)
    path.chmod(0o600)


def _torn(path: Path) -> None:
    SqliteStore(path.parent).close()
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + bytes(len(whole) - 4096))


def _later_version(path: Path) -> None:
    SqliteStore(path.parent).close()
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
    database.close()


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_link, "it is a symbolic link: find out who made it"),
        (_open_to_all, "must be a file of user"),
        (_other_file, "file is not a database"),
        (_torn, "database disk image is malformed"),
        (_later_version, f"is of version {VERSION + 1}"),
        (Path.mkdir, "it is no regular file"),
    ],
)
def test_a_file_that_is_not_ours_is_refused(tmp_path: Path, spoil: object, why: str) -> None:
    assert callable(spoil)
    spoil(tmp_path / FILE)
    with pytest.raises(StoreError, match=f"{FILE}: .*{why}"):
        SqliteStore(tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"none/xenstore\.sqlite: No such file"):
        SqliteStore(tmp_path / "none")


def test_nobody_waits_for_ever(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, busy=0.1)
    x = store.connect()
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    async def body() -> None:
        with pytest.raises(Busy, match=r"another process has had it for 0\.1 s"):
            await x.write("/a", b"")
        with pytest.raises(NoEntry):
            await x.read("/a")
        other.execute("COMMIT")
        await x.write("/a", b"")

    asyncio.run(body())
    other.close()
    store.close()


def test_to_open_it_does_not_take_for_ever_either(tmp_path: Path) -> None:
    SqliteStore(tmp_path).close()
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Busy):
        SqliteStore(tmp_path, busy=0.1)
    other.close()
    SqliteStore(tmp_path, busy=0.1).close()


def test_processes_that_make_it_at_the_same_time_make_one(tmp_path: Path) -> None:
    code = (
        f"from pathlib import Path; from confsync.impl.xenstore.sqlite import *; SqliteStore(Path({str(tmp_path)!r}))"
    )
    running = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=ENVIRONMENT) for _ in range(6)]
    assert [process.wait(60) for process in running] == [0] * len(running)
    assert set(SqliteStore(tmp_path).tree()) == {"/", "/tool", "/tool/xenstored"}


def test_a_request_for_which_there_is_no_room_changes_nothing(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    x = store.connect()
    database = store._database
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages + 4}")

    async def body() -> None:
        before = store.tree()
        tx = await x.begin()
        for n in range(20):
            await tx.write(f"/a/{n}", bytes(4000))
        with pytest.raises(XenstoreError, match="database or disk is full"):
            await tx.commit()
        assert store.tree() == before
        await x.write("/b", b"")
        assert set(store.tree()) == {*before, "/b"}

    asyncio.run(body())
    store.close()


def test_a_request_that_breaks_half_way_changes_nothing(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    x, table, put = store.connect(), store._table, store._table.put
    puts = []

    def breaks(path: str, node: Node) -> None:
        puts.append(path)
        if len(puts) == 3:
            raise sqlite3.OperationalError("disk I/O error")
        put(path, node)

    async def body() -> None:
        before = store.tree()
        monkeypatch.setattr(table, "put", breaks)
        with pytest.raises(XenstoreError, match="disk I/O error"):
            await x.write("/a/b/c", b"")
        assert len(puts) == 3
        assert store.tree() == before
        await x.write("/a/b/c", b"")

    asyncio.run(body())


def test_a_child_does_not_use_what_its_parent_opened(store: SqliteStore) -> None:
    x = store.connect()
    child = os.fork()
    if not child:
        try:
            asyncio.run(x.read("/"))
        except XenstoreError:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_domains_come_and_go(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, domains=(1,))

    async def body() -> None:
        x, guest = store.connect(), store.connect(1)
        await x.write("/g", b"")
        await x.write("/a", b"")
        await x.set_permissions("/g", [Permission(1, "n")])
        await x.set_permissions("/a", [Permission(0, "n"), Permission(1, "r")])
        await guest.write("/g/x", b"")
        watch = await x.watch("@releaseDomain")
        watch.take()
        store.release(1)
        assert watch.take() == "@releaseDomain"
        with pytest.raises(ConnectionLost):
            await guest.read("/g")
        assert "g" not in await x.directory("/")
        store.introduce(1)
        with pytest.raises(XenstoreError, match="EACCES"):
            await store.connect(1).read("/a")

    asyncio.run(body())
    store.close()
