"""Run the examination of several designs, side by side.

A worker sends back verdicts and tokens, and the traces are taken again from the tokens here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from confsync.model.engine.check import Examination, Examined
from confsync.model.engine.parallel import Reporter, WorkerDied, side_by_side
from confsync.model.engine.program import Program
from confsync.model.engine.search.bfs import Limits, Progress
from confsync.model.engine.trace import read_token, replay
from confsync.model.engine.verdict import Cell
from confsync.model.language import Bounds, Design


@dataclass(frozen=True, slots=True)
class Request:
    """What to examine, and how far to go. `max_bytes`: of memory, for each design by itself."""

    designs: tuple[Design, ...]
    bounds: Bounds
    properties: tuple[str, ...]
    symmetric: bool = True
    max_states: int | None = None
    max_bytes: int | None = None
    jobs: int = 1


OnProgress = Callable[[str, Progress | None], None]
"""Told of a design's progress from time to time; None when it is done."""


def run(request: Request, on_progress: OnProgress = lambda _d, _p: None) -> Iterator[Examined]:
    """The examinations, in the order of the designs. After Ctrl-C what is not decided is BOUNDED."""

    def work(i: int, report: Reporter[Progress, tuple[Examined, list[str]]]) -> tuple[Examined, list[str]]:
        examined = examine(request, request.designs[i], report)
        return replace(examined, cells=[bare(c) for c in examined.cells]), [c.token for c in examined.cells]

    found = side_by_side(len(request.designs), request.jobs, work, lambda i, p: on_progress(request.designs[i].name, p))
    for design, (examined, tokens) in zip(request.designs, found, strict=True):
        yield replace(examined, cells=with_traces(examined.cells, tokens, design, request.bounds))


def examine(request: Request, design: Design, go_on: Callable[[Progress], bool]) -> Examined:
    """Examine one design of a request. WorkerDied if there is not memory enough."""
    limits = Limits(request.max_states, request.max_bytes, go_on)
    examination = Examination(design, request.bounds, request.properties, symmetric=request.symmetric, limits=limits)
    try:
        return examination.run()
    except MemoryError:
        raise WorkerDied("it ran out of memory: set --max-memory") from None


def bare(cell: Cell) -> Cell:
    """A cell that can be sent from one process to another: without its trace."""
    return replace(cell, trace=None)


def with_traces(cells: Iterable[Cell], tokens: Iterable[str], design: Design, bounds: Bounds) -> list[Cell]:
    """Cells with the traces that the tokens replay ("": none)."""
    program = Program(design, bounds)
    return [
        replace(c, trace=replay(program, read_token(t, type(bounds)))) if t else c
        for c, t in zip(cells, tokens, strict=True)
    ]
