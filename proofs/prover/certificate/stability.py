"""Stability: a proof that only some seeds of the solver find, or find in time, is one that breaks at the next change.

Each obligation is asked again under several seeds; how long that took and what it came to is held side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from confsync.model.engine.verdict import Verdict
from confsync.proofs.prover.obligation import Discharged, discharge
from confsync.proofs.prover.proof import Proof


@dataclass(frozen=True, slots=True)
class Spread:
    """An obligation under several seeds: milliseconds, and the seeds whose verdict is not the first one's, which the
    proof came to (`unlike`: seed and verdict)."""

    kind: str
    name: str
    seeds: int
    least: float
    median: float
    most: float
    verdict: str
    unlike: tuple[tuple[int, str], ...]

    @property
    def agrees(self) -> bool:
        """Every seed led to the same verdict, and to one."""
        return not self.unlike and self.verdict != Verdict.UNKNOWN.value

    @property
    def width(self) -> float:
        """Milliseconds between the fastest and the slowest seed."""
        return self.most - self.least


def stability(proof: Proof, *, seeds: int, rlimit: int) -> Iterator[Spread]:
    """Every obligation of a proof under the seeds 1 to `seeds`. `rlimit`: resource units that the solver may take
    over one question."""
    for discharged in proof.discharged:
        yield spread(discharged, range(1, seeds + 1), rlimit=rlimit)


def spread(first: Discharged, seeds: Sequence[int], *, rlimit: int) -> Spread:
    """One obligation under several seeds, at least one, beside what it was discharged with."""
    o = first.obligation
    again = {seed: discharge(o, rlimit=rlimit, seed=seed) for seed in seeds}
    times = [d.seconds * 1000 for d in again.values()]
    unlike = tuple((seed, d.verdict.value) for seed, d in again.items() if d.verdict is not first.verdict)
    return Spread(o.kind.value, o.name, len(seeds), min(times), median(times), max(times), first.verdict.value, unlike)


def worst(spreads: Iterable[Spread], count: int = 5) -> list[Spread]:
    """Those to be told of first: where verdicts differ, then where times differ most."""
    return sorted(spreads, key=lambda s: (s.agrees, -s.width))[:count]
