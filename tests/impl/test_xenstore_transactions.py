"""What transactions, watches and quotas mean: on each embedded xenstore, and on a real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from xenstore_worlds import WORLDS, World, allow, daemons, error, take, worlds
from xenstored import Daemon

from confsync.impl.errors import (
    Again,
    Forbidden,
    NoEntry,
    NoTransaction,
    OutOfMemory,
    QuotaExceeded,
    TooBig,
    XenstoreError,
)
from confsync.impl.ports import Permission, Xenstore

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    yield from daemons(tmp_path_factory)


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    yield from worlds(request, tmp_path)


def test_a_transaction_is_seen_when_it_is_committed(world: World) -> None:
    async def body(connect: World) -> None:
        x, y = connect(0), connect(0)
        tx = await x.begin()
        await tx.write("/a/b", b"1")
        assert await tx.read("/a/b") == b"1"
        assert await error(y.read("/a/b")) is NoEntry
        assert await error(x.read("/a/b")) is NoEntry
        await tx.commit()
        assert await y.read("/a/b") == b"1"
        assert await error(tx.read("/a/b")) in (NoEntry, NoTransaction)
        assert await error(tx.commit()) in (NoEntry, NoTransaction)
        await tx.abort()

    world.run(body)


def test_an_aborted_transaction_never_was(world: World) -> None:
    async def body(connect: World) -> None:
        x = connect(0)
        tx = await x.begin()
        await tx.write("/a", b"1")
        await tx.abort()
        assert await error(x.read("/a")) is NoEntry

    world.run(body)


@pytest.mark.parametrize(
    ("inside", "outside", "meets"),
    [
        ("read /a", "write /a", True),
        ("read /a", "write /b", False),
        ("read /a", "read /a", False),
        ("read /a", "write /a/x", True),  # the list of children is the parent's
        ("read /a/x", "write /a/x", True),  # it was seen not to be there
        ("read /a/x", "write /a/y", True),  # and its parent was asked
        ("write /a", "write /a", True),  # a write looks first
        ("write /a", "read /a", False),
        ("write /a/x", "write /a/y", True),
        ("read /a", "remove /a", True),
        ("read /b", "remove /a", False),
        ("remove /a", "write /a/c/d", True),
        ("read /a/c", "write /a/c/d", True),
        ("read /a", "write /a/c/d", False),
        ("read /a", "permit /a", True),
        ("list /a", "write /a/c", False),
        ("list /", "write /b/c", False),
        ("list /", "write /new", True),
    ],
)
def test_which_transactions_meet_which_changes(world: World, inside: str, outside: str, meets: bool) -> None:
    async def body(connect: World) -> None:
        x, y = connect(0), connect(0)

        async def do(on: object, words: str) -> None:
            what, path = words.split()
            to = cast(Xenstore, on)
            if what == "write":
                await to.write(path, b"v")
            elif what == "remove":
                await to.remove(path)
            elif what == "permit":
                await to.set_permissions(path, allow(1, "n"))
            else:
                await error(to.read(path) if what == "read" else to.directory(path))

        for path in ("/a/c", "/b"):
            await x.write(path, b"")
        tx = await x.begin()
        await do(tx, inside)
        await do(y, outside)
        assert await error(tx.commit()) is (Again if meets else None)

    world.run(body)


def test_of_two_transactions_that_write_the_same_one_is_committed(world: World) -> None:
    async def body(connect: World) -> None:
        x, y = connect(0), connect(0)
        await x.write("/n", b"0")
        one, two = await x.begin(), await y.begin()
        for tx in (one, two):
            await tx.write("/n", b"%d" % (int(await tx.read("/n")) + 1))
        await two.commit()
        assert await error(one.commit()) is Again
        assert await x.read("/n") == b"1"

    world.run(body)


def test_a_node_that_came_and_went_is_not_noticed_where_it_was_not_seen(world: World) -> None:
    async def body(connect: World) -> None:
        x = connect(0)
        tx = await x.begin()
        assert await error(tx.read("/a/b/c")) is NoEntry
        await x.write("/z", b"")  # the root is what was asked in the end
        assert await error(tx.commit()) is Again

    world.run(body)


def test_a_request_that_failed_for_its_size_spoils_the_transaction(world: World) -> None:
    async def body(connect: World) -> None:
        x, guest = connect(0), connect(1)
        await x.make("/a")
        await x.set_permissions("/a", allow(1, "n"))
        tx = await guest.begin()
        assert await error(tx.write("/a/b", bytes(3000))) is QuotaExceeded
        await tx.write("/a/c", b"")
        assert await error(tx.commit()) is OutOfMemory
        tx = await guest.begin()
        assert await error(tx.read("/none")) is Forbidden  # that spoils nothing
        await tx.write("/a/c", b"")
        await tx.commit()

    world.run(body)


def test_quotas_of_size_watches_transactions_and_permissions(world: World) -> None:
    async def body(connect: World) -> None:
        x, guest = connect(0), connect(1)
        await x.make("/a")
        await x.set_permissions("/a", allow(1, "n"))
        await guest.write("/a/b", bytes(2048 - 24 - 8 - 1))
        assert await error(guest.write("/a/b", bytes(2048 - 24 - 8))) is QuotaExceeded
        await x.write("/a/b", bytes(4000))
        for n in range(129):
            await guest.watch(f"/w/{n}")
        assert await error(guest.watch("/w/129")) is TooBig
        opened = [await guest.begin() for _ in range(11)]
        assert await error(guest.begin()) is QuotaExceeded
        await opened[0].abort()
        await guest.begin()
        more = [Permission(2, "r")] * 4
        await guest.set_permissions("/a", allow(1, "n", *more))
        assert await error(guest.set_permissions("/a", allow(1, "n", *more, Permission(2, "r")))) is QuotaExceeded
        await x.set_permissions("/a", allow(1, "n", *more, Permission(2, "r")))

    world.run(body)


def test_quotas_of_nodes(world: World) -> None:
    async def body(connect: World) -> None:
        x, guest = connect(0), connect(1)
        await x.make("/a")
        await x.set_permissions("/a", allow(1, "n"))
        for n in range(998):
            await x.make(
                f"/a/{n // 100}/{n % 100}"
            )  # domain 0 makes them, and domain 1 has them: 1009 with those above
        assert await error(guest.make("/a/0/more")) is QuotaExceeded
        await x.make("/a/0/more")
        for n in range(12):
            await guest.remove(f"/a/0/{n}")
        await guest.make("/a/0/more1")  # 999
        tx = await guest.begin()
        await tx.make("/a/0/more2")
        await tx.make("/a/0/more3")
        await tx.make("/a/0/more4")
        assert await error(tx.commit()) is QuotaExceeded
        await guest.remove("/a/0/12")  # 998
        assert await error(guest.make("/a/0/x/y/z")) is QuotaExceeded
        assert "x" not in await guest.directory("/a/0")
        await guest.make("/a/0/x/y")
        assert await error(guest.make("/a/0/z")) is QuotaExceeded

    world.run(body)


def test_a_quota_of_nodes_that_a_transaction_sees(world: World) -> None:
    async def body(connect: World) -> None:
        x, guest = connect(0), connect(1)
        await x.set_permissions("/", allow(0, "r"))
        tx = await guest.begin()
        for n in range(1023):  # and the root
            assert await error(tx.read(f"/{n}")) is NoEntry
        assert await error(tx.read("/more")) is QuotaExceeded
        assert await error(tx.commit()) is OutOfMemory

    world.run(body)


def test_watches(world: World) -> None:
    async def body(connect: World) -> None:
        x, y = connect(0), connect(0)
        await x.write("/a/b/c", b"")
        await x.write("/e", b"")
        watches = {path: await y.watch(path) for path in ("/", "/a", "/a/b/c", "/none", "@releaseDomain")}

        async def told() -> dict[str, list[str]]:
            await y.read("/")
            return {path: events for path, watch in watches.items() if (events := take(watch))}

        assert await told() == {path: [path] for path in watches}
        await x.write("/a/b", b"")
        assert await told() == {"/": ["/a/b"], "/a": ["/a/b"]}
        await x.set_permissions("/a/b/c", allow(1, "n"))
        assert await told() == {path: ["/a/b/c"] for path in ("/", "/a", "/a/b/c")}
        await x.make("/a/b")
        await x.read("/a/b")
        await x.remove("/a/b/none")
        assert await told() == {}
        await x.remove("/a/b")  # of what is below, only its own watch hears
        assert await told() == {"/": ["/a/b"], "/a": ["/a/b"], "/a/b/c": ["/a/b/c"]}
        await x.make("/none/x/y")
        assert await told() == {"/": ["/none/x/y"], "/none": ["/none/x/y"]}
        await watches.pop("/").close()
        await x.write("/e", b"")
        assert await told() == {}

    world.run(body)


def test_a_transaction_s_changes_are_told_at_its_commit(world: World) -> None:
    async def body(connect: World) -> None:
        x, y = connect(0), connect(0)
        watch = await y.watch("/a")
        tx = await x.begin()
        await tx.write("/a/b", b"")
        await tx.write("/a/c", b"")
        await tx.remove("/a/c")  # it never was
        await y.read("/")
        assert take(watch) == ["/a"]
        await tx.commit()
        await y.read("/")
        assert take(watch) == ["/a/b"]
        tx = await x.begin()
        await tx.write("/a/b", b"")
        await tx.abort()
        await y.read("/")
        assert take(watch) == []

    world.run(body)


def test_a_removal_in_a_transaction_is_done_and_told_at_its_commit(world: World) -> None:
    async def body(connect: World) -> None:
        x, y = connect(0), connect(0)
        for path in ("/a/b", "/a/c/d"):
            await x.write(path, b"")
        top, below = await y.watch("/"), await y.watch("/a/c/d")
        await y.read("/")
        assert (take(top), take(below)) == (["/"], ["/a/c/d"])
        tx = await x.begin()
        await tx.remove("/a/c")
        assert await x.read("/a/c/d") == b""
        await tx.commit()
        for path in ("/a/c", "/a/c/d"):
            assert await error(x.read(path)) is NoEntry
        await y.read("/")
        assert (take(top), take(below)) == (["/a/c"], ["/a/c/d"])
        tx = await x.begin()
        await tx.write("/a/b", b"1")  # of which all hear, though it goes with what is above it
        await tx.remove("/a")
        await tx.commit()
        await y.read("/")
        assert sorted(take(top)) == ["/a", "/a/b"]

    world.run(body)


def test_a_transaction_that_sees_old_and_new_nodes_can_not_remove_what_does_not_fit(world: World) -> None:
    async def body(connect: World) -> None:
        x, y = connect(0), connect(0)
        for path in ("/a/1", "/a/2", "/a/3"):
            await x.write(path, b"")
        tx = await x.begin()
        await tx.directory("/")
        await y.make("/new")
        assert await error(tx.remove("/new")) is XenstoreError  # the list of children is of before
        assert await error(tx.read("/new")) is NoEntry
        assert await error(tx.commit()) is Again
        tx = await x.begin()
        await tx.directory("/a")
        await y.remove("/a/2")
        assert await error(tx.remove("/a")) is XenstoreError
        assert [await error(tx.read(path)) for path in ("/a/1", "/a/3")] == [NoEntry, None]
        assert list(await tx.directory("/a")) == ["2", "3"]
        assert await error(tx.commit()) is Again

    world.run(body)


def test_a_watch_tells_nothing_of_what_may_not_be_read(world: World) -> None:
    async def body(connect: World) -> None:
        x, guest = connect(0), connect(1)
        await x.write("/a/b", b"")
        watch = await guest.watch("/a")

        async def told() -> list[str]:
            await error(guest.read("/"))
            return take(watch)

        assert await told() == ["/a"]
        await x.write("/a/b", b"")
        assert await told() == []
        await x.set_permissions("/a", allow(0, "r"))
        assert await told() == ["/a"]
        await x.write("/a/b", b"")  # its parent may be read
        assert await told() == ["/a/b"]
        await x.write("/a/b/c", b"")
        assert await told() == []
        await x.set_permissions("/a", allow(0, "n"))  # that it may be read no longer, is told
        assert await told() == ["/a"]

    world.run(body)


def test_a_connection_that_ends_takes_its_transactions_with_it(world: World) -> None:
    async def body(connect: World) -> None:
        x, y = connect(0), connect(0)
        tx = await y.begin()
        await tx.write("/a", b"")
        await y.close()
        assert await error(tx.commit()) is not None
        assert await error(y.read("/")) is not None
        assert await error(x.read("/a")) is NoEntry

    world.run(body)
