"""What ends work early: how much memory a piece of work may take, by default a share of what the machine has left; and
an interrupt."""

from __future__ import annotations

import os
from pathlib import Path

LEAST = 256 * 2**20
"""Bytes that a piece of work may take at any rate."""
SHARE = 2
"""All pieces of work together may take one part in so many."""
MEMINFO = Path("/proc/meminfo")
CGROUP_LIMIT, CGROUP_USED = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
INTERRUPT = "an interrupt"
"""What work was stopped at that was told to stop."""


class LimitReached(Exception):
    """Work is to end at a limit; `str` says which."""


def early(stopped: str) -> str:
    """How work ended that was stopped at a limit or an interrupt: the beginning of a message."""
    return "interrupted" if stopped == INTERRUPT else f"stopped at {stopped}"


def bound_of_memory(limit: int) -> str:
    """The limit, as a reason for which something is not decided."""
    return f"the bound of {limit / 2**20:,.0f} MiB of memory (--max-memory raises it)"


def default_limit(jobs: int, available: int | None = None) -> int | None:
    """Bytes for each of `jobs` pieces of work side by side. `available`: bytes there are; else the machine is asked.
    None where it does not tell."""
    found = left() if available is None else available
    return None if found is None else max(LEAST, found // SHARE // max(1, jobs))


def left(meminfo: Path = MEMINFO, limit: Path = CGROUP_LIMIT, used: Path = CGROUP_USED) -> int | None:
    """Bytes that can still be had: `MemAvailable` of /proc/meminfo, and no more than the cgroup (version 2) allows.
    None where neither can be read."""
    known = [n for n in (_available(meminfo), _of_cgroup(limit, used)) if n is not None]
    return min(known, default=None)


def _available(meminfo: Path) -> int | None:
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)
    except (OSError, ValueError, IndexError):
        return None


def _of_cgroup(limit: Path, used: Path) -> int | None:
    try:
        return max(0, int(limit.read_text(encoding="ascii")) - int(used.read_text(encoding="ascii")))
    except (OSError, ValueError):  # there is no cgroup, or its limit is `max`
        return None


class Meter:
    """How much more memory a process takes than when this was made, held against a limit."""

    def __init__(self, limit: int | None, process: int | None = None) -> None:
        """`limit`: bytes, None for no limit. `process`: the process's number, by default this one's."""
        self.limit = limit
        self._statm = Path("/proc", "self" if process is None else str(process), "statm")
        self._at_first = self._taken() or 0

    def _taken(self) -> int | None:
        """Bytes of memory that the process does not share with a file; None where that is not known."""
        try:
            _, resident, shared, *_ = self._statm.read_text(encoding="ascii").split()
        except (OSError, ValueError):  # there is no /proc, or the process is no more
            return None
        return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")

    def grown(self) -> int:
        """By how many bytes the process has grown; 0 where that is not known."""
        taken = self._taken()
        return 0 if taken is None else max(0, taken - self._at_first)

    def reached(self) -> str:
        """The limit, in words, if it is reached; else ""."""
        return bound_of_memory(self.limit) if self.limit is not None and self.grown() > self.limit else ""

    def check(self) -> None:
        """LimitReached if it is."""
        if said := self.reached():
            raise LimitReached(said)
