"""Probabilistic concurrency testing: random priorities, changed at a few random steps (Burckhardt, Kothari, Musuvathi,
Nagarakatte: A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs, ASPLOS 2010).

A bug that takes d ordering constraints, in n processes of at most k steps in all, is found by one walk with a
probability of at least 1 / (n * k**(d - 1)).
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from confsync.proofs.conformance.explore import Choice
from confsync.proofs.conformance.schedulers.seeded import RARELY


class Pct:
    """One walk with fresh priorities."""

    def __init__(self, seed: int, processes: int, steps: int, depth: int) -> None:
        """`steps`: the most that a walk has, k. `depth`: d, at least 1."""
        self._random = random.Random(seed)
        order = list(range(processes))
        self._random.shuffle(order)
        self._priority = {p: depth + rank for rank, p in enumerate(order)}
        changes = self._random.sample(range(1, max(steps, depth) + 1), depth - 1)
        self._lowered = {step: depth - 1 - n for n, step in enumerate(sorted(changes))}

    def choose(self, can: Sequence[Choice], step: int) -> Choice:
        first = max({c.process for c in can}, key=self._priority.__getitem__)
        if step in self._lowered:
            self._priority[first] = self._lowered.pop(step)
            first = max({c.process for c in can}, key=self._priority.__getitem__)
        mine = [c for c in can if c.process == first]
        wrong = [c for c in mine if c.which != 0]
        if wrong and (len(wrong) == len(mine) or self._random.random() < RARELY):
            return self._random.choice(wrong)
        return next(c for c in mine if c.which == 0)


def bound(processes: int, steps: int, depth: int) -> float:
    """The least probability with which one walk finds a bug of that depth."""
    return 1 / (processes * float(steps) ** (depth - 1))


def walks_for(processes: int, steps: int, depth: int, confidence: float) -> int:
    """How many walks find such a bug with that probability."""
    found, missed = 0, 1.0
    while missed > 1 - confidence:
        missed *= 1 - bound(processes, steps, depth)
        found += 1
    return found
