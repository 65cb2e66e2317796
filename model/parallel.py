"""Work side by side: a forked process for each of a few pieces at a time, results in order, a clean end at Ctrl-C.

A worker is a fork, so what it works on need not be pickled, only what it reports and returns.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

P = TypeVar("P")
R = TypeVar("R")
Report = Callable[[P], bool]
"""Told of progress by a piece of work; says whether to go on."""
_EVERY = 0.1
"""Seconds between two reports."""


class WorkerDied(Exception):
    """A piece of work did not come to its end, or its process was killed, most likely for want of memory."""

    def __str__(self) -> str:
        return super().__str__() or "a worker process died, for want of memory? set --max-memory or --jobs 1"


class _Reporter(Generic[P]):
    """Passes progress on, not too often, and says whether to go on."""

    def __init__(self, tell: Callable[[P], None], go_on: Callable[[], bool]) -> None:
        self._tell, self._go_on, self._last = tell, go_on, 0.0

    def __call__(self, progress: P) -> bool:
        now = time.monotonic()
        if now - self._last >= _EVERY:
            self._last = now
            self._tell(progress)
        return self._go_on()


def side_by_side(
    pieces: int, jobs: int, work: Callable[[int, Report[P]], R], on_progress: Callable[[int, P | None], None]
) -> Iterator[R]:
    """The results of `work` on pieces 0, 1, ..., in their order. `on_progress` is told of a piece's progress from time
    to time, and None when it is done. After Ctrl-C work is told to stop. What work raises is raised here."""
    jobs = min(jobs, pieces)
    if pieces > 1 and "fork" in multiprocessing.get_all_start_methods():
        yield from _forked(pieces, jobs, work, on_progress)
        return
    interrupted = False

    def interrupt(_signal: int, _frame: object) -> None:
        nonlocal interrupted
        interrupted = True

    with _on_interrupt(interrupt):
        for i in range(pieces):
            yield work(i, _Reporter(lambda p, i=i: on_progress(i, p), lambda: not interrupted))  # type: ignore[misc]
            on_progress(i, None)


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


def _forked(
    pieces: int, jobs: int, work: Callable[[int, Report[P]], R], on_progress: Callable[[int, P | None], None]
) -> Iterator[R]:
    context = multiprocessing.get_context("fork")
    done: multiprocessing.Queue[tuple[int, P | None, list[R], Exception | None]] = context.Queue()
    stop = context.Event()

    def serve(i: int) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        report = _Reporter[P](lambda p: done.put((i, p, [], None)), lambda: not stop.is_set())
        try:
            done.put((i, None, [work(i, report)], None))
        except Exception as error:  # whatever it is, it is for the one who asked
            done.put((i, None, [], error))

    # a process for each piece: what one does to a library's own state can't matter to another
    workers = [context.Process(target=serve, args=(i,), daemon=True) for i in range(pieces)]
    try:
        with _on_interrupt(lambda _s, _f: stop.set()):
            yield from _collect(workers, jobs, done, on_progress)
    finally:
        for w in workers:
            if w.is_alive():
                w.terminate()


def _collect(
    workers: Sequence[multiprocessing.process.BaseProcess],
    jobs: int,
    done: multiprocessing.Queue[tuple[int, P | None, list[R], Exception | None]],
    on_progress: Callable[[int, P | None], None],
) -> Iterator[R]:
    ready: dict[int, R] = {}
    waiting = list(workers)
    following = 0
    for w in waiting[:jobs]:
        w.start()
    del waiting[:jobs]
    while following < len(workers):
        try:
            i, progress, result, error = done.get(timeout=1)
        except queue.Empty:
            if not any(w.is_alive() for w in workers if w.pid) and done.empty():
                raise WorkerDied from None
            continue
        if error:
            raise error
        on_progress(i, progress)
        if not result:
            continue
        (ready[i],) = result
        if waiting:
            waiting.pop(0).start()
        while following in ready:
            yield ready.pop(following)
            following += 1


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
