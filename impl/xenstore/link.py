"""One connection to a real xenstored, while it lasts: many requests at once, their answers, and the watches' events."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from confsync.impl.errors import ConnectionLost, NoAnswer
from confsync.impl.xenstore import wire
from confsync.impl.xenstore.channel import Channel
from confsync.impl.xenstore.watches import Watched
from confsync.impl.xenstore.wire import HEADER, Malformed, Type

Undo = Callable[[bytes], tuple[Type, int, bytes]]
"""From the answer that nobody waits for: the request (type, transaction, body) that undoes what it did."""


@dataclass(slots=True)
class _Waiting:
    type: Type
    what: str
    answer: asyncio.Future[bytes]
    undo: Undo | None


class Link:
    """A connection that works, or is lost for good. It must be made within an event loop."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._waiting: dict[int, _Waiting] = {}
        self._watched: dict[str, Watched] = {}
        self._last = 0
        self._why: str | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self._reading = asyncio.create_task(self._read())

    @property
    def lost(self) -> str | None:
        """Why it works no longer, in words; None while it works."""
        return self._why

    def lose(self, why: str) -> None:
        """Give it up. Who waits gets ConnectionLost; xenstored aborts the transactions and ends the watches."""
        if self._why is not None:
            return
        self._why = why
        self._channel.close()
        for waiting in self._waiting.values():
            if not waiting.answer.done():
                waiting.answer.set_exception(ConnectionLost(f"{waiting.what}: {why}"))
                waiting.answer.exception()  # it is no mistake if nobody asks for it
        self._waiting.clear()
        for watched in self._watched.values():
            if watched.wake:
                watched.wake()
        if asyncio.current_task() is not self._reading:
            self._reading.cancel()

    def register(self, watched: Watched) -> str:
        """Have events of a watch told to this from now on; the watch's token."""
        self._last += 1
        token = str(self._last)
        self._watched[token] = watched
        return token

    def forget(self, token: str) -> None:
        """Tell the watch's events no longer."""
        self._watched.pop(token, None)

    async def request(
        self, type_: Type, transaction: int, body: bytes, what: str, *, timeout: float, undo: Undo | None = None
    ) -> bytes:
        """The answer to a request. XenstoreError. After NoAnswer (`timeout` seconds) the link is lost.

        `undo`: what makes up for an answer that comes after the caller was cancelled.
        """
        if self._why is not None:
            raise ConnectionLost(f"{what}: {self._why}")
        self._last += 1
        number = self._last
        message = wire.encode(type_, number, transaction, body, what)
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[number] = _Waiting(type_, what, answer, undo)
        try:
            async with asyncio.timeout(timeout):
                try:
                    await self._channel.send(message)
                    return await answer
                except asyncio.CancelledError:
                    answer.cancel()
                    raise
        except TimeoutError:
            self._waiting.pop(number, None)
            self.lose(f"no answer within {timeout:g} s to {what}")
            raise NoAnswer(f"{what}, within {timeout:g} s") from None
        except (OSError, EOFError) as e:
            self.lose(str(e) or type(e).__name__)
            raise ConnectionLost(f"{what}: {e}") from e

    async def _read(self) -> None:
        why = "xenstored closed the connection"
        try:
            while True:
                head = wire.decode_head(await self._channel.receive(HEADER.size))
                self._take(head, await self._channel.receive(head.length))
        except Malformed as e:
            why = f"xenstored broke the protocol: {e}"
        except EOFError:
            pass
        except OSError as e:
            why = e.strerror or str(e)
        self.lose(why)

    def _take(self, head: wire.Head, body: bytes) -> None:
        if head.type == Type.WATCH_EVENT:
            self._tell(body)
            return
        waiting = self._waiting.get(head.request)
        if waiting is None:
            raise Malformed(f"an answer to request {head.request}, which was not asked")
        if head.type not in (waiting.type, Type.ERROR):
            raise Malformed(f"an answer of type {head.type} to {waiting.type.name}")
        failure = wire.error(body, waiting.what) if head.type == Type.ERROR else None
        del self._waiting[head.request]
        if waiting.answer.done():
            if waiting.undo and failure is None:
                self._make_up(waiting.undo(body))
        elif failure is None:
            waiting.answer.set_result(body)
        else:
            waiting.answer.set_exception(failure)

    def _tell(self, body: bytes) -> None:
        found = wire.strings(body)
        if len(found) != 2:
            raise Malformed(f"a watch's event of {len(found)} strings")
        watched = self._watched.get(found[1])
        if watched is not None:  # else it was on its way when the watch was closed
            watched.tell(found[0])

    def _make_up(self, request: tuple[Type, int, bytes]) -> None:
        type_, transaction, body = request
        self._last += 1
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        answer.cancel()
        self._waiting[self._last] = _Waiting(type_, "undoing what was cancelled", answer, None)
        message = wire.encode(type_, self._last, transaction, body, "undoing what was cancelled")
        sending = asyncio.create_task(self._send(message))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)

    async def _send(self, message: bytes) -> None:
        with contextlib.suppress(OSError, EOFError):  # the reader hears of it too
            await self._channel.send(message)
