"""Commands as processes of their own, and everything that they start."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from uuid import uuid4

from places import ROOT

MARK = "CONFSYNC_TEST_MARK"
LONG = 600.0
"""Seconds after which a test gives up: far more than anything takes on a machine that is busy."""
TERMINAL = ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")


def command(*arguments: str | Path) -> list[str]:
    """`confsync` with these arguments."""
    return [sys.executable, "-m", "confsync", *map(str, arguments)]


def environment(**more: str) -> dict[str, str]:
    """This process's, without what would say what standard output is."""
    kept = {k: v for k, v in os.environ.items() if k not in TERMINAL}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


def _heed_signals() -> None:
    """Have no signal ignored that a shell's background job, or `nohup`, would have this process ignore."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Marked:
    """A process whose descendants are known by a variable in their environment, whatever session they are in."""

    def __init__(self, call: Sequence[str], more: Mapping[str, str] | None = None) -> None:
        self._mark = uuid4().hex
        self.process = subprocess.Popen(
            call,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment(**{MARK: self._mark, **(more or {})}),
            start_new_session=True,
            preexec_fn=_heed_signals,  # noqa: PLW1509 (it starts another program at once)
        )

    def alive(self) -> set[int]:
        """The processes that there are of it."""
        wanted = f"{MARK}={self._mark}".encode()
        return {int(path.name) for path in Path("/proc").glob("[0-9]*") if self._is_one(path, wanted)}

    @staticmethod
    def _is_one(path: Path, wanted: bytes) -> bool:
        try:
            return wanted in (path / "environ").read_bytes().split(b"\0")
        except OSError:
            return False

    def has_started(self, others: int = 1) -> None:
        """Wait until it has started so many others."""
        until(lambda: len(self.alive() - {self.process.pid}) >= others or self.process.poll() is not None)
        assert self.process.poll() is None, self.process.communicate()

    def ends(self) -> tuple[int, str, str]:
        """Wait until it has ended, and nothing of it is left: its exit code, and what it printed."""
        out, err = self.process.communicate(timeout=LONG)
        until(lambda: not self.alive())
        return self.process.returncode, out, err

    def kill(self) -> None:
        """End whatever is left of it."""
        for pid in self.alive():
            os.kill(pid, 9)
        self.process.communicate()


def until(so: Callable[[], bool]) -> None:
    """Wait until it is so."""
    give_up = time.monotonic() + LONG
    while not so():
        assert time.monotonic() < give_up, "it never came to be so"
        time.sleep(0.02)


async def until_so(so: Callable[[], bool]) -> None:
    """Wait until it is so, while other tasks go on."""
    async with asyncio.timeout(LONG):
        while not so():
            await asyncio.sleep(0.002)
