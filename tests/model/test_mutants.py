"""Every mutant of the recommended design is noticed, or stands in `mutants.py` with the reason why it is not.

Noticed is one in which the operation alone no longer does what its name says, one that is refuted for a property that
the design holds, one in which a property has become vacuous, and one in which a step can never be taken.
"""

from __future__ import annotations

from functools import cache

import pytest
from mutants import EQUIVALENT, MUTANTS, NO_DESIGN, recommended

from confsync.model.engine.check import Examined, check
from confsync.model.engine.contract import check_contract
from confsync.model.engine.program import Kind, Program
from confsync.model.engine.verdict import Verdict
from confsync.model.language import Design, LanguageError
from confsync.model.libxl.properties import PROPERTIES
from confsync.model.libxl.state import Bounds

HELD = [name for name in PROPERTIES if name != "template_has_xenstore"]
"""What the recommended design holds."""

DEVICE = Bounds(slots=1, ejectable=0, configs=1, names=1, amounts=1, processes=2, crashes=0)
DEATH = Bounds(slots=1, ejectable=0, configs=1, names=1, amounts=1, processes=2, crashes=1)
DRIVE_DEATH = Bounds(slots=0, ejectable=1, configs=1, names=1, amounts=1, processes=2, crashes=1)
DRIVE = Bounds(slots=0, ejectable=1, configs=1, names=1, amounts=1, processes=2, crashes=0)
NAMES = Bounds(slots=1, ejectable=0, configs=1, names=2, amounts=1, processes=2, crashes=0)
AMOUNTS = Bounds(slots=0, ejectable=0, configs=1, names=1, amounts=2, processes=2, crashes=1)
WHICH = Bounds(slots=1, ejectable=1, configs=2, names=1, amounts=1, processes=2, crashes=0)

LADDER = {
    "create": (DEVICE, DRIVE, DEATH, DRIVE_DEATH),
    "attach": (DEVICE, WHICH),
    "detach": (DEVICE,),
    "insert": (DRIVE, WHICH),
    "eject": (DRIVE, WHICH),
    "swap": (DRIVE, WHICH),
    "set_memory_target": (AMOUNTS,),
    "rename": (NAMES,),
    "retrieve": (DEVICE, DRIVE, NAMES),
    "destroy": (DEVICE,),
}
"""The bounds in which an operation's mutants are looked at: those that notice them soonest come first."""

LARGEST = Bounds()
QUICK = {
    "attach: without 6 drop_lock",
    "destroy: 6 kill_domain before 5 remove_template",
    "insert: 5 load_medium before 4 write_template",
    "rename: without 1 take_lock",
    "set_memory_target: 3 write_memory before 2 grant_memory",
}


def never_taken(design: Design, operation: str, examined: Examined) -> set[str]:
    """The steps of an operation that were never taken."""
    places = {p.place for p in Program(design, LARGEST).points if p.operation == operation and not p.cleaning_up}
    return {where for _, where in places if not examined.taken.get((operation, where, Kind.STEP.value))}


@cache
def of_the_design(bounds: Bounds) -> Examined:
    return check(recommended, bounds, HELD)


def vacuous(examined: Examined) -> set[str]:
    return {c.property_name for c in examined.cells if c.vacuous}


def notices(operation: str, design: Design, bounds: Bounds) -> str:
    """What is wrong with a mutant, in words; "" if nothing is."""
    try:
        check_contract(design)
    except LanguageError as error:
        return str(error)
    examined = of_the_design(bounds) if design is recommended else check(design, bounds, HELD)
    refuted = [c for c in examined.cells if c.verdict is Verdict.REFUTED]
    if refuted:
        return f"{refuted[0].property_name} is refuted in {refuted[0].depth} steps"
    if more := vacuous(examined) - vacuous(of_the_design(bounds)):
        return f"{min(more)} has become vacuous"
    if not never_taken(recommended, operation, of_the_design(bounds)) and (
        never := never_taken(design, operation, examined)
    ):
        return f"{min(never)} can never be taken"
    return ""


EACH = 6
"""Of so many mutants one is judged for every change; all are in the deep tests."""


def marked(number: int, words: str) -> object:
    tier = pytest.mark.deep if number % EACH else pytest.mark.slow
    return pytest.param(words, marks=() if words in QUICK | NO_DESIGN.keys() else tier)


@pytest.mark.parametrize("words", [marked(number, words) for number, words in enumerate(MUTANTS)])
def test_mutant(words: str) -> None:
    operation, design = MUTANTS[words]
    if words in NO_DESIGN:
        with pytest.raises(LanguageError, match=f"operation `{operation}`.*{NO_DESIGN[words]}"):
            Program(design, DEVICE)
        return
    found = next((said for bounds in LADDER[operation] if (said := notices(operation, design, bounds))), "")
    assert bool(found) is (words not in EQUIVALENT), found or "nothing notices it"


@pytest.mark.deep
@pytest.mark.parametrize("words", EQUIVALENT)
def test_an_equivalent_mutant_is_not_noticed_within_the_default_bounds(words: str) -> None:
    assert not notices(*MUTANTS[words], LARGEST)


@pytest.mark.parametrize("operation", [pytest.param(o, marks=pytest.mark.slow) for o in LADDER])
def test_nothing_is_wrong_with_the_design(operation: str) -> None:
    """What notices mutants does so for their sake."""
    for bounds in LADDER[operation]:
        assert not notices(operation, recommended, bounds)


def test_the_lists_are_of_mutants() -> None:
    lists = (NO_DESIGN, EQUIVALENT)
    assert MUTANTS.keys() >= {words for each in lists for words in each}
    assert sum(map(len, lists)) == len({words for each in lists for words in each})
    assert MUTANTS.keys() >= QUICK


def test_a_mutant_is_another_design() -> None:
    for operation, design in MUTANTS.values():
        assert design[operation] != recommended[operation]
