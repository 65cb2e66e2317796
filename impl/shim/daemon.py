"""A real xenstored, C or OCaml, as a plain process in a folder of its own, without a hypervisor."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from confsync.impl.errors import ConnectionLost, XenstoreError
from confsync.impl.shim.build import CannotBuild, build
from confsync.impl.xenstore.channel import to_socket
from confsync.impl.xenstore.link import Link
from confsync.impl.xenstore.wire import Type

PROGRAMS = {
    "xenstored": (*Path("/usr/lib").glob("xen-*/bin/xenstored"), *Path("/usr/lib").glob("xen-*/sbin/xenstored")),
    "oxenstored": (*Path("/usr/lib").glob("xen-*/bin/oxenstored"), *Path("/usr/lib").glob("xen-*/sbin/oxenstored")),
}
DOMAINS = (1, 2, 3)
"""The domains that there are, besides domain 0."""


class NoDaemon(Exception):
    """There is no such xenstored here, or it did not start: why, and how to get one."""


START = 60.0
"""Seconds in which a daemon must answer. It does within a few milliseconds, unless the machine is busy."""


def port_of(domid: int) -> int:
    """The event channel of a domain, at both ends."""
    return 100 + domid


def program(name: str) -> Path:
    """The daemon's program. NoDaemon, with the Debian package."""
    found = PROGRAMS[name]
    missing = [] if found else [f"{name} (Debian: apt-get install xen-utils-4.17)"]
    missing += [] if shutil.which("cc") else ["a C compiler (Debian: apt-get install gcc)"]
    if missing:
        raise NoDaemon(f"{' and '.join(missing)} not installed")
    return found[0]


class Daemon:
    """A running xenstored."""

    def __init__(self, name: str, folder: Path) -> None:
        """Start it. NoDaemon."""
        self.name, self.folder = name, folder
        self._program = program(name)
        try:
            self._shim = build()
        except CannotBuild as e:
            raise NoDaemon(str(e)) from e
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
        try:
            self._wait()
        except XenstoreError as e:
            self.kill()
            raise NoDaemon(f"{self.name} does not answer: {e}") from e
        except BaseException:
            self.kill()
            raise

    def _wait(self) -> None:
        """Wait until it answers. NoDaemon if it ends, or does not answer within START."""
        until = time.monotonic() + START
        while time.monotonic() < until:
            if self.socket.exists() and self._answers():
                break
            if self._process.poll() is not None:
                raise NoDaemon(f"{self.name} ended: {(self.folder / 'log').read_text()}")
            time.sleep(0.005)
        else:
            raise NoDaemon(f"{self.name} does not answer within {START:g} s: {(self.folder / 'log').read_text()}")

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
            await link.request(Type.INTRODUCE, 0, body, f"introduce {domid}", timeout=START)
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

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def running(name: str, folder: Path) -> Iterator[Daemon]:
    """A daemon, for as long as the block runs. NoDaemon."""
    daemon = Daemon(name, folder)
    try:
        yield daemon
    finally:
        daemon.kill()
