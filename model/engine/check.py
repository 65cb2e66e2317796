"""Check designs: which properties hold within bounds, and the shortest trace for each that does not.

Each property is decided on the slices of the state that can have a say in it (`confsync.model.engine.slice`), and the
properties with the same slice in one search. A search ends when it has covered everything, or nothing in it is
open any more.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from confsync.model.engine.footprint import probe
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
from confsync.model.engine.search.recover import Recovery
from confsync.model.engine.slice import cone, configurations_are_alike
from confsync.model.engine.verdict import Cell, Verdict
from confsync.model.language.step import Design
from confsync.model.libxl.properties import BIT, PROPERTIES, Decided
from confsync.model.libxl.state import RESULT, Bounds

AGAIN = 3
"""How many times as many states there must be before it is asked again what takes more than a look at each."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Properties that are decided together, and the fields they are about. `which`: it matters which
    configuration stands at a slot, and not only whether one does."""

    name: str
    properties: tuple[str, ...]
    seeds: frozenset[str]
    which: bool


def _over_stores() -> frozenset[str]:
    overs = [f for p in PROPERTIES.values() for f in (p.holds, p.met) if f]
    return frozenset(x for o in overs for x in probe(lambda s, me, o=o: o(s, me.slot), "", ghosts=True).reads_shared)  # type: ignore[misc]


SLICES = (
    Slice("processes", ("lock_is_exclusive", "lock_order_is_acyclic", "every_operation_ends"), frozenset(), False),
    Slice(
        "devices",
        tuple(n for n, p in PROPERTIES.items() if p.decided is not Decided.PROCESSES and n != "knobs_are_reflected"),
        _over_stores() | {"draft"},
        True,
    ),
    Slice(
        "knobs",
        ("retrieve_is_exact", "knobs_are_reflected", "retrieve_is_a_fixed_point"),
        frozenset({"alive", "saved", "name", "memory", "granted", "torn", *RESULT}) - {"draft"},
        False,
    ),
    Slice(
        "memory",
        ("always_recoverable",),
        frozenset({"alive", "saved", "paused", "memory", "granted"}),
        False,
    ),
)
"""A whole configuration is a fixed point, or in agreement, if its devices are and its knobs are. It is exact if both
are at the instant when the last part is read; else see JOINTLY."""


JOINTLY = Slice("jointly", ("retrieve_is_exact",), frozenset(), True)
"""Where a slice leaves it in doubt, whether a result is exact is decided on everything at once."""


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
        names: Iterable[str],
        *,
        symmetric: bool = True,
        limits: Limits | None = None,
    ) -> None:
        """LanguageError if the design is no design."""
        self.whole = Program(design, bounds)
        self.names = tuple(names)
        self.symmetric, self.limits = symmetric, limits or Limits()
        self._searches: dict[str, tuple[Search, _Open]] = {}
        self._seconds: dict[str, float] = {}
        self._peak = 0
        self._doubtful = False
        """Some slice had results that were out of date when their last part was read."""

    def run(self) -> Examined:
        """Decide all properties asked for."""
        for part in SLICES:
            asked = [n for n in part.properties if n in self.names]
            if asked:
                began = time.perf_counter()
                self._search(part, asked)
                self._seconds[part.name] = time.perf_counter() - began
        if "retrieve_is_exact" in self.names and self._doubtful:
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
        if not part.which and configurations_are_alike(self.whole):
            bounds = replace(bounds, configs=1)
        program = Program(self.whole.design, bounds, only=cone(self.whole, part.seeds))
        pairs = Pairs(program)
        search = Search(program, pairs, Monitor(program, pairs.shared, pairs.local, asked), symmetric=self.symmetric)
        known = {n: self._shortest_so_far(n) for n in asked}
        state, limits = _Open(), self._limits()
        self._searches[part.name] = (search, state)
        by_search = [n for n in asked if PROPERTIES[n].decided not in (Decided.GRAPH, Decided.WATCH)]
        others = [n for n in asked if n not in by_search]
        tried = 0

        def settled(name: str, level: int) -> bool:
            found = BIT[name] in search.found.first or name in state.refuted
            length = known[name]
            return found or (length is not None and level >= length)

        def enough(level: int) -> bool:
            nonlocal tried
            if not all(settled(n, level) for n in by_search):
                return False
            left = [n for n in others if not settled(n, level)]
            if left and search.found.states >= AGAIN * tried:
                tried = search.found.states
                self._decide(search, state, left, level)
            if not all(settled(n, level) for n in others):
                return False
            # What another slice refuted may have a shorter trace among what was covered here.
            self._decide(search, state, [n for n in others if n not in state.refuted], level)
            return True

        search.run(limits, enough)
        if not search.found.stopped:
            self._decide(search, state, [n for n in others if not settled(n, search.found.depth)], None)
        for n in by_search:
            if BIT[n] in search.found.first:
                level, target = search.found.first[BIT[n]]
                state.refuted[n] = (level, search, target)
        state.met |= search.found.met

    def _decide(self, search: Search, state: _Open, names: list[str], level: int | None) -> None:
        """Decide what takes more than a look at each state; `level` is the last one covered, None if all are."""
        if "always_recoverable" in names:
            self._decide_recovery(search, state)
        if "retrieve_is_exact" in names and (suspected := suspects(search.pairs)):
            self._doubtful = True
            self._decide_exactness(search, state, suspected, level)

    def _decide_recovery(self, search: Search, state: _Open) -> None:
        name = "always_recoverable"
        try:
            first, met = Recovery(search, replace(self._limits(), max_states=None)).first_hopeless()
        except LimitReached as limit:
            state.stopped[name] = str(limit)
            return
        state.stopped[name] = ""
        state.met |= BIT[name] if met else 0
        if first:
            state.refuted[name] = (first[0], search, first[1])

    def _decide_exactness(self, search: Search, state: _Open, suspected: set[Answer], level: int | None) -> None:
        """Whether a retrieve returns one of these answers where it was never true; `level` as in `_decide`."""
        name, limits = "retrieve_is_exact", replace(self._limits(), max_states=None)
        found = first_unseen(search, suspected, limits, level)
        stopped, depth = found.stopped, found.depth
        if found.answer is not None:
            # A trace is looked for among states that are on the look-out for this answer alone.
            watch = watching(search.program, {found.answer}, symmetric=self.symmetric)
            told = watch.run(limits, lambda n: BIT[name] in watch.found.first or n == depth)
            stopped = told.stopped
            if not stopped:
                at, target = told.first[BIT[name]]
                assert at == depth, "two ways to decide `retrieve_is_exact` do not agree"
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
        """`retrieve_is_exact` on the whole state: each part of a result may have been true at an instant, and no
        instant be that of all. As deep as a shorter trace than the slices' could be."""
        began = time.perf_counter()
        shortest = self._shortest_so_far("retrieve_is_exact")
        pairs = Pairs(self.whole)
        search = Search(self.whole, pairs, Monitor(self.whole, pairs.shared, pairs.local, []), symmetric=self.symmetric)
        state, limits = _Open(), self._limits()
        self._searches[JOINTLY.name] = (search, state)
        search.run(limits, lambda level: shortest is not None and level >= shortest - 1)
        if not search.found.stopped:
            self._decide(search, state, ["retrieve_is_exact"], None if shortest is None else shortest - 1)
        self._seconds[JOINTLY.name] = time.perf_counter() - began

    def _cell(self, name: str) -> Cell:
        found = [(s, o, part) for part, (s, o) in self._searches.items() if name in _slice(part).properties]
        refuted = [o.refuted[name] for _, o, _ in found if name in o.refuted]
        reached = (s.found.stopped or o.stopped.get(name, "") for s, o, _ in found)
        stopped = next((limit for limit in reached if limit), "")
        met = any(o.met & BIT[name] for _, o, _ in found)
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


def _slice(name: str) -> Slice:
    return next(s for s in (*SLICES, JOINTLY) if s.name == name)


def check(
    design: Design,
    bounds: Bounds,
    names: Iterable[str] = PROPERTIES,
    *,
    symmetric: bool = True,
    limits: Limits | None = None,
) -> Examined:
    """Decide properties of a design within bounds. LanguageError if the design is no design."""
    return Examination(design, bounds, names, symmetric=symmetric, limits=limits).run()
