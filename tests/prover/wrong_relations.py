"""Carriers and relations that mean something else than they should: agreement must find each of them out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import z3
from libxl_terms import SORTS

from confsync.model.engine.program import Kind
from confsync.model.language import Bool, Design, Field, neg
from confsync.model.libxl.operations import HOLDERS
from confsync.model.libxl.state import SLOT, Local, Shared, Slot
from confsync.proofs.prover.carrier.relation import Relation, Transition, View
from confsync.proofs.prover.carrier.terms import PROCESS, Choice, Guard, Z3Cells, Z3Term, formula, lift

# ------------------------------------------------------------------ carriers


class Swaps(Z3Term):
    def either(self, a: Any, b: Any) -> Any:
        return super().either(b, a)


class ChoosesTheFirst(Z3Term):
    def either(self, a: Any, b: Any) -> Any:
        chosen = super().either(a, b)
        return Choice(z3.BoolVal(True), a, b) if isinstance(chosen, Choice) else chosen


class Affirms(Z3Term):
    def neg(self) -> Z3Term:
        return self


class IsContent(Z3Term):
    def both(self, other: Bool) -> Z3Term:  # noqa: ARG002
        return self


class SeesNoDrive(Z3Term):
    @property
    def ejectable(self) -> Z3Term:
        return SeesNoDrive(z3.BoolVal(False))


class CountsTwice(Z3Term):
    def one_more(self) -> Z3Term:
        return type(self)(self.z + 2)


class ConfusesNames(Z3Term):
    def __eq__(self, other: object) -> Z3Term:  # type: ignore[override]
        return super().__eq__(1 - other if isinstance(other, int) and other in (0, 1) else other)

    __hash__ = None


class WritesEverySlot(Z3Cells):
    def write_at(self, field: Field, slot: Slot, value: object) -> None:  # noqa: ARG002
        self.write_all(field, lambda _: value)


class WritesOneSlot(Z3Cells):
    def write_all(self, field: Field, at: Callable[[Slot], object]) -> None:
        k = self.term(z3.Function("slot", PROCESS, SORTS[SLOT])(z3.Const("me", PROCESS)))
        self.write_at(field, k, at(k))


class WritesNoScalar(Z3Cells):
    def write(self, field: Field, value: object) -> None: ...


class ForgetsWhatItWrote(Z3Cells):
    """The frame: it writes, and does not say so."""

    def write_at(self, field: Field, slot: Slot, value: object) -> None:
        super().write_at(field, slot, value)
        self.written.discard(field.name)


class AsksLater(Z3Cells):
    """A map is worked out when it is read, of what the fields then are."""

    def write_all(self, field: Field, at: Callable[[Slot], object]) -> None:
        self.written.add(field.name)
        old = self.copy()

        def later(k: Any) -> Any:
            kept, self.values[field.name] = self.values[field.name], old.values[field.name]
            found = lift(at(self.term(k)), field.sort)
            self.values[field.name] = kept
            return found

        self.values[field.name] = later


class ReadsTheOldMap(Z3Cells):
    def read_at(self, field: Field, slot: Slot) -> Z3Term:
        mine = field.record == "Local"
        old = self.any(Local, (z3.Const("me", PROCESS),)) if mine else self.any(Shared)
        return self.term(old.values[field.name](lift(slot, SLOT)), field.sort)


class WaitsWhereItFails(Z3Cells):
    def fail_if(self, condition: Bool) -> None:
        self.wait_until(neg(condition))


class FailsWhereItWaits(Z3Cells):
    def wait_until(self, condition: Bool) -> None:
        self.fail_if(neg(condition))


class GuardsNothing(Z3Cells):
    def wait_until(self, condition: Bool) -> None:  # noqa: ARG002
        super().wait_until(True)


class WaitsLast(Z3Cells):
    """Of guards of both kinds, those that refuse come first."""

    def fail_if(self, condition: Bool) -> None:
        self.guards.insert(0, Guard(False, formula(condition)))


class WaitsFirst(Z3Cells):
    """Of guards of both kinds, those that wait come first."""

    def wait_until(self, condition: Bool) -> None:
        self.guards.insert(0, Guard(True, formula(condition)))


def with_terms(terms: type[Z3Term]) -> type[Z3Cells]:
    return type(terms.__name__, (Z3Cells,), {"term": terms})


CARRIERS = [
    *map(with_terms, (Swaps, ChoosesTheFirst, Affirms, IsContent, SeesNoDrive, CountsTwice, ConfusesNames)),
    WritesEverySlot,
    WritesOneSlot,
    WritesNoScalar,
    ForgetsWhatItWrote,
    AsksLater,
    ReadsTheOldMap,
    WaitsWhereItFails,
    FailsWhereItWaits,
    GuardsNothing,
    WaitsLast,
    WaitsFirst,
]

# ------------------------------------------------------------------ relations

Edit = Callable[[Relation, Transition], Iterator[Transition]]
RELATIONS: dict[str, Callable[[Design], Relation]] = {}


def edit(change: Edit) -> Edit:
    """A relation of which each transition is changed: into any number of them."""

    class Edited(Relation):
        def outcomes(self, n: int, before: View) -> Iterator[Transition]:
            for t in super().outcomes(n, before):
                yield from change(self, t)

    RELATIONS[change.__name__] = Edited
    return change


def stays(t: Transition, *shared: str) -> None:
    """These shared fields are as they were."""
    for name in shared:
        t.after.shared.values[name] = t.before.shared.values[name]


@edit
def a_death_keeps_the_lock(_: Relation, t: Transition) -> Iterator[Transition]:
    if t.label.kind is Kind.CRASH:
        stays(t, *HOLDERS)
    yield t


@edit
def a_death_is_not_counted(_: Relation, t: Transition) -> Iterator[Transition]:
    if t.label.kind is Kind.CRASH:
        stays(t, "crashes")
    yield t


@edit
def a_death_is_vouched_for(_: Relation, t: Transition) -> Iterator[Transition]:
    if t.label.kind is Kind.CRASH:
        stays(t, "vouched")
    yield t


@edit
def a_death_mends_what_was_torn(_: Relation, t: Transition) -> Iterator[Transition]:
    if t.label.kind is Kind.CRASH:
        stays(t, "torn")
    yield t


@edit
def a_failure_is_vouched_for(_: Relation, t: Transition) -> Iterator[Transition]:
    if t.label.kind is Kind.FAILS:
        stays(t, "vouched")
    yield t


@edit
def nobody_dies(_: Relation, t: Transition) -> Iterator[Transition]:
    if t.label.kind is not Kind.CRASH:
        yield t


@edit
def one_can_die_before_the_first_step(_: Relation, t: Transition) -> Iterator[Transition]:
    yield t
    if t.starts and t.label.kind is Kind.STEP:
        yield replace(t, label=replace(t.label, kind=Kind.CRASH), goes_to=0)


@edit
def a_refusal_leads_on(relation: Relation, t: Transition) -> Iterator[Transition]:
    on = relation.program.next[t.label.point]
    yield replace(t, goes_to=on) if t.label.kind is Kind.REFUSED else t


@edit
def a_clean_up_that_is_refused_ends(relation: Relation, t: Transition) -> Iterator[Transition]:
    passed_over = t.label.kind is Kind.REFUSED and relation.program.points[t.label.point].cleaning_up
    yield replace(t, goes_to=relation.program.failed[t.label.point]) if passed_over else t


@edit
def an_idle_process_holds_what_it_held(_: Relation, t: Transition) -> Iterator[Transition]:
    if not t.goes_to:
        for held in HOLDERS.values():
            t.after.local.values[held] = t.before.local.values[held]
    yield t


@edit
def a_failure_heeds_no_guard(_: Relation, t: Transition) -> Iterator[Transition]:
    yield replace(t, guards=()) if t.label.kind is Kind.FAILS else t


@edit
def nothing_is_refused(_: Relation, t: Transition) -> Iterator[Transition]:
    yield replace(t, guards=(("never", z3.BoolVal(False)),)) if t.label.kind is Kind.REFUSED else t


@edit
def nothing_starts(_: Relation, t: Transition) -> Iterator[Transition]:
    yield replace(t, starts=False)


@edit
def everything_can_fail(relation: Relation, t: Transition) -> Iterator[Transition]:
    yield t
    if t.label.kind is Kind.STEP:
        failed = relation.program.failed[t.label.point]
        yield replace(t, label=replace(t.label, kind=Kind.FAILS), after=t.before.copy(), goes_to=failed)


class AsksAnything(Relation):
    def asked(self, point: int, view: View, k: Slot) -> Any:  # noqa: ARG002
        return z3.BoolVal(True)


RELATIONS["an_operation_is_asked_anything"] = AsksAnything
