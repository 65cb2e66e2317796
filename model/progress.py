"""Progress on standard error while a search runs; nothing where that is no terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from model.runner import OnProgress, Request
from model.search.bfs import Progress
from terminal.streams import SafeConsole


@contextmanager
def showing(request: Request) -> Iterator[OnProgress]:
    """A line per design at work: states, frontier, rate, depth."""
    console = SafeConsole(stderr=True)
    if not console.is_terminal:
        yield lambda _design, _progress: None
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
