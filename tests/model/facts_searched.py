"""The search's answer to each fact: the concrete program, and what the search looks at in a state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
from facts.plain import (
    CD,
    DISK,
    FAILS,
    HOLDS,
    LOCKED,
    PLACES,
    VACUOUS,
    Answer,
    Asked,
    Call,
    Exact,
    Host,
    Quiescent,
    Recoverable,
    Returned,
    Run,
    Seen,
    Statement,
    Told,
)
from facts_driver import Came, Stepped, follow
from facts_fields import NO_NIC, arguments, bounds_of, design_of, result, shared_fields, shared_host, told

from confsync.model.engine.concrete import Layout, WordCells
from confsync.model.engine.program import IDLE, Kind, Program
from confsync.model.engine.search.alone import Alone
from confsync.model.engine.search.bfs import Search
from confsync.model.engine.search.exact import suspects
from confsync.model.engine.search.monitor import InvariantJudge, Monitor
from confsync.model.engine.search.pairs import Pairs
from confsync.model.engine.search.recover import Recoveries
from confsync.model.libxl.operations import RESULT
from confsync.model.libxl.protocol import BIT
from confsync.model.libxl.recovery import WHOLE, may_be_destroyed, memory_agrees, runs, slot_agrees, whole_agrees
from confsync.model.libxl.state import SLOT, Shared
from confsync.proofs.libxl.specification import Domain, see

_KINDS = {Came.FAILED: Kind.FAILS, Came.DEAD: Kind.CRASH}
_CAME = {Kind.STEP: Came.TAKEN, Kind.REFUSED: Came.REFUSED, Kind.FAILS: Came.FAILED, Kind.CRASH: Came.DEAD}


@cache
def searched(design: str, places: Sequence[str] = PLACES) -> Searched:
    """The search's view of a design."""
    return Searched(design, places)


class Searched:
    """A design's program, for hosts and calls of facts. A state is a shared word, a process its local word."""

    def __init__(self, design: str, places: Sequence[str]) -> None:
        self.places = places
        self.program = Program(design_of(design), bounds_of(places))
        self.alone = Alone(self.program)

    def shared(self, host: Host) -> int:
        word = 0
        for name, value in shared_fields(host, self.places).items():
            word = self.program.shared_layout.put(word, name, value)
        return word

    def host(self, shared: int) -> Host:
        layout = self.program.shared_layout
        return shared_host({name: layout.get(shared, name) for name in layout.places}, self.places)

    def begin(self, call: Call) -> int:
        word = self.program.local_layout.put(IDLE, "at", self.program.first[call.operation])
        for name, value in arguments(call, self.places).items():
            word = self.program.local_layout.put(word, name, value)
        return word

    def writes(self, process: int) -> Iterable[str]:
        touched = self.program.footprints[self.program.points[self.program.point_of(process)].step]
        return touched.writes_shared | touched.writes_local

    def cleans_up(self, process: int) -> bool:
        return self.program.points[self.program.point_of(process)].cleaning_up

    def step(self, shared: int, process: int, wanted: Came) -> Stepped[int, int]:
        program, point = self.program, self.program.point_of(process)
        if wanted is Came.DEAD:
            effects = [program.crash(point, shared, process)]
        else:
            effects = list(program.outcomes(point, shared, process, set()) or ())
        if not effects:
            return Stepped(Came.WAITS, shared, process)
        by_kind = {effect.kind: effect for effect in effects if effect}
        effect = by_kind[_KINDS[wanted]] if wanted in _KINDS else (by_kind.get(Kind.STEP) or by_kind[Kind.REFUSED])
        after = program.apply(effect, point, shared, process)
        answered = self._told(process) if program.answers(point) and effect.kind is Kind.STEP else None
        return Stepped(_CAME[effect.kind], after.shared, after.local or None, answered)

    def _told(self, process: int) -> Told:
        layout = self.program.local_layout
        return told({name: layout.get(process, name) for name in layout.places}, self.places)

    def follow(self, run: Run) -> tuple[tuple[Answer, ...], Host]:
        """What the calls of a run answer, and what they leave."""
        return follow(self, run)

    def run_alone(self, host: Host, call: Call) -> tuple[bool, Told | None, Host]:
        """What `confsync.model.engine.search.alone` makes of a call: for a retrieve whether it succeeds, and its
        answer."""
        shared, found = self.alone.run(self.shared(host), self.begin(call))
        return (
            found is not None,
            told(dict(zip(RESULT, found.answer, strict=True)), self.places) if found else None,
            self.host(shared),
        )

    def states(self, statement: Statement) -> str:
        """What a property over the stores says of a host."""
        return _says(
            InvariantJudge(self.program, [statement.property])(self.shared(statement.host)), statement.property
        )

    def judges(self, quiescent: Quiescent) -> str:
        """What a property of quiescent states says of a host."""
        return _says(self.alone.judge(self.shared(quiescent.host)), quiescent.property)

    def is_exact(self, fact: Exact) -> bool:
        """Whether the answer of a retrieve, when its last part is read, is what the domain is."""
        pairs, layout = Pairs(self.program), self.program.local_layout
        word = layout.put(IDLE, "at", self.program.last_read())
        for name, value in result(fact.draft, self.places).items():
            word = layout.put(word, name, value)
        pairs.index(np.array([pairs.local(word)]), np.array([pairs.shared(self.shared(fact.host))]))
        assert any(label.kind is Kind.STEP for label in pairs.labels), "the step is not taken"
        return not suspects(pairs)

    def is_degraded(self, fact: Returned) -> bool:
        """Whether an answer is one that a retrieve had to make up in part."""
        program, layout = self.program, self.program.local_layout
        point = next(n for n in range(1, len(program.points)) if program.answers(n))
        word = layout.put(IDLE, "at", point)
        for name, value in result(fact.answer, self.places).items():
            word = layout.put(word, name, value)
        pairs = Pairs(program)
        name = "retrieve_never_degraded"
        monitor = Monitor(program, pairs.shared, pairs.local, [name])
        still = np.array([True])
        violated, _ = monitor.judge(np.array([0]), [np.array([pairs.local(word)]), np.array([0])], [still, still])
        return bool(violated[0] & BIT[name])

    def record(self, host: Host) -> Shared:
        """The shared state that a host is, for predicates."""
        return Shared(WordCells(self.program.shared_layout, self.shared(host), []))

    def agreement(self, host: Host) -> tuple[frozenset[str], bool, bool, bool]:
        """Which parts agree; whether a whole domain runs; may be destroyed; and whether everything agrees."""
        s, slots = self.record(host), dict(zip(self.places, self.program.shared_layout.elements(SLOT), strict=True))
        parts = {
            DISK: slot_agrees(s, slots[DISK]),
            CD: slot_agrees(s, slots[CD]),
            "memory target": memory_agrees(s),
            "whole": whole_agrees(s),
        }
        everything = all(slot_agrees(s, k) for k in self.program.shared_layout.elements(SLOT)) and bool(WHOLE.whole(s))
        return frozenset(p for p, yes in parts.items() if yes), bool(runs(s)), bool(may_be_destroyed(s)), everything

    def sees(self, fact: Seen) -> Told | None:
        """What the abstraction function makes of a host."""
        layout = Layout(Domain, bounds_of(self.places), {})
        cells = WordCells(layout, 0, [])
        see(self.record(fact.host), Domain(cells))
        runs_, devices, name, memory = (layout.get(cells.word, f) for f in ("runs", "devices", "name", "memory"))
        found = told({"draft": devices, "draft_name": name, "draft_memory": memory}, self.places)
        assert runs_ or found == Told({}), f"where no domain runs everything has its first value: {found}"
        return found if runs_ else None

    def may_be_asked(self, fact: Asked) -> bool:
        """Whether an operation begins with these arguments."""
        return self.begin(fact.call) in self.program.starts


def recovers(facts: Sequence[Recoverable]) -> dict[str, bool]:
    """By the words of each fact, whether the search finds a way back from the host."""
    of = searched(LOCKED, NO_NIC)
    pairs = Pairs(of.program)
    search = Search(of.program, pairs, Monitor(of.program, pairs.shared, pairs.local, []), symmetric=False)
    numbers = {fact.fact: pairs.shared(of.shared(fact.host)) for fact in facts}
    begin = np.unique(np.array(list(numbers.values()), np.int64))
    idle = [np.zeros_like(begin) for _ in range(of.program.bounds.processes)]
    search.visited.add_level(search.packing.pack(begin, idle))
    lost = set(Recoveries(search, WHOLE).hopeless()[0].tolist())
    return {fact: number not in lost for fact, number in numbers.items()}


def _says(judged: tuple[int, int], name: str) -> str:
    violated, met = judged
    return FAILS if violated & BIT[name] else HOLDS if met & BIT[name] else VACUOUS
