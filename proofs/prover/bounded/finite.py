"""The symbolic carrier within bounds: the cells of a record are bit-vectors and Booleans, a map one for each element.

As `confsync.proofs.prover.carrier.terms`, for so many elements and values of each sort and no more: a value is its
number in as few bits as there are, and an element that a process names is one of those there are. What a step does is
then a formula for a SAT solver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Self

import z3

from confsync.model.language import BOOL, Bounds, Element, Field, Index, IndexSort, LanguageError, Record
from confsync.proofs.prover.carrier.terms import Choice, Z3Cells, Z3Term, on_terms


def lift(value: object, sort: Any) -> Any:
    """The term of this Z3 sort that a value of the language stands for. LanguageError if there is none."""
    if isinstance(value, Choice):
        return z3.If(value.condition, lift(value.a, sort), lift(value.b, sort))
    if isinstance(value, FiniteElement | Z3Term):
        if value.z.sort() != sort:
            raise LanguageError(f"a {sort} is needed here, not the {value.z.sort()} {value.z}")
        return value.z
    if isinstance(value, bool) and sort == z3.BoolSort():
        return z3.BoolVal(value)
    number = value.index if isinstance(value, Element) else value
    if isinstance(number, int) and not isinstance(number, bool) and isinstance(sort, z3.BitVecSortRef):
        if not 0 <= number < 1 << sort.size():
            raise LanguageError(f"{number} is none of the {1 << sort.size()} values there are at most")
        return z3.BitVecVal(number, sort)
    raise LanguageError(f"a {sort} is needed here, not {value!r}")


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


class FiniteElement:
    """An element of an index sort that a process names: the number of one of those there are."""

    def __init__(self, z: Any, elements: tuple[Element, ...]) -> None:
        self.z, self.elements = z, elements

    def is_(self, k: Element) -> Any:
        """The formula that it is this one."""
        return self.z == k.index

    def __getattr__(self, name: str) -> FiniteTerm:
        """Whether it is of a kind."""
        if name.startswith("_") or name not in self.elements[0].sort.predicates:
            raise AttributeError(name)
        return FiniteTerm(z3.Or(*(self.is_(k) for k in self.elements if k.kind == name)))

    def __eq__(self, other: object) -> FiniteTerm:  # type: ignore[override]
        return FiniteTerm(self.z == lift(other, self.z.sort()))

    __hash__ = None  # type: ignore[assignment]


class FiniteCells(Z3Cells):
    """The cells of one record within bounds: a term for each field, for a map a tuple of one for each element."""

    term = FiniteTerm
    bounds: ClassVar[Bounds]

    @classmethod
    def within(cls, bounds: Bounds) -> type[Self]:
        """This carrier for these bounds."""
        return type(cls.__name__, (cls,), {"bounds": bounds})

    @classmethod
    def sort(cls, field: Field) -> Any:
        """The Z3 sort of a field's values."""
        if field.sort == BOOL:
            return z3.BoolSort()
        return z3.BitVecSort(max(1, (cls.size(field) - 1).bit_length()))

    @classmethod
    def size(cls, field: Field) -> int:
        """How many values a field has."""
        return cls.bounds.size_of(field)

    @classmethod
    def any(cls, record: type[Record], of: tuple[Any, ...] = (), tag: str = "") -> Self:
        values: dict[str, Any] = {}
        owned = "".join(f" of {owner}" for owner in of) + tag
        for name, field in record.fields().items():
            if not on_terms(field):
                continue
            if field.over:
                each = (z3.Const(f"{name}[{k.index}]{owned}", cls.sort(field)) for k in cls.bounds.elements(field.over))
                values[name] = tuple(each)
            else:
                values[name] = z3.Const(f"{name}{owned}", cls.sort(field))
        return cls(values)

    def terms(self) -> Iterator[tuple[str, Any]]:
        """Every cell's term, and the field it belongs to; a map's in the order of the elements."""
        for name, value in self.values.items():
            for z in value if isinstance(value, tuple) else (value,):
                yield name, z

    def read(self, field: Field) -> Any:
        z = self.values[field.name]
        return FiniteElement(z, self.bounds.elements(field.sort)) if isinstance(field.sort, IndexSort) else self.term(z)

    def read_at(self, field: Field, k: Index) -> FiniteTerm:
        each = self.values[field.name]
        if isinstance(k, Element):
            return self.term(each[k.index])
        assert isinstance(k, FiniteElement)
        here = each[-1]
        for one in k.elements[:-1]:
            here = z3.If(k.is_(one), each[one.index], here)
        return self.term(here)

    def look_behind(self, field: Field, k: Index) -> FiniteTerm:
        return self.read_at(field, k)

    def write(self, field: Field, value: object) -> None:
        self.written.add(field.name)
        self.values[field.name] = lift(value, self.sort(field))

    def write_at(self, field: Field, k: Index, value: object) -> None:
        assert isinstance(k, FiniteElement | Element)
        new = lift(value, self.sort(field))

        def after(one: Element, old: Any) -> Any:
            if isinstance(k, FiniteElement):
                return z3.If(k.is_(one), new, old)
            return new if k == one else old

        self._replace(field, after)

    def write_all(self, field: Field, at: Callable[[Index], object]) -> None:
        self._replace(field, lambda k, _: lift(at(k), self.sort(field)))

    def _replace(self, field: Field, after: Callable[[Element, Any], Any]) -> None:
        assert field.over
        self.written.add(field.name)
        each = self.values[field.name]
        self.values[field.name] = tuple(after(k, each[k.index]) for k in self.bounds.elements(field.over))
