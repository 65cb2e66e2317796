"""The calls on the file system that the templates' store makes. There is no other way from the store to the disk.

Each goes through `Files.call`, one system call at a time, so that a test can refuse it, interrupt it, cut it short,
record it, or let somebody else go first.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_PIECE = 1 << 20
"""Bytes asked for by one read."""


class Files:
    """The calls, as POSIX has them; all raise OSError. An interrupted one is made again, a short write continued."""

    def call(self, _name: str, function: Callable[P, R], /, *arguments: P.args, **named: P.kwargs) -> R:
        """Make one system call; it is given the name of the method that makes it."""
        return function(*arguments, **named)

    def _until_done(self, name: str, function: Callable[P, R], /, *arguments: P.args, **named: P.kwargs) -> R:
        while True:
            try:
                return self.call(name, function, *arguments, **named)
            except InterruptedError:
                continue

    def open(self, path: Path, flags: int, mode: int = 0o600) -> int:
        """A descriptor of the file, which no program that is started inherits; a symbolic link is not followed."""
        return self._until_done("open", os.open, path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, mode)

    def read(self, descriptor: int, most: int) -> bytes:
        """What follows in the file, up to its end or `most` bytes."""
        pieces: list[bytes] = []
        while most > 0:
            piece = self._until_done("read", os.read, descriptor, min(most, _PIECE))
            if not piece:
                break
            pieces.append(piece)
            most -= len(piece)
        return b"".join(pieces)

    def write(self, descriptor: int, text: bytes) -> None:
        """Write all of it."""
        rest = memoryview(text)
        while rest:
            written = self._until_done("write", os.write, descriptor, rest)
            if written <= 0:
                raise OSError(errno.EIO, "the file takes no more bytes, and gives no reason")
            rest = rest[written:]

    def fsync(self, descriptor: int) -> None:
        """Wait until what was written is on the disk."""
        self._until_done("fsync", os.fsync, descriptor)

    def close(self, descriptor: int) -> None:
        """Close it. It is closed whatever this raises, as Linux has it: so an interrupted close is not made again."""
        try:
            self.call("close", os.close, descriptor)
        except InterruptedError:
            return

    def rename(self, old: Path, new: Path) -> None:
        """Give the file its new name, at once, in place of what has that name."""
        self._until_done("rename", os.rename, old, new)

    def unlink(self, path: Path) -> None:
        """Remove the name."""
        self._until_done("unlink", os.unlink, path)

    def flock(self, descriptor: int) -> bool:
        """Take the exclusive lock of the open file, if nobody has it; False if somebody has."""
        try:
            self._until_done("flock", fcntl.flock, descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def fstat(self, descriptor: int) -> os.stat_result:
        """What the open file is."""
        return self._until_done("fstat", os.fstat, descriptor)

    def stat(self, path: Path) -> os.stat_result:
        """What the file is that the path leads to."""
        return self._until_done("stat", os.stat, path)

    def lstat(self, path: Path) -> os.stat_result:
        """What stands at the path, be it a symbolic link."""
        return self._until_done("lstat", os.lstat, path)

    def scandir(self, path: Path) -> list[str]:
        """The names in a folder, in no order."""
        return self._until_done("scandir", os.listdir, path)

    def fsync_folder(self, path: Path) -> None:
        """Wait until the names in the folder are on the disk."""
        descriptor = self._until_done("open", os.open, path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.fsync(descriptor)
        finally:
            self.close(descriptor)
