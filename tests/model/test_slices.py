"""Slices are exact: each property of a slice is that of the whole, and what is outside has no say."""

from __future__ import annotations

import numpy as np
import pytest
from naive import Naive, violates
from searches import LEAST, each_once, every_design, recommended, shortest, the_whole

from confsync.model.engine.check import check
from confsync.model.engine.concrete import Layout
from confsync.model.engine.program import Program
from confsync.model.engine.slice import cone, values_are_alike
from confsync.model.engine.verdict import Verdict
from confsync.model.language import LanguageError, Operation, any_of, either, neg, order, step
from confsync.model.libxl.designs import DESIGNS
from confsync.model.libxl.slices import SLICES
from confsync.model.libxl.state import Bounds, Local, Shared
from confsync.model.libxl.steps import (
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

pytestmark = pytest.mark.slow


SLICED = (
    Bounds(slots=1, ejectable=0, configs=2, names=2, amounts=1, processes=2, crashes=0),
    Bounds(slots=0, ejectable=1, configs=2, names=1, amounts=2, processes=2, crashes=0),
    Bounds(slots=0, ejectable=0, configs=1, names=2, amounts=2, processes=2, crashes=1),
    Bounds(slots=1, ejectable=1, configs=1, names=1, amounts=1, processes=1, crashes=1),
)


@pytest.mark.parametrize(("name", "bounds"), each_once(SLICED))
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
    edited = recommended.but("edited", "", attach=with_step(recommended["attach"], order(refuse_if_renamed)))
    for design, drawn in ((recommended, False), (edited, True)):
        fields = cone(Program(design, Bounds()), devices.seeds)
        assert ("name" in fields) is ("template_name" in fields) is ("new_name" in fields) is drawn
    assert shortest(check(edited, LEAST)) == the_whole(edited, LEAST, symmetric=True)


def test_comparing_two_configurations_needs_two() -> None:
    edited = recommended.but("edited", "", attach=with_step(recommended["attach"], order(refuse_unless_as_saved)))
    assert values_are_alike(Program(recommended, Bounds()))
    assert not values_are_alike(Program(edited, Bounds()))


def _noise(layout: Layout, fields: list[str], word: int, rng: np.random.Generator) -> int:
    """The word with these fields set to anything."""
    for name in fields:
        place = layout.places[name]
        most = layout.bounds.size_of(place.field)
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
        detach=recommended["detach"].dropping(0),
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
