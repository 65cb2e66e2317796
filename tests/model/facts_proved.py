"""The prover's answer to each fact: its transitions and predicates on Z3 terms that stand for plain values.

Single steps, predicates and the abstraction function are worked out on literal values, by Z3's simplifier. Claims are
made once for a design, of any state; whether one stands in a given state is asked of a solver, which is told what every
field holds there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, cached_property
from typing import Any

import z3
from facts.plain import (
    CD,
    DISK,
    FAILS,
    HOLDS,
    LOCKED,
    PLACES,
    VACUOUS,
    Answer,
    Asked,
    Call,
    Exact,
    Host,
    Quiescent,
    Recoverable,
    Returned,
    Run,
    Seen,
    Statement,
    Told,
)
from facts_driver import Came, Stepped, follow
from facts_fields import NO_NIC, arguments, bounds_of, design_of, result, shared_fields, shared_host, slot_of, told
from interpreted import FIELDS, Structure
from libxl_terms import AXIOMS, CONFIGS, CONSTANTS, EJECTABLE, SORTS

from confsync.model.engine.concrete import Plain
from confsync.model.engine.program import Kind
from confsync.model.language import BOOL, Bool, Element, Invariant, Record, Sort
from confsync.model.libxl.operations import RESULT
from confsync.model.libxl.properties import PROPERTIES
from confsync.model.libxl.protocol import LIBXL
from confsync.model.libxl.recovery import may_be_destroyed, memory_agrees, runs, slot_agrees, whole_agrees
from confsync.model.libxl.state import AMOUNT, CONFIG, NAME, SLOT, Local, Shared
from confsync.proofs.libxl.arguments import ARGUMENTS
from confsync.proofs.libxl.specification import Domain, see
from confsync.proofs.prover import alone
from confsync.proofs.prover.carrier.relation import Relation, Transition, View
from confsync.proofs.prover.carrier.terms import Z3Cells, Z3Term, formula
from confsync.proofs.prover.invariant.induction import Claim, Induction
from confsync.proofs.prover.invariant.lemma import Clause, Reading
from confsync.proofs.prover.properties import needed

_KINDS = {Came.FAILED: Kind.FAILS, Came.DEAD: Kind.CRASH}
Values = Mapping[str, Plain]
Process = tuple[int, Values]
"""The point that a process is at, and its locals."""


class Literals:
    """Plain values as terms that Z3 itself can tell apart, and back."""

    def __init__(self, places: Sequence[str]) -> None:
        self.structure = Structure(bounds_of(places))
        self.slots = self.structure.values[SLOT]
        self._known: dict[int, tuple[Any, bool | int]] = {}
        """By the number of a term: the term, so that no other gets its number, and its value."""

    def cells(self, record: type[Record], values: Values) -> Z3Cells:
        """Cells that hold these values, and the first of its sort where there is none."""
        terms: dict[str, Any] = {}
        for name, field in record.fields().items():
            if field.sort in SORTS:
                plain = values.get(name, (False,) * len(self.slots) if field.over else False)
                terms[name] = self._map(plain, field.sort) if field.over else self._term(plain, field.sort)
        return Z3Cells(terms)

    def _term(self, value: Plain, sort: Sort) -> Any:
        return self.structure.meaning(bool(value) if sort == BOOL else value, sort, 0)

    def _map(self, value: Plain, sort: Sort) -> Callable[[Any], Any]:
        assert isinstance(value, tuple)
        held = [self._term(v, sort) for v in value]

        def at(k: Any) -> Any:
            if k.get_id() in ids:
                return held[ids[k.get_id()]]
            found = held[-1]
            for slot, config in zip(self.slots[:-1], held[:-1], strict=True):
                found = z3.If(k == slot, config, found)
            return found

        ids = {slot.get_id(): i for i, slot in enumerate(self.slots)}
        return at

    def value(self, term: Any) -> bool | int:
        """The plain value that a term comes to."""
        key = term.get_id()
        if key not in self._known:
            simple = z3.simplify(z3.substitute_funs(term, *self.structure.named))
            self._known[key] = term, self.structure.value_of(simple)
        return self._known[key][1]

    def whole(self, value: Any, *, per_slot: bool) -> Plain:
        """The plain value of a field."""
        return tuple(self.value(value(k)) for k in self.slots) if per_slot else self.value(value)

    def truth(self, condition: Bool) -> bool:
        """Whether a condition of the language holds."""
        return bool(self.value(formula(condition)))


@cache
def literals(places: Sequence[str]) -> Literals:
    """The terms for these places."""
    return Literals(places)


@cache
def proved(design: str, places: Sequence[str] = PLACES) -> Proved:
    """The prover's view of a design."""
    return Proved(design, places)


class Proved:
    """A design's relation, for hosts and calls of facts. A state is the plain values of the shared fields."""

    def __init__(self, design: str, places: Sequence[str]) -> None:
        self.places = places
        self.relation = Relation(design_of(design))
        self.program = self.relation.program
        self.literals = literals(places)
        self._questions: dict[str, list[Questions]] = {}
        self._taken: dict[int, Transition] = {}
        """At each point the step that is taken, in any state: which fields it writes is the same in all."""

    def shared(self, host: Host) -> Values:
        return shared_fields(host, self.places)

    def host(self, shared: Values) -> Host:
        return shared_host(shared, self.places)

    def begin(self, call: Call) -> Process:
        return self.program.first[call.operation], arguments(call, self.places)

    def writes(self, process: Process) -> Iterable[str]:
        if process[0] not in self._taken:
            self._taken[process[0]] = next(self.relation.outcomes(process[0], self.relation.view(self.relation.me)))
        taken = self._taken[process[0]]
        return taken.writes_shared | taken.writes_local

    def cleans_up(self, process: Process) -> bool:
        return self.program.points[process[0]].cleaning_up

    def step(self, shared: Values, process: Process, wanted: Came) -> Stepped[Values, Process]:
        point, local = process
        view = View(LIBXL, self.literals.cells(Shared, shared), self.literals.cells(Local, local))
        outcomes = self.relation.outcomes(point, view)
        if wanted in _KINDS:
            taken, came = next(t for t in outcomes if t.label.kind is _KINDS[wanted]), wanted
            assert self._happens(taken), f"{taken.name} cannot happen"
        else:
            taken, came = next(outcomes), Came.TAKEN
            if not self._happens(taken):
                waits = self.literals.truth(Z3Term(self.relation.blocked(point, view)))
                refused = [t for t in outcomes if t.label.kind is Kind.REFUSED and self._happens(t)]
                assert len(refused) + waits == 1, "a step is taken, or refused, or waits"
                if waits:
                    return Stepped(Came.WAITS, shared, process)
                (taken,), came = refused, Came.REFUSED
        after = dict(shared) | self._written(taken.after.shared, Shared)
        mine = dict(local) | self._written(taken.after.local, Local)
        answered = told(local, self.places) if self.program.answers(point) and came is Came.TAKEN else None
        return Stepped(came, after, (taken.goes_to, mine) if taken.goes_to else None, answered)

    def _happens(self, transition: Transition) -> bool:
        return all(self.literals.value(guard) for _, guard in transition.guards)

    def _written(self, cells: Z3Cells, record: type[Record]) -> dict[str, Plain]:
        fields = record.fields()
        return {n: self.literals.whole(cells.values[n], per_slot=fields[n].over is not None) for n in cells.written}

    def follow(self, run: Run) -> tuple[tuple[Answer, ...], Host]:
        """What the calls of a run answer, and what they leave."""
        return follow(self, run)

    def run_alone(self, host: Host, call: Call) -> tuple[bool, Told | None, Host]:
        """What `confsync.proofs.prover.alone` makes of a call: whether it succeeds, what it returns, and what is left
        then."""
        given = self.literals.cells(Local, arguments(call, self.places)).values
        asked = {name: given[name] for name in arguments(call, self.places)}
        ran = alone.run(self.relation, call.operation, self.literals.cells(Shared, self.shared(host)), asked)
        if not all(self.literals.value(guard) for guard in ran.passes):
            return False, None, host
        left = {
            n: self.literals.whole(ran.shared.values[n], per_slot=f.over is not None)
            for n, f in Shared.fields().items()
        }
        if ran.answer is None:
            return True, None, self.host(left)
        values = ran.answer.values
        answer = {n: self.literals.whole(values[n], per_slot=FIELDS[n].over is not None) for n in RESULT}
        return True, told(answer, self.places), self.host(left)

    def record(self, host: Host) -> Shared:
        """The shared state that a host is, for predicates."""
        return Shared(self.literals.cells(Shared, self.shared(host)))

    def states(self, statement: Statement) -> str:
        """What a property over the stores says of a host: the lemma that it is for the prover, at every slot."""
        view, met = (
            View(LIBXL, self.literals.cells(Shared, self.shared(statement.host)), self.literals.cells(Local, {})),
            False,
        )
        p = PROPERTIES[statement.property]
        assert isinstance(p, Invariant)
        for k in self.literals.slots:
            if not self._lemma_holds(statement.property, view, k):
                return FAILS
            met = met or self.literals.truth(p.met(view.s, Z3Term(k)))
        return HOLDS if met else VACUOUS

    def is_degraded(self, fact: Returned) -> bool:
        """Whether an answer is one that a retrieve had to make up in part."""
        local = self.literals.cells(Local, result(fact.answer, self.places))
        view = View(LIBXL, self.literals.cells(Shared, {}), local)
        return not all(self._lemma_holds("retrieve_never_degraded", view, k) for k in self.literals.slots)

    def _lemma_holds(self, name: str, view: View, k: Any) -> bool:
        """Whether the one lemma that a property needs holds of a slot."""
        (lemma,) = needed(PROPERTIES[name], self.induction, ARGUMENTS).lemmas
        assert isinstance(lemma, Clause)
        return bool(self.literals.value(Reading(view, k).clause(lemma.literals)))

    def agreement(self, host: Host) -> tuple[frozenset[str], bool, bool, bool]:
        """Which parts agree; whether a whole domain runs; may be destroyed; and whether everything agrees."""
        s, slots = self.record(host), dict(zip(self.places, self.literals.slots, strict=True))
        parts = {
            DISK: slot_agrees(s, Z3Term(slots[DISK])),
            CD: slot_agrees(s, Z3Term(slots[CD])),
            "memory target": memory_agrees(s),
            "whole": whole_agrees(s),
        }
        agree = frozenset(p for p, yes in parts.items() if self.literals.truth(yes))
        return agree, self.literals.truth(runs(s)), self.literals.truth(may_be_destroyed(s)), len(agree) == len(parts)

    def sees(self, fact: Seen) -> Told | None:
        """What the abstraction function makes of a host."""
        cells = self.literals.cells(Domain, {})
        see(self.record(fact.host), Domain(cells))
        fields = Domain.fields()
        found = {n: self.literals.whole(cells.values[n], per_slot=f.over is not None) for n, f in fields.items()}
        domain = told(
            {"draft": found["devices"], "draft_name": found["name"], "draft_memory": found["memory"]}, self.places
        )
        assert found["runs"] or domain == Told({}), f"where no domain runs everything has its first value: {domain}"
        return domain if found["runs"] else None

    def may_be_asked(self, fact: Asked) -> bool:
        """Whether an operation begins with these arguments."""
        point, local = self.begin(fact.call)
        view = View(LIBXL, self.literals.cells(Shared, {}), self.literals.cells(Local, local))
        return all(self.literals.value(self.relation.asked(point, view, Z3Term(k))) for k in self.literals.slots)

    @cached_property
    def induction(self) -> Induction:
        """The terms that claims are about."""
        return Induction(self.relation)

    def _asked(self, name: str) -> list[Questions]:
        if name not in self._questions:
            claims = needed(PROPERTIES[name], self.induction, ARGUMENTS).claims
            self._questions[name] = [Questions(claim, self.induction, self.places) for claim in claims]
        return self._questions[name]

    def stands(self, name: str, host: Host, local: Values | None = None) -> bool:
        """Whether every claim of a property stands on a host; `local`: of the process that takes the step."""
        return all(claim.stands(self.shared(host), local or {}) for claim in self._asked(name))

    def judges(self, quiescent: Quiescent) -> str:
        """What a property of quiescent states says of a host; the prover does not ask whether its case arises."""
        return HOLDS if self.stands(quiescent.property, quiescent.host) else FAILS

    def is_exact(self, fact: Exact) -> bool:
        """Whether the answer of a retrieve, when its last part is read, is what the domain is."""
        point = self.program.last_read()  # of all transitions, those of this point are enough for the claim, and cheap
        vars(self.relation)["transitions"] = tuple(self.relation.outcomes(point, self.relation.view(self.relation.me)))
        return self.stands("retrieve_is_exact", fact.host, result(fact.draft, self.places))


def recovers(facts: Sequence[Recoverable]) -> dict[str, bool]:
    """By the words of each fact, whether the prover's argument goes on from the host."""
    of = proved(LOCKED, NO_NIC)
    return {fact.fact: of.stands("always_recoverable", fact.host) for fact in facts}


class Questions:
    """Whether a claim stands in one given state after another."""

    def __init__(self, claim: Claim, induction: Induction, places: Sequence[str]) -> None:
        self.induction, self.places = induction, places
        self.slots = [z3.Const(place, SORTS[SLOT]) for place in places]
        users = [z3.Const(f"what a user gave {n}", SORTS[CONFIG]) for n in (1, 2)]
        self.values: dict[Sort, list[Any]] = {
            CONFIG: [*CONFIGS.values(), *users],
            NAME: list(CONSTANTS[SORTS[NAME]].values()),
            AMOUNT: list(CONSTANTS[SORTS[AMOUNT]].values()),
            SLOT: self.slots,
        }
        self.solver = z3.Solver()
        self.solver.add(*AXIOMS, z3.Distinct(*self.values[CONFIG]), z3.Distinct(*self.slots))
        for place, slot in zip(places, self.slots, strict=True):
            self.solver.add(EJECTABLE(slot) == slot_of(place, places).ejectable)
        about = [*(given for _, given in claim.given), claim.fails]
        for k in slot_constants(about):  # there are no other places
            self.solver.add(z3.Or(*(k == slot for slot in self.slots)))
        self.solver.add(*about)

    def stands(self, shared: Values, local: Values) -> bool:
        """Whether the claim cannot fail where the fields have these values."""
        mine = self.induction.relation.view(self.induction.me).local.values
        self.solver.push()
        for values, cells in ((shared, self.induction.relation.shared.values), (local, mine)):
            for name, plain in values.items():
                self.solver.add(*self._is(name, cells[name], plain))
        answer = self.solver.check()
        self.solver.pop()
        assert answer != z3.unknown
        return bool(answer == z3.unsat)

    def _is(self, name: str, term: Any, plain: Plain) -> list[Any]:
        sort = FIELDS[name].sort
        if isinstance(plain, tuple):
            return [term(k) == self._meaning(v, sort) for k, v in zip(self.slots, plain, strict=True)]
        return [term == self._meaning(plain, sort)]

    def _meaning(self, value: bool | int | Element, sort: Sort) -> Any:
        if isinstance(value, Element):
            return self.slots[value.index]
        return self.values[sort][value] if sort in self.values else value


def slot_constants(formulas: Iterable[Any]) -> list[Any]:
    """The slots that formulas are about."""
    found: dict[int, Any] = {}
    todo, seen = list(formulas), set()
    while todo:
        term = todo.pop()
        if term.get_id() not in seen:
            seen.add(term.get_id())
            todo += term.children()
            if term.sort() == SORTS[SLOT] and not term.children():
                found[term.get_id()] = term
    return list(found.values())
