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

from confsync.model.engine.concrete import Blocked, Layout, Plain, Refused, WordCells
from confsync.model.engine.footprint import Footprint, footprint
from confsync.model.language import ConcreteSlot, LanguageError, Sort
from confsync.model.language.step import SIGNATURES, Design, Operation, Signature, Step
from confsync.model.libxl import ghosts
from confsync.model.libxl.environment import die, may_be_asked, touched_by_death
from confsync.model.libxl.state import LOCKS, RESULT, Bounds, Local, Shared

IDLE = 0
"""The local word of an idle process: it remembers nothing."""


MOST_STARTS = 100_000
"""The most whole configurations that `create` is tried with."""


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
        self.footprints: dict[Step, Footprint] = {}
        runs: dict[str, Step] = {}
        for name, operation in design.operations():
            for s in (*operation.steps, *(s for u in operation.clean_up for s in u.steps)):
                if s not in self.footprints:
                    self.footprints[s] = footprint(s)
                    runs[s.name] = s
                elif (runs[s.name].run, runs[s.name].may_fail) != (s.run, s.may_fail):
                    raise LanguageError(
                        f"design `{design.name}`, operation `{name}`: there are two different steps `{s.name}`; "
                        "give one another name"
                    )
            self._validate(name, operation)
        self.points: list[Point] = [Point("idle", (), 0)]
        self.first: dict[str, int] = {}
        self._numbers: dict[tuple[str, tuple[Step, ...], int, int], int] = {}
        self.next: dict[int, int] = {}
        """Where each point's step leads when it is taken."""
        self.failed: dict[int, int] = {}
        """Where the operation goes on when the step at a point fails, or is refused (in a clean-up: fails)."""
        for name, operation in design.operations():
            self._number_points(name, operation)
        extra = {Sort.LOCATION: len(self.points), Sort.WATCH: watches}
        self.shared_layout = Layout(Shared, bounds, extra, only)
        self.local_layout = Layout(Local, bounds, extra, only)
        self._whole_local = self.local_layout if only is None else Layout(Local, bounds, extra)
        self._at = self.local_layout.places["at"]
        self.live_locals = self._liveness()
        """Per point, the locals that some later step may read: the rest is forgotten at once."""
        self.live = [self.local_layout.mask(names) for names in self.live_locals]
        self.initial = 0
        """The initial shared word: no domain, no file, nothing held."""
        self.starts = list(dict.fromkeys(w for name in self.first for w in self._starts(name)))

    def _validate(self, name: str, operation: Operation) -> None:
        where = f"design `{self.design.name}`, operation `{name}`"
        if not operation.steps:
            raise LanguageError(f"{where}: it has no steps: write order(...) with those that {SIGNATURES[name].words}")
        touched = {f for s in operation.steps for f in self.footprints[s].writes_shared}
        missing = [f for f in SIGNATURES[name].writes if f not in touched]
        if missing:
            raise LanguageError(
                f"{where}: no step of it writes `{'`, `'.join(missing)}`: it would return success without doing "
                f"what its name says ({SIGNATURES[name].words})"
            )
        if name == "retrieve":
            last = self.footprints[operation.steps[-1]]
            if not any(self.footprints[s].writes_local & set(RESULT) for s in operation.steps):
                raise LanguageError(
                    f"{where}: no step of it reads anything into the result: write for example read_template"
                )
            if last.writes_local & set(RESULT) or last.refuses or last.waits or operation.steps[-1].may_fail:
                raise LanguageError(
                    f"{where}: its last step, `{operation.steps[-1]}`, changes the result or can still fail: "
                    "end it with `answer`"
                )
        given = {*SIGNATURES[name].takes, *(("slot",) if SIGNATURES[name].slot else ())}
        given |= set(RESULT) if "draft" in given else set()
        known = given | {"holds", "holds_device_lock"}
        for i, s in enumerate(operation.steps):
            for part in operation.clean_up_after(i):
                so_far = set(known)
                for undo in part:
                    self._check_known(f"{where}: clean-up of step {i + 1},", undo, so_far, name, given)
                    if not (self.footprints[undo].refuses or undo.may_fail):
                        so_far |= self.footprints[undo].writes_local
            self._check_known(f"{where}: step {i + 1},", s, known, name, given)
            known |= self.footprints[s].writes_local

    def _check_known(self, where: str, s: Step, known: set[str], name: str, given: set[str]) -> None:
        """A step reads no local that nothing has set; writing a map at one slot keeps what it holds at the others."""
        touched = self.footprints[s]
        lacking = sorted((touched.reads_local | touched.writes_local - touched.replaces_local) - known)
        if lacking:
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
        always = {"at", *LOCKS.values(), "watch"}
        live: list[set[str]] = [set() for _ in self.points]
        for here in sorted(self.next, key=lambda p: len(self.points[p].remaining)):
            point = self.points[here]
            touched = self.footprints[point.step]
            after = live[self.next[here]] - touched.replaces_local
            live[here] = set(touched.reads_local) | after | live[self.failed[here]] | always
            if SIGNATURES[point.operation].slot:
                live[here].add("slot")
            if point.operation == "retrieve" and not point.cleaning_up and self._answered(point):
                live[here] |= set(RESULT)
        return live

    def _answered(self, point: Point) -> bool:
        """True where the result has begun: some step before has written it."""
        done = self.design.retrieve.steps[: point.done]
        return any(self.footprints[s].writes_local & set(RESULT) for s in done)

    def _starts(self, name: str) -> Iterator[int]:
        """The local words with which an operation can begin: one for each choice of arguments. Which arguments there
        are is asked of whole words: a field that is not kept would read as a value that nobody can give."""
        sig, put, whole = SIGNATURES[name], self.local_layout.put, self._whole_local.put
        word = put(IDLE, "at", self.first[name])
        anywhere = self.shared_layout.slots or (ConcreteSlot(0, ejectable=False),)

        def allowed(given: dict[str, Plain], k: ConcreteSlot) -> bool:
            asked = IDLE
            for field, value in given.items():
                asked = whole(asked, field, value)
            return bool(may_be_asked(sig, Local(WordCells(self._whole_local, asked, [])), k))

        if "draft" in sig.takes:
            each = [
                [c for c in range(self.bounds.size(Sort.CONFIG)) if allowed({"draft": self._alike(c)}, k)]
                for k in self.shared_layout.slots
            ]
            if (many := math.prod(map(len, each))) > MOST_STARTS:
                raise LanguageError(
                    f"a domain can be created in {many:,} ways with so many slots and configurations: the most that "
                    f"is searched is {MOST_STARTS:,}, so take fewer"
                )
            yield from (put(word, "draft", drafts) for drafts in itertools.product(*each))
            return
        fields = [*(["slot"] if sig.slot else []), *sig.takes]
        sorts = [Local.fields()[f].sort for f in fields]
        values: list[Sequence[Plain]] = [
            self.shared_layout.slots if sort is Sort.SLOT else range(self.bounds.size(sort)) for sort in sorts
        ]
        for given in itertools.product(*values):
            arguments = dict(zip(fields, given, strict=True))
            if allowed(arguments, anywhere[0]):
                w = word
                for field, value in arguments.items():
                    w = put(w, field, value)
                yield w

    def _alike(self, config: int) -> tuple[int, ...]:
        """The map that has the same configuration at every slot."""
        return (config,) * len(self.shared_layout.slots)

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
        """True at the point where a retrieve has its result and is about to return it."""
        p = self.points[point]
        return p.operation == "retrieve" and len(p.remaining) == 1 and not p.cleaning_up

    def tore(self, point: int) -> bool:
        """True where the operation has granted a memory target: a step that is done did."""
        p = self.points[point]
        done = getattr(self.design, p.operation).steps[: max(p.done, 0)]
        return any("granted" in self.footprints[s].writes_shared for s in done)

    def signature(self, point: int) -> Signature:
        return SIGNATURES[self.points[point].operation]

    def reads(self, point: int) -> tuple[int, int]:
        """The bits of the shared and of the local word on which the outcomes of the step at a point depend."""
        p = self.points[point]
        touched = self.footprints[p.step]
        after = ghosts.touched_after(SIGNATURES[p.operation], touched.writes_shared)
        settled = ghosts.touched_by_giving_up(SIGNATURES[p.operation])
        shared = touched.reads_shared | (after.reads_shared - touched.writes_shared) | settled.reads_shared
        partly = {f for f in touched.writes_shared if Shared.fields()[f].per_slot} & after.reads_shared
        local = touched.reads_local | after.reads_local | settled.reads_local
        return self.shared_layout.mask(shared | partly), self.local_layout.mask(local)

    def crash_reads(self, point: int) -> tuple[int, int]:
        """As `reads`, for the death of a process at the point."""
        touched = touched_by_death(self.signature(point))
        return self.shared_layout.mask(touched.reads_shared), self.local_layout.mask(touched.reads_local)

    def outcomes(self, point: int, shared: int, local: int, seen: set[tuple[int, int, bool]]) -> list[Effect] | None:
        """What the step at a point can come to, None if it is blocked. Guards' values are added to `seen` as
        (point, which guard, value)."""
        p = self.points[point]
        s, me = WordCells(self.shared_layout, shared, []), WordCells(self.local_layout, local, [])
        try:
            p.step.run(Shared(s), Local(me))
        except Blocked:
            return None
        except Refused:
            return [self._gives_up(Kind.REFUSED, point, shared, local)]
        finally:
            seen.update((point, i, bool(g)) for i, g in enumerate(me.guards))
        ghosts.follow(SIGNATURES[p.operation], self.footprints[p.step].writes_shared)(Shared(s), Local(me))
        effects = [Effect(Kind.STEP, s.written, s.word & s.written, me.written, me.word & me.written, self.next[point])]
        if p.step.may_fail:
            effects.append(self._gives_up(Kind.FAILS, point, shared, local))
        return effects

    def _gives_up(self, kind: Kind, point: int, shared: int, local: int) -> Effect:
        s, me = WordCells(self.shared_layout, shared, []), WordCells(self.local_layout, local, [])
        if not self.points[point].cleaning_up:
            ghosts.gives_up(self.signature(point), Shared(s), Local(me), tore=self.tore(point))
        return Effect(kind, s.written, s.word & s.written, 0, 0, self.leads_to(kind, point))

    def leads_to(self, kind: Kind, point: int) -> int:
        """The point after an outcome at a point. A step of a clean-up that is refused is passed over."""
        if kind is Kind.CRASH:
            return 0
        passed_over = self.points[point].cleaning_up and kind is Kind.REFUSED
        return self.next[point] if kind is Kind.STEP or passed_over else self.failed[point]

    def crash(self, point: int, shared: int, local: int) -> Effect | None:
        """The death of a process at a point. None if the bound on crashes is reached."""
        layout = self.shared_layout
        if layout.get(shared, "crashes") == self.bounds.crashes:
            return None
        s, me = WordCells(layout, shared, []), WordCells(self.local_layout, local, [])
        die(self.signature(point), Shared(s), Local(me))
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
