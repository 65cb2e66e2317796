"""One state for each orbit: the least image under every renaming, the processes sorted.

The images of a word are interned with it, so a renaming is a look-up. The renaming that makes the shared number
least is nearly always one alone, and is looked up too; only where several do are their local numbers compared.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from confsync.model.engine.program import Program
from confsync.model.engine.search.frontier import Ids
from confsync.model.engine.search.pairs import Interned, Pairs
from confsync.model.engine.search.symmetry import Permutation, permutations, renaming
from confsync.model.language import WATCH


class _Images:
    """For each interned word, the numbers of its images under every permutation."""

    def __init__(self, interned: Interned, renamings: list[Callable[[int], int]]) -> None:
        self.interned, self.renamings = interned, renamings
        self.table = np.zeros((1024, len(renamings)), np.int64)
        self.known = 0

    def update(self) -> None:
        while self.known < len(self.interned):
            word = self.interned.words[self.known]
            images = [self.interned(r(word)) for r in self.renamings]
            if self.known == len(self.table):
                self.table = np.concatenate((self.table, np.zeros_like(self.table)))
            self.table[self.known] = images
            self.known += 1


def _living(program: Program, rename: Callable[[int], int]) -> Callable[[int], int]:
    """The renaming of local words: what is dead at a point is 0 there, and 0 is no name."""
    return lambda word: rename(word) & program.live[program.point_of(word)]


class Canonical:
    """The canonical form of states, given as columns of shared and local numbers."""

    def __init__(self, pairs: Pairs) -> None:
        program = pairs.program
        group = [{**g, WATCH: pairs.renamed_watch(g)} for g in permutations(program.protocol, program.bounds)]
        self.group: list[Permutation] = group
        self.order = len(group)
        self.shared = _Images(pairs.shared, [renaming(program.shared_layout, g) for g in group])
        self.local = _Images(pairs.local, [_living(program, renaming(program.local_layout, g)) for g in group])
        self._ties = np.zeros(0, np.int64)
        self._best: NDArray[np.int64] = np.zeros((0, self.order), np.int64)

    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return self.shared.table.nbytes + self.local.table.nbytes + self._best.nbytes + self._ties.nbytes

    def _update(self) -> None:
        self.local.update()
        if self.shared.known == len(self.shared.interned) == self._ties.size:
            return
        self.shared.update()
        done = self._ties.size
        images = self.shared.table[done : self.shared.known]
        least = images == images.min(axis=1, keepdims=True)
        self._ties = np.concatenate((self._ties, least.sum(axis=1)))
        self._best = np.concatenate((self._best, np.argsort(~least, axis=1, kind="stable")))

    def __call__(self, shared: Ids, local: list[Ids]) -> tuple[Ids, list[Ids]]:
        """The canonical states: columns again, the local ones ascending."""
        return self.renamed(shared, local)[:2]

    def renamed(self, shared: Ids, local: list[Ids]) -> tuple[Ids, list[Ids], Ids]:
        """The canonical states, and for each the number (in `group`) of a renaming that leads to it."""
        if self.order == 1:
            return shared, _ascending(local), np.zeros(shared.size, np.int64)
        self._update()
        by: Ids = self._best[shared, 0]
        found = _ascending([self.local.table[column, by] for column in local])
        ties = self._ties[shared]
        for i in range(1, int(ties.max(initial=1))):
            rows = np.flatnonzero(ties > i)
            by_other = self._best[shared[rows], i]
            other = _ascending([self.local.table[column[rows], by_other] for column in local])
            less = _less(other, [column[rows] for column in found])
            by[rows[less]] = by_other[less]
            for column, o in zip(found, other, strict=True):
                column[rows[less]] = o[less]
        return self.shared.table[shared, by], found, by

    def local_image(self, local: Ids, by: Ids) -> Ids:
        """What the renamings with these numbers make of local numbers that `renamed` was given."""
        return local if self.order == 1 else self.local.table[local, by]

    def orbits(self, shared: Ids, local: list[Ids]) -> Ids:
        """How many states each canonical state stands for, the orders of its processes included."""
        self._update()
        images: list[NDArray[np.int64]] = []
        for by in range(self.order):
            columns = _ascending([self.local.table[column, by] for column in local])
            images.append(np.stack([self.shared.table[shared, by], *columns], axis=1))
        stacked = np.stack(images, axis=1)
        same = (stacked == stacked[:, :1, :]).all(axis=2).sum(axis=1)
        orders = np.ones(shared.size, np.int64)
        run = np.ones(shared.size, np.int64)
        for i, column in enumerate(local):
            orders *= i + 1
            if i:
                run = np.where(column == local[i - 1], run + 1, 1)
                orders //= run
        found: Ids = orders * self.order // same
        return found


def _ascending(columns: list[Ids]) -> list[Ids]:
    """The columns, each row sorted: an odd-even sorting network."""
    columns = [c.copy() for c in columns]
    n = len(columns)
    for i in range(n):
        for j in range(i % 2, n - 1, 2):
            low, high = np.minimum(columns[j], columns[j + 1]), np.maximum(columns[j], columns[j + 1])
            columns[j], columns[j + 1] = low, high
    return columns


def _less(a: list[Ids], b: list[Ids]) -> NDArray[np.bool_]:
    """Row by row, whether `a` comes before `b`."""
    less = np.zeros(a[0].size, np.bool_)
    equal = np.ones(a[0].size, np.bool_)
    for x, y in zip(a, b, strict=True):
        less |= equal & (x < y)
        equal &= x == y
    return less
