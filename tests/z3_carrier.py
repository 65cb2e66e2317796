"""A compact carrier on Z3 terms: what a step does, as formulas for any number of slots, configurations and names.

A map is a Python function from a slot term to a term. The sorts `Slot` and `Config` are uninterpreted: all that is
known of them is that the three named configurations differ (`AXIOM`). Names and amounts are integers, of which the
language only asks whether they are equal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import z3

from model import ghosts
from model.footprint import footprint
from model.language import Bool, Config, Field, LanguageError, Record, Slot, Sort, Term
from model.state import Local, Shared
from model.step import Signature, Step

SLOT, CONFIG = z3.DeclareSort("Slot"), z3.DeclareSort("Config")
SORTS = {s: z3.IntSort() for s in Sort} | {Sort.BOOL: z3.BoolSort(), Sort.CONFIG: CONFIG, Sort.SLOT: SLOT}
NAMED = z3.Consts("ABSENT EMPTY MADE_UP", CONFIG)
AXIOM = z3.Distinct(*NAMED)
EJECTABLE = z3.Function("ejectable", SLOT, z3.BoolSort())


def lift(value: object, sort: Any) -> Any:
    """The Z3 term of this sort that a value of the language stands for."""
    if isinstance(value, Z3Term):
        z = value.z
        if sort == CONFIG and z.sort() == z3.IntSort():
            # a choice between two named configurations, which plain Python writes as integers
            return z3.If(z == 0, NAMED[0], z3.If(z == 1, NAMED[1], NAMED[2]))
        if z.sort() != sort:
            raise LanguageError(f"a {sort} is needed here, not the {z.sort()} {z}")
        return z
    if isinstance(value, bool) and sort == z3.BoolSort():
        return z3.BoolVal(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if sort == z3.IntSort():
            return z3.IntVal(value)
        if sort == CONFIG and value in range(3):
            return NAMED[value]
    raise LanguageError(f"a {sort} is needed here, not {value!r}")


class Z3Term(Term):
    """A value of the language that is a Z3 term."""

    def __init__(self, z: Any) -> None:
        self.z = z

    def neg(self) -> Z3Term:
        return type(self)(z3.Not(lift(self, z3.BoolSort())))

    def both(self, other: Bool) -> Z3Term:
        return type(self)(z3.And(lift(self, z3.BoolSort()), lift(other, z3.BoolSort())))

    def either(self, a: Any, b: Any) -> Z3Term:
        known = {t.z.sort() for t in (a, b) if isinstance(t, Z3Term)}
        # an integer sort gives way: it may be such a choice between named configurations
        sort = (known - {z3.IntSort()} or known or {z3.BoolSort() if isinstance(a, bool) else z3.IntSort()}).pop()
        return type(self)(z3.If(lift(self, z3.BoolSort()), lift(a, sort), lift(b, sort)))

    def one_more(self) -> Z3Term:
        return type(self)(self.z + 1)

    @property
    def ejectable(self) -> Z3Term:
        return type(self)(EJECTABLE(lift(self, SLOT)))

    def __eq__(self, other: object) -> Z3Term:  # type: ignore[override]
        if isinstance(other, Z3Term) and self.z.sort() == z3.IntSort():
            return type(self)(lift(self, other.z.sort()) == other.z)
        return type(self)(self.z == lift(other, self.z.sort()))

    def __ne__(self, other: object) -> Z3Term:  # type: ignore[override]
        return (self == other).neg()

    __hash__ = None

    def __repr__(self) -> str:
        return str(self.z)


@dataclass(frozen=True, slots=True)
class Guard:
    """A guard that a step has passed: `holds` is what its condition says, whichever kind it is."""

    waits: bool
    holds: Any

    @property
    def stops(self) -> Any:
        """The step is not taken."""
        return z3.Not(self.holds) if self.waits else self.holds


class Z3Cells:
    """The cells of one record: a term for each field, for a map a function."""

    term = Z3Term

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = dict(values)
        self.guards: list[Guard] = []

    @classmethod
    def any(cls, record: type[Record]) -> Self:
        """Cells of which nothing is known."""
        fields = [(name, SORTS[f.sort], f.per_slot) for name, f in record.fields().items()]
        return cls({n: z3.Function(n, SLOT, sort) if per_slot else z3.Const(n, sort) for n, sort, per_slot in fields})

    def copy(self) -> Self:
        return type(self)(self.values)

    def read(self, field: Field) -> Z3Term:
        return self.term(self.values[field.name])

    def read_at(self, field: Field, slot: Slot) -> Z3Term:
        return self.term(self.values[field.name](lift(slot, SLOT)))

    def look_behind(self, field: Field, slot: Slot) -> Config:
        return self.read_at(field, slot)

    def write(self, field: Field, value: object) -> None:
        self.values[field.name] = lift(value, SORTS[field.sort])

    def write_at(self, field: Field, slot: Slot, value: object) -> None:
        old, here, new = self.values[field.name], lift(slot, SLOT), lift(value, SORTS[field.sort])
        self.values[field.name] = lambda k: z3.If(k == here, new, old(k))

    def write_all(self, field: Field, at: Callable[[Slot], object]) -> None:
        # `at` reads the fields as they are now, so it is asked now: once, of any slot
        any_slot = z3.FreshConst(SLOT, "k")
        body = lift(at(self.term(any_slot)), SORTS[field.sort])
        self.values[field.name] = lambda k: z3.substitute(body, (any_slot, k))

    def wait_until(self, condition: Bool) -> None:
        self.guards.append(Guard(True, lift(condition, z3.BoolSort())))

    def fail_if(self, condition: Bool) -> None:
        self.guards.append(Guard(False, lift(condition, z3.BoolSort())))


@dataclass(slots=True)
class State:
    """A shared record and a local one on Z3 terms."""

    shared: Z3Cells
    local: Z3Cells

    @classmethod
    def any(cls, cells: type[Z3Cells] = Z3Cells) -> State:
        """A state of which nothing is known."""
        return cls(cells.any(Shared), cells.any(Local))

    @property
    def s(self) -> Shared:
        return Shared(self.shared)

    @property
    def me(self) -> Local:
        return Local(self.local)

    def copy(self) -> State:
        """The same state, to run a step on."""
        return State(self.shared.copy(), self.local.copy())

    def fields(self) -> dict[Field, Any]:
        """The value of every field, of both records."""
        both = ((Shared, self.shared), (Local, self.local))
        return {f: cells.values[name] for record, cells in both for name, f in record.fields().items()}


@dataclass(frozen=True, slots=True)
class Relation:
    """What a step can come to, from any state: its guards, the state where it is taken, and where it is not."""

    before: State
    guards: list[Guard]
    taken: State
    given_up: State

    @property
    def enabled(self) -> Any:
        """No guard stops it."""
        return z3.Not(z3.Or([g.stops for g in self.guards]))


def relation(
    step: Step,
    signature: Signature,
    cleaning_up: bool = False,
    cells: type[Z3Cells] = Z3Cells,
    *,
    tore: bool = False,
) -> Relation:
    """A step of an operation, run once on terms, the ghosts with it."""
    before = State.any(cells)
    taken, given_up = before.copy(), before.copy()
    step.run(taken.s, taken.me)
    ghosts.follow(signature, footprint(step))(taken.s, taken.me)
    if not cleaning_up:
        ghosts.gives_up(signature, given_up.s, given_up.me, tore=tore)
    return Relation(before, taken.local.guards, taken, given_up)
