"""Candidate lemmas: everything of a simple shape that no reachable state within small bounds contradicts.

The shapes follow from the design. At each of its points, what is live there of a process's locals and the shared
state: one literal, or one of two; and that in cases (the element it was asked about, one of a kind, a lock it holds).
Of the shared state and who holds a lock: one of up to three literals. Of the locks: that one process holds each, and
that somebody does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from confsync.model.engine.program import IDLE, Program
from confsync.model.language import BOOL
from confsync.proofs.prover.invariant.lemma import Clause, Exclusive, Lemma, Literal, Owned
from confsync.proofs.prover.invariant.samples import Answers, Samples, distinct_rows, packed
from confsync.proofs.prover.invariant.vocabulary import Atom


def candidates(program: Program, atoms: tuple[Atom, ...], samples: Samples) -> list[Lemma]:
    """All candidates, the general ones first."""
    found: list[Lemma] = [*map(Exclusive, program.protocol.holders), *map(Owned, program.protocol.holders)]
    held = frozenset(program.protocol.held)
    anywhere = [i for i, a in enumerate(atoms) if a.local <= held]
    general = list(_clauses(atoms, anywhere, samples.answers[:, anywhere], frozenset(anywhere)))
    for kind in (a for a in atoms if not a.shared | a.local):
        general += _of_a_kind(atoms, kind, anywhere, samples.answers, general)
    found += [Clause(None, c) for c in general]
    known = set(general)
    cases = frozenset(
        i for i, a in enumerate(atoms) if not a.shared and a.local <= held | program.protocol.element_fields
    )
    """Which kind of element, the one it was asked about or another, and whether it holds the lock."""
    for point in range(len(program.points)):
        live = program.live_locals[point] if point != IDLE else held
        about = [i for i, a in enumerate(atoms) if a.local <= live]
        rows = samples.at(point)[:, about]
        if point != IDLE and not rows.size:
            found.append(Clause(point, ()))
            continue
        found += [Clause(point, c) for c in _clauses(atoms, about, rows, cases) if c not in known]
    return found


def _of_a_kind(
    atoms: tuple[Atom, ...], kind: Atom, about: Sequence[int], answers: Answers, known: list[tuple[Literal, ...]]
) -> Iterator[tuple[Literal, ...]]:
    """Clauses of one kind of element, and of it alone."""
    which = atoms.index(kind)
    others = [i for i in about if i != which]
    said = {frozenset(c) for c in known}
    for yes in (True, False):
        rows = answers[answers[:, which] == yes]
        for c in _clauses(atoms, others, rows[:, others], frozenset(others)):
            literals = (*c, (kind, not yes))
            if frozenset(c) not in said and frozenset(literals) not in said:
                yield literals


def _clauses(
    atoms: tuple[Atom, ...], about: Sequence[int], rows: Answers, thirds: frozenset[int]
) -> Iterator[tuple[Literal, ...]]:
    """The clauses over these atoms that hold in all rows, and no part of which does: of one literal, of two, and of
    three where an atom of `thirds` is among them. `about`: the atoms of the columns."""
    rows = rows[distinct_rows(packed(rows))]
    wrong = np.concatenate((~rows, rows), axis=1)
    """Per row and literal: it does not hold there."""
    always = np.flatnonzero(~wrong.any(axis=0))
    literals = [(i, yes) for yes in (True, False) for i in about]
    yield from (((atoms[literals[a][0]], literals[a][1]),) for a in always)

    open_ = [a for a in range(len(literals)) if a not in set(always.tolist())]
    if not open_:
        return
    literals = [literals[a] for a in open_]
    fails = _bits(wrong[:, open_])
    which = np.array([i for i, _ in literals])
    sorts = list(dict.fromkeys((BOOL, *(atom.about for atom in atoms))))
    speaks_of = np.array([sorts.index(atoms[i].about) for i, _ in literals])
    a_flag = speaks_of == sorts.index(BOOL)
    sensible = (speaks_of == speaks_of[:, None]) | a_flag | a_flag[:, None]
    sensible &= which != which[:, None]
    both_wrong = _fail_together(fails)
    for a, b in _upper(sensible & ~both_wrong):
        yield tuple((atoms[i], yes) for i, yes in (literals[a], literals[b]))
    sensible &= both_wrong
    seen = set()
    for a in (a for a, (i, _) in enumerate(literals) if i in thirds):
        fit = sensible[a][:, None] & sensible[a] & sensible
        fit &= ~_fail_together(fails & fails[a])
        for b, c in _upper(fit):
            three = tuple(sorted((a, b, c)))
            if three not in seen and _belong(*(atoms[literals[x][0]] for x in three)):
                seen.add(three)
                yield tuple((atoms[literals[x][0]], literals[x][1]) for x in three)


def _bits(columns: Answers) -> NDArray[np.uint64]:
    """Each column as a row of words, a bit for each of its values."""
    octets = np.packbits(columns.T, axis=1)
    padded = np.zeros((len(octets), -(-octets.shape[1] // 8) * 8), np.uint8)
    padded[:, : octets.shape[1]] = octets
    return padded.view(np.uint64)


def _fail_together(fails: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """For each two columns, as words of bits, whether both have a bit in one place. No product of matrices does this:
    the threads of a linear algebra library cost twenty times what a product of matrices this small costs."""
    found = np.zeros((len(fails), len(fails)), np.bool_)
    for column in fails.T:
        found |= (column[:, None] & column) != 0
    return found


def _upper(pairs: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """The pairs that are set, each once."""
    for a, b in zip(*np.nonzero(np.triu(pairs, 1)), strict=True):
        yield int(a), int(b)


def _belong(*atoms: Atom) -> bool:
    """They speak of values of one sort, and of flags: a clause of anything else joins what has no connection."""
    return len({atom.about for atom in atoms} - {BOOL}) <= 1
