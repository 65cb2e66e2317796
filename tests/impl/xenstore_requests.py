"""Sequences of requests from several connections, what they answer on a xenstore, and strategies that make them."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast

from hypothesis import strategies as st

from confsync.impl.errors import Forbidden, XenstoreError
from confsync.impl.ports import Access, Permission, Transaction, Watch, Xenstore

Answer = tuple[str, ...]
Tree = dict[str, tuple[bytes, tuple[Permission, ...], tuple[str, ...]]]


class Telling(Watch, Protocol):
    """A watch that can be asked without waiting."""

    def take(self) -> str | None:
        """The next event, if there is one."""


@dataclass(frozen=True)
class Request:
    """One request. `slot` 0: outside of a transaction; else the connection's transaction of that number, if open."""

    who: int
    what: str
    path: str = "/"
    slot: int = 0
    value: bytes = b""
    permissions: tuple[Permission, ...] = ()


@dataclass
class Session:
    """A connection, and what it has open."""

    store: Xenstore
    transactions: dict[int, Transaction] = field(default_factory=dict)
    watches: dict[str, Telling] = field(default_factory=dict)

    async def do(self, request: Request) -> Answer:
        """The answer, or the name of the error."""
        try:
            return await _DOES[request.what](self, request)
        except XenstoreError as e:
            return ("error", e.name)

    def _where(self, request: Request) -> Xenstore | Transaction:
        return self.transactions.get(request.slot, self.store)

    async def _read(self, request: Request) -> Answer:
        return ("value", repr(await self._where(request).read(request.path)))

    async def _write(self, request: Request) -> Answer:
        await self._where(request).write(request.path, request.value)
        return ("done",)

    async def _make(self, request: Request) -> Answer:
        await self._where(request).make(request.path)
        return ("done",)

    async def _remove(self, request: Request) -> Answer:
        await self._where(request).remove(request.path)
        return ("done",)

    async def _directory(self, request: Request) -> Answer:
        return ("names", *await self._where(request).directory(request.path))

    async def _permissions(self, request: Request) -> Answer:
        return ("permissions", *map(str, await self._where(request).permissions(request.path)))

    async def _set_permissions(self, request: Request) -> Answer:
        await self._where(request).set_permissions(request.path, request.permissions)
        return ("done",)

    async def _begin(self, request: Request) -> Answer:
        if request.slot in self.transactions:
            return ("nothing",)
        self.transactions[request.slot] = await self.store.begin()
        return ("done",)

    async def _commit(self, request: Request) -> Answer:
        transaction = self.transactions.pop(request.slot, None)
        if transaction is None:
            return ("nothing",)
        await transaction.commit()
        return ("committed",)

    async def _abort(self, request: Request) -> Answer:
        transaction = self.transactions.pop(request.slot, None)
        if transaction is None:
            return ("nothing",)
        await transaction.abort()
        return ("done",)

    async def _watch(self, request: Request) -> Answer:
        if request.path in self.watches:
            return ("nothing",)
        self.watches[request.path] = cast(Telling, await self.store.watch(request.path))
        return ("done",)

    async def _unwatch(self, request: Request) -> Answer:
        watch = self.watches.pop(request.path, None)
        if watch is None:
            return ("nothing",)
        await watch.close()
        return ("done",)

    async def events(self) -> Mapping[str, frozenset[str]]:
        """What each watch has told since the last time. What xenstored has to tell comes before its next answer."""
        if self.watches:
            with contextlib.suppress(Forbidden):
                await self.store.read("/")
        return {path: _all_of(watch) for path, watch in self.watches.items()}

    async def end(self) -> None:
        """Close what is open, but not the connection."""
        for transaction in self.transactions.values():
            await transaction.abort()
        for watch in self.watches.values():
            await watch.close()
        self.transactions.clear()
        self.watches.clear()


_DOES: dict[str, Callable[[Session, Request], Awaitable[Answer]]] = {
    "read": Session._read,
    "write": Session._write,
    "make": Session._make,
    "remove": Session._remove,
    "directory": Session._directory,
    "permissions": Session._permissions,
    "set_permissions": Session._set_permissions,
    "begin": Session._begin,
    "commit": Session._commit,
    "abort": Session._abort,
    "watch": Session._watch,
    "unwatch": Session._unwatch,
}


def _all_of(watch: Telling) -> frozenset[str]:
    found = set()
    while (path := watch.take()) is not None:
        found.add(path)
    return frozenset(found)


@dataclass(frozen=True)
class Step:
    """What a request came to."""

    answer: Answer
    events: tuple[Mapping[str, frozenset[str]], ...]
    """Of each session."""


async def clear(store: Xenstore) -> None:
    """Leave nothing but the root, as domain 0."""
    for name in await store.directory("/"):
        if not name.startswith("@"):
            await store.remove(f"/{name}")
    await store.set_permissions("/", [Permission(0, "n")])
    await store.write("/", b"")


async def tree_of(store: Xenstore, path: str = "/") -> Tree:
    """Every node, as domain 0 sees it; oxenstored's nodes for special watches are none."""
    names = tuple(n for n in await store.directory(path) if not n.startswith("@"))
    found = {path: (await store.read(path), tuple(await store.permissions(path)), names)}
    for name in names:
        found |= await tree_of(store, f"{path.rstrip('/')}/{name}")
    return found


async def run(stores: Sequence[Xenstore], requests: Sequence[Request]) -> tuple[list[Step], Tree]:
    """Clear the store, make the requests one after the other, and read the tree. The first store is domain 0's."""
    await clear(stores[0])
    sessions = [Session(store) for store in stores]
    steps = []
    try:
        for request in requests:
            answer = await sessions[request.who].do(request)
            steps.append(Step(answer, tuple([await session.events() for session in sessions])))
        for session in sessions:
            await session.end()
        return steps, await tree_of(stores[0])
    finally:
        for session in sessions:
            await session.end()


PATHS = ("/", "/a", "/a/b", "/a/b/c", "/a/d", "/e", "/e/f/g/h", "/local/domain/1/x", "/local/domain/1/x/y")
ODD = ("", "/a/", "//a", "/a b", "x/y", "@x", f"/{'n' * 2047}", f"/{'n' * 2048}", "/tool", "/a/b/c/d/e", "/\N{SNOWMAN}")
VALUES = (b"", b"v", b"w", b"\0\xff", b"x" * 1000, b"x" * 2030, b"x" * 4096)
ACCESSES: tuple[Access, ...] = ("n", "r", "w", "b")


def permissions(domains: Sequence[int]) -> st.SearchStrategy[tuple[Permission, ...]]:
    """A list of permissions, seldom none, or too many."""
    one = st.builds(Permission, st.sampled_from(domains), st.sampled_from(ACCESSES))
    return st.lists(one, min_size=0, max_size=6).map(tuple)


OPEN = Request(0, "set_permissions", "/", permissions=(Permission(0, "b"),))
"""Lets every domain in."""


def requests(
    sessions: int,
    *,
    domains: Sequence[int],
    paths: Sequence[str] = PATHS,
    odd: Sequence[str] = ODD,
    values: Sequence[bytes] = VALUES,
    most: int = 24,
) -> st.SearchStrategy[list[Request]]:
    """Sequences of requests of so many sessions. `domains`: who may be named in permissions."""
    where = st.one_of(*([st.sampled_from(paths)] * 7), st.sampled_from(odd)) if odd else st.sampled_from(paths)
    # Of a special watch that there is not, C xenstored 4.17 answers what errno happens to be, and dies if that is 0.
    own = where.filter(lambda path: not path.startswith("@"))
    who, slot = st.integers(0, sessions - 1), st.integers(0, 2)
    simple = ["read", "make", "remove", "directory", "permissions", "unwatch", "watch"]
    ends = ["begin", "begin", "begin", "commit", "commit", "abort"]
    one = st.one_of(
        st.builds(Request, who, st.sampled_from(simple), where, slot),
        st.builds(Request, who, st.just("write"), where, slot, st.sampled_from(values)),
        st.builds(Request, who, st.just("write"), where, slot, st.sampled_from(values[:3])),
        st.builds(Request, who, st.just("set_permissions"), own, slot, permissions=permissions(domains)),
        st.builds(Request, who, st.sampled_from(ends), st.just("/"), st.integers(1, 2)),
    )
    return st.builds(
        lambda first, rest: [*first, *rest],
        st.sampled_from([(OPEN,), ()]),
        st.lists(one, min_size=1, max_size=most),
    )


def contended(sessions: int, *, paths: Sequence[str], most: int = 24) -> st.SearchStrategy[list[Request]]:
    """Transactions that meet: few paths, and every session begins with one open."""
    begun = [Request(who, "begin", slot=1) for who in range(sessions)]
    rest = requests(sessions, domains=(0, 1), paths=paths, odd=(), values=VALUES[:3], most=most)
    return rest.map(lambda asked: [*begun, *asked, *(Request(who, "commit", slot=1) for who in range(sessions))])
