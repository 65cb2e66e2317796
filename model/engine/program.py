"""A design and bounds, made ready to run: its locations, and the small steps from any state.

This is the whole semantics. A process is idle or at a *point*: an operation and the steps it still has to take.
From idle it starts any operation with any arguments; starting and the operation's first step are one
transition, for an operation that has taken no step has touched nothing. At a point it takes its next step, or is
refused by a guard, or the step fails, or it dies.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from confsync.model.engine import environment
from confsync.model.engine.concrete import Blocked, Layout, Plain, Refused, WordCells
from confsync.model.engine.footprint import Footprint, footprint
from confsync.model.language import (
    BOOL,
    LOCATION,
    WATCH,
    Bounds,
    Design,
    Element,
    Field,
    IndexSort,
    LanguageError,
    Operation,
    Signature,
    Step,
)

IDLE = 0
"""The local word of an idle process: it remembers nothing."""


MOST_STARTS = 100_000
"""The most values of a map that an operation is tried with."""


class Kind(Enum):
    """What a transition is: the step was taken; refused by a guard; made to fail; or the process died."""

    STEP = "takes"
    REFUSED = "is refused"
    FAILS = "fails"
    CRASH = "dies"


@dataclass(frozen=True, slots=True)
class Point:
    """A location: the operation, and the steps still to take, the next one first."""

    operation: str
    remaining: tuple[Step, ...]
    done: int
    """How many of the operation's steps are done; in a clean-up, less than 0: how many of this part are left."""

    @property
    def step(self) -> Step:
        return self.remaining[0]

    @property
    def cleaning_up(self) -> bool:
        return self.done < 0

    @property
    def place(self) -> tuple[str, str]:
        """The operation, and the step by its number in it; a clean-up's is marked so."""
        return self.operation, f"{'clean-up' if self.cleaning_up else self.done + 1} {self.step.name}"


@dataclass(frozen=True, slots=True)
class Label:
    """A transition's name: what happened at which point."""

    kind: Kind
    point: int


@dataclass(frozen=True, slots=True)
class Effect:
    """One outcome at a point: the bits it writes in the shared word and in the local one, and where it leads."""

    kind: Kind
    shared_mask: int
    shared_bits: int
    local_mask: int
    local_bits: int
    goes_to: int


@dataclass(frozen=True, slots=True)
class Transition:
    """One small step of one process, from a shared and a local word to another."""

    label: Label
    shared: int
    local: int
    started: int = IDLE
    """The local word the operation began with, where this is its first step."""


class Program:
    """A design within bounds. LanguageError if the design is no design; see `problems`."""

    def __init__(self, design: Design, bounds: Bounds, *, only: frozenset[str] | None = None, watches: int = 1) -> None:
        """`only`: the fields to keep (see `confsync.model.engine.slice`), all by default. `watches`: how many values
        `Local.watch` has (see `confsync.model.engine.search.exact`)."""
        self.design, self.bounds, self.only = design, bounds, only
        self.protocol = protocol = design.protocol
        self.footprints: dict[Step, Footprint] = {}
        runs: dict[str, Step] = {}
        for name, operation in design.operations():
            for s in (*operation.steps, *(s for u in operation.clean_up for s in u.steps)):
                if s not in self.footprints:
                    self.footprints[s] = footprint(s, protocol)
                    runs[s.name] = s
                elif (runs[s.name].run, runs[s.name].may_fail) != (s.run, s.may_fail):
                    raise LanguageError(
                        f"design `{design.name}`, operation `{name}`: there are two different steps `{s.name}`; "
                        "give one another name"
                    )
            self._validate(name, operation)
        self._written: dict[int, frozenset[str]] = {}
        self.points: list[Point] = [Point("idle", (), 0)]
        self.first: dict[str, int] = {}
        self._numbers: dict[tuple[str, tuple[Step, ...], int, int], int] = {}
        self.next: dict[int, int] = {}
        """Where each point's step leads when it is taken."""
        self.failed: dict[int, int] = {}
        """Where the operation goes on when the step at a point fails, or is refused (in a clean-up: fails)."""
        for name, operation in design.operations():
            self._number_points(name, operation)
        engine = {LOCATION: len(self.points), WATCH: watches}
        self.shared_layout = Layout(protocol.shared, bounds, engine, only)
        self.local_layout = Layout(protocol.local, bounds, engine, only)
        self._whole_local = self.local_layout if only is None else Layout(protocol.local, bounds, engine)
        self._at = self.local_layout.places["at"]
        self.live_locals = self._liveness()
        """Per point, the locals that some later step may read: the rest is forgotten at once."""
        self.live = [self.local_layout.mask(names) for names in self.live_locals]
        self.initial = 0
        """The initial shared word: every field has its first value."""
        self.starts = list(dict.fromkeys(w for name in self.first for w in self._starts(name)))

    def _validate(self, name: str, operation: Operation) -> None:
        where = f"design `{self.design.name}`, operation `{name}`"
        signature = self.protocol.operations[name]
        if not operation.steps:
            raise LanguageError(f"{where}: it has no steps: write order(...) with those that {signature.words}")
        touched = {f for s in operation.steps for f in self.footprints[s].writes_shared}
        missing = [f for f in signature.writes if f not in touched]
        if missing:
            raise LanguageError(
                f"{where}: no step of it writes `{'`, `'.join(missing)}`: it would return success without doing "
                f"what its name says ({signature.words})"
            )
        if self.protocol.observer and name == self.protocol.observer.operation:
            self._validate_observer(where, operation)
        known = signature.known | set(self.protocol.held)
        for i, s in enumerate(operation.steps):
            for part in operation.clean_up_after(i):
                so_far = known
                for undo in part:
                    self._check_known(f"{where}: clean-up of step {i + 1},", undo, so_far, name)
                    if not (self.footprints[undo].refuses or undo.may_fail):
                        so_far = so_far | self.footprints[undo].writes_local
            self._check_known(f"{where}: step {i + 1},", s, known, name)
            known = known | self.footprints[s].writes_local

    def _validate_observer(self, where: str, operation: Operation) -> None:
        """LanguageError unless the operation reads something into its answer, and ends with a step that returns it."""
        answer, last = set(self.protocol.answer), self.footprints[operation.steps[-1]]
        if not any(self.footprints[s].writes_local & answer for s in operation.steps):
            raise LanguageError(f"{where}: no step of it reads anything into the result: {', '.join(sorted(answer))}")
        if last.writes_local & answer or last.refuses or last.waits or operation.steps[-1].may_fail:
            raise LanguageError(
                f"{where}: its last step, `{operation.steps[-1]}`, changes the result or can still fail: "
                "end it with a step that does neither"
            )

    def _check_known(self, where: str, s: Step, known: frozenset[str], name: str) -> None:
        """A step reads no local that nothing has set; writing a map at one element keeps what it holds at the
        others."""
        touched = self.footprints[s]
        lacking = sorted((touched.reads_local | touched.writes_local - touched.replaces_local) - known)
        if lacking:
            given = self.protocol.operations[name].known
            raise LanguageError(
                f"{where} `{s.name}`, uses `me.{lacking[0]}`, which nothing has given a value: "
                f"{name} is given {', '.join(sorted(given)) or 'nothing'}, and no earlier step sets it"
            )

    def _point(self, name: str, remaining: tuple[Step, ...], done: int, next_part: int = 0) -> int:
        if not remaining:
            return 0
        key = (name, remaining, done, next_part)
        if key not in self._numbers:
            self._numbers[key] = len(self.points)
            self.points.append(Point(name, remaining, done))
        return self._numbers[key]

    def _number_points(self, name: str, operation: Operation) -> None:
        steps = operation.steps
        self.first[name] = self._point(name, steps, 0)
        for i in range(len(steps)):
            here = self._point(name, steps[i:], i)
            self.next[here] = self._point(name, steps[i + 1 :], i + 1)
        for i in range(len(steps)):
            parts = operation.clean_up_after(i)
            self.failed[self._point(name, steps[i:], i)] = self._number_clean_up(name, parts)

    def _number_clean_up(self, name: str, parts: tuple[tuple[Step, ...], ...]) -> int:
        """Number the points of a clean-up, from its end. -> where it begins"""
        here = 0
        for n, part in reversed(list(enumerate(parts))):
            rest = sum(parts[n + 1 :], ())
            next_part = here
            for left in range(1, len(part) + 1):
                before = here
                here = self._point(name, part[-left:] + rest, -left, next_part)
                self.next[here], self.failed[here] = before, next_part
        return here

    def _liveness(self) -> list[set[str]]:
        always = {"at", *self.protocol.held, "watch"}
        live: list[set[str]] = [set() for _ in self.points]
        for here in sorted(self.next, key=lambda p: len(self.points[p].remaining)):
            point = self.points[here]
            touched = self.footprints[point.step]
            after = live[self.next[here]] - touched.replaces_local
            live[here] = set(touched.reads_local) | after | live[self.failed[here]] | always
            live[here] |= self._named(point.operation)
            if self._observes(point) and self._answered(point):
                live[here] |= set(self.protocol.answer)
        return live

    def _named(self, operation: str) -> set[str]:
        """The elements that an operation is asked about: ghosts ask for them as long as it is at work."""
        fields = self.protocol.local_fields
        return {f for f in self.protocol.operations[operation].takes if isinstance(fields[f].sort, IndexSort)}

    def _observes(self, point: Point) -> bool:
        """True at a point of the observer that is not of its clean-up."""
        observer = self.protocol.observer
        return observer is not None and point.operation == observer.operation and not point.cleaning_up

    def _answered(self, point: Point) -> bool:
        """True where the answer has begun: some step before has written it."""
        done = self.design[point.operation].steps[: point.done]
        return any(self.footprints[s].writes_local & set(self.protocol.answer) for s in done)

    def _starts(self, name: str) -> Iterator[int]:
        """The local words with which an operation can begin: one for each choice of arguments."""
        word = self.local_layout.put(IDLE, "at", self.first[name])
        for given in self._choices(name):
            w = word
            for argument, value in given.items():
                w = self.local_layout.put(w, argument, value)
            yield w

    def _choices(self, name: str) -> Iterator[dict[str, Plain]]:
        """The arguments with which an operation may be asked."""
        fields = {a: self.protocol.local_fields[a] for a in self.protocol.operations[name].takes}
        single = {a: self._values(f) for a, f in fields.items() if not f.over}
        maps = {a: f for a, f in fields.items() if f.over}
        for values in itertools.product(*single.values()):
            given = dict(zip(single, values, strict=True))
            if not maps:
                if self._allowed(name, given, self.protocol.elements_or_one(self.bounds)):
                    yield given
                continue
            found = [self._maps(name, given, argument) for argument in maps]
            for chosen in itertools.product(*found):
                whole = given | dict(zip(maps, chosen, strict=True))
                if len(maps) == 1 or all(self._allowed(name, whole, self._elements(f)) for f in maps.values()):
                    yield whole

    def _values(self, field: Field) -> Sequence[Plain]:
        """All values of a field that is no map."""
        if isinstance(field.sort, IndexSort):
            return self.local_layout.elements(field.sort)
        return (False, True) if field.sort == BOOL else range(self.bounds.size(field.sort))

    def _elements(self, field: Field) -> tuple[Element, ...]:
        assert field.over
        return self.local_layout.elements(field.over)

    def _maps(self, name: str, given: dict[str, Plain], argument: str) -> list[tuple[int, ...]]:
        """The maps that an operation may be given for an argument beside these. LanguageError if there are too many."""
        field = self.protocol.local_fields[argument]
        elements = self._elements(field)
        each = [
            [
                value
                for value in range(self.bounds.size(field.sort))
                if self._allowed(name, given | {argument: (value,) * len(elements)}, (k,))
            ]
            for k in elements
        ]
        if (many := math.prod(map(len, each))) > MOST_STARTS:
            raise LanguageError(
                f"operation `{name}` can be asked with {many:,} different {argument}s within these bounds: the most "
                f"that is searched is {MOST_STARTS:,}, so take smaller bounds"
            )
        return list(itertools.product(*each))

    def _allowed(self, name: str, given: dict[str, Plain], elements: Sequence[Element | None]) -> bool:
        """Whether an operation may be asked with these arguments, as far as these elements are concerned. That is asked
        of whole words: a field that is not kept would read as a value that nobody can give."""
        word, signature = IDLE, self.protocol.operations[name]
        for argument, value in given.items():
            word = self._whole_local.put(word, argument, value)
        me = self.protocol.local(WordCells(self._whole_local, word, []))
        return all(bool(environment.may_be_asked(self.protocol, signature, me, k)) for k in elements)

    def point_of(self, local: int) -> int:
        """The number of the point a process is at; 0 if it is idle."""
        return local >> self._at.offset & ((1 << self._at.bits) - 1)

    def points_of(self, locals_: NDArray[Any]) -> NDArray[np.int64]:
        """`point_of`, for an array of local words."""
        shift, mask = self._at.offset, (1 << self._at.bits) - 1
        if locals_.dtype == object:
            return np.array([w >> shift & mask for w in locals_], np.int64)
        return (locals_ >> np.uint64(shift) & np.uint64(mask)).astype(np.int64)

    def answers(self, point: int) -> bool:
        """True at the point where the observer has its answer and is about to return it."""
        p = self.points[point]
        return self._observes(p) and len(p.remaining) == 1

    def observing(self, point: int) -> bool:
        """True at a point of the observer where it can still answer."""
        return self._observes(self.points[point])

    def last_read(self) -> int:
        """The point of the observer whose step reads the last part of the answer."""
        assert self.protocol.observer
        answer = set(self.protocol.answer)
        steps = self.design[self.protocol.observer.operation].steps
        last = max(i for i, s in enumerate(steps) if self.footprints[s].writes_local & answer)
        return next(n for n, p in enumerate(self.points) if p.remaining and self._observes(p) and p.done == last)

    def written(self, point: int) -> frozenset[str]:
        """The shared fields that the operation's steps before a point write."""
        found = self._written.get(point)
        if found is None:
            p = self.points[point]
            done = self.design[p.operation].steps[: max(p.done, 0)]
            found = self._written[point] = frozenset().union(*(self.footprints[s].writes_shared for s in done))
        return found

    def signature(self, point: int) -> Signature:
        return self.protocol.operations[self.points[point].operation]

    def reads(self, point: int) -> tuple[int, int]:
        """The bits of the shared and of the local word on which the outcomes of the step at a point depend."""
        p, signature = self.points[point], self.signature(point)
        touched = self.footprints[p.step]
        after = environment.touched_after(self.protocol, signature, touched.writes_shared)
        settled = environment.touched_by_giving_up(self.protocol, signature, self.written(point))
        shared = touched.reads_shared | (after.reads_shared - touched.writes_shared) | settled.reads_shared
        partly = {f for f in touched.writes_shared if self.protocol.shared_fields[f].over} & after.reads_shared
        local = touched.reads_local | after.reads_local | settled.reads_local
        return self.shared_layout.mask(shared | partly), self.local_layout.mask(local)

    def crash_reads(self, point: int) -> tuple[int, int]:
        """As `reads`, for the death of a process at the point."""
        touched = environment.touched_by_death(self.protocol, self.signature(point))
        return self.shared_layout.mask(touched.reads_shared), self.local_layout.mask(touched.reads_local)

    def outcomes(self, point: int, shared: int, local: int, seen: set[tuple[int, int, bool]]) -> list[Effect] | None:
        """What the step at a point can come to, None if it is blocked. Guards' values are added to `seen` as
        (point, which guard, value)."""
        p, protocol = self.points[point], self.protocol
        s, me = WordCells(self.shared_layout, shared, []), WordCells(self.local_layout, local, [])
        try:
            p.step.run(protocol.shared(s), protocol.local(me))
        except Blocked:
            return None
        except Refused:
            return [self._gives_up(Kind.REFUSED, point, shared, local)]
        finally:
            seen.update((point, i, bool(g)) for i, g in enumerate(me.guards))
        follow = protocol.ghosts.follow(self.signature(point), self.footprints[p.step].writes_shared)
        follow(protocol.shared(s), protocol.local(me))
        effects = [Effect(Kind.STEP, s.written, s.word & s.written, me.written, me.word & me.written, self.next[point])]
        if p.step.may_fail:
            effects.append(self._gives_up(Kind.FAILS, point, shared, local))
        return effects

    def _gives_up(self, kind: Kind, point: int, shared: int, local: int) -> Effect:
        s, me = WordCells(self.shared_layout, shared, []), WordCells(self.local_layout, local, [])
        if not self.points[point].cleaning_up:
            gives_up = self.protocol.ghosts.gives_up(self.signature(point), self.written(point))
            gives_up(self.protocol.shared(s), self.protocol.local(me))
        return Effect(kind, s.written, s.word & s.written, 0, 0, self.leads_to(kind, point))

    def leads_to(self, kind: Kind, point: int) -> int:
        """The point after an outcome at a point. A step of a clean-up that is refused is passed over."""
        if kind is Kind.CRASH:
            return 0
        passed_over = self.points[point].cleaning_up and kind is Kind.REFUSED
        return self.next[point] if kind is Kind.STEP or passed_over else self.failed[point]

    def crash(self, point: int, shared: int, local: int) -> Effect | None:
        """The death of a process at a point. None if the bound on crashes is reached."""
        layout, counter = self.shared_layout, self.protocol.crashes
        if layout.get(shared, counter) == getattr(self.bounds, counter):
            return None
        s, me = WordCells(layout, shared, []), WordCells(self.local_layout, local, [])
        die = environment.die(self.protocol, self.signature(point))
        die(self.protocol.shared(s), self.protocol.local(me))
        return Effect(Kind.CRASH, s.written, s.word & s.written, 0, 0, self.leads_to(Kind.CRASH, point))

    def apply(self, effect: Effect, point: int, shared: int, local: int, started: int = IDLE) -> Transition:
        """The transition that an outcome at a point is, from these words."""
        after = shared & ~effect.shared_mask | effect.shared_bits
        keeps, sets = self.local_change(effect)
        then = local & keeps | sets
        return Transition(Label(effect.kind, point), after, then, started)

    def local_change(self, effect: Effect) -> tuple[int, int]:
        """The bits of the local word that an outcome keeps, and those it sets. What is dead is forgotten."""
        if not effect.goes_to:
            return 0, IDLE
        live = self.live[effect.goes_to]
        at = effect.goes_to << self._at.offset
        return live & ~effect.local_mask & ~self._at.mask, live & (effect.local_bits | at)

    def transitions(self, shared: int, local: int, seen: set[tuple[int, int, bool]]) -> Iterator[Transition]:
        """All small steps of one process. One that changes nothing, a first step that is refused, is left out."""
        for word in self.starts if local == IDLE else (local,):
            point = self.point_of(word)
            effects = self.outcomes(point, shared, word, seen) or []
            if local != IDLE:
                died = self.crash(point, shared, word)
                effects = [*effects, died] if died else effects
            for effect in effects:
                t = self.apply(effect, point, shared, word, word if local == IDLE else IDLE)
                if (t.shared, t.local) != (shared, local):
                    yield t
