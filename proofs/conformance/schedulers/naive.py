"""Naive enumeration: every schedule from its beginning to its end, one after another. To compare with: the graph must
lead to the same, and count as many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from confsync.proofs.conformance.asked import Asked
from confsync.proofs.conformance.explore import At, Choice, Explorer, Start


def every_schedule(
    explorer: Explorer, start: Start, asked: Sequence[Asked], *, deaths: int = 0, failures: int = 0
) -> Iterator[tuple[tuple[Choice, ...], At]]:
    """Each schedule, and where it ends. DivergedError where a step is not the model's."""
    stack: list[tuple[tuple[Choice, ...], At]] = [((), explorer.at(start, asked, deaths=deaths, failures=failures))]
    while stack:
        taken, at = stack.pop()
        can = explorer.can(at)
        if not can:
            yield taken, at
        for choice in reversed(can):
            after = explorer.take(at, choice)
            if not isinstance(after, tuple):
                raise DivergedError(f"{after} ({'-'.join(map(str, (*taken, choice)))})")
            stack.append(((*taken, choice), after))


class DivergedError(Exception):
    """A schedule led where the model does not."""
