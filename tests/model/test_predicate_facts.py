"""What each predicate of the checker says of states that are written down by hand: the properties over the stores,
recovery, what a retrieve alone returns, and where processes wait for each other.

The slot is the first of a pair and the drive is the second. What holds and what does not is read off the statement of
the property, not off its predicate.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
from hand_states import BOUNDS, C1, C2, DRIVE, NOTHING, SHARED, SLOT, Fields, stores, word_of
from naive import Naive

from confsync.model.engine.program import IDLE, Program
from confsync.model.engine.search.alone import Alone
from confsync.model.engine.search.monitor import Monitor
from confsync.model.engine.search.pairs import Pairs
from confsync.model.language import Design, Invariant, order
from confsync.model.libxl import recovery
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.properties import PROPERTIES
from confsync.model.libxl.protocol import BIT
from confsync.model.libxl.state import ABSENT, EMPTY, MADE_UP
from confsync.model.libxl.steps import (
    answer,
    drop_device_lock,
    drop_lock,
    grant_memory,
    take_device_lock,
    take_lock,
    write_memory,
    write_name,
)  # fmt: skip

HOLDS, VIOLATED, NO_CASE = "holds", "is violated", "has no case"
TEMPLATE, XENSTORE = "xenstore_has_template", "template_has_xenstore"
FAITHFUL, MEDIUM, LOST, DIES = "template_is_faithful", "medium_agrees", "no_lost_update", "userdata_dies_with_domain"

STORES: dict[str, tuple[str, Fields, str]] = {
    "a device in both": (TEMPLATE, {"xenstore": (C1, EMPTY), "template": (C1, EMPTY)}, HOLDS),
    "a device in xenstore alone": (TEMPLATE, {"xenstore": (C1, ABSENT)}, VIOLATED),
    "an empty drive in xenstore alone": (TEMPLATE, {"xenstore": NOTHING}, VIOLATED),
    "an entry that xenstore lacks": (TEMPLATE, {"template": (C1, C2)}, NO_CASE),
    "a device in the template alone": (XENSTORE, {"template": (C1, ABSENT)}, VIOLATED),
    "a drive in the template alone": (XENSTORE, {"template": NOTHING}, VIOLATED),
    "a device in xenstore and no entry": (XENSTORE, {"xenstore": (C1, C2)}, NO_CASE),
    "other media in the two": (XENSTORE, {"xenstore": (C1, C2), "template": (C1, C1)}, HOLDS),
    "resources of what xenstore has": (
        "resources_have_xenstore", {"resources": (True, False), "xenstore": (C1, 0)}, HOLDS,
    ),
    "resources of what xenstore lacks": ("resources_have_xenstore", {"resources": (False, True)}, VIOLATED),
    "no resources": ("resources_have_xenstore", {"xenstore": (C1, C2)}, NO_CASE),
    "resources of what the template has": (
        "resources_have_template", {"resources": (False, True), "template": NOTHING}, HOLDS,
    ),
    "resources of what the template lacks": (
        "resources_have_template", {"resources": (True, False), "xenstore": (C1, 0), "template": NOTHING}, VIOLATED,
    ),
    "the very configuration": (FAITHFUL, {"xenstore": (C1, C2), "template": (C1, C2)}, HOLDS),
    "another configuration of a device": (FAITHFUL, {"xenstore": (C1, EMPTY), "template": (C2, EMPTY)}, VIOLATED),
    "another medium in a drive": (FAITHFUL, {"xenstore": (ABSENT, C1), "template": (ABSENT, C2)}, VIOLATED),
    "a medium that the template calls empty": (FAITHFUL, {"xenstore": (ABSENT, C1), "template": NOTHING}, VIOLATED),
    "an empty drive, whatever the template says": (FAITHFUL, {"xenstore": NOTHING, "template": (C2, C1)}, NO_CASE),
    "a medium and the template's": (MEDIUM, {"xenstore": (ABSENT, C1), "template": (ABSENT, C1)}, HOLDS),
    "a medium and another in the template": (MEDIUM, {"xenstore": (ABSENT, C1), "template": (ABSENT, C2)}, VIOLATED),
    "an empty drive with a medium in the template": (MEDIUM, {"xenstore": NOTHING, "template": (ABSENT, C2)}, NO_CASE),
    "a device and another in the template": (MEDIUM, {"xenstore": (C1, EMPTY), "template": (C2, EMPTY)}, NO_CASE),
    "what was written for the slot": (LOST, {"vouched": (C1, ABSENT), "template": (C1, EMPTY)}, HOLDS),
    "what was written for the slot is gone": (LOST, {"vouched": (C1, ABSENT), "template": NOTHING}, VIOLATED),
    "what was written for the drive is another": (LOST, {"vouched": (C1, C2), "template": (C1, C1)}, VIOLATED),
    "nothing that was written": (LOST, {"template": (C1, C2)}, NO_CASE),
    "a template without a domain": (DIES, {"saved": True}, VIOLATED),
    "a lock file without a domain": (DIES, {"lock_file": True}, VIOLATED),
    "a lock file without a domain, held": (DIES, {"lock_file": True, "locked": True}, NO_CASE),
    "a lock file that a dead process may have left": (DIES, {"lock_file": True, "crashes": 1}, NO_CASE),
    "a template that a dead process may have left": (DIES, {"saved": True, "crashes": 1}, VIOLATED),
    "a template of a domain that is being created": (DIES, {"alive": True, "paused": True, "saved": True}, HOLDS),
    "a domain that runs": (DIES, {"alive": True, "saved": True, "lock_file": True}, NO_CASE),
}  # fmt: skip


def truths(name: str, fields: Fields) -> Iterator[tuple[bool, bool]]:
    """Of each slot, whether the property holds there, and whether its case is met."""
    p, s = PROPERTIES[name], stores(**fields)
    assert isinstance(p, Invariant)
    for k in (SLOT, DRIVE):
        yield bool(p.holds(s, k)), bool(p.met(s, k))


@pytest.mark.parametrize("what", STORES)
def test_a_property_over_the_stores(what: str) -> None:
    name, fields, word = STORES[what]
    found = list(truths(name, fields))
    if word == NO_CASE:
        assert found == [(True, False)] * 2
    elif word == HOLDS:
        assert all(holds for holds, _ in found)
        assert any(met for _, met in found)
    else:
        assert not all(holds for holds, _ in found)


@pytest.mark.parametrize("what", STORES)
def test_the_naive_checker_says_the_same_of_the_stores(what: str) -> None:
    name, fields, word = STORES[what]
    found = set(Naive(Program(DESIGNS[RECOMMENDED], BOUNDS)).bad_stores(word_of(SHARED, fields)))
    assert (name in found) is (word == VIOLATED)


def test_every_property_over_the_stores_is_among_them() -> None:
    decided = {n for n, p in PROPERTIES.items() if isinstance(p, Invariant)}
    assert {name for name, _, word in STORES.values() if word == VIOLATED} == decided


# ------------------------------------------------------------------ recovery

AGREED: Fields = {
    "alive": True, "saved": True, "template": (C1, C2), "xenstore": (C1, C2), "resources": (True, True),
}  # fmt: skip

HALF_WAY: dict[str, Fields] = {
    "the template has another configuration": {"template": (C2, C2)},
    "the template has another medium": {"template": (C1, EMPTY)},
    "the template has what xenstore lacks": {"xenstore": (ABSENT, C2), "resources": (False, True)},
    "a device is going away": {"closing": (True, False)},
    "a drive is going away": {"closing": (False, True)},
    "a device has nothing allocated": {"resources": (False, True)},
    "something is held for no device": {"xenstore": (ABSENT, C2), "template": (ABSENT, C2)},
    "there is no template": {"saved": False},
    "the domain is paused": {"paused": True},
    "the lock is held": {"locked": True},
}


def agreement(fields: Fields) -> bool:
    return all(recovery.slot_agrees(stores(**fields), k) for k in (SLOT, DRIVE)) and bool(
        recovery.whole_agrees(stores(**fields))
    )


def test_full_agreement() -> None:
    assert agreement(AGREED)
    assert agreement({}), "no domain, and nothing of one"
    assert agreement({**AGREED, "lock_file": True, "crashes": 2}), "a lock file that is left does no harm"


@pytest.mark.parametrize("what", HALF_WAY)
def test_what_is_half_way_is_no_agreement(what: str) -> None:
    assert not agreement({**AGREED, **HALF_WAY[what]})


def test_a_target_that_the_hypervisor_does_not_grant_is_no_agreement() -> None:
    assert recovery.memory_agrees(stores(memory=1, granted=1))
    assert not recovery.memory_agrees(stores(memory=1))
    assert not recovery.memory_agrees(stores(granted=1))


def test_only_what_is_half_created_or_half_destroyed_may_be_destroyed() -> None:
    assert not recovery.may_be_destroyed(stores(**AGREED)), "a recovery does not cost the domain"
    assert not recovery.may_be_destroyed(stores(**AGREED, closing=(True, False), locked=True))
    assert recovery.may_be_destroyed(stores(**{**AGREED, "paused": True}))
    assert recovery.may_be_destroyed(stores(**{**AGREED, "saved": False}))
    assert not recovery.may_be_destroyed(stores(saved=True)), "there is no domain"


# ------------------------------------------------------------------ what a retrieve alone returns


@cache
def alone(design: Design = DESIGNS[RECOMMENDED]) -> Alone:
    return Alone(Program(design, BOUNDS))


def judged(fields: Fields, design: Design = DESIGNS[RECOMMENDED]) -> dict[str, str]:
    """What is said of a state in which no operation is at work."""
    violated, met = alone(design).judge(word_of(SHARED, fields))
    word = {True: VIOLATED, False: HOLDS}
    return {n: word[bool(violated & b)] if (violated | met) & b else NO_CASE for n, b in BIT.items() if b & ALONE}


ALONE = BIT["knobs_are_reflected"] | BIT["retrieve_is_a_fixed_point"]
HEALTHY: Fields = {**AGREED, "template_name": 1, "name": 1, "template_memory": 1, "memory": 1, "granted": 1}


def test_what_the_domain_is() -> None:
    assert alone().truth(word_of(SHARED, {**HEALTHY, "template": NOTHING, "template_name": 0})) == ((C1, C2), 1, 1)
    assert alone().truth(word_of(SHARED, {**HEALTHY, "alive": False})) is None


def test_a_retrieve_of_a_healthy_domain() -> None:
    assert alone().answer_alone(word_of(SHARED, HEALTHY)) == ((C1, C2), 1, 1)
    assert judged(HEALTHY) == {"knobs_are_reflected": HOLDS, "retrieve_is_a_fixed_point": HOLDS}
    assert judged({}) == {"knobs_are_reflected": NO_CASE, "retrieve_is_a_fixed_point": NO_CASE}


def test_a_retrieve_takes_the_knobs_from_xenstore_and_the_devices_from_the_template() -> None:
    old: Fields = {**HEALTHY, "template_name": 0, "template_memory": 0}
    assert alone().answer_alone(word_of(SHARED, old)) == ((C1, C2), 1, 1)
    emptied: Fields = {**HEALTHY, "xenstore": (C1, EMPTY)}
    assert alone().answer_alone(word_of(SHARED, emptied)) == ((C1, EMPTY), 1, 1)


def test_a_memory_target_that_is_not_granted_is_not_reflected() -> None:
    assert judged({**HEALTHY, "granted": 0})["knobs_are_reflected"] == VIOLATED
    assert judged({**HEALTHY, "memory": 0})["knobs_are_reflected"] == VIOLATED
    torn: Fields = {**HEALTHY, "granted": 0, "torn": True}
    assert judged(torn)["knobs_are_reflected"] != VIOLATED, "the operation died between its two writes"


def test_a_name_that_is_read_from_the_template_is_not_reflected() -> None:
    steps = tuple(s for s in DESIGNS[RECOMMENDED]["retrieve"].steps if s.name != "merge_knobs")
    lazy = DESIGNS[RECOMMENDED].but("lazy", "", retrieve=order(*steps))
    assert judged(HEALTHY, lazy)["knobs_are_reflected"] == HOLDS
    assert judged({**HEALTHY, "template_name": 0}, lazy)["knobs_are_reflected"] == VIOLATED
    assert judged({**HEALTHY, "template_memory": 0}, lazy)["knobs_are_reflected"] == VIOLATED


def test_what_is_retrieved_has_to_be_what_is_there() -> None:
    assert judged({**HEALTHY, "template": (C2, C2)})["retrieve_is_a_fixed_point"] == VIOLATED, "another configuration"
    assert judged({**HEALTHY, "template": (ABSENT, C2)})["retrieve_is_a_fixed_point"] == VIOLATED, "made up"
    assert alone().answer_alone(word_of(SHARED, {**HEALTHY, "template": (ABSENT, C2)})) == ((MADE_UP, C2), 1, 1)
    assert judged({**HEALTHY, "xenstore": (C1, EMPTY)})["retrieve_is_a_fixed_point"] == HOLDS, "an emptied drive"


# ------------------------------------------------------------------ who waits for whom

CROSSED = DESIGNS[RECOMMENDED].but(
    "crossed",
    "",
    rename=order(take_lock, take_device_lock, write_name, drop_device_lock, drop_lock),
    set_memory_target=order(take_device_lock, take_lock, grant_memory, write_memory, drop_lock, drop_device_lock),
)


def looked_at(shared: Fields, *at: tuple[str, int, Fields]) -> tuple[set[str], set[str]]:
    """What a state violates, and whose case it is, with the processes at these steps of their operations."""
    program = Program(CROSSED, BOUNDS)
    pairs = Pairs(program)
    monitor = Monitor(program, pairs.shared, pairs.local, PROPERTIES)
    local = []
    for operation, step, fields in at:
        point = next(
            n for n, p in enumerate(program.points) if p.operation == operation and p.done == step and p.remaining
        )
        word = program.local_layout.put(IDLE, "at", point)
        for name, value in fields.items():
            word = program.local_layout.put(word, name, value)
        local.append(np.array([pairs.local(word)], np.int64))
    local += [np.zeros(1, np.int64) for _ in range(BOUNDS.processes - len(local))]
    column = np.array([pairs.shared(word_of(SHARED, shared))], np.int64)
    indices = [pairs.index(c, column) for c in local]
    violated, met = monitor.judge(column, local, [pairs.can_move.array[i] for i in indices])
    return {n for n, b in BIT.items() if violated[0] & b}, {n for n, b in BIT.items() if met & b}


BOTH: Fields = {**HEALTHY, "locked": True, "device_locked": True}
FIRST, SECOND = {"holds": True}, {"holds_device_lock": True}
WAITS = {"lock_is_exclusive", "lock_order_is_acyclic", "every_operation_ends"}


def test_two_processes_that_wait_for_each_other() -> None:
    violated, met = looked_at(BOTH, ("rename", 1, FIRST), ("set_memory_target", 1, SECOND))
    assert violated & WAITS == {"lock_order_is_acyclic", "every_operation_ends"}
    assert met >= WAITS


def test_one_that_waits_for_another_that_goes_on() -> None:
    violated, met = looked_at(BOTH, ("rename", 1, FIRST), ("set_memory_target", 2, {**FIRST, **SECOND}))
    assert violated & WAITS == {"lock_is_exclusive"}, "both hold the first lock"
    violated, met = looked_at(BOTH, ("rename", 0, {}), ("set_memory_target", 2, {**FIRST, **SECOND}))
    assert violated & WAITS == set()
    assert met & WAITS == {"lock_is_exclusive", "every_operation_ends"}


def test_a_lock_that_nobody_lets_go_of() -> None:
    violated, _ = looked_at({**HEALTHY, "locked": True}, ("rename", 0, {}))
    assert violated & WAITS == {"every_operation_ends"}
    violated, _ = looked_at({**HEALTHY, "locked": True})
    assert violated & WAITS == {"every_operation_ends"}, "no operation could begin"
    violated, met = looked_at(HEALTHY)
    assert (violated & WAITS, met & WAITS) == (set(), set())


def test_an_answer_with_an_entry_that_was_made_up_is_degraded() -> None:
    last = len(DESIGNS[RECOMMENDED]["retrieve"].steps) - 1
    assert DESIGNS[RECOMMENDED]["retrieve"].steps[last] is answer
    violated, met = looked_at(HEALTHY, ("retrieve", last, {"draft": (C1, MADE_UP)}))
    assert "retrieve_never_degraded" in violated & met
    violated, met = looked_at(HEALTHY, ("retrieve", last, {"draft": (C1, EMPTY)}))
    assert "retrieve_never_degraded" in met - violated
    violated, met = looked_at(HEALTHY, ("retrieve", last, {"draft": (ABSENT, ABSENT)}))
    assert "retrieve_never_degraded" not in violated | met
    violated, met = looked_at(HEALTHY, ("retrieve", last - 1, {"draft": (C1, MADE_UP)}))
    assert "retrieve_never_degraded" not in violated | met, "it has not returned yet"


def test_the_device_lock_is_a_lock_too() -> None:
    violated, _ = looked_at(BOTH, ("rename", 2, {**FIRST, **SECOND}), ("set_memory_target", 1, SECOND))
    assert "lock_is_exclusive" in violated
