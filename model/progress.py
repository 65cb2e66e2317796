"""Progress on standard error while a search runs: a display on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from model.runner import OnProgress, Request
from model.search.bfs import Progress
from terminal.streams import SafeConsole

EVERY = 30.0
"""Seconds between two lines about one design where standard error is no terminal."""


class Lines:
    """Tells of progress in lines, for each design not more often than every `EVERY` seconds."""

    def __init__(self, write: Callable[[str], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._write, self._clock = write, clock
        self._last: dict[str, float] = {}

    def __call__(self, design: str, progress: Progress | None) -> None:
        """As `OnProgress`. The first line comes `EVERY` seconds after a design began."""
        now = self._clock()
        if progress is None or now - self._last.setdefault(design, now) < EVERY:
            return
        self._last[design] = now
        rate = progress.states / max(progress.seconds, 1e-6)
        self._write(
            f"confsync: searching {design}: {progress.states:,} states, {rate:,.0f} a second, depth {progress.depth}, "
            f"{progress.nbytes / 2**20:,.0f} MiB"
        )


@contextmanager
def showing(request: Request) -> Iterator[OnProgress]:
    """A line per design at work: states, frontier, rate, depth."""
    console = SafeConsole(stderr=True)
    if not console.is_terminal:
        yield Lines(lambda line: print(line, file=sys.stderr, flush=True))
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[said]}"),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        whole = bar.add_task("designs", said=f"0 of {len(request.designs)}")
        tasks: dict[str, TaskID] = {}
        finished = 0

        def tell(design: str, progress: Progress | None) -> None:
            nonlocal finished
            if progress is None:
                finished += 1
                bar.update(whole, said=f"{finished} of {len(request.designs)}")
                if design in tasks:
                    bar.remove_task(tasks.pop(design))
                return
            if design not in tasks:
                tasks[design] = bar.add_task(design, said="")
            rate = progress.states / max(progress.seconds, 1e-6)
            where = f"{progress.states:,} states, frontier {progress.frontier:,}"
            bar.update(tasks[design], said=f"{where}, {rate:,.0f}/s, depth {progress.depth}")

        yield tell
