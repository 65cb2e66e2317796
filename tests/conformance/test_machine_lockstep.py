"""The implementation and the specification in lockstep, with wide values, in memory and in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from machines_hosts import InFolder, InMemory
from machines_lockstep import how, walk
from machines_values import LEVELS, deep

from confsync.impl.configuration.template import Template
from confsync.impl.errors import InvalidArgument
from confsync.impl.kinds import KINDS, Device, Json
from confsync.impl.operations import attach as attaching
from confsync.impl.operations import destroy as destruction
from confsync.impl.operations import entries, existence, knobs, media, paths
from confsync.impl.operations.create import create
from confsync.impl.operations.guarded import locked
from confsync.impl.operations.retrieve import retrieve
from confsync.impl.operations.transact import transact
from confsync.impl.ports import Domain, Requests, Toolstack
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.proofs.conformance import asked as asking
from confsync.proofs.conformance.asked import Asked
from confsync.proofs.conformance.atomic import Atomic, Without, observed, spec_of
from confsync.proofs.conformance.explore import Explorer, Start
from confsync.proofs.conformance.scope import Scope, begin, choices, starts


@pytest.mark.slow
def test_a_host_in_memory_stands_a_few_walks() -> None:
    walk(InMemory, examples=8)


@pytest.mark.deep
def test_a_host_in_memory_stands_many_walks() -> None:
    walk(InMemory, examples=40)


@pytest.mark.slow
def test_a_host_in_a_folder_stands_some_walks() -> None:
    walk(InFolder, examples=8)


UUIDS = [f"{n}0000000-0000-4000-8000-000000000000" for n in (1, 2)]


def asked(n: int = 0, build: dict[str, Json] | None = None, **more: Json) -> Template:
    return Template.of({"c_info": {"name": f"vm{n}", "uuid": UUIDS[n]}, "b_info": build or {}, **more}, "asked")


@pytest.fixture
def host() -> Iterator[InMemory]:
    found = InMemory()
    yield found
    found.close()


@pytest.mark.parametrize("backends", [(0, 0), (0, 2), (2, 2)])
def test_of_a_domain_with_two_pci_devices_nothing_is_left(host: InMemory, backends: tuple[int, int]) -> None:
    """A walk found it: the first to go took the second for a neighbour that stays, and so did the second."""
    domain = host.run(create(host.t, asked()))
    host.run(create(host.t, asked(1)))
    before = host.tree()
    for bus, backend in enumerate(backends):
        host.run(attaching.attach(host.t, domain, KINDS["pci"], {"bus": bus, "backend_domid": backend}))
    host.run(attaching.detach(host.t, domain, Device(KINDS["pci"], "0000-00-00-0")))
    assert host.node(f"/local/domain/{backends[1]}/backend/pci/1/0/num_devs") == b"2"
    assert host.node("/local/domain/1/device/pci/0") is not None
    host.run(attaching.attach(host.t, domain, KINDS["pci"], {"bus": 0, "backend_domid": backends[0]}))
    host.run(destruction.destroy(host.t, domain))
    left = {p for p in host.tree() if "/pci/" in p or p.startswith(("/libxl/1", "/local/domain/1/"))}
    assert left == set()
    kept = {f"/local/domain/{n}{path}" for n in (0, 2) for path in ("", "/backend", "/backend/pci")}
    assert host.tree().keys() - before.keys() <= kept


@pytest.mark.parametrize(
    "build",
    [
        {"target_memkb": 64, "video_memkb": 64},
        {"max_vcpus": 1, "avail_vcpus": [1]},
        {"max_vcpus": 1, "avail_vcpus": []},
        {"zz": "a\0b"},
        {"zz": 2**64},
        {"zz": "\ud800"},
        {"zz": deep(LEVELS, 1)},
    ],
    ids=["video", "no such vcpu", "no vcpu", "NUL", "too large", "surrogate", "too deep"],
)
def test_what_could_not_be_retrieved_is_not_created(host: InMemory, build: dict[str, Json]) -> None:
    with pytest.raises(InvalidArgument):
        host.run(create(host.t, asked(0, build)))
    assert (host.guests(), list(host.templates.iterdir())) == ({}, [])


def test_an_entry_that_could_not_be_read_again_does_not_lock_the_domain_out(host: InMemory) -> None:
    empty: dict[str, Json] = {"vdev": "hdc", "pdev_path": "", "is_cdrom": 1}
    domain = host.run(create(host.t, asked(0, disks=[empty])))
    with pytest.raises(InvalidArgument):
        host.run(attaching.attach(host.t, domain, KINDS["nic"], {"zz": 10**40}))
    with pytest.raises(InvalidArgument):
        host.run(media.insert(host.t, domain, Device(KINDS["disk"], "5632"), "/\udcff.iso"))
    assert host.run(retrieve(host.t, domain)).template.devices() == [Device(KINDS["disk"], "5632")]


def test_a_memory_target_counts_the_graphics_card_once(host: InMemory) -> None:
    domain = host.run(create(host.t, asked(0, {"max_memkb": 4096, "target_memkb": 4096, "video_memkb": 1024})))
    host.run(knobs.set_memory_target(host.t, domain, 2048))
    assert host.node("/local/domain/1/memory/target") == b"1024"
    assert host.run(retrieve(host.t, domain)).template.target_memkb == 2048
    for kb in (1024, 4097):
        with pytest.raises(InvalidArgument):
            host.run(knobs.set_memory_target(host.t, domain, kb))
    with pytest.raises(InvalidArgument):
        host.run(knobs.set_memory_limit(host.t, domain, 2047))


@dataclass
class Sequential:
    """Operations of the model's vocabulary, one after another: implementation, model and specification in lockstep."""

    explorer: Explorer
    start: Start

    def __post_init__(self) -> None:
        self.state = self.start.state
        self.words = {self.start.shared}
        self.spec = spec_of(self.explorer.program, self.start.shared)

    def do(self, asked: Asked, fails: int) -> None:
        """One operation. `fails`: which of its calls that can be made to fail does, from 1; 0 for none."""
        atomic = Atomic((asked,))
        starts = [Start(self.state, word) for word in sorted(self.words)]
        ats = [self.explorer.at(start, (asked,), failures=1) for start in starts]
        while can := [c for c in self.explorer.can(ats[0]) if c.which is not None]:
            failing = can[1:]
            choice = failing[fails - 1] if 0 < fails <= len(failing) else can[0]
            fails -= len(failing)
            came = [self.explorer.take(at, choice) for at in ats]
            ats = [at for at in came if isinstance(at, tuple)]
            assert ats, f"{asked}: {came[0]}"
        place = self.explorer.steps.places[ats[0][0][1]]
        outcome = observed(place, self.explorer.ended(place)[1])
        after = atomic.end(atomic.call(atomic.begin(self.spec), 0), 0, outcome)
        self.state = ats[0][0][0]
        self.words = {shared for at in ats for shared, _ in self.explorer.fitting(at)}
        there = {spec_of(self.explorer.program, word) for word in self.words}
        left = {spec for spec, _ in after} & (there | {Without.HALF})
        assert left, f"{asked} returned {outcome} from {self.spec}: there is {there}, and the specification has {after}"
        self.spec = min(left, key=lambda s: (s is Without.HALF, str(s)))
        assert len(left) == 1 or Without.HALF in left


class InTheModelsWords(RuleBasedStateMachine):
    """One domain with disks and a drive."""

    explorer: Explorer

    @initialize(start=st.sampled_from(["full", "bare", "none"]))
    def begin(self, start: str) -> None:
        self.walk = Sequential(self.explorer, starts(self.explorer)[start])

    @rule(which=st.integers(0, 23), fails=st.sampled_from([0, 0, 0, 1, 2, 3, 4, 5]))
    def do(self, which: int, fails: int) -> None:
        every = [*choices(0, SCOPE.operations), *choices(1, SCOPE.operations)]
        self.walk.do(every[which % len(every)], fails)


SCOPE = Scope(1)


def sequential(explorer: Explorer, *, examples: int) -> None:
    machine = type("InTheModelsWords", (InTheModelsWords,), {"explorer": explorer})
    run_state_machine_as_test(machine, settings=how(examples, 30))


@pytest.mark.slow
def test_implementation_model_and_specification_agree_one_operation_after_another() -> None:
    sequential(begin(DESIGNS[RECOMMENDED], SCOPE), examples=25)


async def forgets_to_save(t: Toolstack, domain: Domain, device: Device) -> None:
    """A detach that leaves the entry in the template: a later one is met by it."""

    async def leave(x: Requests) -> None:
        await entries.expunge(x, domain, device)
        await entries.remove(x, paths.existing(domain, device))

    async with locked(t, domain):
        await transact(t, lambda x: entries.mark_closing(x, domain, device))
        await t.hotplug.release(domain, [device], force=False)
        await transact(t, leave)


async def keeps_the_medium(t: Toolstack, domain: Domain, drive: Device) -> None:
    """An eject that tells only the device model."""
    async with locked(t, domain):
        await t.hotplug.eject(domain, drive)


async def by_the_guest(x: Requests, domain: Domain, drive: Device) -> bool:
    """A retrieve that believes the backend."""
    backend = await existence.read_text(x, f"{paths.existing(domain, drive)}/backend")
    return not await existence.read_text(x, f"{backend}/params")


async def forget_half(x: Requests, domain: Domain) -> None:
    """A destruction that leaves what xenstore has of the domain's own."""
    await entries.remove(x, paths.private(domain.domid))


async def no_video(_x: Requests, _domain: Domain, _template: Template, _kb: int) -> int:
    """A memory target that is not looked at, and the graphics card not taken off."""
    return 0


async def nobody(_x: Requests, _name: str, *, but: int | None = None) -> str | None:
    """No domain has the name."""
    assert but is None or but > 0
    return None


WRONG: dict[str, tuple[object, str, object]] = {
    "eject tells only the device model": (media, "eject", keeps_the_medium),
    "nodes are left by destroy": (destruction, "_forget_domain", forget_half),
    "the backend is believed": (entries, "drive_is_empty", by_the_guest),
    "the graphics card is counted twice": (knobs, "_require_target", no_video),
    "a name that two domains have": (knobs, "named", nobody),
}


RARE = "a name that two domains have"
"""The one that takes the most walks to meet."""


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.deep if n == RARE else ()) for n in WRONG])
def test_a_wrong_implementation_does_not_stand_the_walks(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    owner, what, instead = WRONG[name]
    monkeypatch.setattr(owner, what, instead)
    with pytest.raises(AssertionError):
        walk(InMemory, examples=1000, shrink=False)


@pytest.mark.slow
def test_a_wrong_implementation_is_not_what_the_model_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "detach", forgets_to_save)
    with pytest.raises(AssertionError, match="no transition of the model leads to what the stores say"):
        sequential(begin(DESIGNS[RECOMMENDED], SCOPE), examples=600)
