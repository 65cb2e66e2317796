"""Recoverability, on the explicit graph of what operations do one after another.

The nodes are the quiescent states that the search found, and the states one process goes through from there
without failing or dying; the edges are its steps. Good are the states in agreement and, backwards, all that lead to
one. Which operations a recovery may use, and where, is the property's.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from confsync.model.engine.concrete import WordCells
from confsync.model.engine.footprint import any_element, reads_of
from confsync.model.engine.memory import LimitReached
from confsync.model.engine.program import IDLE
from confsync.model.engine.search.bfs import CHUNK, Limits, Progress, Search, failing
from confsync.model.engine.search.frontier import Ids, Packing, States, distinct, position
from confsync.model.language import Recovery
from confsync.model.language.terms import Bool


class Recoveries:
    """Decides for the quiescent states of a finished search which of them can be recovered."""

    def __init__(self, search: Search, recovery: Recovery, limits: Limits | None = None) -> None:
        """LimitReached, by whatever it is asked then, if it reaches a limit."""
        self.search, self.recovery, self.limits = search, recovery, limits or Limits()
        self.program, self.pairs = search.program, search.pairs
        self._packing = Packing(1, 32, 32)
        self._known: dict[str, dict[int, bool]] = {}
        self._elements = self.program.protocol.elements_or_one(self.program.bounds)
        self._mask = self.program.shared_layout.mask(self._reads())

    def _reads(self) -> frozenset[str]:
        """The shared fields that the predicates of a recovery read."""
        protocol, r = self.program.protocol, self.recovery
        k = any_element(protocol.index_sorts[0]) if protocol.index_sorts else None
        found = reads_of(lambda s, _me: r.agrees(s, k), protocol) | reads_of(lambda s, _me: r.whole(s), protocol)
        return found.union(*(reads_of(lambda s, _me, w=w: w(s), protocol) for w in r.only_where.values()))  # type: ignore[misc]

    def _over_words(self, words: list[int], operation: str = "") -> NDArray[np.bool_]:
        """Where everything agrees; or, of an operation that begins only in some states, where it may."""
        known = self._known.setdefault(operation, {})
        mask = self._mask
        for key in {w & mask for w in words} - known.keys():
            s = self.program.protocol.shared(WordCells(self.program.shared_layout, key, []))
            known[key] = bool(self.recovery.only_where[operation](s) if operation else self._agrees(s))
        return np.array([known[w & mask] for w in words], np.bool_)

    def _agrees(self, s: object) -> Bool:
        return bool(self.recovery.whole(s)) and all(bool(self.recovery.agrees(s, k)) for k in self._elements)

    def quiescent(self) -> list[Ids]:
        """Per level of the search, the shared numbers of its quiescent states."""
        found = []
        for states in self.search.visited.levels:
            shared, local = self.search.packing.unpack(states)
            found.append(shared[np.logical_and.reduce([c == 0 for c in local])])
        return found

    def first_hopeless(self) -> tuple[tuple[int, States] | None, bool]:
        """The first state that cannot be recovered, with its level, if there is one; and what `hopeless` says else."""
        lost, met = self.hopeless()
        if not lost.size:
            return None, met
        for level, states in enumerate(self.search.visited.levels):
            shared, local = self.search.packing.unpack(states)
            hit = np.flatnonzero(np.isin(shared, lost) & np.logical_and.reduce([c == 0 for c in local]))
            if hit.size:
                return (level, states[hit[:1]].copy()), met
        raise AssertionError("a quiescent state that is in no level")

    def hopeless(self) -> tuple[Ids, bool]:
        """The shared numbers of the quiescent states that cannot be recovered; and whether any quiescent state
        was not in agreement to begin with."""
        begin = np.unique(np.concatenate(self.quiescent()))
        nodes, edges = self._explore(begin)
        shared, (local,) = self._packing.unpack(nodes)
        words = [self.pairs.shared.words[g] for g in shared.tolist()]
        idle = local == 0
        good = idle & self._over_words(words)
        met = bool(np.any(~good[position(self._packing.pack(begin, [np.zeros_like(begin)]), nodes)[0]]))
        source, target = edges
        while True:
            more = source[good[target] & ~good[source]]
            if not more.size:
                break
            good[more] = True
        lost = shared[idle & ~good]
        return np.intersect1d(lost, begin), met

    def _explore(self, begin: Ids) -> tuple[States, tuple[Ids, Ids]]:
        nodes = self._packing.pack(begin, [np.zeros_like(begin)])
        frontier, sources, targets = nodes, [], []
        held, depth, began = nodes.nbytes, 0, time.perf_counter()
        while frontier.size:
            fresh = []
            for low in range(0, frontier.size, CHUNK):
                states = frontier[low : low + CHUNK]
                successors, source = self._alone(states)
                sources.append(states[source])
                targets.append(successors.copy())
                fresh.append(distinct(successors))
                held += sources[-1].nbytes + targets[-1].nbytes + fresh[-1].nbytes
                edges, seconds = held // nodes.itemsize, time.perf_counter() - began
                if stopped := self.limits.reached(Progress(nodes.size, frontier.size, depth, edges, seconds, held)):
                    raise LimitReached(stopped)
            new = distinct(np.concatenate(fresh))
            frontier = new[~position(new, nodes)[1]]
            nodes = distinct(np.concatenate((nodes, frontier)))
            depth += 1
        source, target = np.concatenate(sources), np.concatenate(targets)
        return nodes, (position(source, nodes)[0], position(target, nodes)[0])

    def _alone(self, states: States) -> tuple[States, Ids]:
        """One process's steps from these states: no failure, no death, no operation that a recovery may not begin
        there."""
        pairs = self.pairs
        shared, (local,) = self._packing.unpack(states)
        index = pairs.index(local, shared)
        count = pairs.count.array[index]
        end = np.cumsum(count)
        t = np.repeat(pairs.first.array[index] - end + count, count) + np.arange(int(end[-1]))
        source = np.repeat(np.arange(states.size), count)
        words = [pairs.shared.words[g] for g in shared.tolist()]
        label = pairs.to_label.array[t]
        starting = local[source] == IDLE
        forbidden, of = self._labels()
        keep = ~forbidden[label] & ~(starting & ~self._usable(of)[label])
        for operation in self.recovery.only_where:
            allowed = self._over_words(words, operation)
            keep &= ~(starting & (of == operation)[label] & ~allowed[source])
        t, source = t[keep], source[keep]
        columns: tuple[Ids, list[Ids]] = (pairs.to_shared.array[t], [pairs.to_local.array[t]])
        if self.search.canonical:
            columns = self.search.canonical(*columns)
        return self._packing.pack(*columns), source

    def _usable(self, of: NDArray[np.str_]) -> NDArray[np.bool_]:
        """Whether a recovery may begin each of these operations."""
        usable = self.recovery.operations
        return np.isin(of, list(usable)) if usable else np.ones(of.size, np.bool_)

    def _labels(self) -> tuple[NDArray[np.bool_], NDArray[np.str_]]:
        """Per label: it is a failure or a death; and the operation that it is a step of."""
        labels = list(self.pairs.labels)
        operations = [self.program.points[label.point].operation for label in labels]
        return np.array([failing(label) for label in labels], np.bool_), np.array(operations, np.str_)
