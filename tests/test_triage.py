"""Counterexamples to induction: made small, evaluated on plain values, looked up, and told with what is missing."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from wrong_relations import CARRIERS

from model import design_file
from model.check import check
from model.concrete import Plain, WordCells
from model.designs import DESIGNS, RECOMMENDED
from model.language import ABSENT, EMPTY, ConcreteSlot, Record, any_of
from model.program import Kind, Program
from model.properties import PROPERTIES, Decided
from model.state import Bounds, Local, Shared
from model.step import Design, GivenLemma
from model.trace import Trace, read_token, replay
from model.verdict import Verdict
from model.violation import violates
from proofs import proof as proofs
from proofs import samples
from proofs.candidates import candidates
from proofs.cti import Cti, EnginesDisagree, Instance, Numbers, counterexample, says
from proofs.houdini import Broken
from proofs.induction import Claim
from proofs.lemma import Clause, Lemma
from proofs.proof import Proof, prove
from proofs.relation import Relation
from proofs.terms import Z3Cells
from proofs.triage import Label, Triage, line, triage
from proofs.vocabulary import atoms

recommended = DESIGNS[RECOMMENDED]
ONE_SLOT = samples.BOUNDS[4:5]
"""Quickly sampled."""
Drop = Callable[[Program, Lemma], bool]


def attempt(
    design: Design,
    names: Iterable[str],
    *,
    bounds: tuple[Bounds, ...] = (),
    drop: Drop = lambda _p, _x: False,
    cells: type[Z3Cells] = Z3Cells,
) -> Proof:
    """A proof that is tried with fewer candidates: those from samples within `bounds` ((): none), less what is
    dropped."""

    def fewer(program: Program, *rest: Any) -> list[Lemma]:
        return [x for x in candidates(program, *rest) if not drop(program, x)] if bounds else []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples, "BOUNDS", bounds or ONE_SLOT)
        patch.setattr(proofs, "candidates", fewer)
        patch.setattr(proofs, "Relation", lambda d: Relation(d, cells))
        return prove(design, names)


def at(place: str) -> Drop:
    """The candidates about a location."""

    def about(program: Program, lemma: Lemma) -> bool:
        here = isinstance(lemma, Clause) and bool(lemma.point) and program.points[lemma.point or 0].place
        return here == tuple(place.split(" ", 1))

    return about


def broken(proof: Proof) -> list[Broken]:
    return [*proof.found.broken.values(), *proof.found.refused.values()]


def replayed(trace: Trace, name: str) -> Trace:
    """The trace again, from its token."""
    return replay(Program(trace.program.design, trace.program.bounds), read_token(trace.token(name)))


# ------------------------------------------------------------------ the counterexample


def test_the_smallest_is_always_the_same() -> None:
    """It depends on the question alone: not on the solver's first answer, nor on the order of the lemmas."""

    def shuffled(seed: int) -> list[Cti]:
        def order(program: Program, *rest: Any) -> list[Lemma]:
            found = candidates(program, *rest)
            random.Random(seed).shuffle(found)
            return found

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(samples, "BOUNDS", ONE_SLOT)
            patch.setattr(proofs, "candidates", order)
            proof = prove(DESIGNS["as_posted"], ["template_has_xenstore"])
        return [counterexample(proof.found, b) for b in proof.why.values()]

    one, other = shuffled(1), shuffled(2)
    assert one
    assert [(c.before, c.move, c.program.bounds) for c in one] == [(c.before, c.move, c.program.bounds) for c in other]
