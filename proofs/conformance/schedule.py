"""A schedule: who takes which step when, and the token that replays it.

`conform:start:operation;operation:choices:sum`; what it begins with says whose steps they are (`Kind`). A choice `p.n`
is the n-th thing that can happen to process p, `p.x` its death, `p.n*3` three times `p.n`. The sum is over what was
asked and answered, so a token of another version is told from its own.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, repeat

from confsync.impl.errors import ToolstackError
from confsync.model.engine.trace import TokenError
from confsync.model.libxl.operations import SIGNATURES
from confsync.proofs.conformance.asked import Asked
from confsync.proofs.conformance.calls import Answer, Call
from confsync.proofs.conformance.explore import Choice, Explorer, Start
from confsync.proofs.conformance.steps import Kind, Place

MOST_PROCESSES = 8
_ASKED = re.compile(r"([a-z_]+)((?:,[skn]\d{1,2}|,d\d{1,2}(?:\.\d{1,2})*)*)")
_CHOICE = r"\d\.(?:\d{1,2}|x)(?:\*\d{1,4})?"
_CHOICES = re.compile(rf"(?:{_CHOICE}(?:-{_CHOICE})*)?")


@dataclass(frozen=True, slots=True)
class Schedule:
    """What was begun with, what was asked of each process, and who took which step when."""

    start: str
    asked: tuple[Asked, ...]
    choices: tuple[Choice, ...]
    kind: Kind = Kind.EMBEDDED
    """Whose steps they are."""

    @property
    def deaths(self) -> int:
        """How many processes die in it."""
        return sum(c.which is None for c in self.choices)

    @property
    def preemptions(self) -> int:
        """How often a process is interrupted that has not ended."""
        last = {c.process: n for n, c in enumerate(self.choices)}
        pairs = zip(self.choices, self.choices[1:], strict=False)
        return sum(a.process != b.process and last[a.process] > n for n, (a, b) in enumerate(pairs))


@dataclass(frozen=True, slots=True)
class Done:
    """One step of a schedule, as it was taken. `failed`: what was made to fail in it."""

    choice: Choice
    said: tuple[tuple[Call, Answer], ...]
    failed: ToolstackError | None
    state: int
    place: Place | None


def follow(explorer: Explorer, start: Start, schedule: Schedule) -> list[Done]:
    """Take the steps of a schedule. TokenError if one of them cannot be taken."""
    state = start.state
    places: list[Place | None] = [explorer.place(p, asked) for p, asked in enumerate(schedule.asked)]
    found = []
    for n, choice in enumerate(schedule.choices):
        place = places[choice.process] if choice.process < len(places) else None
        if place is None or place.ended:
            raise TokenError(f"step {n + 1}: process {choice.process} has ended, or is not there")
        if choice.which is None:
            state = explorer.steps.death(state, choice.process)
            places[choice.process] = None
            found.append(Done(choice, (), None, state, None))
            continue
        edges = explorer.steps.edges(state, place)
        if choice.which >= len(edges):
            raise TokenError(f"step {n + 1}: process {choice.process} has {len(edges)} ways to go on, not that one")
        edge = edges[choice.which]
        state = edge.state
        places[choice.process] = edge.place
        found.append(Done(choice, edge.said, edge.failed, state, edge.place))
    return found


def checksum(done: Iterable[Done]) -> str:
    """A sum over what was asked and answered."""
    said = [f"{d.choice} {c} {type(a).__name__}" for d in done for c, a in d.said or ((None, None),)]
    return f"{zlib.crc32(' '.join(said).encode()):08x}"


def token(schedule: Schedule, done: Sequence[Done]) -> str:
    """The token that replays a schedule."""
    asked = ";".join(map(_spell, schedule.asked))
    return f"{schedule.kind.value}:{schedule.start}:{asked}:{_spell_choices(schedule.choices)}:{checksum(done)}"


def _spell_choices(choices: Sequence[Choice]) -> str:
    """`1.0*3-0.x`: three times 1.0, then 0.x."""
    runs = ((choice, len(list(same))) for choice, same in groupby(choices))
    return "-".join(f"{choice}*{n}" if n > 1 else str(choice) for choice, n in runs)


def _read_choices(text: str) -> Iterator[Choice]:
    for run in text.split("-") if text else ():
        one, _, times = run.partition("*")
        process, _, which = one.partition(".")
        yield from repeat(Choice(int(process), None if which == "x" else int(which)), int(times or 1))


def _spell(asked: Asked) -> str:
    said = [asked.operation]
    for letter, value in (("s", asked.slot), ("k", asked.config), ("n", asked.number)):
        said += [f"{letter}{value}"] if value is not None else []
    said += ["d" + ".".join(map(str, asked.draft))] if asked.draft is not None else []
    return ",".join(said)


def read_token(text: str) -> tuple[Schedule, str]:
    """Read a token: the schedule, and the sum. TokenError if it is none."""
    parts = text.strip().split(":")
    if len(parts) != 5 or parts[0] not in {kind.value for kind in Kind}:
        raise TokenError(f"`{text[:60]}` is no token of a schedule: it is `conform:start:operations:choices:sum`")
    kind, start, asked, choices, total = parts
    if not _CHOICES.fullmatch(choices):
        raise TokenError(f"`{choices[:60]}` in the token are no choices, such as 0.0-1.0-0.x")
    operations = tuple(map(_read_asked, asked.split(";")))
    if len(operations) > MOST_PROCESSES:
        raise TokenError(f"the token is for {len(operations)} processes: at most {MOST_PROCESSES} are replayed")
    return Schedule(start, operations, tuple(_read_choices(choices)), Kind(kind)), total


def _read_asked(text: str) -> Asked:
    found = _ASKED.fullmatch(text)
    if not found or found[1] not in SIGNATURES:
        raise TokenError(f"`{text[:60]}` in the token is no operation with its arguments, such as attach,s0,k3")
    given = {part[0]: part[1:] for part in found[2].split(",")[1:]}
    slot, config, number = (int(given[letter]) if letter in given else None for letter in "skn")
    draft = tuple(map(int, given["d"].split("."))) if "d" in given else None
    return Asked(found[1], slot, config, number, draft)
