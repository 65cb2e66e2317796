"""How much memory a search may hold unless it is said otherwise: a share of what is left to this machine."""

from __future__ import annotations

from pathlib import Path

LEAST = 256 * 2**20
"""Bytes that a search may hold at any rate."""
SHARE = 2
"""All searches together may hold one part in so many."""
MEMINFO = Path("/proc/meminfo")
CGROUP_LIMIT, CGROUP_USED = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")


def bound_of_memory(limit: int) -> str:
    """The limit, as a reason for which something is not decided."""
    return f"the bound of {limit / 2**20:,.0f} MiB of memory (--max-memory raises it)"


def default_limit(jobs: int, available: int | None = None) -> int | None:
    """Bytes for each of `jobs` searches side by side. `available`: bytes there are; else the machine is asked. None
    where it does not tell."""
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
