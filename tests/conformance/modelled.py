"""A design of the model in the place of an implementation, so that the conformance explorer has something to explore
whose every step is known: it follows its own design exactly, and each wrong edit of it is one known mistake."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from confsync.impl.errors import StoreError
from confsync.model.engine.program import IDLE, Program, Transition
from confsync.model.engine.program import Kind as StepKind
from confsync.model.engine.search.alone import Answer
from confsync.model.language import Design
from confsync.model.libxl.operations import RESULT
from confsync.model.libxl.state import FIRST_CONFIG, Bounds, Shared
from confsync.proofs.conformance.abstraction import UNCOMPARED, View
from confsync.proofs.conformance.asked import Asked, Work
from confsync.proofs.conformance.calls import Call
from confsync.proofs.conformance.explore import At, Explorer, Start
from confsync.proofs.conformance.matching import Outcome
from confsync.proofs.conformance.paths import Edges, covering
from confsync.proofs.conformance.steps import Edge, Kind, Place

SMALL = Bounds(slots=1, ejectable=1, configs=2, names=2, amounts=2, processes=2, crashes=1)
C = FIRST_CONFIG
CALL = Call("model", "step", ())
FAILED = StoreError(Path("model"), "made to fail")
_NO_WORK = cast("Work", None)
State = tuple[int, tuple[int, ...]]
"""The shared word, and each process's local word."""
Edit = Callable[[Transition], Transition]


class Modelled:
    """A design as an implementation: one transition a step. `edit`: what is wrong with it, transition by transition.
    `on_death`: what is wrong with the shared word after a death. `broken_view`: what the stores say instead."""

    kind = Kind.EMBEDDED

    def __init__(
        self,
        program: Program,
        processes: int,
        *,
        edit: Edit = lambda t: t,
        on_death: Callable[[int, int], int] = lambda _before, after: after,
        stray: str = "",
        result: Callable[[Answer], Answer] = lambda a: a,
    ) -> None:
        self.program, self._edit, self._on_death, self._stray, self._result = program, edit, on_death, stray, result
        self.places: list[Place] = []
        self._states: list[State] = [(program.initial, (IDLE,) * processes)]
        self._words: dict[int, int] = {}
        """The local word at each place."""
        self._endings: dict[int, tuple[Outcome, Answer | None]] = {}
        self._numbers: dict[object, Place] = {}
        ghosts = {name for name, field in Shared.fields().items() if field.ghost}
        self._mask = program.shared_layout.mask(set(program.shared_layout.places) - ghosts - UNCOMPARED)

    def first(self) -> int:
        return 0

    def asked(self, process: int, asked: Asked) -> Place:
        return self._place(process, asked.word(self.program), begun=False)

    def edges(self, state: int, place: Place) -> Sequence[Edge]:
        """What the process does next: taken or refused first, and then made to fail."""
        if place.ended:
            return ()
        shared, word = self._states[state][0], self._words[place.number]
        found = [t for t in self.program.transitions(shared, word, set()) if t.label.kind is not StepKind.CRASH]
        found.sort(key=lambda t: t.label.kind is StepKind.FAILS)
        return tuple(self._edge(state, place, t) for t in found)

    def _edge(self, state: int, place: Place, taken: Transition) -> Edge:
        t = self._edit(taken)
        local = self._states[state][1]
        then = self._number((t.shared, (*local[: place.process], t.local, *local[place.process + 1 :])))
        failed = FAILED if t.label.kind is StepKind.FAILS else None
        if t.local != IDLE:
            return Edge(failed, ((CALL, None),), then, self._place(place.process, t.local))
        point = self.program.points[t.label.point]
        done = t.label.kind is StepKind.STEP and not point.cleaning_up and len(point.remaining) == 1
        return Edge(failed, ((CALL, None),), then, self._end(place, done=done, answers=point.operation == "retrieve"))

    def _end(self, place: Place, *, done: bool, answers: bool) -> Place:
        answer = None
        if done and answers:
            draft, name, memory = (self.program.local_layout.get(self._words[place.number], f) for f in RESULT)
            answer = self._result(
                (tuple(map(int, cast("tuple[int, ...]", draft))), int(cast("int", name)), int(cast("int", memory)))
            )
        ending = (Outcome.DONE if done else Outcome.ERROR, answer)
        key = (place.process, ending)
        if key not in self._numbers:
            end = Place(len(self.places), place.process, _NO_WORK, ("ended",), None, None if done else FAILED)
            self.places.append(end)
            self._numbers[key], self._endings[end.number] = end, ending
        return self._numbers[key]

    def _place(self, process: int, word: int, *, begun: bool = True) -> Place:
        key = (process, word, begun)
        if key not in self._numbers:
            place = Place(len(self.places), process, _NO_WORK, ("begun",) * begun, CALL)
            self.places.append(place)
            self._numbers[key], self._words[place.number] = place, word
        return self._numbers[key]

    def _number(self, state: State) -> int:
        if state not in self._states:
            self._states.append(state)
        return self._states.index(state)

    def death(self, state: int, process: int) -> int:
        shared, local = self._states[state]
        (t,) = (t for t in self.program.transitions(shared, local[process], set()) if t.label.kind is StepKind.CRASH)
        dead = (*local[:process], IDLE, *local[process + 1 :])
        return self._number((self._on_death(shared, t.shared), dead))

    def view(self, state: int) -> View:
        return View(self._mask, self._states[state][0] & self._mask, stray=self._stray)

    def ended(self, place: Place) -> tuple[Outcome, Answer | None]:
        return self._endings.get(place.number, (Outcome.OPEN, None))

    def paused(self, state: int) -> bool | None:
        return bool(self.program.shared_layout.get(self._states[state][0], "paused"))


def explorer(
    design: Design,
    follows: Design | None = None,
    *,
    bounds: Bounds = SMALL,
    properties: Sequence[str] = (),
    **wrong: object,
) -> Explorer:
    """An explorer of a design, edited as `Modelled` says, that is held against itself or against another design."""
    moves = Modelled(Program(design, bounds), bounds.processes, **wrong)  # type: ignore[arg-type]
    return Explorer(moves, Program(follows or design, bounds), properties)


def whole(e: Explorer) -> Start:
    """The stores with a domain that has a device and a medium."""
    return e.prepare(Asked("create", draft=(C, C)))


def changed(program: Program, t: Transition, **values: bool) -> Transition:
    """A transition after which flags of the stores are otherwise."""
    shared = t.shared
    for field, value in values.items():
        shared = program.shared_layout.put(shared, field, value)
    return replace(t, shared=shared)


def check_covered(first: At, edges: Edges) -> None:
    """The schedules that `covering` finds are whole, and take every edge of the graph."""
    taken = set()
    for way in covering(first, edges):
        at = first
        for choice in way:
            taken.add((at, choice))
            at = dict(edges[at])[choice]
        assert not edges[at]
    assert taken == {(at, choice) for at, there in edges.items() for choice, _ in there}
