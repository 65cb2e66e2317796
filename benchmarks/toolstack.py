"""How fast the implementation is, beside the floor: the same lock, read, fsyncs and xenstore requests, no more.
`python -m benchmarks.toolstack`"""

from __future__ import annotations

import asyncio
import fcntl
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from confsync.impl.configuration.template import Template
from confsync.impl.embedded.folder import open_folder
from confsync.impl.embedded.hotplug import SimulatedHotplug
from confsync.impl.embedded.hypervisor import EmbeddedHypervisor
from confsync.impl.embedded.memory import MemoryHost
from confsync.impl.kinds import NIC, Device, Json
from confsync.impl.operations.attach import attach, detach
from confsync.impl.operations.create import create
from confsync.impl.operations.retrieve import retrieve
from confsync.impl.ports import Domain, Requests, Toolstack, Transaction, Xenstore
from confsync.impl.shim.daemon import NoDaemon, running
from confsync.impl.templates.files import Files
from confsync.impl.templates.store import TemplateStore
from confsync.impl.xenstore.client import Client
from confsync.impl.xenstore.memory import MemoryStore
from confsync.proofs.conformance.real import FetchedHost, RealHotplug

TIMES, ROUNDS = 20, 5
UUID = "02c1497c-0060-444c-9188-579296d5d4d0"
Request = tuple[str, tuple[object, ...]]
Act = Callable[[], Awaitable[object]]


class Notes:
    """A xenstore, or a transaction of one, that notes what is asked of it."""

    def __init__(self, real: Requests, asked: list[Request], prefix: str = "") -> None:
        self._real, self._asked, self._prefix = real, asked, prefix

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        method = getattr(self._real, name)

        async def noted(*arguments: object) -> object:
            self._asked.append((self._prefix + name, arguments))
            found = await method(*arguments)
            return Notes(found, self._asked, "tx.") if name == "begin" else found

        return noted


class Counts(Files):
    """Files that count what must reach the disk."""

    def __init__(self) -> None:
        super().__init__()
        self.synced: list[str] = []

    def fsync(self, descriptor: int) -> None:
        self.synced.append("file")
        super().fsync(descriptor)

    def fsync_folder(self, path: Path) -> None:
        self.synced.append("folder")
        super().fsync_folder(path)


async def floor(xenstore: Xenstore, asked: list[Request], synced: list[str], folder: Path, text: bytes) -> None:
    """A lock file taken and given up, a template read, the requests, the fsyncs: what cannot be done without."""
    lock = os.open(folder / "floor.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    template = folder / "floor.template"
    template.write_bytes(text) if not template.exists() else template.read_bytes()
    tx: Transaction | None = None
    for name, arguments in asked:
        where: object = tx if name.startswith("tx.") else xenstore
        try:
            found = await getattr(where, name.removeprefix("tx."))(*arguments)
        except Exception:
            found = None
        tx = found if name == "begin" else tx
    path = folder / "floor"
    for what in synced:
        if what == "file":
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.write(descriptor, text)
            os.fsync(descriptor)
            os.close(descriptor)
            path.rename(folder / "floor.done")
        else:
            descriptor = os.open(folder, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
    (folder / "floor.lock").unlink()
    os.close(lock)


async def timed(act: Act, times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        await act()
    return (time.perf_counter() - began) / times


async def measure(name: str, t: Toolstack, folder: Path, files: Counts, table: Table) -> None:
    """A row for each operation: our time, the floor's, both in one run and in turn."""
    domain = await create(t, _domain(0))
    device = Device(NIC, "0")

    async def attaches() -> None:
        await attach(t, domain, NIC, {"devid": 0})

    async def detaches() -> None:
        await detach(t, domain, device)

    async def retrieves() -> None:
        await retrieve(t, domain)

    asked = {
        label: await _noted(t, files, act, domain)
        for label, act in (("attach", _attach), ("retrieve", _retrieve), ("detach", _detach))
    }
    text = await t.templates.read(domain)
    ours: dict[str, list[float]] = {"attach": [], "detach": [], "retrieve": []}
    least: dict[str, list[float]] = {"attach": [], "detach": [], "retrieve": []}
    for _ in range(ROUNDS):
        for _ in range(TIMES):
            ours["attach"].append(await timed(attaches, 1))
            ours["retrieve"].append(await timed(retrieves, 1))
            ours["detach"].append(await timed(detaches, 1))
        for _ in range(TIMES):
            for label in ("attach", "retrieve", "detach"):
                requests, synced = asked[label]
                least[label].append(await timed(lambda: floor(t.xenstore, requests, synced, folder, text), 1))  # noqa: B023
    for label in ("attach", "detach", "retrieve"):
        mine, bare = statistics.median(ours[label]), statistics.median(least[label])
        requests, synced = asked[label]
        table.add_row(
            name, label, f"{1 / mine:,.0f}", f"{1e3 * mine:.2f}", f"{1e3 * bare:.2f}", f"{mine / bare:.2f}",
            f"{len(requests)}", f"{len(synced)}",
        )  # fmt: skip


async def _attach(t: Toolstack, domain: Domain) -> None:
    await attach(t, domain, NIC, {"devid": 0})


async def _detach(t: Toolstack, domain: Domain) -> None:
    await detach(t, domain, Device(NIC, "0"))


async def _retrieve(t: Toolstack, domain: Domain) -> None:
    await retrieve(t, domain)


async def _noted(
    t: Toolstack, files: Counts, act: Callable[[Toolstack, Domain], Awaitable[None]], domain: Domain
) -> tuple[list[Request], list[str]]:
    asked: list[Request] = []
    files.synced = []
    await act(replace(t, xenstore=Notes(t.xenstore, asked)), domain)  # type: ignore[arg-type]
    return asked, list(files.synced)


def _domain(disks: int) -> Template:
    value: dict[str, Json] = {"c_info": {"type": "pv", "name": "vm", "uuid": UUID}, "b_info": {"max_vcpus": 1}}
    if disks:
        value["disks"] = [{"vdev": f"d{n}p0", "pdev_path": f"/disk{n}", "format": "raw"} for n in range(disks)]
    return Template.of(value, "the benchmark")


def in_memory(folder: Path, files: Counts) -> Toolstack:
    store = MemoryStore()
    host = MemoryHost(store)
    hypervisor = EmbeddedHypervisor(host)
    return Toolstack(
        store.connect(), TemplateStore(folder, hypervisor.alive, files), hypervisor, SimulatedHotplug(host)
    )  # fmt: skip


async def on_daemon(folder: Path, files: Counts, socket: Path, table: Table) -> None:
    host = FetchedHost()
    hypervisor = EmbeddedHypervisor(host)
    client = Client(socket)
    t = Toolstack(client, TemplateStore(folder, hypervisor.alive, files), hypervisor, RealHotplug(client, host))
    await measure("real xenstored", t, folder, files, table)
    await client.close()


async def thousand(folder: Path) -> float:
    """Seconds to retrieve a domain with 1,000 devices, the median, in memory."""
    t = in_memory(folder, Counts())
    domain = await create(t, _domain(1000))
    return statistics.median([await timed(lambda: retrieve(t, domain), 1) for _ in range(20)])


def main() -> None:
    """Print the tables."""
    table = Table("stores", "operation", "per second", "ms", "floor ms", "ratio", "requests", "fsyncs")
    with tempfile.TemporaryDirectory() as scratch:
        folders = [Path(scratch) / name for name in ("memory", "real", "many")]
        for folder in folders:
            folder.mkdir(mode=0o700)
        files = Counts()
        asyncio.run(measure("embedded, in memory", in_memory(folders[0], files), folders[0], files, table))
        with open_folder(Path(scratch) / "state", files=(files := Counts())) as host:
            asyncio.run(measure("embedded, SQLite", host.toolstack, Path(scratch) / "state", files, table))
        try:
            with running("xenstored", Path(scratch) / "run") as daemon:
                asyncio.run(on_daemon(folders[1], Counts(), daemon.socket, table))
        except NoDaemon as e:
            Console().print(f"NOT MEASURED on a real xenstored: {e}")
        seconds = asyncio.run(thousand(folders[2]))
    Console().print(table)
    Console().print(f"medians of {TIMES * ROUNDS}, ours and the floor in turn; hotplug takes no time here")
    Console().print(f"retrieve of a domain with 1,000 devices, in memory: {1e3 * seconds:.1f} ms")


if __name__ == "__main__":
    main()
