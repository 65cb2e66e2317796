"""What the operations return, in every interleaving, against the atomic specification; the model's steps are not asked.

The specification itself is held against plain enumeration of all orders.
"""

from __future__ import annotations

import itertools
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from confsync.impl.errors import DeviceExists
from confsync.impl.kinds import Device
from confsync.impl.operations import existence, knobs, media, paths
from confsync.impl.operations.door import require_good_name
from confsync.impl.operations.guarded import locked, read_template
from confsync.impl.operations.media import insert as true_insert
from confsync.impl.operations.retrieve import Retrieved, retrieve_locked
from confsync.impl.ports import Domain, Toolstack
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.state import ABSENT, EMPTY, FIRST_CONFIG
from confsync.proofs.conformance import asked as asking
from confsync.proofs.conformance.asked import Asked
from confsync.proofs.conformance.atomic import ANYTHING, ERROR, Atomic, Did, Spec, Stands, Without, happens
from confsync.proofs.conformance.explore import Explorer, Start
from confsync.proofs.conformance.linearize import linearize
from confsync.proofs.conformance.schedule import Schedule, follow
from confsync.proofs.conformance.scope import Scope, begin, starts, together

pytestmark = pytest.mark.slow

C = FIRST_CONFIG
WHOLE: Spec = ((C, ABSENT, C), 0, 0)
ATTACH, DETACH, INSERT, EJECT = Asked("attach", 1, C), Asked("detach", 0), Asked("insert", 2, C), Asked("eject", 2)
SWAP, RENAME, RETRIEVE, DESTROY = (
    Asked("swap", 2, C + 1),
    Asked("rename", number=1),
    Asked("retrieve"),
    Asked("destroy"),
)
MEMORY, CREATE = Asked("set_memory_target", number=2), Asked("create", draft=(ABSENT, C, EMPTY))
SIMPLE = (ATTACH, DETACH, INSERT, EJECT, RENAME, MEMORY, RETRIEVE)


def explorer_of(processes: int) -> tuple[Explorer, dict[str, Start]]:
    """An explorer of its own: a mutant must not find what is known of the operation that it takes the place of."""
    explorer = begin(DESIGNS[RECOMMENDED], Scope(processes, 1, 1))
    return explorer, starts(explorer)


@pytest.mark.parametrize(
    ("deaths", "failures", "least"),
    [(0, 0, 9_000), pytest.param(1, 1, 90_000, marks=pytest.mark.deep)],
    ids=["no death", "a death and a failure"],
)
def test_all_pairs_are_linearizable(deaths: int, failures: int, least: int) -> None:
    explorer, known = explorer_of(2)
    pairs = list(together(Scope(2)))
    found = [
        linearize(explorer, start, pair, deaths=deaths, failures=failures) for start in known.values() for pair in pairs
    ]
    assert [f.reason for f in found if f.wrong is not None] == []
    assert sum(f.checks for f in found) > least


def test_a_retrieve_beside_two_changes_is_linearizable() -> None:
    explorer, known = explorer_of(3)
    found = linearize(explorer, known["full"], (RENAME, ATTACH, RETRIEVE), deaths=1)
    assert found.wrong is None
    assert found.nodes > 500


async def unlocked(t: Toolstack, domain: Domain) -> Retrieved:
    """A retrieve that reads template and xenstore without the lock."""
    return await retrieve_locked(t, domain)


async def stale(t: Toolstack, domain: Domain) -> Retrieved:
    """A retrieve that looks at the name before it has the lock."""
    name = await existence.read_text(t.xenstore, paths.name(domain.domid))
    async with locked(t, domain):
        found = await retrieve_locked(t, domain)
    return Retrieved(found.template.with_knobs(name=name), found.made_up)


async def by_the_template(t: Toolstack, domain: Domain) -> Retrieved:
    """A retrieve that takes the template's word for everything."""
    async with locked(t, domain):
        return Retrieved(await read_template(t, domain), ())


async def forgets(t: Toolstack, domain: Domain, name: str) -> None:
    """A rename that says it was done, and did nothing."""
    async with locked(t, domain):
        require_good_name(name)


async def denies(t: Toolstack, domain: Domain, drive: Device, image: str) -> None:
    """An insert that does its work and then says that the drive was not empty."""
    await true_insert(t, domain, drive, image)
    raise DeviceExists("it holds a medium")


MUTANTS: list[tuple[object, str, object, str, tuple[Asked, ...]]] = [
    (asking, "retrieve", unlocked, "full", (DESTROY, RETRIEVE)),
    (asking, "retrieve", unlocked, "none", (CREATE, RETRIEVE)),
    (asking, "retrieve", unlocked, "full", (ATTACH, RETRIEVE)),
    (asking, "retrieve", stale, "full", (RENAME, ATTACH, RETRIEVE)),
    (asking, "retrieve", by_the_template, "full", (RENAME, RETRIEVE)),
    (knobs, "rename", forgets, "full", (RENAME, RETRIEVE)),
    (media, "insert", denies, "bare", (INSERT, RETRIEVE)),
]


@pytest.mark.parametrize(
    ("owner", "name", "mutant", "start", "asked"),
    MUTANTS,
    ids=[f"{getattr(m, '__name__', '')}-{len(asked)}-{asked[0]}" for _, _, m, _, asked in MUTANTS],
)
def test_a_wrong_operation_is_seen_by_what_is_returned_alone(
    monkeypatch: pytest.MonkeyPatch, owner: object, name: str, mutant: object, start: str, asked: tuple[Asked, ...]
) -> None:
    explorer, known = explorer_of(len(asked))
    monkeypatch.setattr(owner, name, mutant)
    monkeypatch.setattr(explorer.matching, "advance", None)  # nothing of the model is asked
    found = linearize(explorer, known[start], asked)
    assert found.wrong is not None
    assert found.reason.startswith("no order of the operations explains that ")
    done = follow(explorer, known[start], Schedule(start, asked, found.wrong))
    assert done[-1].place
    assert done[-1].place.ended


Event = tuple[int, object]
"""A process that calls (CALL), dies (DEATH) or returns what is said."""
CALL, DEATH = "calls", "dies"
Plain = dict[str, int]


def alone(state: Plain, asked: Asked) -> tuple[Plain, object]:
    """What an operation does and returns, said once more and in another way."""
    at, kind = f"slot{asked.slot}", asked.operation
    there = state.get(at, ABSENT)
    wrong = {
        "attach": "DeviceExists" if there else None,
        "detach": None if there else "DeviceNotFound",
        "insert": "DeviceExists" if there != EMPTY else None,
    }.get(kind)
    if wrong:
        return state, wrong
    if kind == "retrieve":
        return state, (tuple(state[f"slot{n}"] for n in range(3)), state["name"], state["memory"])
    every: dict[str, dict[str, int | None]] = {
        "attach": {at: asked.config},
        "insert": {at: asked.config},
        "detach": {at: ABSENT},
        "eject": {at: EMPTY},
        "rename": {"name": asked.number},
        "set_memory_target": {"memory": asked.number},
    }
    return {**state, **{k: v for k, v in every[kind].items() if v is not None}}, None


def explained(asked: tuple[Asked, ...], events: list[Event]) -> bool:
    """True if some order of the operations, each between its call and its return, gives what was returned: by trying
    all orders."""
    called = {p: n for n, (p, what) in enumerate(events) if what == CALL}
    ended = {p: (n, what) for n, (p, what) in enumerate(events) if what not in (CALL, DEATH)}
    open_ = [p for p in called if p not in ended]
    for some in itertools.chain.from_iterable(itertools.combinations(open_, n) for n in range(len(open_) + 1)):
        for order in itertools.permutations([*ended, *some]):
            places = {p: n for n, p in enumerate(order)}
            if any(
                ended[p][0] < called[q] and places[p] > places[q] for p in order if p in ended for q in order if p != q
            ):
                continue
            state: Plain = {"slot0": C, "slot1": ABSENT, "slot2": C, "name": 0, "memory": 0}
            for p in order:
                state, result = alone(state, asked[p])
                if p in ended and result != ended[p][1]:
                    break
            else:
                return True
    return False


@cache
def results(asked: Asked) -> tuple[object, ...]:
    """What it can return, right or wrong."""
    if asked is not RETRIEVE:
        return None, "DeviceExists", "DeviceNotFound"
    slots = itertools.product((ABSENT, C), (ABSENT, C), (EMPTY, C))
    return tuple((s, n, m) for s in slots for n in (0, 1) for m in (0, 2))


@st.composite
def histories(draw: st.DrawFn) -> tuple[tuple[Asked, ...], list[Event]]:
    """Calls and returns; the results are those of an execution, but for one now and then."""
    asked = tuple(draw(st.lists(st.sampled_from(SIMPLE), min_size=2, max_size=4)))
    state: Plain = {"slot0": C, "slot1": ABSENT, "slot2": C, "name": 0, "memory": 0}
    events: list[Event] = []
    stands: dict[int, object] = dict.fromkeys(range(len(asked)), "uncalled")
    for _ in range(3 * len(asked)):
        p = draw(st.integers(0, len(asked) - 1))
        if stands[p] == "uncalled":
            events.append((p, CALL))
            stands[p] = "called"
        elif stands[p] == "called":
            state, result = alone(state, asked[p])
            stands[p] = ("did", result)
        elif isinstance(did := stands[p], tuple):
            way = draw(st.integers(0, 9))
            said = DEATH if way == 0 else draw(st.sampled_from(results(asked[p]))) if way == 1 else did[1]
            events.append((p, said))
            stands[p] = "over"
    return asked, events


def test_the_specification_says_the_same_as_trying_all_orders() -> None:
    seen = {True: 0, False: 0}

    @settings(max_examples=400, derandomize=True, deadline=None, database=None)
    @given(histories())
    def compare(history: tuple[tuple[Asked, ...], list[Event]]) -> None:
        asked, events = history
        atomic = Atomic(asked)
        configurations = atomic.begin(WHOLE)
        for p, what in events:
            if what == CALL:
                configurations = atomic.call(configurations, p)
            elif what == DEATH:
                configurations = atomic.die(configurations, p)
            else:
                configurations = atomic.end(configurations, p, what)  # type: ignore[arg-type]
        assert bool(configurations) is explained(asked, events)
        seen[bool(configurations)] += 1

    compare()
    assert min(seen.values()) >= 20


def outcomes(asked: Asked, spec: Spec, *, ejected: bool = False) -> dict[object, set[Spec]]:
    """What the specification lets happen: for each result what is there afterwards."""
    found: dict[object, set[Spec]] = {}
    for after, stand in happens(asked, spec, ejected=ejected):
        found.setdefault(stand.result if isinstance(stand, Did) else stand, set()).add(after)
    return found


def test_what_the_specification_leaves_open() -> None:
    ejected: Spec = ((C, ABSENT, EMPTY), 0, 0)
    swapped: Spec = ((C, ABSENT, C + 1), 0, 0)
    assert outcomes(SWAP, WHOLE) == {ERROR: {WHOLE}, Stands.EJECTED: {ejected}}
    assert outcomes(SWAP, ejected, ejected=True) == {ERROR: {ejected, swapped}, None: {swapped}}
    assert outcomes(SWAP, WHOLE, ejected=True) == {ERROR: {WHOLE}, "DeviceExists": {WHOLE}}
    half, none = Without.HALF, Without.NONE
    assert outcomes(DESTROY, WHOLE) == {ERROR: {WHOLE, half}, None: {none}}
    assert outcomes(DESTROY, half) == {ERROR: {half}, None: {none}}
    assert outcomes(DESTROY, none) == {ERROR: {none}, "DomainNotFound": {none}}
    assert outcomes(CREATE, none) == {ERROR: {none, half}, None: {((ABSENT, C, EMPTY), 0, 0)}}
    assert outcomes(CREATE, WHOLE) == {ERROR: {WHOLE}}
    assert outcomes(RETRIEVE, half) == {ANYTHING: {half}}
    assert outcomes(RETRIEVE, none) == {ERROR: {none}, "DomainNotFound": {none}, "DeviceNotFound": {none}}
    assert outcomes(RETRIEVE, WHOLE) == {ERROR: {WHOLE}, WHOLE: {WHOLE}}


def test_a_death_may_have_been_before_or_after_the_operation_happened() -> None:
    atomic = Atomic((DETACH, RETRIEVE))
    died = atomic.die(atomic.call(atomic.begin(WHOLE), 0), 0)
    assert {spec for spec, _ in died} == {WHOLE, ((ABSENT, ABSENT, C), 0, 0)}
    assert not atomic.end(atomic.call(died, 1), 1, ((C, C, C), 0, 0))
    cut = Atomic((DESTROY,))
    assert {spec for spec, _ in cut.die(cut.call(cut.begin(WHOLE), 0), 0)} == {WHOLE, Without.HALF, Without.NONE}
