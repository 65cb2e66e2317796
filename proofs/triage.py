"""What a counterexample to induction is worth: a bug that is reached, or a state that no run comes to and a lemma is
missing for, or more than was searched.

Its state is looked up among all that are reachable within its bounds. Where it is not among them, a lemma tells it from
them: every short clause that is so in all of those and not in it is a candidate, and the solver is asked which of these
would do. A candidate is printed as a line for the design's file; it is shown there like any lemma, never believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import z3
from numpy.typing import NDArray

from model.concrete import Layout, WordCells, slot_name
from model.events import arguments, asked, standing
from model.language import ConcreteSlot, Sort
from model.output import replay_command
from model.program import IDLE, Program
from model.properties import BIT, PROPERTIES
from model.search.bfs import Limits, Search
from model.search.frontier import States, position
from model.search.monitor import Monitor
from model.search.pairs import Pairs
from model.search.rebuild import rebuild
from model.state import LOCKS, Local, Shared
from model.trace import Trace, Whole, step
from model.violation import violates
from proofs.cti import Cti, EnginesDisagree, NoCounterexample, counterexample
from proofs.houdini import Asked, Broken, Strengthening, Tracks
from proofs.induction import Claim, Induction, Step
from proofs.lemma import Clause, Lemma, Literal, Names
from proofs.obligation import holds_at_first
from proofs.proof import Proof
from proofs.samples import Answers, ColumnCells, reachable_pairs, values_of
from proofs.vocabulary import Atom, atoms

MOST_STATES = 1_000_000
FEW, MOST_LITERALS = 3, 4
ASKED, TOLD = 200, 4
"""How many candidates the solver is asked about, and how many are told."""


class Label(Enum):
    """What became of a counterexample to induction."""

    REACHABLE = "reachable"
    UNREACHABLE = "unreachable"
    BEYOND = "beyond the bound"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A lemma that would exclude a counterexample to induction. `line` says it in a design's file. `enough`: the solver
    shows it, and with it what is broken, from the lemmas that stand; `shown`: it, at least."""

    lemma: Clause
    words: str
    line: str
    shown: bool
    enough: bool

    @property
    def comment(self) -> str:
        """What the solver says of it, in words."""
        if self.enough:
            return "it can be shown, and is enough"
        return "it can be shown" if self.shown else "not shown by itself"


@dataclass(frozen=True)
class Triage:
    """What was found. `trace`, of REACHABLE: it leads to the counterexample and through its step, or where it is not
    `itself` reached, to another state in which what is broken is not so. `violated`: the property that its end violates,
    if any. `stopped`, of BEYOND: at which bound. `states`: how many were searched."""

    label: Label
    design: str
    property_name: str
    what: str
    cti: Cti | None
    names: Names
    states: int = 0
    trace: Trace | None = None
    itself: bool = True
    violated: str = ""
    stopped: str = ""
    candidates: tuple[Candidate, ...] = ()

    def words(self) -> str:
        """All of it as a person would read it, in several lines."""
        return "\n".join([*_counterexample(self), *_outcome(self)])


def triage(proof: Proof, broken: Broken, *, max_states: int = MOST_STATES) -> Triage:
    """Find out what a counterexample to induction is worth, searching at most so many states. EnginesDisagree where it,
    or what comes of it, does not bear being evaluated."""
    found, what = proof.found, broken.what
    name = next((n for n, x in proof.needs.items() if what in x.lemmas or what in x.claims), "")
    about = (proof.design.name, name, what.name if isinstance(what, Claim) else proof.names(what))
    try:
        cti = counterexample(found, broken)
    except NoCounterexample as error:
        return Triage(Label.BEYOND, *about, None, proof.names, stopped=str(error))
    reached = _Reached(cti.program, name, max_states)
    states = reached.found.states
    if trace := reached.itself(cti):
        return Triage(Label.REACHABLE, *about, cti, proof.names, states, trace, violated=_violated(trace, cti, name))
    if trace := reached.elsewhere(what, name):
        violated = _violated(trace, cti, name)
        return Triage(Label.REACHABLE, *about, cti, proof.names, states, trace, itself=False, violated=violated)
    if reached.found.stopped:
        return Triage(Label.BEYOND, *about, cti, proof.names, states, stopped=reached.found.stopped)
    told = tuple(_candidates(found, cti, reached))
    return Triage(Label.UNREACHABLE, *about, cti, proof.names, states, candidates=told)


def _violated(trace: Trace, cti: Cti, name: str) -> str:
    """The property, if the end of a trace violates it. EnginesDisagree if it does not and its own lemma is broken."""
    if not name:
        return ""
    if violates(trace, name):
        return name
    if isinstance(cti.broken.what, Claim):
        return ""
    raise EnginesDisagree(f"the lemma of {name} is broken in a state that does not violate it: {trace.token(name)}")


class _Reached:
    """All states that a program reaches, or as many as were asked for; the violations of a property among them."""

    def __init__(self, program: Program, name: str, max_states: int) -> None:
        self.program, self.pairs = program, Pairs(program)
        monitor = Monitor(program, self.pairs.shared, self.pairs.local, [name] if name else [])
        self.search = Search(program, self.pairs, monitor, symmetric=True)
        self.found = self.search.run(Limits(max_states=max_states))
        self._known = len(self.pairs.shared), len(self.pairs.local)
        self.shared, self.local = reachable_pairs(self.search)

    def _form(self, state: Whole) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
        """The canonical form: of states that differ in names only it is the same."""
        assert self.search.canonical
        shared = np.array([self.pairs.shared(state.shared)], np.int64)
        return self.search.canonical(shared, [np.array([self.pairs.local(w)], np.int64) for w in state.local])

    def itself(self, cti: Cti) -> Trace | None:
        """A shortest trace to a counterexample and through its step, if it is reached; to one like it but for names."""
        shared, local = self._form(cti.before)
        if shared[0] >= self._known[0] or any(column[0] >= self._known[1] for column in local):
            return None
        target = self.search.packing.pack(shared, local)
        level = next((n for n, states in enumerate(self.search.visited.levels) if position(target, states)[1][0]), None)
        if level is None:
            return None
        trace = rebuild(self.search, self.program, target, level)
        if cti.move is None:
            return trace
        last, wanted = trace.last, self._form(cti.move.after)
        for process, word in enumerate(last.local):
            for choice, t in enumerate(self.program.transitions(last.shared, word, set())):
                move = step(last, process, choice, t)
                if t.label == cti.move.transition.label and self._form(move.after) == wanted:
                    return Trace(self.program, (*trace.moves, move))
        raise EnginesDisagree(f"the state is reached and the step is not taken from there: {trace.token('')}")

    def elsewhere(self, what: Lemma | Claim, name: str) -> Trace | None:
        """A shortest trace to a state that violates the property, or for want of one in which the lemma is not so."""
        if name and BIT[name] in self.found.first:
            level, target = self.found.first[BIT[name]]
            return rebuild(self.search, self.program, target, level)
        if name or not isinstance(what, Clause):
            return None
        wrong = np.unique((self.shared << 32 | self.local)[self._wrong(what)])
        for level, states in enumerate(self.search.visited.levels):
            shared, local = self.search.packing.unpack(states)
            hit = np.flatnonzero(np.any([np.isin(shared << 32 | column, wrong) for column in local], axis=0))
            if hit.size:
                return rebuild(self.search, self.program, states[hit[0] : hit[0] + 1], level)
        return None

    def _wrong(self, lemma: Clause) -> NDArray[np.bool_]:
        """The pairs of which a lemma is not so, at some slot."""
        there = np.ones(self.local.size, np.bool_) if lemma.point is None else self.points == lemma.point
        said = np.array([yes for _, yes in lemma.literals], np.bool_)
        about = [atom for atom, _ in lemma.literals]
        wrong = [(self.answers(about, k) != said).all(axis=1) for k in self.program.shared_layout.slots]
        return there & np.any(wrong, axis=0)

    @property
    def points(self) -> NDArray[np.int64]:
        """Where the process of each pair is."""
        return self.program.points_of(self.pairs.local.array()[self.local])

    def answers(self, about: Iterable[Atom], k: ConcreteSlot) -> Answers:
        """The answers to atoms, at a slot, a row for each pair of what is shared and what a process has of its own."""
        s = Shared(ColumnCells(self.program.shared_layout, self.pairs.shared.array()[self.shared]))
        me = Local(ColumnCells(self.program.local_layout, self.pairs.local.array()[self.local]))
        columns = [np.broadcast_to(values_of(a.ask(s, me, k)), self.shared.shape) for a in about]
        return np.column_stack(columns).astype(np.bool_)


def _candidates(found: Strengthening, cti: Cti, reached: _Reached) -> Iterator[Candidate]:
    """Lemmas that are so in all states that are reached and not in the counterexample: the best of them, first those
    that are enough, then those that can be shown."""
    relation = found.induction.relation
    names, known = Names(relation), {_key(x) for x in (*found.standing, *found.broken) if isinstance(x, Clause)}
    best = sorted((c for c in _excluding(cti, reached, relation.program) if _key(c) not in known), key=_weight)
    prover = _Prover(found, cti.broken)
    told: list[Candidate] = []
    for lemma in best[:ASKED]:
        if sum(c.enough for c in told) == TOLD:
            break
        enough = prover.closes(lemma)
        if enough or len(told) < TOLD:
            shown = prover.inductive(lemma, prover.target)
            enough = enough and shown and prover.enough(lemma)
            told.append(Candidate(lemma, names(lemma), line(found.induction, lemma), shown, enough))
    told.sort(key=lambda c: (not c.enough, not c.shown))
    yield from told[:TOLD]


def _key(lemma: Clause) -> tuple[int | None, frozenset[tuple[str, bool]]]:
    """The same for lemmas that say the same with the same atoms."""
    return lemma.point, frozenset((atom.name, yes) for atom, yes in lemma.literals)


def _weight(lemma: Clause) -> tuple[bool, int, bool]:
    """The lightest is the best: what speaks of values of one sort, what is short, what is so everywhere."""
    sorts = {atom.about for atom, _ in lemma.literals} - {Sort.BOOL}
    return len(sorts) > 1, len(lemma.literals), lemma.point is not None


def _excluding(cti: Cti, reached: _Reached, program: Program) -> Iterator[Clause]:
    """The clauses, of every process and slot of a counterexample, that are so wherever a run comes and not in it."""
    vocabulary, slots, points = atoms(program), cti.program.shared_layout.slots, reached.points
    answers = np.stack([reached.answers(vocabulary, k) for k in slots])
    s = Shared(WordCells(cti.program.shared_layout, cti.before.shared, []))
    general = set(LOCKS.values())
    seen = set()
    for word, k in ((w, k) for w in cti.before.local for k in slots):
        me, here = Local(WordCells(cti.program.local_layout, word, [])), cti.program.point_of(word)
        for point in (None, here) if here != IDLE else (None,):
            live = general if point is None else program.live_locals[here]
            about = [i for i, a in enumerate(vocabulary) if a.local <= live]
            mine = np.array([bool(vocabulary[i].ask(s, me, k)) for i in about])
            rows = answers[:, points == point if point is not None else slice(None)][..., about].reshape(-1, len(about))
            for columns in _never_all(rows == mine):
                clause = Clause(point, tuple((vocabulary[about[c]], not mine[c]) for c in columns))
                if (key := _key(clause)) not in seen:
                    seen.add(key)
                    yield clause


def _never_all(rows: Answers) -> Iterator[tuple[int, ...]]:
    """The sets of up to FEW columns that are all set in no row, and no part of which is so; where there are none, of up
    to MOST_LITERALS."""
    bits = [int.from_bytes(np.packbits(column).tobytes(), "big") for column in rows.T]
    sets: dict[tuple[int, ...], int] = {(): (1 << rows.shape[0] + 7) - 1 if rows.shape[0] else 0}
    if not sets[()]:
        yield ()
    found = not sets[()]
    for size in range(1, MOST_LITERALS + 1):
        if found and size > FEW:
            return
        larger: dict[tuple[int, ...], int] = {}
        for columns, there in sets.items():
            for c in range(columns[-1] + 1 if columns else 0, len(bits)):
                if still := there & bits[c]:
                    larger[*columns, c] = still
                elif all((*columns[:i], *columns[i + 1 :], c) in sets for i in range(len(columns))):
                    found = True
                    yield (*columns, c)
        sets = larger


class _Prover:
    """Asks the solver what would become of a proof with one more lemma, given all that stand."""

    def __init__(self, found: Strengthening, broken: Broken) -> None:
        self.found, self.broken, self.induction = found, broken, found.induction
        self.target: tuple[Lemma, ...] = () if isinstance(broken.what, Claim) else (broken.what,)
        self._tracks = Tracks(self.induction)
        self._asked: dict[Step | None, Asked] = {}

    def _follows(self, lemmas: Iterable[Lemma], fails: Any, step: Step | None) -> bool:
        """Whether these lemmas exclude what fails after a step; without one, the claim."""
        if step not in self._asked:
            given, uses = (step.given, step.uses) if step else (self.broken.what.given, self.broken.what.uses)
            self._asked[step] = Asked(self._tracks, given, uses, self.found.milliseconds)
        return bool(self._asked[step].check(lemmas, fails)[0] == z3.unsat)

    def _kept(self, step: Step, lemma: Lemma, other: bool, also: tuple[Lemma, ...]) -> bool:
        points = {None, step.here, lemma.point if isinstance(lemma, Clause) else None}
        stand = [x for x in self.found.standing if not isinstance(x, Clause) or x.point in points]
        return self._follows([*stand, *also], step.goal(lemma, other=other).fails, step)

    def closes(self, lemma: Lemma) -> bool:
        """With it what is broken is not, by this step at least; or the claim follows."""
        what, step = self.broken.what, self.broken.step
        if isinstance(what, Claim):
            return self._follows([*self.found.standing, lemma], what.fails, None)
        assert step
        return self._kept(step, what, self.broken.other, (what, lemma))

    def inductive(self, lemma: Lemma, also: tuple[Lemma, ...]) -> bool:
        """No step breaks it where these are assumed besides, and it is so at first."""
        return holds_at_first(self.induction, lemma) and all(
            self._kept(step, lemma, other, (lemma, *also))
            for step in self.found.steps
            for other, concerned in ((False, step.arrives(lemma)), (True, step.disturbs(lemma)))
            if concerned
        )

    def enough(self, lemma: Lemma) -> bool:
        """With it no step breaks what is broken."""
        return all(self.inductive(x, (lemma,)) for x in self.target)


def line(induction: Induction, lemma: Clause) -> str:
    """A lemma as a design's file says it."""
    reading = induction.reading(induction.me, induction.k)
    said = [_source(reading.literal(each)) for each in lemma.literals]
    holds = said[0] if len(said) == 1 else f"any_of({', '.join(said)})"
    names = Names(induction.relation)
    at = f', at="{induction.relation.names[lemma.point]}"' if lemma.point is not None else ""
    return f'lemma("{names.says(lemma)}", lambda s, me, k: {holds}{at}),'


def _source(z: Any) -> str:
    """A term as the language of steps says it."""
    name, parts = z.decl().name(), list(map(_source, z.children()))
    if z3.is_not(z):
        inner = z.arg(0)
        return " != ".join(map(_source, inner.children())) if z3.is_eq(inner) else f"neg({parts[0]})"
    for is_it, said in ((z3.is_and, "all_of"), (z3.is_or, "any_of")):
        if is_it(z):
            return f"{said}({', '.join(parts)})"
    if z3.is_eq(z):
        return " == ".join(parts)
    if name == "ejectable":
        return f"{parts[0]}.ejectable"
    for owner, record in (("s", Shared), ("me", Local)):
        if name in record.fields():
            read = "attached" if name == "xenstore" else name
            return f"{owner}.{read}[k]" if record.fields()[name].per_slot else f"{owner}.{read}"
    return {"name0": "0", "mem0": "0"}.get(str(z), str(z))


def _places(layout: Layout, word: int) -> dict[str, str]:
    """What is at each place, in words."""
    found: dict[str, str] = {}
    for name, place in layout.places.items():
        value = layout.get(word, name)
        if isinstance(value, tuple):
            shown = zip(layout.slots, value, strict=True)
            found |= {f"{name}[{slot_name(k)}]": layout.show(name, v) for k, v in shown}
        elif place.field.sort not in (Sort.LOCATION, Sort.WATCH):
            found[name] = layout.show(name, value)
    return found


def _unlike(now: dict[str, str], before: dict[str, str]) -> list[str]:
    return [f"{place}: {value}" for place, value in now.items() if value != before[place]]


def _state(program: Program, state: Whole) -> Iterator[str]:
    """What stands where, as far as it is not as at first, and where each process is."""
    layout, mine = program.shared_layout, program.local_layout
    about = _unlike(_places(layout, state.shared), _places(layout, program.initial))
    yield ", ".join(x for x in about if "[" not in x) or "there is no domain"
    for k in layout.slots:
        vouched = [x for x in about if x.startswith(f"vouched[{slot_name(k)}]")]
        yield ", ".join([standing(layout, state.shared, k), *vouched])
    for process, word in enumerate(state.local):
        n = program.point_of(word)
        known = [f"{x}: {v}" for x, v in _places(mine, word).items() if x.split("[")[0] in program.live_locals[n]]
        where = f"before {' '.join(program.points[n].place)} ({', '.join(known)})" if n != IDLE else "idle"
        yield f"process {process}: {where}"


def _counterexample(t: Triage) -> Iterator[str]:
    """The state, the step, and what is not so after it."""
    yield f"{t.design}: {t.property_name or 'a lemma'} is not shown. In the way is: {t.what}"
    if (cti := t.cti) is None:
        return
    program, move = cti.program, cti.move
    yield f"In this state {'all lemmas hold that stand' if cti.everywhere else 'as many lemmas hold as can'}:"
    yield from (f"  {x}" for x in _state(program, cti.before))
    if move:
        label, started = move.transition.label, move.transition.started
        point = program.points[label.point]
        asked_ = f", asked to {asked(point.operation, arguments(program, started))}," if started != IDLE else ""
        yield f"Then process 0{asked_} {label.kind.value} {' '.join(point.place)} ({point.step.words}):"
        layout = program.shared_layout
        then, before = _places(layout, move.after.shared), _places(layout, move.before.shared)
        yield from (f"  {x}: {before[x]} -> {v}" for x, v in then.items() if v != before[x])
    of = f" of {slot_name(cti.slot)}" + (f" and process {cti.process}" if move else "")
    yield f"{'After that' if move else 'There'} it is not so{of}."


def _outcome(t: Triage) -> Iterator[str]:
    """The label, and what to do."""
    bounds = f" at {t.cti.program.bounds}" if t.cti else ""
    if t.label is Label.BEYOND:
        yield f"BEYOND THE BOUND: {t.stopped}{f', of {t.states:,} states{bounds}' if t.cti else ''}."
    elif t.trace:
        where = "a run comes to it" if t.itself else "not this state, but another in which it is not so"
        steps = f"in {len(t.trace.moves)} steps{bounds}"
        yield f"REACHABLE: {where}, {steps}."
        if t.violated:
            yield f"That violates {t.violated}: {PROPERTIES[t.violated].statement}."
        elif t.property_name:
            yield f"That does not violate {t.property_name}: what is claimed is more than it says."
        yield f"See: {replay_command(t.trace.token(t.violated))}"
    else:
        yield f"UNREACHABLE: it is none of the {t.states:,} states that are reached{bounds}, whatever its names."
        if t.candidates:
            yield "A lemma that excludes it is missing. One of these, in the design's file, would:"
            yield "lemmas = ["
            yield from (f"    {c.line}  # {c.comment}" for c in t.candidates)
            yield "]"
        else:
            yield f"No clause of {MOST_LITERALS} literals tells it from them: the lemma that is missing is a longer one."
