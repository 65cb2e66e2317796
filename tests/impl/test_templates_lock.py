"""The lock of a domain's template: who gets it, who waits, and who is refused."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import LONG
from template_folder import LOCK, NEXT, ONE, TWO, UUID, alive, names, put

from confsync.impl.errors import (
    CannotList,
    DomainNotFound,
    LockFailed,
)
from confsync.impl.ports import Domain, Lock
from confsync.impl.templates.lock import HeldLock
from confsync.impl.templates.store import TemplateStore


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path


@pytest.fixture
def store(folder: Path) -> TemplateStore:
    return TemplateStore(folder, alive)


def test_a_lock_is_not_taken_twice_by_one_task_through_whatever_store(store: TemplateStore, folder: Path) -> None:
    async def run() -> None:
        lock = await store.lock(ONE)
        for again in (store, TemplateStore(folder, alive)):
            with pytest.raises(LockFailed, match=f"{LOCK}: the caller has this lock already"):
                await again.lock(ONE)
        await store.replace(lock, b"{}")
        await store.unlock(lock)
        await store.unlock(await store.lock(ONE))

    asyncio.run(run())


def test_locks_of_several_domains_are_taken_in_one_order(store: TemplateStore) -> None:
    async def run() -> None:
        first, second = await store.lock(ONE), await store.lock(TWO)
        await store.unlock(first)
        with pytest.raises(LockFailed, match="could wait for each other"):
            await store.lock(ONE)
        await store.unlock(second)
        await store.unlock(await store.lock(ONE))

    asyncio.run(run())


def test_a_lock_that_is_asked_for_at_once_is_got_or_not(folder: Path) -> None:
    async def dead(_domain: Domain) -> bool:
        return False

    async def run() -> None:
        store = TemplateStore(folder, dead)
        two = await store.lock(TWO, born=False)
        one = await store.lock_at_once(ONE)
        assert one
        assert one.domain == ONE
        assert await store.lock_at_once(ONE) is None
        assert await asyncio.create_task(TemplateStore(folder, alive).lock_at_once(ONE)) is None
        await store.replace(one, b"{}")
        await store.remove(one)
        await store.unlock(one)
        await store.unlock(two)
        assert not names(folder)

    asyncio.run(run())


def test_a_lock_that_is_got_at_once_is_cleaned_up_too(store: TemplateStore, folder: Path) -> None:
    (folder / NEXT).touch(0o600)
    lock = asyncio.run(store.lock_at_once(ONE))
    assert names(folder) == [LOCK]
    assert lock
    asyncio.run(store.unlock(lock))


def test_another_task_waits(store: TemplateStore) -> None:
    async def run() -> list[str]:
        said: list[str] = []

        async def other() -> None:
            lock = await store.lock(ONE)
            said.append("got")
            await store.unlock(lock)

        lock = await store.lock(ONE)
        task = asyncio.create_task(other())
        for _ in range(20):
            await asyncio.sleep(0.001)
        said.append("given up")
        await store.unlock(lock)
        await task
        return said

    assert asyncio.run(run()) == ["given up", "got"]


def test_another_thread_waits(folder: Path) -> None:
    inside: list[int] = []
    seen: list[int] = []

    def work() -> None:
        async def run() -> None:
            store = TemplateStore(folder, alive)
            for _ in range(20):
                lock = await store.lock(ONE)
                inside.append(1)
                seen.append(len(inside))
                await asyncio.sleep(0)
                inside.pop()
                await store.unlock(lock)

        asyncio.run(run())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1] * 80
    assert not names(folder)


def test_a_waiter_that_is_cancelled_keeps_nothing(store: TemplateStore, folder: Path) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a number is wanted, not paths

    async def run() -> None:
        before = open_files()
        lock = await store.lock(ONE)
        for steps in range(8):
            waiter = asyncio.create_task(store.lock(ONE))
            for _ in range(steps):
                await asyncio.sleep(0.0005)
            waiter.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiter
            assert open_files() == before + 1
        await store.unlock(lock)
        assert not names(folder)
        assert open_files() == before

    asyncio.run(run())


def test_who_is_cancelled_or_fails_once_the_lock_is_got_gives_it_up(folder: Path) -> None:
    async def never(_domain: Domain) -> bool:
        await asyncio.sleep(3600)
        return True

    async def broken(_domain: Domain) -> bool:
        raise CannotList("no hypervisor")

    async def run() -> None:
        waiter = asyncio.create_task(TemplateStore(folder, never).lock(ONE))
        while LOCK not in names(folder):
            await asyncio.sleep(0)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        assert not names(folder)
        with pytest.raises(CannotList):
            await TemplateStore(folder, broken).lock(ONE)
        assert not names(folder)

    asyncio.run(run())


def test_a_domain_that_is_gone_gets_no_lock_unless_it_is_to_be_made(folder: Path) -> None:
    async def dead(_domain: Domain) -> bool:
        return False

    async def run() -> None:
        store = TemplateStore(folder, dead)
        with pytest.raises(DomainNotFound, match=f"domain 1 .{UUID}. is gone"):
            await store.lock(ONE)
        assert not names(folder)
        lock = await store.lock(ONE, born=False)
        assert lock.domain == ONE
        await store.unlock(lock)

    asyncio.run(run())


def test_only_who_has_the_lock_changes_the_template(store: TemplateStore, folder: Path, tmp_path: Path) -> None:
    class Another:
        domain = ONE

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)

    async def run() -> None:
        await put(store, ONE, b"{}")
        old = await store.lock(ONE)
        await store.unlock(old)
        of_another = await TemplateStore(elsewhere, alive).lock(ONE)
        current = await store.lock(ONE)
        wrong: list[Lock] = [old, of_another, Another()]
        for lock in wrong:
            with pytest.raises(LockFailed, match=r"left alone|is not of the store"):
                await store.replace(lock, b"new")
            with pytest.raises(LockFailed, match=r"left alone|is not of the store"):
                await store.remove(lock)
        for lock in (old, Another()):
            with pytest.raises(LockFailed, match=r"give it up once|is not of the store"):
                await store.unlock(lock)
        assert await store.read(ONE) == b"{}"
        assert LOCK in names(folder)
        await store.unlock(current)
        await store.unlock(of_another)

    asyncio.run(run())


@pytest.mark.parametrize("replaced", [False, True])
def test_a_lock_that_was_removed_is_told_of_and_another_s_is_left(
    store: TemplateStore, folder: Path, replaced: bool
) -> None:
    async def run() -> None:
        lock = await store.lock(ONE)
        (folder / LOCK).unlink()
        if replaced:
            (folder / LOCK).touch(mode=0o600)
        with pytest.raises(LockFailed, match=f"{LOCK}: somebody removed it while it was held"):
            await store.unlock(lock)
        assert names(folder) == [LOCK] * replaced
        await store.unlock(await store.lock(ONE))

    asyncio.run(run())


def test_a_fork_of_the_holder_does_not_hold(store: TemplateStore) -> None:
    async def run() -> None:
        lock = await store.lock(ONE)
        child_waits, parent_wakes = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(parent_wakes)
            os.read(child_waits, 1)
            os._exit(isinstance(lock, HeldLock) and lock.held)
        try:
            os.close(child_waits)
            await store.unlock(lock)
            await store.unlock(await asyncio.wait_for(store.lock(ONE), LONG))
        finally:
            os.close(parent_wakes)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

    asyncio.run(run())


def test_the_lock_works_where_no_loop_runs(store: TemplateStore) -> None:
    def drive(awaitable: Iterator[object]) -> None:
        with pytest.raises(StopIteration):
            next(awaitable)

    async def run() -> None:
        lock = await store.lock(ONE)
        with pytest.raises(LockFailed, match="has this lock already"):
            await store.lock(ONE)
        await store.unlock(lock)

    drive(run().__await__())
