"""Run the examination of several designs, side by side, with progress and a clean end at Ctrl-C.

A worker is a fork, so a user's own steps need not be pickled; it sends back verdicts and tokens, and the traces
are taken again from the tokens here.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from model.check import Examination, Examined
from model.language import LanguageError
from model.program import Program
from model.search.bfs import Limits, Progress
from model.state import Bounds
from model.step import Design
from model.trace import read_token, replay


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
_EVERY = 0.1
"""Seconds between two reports."""


def run(request: Request, on_progress: OnProgress = lambda _d, _p: None) -> Iterator[Examined]:
    """The examinations, in the order of the designs. After Ctrl-C what is not decided is BOUNDED."""
    jobs = min(request.jobs, len(request.designs))
    if jobs > 1 and "fork" in multiprocessing.get_all_start_methods():
        yield from _side_by_side(request, jobs, on_progress)
        return
    interrupted = False

    def interrupt(_signal: int, _frame: object) -> None:
        nonlocal interrupted
        interrupted = True

    with _on_interrupt(interrupt):
        for design in request.designs:
            reporter = _Reporter(lambda p, d=design: on_progress(d.name, p), lambda: not interrupted)  # type: ignore[misc]
            yield _examine(request, design, reporter)
            on_progress(design.name, None)


@contextlib.contextmanager
def _on_interrupt(handler: Callable[[int, object], None]) -> Iterator[None]:
    """Handle Ctrl-C so, where this is the main thread and it can be; leave it as it was."""
    try:
        before = signal.signal(signal.SIGINT, handler)
    except ValueError:
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _Reporter:
    """Passes progress on, not too often, and says whether to go on."""

    def __init__(self, tell: Callable[[Progress], None], go_on: Callable[[], bool]) -> None:
        self._tell, self._go_on, self._last = tell, go_on, 0.0

    def __call__(self, progress: Progress) -> bool:
        now = time.monotonic()
        if now - self._last >= _EVERY:
            self._last = now
            self._tell(progress)
        return self._go_on()


def _examine(request: Request, design: Design, go_on: Callable[[Progress], bool]) -> Examined:
    limits = Limits(request.max_states, request.max_bytes, go_on)
    examination = Examination(design, request.bounds, request.properties, symmetric=request.symmetric, limits=limits)
    try:
        return examination.run()
    except MemoryError:
        raise WorkerDied("it ran out of memory: set --max-memory") from None


def _side_by_side(request: Request, jobs: int, on_progress: OnProgress) -> Iterator[Examined]:
    context = multiprocessing.get_context("fork")
    todo, done = context.Queue(), context.Queue()
    stop = context.Event()
    for i in (*range(len(request.designs)), *[None] * jobs):
        todo.put(i)

    def work() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for i in iter(todo.get, None):
            reporter = _Reporter(lambda p, i=i: done.put((i, p, None)), lambda: not stop.is_set())  # type: ignore[misc]
            try:
                examined = _examine(request, request.designs[i], reporter)
                tokens = [c.token for c in examined.cells]
                bare = replace(examined, cells=[replace(c, trace=None) for c in examined.cells])
                done.put((i, bare, tokens))
            except (LanguageError, WorkerDied) as error:
                done.put((i, error, None))

    workers = [context.Process(target=work, daemon=True) for _ in range(jobs)]
    for w in workers:
        w.start()
    try:
        with _on_interrupt(lambda _s, _f: stop.set()):
            yield from _collect(request, done, workers, on_progress)
    finally:
        for w in workers:
            w.terminate()


def _collect(
    request: Request,
    done: multiprocessing.Queue[tuple[int, Examined | Progress | Exception, list[str] | None]],
    workers: Sequence[multiprocessing.process.BaseProcess],
    on_progress: OnProgress,
) -> Iterator[Examined]:
    ready: dict[int, Examined] = {}
    following = 0
    while following < len(request.designs):
        try:
            i, what, tokens = done.get(timeout=1)
        except queue.Empty:
            if not any(w.is_alive() for w in workers) and done.empty():
                raise WorkerDied from None
            continue
        if isinstance(what, Exception):
            raise what
        if isinstance(what, Progress):
            on_progress(request.designs[i].name, what)
            continue
        ready[i] = _with_traces(what, request, i, tokens or [])
        on_progress(request.designs[i].name, None)
        while following in ready:
            yield ready.pop(following)
            following += 1


class WorkerDied(Exception):
    """A search did not come to its end, or its process was killed, most likely for want of memory."""

    def __str__(self) -> str:
        return super().__str__() or "a worker process died, for want of memory? set --max-memory or --jobs 1"


def _with_traces(examined: Examined, request: Request, i: int, tokens: list[str]) -> Examined:
    program = Program(request.designs[i], request.bounds)
    cells = [
        replace(c, trace=replay(program, read_token(t))) if t else c
        for c, t in zip(examined.cells, tokens, strict=True)
    ]
    return replace(examined, cells=cells)


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
