"""Breadth-first search over whole frontiers: exact, shortest first, no parent pointers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from confsync.model.engine.memory import INTERRUPT, bound_of_memory
from confsync.model.engine.program import Kind, Label, Program
from confsync.model.engine.search.canonical import Canonical
from confsync.model.engine.search.frontier import Ids, Packing, States, TooNarrow, Visited, distinct
from confsync.model.engine.search.monitor import Monitor
from confsync.model.engine.search.pairs import Pairs

CHUNK = 1 << 18
"""How many states are expanded at a time."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a search is: `depth` is the number of the level being expanded, `seconds` since it began,
    `nbytes` of memory held."""

    states: int
    frontier: int
    depth: int
    transitions: int
    seconds: float
    nbytes: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """When to stop short. `go_on` is asked between chunks; None is no limit; `max_bytes` of memory, of which `held`
    bytes are taken already by what is not this search's."""

    max_states: int | None = None
    max_bytes: int | None = None
    go_on: Callable[[Progress], bool] = field(default=lambda _: True)
    held: int = 0

    def reached(self, here: Progress) -> str:
        """Which limit is reached, in words; "" for none."""
        if self.max_states is not None and here.states > self.max_states:
            return f"the bound of {self.max_states:,} states"
        if self.max_bytes is not None and self.held + here.nbytes > self.max_bytes:
            return bound_of_memory(self.max_bytes)
        return "" if self.go_on(here) else INTERRUPT


@dataclass(slots=True)
class Found:
    """What a search found. `stopped` says at which bound it stopped, "" for none; `depth` is the last level that was
    covered; `complete` is false where enough was known before everything was covered; `first` is the first state
    that violates each property (by bit), and its level."""

    states: int = 0
    transitions: int = 0
    depth: int = 0
    seconds: float = 0.0
    met: int = 0
    stopped: str = ""
    complete: bool = True
    first: dict[int, tuple[int, States]] = field(default_factory=dict)


class Search:
    """All reachable states of a program, level by level."""

    def __init__(self, program: Program, pairs: Pairs, monitor: Monitor, *, symmetric: bool) -> None:
        self.program, self.pairs, self.monitor = program, pairs, monitor
        self.canonical = Canonical(pairs) if symmetric else None
        self.packing = Packing.for_processes(program.bounds.processes)
        self.visited = Visited()
        self.found = Found()
        self._taken = np.zeros(1, np.int64)

    def run(self, limits: Limits, enough: Callable[[int], bool] = lambda _: False) -> Found:
        """Search to the end, to a limit, or until `enough` of the level that was just covered."""
        try:
            return self._run(limits, enough)
        except TooNarrow:
            self.packing = self.packing.wider()
            self.visited, self.found = Visited(), Found()
            self._taken = np.zeros(1, np.int64)
            return self._run(limits, enough)

    def _run(self, limits: Limits, enough: Callable[[int], bool]) -> Found:
        began, found = time.perf_counter(), self.found
        start = np.array([self.pairs.shared(self.program.initial)], np.int64)
        idle = [np.zeros(1, np.int64) for _ in range(self.program.bounds.processes)]
        frontier = self.packing.pack(*(self.canonical(start, idle) if self.canonical else (start, idle)))
        self.visited.add_level(frontier)
        found.states, level = 1, 0
        while frontier.size and not found.stopped:
            fresh: list[States] = []
            for low in range(0, frontier.size, CHUNK):
                fresh.append(self._expand_and_judge(frontier[low : low + CHUNK], level))
                found.seconds = time.perf_counter() - began
                found.stopped = self._reached(limits, frontier.size, level, sum(f.size for f in fresh))
                if found.stopped:
                    break
            else:
                found.depth = level
                if enough(level):
                    found.complete = False
                    return found
                new = fresh[0] if len(fresh) == 1 else distinct(np.concatenate(fresh))
                frontier = self.visited.unseen(new)
                if frontier.size:
                    self.visited.add_level(frontier)
                    found.states += frontier.size
                level += 1
                self.packing.check(len(self.pairs.shared), len(self.pairs.local))
        found.seconds = time.perf_counter() - began
        return found

    def _reached(self, limits: Limits, frontier: int, level: int, fresh: int) -> str:
        """Which limit is reached, in words; "" for none."""
        held = self.nbytes() + 8 * fresh * (self.program.bounds.processes + 1)
        states, found = self.found.states + fresh, self.found
        return limits.reached(Progress(states, frontier, level, found.transitions, found.seconds, held))

    def nbytes(self) -> int:
        """Memory held, in bytes: the visited states, the tables."""
        tables = self.pairs.nbytes() + (self.canonical.nbytes() if self.canonical else 0)
        return self.visited.nbytes() + tables

    def _expand_and_judge(self, states: States, level: int) -> States:
        shared, local = self.packing.unpack(states)
        indices = [self.pairs.index(column, shared) for column in local]
        can_move = [self.pairs.can_move.array[i] for i in indices]
        violated, met = self.monitor.judge(shared, local, can_move)
        self.found.met |= met
        for bit in _bits(int(np.bitwise_or.reduce(violated)) & ~sum(self.found.first)):
            at = int(np.flatnonzero(violated & bit)[0])
            self.found.first[bit] = (level, states[at : at + 1].copy())
        out = []
        for process, (rows, used) in enumerate(self._moves(local, indices)):
            self._count(used)
            t, source = self.transitions(rows, used)
            self.found.transitions += t.size
            out.append(self._raw(process, states, local, t, source))
        successors = distinct(np.concatenate(out))
        return distinct(self._canonical(successors)) if self.canonical else successors

    def _count(self, pairs: Ids) -> None:
        counted = np.bincount(pairs, minlength=self._taken.size)
        counted[: self._taken.size] += self._taken
        self._taken = counted

    def _moves(self, local: list[Ids], indices: list[Ids]) -> Iterator[tuple[Ids, Ids]]:
        """Process by process: the rows in which it is expanded, and its pairs. Of processes that are alike in a
        canonical state the first is enough."""
        for p, index in enumerate(indices):
            if self.canonical and p:
                rows = np.flatnonzero(local[p] != local[p - 1])
                yield rows, index[rows]
            else:
                yield np.arange(index.size), index

    def transitions(self, rows: Ids, used: Ids) -> tuple[Ids, Ids]:
        """The transitions of these pairs, and the row each comes from."""
        count = self.pairs.count.array.take(used)
        end = np.cumsum(count)
        t = np.repeat(self.pairs.first.array.take(used) - end + count, count)
        t += np.arange(t.size)
        return t, np.repeat(rows, count)

    def _raw(self, p: int, states: States, local: list[Ids], t: Ids, source: Ids) -> States:
        """The states that transitions of process `p` lead to, not yet canonical."""
        if self.packing.one_word and not self.notices:
            change = self.packing.change(
                p, self.pairs.change_shared.array.take(t), self.pairs.change_local.array.take(t)
            )
            change ^= states.take(source)
            return change
        columns = [c[source] for c in local]
        columns[p] = self.pairs.to_local.array[t]
        to_shared = self.pairs.to_shared.array[t]
        self.notice(p, to_shared, columns)
        return self.packing.pack(to_shared, columns)

    notices = False
    """True of a search whose processes notice what others do."""

    def notice(self, process: int, shared: Ids, local: list[Ids]) -> None:
        """What the other processes' ghosts do when `process` takes a step to `shared`; changes `local`."""

    def _canonical(self, states: States) -> States:
        assert self.canonical
        return self.packing.pack(*self.canonical(*self.packing.unpack(states)))

    def expand(self, states: States) -> tuple[States, Ids]:
        """The successors of states, and the row each comes from: for traces and graphs."""
        shared, local = self.packing.unpack(states)
        indices = [self.pairs.index(column, shared) for column in local]
        successors, sources = [], []
        for process, (rows, used) in enumerate(self._moves(local, indices)):
            t, source = self.transitions(rows, used)
            successors.append(self._raw(process, states, local, t, source))
            sources.append(source)
        found = np.concatenate(successors)
        return self._canonical(found) if self.canonical else found, np.concatenate(sources)

    def follow(self, shared: Ids, local: list[Ids], wanted: States) -> tuple[int, Ids, list[Ids]]:
        """From one state, as it is, a step whose canonical form is `wanted`. -> the process, the state as it is"""
        here = self.packing.pack(shared, local)
        for process, column in enumerate(local):
            index = self.pairs.index(column, shared)
            t, source = self.transitions(np.zeros(1, np.int64), index)
            raw = self._raw(process, here, local, t, source)
            hit = np.flatnonzero((self._canonical(raw) if self.canonical else raw) == wanted[0])
            if hit.size:
                return process, *self.packing.unpack(raw[hit[:1]])
        raise AssertionError("the path has a gap")

    def taken(self) -> dict[Label, int]:
        """How often each transition was taken, over all states found."""
        counts = np.zeros(len(self.pairs.labels), np.int64)
        first, count = self.pairs.first.array, self.pairs.count.array
        used = np.repeat(np.pad(self._taken, (0, first.size - self._taken.size)), count)
        np.add.at(counts, self.pairs.to_label.array, used)
        return {label: int(counts[n]) for label, n in self.pairs.labels.items()}

    def chain(self, target: States, level: int) -> list[States]:
        """States that lead to `target`, one of each level: a shortest path, rebuilt backwards by expanding the
        levels again."""
        path = [target]
        for states in reversed(self.visited.levels[:level]):
            for low in range(0, states.size, CHUNK):
                chunk = states[low : low + CHUNK]
                successors, source = self.expand(chunk)
                hit = np.flatnonzero(successors == path[-1][0])
                if hit.size:
                    at = int(source[hit].min())
                    path.append(chunk[at : at + 1].copy())
                    break
        assert len(path) == level + 1
        return path[::-1]

    def total(self) -> int:
        """How many states there are without symmetry: each found one counts for its orbit."""
        if self.canonical is None:
            return self.found.states
        total = 0
        for states in self.visited.levels:
            for low in range(0, states.size, CHUNK):
                total += int(self.canonical.orbits(*self.packing.unpack(states[low : low + CHUNK])).sum())
        return total


def _bits(mask: int) -> Iterator[int]:
    while mask:
        yield mask & -mask
        mask &= mask - 1


def failing(label: Label) -> bool:
    """True of what the environment does: a death, or a step made to fail."""
    return label.kind in (Kind.CRASH, Kind.FAILS)
