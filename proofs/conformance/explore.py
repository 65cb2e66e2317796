"""Every interleaving, as a graph: a node is the stores and what each operation has observed, an edge one step of one
operation, a failure or a death. Each edge is held against the model, once.

Two schedules that lead to the same node have the same future, so covering the edges covers every schedule; how many
schedules that are is counted over the graph.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from confsync.impl.errors import ToolstackError
from confsync.model.engine.memory import Meter
from confsync.model.engine.program import Program
from confsync.model.engine.search.alone import Answer
from confsync.model.engine.search.monitor import InvariantJudge
from confsync.model.libxl.protocol import BIT
from confsync.proofs.conformance.abstraction import View
from confsync.proofs.conformance.asked import Asked
from confsync.proofs.conformance.matching import Matching, Outcome, State
from confsync.proofs.conformance.moves import Moves
from confsync.proofs.conformance.steps import Broken, Place


class Choice(NamedTuple):
    """What happens next: a process takes the n-th of its steps, or dies (None)."""

    process: int
    which: int | None

    def __str__(self) -> str:
        return f"{self.process}.{'x' if self.which is None else self.which}"


class CannotPrepare(Exception):
    """An operation that is to be done beforehand was not done, or not as the model does it."""


Node = tuple[int, ...]
"""A state of the implementation: the stores' state, where each process is (DEAD: it died), how many may yet die, how
many calls may yet be made to fail."""
DEAD = -1
LOOK = 64
"""Nodes between two looks at how much memory is taken."""
MANY = 1 << 20
"""More deaths and failures than any schedule has."""
At = tuple[Node, int]
"""A node, and the number of the set of model states that fit the way to it."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """The implementation did what the model does not allow."""

    start: Start
    asked: tuple[Asked, ...]
    schedule: tuple[Choice, ...]
    reason: str


@dataclass(slots=True)
class Explored:
    """What was covered."""

    nodes: int = 0
    edges: int = 0
    checks: int = 0
    """Edges, times the different sets of model states they were held against."""
    interleavings: int = 0
    divergence: Divergence | None = None

    def add(self, other: Explored) -> None:
        """Count what another exploration covered, too."""
        self.nodes += other.nodes
        self.edges += other.edges
        self.checks += other.checks
        self.interleavings += other.interleavings
        self.divergence = self.divergence or other.divergence


@dataclass(frozen=True, slots=True)
class Start:
    """Stores to begin with, the model's shared word for them, and the operations that led there."""

    state: int
    shared: int
    before: tuple[Asked, ...] = ()


class Explorer:
    """Explores operations beside each other. What one step does is worked out once, for all explorations."""

    def __init__(self, steps: Moves, program: Program, properties: Collection[str]) -> None:
        """`properties`: those that the design holds, and that every state of the stores must."""
        self.memory = Meter(None)
        """How much memory may be taken."""
        self.steps, self.program = steps, program
        self.matching = Matching(program)
        self._judge = InvariantJudge(program, properties)
        self._begun: dict[tuple[int, Asked], Place] = {}
        self._sets: list[frozenset[State]] = []
        self._set_numbers: dict[frozenset[State], int] = {}
        self._views: list[View] = []
        self._view_numbers: dict[View, int] = {}
        self._view_of: dict[int, int] = {}
        """By the state: the number of what the stores then say."""
        self._advanced: dict[tuple[int, int, int, int, int], int | str] = {}

    def view(self, state: int) -> View:
        """What the stores say in this state."""
        return self.steps.view(state)

    def prepare(self, *before: Asked) -> Start:
        """The stores after these operations, one after another, from a host without a domain."""
        state, shared = self.steps.first(), self.program.initial
        for asked in before:
            place = self.place(0, asked)
            while not place.ended:
                edge = self.steps.edges(state, place)[0]
                state, place = edge.state, edge.place
            if isinstance(place.outcome, ToolstackError):
                raise CannotPrepare(f"{asked}: {place.outcome}")
            shared = self.matching.alone(shared, asked.word(self.program))
            if not self.view(state).fits(shared):
                raise CannotPrepare(f"{asked}, alone, leaves other stores than the model's: explore it by itself")
        return Start(state, shared, before)

    def place(self, process: int, asked: Asked) -> Place:
        """The place of a process that is asked for this and has taken no step."""
        key = (process, asked)
        if key not in self._begun:
            self._begun[key] = self.steps.asked(process, asked)
        return self._begun[key]

    def explore(self, start: Start, asked: Sequence[Asked], *, deaths: int = 0, failures: int = 0) -> Explored:
        """Every interleaving of these operations, one a process, with up to so many deaths and failures. LimitReached
        if that takes more memory than it may."""
        found = Explored()
        first, models_at_first = self.at(start, asked, deaths=deaths, failures=failures)
        level: dict[Node, set[int]] = {first: {models_at_first}}
        levels = [level]
        following: dict[Node, list[Node]] = {}
        came: dict[At, tuple[At, Choice]] = {}
        held: set[At] = set()
        """What was held against the model already: deaths at different depths can lead to the same node."""
        while level:
            after: dict[Node, set[int]] = {}
            for n, (node, sets) in enumerate(level.items()):
                if n % LOOK == 0:
                    self.memory.check()
                known, new = node in following, [models for models in sets if (node, models) not in held]
                held.update((node, models) for models in new)
                there = following[node] = []
                for choice, then, place in self.successors(node):
                    there.append(then)
                    fits = after.setdefault(then, set())
                    for models in new:
                        found.checks += 1
                        fitting = self._advance(models, choice, then[0], place)
                        if isinstance(fitting, str):
                            schedule = (*_way(came, (node, models)), choice)
                            found.divergence = Divergence(start, tuple(asked), schedule, fitting)
                            return found
                        if fitting not in fits:
                            fits.add(fitting)
                            came.setdefault((then, fitting), ((node, models), choice))
                found.edges += 0 if known else len(there)
                if not there and new and (wrong := self._at_the_end(node, set(new))):
                    way = _way(came, (node, new[0]))
                    found.divergence = Divergence(start, tuple(asked), way, wrong)
                    return found
            levels.append(after)
            level = after
        found.nodes = len(following)
        paths: dict[Node, int] = {}
        for done in reversed(levels):
            for node in done:
                paths[node] = sum(paths[n] for n in following[node]) or 1
        found.interleavings = paths[first]
        return found

    def at(self, start: Start, asked: Sequence[Asked], *, deaths: int = MANY, failures: int = MANY) -> At:
        """Where a schedule of these operations begins."""
        places = [self.place(p, a).number for p, a in enumerate(asked)]
        words = (start.shared, tuple(a.word(self.program) for a in asked))
        return (start.state, *places, deaths, failures), self._number(frozenset({words}))

    def can(self, at: At) -> list[Choice]:
        """What can happen next."""
        return [choice for choice, _, _ in self.successors(at[0])]

    def take(self, at: At, choice: Choice) -> At | str | None:
        """Where a choice leads; what is wrong with it, in words; None if it cannot be taken."""
        for can, then, place in self.successors(at[0]):
            if can == choice:
                fitting = self._advance(at[1], choice, then[0], place)
                return fitting if isinstance(fitting, str) else (then, fitting)
        return None

    def at_the_end(self, at: At) -> str:
        """What is wrong where nothing more can happen; "" if nothing is."""
        return self._at_the_end(at[0], {at[1]})

    @property
    def rested(self) -> frozenset[tuple[int, int]]:
        """Where the model's processes stood between two steps of the implementation: shared and local words."""
        return frozenset((shared, word) for models in self._sets for shared, local in models for word in local)

    def fitting(self, at: At) -> frozenset[State]:
        """The states of the model that fit."""
        return self._sets[at[1]]

    def successors(self, node: Node) -> Iterator[tuple[Choice, Node, Place | None]]:
        """What can happen next, where it leads, and the place that the process is then at; None: it died."""
        state, *places, deaths, failures = node
        for p, number in enumerate(places):
            place = self.steps.places[number] if number != DEAD else None
            if place is None or place.ended:
                continue
            before, behind = node[1 : p + 1], node[p + 2 : -2]
            for n, edge in enumerate(self.steps.edges(state, place)):
                left = failures - (edge.failed is not None)
                if left >= 0:
                    yield Choice(p, n), (edge.state, *before, edge.place.number, *behind, deaths, left), edge.place
            if deaths and place.observed:
                after = self.steps.death(state, p)
                yield Choice(p, None), (after, *before, DEAD, *behind, deaths - 1, failures), None

    def _number(self, models: frozenset[State]) -> int:
        number = self._set_numbers.setdefault(models, len(self._sets))
        if number == len(self._sets):
            self._sets.append(models)
        return number

    def _advance(self, models: int, choice: Choice, state: int, place: Place | None) -> int | str:
        """The number of the model's states that fit after a choice that leads there, or what is wrong."""
        what = -1 if choice.which is None else bool(choice.which)
        end = place.number if place is not None and place.ended else DEAD
        view = self._view_of.get(state)
        if view is None:
            view = self._view_of[state] = self._number_of(self.view(state))
        key = (models, choice.process, view, end, what)
        known = self._advanced.get(key)
        if known is None:
            known = self._advanced[key] = self._work_out(self._sets[models], choice, self._views[view], place)
        return known

    def _number_of(self, view: View) -> int:
        number = self._view_numbers.setdefault(view, len(self._views))
        if number == len(self._views):
            self._views.append(view)
        return number

    def _work_out(self, models: frozenset[State], choice: Choice, view: View, place: Place | None) -> int | str:
        if view.stray:
            return f"the stores say {view.stray}, which stands for nothing in the model"
        if place is None:
            fitting = self.matching.die(models, choice.process, view)
        elif isinstance(place.outcome, Broken):
            return f"the operation broke: {place.outcome}"
        else:
            outcome, answer = self.ended(place)
            failed = bool(choice.which) or (view.half and outcome is Outcome.ERROR)
            fitting = self.matching.advance(models, choice.process, view, outcome, answer, failed=failed)
        if not fitting:
            return "no transition of the model leads to what the stores say"
        violated = next((v for shared, _ in fitting if (v := self._judge(shared)[0])), 0)
        if violated:
            return f"{', '.join(n for n, bit in BIT.items() if bit & violated)}: violated"
        return self._number(fitting)

    def ended(self, place: Place) -> tuple[Outcome, Answer | None]:
        """How the operation ended, if it did, and what a `retrieve` returned."""
        return self.steps.ended(place)

    def _at_the_end(self, node: Node, sets: set[int]) -> str:
        """What is wrong where nothing more can happen."""
        state, *places, _, _ = node
        left = [self.steps.places[n] for n in places if n != DEAD]
        if not all(place.ended for place in left):
            return "an operation waits for ever"
        if DEAD not in places and not any(isinstance(place.outcome, ToolstackError) for place in left):
            paused = self.steps.paused(state)
            layout = self.program.shared_layout
            allowed = {layout.get(shared, "paused") for n in sets for shared, _ in self._sets[n]}
            if paused is not None and paused not in allowed:
                return f"the domain is {'' if paused else 'not '}paused"
        return ""


def _way(came: Mapping[At, tuple[At, Choice]], at: At) -> tuple[Choice, ...]:
    """A shortest schedule that leads there."""
    found: list[Choice] = []
    while at in came:
        at, choice = came[at]
        found.append(choice)
    return tuple(reversed(found))
