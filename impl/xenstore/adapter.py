"""The ports' Xenstore, over a connection of an embedded engine. No method suspends, but a watch that has no event."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence

from confsync.impl.errors import NoTransaction, XenstoreError
from confsync.impl.ports import Permission
from confsync.impl.xenstore.engine import Connection
from confsync.impl.xenstore.watches import Watched


class _Requests:
    __slots__ = ("_connection", "_tx")

    def __init__(self, connection: Connection, tx: int) -> None:
        self._connection, self._tx = connection, tx

    async def read(self, path: str) -> bytes:
        return self._connection.read(path, self._tx)

    async def write(self, path: str, value: bytes) -> None:
        self._connection.write(path, value, self._tx)

    async def make(self, path: str) -> None:
        self._connection.make(path, self._tx)

    async def remove(self, path: str) -> None:
        self._connection.remove(path, self._tx)

    async def directory(self, path: str) -> Sequence[str]:
        return self._connection.directory(path, self._tx)

    async def permissions(self, path: str) -> Sequence[Permission]:
        return self._connection.permissions(path, self._tx)

    async def set_permissions(self, path: str, permissions: Sequence[Permission]) -> None:
        self._connection.set_permissions(path, permissions, self._tx)


class EmbeddedTransaction(_Requests):
    """A transaction of an embedded xenstore."""

    __slots__ = ()

    @property
    def number(self) -> int:
        """Its number on its connection."""
        return self._tx

    async def commit(self) -> None:
        self._connection.end(self._tx, commit=True)

    async def abort(self) -> None:
        if self._tx in self._connection.transactions:
            self._connection.end(self._tx, commit=False)


class EmbeddedWatch(ABC):
    """A watch of an embedded xenstore."""

    def __init__(self, connection: Connection, path: str, token: str, watched: Watched) -> None:
        self._connection, self._path, self._token = connection, path, token
        self._watched = watched

    def take(self) -> str | None:
        """The next event, if there is one: `event` that does not wait."""
        if self._watched not in self._connection.watches.values():
            raise NoTransaction(f"the watch of {self._path} is closed")
        return self._watched.take()

    async def event(self) -> str:
        """Wait for the next event. One task at a time may wait."""
        while True:
            path = self.take()
            if path is not None:
                return path
            await self._wait()

    @abstractmethod
    async def _wait(self) -> None:
        """Wait until there may be an event."""

    async def close(self) -> None:
        """Look no longer. Nothing if the watch, or its connection, is closed already."""
        try:
            self._connection.unwatch(self._path, self._token)
        except XenstoreError:
            return
        if self._watched.wake:
            self._watched.wake()


class WokenWatch(EmbeddedWatch):
    """A watch that the change itself wakes."""

    async def _wait(self) -> None:
        woken = asyncio.Event()
        self._watched.wake = woken.set
        try:
            await woken.wait()
        finally:
            self._watched.wake = None


class EmbeddedXenstore(_Requests):
    """A connection to an embedded xenstore."""

    __slots__ = ("_tokens",)

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, 0)
        self._tokens = 0

    @property
    def connection(self) -> Connection:
        """The engine's side of it."""
        return self._connection

    async def begin(self) -> EmbeddedTransaction:
        return EmbeddedTransaction(self._connection, self._connection.begin())

    async def watch(self, path: str) -> EmbeddedWatch:
        self._tokens += 1
        token = str(self._tokens)
        return self._watch(path, token, self._connection.watch(path, token))

    def _watch(self, path: str, token: str, watched: Watched) -> EmbeddedWatch:
        return WokenWatch(self._connection, path, token, watched)

    async def close(self) -> None:
        self._connection.close()
