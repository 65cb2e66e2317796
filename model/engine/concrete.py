"""The concrete carrier: a record is one Python integer, each field a few of its bits.

A word is hashable, compares fast and has any number of bits, so a state of any size stays exact. The carrier
also notes which bits a step wrote, so that what a step did is a mask and a value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from confsync.model.language import (
    BOOL,
    Bool,
    Bounds,
    Element,
    Field,
    Index,
    IndexSort,
    Record,
    Sort,
    Term,
    ValueSort,
)

Plain = bool | int | Element | tuple[bool | int, ...]


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
        self, record: type[Record], bounds: Bounds, engine: dict[Sort, int], only: frozenset[str] | None = None
    ) -> None:
        """`engine`: the number of values of the engine's sorts that bounds do not size (LOCATION, WATCH). `only`: the
        fields to keep; any other takes no bits, and reads as its first value whatever is written."""
        self.record, self.bounds = record, bounds
        self.places: dict[str, Place] = {}
        self._elements: dict[IndexSort[Any], tuple[Element, ...]] = {}
        offset = 0
        for name, field in record.fields().items():
            for sort in (field.over, field.sort):
                if isinstance(sort, IndexSort):
                    self._elements[sort] = bounds.elements(sort)
            count = len(self._elements[field.over]) if field.over else 1
            bits = max(0, (self._size(field, engine) - 1).bit_length()) if only is None or name in only else 0
            self.places[name] = Place(field, offset, bits, count)
            offset += self.places[name].bits * count
        self.width = offset

    def _size(self, field: Field, engine: dict[Sort, int]) -> int:
        """How many values a field has."""
        return engine[field.sort] if field.sort in engine else self.bounds.size_of(field)

    def elements(self, sort: IndexSort[Any]) -> tuple[Element, ...]:
        """The elements of an index sort that some field is of, or over."""
        return self._elements[sort]

    def mask(self, names: frozenset[str] | set[str]) -> int:
        """The bits of these fields."""
        return sum(self.places[n].mask for n in names)

    def get(self, word: int, name: str) -> Plain:
        """A field's value: a bool, an int, an element, or a tuple over the elements."""
        p = self.places[name]
        if p.field.over:
            return tuple(self.at(word, p, k.index) for k in self._elements[p.field.over])
        raw = self.at(word, p, 0)
        return self._element(p.field, raw)

    def _element(self, field: Field, raw: bool | int) -> bool | int | Element:
        """A field's value by its bits; where there is no element at all, a number."""
        elements = self._elements[field.sort] if isinstance(field.sort, IndexSort) else ()
        return elements[raw] if elements else raw

    @staticmethod
    def at(word: int, p: Place, k: int) -> bool | int:
        raw = word >> (p.offset + k * p.bits) & ((1 << p.bits) - 1)
        return bool(raw) if p.field.sort == BOOL else raw

    def put(self, word: int, name: str, value: Plain) -> int:
        """The word with a field's value replaced; a map's as a tuple over the elements."""
        p = self.places[name]
        values = value if isinstance(value, tuple) else (value,)
        raw = 0
        for i, v in enumerate(values):
            raw |= ((v.index if isinstance(v, Element) else int(v)) & ((1 << p.bits) - 1)) << i * p.bits
        return word & ~p.mask | raw << p.offset

    def show(self, name: str, value: bool | int | Element) -> str:
        """A value in words, as traces print it."""
        sort = self.places[name].field.sort
        if isinstance(value, Element):
            return str(value)
        if isinstance(sort, ValueSort):
            return sort.show(value)
        if sort == BOOL:
            return "yes" if value else "no"
        return str(value)


class WordCells:
    """The cells of one record that is one word."""

    __slots__ = ("guards", "layout", "word", "written")

    def __init__(self, layout: Layout, word: int, guards: list[bool]) -> None:
        self.layout, self.word, self.written, self.guards = layout, word, 0, guards

    def read(self, field: Field) -> bool | int | Element:
        p = self.layout.places[field.name]
        raw = self.layout.at(self.word, p, 0)
        return self.layout.elements(field.sort)[raw] if isinstance(field.sort, IndexSort) else raw

    def read_at(self, field: Field, k: Index) -> bool | int:
        assert isinstance(k, Element)
        place = self.layout.places[field.name]
        if k.index >= place.count:  # where there are no elements at all, a property still speaks of one
            return False if field.sort == BOOL else 0
        return self.layout.at(self.word, place, k.index)

    look_behind = read_at

    def _put(self, p: Place, k: int, value: bool | int | Element) -> None:
        shift = p.offset + k * p.bits
        mask = ((1 << p.bits) - 1) << shift
        raw = value.index if isinstance(value, Element) else int(value)
        self.word = self.word & ~mask | raw << shift & mask
        self.written |= mask

    def write(self, field: Field, value: bool | int | Element) -> None:
        self._put(self.layout.places[field.name], 0, value)

    def write_at(self, field: Field, k: Index, value: bool | int) -> None:
        assert isinstance(k, Element)
        self._put(self.layout.places[field.name], k.index, value)

    def write_all(self, field: Field, at: Callable[[Index], bool | int]) -> None:
        assert field.over
        p = self.layout.places[field.name]
        for k, value in [(k.index, at(k)) for k in self.layout.elements(field.over)]:
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
