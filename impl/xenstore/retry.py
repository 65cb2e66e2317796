"""A transaction that is run again when it met another one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

from confsync.impl.errors import Again, NoEntry, XenstoreError
from confsync.impl.ports import Transaction, Xenstore

ATTEMPTS = 32
TORN = (NoEntry, XenstoreError)
"""ENOENT and EIO: what a body can be told because another change came in between two of its requests. C xenstored
copies a node into the transaction when it is first looked at, so two nodes can be of different instants, until the
commit tells."""
TORN_ATTEMPTS = 3
FIRST_PAUSE, LONGEST_PAUSE = 0.001, 0.1
"""Seconds."""
T = TypeVar("T")
Body = Callable[[Transaction], Awaitable[T]]
Sleep = Callable[[float], Awaitable[None]]


def pause_after(attempt: int) -> float:
    """How long to wait after so many attempts, in seconds: twice as long each time, up to the longest."""
    return min(FIRST_PAUSE * 2.0 ** min(attempt - 1, 30), LONGEST_PAUSE)


async def transact(xenstore: Xenstore, body: Body[T], *, attempts: int = ATTEMPTS, sleep: Sleep = asyncio.sleep) -> T:
    """Run `body` in a transaction and commit it; what `body` returned. If it met another one, all of it once more,
    after a pause that grows. Again after so many attempts [libxl retries for ever, without a pause]. An error that a
    meeting can have caused is believed when it came in each of a few runs.

    `body` may run several times, and what it does elsewhere must bear that. If it raises, or is cancelled, the
    transaction is aborted and that is raised; a failure of the abort is not, for it can change nothing.
    """
    torn = 0
    for attempt in range(1, attempts + 1):
        transaction = await xenstore.begin()
        try:
            try:
                result = await body(transaction)
            except XenstoreError as error:
                torn += 1
                if type(error) not in TORN or torn == TORN_ATTEMPTS:
                    raise
                raise Again(error.what) from error
            await transaction.commit()
        except Again:
            await _abort(transaction)
            if attempt == attempts:
                raise
            await sleep(pause_after(attempt))
        except (Exception, asyncio.CancelledError):
            await _abort(transaction)
            raise
        else:
            return result
    raise ValueError(f"{attempts} attempts: at least one is needed")


async def _abort(transaction: Transaction) -> None:
    with contextlib.suppress(XenstoreError):
        await transaction.abort()
