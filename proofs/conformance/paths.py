"""Schedules that together take every edge of an exploration's graph: for stores that cannot be put back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from confsync.proofs.conformance.asked import Asked
from confsync.proofs.conformance.explore import At, Choice, Explorer, Start

Edges = dict[At, list[tuple[Choice, At]]]


def graph(explorer: Explorer, start: Start, asked: Sequence[Asked], *, deaths: int, failures: int) -> tuple[At, Edges]:
    """The graph: what can happen where, and where it leads. It must not diverge."""
    first = explorer.at(start, asked, deaths=deaths, failures=failures)
    edges: Edges = {}
    todo = [first]
    while todo:
        at = todo.pop()
        if at in edges:
            continue
        there = edges[at] = []
        for choice in explorer.can(at):
            after = explorer.take(at, choice)
            assert isinstance(after, tuple)
            there.append((choice, after))
            todo.append(after)
    return first, edges


def covering(first: At, edges: Edges) -> Iterator[tuple[Choice, ...]]:
    """Whole schedules, until every edge was in one. Each takes an edge that none before it took, and then as many more
    as come its way."""
    left = {(at, choice) for at, there in edges.items() for choice, _ in there}
    order = _before(edges)
    while left:
        worth: dict[At, bool] = {}
        for at in order:
            worth[at] = any((at, choice) in left or worth[after] for choice, after in edges[at])
        at, taken = first, list[Choice]()
        while edges[at]:
            choice, after = max(
                edges[at], key=lambda e: ((at, e[0]) in left, worth[e[1]])
            )  # fmt: skip
            left.discard((at, choice))
            taken.append(choice)
            at = after
        yield tuple(taken)


def _before(edges: Edges) -> list[At]:
    """Every node after all that it leads to."""
    found: dict[At, None] = {}
    for root in edges:
        stack = [(root, iter(edges[root]))]
        while stack:
            at, rest = stack[-1]
            following = next((after for _, after in rest if after not in found), None)
            if following is None:
                found[at] = None
                stack.pop()
            else:
                stack.append((following, iter(edges[following])))
    return list(found)
