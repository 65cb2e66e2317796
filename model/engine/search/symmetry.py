"""Symmetry: states that differ only in the names of slots, configurations and processes behave alike.

No step can tell one configuration from another, one ordinary slot from another, one drive from another, nor one
process from another (who holds a lock is a matter of where a process is). Names and amounts other than the
first, with which a domain is created, are alike too. So one state of each orbit is enough: Ip and Dill,
"Better verification through symmetry", 1996.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from math import factorial

from confsync.model.engine.concrete import Layout
from confsync.model.engine.search.alone import Answer
from confsync.model.language import FIRST_CONFIG, Sort
from confsync.model.libxl.state import Bounds

Permutation = dict[Sort, tuple[int, ...]]
"""For each sort, where each of its values goes. Slots are a sort too."""


def _within(first: int, count: int, fixed_after: int = 0) -> Iterator[tuple[int, ...]]:
    """The permutations of `count` values from `first` on; those before, and `fixed_after` more, stay."""
    end = first + count
    for p in itertools.permutations(range(first, end)):
        yield (*range(first), *p, *range(end, end + fixed_after))


LARGEST = 1000
"""The largest group that is used. Beyond, some sorts are told apart: any subgroup is sound, and merges less."""


def permutations(bounds: Bounds) -> list[Permutation]:
    """The group: every way to rename slots and drives, configurations, names and amounts. The identity comes first."""
    factors: list[tuple[Sort, Iterator[tuple[int, ...]], int, tuple[int, ...]]] = [
        (
            Sort.SLOT,
            _slots(bounds),
            factorial(bounds.slots) * factorial(bounds.ejectable),
            _upto(bounds.size(Sort.SLOT)),
        ),
        (
            Sort.CONFIG,
            _within(FIRST_CONFIG, bounds.configs),
            factorial(bounds.configs),
            _upto(bounds.size(Sort.CONFIG)),
        ),
        (Sort.NAME, _within(1, bounds.names - 1), factorial(bounds.names - 1), _upto(bounds.names)),
        (Sort.AMOUNT, _within(1, bounds.amounts - 1), factorial(bounds.amounts - 1), _upto(bounds.amounts)),
    ]
    group: list[Permutation] = [{}]
    for sort, all_of_it, order, identity in factors:
        used = list(all_of_it) if order * len(group) <= LARGEST else [identity]
        group = [{**g, sort: p} for g in group for p in used]
    return group


def _upto(n: int) -> tuple[int, ...]:
    return tuple(range(n))


def _slots(bounds: Bounds) -> Iterator[tuple[int, ...]]:
    for ordinary in _within(0, bounds.slots, bounds.ejectable):
        for drives in _within(bounds.slots, bounds.ejectable):
            yield (*ordinary[: bounds.slots], *drives[bounds.slots :])


def renamed_answer(answer: Answer, permutation: Permutation) -> Answer:
    """What a permutation does to a whole configuration. The empty one is the identity."""
    if not permutation:
        return answer
    configs, name, memory = answer
    moved = list(configs)
    for k, c in enumerate(configs):
        moved[permutation[Sort.SLOT][k]] = permutation[Sort.CONFIG][c]
    return tuple(moved), permutation[Sort.NAME][name], permutation[Sort.AMOUNT][memory]


def renaming(layout: Layout, permutation: Permutation) -> Callable[[int], int]:
    """What a permutation does to a word of this layout."""
    cells: list[tuple[int, int, tuple[int, ...] | None, int]] = []
    kept = 0
    for p in layout.places.values():
        table = permutation.get(p.field.sort)
        moves = p.field.per_slot and permutation[Sort.SLOT] != tuple(range(len(permutation[Sort.SLOT])))
        if p.bits == 0:
            continue
        if not moves and (table is None or table == tuple(range(len(table)))):
            kept |= p.mask
            continue
        for k in range(p.count):
            to = permutation[Sort.SLOT][k] if p.field.per_slot else 0
            cells.append((p.offset + k * p.bits, (1 << p.bits) - 1, table, p.offset + to * p.bits))

    def rename(word: int) -> int:
        renamed = word & kept
        for shift, mask, table, to in cells:
            raw = word >> shift & mask
            renamed |= (table[raw] if table else raw) << to
        return renamed

    return rename
