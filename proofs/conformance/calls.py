"""Ports that ask whoever drives the operation: each effect is one `Call`, and its answer is what is sent back.

The operation is ordinary `async` code and knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from itertools import count
from types import coroutine
from typing import NamedTuple, cast

from confsync.impl.ports import Hotplug, Hypervisor, Templates, Toolstack, Transaction, Xenstore

Answer = object
"""What a port answered: a value, or a ToolstackError that it raised."""


class Call(NamedTuple):
    """One effect that an operation asks for. A tuple, because an exploration makes and compares millions."""

    port: str
    method: str
    arguments: tuple[object, ...]
    named: tuple[tuple[str, object], ...] = ()
    transaction: int = 0
    """Which of the operation's transactions it is in; 0: none."""

    def __str__(self) -> str:
        said = ", ".join([*map(str, self.arguments), *(f"{k}={v}" for k, v in self.named)])
        return f"{self.port}.{self.method}({said})"


@coroutine
def ask(call: Call) -> Generator[Call, Answer, Answer]:
    """Suspend until the call is answered."""
    answer = yield call
    return answer


class _Port:
    """A port, each of whose methods asks."""

    def __init__(self, port: str, transaction: int = 0) -> None:
        self._port, self._transaction = port, transaction

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Answer]]:
        if method.startswith("_"):
            raise AttributeError(method)

        def asks(*arguments: object, **named: object) -> Awaitable[Answer]:
            return ask(Call(self._port, method, arguments, tuple(named.items()), self._transaction))

        setattr(self, method, asks)  # the next time it is found without this function
        return asks


class _AskingXenstore(_Port):
    """A xenstore whose transactions ask too; the operation's own are numbered from 1."""

    def __init__(self) -> None:
        super().__init__("xenstore")
        self._numbers = count(1)

    async def begin(self) -> Transaction:
        number = next(self._numbers)
        await ask(Call("xenstore", "begin", (), (), number))
        return cast("Transaction", _Port("transaction", number))


def asking() -> Toolstack:
    """The ports of an operation that is driven."""

    async def sleep(seconds: float) -> None:
        await ask(Call("clock", "sleep", (seconds,)))

    return Toolstack(
        cast("Xenstore", _AskingXenstore()),
        cast("Templates", _Port("templates")),
        cast("Hypervisor", _Port("hypervisor")),
        cast("Hotplug", _Port("hotplug")),
        sleep,
    )
