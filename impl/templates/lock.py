"""A lock that is a file: held by who has the `flock` of the very file that stands at the path.

Taken and given up as libxl does, so that both exclude each other [libxl__lock_file, libxl__unlock_file,
libxl_internal.c]. Who waits has nothing open meanwhile, so a waiter that is cancelled leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from confsync.impl.errors import LockFailed
from confsync.impl.holders import PATIENCE, Tells, held_by, tell_nobody
from confsync.impl.ports import Domain
from confsync.impl.templates.files import Files
from confsync.impl.templates.proper import check_file, in_words

T = TypeVar("T")
Pause = Callable[[float], Awaitable[None]]
"""Waits for a number of seconds."""
_SHORTEST, _LONGEST = 0.0005, 0.02
"""Seconds between two attempts: at first, and at most."""


@dataclass(frozen=True, slots=True)
class Waits:
    """How to wait for a lock that somebody has."""

    pause: Pause = asyncio.sleep
    tells: Tells = tell_nobody
    """Is told who has the lock."""
    patience: float = PATIENCE
    """Seconds until it is told."""

    async def until(self, take_it: Callable[[], T | None], path: Path, what: str) -> T:
        """Try again and again, with growing pauses, until something is taken. `what`: it, in words."""
        delay, waited, told = _SHORTEST, 0.0, False
        while (found := take_it()) is None:
            if waited >= self.patience and not told:
                self.tells(f"waiting for {what}, {held_by(path)}")
                told = True
            await self.pause(delay * random.uniform(0.5, 1))
            waited += delay
            delay = min(2 * delay, _LONGEST)
        return found


Identity = tuple[int, int]
"""What makes a file that file: its device and its inode."""


@dataclass(eq=False, slots=True)
class HeldLock:
    """A lock that is held, or was."""

    domain: Domain
    path: Path
    descriptor: int
    identity: Identity
    owner: object
    inherited: bool
    """The file was there already: whoever made it died with the lock."""

    @property
    def held(self) -> bool:
        """True until it is given up."""
        return _held.get(self.identity) is self


_held: dict[Identity, HeldLock] = {}
"""The locks that this process holds."""


def _forget_in_child() -> None:
    """A fork shares its parent's open files, and a lock on them would last until both are gone [libxl__carefd]."""
    for lock in _held.values():
        with contextlib.suppress(OSError):
            os.close(lock.descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_forget_in_child)


def identity(status: os.stat_result) -> Identity:
    """Which file it is."""
    return status.st_dev, status.st_ino


def current_owner(otherwise: object) -> object:
    """Who asks: the running task, or what is given where there is none."""
    try:
        return asyncio.current_task() or otherwise
    except RuntimeError:
        return otherwise


async def take(files: Files, path: Path, domain: Domain, owner: object, waits: Waits) -> HeldLock:
    """Wait for the lock. LockFailed if the owner holds it, or one that comes after it, or if the system refuses;
    StoreError if what stands at the path is no proper lock file."""
    _refuse_deadlock(path, owner)
    return await waits.until(lambda: attempt(files, path, domain, owner), path, f"the lock of {domain}")


def _refuse_deadlock(path: Path, owner: object) -> None:
    """Whoever holds several locks took them in the order of their paths, so no two wait for each other."""
    mine = [lock.path for lock in _held.values() if lock.owner is owner]
    if path in mine:
        raise LockFailed(f"{path}: the caller has this lock already, and would wait for itself; take it once")
    after = [other for other in mine if other > path]
    if after:
        raise LockFailed(
            f"{path}: the caller has {after[0].name} already, and two such callers could wait for each other; "
            "take the locks of several domains in the order of their file names"
        )


def attempt(files: Files, path: Path, domain: Domain, owner: object) -> HeldLock | None:
    """The lock, or None if somebody has it now."""
    try:
        found = _open(files, path)
        return found and _take_open(files, path, domain, owner, *found)
    except OSError as error:
        raise LockFailed(f"{path}: {in_words('lock', error)}") from error


def _open(files: Files, path: Path) -> tuple[int, bool] | None:
    """A descriptor of the file, and whether it was there; None if it went away just now."""
    try:
        return files.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL), False
    except FileExistsError:
        with contextlib.suppress(FileNotFoundError):
            return files.open(path, os.O_RDWR | os.O_NONBLOCK), True
        return None


def _take_open(
    files: Files, path: Path, domain: Domain, owner: object, descriptor: int, was_there: bool
) -> HeldLock | None:
    try:
        status = files.fstat(descriptor)
        check_file(path, status)
        mine = identity(status)
        if files.flock(descriptor) and stands(files, path, mine):
            lock = HeldLock(domain, path, descriptor, mine, owner, was_there)
            _held[mine] = lock
            return lock
    except BaseException:
        # It is not known to be held, so its name is not touched: that would take the lock from whoever holds it.
        _close_quietly(files, descriptor)
        raise
    files.close(descriptor)
    return None


def stands(files: Files, path: Path, mine: Identity) -> bool:
    """True if the path still leads to that file. If not, who held it before has removed it: it locks nothing now."""
    try:
        return identity(files.lstat(path)) == mine
    except FileNotFoundError:
        return False


def give_up(files: Files, lock: HeldLock) -> None:
    """Give the lock up. LockFailed if it was not held, or was lost, or its file cannot be removed; it is given up
    even then. The name goes first: were the file closed first, its next holder would have its name removed under it,
    and a third would make a new file and hold a lock of that."""
    if not lock.held:
        raise LockFailed(f"{lock.path}: this lock is not held any more; give it up once")
    try:
        if not stands(files, lock.path, lock.identity):
            raise LockFailed(
                f"{lock.path}: somebody removed it while it was held, so others may have changed the template "
                "meanwhile; find out who, and compare the domain with its template"
            )
        files.unlink(lock.path)
    except OSError as error:
        raise LockFailed(f"{lock.path}: {in_words('remove', error)}") from error
    finally:
        del _held[lock.identity]
        _close_quietly(files, lock.descriptor)


def abandon(lock: HeldLock) -> None:
    """What the death of its holder does: the file is closed, and its name stays."""
    del _held[lock.identity]
    os.close(lock.descriptor)


def _close_quietly(files: Files, descriptor: int) -> None:
    """A lock file holds no data that a close could fail to write, and it is closed in any case."""
    with contextlib.suppress(OSError):
        files.close(descriptor)
