"""How fast interleavings are covered, and what an edge costs. `python -m benchmarks.conformance`"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from confsync.impl.shim.daemon import NoDaemon
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.proofs.conformance.asked import Asked
from confsync.proofs.conformance.embedded import Embedded
from confsync.proofs.conformance.explore import Explorer
from confsync.proofs.conformance.on_real import on_real
from confsync.proofs.conformance.run import explore
from confsync.proofs.conformance.schedulers.naive import every_schedule
from confsync.proofs.conformance.scope import Scope, begin, starts, together
from confsync.proofs.conformance.steps import Grain

DESIGN = DESIGNS[RECOMMENDED]
SCOPES = (
    (Scope(2), Grain.COMMIT),
    (Scope(2, 1, 0), Grain.COMMIT),
    (Scope(2, 1, 1), Grain.COMMIT),
    (Scope(2), Grain.REQUEST),
    (Scope(2, 1, 0), Grain.REQUEST),
    (Scope(3), Grain.COMMIT),
    (Scope(3, 1, 0), Grain.COMMIT),
)


@dataclass
class Clock:
    """Seconds spent in each part, by name."""

    spent: dict[str, float] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)

    def around(self, owner: object, name: str, label: str) -> None:
        """Time every call of a method of this object."""
        method: Callable[..., object] = getattr(owner, name)

        def timed(*given: object, **named: object) -> object:
            began = time.perf_counter()
            try:
                return method(*given, **named)
            finally:
                self.spent[label] = self.spent.get(label, 0.0) + time.perf_counter() - began
                self.calls[label] = self.calls.get(label, 0) + 1

        setattr(owner, name, timed)


def scopes() -> Table:
    """What each scope takes."""
    table = Table(
        "scope", "grain", "combinations", "nodes", "edges", "interleavings", "s", "edges/s", "interleavings/s"
    )
    for scope, grain in SCOPES:
        r = explore(DESIGN, scope, jobs=1, on_progress=lambda _done, _of: None, grain=grain)
        assert r.conforms
        c = r.covered
        table.add_row(
            str(scope), grain.name.lower(), f"{r.combinations:,}", f"{c.nodes:,}", f"{c.edges:,}",
            f"{c.interleavings:.3g}" if c.interleavings > 10**12 else f"{c.interleavings:,}",
            f"{r.seconds:.1f}", f"{c.edges / r.seconds:,.0f}", f"{c.interleavings / r.seconds:.3g}",
        )  # fmt: skip
    return table


def parts() -> Table:
    """What an edge costs, part by part, for all pairs with a death and a failure."""
    scope = Scope(2, 1, 1)
    explorer, clock = begin(DESIGN, scope), Clock()
    assert isinstance(explorer.steps, Embedded)
    stores = explorer.steps.stores
    clock.around(stores, "put_back", "stores put back")
    clock.around(stores, "answer", "a call answered")
    clock.around(stores, "keep", "stores kept")
    clock.around(explorer.steps, "_running", "an operation run again to where it is")
    clock.around(explorer.matching, "advance", "held against the model")
    clock.around(explorer.matching, "die", "a death held against the model")
    clock.around(explorer.steps, "view", "stores read as the model's")
    edges, began = 0, time.perf_counter()
    for start in starts(explorer).values():
        for asked in together(scope):
            edges += explorer.explore(start, asked, deaths=scope.deaths, failures=scope.failures).edges
    seconds = time.perf_counter() - began
    table = Table("part", "calls", "µs a call", "µs an edge", "share")
    rest = seconds - sum(clock.spent.values())
    for label, spent in (*clock.spent.items(), ("the graph, and all that is looked up", rest)):
        calls, share = clock.calls.get(label, edges), f"{100 * spent / seconds:.0f} %"
        table.add_row(
            label, f"{calls:,}", f"{1e6 * spent / calls:.1f}", f"{1e6 * spent / edges:.1f}", share
        )  # fmt: skip
    return table


def naive() -> Table:
    """Beside it, one schedule after another. Both with all steps worked out before."""
    explorer = begin(DESIGN, Scope(2, 1, 1))
    table = Table("operations", "interleavings", "graph ms", "naive ms", "ratio")
    pairs = (
        (Asked("rename", number=1), Asked("retrieve")),
        (Asked("attach", 1, 3), Asked("detach", 0)),
        (Asked("detach", 0), Asked("eject", 2)),
        (Asked("detach", 0), Asked("destroy")),
    )
    for asked in pairs:
        _warm(explorer, asked)
        began = time.perf_counter()
        count = explorer.explore(starts(explorer)["full"], asked, deaths=1, failures=1).interleavings
        graph = time.perf_counter() - began
        began = time.perf_counter()
        found = sum(1 for _ in every_schedule(explorer, starts(explorer)["full"], asked, deaths=1, failures=1))
        slow = time.perf_counter() - began
        assert found == count
        table.add_row(
            " | ".join(map(str, asked)), f"{count:,}", f"{1e3 * graph:.1f}", f"{1e3 * slow:.0f}", f"{slow / graph:.0f}"
        )
    return table


def _warm(explorer: Explorer, asked: tuple[Asked, ...]) -> None:
    explorer.explore(starts(explorer)["full"], asked, deaths=1, failures=1)


def main() -> None:
    """Print the tables."""
    console = Console(width=160)
    console.print(scopes(), parts(), naive())
    for daemon in ("xenstored", "oxenstored"):
        try:
            r = on_real(DESIGN, Scope(2), daemon, lambda _done, _of: None, each_pair_once=True)
        except NoDaemon as e:
            console.print(f"NOT MEASURED on a real {daemon}: {e}")
            continue
        assert r.conforms
        console.print(
            f"real files and {daemon}: {r.edges:,} edges in {r.schedules:,} schedules of {r.steps:,} steps, "
            f"{r.seconds:.1f} s: {r.edges / r.seconds:,.0f} edges/s, {1e3 * r.seconds / r.steps:.1f} ms a step"
        )


if __name__ == "__main__":
    main()
