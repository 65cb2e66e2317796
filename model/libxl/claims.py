"""The claims of the 2014 discussion, and what became of each: derived from the verdicts, never written down.

A claim of a design is judged on that design; a variant shows what the claim needs that was not said. Sources:
"Discussion on libxl domain configuration synchronization", xen-devel 2014, Wei Liu's proposal and Ian Jackson's
reply, in the numbering of docs/design.md.
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
LITERAL, LOCKED = "xenstore_first", "xenstore_first_locked"
_LOCK = (LOCKED, "the lock is held until xenstore is committed, and the slot is checked before the template is written")

CLAIMS = {
    c.name: c
    for c in (
        Claim("A1", "`retrieve` is the only public call; there is no `store`", given="no operation writes the template "
              "at a caller's word but through what it does to the domain"),
        Claim("A2", "`retrieve` starts from the template and updates it by what xenstore says", LITERAL,
              ("retrieve_is_exact", "retrieve_is_a_fixed_point"), _LOCK),
        Claim("A3", "the template is saved at creation and updated by hotplug and unplug, and by nothing else", LITERAL,
              ("userdata_dies_with_domain",), (LOCKED, "creation and destruction hold the lock throughout")),
        Claim("A4", "every operation that matters shows in `retrieve`, and nothing else changes what it returns",
              LITERAL, ("knobs_are_reflected", "retrieve_is_exact"),
              (LOCKED, "what sets a knob in two places holds the lock, and so does what reads it back")),
        Claim("P1", "as posted, the last two steps can fail and leave the device in xenstore but not in the template",
              "as_posted", ("xenstore_has_template",), refutes=True),
        Claim("J1", "JSON FIRST: a device in the template is in xenstore", "json_first", ("template_has_xenstore",)),
        Claim("J2", "JSON FIRST: a device that holds resources is in the template", "json_first",
              ("resources_have_template",)),
        Claim("J3", "JSON FIRST tolerates a device in xenstore that the template lacks; `retrieve` reports it in "
              "degraded form", "json_first", ("retrieve_never_degraded",), refutes=True),
        Claim("J4", "JSON FIRST: `retrieve` may take the template as its primary reference", "json_first",
              ("retrieve_is_exact",)),
        Claim("X1", "XENSTORE FIRST: a device in xenstore has a template entry", LITERAL, ("xenstore_has_template",),
              _LOCK),
        Claim("X2", "a device that holds resources is in xenstore (held to be true already)", LITERAL,
              ("resources_have_xenstore",), (LOCKED, "destruction holds the lock that additions hold")),
        Claim("X3", "hence a device that holds resources is in the template", LITERAL, ("resources_have_template",),
              _LOCK),
        Claim("X4", "XENSTORE FIRST tolerates a template entry that xenstore lacks", LITERAL,
              ("template_has_xenstore",), refutes=True),
        Claim("X5", "to get X1, the new template is written before xenstore is", "xenstore_first_unchecked",
              ("xenstore_has_template", "template_is_faithful"),
              (LOCKED, "before it is written, the slot is checked: a template entry of a device that is there must not "
               "be overwritten by one that xenstore will refuse")),
        Claim("X6", "XENSTORE FIRST: the lock need not be held across the device's addition, only across the update of "
              "the template", LITERAL,
              ("xenstore_has_template", "template_is_faithful", "retrieve_is_exact", "no_lost_update"),
              (LOCKED, "it need not be held across the allocation, but it must be until xenstore is committed")),
        Claim("R1", "each device that exists takes its template entry, or failing that a made-up one with a warning",
              LITERAL, ("template_is_faithful", "retrieve_never_degraded"), _LOCK),
        Claim("R2", "of an empty drive the medium is dropped from the entry", LITERAL, ("retrieve_is_exact",), _LOCK),
        Claim("R3", "the resulting list replaces the old one: on disk too", "xenstore_first_write_back",
              ("no_lost_update", "xenstore_has_template"),
              ("xenstore_first_locked_write_back", "the lock is held until xenstore is committed, and across "
               "retrieve's read and write; the list returned may always replace the old one")),
        Claim("C1", "the medium in xenstore always equals the template's, unless xenstore says empty", LITERAL,
              ("medium_agrees",), _LOCK),
        Claim("C2", "so a swap is an eject, then an insert; then `retrieve` is always right", LITERAL,
              ("retrieve_is_exact",), _LOCK,
              without=("xenstore_first_locked_direct_swap_template_first",
                       "xenstore_first_locked_direct_swap_xenstore_first")),
        Claim("U1", "unplug runs the chosen order in reverse", LITERAL, ("xenstore_has_template", "always_recoverable"),
              (LOCKED, "leaving xenstore and forgetting the entry are under one lock")),
        Claim("L1", "a lock on the template excludes concurrent updates", LOCKED,
              ("lock_is_exclusive", "no_lost_update", "lock_order_is_acyclic", "every_operation_ends"),
              without=("xenstore_first_unlocked",)),
    )
}  # fmt: skip


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


def needed() -> list[tuple[str, str]]:
    """The cells, as (design, property), that the claims rest on."""
    found = []
    for c in CLAIMS.values():
        designs = (c.of, *((c.needs[0],) if c.needs else ()), *c.without) if c.properties else ()
        found += [(d, p) for d in designs for p in c.properties]
    return list(dict.fromkeys(found))
