"""Who holds a lock on a file, by what Linux tells in /proc [proc_locks(5), proc_pid_cmdline(5)]."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

Tells = Callable[[str], None]
"""Is told, in words, for whom the process waits."""
PATIENCE = 1.0
"""Seconds that a wait lasts before anybody is told."""
PROC = Path("/proc")
_MOST = 200
"""Characters of a command line that are shown."""


def tell_nobody(_text: str) -> None:
    """Nobody is told."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that holds a lock."""

    pid: int
    command: str
    """What it runs, safe to print; empty if that cannot be read."""

    def __str__(self) -> str:
        return f"process {self.pid}" + (f" ({self.command})" if self.command else "")


def held_by(*files: Path, proc: Path = PROC) -> str:
    """In words: who has a lock on one of these files that keeps others out."""
    holder = find_holder(files, proc)
    return f"held by {holder}" if holder else "held by a process that cannot be found out"


def find_holder(files: tuple[Path, ...], proc: Path = PROC) -> Holder | None:
    """The process that has an exclusive lock on one of the files; None if there is none, or it cannot be found out:
    another user's, another machine's, or no Linux."""
    for file in files:
        try:
            status = file.lstat()
            rows = (proc / "locks").read_text(encoding="ascii", errors="replace").splitlines()
        except OSError:
            continue
        for pid in _exclusive(rows, status, proc):
            if pid != os.getpid():
                return Holder(pid, _command(proc / str(pid)))
    return None


def _exclusive(rows: list[str], status: os.stat_result, proc: Path) -> Iterator[int]:
    """The processes with an exclusive lock on the file. A row is such as
    `1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF`; one with `->` waits for the lock."""
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    for row in rows:
        words = row.split()
        if len(words) != 8 or words[3] != "WRITE" or not words[4].isdigit():
            continue
        where, _, inode = words[5].rpartition(":")
        if inode == str(status.st_ino) and (where == device or _has_open(proc / words[4], status)):
            yield int(words[4])


def _has_open(folder: Path, status: os.stat_result) -> bool:
    """True if the process has the file open. Some file systems, such as btrfs, have another device in /proc/locks."""
    with contextlib.suppress(OSError):
        for link in (folder / "fd").iterdir():
            with contextlib.suppress(OSError):
                if os.path.samestat(link.stat(), status):
                    return True
    return False


def _command(folder: Path) -> str:
    """What the process runs, without the interpreter, shortened; nothing in it can steer a terminal."""
    try:
        text = (folder / "cmdline").read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""
    words = text.rstrip("\0").split("\0")
    if PurePath(words[0]).name.startswith("python") and len(words) > 1:
        words = words[2:] if words[1] == "-m" and len(words) > 2 else words[1:]
    line = " ".join([PurePath(words[0]).name, *words[1:]])
    short = line if len(line) <= _MOST else f"{line[: _MOST - 3]}..."
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in short)
