"""Verdicts: what is known of a design and a property, and on what evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from confsync.model.engine.memory import INTERRUPT
from confsync.model.engine.trace import Trace
from confsync.model.language import Bounds


class Verdict(Enum):
    """What is known. Nothing is green by reaching a limit."""

    PROVED = "PROVED"
    EXHAUSTED = "EXHAUSTED"
    BOUNDED = "BOUNDED"
    REFUTED = "REFUTED"
    UNKNOWN = "UNKNOWN"

    @property
    def words(self) -> str:
        return {
            Verdict.PROVED: "holds for any size",
            Verdict.EXHAUSTED: "holds in every state within the bounds",
            Verdict.BOUNDED: "not refuted before a bound was reached",
            Verdict.REFUTED: "does not hold",
            Verdict.UNKNOWN: "not decided",
        }[self]


@dataclass(frozen=True, slots=True)
class Cell:
    """One design and one property. `states` (up to symmetry) and `transitions` are those of the searches that
    decided it, `depth` the length of the shortest trace if refuted, else the last level searched. `vacuous`: the
    case that makes the property interesting was never met. `stopped`: which bound was reached, "" for none. `proof`:
    what a proof for any size comes to, PROVED or UNKNOWN; None if none was tried."""

    design: str
    property_name: str
    verdict: Verdict
    bounds: Bounds
    states: int
    transitions: int
    depth: int
    seconds: float
    vacuous: bool = False
    stopped: str = ""
    trace: Trace | None = None
    proof: Verdict | None = None
    statement: str = ""
    """What the property says."""
    sometimes: str = ""
    """The case that makes it interesting."""

    @property
    def token(self) -> str:
        """What replays the counterexample; "" if there is none."""
        return self.trace.token(self.property_name) if self.trace else ""


EXIT_OK, EXIT_REFUTED, EXIT_BAD_INPUT, EXIT_OPEN, EXIT_STALE = 0, 1, 2, 3, 4
"""EXIT_STALE: a token that no longer means anything, for the code that it was made of is other code now."""


def interrupted(cells: Iterable[Cell]) -> bool:
    """Whether an interrupt left some of it undecided."""
    return any(c.stopped == INTERRUPT for c in cells)


def exit_code(cells: Sequence[Cell]) -> int:
    """0 all hold; 1 something is refuted; 3 something is bounded or unknown (and nothing refuted), or it was
    interrupted."""
    verdicts = {c.verdict for c in cells}
    if interrupted(cells):
        return EXIT_OPEN
    if Verdict.REFUTED in verdicts:
        return EXIT_REFUTED
    return EXIT_OPEN if verdicts & {Verdict.BOUNDED, Verdict.UNKNOWN} else EXIT_OK
