"""The client of a real xenstored asks what it is to ask, and takes the answers however they come."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from fake_xenstored import NAMES, Peer, go, parts, serving

from confsync.impl.errors import (
    Again,
    ConnectionLost,
    Forbidden,
    InvalidRequest,
    NoEntry,
    NoTransaction,
    TooBig,
    XenstoreError,
)
from confsync.impl.ports import Permission
from confsync.impl.xenstore.channel import SocketChannel, socket_path
from confsync.impl.xenstore.client import Client
from confsync.impl.xenstore.wire import HEADER, Type


def test_answers_that_come_byte_by_byte(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        _, request, _, body = await peer.get()
        assert body == b"/a\0"
        for byte in HEADER.pack(Type.READ, request, 0, 5) + b"va\0ue":
            peer.writer.write(bytes([byte]))
            await peer.writer.drain()
            await asyncio.sleep(0)

    async def body() -> None:
        async with serving(tmp_path, script) as (client, _):
            assert await client.read("/a") == b"va\0ue"

    go(body())


def test_a_message_is_written_at_once() -> None:
    class Writer:
        def __init__(self) -> None:
            self.written: list[bytes] = []

        def write(self, data: bytes) -> None:
            self.written.append(data)

        async def drain(self) -> None:
            """Nothing waits."""

        def close(self) -> None:
            """Nothing is open."""

    writer = Writer()

    async def body() -> None:
        reader = asyncio.StreamReader()

        async def opens() -> SocketChannel:
            return SocketChannel(reader, writer)  # type: ignore[arg-type]

        client = Client(opens=opens)
        reader.feed_data(HEADER.pack(Type.WRITE, 1, 0, 3) + b"OK\0")
        await client.write("/a", b"v")
        await client.close()

    go(body())
    assert writer.written == [HEADER.pack(Type.WRITE, 1, 0, 4) + b"/a\0v"]


def test_a_server_that_reads_slowly_gets_every_message_whole(tmp_path: Path) -> None:
    values = [bytes([n]) * 4000 for n in range(100)]

    async def script(peer: Peer) -> None:
        peer.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in values:
            await peer.answer(b"OK\0")
            await asyncio.sleep(0)

    async def body() -> None:
        async with serving(tmp_path, script) as (client, server):
            await asyncio.gather(*(client.write("/a", value) for value in values))
            assert sorted(asked[3] for asked in server.log) == [b"/a\0" + value for value in values]

    go(body())


def test_answers_in_any_order_find_who_asked(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        asked = [await peer.get() for _ in range(3)]
        for _, request, _, body in reversed(asked):
            await peer.put(Type.READ, request, body[1:2])

    async def body() -> None:
        async with serving(tmp_path, script) as (client, _):
            found = await asyncio.gather(*(client.read(path) for path in ("/a", "/b", "/c")))
            assert found == [b"a", b"b", b"c"]

    go(body())


@pytest.mark.parametrize(
    ("name", "error"),
    [("ENOENT", NoEntry), ("EACCES", Forbidden), ("EAGAIN", Again), ("EINVAL", InvalidRequest), ("E2BIG", TooBig)],
)
def test_errors_by_their_names(tmp_path: Path, name: str, error: type[XenstoreError]) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(name.encode() + b"\0", Type.ERROR)

    async def body() -> None:
        async with serving(tmp_path, script) as (client, _):
            with pytest.raises(error, match=f"read /a: {name}"):
                await client.read("/a")

    go(body())


def test_what_is_too_long_is_not_sent(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(b"OK\0")

    async def body() -> None:
        async with serving(tmp_path, script) as (client, server):
            with pytest.raises(TooBig, match="4097 bytes"):
                await client.write("/a", bytes(4094))
            for path in ("/a\0", "/\N{SNOWMAN}"):
                with pytest.raises(InvalidRequest):
                    await client.read(path)
            await client.write("/a", bytes(4093))
            assert [len(asked[3]) for asked in server.log] == [4096]

    go(body())


def test_a_large_directory_comes_in_parts_and_anew_if_it_changed(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(b"E2BIG\0", Type.ERROR)
        generation = 7
        for count in range(100):
            _, request, _, body = await peer.get()
            path, offset, _ = body.split(b"\0")
            assert path == b"/d"
            if count == 2:
                generation += 1
                NAMES.append("late")
            await peer.put(Type.DIRECTORY_PART, request, parts(NAMES, int(offset), generation))

    async def body() -> None:
        async with serving(tmp_path, script) as (client, server):
            assert await client.directory("/d") == NAMES
            assert "late" in NAMES
            offsets = [int(asked[3].split(b"\0")[1]) for asked in server.log[1:]]
            assert offsets.count(0) == 2

    go(body())


def test_permissions_and_their_words(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(b"n0\0b3\0")
        assert (await peer.answer(b"OK\0"))[3] == b"/a\0r1\0w2\0"

    async def body() -> None:
        async with serving(tmp_path, script) as (client, _):
            assert await client.permissions("/a") == (Permission(0, "n"), Permission(3, "b"))
            await client.set_permissions("/a", [Permission(1, "r"), Permission(2, "w")])
            with pytest.raises(InvalidRequest):
                await client.set_permissions("/a", [])

    go(body())


def test_a_transaction_ends_with_its_commit_and_with_its_connection(tmp_path: Path) -> None:
    async def first(peer: Peer) -> None:
        for number in (b"5\0", b"6\0"):
            await peer.answer(number)
        await peer.answer(b"EAGAIN\0", Type.ERROR)
        await peer.get()
        peer.cut()

    async def second(peer: Peer) -> None:
        await peer.answer(b"v")

    async def body() -> None:
        async with serving(tmp_path, first, second) as (client, server):
            one, two = await client.begin(), await client.begin()
            with pytest.raises(Again, match="commit"):
                await one.commit()
            with pytest.raises(XenstoreError) as ended:
                await one.read("/a")
            assert type(ended.value) is NoTransaction
            await one.abort()
            with pytest.raises(ConnectionLost):
                await two.write("/a", b"1")
            assert await client.read("/a") == b"v"
            with pytest.raises(ConnectionLost):
                await two.commit()
            await two.abort()
            sent = [(asked[0], asked[2], asked[3]) for asked in server.log[2:]]
            assert sent == [
                (Type.TRANSACTION_END, 5, b"T\0"),
                (Type.WRITE, 6, b"/a\x001"),
                (Type.READ, 0, b"/a\0"),
            ]

    go(body())


def test_events_come_each_once_and_end_with_the_connection(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        _, request, _, body = await peer.get()
        token = body.split(b"\0")[1]
        for path in (b"/a", b"/a", b"/a/b"):
            await peer.put(Type.WATCH_EVENT, 0, path + b"\0" + token + b"\0")
        await peer.put(Type.WATCH_EVENT, 0, b"/a\0another\0")
        await peer.put(Type.WATCH, request, b"OK\0")
        await peer.answer(b"v")
        peer.cut()

    async def body() -> None:
        async with serving(tmp_path, script) as (client, _):
            watch = await client.watch("/a")
            assert [await watch.event(), await watch.event()] == ["/a", "/a/b"]
            assert watch.take() is None
            waiting = asyncio.create_task(watch.event())
            assert await client.read("/a") == b"v"
            with pytest.raises(ConnectionLost):
                await waiting
            await watch.close()
            with pytest.raises(NoTransaction):
                await watch.event()

    go(body())


def test_closing_a_watch_ends_who_waits_for_it(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(b"OK\0")
        assert (await peer.answer(b"OK\0"))[0] == Type.UNWATCH

    async def body() -> None:
        async with serving(tmp_path, script) as (client, server):
            watch = await client.watch("/a")
            waiting = asyncio.create_task(watch.event())
            await asyncio.sleep(0)
            await watch.close()
            with pytest.raises(NoTransaction):
                await waiting
            assert server.log[0][3] == server.log[1][3]

    go(body())


@pytest.mark.parametrize(
    ("ask", "answer", "undone"),
    [
        (lambda c: c.begin(), b"9\0", (Type.TRANSACTION_END, 9, b"F\0")),
        (lambda c: c.watch("/a"), b"OK\0", (Type.UNWATCH, 0, b"/a\x001\0")),
    ],
)
def test_what_a_cancelled_request_opened_is_closed(
    tmp_path: Path, ask: Callable[[Client], Awaitable[object]], answer: bytes, undone: tuple[int, int, bytes]
) -> None:
    asked = asyncio.Event()
    cancelled = asyncio.Event()

    async def script(peer: Peer) -> None:
        type_, request, _, _ = await peer.get()
        asked.set()
        await cancelled.wait()
        await peer.put(type_, request, answer)
        while True:
            await peer.answer(b"OK\0")

    async def body() -> None:
        async with serving(tmp_path, script) as (client, server):
            task = asyncio.ensure_future(ask(client))
            await asked.wait()
            task.cancel()
            await asyncio.sleep(0)
            assert task.cancelled()
            cancelled.set()
            while len(found := [asked for asked in server.log if asked[0] != Type.READ]) < 2:
                await client.read("/a")
            assert (found[1][0], *found[1][2:]) == undone

    go(body())


def test_a_request_that_is_cancelled_while_it_is_sent_is_undone_too() -> None:
    class Slow:
        """A channel that has sent a message long before it says so."""

        def __init__(self) -> None:
            self.sent: list[bytes] = []
            self.reader = asyncio.StreamReader()

        async def receive(self, count: int) -> bytes:
            return await self.reader.readexactly(count)

        async def send(self, data: bytes) -> None:
            self.sent.append(data)
            await asyncio.Event().wait()

        def close(self) -> None:
            self.reader.feed_eof()

    async def body() -> None:
        channel = Slow()

        async def opens() -> Slow:
            return channel

        client = Client(opens=opens)
        task = asyncio.create_task(client.begin())
        while not channel.sent:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        channel.reader.feed_data(HEADER.pack(Type.TRANSACTION_START, 1, 0, 2) + b"9\0")
        while len(channel.sent) < 2:
            await asyncio.sleep(0)
        assert channel.sent[1] == HEADER.pack(Type.TRANSACTION_END, 2, 9, 2) + b"F\0"
        await client.close()

    go(body())


def test_a_closed_client_says_so(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(b"v")

    async def body() -> None:
        async with serving(tmp_path, script) as (client, _):
            await client.read("/a")
            await client.close()
            with pytest.raises(ConnectionLost, match="closed"):
                await client.read("/a")

    go(body())


@pytest.mark.parametrize(
    ("environment", "path"),
    [
        ({}, "/run/xenstored/socket"),
        ({"XENSTORED_RUNDIR": "/x"}, "/x/socket"),
        ({"XENSTORED_RUNDIR": "/x", "XENSTORED_PATH": "/y/z"}, "/y/z"),
        ({"XENSTORED_RUNDIR": "", "XENSTORED_PATH": ""}, "/run/xenstored/socket"),
    ],
)
def test_where_the_socket_is(environment: dict[str, str], path: str) -> None:
    assert socket_path(environment) == Path(path)


def test_a_directory_that_comes_as_one_large_message(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer("".join(f"{name}\0" for name in NAMES).encode())

    async def body() -> None:
        async with serving(tmp_path, script) as (client, _):
            assert await client.directory("/d") == NAMES

    go(body())
