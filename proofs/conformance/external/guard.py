"""A process that ends other processes when the one that started them is no more, in whatever way it ended.

It is run as a script by itself: on standard input it is told the number of a process group, and later "done" where the
group has been ended. The end of its input without that means that nobody is left who would end the group.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys


class Guard:
    """Ends the process group of a leader if this process ends before it says `done`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def watch(self, leader: int) -> None:
        """From now on guard the process group of this leader."""
        self._tell(f"{leader}\n")

    def done(self) -> None:
        """The group has been ended, or there is none: the guard ends, and does nothing."""
        self._tell("done\n")
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # somebody has ended the guard
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()


def main() -> None:
    """Be the guard."""
    told = sys.stdin.buffer.read().split()
    if told and b"done" not in told:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(int(told[0]), signal.SIGKILL)


if __name__ == "__main__":
    main()
