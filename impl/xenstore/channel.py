"""A way to a xenstored for bytes."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol

RUN_FOLDER = Path("/run/xenstored")


def socket_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Where xenstored's socket is: XENSTORED_PATH, or `socket` in XENSTORED_RUNDIR [xs_daemon_socket, libxenstore]."""
    named = environment.get("XENSTORED_PATH")
    return Path(named) if named else Path(environment.get("XENSTORED_RUNDIR") or RUN_FOLDER) / "socket"


class Channel(Protocol):
    """A way for bytes. OSError and EOFError when it is broken."""

    async def receive(self, count: int) -> bytes:
        """Exactly so many bytes."""

    async def send(self, data: bytes) -> None:
        """A whole message, with nothing of another one in it."""

    def close(self) -> None:
        """Give it up; who receives gets an error."""


Opens = Callable[[], Awaitable[Channel]]


class SocketChannel:
    """Over xenstored's socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def receive(self, count: int) -> bytes:
        return await self._reader.readexactly(count)

    async def send(self, data: bytes) -> None:
        """One write: a C xenstored that has got a header does nothing else until it has the body."""
        self._writer.write(data)
        await self._writer.drain()

    def close(self) -> None:
        self._writer.close()


LOOK_AGAIN = 0.002
"""Seconds."""


def to_socket(path: Path) -> Opens:
    """Opens a channel to the socket, once xenstored has room for one more that waits. OSError."""

    async def opens() -> Channel:
        return SocketChannel(*await asyncio.open_unix_connection(sock=await _connected(path)))

    return opens


async def _connected(path: Path) -> socket.socket:
    """A socket that is connected. C xenstored lets one client wait [listen, tools/xenstore]: for the next one, connect
    is refused with EAGAIN, which an event loop would take for a connection that is under way."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        while True:
            try:
                made.connect(str(path))
            except BlockingIOError:
                await asyncio.sleep(LOOK_AGAIN)
            else:
                return made
    except BaseException:
        made.close()
        raise
