"""What each claim of the 2014 discussion comes to, held against a table that was written by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import pytest

from confsync.model.engine.runner import Request, run
from confsync.model.engine.verdict import Cell, Verdict
from confsync.model.libxl.claims import CLAIMS
from confsync.model.libxl.designs import DESIGNS
from confsync.model.libxl.properties import PROPERTIES
from confsync.model.libxl.state import Bounds
from confsync.model.report.claims import Claim, judge, needed

Cells = Mapping[tuple[str, str], Cell]

DEVICE = Bounds(slots=1, ejectable=0, configs=2, names=1, amounts=2)
DRIVE = Bounds(slots=0, ejectable=1, configs=2, names=1, amounts=1)

OF_DEVICES = {
    "A1": "GIVEN",
    "A2": "NEEDS MORE",  # the walk of the devices races with what attaches them
    "A3": "TRUE",
    "A4": "NEEDS MORE",  # a memory target is set in two places
    "P1": "TRUE",  # saving the template comes last, and can fail
    "J1": "TRUE",  # xenstore is entered before the template is written
    "J2": "TRUE",  # nothing is allocated before the template is written
    "J3": "TRUE",  # one dies between xenstore and the template
    "J4": "FALSE",  # what the template lacks can't be told exactly
    "X1": "NEEDS MORE",  # without the lock, the entry may be forgotten before xenstore is entered
    "X2": "NEEDS MORE",  # destruction takes the entry away between xenstore and the allocation
    "X3": "NEEDS MORE",
    "X4": "TRUE",  # one dies between the template and xenstore
    "X5": "NEEDS MORE",  # without a look at the slot, a device that is there has its entry overwritten
    "X6": "NEEDS MORE",
    "R1": "NEEDS MORE",
    "R3": "NEEDS MORE",  # a list read before and written after an update undoes it
    "U1": "NEEDS MORE",
    "L1": "TRUE",
}
OF_DRIVES = {
    "R2": "NEEDS MORE",
    "C1": "NEEDS MORE",  # two processes insert
    "C2": "NEEDS MORE",
}
"""By reasoning from the discussion: each in the smallest bounds that have what it is about."""

SECTION_1 = "A1 A2 A3 A4 P1 J1 J2 J3 J4 X1 X2 X3 X4 X5 X6 R1 R2 R3 U1 C1 C2 L1"


def found(names: set[str], bounds: Bounds) -> Cells:
    """The cells that some claims rest on."""
    designs: dict[str, set[str]] = {}
    for c in (CLAIMS[n] for n in names):
        for d in (c.of, *((c.needs[0],) if c.needs else ()), *c.without) if c.properties else ():
            designs.setdefault(d, set()).update(c.properties)
    examined = (
        e
        for d, asked in designs.items()
        for e in run(Request((DESIGNS[d],), bounds, tuple(p for p in PROPERTIES if p in asked)))
    )
    return {(c.design, c.property_name): c for e in examined for c in e.cells}


def test_every_claim_of_the_discussion_is_there() -> None:
    assert sorted(CLAIMS) == sorted(SECTION_1.split())
    assert OF_DEVICES.keys() | OF_DRIVES.keys() == CLAIMS.keys()


def test_every_property_is_of_claims_that_exist_and_every_claim_of_properties_that_do() -> None:
    for p in PROPERTIES.values():
        assert p.claims
        assert set(p.claims) <= set(CLAIMS), p.name
    for c in CLAIMS.values():
        assert set(c.properties) <= set(PROPERTIES), c.name
        assert bool(c.properties) != bool(c.given), c.name
        assert not c.properties or c.of in DESIGNS
        assert {*c.without, *(c.needs[:1] if c.needs else ())} <= set(DESIGNS)


def test_needed_is_what_judging_looks_at() -> None:
    class Noted(dict[tuple[str, str], Cell]):
        def __missing__(self, key: tuple[str, str]) -> Cell:
            asked.add(key)
            return cell(key[0], key[1], Verdict.REFUTED)

    asked: set[tuple[str, str]] = set()
    for c in CLAIMS.values():
        judge(c, Noted())
    assert asked == set(needed(CLAIMS.values()))
    assert len(needed(CLAIMS.values())) == len(asked)


def words_of(outcomes: Mapping[str, str], cells: Cells) -> dict[str, str]:
    return {n: judge(CLAIMS[n], cells).word for n in outcomes}


QUICK = {"P1", "J1", "X4", "A1"}


@pytest.mark.slow
def test_claims_that_are_quickly_judged() -> None:
    cells = found(QUICK, replace(DEVICE, configs=1, amounts=1))
    assert words_of(dict.fromkeys(QUICK, ""), cells) == {n: OF_DEVICES[n] for n in QUICK}


@pytest.mark.slow
def test_claims_about_devices_and_knobs() -> None:
    assert words_of(OF_DEVICES, found(set(OF_DEVICES), DEVICE)) == OF_DEVICES


@pytest.mark.slow
def test_claims_about_media() -> None:
    cells = found(set(OF_DRIVES), DRIVE)
    assert words_of(OF_DRIVES, cells) == OF_DRIVES
    said = judge(CLAIMS["C2"], cells).words
    for direct in CLAIMS["C2"].without:
        assert re.search(rf"Without it, under {direct}: retrieve_is_exact \(in \d+ steps\)", said)


def cell(design: str, name: str, verdict: Verdict, *, vacuous: bool = False) -> Cell:
    return Cell(design, name, verdict, DEVICE, 10, 20, 7, 0.1, vacuous=vacuous)


HELD, NOT, STOPPED, UNKNOWN = Verdict.EXHAUSTED, Verdict.REFUTED, Verdict.BOUNDED, Verdict.UNKNOWN
TWO = ("medium_agrees", "no_lost_update")
PLAIN = Claim("Z1", "it holds", "json_first", TWO)
NEEDY = Claim("Z2", "it holds", "json_first", TWO, ("as_posted", "the moon is full"))
BREAKS = Claim("Z3", "it breaks", "json_first", TWO, refutes=True)


@pytest.mark.parametrize(
    ("claim", "own", "more", "word"),
    [
        (PLAIN, (HELD, HELD), (), "TRUE"),
        (PLAIN, (HELD, Verdict.PROVED), (), "TRUE"),
        (PLAIN, (HELD, NOT), (), "FALSE"),
        (PLAIN, (NOT, STOPPED), (), "FALSE"),
        (PLAIN, (HELD, STOPPED), (), "OPEN"),
        (PLAIN, (HELD, UNKNOWN), (), "OPEN"),
        (NEEDY, (HELD, HELD), (NOT, NOT), "TRUE"),
        (NEEDY, (HELD, STOPPED), (HELD, HELD), "OPEN"),
        (NEEDY, (HELD, NOT), (HELD, HELD), "NEEDS MORE"),
        (NEEDY, (HELD, NOT), (HELD, STOPPED), "OPEN"),
        (NEEDY, (NOT, NOT), (UNKNOWN, HELD), "OPEN"),
        (NEEDY, (HELD, NOT), (HELD, NOT), "FALSE"),
        (NEEDY, (HELD, NOT), (STOPPED, NOT), "FALSE"),
        (BREAKS, (HELD, NOT), (), "TRUE"),
        (BREAKS, (HELD, HELD), (), "FALSE"),
        (BREAKS, (HELD, STOPPED), (), "OPEN"),
        (BREAKS, (STOPPED, NOT), (), "TRUE"),
    ],
)
def test_a_claim_is_what_its_cells_make_it(
    claim: Claim, own: tuple[Verdict, ...], more: tuple[Verdict, ...], word: str
) -> None:
    cells = {("json_first", p): cell("json_first", p, v) for p, v in zip(TWO, own, strict=True)}
    cells |= {("as_posted", p): cell("as_posted", p, v) for p, v in zip(TWO, more, strict=False)}
    outcome = judge(claim, cells)
    assert outcome.word == word
    for name, verdict in zip(TWO, own, strict=True):
        if verdict is NOT:
            assert f"{name} (in 7 steps)" in outcome.words
    assert ("the moon is full" in outcome.words) == (claim is NEEDY and NOT in own and NOT not in more)
    assert {c.design for c in outcome.evidence} == {"json_first", *(("as_posted",) if claim.needs else ())}


@pytest.mark.parametrize("claim", [c for c in CLAIMS.values() if c.properties], ids=lambda c: c.name)
def test_what_is_not_decided_is_never_true(claim: Claim) -> None:
    """Whatever one cell of the claim's own design was stopped at, with all the others holding."""
    for stopped in claim.properties:
        cells = {
            (d, p): cell(d, p, STOPPED if (d, p) == (claim.of, stopped) else HELD) for d, p in needed(CLAIMS.values())
        }
        assert judge(claim, cells).word == "OPEN"


def test_what_holds_for_want_of_a_case_says_so_and_is_not_true_by_that_alone() -> None:
    one = {("json_first", p): cell("json_first", p, HELD, vacuous=p == TWO[0]) for p in TWO}
    assert judge(PLAIN, one).word == "TRUE"
    assert f"vacuous, for want of a case: {TWO[0]}" in judge(PLAIN, one).words
    both = {k: replace(c, vacuous=True) for k, c in one.items()}
    assert judge(PLAIN, both).word == "OPEN"
