"""The search is right: symmetry, slices, wide states, limits, traces and coverage, each against a plainer way."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from naive import Naive
from searches import LEAST, SMALL, each_once, every_design, recommended, search_of, shortest, words_of

from confsync.model.engine.check import check
from confsync.model.engine.program import Program
from confsync.model.engine.search import pairs as pairs_of_states
from confsync.model.engine.search.bfs import Limits, Search
from confsync.model.engine.search.frontier import Packing
from confsync.model.engine.search.monitor import Monitor
from confsync.model.engine.search.pairs import Interned, Pairs
from confsync.model.language import order
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.properties import PROPERTIES
from confsync.model.libxl.state import Bounds
from confsync.model.libxl.steps import take_lock, write_name


def slow(what: object) -> object:
    return pytest.param(what, marks=pytest.mark.slow)


SYMMETRIC = (
    Bounds(slots=1, ejectable=0, configs=2, names=1, amounts=1, processes=2, crashes=0),
    Bounds(slots=2, ejectable=0, configs=1, names=1, amounts=1, processes=1, crashes=1),
    Bounds(slots=0, ejectable=2, configs=2, names=1, amounts=1, processes=1, crashes=0),
    Bounds(slots=0, ejectable=0, configs=1, names=3, amounts=3, processes=2, crashes=0),
)


# ------------------------------------------------------------------ against a dictionary


@pytest.mark.slow
@pytest.mark.parametrize(
    "bounds",
    [
        LEAST,
        slow(Bounds(slots=0, ejectable=1, configs=2, names=1, amounts=1, processes=2, crashes=0)),
        slow(Bounds(slots=0, ejectable=0, configs=1, names=2, amounts=2, processes=2, crashes=0)),
    ],
    ids=str,
)
def test_recommended_design_beside_a_dictionary(bounds: Bounds) -> None:
    naive = Naive(Program(recommended, bounds)).search()
    assert shortest(check(recommended, bounds)) == naive.shortest
    search = search_of(Program(recommended, bounds), symmetric=False)
    search.run(Limits())
    assert {state for level in words_of(search) for state in level} == naive.depth.keys()
    assert +Counter(search.taken()) == naive.taken
    assert sum(search.taken().values()) == search.found.transitions == naive.taken.total()


@pytest.mark.slow
@every_design
def test_designs_beside_a_dictionary(name: str) -> None:
    bounds = replace(LEAST, names=2 if name in (RECOMMENDED, "as_posted") else 1)
    naive = Naive(Program(DESIGNS[name], bounds)).search()
    assert shortest(check(DESIGNS[name], bounds)) == naive.shortest


@pytest.mark.slow
def test_no_operation_is_ever_given_up_for_lost() -> None:
    """`every_operation_ends` again, as the temporal statement it is: from every state, whatever has happened, each
    operation at work can still return if no more processes die."""
    for design, ends in (
        (recommended, True),
        (recommended.but("leaky", "", rename=order(take_lock, write_name)), False),
    ):
        naive = Naive(Program(design, LEAST))
        states = naive.search().depth
        live = {s: list(naive.successors(s)) for s in states}
        for p in range(2):
            good = {s for s in states if s[1][p] == 0}
            while more := {s for s, after in live.items() if s not in good and any(t in good for t in after)}:
                good |= more
            assert (good == states.keys()) is ends
        assert (shortest(check(design, LEAST))["every_operation_ends"] is None) is ends


# ------------------------------------------------------------------ symmetry


@pytest.mark.parametrize(
    "bounds",
    [
        slow(Bounds(slots=0, ejectable=1, configs=2, names=1, amounts=1, processes=2, crashes=0)),
        slow(Bounds(slots=2, ejectable=0, configs=1, names=1, amounts=1, processes=1, crashes=0)),
        Bounds(slots=0, ejectable=0, configs=1, names=3, amounts=2, processes=2, crashes=0),
    ],
    ids=str,
)
def test_symmetry_quickly(bounds: Bounds) -> None:
    design = recommended
    with_symmetry, without = (search_of(Program(design, bounds), symmetric=s) for s in (True, False))
    for search in (with_symmetry, without):
        search.run(Limits())
    assert with_symmetry.total() == without.found.states
    assert with_symmetry.found.states < without.found.states
    assert shortest(check(design, bounds)) == shortest(check(design, bounds, symmetric=False))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "bounds"), each_once(SYMMETRIC))
def test_symmetry(name: str, bounds: Bounds) -> None:
    design = DESIGNS[name]
    assert shortest(check(design, bounds)) == shortest(check(design, bounds, symmetric=False))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "slots"),
    [
        (RECOMMENDED, (0, 1)),
        *(
            pytest.param(name, slots, marks=pytest.mark.deep)
            for name, slots in (
                (RECOMMENDED, (1, 0)), ("as_posted", (0, 1)),
                ("as_posted", (1, 0)), ("xenstore_first_unlocked", (0, 1)), ("xenstore_first_unlocked", (1, 0)),
            )
        ),
    ],
)  # fmt: skip
def test_symmetry_of_three_processes(name: str, slots: tuple[int, int]) -> None:
    bounds = Bounds(*slots, configs=1, names=1, amounts=1, processes=3, crashes=0)
    assert shortest(check(DESIGNS[name], bounds)) == shortest(check(DESIGNS[name], bounds, symmetric=False))


@pytest.mark.slow
@pytest.mark.parametrize("name", [RECOMMENDED, pytest.param("xenstore_first_unlocked", marks=pytest.mark.deep)])
def test_symmetry_of_two_slots_and_two_processes(name: str) -> None:
    bounds = Bounds(slots=2, ejectable=0, configs=1, names=1, amounts=1, processes=2, crashes=0)
    assert shortest(check(DESIGNS[name], bounds)) == shortest(check(DESIGNS[name], bounds, symmetric=False))


# ------------------------------------------------------------------ wide states and words


@pytest.mark.slow
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("wide", [slow("states"), slow("words"), "both"])
def test_wide_states_and_words_are_as_exact(wide: str, symmetric: bool) -> None:
    program = Program(recommended, Bounds(slots=1, ejectable=0, configs=2, names=2, amounts=1, processes=2, crashes=1))
    narrow, other = (search_of(program, symmetric=symmetric) for _ in range(2))
    if wide != "states":
        pairs = Pairs(program)
        pairs.shared, pairs.local = Interned(65), Interned(65)
        other = Search(program, pairs, Monitor(program, pairs.shared, pairs.local, PROPERTIES), symmetric=symmetric)
        assert pairs.shared.dtype == pairs.local.dtype == object
    if wide != "words":
        other.packing = other.packing.wider()
        assert not other.packing.one_word
    for search in (narrow, other):
        search.run(Limits())
    assert words_of(other) == words_of(narrow)
    assert {bit: level for bit, (level, _) in other.found.first.items()} == {
        bit: level for bit, (level, _) in narrow.found.first.items()
    }
    assert other.total() == narrow.total()
    assert other.taken() == narrow.taken()


@pytest.mark.slow
def test_rows_are_worked_out_alike_one_by_one_and_as_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which way is taken depends on how many rows there are; the other way finds the same transitions, in order."""
    program = Program(recommended, LEAST)
    tables = []
    for few in (0, 1_000_000):
        monkeypatch.setattr(pairs_of_states, "FEW", few)
        search = search_of(program, symmetric=False)
        search.run(Limits())
        pairs = search.pairs
        columns = (pairs.first, pairs.count, pairs.can_move, pairs.to_shared, pairs.to_local, pairs.to_label)
        tables.append(([c.array.tolist() for c in columns], pairs.shared.words, pairs.local.words, pairs.labels))
    assert tables[0] == tables[1]
    assert search.found.states > 1_000


@pytest.mark.slow
def test_a_packing_that_is_too_narrow_is_noticed() -> None:
    program = Program(recommended, SMALL)
    search, narrow = search_of(program, symmetric=True), search_of(program, symmetric=True)
    narrow.packing = Packing(2, 4, 4)
    for s in (search, narrow):
        s.run(Limits())
    assert words_of(narrow) == words_of(search)
    assert narrow.found.transitions == search.found.transitions
    assert narrow.taken() == search.taken()


@pytest.mark.slow
def test_words_of_many_slots_beside_a_dictionary() -> None:
    bounds = Bounds(slots=6, ejectable=2, configs=1, names=2, amounts=2, processes=2, crashes=1)
    program, deep = Program(recommended, bounds), 3
    assert program.shared_layout.width > 64
    search = search_of(program, symmetric=False)
    search.packing = search.packing.wider()
    search.run(Limits(), lambda level: level == deep)
    naive = Naive(program)
    levels = [{naive.first}]
    for _ in range(deep):
        levels.append({t for s in levels[-1] for t in naive.successors(s)} - set().union(*levels))
    assert words_of(search) == levels


@pytest.mark.slow
def test_symmetry_of_many_slots() -> None:
    bounds = Bounds(slots=5, ejectable=2, configs=1, names=2, amounts=1, processes=1, crashes=0)
    program = Program(recommended, bounds)
    assert program.shared_layout.width > 64
    with_symmetry, without = (search_of(program, symmetric=s) for s in (True, False))
    for search in (with_symmetry, without):
        search.run(Limits(), lambda level: level == 6)
    assert with_symmetry.total() == without.found.states


# ------------------------------------------------------------------ coverage and vacuity


@pytest.mark.slow
def test_only_the_order_of_locks_is_vacuous_and_every_step_is_taken() -> None:
    """libxl's second lock is in no step of the recommended design: there is no order to speak of."""
    bounds = Bounds(slots=1, ejectable=1, configs=1, names=2, amounts=1, processes=2, crashes=0)
    examined = check(recommended, bounds)
    assert [c.property_name for c in examined.cells if c.vacuous] == ["lock_order_is_acyclic"]
    taken = {(operation, where) for (operation, where, kind), n in examined.taken.items() if n and kind == "takes"}
    assert taken == {p.place for p in Program(recommended, bounds).points[1:]}


@pytest.mark.slow
def test_a_property_that_has_no_case_is_vacuous() -> None:
    bounds = Bounds(slots=0, ejectable=0, configs=1, names=1, amounts=1, processes=2, crashes=0)
    vacuous = {c.property_name for c in check(recommended, bounds).cells if c.vacuous}
    nothing_there = {n for n, p in PROPERTIES.items() if "device" in p.sometimes or "medium" in p.sometimes}
    assert nothing_there | {"knobs_are_reflected", "lock_order_is_acyclic", "no_lost_update"} == vacuous
