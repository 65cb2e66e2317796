"""Candidate lemmas: all clauses of the shapes that are tried, that no sample contradicts, and no others."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from tiny_systems import ALIVE, CLOSING, HOLDS, LOCKED, MINE, PAUSED, RESOURCES, SAVED

from confsync.model.engine.program import IDLE, Program
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.state import Bounds, Local, Shared
from confsync.proofs.prover.invariant.candidates import _clauses, candidates
from confsync.proofs.prover.invariant.lemma import Clause, Exclusive, Literal, Owned
from confsync.proofs.prover.invariant.samples import Answers, Samples, distinct_rows, packed
from confsync.proofs.prover.invariant.vocabulary import Atom, atoms

ATOMS = (ALIVE, SAVED, PAUSED, LOCKED)
Said = frozenset[tuple[str, bool]]


def said(literals: tuple[Literal, ...]) -> Said:
    return frozenset((atom.name, yes) for atom, yes in literals)


def expected(rows: Answers, thirds: set[int]) -> set[Said]:
    """The shortest clauses that hold in all rows, of up to two literals; of three with an atom of `thirds`."""
    literals = list(product(range(rows.shape[1]), (True, False)))
    found: set[frozenset[tuple[int, bool]]] = set()
    for size in (1, 2, 3):
        for some in combinations(literals, size):
            clause = frozenset(some)
            if len({i for i, _ in some}) < size or any(part <= clause for part in found):
                continue
            if size == 3 and not {i for i, _ in some} & thirds:
                continue
            if all(any(row[i] == yes for i, yes in some) for row in rows):
                found.add(clause)
    return {frozenset((ATOMS[i].name, yes) for i, yes in clause) for clause in found}


@pytest.mark.parametrize("thirds", [set(), {0}, {1, 3}, {0, 1, 2, 3}], ids=str)
@pytest.mark.parametrize("count", [1, 2, 4, 7, 11])
def test_the_shortest_clauses_that_hold_in_all_samples(count: int, thirds: set[int]) -> None:
    for seed in range(3):
        rows: Answers = np.random.default_rng(seed).random((count, len(ATOMS))) < 0.6
        found = list(_clauses(ATOMS, range(len(ATOMS)), rows, frozenset(thirds)))
        assert {said(c) for c in found} == expected(rows, thirds)
        assert len(found) == len({said(c) for c in found})


def sampled(*rows: tuple[int, str]) -> Samples:
    """Samples: the point that a process is at, and the names of what is so there."""
    names = [atom.name for atom in VOCABULARY]
    answers = [[name in row.split(", ") for name in names] for _, row in rows]
    return Samples(np.array([point for point, _ in rows], np.int64), np.array(answers, np.bool_))


VOCABULARY: tuple[Atom, ...] = (ALIVE, SAVED, HOLDS, LOCKED, MINE, CLOSING, RESOURCES)
ONE, TWO = 2, 3


def pool(samples: Samples) -> set[tuple[int | None, Said]]:
    program = Program(DESIGNS[RECOMMENDED], Bounds(1, 1, 1, 1, 1, 1, 1))
    found = candidates(program, VOCABULARY, samples)
    assert {x for x in found if isinstance(x, Exclusive | Owned)} == {
        kind(lock) for kind in (Exclusive, Owned) for lock in ("locked", "device_locked")
    }
    return {(x.point, said(x.literals)) for x in found if isinstance(x, Clause)}


def test_a_candidate_is_so_in_all_samples_of_its_location() -> None:
    samples = sampled((IDLE, ""), (ONE, "alive, my holds, locked"), (TWO, "alive"), (TWO, "alive, locked"))
    found = pool(samples)
    assert (None, frozenset({("my holds", False), ("locked", True)})) in found
    assert (None, frozenset({("saved", False)})) in found
    assert (ONE, frozenset({("locked", True)})) in found
    assert (ONE, frozenset({("my holds", True)})) in found
    assert (TWO, frozenset({("my holds", False)})) in found
    assert (TWO, frozenset({("locked", True)})) not in found
    assert (None, frozenset({("alive", True)})) not in found
    assert (None, frozenset({("locked", False)})) not in found


def test_where_no_sample_is_nobody_comes() -> None:
    found = pool(sampled((IDLE, ""), (ONE, "alive")))
    assert (TWO, frozenset()) in found
    assert (ONE, frozenset()) not in found
    assert (IDLE, frozenset()) not in found


@pytest.mark.parametrize("columns", [11, 200], ids=["one word", "more"])
def test_rows_are_told_apart_and_none_is_lost(columns: int) -> None:
    rows = np.random.default_rng(0).random((400, columns)) < 4 / columns
    kept = rows[distinct_rows(packed(rows))]
    assert {tuple(row) for row in kept} == {tuple(row) for row in rows}
    assert len(kept) == len({tuple(row) for row in rows})


# ------------------------------------------------------------------ vocabulary


def test_every_field_that_is_declared_has_a_say() -> None:
    """But for the location and the look-out, which are the engine's."""
    vocabulary = atoms(Program(DESIGNS[RECOMMENDED], Bounds(1, 1, 1, 1, 1, 1, 1)))
    spoken = frozenset[str]().union(*(a.shared | a.local for a in vocabulary))
    assert spoken == (Shared.fields().keys() | Local.fields().keys()) - {"at", "watch", "attached"} | {"xenstore"}
    assert len({a.name for a in vocabulary} | {a.opposite for a in vocabulary}) == 2 * len(vocabulary)


def test_values_of_one_sort_are_compared_and_of_two_sorts_are_not() -> None:
    names = {a.name for a in atoms(Program(DESIGNS[RECOMMENDED], Bounds(1, 1, 1, 1, 1, 1, 1)))}
    assert {"template[k] = my config", "name = my new_name", "memory = granted", "template[k] = ABSENT"} <= names
    assert {"k is my slot", "k is ejectable", "closing[k]", "crashes = 0"} <= names
    assert not {"name = memory", "name = template[k]"} & names
