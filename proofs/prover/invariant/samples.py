"""What is so in every state within small bounds: a candidate lemma that fails there need not be asked of the solver.

All reachable states of a design at several small bounds, as columns of words, and the answer to every atom on them
at once: the language on NumPy arrays. This only spares work. What is kept is proved by the solver alone. (Incremental
inference of invariants from finite instances: Ma, Goel, Jeannin, Kapritsos, Kasikci and Sakallah, "I4", SOSP 2019.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from confsync.model.engine.concrete import Layout
from confsync.model.engine.program import Program
from confsync.model.engine.search.bfs import Limits, Search
from confsync.model.engine.search.monitor import Monitor
from confsync.model.engine.search.pairs import Pairs, Words
from confsync.model.language import Bool, ConcreteSlot, Config, Field, LanguageError, Slot, Sort, Term
from confsync.model.language.step import Design
from confsync.model.libxl.state import Bounds, Local, Shared
from confsync.proofs.prover.invariant.vocabulary import Atom

BOUNDS = (
    Bounds(slots=1, ejectable=1, configs=2, names=1, amounts=1, processes=2, crashes=1),
    Bounds(slots=2, ejectable=0, configs=2, names=1, amounts=1, processes=1, crashes=2),
    Bounds(slots=0, ejectable=2, configs=2, names=1, amounts=1, processes=1, crashes=2),
    Bounds(slots=1, ejectable=1, configs=1, names=2, amounts=2, processes=1, crashes=2),
    Bounds(slots=1, ejectable=0, configs=1, names=2, amounts=1, processes=2, crashes=1),
    Bounds(slots=1, ejectable=0, configs=1, names=1, amounts=2, processes=2, crashes=1),
)
"""Devices and media, other slots than one's own, names, memory targets."""
MOST = 400_000
"""States of one search: from there on a sample has to do."""
Answers = NDArray[np.bool_]


class Column(Term):
    """A value of the language for each of many states."""

    def __init__(self, values: NDArray[Any], ejectable: NDArray[np.bool_] | None = None) -> None:
        self.values = values
        self._ejectable = ejectable

    def neg(self) -> Column:
        return Column(~self.values)

    def both(self, other: Bool) -> Column:
        return Column(self.values & values_of(other))

    def either(self, a: Any, b: Any) -> Column:
        return Column(np.where(self.values, values_of(a), values_of(b)))

    def one_more(self) -> Column:
        return Column(self.values + 1)

    @property
    def ejectable(self) -> Column:
        assert self._ejectable is not None
        return Column(self._ejectable)

    def __eq__(self, other: object) -> Column:  # type: ignore[override]
        return Column(self.values == values_of(other))

    def __ne__(self, other: object) -> Column:  # type: ignore[override]
        return (self == other).neg()

    __hash__ = None


def values_of(value: object) -> Any:
    """The array, or the one value, that a value of the language is."""
    if isinstance(value, Column):
        return value.values
    return value.index if isinstance(value, ConcreteSlot) else value


class ColumnCells:
    """The cells of one record in many states, to be read."""

    def __init__(self, layout: Layout, words: Words) -> None:
        self.layout, self.words = layout, words

    def _values(self, field: Field, k: int) -> NDArray[Any]:
        place = self.layout.places[field.name]
        shift, mask = place.offset + k * place.bits, (1 << place.bits) - 1
        if self.words.dtype == object:
            raw = np.array([w >> shift & mask for w in self.words], np.int64)
        else:
            raw = (self.words >> np.uint64(shift) & np.uint64(mask)).astype(np.int64)
        return raw.astype(np.bool_) if field.sort is Sort.BOOL else raw

    def read(self, field: Field) -> Column:
        values = self._values(field, 0)
        if field.sort is not Sort.SLOT:
            return Column(values)
        ejectable = np.array([k.ejectable for k in self.layout.slots] or [False])
        return Column(values, ejectable[values])

    def read_at(self, field: Field, slot: Slot) -> Column:
        assert isinstance(slot, ConcreteSlot)
        return Column(self._values(field, slot.index))

    def look_behind(self, field: Field, slot: Slot) -> Config:
        return self.read_at(field, slot)

    def write(self, field: Field, value: object) -> None:  # noqa: ARG002
        raise LanguageError(f"{field!r} is read here, not written")

    def write_at(self, field: Field, slot: Slot, value: object) -> None:  # noqa: ARG002
        self.write(field, value)

    def write_all(self, field: Field, at: Callable[[Slot], object]) -> None:
        self.write(field, at)

    def wait_until(self, condition: Bool) -> None: ...

    def fail_if(self, condition: Bool) -> None: ...


@dataclass(frozen=True, slots=True)
class Samples:
    """Answers to all atoms, a row for each distinct combination of them, and the point its process is at."""

    points: NDArray[np.int64]
    answers: Answers

    def at(self, point: int) -> Answers:
        """The rows with the process at a point."""
        there: Answers = self.answers[self.points == point]
        return there


def packed(answers: Answers) -> NDArray[np.uint8]:
    """Rows of answers, eight to a byte."""
    return np.packbits(answers, axis=1)


def distinct_rows(rows: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Which rows of bytes to keep for each to be there once. As whole words they are sorted much faster than `unique`
    sorts rows."""
    padded = np.zeros((len(rows), -(-rows.shape[1] // 8) * 8), np.uint8)
    padded[:, : rows.shape[1]] = rows
    words = padded.view(np.uint64)
    order = np.lexsort(words.T)
    fresh = np.ones(len(rows), np.bool_)
    fresh[1:] = (words[order[1:]] != words[order[:-1]]).any(axis=1)
    return order[fresh]


def reachable_pairs(search: Search) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The (shared, local) numbers of every process in every state that a search found."""
    found = []
    for states in search.visited.levels:
        shared, local = search.packing.unpack(states)
        found.append(np.unique(np.concatenate([shared << 32 | column for column in local])))
    keys = np.unique(np.concatenate(found))
    return keys >> 32, keys & 0xFFFFFFFF


def take(design: Design, atoms: tuple[Atom, ...]) -> Samples:
    """The answers in all states of small searches."""
    rows = [row for bounds in BOUNDS for row in _rows(Program(design, bounds), atoms)]
    points = np.concatenate([p for p, _ in rows])
    answers = np.concatenate([a for _, a in rows])
    first = distinct_rows(np.column_stack((points.astype(np.uint16).view(np.uint8).reshape(-1, 2), packed(answers))))
    return Samples(points[first], answers[first])


def _rows(program: Program, atoms: tuple[Atom, ...]) -> Iterator[tuple[NDArray[np.int64], Answers]]:
    pairs = Pairs(program)
    search = Search(program, pairs, Monitor(program, pairs.shared, pairs.local, []), symmetric=True)
    search.run(Limits(max_states=MOST))
    shared, local = reachable_pairs(search)
    words = pairs.shared.array()[shared], pairs.local.array()[local]
    s, me = Shared(ColumnCells(program.shared_layout, words[0])), Local(ColumnCells(program.local_layout, words[1]))
    points = program.points_of(words[1])
    for k in program.shared_layout.slots:
        columns = [np.broadcast_to(values_of(a.ask(s, me, k)), points.shape) for a in atoms]
        yield points, np.column_stack(columns).astype(np.bool_)
