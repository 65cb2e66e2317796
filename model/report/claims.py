"""Claims of a protocol's sources, and what became of each: derived from the verdicts, never written down.

A claim of a design is judged on that design; a variant shows what the claim needs that was not said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from confsync.model.engine.verdict import Cell, Verdict


@dataclass(frozen=True, slots=True)
class Claim:
    """What was said, of which design, and the properties that are what it comes to.

    `of`: the design it was said of, as the text has it. `needs`: the design in which the unsaid condition is
    added, and the condition in words. `without`: designs that are as the claim's but for what it asks for, which
    show what it is good for. `refutes`: the claim is that something goes wrong, and stands if the
    properties are refuted. A claim without properties is one the model takes as given; `given` says how.
    """

    name: str
    says: str
    of: str = ""
    properties: tuple[str, ...] = ()
    needs: tuple[str, str] | None = None
    without: tuple[str, ...] = ()
    refutes: bool = False
    given: str = ""


_UNDECIDED = (Verdict.BOUNDED, Verdict.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a claim. `evidence`: the cells it rests on, those of `needs` included."""

    claim: Claim
    word: str
    words: str
    evidence: tuple[Cell, ...]


def _standing(cells: Iterable[Cell]) -> Verdict:
    verdicts = {c.verdict for c in cells}
    for v in (Verdict.REFUTED, Verdict.UNKNOWN, Verdict.BOUNDED, Verdict.EXHAUSTED):
        if v in verdicts:
            return v
    return Verdict.PROVED


def judge(claim: Claim, cells: Mapping[tuple[str, str], Cell]) -> Outcome:
    """What became of a claim, from the matrix. KeyError if a cell that it rests on is not there."""
    if not claim.properties:
        return Outcome(claim, "GIVEN", f"built into the model: {claim.given}", ())
    own = tuple(cells[claim.of, p] for p in claim.properties)
    word, words = _judge(claim, own, cells)
    lacking = tuple(cells[d, p] for d in claim.without for p in claim.properties)
    for design in claim.without:
        if shown := _broken(c for c in lacking if c.design == design):
            words += f". Without it, under {design}: {shown}"
    more = tuple(cells[claim.needs[0], p] for p in claim.properties) if claim.needs else ()
    return Outcome(claim, word, words, own + more + lacking)


def _judge(claim: Claim, own: tuple[Cell, ...], cells: Mapping[tuple[str, str], Cell]) -> tuple[str, str]:
    standing, broken = _standing(own), _broken(own)
    if standing in _UNDECIDED:
        return "OPEN", f"{claim.of}: not decided within the bounds that were reached"
    if claim.refutes:
        happens = f"happens under {claim.of}: {broken}" if broken else f"does not happen under {claim.of}"
        return "TRUE" if broken else "FALSE", f"it {happens}"
    if broken:
        return _of_broken(claim, f"false as it stands, under {claim.of}: {broken}", cells)
    return "OPEN" if all(c.vacuous for c in own) else "TRUE", f"holds under {claim.of}{_vacuous(own)}"


def _of_broken(claim: Claim, words: str, cells: Mapping[tuple[str, str], Cell]) -> tuple[str, str]:
    if not claim.needs:
        return "FALSE", words
    design, condition = claim.needs
    more = tuple(cells[design, p] for p in claim.properties)
    if still := _broken(more):
        return "FALSE", f"{words}; and under {design} too: {still}"
    if _standing(more) in _UNDECIDED:
        return "OPEN", f"{words}. Under {design}, where {condition}, it is not decided"
    return "NEEDS MORE", f"{words}. It holds under {design}, where {condition}{_vacuous(more)}"


def _vacuous(cells: Iterable[Cell]) -> str:
    """Which of them hold only for want of a case."""
    names = ", ".join(c.property_name for c in cells if c.vacuous)
    return f" (vacuous, for want of a case: {names})" if names else ""


def _broken(cells: Iterable[Cell]) -> str:
    """The refuted ones, with the length of the shortest trace of each."""
    return ", ".join(f"{c.property_name} (in {c.depth} steps)" for c in cells if c.verdict is Verdict.REFUTED)


def needed(claims: Iterable[Claim]) -> list[tuple[str, str]]:
    """The cells, as (design, property), that the claims rest on."""
    found = []
    for c in claims:
        designs = (c.of, *((c.needs[0],) if c.needs else ()), *c.without) if c.properties else ()
        found += [(d, p) for d in designs for p in c.properties]
    return list(dict.fromkeys(found))
