"""States written down by hand: the fields that matter, by name, and every other field at its first value."""

from __future__ import annotations

from typing import Any

from confsync.model.engine.concrete import Blocked, Layout, Refused, WordCells
from confsync.model.language import LOCATION, WATCH, Record, Step
from confsync.model.libxl.state import ABSENT, EMPTY, FIRST_CONFIG, Bounds, Local, Shared
from confsync.model.libxl.state import SLOT as SORT

BOUNDS = Bounds(slots=1, ejectable=1, configs=2, names=2, amounts=2, processes=2, crashes=2)
SLOT, DRIVE = BOUNDS.elements(SORT)
C1, C2 = FIRST_CONFIG, FIRST_CONFIG + 1
NOTHING = (ABSENT, EMPTY)
"""Of a whole configuration: no device in the slot, no medium in the drive."""
BLOCKED, REFUSED = "blocked", "refused"
Fields = dict[str, Any]

_EXTRA = {LOCATION: 2, WATCH: 1}
SHARED, LOCAL = Layout(Shared, BOUNDS, _EXTRA), Layout(Local, BOUNDS, _EXTRA)


def word_of(layout: Layout, fields: Fields) -> int:
    """The word with these fields; a map is a tuple over the slot and the drive."""
    word = 0
    for name, value in fields.items():
        assert name in layout.places, name
        word = layout.put(word, name, value)
    return word


def differing(layout: Layout, before: int, after: int) -> Fields:
    """The fields that are no longer as they were, with their new values."""
    fields = {name: layout.get(after, name) for name in layout.places}
    return {name: value for name, value in fields.items() if value != layout.get(before, name)}


def stores(**fields: Any) -> Shared:
    """The shared record with these fields."""
    return Shared(WordCells(SHARED, word_of(SHARED, fields), []))


def process(**fields: Any) -> Local:
    """The local record with these fields."""
    return Local(WordCells(LOCAL, word_of(LOCAL, fields), []))


def changed(record: Record, layout: Layout, fields: Fields) -> Fields:
    """What a record that began with these fields has become: the fields that changed."""
    assert isinstance(record.cells, WordCells)
    return differing(layout, word_of(layout, fields), record.cells.word)


def taken(step: Step, s: Fields, me: Fields) -> tuple[Fields, Fields] | str:
    """What a step changes, of the shared state and of the process's own; or that it is blocked or refused."""
    shared, local = stores(**s), process(**me)
    try:
        step.run(shared, local)
    except Blocked:
        return BLOCKED
    except Refused:
        return REFUSED
    return changed(shared, SHARED, s), changed(local, LOCAL, me)
