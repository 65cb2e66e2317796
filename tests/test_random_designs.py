"""The vectorised search finds what a dictionary finds, for designs that nobody would think of.

A registered design is edited at random: steps are dropped, exchanged and put in, as far as the result is a design.
"""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from naive import Naive

from model import steps
from model.check import Examined, check
from model.designs import DESIGNS
from model.language import LanguageError, neg
from model.program import Program
from model.properties import PROPERTIES
from model.search.bfs import Limits, Search
from model.search.monitor import Monitor
from model.search.pairs import Pairs
from model.state import Bounds, Local, Shared
from model.step import Design, Operation, Step, order, step
from model.verdict import Verdict

FEW, MANY = 3_000, 20_000
"""States: beyond, the dictionary takes too long."""


@step
def refuse_if_renamed(s: Shared, me: Local) -> None:
    """A guard that reads a knob: knobs then matter to devices."""
    me.fails_if(s.name != s.template_name)


@step
def refuse_unless_as_saved(s: Shared, me: Local) -> None:
    """A guard that compares configurations: one of them is then not enough."""
    me.fails_if(s.template[me.slot] != me.config)


@step
def save_the_name(s: Shared, me: Local) -> None:  # noqa: ARG001
    """A write of the file that is no write of its devices, and cannot be refused."""
    s.template_name = s.name


@step
def wait_for_a_domain(s: Shared, me: Local) -> None:
    """A wait for something that is no lock."""
    me.waits_until(neg(s.paused))


VOCABULARY = [s for s in vars(steps).values() if isinstance(s, Step)]
VOCABULARY += [refuse_if_renamed, refuse_unless_as_saved, save_the_name, wait_for_a_domain]

BOUNDS = (
    Bounds(slots=1, ejectable=0, configs=1, names=1, amounts=1, processes=2, crashes=0),
    Bounds(slots=0, ejectable=1, configs=1, names=1, amounts=1, processes=2, crashes=0),
    Bounds(slots=1, ejectable=0, configs=1, names=1, amounts=1, processes=2, crashes=1),
    Bounds(slots=0, ejectable=1, configs=2, names=1, amounts=1, processes=2, crashes=0),
    Bounds(slots=1, ejectable=0, configs=1, names=2, amounts=1, processes=2, crashes=0),
    Bounds(slots=1, ejectable=0, configs=1, names=1, amounts=2, processes=2, crashes=0),
    Bounds(slots=1, ejectable=1, configs=2, names=1, amounts=1, processes=1, crashes=1),
    Bounds(slots=1, ejectable=0, configs=2, names=2, amounts=2, processes=1, crashes=1),
    Bounds(slots=2, ejectable=0, configs=1, names=1, amounts=2, processes=1, crashes=1),
)


@st.composite
def operations(draw: st.DrawFn, given_: Operation) -> Operation:
    """An operation with one edit."""
    found, n = list(given_.steps), len(given_.steps)
    i, j = draw(st.integers(0, n - 1)), draw(st.integers(0, n - 1))
    match draw(st.sampled_from(("drop", "exchange", "move", "put in"))):
        case "drop":
            del found[i]
        case "exchange":
            found[i], found[j] = found[j], found[i]
        case "move":
            found.insert(j, found.pop(i))
        case _:
            found.insert(i, draw(st.sampled_from(VOCABULARY)))
    undone = tuple(u for u in given_.clean_up if draw(st.integers(0, 7)))
    return order(*found, on_failure=undone)


@st.composite
def designs(draw: st.DrawFn) -> Design:
    """A registered design with a few edits: those that leave a design."""
    found = draw(st.sampled_from(list(DESIGNS.values())))
    for _ in range(draw(st.integers(1, 4))):
        name = draw(st.sampled_from([n for n, _ in found.operations()]))
        edited = found.but("random", "", **{name: draw(operations(getattr(found, name)))})
        try:
            Program(edited, Bounds())
        except LanguageError:
            continue
        found = edited
    return found


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


@given(designs(), st.sampled_from(BOUNDS))
@settings(max_examples=5, deadline=None, derandomize=True, phases=(Phase.generate,))
def test_a_few_random_designs(design: Design, bounds: Bounds) -> None:
    compare(design, bounds, FEW)


@pytest.mark.slow
@given(designs(), st.sampled_from(BOUNDS))
@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_random_designs(design: Design, bounds: Bounds) -> None:
    compare(design, bounds, MANY)


def test_a_slice_begins_operations_whose_arguments_it_does_not_keep() -> None:
    """No step copies what `create` is asked with: the slice leaves it out, and must still begin a `create`."""
    lacking = order(
        steps.take_lock, steps.make_domain, steps.save_template, steps.allocate_devices, steps.unpause, steps.drop_lock
    )
    design = DESIGNS["xenstore_first_locked"].but("lacking", "", create=lacking)
    bounds = Bounds(slots=0, ejectable=1, configs=1, names=1, amounts=1, processes=2, crashes=0)
    compare(design, bounds, MANY)
    assert shortest(check(design, bounds))["every_operation_ends"] == 2
