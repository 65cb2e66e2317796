"""Check designs: which properties hold within bounds, and the shortest trace for each that does not.

Each property is decided on the slices of the state that can have a say in it (`confsync.model.engine.slice`), and the
properties with the same slice in one search. A search ends when it has covered everything, or nothing in it is
open any more.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from confsync.model.engine.memory import LimitReached
from confsync.model.engine.program import Program
from confsync.model.engine.search.alone import Answer
from confsync.model.engine.search.bfs import Limits, Progress, Search
from confsync.model.engine.search.exact import suspects, watching
from confsync.model.engine.search.frontier import States
from confsync.model.engine.search.lookouts import first_unseen
from confsync.model.engine.search.monitor import Monitor
from confsync.model.engine.search.pairs import Pairs
from confsync.model.engine.search.rebuild import rebuild
from confsync.model.engine.search.recover import Recoveries
from confsync.model.engine.slice import cone, values_are_alike
from confsync.model.engine.verdict import Cell, Verdict
from confsync.model.language import Bounds, Design, Linearizable, Recoverable, Slice

AGAIN = 3
"""How many times as many states there must be before it is asked again what takes more than a look at each."""


JOINTLY = "jointly"
"""The slice that is the whole: where a slice leaves it in doubt, whether an answer is exact is decided there."""


@dataclass(slots=True)
class _Open:
    """What one slice has found of its properties."""

    refuted: dict[str, tuple[int, Search, States]] = field(default_factory=dict)
    met: int = 0
    stopped: dict[str, str] = field(default_factory=dict)
    """By property, the limit that a search for it alone reached."""


@dataclass(frozen=True, slots=True)
class Examined:
    """A design's cells; and over all its searches how often each transition was taken, and the values seen of
    each guard, by (operation, step) and (operation, step, which guard)."""

    cells: list[Cell]
    taken: dict[tuple[str, str, str], int]
    guards: dict[tuple[str, str, int], frozenset[bool]]
    states: int
    transitions: int
    peak_bytes: int
    """The most memory that the searches held at a time."""


class Examination:
    """The searches that decide a design's properties."""

    def __init__(
        self,
        design: Design,
        bounds: Bounds,
        names: Iterable[str] | None = None,
        *,
        symmetric: bool = True,
        limits: Limits | None = None,
    ) -> None:
        """LanguageError if the design is no design."""
        self.whole = Program(design, bounds)
        self.protocol, self._bit = design.protocol, design.protocol.bits
        self.names = tuple(self.protocol.properties if names is None else names)
        self.symmetric, self.limits = symmetric, limits or Limits()
        self._searches: dict[str, tuple[Search, _Open]] = {}
        self._seconds: dict[str, float] = {}
        self._peak = 0
        self._doubtful = False
        """Some slice had results that were out of date when their last part was read."""

    def run(self) -> Examined:
        """Decide all properties asked for."""
        for part in self.protocol.slices:
            asked = [n for n in part.properties if n in self.names]
            if asked:
                began = time.perf_counter()
                self._search(part, asked)
                self._seconds[part.name] = time.perf_counter() - began
        if self._doubtful:
            self._search_jointly()
        taken, guards = self._coverage()
        searches = [s for s, _ in self._searches.values()]
        return Examined(
            [self._cell(n) for n in self.names],
            taken,
            guards,
            sum(s.found.states for s in searches),
            sum(s.found.transitions for s in searches),
            self._peak,
        )

    def _shortest_so_far(self, name: str) -> int | None:
        lengths = [o.refuted[name][0] for _, o in self._searches.values() if name in o.refuted]
        return min(lengths, default=None)

    def _search(self, part: Slice, asked: list[str]) -> None:
        bounds = self.whole.bounds
        if part.alike and values_are_alike(self.whole):
            bounds = replace(bounds, **{sort.bound: 1 for sort in part.alike})  # type: ignore[type-var]
        program = Program(self.whole.design, bounds, only=cone(self.whole, part.seeds))
        pairs = Pairs(program)
        search = Search(program, pairs, Monitor(program, pairs.shared, pairs.local, asked), symmetric=self.symmetric)
        known = {n: self._shortest_so_far(n) for n in asked}
        state, limits = _Open(), self._limits()
        self._searches[part.name] = (search, state)
        others = [n for n in asked if isinstance(self.protocol.properties[n], Recoverable | Linearizable)]
        by_search = [n for n in asked if n not in others]
        tried = 0

        def settled(name: str, level: int) -> bool:
            found = self._bit[name] in search.found.first or name in state.refuted
            length = known[name]
            return found or (length is not None and level >= length)

        def enough(level: int) -> bool:
            nonlocal tried
            if not all(settled(n, level) for n in by_search):
                return False
            left = [n for n in others if not settled(n, level)]
            if left and search.found.states >= AGAIN * tried:
                tried = search.found.states
                self._decide(part, left, level)
            if not all(settled(n, level) for n in others):
                return False
            # What another slice refuted may have a shorter trace among what was covered here.
            self._decide(part, [n for n in others if n not in state.refuted], level)
            return True

        search.run(limits, enough)
        if not search.found.stopped:
            self._decide(part, [n for n in others if not settled(n, search.found.depth)], None)
        for n in by_search:
            if self._bit[n] in search.found.first:
                level, target = search.found.first[self._bit[n]]
                state.refuted[n] = (level, search, target)
        state.met |= search.found.met

    def _decide(self, part: Slice, names: list[str], level: int | None) -> None:
        """Decide what takes more than a look at each state; `level` is the last one covered, None if all are."""
        search, state = self._searches[part.name]
        for name in names:
            p = self.protocol.properties[name]
            if isinstance(p, Recoverable):
                recoveries = Recoveries(search, part.recovery or p.recovery, replace(self._limits(), max_states=None))
                self._decide_recovery(name, search, state, recoveries)
            elif suspected := suspects(search.pairs):
                self._doubtful = True
                self._decide_exactness(name, search, state, suspected, level)

    def _decide_recovery(self, name: str, search: Search, state: _Open, recoveries: Recoveries) -> None:
        try:
            first, met = recoveries.first_hopeless()
        except LimitReached as limit:
            state.stopped[name] = str(limit)
            return
        state.stopped[name] = ""
        state.met |= self._bit[name] if met else 0
        if first:
            state.refuted[name] = (first[0], search, first[1])

    def _decide_exactness(
        self, name: str, search: Search, state: _Open, suspected: set[Answer], level: int | None
    ) -> None:
        """Whether the observer returns one of these answers where it was never true; `level` as in `_decide`."""
        limits = replace(self._limits(), max_states=None)
        found = first_unseen(search, suspected, limits, level)
        stopped, depth = found.stopped, found.depth
        if found.answer is not None:
            # A trace is looked for among states that are on the look-out for this answer alone.
            watch = watching(search.program, {found.answer}, symmetric=self.symmetric)
            told = watch.run(limits, lambda n: self._bit[name] in watch.found.first or n == depth)
            stopped = told.stopped
            if not stopped:
                at, target = told.first[self._bit[name]]
                assert at == depth, f"two ways to decide `{name}` do not agree"
                state.refuted[name] = (at, watch, target)
        state.stopped[name] = stopped

    def _limits(self) -> Limits:
        """The limits of what is searched next: what other searches hold is taken from them."""
        held = self.limits.held + sum(s.nbytes() for s, _ in self._searches.values())

        def go_on(here: Progress) -> bool:
            self._peak = max(self._peak, held + here.nbytes)
            return self.limits.go_on(here)

        return replace(self.limits, held=held, go_on=go_on)

    def _search_jointly(self) -> None:
        """Whether answers are exact, on the whole state: each part of an answer may have been true at an instant, and
        no instant be that of all. As deep as a shorter trace than the slices' could be."""
        began = time.perf_counter()
        (name,) = (n for n in self.names if isinstance(self.protocol.properties[n], Linearizable))
        shortest = self._shortest_so_far(name)
        pairs = Pairs(self.whole)
        search = Search(self.whole, pairs, Monitor(self.whole, pairs.shared, pairs.local, []), symmetric=self.symmetric)
        limits = self._limits()
        part = Slice(JOINTLY, (name,), frozenset())
        self._searches[JOINTLY] = (search, _Open())
        search.run(limits, lambda level: shortest is not None and level >= shortest - 1)
        if not search.found.stopped:
            self._decide(part, [name], None if shortest is None else shortest - 1)
        self._seconds[JOINTLY] = time.perf_counter() - began

    def _cell(self, name: str) -> Cell:
        slices = {part.name for part in self.protocol.slices if name in part.properties}
        if isinstance(self.protocol.properties[name], Linearizable):
            slices.add(JOINTLY)
        found = [(s, o, part) for part, (s, o) in self._searches.items() if part in slices]
        refuted = [o.refuted[name] for _, o, _ in found if name in o.refuted]
        reached = (s.found.stopped or o.stopped.get(name, "") for s, o, _ in found)
        stopped = next((limit for limit in reached if limit), "")
        met = any(o.met & self._bit[name] for _, o, _ in found)
        seconds = sum(self._seconds[part] for _, _, part in found)
        verdict = Verdict.BOUNDED if stopped else Verdict.EXHAUSTED
        trace, depth = None, max(s.found.depth for s, _, _ in found)
        if refuted:
            verdict = Verdict.REFUTED
            depth, search, target = min(refuted, key=lambda r: r[0])
            trace = rebuild(search, self.whole, target, depth)
        return Cell(
            self.whole.design.name,
            name,
            verdict,
            self.whole.bounds,
            sum(s.found.states for s, _, _ in found),
            sum(s.found.transitions for s, _, _ in found),
            depth,
            seconds,
            vacuous=verdict is Verdict.EXHAUSTED and not met,
            stopped="" if refuted else stopped,
            trace=trace,
            statement=self.protocol.properties[name].statement,
            sometimes=self.protocol.properties[name].sometimes,
        )

    def _coverage(self) -> tuple[dict[tuple[str, str, str], int], dict[tuple[str, str, int], frozenset[bool]]]:
        taken: dict[tuple[str, str, str], int] = {}
        guards: dict[tuple[str, str, int], set[bool]] = {}
        points = self.whole.points
        for search, _ in self._searches.values():
            for label, count in search.taken().items():
                key = (*points[label.point].place, label.kind.value)
                taken[key] = taken.get(key, 0) + count
            for point, which, value in search.pairs.seen:
                guards.setdefault((*points[point].place, which), set()).add(value)
        return taken, {k: frozenset(v) for k, v in guards.items()}


def check(
    design: Design,
    bounds: Bounds,
    names: Iterable[str] | None = None,
    *,
    symmetric: bool = True,
    limits: Limits | None = None,
) -> Examined:
    """Decide properties of a design within bounds; all of its protocol's, if none is named. LanguageError if the design
    is no design."""
    return Examination(design, bounds, names, symmetric=symmetric, limits=limits).run()
