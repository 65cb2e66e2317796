"""Walks at random, for what is too large to be explored: more operations, more processes, more deaths."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from confsync.model.engine.memory import INTERRUPT, LimitReached, Meter
from confsync.model.language import Design
from confsync.proofs.conformance.run import OnProgress, Told, tell
from confsync.proofs.conformance.schedulers import Scheduler
from confsync.proofs.conformance.schedulers.pct import Pct
from confsync.proofs.conformance.schedulers.seeded import Seeded
from confsync.proofs.conformance.schedulers.walk import walk
from confsync.proofs.conformance.scope import Scope, begin, choices, starts

MOST_STEPS = 40
"""What PCT takes for the most steps of one process."""


def most_steps(scope: Scope) -> int:
    """The k of PCT's bound: what its changes of priorities are drawn from. No bound holds for a longer walk."""
    return MOST_STEPS * scope.processes


Makes = Callable[[int, Scope, int], Scheduler]
SCHEDULERS: dict[str, Makes] = {
    "random": lambda seed, _scope, _depth: Seeded(seed),
    "pct": lambda seed, scope, depth: Pct(seed, scope.processes, most_steps(scope), depth),
}


@dataclass(frozen=True, slots=True)
class Sampled:
    """What walks came to."""

    design: str
    scope: Scope
    walks: int
    of: int
    steps: int
    longest: int
    told: tuple[Told, ...]
    seconds: float
    stopped: str = ""
    """The limit, or the interrupt, for which not all walks were taken; "" for none."""

    @property
    def conforms(self) -> bool:
        """True if all walks were taken, and none diverged."""
        return not self.told and self.walks == self.of


def sample(
    design: Design,
    scope: Scope,
    *,
    scheduler: str,
    walks: int,
    seed: int,
    depth: int,
    on_progress: OnProgress,
    max_bytes: int | None = None,
) -> Sampled:
    """Walk so often, each time with operations and a start drawn by lot, until one walk diverges, until Ctrl-C, or
    until that takes more than `max_bytes` of memory."""
    memory, stopped = Meter(max_bytes), ""
    began = time.perf_counter()
    explorer, lots = begin(design, scope), random.Random(seed)
    begins = list(starts(explorer).items())
    steps = longest = done = 0
    told: list[Told] = []
    try:
        while done < walks and not told:
            memory.check()
            name, start = lots.choice(begins)
            asked = tuple(lots.choice(choices(p, scope.operations)) for p in range(scope.processes))
            decides = SCHEDULERS[scheduler](lots.getrandbits(32), scope, depth)
            walked = walk(explorer, name, start, asked, decides, scope.deaths, scope.failures)
            done += 1
            steps += len(walked.schedule.choices)
            longest = max(longest, len(walked.schedule.choices))
            if walked.wrong:
                told.append(tell(explorer, start, walked.schedule, walked.wrong))
            on_progress(done, walks)
    except KeyboardInterrupt:
        stopped = INTERRUPT
    except LimitReached as limit:
        stopped = str(limit)
    return Sampled(design.name, scope, done, walks, steps, longest, tuple(told), time.perf_counter() - began, stopped)
