"""The search beside spin and plain Python, on the same model with the same states, all in one run.

    python -m benchmarks.search [--quick]

CPU seconds (user and system) of each engine's own process, so the machine's other work weighs little; compare the
ratios. spin's model is generated from the very step functions (`benchmarks.promela`), and is compiled with
-O2 -DSAFETY -DNOREDUCE; the seconds are those of its verifier alone.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.promela import run as run_spin
from confsync.model.engine.program import IDLE, Program
from confsync.model.engine.search.bfs import Limits, Search
from confsync.model.engine.search.monitor import Monitor
from confsync.model.engine.search.pairs import Pairs
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.state import Bounds

LARGE = (Bounds(slots=1, ejectable=0, configs=1, names=1, amounts=1, processes=5, crashes=1), Bounds())
"""14 million states of many processes, and 21 million of few with much to keep."""
QUICK = (Bounds(slots=1, ejectable=0, configs=1, names=1, amounts=1, processes=3, crashes=1),)


@dataclass(frozen=True, slots=True)
class Row:
    """One engine's figures. `stands_for`: states without symmetry; `per_state`: bytes held for a visited state."""

    engine: str
    states: int
    stands_for: int
    seconds: float
    peak_bytes: int
    per_state: float | None = None

    @property
    def rate(self) -> float:
        """States, counted without symmetry, per CPU second."""
        return self.stands_for / self.seconds


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def vectorised(bounds: Bounds, *, symmetric: bool) -> Row:
    """Our search over the whole program, nothing sliced away and no property asked."""
    began = _cpu()
    program = Program(DESIGNS[RECOMMENDED], bounds)
    pairs = Pairs(program)
    search = Search(program, pairs, Monitor(program, pairs.shared, pairs.local, []), symmetric=symmetric)
    found = search.run(Limits())
    seconds = _cpu() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    name = "confsync, symmetry" if symmetric else "confsync"
    return Row(name, found.states, search.total(), seconds, peak, search.nbytes() / found.states)


def plain(bounds: Bounds, most: int) -> Row:
    """Tuples in a set, the transitions of a pair remembered; stopped after `most` states."""
    began = _cpu()
    program = Program(DESIGNS[RECOMMENDED], bounds)
    known: dict[tuple[int, int], list[tuple[int, int]]] = {}
    start = (program.initial, (IDLE,) * bounds.processes)
    seen, frontier = {start}, [start]
    while frontier and len(seen) < most:
        fresh = []
        for shared, local in frontier:
            for p, word in enumerate(local):
                if (shared, word) not in known:
                    found = program.transitions(shared, word, set())
                    known[shared, word] = [(t.shared, t.local) for t in found]
                for to_shared, to_local in known[shared, word]:
                    state = (to_shared, (*local[:p], to_local, *local[p + 1 :]))
                    if state not in seen:
                        seen.add(state)
                        fresh.append(state)
        frontier = fresh
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    name = "plain Python" if not frontier else f"plain Python, its first {len(seen):,}"
    return Row(name, len(seen), len(seen), _cpu() - began, peak, None)


def spin(bounds: Bounds) -> Row:
    """spin's verifier, generated from the same program."""
    with tempfile.TemporaryDirectory() as folder:
        result = run_spin(Program(DESIGNS[RECOMMENDED], bounds), Path(folder))
    seconds = result.user_seconds + result.system_seconds
    return Row("spin -DSAFETY -DNOREDUCE -O2", result.states, result.states, seconds, result.peak_bytes)


def _apart(measure: Callable[[], Row]) -> Row:
    """In a process of its own, so that peak memory and CPU seconds are its own."""
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    worker = context.Process(target=lambda: sending.send(measure()))
    worker.start()
    row: Row = receiving.recv()
    worker.join()
    return row


def measured(bounds: Bounds, console: Console) -> bool:
    """Measure all engines on one space and print the table. -> whether they agree on the states"""
    rows = [
        _apart(lambda: spin(bounds)),
        _apart(lambda: plain(bounds, 1_000_000)),
        _apart(lambda: vectorised(bounds, symmetric=False)),
        _apart(lambda: vectorised(bounds, symmetric=True)),
    ]
    title = f"{RECOMMENDED} at {bounds}: all reachable states"
    table = Table("engine", title=title, title_justify="left")
    for heading in ("stored", "stands for", "CPU s", "states / CPU s", "x spin", "peak MiB", "bytes / visited state"):
        table.add_column(heading, justify="right")
    for r in rows:
        table.add_row(
            r.engine,
            f"{r.states:,}",
            f"{r.stands_for:,}",
            f"{r.seconds:.2f}",
            f"{r.rate:,.0f}",
            f"{r.rate / rows[0].rate:.1f}",
            f"{r.peak_bytes / 2**20:,.0f}",
            f"{r.per_state:.0f}" if r.per_state else "",
        )
    console.print(table)
    return len({r.stands_for for r in rows if "first" not in r.engine}) == 1


def main(arguments: list[str]) -> int:
    """Print a table for each space. 1 if the engines do not agree on the states."""
    began = time.perf_counter()
    console = Console(width=160)
    agree = [measured(bounds, console) for bounds in (QUICK if "--quick" in arguments else LARGE)]
    said = "the engines agree on the states" if all(agree) else "THE ENGINES DO NOT AGREE ON THE STATES"
    console.print(f"{said}; {time.perf_counter() - began:.0f} s in all")
    return 0 if all(agree) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
