"""A real xenstored for the tests, and ways to speak to it as any domain."""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from confsync.impl.shim import daemon
from confsync.impl.shim.daemon import DOMAINS, NoDaemon, port_of, program
from confsync.impl.xenstore.channel import Channel, Opens
from confsync.impl.xenstore.client import Client
from confsync.impl.xenstore.wire import HEADER

RING, INDEXES = 1024, 2048
RESET_WATCHES = 21
__all__ = ["DOMAINS", "Daemon", "need", "running"]


def need(name: str) -> Path:
    """The daemon's program. Without it, and the compiler, nothing is compared: said, and in CI a failure."""
    try:
        return program(name)
    except NoDaemon as e:
        why = f"NOT COMPARED WITH A REAL {name.upper()}: {e}"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)


class RingChannel:
    """The page that a domain shares with xenstored [struct xenstore_domain_interface]."""

    def __init__(self, folder: Path, domid: int) -> None:
        with (folder / f"ring.{domid}").open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), 4096)
        self._events = os.open(folder / "events", os.O_WRONLY | os.O_NONBLOCK)
        self._port = port_of(domid)
        self._closed = False

    def _index(self, which: int) -> int:
        return int(struct.unpack_from("=I", self._page, INDEXES + 4 * which)[0])

    def _move(self, which: int, to: int) -> None:
        struct.pack_into("=I", self._page, INDEXES + 4 * which, to % 2**32)
        os.write(self._events, struct.pack("=I", self._port))

    async def _room(self, full: int, empty: int) -> tuple[int, int]:
        """Wait until there are bytes, from one index to another."""
        while not self._closed:
            begin, end = self._index(full), self._index(empty)
            if begin != end:
                return begin, (end - begin) % 2**32
            time.sleep(0)
            await asyncio.sleep(0)
        raise EOFError("the ring is closed")

    async def receive(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            begin, there = await self._room(2, 3)
            at = begin % RING
            size = min(there, RING - at, count - len(found))
            found += self._page[RING + at : RING + at + size]
            self._move(2, begin + size)
        return found

    async def send(self, data: bytes) -> None:
        while data:
            consumed, produced = self._index(0), self._index(1)
            at = produced % RING
            size = min(len(data), RING - at, RING - (produced - consumed) % 2**32)
            if not size:
                await asyncio.sleep(0)
                continue
            self._page[at : at + size] = data[:size]
            data = data[size:]
            self._move(1, produced + size)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            os.close(self._events)


class Daemon(daemon.Daemon):
    """A running xenstored."""

    def __init__(self, name: str, folder: Path) -> None:
        need(name)
        super().__init__(name, folder)

    def opens(self, domid: int) -> Opens:
        """Opens a channel as this domain, over its ring."""

        async def opened() -> Channel:
            channel = RingChannel(self.folder, domid)
            await channel.send(HEADER.pack(RESET_WATCHES, 0, 0, 1) + b"\0")
            while True:  # what was on its way to the one before
                type_, _, _, length = HEADER.unpack(await channel.receive(HEADER.size))
                await channel.receive(length)
                if type_ == RESET_WATCHES:
                    return channel

        return opened

    def connect(self, domid: int = 0) -> Client:
        """A client: of domain 0 over the socket, of another over its ring; one at a time for each ring."""
        return Client(self.socket) if domid == 0 else Client(opens=self.opens(domid))


@contextlib.contextmanager
def running(name: str, folder: Path) -> Iterator[Daemon]:
    """A daemon, for as long as the block runs."""
    found = Daemon(name, folder)
    try:
        yield found
    finally:
        found.kill()
