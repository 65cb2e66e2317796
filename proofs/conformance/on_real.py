"""The exploration on real stores: for each combination, schedules that together take every edge of its graph."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from confsync.impl.shim.daemon import running
from confsync.model.engine.memory import INTERRUPT, LimitReached, Meter
from confsync.model.language import Design
from confsync.proofs.conformance.asked import Asked
from confsync.proofs.conformance.explore import Explorer, Start
from confsync.proofs.conformance.minimise import carried_on
from confsync.proofs.conformance.paths import covering, graph
from confsync.proofs.conformance.real import Different, RealStores, replay
from confsync.proofs.conformance.reproduce import Replayed, again, read, scope_of
from confsync.proofs.conformance.run import OnProgress, Told, tell, tell_divergence
from confsync.proofs.conformance.schedule import Schedule
from confsync.proofs.conformance.scope import BEFORE, Scope, begin, starts, together
from confsync.proofs.conformance.steps import Kind

T = TypeVar("T")

Combination = tuple[str, Start, tuple[Asked, ...]]


@dataclass(slots=True)
class OnReal:
    """What was covered on real stores."""

    daemon: str
    design: str
    scope: Scope
    combinations: int = 0
    of: int = 0
    schedules: int = 0
    edges: int = 0
    steps: int = 0
    seconds: float = 0.0
    told: tuple[Told, ...] = ()
    stopped: str = ""
    """The limit, or the interrupt, for which not all was explored; "" for none."""

    @property
    def conforms(self) -> bool:
        """True if every step of all combinations went as on the embedded stores."""
        return not self.told and self.combinations == self.of


def combinations(explorer: Explorer, scope: Scope) -> list[Combination]:
    """All of a scope."""
    begins = starts(explorer).items()
    return [(name, start, asked) for name, start in begins for asked in together(scope)]


def one_for_each_pair(explorer: Explorer, scope: Scope) -> list[Combination]:
    """One for each choice of operations, on the slot that the stores have a device in, where there is a domain; and
    where there is none, those that create one."""
    found = []
    for name, start, asked in combinations(explorer, scope):
        first_slot = all(a.slot != 1 for a in asked)
        if first_slot and (name == "full" or (name == "none" and any(a.operation == "create" for a in asked))):
            found.append((name, start, asked))
    return found


def on_real(
    design: Design,
    scope: Scope,
    daemon: str,
    on_progress: OnProgress,
    *,
    each_pair_once: bool = False,
    max_bytes: int | None = None,
) -> OnReal:
    """Explore on the embedded stores, and take every edge on a real xenstored and real files too, until that takes more
    than `max_bytes` of memory. NoDaemon. A divergence of the exploration is told as such."""
    explorer = begin(design, scope)
    explorer.memory = Meter(max_bytes)
    todo = (one_for_each_pair if each_pair_once else combinations)(explorer, scope)
    found, began = OnReal(daemon, design.name, scope, of=len(todo)), time.perf_counter()
    try:
        _on_stores(daemon, scope, lambda real: _all(explorer, todo, real, found, on_progress))
    except KeyboardInterrupt:
        found.stopped = INTERRUPT
    except LimitReached as limit:
        found.stopped = str(limit)
    found.seconds = time.perf_counter() - began
    return found


def replay_on_real(token: str, design: Design, daemon: str) -> Replayed:
    """Take the schedule of a token of the reference implementation again: on embedded stores, held against the design,
    and then on real ones, where all must be the same. TokenError if it is none, or of another implementation;
    NoDaemon."""
    schedule, total = read(token, Kind.REAL, Kind.EMBEDDED)
    explorer, scope = begin(design, scope_of(schedule)), scope_of(schedule)
    found = again(explorer, schedule, total)
    if found.wrong or found.stale:
        return found
    start = explorer.prepare(*BEFORE[schedule.start])
    taken = carried_on(explorer, start, replace(schedule, choices=found.choices))
    different = _on_stores(daemon, scope, lambda real: replay(explorer, real, start, taken))
    if different is None:
        return found
    wrong = _differs(different)
    so_far = replace(taken, choices=taken.choices[: different.step])
    return replace(found, wrong=wrong, told=tell(explorer, start, so_far, wrong, Kind.REAL))


def _on_stores(daemon: str, scope: Scope, act: Callable[[RealStores], Coroutine[None, None, T]]) -> T:
    """Do something on real stores. NoDaemon."""

    async def closed_after(real: RealStores) -> T:
        try:
            return await act(real)
        finally:
            await real.close()

    with tempfile.TemporaryDirectory() as scratch, running(daemon, Path(scratch) / "run") as at:
        folder = Path(scratch) / "templates"
        folder.mkdir()
        return asyncio.run(closed_after(RealStores(folder, at.socket, scope.processes)))


def _differs(different: Different) -> str:
    return f"on the real stores, {different.reason}"


async def _all(
    explorer: Explorer, todo: list[Combination], real: RealStores, found: OnReal, on_progress: OnProgress
) -> None:
    for name, start, asked in todo:
        scope = found.scope
        explorer.memory.check()
        diverges = explorer.explore(start, asked, deaths=scope.deaths, failures=scope.failures).divergence
        if diverges:
            found.told = (tell_divergence(explorer, name, start, diverges),)
            return
        first, edges = graph(explorer, start, asked, deaths=scope.deaths, failures=scope.failures)
        found.edges += sum(map(len, edges.values()))
        for choices in covering(first, edges):
            schedule = Schedule(name, asked, choices)
            found.schedules += 1
            found.steps += len(choices)
            different = await replay(explorer, real, start, schedule)
            if different:
                so_far = Schedule(name, asked, choices[: different.step])
                found.told = (tell(explorer, start, so_far, _differs(different), Kind.REAL),)
                return
        found.combinations += 1
        on_progress(found.combinations, len(todo))
