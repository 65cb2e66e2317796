"""The search is right: symmetry, slices, wide states, limits, traces and coverage, each against a plainer way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from naive import Naive, violates

from model.check import SLICES, Examined, check
from model.concrete import Layout
from model.designs import DESIGNS, RECOMMENDED
from model.language import LanguageError, any_of, either, neg
from model.program import Program
from model.properties import BIT, PROPERTIES
from model.search.bfs import Limits, Search
from model.search.exact import suspects, watching
from model.search.frontier import Packing
from model.search.monitor import Monitor
from model.search.pairs import Interned, Pairs
from model.search.recover import Recovery
from model.slice import cone, configurations_are_alike
from model.state import Bounds, Local, Shared
from model.step import Design, Operation, order, step
from model.steps import (
    answer,
    drop_lock,
    merge_devices,
    merge_knobs,
    merge_media,
    read_template,
    take_lock,
    write_back,
    write_name,
)
from model.trace import TokenError, read_token, replay
from model.verdict import EXIT_OPEN, EXIT_REFUTED, Cell, Verdict, exit_code

recommended = DESIGNS[RECOMMENDED]
LEAST = Bounds(slots=1, ejectable=0, configs=1, names=1, amounts=1, processes=2, crashes=0)
SMALL = Bounds(slots=1, ejectable=1, configs=1, names=1, amounts=1, processes=2, crashes=0)
every_design = pytest.mark.parametrize("name", DESIGNS)

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
    hopeless = Recovery(search).first_hopeless()[0]
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


# ------------------------------------------------------------------ against a dictionary


@pytest.mark.parametrize(
    "bounds",
    [
        LEAST,
        Bounds(slots=0, ejectable=1, configs=2, names=1, amounts=1, processes=2, crashes=0),
        Bounds(slots=0, ejectable=0, configs=1, names=2, amounts=2, processes=2, crashes=0),
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
    bounds = Bounds(slots=1, ejectable=0, configs=1, names=2, amounts=1, processes=2, crashes=0)
    naive = Naive(Program(DESIGNS[name], bounds)).search()
    assert shortest(check(DESIGNS[name], bounds)) == naive.shortest


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
        Bounds(slots=0, ejectable=1, configs=2, names=1, amounts=1, processes=2, crashes=0),
        Bounds(slots=2, ejectable=0, configs=1, names=1, amounts=1, processes=1, crashes=0),
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
@pytest.mark.parametrize(
    "bounds",
    [
        Bounds(slots=1, ejectable=0, configs=2, names=1, amounts=1, processes=2, crashes=1),
        Bounds(slots=2, ejectable=0, configs=1, names=1, amounts=1, processes=1, crashes=1),
        Bounds(slots=0, ejectable=2, configs=2, names=1, amounts=1, processes=1, crashes=0),
        Bounds(slots=0, ejectable=0, configs=1, names=3, amounts=3, processes=2, crashes=0),
    ],
    ids=str,
)
@every_design
def test_symmetry(name: str, bounds: Bounds) -> None:
    design = DESIGNS[name]
    assert shortest(check(design, bounds)) == shortest(check(design, bounds, symmetric=False))


@pytest.mark.slow
@pytest.mark.parametrize("name", [RECOMMENDED, "as_posted", "xenstore_first_unlocked"])
@pytest.mark.parametrize("slots", [(1, 0), (0, 1)])
def test_symmetry_of_three_processes(name: str, slots: tuple[int, int]) -> None:
    bounds = Bounds(*slots, configs=1, names=1, amounts=1, processes=3, crashes=0)
    assert shortest(check(DESIGNS[name], bounds)) == shortest(check(DESIGNS[name], bounds, symmetric=False))


@pytest.mark.slow
@pytest.mark.parametrize("name", [RECOMMENDED, "xenstore_first_unlocked"])
def test_symmetry_of_two_slots_and_two_processes(name: str) -> None:
    bounds = Bounds(slots=2, ejectable=0, configs=1, names=1, amounts=1, processes=2, crashes=0)
    assert shortest(check(DESIGNS[name], bounds)) == shortest(check(DESIGNS[name], bounds, symmetric=False))


# ------------------------------------------------------------------ slices


@pytest.mark.parametrize("name", [RECOMMENDED, "as_posted"])
def test_slices_quickly(name: str) -> None:
    bounds = Bounds(slots=1, ejectable=0, configs=2, names=2, amounts=1, processes=2, crashes=0)
    assert shortest(check(DESIGNS[name], bounds)) == the_whole(DESIGNS[name], bounds, symmetric=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "bounds",
    [
        Bounds(slots=1, ejectable=0, configs=2, names=2, amounts=1, processes=2, crashes=0),
        Bounds(slots=0, ejectable=1, configs=2, names=1, amounts=2, processes=2, crashes=0),
        Bounds(slots=0, ejectable=0, configs=1, names=2, amounts=2, processes=2, crashes=1),
        Bounds(slots=1, ejectable=1, configs=2, names=1, amounts=2, processes=1, crashes=1),
    ],
    ids=str,
)
@every_design
def test_slices(name: str, bounds: Bounds) -> None:
    assert shortest(check(DESIGNS[name], bounds)) == the_whole(DESIGNS[name], bounds, symmetric=True)


@step
def refuse_if_renamed(s: Shared, me: Local) -> None:
    """Give up if the domain has been renamed."""
    me.fails_if(s.name != s.template_name)


@step
def refuse_unless_as_saved(s: Shared, me: Local) -> None:
    """Give up unless the template says what I was asked."""
    me.fails_if(s.template[me.slot] != me.config)


@step
def change_the_medium(s: Shared, me: Local) -> None:
    """Replace a medium by another in template and xenstore at once; refused if the drive is empty."""
    me.fails_if(any_of(neg(s.xenstore[me.slot].present), s.xenstore[me.slot].empty))
    s.template[me.slot] = me.config
    s.xenstore[me.slot] = me.config


def with_step(operation: Operation, new: Operation) -> Operation:
    """An operation with another's steps put in as its third."""
    return order(*operation.steps[:2], *new.steps, *operation.steps[2:], on_failure=operation.clean_up)


def test_a_guard_draws_what_it_reads_into_every_slice() -> None:
    devices = next(s for s in SLICES if s.name == "devices")
    edited = recommended.but("edited", "", attach=with_step(recommended.attach, order(refuse_if_renamed)))
    for design, drawn in ((recommended, False), (edited, True)):
        fields = cone(Program(design, Bounds()), devices.seeds)
        assert ("name" in fields) is ("template_name" in fields) is ("new_name" in fields) is drawn
    assert shortest(check(edited, LEAST)) == the_whole(edited, LEAST, symmetric=True)


def test_comparing_two_configurations_needs_two() -> None:
    edited = recommended.but("edited", "", attach=with_step(recommended.attach, order(refuse_unless_as_saved)))
    assert configurations_are_alike(Program(recommended, Bounds()))
    assert not configurations_are_alike(Program(edited, Bounds()))


def _noise(layout: Layout, fields: list[str], word: int, rng: np.random.Generator) -> int:
    """The word with these fields set to anything."""
    for name in fields:
        place = layout.places[name]
        most = layout.bounds.size(place.field.sort)
        word = layout.put(word, name, tuple(int(v) for v in rng.integers(most, size=place.count)))
    return word


@every_design
def test_what_is_outside_a_slice_has_no_say(name: str) -> None:
    """Whatever the fields outside hold, every step does the same to those inside."""
    bounds = Bounds(slots=1, ejectable=1, configs=2, names=2, amounts=2, processes=1, crashes=1)
    whole = Program(DESIGNS[name], bounds)
    layouts = whole.shared_layout, whole.local_layout
    rng = np.random.default_rng(0)
    for part in SLICES:
        inside = cone(whole, part.seeds)
        outside = [[n for n in layout.places if n not in inside] for layout in layouts]
        kept = [~layout.mask(set(fields)) for layout, fields in zip(layouts, outside, strict=True)]
        words = [whole.initial, 0]
        for _ in range(150):
            here = list(whole.transitions(words[0], words[1], set()))
            noisy = [_noise(*each, rng) for each in zip(layouts, outside, words, strict=True)]
            there = list(whole.transitions(noisy[0], noisy[1] if words[1] else 0, set()))
            was = (words[0] & kept[0], words[1] & kept[1])
            seen, also = (
                [(t.label, now) for t in ts if (now := (t.shared & kept[0], t.local & kept[1])) != was]
                for ts in (here, there)
            )
            assert seen == also
            chosen = here[int(rng.integers(len(here)))]
            words = [chosen.shared, chosen.local]


EXACT_BY_PARTS = recommended.but(
    "exact_by_parts",
    "Devices and knobs are each what they were at some instant, and not at the same one.",
    swap=order(change_the_medium),
    rename=order(write_name),
)


def test_exactness_is_not_decided_by_parts() -> None:
    """A retrieve can return a medium that has gone since, and a name that came later."""
    bounds = Bounds(slots=0, ejectable=1, configs=2, names=2, amounts=1, processes=2, crashes=0)
    (cell,) = check(EXACT_BY_PARTS, bounds, ["retrieve_is_exact"]).cells
    assert (cell.verdict, cell.depth) == (Verdict.REFUTED, 15)
    assert cell.trace
    assert violates(cell.trace.program, cell.trace.moves, cell.property_name)


@pytest.mark.slow
def test_exactness_by_parts_beside_a_dictionary() -> None:
    bounds = Bounds(slots=0, ejectable=1, configs=2, names=2, amounts=1, processes=2, crashes=0)
    naive = Naive(Program(EXACT_BY_PARTS, bounds)).search()
    assert shortest(check(EXACT_BY_PARTS, bounds)) == naive.shortest


@step
def keep_a_torn_target(s: Shared, me: Local) -> None:
    """Choose the target that I was asked for, or the old one if the hypervisor grants another."""
    me.draft_memory = either(s.granted == s.memory, me.amount, s.memory)


@step
def keep_a_torn_grant(s: Shared, me: Local) -> None:
    """Grant the target that I was asked for, or leave it if xenstore has another."""
    s.granted = either(s.granted == s.memory, me.amount, s.granted)


@step
def write_chosen_memory(s: Shared, me: Local) -> None:
    """Write the target that I chose."""
    s.memory = me.draft_memory


def test_a_later_slice_can_have_the_shorter_trace() -> None:
    """A torn memory target is past recovery sooner than the device that cannot be detached."""
    design = recommended.but(
        "hopeless",
        "",
        set_memory_target=order(keep_a_torn_target, keep_a_torn_grant, write_chosen_memory),
        detach=recommended.detach.dropping(0),
    )
    bounds = Bounds(slots=1, ejectable=0, configs=1, names=1, amounts=2, processes=1, crashes=1)
    (cell,) = check(design, bounds, ["always_recoverable"]).cells
    naive = Naive(Program(design, bounds)).search()
    assert cell.depth == naive.shortest["always_recoverable"] == 10


@pytest.mark.parametrize(
    "retrieve",
    [
        order(answer),
        order(take_lock, drop_lock, answer),
        order(read_template, merge_devices, merge_media, merge_knobs, drop_lock),
        order(take_lock, read_template, merge_devices, merge_media, merge_knobs, write_back),
        order(read_template, merge_devices, merge_media, merge_knobs, take_lock),
    ],
    ids=lambda r: " ".join(map(str, r.steps)),
)
def test_a_retrieve_returns_a_result_and_cannot_fail_in_doing_so(retrieve: Operation) -> None:
    with pytest.raises(LanguageError, match="`retrieve`"):
        Program(recommended.but("odd", "", retrieve=retrieve), LEAST)


# ------------------------------------------------------------------ wide states and words


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("wide", ["states", "words", "both"])
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


def test_a_packing_that_is_too_narrow_is_noticed() -> None:
    program = Program(recommended, SMALL)
    search, narrow = search_of(program, symmetric=True), search_of(program, symmetric=True)
    narrow.packing = Packing(2, 4, 4)
    for s in (search, narrow):
        s.run(Limits())
    assert words_of(narrow) == words_of(search)
    assert narrow.found.transitions == search.found.transitions
    assert narrow.taken() == search.taken()


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


def test_symmetry_of_many_slots() -> None:
    bounds = Bounds(slots=5, ejectable=2, configs=1, names=2, amounts=1, processes=1, crashes=0)
    program = Program(recommended, bounds)
    assert program.shared_layout.width > 64
    with_symmetry, without = (search_of(program, symmetric=s) for s in (True, False))
    for search in (with_symmetry, without):
        search.run(Limits(), lambda level: level == 6)
    assert with_symmetry.total() == without.found.states


# ------------------------------------------------------------------ limits


@cache
def unlimited(name: str) -> dict[str, Cell]:
    return {c.property_name: c for c in check(DESIGNS[name], LEAST).cells}


LIMITS: dict[str, Callable[[], Limits]] = {
    "the bound of 600 states": lambda: Limits(max_states=600),
    "the bound of 0 MiB of memory": lambda: Limits(max_bytes=2**17),
    "an interrupt": lambda: Limits(go_on=lambda here: here.depth < 12),
}


@pytest.mark.parametrize("which", LIMITS)
def test_a_limit_leaves_open_what_is_not_refuted(which: str) -> None:
    cells = {c.property_name: c for c in check(recommended, LEAST, limits=LIMITS[which]()).cells}
    refuted = cells.pop("template_has_xenstore")
    assert (refuted.verdict, refuted.depth, refuted.stopped) == (Verdict.REFUTED, 3, "")
    assert {(c.verdict, c.stopped, c.vacuous) for c in cells.values()} == {(Verdict.BOUNDED, which, False)}
    assert exit_code(list(cells.values())) == EXIT_OPEN
    assert exit_code([*cells.values(), refuted]) == EXIT_REFUTED


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
@every_design
def test_every_trace_ends_where_the_property_does(name: str) -> None:
    for bounds in (
        Bounds(slots=1, ejectable=0, configs=2, names=2, amounts=2, processes=2, crashes=0),
        Bounds(slots=1, ejectable=1, configs=2, names=1, amounts=1, processes=2, crashes=1),
    ):
        _every_trace_ends_where_the_property_does(name, bounds)


def _every_trace_ends_where_the_property_does(name: str, bounds: Bounds) -> None:
    program = Program(DESIGNS[name], bounds)
    for cell in check(DESIGNS[name], bounds).cells:
        if cell.verdict is not Verdict.REFUTED:
            continue
        token = read_token(cell.token)
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


@given(st.data())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_corrupted_token_is_told(data: st.DataObject) -> None:
    """What is left of a token is none, or says the same, or says something that is true as well."""
    given_ = data.draw(st.sampled_from(tokens()))
    at = data.draw(st.integers(given_.index(":", len("as_posted:")) + 1, len(given_) - 1))
    new = data.draw(st.sampled_from(["", *"0123456789abcdef.-:"]))
    corrupted = given_[:at] + new + given_[at + data.draw(st.integers(0, 1)) :]
    before = read_token(given_)
    try:
        after = read_token(corrupted)
        assume(after.bounds == LEAST)
        trace = replay(Program(DESIGNS["as_posted"], after.bounds), after)
    except TokenError:
        return
    if after != before:
        assert violates(trace.program, trace.moves, before.property_name)


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
        read_token(f"{design}:{property_name}:{bounds}:{choices}:{checksum}")


def test_a_token_of_another_design_is_told() -> None:
    for token in map(read_token, tokens()):
        for name in ("json_first", RECOMMENDED):
            try:
                trace = replay(Program(DESIGNS[name], LEAST), token)
            except TokenError:
                continue
            assert violates(trace.program, trace.moves, token.property_name)


# ------------------------------------------------------------------ coverage and vacuity


def test_only_the_order_of_locks_is_vacuous_and_every_step_is_taken() -> None:
    """libxl's second lock is in no step of the recommended design: there is no order to speak of."""
    bounds = Bounds(slots=1, ejectable=1, configs=1, names=2, amounts=1, processes=2, crashes=0)
    examined = check(recommended, bounds)
    assert [c.property_name for c in examined.cells if c.vacuous] == ["lock_order_is_acyclic"]
    taken = {(operation, where) for (operation, where, kind), n in examined.taken.items() if n and kind == "takes"}
    assert taken == {p.place for p in Program(recommended, bounds).points[1:]}


def test_a_property_that_has_no_case_is_vacuous() -> None:
    bounds = Bounds(slots=0, ejectable=0, configs=1, names=1, amounts=1, processes=2, crashes=0)
    vacuous = {c.property_name for c in check(recommended, bounds).cells if c.vacuous}
    nothing_there = {n for n, p in PROPERTIES.items() if "device" in p.sometimes or "medium" in p.sometimes}
    assert nothing_there | {"knobs_are_reflected", "lock_order_is_acyclic", "no_lost_update"} == vacuous
