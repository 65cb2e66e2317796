"""The symbolic carrier within bounds: the cells of a record are bit-vectors and Booleans, a map one of them per slot.

As `confsync.proofs.prover.carrier.terms`, for so many slots and values of each sort and no more: a value is its number in as few bits
as there are, and a slot that a process names is one of the slots there are. What a step does is then a formula for a
SAT solver.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import z3

from confsync.model.language import ConcreteSlot, Config, Field, LanguageError, Record, Slot, Sort
from confsync.model.libxl.state import Bounds
from confsync.proofs.prover.carrier import terms
from confsync.proofs.prover.carrier.terms import Choice, Z3Cells, Z3Term

ENGINE = (Sort.LOCATION, Sort.WATCH)
"""Sorts of fields that no step touches: they are no cells here."""


def lift(value: object, sort: Any) -> Any:
    """The Z3 term of this sort that a value of the language stands for. LanguageError if there is none."""
    if isinstance(value, Choice):
        return z3.If(value.condition, lift(value.a, sort), lift(value.b, sort))
    if isinstance(value, FiniteSlot | ConcreteSlot):
        value = Z3Term(value.z) if isinstance(value, FiniteSlot) else value.index
    if isinstance(value, int) and not isinstance(value, bool) and isinstance(sort, z3.BitVecSortRef):
        if not 0 <= value < 1 << sort.size():
            raise LanguageError(f"{value} is none of the {1 << sort.size()} values there are at most")
        return z3.BitVecVal(value, sort)
    return terms.lift(value, sort)


class FiniteTerm(Z3Term):
    """A value of the language that is a Boolean or a bit-vector."""

    def either(self, a: Any, b: Any) -> Any:
        sort = next((t.z.sort() for t in (a, b) if isinstance(t, Z3Term)), None)
        return super().either(a, b) if sort is None else super().either(self._as(a, sort), self._as(b, sort))

    def __eq__(self, other: object) -> Z3Term:  # type: ignore[override]
        return super().__eq__(self._as(other, self.z.sort()))

    __hash__ = None

    def _as(self, value: object, sort: Any) -> Self:
        return type(self)(lift(value, sort))


@dataclass(frozen=True, slots=True, eq=False)
class FiniteSlot:
    """A slot that a process names: the number of one of the slots there are."""

    z: Any
    slots: tuple[ConcreteSlot, ...]

    def is_(self, k: ConcreteSlot) -> Any:
        """The formula that it is this one."""
        return self.z == k.index

    @property
    def ejectable(self) -> FiniteTerm:
        return FiniteTerm(z3.Or(*(self.is_(k) for k in self.slots if k.ejectable)))

    def __eq__(self, other: object) -> FiniteTerm:  # type: ignore[override]
        return FiniteTerm(self.z == lift(other, self.z.sort()))

    __hash__ = None  # type: ignore[assignment]


class FiniteCells(Z3Cells):
    """The cells of one record within bounds: a term for each field, for a map a tuple of one per slot."""

    term = FiniteTerm
    bounds: ClassVar[Bounds]

    @classmethod
    def within(cls, bounds: Bounds) -> type[Self]:
        """This carrier for these bounds."""
        return type(cls.__name__, (cls,), {"bounds": bounds})

    @classmethod
    def sort(cls, field: Field) -> Any:
        """The Z3 sort of a field's values."""
        if field.sort is Sort.BOOL:
            return z3.BoolSort()
        return z3.BitVecSort(max(1, (cls.bounds.size(field.sort) - 1).bit_length()))

    @classmethod
    def any(cls, record: type[Record], of: tuple[Any, ...] = (), tag: str = "") -> Self:
        values: dict[str, Any] = {}
        owned = "".join(f" of {owner}" for owner in of) + tag
        for name, field in record.fields().items():
            if field.sort in ENGINE:
                continue
            if field.per_slot:
                each = (z3.Const(f"{name}[{k.index}]{owned}", cls.sort(field)) for k in cls.bounds.all_slots())
                values[name] = tuple(each)
            else:
                values[name] = z3.Const(f"{name}{owned}", cls.sort(field))
        return cls(values)

    def terms(self) -> Iterator[tuple[str, Any]]:
        """Every cell's term, and the field it belongs to; a map's in the order of the slots."""
        for name, value in self.values.items():
            for z in value if isinstance(value, tuple) else (value,):
                yield name, z

    def read(self, field: Field) -> Any:
        z = self.values[field.name]
        return FiniteSlot(z, self.bounds.all_slots()) if field.sort is Sort.SLOT else self.term(z)

    def read_at(self, field: Field, slot: Slot) -> FiniteTerm:
        each = self.values[field.name]
        if isinstance(slot, ConcreteSlot):
            return self.term(each[slot.index])
        assert isinstance(slot, FiniteSlot)
        here = each[-1]
        for k in slot.slots[:-1]:
            here = z3.If(slot.is_(k), each[k.index], here)
        return self.term(here)

    def look_behind(self, field: Field, slot: Slot) -> Config:
        return self.read_at(field, slot)

    def write(self, field: Field, value: object) -> None:
        self.written.add(field.name)
        self.values[field.name] = lift(value, self.sort(field))

    def write_at(self, field: Field, slot: Slot, value: object) -> None:
        assert isinstance(slot, FiniteSlot | ConcreteSlot)
        new = lift(value, self.sort(field))

        def after(k: ConcreteSlot, old: Any) -> Any:
            if isinstance(slot, FiniteSlot):
                return z3.If(slot.is_(k), new, old)
            return new if slot == k else old

        self._replace(field, after)

    def write_all(self, field: Field, at: Callable[[Slot], object]) -> None:
        self._replace(field, lambda k, _: lift(at(k), self.sort(field)))

    def _replace(self, field: Field, after: Callable[[ConcreteSlot, Any], Any]) -> None:
        self.written.add(field.name)
        each = self.values[field.name]
        self.values[field.name] = tuple(after(k, each[k.index]) for k in self.bounds.all_slots())
