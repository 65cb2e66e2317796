"""Every interleaving held against the atomic specification, and nothing else: a pass of its own over the exploration's
graph, independent of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from confsync.model.engine.search.alone import Answer
from confsync.proofs.conformance.asked import Asked
from confsync.proofs.conformance.atomic import Atomic, Configurations, observed, spec_of
from confsync.proofs.conformance.explore import Choice, Explorer, Node, Start
from confsync.proofs.conformance.steps import Place


@dataclass(frozen=True, slots=True)
class Linearized:
    """What was covered. `checks`: edges, times the different sets of configurations that they were held against."""

    nodes: int
    checks: int
    wrong: tuple[Choice, ...] | None = None
    """A shortest schedule whose results no order of the operations explains; None if there is none."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """What an edge says to who sees calls and returns only."""

    process: int
    called: bool
    returned: bool = False
    died: bool = False
    result: Answer | str | None = None

    def on(self, atomic: Atomic, configurations: Configurations) -> Configurations:
        """The configurations after it."""
        if self.called:
            configurations = atomic.call(configurations, self.process)
        if self.died:
            return atomic.die(configurations, self.process)
        return atomic.end(configurations, self.process, self.result) if self.returned else configurations


def event(explorer: Explorer, node: Node, choice: Choice, place: Place | None) -> Event:
    """What the edge says. `node`: where it begins; `place`: where the process then is."""
    called = not explorer.steps.places[node[1 + choice.process]].observed
    if place is None or not place.ended:
        return Event(choice.process, called, died=place is None)
    return Event(choice.process, called, returned=True, result=observed(place, explorer.ended(place)[1]))


Here = tuple[Node, int]
"""A node, and the number of the set of configurations on the way to it."""


def linearize(
    explorer: Explorer, start: Start, asked: Sequence[Asked], *, deaths: int = 0, failures: int = 0
) -> Linearized:
    """Every interleaving of these operations, one a process, with up to so many deaths and failures."""
    atomic = Atomic(asked)
    first = explorer.at(start, asked, deaths=deaths, failures=failures)[0]
    sets = [atomic.begin(spec_of(explorer.program, start.shared))]
    numbers = {sets[0]: 0}
    following: dict[tuple[int, Event], int] = {}
    came: dict[Here, tuple[Here, Choice] | None] = {(first, 0): None}
    level: dict[Node, list[int]] = {first: [0]}
    nodes, checks = {first}, 0
    while level:
        after: dict[Node, list[int]] = {}
        for node, theirs in level.items():
            for choice, then, place in explorer.successors(node):
                happened = event(explorer, node, choice, place)
                for n in theirs:
                    checks += 1
                    if (n, happened) not in following:
                        found = happened.on(atomic, sets[n])
                        if not found:
                            way = (*_way(came, (node, n)), choice)
                            return Linearized(len(nodes), checks, way, _reason(asked, happened))
                        following[n, happened] = numbers.setdefault(found, len(sets))
                        if len(numbers) > len(sets):
                            sets.append(found)
                    there = (then, following[n, happened])
                    if there not in came:
                        came[there] = ((node, n), choice)
                        after.setdefault(then, []).append(there[1])
        nodes |= after.keys()
        level = after
    return Linearized(len(nodes), checks)


def _way(came: Mapping[Here, tuple[Here, Choice] | None], here: Here) -> tuple[Choice, ...]:
    found: list[Choice] = []
    while (step := came[here]) is not None:
        here, choice = step
        found.append(choice)
    return tuple(reversed(found))


def _reason(asked: Sequence[Asked], happened: Event) -> str:
    said = "success" if happened.result is None else happened.result
    return f"no order of the operations explains that {asked[happened.process]} returned {said}"
