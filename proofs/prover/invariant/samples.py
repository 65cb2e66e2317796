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
from confsync.model.language import (
    BOOL,
    Bool,
    Bounds,
    Design,
    Element,
    Field,
    Index,
    IndexSort,
    LanguageError,
    Protocol,
    Term,
)
from confsync.proofs.prover.invariant.vocabulary import Atom

MOST = 400_000
"""States of one search: from there on a sample has to do."""
Answers = NDArray[np.bool_]


class Column(Term):
    """A value of the language for each of many states."""

    def __init__(self, values: NDArray[Any], kinds: dict[str, NDArray[np.bool_]] | None = None) -> None:
        """`kinds`: of elements of an index sort, for each kind that can be asked for whether they are of it."""
        self.values = values
        self._kinds = kinds or {}

    def __getattr__(self, name: str) -> Column:
        if name.startswith("_") or name not in self._kinds:
            raise AttributeError(name)
        return Column(self._kinds[name])

    def neg(self) -> Column:
        return Column(~self.values)

    def both(self, other: Bool) -> Column:
        return Column(self.values & values_of(other))

    def either(self, a: Any, b: Any) -> Column:
        return Column(np.where(self.values, values_of(a), values_of(b)))

    def one_more(self) -> Column:
        return Column(self.values + 1)

    def __eq__(self, other: object) -> Column:  # type: ignore[override]
        return Column(self.values == values_of(other))

    def __ne__(self, other: object) -> Column:  # type: ignore[override]
        return (self == other).neg()

    __hash__ = None


def values_of(value: object) -> Any:
    """The array, or the one value, that a value of the language is."""
    if isinstance(value, Column):
        return value.values
    return value.index if isinstance(value, Element) else value


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
        return raw.astype(np.bool_) if field.sort == BOOL else raw

    def read(self, field: Field) -> Column:
        values = self._values(field, 0)
        if not isinstance(field.sort, IndexSort):
            return Column(values)
        elements = self.layout.elements(field.sort)
        kinds = {p: np.array([getattr(k, p) for k in elements] or [False])[values] for p in field.sort.predicates}
        return Column(values, kinds)

    def read_at(self, field: Field, k: Index) -> Column:
        assert isinstance(k, Element)
        return Column(self._values(field, k.index))

    def look_behind(self, field: Field, k: Index) -> Column:
        return self.read_at(field, k)

    def write(self, field: Field, value: object) -> None:  # noqa: ARG002
        raise LanguageError(f"{field!r} is read here, not written")

    def write_at(self, field: Field, k: Index, value: object) -> None:  # noqa: ARG002
        self.write(field, value)

    def write_all(self, field: Field, at: Callable[[Index], object]) -> None:
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


def small(protocol: Protocol) -> tuple[Bounds, ...]:
    """The bounds of the searches: those that the protocol declares, else its default ones, and two elements of each
    kind with one process: what is so of one's own element need not be so of another."""
    if protocol.small:
        return protocol.small
    default = protocol.bounds()
    two = {kind.bound: 2 for sort in protocol.index_sorts for kind in sort.kinds}
    return default, protocol.bounds(**default.counts() | two | {"processes": 1})


def take(design: Design, atoms: tuple[Atom, ...]) -> Samples:
    """The answers in all states of small searches."""
    rows = [row for bounds in small(design.protocol) for row in _rows(Program(design, bounds), atoms)]
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
    protocol = program.protocol
    s = protocol.shared(ColumnCells(program.shared_layout, words[0]))
    me = protocol.local(ColumnCells(program.local_layout, words[1]))
    points = program.points_of(words[1])
    for k in elements(program):
        columns = [np.broadcast_to(values_of(a.ask(s, me, k)), points.shape) for a in atoms]
        yield points, np.column_stack(columns).astype(np.bool_)


def elements(program: Program) -> tuple[Element | None, ...]:
    """The elements that atoms are asked of; (None,) where there is no index sort."""
    sorts = program.protocol.index_sorts
    return program.bounds.elements(sorts[0]) if sorts else (None,)
