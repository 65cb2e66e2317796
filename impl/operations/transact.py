"""A body run in a transaction, again and again until it meets no other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from confsync.impl.ports import Requests, Toolstack
from confsync.impl.xenstore.retry import transact as until_committed

T = TypeVar("T")


async def transact(t: Toolstack, body: Callable[[Requests], Awaitable[T]]) -> T:
    """What the body returned in the run that was committed. What it raises ends the transaction, and nothing
    happened."""
    return await until_committed(t.xenstore, body, sleep=t.sleep)
