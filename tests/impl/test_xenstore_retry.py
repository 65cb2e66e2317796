"""A transaction is run again when it met another one, not for ever, and never left open."""

from __future__ import annotations

import asyncio

import pytest

from confsync.impl.errors import Again, NoEntry, XenstoreError
from confsync.impl.ports import Transaction
from confsync.impl.xenstore.adapter import EmbeddedXenstore
from confsync.impl.xenstore.memory import MemoryStore
from confsync.impl.xenstore.retry import FIRST_PAUSE, LONGEST_PAUSE, pause_after, transact


class Meeting:
    """A body that counts, and that others meet a number of times."""

    def __init__(self, store: MemoryStore, times: int) -> None:
        self.other, self.times, self.runs = store.connect(), times, 0

    async def __call__(self, tx: Transaction) -> int:
        self.runs += 1
        value = int(await tx.read("/n")) + 1
        await tx.write("/n", b"%d" % value)
        if self.runs <= self.times:
            await self.other.write("/n", b"%d" % (10 * self.runs))
        return value


class Pauses:
    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


async def started() -> tuple[MemoryStore, EmbeddedXenstore]:
    store = MemoryStore()
    x = store.connect()
    await x.write("/n", b"0")
    return store, x


def open_transactions(x: EmbeddedXenstore) -> int:
    return len(x.connection.transactions)


def test_it_is_run_until_it_meets_no_other() -> None:
    async def body() -> None:
        store, x = await started()
        meeting, pauses = Meeting(store, 3), Pauses()
        assert await transact(x, meeting, sleep=pauses) == 31
        assert await x.read("/n") == b"31"
        assert meeting.runs == 4
        assert pauses.taken == [0.001, 0.002, 0.004]
        assert open_transactions(x) == 0

    asyncio.run(body())


def test_it_is_given_up_after_so_many_attempts() -> None:
    async def body() -> None:
        store, x = await started()
        meeting, pauses = Meeting(store, 100), Pauses()
        with pytest.raises(Again):
            await transact(x, meeting, attempts=5, sleep=pauses)
        assert (meeting.runs, len(pauses.taken), open_transactions(x)) == (5, 4, 0)

    asyncio.run(body())


def test_what_the_body_raises_ends_the_transaction() -> None:
    async def fails(tx: Transaction) -> None:
        await tx.write("/n", b"1")
        await tx.read("/none")

    async def body() -> None:
        _, x = await started()
        with pytest.raises(XenstoreError) as ended:
            await transact(x, fails)
        assert type(ended.value) is NoEntry
        assert await x.read("/n") == b"0"
        assert open_transactions(x) == 0

    asyncio.run(body())


def test_a_body_that_raises_again_itself_is_run_again() -> None:
    async def body() -> None:
        _, x = await started()
        runs = []

        async def once_again(tx: Transaction) -> None:
            runs.append(tx)
            if len(runs) == 1:
                raise Again("a part of it")

        await transact(x, once_again, sleep=Pauses())
        assert (len(runs), open_transactions(x)) == (2, 0)

    asyncio.run(body())


def test_a_body_that_is_cancelled_ends_the_transaction() -> None:
    async def waits(tx: Transaction) -> None:
        await tx.write("/n", b"1")
        await asyncio.Event().wait()

    async def body() -> None:
        _, x = await started()
        task = asyncio.create_task(transact(x, waits))
        await asyncio.sleep(0)
        assert open_transactions(x) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert open_transactions(x) == 0

    asyncio.run(body())


def test_pauses_grow_to_a_bound() -> None:
    pauses = [pause_after(n) for n in range(1, 2000)]
    assert pauses[0] == FIRST_PAUSE
    assert max(pauses) == pauses[-1] == LONGEST_PAUSE
    assert pauses == sorted(pauses)


def test_no_attempt_is_no_attempt() -> None:
    async def body() -> None:
        store, x = await started()
        with pytest.raises(ValueError, match="at least one"):
            await transact(x, Meeting(store, 0), attempts=0)

    asyncio.run(body())
