"""A limit leaves open what is not refuted; a trace ends where the property does, and its token says so."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from naive import violates
from searches import LEAST, recommended

from confsync.model.engine.check import check
from confsync.model.engine.memory import INTERRUPT, bound_of_memory
from confsync.model.engine.program import Program
from confsync.model.engine.search.bfs import Limits
from confsync.model.engine.trace import TokenError, read_token, replay
from confsync.model.engine.verdict import EXIT_OPEN, EXIT_REFUTED, Cell, Verdict, exit_code
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.state import Bounds

# ------------------------------------------------------------------ limits


@cache
def unlimited(name: str) -> dict[str, Cell]:
    return {c.property_name: c for c in check(DESIGNS[name], LEAST).cells}


LIMITS: dict[str, Callable[[], Limits]] = {
    "the bound of 600 states": lambda: Limits(max_states=600),
    "an interrupt": lambda: Limits(go_on=lambda here: here.depth < 12),
}


@pytest.mark.slow
@pytest.mark.parametrize("which", LIMITS)
def test_a_limit_leaves_open_what_is_not_refuted(which: str) -> None:
    cells = {c.property_name: c for c in check(recommended, LEAST, limits=LIMITS[which]()).cells}
    refuted = cells.pop("template_has_xenstore")
    assert (refuted.verdict, refuted.depth, refuted.stopped) == (Verdict.REFUTED, 3, "")
    assert {(c.verdict, c.stopped, c.vacuous) for c in cells.values()} == {(Verdict.BOUNDED, which, False)}
    assert exit_code(list(cells.values())) == EXIT_OPEN
    ended = which == INTERRUPT  # who ended the run knows that not all was decided
    assert exit_code([*cells.values(), refuted]) == (EXIT_OPEN if ended else EXIT_REFUTED)


@pytest.mark.slow
def test_a_limit_of_memory_leaves_open_what_was_not_decided_before_it() -> None:
    cells = {c.property_name: c for c in check(recommended, LEAST, limits=Limits(max_bytes=2**18)).cells}
    bounded = {name: c for name, c in cells.items() if c.verdict is Verdict.BOUNDED}
    assert bounded
    assert {c.stopped for c in bounded.values()} == {bound_of_memory(2**18)}
    decided = {name: c.verdict for name, c in cells.items() if name not in bounded}
    assert decided == {name: unlimited(RECOMMENDED)[name].verdict for name in decided}
    assert decided["template_has_xenstore"] is Verdict.REFUTED


@pytest.mark.slow
@given(st.sampled_from(["as_posted", "xenstore_first_unlocked"]), st.integers(1, 10_000))
@settings(max_examples=12, deadline=None, derandomize=True)
def test_no_limit_changes_a_verdict(name: str, states: int) -> None:
    for cell in check(DESIGNS[name], LEAST, limits=Limits(max_states=states)).cells:
        full = unlimited(name)[cell.property_name]
        assert bool(cell.stopped) is (cell.verdict is Verdict.BOUNDED)
        if cell.verdict is not Verdict.BOUNDED:
            assert (cell.verdict, cell.depth) == (full.verdict, full.depth)


# ------------------------------------------------------------------ traces and tokens


def test_every_trace_ends_where_the_property_does_quickly() -> None:
    _every_trace_ends_where_the_property_does("as_posted", LEAST)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["xenstore_first", *(pytest.param(n, marks=pytest.mark.deep) for n in DESIGNS if n != "xenstore_first")]
)
def test_every_trace_ends_where_the_property_does(name: str) -> None:
    for bounds in (
        Bounds(slots=1, ejectable=0, configs=2, names=2, amounts=1, processes=2, crashes=0),
        Bounds(slots=1, ejectable=0, configs=2, names=1, amounts=1, processes=2, crashes=1),
        Bounds(slots=0, ejectable=1, configs=2, names=1, amounts=1, processes=2, crashes=1),
        Bounds(slots=2, ejectable=0, configs=1, names=1, amounts=1, processes=1, crashes=1),
    ):
        _every_trace_ends_where_the_property_does(name, bounds)


def _every_trace_ends_where_the_property_does(name: str, bounds: Bounds) -> None:
    program = Program(DESIGNS[name], bounds)
    for cell in check(DESIGNS[name], bounds).cells:
        if cell.verdict is not Verdict.REFUTED:
            continue
        token = read_token(cell.token, Bounds)
        assert (token.design, token.property_name, token.bounds) == (name, cell.property_name, bounds)
        trace = replay(program, token)
        assert cell.trace
        assert trace.moves == cell.trace.moves
        assert len(trace.moves) == cell.depth
        assert violates(program, trace.moves, cell.property_name)
        assert not violates(program, trace.moves[:-1], cell.property_name)


@cache
def tokens() -> list[str]:
    return [c.token for c in unlimited("as_posted").values() if c.token]


@pytest.mark.slow
@given(st.data())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_corrupted_token_is_told(data: st.DataObject) -> None:
    """What is left of a token is none, or says the same, or says something that is true as well."""
    given_ = data.draw(st.sampled_from(tokens()))
    at = data.draw(st.integers(given_.index(":", len("as_posted:")) + 1, len(given_) - 1))
    new = data.draw(st.sampled_from(["", *"0123456789abcdef.-:"]))
    corrupted = given_[:at] + new + given_[at + data.draw(st.integers(0, 1)) :]
    before = read_token(given_, Bounds)
    try:
        after = read_token(corrupted, Bounds)
        assume(after.bounds == LEAST)
        trace = replay(Program(DESIGNS["as_posted"], after.bounds), after)
    except TokenError:
        return
    if after != before:
        assert violates(trace.program, trace.moves, before.property_name)


@pytest.mark.slow
@pytest.mark.parametrize(
    "bounds",
    [
        "",
        "s1",
        "s1e1c1n1a1p2",
        "s1e1c1n1a1p2k0x",
        "S1e1c1n1a1p2k0",
        "s1e1c1n1a1p0k0",
        "s1e1c1n0a1p2k0",
    ],
)
def test_bounds_that_cannot_be_are_told(bounds: str) -> None:
    design, property_name, _, choices, checksum = tokens()[0].split(":")
    with pytest.raises(TokenError):
        read_token(f"{design}:{property_name}:{bounds}:{choices}:{checksum}", Bounds)


@pytest.mark.slow
def test_a_token_of_another_design_is_told() -> None:
    for token in (read_token(text, Bounds) for text in tokens()):
        for name in ("json_first", RECOMMENDED):
            try:
                trace = replay(Program(DESIGNS[name], LEAST), token)
            except TokenError:
                continue
            assert violates(trace.program, trace.moves, token.property_name)
