"""No property is green because it can't fail: each is refuted by some design, with a trace that bears it out."""

from __future__ import annotations

import pytest

from confsync.model.engine.check import check
from confsync.model.engine.program import Program
from confsync.model.engine.search.monitor import InvariantJudge
from confsync.model.engine.verdict import Verdict
from confsync.model.engine.violation import violates
from confsync.model.language import Design, neg, order, step
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.properties import PROPERTIES
from confsync.model.libxl.state import Bounds, Local, Shared
from confsync.model.libxl.steps import (
    answer,
    close_devices,
    drop_device_lock,
    drop_lock,
    grant_memory,
    kill_domain,
    leave_devices,
    merge_devices,
    merge_media,
    read_template,
    release_devices,
    remove_template,
    take_device_lock,
    take_lock,
    unlock,
    write_memory,
    write_name,
)

SMALL = Bounds(slots=1, ejectable=1, configs=2, names=2, amounts=2, processes=2, crashes=1)
GOOD = DESIGNS[RECOMMENDED]


@step
def unlink_lock_file(s: Shared, me: Local) -> None:  # noqa: ARG001
    """Unlink the lock file without holding it: the next process makes a new one [defect 2 of libxl's history]."""
    s.locked = False
    s.lock_file = False


@step
def close_lock_file(s: Shared, me: Local) -> None:
    """Close the lock file and leave it where it is."""
    me.fails_if(neg(me.holds))
    s.locked = False
    me.holds = False


BROKEN: dict[str, Design] = {
    "lock_is_exclusive": GOOD.but(
        "breaks_the_lock", "", rename=order(unlink_lock_file, take_lock, write_name, drop_lock, on_failure=(unlock,))
    ),
    "lock_order_is_acyclic": GOOD.but(
        "crosses_two_locks",
        "",
        rename=order(take_lock, take_device_lock, write_name, drop_device_lock, drop_lock, on_failure=(unlock,)),
        set_memory_target=order(
            take_device_lock, take_lock, grant_memory, write_memory, drop_lock, drop_device_lock, on_failure=(unlock,)
        ),
    ),
    "every_operation_ends": GOOD.but("keeps_the_lock", "", rename=order(take_lock, write_name)),
    "userdata_dies_with_domain": GOOD.but(
        "leaves_the_lock_file",
        "",
        destroy=order(
            take_lock, close_devices, release_devices, leave_devices, remove_template, kill_domain, close_lock_file
        ),
    ),
    "knobs_are_reflected": GOOD.but(
        "never_reads_the_knobs",
        "",
        retrieve=order(take_lock, read_template, merge_devices, merge_media, drop_lock, answer, on_failure=(unlock,)),
    ),
}
"""A design of its own for each property that no registered design refutes, and two more."""


SLOW = ("knobs_are_reflected", "userdata_dies_with_domain")


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in BROKEN])
def test_broken_on_purpose(name: str) -> None:
    """A design that is broken in one way is refuted by the property that is about it."""
    (cell,) = check(BROKEN[name], SMALL, [name]).cells
    assert cell.verdict is Verdict.REFUTED
    assert cell.trace is not None
    assert len(cell.trace.moves) == cell.depth
    assert violates(cell.trace, name)
    (good,) = check(GOOD, SMALL, [name]).cells
    assert good.verdict is Verdict.EXHAUSTED


@pytest.mark.slow
def test_deadlock_is_told_from_a_lock_that_is_kept() -> None:
    """Two processes that wait for each other's locks refute both properties, and at the same step."""
    cells = check(BROKEN["lock_order_is_acyclic"], SMALL, ["lock_order_is_acyclic", "every_operation_ends"]).cells
    assert [c.verdict for c in cells] == [Verdict.REFUTED, Verdict.REFUTED]
    assert cells[0].depth == cells[1].depth
    kept = check(BROKEN["every_operation_ends"], SMALL, ["lock_order_is_acyclic"]).cells[0]
    assert kept.verdict is Verdict.EXHAUSTED
    assert kept.vacuous


def test_a_process_that_waits_for_itself() -> None:
    """Taking the lock twice is a deadlock of one [defect 29: retrieve called with the lock held]."""
    twice = GOOD.but("takes_it_twice", "", rename=order(take_lock, take_lock, write_name, drop_lock))
    cells = check(twice, SMALL, ["lock_order_is_acyclic", "every_operation_ends"]).cells
    assert [c.verdict for c in cells] == [Verdict.REFUTED, Verdict.REFUTED]


@pytest.mark.slow
def test_every_property_can_fail() -> None:
    """What is not broken on purpose here, some registered design refutes: so says the manifest, which is checked."""
    by_manifest = {
        "xenstore_has_template": "as_posted",
        "template_has_xenstore": "xenstore_first_locked",
        "resources_have_xenstore": "xenstore_first",
        "resources_have_template": "as_posted",
        "template_is_faithful": "xenstore_first_unchecked",
        "medium_agrees": "xenstore_first_locked_direct_swap_xenstore_first",
        "retrieve_is_exact": "xenstore_first_unchecked",
        "retrieve_never_degraded": "json_first",
        "retrieve_is_a_fixed_point": "json_first",
        "no_lost_update": "xenstore_first_unlocked",
        "always_recoverable": "xenstore_first_unlocked",
    }
    assert by_manifest.keys() | BROKEN.keys() == PROPERTIES.keys()
    small = Bounds(names=1, amounts=1)
    for name, design in by_manifest.items():
        (cell,) = check(DESIGNS[design], small, [name]).cells
        assert cell.verdict is Verdict.REFUTED, name
        assert cell.trace is not None
        assert violates(cell.trace, name), name


def test_where_there_are_no_slots_a_map_holds_nothing() -> None:
    """The bits that would be a slot's are those of other fields."""
    program = Program(DESIGNS[RECOMMENDED], Bounds(slots=0, ejectable=0, configs=2, names=2, amounts=2))
    word = program.initial
    for name in ("alive", "saved", "name", "memory", "granted", "locked", "lock_file"):
        word = program.shared_layout.put(word, name, 1)
    assert InvariantJudge(program, PROPERTIES)(word) == (0, 0)
