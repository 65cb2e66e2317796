"""The implementation against the model, after every interleaving: it follows the design that it says, and no other."""

from __future__ import annotations

from dataclasses import replace
from math import comb

import pytest
from modelled import check_covered

from confsync.impl.kinds import Device
from confsync.impl.operations import existence
from confsync.impl.ports import Domain, Requests
from confsync.model.engine.check import check
from confsync.model.engine.trace import TokenError
from confsync.model.engine.verdict import Verdict
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.operations import SIGNATURES
from confsync.model.libxl.state import ABSENT, FIRST_CONFIG, Bounds
from confsync.proofs.conformance.asked import Asked
from confsync.proofs.conformance.coverage import Reason
from confsync.proofs.conformance.design import as_it_can_fail
from confsync.proofs.conformance.explore import Explorer
from confsync.proofs.conformance.paths import covering, graph
from confsync.proofs.conformance.run import Report, explore
from confsync.proofs.conformance.sample import SCHEDULERS, sample
from confsync.proofs.conformance.schedule import Schedule, follow, read_token, token
from confsync.proofs.conformance.schedulers.honest import find_nondeterminism
from confsync.proofs.conformance.schedulers.naive import every_schedule
from confsync.proofs.conformance.schedulers.pct import Pct, bound, walks_for
from confsync.proofs.conformance.schedulers.replay import Replay
from confsync.proofs.conformance.schedulers.walk import walk
from confsync.proofs.conformance.scope import BEFORE, SMALL, Scope, begin, choices, holding, starts, together
from confsync.proofs.conformance.steps import Grain, Nondeterministic, Place

DESIGN = DESIGNS[RECOMMENDED]
ATTACH, DETACH, RETRIEVE = Asked("attach", 1, FIRST_CONFIG), Asked("detach", 0), Asked("retrieve")
RENAME, EJECT = Asked("rename", number=1), Asked("eject", 2)


def explored(scope: Scope, design: str = RECOMMENDED, **more: bool | Grain) -> Report:
    return explore(DESIGNS[design], scope, jobs=1, on_progress=lambda _done, _of: None, **more)  # type: ignore[arg-type]


def combinations(processes: int) -> int:
    """On each start, choices of so many operations out of all on all slots, in any order, with repetition."""
    return len(BEFORE) * comb(len(choices(0, Scope().operations)) + processes - 1, processes)


@pytest.fixture(scope="module")
def pairs() -> Explorer:
    return begin(DESIGN, Scope(2, 1, 1))


def the_same(report: Report) -> None:
    assert report.conforms, [(t.reason, t.token) for t in report.told]
    assert report.covered.edges > 0


@pytest.mark.slow
def test_every_operation_alone_with_a_death_and_failures() -> None:
    report = explored(Scope(1, 1, 2), with_coverage=True)
    the_same(report)
    assert report.combinations == combinations(1)
    assert report.model
    assert report.model.holes == 0
    assert {m.reason for m in report.model.missing} <= {Reason.PASSES, Reason.BEHIND}


FOR_EVERY_CHANGE = ("attach", "swap", "rename", "retrieve")
"""A device, a medium, a knob and the answer: of these every pair is broken for every change."""


@pytest.mark.parametrize(
    "operations",
    [
        pytest.param(FOR_EVERY_CHANGE, marks=pytest.mark.slow),
        pytest.param(tuple(SIGNATURES), marks=pytest.mark.deep),
    ],
    ids=["some", "all"],
)
def test_every_pair_with_a_death_and_a_failure(operations: tuple[str, ...]) -> None:
    """Of the model's transitions within the same bounds, each was taken or has a reason that was checked."""
    scope = Scope(2, 1, 1, operations)
    report = explored(scope, with_coverage=True)
    the_same(report)
    assert report.combinations == len(BEFORE) * comb(len(choices(0, operations)) + 1, 2)
    assert report.model
    assert report.model.holes == 0
    assert report.model.taken + sum(m.count for m in report.model.missing) == report.model.reachable


@pytest.mark.parametrize(
    "operations",
    [
        pytest.param(("attach", "detach", "retrieve"), marks=pytest.mark.deep),
        pytest.param(("rename", "create"), marks=pytest.mark.slow),
        pytest.param(tuple(SIGNATURES), marks=pytest.mark.deep),
    ],
    ids=",".join,
)
def test_every_pair_with_others_within_transactions(operations: tuple[str, ...]) -> None:
    scope = Scope(2, operations=operations)
    the_same(report := explored(scope, grain=Grain.REQUEST))
    assert report.covered.interleavings > explored(scope).covered.interleavings


@pytest.mark.deep
def test_every_pair_with_a_death_and_others_within_transactions() -> None:
    """What the README's command explores."""
    the_same(report := explored(Scope(2, 1, 0), grain=Grain.REQUEST))
    assert report.combinations == combinations(2)


@pytest.mark.deep
@pytest.mark.parametrize("deaths", [0, 1])
def test_every_triple(deaths: int) -> None:
    the_same(report := explored(Scope(3, deaths, 0)))
    assert report.combinations == combinations(3)


@pytest.mark.slow
@pytest.mark.parametrize("operations", [("attach", "destroy", "create"), ("swap", "rename", "retrieve")], ids=",".join)
def test_triples_of_three_operations(operations: tuple[str, ...]) -> None:
    """Of the triples, those of operations that meet each other: on a device, and on what is set in two places."""
    the_same(explored(Scope(3, 0, 0, operations)))


@pytest.mark.slow
def test_a_late_detach_beside_two_others_and_an_attach() -> None:
    """Four are needed: a detach that comes late, another, an attach, and a third detach between its two looks."""
    explorer = begin(DESIGN, Scope(4))
    asked = (DETACH, DETACH, Asked("attach", 0, FIRST_CONFIG), DETACH)
    found = explorer.explore(starts(explorer)["full"], asked)
    assert found.divergence is None
    assert found.edges > 1000


@pytest.mark.deep
def test_quadruples_of_attach_and_detach() -> None:
    """All of that kind, on two slots."""
    the_same(explored(Scope(4, 0, 0, ("attach", "detach"))))


@pytest.mark.slow
@pytest.mark.parametrize("design", sorted(DESIGNS.keys() - {RECOMMENDED}))
def test_no_other_design_is_followed(design: str) -> None:
    """The shortest schedule is told, with what the model could have done, and its token says the same again."""
    report = explored(Scope(2, 0, 0), design)
    assert len(report.told) == 1
    (told,) = report.told
    assert told.steps
    assert told.candidates
    assert all(": " in line and not line.endswith(": ") for line in told.candidates)
    schedule, total = read_token(told.token)
    assert total == told.token.rpartition(":")[2]
    assert len(schedule.choices) == len(told.steps)


@pytest.mark.parametrize(
    "bounds",
    [
        pytest.param(replace(SMALL, ejectable=0), marks=pytest.mark.slow),
        pytest.param(SMALL, marks=pytest.mark.deep),
    ],
    ids=str,
)
def test_the_design_that_can_fail_holds_what_the_registered_one_holds(bounds: Bounds) -> None:
    verdicts = [
        {c.property_name: c.verdict is Verdict.REFUTED for c in check(design, bounds).cells}
        for design in (DESIGN, as_it_can_fail(DESIGN))
    ]
    assert verdicts[0] == verdicts[1]
    assert sum(verdicts[0].values()) == 1
    assert "template_has_xenstore" not in holding(DESIGN)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "deaths", "failures"),
    [
        ((RENAME, RETRIEVE), 0, 0),
        ((DETACH, RENAME), 0, 0),
        ((ATTACH, DETACH), 0, 0),
        ((EJECT, RENAME), 1, 0),
        ((DETACH, RENAME), 0, 1),
    ],
    ids=str,
)
def test_the_graph_covers_every_schedule_and_counts_them(
    pairs: Explorer, asked: tuple[Asked, ...], deaths: int, failures: int
) -> None:
    """Sound: naive enumeration of all schedules ends in the same states, and there are as many as were counted."""
    start = starts(pairs)["full"]
    found = pairs.explore(start, asked, deaths=deaths, failures=failures)
    naive = list(every_schedule(pairs, start, asked, deaths=deaths, failures=failures))
    assert found.divergence is None
    assert len(naive) == found.interleavings
    assert len({schedule for schedule, _ in naive}) == len(naive)
    _, edges = graph(pairs, start, asked, deaths=deaths, failures=failures)
    assert {at for _, at in naive} == {at for at, there in edges.items() if not there}


def test_schedules_that_cover_take_every_edge(pairs: Explorer) -> None:
    start, asked = starts(pairs)["full"], (ATTACH, DETACH)
    first, edges = graph(pairs, start, asked, deaths=1, failures=0)
    check_covered(first, edges)


@pytest.mark.slow
def test_the_grains_lead_to_the_same_states() -> None:
    """Whether others come in within a transaction or not, the stores end in the same states."""
    ends = []
    for grain in Grain:
        explorer = begin(DESIGN, Scope(2), grain)
        start = starts(explorer)["full"]
        _, edges = graph(explorer, start, (DETACH, ATTACH), deaths=0, failures=0)
        ends.append({explorer.view(at[0][0]) for at, there in edges.items() if not there})
    assert ends[0] == ends[1]
    assert len(ends[0]) > 0


def alone(explorer: Explorer, asked: Asked) -> Place:
    """Where an operation is when it has ended, alone."""
    at = explorer.at(starts(explorer)["full"], (asked,), deaths=0, failures=0)
    while can := explorer.can(at):
        after = explorer.take(at, can[0])
        assert isinstance(after, tuple)
        at = after
    return explorer.steps.places[at[0][1]]


@pytest.mark.slow
def test_an_operation_that_is_not_a_function_of_its_answers_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = alone(begin(DESIGN, Scope(2)), ATTACH)
    tosses, real = iter(range(10**6)), existence.exists

    async def sometimes_twice(x: Requests, domain: Domain, device: Device) -> bool:
        if next(tosses) % 2:
            await real(x, domain, device)
        return await real(x, domain, device)

    monkeypatch.setattr(existence, "exists", sometimes_twice)
    explorer = begin(DESIGN, Scope(2, 1, 1))
    start = starts(explorer)["full"]
    with pytest.raises(Nondeterministic, match="after the same answers it"):
        explorer.explore(start, (ATTACH, DETACH), deaths=1, failures=1)
    said = find_nondeterminism(honest)
    assert said.startswith("process 0, call 5: after the same 4 answers it asked for ")
    assert "xenstore.read(/libxl/1/device/vbd/51728)" in said


@pytest.mark.slow
def test_an_operation_that_is_one_is_not(pairs: Explorer) -> None:
    for asked in (ATTACH, DETACH, RETRIEVE, EJECT):
        assert not find_nondeterminism(alone(pairs, asked))


def test_what_stands_for_nothing_in_the_model_diverges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("confsync.proofs.conformance.asked.name", lambda number: f"other{number}")
    explorer = begin(DESIGN, Scope(1, operations=("rename",)))
    found = explorer.explore(explorer.prepare(), (Asked("create", draft=(FIRST_CONFIG, ABSENT, FIRST_CONFIG)),))
    assert found.divergence
    assert found.divergence.reason == "the stores say 'other0', which stands for nothing in the model"


def test_an_operation_that_breaks_diverges(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_x: Requests, _domain: Domain, _device: Device) -> bool:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(existence, "exists", broken)
    explorer = begin(DESIGN, Scope(2))
    found = explorer.explore(starts(explorer)["full"], (ATTACH,))
    assert found.divergence
    assert found.divergence.reason == "the operation broke: ZeroDivisionError: a bug"


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", sorted(SCHEDULERS))
def test_walks_conform_and_the_same_seed_is_the_same_walk(scheduler: str) -> None:
    def walked(seed: int) -> tuple[int, int]:
        found = sample(
            DESIGN, Scope(4, 2, 2), scheduler=scheduler, walks=10, seed=seed, depth=3, on_progress=lambda *_: None
        )
        assert found.conforms
        assert found.walks == 10
        return found.steps, found.longest

    assert walked(1) == walked(1) != walked(2)


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", sorted(SCHEDULERS))
def test_walks_find_a_divergence(scheduler: str) -> None:
    found = sample(
        DESIGNS["xenstore_first_locked_write_back"], Scope(3), scheduler=scheduler, walks=1000, seed=0, depth=2,
        on_progress=lambda *_: None,
    )  # fmt: skip
    assert found.told
    assert found.walks < 1000


@pytest.mark.slow
def test_pct_is_bounded_as_its_paper_says(pairs: Explorer) -> None:
    assert bound(2, 10, 1) == 0.5
    assert bound(2, 10, 3) == pytest.approx(1 / 200)
    assert walks_for(2, 10, 1, 0.9) == 4
    start = starts(pairs)["full"]
    seen = {walk(pairs, "full", start, (RENAME, DETACH), Pct(n, 2, 20, 2), 0, 0).schedule.choices for n in range(60)}
    switches = {Schedule("full", (RENAME, DETACH), choices).preemptions for choices in seen}
    assert switches >= {0, 1}
    assert max(switches) <= 2  # one change of priorities; a wait for the lock gives the other its turn


@pytest.mark.slow
def test_a_token_is_its_schedule(pairs: Explorer) -> None:
    start = starts(pairs)["full"]
    first, edges = graph(pairs, start, (ATTACH, DETACH), deaths=1, failures=1)
    for way, _ in zip(covering(first, edges), range(20), strict=False):
        schedule = Schedule("full", (ATTACH, DETACH), way)
        done = follow(pairs, start, schedule)
        text = token(schedule, done)
        assert read_token(text)[0] == schedule
        assert walk(pairs, "full", start, schedule.asked, Replay(way), 9, 9).schedule == schedule


@pytest.mark.parametrize(
    "text",
    [
        "",
        "conform:full:attach:0.0",
        "other:full:attach,s0,k3:0.0:x",
        "conform:full:fly:0.0:x",
        "conform:full:attach,s0,k3:0:x",
        "conform:full:attach,s0,k3:0.0-:x",
        f"conform:full:{';'.join(['retrieve'] * 9)}:0.0:x",
    ],
)
def test_what_is_no_token(text: str) -> None:
    with pytest.raises(TokenError):
        read_token(text)


@pytest.mark.slow
def test_a_token_that_cannot_be_followed(pairs: Explorer) -> None:
    start = starts(pairs)["full"]
    for taken in ("0.7", "1.0", "0.0*99"):
        schedule, _ = read_token(f"conform:full:rename,n1:{taken}:x")
        with pytest.raises(TokenError):
            follow(pairs, start, schedule)


def test_what_is_explored_is_all_operations_on_all_slots() -> None:
    scope = Scope(2)
    every = list(together(scope))
    assert len(every) == len(set(every)) == combinations(2) // len(BEFORE)
    assert {a.operation for asked in every for a in asked} == set(scope.operations)
    assert {a.slot for asked in every for a in asked} == {None, 0, 1, 2}
    assert Asked("create", draft=(FIRST_CONFIG, ABSENT, FIRST_CONFIG)) in {a for asked in every for a in asked}
