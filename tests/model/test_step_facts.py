"""What each step does to a state that is written down by hand, as the discussion and libxl's source have it.

Each row is a step, the stores and the process's own before it, and all that is otherwise after it. The slot is the
first of a pair and the drive is the second.
"""

from __future__ import annotations

import pytest
from hand_states import (
    BLOCKED,
    C1,
    C2,
    DRIVE,
    NOTHING,
    REFUSED,
    SHARED,
    SLOT,
    Fields,
    changed,
    process,
    stores,
    taken,
)  # fmt: skip

from confsync.model.engine.environment import die, may_be_asked
from confsync.model.libxl import ghosts, steps
from confsync.model.libxl.operations import SIGNATURES
from confsync.model.libxl.protocol import LIBXL
from confsync.model.libxl.state import ABSENT, EMPTY, MADE_UP

Changes = tuple[Fields, Fields] | str
AT_SLOT: Fields = {"slot": SLOT, "config": C1}
AT_DRIVE: Fields = {"slot": DRIVE, "config": C2}
LIVES: Fields = {"alive": True, "saved": True}
COPY: Fields = {"draft": (C1, EMPTY), "draft_name": 1, "draft_memory": 1}

FACTS: dict[str, tuple[str, Fields, Fields, Changes]] = {
    "a lock that is free is taken, and its file made": (
        "take_lock", {}, {}, ({"locked": True, "lock_file": True}, {"holds": True}),
    ),
    "a lock that is held is waited for": ("take_lock", {"locked": True, "lock_file": True}, {}, BLOCKED),
    "a lock file that a dead process left is locked": (
        "take_lock", {"lock_file": True}, {}, ({"locked": True}, {"holds": True}),
    ),
    "a lock is dropped with its file": (
        "drop_lock", {"locked": True, "lock_file": True}, {"holds": True},
        ({"locked": False, "lock_file": False}, {"holds": False}),
    ),
    "a lock that another process holds is not dropped": ("drop_lock", {"locked": True, "lock_file": True}, {}, REFUSED),
    "the second lock is waited for": ("take_device_lock", {"device_locked": True}, {}, BLOCKED),
    "the second lock has no file": ("take_device_lock", {}, {}, ({"device_locked": True}, {"holds_device_lock": True})),
    "the whole template is read": (
        "read_template", {"saved": True, "template": (C1, C2), "template_name": 1, "template_memory": 1}, {},
        ({}, {"draft": (C1, C2), "draft_name": 1, "draft_memory": 1}),
    ),
    "a template that is not there cannot be read": ("read_template", {"template": (C1, C2)}, {}, REFUSED),
    "the template is written with the device in it, and its knobs": (
        "write_template", LIVES, {**AT_SLOT, "draft": (ABSENT, C2), "draft_name": 1, "draft_memory": 1},
        ({"template": (C1, C2), "template_name": 1, "template_memory": 1}, {"draft": (C1, C2)}),
    ),
    "a device that is there refuses another": ("refuse_if_present", {"xenstore": (C2, ABSENT)}, AT_SLOT, REFUSED),
    "a device in another slot does not": ("refuse_if_present", {"xenstore": (ABSENT, C2)}, AT_SLOT, ({}, {})),
    "a device is entered into an empty slot": (
        "enter_xenstore", {"xenstore": NOTHING}, AT_SLOT, ({"xenstore": (C1, EMPTY)}, {}),
    ),
    "the transaction is refused where the slot is taken": (
        "enter_xenstore", {"xenstore": (C2, EMPTY)}, AT_SLOT, REFUSED,
    ),
    "a device is allocated": ("allocate", {"xenstore": (C1, EMPTY)}, AT_SLOT, ({"resources": (True, False)}, {})),
    "a device that is not there is not allocated": ("allocate", {"xenstore": NOTHING}, AT_SLOT, REFUSED),
    "a device that goes away is not allocated": (
        "allocate", {"xenstore": (C1, EMPTY), "closing": (True, False)}, AT_SLOT, REFUSED,
    ),
    "a device that is not there is not marked": ("mark_closing", {"xenstore": NOTHING}, AT_SLOT, REFUSED),
    "a device is marked to go away": (
        "mark_closing", {"xenstore": (C1, EMPTY)}, AT_SLOT, ({"closing": (True, False)}, {}),
    ),
    "a device that is marked is released": (
        "release", {"closing": (True, False), "resources": (True, True)}, AT_SLOT, ({"resources": (False, True)}, {}),
    ),
    "a device that is not marked is not released": ("release", {"resources": (True, True)}, AT_SLOT, REFUSED),
    "a device leaves xenstore, and its mark with it": (
        "leave_xenstore", {"xenstore": (C1, EMPTY), "closing": (True, False)}, AT_SLOT,
        ({"xenstore": (ABSENT, EMPTY), "closing": (False, False)}, {}),
    ),
    "a device that is not marked does not leave": ("leave_xenstore", {"xenstore": (C1, EMPTY)}, AT_SLOT, REFUSED),
    "a device that holds resources does not leave": (
        "leave_xenstore", {"xenstore": (C1, EMPTY), "closing": (True, False), "resources": (True, False)}, AT_SLOT,
        REFUSED,
    ),
    "an entry is forgotten": (
        "forget", {**LIVES, "template": (C1, EMPTY)}, {**AT_SLOT, "draft": (C1, EMPTY)},
        ({"template": (ABSENT, EMPTY)}, {"draft": (ABSENT, EMPTY)}),
    ),
    "an entry of a device that is there again is not": (
        "forget_if_absent", {**LIVES, "template": (C1, EMPTY), "xenstore": (C1, EMPTY)}, AT_SLOT, REFUSED,
    ),
    "a drive with a medium refuses another": ("refuse_unless_empty", {"xenstore": (ABSENT, C1)}, AT_DRIVE, REFUSED),
    "no drive is no empty drive": ("refuse_unless_empty", {}, AT_DRIVE, REFUSED),
    "an empty drive is one": ("refuse_unless_empty", {"xenstore": NOTHING}, AT_DRIVE, ({}, {})),
    "an empty drive is a drive": ("refuse_unless_drive", {"xenstore": NOTHING}, AT_DRIVE, ({}, {})),
    "a medium is loaded": ("load_medium", {"xenstore": NOTHING}, AT_DRIVE, ({"xenstore": (ABSENT, C2)}, {})),
    "a medium is not loaded over another": ("load_medium", {"xenstore": (ABSENT, C1)}, AT_DRIVE, REFUSED),
    "a medium is replaced": ("replace_medium", {"xenstore": (ABSENT, C1)}, AT_DRIVE, ({"xenstore": (ABSENT, C2)}, {})),
    "a medium is unloaded, and the drive stays": (
        "unload_medium", {"xenstore": (ABSENT, C1)}, AT_DRIVE, ({"xenstore": NOTHING}, {}),
    ),
    "no medium is unloaded where there is no drive": ("unload_medium", {}, AT_DRIVE, REFUSED),
    "an emptied drive stays in the template": (
        "write_template_empty", {**LIVES, "template": (C1, C2)}, {**AT_DRIVE, "draft": (C1, C2)},
        ({"template": (C1, EMPTY)}, {"draft": (C1, EMPTY)}),
    ),
    "a name is written to xenstore alone": ("write_name", LIVES, {"new_name": 1}, ({"name": 1}, {})),
    "no name is written for no domain": ("write_name", {"saved": True}, {"new_name": 1}, REFUSED),
    "the hypervisor grants, and xenstore is not told": ("grant_memory", LIVES, {"amount": 1}, ({"granted": 1}, {})),
    "xenstore is told, and the hypervisor grants nothing": ("write_memory", LIVES, {"amount": 1}, ({"memory": 1}, {})),
    "the limit goes back to what xenstore says": (
        "grant_what_xenstore_says", {**LIVES, "granted": 1}, {}, ({"granted": 0}, {}),
    ),
    "R1: a device that exists takes its entry": (
        "merge_devices", {"xenstore": (C2, EMPTY)}, {"draft": (C1, C2)}, ({}, {}),
    ),
    "R1: a device without an entry has one made up": (
        "merge_devices", {"xenstore": (C1, EMPTY)}, {"draft": (ABSENT, C2)}, ({}, {"draft": (MADE_UP, C2)}),
    ),
    "X4: an entry of what does not exist is dropped": (
        "merge_devices", {"xenstore": (ABSENT, EMPTY)}, {"draft": (C1, C2)}, ({}, {"draft": (ABSENT, C2)}),
    ),
    "R2: of an empty drive the medium is dropped": (
        "merge_media", {"xenstore": (C1, EMPTY)}, {"draft": (C1, C2)}, ({}, {"draft": (C1, EMPTY)}),
    ),
    "R2: of a drive that is not empty it is not": (
        "merge_media", {"xenstore": (C1, C1)}, {"draft": (C1, C2)}, ({}, {}),
    ),
    "the knobs are read from xenstore": (
        "merge_knobs", {"alive": True, "name": 1, "memory": 1}, {}, ({}, {"draft_name": 1, "draft_memory": 1}),
    ),
    "the knobs of no domain are not read": ("merge_knobs", {"name": 1, "memory": 1}, {}, REFUSED),
    "a domain is made paused, with nothing of its predecessor in xenstore": (
        "make_domain", {"xenstore": (C2, C2), "closing": (True, False)}, COPY,
        (
            {"alive": True, "paused": True, "xenstore": (ABSENT, ABSENT), "closing": (False, False), "name": 1,
             "memory": 1, "granted": 1},
            {},
        ),
    ),
    "a domain is not made twice": ("make_domain", LIVES, COPY, REFUSED),
    "the first template is what was asked for": (
        "save_template", {"alive": True}, COPY,
        ({"saved": True, "template": (C1, EMPTY), "template_name": 1, "template_memory": 1}, {}),
    ),
    "no template is saved for no domain": ("save_template", {}, COPY, REFUSED),
    "all devices are entered": (
        "enter_devices", {**LIVES, "closing": (True, True)}, COPY,
        ({"xenstore": (C1, EMPTY), "closing": (False, False)}, {}),
    ),
    "all devices that exist are allocated": (
        "allocate_devices", {"xenstore": (ABSENT, EMPTY)}, {}, ({"resources": (False, True)}, {}),
    ),
    "but none that goes away": (
        "allocate_devices", {"xenstore": (C1, EMPTY), "closing": (True, False)}, {}, ({"resources": (False, True)}, {}),
    ),
    "a domain runs": ("unpause", {**LIVES, "paused": True}, {}, ({"paused": False}, {})),
    "a domain that is gone does not": ("unpause", {"paused": True}, {}, REFUSED),
    "a destruction pauses, and marks what there is": (
        "close_devices", {**LIVES, "xenstore": (ABSENT, EMPTY)}, {}, ({"paused": True, "closing": (False, True)}, {}),
    ),
    "no domain is destroyed twice": ("close_devices", {"saved": True}, {}, REFUSED),
    "what is marked is released": (
        "release_devices", {"closing": (True, False), "resources": (True, True)}, {},
        ({"resources": (False, True)}, {}),
    ),
    "nothing is left of the devices": (
        "leave_devices", {"xenstore": (C1, C2), "closing": (True, True)}, {},
        ({"xenstore": (ABSENT, ABSENT), "closing": (False, False)}, {}),
    ),
    "the template is unlinked, and nothing of it is left": (
        "remove_template", {**LIVES, "template": (C1, C2), "template_name": 1, "template_memory": 1}, {},
        ({"saved": False, "template": (ABSENT, ABSENT), "template_name": 0, "template_memory": 0}, {}),
    ),
    "a domain goes with its name and memory": (
        "kill_domain", {"alive": True, "paused": True, "name": 1, "memory": 1, "granted": 1}, {},
        ({"alive": False, "paused": False, "name": 0, "memory": 0, "granted": 0}, {}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", FACTS)
def test_a_step(what: str) -> None:
    name, s, me, after = FACTS[what]
    assert taken(getattr(steps, name), s, me) == after


def test_every_step_has_its_fact() -> None:
    """But for those that are another step by another name, or touch nothing."""
    all_steps = {name for name, value in vars(steps).items() if isinstance(value, type(steps.take_lock))}
    assert all_steps - {name for name, *_ in FACTS.values()} == {"drop_device_lock", "write_back", "answer"}


# ------------------------------------------------------------------ deaths, failures, and what the model remembers
ATTACH, MEMORY = SIGNATURES["attach"], SIGNATURES["set_memory_target"]


def died(operation: str, s: Fields, me: Fields) -> Fields:
    shared = stores(**s)
    die(LIBXL, SIGNATURES[operation])(shared, process(**me))
    return changed(shared, SHARED, s)


def test_who_dies_leaves_the_lock_file_and_not_the_lock() -> None:
    held: Fields = {"locked": True, "lock_file": True, "device_locked": True}
    assert died("rename", held, {"holds": True}) == {"locked": False, "crashes": 1}
    assert died("eject", held, {"holds_device_lock": True, "slot": DRIVE}) == {"device_locked": False, "crashes": 1}
    assert died("rename", {**held, "crashes": 1}, {}) == {"crashes": 2}, "a lock that another process holds stays held"


def test_a_death_keeps_what_was_vouched_for_a_device_that_is_there() -> None:
    """What an operation wrote for a device in xenstore is to stay in the template, whoever dies."""
    there: Fields = {"vouched": (C1, C2), "xenstore": (C1, C2)}
    assert died("attach", there, AT_SLOT) == {"crashes": 1}
    assert died("swap", there, AT_DRIVE) == {"crashes": 1}
    assert died("create", there, {}) == {"crashes": 1}
    assert died("rename", there, {}) == {"crashes": 1}


def test_a_death_before_the_device_is_there_vouches_for_nothing_in_its_slot() -> None:
    only_written: Fields = {"vouched": (C1, C2), "xenstore": NOTHING}
    assert died("attach", only_written, AT_SLOT) == {"vouched": (ABSENT, C2), "crashes": 1}
    assert died("insert", only_written, AT_DRIVE) == {"vouched": (C1, ABSENT), "crashes": 1}, "an empty drive has none"
    assert died("create", only_written, {}) == {"vouched": (ABSENT, ABSENT), "crashes": 1}
    assert died("rename", only_written, {}) == {"crashes": 1}


def test_a_death_between_the_two_writes_of_a_memory_target_is_remembered() -> None:
    assert died("set_memory_target", {"granted": 1}, {}) == {"torn": True, "crashes": 1}
    assert died("set_memory_target", {"granted": 1, "memory": 1}, {}) == {"crashes": 1}
    assert died("rename", {"granted": 1}, {}) == {"crashes": 1}
    assert died("set_memory_target", {"torn": True}, {}) == {"crashes": 1}, "an earlier death is not made good"


def remembered(operation: str, writes: str, s: Fields, me: Fields) -> Fields:
    shared = stores(**s)
    ghosts.follow(SIGNATURES[operation], frozenset(writes.split()))(shared, process(**me))
    return changed(shared, SHARED, s)


def test_who_writes_the_template_vouches_for_its_own_slot() -> None:
    written: Fields = {"template": (C1, C2)}
    assert remembered("attach", "template saved", written, AT_SLOT) == {"vouched": (C1, ABSENT)}
    assert remembered("insert", "template saved", written, AT_DRIVE) == {"vouched": (ABSENT, C2)}
    assert remembered("create", "template saved", written, {}) == {"vouched": (C1, C2)}
    assert remembered("retrieve", "template saved", written, {}) == {}, "a write back names no slot"


def test_who_takes_a_device_out_of_xenstore_no_longer_vouches() -> None:
    before: Fields = {"vouched": (C1, C2), "xenstore": NOTHING}
    assert remembered("detach", "xenstore closing", before, AT_SLOT) == {"vouched": (ABSENT, C2)}
    assert remembered("eject", "xenstore", before, AT_DRIVE) == {"vouched": (C1, ABSENT)}
    assert remembered("destroy", "xenstore closing", before, {}) == {"vouched": (ABSENT, ABSENT)}


def test_a_memory_target_is_torn_between_its_two_writes() -> None:
    assert remembered("set_memory_target", "granted", {"granted": 1}, {}) == {"torn": True}
    assert remembered("set_memory_target", "memory", {"granted": 1, "memory": 1, "torn": True}, {}) == {"torn": False}
    assert remembered("set_memory_target", "granted", {"torn": True}, {}) == {"torn": False}, "the clean-up granted it"


@pytest.mark.parametrize("tore", [True, False])
def test_an_error_is_no_excuse_for_a_target_that_stays_torn(tore: bool) -> None:
    s: Fields = {"torn": True, "granted": 1, "vouched": (C1, C2), "xenstore": NOTHING}
    shared = stores(**s)
    ghosts.gives_up(MEMORY, frozenset({"granted"} if tore else ()))(shared, process())
    assert changed(shared, SHARED, s) == ({"torn": False} if tore else {})
    ghosts.gives_up(ATTACH, frozenset())(shared, process(**AT_SLOT))
    assert shared.vouched[SLOT] == ABSENT


def asked(operation: str, me: Fields) -> bool:
    return all(bool(may_be_asked(LIBXL, SIGNATURES[operation], process(**me), k)) for k in (SLOT, DRIVE))


def test_what_an_operation_may_be_asked() -> None:
    assert asked("attach", {"slot": SLOT, "config": C1})
    assert not asked("attach", {"slot": DRIVE, "config": C1}), "a drive is not attached"
    assert asked("insert", {"slot": DRIVE, "config": C2})
    assert not asked("insert", {"slot": SLOT, "config": C2})
    for nothing in (ABSENT, EMPTY, MADE_UP):
        assert not asked("attach", {"slot": SLOT, "config": nothing}), "no user can give that"
    assert asked("create", {"draft": (C1, EMPTY)})
    assert asked("create", {"draft": (ABSENT, C2)})
    for draft in ((EMPTY, EMPTY), (ABSENT, ABSENT), (MADE_UP, EMPTY), (C1, MADE_UP)):
        assert not asked("create", {"draft": draft})
