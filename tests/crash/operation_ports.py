"""An operation on a host in memory, each of whose calls on a port is counted, so that one can be made to fail, or to be
the last that the process makes. Much faster than real processes, and exact; what is within a port is not on trial here.
"""

from __future__ import annotations

import asyncio
import copy
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from confsync.impl.configuration.template import Template
from confsync.impl.embedded.hotplug import SimulatedHotplug
from confsync.impl.embedded.hypervisor import EmbeddedHypervisor
from confsync.impl.embedded.memory import MemoryHost
from confsync.impl.embedded.templates import MemoryTemplates, TemplateMemory
from confsync.impl.errors import (
    Again,
    ConnectionLost,
    HotplugFailed,
    HypervisorRefused,
    NoAnswer,
    QuotaExceeded,
    QuotaReached,
    StoreError,
    TimedOut,
    ToolstackError,
    XenstoreError,
)
from confsync.impl.operations.create import create
from confsync.impl.ports import Hotplug, Hypervisor, Templates, Toolstack, Transaction, Xenstore
from confsync.impl.xenstore.memory import MemoryStore
from crash.operation_oracle import Oracle, Place
from crash.operation_table import DOMAIN, Configuration, Operation

ALWAYS = 1 << 30


class Died(BaseException):
    """The process is no more, as far as the host is concerned."""


def _dies(_what: str) -> BaseException:
    return Died()


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at which call: the how manieth of those that it is about, and for how many from then on."""

    name: str
    raises: Callable[[str], BaseException]
    ports: frozenset[str] = frozenset({"xenstore"})
    only: str = ""
    """The method that it is about; "": any."""
    times: int = 1
    done: bool = False
    """The call is done, and then it fails."""
    loses: bool = False
    """The connection is gone with all its transactions; the next request, out of these, makes a new one."""
    borne: bool = False
    """Nobody is to see it."""
    share: tuple[int, int] = (0, 1)
    """Faults that are told alike share the calls where time is short: which part is this one's, of how many."""


DEATHS = [
    Fault("died before", _dies, frozenset({"xenstore", "templates", "hypervisor", "hotplug"}), times=ALWAYS),
    Fault("died after", _dies, frozenset({"xenstore", "templates", "hypervisor", "hotplug"}), times=ALWAYS,
          done=True),
]  # fmt: skip
XENSTORE_FAULTS = [
    Fault("EAGAIN at the commit, 3 times", Again, only="commit", times=3, borne=True),
    Fault("EAGAIN at the commit, for ever", Again, only="commit", times=ALWAYS),
    Fault("ENOSPC", QuotaExceeded, share=(0, 3)),
    Fault("EQUOTA", QuotaReached, share=(1, 3)),
    Fault("EIO", XenstoreError, share=(2, 3)),
    Fault("EIO from then on", XenstoreError, times=ALWAYS, share=(0, 2)),
    Fault("connection lost, request not done", ConnectionLost, loses=True, share=(0, 2)),
    Fault("connection lost, request done", ConnectionLost, loses=True, done=True, share=(0, 2)),
    Fault(
        "connection lost, request done, no new one", ConnectionLost, loses=True, done=True, times=ALWAYS, share=(1, 2)
    ),
    Fault("no answer, request not done", NoAnswer, share=(1, 2)),
    Fault("no answer, request done", NoAnswer, done=True, share=(1, 2)),
]
OTHER_FAULTS = [
    Fault("hotplug refuses", HotplugFailed, frozenset({"hotplug"})),
    Fault("hotplug hangs", TimedOut, frozenset({"hotplug"}), done=True),
    Fault("the hypervisor refuses", HypervisorRefused, frozenset({"hypervisor"})),
    Fault("a template cannot be written", lambda what: StoreError(Path("a template"), what), frozenset({"templates"})),
]


@dataclass(slots=True)
class Gate:
    """Counts the calls, and breaks one."""

    fault: Fault | None = None
    at: int = 0
    count: int = 0
    where: str = ""
    places: Counter[str] = field(default_factory=Counter)
    generation: int = 0
    """Which connection to xenstore it is."""
    dead: bool = False

    async def passes(self, port: str, method: str, call: Callable[[], Awaitable[object]]) -> object:
        """Make the call, or break it."""
        if self.dead:
            raise Died
        fault = self.fault
        if fault is not None and (port not in fault.ports or method == "abort" or fault.only not in ("", method)):
            return await call()
        self.count += 1
        self.places[f"{port}.{method}"] += 1
        if fault is None or not 0 <= self.count - self.at < fault.times:
            return await call()
        self.where = self.where or f"{fault.name}, at call {self.count}, {port}.{method}"
        if (fault.done and self.count == self.at) or (method == "unlock" and fault.raises is not _dies):
            await call()  # a lock is given up even if that fails
        raised = fault.raises(method)
        self.dead = isinstance(raised, Died)
        if fault.loses:
            self.generation += 1
        raise raised


class _Port:
    """A port whose calls go through the gate."""

    def __init__(self, port: object, name: str, gate: Gate) -> None:
        self._port, self._name, self._gate = port, name, gate

    def __getattr__(self, method: str) -> Callable[..., Awaitable[object]]:
        async def call(*arguments: object, **named: object) -> object:
            made = getattr(self._port, method)
            return await self._gate.passes(self._name, method, lambda: made(*arguments, **named))

        return call


class _Transaction(_Port):
    """A transaction; it ends with its connection."""

    def __init__(self, port: object, gate: Gate) -> None:
        super().__init__(port, "xenstore", gate)
        self._generation = gate.generation

    def __getattr__(self, method: str) -> Callable[..., Awaitable[object]]:
        made = super().__getattr__(method)

        async def call(*arguments: object, **named: object) -> object:
            if self._generation != self._gate.generation and not self._gate.dead:
                await cast(Transaction, self._port).abort()
                if method != "abort":
                    raise ConnectionLost(f"{method}, in a transaction of a connection that is gone")
                return None
            return await made(*arguments, **named)

        return call


class _Xenstore(_Port):
    """A connection to xenstore."""

    async def begin(self) -> Transaction:
        began = await self._gate.passes("xenstore", "begin", cast(Xenstore, self._port).begin)
        return cast(Transaction, _Transaction(began, self._gate))


async def no_sleep(_seconds: float) -> None:
    """No time passes."""


class PortHost:
    """A host in memory, and as many processes on it as are asked for."""

    def __init__(self) -> None:
        self.store, self.templates = MemoryStore(), TemplateMemory()
        self.host = MemoryHost(self.store)
        self.hypervisor = EmbeddedHypervisor(self.host)
        self.kept: list[Configuration] = []
        self._processes = 0

    def process(self) -> Toolstack:
        """The ports of a new process."""
        self._processes += 1
        templates = MemoryTemplates(self.templates, self._processes, self.hypervisor.alive, no_sleep)
        return Toolstack(self.store.connect(), templates, self.hypervisor, SimulatedHotplug(self.host), no_sleep)

    def gated(self, t: Toolstack, gate: Gate) -> Toolstack:
        """The same process, each of whose calls goes through the gate."""
        return Toolstack(
            cast(Xenstore, _Xenstore(t.xenstore, "xenstore", gate)),
            cast(Templates, _Port(t.templates, "templates", gate)),
            cast(Hypervisor, _Port(t.hypervisor, "hypervisor", gate)),
            cast(Hotplug, _Port(t.hotplug, "hotplug", gate)),
            no_sleep,
        )

    async def die(self, t: Toolstack) -> None:
        """The process is no more: its connection is closed, its locks are free."""
        await t.xenstore.close()
        self.templates.die(self._processes)

    async def keep(self, template: Template) -> None:
        """Keep a saved configuration."""
        self.kept.append(dict(template.value))

    def files(self) -> list[str]:
        return [f"template {domain}" for domain in self.templates.texts] + [
            f"lock {domain}" for domain in self.templates.lock_files
        ]

    def place(self) -> Place:
        """The host, for the oracle; seen by a new process."""

        def fingerprint() -> object:
            tree = tuple(sorted(self.store.tree().items()))
            texts = tuple(sorted(self.templates.texts.items())), tuple(sorted(self.templates.lock_files))
            books = str(sorted(self.host.guests().items())), str(sorted(self.host.all_held().items()))
            return tree, texts, books, str(self.kept[-1:])

        return Place(
            self.process(), self.keep, lambda: self.kept[-1] if self.kept else None, self.files,
            lambda: sorted(self.store.tree()), lambda: sorted(map(str, self.host.all_held())), fingerprint,
        )  # fmt: skip


@dataclass(slots=True)
class PortOutcome:
    """What was found."""

    points: int = 0
    failures: list[str] = field(default_factory=list)
    answers: set[str] = field(default_factory=set)
    places: Counter[str] = field(default_factory=Counter)


def break_everywhere(
    operation: Operation, faults: Sequence[Fault], *, full: bool = True, until: str | None = None
) -> PortOutcome:
    """Run the operation with each fault at each call, and ask the oracle what is left. Unless it is to be done in
    full, faults that are told alike share the calls among them. `until`: no further than a problem with this in it."""
    return asyncio.run(_break_everywhere(operation, faults, full, until))


async def _break_everywhere(
    operation: Operation, faults: Sequence[Fault], full: bool, until: str | None
) -> PortOutcome:
    outcome, oracle = PortOutcome(), Oracle(operation)
    for fault in faults:
        counting = Gate(replace(fault, times=0))
        outcome.failures += [f"nothing failed: {problem}" for problem in await _once(operation, oracle, counting)]
        part, parts = fault.share
        for at in range(1, counting.count + 1):
            if not full and at % parts != part:
                continue
            gate = Gate(fault, at)
            problems = await _once(operation, oracle, gate)
            assert gate.where, f"{fault.name} at {at}: the operation does not do twice the same"
            outcome.points += 1
            outcome.places[fault.name] += 1
            outcome.failures += [f"{gate.where}: {problem}" for problem in problems]
            if until is not None and any(until in problem for problem in problems):
                return outcome
    outcome.answers = oracle.answers
    return outcome


async def _once(operation: Operation, oracle: Oracle, gate: Gate) -> list[str]:
    host = PortHost()
    t = host.process()
    if operation.before is not None:
        await create(t, Template.of(copy.deepcopy(operation.before), "the test's"))
    done, problems = False, []
    t = host.process()
    try:
        await operation.do(host.gated(t, gate), host.keep)
        done = True
    except Died:
        pass
    except ToolstackError as e:
        problems += _told(host, operation, gate, e)
    except Exception as e:
        problems.append(f"it raised {type(e).__name__}: {e}")
    await host.die(t)
    return problems + await oracle.problems(host.place(), done=done)


def _told(host: PortHost, operation: Operation, gate: Gate, error: ToolstackError) -> list[str]:
    """What is wrong once an operation has ended with an error, and its process lives on."""
    fault = gate.fault
    assert fault is not None
    problems = [f"the lock of {domain} is still held" for domain in host.templates.holders]
    if fault.borne:
        problems.append(f"it was not borne: {error}")
    if not gate.where:
        problems.append(f"it failed by itself: {type(error).__name__}: {error}")
    if fault.times == 1 and fault.ports != {"hypervisor"}:
        created = gate.where.endswith("templates.unlock")
        if operation.before is None and not created and (host.host.guests() or host.files()):
            problems.append(f"it did not clean up: {error}: {host.files()}")
        target = host.host.node(f"/local/domain/{DOMAIN.domid}/memory/target")
        guest = host.host.guest(DOMAIN.domid)
        if guest and target and guest.memory_kb != int(target):
            problems.append(f"the hypervisor grants {guest.memory_kb} KiB, and xenstore says {int(target)}")
    return problems
