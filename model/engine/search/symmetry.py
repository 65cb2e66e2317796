"""Symmetry: states that differ only in the names of elements, values and processes behave alike.

No step can tell one value that is no constant from another, one element of a kind from another, nor one process from
another (who holds a lock is a matter of where a process is). So one state of each orbit is enough: Ip and Dill,
"Better verification through symmetry", 1996.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from math import factorial, prod
from typing import Any

from confsync.model.engine.concrete import Layout
from confsync.model.engine.search.alone import Answer
from confsync.model.language import Bounds, IndexSort, Protocol, Sort

Permutation = dict[Sort, tuple[int, ...]]
"""For each sort, where each of its values or elements goes."""


def _within(first: int, count: int) -> Iterator[tuple[int, ...]]:
    """The permutations of `count` values from `first` on; those before stay."""
    for p in itertools.permutations(range(first, first + count)):
        yield (*range(first), *p)


LARGEST = 1000
"""The largest group that is used. Beyond, some sorts are told apart: any subgroup is sound, and merges less."""


def permutations(protocol: Protocol, bounds: Bounds) -> list[Permutation]:
    """The group: every way to rename elements within their kind, and values that are no constants. The identity comes
    first."""
    factors: list[tuple[Sort, Iterator[tuple[int, ...]], int, int]] = []
    for index in protocol.index_sorts:
        order = prod(factorial(n) for n in _kinds(index, bounds))
        factors.append((index, _elements(index, bounds), order, bounds.size(index)))
    for values in protocol.value_sorts:
        size = bounds.size(values)
        others = size - values.first
        factors.append((values, _within(values.first, others), factorial(others), size))
    group: list[Permutation] = [{}]
    for sort, all_of_it, order, size in factors:
        used = list(all_of_it) if order * len(group) <= LARGEST else [tuple(range(size))]
        group = [{**g, sort: p} for g in group for p in used]
    return group


def _kinds(sort: IndexSort[Any], bounds: Bounds) -> list[int]:
    """How many elements of each kind there are."""
    return [int(getattr(bounds, kind.bound)) for kind in sort.kinds]


def _elements(sort: IndexSort[Any], bounds: Bounds) -> Iterator[tuple[int, ...]]:
    """The permutations of elements within their kinds."""
    counts = _kinds(sort, bounds)
    firsts = [sum(counts[:i]) for i in range(len(counts))]
    for parts in itertools.product(*(_within(f, n) for f, n in zip(firsts, counts, strict=True))):
        yield tuple(x for part, first in zip(parts, firsts, strict=True) for x in part[first:])


def renamed_answer(protocol: Protocol, answer: Answer, permutation: Permutation) -> Answer:
    """What a permutation does to an answer. The empty one is the identity."""
    if not permutation:
        return answer
    found: list[int | tuple[int, ...]] = []
    for name, part in zip(protocol.answer, answer, strict=True):
        field = protocol.local_fields[name]
        table = permutation.get(field.sort)
        if not isinstance(part, tuple):
            found.append(table[part] if table else part)
            continue
        assert field.over
        moved = list(part)
        for k, value in enumerate(part):
            moved[permutation[field.over][k]] = table[value] if table else value
        found.append(tuple(moved))
    return tuple(found)


def renaming(layout: Layout, permutation: Permutation) -> Callable[[int], int]:
    """What a permutation does to a word of this layout."""
    cells: list[tuple[int, int, tuple[int, ...] | None, int]] = []
    kept = 0
    for p in layout.places.values():
        table = permutation.get(p.field.sort)
        over = permutation.get(p.field.over) if p.field.over else None
        moves = over is not None and over != tuple(range(len(over)))
        if p.bits == 0:
            continue
        if not moves and (table is None or table == tuple(range(len(table)))):
            kept |= p.mask
            continue
        for k in range(p.count):
            to = over[k] if over else k
            cells.append((p.offset + k * p.bits, (1 << p.bits) - 1, table, p.offset + to * p.bits))

    def rename(word: int) -> int:
        renamed = word & kept
        for shift, mask, table, to in cells:
            raw = word >> shift & mask
            renamed |= (table[raw] if table else raw) << to
        return renamed

    return rename
