"""What is explored: which operations beside each other, on which stores, with how many deaths and failures."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from confsync.model.engine.check import check
from confsync.model.engine.program import Program
from confsync.model.engine.search.bfs import Limits
from confsync.model.engine.verdict import Verdict
from confsync.model.language import Design, Invariant
from confsync.model.libxl.operations import SIGNATURES
from confsync.model.libxl.properties import PROPERTIES
from confsync.model.libxl.state import ABSENT, EMPTY, FIRST_CONFIG, Bounds
from confsync.proofs.conformance.asked import Asked
from confsync.proofs.conformance.design import as_it_can_fail
from confsync.proofs.conformance.embedded import Embedded
from confsync.proofs.conformance.explore import Explorer, Start
from confsync.proofs.conformance.steps import Grain
from confsync.proofs.conformance.stores import Stores

SMALL = Bounds(slots=1, ejectable=1, configs=1, names=1, amounts=2, processes=2, crashes=1)
"""Where it is found out which properties a design holds."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The bounds of an exploration."""

    processes: int = 2
    deaths: int = 0
    failures: int = 0
    operations: tuple[str, ...] = tuple(SIGNATURES)

    @property
    def bounds(self) -> Bounds:
        """The model's: two ordinary slots and a drive, and for each process another thing to set."""
        return Bounds(
            slots=2, ejectable=1, configs=2, names=3, amounts=3, processes=self.processes, crashes=self.deaths
        )  # fmt: skip

    def __str__(self) -> str:
        counted = (
            (self.processes, "process", "processes"),
            (self.deaths, "death", "deaths"),
            (self.failures, "failure", "failures"),
        )
        return ", ".join(f"{n} {one if n == 1 else many}" for n, one, many in counted)


def begin(design: Design, scope: Scope, grain: Grain = Grain.COMMIT) -> Explorer:
    """An explorer that holds the implementation against the design."""
    program = Program(as_it_can_fail(design), scope.bounds)
    return Explorer(Embedded(Stores(scope.processes), program, grain), program, holding(design))


@cache
def holding(design: Design) -> tuple[str, ...]:
    """The properties over the stores that the design holds, by a search within small bounds."""
    names = [n for n, p in PROPERTIES.items() if isinstance(p, Invariant)]
    cells = check(as_it_can_fail(design), SMALL, names, limits=Limits()).cells
    return tuple(c.property_name for c in cells if c.verdict is Verdict.EXHAUSTED)


_C = FIRST_CONFIG
BEFORE: Mapping[str, tuple[Asked, ...]] = {
    "none": (),
    "full": (Asked("create", draft=(_C, ABSENT, _C)),),
    "bare": (Asked("create", draft=(ABSENT, _C, EMPTY)),),
}
"""What is done before an exploration begins: nothing, so there is no domain; one is made, with a device and a medium;
one is made with another device, and an empty drive."""


def starts(explorer: Explorer) -> dict[str, Start]:
    """The stores that an exploration begins with."""
    return {name: explorer.prepare(*before) for name, before in BEFORE.items()}


def choices(process: int, operations: Sequence[str]) -> list[Asked]:
    """All that a process is asked for: an operation on each of two slots; each process with a configuration, a name
    and an amount of its own."""
    config, other = FIRST_CONFIG + process % 2, 1 + process % 2
    every = [
        *(Asked("attach", slot, config) for slot in (0, 1)),
        *(Asked("detach", slot) for slot in (0, 1)),
        Asked("insert", 2, config),
        Asked("eject", 2),
        Asked("swap", 2, config),
        Asked("set_memory_target", number=other),
        Asked("rename", number=other),
        Asked("retrieve"),
        Asked("destroy"),
        Asked("create", draft=(config, ABSENT, config)),
    ]
    return [asked for asked in every if asked.operation in operations]


def together(scope: Scope) -> Iterator[tuple[Asked, ...]]:
    """Every choice of operations beside each other, but for the order of the processes."""
    each = [choices(p, scope.operations) for p in range(scope.processes)]
    for which in itertools.combinations_with_replacement(range(len(each[0])), scope.processes):
        yield tuple(each[p][n] for p, n in enumerate(which))
