"""What is looked at in every state: one bit a property, worked out once per interned word and then looked up."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from confsync.model.engine.concrete import WordCells
from confsync.model.engine.footprint import any_element, reads_of
from confsync.model.engine.program import IDLE, Program
from confsync.model.engine.search.alone import Alone
from confsync.model.engine.search.frontier import Ids
from confsync.model.engine.search.pairs import Growing, Interned
from confsync.model.language import (
    AnswerInvariant,
    Bool,
    Invariant,
    Linearizable,
    LockOrderAcyclic,
    LocksExclusive,
    Property,
    Terminates,
)
from confsync.model.language.properties import OF_QUIESCENCE, OfElement


class Cycles:
    """For sets of waits-for edges between locks, whether they have a cycle. An edge from the lock that is held, number
    `i`, to the one that is wanted, number `j`, is bit `n * i + j` of a set."""

    def __init__(self, locks: int) -> None:
        self._locks = locks
        self._known: dict[int, bool] = {0: False}

    def __call__(self, edges: Ids) -> NDArray[np.bool_]:
        distinct, where = np.unique(edges, return_inverse=True)
        return np.array([self._has_cycle(e) for e in distinct.tolist()], np.bool_)[where]

    def _has_cycle(self, edges: int) -> bool:
        if edges not in self._known:
            n = self._locks
            wanted = {i: {j for j in range(n) if edges >> (n * i + j) & 1} for i in range(n)}
            while ends := [i for i, js in wanted.items() if not js]:  # a lock from which no edge leads is in no cycle
                wanted = {i: js - set(ends) for i, js in wanted.items() if i not in ends}
            self._known[edges] = bool(wanted)
        return self._known[edges]


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


class InvariantJudge:
    """The invariants: for a shared word, which are violated and which cases are met."""

    def __init__(self, program: Program, names: Iterable[str]) -> None:
        self.program = program
        protocol = program.protocol
        self._over: list[tuple[int, Invariant, tuple[object, ...], int, dict[int, tuple[int, int]]]] = []
        for name in names:
            p = protocol.properties[name]
            if isinstance(p, Invariant):
                elements = protocol.elements_or_one(program.bounds, p.over)
                mask = program.shared_layout.mask(predicate_reads(program, p, p.holds, p.met))
                self._over.append((protocol.bits[name], p, elements, mask, {}))

    def __call__(self, word: int) -> tuple[int, int]:
        """(violated, met), as masks."""
        violated = met = 0
        for bit, p, elements, mask, known in self._over:
            key = word & mask
            if key not in known:
                s = self.program.protocol.shared(WordCells(self.program.shared_layout, word, []))
                known[key] = (
                    0 if all(_truth(p.holds(s, k)) for k in elements) else bit,
                    bit if any(_truth(p.met(s, k)) for k in elements) else 0,
                )
            violated |= known[key][0]
            met |= known[key][1]
        return violated, met


def predicate_reads(program: Program, p: Property, *predicates: OfElement) -> frozenset[str]:
    """The shared fields that predicates of a property read."""
    sort = p.over or (program.protocol.index_sorts[0] if program.protocol.index_sorts else None)
    k = any_element(sort) if sort else None
    found = (reads_of(lambda s, _me, f=f: f(s, k), program.protocol) for f in predicates)  # type: ignore[misc]
    return frozenset().union(*found)


def _truth(condition: Bool) -> bool:
    assert isinstance(condition, bool)
    return condition


class Monitor:
    """Judges whole states, given as columns of shared and local numbers."""

    def __init__(self, program: Program, shared: Interned, local: Interned, names: Iterable[str]) -> None:
        self.program, self.protocol = program, program.protocol
        self.names = frozenset(names)
        self.mask = self._bits_of(Property)
        self.alone = Alone(program) if program.protocol.observer else None
        self._invariants = OnWords(shared, InvariantJudge(program, self.names), 2)
        self._quiescent = OnWords(shared, self._judge_quiescent, 2)
        self._locals = OnWords(local, self._judge_local, 4)
        self._exclusive, self._ordered, self._ends, self._linearizable = map(
            self._bits_of, (LocksExclusive, LockOrderAcyclic, Terminates, Linearizable)
        )
        self._answers = [
            (p, self.protocol.bits[p.name], self.protocol.elements_or_one(program.bounds, p.over))
            for p in map(self.protocol.properties.__getitem__, sorted(self.names))
            if isinstance(p, AnswerInvariant)
        ]
        self._cycle = Cycles(len(self.protocol.locks))
        self._acquires = [
            [
                lock
                for lock, held in enumerate(self.protocol.held)
                if p.remaining and program.footprints[p.step].waits and held in program.footprints[p.step].writes_local
            ]
            for p in program.points
        ]

    def _bits_of(self, form: type[Property] | tuple[type[Property], ...]) -> int:
        """The mask of the properties of a form, of those that are judged."""
        properties = self.protocol.properties
        return sum(self.protocol.bits[n] for n in self.names if isinstance(properties[n], form))

    def _judge_local(self, word: int) -> tuple[int, int, int, int]:
        """(violated, met, locks held, waits-for edges)."""
        if word == IDLE:
            return 0, 0, 0, 0
        me = self.protocol.local(WordCells(self.program.local_layout, word, []))
        point, locks = self.program.point_of(word), len(self.protocol.locks)
        held = sum(1 << i for i, h in enumerate(self.protocol.held) if getattr(me, h))
        edges = sum(1 << (locks * i + j) for i in range(locks) if held >> i & 1 for j in self._acquires[point])
        violated, met = 0, self._ends
        met |= self._exclusive if held else 0
        met |= self._ordered if edges else 0
        if self.program.answers(point):
            met |= self._linearizable
            for p, bit, elements in self._answers:
                met |= bit if any(p.met(me, k) for k in elements) else 0
                violated |= 0 if all(p.holds(me, k) for k in elements) else bit
        return violated, met, held, edges

    def _judge_quiescent(self, word: int) -> tuple[int, int]:
        """(violated, met) of a state in which no operation is at work."""
        asked = self.alone is not None and self._bits_of(OF_QUIESCENCE)
        return self.alone.judge(word) if self.alone and asked else (0, 0)

    def judge(self, shared: Ids, local: list[Ids], can_move: list[NDArray[np.bool_]]) -> tuple[Ids, int]:
        """For each state a mask of what it violates; and the mask of all cases met."""
        if not self.names:
            return np.zeros(shared.size, np.int64), 0
        shared_bad, shared_met = self._invariants()
        local_bad, local_met, holds, edges = self._locals()
        violated = shared_bad[shared]
        met = int(np.bitwise_or.reduce(shared_met[shared]))
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
        violated[twice != 0] |= self._exclusive
        if self._ordered:
            violated[self._cycle(waits)] |= self._ordered
        violated[at_work & ~can_go_on] |= self._ends
        quiet = np.flatnonzero(~at_work)
        if quiet.size:
            violated[quiet[~can_move[0][quiet]]] |= self._ends
            bad, good = self._quiescent()
            violated[quiet] |= bad[shared[quiet]]
            met |= int(np.bitwise_or.reduce(good[shared[quiet]]))
        return violated & self.mask, met & self.mask
