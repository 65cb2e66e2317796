"""What one process can do in one shared state, worked out once for each distinct pair of the two.

Shared words and local words are interned: a small number stands for each. A step's outcomes depend only on the
bits it reads, so its Python function runs once per distinct *reading*; all pairs with that reading get their
transitions from its effect by vectorised bit operations. The pair table is a directory of blocks, so memory
follows the pairs that are met. Words of more than 64 bits are Python integers in the same arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from confsync.model.engine.program import Effect, Label, Program
from confsync.model.engine.search.symmetry import Permutation

Ids = NDArray[np.int64]
Words = NDArray[Any]
"""`uint64`, or Python integers where a word has more than 64 bits."""
BLOCK = 6
"""Pairs are kept in blocks of 2**BLOCK shared states each."""
FEW = 24
"""So many rows are worked out one by one sooner than as arrays."""


class Growing:
    """An array that grows at its end."""

    def __init__(self, dtype: Any) -> None:
        self._data = np.zeros(1024, dtype)
        self.size = 0

    def extend(self, values: NDArray[Any] | list[Any]) -> None:
        n = self.size + len(values)
        if n > len(self._data):
            self._data = np.concatenate((self._data, np.zeros(max(n, len(self._data)), self._data.dtype)))
        self._data[self.size : n] = values
        self.size = n

    @property
    def array(self) -> NDArray[Any]:
        return self._data[: self.size]

    @property
    def nbytes(self) -> int:
        return self._data.nbytes


class Interned:
    """Numbers for words, in the order they are first met. Number 0 is word 0."""

    def __init__(self, width: int) -> None:
        """`width`: how many bits a word has."""
        self.dtype: Any = np.uint64 if width <= 64 else object
        self.number: dict[int, int] = {0: 0}
        self.words: list[int] = [0]
        self._array = Growing(self.dtype)

    def __call__(self, word: int) -> int:
        n = self.number.get(word)
        if n is None:
            n = self.number[word] = len(self.words)
            self.words.append(word)
        return n

    def __len__(self) -> int:
        return len(self.words)

    def array(self) -> Words:
        """All words, by number."""
        self._array.extend(self.words[self._array.size :])
        return self._array.array

    def many(self, words: Words) -> Ids:
        """The numbers of many words."""
        distinct, where = np.unique(words, return_inverse=True)
        return np.array([self(w) for w in distinct.tolist()], np.int64)[where]


@dataclass(frozen=True, slots=True)
class _Reading:
    """The bits that what happens at a point depends on, and for each reading of them the numbers of its effects;
    None where the step is blocked."""

    shared: int
    local: int
    known: dict[tuple[int, int], tuple[int, ...] | None]


@dataclass(frozen=True, slots=True)
class Batch:
    """Transitions as columns: the row of the pair each belongs to, the numbers it leads to, its label."""

    row: Ids
    shared: Ids
    local: Ids
    label: Ids

    def columns(self) -> tuple[Ids, Ids, Ids, Ids]:
        return self.row, self.shared, self.local, self.label


def _distinct(a: Words, b: Words) -> tuple[Ids, Ids]:
    """Of pairs of words, in their order: where each that there is comes first, and which of them each one is."""
    a, b = (np.unique(x, return_inverse=True)[1] if x.dtype == object else x for x in (a, b))
    order = np.lexsort((b, a))
    a, b = a[order], b[order]
    fresh = np.ones(order.size, np.bool_)
    fresh[1:] = (a[1:] != a[:-1]) | (b[1:] != b[:-1])
    which = np.empty(order.size, np.int64)
    which[order] = np.cumsum(fresh) - 1
    return order[fresh], which


class Pairs:
    """The transitions of a program, pair by pair, as arrays.

    Per pair (an index into these): `first`, `count` of its transitions; `can_move`, whether the process can take
    a step other than dying, and if idle whether it could start every operation. Per transition: `to_shared`,
    `to_local` (numbers of the words it leads to), `to_label`.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.shared = Interned(program.shared_layout.width)
        self.local = Interned(program.local_layout.width)
        self.labels: dict[Label, int] = {}
        self.seen: set[tuple[int, int, bool]] = set()
        """Guards' values, as (point, which guard, value)."""
        self.first, self.count, self.can_move = Growing(np.int64), Growing(np.int64), Growing(np.bool_)
        self.to_shared, self.to_local, self.to_label = Growing(np.int64), Growing(np.int64), Growing(np.int32)
        self.change_shared, self.change_local = Growing(np.uint64), Growing(np.uint64)
        """Per transition, the exclusive or of the numbers it leads from and to."""
        for column in (self.first, self.count, self.can_move):
            column.extend([0])
        self._directory = np.zeros((64, 16), np.int32)
        self._blocks = np.zeros((64, 1 << BLOCK), np.int32)
        self._used = 1
        self._steps: dict[int, _Reading] = {}
        self._deaths: dict[int, _Reading] = {}
        self._effects: list[tuple[int, int, int, int, int]] = []
        """Per effect: the shared bits it keeps and sets, the local bits it keeps and sets, its label."""
        self._effect_columns: list[Growing] = []
        self._numbers: dict[tuple[Effect, int], int] = {}

    def nbytes(self) -> int:
        """Memory held, in bytes, roughly."""
        columns = (self.first, self.count, self.can_move, self.to_shared, self.to_local, self.to_label)
        changes = self.change_shared.nbytes + self.change_local.nbytes
        interned = 200 * (len(self.shared) + len(self.local))
        return self._directory.nbytes + self._blocks.nbytes + sum(c.nbytes for c in columns) + changes + interned

    def index(self, local: Ids, shared: Ids) -> Ids:
        """The index of each pair; new pairs are worked out first."""
        self._make_room()
        column, within = shared >> BLOCK, shared & ((1 << BLOCK) - 1)
        block = self._directory.take(local * self._directory.shape[1] + column)
        found = self._blocks.take((block.astype(np.int64) << BLOCK) + within)
        missing = np.flatnonzero(found == 0)
        if missing.size:
            keys = np.unique(local[missing] << 32 | shared[missing])
            self._enter(keys >> 32, keys & 0xFFFFFFFF)
            self._make_room()
            block = self._directory[local[missing], column[missing]]
            found[missing] = self._blocks[block, within[missing]]
        return cast(Ids, found)

    def _make_room(self) -> None:
        rows, columns = self._directory.shape
        wanted_rows, wanted_columns = len(self.local), (len(self.shared) >> BLOCK) + 1
        if wanted_rows > rows or wanted_columns > columns:
            shape = (
                rows if wanted_rows <= rows else max(wanted_rows, 2 * rows),
                columns if wanted_columns <= columns else max(wanted_columns, 2 * columns),
            )
            larger = np.zeros(shape, np.int32)
            larger[:rows, :columns] = self._directory
            self._directory = larger

    def _enter(self, local: Ids, shared: Ids) -> None:
        """Work out these pairs, which are distinct and new, and put them into the table."""
        batch, can_move = self._work_out(local, shared)
        by_row = np.argsort(batch.row, kind="stable")
        count = np.bincount(batch.row, minlength=local.size)
        number = self.first.size + np.arange(local.size)
        self.first.extend(self.to_shared.size + np.cumsum(count) - count)
        self.count.extend(count)
        self.can_move.extend(can_move)
        row, to_shared, to_local = batch.row[by_row], batch.shared[by_row], batch.local[by_row]
        self.to_shared.extend(to_shared)
        self.to_local.extend(to_local)
        self.to_label.extend(batch.label[by_row])
        self.change_shared.extend((to_shared ^ shared[row]).astype(np.uint64))
        self.change_local.extend((to_local ^ local[row]).astype(np.uint64))
        column = shared >> BLOCK
        for key in np.unique(local << 32 | column).tolist():
            at = (key >> 32, key & 0xFFFFFFFF)
            if self._directory[at] == 0:
                if self._used == len(self._blocks):
                    self._blocks = np.concatenate((self._blocks, np.zeros_like(self._blocks)))
                self._directory[at] = self._used
                self._used += 1
        self._blocks[self._directory[local, column], shared & ((1 << BLOCK) - 1)] = number

    def _work_out(self, local: Ids, shared: Ids) -> tuple[Batch, NDArray[np.bool_]]:
        s, me = self.shared.array()[shared], self.local.array()[local]
        can_move = np.ones(local.size, np.bool_)
        none = np.zeros(0, np.int64)
        parts: list[tuple[Ids, Words, Words, Ids]] = [(none, s[:0], me[:0], none)]
        few: list[tuple[int, int, int, int]] = []
        """What happens in rows that are worked out one by one, like `parts`."""
        for point, rows, words in self._by_point(me):
            reading = self._steps.get(point)
            if reading is None:
                reading = self._steps[point] = _Reading(*self.program.reads(point), {})
            blocked: Ids | list[int]
            if one_by_one := rows.size <= FEW:
                blocked = self._apply_one_by_one(few, reading, point, rows, s[rows], words, death=False)
            else:
                blocked = self._apply(parts, reading, point, rows, s[rows], words, death=False)
            can_move[blocked] = False
            if local[rows[0]] != 0:
                reading = self._deaths.get(point)
                if reading is None:
                    reading = self._deaths[point] = _Reading(*self.program.crash_reads(point), {})
                if one_by_one:
                    self._apply_one_by_one(few, reading, point, rows, s[rows], words, death=True)
                else:
                    self._apply(parts, reading, point, rows, s[rows], words, death=True)
        if few:
            of_row, leads_to, then, by = zip(*few, strict=True)
            parts.append(
                (
                    np.array(of_row, np.int64),
                    np.array(leads_to, s.dtype),
                    np.array(then, me.dtype),
                    np.array(by, np.int64),
                )
            )
        row = np.concatenate([p[0] for p in parts])
        to_shared = self.shared.many(np.concatenate([p[1] for p in parts]))
        to_local = self.local.many(np.concatenate([p[2] for p in parts]))
        label = np.concatenate([p[3] for p in parts])
        moves = (to_shared != shared[row]) | (to_local != local[row])
        batch = Batch(row[moves], to_shared[moves], to_local[moves], label[moves])
        return self.watched(batch, local, shared), can_move

    def _by_point(self, me: Words) -> Iterator[tuple[int, Ids, Words]]:
        """The rows at each point, with their local words; the idle ones once for each way to start."""
        idle = np.flatnonzero(me == 0)
        if idle.size:
            for start in self.program.starts:
                yield self.program.point_of(start), idle, np.full(idle.size, start, me.dtype)
        at_work = np.flatnonzero(me != 0)
        if at_work.size:
            points = self.program.points_of(me[at_work])
            order = np.argsort(points, kind="stable")
            cuts = np.flatnonzero(np.diff(points[order])) + 1
            for rows in np.split(order, cuts):
                yield int(points[rows[0]]), at_work[rows], me[at_work[rows]]

    def _apply(
        self,
        parts: list[tuple[Ids, Words, Words, Ids]],
        reading: _Reading,
        point: int,
        rows: Ids,
        s: Words,
        me: Words,
        *,
        death: bool,
    ) -> Ids:
        """Add what happens at the point to `parts`, in all these rows. -> the rows where the step is blocked"""
        as_word = s.dtype.type if s.dtype != object else int
        as_local = me.dtype.type if me.dtype != object else int
        read_shared, read_local = s & as_word(reading.shared), me & as_local(reading.local)
        one, which = _distinct(read_shared, read_local)
        effects: list[tuple[int, ...] | None] = []
        keys = zip(read_shared[one].tolist(), read_local[one].tolist(), strict=True)
        for i, key in zip(one.tolist(), keys, strict=True):
            if key not in reading.known:
                reading.known[key] = self._happens(point, int(s[i]), int(me[i]), death=death)
            effects.append(reading.known[key])
        most = max((len(e) for e in effects if e), default=0)
        if most:
            padded = [(e or ()) + (-1,) * (most - len(e or ())) for e in effects]
            effect = np.array(padded, np.int64).T[:, which]
            nth, hit = np.nonzero(effect >= 0)
            effect = effect[nth, hit]
            keeps, sets, keeps_local, sets_local, label = (c[effect] for c in self._columns(s.dtype, me.dtype))
            parts.append((rows[hit], s[hit] & keeps | sets, me[hit] & keeps_local | sets_local, label))
        blocked = np.array([e is None for e in effects], np.bool_)
        return rows[blocked[which]]

    def _apply_one_by_one(
        self,
        few: list[tuple[int, int, int, int]],
        reading: _Reading,
        point: int,
        rows: Ids,
        s: Words,
        me: Words,
        *,
        death: bool,
    ) -> list[int]:
        """Add what happens to `few`. For a few rows `_apply` would spend its time in calls of NumPy."""
        blocked = []
        for row, shared, local in zip(rows.tolist(), s.tolist(), me.tolist(), strict=True):
            key = shared & reading.shared, local & reading.local
            if key not in reading.known:
                reading.known[key] = self._happens(point, shared, local, death=death)
            effects = reading.known[key]
            if effects is None:
                blocked.append(row)
                continue
            for effect in effects:
                keeps, sets, keeps_local, sets_local, label = self._effects[effect]
                few.append((row, shared & keeps | sets, local & keeps_local | sets_local, label))
        return blocked

    def _columns(self, shared: Any, local: Any) -> list[NDArray[Any]]:
        """The effects as columns, of these types of words."""
        if not self._effect_columns:
            self._effect_columns = [Growing(t) for t in (shared, shared, local, local, np.int64)]
        if new := self._effects[self._effect_columns[0].size :]:
            for n, column in enumerate(self._effect_columns):
                column.extend([e[n] for e in new])
        return [column.array for column in self._effect_columns]

    def _happens(self, point: int, s: int, me: int, *, death: bool) -> tuple[int, ...] | None:
        if death:
            died = self.program.crash(point, s, me)
            return (self._number(died, point),) if died else ()
        effects = self.program.outcomes(point, s, me, self.seen)
        return None if effects is None else tuple(self._number(e, point) for e in effects)

    def _number(self, effect: Effect, point: int) -> int:
        if (effect, point) not in self._numbers:
            shared, local = self.program.shared_layout, self.program.local_layout
            keeps, sets = self.program.local_change(effect)
            label = self.labels.setdefault(Label(effect.kind, point), len(self.labels))
            everything = (1 << max(shared.width, 1)) - 1
            whole = (1 << local.width) - 1
            self._numbers[effect, point] = len(self._effects)
            self._effects.append((everything & ~effect.shared_mask, effect.shared_bits, whole & keeps, sets, label))
        return self._numbers[effect, point]

    def renamed_watch(self, permutation: Permutation) -> tuple[int, ...]:  # noqa: ARG002
        """Where a renaming takes each value of `Local.watch`."""
        return (0,)

    def watched(self, batch: Batch, local: Ids, shared: Ids) -> Batch:  # noqa: ARG002
        """A hook for a search that is on the look-out for an answer (`confsync.model.engine.search.exact`)."""
        return batch
