"""A client of a real xenstored.

Nothing is ever sent twice: what was sent when the connection was lost fails with ConnectionLost, and so do the
transactions and watches that were open. The next request connects anew.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from confsync.impl.errors import Busy, ConnectionLost, InvalidRequest, NoAnswer, NoTransaction, TooBig
from confsync.impl.ports import Permission
from confsync.impl.xenstore import permissions as permission
from confsync.impl.xenstore import wire
from confsync.impl.xenstore.channel import Opens, socket_path, to_socket
from confsync.impl.xenstore.link import Link
from confsync.impl.xenstore.watches import Watched
from confsync.impl.xenstore.wire import Malformed, Type

TIMEOUT = 30.0
"""Seconds for an answer."""
LISTINGS = 16
"""How often a large directory is listed anew because it changed."""


class _Requests(ABC):
    """Requests over a link, in a transaction or not."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout

    @abstractmethod
    async def _link(self) -> Link:
        """The connection to ask over."""

    @property
    def _number(self) -> int:
        return 0

    async def _ask(self, type_: Type, body: bytes, what: str) -> bytes:
        link = await self._link()
        return await link.request(type_, self._number, body, what, timeout=self._timeout)

    async def _broken(self, what: str, why: Exception) -> ConnectionLost:
        reason = f"xenstored broke the protocol: {why}"
        (await self._link()).lose(reason)
        return ConnectionLost(f"{what}: {reason}")

    async def read(self, path: str) -> bytes:
        return await self._ask(Type.READ, wire.string(path), f"read {path}")

    async def write(self, path: str, value: bytes) -> None:
        await self._ask(Type.WRITE, wire.string(path) + value, f"write {path}")

    async def make(self, path: str) -> None:
        await self._ask(Type.MKDIR, wire.string(path), f"make {path}")

    async def remove(self, path: str) -> None:
        await self._ask(Type.RM, wire.string(path), f"remove {path}")

    async def directory(self, path: str) -> Sequence[str]:
        what = f"directory {path}"
        try:
            return wire.strings(await self._ask(Type.DIRECTORY, wire.string(path), what))
        except TooBig:
            return await self._parts(path, f"{what}, in parts")
        except Malformed as e:
            raise await self._broken(what, e) from e

    async def _parts(self, path: str, what: str) -> list[str]:
        """A directory that does not fit into one message [xs_directory_part in libxenstore's xs.c]."""
        for _ in range(LISTINGS):
            names, generation = b"", b""
            while True:
                body = wire.string(path) + wire.string(str(len(names)))
                seen, _, part = (await self._ask(Type.DIRECTORY_PART, body, what)).partition(b"\0")
                if names and seen != generation:
                    break
                generation = seen
                try:
                    if wire.is_last_part(part):
                        return wire.strings(names + part[:-1])
                except Malformed as e:
                    raise await self._broken(what, e) from e
                names += part
        raise Busy(f"{what}: it changed {LISTINGS} times while it was listed")

    async def permissions(self, path: str) -> Sequence[Permission]:
        what = f"permissions of {path}"
        body = await self._ask(Type.GET_PERMS, wire.string(path), what)
        try:
            return permission.from_words(wire.strings(body))
        except (Malformed, InvalidRequest) as e:
            raise await self._broken(what, e) from e

    async def set_permissions(self, path: str, permissions: Sequence[Permission]) -> None:
        body = wire.string(path) + permission.to_bytes(permission.checked(permissions))
        await self._ask(Type.SET_PERMS, body, f"set_permissions of {path}")


class ClientTransaction(_Requests):
    """A transaction on a connection; it ends with the connection."""

    def __init__(self, link: Link, number: int, timeout: float) -> None:
        super().__init__(timeout)
        self._own_link, self._tx, self._ended = link, number, False

    @property
    def _number(self) -> int:
        return self._tx

    async def _link(self) -> Link:
        if self._ended:
            raise NoTransaction(f"transaction {self._tx} has ended")
        return self._own_link

    async def commit(self) -> None:
        link = await self._link()
        self._ended = True
        await link.request(Type.TRANSACTION_END, self._tx, b"T\0", "commit", timeout=self._timeout)

    async def abort(self) -> None:
        if self._ended:
            return
        self._ended = True
        if self._own_link.lost is None:
            await self._own_link.request(Type.TRANSACTION_END, self._tx, b"F\0", "abort", timeout=self._timeout)


class ClientWatch:
    """A watch on a connection; it ends with the connection."""

    def __init__(self, link: Link, path: str, token: str, watched: Watched, timeout: float) -> None:
        self._link, self._path, self._token, self._watched = link, path, token, watched
        self._timeout, self._closed = timeout, False

    def take(self) -> str | None:
        """The next event that has come, if there is one. ConnectionLost if no more can come."""
        if self._closed:
            raise NoTransaction(f"the watch of {self._path} is closed")
        path = self._watched.take()
        if path is None and self._link.lost is not None:
            raise ConnectionLost(f"watch of {self._path}: {self._link.lost}")
        return path

    async def event(self) -> str:
        """Wait for the next event. One task at a time may wait. ConnectionLost."""
        while True:
            path = self.take()
            if path is not None:
                return path
            woken = asyncio.Event()
            self._watched.wake = woken.set
            try:
                await woken.wait()
            finally:
                self._watched.wake = None

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._link.forget(self._token)
        if self._watched.wake:
            self._watched.wake()
        if self._link.lost is None:
            body = wire.string(self._path) + wire.string(self._token)
            what = f"unwatch {self._path}"
            await self._link.request(Type.UNWATCH, 0, body, what, timeout=self._timeout)


class Client(_Requests):
    """A connection to a real xenstored, made when it is first needed and anew when it was lost."""

    def __init__(self, path: Path | None = None, *, timeout: float = TIMEOUT, opens: Opens | None = None) -> None:
        """`path`: its socket; None: as `socket_path` says. `timeout`: seconds for each answer. `opens`: another way."""
        super().__init__(timeout)
        path = path or socket_path()
        self._where, self._opens = str(path), opens or to_socket(path)
        self._current: Link | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    async def _link(self) -> Link:
        if self._closed:
            raise ConnectionLost("the connection is closed")
        async with self._opening:
            if self._current is None or self._current.lost is not None:
                try:
                    async with asyncio.timeout(self._timeout):
                        self._current = Link(await self._opens())
                except TimeoutError:
                    raise NoAnswer(f"connect to {self._where}, within {self._timeout:g} s") from None
                except OSError as e:
                    raise ConnectionLost(f"connect to {self._where}: {e.strerror or e}") from e
            return self._current

    async def begin(self) -> ClientTransaction:
        link = await self._link()
        what = "begin a transaction"
        body = await link.request(Type.TRANSACTION_START, 0, b"\0", what, timeout=self._timeout, undo=_aborts)
        try:
            return ClientTransaction(link, _transaction_number(body), self._timeout)
        except Malformed as e:
            raise await self._broken(what, e) from e

    async def watch(self, path: str) -> ClientWatch:
        link = await self._link()
        wanted = wire.string(path)
        watched = Watched(path, "")
        token = link.register(watched)
        body = wanted + wire.string(token)
        try:
            await link.request(
                Type.WATCH, 0, body, f"watch {path}", timeout=self._timeout, undo=lambda _: (Type.UNWATCH, 0, body)
            )
        except BaseException:
            link.forget(token)
            raise
        return ClientWatch(link, path, token, watched, self._timeout)

    async def close(self) -> None:
        self._closed = True
        if self._current is not None:
            self._current.lose("the connection is closed")


def _transaction_number(body: bytes) -> int:
    number = wire.one_string(body)
    if not number.isdecimal() or not 0 < int(number) < 2**32:
        raise Malformed(f"{number!r} is no transaction's number")
    return int(number)


def _aborts(body: bytes) -> tuple[Type, int, bytes]:
    return Type.TRANSACTION_END, _transaction_number(body), b"F\0"
