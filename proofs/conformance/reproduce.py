"""A schedule done again from its token; and a token as a test that can be put beside the others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from textwrap import indent

from confsync.model.engine.trace import TokenError
from confsync.model.language import Design
from confsync.model.libxl.designs import RECOMMENDED
from confsync.model.libxl.operations import SIGNATURES
from confsync.model.libxl.state import ABSENT, EMPTY, FIRST_CONFIG, Bounds
from confsync.proofs.conformance.explore import CannotPrepare, Choice, Explorer, Start
from confsync.proofs.conformance.minimise import carried_on, judge
from confsync.proofs.conformance.run import Told, tell
from confsync.proofs.conformance.schedule import Schedule, checksum, follow, read_token
from confsync.proofs.conformance.scope import BEFORE, Scope, begin
from confsync.proofs.conformance.steps import Grain, Kind


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of a token.

    `wrong`: what is wrong with the last step that was taken; "" if nothing is, though the schedule was carried on to
    the end of all its operations. `stale`: why the token no longer means anything; "" if it does. `same`: all was asked
    and answered as when the token was made. Where it is False the code is other code, and steps of the token that
    cannot be taken any more, for their process has ended or waits, were left out. `choices`: those of the token that
    were taken.
    """

    wrong: str
    told: Told
    same: bool
    stale: str = ""
    choices: tuple[Choice, ...] = ()


def replay(token: str, design: Design) -> Replayed:
    """Do the schedule of a token of the reference implementation again, on embedded stores, held against the design.
    TokenError if it is none, or of another implementation."""
    schedule, total = read(token, Kind.EMBEDDED, Kind.FINE)
    grain = Grain.REQUEST if schedule.kind is Kind.FINE else Grain.COMMIT
    return again(begin(design, scope_of(schedule), grain), schedule, total)


_HOW = {
    Kind.EMBEDDED: "the reference implementation on embedded stores: replay it without --external and --stores",
    Kind.FINE: "the reference implementation, within transactions too: replay it without --external and --stores",
    Kind.REAL: "the reference implementation on real stores: replay it with --stores real",
    Kind.EXTERNAL: "another implementation: replay it with --external COMMAND",
}


def read(token: str, *kinds: Kind) -> tuple[Schedule, str]:
    """The schedule of a token of one of these kinds, and its sum. TokenError."""
    schedule, total = read_token(token)
    if schedule.kind not in kinds:
        raise TokenError(f"the token is of {_HOW[schedule.kind]}")
    if schedule.start not in BEFORE:
        raise TokenError(f"`{schedule.start}` in the token is none of the stores to begin with: {', '.join(BEFORE)}")
    _require_asked(schedule, scope_of(schedule).bounds)
    for choice in schedule.choices:
        if choice.process >= len(schedule.asked):
            raise TokenError(f"`{choice}` in the token: there is no process {choice.process}")
    return schedule, total


def scope_of(schedule: Schedule) -> Scope:
    """The least scope that has this schedule."""
    return Scope(len(schedule.asked), schedule.deaths, sum(bool(choice.which) for choice in schedule.choices))


def again(explorer: Explorer, schedule: Schedule, total: str) -> Replayed:
    """Take a schedule that was read once more, and then go on to the end if nothing is wrong with it."""
    try:
        start = explorer.prepare(*BEFORE[schedule.start])
    except CannotPrepare as e:
        nothing = explorer.prepare()
        told = tell(explorer, nothing, Schedule("none", (), ()), "")
        return Replayed("", told, False, f"its stores cannot be made: {e}")
    choices, stale = _possible(explorer, start, schedule)
    taken = replace(schedule, choices=choices)
    same = taken == schedule and checksum(follow(explorer, start, taken)) == total
    wrong = judge(explorer, start, taken)
    assert wrong is not None
    if not wrong and not stale:
        further = carried_on(explorer, start, taken)
        wrong = judge(explorer, start, further)
        assert wrong is not None
        taken = further if wrong else taken
    return Replayed(wrong, tell(explorer, start, taken, wrong, schedule.kind), same, stale, choices)


def _require_asked(schedule: Schedule, bounds: Bounds) -> None:
    """TokenError if an operation lacks an argument, or has one that it does not take or that is out of bounds."""
    for asked in schedule.asked:
        signature = SIGNATURES[asked.operation]
        kinds = {"ordinary": range(bounds.slots), "ejectable": range(bounds.slots, bounds.slots + bounds.ejectable)}
        configs = range(FIRST_CONFIG, FIRST_CONFIG + bounds.configs)
        most = bounds.names if "new_name" in signature.takes else bounds.amounts
        whole = asked.draft is not None and len(asked.draft) == bounds.slots + bounds.ejectable
        good = (
            asked.slot in kinds[signature.kind("slot")] if signature.kind("slot") else asked.slot is None,
            asked.config in configs if "config" in signature.takes else asked.config is None,
            asked.number in range(most) if {"new_name", "amount"} & {*signature.takes} else asked.number is None,
            whole and set(asked.draft or ()) <= {ABSENT, EMPTY, *configs}
            if "draft" in signature.takes
            else asked.draft is None,
        )
        if not all(good):
            raise TokenError(f"{asked} in the token: an argument is missing, too many, or out of bounds")


def _possible(explorer: Explorer, start: Start, schedule: Schedule) -> tuple[tuple[Choice, ...], str]:
    """The choices that can be taken, up to the first that goes wrong; and what is asked for that does not exist."""
    at = explorer.at(start, schedule.asked)
    found: list[Choice] = []
    for n, choice in enumerate(schedule.choices, 1):
        after = explorer.take(at, choice)
        if after is None:
            mine = {c.which for c in explorer.can(at) if c.process == choice.process}
            if mine - {None} and choice.which is not None:
                ways = len(mine - {None})
                return tuple(
                    found
                ), f"step {n} is way {choice.which} of process {choice.process}, which has {ways} there"
            continue
        found.append(choice)
        if isinstance(after, str):
            break
        at = after
    return tuple(found), ""


def as_pytest(token: str, reason: str, design: str = RECOMMENDED) -> str:
    """The source of a test that does the schedule again, and fails as long as it diverges. `reason`: what was wrong."""
    said = " ".join(reason.split()).replace("\\", "/").replace('"', "'") or "it diverged"
    lines = f'"""A schedule that diverged once: {said}."""'
    return f'''{_wrapped(lines)}

from confsync.model.libxl.designs import DESIGNS
from confsync.proofs.conformance.reproduce import replay

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
