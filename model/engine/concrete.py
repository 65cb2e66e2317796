"""The concrete carrier: a record is one Python integer, each field a few of its bits.

A word is hashable, compares fast and has any number of bits, so a state of any size stays exact. The carrier
also notes which bits a step wrote, so that what a step did is a mask and a value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from confsync.model.language import (
    ABSENT,
    EMPTY,
    FIRST_CONFIG,
    MADE_UP,
    Bool,
    ConcreteSlot,
    Field,
    Record,
    Slot,
    Sort,
    Term,
)
from confsync.model.libxl.state import Bounds

Plain = bool | int | ConcreteSlot | tuple[bool | int, ...]


class Blocked(Exception):
    """A `waits_until` guard does not hold: the step is not enabled."""


class Refused(Exception):
    """A `fails_if` guard holds: the operation gives up."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a field stands in the word: its first bit, the bits of one value, how many values."""

    field: Field
    offset: int
    bits: int
    count: int

    @property
    def mask(self) -> int:
        """The bits of the whole field."""
        return ((1 << self.bits * self.count) - 1) << self.offset


class Layout:
    """Where each field of a record stands, for given bounds."""

    def __init__(
        self, record: type[Record], bounds: Bounds, extra: dict[Sort, int], only: frozenset[str] | None = None
    ) -> None:
        """`extra`: the number of values of the sorts that bounds do not size (LOCATION, WATCH). `only`: the fields
        to keep; any other takes no bits, and reads as its first value whatever is written."""
        self.record, self.bounds = record, bounds
        self.slots = bounds.all_slots()
        self.places: dict[str, Place] = {}
        offset = 0
        for name, field in record.fields().items():
            size = extra[field.sort] if field.sort in extra else bounds.size(field.sort)
            count = len(self.slots) if field.per_slot else 1
            bits = max(0, (size - 1).bit_length()) if only is None or name in only else 0
            self.places[name] = Place(field, offset, bits, count)
            offset += self.places[name].bits * count
        self.width = offset

    def mask(self, names: frozenset[str] | set[str]) -> int:
        """The bits of these fields."""
        return sum(self.places[n].mask for n in names)

    def get(self, word: int, name: str) -> Plain:
        """A field's value: a bool, an int, a slot, or a tuple over the slots."""
        p = self.places[name]
        if p.field.per_slot:
            return tuple(self.at(word, p, k.index) for k in self.slots)
        raw = self.at(word, p, 0)
        return self.slots[raw] if p.field.sort is Sort.SLOT and self.slots else raw

    @staticmethod
    def at(word: int, p: Place, k: int) -> bool | int:
        raw = word >> (p.offset + k * p.bits) & ((1 << p.bits) - 1)
        return bool(raw) if p.field.sort is Sort.BOOL else raw

    def put(self, word: int, name: str, value: Plain) -> int:
        """The word with a field's value replaced; a map's as a tuple over the slots."""
        p = self.places[name]
        values = value if isinstance(value, tuple) else (value,)
        raw = 0
        for i, v in enumerate(values):
            raw |= ((v.index if isinstance(v, ConcreteSlot) else int(v)) & ((1 << p.bits) - 1)) << i * p.bits
        return word & ~p.mask | raw << p.offset

    def show(self, name: str, value: bool | int | ConcreteSlot) -> str:
        """A value in words, as traces print it."""
        sort = self.places[name].field.sort
        if isinstance(value, ConcreteSlot):
            return slot_name(value)
        if sort is Sort.CONFIG:
            return {ABSENT: "absent", EMPTY: "empty", MADE_UP: "made up"}.get(value, f"c{value - FIRST_CONFIG + 1}")
        if sort is Sort.BOOL:
            return "yes" if value else "no"
        return {Sort.NAME: "name{}", Sort.AMOUNT: "mem{}"}.get(sort, "{}").format(value)


def slot_name(k: ConcreteSlot) -> str:
    return f"{'drive' if k.ejectable else 'slot'}{k.index}"


class WordCells:
    """The cells of one record that is one word."""

    __slots__ = ("guards", "layout", "word", "written")

    def __init__(self, layout: Layout, word: int, guards: list[bool]) -> None:
        self.layout, self.word, self.written, self.guards = layout, word, 0, guards

    def read(self, field: Field) -> bool | int | ConcreteSlot:
        p = self.layout.places[field.name]
        raw = self.layout.at(self.word, p, 0)
        return self.layout.slots[raw] if field.sort is Sort.SLOT else raw

    def read_at(self, field: Field, slot: Slot) -> bool | int:
        assert isinstance(slot, ConcreteSlot)
        place = self.layout.places[field.name]
        if slot.index >= place.count:  # where there are no slots at all, a property still speaks of one
            return False if field.sort is Sort.BOOL else ABSENT
        return self.layout.at(self.word, place, slot.index)

    look_behind = read_at

    def _put(self, p: Place, k: int, value: bool | int | ConcreteSlot) -> None:
        shift = p.offset + k * p.bits
        mask = ((1 << p.bits) - 1) << shift
        raw = value.index if isinstance(value, ConcreteSlot) else int(value)
        self.word = self.word & ~mask | raw << shift & mask
        self.written |= mask

    def write(self, field: Field, value: bool | int | ConcreteSlot) -> None:
        self._put(self.layout.places[field.name], 0, value)

    def write_at(self, field: Field, slot: Slot, value: bool | int) -> None:
        assert isinstance(slot, ConcreteSlot)
        self._put(self.layout.places[field.name], slot.index, value)

    def write_all(self, field: Field, at: Callable[[Slot], bool | int]) -> None:
        p = self.layout.places[field.name]
        for k, value in [(k.index, at(k)) for k in self.layout.slots]:
            self._put(p, k, value)

    def wait_until(self, condition: Bool) -> None:
        assert not isinstance(condition, Term)
        self.guards.append(condition)
        if not condition:
            raise Blocked

    def fail_if(self, condition: Bool) -> None:
        assert not isinstance(condition, Term)
        self.guards.append(condition)
        if condition:
            raise Refused
