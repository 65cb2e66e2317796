"""The vectorised search finds what a dictionary finds, for designs that nobody would think of.

The designs are random variants of the registered ones.
"""

from __future__ import annotations

from collections import Counter

import pytest
from designs_at_random import DESIGNS_AT_RANDOM
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from naive import Naive
from record import VARIED

from confsync.model.engine.check import Examined, check
from confsync.model.engine.program import Program
from confsync.model.engine.search.bfs import Limits, Search
from confsync.model.engine.search.monitor import Monitor
from confsync.model.engine.search.pairs import Pairs
from confsync.model.engine.verdict import Verdict
from confsync.model.language import Design, order
from confsync.model.libxl import steps
from confsync.model.libxl.designs import DESIGNS
from confsync.model.libxl.properties import PROPERTIES
from confsync.model.libxl.state import Bounds

FEW, MANY = 3_000, 20_000
"""States: beyond, the dictionary takes too long."""


def shortest(examined: Examined) -> dict[str, int | None]:
    """For each property the length of the shortest trace that violates it; None for a property that holds."""
    assert {c.verdict for c in examined.cells} <= {Verdict.EXHAUSTED, Verdict.REFUTED}
    return {c.property_name: c.depth if c.verdict is Verdict.REFUTED else None for c in examined.cells}


def the_whole(design: Design, bounds: Bounds, *, symmetric: bool, most: int = MANY) -> Search:
    """A search of everything at once, if there are not more states than `most`."""
    program = Program(design, bounds)
    pairs = Pairs(program)
    search = Search(program, pairs, Monitor(program, pairs.shared, pairs.local, PROPERTIES), symmetric=symmetric)
    search.run(Limits(max_states=most))
    return search


def compare(design: Design, bounds: Bounds, most: int) -> None:
    """The searches and the dictionary find the same."""
    plain = the_whole(design, bounds, symmetric=False, most=most)
    if plain.found.stopped:
        return
    naive = Naive(Program(design, bounds)).search()
    assert plain.found.states == len(naive.depth)
    assert plain.found.depth == max(naive.depth.values())
    assert +Counter(plain.taken()) == naive.taken
    assert the_whole(design, bounds, symmetric=True).total() == len(naive.depth)
    assert shortest(check(design, bounds, symmetric=False)) == naive.shortest
    assert shortest(check(design, bounds)) == naive.shortest


@given(DESIGNS_AT_RANDOM, st.sampled_from(VARIED))
@settings(max_examples=5, deadline=None, derandomize=True, phases=(Phase.generate,))
def test_a_few_random_designs(design: Design, bounds: Bounds) -> None:
    compare(design, bounds, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("examples", [6, pytest.param(30, marks=pytest.mark.deep)])
def test_random_designs(examples: int) -> None:
    @given(DESIGNS_AT_RANDOM, st.sampled_from(VARIED))
    @settings(max_examples=examples, suppress_health_check=[HealthCheck.too_slow])
    def agree(design: Design, bounds: Bounds) -> None:
        compare(design, bounds, MANY)

    agree()


@pytest.mark.slow
def test_a_slice_begins_operations_whose_arguments_it_does_not_keep() -> None:
    """No step copies what `create` is asked with: the slice leaves it out, and must still begin a `create`."""
    lacking = order(
        steps.take_lock, steps.make_domain, steps.save_template, steps.allocate_devices, steps.unpause, steps.drop_lock
    )
    design = DESIGNS["xenstore_first_locked"].but("lacking", "", create=lacking)
    bounds = Bounds(slots=0, ejectable=1, configs=1, names=1, amounts=1, processes=2, crashes=0)
    compare(design, bounds, MANY)
    assert shortest(check(design, bounds))["every_operation_ends"] == 2
