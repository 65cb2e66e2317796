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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import z3

from confsync.model.engine.slice import cone
from confsync.model.language import Protocol
from confsync.proofs.prover.carrier.relation import Relation
from confsync.proofs.prover.carrier.solver import RLIMIT, Apart, Solver
from confsync.proofs.prover.carrier.terms import any_of, implication
from confsync.proofs.prover.invariant.induction import Claim, Goal, Induction, Named, Step, Use
from confsync.proofs.prover.invariant.lemma import Clause, Lemma


@dataclass(frozen=True, slots=True)
class Broken:
    """Why a lemma was dropped, or a claim does not follow: a counterexample to induction. `model` is None where the
    solver came to no answer, for the reason `unknown`."""

    what: Lemma | Claim
    step: Step | None
    other: bool
    model: Any
    unknown: str = ""


def broken_by(what: Lemma | Claim, step: Step | None, found: Any, *, other: bool = False) -> Broken:
    """What is broken by a model; or, by words that say why there is no answer, not shown to hold."""
    return Broken(what, step, other, None, found) if isinstance(found, str) else Broken(what, step, other, found)


class Tracks:
    """A Boolean for each lemma: that it is assumed."""

    def __init__(self, induction: Induction) -> None:
        self.induction = induction
        self.apart = Apart()
        """Where all questions with these tracks are asked."""
        self._tracks: dict[Lemma, Any] = {}
        self._lemmas: dict[int, Lemma] = {}
        self._formulas: dict[tuple[Lemma, int, int], Any] = {}

    def of(self, lemma: Lemma) -> Any:
        """The Boolean for a lemma."""
        if lemma not in self._tracks:
            track = self._tracks[lemma] = z3.Bool(f"lemma {len(self._tracks) + 1}")
            self._lemmas[track.get_id()] = lemma
        return self._tracks[lemma]

    def lemmas(self, core: Iterable[Any]) -> list[Lemma]:
        """The lemmas of an unsat core."""
        return [self._lemmas[c.get_id()] for c in core if c.get_id() in self._lemmas]

    def formula(self, lemma: Lemma, process: Any, k: Any) -> Any:
        """That what a lemma says of a process and an element follows from its track."""
        key = lemma, process.get_id(), k.get_id()
        if key not in self._formulas:
            self._formulas[key] = implication(self.of(lemma), self.induction.says(lemma, process, k))
        return self._formulas[key]


class Asked:
    """A solver for one question, with lemmas as assumptions that can be taken back."""

    def __init__(self, tracks: Tracks, given: Iterable[Named], uses: tuple[Use, ...], rlimit: int) -> None:
        self.tracks, self.uses = tracks, uses
        self.solver = Solver(rlimit, apart=tracks.apart)
        self.solver.add(*(f for _, f in given))
        self._known: dict[Lemma, Any] = {}
        """The track of each lemma that was assumed, None if it has no say here."""

    def check(self, lemmas: Iterable[Lemma], fails: Any) -> tuple[Any, Any]:
        """(verdict, the model or the lemmas of an unsat core)."""
        tracks = []
        for lemma in lemmas:
            if lemma not in self._known:
                self._known[lemma] = self._assume(lemma)
            if (track := self._known[lemma]) is not None:
                tracks.append(track)
        verdict = self.solver.check([*tracks, fails])
        if verdict == z3.sat:
            return verdict, self.solver.own_model()
        return verdict, self.tracks.lemmas(self.solver.core()) if verdict == z3.unsat else None

    def _assume(self, lemma: Lemma) -> Any:
        places = self.tracks.induction.uses(lemma, self.uses)
        for process, k in places:
            self.solver.add(self.tracks.formula(lemma, process, k))
        return self.tracks.of(lemma) if places else None


class Strengthening:
    """Keeps what the properties need of the candidates."""

    def __init__(self, relation: Relation, candidates: Iterable[Lemma], rlimit: int = RLIMIT) -> None:
        """`rlimit`: resource units that the solver may take over one question."""
        self.induction = Induction(relation)
        self.steps = [Step(self.induction, t) for t in relation.transitions]
        self.claims: list[Claim] = []
        self.rlimit = rlimit
        self.standing: dict[Lemma, None] = {}
        """The candidates that nothing has broken yet."""
        self.needed: dict[Lemma, Step | str | None] = {}
        """The lemmas of the proof, and the question each was first needed for (None: it was wanted)."""
        self.broken: dict[Lemma, Broken] = {}
        self.refused: dict[str, Broken] = {}
        """The claims that do not follow, by name."""
        self.used: dict[Step | str, frozenset[Lemma]] = {}
        """Per step, and per claim by its name, the lemmas that its proof used."""
        self.questions = 0
        self._tracks = Tracks(self.induction)
        self._asked: dict[Step | str, Asked] = {}
        self._cones: dict[frozenset[str], frozenset[str]] = {}
        self._concerns: dict[Step, dict[Lemma, list[bool]]] = {s: {} for s in self.steps}
        """Per step, the needed lemmas that have to be shown of it: of `me`, of others."""
        self._todo: deque[Step | Claim] = deque()

        self.offer(candidates)

    def offer(self, candidates: Iterable[Lemma]) -> None:
        """More candidates. They should hold in the initial state: only what is kept is held against it."""
        for lemma in candidates:
            self.standing.setdefault(lemma)

    def keep(self, wanted: Iterable[Lemma], claims: Iterable[Claim] = ()) -> None:
        """Find what these need. The lemmas that are still needed afterwards are proved, and the claims that are not
        refused."""
        for lemma in wanted:
            if lemma in self.standing:
                self._need(lemma, None)
        for claim in claims:
            self.claims.append(claim)
            self._todo.append(claim)
        while self._todo:
            what = self._todo.popleft()
            if isinstance(what, Step):
                self._settle(what)
            else:
                self._follow(what)

    def prune(self, wanted: Iterable[Lemma]) -> None:
        """Leave out what the proof can do without, until every lemma but those wanted is one that it cannot."""
        stay = set(wanted)
        ask = [x for x in self.needed if x not in stay]
        while ask:
            left_out = [x for x in ask if self._leave_out(x)]
            lighter = {s for x in left_out for s in self.steps if s.arrives(x) or s.disturbs(x)}
            ask = [x for x in self.needed if x not in stay and any(x in self.used.get(s, ()) for s in lighter)]

    def _leave_out(self, lemma: Lemma) -> bool:
        """Leave a lemma out, if everything else is still proved without it. -> whether it is"""
        found: dict[Step | str, frozenset[Lemma]] = {}
        # first where it was needed first: most are needed there still, and one question tells
        because = self.needed[lemma]
        for key in sorted((k for k, used in self.used.items() if lemma in used), key=lambda k: k is not because):
            goals: list[Goal] = []
            if isinstance(key, Step):
                goals = [g for g in self.goals(key) if g.lemma is not lemma]
                fails, offered = any_of([g.fails for g in goals]), self._offered(self.needed, key, goals)
            else:
                fails, offered = next(c.fails for c in self.claims if c.name == key), list(self.needed)
            core: Sequence[Lemma] = ()
            if goals or isinstance(key, str):
                self.questions += 1
                verdict, core = self._asked[key].check([x for x in offered if x is not lemma], fails)
                if verdict != z3.unsat:
                    return False
            found[key] = frozenset(core)
        self.used |= found
        self._forget(lemma)
        return True

    def _forget(self, lemma: Lemma) -> None:
        del self.needed[lemma]
        for concerned in self._concerns.values():
            concerned.pop(lemma, None)

    def goals(self, step: Step) -> list[Goal]:
        """What has to be shown of a step."""
        return [step.goal(lemma, other=other) for lemma, whom in self._concerns[step].items() for other in whom]

    def _need(self, lemma: Lemma, because: Step | str | None) -> None:
        if lemma in self.needed:
            return
        self.needed[lemma] = because
        concerned = []
        for step in self.steps:
            whom = [other for other, shown in ((False, step.arrives(lemma)), (True, step.disturbs(lemma))) if shown]
            if whom:
                self._concerns[step][lemma] = whom
                concerned.append(step)
        self._queue(concerned)

    def _queue(self, what: Iterable[Step | Claim]) -> None:
        waiting = set(map(id, self._todo))
        self._todo.extend(x for x in what if id(x) not in waiting)

    def _drop(self, lemma: Lemma, broken: Broken) -> None:
        del self.standing[lemma]
        if lemma in self.needed:
            self._forget(lemma)
        self.broken[lemma] = broken
        self._queue(s for s in self.steps if lemma in self.used.get(s, ()))
        self._queue(c for c in self.claims if lemma in self.used.get(c.name, ()))

    def _ask(self, key: Step | str, given: Iterable[Named], uses: tuple[Use, ...]) -> Asked:
        if key not in self._asked:
            self._asked[key] = Asked(self._tracks, given, uses, self.rlimit)
        return self._asked[key]

    def _settle(self, step: Step) -> None:
        """Show what is needed of a step, or drop it."""
        asked = self._ask(step, step.given, step.uses)
        while goals := self.goals(step):
            self.questions += 1
            verdict, found = asked.check(self._offered(self.needed, step, goals), any_of([g.fails for g in goals]))
            if verdict == z3.unsat:
                self.used[step] = frozenset(found)
                return
            for goal in goals:
                if verdict != z3.sat or asked.solver.true_in(found, goal.fails):
                    self._support(asked, step, goal)
        self.used[step] = frozenset()

    def _support(self, asked: Asked, step: Step, goal: Goal) -> None:
        """Find lemmas that show a goal, as few and as simple as can be; or drop it."""
        lemma = goal.lemma
        if lemma not in self.standing:
            return
        before = step.unmoved_from(lemma)
        if not goal.other and before in self.standing:
            self._need(before, step)
            return
        broken: Any = None
        for offered in self._nearest_first(self._offered(self.standing, step, [goal]), step, lemma):
            broken = self._find(asked, step, offered, goal.fails)
            if broken is None:
                return
        self._drop(lemma, broken_by(lemma, step, broken, other=goal.other))

    def _nearest_first(self, lemmas: list[Lemma], step: Step, goal: Lemma) -> Iterator[list[Lemma]]:
        """Of these lemmas, those about what the goal speaks of and the step looks at; then those about what can have a
        say in that; then all. A proof from what is near is shorter, and what it rests on is more likely to stand."""
        program = self.induction.relation.program
        looks = program.footprints[program.points[step.transition.label.point].step]
        locks = _lock_fields(program.protocol)
        about = goal.shared | goal.local if isinstance(goal, Clause) else locks
        near = about | looks.reads_shared | looks.reads_local | locks | program.protocol.element_fields
        for fields in (near, self._cone(frozenset(near))):
            yield [x for x in lemmas if not isinstance(x, Clause) or x.shared | x.local <= fields]
        yield lemmas

    def _offered(self, lemmas: Iterable[Lemma], step: Step, goals: Sequence[Goal]) -> list[Lemma]:
        """Of some lemmas, those that can have a say in these goals: about where the step is, about where another
        process is of whom something is to be shown, general ones; where locks are at issue all that are about locks."""
        points = {None, step.here} | {g.lemma.point for g in goals if g.other and isinstance(g.lemma, Clause)}
        locks = any(not isinstance(g.lemma, Clause) for g in goals)
        return [
            x
            for x in lemmas
            if not isinstance(x, Clause)
            or x.point in points
            or (locks and _about_locks(self.induction.relation.protocol, x))
        ]

    def _follow(self, claim: Claim) -> None:
        """Show a claim, or refuse it."""
        asked = self._ask(claim.name, claim.given, claim.uses)
        self.refused.pop(claim.name, None)
        verdict, found = asked.check(self.needed, claim.fails)
        if verdict != z3.unsat:
            broken = self._find(asked, claim.name, self.standing, claim.fails)
            if broken is not None:
                self.refused[claim.name] = broken_by(claim, None, broken)
                self.used[claim.name] = frozenset()
                return
            verdict, found = asked.check(self.needed, claim.fails)
        self.used[claim.name] = frozenset(found)

    def _find(self, asked: Asked, key: Step | str, offered: Iterable[Lemma], fails: Any) -> Any:
        """Need lemmas, of those offered, that show something. -> None; or the model that shows they do not, or in words
        why the solver came to no answer"""
        self.questions += 1
        verdict, found = asked.check(offered, fails)
        if verdict != z3.unsat:
            return found if verdict == z3.sat else asked.solver.reason()
        for lemma in self._fewer(asked, fails, found):
            self._need(lemma, key)
        return None

    def _fewer(self, asked: Asked, fails: Any, core: Sequence[Lemma]) -> list[Lemma]:
        """A core no part of which would do. What is needed anyway is left in it; of the rest the longest go first."""

        def weight(lemma: Lemma) -> tuple[int, bool]:
            return (len(lemma.literals), lemma.point is not None) if isinstance(lemma, Clause) else (0, False)

        kept = list(core)
        for lemma in sorted(core, key=weight, reverse=True):
            if lemma in self.needed or lemma not in kept:
                continue
            self.questions += 1
            verdict, found = asked.check([x for x in kept if x is not lemma], fails)
            if verdict == z3.unsat:
                kept = found
        return kept

    def _cone(self, fields: frozenset[str]) -> frozenset[str]:
        if fields not in self._cones:
            self._cones[fields] = cone(self.induction.relation.program, fields)
        return self._cones[fields]


def _about_locks(protocol: Protocol, lemma: Clause) -> bool:
    return lemma.shared | lemma.local <= _lock_fields(protocol)


def _lock_fields(protocol: Protocol) -> frozenset[str]:
    """What says who holds which lock."""
    return frozenset(protocol.holders) | frozenset(protocol.held)
