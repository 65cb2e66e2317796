"""A process that ends other processes when the one that started them is no more, in whatever way it ended.

It is run as a script by itself: on standard input it is told the number of a process group, and later "done" where the
group has been ended. The end of its input without that means that nobody is left who would end the group. The leader of
the group tells its number itself, before it runs its program: there is no moment at which it runs and is not guarded.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys


class Guard:
    """Ends the process group of a leader if this process ends before it has said `done`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def watch_me(self) -> None:
        """Guard this process's group. It is called by the leader, after `setsid` and before it runs its program: what
        it inherits of the guard's standard input holds off the end of that until then."""
        assert self._process.stdin is not None
        os.write(self._process.stdin.fileno(), b"%d\n" % os.getpid())

    def done(self) -> None:
        """The group has been ended, or there is none: the guard ends, and does nothing."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # somebody has ended the guard
            self._process.stdin.write(b"done\n")
            self._process.stdin.close()
        self._process.wait()


def main() -> None:
    """Be the guard."""
    told = sys.stdin.buffer.read().split()
    if told and b"done" not in told:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(int(told[0]), signal.SIGKILL)


if __name__ == "__main__":
    main()
