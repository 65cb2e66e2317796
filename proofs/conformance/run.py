"""An exploration on all processors: the combinations of operations are dealt out, and what they cover is added up."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from confsync.model.engine.memory import INTERRUPT, LimitReached, Meter
from confsync.model.engine.parallel import Reporter, side_by_side
from confsync.model.language import Design
from confsync.proofs.conformance.coverage import Coverage, coverage
from confsync.proofs.conformance.explore import CannotPrepare, Divergence, Explored, Explorer, Start
from confsync.proofs.conformance.matching import Taken
from confsync.proofs.conformance.minimise import minimise
from confsync.proofs.conformance.schedule import Schedule
from confsync.proofs.conformance.scope import Scope, begin, starts, together
from confsync.proofs.conformance.steps import Grain, Kind
from confsync.proofs.conformance.tell import candidates, tell_schedule, token_of

MOST_CANDIDATES = 6


@dataclass(frozen=True, slots=True)
class Told:
    """A divergence, for people."""

    reason: str
    token: str
    start: str
    operations: tuple[str, ...]
    steps: tuple[str, ...]
    candidates: tuple[str, ...]
    """What the model could have done in the last step, and for each why that is not what happened."""


@dataclass(slots=True)
class Part:
    """What one process has covered."""

    combinations: int = 0
    covered: Explored = field(default_factory=Explored)
    told: list[Told] = field(default_factory=list)
    taken: frozenset[Taken] = frozenset()
    rested: frozenset[tuple[int, int]] = frozenset()
    stopped: str = ""
    """The limit that it reached, or the interrupt."""


@dataclass(frozen=True, slots=True)
class Report:
    """What an exploration came to."""

    design: str
    scope: Scope
    combinations: int
    of: int
    covered: Explored
    told: tuple[Told, ...]
    model: Coverage | None
    """What of the model was taken; None if that was not asked for, or not all was explored."""
    seconds: float
    stopped: str = ""
    """The limit, or the interrupt, for which not all was explored; "" for none."""

    @property
    def conforms(self) -> bool:
        """True if all was covered and nothing diverged."""
        return not self.told and self.combinations == self.of


OnProgress = Callable[[int, int], None]
"""Told how many combinations are done, and of how many."""


def explore(
    design: Design,
    scope: Scope,
    *,
    jobs: int,
    on_progress: OnProgress,
    grain: Grain = Grain.COMMIT,
    with_coverage: bool = False,
    max_bytes: int | None = None,
) -> Report:
    """Every combination of operations on every start, until one diverges, or a job takes more than `max_bytes`."""
    began = time.perf_counter()
    explorer = begin(design, scope, grain)
    begins, cannot = _starts(explorer)
    todo = [(name, start, asked) for name, start in begins.items() for asked in together(scope)]
    done = [0] * jobs

    def work(piece: int, tell: Reporter[int, Part]) -> Part:
        part = Part()
        explorer.memory = Meter(max_bytes)
        try:
            for name, start, asked in todo[piece::jobs]:
                explorer.memory.check()
                found = explorer.explore(start, asked, deaths=scope.deaths, failures=scope.failures)
                part.combinations += 1
                part.covered.add(found)
                if found.divergence:
                    part.told.append(tell_divergence(explorer, name, start, found.divergence))
                if not tell(part.combinations):
                    part.stopped = INTERRUPT
                if part.told or part.stopped:
                    break
        except LimitReached as limit:
            part.stopped = str(limit)
        part.taken, part.rested = frozenset(explorer.matching.taken), explorer.rested
        return part

    def progress(piece: int, so_far: int | None) -> None:
        done[piece] = len(todo[piece::jobs]) if so_far is None else so_far
        on_progress(sum(done), len(todo))

    parts = list(side_by_side(jobs, jobs, work, progress))
    covered = Explored()
    for part in parts:
        covered.add(part.covered)
    told = tuple(told for part in parts for told in part.told)[:1]
    combinations = sum(part.combinations for part in parts)
    if cannot and not told:
        raise cannot
    model = None
    if with_coverage and not told and combinations == len(todo):
        taken = frozenset[Taken]().union(*(part.taken for part in parts))
        rested = frozenset[tuple[int, int]]().union(*(part.rested for part in parts))
        model = coverage(explorer, scope, taken, rested)
    return Report(
        design.name,
        scope,
        combinations,
        len(todo),
        covered,
        told,
        model,
        time.perf_counter() - began,
        next((part.stopped for part in parts if part.stopped), ""),
    )


def _starts(explorer: Explorer) -> tuple[dict[str, Start], CannotPrepare | None]:
    """The stores to begin with; where they cannot be made, none: then a creation alone diverges, and that is told."""
    try:
        return starts(explorer), None
    except CannotPrepare as e:
        return {"none": explorer.prepare()}, e


def tell_divergence(explorer: Explorer, name: str, start: Start, found: Divergence) -> Told:
    """A divergence made small, and told, whatever memory that takes."""
    explorer.memory = Meter(None)
    schedule, small = minimise(explorer, start, name, found)
    return tell(explorer, start, schedule, small.reason)


def tell(explorer: Explorer, start: Start, schedule: Schedule, reason: str, kind: Kind | None = None) -> Told:
    """A schedule whose last step is wrong, told. `kind`: where it is to be replayed, if not where it was explored."""
    return Told(
        reason,
        token_of(explorer, start, schedule, kind),
        schedule.start,
        tuple(map(str, schedule.asked)),
        tuple(tell_schedule(explorer, start, schedule)),
        _candidates(explorer, start, schedule) if reason else (),
    )


def _candidates(explorer: Explorer, start: Start, schedule: Schedule) -> tuple[str, ...]:
    if not schedule.choices:
        return ()
    at = explorer.at(start, schedule.asked)
    for choice in schedule.choices[:-1]:
        after = explorer.take(at, choice)
        if not isinstance(after, tuple):
            return ()
        at = after
    last = schedule.choices[-1]
    if last.which is None:
        return ()
    place = explorer.steps.places[at[0][1 + last.process]]
    edge = explorer.steps.edges(at[0][0], place)[last.which]
    outcome, answer = explorer.ended(edge.place)
    found = candidates(
        explorer,
        explorer.fitting(at),
        last.process,
        explorer.view(edge.state),
        outcome,
        answer,
        failed=edge.failed is not None,
    )
    return tuple(f"{c.steps}: {c.why_not}" for c in found[:MOST_CANDIDATES])
