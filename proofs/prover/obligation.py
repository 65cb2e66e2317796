"""Obligations: each a statement by itself, with a name, that the solver shows to have no counterexample.

Three kinds make a proof by induction. *Initiation*: every lemma holds at first. *Consecution*: where the lemmas hold,
they hold after a transition; one for each transition, deaths and failures included. *Safety*: what a property says
follows from the lemmas. An obligation that holds only because its premises contradict each other says nothing: whether
they can be so is asked as well.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

import z3

from confsync.model.engine.program import Kind as StepKind
from confsync.model.engine.verdict import Verdict
from confsync.proofs.prover.carrier.solver import RLIMIT, Apart, Solver
from confsync.proofs.prover.carrier.terms import any_of, negation
from confsync.proofs.prover.invariant.houdini import Strengthening
from confsync.proofs.prover.invariant.induction import Claim, Induction, Named, Step, Use
from confsync.proofs.prover.invariant.lemma import Lemma, Names


class Kind(Enum):
    """What an obligation is for."""

    INITIATION = "initiation"
    CONSECUTION = "consecution"
    SAFETY = "safety"


@dataclass(frozen=True)
class Obligation:
    """`fails` is impossible where `premises` and what `lemmas` say are so. `others`: the lemmas that are known as well
    and not used. `guards`: the premises that are guards of a step that is taken."""

    kind: Kind
    name: str
    premises: tuple[Named, ...]
    lemmas: tuple[Named, ...]
    fails: Any
    others: tuple[Named, ...] = ()
    guards: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Its kind and name, as reports and files call it."""
        return f"{self.kind.value}: {self.name}"


@dataclass(frozen=True, slots=True)
class Discharged:
    """What the solver said. `core`: the premises and lemmas that it used. `possible`: the premises can be so, together
    with all lemmas there are; None if that was not decided. `idle_guards`: guards without which it holds as
    well. `seconds`: for the obligation itself. `unknown`: why the solver came to no answer, "" where it did."""

    obligation: Obligation
    verdict: Verdict
    seconds: float
    core: tuple[str, ...]
    possible: bool | None
    idle_guards: tuple[str, ...]
    unknown: str = ""


def obligations(found: Strengthening, names: Names) -> Iterator[Obligation]:
    """All obligations of a proof: the initial state, every transition, every claim that is not refused."""
    ind = found.induction
    yield _initiation(ind, found.needed)
    for step in found.steps:
        goals = found.goals(step)
        if goals:
            used, others = _lemmas(found, names, step, step.uses)
            taken = step.transition.label.kind is StepKind.STEP
            yield Obligation(
                Kind.CONSECUTION,
                step.name,
                tuple(step.given),
                used,
                any_of([g.fails for g in goals]),
                others,
                guards=tuple(name for name, _ in step.transition.guards) if taken else (),
            )
    for claim in found.claims:
        if claim.name not in found.refused:
            yield safety(found, names, claim)


def safety(found: Strengthening, names: Names, claim: Claim) -> Obligation:
    """The obligation that a claim is."""
    used, others = _lemmas(found, names, claim.name, claim.uses)
    return Obligation(Kind.SAFETY, claim.name, claim.given, used, claim.fails, others)


def _initiation(ind: Induction, lemmas: Iterable[Lemma]) -> Obligation:
    everybody = (ind.me, ind.p, *ind.owner.values())
    premises = [(f"initially, {n}", f) for q in everybody for n, f in ind.initially(q)]
    said = [negation(ind.says(x, ind.me, ind.k)) for x in lemmas]
    fails = any_of(said) if said else z3.BoolVal(False)
    return Obligation(Kind.INITIATION, "every lemma holds at first", (*ind.axioms, *premises), (), fails)


def holds_at_first(ind: Induction, lemma: Lemma, apart: Apart | None = None) -> bool:
    """Whether a lemma holds in the initial state."""
    return discharge(_initiation(ind, [lemma]), apart=apart).verdict is Verdict.PROVED


def _lemmas(
    found: Strengthening, names: Names, key: Step | str, uses: tuple[Use, ...]
) -> tuple[tuple[Named, ...], tuple[Named, ...]]:
    """What the lemmas say that are used, and the others, each once for every process and element it is used of."""
    used: list[Named] = []
    others: list[Named] = []
    for lemma in found.needed:
        for process, k in found.induction.uses(lemma, uses):
            into = used if lemma in found.used.get(key, ()) else others
            into.append((names(lemma), found.induction.says(lemma, process, k)))
    return tuple(used), tuple(others)


def discharge(obligation: Obligation, *, rlimit: int = RLIMIT, seed: int = 0, apart: Apart | None = None) -> Discharged:
    """Ask the solver, from the formulas alone. `rlimit`: resource units that it may take over one question.
    `apart`: as of `Solver`."""
    solver = Solver(rlimit, seed=seed, apart=apart)
    tracks: dict[str, Any] = {}
    called: dict[str, str] = {}
    for name, formula in (*obligation.premises, *obligation.lemmas):
        if name not in tracks:  # a name of its own: a lemma may be called as a field is
            tracks[name] = z3.Bool(f"premise {len(tracks) + 1}")
            called[str(tracks[name])] = name
        solver.add_if(tracks[name], formula)
    solver.push()
    solver.add(*(formula for _, formula in obligation.others))
    possible = solver.check(tracks.values())
    solver.pop()
    began = time.perf_counter()
    solver.add(obligation.fails)
    answer = solver.check(tracks.values())
    seconds = time.perf_counter() - began
    unknown = solver.reason() if answer == z3.unknown else ""
    core = tuple(called[str(c)] for c in solver.core()) if answer == z3.unsat else ()
    idle = [
        g
        for g in obligation.guards
        if answer == z3.unsat and (g not in core or solver.check([t for n, t in tracks.items() if n != g]) == z3.unsat)
    ]
    return Discharged(
        obligation,
        verdict_of(answer),
        seconds,
        core,
        None if possible == z3.unknown else possible == z3.sat,
        tuple(idle),
        unknown,
    )


def verdict_of(answer: z3.CheckSatResult) -> Verdict:
    """What the solver's answer to a question for a counterexample means."""
    if answer == z3.unsat:
        return Verdict.PROVED
    return Verdict.REFUTED if answer == z3.sat else Verdict.UNKNOWN
