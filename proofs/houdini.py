"""Strengthening: of the candidates, those that a proof of the properties needs, and that are inductive together.

The largest inductive subset of the candidates is what Houdini finds (Flanagan and Leino, "Houdini, an annotation
assistant", 2001): a candidate that some transition can break, from a state that satisfies all of them, is dropped,
and so on until nothing is broken. Here it is found lazily, from the properties backwards. A lemma that is needed is
asked about; what its proof used (an unsat core, made minimal) is needed too; one that breaks though all candidates
that still stand are assumed is in no inductive subset, and is dropped. So a property is kept if and only if it is in
the largest inductive subset, and what is kept besides is only what it rests on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import z3

from model.slice import cone
from model.state import LOCKS
from proofs.induction import Goal, Induction, Step
from proofs.lemma import Clause, Lemma
from proofs.relation import Relation
from proofs.terms import any_of, implication

LOCK_FIELDS = frozenset(LOCKS) | frozenset(LOCKS.values())


@dataclass(frozen=True, slots=True)
class Broken:
    """Why a lemma was dropped: a counterexample to induction."""

    lemma: Lemma
    step: Step
    other: bool
    model: Any


class Asked:
    """A solver for one step, with lemmas as assumptions that can be taken back."""

    def __init__(self, step: Step, tracks: Tracks, milliseconds: int) -> None:
        self.step, self.tracks = step, tracks
        self.solver = z3.SimpleSolver()
        self.solver.set("timeout", milliseconds)
        self.solver.add(*(f for _, f in step.given))
        self._known: set[tuple[Lemma, bool]] = set()

    def assume(self, lemma: Lemma, *, of_p: bool) -> None:
        """Let what a lemma says before the step, of `me` or of `p`, follow from its track."""
        if (lemma, of_p) not in self._known:
            self._known.add((lemma, of_p))
            formula = self.tracks.formula(lemma, of_p=of_p)
            z3.Z3_solver_assert(self.solver.ctx.ref(), self.solver.solver, formula.as_ast())

    def check(self, lemmas: Iterable[Lemma], goal: Any) -> tuple[Any, Any]:
        """(verdict, the model or the lemmas of an unsat core)."""
        verdict = self.solver.check(*(self.tracks.of(lemma) for lemma in lemmas), goal)
        if verdict == z3.sat:
            return verdict, self.solver.model()
        return verdict, self.tracks.lemmas(self.solver.unsat_core()) if verdict == z3.unsat else None


class Tracks:
    """A Boolean for each lemma: that it is assumed."""

    def __init__(self, induction: Induction) -> None:
        self.induction = induction
        self._tracks: dict[Lemma, Any] = {}
        self._lemmas: dict[int, Lemma] = {}
        self._formulas: dict[tuple[Lemma, bool], Any] = {}

    def of(self, lemma: Lemma) -> Any:
        """The Boolean for a lemma."""
        if lemma not in self._tracks:
            track = self._tracks[lemma] = z3.Bool(f"lemma {len(self._tracks) + 1}")
            self._lemmas[track.get_id()] = lemma
        return self._tracks[lemma]

    def lemmas(self, core: Iterable[Any]) -> list[Lemma]:
        """The lemmas of an unsat core."""
        return [self._lemmas[c.get_id()] for c in core if c.get_id() in self._lemmas]

    def formula(self, lemma: Lemma, *, of_p: bool) -> Any:
        """That what a lemma says of `me`, or of `p`, follows from its track."""
        key = lemma, of_p
        if key not in self._formulas:
            said = self.induction.of_p(lemma) if of_p else self.induction.of_me(lemma)  # type: ignore[arg-type]
            self._formulas[key] = implication(self.of(lemma), said)
        return self._formulas[key]


class Strengthening:
    """Keeps what the properties need of the candidates."""

    def __init__(self, relation: Relation, candidates: Iterable[Lemma], milliseconds: int = 10_000) -> None:
        """`milliseconds`: how long the solver may take over one question."""
        self.induction = Induction(relation)
        self.steps = [Step(self.induction, t) for t in relation.transitions]
        self.milliseconds = milliseconds
        self.standing = dict.fromkeys(candidates)
        """The candidates that nothing has broken yet."""
        self.needed: dict[Lemma, None] = {}
        self.broken: dict[Lemma, Broken] = {}
        self.used: list[frozenset[Lemma]] = [frozenset()] * len(self.steps)
        """Per step, the lemmas that its proof used."""
        self._tracks = Tracks(self.induction)
        self._asked: dict[int, Asked] = {}
        self._cones: dict[frozenset[str], frozenset[str]] = {}
        self.questions = 0
        self._concerns: list[dict[Lemma, list[bool]]] = [{} for _ in self.steps]
        """Per step, the needed lemmas that have to be shown of it: of `me`, of others."""
        self._at: dict[int | None, list[Lemma]] = {}
        for lemma in self.standing:
            self._at.setdefault(lemma.point if isinstance(lemma, Clause) else None, []).append(lemma)
        self._todo: deque[int] = deque()

    def keep(self, wanted: Iterable[Lemma]) -> None:
        """Find what these need. Those that still stand afterwards are proved."""
        for lemma in wanted:
            if lemma in self.standing:
                self._need(lemma)
        while self._todo:
            n = self._todo.popleft()
            self._settle(n)

    def _need(self, lemma: Lemma) -> None:
        if lemma in self.needed:
            return
        self.needed[lemma] = None
        concerned = []
        for n, step in enumerate(self.steps):
            goals = [other for other, shown in ((False, step.arrives(lemma)), (True, step.disturbs(lemma))) if shown]
            if goals:
                self._concerns[n][lemma] = goals
                concerned.append(n)
        self._queue(concerned)

    def _queue(self, steps: Iterable[int]) -> None:
        waiting = set(self._todo)
        self._todo.extend(n for n in steps if n not in waiting)

    def _drop(self, broken: Broken) -> None:
        lemma = broken.lemma
        del self.standing[lemma]
        if lemma in self.needed:
            del self.needed[lemma]
            for concerned in self._concerns:
                concerned.pop(lemma, None)
        self.broken[lemma] = broken
        self._queue(n for n, used in enumerate(self.used) if lemma in used)

    def _settle(self, n: int) -> None:
        """Show what is needed of a step, or drop it."""
        step, concerned = self.steps[n], self._concerns[n]
        asked = self._asked.setdefault(n, Asked(step, self._tracks, self.milliseconds))
        while concerned:
            goals = [step.goal(lemma, other=other) for lemma, whom in concerned.items() for other in whom]
            for lemma in self.needed:
                self._assume(asked, lemma)
            self.questions += 1
            verdict, found = asked.check(self.needed, any_of([g.fails for g in goals]))
            if verdict == z3.unsat:
                self.used[n] = frozenset(found)
                return
            for goal in goals:
                if verdict != z3.sat or z3.is_true(found.eval(goal.fails, model_completion=True)):
                    for lemma in self._support(asked, goal) if goal.lemma in self.standing else ():
                        self._need(lemma)
        self.used[n] = frozenset()

    def _assume(self, asked: Asked, lemma: Lemma) -> None:
        """Assume a lemma before a step, of `me` if it is about where it is, and of others."""
        point = lemma.point if isinstance(lemma, Clause) else None
        if point in (None, asked.step.here):
            asked.assume(lemma, of_p=False)
        if isinstance(lemma, Clause) and (point is not None or lemma.local):
            asked.assume(lemma, of_p=True)

    def _support(self, asked: Asked, goal: Goal) -> list[Lemma]:
        """Lemmas that show a goal, as few and as simple as are found; none if it is dropped."""
        step = asked.step
        before = step.unmoved_from(goal.lemma)
        if not goal.other and before in self.standing:
            return [before]
        points: set[int | None] = {None, step.here}
        if isinstance(goal.lemma, Clause):
            points |= {goal.lemma.point} if goal.other else set()
            lemmas = [x for p in points for x in self._at.get(p, ()) if x in self.standing]
        else:
            lemmas = [
                x for x in self.standing if not isinstance(x, Clause) or x.point in points or self._about_locks(x)
            ]
        for lemma in lemmas:
            self._assume(asked, lemma)
        self.questions += 1
        verdict, found = asked.check(lemmas, goal.fails)
        if verdict != z3.unsat:
            self._drop(Broken(goal.lemma, step, goal.other, found))
            return []
        return self._fewer(asked, goal, found)

    def _about_locks(self, lemma: Clause) -> bool:
        return lemma.shared | lemma.local <= LOCK_FIELDS

    def _fewer(self, asked: Asked, goal: Goal, core: Sequence[Lemma]) -> list[Lemma]:
        """A core no part of which would do. What is needed anyway is left in it; of the rest, lemmas about fields that
        can have no say in the goal's go first, then the longest."""
        fields = goal.lemma.shared | goal.lemma.local if isinstance(goal.lemma, Clause) else LOCK_FIELDS
        say = self._cone(fields)

        def weight(lemma: Lemma) -> tuple[int, int, bool]:
            if not isinstance(lemma, Clause):
                return 0, 0, False
            return len((lemma.shared | lemma.local) - say), len(lemma.literals), lemma.point is not None

        kept = list(core)
        for lemma in sorted(core, key=weight, reverse=True):
            if lemma in self.needed or lemma not in kept:
                continue
            self.questions += 1
            verdict, found = asked.check([x for x in kept if x is not lemma], goal.fails)
            if verdict == z3.unsat:
                kept = found
        return kept

    def _cone(self, fields: frozenset[str]) -> frozenset[str]:
        if fields not in self._cones:
            self._cones[fields] = cone(self.induction.relation.program, fields)
        return self._cones[fields]
