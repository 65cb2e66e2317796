"""A real xenstored, C or OCaml, as a plain process in a folder of its own; and ways to speak to it as any domain."""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from impl.errors import ConnectionLost
from impl.shim.build import CannotBuild, build
from impl.xenstore.channel import Channel, Opens, to_socket
from impl.xenstore.client import Client
from impl.xenstore.link import Link
from impl.xenstore.wire import HEADER, Type

PROGRAMS = {
    "xenstored": (*Path("/usr/lib").glob("xen-*/bin/xenstored"), *Path("/usr/lib").glob("xen-*/sbin/xenstored")),
    "oxenstored": (*Path("/usr/lib").glob("xen-*/bin/oxenstored"), *Path("/usr/lib").glob("xen-*/sbin/oxenstored")),
}
DOMAINS = (1, 2, 3)
"""The domains that there are, besides domain 0."""
RING, INDEXES = 1024, 2048
RESET_WATCHES = 21


def need(name: str) -> Path:
    """The daemon's program. Without it, and the compiler, nothing is compared: said, and in CI a failure."""
    found = PROGRAMS[name]
    missing = [] if found else [f"{name} (Debian: apt-get install xen-utils-4.17)"]
    missing += [] if shutil.which("cc") else ["a C compiler (Debian: apt-get install gcc)"]
    if missing:
        why = f"NOT COMPARED WITH A REAL {name.upper()}: {' and '.join(missing)} not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    return found[0]


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


def port_of(domid: int) -> int:
    """The event channel of a domain, at both ends."""
    return 100 + domid


class Daemon:
    """A running xenstored."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self._program = need(name)
        try:
            self._shim = build()
        except CannotBuild as e:
            pytest.fail(f"NOT COMPARED WITH A REAL {name.upper()}: {e}")
        self.start()

    @property
    def socket(self) -> Path:
        """Its socket."""
        return self.folder / "socket"

    def start(self) -> None:
        """Run it, with an empty store."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        os.mkfifo(self.folder / "events")
        (self.folder / "xsd_port").write_text("2")
        for page in ("xsd_kva", *(f"ring.{domid}" for domid in DOMAINS)):
            (self.folder / page).write_bytes(bytes(4096))
        environment = {
            "LD_PRELOAD": str(self._shim),
            "XENSTORED_SHIM": str(self.folder),
            "XENSTORED_DIES_WITH_PARENT": "1",
            "XENSTORED_DOMAINS": f" {' '.join(map(str, DOMAINS))} ",
            "XENSTORED_RUNDIR": str(self.folder),
            "XENSTORED_ROOTDIR": str(self.folder),
        }
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [self._program, *self._arguments()],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        for _ in range(2000):
            if self.socket.exists() and self._answers():
                break
            if self._process.poll() is not None:
                raise RuntimeError(f"{self.name} ended: {(self.folder / 'log').read_text()}")
            time.sleep(0.005)
        else:
            raise RuntimeError(f"{self.name} has no socket after 10 s: {(self.folder / 'log').read_text()}")

    def _answers(self) -> bool:
        try:
            with ThreadPoolExecutor(1) as other:  # there may be an event loop here
                other.submit(asyncio.run, self._introduce()).result()
        except (OSError, ConnectionLost):
            return False
        return True

    async def _introduce(self) -> None:
        link = Link(await to_socket(self.socket)())
        for domid in DOMAINS:
            body = b"".join(b"%d\0" % word for word in (domid, 1, port_of(domid)))
            await link.request(Type.INTRODUCE, 0, body, f"introduce {domid}", timeout=10)
        link.lose("done")

    def _arguments(self) -> list[str]:
        if self.name == "xenstored":
            return ["-N"]
        settings = {
            "persistent": "false",
            "pid-file": self.folder / "pid",
            "xenstored-log-file": self.folder / "xenstored.log",
            "xenstored-kva": self.folder / "xsd_kva",
            "xenstored-port": self.folder / "xsd_port",
            "conflict-burst-limit": "1000000.0",
        }
        config = self.folder / "oxenstored.conf"
        config.write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))
        return ["--no-fork", "--config-file", str(config)]

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

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def running(name: str, folder: Path) -> Iterator[Daemon]:
    """A daemon, for as long as the block runs."""
    daemon = Daemon(name, folder)
    try:
        yield daemon
    finally:
        daemon.kill()
