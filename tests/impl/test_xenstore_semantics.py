"""What requests on nodes mean, by xenstore's specification: on each embedded xenstore, and on a real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from xenstore_requests import tree_of
from xenstore_worlds import WORLDS, World, allow, daemons, error, take, worlds
from xenstored import Daemon

from confsync.impl.errors import (
    Forbidden,
    InvalidRequest,
    NoEntry,
    NotOwner,
    TooBig,
    XenstoreError,
)
from confsync.impl.ports import Permission


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    yield from daemons(tmp_path_factory)


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    yield from worlds(request, tmp_path)


def test_a_write_makes_what_is_above_with_empty_values_and_the_nearest_permissions(world: World) -> None:
    async def body(connect: World) -> None:
        x = connect(0)
        await x.write("/a", b"1")
        await x.set_permissions("/a", allow(2, "r", Permission(1, "w")))
        await x.write("/a/b/c", b"\0\xff")
        tree = await tree_of(x)
        given = (Permission(2, "r"), Permission(1, "w"))
        assert tree["/a"] == (b"1", given, ("b",))
        assert tree["/a/b"] == (b"", given, ("c",))
        assert tree["/a/b/c"] == (b"\0\xff", given, ())

    world.run(body)


def test_mkdir_leaves_what_is_there(world: World) -> None:
    async def body(connect: World) -> None:
        x = connect(0)
        await x.write("/a/b", b"1")
        await x.make("/a/b")
        await x.make("/a/c/d")
        assert await x.read("/a/b") == b"1"
        assert await x.read("/a/c") == b""
        assert list(await x.directory("/a")) == ["b", "c"]

    world.run(body)


def test_children_are_listed_as_they_were_made(world: World) -> None:
    async def body(connect: World) -> None:
        x = connect(0)
        for name in ("z", "b", "m", "a"):
            await x.make(f"/d/{name}")
        await x.remove("/d/b")
        await x.make("/d/b")
        assert list(await x.directory("/d")) == ["z", "m", "a", "b"]

    world.run(body)


def test_a_directory_larger_than_a_message(world: World) -> None:
    names = [f"{n}-{'x' * 30}" for n in range(150)]

    async def body(connect: World) -> None:
        x = connect(0)
        for name in names:
            await x.make(f"/d/{name}")
        assert list(await x.directory("/d")) == names

    world.run(body)


def test_removing(world: World) -> None:
    async def body(connect: World) -> None:
        x = connect(0)
        await x.write("/a/b/c", b"")
        await x.write("/a/d", b"")
        await x.remove("/a/b")
        assert await error(x.read("/a/b/c")) is NoEntry
        assert list(await x.directory("/a")) == ["d"]
        await x.remove("/a/b")  # its parent is there
        assert await error(x.remove("/a/b/c")) is NoEntry
        assert await error(x.remove("/")) is InvalidRequest

    world.run(body)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/" + "n" * 2047, NoEntry),
        ("/" + "n" * 2048, InvalidRequest),
        ("/local/domain/123/" + "n" * 2048, NoEntry),
        ("/local/domain/123/" + "n" * 2049, InvalidRequest),
        ("/local/domain/123456/" + "n" * 2048, InvalidRequest),
        ("/a/", InvalidRequest),
        ("/a//b", InvalidRequest),
        ("/a.b", InvalidRequest),
        ("/a\n", InvalidRequest),
        ("/a-_@Z9", NoEntry),
        ("@releaseDomain", InvalidRequest),
        ("relative", NoEntry),
        ("", InvalidRequest),
    ],
    ids=lambda v: str(v)[:24],
)
def test_paths(world: World, path: str, wanted: type[XenstoreError]) -> None:
    async def body(connect: World) -> None:
        assert await error(connect(0).read(path)) is wanted

    world.run(body)


def test_a_relative_path_is_of_the_domain(world: World) -> None:
    async def body(connect: World) -> None:
        x, guest = connect(0), connect(1)
        await x.make("/local/domain/1")
        await x.set_permissions("/local/domain/1", allow(1, "n"))
        watch = await guest.watch("data")
        await guest.write("data/x", b"1")
        assert await x.read("/local/domain/1/data/x") == b"1"
        await guest.read("data")
        assert take(watch) == ["data", "data/x"]

    world.run(body)


def test_a_message_has_an_end(world: World) -> None:
    async def body(connect: World) -> None:
        x = connect(0)
        await x.write("/a", bytes(4093))
        assert await error(x.write("/a", bytes(4094))) is TooBig
        assert len(await x.read("/a")) == 4093

    world.run(body)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("entries", "may"),
    [
        ([Permission(0, "n")], ""),
        ([Permission(0, "r")], "r"),
        ([Permission(0, "w")], "w"),
        ([Permission(0, "b")], "rw"),
        ([Permission(0, "n"), Permission(1, "r")], "r"),
        ([Permission(0, "b"), Permission(1, "n")], ""),
        ([Permission(0, "n"), Permission(2, "b")], ""),
        ([Permission(0, "n"), Permission(1, "r"), Permission(1, "b")], "r"),
        ([Permission(1, "n")], "rwo"),
        ([Permission(2, "w"), Permission(1, "r")], "r"),
    ],
    ids=lambda v: " ".join(map(str, v)) if isinstance(v, list) else v or "nothing",
)
def test_who_may_do_what(world: World, entries: list[Permission], may: str) -> None:
    async def body(connect: World) -> None:
        x, guest = connect(0), connect(1)
        await x.write("/a", b"1")
        await x.set_permissions("/a", entries)
        wanted = {what: None if what in may else Forbidden for what in "rwo"}
        assert await error(guest.read("/a")) is wanted["r"]
        assert await error(guest.directory("/a")) is wanted["r"]
        assert await error(guest.permissions("/a")) is wanted["r"]
        assert await error(guest.write("/a", b"2")) is wanted["w"]
        assert await error(guest.make("/a")) is wanted["w"]
        assert await error(guest.set_permissions("/a", entries)) is wanted["o"]
        assert await x.read("/a") == (b"2" if "w" in may else b"1")
        assert await error(guest.remove("/a")) is wanted["w"]

    world.run(body)


def test_who_may_not_look_learns_nothing(world: World) -> None:
    async def body(connect: World) -> None:
        x, guest = connect(0), connect(1)
        await x.make("/shut/in")
        await x.make("/open/in")
        await x.set_permissions("/open", allow(0, "r"))
        assert await error(guest.read("/shut/none")) is Forbidden
        assert await error(guest.read("/open/none")) is NoEntry
        assert await error(guest.read("/open/in/none")) is Forbidden
        assert await error(guest.write("/open/none", b"")) is Forbidden

    world.run(body)


def test_a_guest_owns_what_it_makes_and_may_not_give_it_away(world: World) -> None:
    async def body(connect: World) -> None:
        x, guest = connect(0), connect(1)
        await x.make("/a")
        await x.set_permissions("/a", allow(0, "b", Permission(2, "r")))
        await guest.write("/a/b", b"")
        assert list(await x.permissions("/a/b")) == [Permission(1, "b"), Permission(2, "r")]
        assert await error(guest.set_permissions("/a/b", allow(2, "n"))) is NotOwner
        await guest.set_permissions("/a/b", allow(1, "n", Permission(2, "b")))
        await x.set_permissions("/a/b", allow(2, "n"))
        assert await error(guest.read("/a/b")) is Forbidden

    world.run(body)


def test_who_may_write_a_node_may_remove_what_it_may_not_see(world: World) -> None:
    async def body(connect: World) -> None:
        x, guest = connect(0), connect(1)
        await x.write("/a/b/c", b"")
        await x.set_permissions("/a/b", allow(1, "n"))
        await guest.remove("/a/b")
        assert list(await x.directory("/a")) == []

    world.run(body)


def test_permissions_for_domains_that_there_are_not(world: World) -> None:
    async def body(connect: World) -> None:
        x = connect(0)
        await x.make("/a")
        assert await error(x.set_permissions("/a", [])) is InvalidRequest
        assert await error(x.set_permissions("/a", allow(7, "n"))) is NoEntry
        await x.set_permissions("/a", allow(0, "n", Permission(7, "b")))
        assert list(await x.permissions("/a")) == [Permission(0, "n"), Permission(7, "b")]

    world.run(body)
