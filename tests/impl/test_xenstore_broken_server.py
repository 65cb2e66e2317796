"""The client of a xenstored that breaks off, falls silent or talks garbage: an error that says so, and no hang."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from fake_xenstored import NAMES, Peer, go, parts, serving
from processes import LONG

from confsync.impl.errors import (
    Busy,
    ConnectionLost,
    NoAnswer,
    XenstoreError,
)
from confsync.impl.xenstore.client import LISTINGS, Client
from confsync.impl.xenstore.wire import HEADER, Type


def test_an_error_that_nobody_knows_is_told(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(b"EXOTIC\0", Type.ERROR)

    async def body() -> None:
        async with serving(tmp_path, script) as (client, _):
            with pytest.raises(XenstoreError, match="EXOTIC"):
                await client.read("/a")

    go(body())


GARBAGE = {
    "a length beyond the limit": HEADER.pack(Type.READ, 1, 0, 4097),
    "a directory beyond all limits": HEADER.pack(Type.DIRECTORY, 1, 0, 2**20 + 1),
    "a text": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "zeros": bytes(64),
    "an answer to another request": HEADER.pack(Type.READ, 77, 0, 0),
    "an answer of another type": HEADER.pack(Type.WRITE, 1, 0, 3) + b"OK\0",
    "an error without an end": HEADER.pack(Type.ERROR, 1, 0, 6) + b"ENOENT",
    "an error that is two": HEADER.pack(Type.ERROR, 1, 0, 14) + b"ENOENT\0EINVAL\0",
    "an event of three strings": HEADER.pack(Type.WATCH_EVENT, 0, 0, 6) + b"a\0b\0c\0",
    "an event without an end": HEADER.pack(Type.WATCH_EVENT, 0, 0, 3) + b"a\0b",
}


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage_is_called_so_and_the_next_request_connects_anew(tmp_path: Path, what: str) -> None:
    async def broken(peer: Peer) -> None:
        await peer.get()
        peer.writer.write(GARBAGE[what])

    async def sound(peer: Peer) -> None:
        await peer.answer(b"v")

    async def body() -> None:
        async with serving(tmp_path, broken, sound) as (client, _):
            with pytest.raises(ConnectionLost, match="read /a: xenstored broke the protocol"):
                await client.read("/a")
            assert await client.read("/a") == b"v"

    go(body())


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        (lambda c: c.directory("/a"), b"b\0c"),
        (lambda c: c.permissions("/a"), b"n0"),
        (lambda c: c.permissions("/a"), b"x0\0"),
        (lambda c: c.permissions("/a"), b""),
        (lambda c: c.begin(), b"0\0"),
        (lambda c: c.begin(), b"first\0"),
        (lambda c: c.begin(), b"4294967296\0"),
    ],
)
def test_an_answer_that_is_none(tmp_path: Path, ask: Callable[[Client], Awaitable[object]], answer: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(answer)

    async def body() -> None:
        async with serving(tmp_path, script) as (client, _):
            with pytest.raises(ConnectionLost, match="broke the protocol"):
                await ask(client)

    go(body())


@pytest.fixture
def crowded(tmp_path: Path) -> Iterator[tuple[socket.socket, int]]:
    """A socket at which as many wait as may, and their number."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        listening.listen(1)
        waiting: list[socket.socket] = []
        try:
            while True:
                waiting.append(socket.socket(socket.AF_UNIX))
                waiting[-1].setblocking(False)
                waiting[-1].connect(str(tmp_path / "socket"))
        except BlockingIOError:
            yield listening, len(waiting) - 1
        finally:
            for each in waiting:
                each.close()


def test_who_comes_to_a_crowded_xenstored_waits_until_there_is_room(
    crowded: tuple[socket.socket, int], tmp_path: Path
) -> None:
    listening, waiting = crowded

    async def body() -> None:
        client = Client(tmp_path / "socket", timeout=LONG)
        asked = asyncio.create_task(client.read("/a"))
        await asyncio.sleep(0.02)
        assert not asked.done()
        for _ in range(waiting):
            listening.accept()[0].close()
        listening.setblocking(False)
        server, _ = await asyncio.get_running_loop().sock_accept(listening)
        with server:
            head = HEADER.unpack((await asyncio.get_running_loop().sock_recv(server, 4096))[: HEADER.size])
            server.send(HEADER.pack(Type.READ, head[1], 0, 1) + b"v")
            assert await asked == b"v"
            await client.close()

    go(body())


def test_who_finds_no_room_is_told_so(crowded: tuple[socket.socket, int], tmp_path: Path) -> None:
    async def body() -> None:
        with pytest.raises(NoAnswer, match=r"connect to .*socket, within 0\.05 s"):
            await Client(tmp_path / "socket", timeout=0.05).read("/a")

    assert crowded
    go(body())


@pytest.mark.parametrize("sent", [b"", HEADER.pack(Type.READ, 1, 0, 5)[:7], HEADER.pack(Type.READ, 1, 0, 5) + b"va"])
@pytest.mark.parametrize("reset", [True, False])
def test_a_connection_that_breaks_in_a_message(tmp_path: Path, sent: bytes, reset: bool) -> None:
    async def broken(peer: Peer) -> None:
        await peer.get()
        await peer.get()
        peer.writer.write(sent)
        await peer.writer.drain()
        if reset:
            peer.cut()
        else:
            peer.writer.close()

    async def sound(peer: Peer) -> None:
        await peer.answer(b"v")

    async def body() -> None:
        async with serving(tmp_path, broken, sound) as (client, server):
            results = await asyncio.gather(client.read("/a"), client.write("/b", b"1"), return_exceptions=True)
            assert [type(result) for result in results] == [ConnectionLost, ConnectionLost]
            assert await client.read("/c") == b"v"
            assert [asked[0] for asked in server.log] == [Type.READ, Type.WRITE, Type.READ]  # nothing was sent twice

    go(body())


@pytest.mark.parametrize("sent", [b"", HEADER.pack(Type.READ, 1, 0, 5) + b"va"])
def test_a_server_that_says_nothing_more(tmp_path: Path, sent: bytes) -> None:
    async def silent(peer: Peer) -> None:
        await peer.answer(b"v")
        await peer.get()
        peer.writer.write(sent)

    async def sound(peer: Peer) -> None:
        await peer.answer(b"v")

    async def body() -> None:
        async with serving(tmp_path, silent, sound) as (client, _):
            assert await client.read("/a") == b"v"
            client._timeout = 0.2  # for this one answer, that never comes
            with pytest.raises(NoAnswer, match=r"read /a, within 0\.2 s"):
                await client.read("/a")
            assert client._current
            assert client._current.lost == "no answer within 0.2 s to read /a"
            client._timeout = LONG
            assert await client.read("/a") == b"v"

    go(body())


def test_nobody_listens(tmp_path: Path) -> None:
    async def body() -> None:
        with pytest.raises(ConnectionLost, match=f"connect to {tmp_path}/none"):
            await Client(tmp_path / "none").read("/a")

    go(body())


def test_a_directory_that_changes_for_ever_is_given_up(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(b"E2BIG\0", Type.ERROR)
        for count in range(1000):
            _, request, _, body = await peer.get()
            await peer.put(Type.DIRECTORY_PART, request, parts(NAMES, int(body.split(b"\0")[1]), count))

    async def body() -> None:
        async with serving(tmp_path, script) as (client, _):
            with pytest.raises(Busy, match=f"changed {LISTINGS} times"):
                await client.directory("/d")

    go(body())


@pytest.mark.parametrize("part", [b"7\0", b"7", b"", b"7\0name"])
def test_a_part_that_is_none(tmp_path: Path, part: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.answer(b"E2BIG\0", Type.ERROR)
        await peer.answer(part)

    async def body() -> None:
        async with serving(tmp_path, script) as (client, _):
            with pytest.raises(ConnectionLost, match="broke the protocol"):
                await client.directory("/d")

    go(body())
