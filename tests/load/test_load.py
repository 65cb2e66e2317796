"""Processes that work on one state folder, and are killed: nothing is lost, and every history is linearizable."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
from conftest import Report
from crash.trial import ground
from load_history import (
    DRIVE,
    GONE,
    HALF,
    NONE,
    OK,
    Map,
    State,
    frozen,
    lost,
    matters,
    on_slots,
    quiet,
    read_logs,
    step,
)
from load_run import Loaded, decided, judge, load
from load_worker import KEYS, STATE, Worker

from confsync.impl.configuration.template import Template
from confsync.impl.embedded.folder import open_folder
from confsync.impl.operations import attach, media, retrieve
from confsync.impl.operations.guarded import read_template
from confsync.impl.ports import Domain, Lock, Toolstack
from confsync.proofs.conformance.linearizable import Call, Verdict, check

LIMIT = 300_000


def run(seconds: float) -> Loaded:
    """A load, of few domains, so that they meet."""
    found: list[Loaded] = []

    def work(folder: Path) -> None:
        found.append(load(folder, seconds=seconds, domains=4, processes=6, pause=0.1, limit=LIMIT))

    with ground(work):
        return found[0]


def is_sound(found: Loaded) -> None:
    """Nothing is lost or left over, and every history is linearizable."""
    assert not found.failed
    assert not found.left
    assert not found.lost
    assert found.slots is not None
    assert found.slots.verdict is Verdict.OK, str(found.slots)
    assert not found.wrong, str(found.wrong[0])
    assert set(found.domains) == {Verdict.OK}


def lacks(found: Loaded) -> set[str]:
    """What a load that says something has, and this one has not."""
    done = {cast("tuple[str]", call.what)[0] for call in found.calls if call.answer == OK}
    missing = {"create", "attach", "detach", "insert", "eject", "set", "destroy"} - done
    so = {
        "kills": found.kills > 20,
        "answers of `retrieve`": sum(isinstance(call.answer, tuple) for call in found.calls) > 20,
        "an operation that is cut short": any(call.returned is None for call in found.calls),
    }
    return missing | {what for what, there in so.items() if not there}


MOST_LOADS = 12
"""One load is enough on a machine that has little else to do."""


@pytest.mark.slow
@pytest.mark.xdist_group("load")
def test_a_load(report: Report) -> None:
    """What is wrong in any load fails; a load that says too little is followed by a longer one."""
    for count in range(1, MOST_LOADS + 1):
        found = run(14 * count)
        report.add("load: operations of processes that are killed", len(found.calls), len(found.wrong))
        report.add("load: acknowledged attachments that must be there", found.kept, len(found.lost))
        is_sound(found)
        if not lacks(found):
            return
    pytest.fail(f"{MOST_LOADS} loads, and the last one lacks {lacks(found)}")


# ------------------------------------------------------------------ what must be noticed, in an order that is given


Play = Callable[[Worker, Toolstack, Worker, Toolstack], Awaitable[None]]
"""What two workers do, each with a toolstack of its own on the same folder."""


def played(play: Play) -> Loaded:
    """The history of what is played on one domain, judged as that of a load."""
    histories: list[Loaded] = []

    def work(folder: Path) -> None:
        (folder / STATE).mkdir(mode=0o700)
        with open_folder(folder / STATE) as one, open_folder(folder / STATE) as other:
            asyncio.run(whole(Worker(folder, 1, 1, 0), one.toolstack, Worker(folder, 2, 1, 0), other.toolstack))
        found = histories[0]
        found.before = found.calls = read_logs(folder)
        judge(found, LIMIT)

    async def whole(one: Worker, t: Toolstack, other: Worker, u: Toolstack) -> None:
        await one.create(t)
        await play(one, t, other, u)
        (domain,) = await t.hypervisor.domains()
        last = cast(
            Map, frozenset(cast("list[tuple[str, object]]", frozen(await one.one(t, domain, "retrieve", *NIC_1))))
        )
        histories.append(Loaded([], 0, [], {domain.uuid: last}))

    with ground(work):
        return histories[0]


NIC_0, NIC_1 = KEYS[:2]


async def each_once(one: Worker, t: Toolstack, _other: Worker, _u: Toolstack) -> None:
    """Every operation but `destroy`, one after the other."""
    (domain,) = await t.hypervisor.domains()
    for which in ("attach", "detach", "attach", "eject", "insert", "memory", "weight", "vcpus", "name", "retrieve"):
        await one.one(t, domain, which, *NIC_1)


async def reattach(one: Worker, t: Toolstack) -> None:
    """Another device at the place of one that is detached, and a knob is set after that."""
    (domain,) = await t.hypervisor.domains()
    for which in ("detach", "attach", "weight"):
        assert await one.one(t, domain, which, *NIC_0) == OK


@pytest.mark.slow
def test_a_history_without_faults_is_sound() -> None:
    async def in_turn(one: Worker, t: Toolstack, other: Worker, u: Toolstack) -> None:
        await each_once(one, t, other, u)
        await reattach(other, u)

    found = played(in_turn)
    is_sound(found)
    assert all(call.answer == OK or isinstance(call.answer, tuple) for call in found.calls)
    assert found.kept


async def _not_written(_t: Toolstack, _lock: Lock, _template: object) -> None:
    """The template is not written."""


@pytest.mark.slow
@pytest.mark.parametrize("owner", [attach, media], ids=["attach", "media"])
def test_a_template_that_is_not_written_is_noticed(owner: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "replace_template", _not_written)
    found = played(each_once)
    assert found.wrong
    assert found.slots is not None
    assert found.slots.verdict is Verdict.ILLEGAL
    assert found.lost or owner is media


@asynccontextmanager
async def _unlocked(t: Toolstack, domain: Domain, *, born: bool = True) -> AsyncIterator[Lock]:
    lock = await t.templates.lock(domain, born=born)
    await t.templates.unlock(lock)
    yield lock


@pytest.mark.slow
def test_a_retrieve_without_the_lock_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the template and xenstore, which `retrieve` reads one after the other, another process changes both."""
    between: list[Awaitable[None]] = []

    async def met(t: Toolstack, domain: Domain) -> Template:
        found = await read_template(t, domain)
        while between:
            await between.pop()
        return found

    async def meet(one: Worker, t: Toolstack, other: Worker, u: Toolstack) -> None:
        (domain,) = await t.hypervisor.domains()
        between.append(reattach(other, u))
        await one.one(t, domain, "retrieve", *NIC_0)
        assert not between

    monkeypatch.setattr(retrieve, "locked", _unlocked)
    monkeypatch.setattr(retrieve, "read_template", met)
    found = played(meet)
    assert set(found.domains) == {Verdict.ILLEGAL}
    assert found.wrong


# ------------------------------------------------------------------ the specification


MADE: Map = frozenset({("name", "a"), ("weight", 256), (DRIVE, "/c"), ("nic 0", "b")})
ITEMS = tuple(sorted(MADE))


def call(called: float, returned: float | None, what: object, answer: object = OK) -> Call:
    """One operation on a domain."""
    return Call("life", called, returned, cast("tuple[object]", what), answer)


def after(state: State, what: object, answer: object = OK) -> set[State]:
    """The states that it may lead to."""
    return set(step(state, call(0, None if answer is None else 1, what, answer)))


def with_(name: str, value: object, state: Map = MADE) -> Map:
    return frozenset({item for item in state if item[0] != name} | {(name, value)})


ATTACH, DETACH = ("attach", "nic 1", "n"), ("detach", "nic 0")
BARE: Map = frozenset({("name", "a"), ("weight", 256)})
DETACHED = MADE - {("nic 0", "b")}
STEPS: list[tuple[State, object, object, Iterable[State]]] = [
    (NONE, ("create", ITEMS), OK, [MADE]),
    (NONE, ("create", ITEMS), None, [NONE, HALF, GONE, BARE, MADE]),
    (GONE, ("create", ITEMS), OK, []),
    (MADE, ("destroy",), OK, [GONE]),
    (HALF, ("destroy",), OK, [GONE]),
    (GONE, ("destroy",), OK, []),
    (GONE, ("destroy",), "DomainNotFound", [GONE]),
    (MADE, ("destroy",), "DomainNotFound", []),
    (MADE, ("destroy",), None, [MADE, BARE, HALF, GONE]),
    (MADE, ATTACH, OK, [with_("nic 1", "n")]),
    (MADE, ATTACH, None, [MADE, with_("nic 1", "n")]),
    (MADE, ATTACH, "HotplugFailed", [MADE, with_("nic 1", "n")]),
    (MADE, ATTACH, "DeviceExists", []),
    (MADE, ATTACH, "DomainNotFound", []),
    (MADE, ATTACH, "TemplateMissing", []),
    (MADE, ("attach", "nic 0", "n"), OK, []),
    (MADE, ("attach", "nic 0", "n"), "DeviceExists", [MADE]),
    (HALF, ATTACH, "TemplateMissing", [HALF]),
    (HALF, ATTACH, OK, []),
    (GONE, ATTACH, "TemplateMissing", []),
    (GONE, ATTACH, "DomainNotFound", [GONE]),
    (MADE, DETACH, OK, [DETACHED]),
    (DETACHED, DETACH, OK, []),
    (DETACHED, DETACH, "DeviceNotFound", [DETACHED]),
    (MADE, DETACH, "DeviceNotFound", []),
    (GONE, DETACH, "DeviceNotFound", [GONE]),
    (HALF, DETACH, "DeviceNotFound", [HALF]),
    (HALF, ("eject",), "DeviceNotFound", [HALF]),
    (HALF, ("insert", "/d"), "DeviceNotFound", [HALF]),
    (HALF, ("set", "weight", 1), "DeviceNotFound", []),
    (GONE, ("eject",), "DeviceNotFound", []),
    (MADE, ("insert", "/d"), OK, []),
    (MADE, ("insert", "/d"), "DeviceExists", [MADE]),
    (with_(DRIVE, ""), ("insert", "/d"), OK, [with_(DRIVE, "/d")]),
    (with_(DRIVE, ""), ("insert", "/d"), "DeviceExists", []),
    (BARE, ("insert", "/d"), "DeviceNotFound", [BARE]),
    (MADE, ("eject",), OK, [with_(DRIVE, "")]),
    (with_(DRIVE, ""), ("eject",), OK, [with_(DRIVE, "")]),
    (MADE, ("set", "weight", 1), OK, [with_("weight", 1)]),
    (MADE, ("set", "weight", 1), "DeviceNotFound", []),
    (HALF, ("set", "weight", 1), OK, [HALF]),
    (GONE, ("set", "weight", 1), OK, []),
    (MADE, ("retrieve",), ITEMS, [MADE]),
    (MADE, ("retrieve",), ITEMS[:-1], []),
    (MADE, ("retrieve",), "CannotList", []),
    (HALF, ("retrieve",), "CannotList", [HALF]),
    (HALF, ("retrieve",), ITEMS, []),
    (GONE, ("retrieve",), ITEMS, []),
    (GONE, ("retrieve",), "DomainNotFound", [GONE]),
    (MADE, ("retrieve",), "DomainNotFound", []),
]


@pytest.mark.parametrize(("state", "what", "answer", "expected"), STEPS)
def test_what_a_domain_may_do(state: State, what: object, answer: object, expected: Iterable[State]) -> None:
    assert after(state, what, answer) == set(expected)


def verdicts(*calls: Call) -> tuple[Verdict, Verdict]:
    """Of the domain as a whole, and slot by slot."""
    initial = cast(State, NONE)
    whole, slots = (check(c, initial, step, matters=matters, quiet=quiet).verdict for c in (calls, on_slots(calls)))
    return whole, slots


CREATED = call(0, 1, ("create", ITEMS))


def test_a_lost_update_and_a_stale_read_are_noticed() -> None:
    attached = tuple(sorted(with_("nic 1", "n")))
    ok = (Verdict.OK, Verdict.OK)
    assert verdicts(CREATED, call(2, 3, ATTACH), call(4, 5, ("retrieve",), attached)) == ok
    assert verdicts(CREATED, call(2, 3, ATTACH), call(2, 5, ("retrieve",), ITEMS)) == ok
    illegal = (Verdict.ILLEGAL, Verdict.ILLEGAL)
    assert verdicts(CREATED, call(2, 3, ATTACH), call(4, 5, ("retrieve",), ITEMS)) == illegal
    assert verdicts(CREATED, call(2, 3, ("destroy",)), call(4, 5, ("retrieve",), ITEMS)) == illegal


def test_the_whole_domain_says_more_than_its_slots() -> None:
    both = [call(2, 9, ATTACH), call(2, 9, ("set", "weight", 1))]
    one, other = tuple(sorted(with_("nic 1", "n"))), tuple(sorted(with_("weight", 1)))
    reads = [call(3, 8, ("retrieve",), one), call(3, 8, ("retrieve",), other)]
    assert verdicts(CREATED, *both, *reads) == (Verdict.ILLEGAL, Verdict.OK)


def test_what_is_lost_is_found_without_the_specification() -> None:
    last: dict[object, Map] = {"life": MADE}
    assert len(lost([CREATED, call(2, 3, ATTACH)], last)) == 1
    assert not lost([CREATED, call(2, 3, ATTACH)], {"life": with_("nic 1", "n")})
    assert not lost([CREATED, call(2, 3, ATTACH), call(1, 3, ("detach", "nic 1"))], last)
    assert not lost([CREATED, call(2, 3, ATTACH), call(1, None, ("destroy",), None)], last)
    assert lost([CREATED, call(1, 2, ("detach", "nic 1")), call(3, 4, ATTACH)], last)


def random_history(chance: random.Random) -> list[Call]:
    """A few operations at a few instants, with answers that may be right."""
    changes: list[tuple[object, list[object]]] = [
        (("attach", "nic 1", "n"), [OK, "DeviceExists", "HotplugFailed"]),
        (("attach", "nic 0", "m"), [OK, "DeviceExists"]),
        (DETACH, [OK, "DeviceNotFound"]),
        (("set", "weight", 1), [OK]),
        (("eject",), [OK]),
        (("insert", "/d"), [OK, "DeviceExists"]),
        (("destroy",), [OK, "HotplugFailed"]),
        (("retrieve",), [ITEMS, tuple(sorted(with_("nic 1", "n"))), tuple(sorted(DETACHED)), "DomainNotFound"]),
    ]
    calls = [CREATED]
    for _ in range(chance.randrange(1, 7)):
        what, answers = chance.choice(changes)
        called = chance.randrange(2, 9)
        died = chance.random() < 0.4
        calls.append(call(called, None if died else chance.randrange(called, 10), what, chance.choice(answers)))
    return calls


@pytest.mark.slow
def test_what_is_said_not_to_matter_does_not() -> None:
    chance, seen = random.Random(1), Counter[Verdict]()
    for _ in range(600):
        calls = random_history(chance)
        slow = check(calls, cast(State, NONE), step).verdict
        assert check(calls, cast(State, NONE), step, matters=matters, quiet=quiet).verdict is slow, calls
        seen[slow] += 1
    assert min(seen[Verdict.OK], seen[Verdict.ILLEGAL]) > 50


def test_what_only_an_order_that_is_seldom_looked_at_explains_is_no_fault() -> None:
    """Two destructions are cut short, and a device is attached to what is left: the second changed nothing."""
    told: list[tuple[tuple[object, ...], str | None]] = [
        (("create", ITEMS), OK),
        (("destroy",), None),
        (("detach", "nic 1"), "DeviceNotFound"),
        (("destroy",), None),
        (("attach", "disk xvdb", "n"), OK),
        (("detach", "nic 0"), "DeviceNotFound"),
        (("detach", "disk xvdb"), OK),
    ]
    calls = [Call("k", n, n + 0.5 if said else None, what, said, "w") for n, (what, said) in enumerate(told)]
    assert decided(calls, LIMIT).verdict is Verdict.OK
    again = Call("k", 9.0, 9.5, ("detach", "disk xvdb"), OK, "w")
    assert decided([*calls, again], LIMIT).verdict is Verdict.ILLEGAL
