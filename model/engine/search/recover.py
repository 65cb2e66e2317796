"""`always_recoverable`, on the explicit graph of what operations do one after another.

The nodes are the quiescent states that the search found, and the states one process goes through from there
without failing or dying; the edges are its steps. Good are the states in full agreement and, backwards, all that
lead to one. A domain is destroyed only where its destruction had begun or its creation had not ended.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from confsync.model.engine.concrete import WordCells
from confsync.model.engine.memory import LimitReached
from confsync.model.engine.program import IDLE
from confsync.model.engine.search.bfs import CHUNK, Limits, Progress, Search, failing
from confsync.model.engine.search.frontier import Ids, Packing, States, distinct, position
from confsync.model.language import Bool, ConcreteSlot, Slot, all_of, implies, neg
from confsync.model.libxl.state import Shared


def slot_agrees(s: Shared, k: Slot) -> Bool:
    """Template, xenstore and resources say the same of the slot, and nothing is half-way."""
    return all_of(s.template[k] == s.attached[k], s.resources[k] == s.xenstore[k].present, neg(s.closing[k]))


def memory_agrees(s: Shared) -> Bool:
    """The hypervisor grants the memory target that xenstore says."""
    return s.granted == s.memory


def whole_agrees(s: Shared) -> Bool:
    """There is a template if there is a domain, and nothing is half-way."""
    return all_of(s.saved == s.alive, neg(s.paused), neg(s.locked))


def devices_agree(s: Shared, slots: tuple[ConcreteSlot, ...]) -> Bool:
    """Every slot agrees, and the domain as a whole."""
    return all_of(*(slot_agrees(s, k) for k in slots), whole_agrees(s))


def runs(s: Shared) -> Bool:
    """There is a whole domain: created, and not about to be destroyed."""
    return all_of(s.alive, s.saved, neg(s.paused))


def may_be_destroyed(s: Shared) -> Bool:
    """Nothing else is left to do with the domain: it has no template, or it is half created or destroyed."""
    return all_of(s.alive, neg(runs(s)))


class Recovery:
    """Decides for the quiescent states of a finished search which of them can be recovered."""

    def __init__(self, search: Search, limits: Limits | None = None) -> None:
        """Of the search's slice: with templates in it, the devices are brought back to agreement, by all operations;
        else the knobs of a whole domain, by the operations that leave its devices alone. Whatever it is asked then,
        LimitReached if it reaches a limit."""
        self.search, self.limits = search, limits or Limits()
        only = search.program.only
        self.devices = only is None or "template" in only
        self.program, self.pairs = search.program, search.pairs
        self._packing = Packing(1, 32, 32)
        self._known: dict[str, dict[int, bool]] = {}
        reads = {
            "template",
            "xenstore",
            "closing",
            "resources",
            "alive",
            "saved",
            "paused",
            "locked",
            "granted",
            "memory",
        }
        self._mask = self.program.shared_layout.mask(reads)

    def _over_words(self, words: list[int], judge: str) -> NDArray[np.bool_]:
        known = self._known.setdefault(judge, {})
        mask = self._mask
        for key in {w & mask for w in words} - known.keys():
            known[key] = self._judge(judge, Shared(WordCells(self.program.shared_layout, key, [])))
        return np.array([known[w & mask] for w in words], np.bool_)

    def _judge(self, judge: str, s: Shared) -> bool:
        if judge == "destroy":
            return bool(may_be_destroyed(s))
        if self.devices:
            return bool(all_of(devices_agree(s, self.program.shared_layout.slots), memory_agrees(s)))
        return bool(implies(runs(s), memory_agrees(s)))

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
        good = idle & self._over_words(words, "agrees")
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
        """One process's steps from these states: no failure, no death, no destruction that is not called for."""
        pairs = self.pairs
        shared, (local,) = self._packing.unpack(states)
        index = pairs.index(local, shared)
        count = pairs.count.array[index]
        end = np.cumsum(count)
        t = np.repeat(pairs.first.array[index] - end + count, count) + np.arange(int(end[-1]))
        source = np.repeat(np.arange(states.size), count)
        forbidden, destroys, touches = self._labels()
        called_for = self._over_words([pairs.shared.words[g] for g in shared.tolist()], "destroy")
        label = pairs.to_label.array[t]
        starting = local[source] == IDLE
        if self.devices:
            keep = ~forbidden[label] & ~(starting & destroys[label] & ~called_for[source])
        else:
            keep = ~forbidden[label] & ~(starting & touches[label])
        t, source = t[keep], source[keep]
        columns: tuple[Ids, list[Ids]] = (pairs.to_shared.array[t], [pairs.to_local.array[t]])
        if self.search.canonical:
            columns = self.search.canonical(*columns)
        return self._packing.pack(*columns), source

    def _labels(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
        """Per label: it is a failure or a death; a step of destroy; a step of an operation that touches more than
        the domain's knobs."""
        labels = list(self.pairs.labels)
        operations = [self.program.points[label.point].operation for label in labels]
        knobs = ("set_memory_target", "rename")
        return (
            np.array([failing(label) for label in labels], np.bool_),
            np.array([o == "destroy" for o in operations], np.bool_),
            np.array([o not in knobs for o in operations], np.bool_),
        )
