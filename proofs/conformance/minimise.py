"""A divergence made small: fewer operations, fewer deaths, fewer failures, fewer preemptions; each still diverges."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

from confsync.proofs.conformance.asked import Asked
from confsync.proofs.conformance.explore import Divergence, Explorer, Start
from confsync.proofs.conformance.schedule import Schedule


def minimise(explorer: Explorer, start: Start, name: str, found: Divergence) -> tuple[Schedule, Divergence]:
    """The smallest that diverges: by operations, then deaths, then failures; the schedule is a shortest one, with as
    few preemptions as exchanging neighbours leaves."""
    deaths = sum(c.which is None for c in found.schedule)
    failures = sum(bool(c.which) for c in found.schedule)
    for fewer in _fewer(found.asked):
        for d, f in itertools.product(range(deaths + 1), range(failures + 1)):
            again = explorer.explore(start, fewer, deaths=d, failures=f).divergence
            if again:
                schedule = Schedule(name, fewer, again.schedule)
                return _calm(explorer, start, schedule, again.reason), again
    return Schedule(name, found.asked, found.schedule), found


def _fewer(asked: tuple[Asked, ...]) -> Iterator[tuple[Asked, ...]]:
    for n in range(1, len(asked) + 1):
        yield from itertools.combinations(asked, n)


def _calm(explorer: Explorer, start: Start, schedule: Schedule, reason: str) -> Schedule:
    """Neighbours of different processes exchanged, as long as that leaves fewer preemptions and the same divergence."""
    better = True
    while better:
        better = False
        for n, (a, b) in enumerate(itertools.pairwise(schedule.choices)):
            if a.process == b.process:
                continue
            swapped = Schedule(
                schedule.start, schedule.asked, (*schedule.choices[:n], b, a, *schedule.choices[n + 2 :])
            )  # fmt: skip
            if swapped.preemptions < schedule.preemptions and judge(explorer, start, swapped) == reason:
                schedule, better = swapped, True
    return schedule


def judge(explorer: Explorer, start: Start, schedule: Schedule) -> str | None:
    """What is wrong with the last step of a schedule; "" if nothing is, None if it cannot be taken so far, or something
    is wrong before."""
    at = explorer.at(start, schedule.asked)
    for n, choice in enumerate(schedule.choices):
        after = explorer.take(at, choice)
        if after is None:
            return None
        if isinstance(after, str):
            return after if n == len(schedule.choices) - 1 else None
        at = after
    return explorer.at_the_end(at) if not explorer.can(at) else ""


def carried_on(explorer: Explorer, start: Start, schedule: Schedule) -> Schedule:
    """A schedule of which nothing is wrong so far, carried on to its end, or to the first step that is wrong: each
    process goes on by what can happen first."""
    at, more = explorer.at(start, schedule.asked), list(schedule.choices)
    for choice in schedule.choices:
        after = explorer.take(at, choice)
        assert isinstance(after, tuple)
        at = after
    while can := explorer.can(at):
        more.append(can[0])
        after = explorer.take(at, can[0])
        if not isinstance(after, tuple):
            break
        at = after
    return replace(schedule, choices=tuple(more))
