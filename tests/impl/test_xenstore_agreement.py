"""The embedded xenstores and the client of a real one answer alike, whatever is asked of them, in whatever order."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings
from xenstore_requests import VALUES, Request, Step, Tree, contended, requests, run
from xenstored import DOMAINS, Daemon, running

from confsync.impl.ports import Xenstore
from confsync.impl.xenstore.memory import MemoryStore
from confsync.impl.xenstore.paths import is_below
from confsync.impl.xenstore.sqlite import SqliteStore

pytestmark = pytest.mark.slow

WHO = (0, 0, 1, 2)
"""The domain of each session."""
NAMED = (0, 1, 2, 3, 7)
"""Domains in permissions; the last does not exist."""
QUICK, DEEP = 40, int(os.environ.get("XENSTORE_EXAMPLES", "300"))
"""Of each test, and of each deep one."""


def examples(count: int) -> settings:
    return settings(
        max_examples=count,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
    )


class Real:
    """A daemon, and a client for each session; rings can't be opened twice, so that one event loop serves all."""

    def __init__(self, daemon: Daemon, who: Sequence[int]) -> None:
        self.runner = asyncio.Runner()
        self.stores: list[Xenstore] = [daemon.connect(domid) for domid in who]

    def run(self, asked: Sequence[Request]) -> tuple[list[Step], Tree]:
        return self.runner.run(run(self.stores, asked))


@pytest.fixture(scope="module")
def xenstored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    with running("xenstored", tmp_path_factory.mktemp("xenstored") / "run") as daemon:
        real = Real(daemon, WHO)
        yield real
        real.runner.close()


@pytest.fixture(scope="module")
def oxenstored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    with running("oxenstored", tmp_path_factory.mktemp("oxenstored") / "run") as daemon:
        real = Real(daemon, (0, 0))
        yield real
        real.runner.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sqlite")


def in_memory(asked: Sequence[Request], who: Sequence[int] = WHO) -> tuple[list[Step], Tree]:
    store = MemoryStore(domains=DOMAINS)
    return asyncio.run(run([store.connect(domid) for domid in who], asked))


def same(asked: Sequence[Request], one: tuple[list[Step], Tree], other: tuple[list[Step], Tree]) -> None:
    for number, (request, a, b) in enumerate(zip(asked, one[0], other[0], strict=True)):
        assert a == b, f"step {number}: {request}"
    assert one[1] == other[1]


def note(steps: Sequence[Step]) -> None:
    for step in steps:
        if step.answer[0] in ("error", "committed"):
            event(" ".join(step.answer))


ASKED = requests(len(WHO), domains=NAMED)
MEETING = contended(len(WHO), paths=("/", "/a", "/a/b", "/a/c", "/e"))


def agree_with_c(real: Real, asked: list[Request]) -> None:
    embedded = in_memory(asked)
    note(embedded[0])
    same(asked, embedded, real.run(asked))


@examples(QUICK)
@given(ASKED)
def test_memory_and_c_xenstored(xenstored: Real, asked: list[Request]) -> None:
    agree_with_c(xenstored, asked)


@examples(QUICK)
@given(MEETING)
def test_memory_and_c_xenstored_when_transactions_meet(xenstored: Real, asked: list[Request]) -> None:
    agree_with_c(xenstored, asked)


@pytest.mark.deep
@examples(DEEP)
@given(requests(len(WHO), domains=NAMED, most=60))
def test_memory_and_c_xenstored_deep(xenstored: Real, asked: list[Request]) -> None:
    agree_with_c(xenstored, asked)


@pytest.mark.deep
@examples(DEEP)
@given(contended(len(WHO), paths=("/", "/a", "/a/b", "/a/c", "/e"), most=40))
def test_memory_and_c_xenstored_when_transactions_meet_deep(xenstored: Real, asked: list[Request]) -> None:
    agree_with_c(xenstored, asked)


@examples(QUICK)
@given(requests(len(WHO), domains=NAMED) | MEETING)
def test_memory_and_sqlite(folder: Path, asked: list[Request]) -> None:
    store = SqliteStore(folder, domains=DOMAINS)
    try:
        shared = asyncio.run(run([store.connect(domid) for domid in WHO], asked))
    finally:
        store.close()
    same(asked, in_memory(asked), shared)


def sorted_names(step: Step) -> Step:
    if step.answer[0] != "names":
        return step
    return replace(step, answer=("names", *sorted(name for name in step.answer[1:] if not name.startswith("@"))))


def heard_at_least(request: Request, one: Step, other: Step) -> None:
    """Every event of the one is among the other's, which are all of what is watched."""
    for events, more in zip(one.events, other.events, strict=True):
        assert events.keys() == more.keys(), request
        for watched, told in events.items():
            assert told <= more[watched], request
            assert all(is_below(path, watched) for path in more[watched]), request


CHANGES = ("write", "make", "remove", "set_permissions")


def agree_with_o(real: Real, asked: list[Request]) -> int:
    """Where oxenstored rightly differs: its transactions see the store as it was when they began, where C xenstored's
    see each node as it was when they first looked; it finds other conflicts; it lists children by their names; and its
    watches tell more, of nodes made on the way.

    Compared is all until a transaction that another change met answers, or ends, otherwise: answers, names in any
    order, that each event is told, and, if no transaction parted the two, the trees. How many steps that was.
    """
    steps, tree = in_memory(asked, (0, 0))
    others, other_tree = real.run(asked)
    met: dict[tuple[int, int], bool] = {}
    for number, (request, one, other) in enumerate(zip(asked, steps, others, strict=True)):
        key = request.who, request.slot
        if sorted_names(one).answer != sorted_names(other).answer:
            assert met.get(key), f"step {number}: {request}: {one.answer} and {other.answer}"
            event("parted")
            return number
        heard_at_least(request, one, other)
        if one.answer == ("committed",) or (request.what in CHANGES and one.answer == ("done",) and key not in met):
            met = dict.fromkeys(met, True)
        if request.what == "begin":
            met.setdefault(key, False)
        elif request.what in ("commit", "abort"):
            met.pop(key, None)
    assert unordered(tree) == unordered(other_tree)
    return len(asked)


def unordered(tree: Tree) -> Tree:
    return {path: (value, given, tuple(sorted(names))) for path, (value, given, names) in tree.items()}


PLAIN = ("/a", "/a/b", "/a/b/c", "/a/d", "/e", "/e/f/g/h")
"""Not the root: oxenstored removes all that is in it where C xenstored refuses."""


@examples(QUICK)
@given(requests(2, domains=(0, 1, 2), paths=PLAIN, odd=("/a/", "//a", "/a b"), values=VALUES[:5], most=40))
def test_memory_and_oxenstored(oxenstored: Real, asked: list[Request]) -> None:
    note(in_memory(asked, (0, 0))[0])
    agree_with_o(oxenstored, asked)


@pytest.mark.deep
@examples(DEEP)
@given(
    requests(2, domains=(0, 1, 2), paths=PLAIN, odd=("/a/", "//a", "/a b"), values=VALUES[:5], most=60)
    | contended(2, paths=PLAIN, most=40)
)
def test_memory_and_oxenstored_deep(oxenstored: Real, asked: list[Request]) -> None:
    note(in_memory(asked, (0, 0))[0])
    agree_with_o(oxenstored, asked)


def test_transactions_that_do_not_meet_are_committed_by_oxenstored_too(oxenstored: Real) -> None:
    asked = [
        *(Request(0, "write", path) for path in ("/a/x", "/e/x")),
        *(Request(who, "watch", "/a") for who in (0, 1)),
        *(Request(who, "begin", slot=1) for who in (0, 1)),
        Request(0, "read", "/a/x", slot=1),
        Request(1, "read", "/e/x", slot=1),
        Request(0, "write", "/a/x", slot=1, value=b"v"),
        Request(1, "remove", "/e/x", slot=1),
        *(Request(who, "commit", slot=1) for who in (0, 1)),
    ]
    assert agree_with_o(oxenstored, asked) == len(asked)
