"""Who may hold a domain's lock, while others come and go: scenes for `cut_in_everywhere`, and acts for the faults."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ParamSpec, TypeVar

from confsync.impl.errors import DomainNotFound, ToolstackError
from confsync.impl.ports import Domain, Lock
from confsync.impl.templates.files import Files
from confsync.impl.templates.lock import HeldLock, Waits, _held, attempt, give_up
from confsync.impl.templates.store import TemplateStore
from crash.store_work import DOMAIN, LOCK, NEW, TEMPLATE, alive
from crash.trial import Trial, Wreck

P = ParamSpec("P")
R = TypeVar("R")


class GaveUp(Exception):
    """The act has waited long enough."""


def impatient() -> Waits:
    """A pause that takes no time, and is not taken a third time."""
    left = iter(range(2))

    async def pause(_seconds: float) -> None:
        if next(left, None) is None:
            raise GaveUp

    return Waits(pause)


def try_lock(folder: Path) -> HeldLock | None:
    """The lock, if nobody has it."""
    return attempt(Files(), folder / LOCK, DOMAIN, object())


class TwoHolders:
    """The act takes the lock, and gives it up; the rival takes it, if it can, and keeps it. It is free at first, or
    somebody has it until the rival comes."""

    def __init__(self, folder: Path, *, held_at_first: bool) -> None:
        self._folder = folder
        self._first = try_lock(folder) if held_at_first else None
        self._second: HeldLock | None = None
        self._inside = False
        self._problems: list[str] = []

    def act(self, files: Files) -> None:
        """Take the lock, work, and give it up."""
        asyncio.run(self._act(TemplateStore(self._folder, alive, files, waits=impatient())))

    async def _act(self, store: TemplateStore) -> None:
        try:
            lock = await store.lock(DOMAIN)
            self._inside = True
            self._check_alone()
            await store.replace(lock, NEW)
            self._inside = False
            await store.unlock(lock)
        except GaveUp:
            pass
        except ToolstackError as error:
            self._problems.append(str(error))

    def _check_alone(self) -> None:
        if self._inside and self._second:
            self._problems.append("two have the lock")

    def rival(self) -> None:
        """Take the lock, if it is free."""
        if self._first:
            give_up(Files(), self._first)
        self._second = try_lock(self._folder)
        self._check_alone()

    def check(self) -> Sequence[str]:
        """A third must not get the lock if the second has it, and must if nobody has."""
        third = try_lock(self._folder)
        if bool(third) == bool(self._second):
            self._problems.append("two have the lock" if third else "nobody can have the lock")
        for lock in (self._second, third):
            if lock:
                try:
                    give_up(Files(), lock)
                except ToolstackError as error:
                    self._problems.append(str(error))
        return self._problems


class Destroyed:
    """The act waits for the lock of a domain that is destroyed by who has it; it must not get it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._alive = True
        self._got: object = None
        self._store = TemplateStore(folder, self._is_alive)
        self._first = asyncio.run(self._store.lock(DOMAIN))

    async def _is_alive(self, _domain: Domain) -> bool:
        return self._alive

    def act(self, files: Files) -> None:
        """Wait for the lock."""
        store = TemplateStore(self._folder, self._is_alive, files, waits=impatient())
        try:
            lock = asyncio.run(store.lock(DOMAIN))
            self._got = lock
            asyncio.run(store.unlock(lock))
        except (GaveUp, DomainNotFound) as error:
            self._got = error

    def rival(self) -> None:
        """Destroy the domain."""
        asyncio.run(self._destroy())

    async def _destroy(self) -> None:
        await self._store.remove(self._first)
        self._alive = False
        await self._store.unlock(self._first)

    def check(self) -> Sequence[str]:
        """It was refused, and no file outlives the domain."""
        left = sorted(path.name for path in self._folder.iterdir())
        problems = [f"left {left}"] if left else []
        if not isinstance(self._got, GaveUp | DomainNotFound):
            problems.append("the lock of a dead domain was got")
        return problems


def wait_in_vain(trial: Trial) -> None:
    """Somebody has the lock; the act asks for it, in vain. However that fails, the lock stays where it is."""
    first = try_lock(trial.folder)
    assert first
    try:
        asyncio.run(TemplateStore(trial.folder, alive, trial.files, waits=impatient()).lock(DOMAIN))
    except GaveUp:
        pass
    finally:
        third = try_lock(trial.folder)
        if third:
            give_up(Files(), third)
        assert not third, "two have the lock"
        give_up(Files(), first)


class _Died(BaseException):
    """The process is dead, as far as a scene is concerned."""


class _Dying(Files):
    """Makes the calls up to a rename, with that; then no more."""

    def __init__(self, files: Files) -> None:
        self._files, self._dead = files, False

    def call(self, name: str, function: Callable[P, R], /, *arguments: P.args, **named: P.kwargs) -> R:
        if self._dead:
            raise _Died
        self._dead = name == "rename"
        return self._files.call(name, function, *arguments, **named)


def read_after_a_death(trial: Trial) -> None:
    """Somebody dies when the new template has its name, but the folder is not synced. The act reads it, and says so."""
    asyncio.run(_read_after_a_death(trial))


async def _read_after_a_death(trial: Trial) -> None:
    dying = TemplateStore(trial.folder, alive, _Dying(trial.files))
    lock = await dying.lock(DOMAIN)
    with contextlib.suppress(_Died):
        await dying.replace(lock, NEW)
    die(lock)
    store = TemplateStore(trial.folder, alive, trial.files)
    lock = await store.lock(DOMAIN)
    text = await store.read(DOMAIN)
    trial.note("new" if text == NEW else "old")
    await store.unlock(lock)


def die(lock: Lock) -> None:
    """End a holder as the kernel does: its file is closed, and nothing else."""
    assert isinstance(lock, HeldLock)
    _held.pop(lock.identity)
    os.close(lock.descriptor)


def what_was_read_stands(wreck: Wreck) -> Sequence[str]:
    """Nobody has read what is not on the disk."""
    text = (wreck.folder / TEMPLATE).read_bytes()
    return ["what was read is lost"] if "new" in wreck.notes and text != NEW else []
