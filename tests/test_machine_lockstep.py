"""The implementation and the specification in lockstep, with wide values, in memory and in a folder."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from machines_hosts import InFolder, InMemory
from machines_lockstep import how, walk

from impl.errors import MalformedConfiguration
from impl.kinds import Device
from impl.operations import attach as attaching
from impl.operations import destroy as destruction
from impl.operations import entries, existence, knobs, media, paths
from impl.operations.guarded import locked
from impl.operations.transact import transact
from impl.ports import Domain, Requests, Toolstack
from model.designs import DESIGNS, RECOMMENDED
from proofs.conformance import asked as asking
from proofs.conformance.asked import Asked
from proofs.conformance.atomic import Atomic, Without, observed, spec_of
from proofs.conformance.explore import Explorer, Start
from proofs.conformance.scope import Scope, begin, choices, starts


def test_a_host_in_memory_stands_a_few_walks() -> None:
    walk(InMemory, examples=8)


@pytest.mark.slow
def test_a_host_in_memory_stands_many_walks() -> None:
    walk(InMemory, examples=50)


@pytest.mark.slow
def test_a_host_in_a_folder_stands_some_walks() -> None:
    walk(InFolder, examples=8)


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


def test_implementation_model_and_specification_agree_one_operation_after_another() -> None:
    sequential(begin(DESIGNS[RECOMMENDED], SCOPE), examples=25)


async def forgets_to_save(t: Toolstack, domain: Domain, device: Device) -> None:
    """A detach that leaves the entry in the template: a later one is met by it."""
    async with locked(t, domain):
        await transact(t, lambda x: entries.mark_closing(x, domain, device))
        await t.hotplug.release(domain, [device], force=False)
        await transact(t, lambda x: entries.leave(x, domain, device))


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


async def no_video(_x: Requests, _domain: Domain, _kb: int) -> int:
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
    "an entry that cannot be read again": (attaching, "require_proper_entry", lambda _kind, _entry: None),
    "the graphics card is counted twice": (knobs, "_require_target", no_video),
    "a name that two domains have": (knobs, "named", nobody),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_implementation_does_not_stand_the_walks(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    owner, what, instead = WRONG[name]
    monkeypatch.setattr(owner, what, instead)
    with pytest.raises((AssertionError, MalformedConfiguration)):
        walk(InMemory, examples=60, shrink=False)


@pytest.mark.slow
def test_a_wrong_implementation_is_not_what_the_model_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "detach", forgets_to_save)
    with pytest.raises(AssertionError, match="no transition of the model leads to what the stores say"):
        sequential(begin(DESIGNS[RECOMMENDED], SCOPE), examples=40)
