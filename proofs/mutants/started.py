"""The processes of the judges: each ends with who started it, and all can be ended together."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ALIVE = "CONFSYNC_JUDGE_ALIVE"
"""The variable with the descriptor of a pipe that only who started a judge can write to."""


class Started:
    """Processes that were started, each as the leader of a session of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[int] = set()
        self._ended = False

    @contextlib.contextmanager
    def running(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A process, for as long as the block runs; at its end, the process and what it started are ended."""
        alive, mine = os.pipe()
        try:
            with self._lock:
                if self._ended:
                    raise InterruptedError("no more judges: all were ended")
                process = subprocess.Popen(
                    command,
                    cwd=folder,
                    env={**environment, ALIVE: str(alive)},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                    pass_fds=(alive,),
                )
                self._running.add(process.pid)
            try:
                yield process
            finally:
                with self._lock:
                    self._running.discard(process.pid)
                    _end(process.pid)
                process.wait()
        finally:
            os.close(alive)
            os.close(mine)

    def end(self) -> None:
        """End them all, and start no other."""
        with self._lock:
            self._ended = True
            for pid in self._running:
                _end(pid)


def _end(leader: int) -> None:
    """End a process, and what it started: a test that hangs may have children."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def end_with_who_started_me() -> None:
    """In a judge: have this process and its children end when the process that started it does, in whatever way."""
    if (alive := os.environ.pop(ALIVE, "")) and os.getpid() == os.getsid(0):
        threading.Thread(target=_wait, args=(int(alive),), daemon=True).start()


def _wait(alive: int) -> None:
    if not os.read(alive, 1) and not sys.is_finalizing():
        os.killpg(0, signal.SIGKILL)
