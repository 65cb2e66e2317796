"""An operation on a real xenstored that is killed in the middle of it, and restarted with nothing in it, or not."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from confsync.impl.configuration.template import Template
from confsync.impl.errors import HotplugFailed, ToolstackError
from confsync.impl.kinds import Device
from confsync.impl.operations.create import create
from confsync.impl.operations.destroy import destroy
from confsync.impl.ports import Domain, Toolstack
from confsync.impl.xenstore.client import Client
from crash.operation_oracle import HALF, Answer, Place, answer
from crash.operation_ports import Gate, PortHost, no_sleep
from crash.operation_table import Operation

PATIENCE = 600.0
"""Seconds until an operation that has not ended counts as one that hangs."""
MAY_SUCCEED = {"destroy", "save", "scheduling"}
"""They need nothing of what xenstored has forgotten, or take away what is left."""


class Daemon(Protocol):
    """A xenstored."""

    def kill(self) -> None:
        """End it at once."""

    def start(self) -> None:
        """Run it, with an empty store."""

    def connect(self) -> Client:
        """A client of domain 0."""


@dataclass(slots=True)
class Books:
    """Hotplug that only keeps books, and asks no xenstore."""

    connected: dict[tuple[Domain, Device], str] = field(default_factory=dict)

    async def allocate(self, domain: Domain, devices: Sequence[Device]) -> None:
        self.connected |= {(domain, device): "" for device in devices}

    async def release(self, domain: Domain, devices: Sequence[Device], *, force: bool) -> None:  # noqa: ARG002
        for device in devices:
            self.connected.pop((domain, device), None)

    async def insert(self, domain: Domain, device: Device, medium: str) -> None:
        if self.connected.get((domain, device)):
            raise HotplugFailed(f"there is a medium in {device}")
        self.connected[domain, device] = medium

    async def held(self, domain: Domain, device: Device) -> bool:
        return (domain, device) in self.connected

    async def eject(self, domain: Domain, device: Device) -> None:
        self.connected[domain, device] = ""


@dataclass(slots=True)
class _KillingGate(Gate):
    """Kills xenstored before one call, which is made nevertheless."""

    daemon: Daemon | None = None
    restarts: bool = True

    async def passes(self, port: str, method: str, call: object) -> object:
        assert callable(call)
        if port == "xenstore":
            self.count += 1
            if self.count == self.at and self.daemon:
                self.where = f"xenstored killed before call {self.count}, {method}"
                self.daemon.kill()
                if self.restarts:
                    self.daemon.start()
        return await call()


class XenstoredHost(PortHost):
    """A host whose xenstore is a real one."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__()
        self.daemon, self.hotplug = daemon, Books()

    def process(self) -> Toolstack:
        return replace(super().process(), xenstore=self.daemon.connect(), hotplug=self.hotplug, sleep=no_sleep)


@dataclass(slots=True)
class Killed:
    """What was found."""

    points: int = 0
    failures: list[str] = field(default_factory=list)
    ends: dict[str, int] = field(default_factory=dict)
    """How the operations ended, by the names of their errors."""


def kill_xenstored(operation: Operation, daemon: Daemon, *, restarts: bool, most: int) -> Killed:
    """Run the operation, with xenstored killed before each of its requests in turn, or at most so many of them."""
    found = Killed()
    total, _, _ = asyncio.run(_once(operation, daemon, 0, restarts))
    step = max(1, -(-total // most))
    for at in sorted({*range(1, total + 1, step), total} - {0}):
        _, problems, end = asyncio.run(_once(operation, daemon, at, restarts))
        found.points += 1
        found.ends[end] = found.ends.get(end, 0) + 1
        found.failures += [f"before request {at} of {total}, which ended with {end}: {problem}" for problem in problems]
    return found


async def _once(operation: Operation, daemon: Daemon, at: int, restarts: bool) -> tuple[int, list[str], str]:
    daemon.kill()
    daemon.start()
    host = XenstoredHost(daemon)
    t = host.process()
    if operation.before is not None:
        await create(t, Template.of(copy.deepcopy(operation.before), "the test's"))
    await t.xenstore.close()
    gate = _KillingGate(at=at, daemon=daemon, restarts=restarts)
    t, end, problems = host.process(), "success", []
    try:
        async with asyncio.timeout(PATIENCE):
            await operation.do(host.gated(t, gate), host.keep)
    except ToolstackError as e:
        end = type(e).__name__
    except TimeoutError:
        problems.append("it hangs")
    await t.xenstore.close()
    if at:
        made = end == "success" and operation.before is None  # all of it after the restart, which is as it should be
        if end == "success" and not made and operation.name not in MAY_SUCCEED:
            problems.append("it says that it is done")
        problems += await _forgotten(operation, host, restarts, operation.after if made else HALF)
    elif end != "success":
        problems.append(f"it failed by itself: {end}")
    return gate.count, problems, end


async def _forgotten(operation: Operation, host: XenstoredHost, restarts: bool, expected: Answer) -> list[str]:
    """Nobody is told a configuration that is not; and what is left can be destroyed."""
    place: Place = host.place()
    problems = []
    if not restarts:
        host.daemon.start()
    found = await answer(place)
    if found not in (expected, None):
        problems.append(f"retrieve says {found}")
    if operation.keeps and (found is None or host.kept) and host.kept[-1:] != [operation.before]:
        problems.append(f"what was kept is {host.kept[-1:]}")
    for domain in await place.toolstack.hypervisor.domains():
        await destroy(place.toolstack, domain)
    if host.files() or await place.toolstack.hypervisor.domains():
        problems.append(f"destroyed, it leaves {host.files()}")
    await place.toolstack.xenstore.close()
    return problems
