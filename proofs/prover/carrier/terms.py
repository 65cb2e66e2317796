"""The symbolic carrier: the cells of a record are Z3 terms, so a step run once is a formula for every size.

A map is a Python function from a term of its index sort to a term. A protocol's sorts, and processes, are uninterpreted
sorts: all that is known of their values is that those with a name differ (`axioms`). A step only ever asks whether
values are equal, so nothing else could matter. How many processes have died is an integer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import z3

from confsync.model.language import (
    BOOL,
    COUNT,
    Bool,
    Field,
    Index,
    IndexSort,
    LanguageError,
    Protocol,
    Record,
    Sort,
    Term,
    ValueSort,
)

PROCESS = z3.DeclareSort("Process")


@cache
def z3_sort(sort: Sort) -> Any:
    """The Z3 sort of a sort's values; not of a sort that is the engine's alone."""
    if sort == BOOL:
        return z3.BoolSort()
    return z3.IntSort() if sort == COUNT else z3.DeclareSort(sort.name)


def on_terms(field: Field) -> bool:
    """Whether a field is kept on terms: where a process is, and what it is on the look-out for, is not."""
    return field.sort in (BOOL, COUNT) or isinstance(field.sort, ValueSort | IndexSort)


def constants(sort: ValueSort) -> dict[int, Any]:
    """What a number that a step writes down stands for. That it can write no more of them loses nothing: a state with
    fewer values is a state among those with more."""
    return {n: z3.Const(name, z3_sort(sort)) for n, name in enumerate(sort.constants)}


def axioms(protocol: Protocol) -> list[Any]:
    """That values with a name differ, and that every sort has two values at least: a state with fewer values is a state
    among those with more, and a solver finds smaller models where nothing is degenerate."""
    return [z3.Distinct(*_two_or_more(sort)) for sort in protocol.value_sorts]


def _two_or_more(sort: ValueSort) -> list[Any]:
    named = list(constants(sort).values())
    return named if len(named) > 1 else [*named, z3.Const(f"another {sort.name}", z3_sort(sort))]


def predicate(name: str, k: Any) -> Any:
    """The formula that an element of an index sort is of a kind."""
    return z3.Function(name, k.sort(), z3.BoolSort())(k)


def lift(value: object, sort: Sort | None) -> Any:
    """The Z3 term of this sort that a value of the language stands for. LanguageError if there is none."""
    if isinstance(value, Choice):
        return z3.If(value.condition, lift(value.a, sort), lift(value.b, sort))
    if isinstance(value, Z3Term):
        if sort and value.z.sort() != z3_sort(sort):
            raise LanguageError(f"a {sort.name} is needed here, not the {value.z.sort()} {value.z}")
        return value.z
    if isinstance(value, bool) and sort == BOOL:
        return z3.BoolVal(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if sort == COUNT:
            return z3.IntVal(value)
        if isinstance(sort, ValueSort):
            named = constants(sort)
            if value in named:
                return named[value]
            known = ", ".join(map(str, named))
            raise LanguageError(f"a proof is for any {sort.name}: the only ones a step can write down are {known}")
    raise LanguageError(f"a {sort.name if sort else 'value'} is needed here, not {value!r}")


class Choice(Term):
    """One of two plain numbers, such as two named configurations: of which sort shows where it is used."""

    def __init__(self, condition: Any, a: object, b: object) -> None:
        self.condition, self.a, self.b = condition, a, b

    def neg(self) -> Term:
        raise LanguageError(f"a condition is needed, not {self!r}")

    def both(self, other: Bool) -> Term:  # noqa: ARG002
        return self.neg()

    def either(self, a: Any, b: Any) -> Term:  # noqa: ARG002
        return self.neg()

    def one_more(self) -> Term:
        return self.neg()

    def __eq__(self, other: object) -> Any:
        if isinstance(other, Z3Term):
            return other == self
        a, b = (other_is == other for other_is in (self.a, self.b))
        return Z3Term(z3.If(self.condition, lift(a, BOOL), lift(b, BOOL)), BOOL)

    def __ne__(self, other: object) -> Any:
        return (self == other).neg()

    __hash__ = None

    def __repr__(self) -> str:
        return f"{self.a!r} or {self.b!r}"


class Z3Term(Term):
    """A value of the language that is a Z3 term. `sort`: of which sort, where numbers could be compared with it."""

    def __init__(self, z: Any, sort: Sort | None = None) -> None:
        self.z, self.sort = z, sort

    def __getattr__(self, name: str) -> Z3Term:
        """Whether an element of an index sort is of a kind."""
        if name.startswith("_") or self.z.sort_kind() != z3.Z3_UNINTERPRETED_SORT:
            raise AttributeError(name)
        return type(self)(predicate(name, self.z), BOOL)

    def neg(self) -> Z3Term:
        return type(self)(z3.Not(lift(self, BOOL)), BOOL)

    def both(self, other: Bool) -> Z3Term:
        return type(self)(z3.And(lift(self, BOOL), lift(other, BOOL)), BOOL)

    def either(self, a: Any, b: Any) -> Term:
        condition = lift(self, BOOL)
        like = next((t for t in (a, b) if isinstance(t, Z3Term)), None)
        if like is None and not isinstance(a, bool):
            return Choice(condition, a, b)
        sort = BOOL if like is None else like.sort
        return type(self)(z3.If(condition, lift(a, sort), lift(b, sort)), sort)

    def one_more(self) -> Z3Term:
        return type(self)(self.z + 1, COUNT)

    def __eq__(self, other: object) -> Z3Term:  # type: ignore[override]
        return type(self)(self.z == lift(other, self.sort), BOOL)

    def __ne__(self, other: object) -> Z3Term:  # type: ignore[override]
        return (self == other).neg()

    __hash__ = None

    def __repr__(self) -> str:
        return str(self.z)


def formula(condition: Bool) -> Any:
    """The Z3 formula that a condition of the language is."""
    return lift(condition, BOOL)


@dataclass(frozen=True, slots=True)
class Guard:
    """A guard that a step comes to. `holds`: what its condition says, whichever kind it is."""

    waits: bool
    holds: Any

    @property
    def passes(self) -> Any:
        """The step goes on after it."""
        return self.holds if self.waits else z3.Not(self.holds)


class Z3Cells:
    """The cells of one record: a term for each field, for a map a function from a term of its index sort to a term."""

    term = Z3Term

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = dict(values)
        self.written: set[str] = set()
        self.guards: list[Guard] = []

    @classmethod
    def any(cls, record: type[Record], of: tuple[Any, ...] = (), tag: str = "") -> Self:
        """Cells of which nothing is known: each field an uninterpreted constant, a map a function of the element. With
        `of`, they are those of something: of a process, say. `tag` goes after the names."""
        values: dict[str, Any] = {}
        owners = [t.sort() for t in of]
        for name, field in record.fields().items():
            if not on_terms(field):
                continue
            domain = [*owners, *([z3_sort(field.over)] if field.over else [])]
            if not domain:
                values[name] = z3.Const(name + tag, z3_sort(field.sort))
                continue
            function = z3.Function(name + tag, *domain, z3_sort(field.sort))
            values[name] = (lambda k, f=function: f(*of, k)) if field.over else function(*of)
        return cls(values)

    def copy(self) -> Self:
        """The same cells, to run a step on."""
        return type(self)(self.values)

    def read(self, field: Field) -> Z3Term:
        return self.term(self.values[field.name], field.sort)

    def read_at(self, field: Field, k: Index) -> Z3Term:
        return self.term(self.values[field.name](lift(k, field.over)), field.sort)

    def look_behind(self, field: Field, k: Index) -> Z3Term:
        return self.read_at(field, k)

    def write(self, field: Field, value: object) -> None:
        self.written.add(field.name)
        self.values[field.name] = lift(value, field.sort)

    def write_at(self, field: Field, k: Index, value: object) -> None:
        self.written.add(field.name)
        old, here, new = self.values[field.name], lift(k, field.over), lift(value, field.sort)
        self.values[field.name] = lambda k: z3.If(k == here, new, old(k))

    def write_all(self, field: Field, at: Callable[[Index], object]) -> None:
        # `at` reads the fields as they are now, so it is asked now: once, of any element
        assert field.over
        self.written.add(field.name)
        anything = z3.FreshConst(z3_sort(field.over), "k")
        body = lift(at(self.term(anything, field.over)), field.sort)
        self.values[field.name] = lambda k: z3.substitute(body, (anything, k))

    def wait_until(self, condition: Bool) -> None:
        self.guards.append(Guard(True, formula(condition)))

    def fail_if(self, condition: Bool) -> None:
        self.guards.append(Guard(False, formula(condition)))


def any_of(formulas: Sequence[Any]) -> Any:
    """The disjunction of Z3 formulas. What `z3.Or` gives, without looking at each operand's sort again."""
    if not formulas:
        return z3.BoolVal(False)
    if len(formulas) == 1:
        return formulas[0]
    context = formulas[0].ctx
    operands = (z3.Ast * len(formulas))(*(f.as_ast() for f in formulas))
    return z3.BoolRef(z3.Z3_mk_or(context.ref(), len(formulas), operands), context)


def negation(formula: Any) -> Any:
    """What `z3.Not` gives, as `any_of`."""
    return z3.BoolRef(z3.Z3_mk_not(formula.ctx.ref(), formula.as_ast()), formula.ctx)


def implication(a: Any, b: Any) -> Any:
    """What `z3.Implies` gives, as `any_of`."""
    return z3.BoolRef(z3.Z3_mk_implies(a.ctx.ref(), a.as_ast(), b.as_ast()), a.ctx)


def assert_(solver: z3.Solver, formula: Any) -> None:
    """What `solver.add` does, as `any_of`."""
    z3.Z3_solver_assert(solver.ctx.ref(), solver.solver, formula.as_ast())
