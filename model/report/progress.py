"""Progress on standard error while a search runs: a display on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from confsync.model.engine.runner import OnProgress, Request
from confsync.model.engine.search.bfs import Progress
from confsync.terminal.streams import SafeConsole

EVERY = 30.0
"""Seconds between two lines about the same piece of work where standard error is no terminal."""


def _print(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class Lines:
    """Tells of progress in lines, of each piece of work not more often than every `every` seconds (None: `EVERY`)."""

    def __init__(
        self,
        write: Callable[[str], object] = _print,
        clock: Callable[[], float] = time.monotonic,
        every: float | None = None,
    ) -> None:
        self._write, self._clock = write, clock
        self._every = EVERY if every is None else every
        self._last: dict[str, float] = {}

    def begin(self, piece: str) -> None:
        """The first line comes `every` seconds from now, or from when the piece is first told of."""
        self._last.setdefault(piece, self._clock())

    def tell(self, piece: str, said: str) -> None:
        """Write this of a piece of work, if it is time."""
        now = self._clock()
        if now - self._last.setdefault(piece, now) >= self._every:
            self._last[piece] = now
            self._write(f"confsync: {said}")

    def search(self, design: str, progress: Progress | None) -> None:
        """As `OnProgress`."""
        if progress is not None:
            rate = progress.states / max(progress.seconds, 1e-6)
            self.tell(
                design,
                f"searching {design}: {progress.states:,} states, {rate:,.0f} a second, depth {progress.depth}, "
                f"{progress.nbytes / 2**20:,.0f} MiB",
            )


@contextmanager
def now_and_then(said: Callable[[], str], lines: Lines | None = None) -> Iterator[None]:
    """Write what work says of itself every `EVERY` seconds, for work that comes to a word too rarely. The work must not
    fork, for a thread writes the words."""
    told, done = lines or Lines(), threading.Event()

    def write() -> None:
        told.begin("")
        while not done.wait(EVERY / 100):
            told.tell("", said())

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        yield
    finally:
        done.set()
        writer.join()


@contextmanager
def showing(request: Request) -> Iterator[OnProgress]:
    """A line per design at work: states, frontier, rate, depth."""
    console = SafeConsole(stderr=True)
    if not console.is_terminal:
        yield Lines().search
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
