"""A schedule done again from its token; and a token as a test that can be put beside the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import indent

from model.designs import RECOMMENDED
from model.language import ABSENT, EMPTY, FIRST_CONFIG
from model.state import Bounds
from model.step import SIGNATURES, Design
from model.trace import TokenError
from proofs.conformance.explore import Choice, Explorer, Start
from proofs.conformance.minimise import judge
from proofs.conformance.run import Told, tell
from proofs.conformance.schedule import Schedule, checksum, follow, read_token
from proofs.conformance.scope import Scope, begin, starts
from proofs.conformance.steps import Grain


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of a token. `wrong`: what is wrong with its last step that could be taken, "" if nothing is."""

    wrong: str
    told: Told
    same: bool
    """True if all was asked and answered as when the token was made. False: the code is other code, and steps of the
    token that cannot be taken were left out."""


def replay(token: str, design: Design) -> Replayed:
    """Do the schedule of a token again, held against the design. TokenError if it is none."""
    schedule, total = read_token(token)
    grain = Grain.REQUEST if schedule.fine else Grain.COMMIT
    scope = Scope(len(schedule.asked), schedule.deaths)
    _require_asked(schedule, scope.bounds)
    explorer = begin(design, scope, grain)
    start = _start(explorer, schedule)
    taken = Schedule(schedule.start, schedule.asked, tuple(_possible(explorer, start, schedule)))
    same = taken == schedule and checksum(follow(explorer, start, taken)) == total
    wrong = judge(explorer, start, taken)
    assert wrong is not None
    return Replayed(wrong, tell(explorer, start, taken, wrong), same)


def _start(explorer: Explorer, schedule: Schedule) -> Start:
    known = starts(explorer)
    if schedule.start not in known:
        raise TokenError(f"`{schedule.start}` in the token is none of the stores to begin with: {', '.join(known)}")
    return known[schedule.start]


def _require_asked(schedule: Schedule, bounds: Bounds) -> None:
    """TokenError if an operation lacks an argument, or has one that it does not take or that is out of bounds."""
    for asked in schedule.asked:
        signature = SIGNATURES[asked.operation]
        kinds = {"ordinary": range(bounds.slots), "ejectable": range(bounds.slots, bounds.slots + bounds.ejectable)}
        configs = range(FIRST_CONFIG, FIRST_CONFIG + bounds.configs)
        most = bounds.names if "new_name" in signature.takes else bounds.amounts
        whole = asked.draft is not None and len(asked.draft) == bounds.slots + bounds.ejectable
        good = (
            asked.slot in kinds[signature.slot] if signature.slot else asked.slot is None,
            asked.config in configs if "config" in signature.takes else asked.config is None,
            asked.number in range(most) if {"new_name", "amount"} & {*signature.takes} else asked.number is None,
            whole and set(asked.draft or ()) <= {ABSENT, EMPTY, *configs}
            if "draft" in signature.takes
            else asked.draft is None,
        )
        if not all(good):
            raise TokenError(f"{asked} in the token: an argument is missing, too many, or out of bounds")


def _possible(explorer: Explorer, start: Start, schedule: Schedule) -> Iterator[Choice]:
    """The choices that can be taken, up to the first that goes wrong."""
    at = explorer.at(start, schedule.asked)
    for choice in schedule.choices:
        after = explorer.take(at, choice)
        if after is None:
            continue
        yield choice
        if isinstance(after, str):
            return
        at = after


def as_pytest(token: str, reason: str, design: str = RECOMMENDED) -> str:
    """The source of a test that does the schedule again, and fails as long as it diverges. `reason`: what was wrong."""
    said = " ".join(reason.split()).replace("\\", "/").replace('"', "'") or "it diverged"
    lines = f'"""A schedule that diverged once: {said}."""'
    return f'''{_wrapped(lines)}

from model.designs import DESIGNS
from proofs.conformance.reproduce import replay

TOKEN = {_literal(token)}


def test_the_schedule_does_not_diverge() -> None:
    found = replay(TOKEN, DESIGNS["{design}"])
    assert not found.wrong, "\\n".join((found.wrong, *found.told.steps, *found.told.candidates))
'''


WIDTH = 100


def _wrapped(text: str) -> str:
    found, line = [], ""
    for word in text.split(" "):
        if line and len(line) + len(word) > WIDTH:
            found.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return "\n".join([*found, line])


def _literal(token: str) -> str:
    """The token as Python has it, on lines that are not too long."""
    if len(token) <= WIDTH:
        return f'"{token}"'
    parts = (token[n : n + WIDTH] for n in range(0, len(token), WIDTH))
    return "(\n" + indent("\n".join(f'"{part}"' for part in parts), "    ") + "\n)"
