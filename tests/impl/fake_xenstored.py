"""Servers that speak xenstore's protocol as a script says, for tests of its client."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from processes import LONG

from confsync.impl.xenstore.client import Client
from confsync.impl.xenstore.wire import HEADER

T = TypeVar("T")
Asked = tuple[int, int, int, bytes]
"""Type, request, transaction, body."""


class Peer:
    """The server's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, log: list[Asked]) -> None:
        self.reader, self.writer, self.log = reader, writer, log

    async def get(self) -> Asked:
        type_, request, tx, length = HEADER.unpack(await self.reader.readexactly(HEADER.size))
        asked = type_, request, tx, await self.reader.readexactly(length)
        self.log.append(asked)
        return asked

    async def put(self, type_: int, request: int, body: bytes, tx: int = 0) -> None:
        self.writer.write(HEADER.pack(type_, request, tx, len(body)) + body)
        await self.writer.drain()

    async def answer(self, body: bytes, type_: int | None = None) -> Asked:
        asked = await self.get()
        await self.put(asked[0] if type_ is None else type_, asked[1], body, asked[2])
        return asked

    def cut(self) -> None:
        """Break the connection, as by a reset."""
        found = self.writer.get_extra_info("socket")
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


class Server:
    """A server that plays one script for each connection, in turn."""

    def __init__(self, path: Path, scripts: tuple[Script, ...]) -> None:
        self.path, self.scripts = path, list(scripts)
        self.log: list[Asked] = []
        self.failures: list[BaseException] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer, self.log)
        try:
            await self.scripts.pop(0)(peer)
            await reader.read()
        except (OSError, EOFError):
            pass  # the client has gone
        except Exception as e:
            self.failures.append(e)
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def serving(folder: Path, *scripts: Script, timeout: float = LONG) -> AsyncIterator[tuple[Client, Server]]:
    server = Server(folder / "socket", scripts)
    client = Client(server.path, timeout=timeout)
    async with await asyncio.start_unix_server(server.serve, server.path):
        try:
            yield client, server
        finally:
            await client.close()
    assert not server.failures


def go(body: Awaitable[T]) -> T:
    """Run it; whatever a server does, there is an end."""

    async def bounded() -> T:
        return await asyncio.wait_for(body, LONG)

    return asyncio.run(bounded())


NAMES = [f"{n}-{'x' * 40}" for n in range(300)]


def parts(names: list[str], offset: int, generation: int) -> bytes:
    """What DIRECTORY_PART answers [send_directory_part]: whole names, as many as fit; at the end an empty one."""
    text = "".join(f"{name}\0" for name in names).encode()
    head = b"%d\0" % generation
    if offset >= len(text):
        return head + b"\0"
    room = 4096 - len(head) - 1
    cut = text[offset : offset + room].rfind(b"\0") + 1
    return head + text[offset : offset + cut] + (b"\0" if offset + cut == len(text) else b"")
