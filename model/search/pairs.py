"""What one process can do in one shared state, worked out once for each distinct pair of the two.

Shared words and local words are interned: a small number stands for each. A step's outcomes depend only on the
bits it reads, so the Python function runs once per distinct reading; every pair with that reading takes the
outcome from a table. The pair table is a directory of blocks, so memory follows the pairs that are met.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from model.program import IDLE, Effect, Kind, Label, Program

Ids = NDArray[np.int64]
BLOCK = 8
"""Pairs are kept in blocks of 2**BLOCK shared states each."""


class Interned:
    """Numbers for words, in the order they are first met. Number 0 is word 0."""

    def __init__(self) -> None:
        self.number: dict[int, int] = {0: 0}
        self.words: list[int] = [0]

    def __call__(self, word: int) -> int:
        n = self.number.get(word)
        if n is None:
            n = self.number[word] = len(self.words)
            self.words.append(word)
        return n

    def __len__(self) -> int:
        return len(self.words)


class Growing:
    """An array that grows at its end."""

    def __init__(self, dtype: type) -> None:
        self._data = np.zeros(1024, dtype)
        self.size = 0

    def extend(self, values: list[int]) -> None:
        n = self.size + len(values)
        if n > len(self._data):
            self._data = np.concatenate((self._data, np.zeros(max(n, len(self._data)), self._data.dtype)))
        self._data[self.size : n] = values
        self.size = n

    @property
    def array(self) -> NDArray[np.int64]:
        return cast(NDArray[np.int64], self._data[: self.size])


@dataclass(frozen=True, slots=True)
class _Reading:
    """The bits that the outcomes at a point depend on, and the outcomes known for each reading of them."""

    shared: int
    local: int
    known: dict[tuple[int, int], list[Effect] | None]


class Pairs:
    """The transitions of a program, pair by pair, as arrays.

    Per pair (an index into these): `first`, `count` of its transitions; `can_move`, whether the process can take
    a step other than dying, and whether idle it could start every operation. Per transition: `shared`, `local`
    (numbers of the words it leads to), `label`.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.shared, self.local = Interned(), Interned()
        self.labels: dict[Label, int] = {}
        self.seen: set[tuple[int, int, bool]] = set()
        """Guards' values, as (point, which guard, value)."""
        self.first, self.count, self.can_move = Growing(np.int64), Growing(np.int64), Growing(np.bool_)
        self.to_shared, self.to_local, self.to_label = Growing(np.int64), Growing(np.int64), Growing(np.int32)
        for column in (self.first, self.count, self.can_move):
            column.extend([0])
        self._directory = np.zeros((64, 16), np.int32)
        self._blocks = np.zeros((64, 1 << BLOCK), np.int32)
        self._used = 1
        self._step: dict[int, _Reading] = {}
        self._crash: dict[tuple[int, int], dict[tuple[int, int], Effect | None]] = {}

    def nbytes(self) -> int:
        """Memory held, in bytes, roughly."""
        columns = (self.first, self.count, self.can_move, self.to_shared, self.to_local, self.to_label)
        interned = 200 * (len(self.shared) + len(self.local))
        return self._directory.nbytes + self._blocks.nbytes + sum(c._data.nbytes for c in columns) + interned

    def index(self, local: Ids, shared: Ids) -> Ids:
        """The index of each pair; new pairs are worked out first."""
        self._make_room()
        block = self._directory[local, shared >> BLOCK]
        found = self._blocks[block, shared & ((1 << BLOCK) - 1)]
        if not found.all():
            missing = np.flatnonzero(found == 0)
            keys = np.unique(local[missing] << 32 | shared[missing])
            for key in keys.tolist():
                self._resolve(key >> 32, key & 0xFFFFFFFF)
            self._make_room()
            block = self._directory[local, shared >> BLOCK]
            found = self._blocks[block, shared & ((1 << BLOCK) - 1)]
        return found.astype(np.int64)

    def _make_room(self) -> None:
        wanted = (len(self.local), (len(self.shared) >> BLOCK) + 1)
        have = self._directory.shape
        if wanted[0] > have[0] or wanted[1] > have[1]:
            shape = tuple(h if w <= h else max(w, 2 * h) for w, h in zip(wanted, have, strict=True))
            larger = np.zeros(shape, np.int32)
            larger[: have[0], : have[1]] = self._directory
            self._directory = larger

    def _resolve(self, local: int, shared: int) -> None:
        transitions, can_move = self._transitions(local, shared)
        pair = self.first.size
        self.first.extend([self.to_shared.size])
        self.count.extend([len(transitions)])
        self.can_move.extend([can_move])
        self.to_shared.extend([t[0] for t in transitions])
        self.to_local.extend([t[1] for t in transitions])
        self.to_label.extend([t[2] for t in transitions])
        column = shared >> BLOCK
        block = self._directory[local, column]
        if block == 0:
            if self._used == len(self._blocks):
                self._blocks = np.concatenate((self._blocks, np.zeros_like(self._blocks)))
            block = self._directory[local, column] = self._used
            self._used += 1
        self._blocks[block, shared & ((1 << BLOCK) - 1)] = pair

    def _transitions(self, local: int, shared: int) -> tuple[list[tuple[int, int, int]], bool]:
        program = self.program
        s, me = self.shared.words[shared], self.local.words[local]
        found: list[tuple[int, int, int]] = []
        can_move = True
        for word in program.starts if me == IDLE else (me,):
            point = program.point_of(word)
            effects = self._outcomes(point, s, word)
            can_move &= effects is not None
            for effect in effects or ():
                self._add(found, effect, point, s, word, (shared, local))
            if me != IDLE and (died := self._died(point, s, word)) is not None:
                self._add(found, died, point, s, word, (shared, local))
        return found, can_move

    def _add(
        self, found: list[tuple[int, int, int]], effect: Effect, point: int, s: int, me: int, source: tuple[int, int]
    ) -> None:
        t = self.program.apply(effect, point, s, me)
        to = (self.shared(t.shared), self.local(t.local))
        if to != source:
            label = self.labels.setdefault(t.label, len(self.labels))
            found.extend(self.watched((*to, label), source))

    def watched(self, transition: tuple[int, int, int], source: tuple[int, int]) -> list[tuple[int, int, int]]:  # noqa: ARG002
        """A hook for a search that watches for an answer (`model.search.exact`)."""
        return [transition]

    def _outcomes(self, point: int, s: int, me: int) -> list[Effect] | None:
        reading = self._step.get(point)
        if reading is None:
            reading = self._step[point] = _Reading(*self.program.reads(point), {})
        key = (s & reading.shared, me & reading.local)
        if key not in reading.known:
            reading.known[key] = self.program.outcomes(point, s, me, self.seen)
        return reading.known[key]

    def _died(self, point: int, s: int, me: int) -> Effect | None:
        shared, local = self.program.crash_reads(point)
        known = self._crash.setdefault((shared, local), {})
        key = (s & shared, me & local)
        if key not in known:
            known[key] = self.program.crash(point, s, me)
        return known[key]

    def kinds(self) -> NDArray[np.bool_]:
        """Per label, whether it is a step taken: neither a death nor a failure."""
        return np.array([label.kind in (Kind.STEP, Kind.REFUSED) for label in self.labels], np.bool_)
