"""What the engines have in common: a folder to work on, an act, what it said meanwhile, and a check of what is left.

An *engine* runs the act again and again, from the same folder, and breaks it somewhere else each time:

    outcome = engine(prepare, act, check)
    assert not outcome.failures

`kill_everywhere` (ptrace.py) kills it at each system call, `lose_power` (power.py) forgets what was not synced,
`fail_everywhere` (faults.py) has each call on the file system fail. `cut_in_everywhere` (rivals.py) lets somebody else
go first, and is given a scene instead of an act.

The act does its work in `trial.folder`, through `trial.files` if the engine is to see its calls, and says with
`trial.note("stored")` what it has been promised. The check looks at `wreck.folder`, holds it against `wreck.notes`, and
returns what is wrong, in words. An act or a check that is async calls `asyncio.run`.
"""

from __future__ import annotations

import contextlib
import itertools
import mmap
import os
import shutil
import stat
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from confsync.impl.templates.files import Files


@dataclass(frozen=True, slots=True)
class Trial:
    """What an act is given."""

    folder: Path
    files: Files
    note: Callable[[str], None]
    """Say how far it got; what is said is known to the check, though the act be killed right after."""
    begin: Callable[[], None] = lambda: None
    """Where the engine is asked to wait for it: what comes before is set-up, and is not broken."""


@dataclass(frozen=True, slots=True)
class Wreck:
    """What a check is given."""

    folder: Path
    notes: Sequence[str]
    how: str
    """What was done to the act, in words."""
    error: BaseException | None = None
    """What the act raised, if it lived to raise anything."""


Prepare = Callable[[Path], None]
"""Fills an empty folder; run once, and the folder is copied for each trial."""
Act = Callable[[Trial], None]
Check = Callable[[Wreck], Sequence[str]]
"""What is wrong, in words; nothing if all is well."""


@dataclass(slots=True)
class Outcome:
    """What an engine found."""

    points: int = 0
    """How many times the act was broken, each time elsewhere or otherwise."""
    distinct: int = 0
    """How many of these had to be looked at: the others left the very same behind."""
    failures: list[str] = field(default_factory=list)
    places: Counter[str] = field(default_factory=Counter)
    """How many points there were of each sort, so that a test can say which it must have seen."""

    _seen: set[tuple[tuple[str, ...], frozenset[tuple[str, bytes]]]] = field(default_factory=set)

    def is_new(self, wreck: Wreck) -> bool:
        """True the first time that this is left behind."""
        return self.is_new_among(tuple(wreck.notes), _left_in(wreck.folder))

    def is_new_among(self, notes: tuple[str, ...], left: Mapping[str, bytes]) -> bool:
        """True the first time that this was said and this is left behind, each file by its name."""
        key = notes, frozenset(left.items())
        new = key not in self._seen
        self._seen.add(key)
        return new

    def look(self, check: Check, wreck: Wreck) -> None:
        """Check what is left, and keep what is wrong."""
        self.distinct += 1
        try:
            problems = check(wreck)
        except Exception as error:
            problems = [f"the check failed: {type(error).__name__}: {error}"]
        self.failures += [f"{wreck.how}, having said {list(wreck.notes)}: {problem}" for problem in problems]


def files_in(folder: Path) -> dict[str, bytes]:
    """Each file's bytes, by its path within the folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _left_in(folder: Path) -> dict[str, bytes]:
    """All that is in a folder; each name with what sort of file it is."""
    left = {}
    for root, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(root, name)
            mode = path.lstat().st_mode
            left[f"{mode:o} {path.relative_to(folder)}"] = path.read_bytes() if stat.S_ISREG(mode) else b""
    return left


class Notes:
    """What an act says, in memory that it shares with whoever breaks it: there is no system call in it."""

    _COUNT = 4

    def __init__(self, size: int = 1 << 16) -> None:
        self._map = mmap.mmap(-1, size)

    def add(self, text: str) -> None:
        """Say it. It is said once its length is written."""
        used = self._used()
        encoded = text.encode() + b"\0"
        if self._COUNT + used + len(encoded) > len(self._map):
            raise ValueError("the act says too much")
        self._map[self._COUNT + used : self._COUNT + used + len(encoded)] = encoded
        self._map[: self._COUNT] = (used + len(encoded)).to_bytes(self._COUNT, "little")

    def said(self) -> tuple[str, ...]:
        """What was said."""
        text = self._map[self._COUNT : self._COUNT + self._used()].decode()
        return tuple(text.split("\0")[:-1])

    def clear(self) -> None:
        """Forget it."""
        self._map[: self._COUNT] = bytes(self._COUNT)

    def _used(self) -> int:
        return int.from_bytes(self._map[: self._COUNT], "little")


class Ground:
    """A prepared folder, and as many copies of it as there are trials, on a file system in memory if there is one."""

    def __init__(self, prepare: Prepare, base: Path) -> None:
        self._base, self._numbers = base, itertools.count()
        self.original = base / "original"
        self.original.mkdir(mode=0o700)
        prepare(self.original)

    def empty(self) -> Path:
        """A new folder."""
        folder = self._base / str(next(self._numbers))
        folder.mkdir(mode=0o700)
        return folder

    def fresh(self) -> Path:
        """A new copy of the prepared folder."""
        folder = self.empty()
        shutil.copytree(self.original, folder, symlinks=True, dirs_exist_ok=True)
        return folder

    @staticmethod
    def clear(folder: Path) -> None:
        """Remove a copy."""
        shutil.rmtree(folder)


@contextlib.contextmanager
def ground(prepare: Prepare) -> Iterator[Ground]:
    """Prepare a folder; it and its copies are gone afterwards."""
    memory = Path("/dev/shm")
    where = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="crash-", dir=where) as base:
        yield Ground(prepare, Path(base))
