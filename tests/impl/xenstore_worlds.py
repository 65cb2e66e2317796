"""The xenstores that must all mean the same: embedded in memory, embedded in a file, and a real C xenstored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar, cast

import pytest
from processes import LONG
from xenstore_requests import Telling, clear
from xenstored import DOMAINS, Daemon, running

from confsync.impl.errors import XenstoreError
from confsync.impl.ports import Access, Permission, Xenstore
from confsync.impl.xenstore.memory import MemoryStore
from confsync.impl.xenstore.sqlite import SqliteStore

WORLDS = ("memory", "sqlite", "xenstored")
T = TypeVar("T")
Connect = Callable[[int], Xenstore]


class World:
    """A xenstore, with nothing in it but its root; and connections to it."""

    def __init__(self, connect: Connect) -> None:
        self._connect, self._open = connect, list[Xenstore]()

    def __call__(self, domid: int) -> Xenstore:
        self._open.append(self._connect(domid))
        return self._open[-1]

    @asynccontextmanager
    async def connections(self) -> AsyncIterator[World]:
        await clear(self(0))
        yield self
        for store in self._open:
            await store.close()

    def run(self, body: Callable[[World], Awaitable[T]]) -> T:
        async def inside() -> T:
            async with self.connections() as world:
                return await asyncio.wait_for(body(world), LONG)

        return asyncio.run(inside())


def daemons(factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """For a fixture `daemon`: a C xenstored."""
    with running("xenstored", factory.mktemp("xenstored") / "run") as found:
        yield found


def worlds(request: pytest.FixtureRequest, folder: Path) -> Iterator[World]:
    """For a fixture `world`: the one that its parameter names; the real one is of the fixture `daemon`."""
    if request.param == "memory":
        yield World(MemoryStore(domains=DOMAINS).connect)
    elif request.param == "sqlite":
        store = SqliteStore(folder, domains=DOMAINS)
        yield World(store.connect)
        store.close()
    else:
        yield World(cast(Daemon, request.getfixturevalue("daemon")).connect)


def allow(domid: int, access: Access, *more: Permission) -> list[Permission]:
    return [Permission(domid, access), *more]


async def error(of: Awaitable[object]) -> type[XenstoreError] | None:
    try:
        await of
    except XenstoreError as e:
        return type(e)
    return None


def take(watch: object) -> list[str]:
    found = []
    while (path := cast(Telling, watch).take()) is not None:
        found.append(path)
    return found
