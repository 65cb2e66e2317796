"""Refinement: a design does what the abstract specification says, each change at one of its steps.

Forward simulation (Lynch and Vaandrager, "Forward and backward simulations", 1995), transition by transition: seen
through the abstraction function, a transition either changes nothing or is one change of its operation, exactly; and
where what is seen was what is attached, it still is (without that any function would do, even one that sees nothing).
The steps at which the changes happen, the *linearization points*, are found: they are the transitions that can change
what is seen, in some state that all lemmas allow. Then every way through an operation is followed: one that returns
success has passed the points of all its changes, in their order.

That holds in every size, for it is about any slot and any process, under lemmas that are proved
(`confsync.proofs.prover.invariant.houdini`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import z3

from confsync.model.engine.program import IDLE, Kind
from confsync.model.engine.verdict import Verdict
from confsync.model.language import Design
from confsync.model.libxl.operations import RESULT, SIGNATURES
from confsync.model.libxl.state import Local, Shared
from confsync.proofs.libxl.specification import (
    SEEN,
    SPECIFICATION,
    Change,
    Domain,
    Specification,
    is_what_was_attached,
    see,
)
from confsync.proofs.prover.carrier.relation import Relation, Transition
from confsync.proofs.prover.carrier.solver import RLIMIT
from confsync.proofs.prover.carrier.terms import Z3Cells, Z3Term, any_of, formula, negation
from confsync.proofs.prover.invariant.candidates import candidates
from confsync.proofs.prover.invariant.houdini import Broken, Strengthening
from confsync.proofs.prover.invariant.induction import Claim, Induction, Named, Step, first
from confsync.proofs.prover.invariant.lemma import Clause, Lemma, Names
from confsync.proofs.prover.invariant.samples import take
from confsync.proofs.prover.invariant.vocabulary import Atom, atoms
from confsync.proofs.prover.obligation import Discharged, discharge, obligations


@dataclass(frozen=True, slots=True)
class Refused:
    """What stands in the way. `where`: the transition, or the operation. `broken`: a counterexample to induction, where
    the solver was asked."""

    where: str
    says: str
    broken: Broken | None = None

    def __str__(self) -> str:
        return f"{self.where}: {self.says}"


class Ending(Enum):
    """How an operation ends."""

    SUCCESS = "returns success"
    ERROR = "returns an error"
    DEATH = "dies"


@dataclass(frozen=True, slots=True)
class Way:
    """A way through an operation: the changes that were made, in their order, and how it ended. `gave_up`: the
    transition at which it did, if it did."""

    operation: str
    changes: tuple[Change, ...]
    ending: Ending
    gave_up: str = ""


@dataclass(frozen=True)
class Refinement:
    """What became of a design. It refines the specification where nothing was refused.

    `points`: for each operation its linearization points, in the order of its changes; () where a transition of it is
    refused, or no domain ever runs at them. `by_frame`: the transitions that write nothing that is seen, so change
    nothing; `simulated`: those that the solver was asked about, and are proved. `ways`: all ways through the other
    operations. `discharged`: where nothing was refused, all obligations of the proof, lemmas and claims.
    """

    design: Design
    points: dict[str, tuple[str, ...]]
    by_frame: tuple[str, ...]
    simulated: tuple[str, ...]
    refused: tuple[Refused, ...]
    ways: tuple[Way, ...]
    discharged: tuple[Discharged, ...]
    lemmas: tuple[Lemma, ...]

    @property
    def abstraction(self) -> str:
        """The abstraction function, in words."""
        return " ".join((see.__doc__ or "").split())

    @property
    def holds(self) -> bool:
        """The design refines the specification, in every size."""
        return not self.refused

    def after_the_fact(self, operation: str) -> dict[str, int]:
        """The transitions at which the operation gives up, and returns an error, though it has made so many of its
        changes. Of any other error it is so that nothing has happened."""
        return {
            w.gave_up: len(w.changes)
            for w in self.ways
            if w.operation == operation and w.changes and w.ending is Ending.ERROR
        }


def refine(design: Design, specification: Specification = SPECIFICATION, *, rlimit: int = RLIMIT) -> Refinement:
    """Whether a design refines a specification, for any number of everything. LanguageError if it is no design."""
    relation = Relation(design)
    vocabulary = atoms(relation.program)
    pool = candidates(relation.program, vocabulary, take(design, vocabulary))
    return simulate(Strengthening(relation, pool, rlimit), vocabulary, specification)


def simulate(found: Strengthening, vocabulary: Iterable[Atom], specification: Specification) -> Refinement:
    """As `refine`, with candidate lemmas that are there already. `found` is used up: nothing else is asked of it."""
    simulation = _Simulation(found, specification)
    found.offer(_remembered(found.induction, vocabulary))
    return simulation.run()


def _remembered(ind: Induction, vocabulary: Iterable[Atom]) -> Iterator[Clause]:
    """Candidates that small searches can't give: that some field is as the operation was asked, at its slot if it has
    one, where none of its steps reads the argument any more (a search forgets it there). A creation is one at its last
    step."""
    program, known = ind.relation.program, tuple(vocabulary)
    mine = next(a for a in known if a.local == {"slot"} and not a.shared)
    for n, point in enumerate(program.points):
        if n != IDLE and not point.cleaning_up:
            dead = arguments(point.operation) - program.live_locals[n]
            case = ((mine, False),) if program.signature(n).kind("slot") else ()
            yield from (Clause(n, ((a, True), *case)) for a in known if a.shared and a.local and a.local <= dead)


def arguments(operation: str) -> frozenset[str]:
    """The locals that an operation is asked with."""
    signature = SIGNATURES[operation]
    slot = ("slot",) if signature.kind("slot") else ()
    return frozenset((*slot, *signature.takes, *(RESULT if "draft" in signature.takes else ())))


class _Simulation:
    """The claims of one refinement, and what becomes of them."""

    def __init__(self, found: Strengthening, specification: Specification) -> None:
        self.found, self.specification = found, specification
        self.ind = found.induction
        self.relation = found.induction.relation
        self.program = self.relation.program
        self.before = self._seen(self.relation.shared)
        self.true = self._true(self.relation.shared)
        self.quiet: dict[str, Claim] = {}
        """By transition, that it changes nothing that is seen."""
        self.unsettled: set[str] = set()
        """The operations of which some transition is refused: nothing else of them is asked or told."""
        self.refused: dict[tuple[str, str], Refused] = {}

    def _refuse(self, where: str, says: str, broken: Broken | None = None) -> None:
        self.refused.setdefault((where, says), Refused(where, says, broken))

    def run(self) -> Refinement:
        found = self.found
        seen = [s for s in found.steps if s.writes_shared & SEEN]
        self._judge_truth(seen)
        asked = [s for s in seen if self._operation(s) not in self.unsettled]
        self.quiet = {s.name: self._nothing_changes(s) for s in asked}
        found.keep([], self.quiet.values())
        made = self._linearized([s for s in asked if self.quiet[s.name].name in found.refused])
        ways = self._all_ways(made, self._never(made))
        self._judge_ways(ways)
        self._judge_arguments(made)
        discharged = () if self.refused else tuple(self._discharged())
        stopped = {r.where for r in self.refused.values()}
        return Refinement(
            self.relation.design,
            {operation: self._points(operation, made) for operation in self.specification},
            tuple(s.name for s in found.steps if s not in seen),
            tuple(s.name for s in asked if s.name not in stopped),
            tuple(self.refused.values()),
            ways,
            discharged,
            tuple(found.needed),
        )

    def _discharged(self) -> Iterator[Discharged]:
        """Every obligation, asked again from its formulas alone."""
        for o in obligations(self.found, Names(self.relation)):
            d = discharge(o, rlimit=self.found.rlimit)
            if d.verdict is not Verdict.PROVED:
                self._refuse(o.title, "it does not follow from the formulas alone")
            yield d

    def _operation(self, step: Step) -> str:
        return self.program.points[step.transition.label.point].operation

    def _seen(self, shared: Z3Cells) -> Z3Cells:
        """What a state amounts to, through the abstraction function."""
        cells = self.relation.cells({})
        see(Shared(shared), Domain(cells))
        return cells

    def _true(self, shared: Z3Cells) -> Any:
        """What is seen at the slot `k` is what was attached there."""
        return formula(is_what_was_attached(Shared(shared), Z3Term(self.ind.k)))

    def _given(self, step: Step) -> tuple[Named, ...]:
        """What is so before a transition; also, by induction, that what is seen is what was attached."""
        return (*step.given, ("what is seen was attached", self.true))

    def _differ(self, a: Z3Cells, b: Z3Cells) -> Any:
        """Two abstract states differ: at the slot `k`, which can be any, or otherwise."""
        k = self.ind.k
        values = [(a.values[n], b.values[n], f.over) for n, f in Domain.fields().items()]
        return any_of([x(k) != y(k) if per_slot else x != y for x, y, per_slot in values])

    def _at_first(self) -> Claim:
        nothing = self.relation.cells(
            {n: (lambda _, f=f: first(f.sort)) if f.over else first(f.sort) for n, f in Domain.fields().items()}
        )
        given = (*self.ind.axioms, *((f"initially, {n}", f) for n, f in self.ind.initially(self.ind.me)))
        fails = z3.Or(self._differ(self.before, nothing), negation(self.true))
        return Claim("at first there is no domain", given, fails, ())

    def _nothing_changes(self, step: Step) -> Claim:
        fails = self._differ(self.before, self._seen(step.transition.after.shared))
        return Claim(f"{step.name}: nothing changes", self._given(step), fails, step.uses[:1])

    def _stays_true(self, step: Step) -> Claim:
        fails = negation(self._true(step.transition.after.shared))
        return Claim(f"{step.name}: what is seen is what was attached", self._given(step), fails, step.uses[:1])

    def _exactly(self, step: Step, change: Change) -> Claim:
        """The transition is the change: its guard holds, what is so after it is so, and nothing else has changed."""
        t, signature = step.transition, self.program.signature(step.transition.label.point)
        domain, told = self.relation.cells(self.before.values), t.before.local.copy()
        change.run(Domain(domain), Local(told))
        after = self._seen(t.after.shared)
        guard = any_of([z3.BoolVal(False), *(negation(g.passes) for g in told.guards)])
        if signature.kind("slot"):  # what it says of the operation's slot is asked of `k`, which can be that slot
            guard = z3.And(self.ind.k == told.values["slot"], guard)
        wrong = z3.Or(guard, self._differ(domain, after), *self._misses(told, t))
        if change.of_a_domain:
            wrong = z3.If(self.before.values["runs"], wrong, self._differ(self.before, after))
        return Claim(f"{step.name}: {change}", self._given(step), wrong, step.uses[:1])

    def _misses(self, told: Z3Cells, t: Transition) -> Iterator[Any]:
        """What the change tells the process is not what the transition does."""
        for name in sorted(told.written):
            says, does = told.values[name], t.after.local.values[name]
            yield says(self.ind.k) != does(self.ind.k) if Local.fields()[name].over else says != does

    def _tells(self, change: Change) -> bool:
        told = self.relation.cells.any(Local)
        change.run(Domain(self.relation.cells.any(Domain)), Local(told))
        return bool(told.written)

    def _judge_truth(self, seen: list[Step]) -> None:
        stays = {step: self._stays_true(step) for step in seen}
        at_first = self._at_first()
        self.found.keep([], [at_first, *stays.values()])
        if broken := self.found.refused.get(at_first.name):
            self._refuse("the initial state", "there is a domain", broken)
        for step, claim in stays.items():
            if broken := self.found.refused.get(claim.name):
                self._refuse(step.name, "what is seen at a slot is no longer what was attached there", broken)
                self.unsettled.add(self._operation(step))

    def _linearized(self, moving: list[Step]) -> dict[str, Change]:
        """By transition, the change that it is. One that is none is refused."""
        read = self.program.last_read()
        tried: list[tuple[Step, Change, Claim]] = []
        for step in self.found.steps:
            label = step.transition.label
            operation = self._operation(step)
            for change in dict.fromkeys(self.specification[operation]) if operation not in self.unsettled else ():
                there = label.point == read if self._tells(change) else step in moving
                if there and label.kind is Kind.STEP:
                    tried.append((step, change, self._exactly(step, change)))
        self.found.keep([], [claim for _, _, claim in tried])
        made = {step.name: change for step, change, claim in tried if claim.name not in self.found.refused}
        for step in dict.fromkeys([*moving, *(step for step, _, _ in tried)]):
            if step.name not in made:
                meant = [(change, claim) for s, change, claim in tried if s is step]
                names = " or ".join(f"`{change}`" for change, _ in meant)
                says = f"it is not exactly {names}" if meant else "it changes what is seen"
                claim = meant[0][1] if meant else self.quiet[step.name]
                self._refuse(step.name, says, self.found.refused[claim.name])
                self.unsettled.add(self._operation(step))
        return made

    def _never(self, made: Mapping[str, Change]) -> frozenset[str]:
        """Of the transitions that would end an operation otherwise than it should, those that can't be: refusals after
        a change; and, of an operation that seems to succeed without its changes, all that are never of a domain that
        runs. No state before them is one."""
        ways = self._all_ways(made, frozenset())
        late = {w.gave_up for w in ways if w.changes}
        short = {
            w.operation for w in ways if w.ending is Ending.SUCCESS and w.changes != self.specification[w.operation]
        }
        claims = {}
        for s in self.found.steps:
            kind, point, operation = s.transition.label.kind, s.transition.label.point, self._operation(s)
            slot = s.transition.before.local.values["slot"]
            there = [self.ind.k == slot] if self.program.signature(point).kind("slot") else []
            if kind is Kind.STEP and operation in short:
                of_a_domain = all(c.of_a_domain for c in self.specification[operation])
                there += [self.before.values["runs"]] if of_a_domain else []
            elif kind is not Kind.REFUSED or s.name not in late:
                continue
            claims[s.name] = Claim(f"{s.name}: never", self._given(s), z3.And(*there), s.uses[:1])
        self.found.keep([], claims.values())
        return frozenset(name for name, claim in claims.items() if claim.name not in self.found.refused)

    def _all_ways(self, made: Mapping[str, Change], never: frozenset[str]) -> tuple[Way, ...]:
        """All ways through the operations that are settled, but those that take a transition that never happens."""
        by_point: dict[int, list[Transition]] = {}
        for t in self.relation.transitions:
            if t.name not in never:
                by_point.setdefault(t.label.point, []).append(t)
        found: dict[Way, None] = {}
        for operation in (o for o in self.specification if o not in self.unsettled):
            ahead: deque[tuple[int, tuple[Change, ...], str]] = deque([(self.program.first[operation], (), "")])
            known = set(ahead)
            while ahead:
                point, changes, gave_up = ahead.popleft()
                for t in by_point.get(point, ()):
                    so_far = (*changes, made[t.name]) if t.name in made else changes
                    fails = t.label.kind in (Kind.REFUSED, Kind.FAILS) and not self.program.points[point].cleaning_up
                    at = t.name if fails else gave_up
                    if t.goes_to == IDLE:
                        found[Way(operation, so_far, self._ending(t), at)] = None
                    elif (there := (t.goes_to, so_far, at)) not in known:
                        known.add(there)
                        ahead.append(there)
        return tuple(found)

    def _ending(self, t: Transition) -> Ending:
        if t.label.kind is Kind.CRASH:
            return Ending.DEATH
        succeeds = t.label.kind is Kind.STEP and not self.program.points[t.label.point].cleaning_up
        return Ending.SUCCESS if succeeds else Ending.ERROR

    def _judge_ways(self, ways: Iterable[Way]) -> None:
        for way in ways:
            should = self.specification[way.operation]
            if way.ending is not Ending.SUCCESS:
                should = should[: len(way.changes)]
            if way.changes != should:
                says = f"it {way.ending.value} having made {_words(way.changes)}, not {_words(should)}"
                self._refuse(way.operation, says)

    def _judge_arguments(self, made: Mapping[str, Change]) -> None:
        """A change is the one that was asked for only if no step before it overwrites what was asked."""
        for operation in self.specification:
            asked = arguments(operation)
            steps = self.relation.design[operation].steps
            changing = [self.program.points[n] for n in self._points_of(operation, made)]
            before = max((len(steps) if p.cleaning_up else p.done for p in changing), default=0)
            for step in steps[:before]:
                for name in sorted(asked & self.program.footprints[step].writes_local):
                    self._refuse(operation, f"`{step}` overwrites `me.{name}`, which it was asked with")

    def _points_of(self, operation: str, made: Mapping[str, Change]) -> list[int]:
        changing = [s for s in self.found.steps if s.name in made and self._operation(s) == operation]
        return list(dict.fromkeys(s.transition.label.point for s in changing))

    def _points(self, operation: str, made: Mapping[str, Change]) -> tuple[str, ...]:
        if operation in self.unsettled:
            return ()
        return tuple(self.relation.names[n] for n in self._points_of(operation, made))


def _words(changes: Iterable[Change]) -> str:
    return ", ".join(f"`{c}`" for c in changes) or "no change"
