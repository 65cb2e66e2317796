"""Linearizability of the observer, decided over the states that a search has found.

An observer is *on the look-out* for an answer from its call until what there is to observe is what the answer says. It
violates the property if it returns an answer that it is still on the look-out for. In one state an observer can be on
the look-out for different answers, for that depends on the way to the state. The answers are a set of bits for each
state and each of its processes, and the sets grow, level by level, to their least fixed point: the pairs of a state and
an answer that `confsync.model.engine.search.exact` would search one by one, in a few bytes for each state however many
answers there are."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from confsync.model.engine.search.alone import Alone, Answer
from confsync.model.engine.search.bfs import CHUNK, Limits, Progress, Search
from confsync.model.engine.search.frontier import Ids, States, position
from confsync.model.engine.search.symmetry import Permutation, renamed_answer
from confsync.model.language import Protocol

Bits = NDArray[np.uint64]
"""A row of words for each state: a set of answers."""
WORD = 64
"""How many answers a word of bits has room for."""
ROOM = WORD
"""How many answers are looked out for at a time, if renaming them does not make more."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """What was found. `depth`: the steps of a shortest trace to an observer that is about to return `answer`, which
    was so at no instant since the call; None if there is none. `stopped`: the limit that was reached, "" for
    none."""

    depth: int | None = None
    answer: Answer | None = None
    stopped: str = ""


def first_unseen(search: Search, answers: Iterable[Answer], limits: Limits, last: int | None) -> Unseen:
    """A shortest trace to an answer that was never so, among these; they are renamed as the search renames
    states. `search` has covered all levels up to `last`, None: all there are; traces of at most as many steps are
    considered. Answers are taken ROOM at a time, so that the memory does not depend on how many there are."""
    group = search.canonical.group if search.canonical else [{}]
    best = Unseen()
    for batch in _batches(search.program.protocol, answers, group):
        found = LookOuts(search, batch, group).first(limits, last if best.depth is None else best.depth - 1)
        if found.stopped:
            return found
        best = best if found.depth is None else found
    return best


def _batches(protocol: Protocol, answers: Iterable[Answer], group: list[Permutation]) -> Iterator[list[Answer]]:
    """All that the answers can be renamed to, ROOM at a time. What can be renamed to one another stays
    together."""
    left = {renamed_answer(protocol, a, g) for a in answers for g in group}
    batch: list[Answer] = []
    while left:
        orbit = {renamed_answer(protocol, min(left), g) for g in group}
        if batch and len(batch) + len(orbit) > ROOM:
            yield batch
            batch = []
        batch += sorted(orbit)
        left -= orbit
    if batch:
        yield batch


class LookOuts:
    """The answers that observers can be on the look-out for, in each state that a search has found."""

    def __init__(self, search: Search, answers: list[Answer], group: list[Permutation]) -> None:
        """`answers` has with each answer all that the group renames it to."""
        self.search, self.program, self.pairs = search, search.program, search.pairs
        self.answers = answers
        self._number = {a: n for n, a in enumerate(answers)}
        protocol = self.program.protocol
        self._moved = [[self._number[renamed_answer(protocol, a, g)] for a in answers] for g in group]
        self._states: States = np.concatenate(search.visited.levels)
        self._states.sort()
        self._processes = self.program.bounds.processes
        self._words = -(-len(answers) // WORD)
        self._sets: Bits = np.zeros((self._states.size * self._processes, self._words), np.uint64)
        self._truths, self._results, self._under_way = self._tables()
        self._transitions = 0

    def _tables(self) -> tuple[Bits, Bits, NDArray[np.bool_]]:
        """By shared number, all answers but the one that is so; by local number, the answer that an observer is
        about to return; and by local number, whether it is an observer that can still return one."""
        alone, program = Alone(self.program), self.program
        every = self._set_of(range(len(self.answers)))
        truths: Bits = np.tile(every, (len(self.pairs.shared), 1))
        known: dict[int, int | None] = {}
        reads = program.shared_layout.mask({alone.observer.exists, *alone.observer.answer.values()})
        for n, word in enumerate(self.pairs.shared.words):
            key = word & reads
            if key not in known:
                now = alone.truth(word)
                known[key] = self._number.get(now) if now else None
            if (answer := known[key]) is not None:
                truths[n] &= ~self._set_of([answer])
        results: Bits = np.zeros((len(self.pairs.local), self._words), np.uint64)
        under_way = np.zeros(len(self.pairs.local), np.bool_)
        for n, word in enumerate(self.pairs.local.words):
            at = program.point_of(word)
            under_way[n] = program.observing(at)
            if program.answers(at) and (answer := self._number.get(alone.answer_of(word))) is not None:
                results[n] = self._set_of([answer])
        return truths, results, under_way

    def _set_of(self, numbers: Iterable[int]) -> Bits:
        words = [0] * self._words
        for n in numbers:
            words[n // WORD] |= 1 << n % WORD
        return np.array(words, np.uint64)

    def nbytes(self) -> int:
        """Memory held, in bytes, beside what the search holds."""
        tables = self._truths.nbytes + self._results.nbytes + self._under_way.nbytes
        return self._states.nbytes + self._sets.nbytes + tables

    def first(self, limits: Limits, last: int | None) -> Unseen:
        """As `first_unseen`."""
        began, levels = time.perf_counter(), self.search.visited.levels
        keys, fresh = np.zeros(0, np.int64), np.zeros((0, self._words), np.uint64)
        depth = 0
        while keys.size or depth < len(levels):
            if wrong := self._violated(keys, fresh):
                return Unseen(depth, self.answers[wrong[0]])
            if depth == last:
                break
            found: list[tuple[Ids, Bits]] = []
            parts = [self._go_on(keys[a : a + CHUNK], fresh[a : a + CHUNK]) for a in range(0, keys.size, CHUNK)]
            calls = levels[depth] if depth < len(levels) else self._states[:0]
            parts += [self._begin(calls[a : a + CHUNK]) for a in range(0, calls.size, CHUNK)]
            for part in parts:
                for landed in part:
                    found.append(self._enter(*landed))
                    held = self.nbytes() + sum(k.nbytes + b.nbytes for k, b in found)
                    here = Progress(
                        self._states.size, keys.size, depth, self._transitions, time.perf_counter() - began, held
                    )
                    if stopped := limits.reached(here):
                        return Unseen(stopped=stopped)
            keys, fresh = _together(found, self._words)
            depth += 1
        return Unseen()

    def _violated(self, keys: Ids, fresh: Bits) -> list[int]:
        """The answers that some observer is about to return, and is on the look-out for."""
        if not keys.size:
            return []
        _, local = self.search.packing.unpack(self._states[keys // self._processes])
        mine = np.stack(local, axis=1)[np.arange(keys.size), keys % self._processes]
        wrong = np.bitwise_or.reduce(fresh & self._results[mine], axis=0)
        return [n for n in range(len(self.answers)) if int(wrong[n // WORD]) >> n % WORD & 1]

    def _begin(self, states: States) -> Iterator[tuple[States, Ids, Bits]]:
        """The calls of the observer from these states: the states they lead to, in each the process that called, and
        what it is on the look-out for."""
        shared, local = self.search.packing.unpack(states)
        for p, column in enumerate(local if self.search.canonical is None else local[:1]):
            rows = np.flatnonzero(column == 0)
            t, source = self.search.transitions(rows, self.pairs.index(column[rows], shared[rows]))
            keep = self._under_way[self.pairs.to_local.array[t]]
            t, source = t[keep], source[keep]
            looks_out = self._truths[shared[source]]
            yield self._land(p, t, source, local, np.full(t.size, p), looks_out)

    def _go_on(self, keys: Ids, fresh: Bits) -> Iterator[tuple[States, Ids, Bits]]:
        """Every step from these states. `fresh`: what the process of each key is on the look-out for."""
        who = keys % self._processes
        shared, local = self.search.packing.unpack(self._states[keys // self._processes])
        for p, column in enumerate(local):
            t, source = self.search.transitions(np.arange(keys.size), self.pairs.index(column, shared))
            keep = (who[source] != p) | self._under_way[self.pairs.to_local.array[t]]
            t, source = t[keep], source[keep]
            yield self._land(p, t, source, local, who[source], fresh[source])

    def _land(
        self, process: int, t: Ids, source: Ids, local: list[Ids], who: Ids, looks_out: Bits
    ) -> tuple[States, Ids, Bits]:
        """The states that transitions of a process lead to, with what process `who` of each is still on the look-out
        for; those with nothing left are left out."""
        self._transitions += t.size
        to_shared = self.pairs.to_shared.array[t]
        left = looks_out & self._truths[to_shared]
        keep = left.any(axis=1)
        t, source, who, left, to_shared = t[keep], source[keep], who[keep], left[keep], to_shared[keep]
        columns = [column[source] for column in local]
        columns[process] = self.pairs.to_local.array[t]
        if self.search.canonical:
            mine = np.stack(columns, axis=1)[np.arange(t.size), who]
            to_shared, columns, by = self.search.canonical.renamed(to_shared, columns)
            mine = self.search.canonical.local_image(mine, by)
            who = np.sum([column < mine for column in columns], axis=0)
            left = self._renamed(left, by)
        return self.search.packing.pack(to_shared, columns), who, left

    def _renamed(self, sets: Bits, by: Ids) -> Bits:
        """The sets, after the renamings with these numbers."""
        out = sets.copy()
        for g in np.unique(by).tolist():
            if self._moved[g] != list(range(len(self.answers))):
                rows = np.flatnonzero(by == g)
                bits = np.unpackbits(sets[rows].astype("<u8").view(np.uint8), axis=1, bitorder="little")
                moved = np.zeros_like(bits)
                moved[:, self._moved[g]] = bits[:, : len(self.answers)]
                out[rows] = np.packbits(moved, axis=1, bitorder="little").view("<u8")
        return out

    def _enter(self, states: States, who: Ids, sets: Bits) -> tuple[Ids, Bits]:
        """Add to the sets. -> the keys of those that have grown, and by what"""
        order = np.argsort(states, kind="stable")
        at, there = position(states[order], self._states)
        assert there.all(), "a step leads out of the states that were found"
        keys, sets = _together([(at * self._processes + who[order], sets[order])], self._words)
        fresh = sets & ~self._sets[keys]
        grown = fresh.any(axis=1)
        keys, fresh = keys[grown], fresh[grown]
        self._sets[keys] |= fresh
        return keys, fresh


def _together(parts: list[tuple[Ids, Bits]], words: int) -> tuple[Ids, Bits]:
    """The parts as one: each key once, ascending, with the union of its sets."""
    keys = np.concatenate([np.zeros(0, np.int64), *(k for k, _ in parts)])
    sets = np.concatenate([np.zeros((0, words), np.uint64), *(b for _, b in parts)])
    if not keys.size:
        return keys, sets
    order = np.argsort(keys, kind="stable")
    keys, sets = keys[order], sets[order]
    first = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    return keys[first], np.bitwise_or.reduceat(sets, first, axis=0)
