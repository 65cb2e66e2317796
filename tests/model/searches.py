"""Searches of small bounds, and what they find, in a form that two ways can be compared by."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from _pytest.mark import ParameterSet

from confsync.model.engine.check import Examined
from confsync.model.engine.program import Program
from confsync.model.engine.search.bfs import Limits, Search
from confsync.model.engine.search.exact import suspects, watching
from confsync.model.engine.search.monitor import Monitor
from confsync.model.engine.search.pairs import Pairs
from confsync.model.engine.search.recover import Recoveries
from confsync.model.engine.verdict import Verdict
from confsync.model.language import Design
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.properties import PROPERTIES
from confsync.model.libxl.protocol import BIT
from confsync.model.libxl.recovery import WHOLE
from confsync.model.libxl.state import Bounds

recommended = DESIGNS[RECOMMENDED]
LEAST = Bounds(slots=1, ejectable=0, configs=1, names=1, amounts=1, processes=2, crashes=0)
SMALL = Bounds(slots=1, ejectable=1, configs=1, names=1, amounts=1, processes=2, crashes=0)
every_design = pytest.mark.parametrize("name", DESIGNS)


def each_once(sizes: Sequence[Bounds]) -> list[ParameterSet]:
    """Every design within all these bounds. For every change each design is searched within one of them, by turns, and
    the recommended one within all; the rest is for the deep tests."""
    return [
        pytest.param(
            name,
            bounds,
            marks=() if name == RECOMMENDED or i % len(sizes) == n else pytest.mark.deep,
            id=f"{name}-{bounds}",
        )
        for i, name in enumerate(DESIGNS)
        for n, bounds in enumerate(sizes)
    ]


Shortest = dict[str, int | None]


def shortest(examined: Examined) -> Shortest:
    """For each property the length of the shortest trace that violates it; None for a property that holds."""
    assert {c.verdict for c in examined.cells} <= {Verdict.EXHAUSTED, Verdict.REFUTED}
    return {c.property_name: c.depth if c.verdict is Verdict.REFUTED else None for c in examined.cells}


def search_of(program: Program, *, symmetric: bool) -> Search:
    """A search of a whole program, not yet run."""
    pairs = Pairs(program)
    return Search(program, pairs, Monitor(program, pairs.shared, pairs.local, PROPERTIES), symmetric=symmetric)


def the_whole(design: Design, bounds: Bounds, *, symmetric: bool) -> Shortest:
    """What one search of everything finds, without slices."""
    search = search_of(Program(design, bounds), symmetric=symmetric)
    search.run(Limits())
    found: Shortest = dict.fromkeys(PROPERTIES)
    found |= {n: search.found.first[bit][0] for n, bit in BIT.items() if bit in search.found.first}
    hopeless = Recoveries(search, WHOLE).first_hopeless()[0]
    found["always_recoverable"] = hopeless[0] if hopeless else None
    if suspected := suspects(search.pairs):
        watch = watching(search.program, suspected, symmetric=symmetric)
        first = watch.run(Limits()).first
        found["retrieve_is_exact"] = next((level for level, _ in first.values()), None)
    return found


def words_of(search: Search) -> list[set[tuple[int, tuple[int, ...]]]]:
    """The states of each level, as words."""
    shared, local = search.pairs.shared.words, search.pairs.local.words
    return [
        {
            (shared[g], tuple(local[n] for n in here))
            for g, *here in zip(*(c.tolist() for c in (columns[0], *columns[1])), strict=True)
        }
        for columns in map(search.packing.unpack, search.visited.levels)
    ]
