"""One walk: operations beside each other, as a scheduler has it, each step held against the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from confsync.proofs.conformance.asked import Asked
from confsync.proofs.conformance.explore import Choice, Explorer, Start
from confsync.proofs.conformance.schedule import Schedule
from confsync.proofs.conformance.schedulers import Scheduler


@dataclass(frozen=True, slots=True)
class Walked:
    """A walk, and what is wrong with its last step, if anything is."""

    schedule: Schedule
    wrong: str


def walk(
    explorer: Explorer,
    name: str,
    start: Start,
    asked: Sequence[Asked],
    scheduler: Scheduler,
    deaths: int,
    failures: int,
) -> Walked:
    """Walk until nothing more can happen, or something is wrong."""
    at = explorer.at(start, asked, deaths=deaths, failures=failures)
    taken: list[Choice] = []
    wrong = ""
    while (can := explorer.can(at)) and not wrong:
        choice = scheduler.choose(can, len(taken))
        after = explorer.take(at, choice)
        taken.append(choice)
        if isinstance(after, tuple):
            at = after
        else:
            wrong = after or "the scheduler chose what cannot happen"
    return Walked(Schedule(name, tuple(asked), tuple(taken)), wrong or explorer.at_the_end(at))
