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
from functools import cached_property
from typing import Any

import numpy as np
import z3
from numpy.typing import NDArray

from confsync.model.engine.concrete import Layout, WordCells
from confsync.model.engine.program import IDLE, Kind, Program
from confsync.model.engine.search.bfs import Limits, Search
from confsync.model.engine.search.frontier import position
from confsync.model.engine.search.monitor import Monitor
from confsync.model.engine.search.pairs import Pairs
from confsync.model.engine.search.rebuild import rebuild
from confsync.model.engine.trace import Trace, Whole, step
from confsync.model.engine.violation import violates
from confsync.model.language import BOOL, LOCATION, WATCH, IndexSort, LanguageError, Protocol, behind
from confsync.model.report.events import arguments, asked
from confsync.model.report.output import replay_command
from confsync.proofs.prover.counterexample.cti import Cti, EnginesDisagree, NoCounterexample, counterexample
from confsync.proofs.prover.invariant.houdini import Asked, Broken, Strengthening, Tracks
from confsync.proofs.prover.invariant.induction import Claim, Induction
from confsync.proofs.prover.invariant.lemma import Clause, Lemma, Names
from confsync.proofs.prover.invariant.samples import (
    Answers,
    ColumnCells,
    Samples,
    elements,
    reachable_pairs,
    take,
    values_of,
)
from confsync.proofs.prover.invariant.vocabulary import Atom, atoms
from confsync.proofs.prover.proof import Proof

MOST_STATES = 1_000_000
FEW, MOST_LITERALS = 3, 4
ASKED, TOLD, ROUNDS = 200, 4, 3
"""How many candidates are tried at a time, how many are told where they are not enough, how often more are sought."""
DOES = {Kind.STEP: "takes", Kind.REFUSED: "is refused at", Kind.FAILS: "fails at", Kind.CRASH: "dies before"}


class Label(Enum):
    """What became of a counterexample to induction."""

    REACHABLE = "reachable"
    UNREACHABLE = "unreachable"
    BEYOND = "beyond the bound"


@dataclass(frozen=True)
class Triage:
    """What was found. `in_the_way`: what is broken, in words. `cti`: None where there is none to look up. `trace`, of
    REACHABLE: it leads to that and through its step, or where it is not `itself` reached, to another state in which
    what is broken is not so. `violated`: the property that its end violates ("": none is known to). `stopped`, of
    BEYOND: at which bound. `states`: how many were searched. `lemmas`, of UNREACHABLE: candidates, the best first;
    `lines` say them in a design's file; `enough`: with all of them what is in the way is shown."""

    label: Label
    title: str
    in_the_way: str
    cti: Cti | None
    states: int = 0
    trace: Trace | None = None
    itself: bool = True
    violated: str = ""
    stopped: str = ""
    lemmas: tuple[Clause, ...] = ()
    lines: tuple[str, ...] = ()
    enough: bool = False

    def words(self) -> str:
        """All of it as a person would read it, in several lines."""
        told = _counterexample(self.cti) if self.cti else ()
        return "\n".join([f"{self.title} In the way is: {self.in_the_way}.", *told, *_outcome(self)])


def triage(proof: Proof, broken: Broken, *, max_states: int = MOST_STATES) -> Triage:
    """Find out what a counterexample to induction is worth, searching at most so many states. EnginesDisagree where it,
    or what comes of it, does not bear being evaluated."""
    what, name = broken.what, _property(proof, broken.what)
    title = f"{proof.design.name}: {name or 'a lemma'} is not shown."
    about = title, what.name if isinstance(what, Claim) else proof.names(what)
    try:
        cti = counterexample(proof.found, broken)
    except (NoCounterexample, LanguageError) as error:  # the latter where an operation can be asked in too many ways
        return Triage(Label.BEYOND, *about, None, stopped=str(error))
    reached = _Reached(cti.program, name, max_states)
    states, itself = reached.found.states, reached.itself(cti)
    if trace := itself or reached.elsewhere(what, name):
        return Triage(Label.REACHABLE, *about, cti, states, trace, itself is not None, _violated(trace, cti, name))
    if stopped := reached.found.stopped:
        return Triage(Label.BEYOND, *about, cti, states, stopped=stopped)
    lemmas, enough = _missing(proof, cti, reached)
    lines = tuple(line(proof.found.induction, x) for x in lemmas)
    return Triage(Label.UNREACHABLE, *about, cti, states, lemmas=lemmas, lines=lines, enough=enough)


def _property(proof: Proof, what: Lemma | Claim) -> str:
    """The property that needs a lemma or a claim; "" if none does."""
    for name, needs in proof.needs.items():
        if any(c.name == what.name for c in needs.claims) if isinstance(what, Claim) else what in needs.lemmas:
            return name
    return ""


def _violated(trace: Trace, cti: Cti, name: str) -> str:
    """The property, if the end of a trace violates it. EnginesDisagree if it does not and its own lemma is broken."""
    if not name or violates(trace, name):
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

    @cached_property
    def _reached(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The numbers of what is shared and of what a process has of its own, in all states."""
        return reachable_pairs(self.search)

    def _form(self, state: Whole) -> tuple[int, ...]:
        """The canonical form, as numbers: of states that differ in names only it is the same."""
        assert self.search.canonical
        local = [np.array([self.pairs.local(word)], np.int64) for word in state.local]
        shared, local = self.search.canonical(np.array([self.pairs.shared(state.shared)], np.int64), local)
        return int(shared[0]), *(int(column[0]) for column in local)

    def itself(self, cti: Cti) -> Trace | None:
        """A shortest trace to a counterexample and through its step, if it is reached; to one like it but for names."""
        shared, *local = self._form(cti.before)
        if shared >= self._known[0] or max(local) >= self._known[1]:
            return None
        target = self.search.packing.pack(np.array([shared]), [np.array([n]) for n in local])
        for level, states in enumerate(self.search.visited.levels):
            if position(target, states)[1][0]:
                return self._through_its_step(rebuild(self.search, self.program, target, level), cti)
        return None

    def _through_its_step(self, trace: Trace, cti: Cti) -> Trace:
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
        if name and self.program.protocol.bits[name] in self.found.first:
            level, target = self.found.first[self.program.protocol.bits[name]]
            return rebuild(self.search, self.program, target, level)
        if name or not isinstance(what, Clause):
            return None
        said = np.array([yes for _, yes in what.literals], np.bool_)
        bad = [
            (answers != said).all(axis=1) & ((points == what.point) | (what.point is None))
            for points, answers in self.rows([atom for atom, _ in what.literals])
        ]
        wrong = (self._reached[0] << 32 | self._reached[1])[np.any(bad, axis=0)]
        for level, states in enumerate(self.search.visited.levels):
            shared, local = self.search.packing.unpack(states)
            hit = np.flatnonzero(np.any([np.isin(shared << 32 | column, wrong) for column in local], axis=0))
            if hit.size:
                return rebuild(self.search, self.program, states[hit[0] : hit[0] + 1], level)
        return None

    def rows(self, about: Iterable[Atom]) -> Iterator[tuple[NDArray[np.int64], Answers]]:
        """Element by element, for each process in each state: the point it is at, and a row of answers to atoms."""
        shared, local = self.pairs.shared.array()[self._reached[0]], self.pairs.local.array()[self._reached[1]]
        protocol = self.program.protocol
        s = protocol.shared(ColumnCells(self.program.shared_layout, shared))
        me = protocol.local(ColumnCells(self.program.local_layout, local))
        points = self.program.points_of(local)
        for k in elements(self.program):
            columns = [np.broadcast_to(values_of(atom.ask(s, me, k)), points.shape) for atom in about]
            yield points, np.array(columns, np.bool_).reshape(-1, points.size).T


def _missing(proof: Proof, cti: Cti, reached: _Reached) -> tuple[tuple[Clause, ...], bool]:
    """Lemmas that exclude a counterexample, and whether they are enough: then all that are needed to show what is
    broken; else the best of them. One that would be enough may be broken itself: then lemmas are sought for it, and so
    on backwards."""
    found, what, vocabulary = proof.found, cti.broken.what, atoms(cti.program)
    samples = take(proof.design, vocabulary)
    rows = zip((samples.points, samples.answers), *reached.rows(vocabulary), strict=True)
    samples = Samples(*map(np.concatenate, rows))
    target, claims = ([], [what]) if isinstance(what, Claim) else ([what], [])
    told, offered, again = list[Clause](), dict[Clause, None](), found
    known = {_key(x) for x in (*found.standing, *found.broken) if isinstance(x, Clause)}
    for _ in range(ROUNDS):
        new = {_key(c): c for c in _excluding(cti, samples, vocabulary)}
        best = sorted((c for key, c in new.items() if key not in known), key=_weight)[:ASKED]
        if not best:
            break
        closing = _closing(again, cti.broken, best)
        told, known = told or list(dict.fromkeys([*closing, *best])), known | new.keys()
        offered |= dict.fromkeys(best)
        again = Strengthening(found.induction.relation, [*found.standing, *offered], found.rlimit)
        again.offer(target)
        again.keep(target, claims)
        if all(x in again.needed for x in target) and not again.refused:
            again.prune(target)
            return tuple(c for c in offered if c in again.needed), True
        broken = [again.broken[c] for c in (*closing, *best, *target) if c in again.broken]
        try:
            cti = counterexample(again, next(iter([*broken, *again.refused.values()])))
        except NoCounterexample:
            break
    return tuple(told[:TOLD]), False


def _closing(found: Strengthening, broken: Broken, lemmas: list[Clause]) -> list[Clause]:
    """Those with each of which there is no counterexample any more by the same step; or the claim follows."""
    what, step = broken.what, broken.step
    if isinstance(what, Claim):
        given, uses, fails, target = what.given, what.uses, what.fails, list[Lemma]()
    else:
        assert step
        given, uses, fails, target = tuple(step.given), step.uses, step.goal(what, other=broken.other).fails, [what]
    asked_ = Asked(Tracks(found.induction), given, uses, found.rlimit)
    return [c for c in lemmas if asked_.check([*found.standing, *target, c], fails)[0] == z3.unsat]


def _key(lemma: Clause) -> tuple[int | None, frozenset[tuple[str, bool]]]:
    """The same for lemmas that say the same with the same atoms."""
    return lemma.point, frozenset((atom.name, yes) for atom, yes in lemma.literals)


def _weight(lemma: Clause) -> tuple[bool, int, bool]:
    """The lightest is the best: what speaks of values of one sort, what is short, what is so everywhere."""
    sorts = {atom.about for atom, _ in lemma.literals} - {BOOL}
    return len(sorts) > 1, len(lemma.literals), lemma.point is not None


def _excluding(cti: Cti, samples: Samples, vocabulary: tuple[Atom, ...]) -> Iterator[Clause]:
    """The clauses, of a process and an element of a counterexample, that are so in all samples and not in it."""
    program, seen = cti.program, set[object]()
    protocol = program.protocol
    s = protocol.shared(WordCells(program.shared_layout, cti.before.shared, []))
    for word, k in ((w, k) for w in cti.before.local for k in elements(program)):
        me, here = protocol.local(WordCells(program.local_layout, word, [])), program.point_of(word)
        for point in (None, here) if here != IDLE else (None,):
            live = set(program.protocol.held) if point is None else program.live_locals[here]
            about = [i for i, a in enumerate(vocabulary) if a.local <= live]
            mine = np.array([bool(vocabulary[i].ask(s, me, k)) for i in about])
            there = samples.answers if point is None else samples.at(point)
            for columns in _never_all(there[:, about] == mine):
                clause = Clause(point, tuple((vocabulary[about[c]], not mine[c]) for c in columns))
                if _key(clause) not in seen:
                    seen.add(_key(clause))
                    yield clause


def _never_all(rows: Answers) -> Iterator[tuple[int, ...]]:
    """The sets of up to FEW columns that are all set in no row, and no part of which is so; where there are none, of up
    to MOST_LITERALS."""
    bits = [int.from_bytes(np.packbits(column).tobytes(), "big") for column in rows.T]
    sets: dict[tuple[int, ...], int] = {(): -1} if len(rows) else {}
    found = not sets
    yield from [()] if found else []
    for size in range(1, MOST_LITERALS + 1):
        larger: dict[tuple[int, ...], int] = {}
        for columns, there in sets.items():
            for c in range(columns[-1] + 1 if columns else 0, len(bits)):
                if still := there & bits[c]:
                    larger[*columns, c] = still
                elif all((*columns[:i], *columns[i + 1 :], c) in sets for i in range(len(columns))):
                    found = True
                    yield (*columns, c)
        if found and size >= FEW:
            return
        sets = larger


def line(induction: Induction, lemma: Clause) -> str:
    """A lemma as a design's file says it."""
    reading, names = induction.reading(induction.me, induction.k), Names(induction.relation)
    said = [_source(reading.literal(each), induction.relation.protocol) for each in lemma.literals]
    holds = said[0] if len(said) == 1 else f"any_of({', '.join(said)})"
    at = "" if lemma.point is None else f', at="{induction.relation.names[lemma.point]}"'
    return f'lemma("{names.says(lemma)}", lambda s, me, k: {holds}{at}),'


def _source(z: Any, protocol: Protocol) -> str:
    """A literal's term as the language of steps says it."""
    name, parts = z.decl().name(), [_source(part, protocol) for part in z.children()]
    if z3.is_not(z):
        inner = z.arg(0)
        if z3.is_eq(inner):
            return " != ".join(_source(part, protocol) for part in inner.children())
        return f"neg({parts[0]})"
    if z3.is_eq(z):
        return " == ".join(parts)
    for owner, record in (("s", protocol.shared), ("me", protocol.local)):
        if field := record.fields().get(name):
            views = {v.entries.name: view for view, v in vars(record).items() if isinstance(v, behind)}
            return f"{owner}.{views.get(name, name)}{'[k]' if field.over else ''}"
    if parts:
        return f"{parts[0]}.{name}"
    only = {sort.constants[0]: "0" for sort in protocol.value_sorts if sort.first == 1}
    """The number of a constant that has no name in design files."""
    return only.get(str(z), str(z))


def _places(layout: Layout, word: int) -> dict[str, str]:
    """What is at each place, in words."""
    found: dict[str, str] = {}
    for name, place in layout.places.items():
        value, field = layout.get(word, name), place.field
        if isinstance(value, tuple) and field.over:
            shown = zip(layout.elements(field.over), value, strict=True)
            found |= {f"{name}[{k}]": layout.show(name, v) for k, v in shown}
        elif isinstance(field.sort, IndexSort) or (place.bits and field.sort not in (LOCATION, WATCH)):
            found[name] = layout.show(name, value)  # type: ignore[arg-type]
    return found


def _process(program: Program, n: int, word: int) -> str:
    """Where a process is, and what it has of its own."""
    at = program.point_of(word)
    if at == IDLE:
        return f"  process {n}: idle"
    live = {x: v for x, v in _places(program.local_layout, word).items() if x.split("[")[0] in program.live_locals[at]}
    held = ", ".join(f"{x}: {v}" for x, v in live.items() if v != "no")
    return f"  process {n}: before {' '.join(program.points[at].place)}{f' ({held})' if held else ''}"


def _counterexample(cti: Cti) -> Iterator[str]:
    """The state, as far as it is not as at first; the step; and of what there is something not so after it."""
    program, move, layout = cti.program, cti.move, cti.program.shared_layout
    now, first = _places(layout, cti.before.shared), _places(layout, program.initial)
    unlike = {x: f"{x}: {v}" for x, v in now.items() if v != first[x]}
    yield f"In this state {'all lemmas hold that stand' if cti.everywhere else 'as many lemmas hold as can'}:"
    yield f"  {', '.join(said for x, said in unlike.items() if '[' not in x) or 'as in the initial state'}"
    for k in (k for k in elements(program) if k):
        said = [f"{x.removesuffix(f'[{k}]')} {v}" for x, v in now.items() if x.endswith(f"[{k}]") and x in unlike]
        yield f"  {k}: {', '.join(said) or 'as in the initial state'}"
    yield from (_process(program, n, word) for n, word in enumerate(cti.before.local))
    if move:
        point, t = program.points[move.transition.label.point], move.transition
        began = (
            f", asked to {asked(program, point.operation, arguments(program, t.started))}," if t.started != IDLE else ""
        )
        yield f"Then process 0{began} {DOES[t.label.kind]} {' '.join(point.place)} ({point.step.words}):"
        then = _places(layout, move.after.shared)
        yield from (f"  {x}: {now[x]} -> {v}" for x, v in then.items() if v != now[x])
        yield _process(program, 0, t.local)
    what = cti.broken.what
    of = f" of process {cti.process}" if isinstance(what, Clause) and (what.local or what.point is not None) else ""
    where = f" at {cti.element}" if cti.element and isinstance(what, Clause | Claim) else ""
    yield f"{'After that' if move else 'There'} it is not so{of}{where}."


def _outcome(t: Triage) -> Iterator[str]:
    """The label, and what to do."""
    bounds = f" at {t.cti.program.bounds}" if t.cti else ""
    if t.label is Label.BEYOND:
        yield f"BEYOND THE BOUND: {t.stopped}{bounds}."
    elif t.trace:
        which = "a run comes to it" if t.itself else "no run comes to it, but one to another in which it is not so"
        yield f"REACHABLE: {which}, in {len(t.trace.moves)} steps{bounds}."
        if t.violated:
            yield f"That violates {t.violated}: {t.trace.program.protocol.properties[t.violated].statement}."
        elif t.cti and isinstance(t.cti.broken.what, Claim):
            yield "That violates no property by itself: what is in the way is more than the property says."
        yield f"See: {replay_command(t.trace.token(t.violated))}"
    else:
        yield f"UNREACHABLE: it is none of the {t.states:,} states that are reached{bounds}, nor one but for its names."
        if not t.lemmas:
            yield f"No clause of {MOST_LITERALS} literals tells it from them: the lemma that is missing is longer."
            return
        each = "Each of these excludes it, and more may be needed. To try one, give it in the design's file:"
        yield "What is missing, and enough, is to be given in the design's file:" if t.enough else each
        yield from ("lemmas = [", *(f"    {x}" for x in t.lines), "]")
