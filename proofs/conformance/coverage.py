"""The other direction: which of the model's transitions the implementation took, within the same bounds.

The model's are found by a search of its own: the same operations on the same starts, with as many deaths and as many
failures. Each transition that was not taken has a reason, or is a hole.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum

from confsync.model.engine.program import Kind, Program, Transition
from confsync.proofs.conformance.explore import Explorer
from confsync.proofs.conformance.matching import Taken
from confsync.proofs.conformance.scope import Scope, starts, together


class Reason(Enum):
    """Why the implementation did not take a transition of the model."""

    PASSES = "it passes there without a stop: what comes before and after is one call, so it cannot die between"
    BEHIND = "it comes only from such a place: somebody else would have had to come in between there"
    HOLE = "no reason is known"


@dataclass(frozen=True, slots=True)
class Missing:
    """Transitions of one step that were not taken, for one reason."""

    operation: str
    step: str
    kind: Kind
    reason: Reason
    count: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the model the implementation took. A transition is one process's step from one pair of a shared and
    a local word."""

    reachable: int
    taken: int
    missing: tuple[Missing, ...]

    @property
    def holes(self) -> int:
        """Transitions that were not taken, and nobody knows why."""
        return sum(m.count for m in self.missing if m.reason is Reason.HOLE)


class ModelSearch:
    """The model's transitions, found without the implementation."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._moves: dict[tuple[int, int], list[Transition]] = {}

    def reachable(
        self, shared: int, words: tuple[int, ...], failures: int, stops: frozenset[tuple[int, int]] | None = None
    ) -> set[Taken]:
        """Every transition that one of these processes can take, on some way from there with so many failures. `stops`:
        the pairs at which a process can be interrupted, or die; by default, all."""
        begun, found = set(words), set[Taken]()
        first = (shared, words, failures)
        seen, todo = {first}, [first]
        while todo:
            here, local, left = todo.pop()
            within = [p for p, w in enumerate(local) if w and w not in begun and (here, w) not in (stops or ())]
            between = within if stops is not None else []
            for p, word in enumerate(local):
                if not word or (between and p not in between):
                    continue
                for t in self._of(here, word):
                    if t.label.kind is Kind.CRASH and (word in begun or between):
                        continue  # who has taken no step has touched nothing
                    then = left - (t.label.kind is Kind.FAILS)
                    if then < 0:
                        continue
                    found.add((here, word, t))
                    there = (t.shared, (*local[:p], t.local, *local[p + 1 :]), then)
                    if there not in seen:
                        seen.add(there)
                        todo.append(there)
        return found

    def _of(self, shared: int, word: int) -> list[Transition]:
        key = (shared, word)
        if key not in self._moves:
            self._moves[key] = list(self._program.transitions(shared, word, set()))
        return self._moves[key]


def coverage(explorer: Explorer, scope: Scope, taken: frozenset[Taken], rested: frozenset[tuple[int, int]]) -> Coverage:
    """What of the model's transitions within the scope is among those taken. `rested`: where the implementation's
    processes stood between two steps, as pairs of a shared and a local word."""
    search = ModelSearch(explorer.program)
    reachable, with_stops = set[Taken](), set[Taken]()
    for start in starts(explorer).values():
        for asked in together(scope):
            words = tuple(a.word(explorer.program) for a in asked)
            reachable |= search.reachable(start.shared, words, scope.failures)
            with_stops |= search.reachable(start.shared, words, scope.failures, rested)
    missing = reachable - taken
    passed = {(shared, word) for shared, word, _ in taken}
    counted: Counter[tuple[str, str, Kind, Reason]] = Counter()
    for shared, word, t in missing:
        pair = (shared, word)
        reason = Reason.PASSES if pair in passed and pair not in rested else Reason.BEHIND
        reason = Reason.HOLE if (shared, word, t) in with_stops else reason
        counted[*explorer.program.points[t.label.point].place, t.label.kind, reason] += 1
    found = tuple(Missing(*what, n) for what, n in sorted(counted.items(), key=_order))
    return Coverage(len(reachable), len(reachable & taken), found)


def _order(counted: tuple[tuple[str, str, Kind, Reason], int]) -> tuple[int, str, str, str]:
    (operation, step, kind, reason), _ = counted
    return list(Reason).index(reason), operation, step, kind.value
