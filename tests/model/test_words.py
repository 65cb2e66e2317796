"""States are words: a field is read back as it was put, and a word of any width is exact."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from confsync.model.engine.concrete import Layout, Plain, WordCells
from confsync.model.engine.program import IDLE, Kind, Program
from confsync.model.language import BOOL, LOCATION, WATCH
from confsync.model.libxl import steps
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.state import ABSENT, EMPTY, FIRST_CONFIG, MADE_UP, SLOT, Bounds, Local, Shared, slot_at

EXTRA = {LOCATION: 90, WATCH: 5}
BOUNDS_OF_ANY_SIZE = st.builds(
    Bounds,
    slots=st.integers(0, 40),
    ejectable=st.integers(0, 5),
    configs=st.integers(1, 9),
    names=st.integers(1, 4),
    amounts=st.integers(1, 5),
    crashes=st.integers(0, 3),
)


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    return Layout(draw(st.sampled_from([Shared, Local])), draw(BOUNDS_OF_ANY_SIZE), EXTRA)


def values_of(layout: Layout, name: str) -> st.SearchStrategy[Plain]:
    """Any value of a field; of a map, one for each slot."""
    f = layout.record.fields()[name]
    if f.sort == SLOT:
        return st.sampled_from(layout.elements(SLOT)) if layout.elements(SLOT) else st.just(0)
    size = EXTRA[f.sort] if f.sort in EXTRA else layout.bounds.size_of(f)
    one = st.booleans() if f.sort == BOOL else st.integers(0, size - 1)
    return st.tuples(*[one] * len(layout.elements(SLOT))) if f.over else one


@pytest.mark.slow
@settings(deadline=None)
@given(st.data(), layouts())
def test_a_field_is_read_back_as_it_was_put_and_no_other_changes(data: st.DataObject, layout: Layout) -> None:
    word = data.draw(st.integers(0, (1 << layout.width) - 1))
    name = data.draw(st.sampled_from(sorted(layout.places)))
    value = data.draw(values_of(layout, name))
    after = layout.put(word, name, value)
    assert layout.get(after, name) == value
    assert after >> layout.width == 0
    assert (after ^ word) & ~layout.mask({name}) == 0


@pytest.mark.slow
@settings(deadline=None)
@given(st.data(), layouts())
def test_a_word_is_its_fields(data: st.DataObject, layout: Layout) -> None:
    """Putting every field gives one word, whatever stood there; so two states are equal just if their words are."""
    values = {name: data.draw(values_of(layout, name)) for name in layout.places}
    first, second = 0, (1 << layout.width) - 1
    for name, value in values.items():
        first, second = layout.put(first, name, value), layout.put(second, name, value)
    assert first == second
    assert {name: layout.get(first, name) for name in values} == values


@pytest.mark.slow
@settings(deadline=None)
@given(layouts())
def test_fields_share_no_bit_and_leave_none_over(layout: Layout) -> None:
    assert layout.mask(set(layout.places)) == (1 << layout.width) - 1
    assert sum(p.mask.bit_count() for p in layout.places.values()) == layout.width


def run(program: Program, shared: int, operation: str, **arguments: Plain) -> tuple[int, int]:
    """One operation to its end, nothing failing. -> the shared word, and the local one before its last step"""
    local = program.local_layout.put(IDLE, "at", program.first[operation])
    for name, value in arguments.items():
        local = program.local_layout.put(local, name, value)
    last = local
    while local != IDLE:
        last, point = local, program.point_of(local)
        taken = next(e for e in program.outcomes(point, shared, local, set()) or [] if e.kind is Kind.STEP)
        t = program.apply(taken, point, shared, local)
        shared, local = t.shared, t.local
    return shared, last


def test_a_state_wider_than_a_machine_word_is_exact() -> None:
    program = Program(DESIGNS[RECOMMENDED], Bounds(slots=6, ejectable=1, configs=1, names=2, amounts=2))
    get, slots = program.shared_layout.get, program.shared_layout.elements(SLOT)
    assert program.shared_layout.width > 64
    asked = (FIRST_CONFIG, *(ABSENT,) * 5, EMPTY)
    shared, _ = run(program, program.initial, "create", draft=asked)
    shared, _ = run(program, shared, "attach", slot=slots[5], config=FIRST_CONFIG)
    shared, _ = run(program, shared, "insert", slot=slots[6], config=FIRST_CONFIG)
    shared, _ = run(program, shared, "detach", slot=slots[0])
    now = (*(ABSENT,) * 5, FIRST_CONFIG, FIRST_CONFIG)
    for name in ("template", "xenstore", "vouched"):
        assert get(shared, name) == now
    assert get(shared, "resources") == tuple(c != ABSENT for c in now)
    shared, local = run(program, shared, "retrieve")
    assert program.local_layout.get(local, "draft") == now
    shared, _ = run(program, shared, "destroy")
    assert shared == program.initial


@pytest.mark.parametrize("slots", [1, 8, 33, 200])
def test_a_step_writes_the_last_slot_and_no_other(slots: int) -> None:
    bounds = Bounds(slots=slots, ejectable=0, configs=5)
    shared, local = Layout(Shared, bounds, EXTRA), Layout(Local, bounds, EXTRA)
    k = slot_at(slots - 1, ejectable=False)
    before = tuple(FIRST_CONFIG + i % 5 for i in range(slots))
    me = WordCells(local, local.put(local.put(local.put(0, "draft", before), "slot", k), "config", MADE_UP), [])
    s = WordCells(shared, 0, [])
    steps.write_template.run(Shared(s), Local(me))
    assert shared.get(s.word, "template") == (*before[:-1], MADE_UP)
    assert s.word & ~s.written == 0
