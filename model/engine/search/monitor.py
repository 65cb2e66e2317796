"""What is looked at in every state: one bit a property, worked out once per interned word and then looked up."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from confsync.model.engine.concrete import WordCells
from confsync.model.engine.footprint import probe
from confsync.model.engine.program import IDLE, Program
from confsync.model.engine.search.alone import Alone
from confsync.model.engine.search.frontier import Ids
from confsync.model.engine.search.pairs import Growing, Interned
from confsync.model.language import ABSENT, MADE_UP, Bool, ConcreteSlot
from confsync.model.libxl.properties import BIT, PROPERTIES, Decided, OverStores
from confsync.model.libxl.state import LOCKS, Local, Shared

_CYCLE = [bool(m & 0b1001) or m & 0b0110 == 0b0110 for m in range(16)]
"""For a set of waits-for edges between two locks (holds i, wants j: bit 2i+j), whether it has a cycle."""


class OnWords:
    """A mask of properties for each interned word, extended as words are met."""

    def __init__(self, interned: Interned, judge: Callable[[int], tuple[int, ...]], columns: int) -> None:
        self._interned, self._judge = interned, judge
        self._columns = [Growing(np.int64) for _ in range(columns)]

    def __call__(self) -> list[NDArray[np.int64]]:
        """The columns, up to date."""
        done = self._columns[0].size
        rows = [self._judge(w) for w in self._interned.words[done:]]
        for i, column in enumerate(self._columns):
            column.extend([r[i] for r in rows])
        return [c.array for c in self._columns]


class StoresJudge:
    """The properties over the stores: for a shared word, which are violated and which cases are met."""

    def __init__(self, program: Program, names: Iterable[str]) -> None:
        self.program = program
        self._slots = program.shared_layout.slots or (ConcreteSlot(0, False),)
        self._over: list[tuple[int, OverStores, OverStores, int, dict[int, tuple[int, int]]]] = []
        for name in names:
            p = PROPERTIES[name]
            if p.decided is Decided.STORES and p.holds and p.met:
                holds, met = p.holds, p.met
                reads = {
                    f
                    for over in (holds, met)
                    for f in probe(lambda s, me, o=over: o(s, me.slot), name, ghosts=True).reads_shared  # type: ignore[misc]
                }
                self._over.append((BIT[name], holds, met, program.shared_layout.mask(reads), {}))

    def __call__(self, word: int) -> tuple[int, int]:
        """(violated, met), as masks."""
        violated = met = 0
        for bit, holds, interesting, mask, known in self._over:
            key = word & mask
            if key not in known:
                s = Shared(WordCells(self.program.shared_layout, word, []))
                known[key] = (
                    0 if all(_truth(holds(s, k)) for k in self._slots) else bit,
                    bit if any(_truth(interesting(s, k)) for k in self._slots) else 0,
                )
            violated |= known[key][0]
            met |= known[key][1]
        return violated, met


def _truth(condition: Bool) -> bool:
    assert isinstance(condition, bool)
    return condition


class Monitor:
    """Judges whole states, given as columns of shared and local numbers."""

    def __init__(self, program: Program, shared: Interned, local: Interned, names: Iterable[str]) -> None:
        self.program = program
        self.names = frozenset(names)
        self.mask = sum(BIT[n] for n in self.names)
        self.alone = Alone(program)
        self._stores = OnWords(shared, StoresJudge(program, self.names), 2)
        self._quiescent = OnWords(shared, self._judge_quiescent, 2)
        self._locals = OnWords(local, self._judge_local, 4)
        self._acquires = [
            [
                lock
                for lock, held in enumerate(LOCKS.values())
                if p.remaining and program.footprints[p.step].waits and held in program.footprints[p.step].writes_local
            ]
            for p in program.points
        ]

    def _judge_local(self, word: int) -> tuple[int, int, int, int]:
        """(violated, met, locks held, waits-for edges)."""
        if word == IDLE:
            return 0, 0, 0, 0
        me = Local(WordCells(self.program.local_layout, word, []))
        point = self.program.point_of(word)
        held = sum(1 << i for i, h in enumerate(LOCKS.values()) if getattr(me, h))
        edges = sum(1 << (2 * i + j) for i in range(len(LOCKS)) if held >> i & 1 for j in self._acquires[point])
        violated, met = 0, BIT["every_operation_ends"]
        met |= BIT["lock_is_exclusive"] if held else 0
        met |= BIT["lock_order_is_acyclic"] if edges else 0
        if self.program.answers(point):
            configs = [me.draft[k] for k in self.program.shared_layout.slots]
            met |= BIT["retrieve_is_exact"]
            met |= BIT["retrieve_never_degraded"] if any(c != ABSENT for c in configs) else 0
            violated |= BIT["retrieve_never_degraded"] if MADE_UP in configs else 0
        return violated, met, held, edges

    def _judge_quiescent(self, word: int) -> tuple[int, int]:
        """(violated, met) of a state in which no operation is at work."""
        asked = any(PROPERTIES[n].decided is Decided.ALONE for n in self.names)
        return self.alone.judge(word) if asked else (0, 0)

    def judge(self, shared: Ids, local: list[Ids], can_move: list[NDArray[np.bool_]]) -> tuple[Ids, int]:
        """For each state a mask of what it violates; and the mask of all cases met."""
        if not self.names:
            return np.zeros(shared.size, np.int64), 0
        stores_bad, stores_met = self._stores()
        local_bad, local_met, holds, edges = self._locals()
        violated = stores_bad[shared]
        met = int(np.bitwise_or.reduce(stores_met[shared]))
        held, twice, waits = (np.zeros(shared.size, np.int64) for _ in range(3))
        at_work, can_go_on = (np.zeros(shared.size, np.bool_) for _ in range(2))
        for column, moves in zip(local, can_move, strict=True):
            violated |= local_bad[column]
            met |= int(np.bitwise_or.reduce(local_met[column]))
            twice |= held & holds[column]
            held |= holds[column]
            waits |= edges[column]
            works = column != 0
            at_work |= works
            can_go_on |= works & moves
        violated[twice != 0] |= BIT["lock_is_exclusive"]
        violated[np.array(_CYCLE)[waits]] |= BIT["lock_order_is_acyclic"]
        violated[at_work & ~can_go_on] |= BIT["every_operation_ends"]
        quiet = np.flatnonzero(~at_work)
        if quiet.size:
            violated[quiet[~can_move[0][quiet]]] |= BIT["every_operation_ends"]
            bad, good = self._quiescent()
            violated[quiet] |= bad[shared[quiet]]
            met |= int(np.bitwise_or.reduce(good[shared[quiet]]))
        return violated & self.mask, met & self.mask
