"""The same exploration on real files, real locks and a real xenstored: its schedules, one after another.

Each step is taken by the same operation as on the embedded stores. It must ask for the same, be answered the same,
and leave the stores standing for the same state of the model.
"""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from confsync.impl.embedded.host import Claim, Guest
from confsync.impl.embedded.hotplug import SimulatedHotplug
from confsync.impl.embedded.memory import MemoryHost
from confsync.impl.embedded.templates import HeldLock as MemoryLock
from confsync.impl.errors import ToolstackError
from confsync.impl.kinds import Device
from confsync.impl.operations import entries, existence, paths
from confsync.impl.ports import Domain, Transaction, Xenstore
from confsync.impl.templates.lock import HeldLock, abandon
from confsync.impl.templates.store import TemplateStore
from confsync.impl.xenstore.client import Client
from confsync.impl.xenstore.memory import MemoryStore
from confsync.model.libxl.state import Bounds
from confsync.proofs.conformance.abstraction import Abstraction, View
from confsync.proofs.conformance.calls import Answer, Call, asking
from confsync.proofs.conformance.explore import Explorer, Start
from confsync.proofs.conformance.schedule import Schedule, follow
from confsync.proofs.conformance.steps import Running, key_of, resume
from confsync.proofs.conformance.stores import DOMAIN, DOMID, OneNumber

STUCK = 10.0
"""Seconds that one call may take."""


class FetchedHost(MemoryHost):
    """A host whose xenstore is elsewhere: it sees the nodes that were fetched, and keeps what is to be written."""

    def __init__(self) -> None:
        super().__init__(MemoryStore())
        self.nodes: dict[str, bytes] = {}
        self.written: dict[str, bytes] = {}

    def node(self, path: str) -> bytes | None:
        return self.nodes.get(path)

    def set_node(self, path: str, value: bytes) -> None:
        self.written[path] = value


@dataclass(frozen=True, slots=True)
class RealHotplug:
    """`confsync.impl.embedded.hotplug.SimulatedHotplug` for a xenstore that is elsewhere: what it looks at is fetched
    before, what it says is written after."""

    xenstore: Xenstore
    host: FetchedHost

    async def allocate(self, domain: Domain, devices: Sequence[Device]) -> None:
        await self._ask(domain, devices, lambda hotplug: hotplug.allocate(domain, devices))

    async def release(self, domain: Domain, devices: Sequence[Device], *, force: bool) -> None:
        await self._ask(domain, devices, lambda hotplug: hotplug.release(domain, devices, force=force))

    async def held(self, domain: Domain, device: Device) -> bool:
        return await SimulatedHotplug(self.host).held(domain, device)

    async def insert(self, domain: Domain, device: Device, medium: str) -> None:
        await SimulatedHotplug(self.host).insert(domain, device, medium)

    async def eject(self, domain: Domain, device: Device) -> None:
        await SimulatedHotplug(self.host).eject(domain, device)

    async def _ask(
        self, domain: Domain, devices: Sequence[Device], work: Callable[[SimulatedHotplug], Awaitable[None]]
    ) -> None:
        nodes: dict[str, bytes] = {}
        for device in devices:
            node = paths.existing(domain, device)
            backend = await existence.read_text(self.xenstore, f"{node}/backend")
            for path in (f"{node}/online", f"{node}/backend", *([backend] if backend else [])):
                value = await existence.read_text(self.xenstore, path)
                nodes |= {} if value is None else {path: value.encode()}
        self.host.nodes, self.host.written = nodes, {}
        await work(SimulatedHotplug(self.host))
        for path, said in self.host.written.items():
            await self.xenstore.write(path, said)


@dataclass
class _Process:
    """A toolstack process that is played: its connection, what it has open, the locks it holds."""

    xenstore: Client
    templates: TemplateStore
    open: dict[int, Transaction] = field(default_factory=dict)
    locks: list[HeldLock] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Different:
    """A step that went otherwise on the real stores."""

    schedule: Schedule
    step: int
    reason: str


class RealStores:
    """Real stores for one schedule at a time. Use it within a running event loop."""

    def __init__(self, folder: Path, socket: Path, processes: int) -> None:
        self._folder, self._socket, self._count = folder, socket, processes
        self._eye = Client(socket)
        self._clients = [Client(socket) for _ in range(processes)]
        folder.chmod(0o700)

    async def reset(self) -> None:
        """A host without a domain."""
        for path in self._folder.iterdir():
            path.unlink()
        for node in ("/libxl", "/vm", "/local"):
            await entries.remove(self._eye, node)
        self._host = FetchedHost()
        self._hypervisor = OneNumber(self._host)
        self._processes = [self._process(p) for p in range(self._count)]

    def _process(self, number: int) -> _Process:
        return _Process(self._clients[number], TemplateStore(self._folder, self._hypervisor.alive))

    async def close(self) -> None:
        """Close every connection."""
        for client in (self._eye, *self._clients):
            await client.close()

    async def answer(self, process: int, call: Call) -> Answer:
        """Do what the call asks for."""
        one = self._processes[process]
        if call.port == "clock":
            return None  # how long somebody waits is up to the schedule
        if call.port == "transaction":
            port: object = one.open[call.transaction]
        else:
            port = {
                "xenstore": one.xenstore,
                "templates": one.templates,
                "hypervisor": self._hypervisor,
                "hotplug": RealHotplug(one.xenstore, self._host),
            }[call.port]
        work = cast("Awaitable[object]", getattr(port, call.method)(*call.arguments, **dict(call.named)))
        try:
            found = await asyncio.wait_for(work, STUCK)
        except ToolstackError as e:
            return e
        if call.method == "begin":
            one.open[call.transaction], found = cast("Transaction", found), None
        if isinstance(found, HeldLock):
            one.locks.append(found)
        if call.method == "unlock":
            one.locks.remove(cast("HeldLock", call.arguments[0]))
        return found

    async def die(self, process: int) -> None:
        """The process is no more: its connection is closed, its locks are free, their files stay."""
        one = self._processes[process]
        await one.xenstore.close()
        for lock in one.locks:
            abandon(lock)
        self._clients[process] = Client(self._socket)
        self._processes[process] = self._process(process)

    async def read_back(self, abstraction: Abstraction) -> View:
        """What files, locks and xenstore stand for."""
        wanted = abstraction.reads()
        values = await asyncio.gather(*(existence.read_text(self._eye, path) for path in wanted))
        nodes = dict(zip(wanted, values, strict=True))
        return abstraction.view(_ReadBack(self._folder, nodes, self._host))


class _ReadBack:
    """The real stores as the abstraction looks at them: files and nodes read back, the locks by the kernel's word."""

    def __init__(self, folder: Path, nodes: dict[str, str | None], host: MemoryHost) -> None:
        self._nodes, self._host = nodes, host
        name = f"{DOMAIN.domid}.{DOMAIN.uuid}"
        template, lock = folder / f"userdata-d.{name}.libxl-json", folder / f"userdata-l.{name}.domain-userdata-lock"
        self.text = template.read_bytes() if template.exists() else None
        self.lock_file = lock.exists()
        self.locked = self.lock_file and _is_locked(lock)

    def node(self, path: str) -> str | None:
        return self._nodes[path]

    def guest(self) -> Guest | None:
        return self._host.guest(DOMID)

    def held(self, claim: Claim) -> str | None:
        return self._host.held(claim)


def _is_locked(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


async def replay(explorer: Explorer, real: RealStores, start: Start, schedule: Schedule) -> Different | None:
    """Take a schedule on the real stores. None if all was as on the embedded ones."""
    bounds, abstraction = Bounds.of(explorer.program.bounds), Abstraction(explorer.program)
    await real.reset()
    for asked in start.before:
        await _alone(real, asked.work(bounds)(asking()))
    running: list[Running] = [asked.work(bounds)(asking()) for asked in schedule.asked]
    asks = [resume(one, None)[0] for one in running]
    for n, done in enumerate(follow(explorer, start, schedule), 1):
        p = done.choice.process
        if done.choice.which is None:
            await real.die(p)
        for call, expected in done.said:
            if _plain(asks[p]) != _plain(call):
                return Different(schedule, n, f"it asks for {asks[p]}, and for {call} on the embedded stores")
            answer = (
                expected if expected is done.failed and expected is not None else await real.answer(p, call_of(asks[p]))
            )
            if _same(call, answer) != _same(call, expected):
                return Different(schedule, n, f"{call} is answered {answer!r}, and {expected!r} by the embedded stores")
            asks[p], _ = resume(running[p], answer)
        seen = await real.read_back(abstraction)
        if seen != explorer.view(done.state):
            return Different(schedule, n, "the stores stand for another state of the model")
    return None


async def _alone(real: RealStores, running: Running) -> None:
    call, outcome = resume(running, None)
    while call is not None:
        call, outcome = resume(running, await real.answer(0, call))
    if isinstance(outcome, ToolstackError):
        raise outcome


def call_of(call: Call | None) -> Call:
    assert call is not None
    return call


def _plain(call: Call | None) -> object:
    """A call without what only one kind of stores knows: whose lock it is is enough of a lock."""
    return call and (call.port, call.method, tuple(map(_plain_value, call.arguments)), call.named, call.transaction)


def _plain_value(value: object) -> object:
    return ("lock", value.domain) if isinstance(value, HeldLock | MemoryLock) else key_of(value)


def _same(call: Call, answer: Answer) -> object:
    """An answer as far as it must be the same: of an error which one, of a listing which names."""
    if isinstance(answer, ToolstackError):
        return type(answer)
    if call.method == "directory":
        return frozenset(cast("Sequence[str]", answer))
    return _plain_value(answer)
