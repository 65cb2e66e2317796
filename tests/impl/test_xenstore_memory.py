"""The embedded xenstore in memory: its state is kept, put back, compared and read as a whole; domains come and go."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from places import ROOT
from processes import LONG
from xenstore_requests import OPEN, Request, Session, Step, contended, requests

from confsync.impl.errors import Again, ConnectionLost, Forbidden, NoEntry, NoTransaction
from confsync.impl.ports import Permission
from confsync.impl.xenstore.adapter import EmbeddedXenstore
from confsync.impl.xenstore.memory import MemoryStore

pytestmark = pytest.mark.slow

WHO = (0, 0, 1)
ASKED = requests(len(WHO), domains=(0, 1, 2), most=16) | contended(len(WHO), paths=("/", "/a", "/a/b", "/e"), most=16)


async def ask(sessions: Sequence[Session], asked: Sequence[Request]) -> list[Step]:
    steps = []
    for request in asked:
        answer = await sessions[request.who].do(request)
        steps.append(Step(answer, tuple([await session.events() for session in sessions])))
    return steps


def sessions_of(store: MemoryStore) -> list[Session]:
    return [Session(store.connect(domid)) for domid in WHO]


def connections(sessions: Sequence[Session]) -> list[EmbeddedXenstore]:
    return [session.store for session in sessions if isinstance(session.store, EmbeddedXenstore)]


def fingerprints(store: MemoryStore, sessions: Sequence[Session]) -> list[int]:
    return [store.fingerprint(), *(store.fingerprint_of(x.connection) for x in connections(sessions))]


@settings(max_examples=100, deadline=None)
@given(ASKED, ASKED, ASKED)
def test_a_state_that_is_put_back_is_as_it_was(
    before: list[Request], other: list[Request], after: list[Request]
) -> None:
    async def body() -> None:
        store = MemoryStore()
        sessions = sessions_of(store)
        await ask(sessions, before)
        kept, tree, prints = store.snapshot(), store.tree(), fingerprints(store, sessions)
        opened = [(dict(s.transactions), dict(s.watches)) for s in sessions]
        results = []
        for detour in (other, before, []):
            await ask(sessions, detour)
            store.restore(kept)
            for session, (transactions, watches) in zip(sessions, opened, strict=True):
                session.transactions, session.watches = dict(transactions), dict(watches)
            assert store.tree() == tree
            assert fingerprints(store, sessions) == prints
            results.append((await ask(sessions, after), store.tree(), fingerprints(store, sessions)))
            store.restore(kept)
            for session, (transactions, watches) in zip(sessions, opened, strict=True):
                session.transactions, session.watches = dict(transactions), dict(watches)
        assert results[0] == results[1] == results[2]

    asyncio.run(body())


@settings(max_examples=100, deadline=None)
@given(ASKED)
def test_a_fingerprint_follows_every_change(asked: list[Request]) -> None:
    async def body() -> None:
        followed, asked_late = MemoryStore(), MemoryStore()
        followed.fingerprint()
        for store in (followed, asked_late):
            await ask(sessions_of(store), asked)
        assert followed.tree() == asked_late.tree()
        assert followed.fingerprint() == asked_late.fingerprint()

    asyncio.run(body())


def test_a_fingerprint_is_of_all_that_is_seen_of_the_tree_and_of_no_more() -> None:
    async def made(*asked: Request) -> int:
        store = MemoryStore()
        await ask([Session(store.connect())], asked)
        return store.fingerprint()

    def write(path: str, value: bytes = b"") -> Request:
        return Request(0, "write", path, value=value)

    async def body() -> None:
        a = await made(write("/a/b"), write("/a/c"))
        assert a == await made(
            write("/a/b", b"v"), write("/a/c"), write("/x"), Request(0, "remove", "/x"), write("/a/b")
        )
        others = [
            await made(write("/a/c"), write("/a/b")),
            await made(write("/a/b", b"v"), write("/a/c")),
            await made(write("/a/b"), write("/a/d")),
            await made(write("/a/b")),
            await made(write("/a/b"), write("/a/c"), OPEN),
        ]
        assert len({a, *others}) == 6

    asyncio.run(body())


def test_the_fingerprint_is_the_same_in_every_process() -> None:
    code = "from confsync.impl.xenstore.memory import MemoryStore; print(MemoryStore().fingerprint())"
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert found == {f"{MemoryStore().fingerprint()}\n"}


def test_what_a_transaction_has_seen_is_in_its_fingerprint_whether_it_is_stale_too() -> None:
    async def body() -> None:
        store = MemoryStore()
        x, y = store.connect(), store.connect()
        await x.write("/a", b"1")
        await x.write("/b", b"1")
        empty = store.fingerprint_of(x.connection)
        tx = await x.begin()
        begun = store.fingerprint_of(x.connection)
        await tx.read("/a")
        fresh = store.fingerprint_of(x.connection)
        await y.write("/b", b"2")
        assert store.fingerprint_of(x.connection) == fresh
        tree = store.fingerprint()
        await y.write("/a", b"1")  # the same tree, and yet not the same to the transaction
        assert store.fingerprint() == tree
        stale = store.fingerprint_of(x.connection)
        assert len({empty, begun, fresh, stale}) == 4

    asyncio.run(body())


def test_what_came_after_a_snapshot_is_closed_by_its_return() -> None:
    async def body() -> None:
        store = MemoryStore()
        x = store.connect()
        kept = store.snapshot()
        tx, late, watch = await x.begin(), store.connect(), await x.watch("/a")
        store.restore(kept)
        with pytest.raises(NoTransaction):
            await tx.read("/")
        with pytest.raises(ConnectionLost):
            await late.read("/")
        with pytest.raises(NoTransaction):
            watch.take()
        await x.read("/")

    asyncio.run(body())


def test_the_tree_as_a_whole() -> None:
    async def body() -> None:
        store = MemoryStore()
        await store.connect().write("/a/b", b"v")
        mine = (Permission(0, "n"),)
        assert store.tree() == {
            "/": (b"", mine),
            "/tool": (b"", mine),
            "/tool/xenstored": (b"", mine),
            "/a": (b"", mine),
            "/a/b": (b"v", mine),
        }

    asyncio.run(body())


def test_who_waits_for_an_event_is_woken_by_it_and_by_the_close() -> None:
    async def body() -> None:
        store = MemoryStore()
        x = store.connect()
        watch = await x.watch("/a")
        assert await watch.event() == "/a"
        waiting = asyncio.create_task(watch.event())
        await asyncio.sleep(0)
        await x.write("/a/b", b"")
        assert await waiting == "/a/b"
        waiting = asyncio.create_task(watch.event())
        await asyncio.sleep(0)
        await watch.close()
        with pytest.raises(NoTransaction):
            await waiting
        await watch.close()

    asyncio.run(asyncio.wait_for(body(), LONG))


def test_a_connection_that_is_closed_ends_who_waits_and_no_other_watch() -> None:
    async def body() -> None:
        store = MemoryStore()
        x, y = store.connect(), store.connect()
        mine, other = await x.watch("/a"), await y.watch("/a")
        again = await x.watch("/a")
        for watch in (mine, other, again):
            watch.take()
        await again.close()
        with pytest.raises(NoTransaction):
            again.take()
        waiting = asyncio.create_task(mine.event())
        await asyncio.sleep(0)
        await x.close()
        with pytest.raises(NoTransaction):
            await waiting
        assert other.take() is None

    asyncio.run(asyncio.wait_for(body(), LONG))


def test_requests_do_not_suspend() -> None:
    async def body() -> None:
        x = MemoryStore().connect()
        await x.write("/a", b"")
        tx = await x.begin()
        await tx.read("/a")
        await tx.commit()
        await (await x.watch("/a")).event()
        await x.close()

    coroutine = body()
    with pytest.raises(StopIteration):
        coroutine.send(None)


def test_a_domain_that_is_gone_leaves_nothing_to_the_next_of_its_number() -> None:
    async def body() -> None:
        store = MemoryStore(domains=(1, 2))
        x, guest = store.connect(), store.connect(1)
        for path, entries in {
            "/a": [Permission(0, "n"), Permission(1, "b")],
            "/g": [Permission(1, "n")],
            "/g/of-0": [Permission(0, "r")],
            "/t": [Permission(2, "n")],
        }.items():
            await x.write(path, b"")
            await x.set_permissions(path, entries)
        tx = await guest.begin()
        watch, special = await x.watch("/g/of-0"), await x.watch("@releaseDomain")
        for each in (watch, special):
            each.take()
        store.release(1)
        assert (watch.take(), special.take()) == ("/g/of-0", "@releaseDomain")
        assert sorted(await x.directory("/")) == ["a", "t", "tool"]
        with pytest.raises(ConnectionLost):
            await tx.read("/g")
        with pytest.raises(NoEntry):
            await x.set_permissions("/a", [Permission(1, "n")])
        store.introduce(1)
        again = store.connect(1)
        with pytest.raises(Forbidden):
            await again.read("/a")
        assert list(await x.permissions("/a")) == [Permission(0, "n"), Permission(1, "b")]
        await x.make("/a/b/c")
        for path in ("/a/b", "/a/b/c"):
            with pytest.raises(Forbidden):
                await again.read(path)
        await x.set_permissions("/a", [Permission(0, "n"), Permission(1, "b")])
        await again.read("/a")

    asyncio.run(body())


def test_special_watches_are_told_to_those_who_are_let() -> None:
    async def body() -> None:
        store = MemoryStore(domains=(1, 2))
        x, guest = store.connect(), store.connect(1)
        mine, theirs = await x.watch("@introduceDomain"), await guest.watch("@introduceDomain")
        assert (mine.take(), theirs.take()) == ("@introduceDomain", "@introduceDomain")
        store.introduce(3)
        assert (mine.take(), theirs.take()) == ("@introduceDomain", None)
        with pytest.raises(Forbidden):
            await guest.set_permissions("@introduceDomain", [Permission(1, "r")])
        await x.set_permissions("@introduceDomain", [Permission(0, "n"), Permission(1, "r")])
        store.introduce(4)
        assert theirs.take() == "@introduceDomain"

    asyncio.run(body())


def test_two_transactions_meet_after_a_snapshot_as_before() -> None:
    async def body() -> None:
        store = MemoryStore()
        x, y = store.connect(), store.connect()
        await x.write("/n", b"0")
        tx = await x.begin()
        await tx.write("/n", b"1")
        kept = store.snapshot()
        await y.write("/n", b"2")
        with pytest.raises(Again):
            await tx.commit()
        store.restore(kept)
        await tx.commit()
        assert await y.read("/n") == b"1"

    asyncio.run(body())
