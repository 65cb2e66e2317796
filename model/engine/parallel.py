"""Work side by side: a forked process for each of a few pieces at a time, results in order, and no process left behind.

A worker is a fork, so what it works on need not be pickled, only what it reports and returns.

* The first Ctrl-C asks the workers to stop: each is told so when it next reports progress. Where the caller says what
  an unfinished piece amounts to, a worker that does not stop within GRACE is ended. A second Ctrl-C ends all at once.
* A worker that takes more memory than it may is ended, and what it has left so far counts. It looks at itself whenever
  it reports progress, and this process looks at it in between, for a solver can grow for long without a word.
* A worker ends when this process ends, in whatever way, SIGKILL included: it reads a pipe that only this process can
  write to, and the end of that pipe is its own end.
"""

from __future__ import annotations

import contextlib
import mmap
import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Generic, TypeVar

from confsync.model.engine.memory import INTERRUPT, Meter

P = TypeVar("P")
R = TypeVar("R")
Report = Callable[[P], bool]
"""Told of progress by a piece of work; says whether to go on."""
_EVERY = 0.1
"""Seconds between two reports."""
_LOOK = 0.5
"""Seconds between two looks at the workers: how much memory they take, and what to tell of those that say nothing."""
GRACE = 1.0
"""Seconds that a worker has to stop by itself, where something else counts as its result if it does not."""
_ENDING = {signal.SIGTERM, signal.SIGHUP}


class WorkerDied(Exception):
    """A piece of work did not come to its end, or its process was killed, most likely for want of memory."""

    def __str__(self) -> str:
        return super().__str__() or "a worker process died, for want of memory? set --max-memory or --jobs 1"


class Reporter(Generic[P, R]):
    """What a piece of work reports to: its progress, and a result that counts if the work is ended before its end."""

    def __init__(self, tell: Callable[[P], None], keep: Callable[[R], None], go_on: Callable[[], bool]) -> None:
        self._tell, self._keep, self._go_on, self._last = tell, keep, go_on, 0.0

    def __call__(self, progress: P) -> bool:
        """Pass progress on, not too often. False: the work is to stop, and to return what it has."""
        now = time.monotonic()
        if now - self._last >= _EVERY:
            self._last = now
            self._tell(progress)
        return self._go_on()

    def so_far(self, result: R) -> None:
        """From now on this is the result, should the work be ended before it returns."""
        self._keep(result)


Work = Callable[[int, Reporter[P, R]], R]
Unfinished = Callable[[int, R | None, str], R]
"""What a piece that was not finished amounts to: from what it has left so far, None if nothing, and from what stopped
it, in words."""
OnProgress = Callable[[int, P | None], None]


def side_by_side(
    pieces: int,
    jobs: int,
    work: Work[P, R],
    on_progress: OnProgress[P],
    *,
    unfinished: Unfinished[R] | None = None,
    max_bytes: int | None = None,
) -> Iterator[R]:
    """The results of `work` on pieces 0, 1, ..., in their order. `on_progress` is told of a piece's progress from time
    to time (what it said last, where it says nothing for a while), and None when it is done.

    After Ctrl-C work is told to stop. `unfinished`: the result of a piece that was never begun, or that was ended;
    None: whatever stops by itself is waited for. `max_bytes`: with `unfinished`, of memory that a piece may take before
    it is ended. KeyboardInterrupt at the second Ctrl-C; WorkerDied; what work raises is raised here.
    """
    if (pieces > 1 or (pieces and unfinished)) and "fork" in multiprocessing.get_all_start_methods():
        yield from _Crew(min(jobs, pieces), pieces, work, on_progress, unfinished, max_bytes).results()
        return
    interrupts = _Interrupts()
    with interrupts.noticed():
        for i in range(pieces):
            report = Reporter[P, R](lambda p, i=i: on_progress(i, p), lambda _: None, lambda: not interrupts.count)  # type: ignore[misc]
            yield work(i, report)
            on_progress(i, None)


class _Interrupts:
    """Counts Ctrl-C: the first is only noticed, the second is a KeyboardInterrupt."""

    def __init__(self, wake: Callable[[], object] = lambda: None) -> None:
        self.count, self._wake = 0, wake

    @contextlib.contextmanager
    def noticed(self) -> Iterator[None]:
        """Handle Ctrl-C so, where this is the main thread and it can be; leave it as it was."""
        try:
            before = signal.signal(signal.SIGINT, self._handle)
        except ValueError:
            yield
            return
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _handle(self, _signal: int, _frame: object) -> None:
        self.count += 1
        if self.count > 1:
            raise KeyboardInterrupt
        self._wake()


@dataclass(frozen=True, slots=True)
class _Message(Generic[P, R]):
    """From a worker: progress, or a result (of the whole, or so far), or what it raised; or the limit that it has
    reached."""

    progress: tuple[P, ...] = ()
    result: tuple[R, ...] = ()
    whole: bool = False
    error: BaseException | None = None
    stopped: str = ""


@dataclass(slots=True)
class _Worker(Generic[P, R]):
    """A piece at work."""

    piece: int
    process: ForkProcess
    memory: Meter
    so_far: list[R] = field(default_factory=list)
    last: tuple[P, ...] = ()
    """What it last told of its progress."""


class _Crew(Generic[P, R]):
    """The workers on some pieces."""

    def __init__(
        self,
        jobs: int,
        pieces: int,
        work: Work[P, R],
        on_progress: OnProgress[P],
        unfinished: Unfinished[R] | None,
        max_bytes: int | None,
    ) -> None:
        self._jobs, self._pieces, self._work = jobs, pieces, work
        self._on_progress, self._unfinished = on_progress, unfinished
        self._max_bytes = max_bytes if unfinished else None
        self._waiting = list(range(pieces))
        self._ready: dict[int, R] = {}
        self._running: dict[Connection[object, object], _Worker[P, R]] = {}
        self._stop = mmap.mmap(-1, 1)
        """A byte that all processes share: not 0 if work is to stop. It has no lock that a dead worker could hold."""
        self._alive, self._mine = os.pipe()
        """A pipe to read from as long as this process lives, and its other end."""
        self._woken, self._wake = os.pipe()
        """A pipe by which Ctrl-C ends the wait for the workers."""

    def results(self) -> Iterator[R]:
        """The results, in the order of the pieces."""
        interrupts = _Interrupts(lambda: os.write(self._wake, b"!"))
        try:
            with interrupts.noticed():
                for i in range(self._pieces):
                    while i not in self._ready:
                        self._begin()
                        self._listen()
                    yield self._ready.pop(i)
        finally:
            for worker in self._running.values():
                worker.process.kill()
            for connection, worker in self._running.items():
                worker.process.join()
                connection.close()
            for end in (self._alive, self._mine, self._woken, self._wake):
                os.close(end)
            self._stop.close()

    def _begin(self) -> None:
        """Start as many workers as may be at work."""
        while self._waiting and len(self._running) < self._jobs:
            i = self._waiting.pop(0)
            ours, theirs = multiprocessing.Pipe(duplex=False)
            # a process for each piece: what one does to a library's own state can't matter to another
            process = multiprocessing.get_context("fork").Process(target=self._serve, args=(i, theirs), daemon=True)
            blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, *_ENDING})
            try:
                process.start()
                self._running[ours] = _Worker(i, process, Meter(self._max_bytes, process.pid))
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            theirs.close()

    def _listen(self) -> None:
        """Wait for something to come, and take it in."""
        came_in = wait([*self._running, self._woken], _LOOK)
        for came in came_in:
            if came == self._woken:
                os.read(self._woken, 1)
                self._stop[0] = 1
                if self._unfinished:
                    self._wind_up(self._unfinished)
                return
            assert isinstance(came, Connection)
            self._take_in(came)
        for connection in [c for c in self._running if c not in came_in]:  # what it has said is taken in first
            worker = self._running[connection]
            if stopped := worker.memory.reached():
                self._settle(connection, stopped)
                continue
            for progress in worker.last:
                self._on_progress(worker.piece, progress)

    def _take_in(self, connection: Connection[object, object]) -> None:
        """What a worker says. WorkerDied if it is no more; what it raised is raised."""
        worker = self._running[connection]
        try:
            message = connection.recv()
        except (EOFError, OSError):
            raise WorkerDied from None
        assert isinstance(message, _Message)
        if message.error:
            raise message.error
        for progress in message.progress:
            self._on_progress(worker.piece, progress)
        worker.last = message.progress or worker.last
        if message.stopped:
            self._settle(connection, message.stopped)
        elif message.whole:
            (self._ready[worker.piece],) = message.result
            self._on_progress(worker.piece, None)
            worker.process.join()
            connection.close()
            del self._running[connection]
        elif message.result:
            worker.so_far[:] = message.result

    def _settle(self, connection: Connection[object, object], stopped: str) -> None:
        """End a worker, and settle for what it has left."""
        assert self._unfinished
        worker = self._running.pop(connection)
        worker.process.kill()
        worker.process.join()
        connection.close()
        self._ready[worker.piece] = self._unfinished(worker.piece, worker.so_far[0] if worker.so_far else None, stopped)
        self._on_progress(worker.piece, None)

    def _wind_up(self, unfinished: Unfinished[R]) -> None:
        """Let the workers stop by themselves; end those that do not, and settle for what they have left."""
        until = time.monotonic() + GRACE
        while self._running and (came := wait(self._running, until - time.monotonic())):
            for connection in came:
                assert isinstance(connection, Connection)
                self._take_in(connection)
        for left in list(self._running):
            self._settle(left, INTERRUPT)
        for i in self._waiting:
            self._ready[i] = unfinished(i, None, INTERRUPT)
        self._waiting.clear()

    def _serve(self, i: int, to: Connection[object, object]) -> None:
        """Be a worker. Ctrl-C stays blocked: it is for the one who asked, and a solver would handle it by itself."""
        for ending in _ENDING:
            if callable(signal.getsignal(ending)):
                signal.signal(ending, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
        os.close(self._mine)
        threading.Thread(target=_end_with, args=(self._alive,), daemon=True).start()
        memory = Meter(self._max_bytes)

        def go_on() -> bool:
            if stopped := memory.reached():
                to.send(_Message(stopped=stopped))  # and soon this process is no more
            return not self._stop[0]

        report = Reporter[P, R](
            lambda p: to.send(_Message(progress=(p,))),
            lambda r: to.send(_Message(result=(r,))),
            go_on,
        )
        try:
            last: _Message[P, R] = _Message(result=(self._work(i, report),), whole=True)
        except Exception as error:  # whatever it is, it is for the one who asked
            error.add_note(f"In a worker process:\n{traceback.format_exc()}")
            last = _Message(error=_sendable(error))
        to.send(last)


def _end_with(alive: int) -> None:
    """End this process when nobody can write to that pipe any more."""
    os.read(alive, 1)
    os.kill(os.getpid(), signal.SIGKILL)


def _sendable(error: Exception) -> Exception:
    """The error, or one that says the same, if it can't be sent from one process to another."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # a class may go wrong at either in any way
        other = RuntimeError(f"{type(error).__name__}: {error}")
        for note in getattr(error, "__notes__", ()):
            other.add_note(note)
        return other
    return error


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
