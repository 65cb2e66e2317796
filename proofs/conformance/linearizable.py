"""Is a history of concurrent calls linearizable: can each be given an instant between its call and its return, so that
all in that order do what the specification says [Herlihy and Wing, 1990]?

The search is that of Wing and Gong, with Lowe's memory of what was tried ["Testing for linearizability", 2017]: of the
calls not placed yet, any that began before the first return among them can come next. Calls on different keys are
searched by themselves, for linearizability is local.

A call that never returned, because its process died, may take place at any time after it began, or never.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from math import inf
from typing import Generic, TypeVar

S = TypeVar("S", bound=Hashable)
LIMIT = 1_000_000
"""How many pairs of a set of placed calls and a state are looked at, for each key."""


class Verdict(Enum):
    """UNKNOWN: the limit was reached. It is never a pass."""

    OK = "linearizable"
    ILLEGAL = "not linearizable"
    UNKNOWN = "not known: the search came to its limit"


@dataclass(frozen=True, slots=True)
class Call:
    """One call, as its caller saw it."""

    key: Hashable
    """What it is about: calls on different keys do not touch each other."""
    called: float
    returned: float | None
    """When, by one clock for all; None: never."""
    what: Hashable
    answer: Hashable = None
    process: str = ""

    @property
    def end(self) -> float:
        """When it returned, or never."""
        return inf if self.returned is None else self.returned

    def __str__(self) -> str:
        until = "never returned" if self.returned is None else f"{self.returned:g} answered {self.answer!r}"
        return f"{self.process or '?'} called {self.what!r} at {self.called:g}, {until}"


Step = Callable[[S, Call], Iterable[S]]
"""The specification: the states that a call may lead to from a state, having answered what it did; none if it could not
have answered that. A call that never returned has no answer: all that it may do."""


@dataclass(frozen=True, slots=True)
class Result(Generic[S]):
    """A verdict; where it is ILLEGAL, the smallest piece of one key's history that shows it."""

    verdict: Verdict
    explored: int
    key: Hashable = None
    window: tuple[Call, ...] = ()
    """The calls that cannot be ordered: from the last instant at which none was under way, to the return that is one
    too many. What had not returned by then may have happened; so may what died earlier, which is in it too."""
    states: frozenset[S] = frozenset()
    """The states there can have been when the window began."""

    def __str__(self) -> str:
        if self.verdict is not Verdict.ILLEGAL:
            return f"{self.verdict.value} ({self.explored:,} looked at)"
        calls = "".join(f"\n  {call}" for call in self.window)
        return f"{self.verdict.value}: {self.key!r}, which was one of {sorted(map(repr, self.states))}:{calls}"


def check(calls: Iterable[Call], initial: S, step: Step[S], *, limit: int = LIMIT) -> Result[S]:
    """Whether the history is linearizable, every key starting in the state `initial`."""
    by_key: defaultdict[Hashable, list[Call]] = defaultdict(list)
    for call in calls:
        if call.end < call.called:
            raise ValueError(f"it returned before it was called: {call}")
        by_key[call.key].append(call)
    explored = 0
    unknown: Result[S] | None = None
    for key, own in by_key.items():
        search = _Search(sorted(own, key=lambda call: (call.called, call.end)), step, limit)
        verdict = search.run(initial)
        explored += search.explored
        if verdict is Verdict.ILLEGAL:
            window, states = _window(own, initial, step, limit)
            return Result(verdict, explored, key, window, states)
        if verdict is Verdict.UNKNOWN:
            unknown = unknown or Result(verdict, explored, key)
    return unknown or Result(Verdict.OK, explored)


@dataclass(slots=True)
class _Search(Generic[S]):
    """Looks for an order of one key's calls, which are given in the order in which they began."""

    calls: Sequence[Call]
    step: Step[S]
    limit: int
    explored: int = 0
    ends: set[tuple[int, S]] = field(default_factory=set)
    """Each way to have placed all that returned: the set of calls placed, and the state; if all are asked for."""

    def run(self, initial: S, *, all_ends: bool = False) -> Verdict:
        """Look for one order, or for all that they can lead to."""
        returned = sum(1 << n for n, call in enumerate(self.calls) if call.returned is not None)
        seen = {(0, initial)}
        stack = [(0, initial)]
        found = False
        while stack:
            placed, state = stack.pop()
            self.explored += 1
            if self.explored > self.limit:
                return Verdict.UNKNOWN
            if placed & returned == returned:
                found = True
                if not all_ends:
                    return Verdict.OK
                self.ends.add((placed, state))
            for number in reversed(self._next(placed)):
                for after in self.step(state, self.calls[number]):
                    if after == state and self.calls[number].returned is None:
                        continue  # as if it had never happened
                    new = placed | 1 << number, after
                    if new not in seen:
                        seen.add(new)
                        stack.append(new)
        return Verdict.OK if found else Verdict.ILLEGAL

    def _next(self, placed: int) -> list[int]:
        """The calls that can come next. Of calls that never returned and ask for the same, the first will do."""
        first_end, found, asked = inf, [], set()
        number = (~placed & placed + 1).bit_length() - 1
        while number < len(self.calls):
            call = self.calls[number]
            if call.called > first_end:
                break
            if not placed >> number & 1:
                if call.returned is not None:
                    found.append(number)
                    first_end = min(first_end, call.returned)
                elif call.what not in asked:
                    asked.add(call.what)
                    found.append(number)
            number += 1
        return found


def _cut(calls: Sequence[Call], end: float) -> list[Call]:
    """What had been seen of the history at an instant."""
    begun = [call for call in calls if call.called <= end]
    return [
        call if call.end <= end else Call(call.key, call.called, None, call.what, None, call.process) for call in begun
    ]


def _window(calls: Sequence[Call], initial: S, step: Step[S], limit: int) -> tuple[tuple[Call, ...], frozenset[S]]:
    """The shortest beginning of an illegal history that is illegal, from the last instant at which no call that has
    returned was under way."""
    calls = sorted(calls, key=lambda call: (call.called, call.end))
    ends = sorted(call.returned for call in calls if call.returned is not None)
    low, high = 0, len(ends) - 1
    while low < high:  # what continues an illegal history is illegal
        middle = (low + high) // 2
        if _Search(_cut(calls, ends[middle]), step, limit).run(initial) is Verdict.ILLEGAL:
            high = middle
        else:
            low = middle + 1
    seen = _cut(calls, ends[low])
    came_back = [call for call in calls if call.returned is not None and call.called <= ends[low]]
    begin = max(
        call.called
        for call in came_back
        if all(other.end < call.called or other.called >= call.called for other in came_back)
    )
    search = _Search([call for call in seen if call.called < begin], step, limit)
    search.run(initial, all_ends=True)
    window = [call for call in seen if call.called >= begin or call.returned is None]
    return tuple(window), frozenset(state for _, state in search.ends)
