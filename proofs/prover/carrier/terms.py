"""The symbolic carrier: the cells of a record are Z3 terms, so a step run once is a formula for every size.

A map is a Python function from a slot term to a term. Slots, configurations, names, amounts and processes are
uninterpreted sorts: all that is known of their values is that those the language has names for differ (`AXIOMS`).
A step only ever asks whether values are equal, so nothing else could matter. How many processes have died is an
integer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import z3

from confsync.model.language import ABSENT, EMPTY, MADE_UP, Bool, Config, Field, LanguageError, Record, Slot, Sort, Term

SLOT, CONFIG, NAME, AMOUNT, PROCESS = (z3.DeclareSort(n) for n in ("Slot", "Config", "Name", "Amount", "Process"))
SORTS = {
    Sort.BOOL: z3.BoolSort(),
    Sort.CONFIG: CONFIG,
    Sort.NAME: NAME,
    Sort.AMOUNT: AMOUNT,
    Sort.SLOT: SLOT,
    Sort.COUNT: z3.IntSort(),
}
"""The sorts a step's values have."""
EJECTABLE = z3.Function("ejectable", SLOT, z3.BoolSort())

CONFIGS = dict(zip((ABSENT, EMPTY, MADE_UP), z3.Consts("ABSENT EMPTY MADE_UP", CONFIG), strict=True))
CONSTANTS: dict[Any, dict[int, Any]] = {
    CONFIG: CONFIGS,
    NAME: {i: z3.Const(f"name{i}", NAME) for i in range(2)},
    AMOUNT: {i: z3.Const(f"mem{i}", AMOUNT) for i in range(2)},
}
"""What a number that a step writes down stands for, by sort. That it can write no more of them loses nothing: a
state with fewer values is a state among those with more."""
AXIOMS = [z3.Distinct(*each.values()) for each in CONSTANTS.values()]


def lift(value: object, sort: Any) -> Any:
    """The Z3 term of this sort that a value of the language stands for. LanguageError if there is none."""
    if isinstance(value, Choice):
        return z3.If(value.condition, lift(value.a, sort), lift(value.b, sort))
    if isinstance(value, Z3Term):
        if value.z.sort() != sort:
            raise LanguageError(f"a {sort} is needed here, not the {value.z.sort()} {value.z}")
        return value.z
    if isinstance(value, bool) and sort == z3.BoolSort():
        return z3.BoolVal(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if sort == z3.IntSort():
            return z3.IntVal(value)
        if value in CONSTANTS.get(sort, {}):
            return CONSTANTS[sort][value]
        if sort in CONSTANTS:
            known = ", ".join(str(n) for n in CONSTANTS[sort])
            raise LanguageError(f"a proof is for any {sort}: the only ones a step can write down are {known}")
    raise LanguageError(f"a {sort} is needed here, not {value!r}")


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
        return Z3Term(z3.If(self.condition, lift(a, z3.BoolSort()), lift(b, z3.BoolSort())))

    def __ne__(self, other: object) -> Any:
        return (self == other).neg()

    __hash__ = None

    def __repr__(self) -> str:
        return f"{self.a!r} or {self.b!r}"


class Z3Term(Term):
    """A value of the language that is a Z3 term."""

    def __init__(self, z: Any) -> None:
        self.z = z

    def neg(self) -> Z3Term:
        return type(self)(z3.Not(lift(self, z3.BoolSort())))

    def both(self, other: Bool) -> Z3Term:
        return type(self)(z3.And(lift(self, z3.BoolSort()), lift(other, z3.BoolSort())))

    def either(self, a: Any, b: Any) -> Term:
        condition = lift(self, z3.BoolSort())
        sort = next((t.z.sort() for t in (a, b) if isinstance(t, Z3Term)), None)
        if sort is None and not isinstance(a, bool):
            return Choice(condition, a, b)
        sort = z3.BoolSort() if sort is None else sort
        return type(self)(z3.If(condition, lift(a, sort), lift(b, sort)))

    def one_more(self) -> Z3Term:
        return type(self)(self.z + 1)

    @property
    def ejectable(self) -> Z3Term:
        return type(self)(EJECTABLE(lift(self, SLOT)))

    def __eq__(self, other: object) -> Z3Term:  # type: ignore[override]
        return type(self)(self.z == lift(other, self.z.sort()))

    def __ne__(self, other: object) -> Z3Term:  # type: ignore[override]
        return (self == other).neg()

    __hash__ = None

    def __repr__(self) -> str:
        return str(self.z)


def formula(condition: Bool) -> Any:
    """The Z3 formula that a condition of the language is."""
    return lift(condition, z3.BoolSort())


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
    """The cells of one record: a term for each field, for a map a function from a slot term to a term."""

    term = Z3Term

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = dict(values)
        self.written: set[str] = set()
        self.guards: list[Guard] = []

    @classmethod
    def any(cls, record: type[Record], of: tuple[Any, ...] = (), tag: str = "") -> Self:
        """Cells of which nothing is known: each field an uninterpreted constant, a map a function of the slot. With
        `of`, they are those of something: of a process, say. `tag` goes after the names."""
        values: dict[str, Any] = {}
        owners = [t.sort() for t in of]
        for name, field in record.fields().items():
            if field.sort not in SORTS:
                continue
            domain = [*owners, *([SLOT] if field.per_slot else [])]
            if not domain:
                values[name] = z3.Const(name + tag, SORTS[field.sort])
                continue
            function = z3.Function(name + tag, *domain, SORTS[field.sort])
            values[name] = (lambda k, f=function: f(*of, k)) if field.per_slot else function(*of)
        return cls(values)

    def copy(self) -> Self:
        """The same cells, to run a step on."""
        return type(self)(self.values)

    def read(self, field: Field) -> Z3Term:
        return self.term(self.values[field.name])

    def read_at(self, field: Field, slot: Slot) -> Z3Term:
        return self.term(self.values[field.name](lift(slot, SLOT)))

    def look_behind(self, field: Field, slot: Slot) -> Config:
        return self.read_at(field, slot)

    def write(self, field: Field, value: object) -> None:
        self.written.add(field.name)
        self.values[field.name] = lift(value, SORTS[field.sort])

    def write_at(self, field: Field, slot: Slot, value: object) -> None:
        self.written.add(field.name)
        old, here, new = self.values[field.name], lift(slot, SLOT), lift(value, SORTS[field.sort])
        self.values[field.name] = lambda k: z3.If(k == here, new, old(k))

    def write_all(self, field: Field, at: Callable[[Slot], object]) -> None:
        # `at` reads the fields as they are now, so it is asked now: once, of any slot
        self.written.add(field.name)
        any_slot = z3.FreshConst(SLOT, "k")
        body = lift(at(self.term(any_slot)), SORTS[field.sort])
        self.values[field.name] = lambda k: z3.substitute(body, (any_slot, k))

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
