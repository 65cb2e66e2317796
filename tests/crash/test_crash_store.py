"""The templates' store survives death at each system call, power loss, faults and rivals; and the engines that say so
notice each of the mistakes that a store could make."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest
from conftest import Report

from confsync.impl.errors import LockFailed
from confsync.impl.ports import Domain, Lock
from confsync.impl.templates import lock as locks
from confsync.impl.templates import store as stores
from confsync.impl.templates.files import Files
from confsync.impl.templates.lock import HeldLock
from confsync.impl.templates.store import TemplateStore
from crash.faults import FAULTS, fail_everywhere
from crash.power import lose_power
from crash.ptrace import kill_everywhere
from crash.rivals import cut_in_everywhere
from crash.store_scenes import Destroyed, TwoHolders, read_after_a_death, wait_in_vain, what_was_read_stands
from crash.store_work import WORKS, Work
from crash.trial import Outcome

pytestmark = pytest.mark.slow

REPLACE = WORKS[1]
P = ParamSpec("P")
R = TypeVar("R")
WRITERS = {"create", "replace", "read and replace"}


def kill(work: Work) -> Outcome:
    """Death, at each system call."""
    return kill_everywhere(work.prepare, work.act, work.check, marked=True)


def power(work: Work) -> Outcome:
    """Power loss, at each point."""
    return lose_power(work.prepare, work.act, work.check)


def faults(work: Work) -> Outcome:
    """Faults, at each call."""
    return fail_everywhere(work.prepare, work.act, work.check)


def free_lock() -> Outcome:
    """Two want a lock that is free."""
    return cut_in_everywhere(REPLACE.prepare, partial(TwoHolders, held_at_first=False))


def passed_lock() -> Outcome:
    """Two want a lock that somebody has, and gives up."""
    return cut_in_everywhere(REPLACE.prepare, partial(TwoHolders, held_at_first=True))


def destroyed() -> Outcome:
    """Who has the lock destroys the domain."""
    return cut_in_everywhere(REPLACE.prepare, Destroyed)


def in_vain() -> Outcome:
    """Faults, at each call of one who waits."""
    return fail_everywhere(REPLACE.prepare, wait_in_vain, lambda _: [])


def death_then_power() -> Outcome:
    """Power loss, once somebody has read what a dead one wrote."""
    return lose_power(REPLACE.prepare, read_after_a_death, what_was_read_stands)


# ------------------------------------------------------------------ the store


@pytest.mark.usefixtures("ptrace")
@pytest.mark.parametrize(
    "work", [w if w is REPLACE else pytest.param(w, marks=pytest.mark.deep) for w in WORKS], ids=str
)
def test_death_at_each_system_call(work: Work, report: Report) -> None:
    outcome = kill(work)
    report.add("store: killed at a system call", outcome.points, len(outcome.failures))
    assert not outcome.failures
    for call in {"flock", "close"} | ({"write", "fsync"} if work.name in WRITERS else set()):
        assert outcome.places[f"before {call}"]
        assert outcome.places[f"after {call}"]


@pytest.mark.parametrize("work", WORKS, ids=str)
def test_power_loss_at_each_point(work: Work, report: Report) -> None:
    outcome = power(work)
    report.add("store: power lost", outcome.points, len(outcome.failures))
    assert not outcome.failures
    assert outcome.places["Renamed"] >= 2
    assert outcome.places["FolderSynced"] == (work.name != "lock and unlock")
    assert outcome.places["FileSynced"] == (work.name in WRITERS)


@pytest.mark.parametrize("work", WORKS, ids=str)
def test_each_fault_at_each_call(work: Work, report: Report) -> None:
    outcome = faults(work)
    report.add("store: a call failed", outcome.points, len(outcome.failures))
    assert not outcome.failures
    called = {place.split()[0] for place in outcome.places}
    assert called >= {"open", "flock", "fstat", "stat", "lstat", "unlink", "close"}
    assert called <= set(FAULTS)
    if work.name in WRITERS:
        assert called >= {"write", "fsync", "rename"}
        assert outcome.places["write SHORT"]


@pytest.mark.parametrize("scene", [free_lock, passed_lock, destroyed], ids=lambda scene: scene.__name__)
def test_a_rival_before_each_call(scene: Callable[[], Outcome], report: Report) -> None:
    outcome = scene()
    report.add("store: a rival went first", outcome.points, len(outcome.failures))
    assert not outcome.failures
    assert outcome.places["before flock"]


def test_a_fault_never_costs_another_its_lock(report: Report) -> None:
    outcome = in_vain()
    report.add("store: a call failed", outcome.points, len(outcome.failures))
    assert not outcome.failures
    assert outcome.places["fstat EIO"]


def test_what_is_read_is_on_the_disk(report: Report) -> None:
    outcome = death_then_power()
    report.add("store: power lost", outcome.points, len(outcome.failures))
    assert not outcome.failures
    assert outcome.places["Said"] == 1


# ------------------------------------------------------------------ stores that are wrong


def _write_without_sync(self: TemplateStore, path: Path, text: bytes) -> None:
    descriptor = self._files.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    self._files.write(descriptor, text)
    self._files.close(descriptor)


def _no_folder_sync(_self: Files, _path: Path) -> None:
    pass


async def _replace_in_place(self: TemplateStore, lock: Lock, text: bytes) -> None:
    path = self._path("d", lock.domain)
    descriptor = self._files.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    self._files.write(descriptor, text)
    self._files.fsync(descriptor)
    self._files.close(descriptor)
    self._files.fsync_folder(self.folder)


def _close_then_unlink(files: Files, lock: HeldLock) -> None:
    del locks._held[lock.identity]
    mine = locks.stands(files, lock.path, lock.identity)
    files.close(lock.descriptor)
    if mine:
        files.unlink(lock.path)


def _stands_always(_files: Files, _path: Path, _mine: locks.Identity) -> bool:
    return True


_attempt = locks.attempt


def _attempt_and_unlink(files: Files, path: Path, domain: Domain, owner: object) -> HeldLock | None:
    try:
        return _attempt(files, path, domain, owner)
    except LockFailed:
        path.unlink()
        raise


def _once(self: Files, name: str, function: Callable[P, R], /, *arguments: P.args, **named: P.kwargs) -> R:
    return self.call(name, function, *arguments, **named)


def _write_once(self: Files, descriptor: int, text: bytes) -> None:
    self._until_done("write", os.write, descriptor, memoryview(text))


def _no_clean_up(_self: TemplateStore, _path: Path) -> None:
    pass


def _no_settling(_self: TemplateStore, _lock: HeldLock) -> None:
    pass


def _settle_without_sync(self: TemplateStore, lock: HeldLock) -> None:
    self._discard(self._path("n", lock.domain))


async def _no_life(_self: TemplateStore, _domain: Domain) -> None:
    pass


async def _life_before_the_wait(self: TemplateStore, domain: Domain, *, born: bool = True) -> Lock:
    if born:
        await self._check_life(domain)
    return await locks.take(self._files, self._path("l", domain), domain, object(), self._waits)


async def _remove_without_sync(self: TemplateStore, lock: Lock) -> None:
    for letter in "nd":
        self._discard(self._path(letter, lock.domain))


Engine = Callable[[], Outcome]
REMOVE = WORKS[3]
MUTANTS: dict[str, tuple[object, str, object, Engine]] = {
    "the file is not synced before the rename": (
        TemplateStore, "_write_next", _write_without_sync, partial(power, REPLACE),
    ),
    "the folder is not synced before the promise": (Files, "fsync_folder", _no_folder_sync, partial(power, REPLACE)),
    "the folder is not synced after a removal": (
        TemplateStore, "remove", _remove_without_sync, partial(power, REMOVE),
    ),
    "written in place, and killed": (TemplateStore, "replace", _replace_in_place, partial(kill, REPLACE)),
    "written in place, and power lost": (TemplateStore, "replace", _replace_in_place, partial(power, REPLACE)),
    "closed before it is unlinked": (stores, "give_up", _close_then_unlink, free_lock),
    "the inode is not looked at again": (locks, "stands", _stands_always, passed_lock),
    "unlinked without being held": (locks, "attempt", _attempt_and_unlink, in_vain),
    "an interrupted call is not made again": (Files, "_until_done", _once, partial(faults, REPLACE)),
    "a short write is not continued": (Files, "write", _write_once, partial(faults, REPLACE)),
    "the next template is not cleaned up": (TemplateStore, "_give_next_up", _no_clean_up, partial(faults, REPLACE)),
    "what a dead one left is not cleaned up": (TemplateStore, "_settle", _no_settling, partial(kill, REPLACE)),
    "what a dead one renamed is not synced": (TemplateStore, "_settle", _settle_without_sync, death_then_power),
    "life is not looked at": (TemplateStore, "_check_life", _no_life, destroyed),
    "life is looked at before the wait only": (TemplateStore, "lock", _life_before_the_wait, destroyed),
}  # fmt: skip
"""What is changed, into what, and the engine that must notice."""


@pytest.mark.usefixtures("ptrace")
@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_store_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, attribute, wrong, engine = MUTANTS[name]
    monkeypatch.setattr(owner, attribute, wrong)
    assert engine().failures
