"""The exploration on real stores: for each combination, schedules that together take every edge of its graph."""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from impl.shim.daemon import running
from model.step import Design
from proofs.conformance.asked import Asked
from proofs.conformance.explore import Explorer, Start
from proofs.conformance.paths import covering, graph
from proofs.conformance.real import RealStores, replay
from proofs.conformance.run import OnProgress, Told, tell, tell_divergence
from proofs.conformance.schedule import Schedule
from proofs.conformance.scope import Scope, begin, starts, together

Combination = tuple[str, Start, tuple[Asked, ...]]


@dataclass(slots=True)
class OnReal:
    """What was covered on real stores."""

    daemon: str
    design: str
    scope: Scope
    combinations: int = 0
    schedules: int = 0
    edges: int = 0
    steps: int = 0
    seconds: float = 0.0
    told: tuple[Told, ...] = ()

    @property
    def conforms(self) -> bool:
        """True if every step went as on the embedded stores."""
        return not self.told


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
    design: Design, scope: Scope, daemon: str, on_progress: OnProgress, *, each_pair_once: bool = False
) -> OnReal:
    """Explore on the embedded stores, and take every edge on a real xenstored and real files too. NoDaemon. A
    divergence of the exploration is told as such."""
    explorer = begin(design, scope)
    todo = (one_for_each_pair if each_pair_once else combinations)(explorer, scope)
    found, began = OnReal(daemon, design.name, scope), time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch, running(daemon, Path(scratch) / "run") as at:
        folder = Path(scratch) / "templates"
        folder.mkdir()
        asyncio.run(_closed_after(RealStores(folder, at.socket, scope.processes), explorer, todo, found, on_progress))
    found.seconds = time.perf_counter() - began
    return found


async def _closed_after(
    real: RealStores, explorer: Explorer, todo: list[Combination], found: OnReal, on_progress: OnProgress
) -> None:
    try:
        await _all(explorer, todo, real, found, on_progress)
    finally:
        await real.close()


async def _all(
    explorer: Explorer, todo: list[Combination], real: RealStores, found: OnReal, on_progress: OnProgress
) -> None:
    for name, start, asked in todo:
        scope = found.scope
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
                found.told = (tell(explorer, start, so_far, f"on the real stores, {different.reason}"),)
                return
        found.combinations += 1
        on_progress(found.combinations, len(todo))
