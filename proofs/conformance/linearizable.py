"""Is a history of concurrent calls linearizable: can each be given an instant between its call and its return, so that
all in that order do what the specification says [Herlihy and Wing, 1990]?

The search is that of Wing and Gong, with Lowe's memory of what was tried ["Testing for linearizability", 2017]: of the
calls not placed yet, any that began before the first return among them can come next. Calls on different keys are
searched by themselves, for linearizability is local.

A call that never returned, because its process died, may take place at any time after it began, or never. So it can
as well take place later, unless somebody notices: it is placed only where the next call that returned would come out
otherwise without it. Else each such call would double what is to be searched.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
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


Matters = Callable[[S, Call, Call], bool]
"""Whether a call that never returned, placed after a state, could make a difference to another one. True does no harm
but for the time."""


Quiet = Callable[[Call], bool]
"""Whether a call that has returned changes nothing, in any state. False does no harm but for the time."""


def never(_call: Call) -> bool:
    """It may change something."""
    return False


def always(_state: object, _pending: Call, _call: Call) -> bool:
    """It may matter."""
    return True


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
    """The states there can have been when the window began; none: the limit was reached, and they are not known."""

    def __str__(self) -> str:
        if self.verdict is not Verdict.ILLEGAL:
            return f"{self.verdict.value} ({self.explored:,} looked at)"
        calls = "".join(f"\n  {call}" for call in self.window)
        was = f", which was one of {sorted(map(repr, self.states))}" if self.states else ""
        return f"{self.verdict.value}: {self.key!r}{was}:{calls}"


def check(
    calls: Iterable[Call],
    initial: S,
    step: Step[S],
    *,
    limit: int = LIMIT,
    matters: Matters[S] = always,
    quiet: Quiet = never,
) -> Result[S]:
    """Whether the history is linearizable, every key starting in the state `initial`."""
    by_key: defaultdict[Hashable, list[Call]] = defaultdict(list)
    for call in calls:
        if call.end < call.called:
            raise ValueError(f"it returned before it was called: {call}")
        by_key[call.key].append(call)
    explored = 0
    unknown: Result[S] | None = None
    for key, own in by_key.items():
        search = _Search(own, step, limit, matters, quiet)
        verdict = search.run(initial)
        explored += search.explored
        if verdict is Verdict.ILLEGAL:
            window, states = _window(own, initial, step, limit, matters, quiet)
            return Result(verdict, explored, key, window, states)
        if verdict is Verdict.UNKNOWN:
            unknown = unknown or Result(verdict, explored, key)
    return unknown or Result(Verdict.OK, explored)


@dataclass(frozen=True, slots=True)
class _Node(Generic[S]):
    """How far a search has come."""

    placed: int
    """The calls that have a place, as bits."""
    state: S
    base: S
    """The state after the last call that returned."""
    waiting: tuple[int, ...]
    """The calls placed since then; none of them has returned."""
    target: int = -1
    """The call for whose sake they were placed, which comes next."""


class _Search(Generic[S]):
    """Looks for an order of one key's calls."""

    def __init__(self, calls: Iterable[Call], step: Step[S], limit: int, matters: Matters[S], quiet: Quiet) -> None:
        ordered = sorted(calls, key=lambda call: (call.called, call.end))
        returned = [call for call in ordered if call.returned is not None]
        self._calls = [*returned, *(call for call in ordered if call.returned is None)]
        self._count = len(returned)
        self._all_returned = (1 << self._count) - 1
        self._step, self._limit, self._matters, self._quiet = step, limit, matters, quiet
        self.explored = 0
        self.ends: set[tuple[int, S]] = set()
        """Each way to have placed all that returned: the set of calls placed, and the state; if all are asked for."""

    def run(self, initial: S, *, all_ends: bool = False) -> Verdict:
        """Look for one order, or for all that they can lead to."""
        first = _Node(0, initial, initial, ())
        seen, stack, found = {first}, [first], False
        while stack:
            node = stack.pop()
            self.explored += 1
            if self.explored > self._limit:
                return Verdict.UNKNOWN
            if node.placed & self._all_returned == self._all_returned:
                found = True
                if not all_ends:
                    return Verdict.OK
                self.ends.add((node.placed, node.state))
            for new in reversed(list(self._after(node))):
                if new not in seen:
                    seen.add(new)
                    stack.append(new)
        return Verdict.OK if found else Verdict.ILLEGAL

    def _after(self, node: _Node[S]) -> Iterator[_Node[S]]:
        """Where it can go from there."""
        returned, pending = self._next(node.placed)
        if node.target < 0:
            for number in returned:
                call = self._calls[number]
                if self._quiet(call) and node.state in self._step(node.state, call):
                    yield _Node(node.placed | 1 << number, node.state, node.state, ())
                    return  # it fits, and nobody will notice
        for number in returned if node.target < 0 else [node.target]:
            call = self._calls[number]
            for state in self._step(node.state, call):
                if not self._can_wait(node, call, state):
                    yield _Node(node.placed | 1 << number, state, state, ())
            for other in pending:  # one that changes nothing is as if it had never happened
                if self._calls[other].called <= call.end and self._matters(node.state, self._calls[other], call):
                    for state in self._step(node.state, self._calls[other]):
                        if state != node.state and not self._is_swapped(node, other, state):
                            placed, waiting = node.placed | 1 << other, (*node.waiting, other)
                            yield _Node(placed, state, node.base, waiting, number)

    def _is_swapped(self, node: _Node[S], number: int, state: S) -> bool:
        """True if the last two calls placed could come in the other order as well, which is the one that is tried."""
        if not node.waiting or node.waiting[-1] < number:
            return False
        *before, last = node.waiting
        return state in self._reach(node.base, [*before, number, last])

    def _can_wait(self, node: _Node[S], call: Call, state: S) -> bool:
        """True if one of the calls placed since the last that returned could come after this one as well."""
        return any(
            state in self._reach(node.base, [*(n for n in node.waiting if n != number), call, number])
            for number in node.waiting
        )

    def _reach(self, state: S, calls: Iterable[int | Call]) -> set[S]:
        states = {state}
        for each in calls:
            call = self._calls[each] if isinstance(each, int) else each
            states = {after for before in states for after in self._step(before, call)}
        return states

    def _next(self, placed: int) -> tuple[list[int], list[int]]:
        """The calls that can come next: those that returned, and those that never did. Of the latter, of those that ask
        for the same the first will do."""
        first_end, returned = inf, []
        for number in range((~placed & placed + 1).bit_length() - 1, self._count):
            call = self._calls[number]
            if call.called > first_end:
                break
            if not placed >> number & 1:
                returned.append(number)
                first_end = min(first_end, call.end)
        pending: dict[Hashable, int] = {}
        for number in range(self._count, len(self._calls)):
            call = self._calls[number]
            if call.called > first_end:
                break
            if not placed >> number & 1:
                pending.setdefault(call.what, number)
        return returned, list(pending.values())


def _cut(calls: Sequence[Call], end: float) -> list[Call]:
    """What had been seen of the history at an instant."""
    begun = [call for call in calls if call.called <= end]
    return [
        call if call.end <= end else Call(call.key, call.called, None, call.what, None, call.process) for call in begun
    ]


def _window(
    calls: Sequence[Call], initial: S, step: Step[S], limit: int, matters: Matters[S], quiet: Quiet
) -> tuple[tuple[Call, ...], frozenset[S]]:
    """The shortest beginning of an illegal history that is illegal, from the last instant at which no call that has
    returned was under way."""
    calls = sorted(calls, key=lambda call: (call.called, call.end))
    ends = sorted(call.returned for call in calls if call.returned is not None)
    low, high = 0, len(ends) - 1
    while low < high:  # what continues an illegal history is illegal
        middle = (low + high) // 2
        if _Search(_cut(calls, ends[middle]), step, limit, matters, quiet).run(initial) is Verdict.ILLEGAL:
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
    search = _Search([call for call in seen if call.called < begin], step, limit, matters, quiet)
    whole = search.run(initial, all_ends=True) is Verdict.OK
    window = [call for call in seen if call.called >= begin or call.returned is None]
    return tuple(window), frozenset(state for _, state in search.ends) if whole else frozenset()
