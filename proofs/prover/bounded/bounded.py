"""Bounded model checking and k-induction: a property of a design asked of a SAT solver, within bounds.

Both are about runs of a given number of small steps (`confsync.proofs.prover.bounded.unrolled`). A run from the initial
state to a violation refutes the property, and the first length at which there is one is the shortest (Biere, Cimatti,
Clarke and Zhu, "Symbolic model checking without BDDs", 1999): a cross-check of the search in `model`, which shares no
engine with it. If no run of k steps from *any* state leads through states that satisfy the property into one that does
not, and no run from the initial state violates it sooner, then none ever does (Sheeran, Singh and Stalmarck, "Checking
safety properties using induction and a SAT-solver", 2000). That is a proof for the bounds it was asked at and no
others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import z3

from confsync.model.engine.trace import Move, Trace, initial
from confsync.model.engine.verdict import Verdict
from confsync.model.engine.violation import violates
from confsync.model.language import (
    AnswerInvariant,
    Bounds,
    Design,
    Invariant,
    LanguageError,
    LocksExclusive,
    Protocol,
    neg,
)
from confsync.proofs.prover.bounded.unrolled import At, Chosen, Unrolled
from confsync.proofs.prover.carrier.solver import Solver
from confsync.proofs.prover.carrier.terms import any_of, formula
from confsync.proofs.prover.invariant.lemma import Clause, Exclusive, Lemma

Unroll = Callable[[Design, Bounds], Unrolled]

BOUNDED_RLIMIT = 1_000_000_000
"""Z3 resource units for one question, unless it is said otherwise; docs/proofs.md has the calibration."""


def on_one_state(protocol: Protocol) -> tuple[str, ...]:
    """The properties that are decided on one state alone: those that can be asked here."""
    forms = (Invariant, AnswerInvariant, LocksExclusive)
    return tuple(name for name, p in protocol.properties.items() if isinstance(p, forms))


@dataclass(frozen=True, slots=True)
class Sought:
    """What came of looking for a trace to a violation, shorter ones first.

    REFUTED: `trace` is a shortest one. BOUNDED: there is none of up to `depth` steps. UNKNOWN: neither, and the solver
    gave up on the next length, for the reason `stopped`; -1 if on the first.
    """

    verdict: Verdict
    bounds: Bounds
    depth: int
    trace: Trace | None = None
    stopped: str = ""

    @property
    def words(self) -> str:
        if self.trace:
            return f"violated after {self.depth} steps, and no sooner, at {self.bounds}"
        stopped = f"; the solver gave up on the next length ({self.stopped})" if self.stopped else ""
        return f"not violated within {self.depth} steps at {self.bounds}{stopped}"


@dataclass(frozen=True, slots=True)
class Inductive:
    """What came of k-induction, for each k from 1 up.

    EXHAUSTED: proved within the bounds by `k`-induction (a proof for any size would be PROVED). REFUTED: with `trace`,
    a shortest one. UNKNOWN: `cti` is a run of `k` steps from some state, reached or not, that satisfies the property
    until its end, which does not: no proof by `k`-induction; or the solver gave up, for the reason `stopped`.
    `assumed`: the lemmas that it rests on and that have to be shown elsewhere.
    """

    verdict: Verdict
    bounds: Bounds
    k: int
    assumed: tuple[Lemma, ...] = ()
    trace: Trace | None = None
    cti: tuple[Move, ...] = field(default=(), repr=False)
    stopped: str = ""

    @property
    def words(self) -> str:
        given = f", if {len(self.assumed)} lemmas hold, which is not shown here" if self.assumed else ""
        if self.verdict is Verdict.EXHAUSTED:
            return f"proved by {self.k}-induction at {self.bounds} and for no other bounds{given}"
        if self.trace:
            return f"violated after {len(self.trace.moves)} steps at {self.bounds}"
        if self.stopped:
            return f"not decided at {self.bounds}: the solver gave up at k={self.k} ({self.stopped})"
        return f"not proved by {self.k}-induction at {self.bounds}{given}: there is a counterexample to induction"


class Run:
    """A run of so many steps, asked of a solver; it is made longer a step at a time."""

    def __init__(self, unrolled: Unrolled, begins: Callable[[At], Any], rlimit: int) -> None:
        """`begins`: what is known of its first state."""
        self.unrolled = unrolled
        self.states: list[At] = [unrolled.state(0)]
        self.choices: list[Chosen] = []
        self.solver = Solver(rlimit, logic="QF_BV")
        self._ends = 0
        self.solver.add(begins(self.last))

    @property
    def last(self) -> At:
        return self.states[-1]

    def extend(self) -> None:
        """Make it a step longer."""
        before, steps = self.last, len(self.choices)
        self.choices.append(self.unrolled.choice(steps))
        self.states.append(self.unrolled.state(steps + 1))
        self.solver.add(self.unrolled.leads(before, self.choices[-1], self.last))

    def can(self, end: Any) -> Any:
        """Whether there is such a run of which `end` is so: z3.sat, z3.unsat, or z3.unknown."""
        self._ends += 1
        asked = z3.Bool(f"end {self._ends}")
        self.solver.add(z3.Implies(asked, end))
        return self.solver.check([asked])

    def moves(self) -> tuple[Move, ...]:
        """The run that was found, as moves of the program. AssertionError if the program has no such run."""
        model, now, then = self.solver.model(), self.states, self.states[1:]
        return tuple(self.unrolled.move(model, *each) for each in zip(now, self.choices, then, strict=False))


def shortest(
    design: Design,
    bounds: Bounds,
    name: str,
    most: int,
    *,
    rlimit: int = BOUNDED_RLIMIT,
    unroll: Unroll = Unrolled,
) -> Sought:
    """Look for a shortest trace, of at most so many steps, that violates one of the properties `on_one_state`.
    `rlimit`: the resource units that the solver may take over one length. LanguageError if the property is none of
    these."""
    unrolled = unroll(design, bounds)
    run = _from_the_start(unrolled, rlimit)
    for depth in range(most + 1):
        if depth:
            run.extend()
        verdict = run.can(violated(unrolled, run.last, name))
        if verdict == z3.sat:
            return Sought(Verdict.REFUTED, bounds, depth, _trace(run, name))
        if verdict == z3.unknown:
            return Sought(Verdict.UNKNOWN, bounds, depth - 1, stopped=run.solver.reason())
    return Sought(Verdict.BOUNDED, bounds, most)


def k_induction(
    design: Design,
    bounds: Bounds,
    name: str,
    most: int,
    lemmas: Iterable[Lemma] = (),
    *,
    distinct: bool = True,
    rlimit: int = BOUNDED_RLIMIT,
    unroll: Unroll = Unrolled,
) -> Inductive:
    """Try to prove one of the properties `on_one_state` by k-induction within bounds, for each k from 1 up
    to `most`, which is at least 1.

    `lemmas`: what is assumed of every state, for the caller to show; ValueError where a state that is reached in less
    than k steps is found not to satisfy them. `distinct`: only runs through different states are looked at,
    which is enough. `rlimit`: the resource units that the solver may take over one question.
    """
    unrolled, assumed = unroll(design, bounds), tuple(lemmas)

    def lemmas_of(state: At) -> Any:
        return z3.And(*(says(unrolled, state, lemma) for lemma in assumed))

    base = _from_the_start(unrolled, rlimit)
    step = Run(unrolled, lambda state: z3.And(unrolled.possible(state), lemmas_of(state)), rlimit)
    for k in range(1, most + 1):
        if base.can(z3.Not(lemmas_of(base.last))) == z3.sat:
            raise ValueError(f"of the lemmas that are assumed, one does not hold after {k - 1} steps")
        verdict = base.can(violated(unrolled, base.last, name))
        if verdict == z3.sat:
            return Inductive(Verdict.REFUTED, bounds, k, assumed, _trace(base, name))
        if verdict == z3.unknown:
            return Inductive(Verdict.UNKNOWN, bounds, k, assumed, stopped=base.solver.reason())
        base.extend()
        step.solver.add(z3.Not(violated(unrolled, step.last, name)))
        step.extend()
        step.solver.add(lemmas_of(step.last))
        if distinct:
            step.solver.add(*(step.last.differs(before) for before in step.states[:-1]))
        verdict = step.can(violated(unrolled, step.last, name))
        if verdict == z3.unsat:
            return Inductive(Verdict.EXHAUSTED, bounds, k, assumed)
        if verdict == z3.unknown:
            return Inductive(Verdict.UNKNOWN, bounds, k, assumed, stopped=step.solver.reason())
    return Inductive(Verdict.UNKNOWN, bounds, most, assumed, cti=step.moves())


def _from_the_start(unrolled: Unrolled, rlimit: int) -> Run:
    return Run(unrolled, lambda state: unrolled.is_(state, initial(unrolled.program)), rlimit)


def _trace(run: Run, name: str) -> Trace:
    """The trace that was found, judged without the solver."""
    trace = Trace(run.unrolled.program, run.moves())
    if not violates(trace, name):
        raise AssertionError(f"the solver's trace does not violate {name}: {trace.token(name)}")
    return trace


def violated(unrolled: Unrolled, state: At, name: str) -> Any:
    """The formula that a state violates a property. LanguageError if that is not decided on one state alone."""
    p, protocol, program = unrolled.protocol.properties[name], unrolled.protocol, unrolled.program
    if isinstance(p, Invariant):
        s = protocol.shared(state.shared)
        return any_of([formula(neg(p.holds(s, k))) for k in unrolled.elements])
    if isinstance(p, LocksExclusive):
        return z3.Not(z3.And(*(says(unrolled, state, Exclusive(lock)) for lock in protocol.holders)))
    if not isinstance(p, AnswerInvariant):
        known = ", ".join(on_one_state(protocol))
        raise LanguageError(f"`{name}` is not decided on one state alone; those that are: {known}")
    answers = [n for n in range(1, len(program.points)) if program.answers(n)]
    found = []
    for local, point in zip(state.local, state.point, strict=True):
        me = protocol.local(local)
        wrong = any_of([formula(neg(p.holds(me, k))) for k in unrolled.elements])
        found.append(z3.And(any_of([point == n for n in answers]), wrong))
    return any_of(found)


def says(unrolled: Unrolled, state: At, lemma: Lemma) -> Any:
    """The formula of what a lemma says of a state: for every process and every element."""
    if isinstance(lemma, Clause):
        return z3.And(*_clauses(unrolled, state, lemma))
    held = [local.values[unrolled.protocol.holders[lemma.lock]] for local in state.local]
    if isinstance(lemma, Exclusive):
        return z3.And(*(z3.Not(z3.And(*two)) for two in combinations(held, 2)))
    return z3.Implies(state.shared.values[lemma.lock], z3.Or(*held))


def _clauses(unrolled: Unrolled, state: At, lemma: Clause) -> Iterator[Any]:
    s = unrolled.protocol.shared(state.shared)
    for local, point in zip(state.local, state.point, strict=True):
        there = z3.BoolVal(True) if lemma.point is None else point == lemma.point
        for k in unrolled.elements:
            answers = [(formula(atom.ask(s, unrolled.protocol.local(local), k)), yes) for atom, yes in lemma.literals]
            yield z3.Implies(there, z3.Or(*(z if yes else z3.Not(z) for z, yes in answers)))
