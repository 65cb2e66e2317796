"""The model's side of a step: all that a process of the model can have done meanwhile.

A step of the implementation is one of the model, or none that is seen, or several at once: then nobody came in
between, which is one of the model's interleavings too. So a set of model states is kept: all that fit what has
happened so far.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from confsync.model.engine.program import IDLE, Kind, Program, Transition
from confsync.model.engine.search.alone import Answer
from confsync.model.libxl.operations import RESULT
from confsync.proofs.conformance.abstraction import View

DEAD = IDLE
GAVE_UP = -1
"""The local word of a process whose operation the model has ended with an error, and the implementation has still to:
what made it give up was seen in a request, and is over when the transaction has been aborted."""
State = tuple[int, tuple[int, ...]]
"""A state of the model: the shared word, and each process's local word."""
Taken = tuple[int, int, Transition]
"""A transition of one process: the words it was taken from, and itself."""


class Outcome(Enum):
    """How an operation ended."""

    OPEN = "it has not ended"
    DONE = "it was done"
    ERROR = "it returned an error"


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a process of the model can be after some steps of its own."""

    shared: int
    local: int
    outcome: Outcome = Outcome.OPEN
    answer: Answer | None = None
    """What its `retrieve` returned."""
    failures: int = 0
    """How many of its steps may yet be made to fail."""


Steps = dict[Reach, list[tuple[Reach, Taken]]]
"""Everywhere a process can be, and how it can have come there: from where, by which transition."""


class Matching:
    """The steps of a program's processes."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._reach: dict[tuple[int, int, int], Steps] = {}
        self._crashes: dict[tuple[int, int], tuple[Transition, ...]] = {}
        self.taken: set[Taken] = set()
        """All transitions that a step of the implementation was, or was part of."""

    def reach(self, shared: int, local: int, failures: int = 0) -> Steps:
        """Everywhere a process can get by its own steps, by none to all of them, short of dying; with so many of them
        made to fail."""
        key = (shared, local, failures)
        if local == GAVE_UP:
            return {Reach(shared, GAVE_UP): [], Reach(shared, IDLE, Outcome.ERROR): []}
        if key not in self._reach:
            first = Reach(shared, local, failures=failures)
            found: Steps = {first: []}
            todo = [first]
            while todo:
                here = todo.pop()
                if here.outcome is not Outcome.OPEN:
                    continue
                for t in self.program.transitions(here.shared, here.local, set()):
                    fails = t.label.kind is Kind.FAILS
                    if t.label.kind is not Kind.CRASH and fails <= here.failures:
                        there = self._after(here, t)
                        if there not in found:
                            found[there] = []
                            todo.append(there)
                        found[there].append((here, (here.shared, here.local, t)))
            self._reach[key] = found
        return self._reach[key]

    def _after(self, here: Reach, t: Transition) -> Reach:
        left = here.failures - (t.label.kind is Kind.FAILS)
        if t.local != IDLE:
            return Reach(t.shared, t.local, failures=left)
        point = self.program.points[t.label.point]
        done = t.label.kind is Kind.STEP and not point.cleaning_up and len(point.remaining) == 1
        if not done:
            return Reach(t.shared, IDLE, Outcome.ERROR, failures=left)
        answer = self._answer(here.local) if point.operation == "retrieve" else None
        return Reach(t.shared, IDLE, Outcome.DONE, answer, left)

    def _take(self, reach: Steps, there: Reach) -> None:
        """Note every transition on every way there."""
        todo, seen = [there], {there}
        while todo:
            for before, taken in reach[todo.pop()]:
                self.taken.add(taken)
                if before not in seen:
                    seen.add(before)
                    todo.append(before)

    def _answer(self, local: int) -> Answer:
        draft, called, memory = (self.program.local_layout.get(local, f) for f in RESULT)
        assert isinstance(draft, tuple)
        assert isinstance(called, int)
        assert isinstance(memory, int)
        return tuple(map(int, draft)), called, memory

    def advance(
        self,
        states: frozenset[State],
        process: int,
        view: View,
        outcome: Outcome,
        answer: Answer | None,
        *,
        failed: bool = False,
    ) -> frozenset[State]:
        """The states that fit what the stores say after a step of the process, and how its operation ended. `failed`:
        a call was made to fail in it, so a step of the model may fail too; else none does."""
        found = set()
        for shared, local in states:
            reach = self.reach(shared, local[process], int(failed))
            for r in reach:
                if not view.fits(r.shared):
                    continue
                if r.outcome is outcome and r.answer == answer:
                    found.add((r.shared, (*local[:process], r.local, *local[process + 1 :])))
                    self._take(reach, r)
                elif r.outcome is Outcome.ERROR and outcome is Outcome.OPEN:
                    found.add((r.shared, (*local[:process], GAVE_UP, *local[process + 1 :])))
                    self._take(reach, r)
        return frozenset(found)

    def die(self, states: frozenset[State], process: int, view: View) -> frozenset[State]:
        """The states after the death of the process, of those that fit."""
        found = set()
        for shared, local in states:
            if local[process] == GAVE_UP:
                if view.fits(shared):
                    found.add((shared, (*local[:process], DEAD, *local[process + 1 :])))
                continue
            for t in self._deaths(shared, local[process]):
                if view.fits(t.shared):
                    found.add((t.shared, (*local[:process], DEAD, *local[process + 1 :])))
                    self.taken.add((shared, local[process], t))
        return frozenset(found)

    def _deaths(self, shared: int, local: int) -> tuple[Transition, ...]:
        """The transitions by which a process at this local word dies."""
        key = (shared, local)
        if key not in self._crashes:
            taken = self.program.transitions(shared, local, set())
            self._crashes[key] = tuple(t for t in taken if t.label.kind is Kind.CRASH)
        return self._crashes[key]

    def alone(self, shared: int, local: int) -> int:
        """The shared word after an operation alone, with nothing made to fail."""
        done = [r for r in self.reach(shared, local) if r.outcome is Outcome.DONE]
        assert len({r.shared for r in done}) == 1
        return done[0].shared
