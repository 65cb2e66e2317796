"""Each Hypothesis machine notices what it is there to notice, in one case that is made by hand: a machine that looks at
nothing would pass every walk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from machines_hosts import InMemory
from machines_lockstep import UUIDS, Lockstep
from test_machine import WIDE, Violation, Walk
from test_machine_concurrent import Beside, Diverged

from confsync.impl.errors import InvalidArgument
from confsync.model.engine.program import Program
from confsync.model.engine.trace import Trace, initial
from confsync.model.engine.trace import step as move
from confsync.model.libxl.designs import DESIGNS
from confsync.proofs.conformance.explore import Choice

UNCHECKED = "xenstore_first_unchecked"


def unchecked_run() -> Trace:
    """The README's counterexample: a creation dies once its device is in xenstore, and the device is attached again
    with another configuration, which is written over the first one's entry."""
    program = Program(DESIGNS[UNCHECKED], WIDE)
    layout, state, moves = program.local_layout, initial(program), []
    wanted = [(0, "create", "takes")] + [(0, "", "takes")] * 3 + [(0, "", "dies")]
    wanted += [(1, "attach", "takes")] + [(1, "", "takes")] * 2
    for process, operation, kind in wanted:
        found = list(program.transitions(state.shared, state.local[process], set()))
        for n, t in enumerate(found):
            at = program.points[t.label.point].operation
            given = t.started and (layout.get(t.started, "draft"), layout.get(t.started, "config"))
            if t.label.kind.value == kind and operation in ("", at) and (not given or _asked(at, given)):
                moves.append(move(state, process, n, t))
                break
        state = moves[-1].after
    assert len(moves) == len(wanted)
    return Trace(program, tuple(moves))


def _asked(operation: str, given: tuple[object, object]) -> bool:
    draft, config = given
    return draft == (3, 0, 0, 1, 1) if operation == "create" else config == 4


def test_a_walk_notices_what_a_trace_violates() -> None:
    trace = unchecked_run()
    claims = frozenset({"template_is_faithful"})
    walk = type("Walk", (Walk,), {"design": UNCHECKED, "claims": claims})()
    for m in trace.moves[:-1]:
        walk.take(m.process, m.transition)
    with pytest.raises(Violation, match="confsync replay"):
        walk.take(trace.moves[-1].process, trace.moves[-1].transition)
    unclaimed = type("Walk", (Walk,), {"design": UNCHECKED, "claims": frozenset()})()
    for m in trace.moves:
        unclaimed.take(m.process, m.transition)


def test_a_step_that_the_model_does_not_have_is_noticed() -> None:
    answers = iter(["no transition of the model leads to what the stores say"])
    explorer = SimpleNamespace(take=lambda _at, _choice: next(answers))
    machine = type("Beside", (Beside,), {"explorer": explorer, "known": {}})()
    machine.name, machine.start, machine.asked, machine.at = "full", SimpleNamespace(), (SimpleNamespace(),), None
    with pytest.raises(Diverged) as failure:
        machine.take(Choice(0, 0))
    assert failure.value.reason == "no transition of the model leads to what the stores say"
    assert failure.value.schedule.choices == (Choice(0, 0),)


@pytest.fixture
def machine() -> Iterator[Lockstep]:
    """The machine with its first two domains."""
    found = type("Lockstep", (Lockstep,), {"open_host": InMemory})()
    found.first()
    yield found
    found.teardown()


Look = Callable[[Lockstep], None]
RETRIEVED: Look = Lockstep.what_is_retrieved_is_what_the_specification_says
FILES: Look = Lockstep.files_and_tree_are_as_they_must_be
HOST: Look = Lockstep.the_host_has_what_exists


def a_device_is_another(machine: Lockstep) -> None:
    devices = machine.spec.domains[UUIDS[0]].devices
    key = next(k for k in devices if k[0] == "disk")
    devices[key] = {**devices[key], "pdev_path": "/another.img"}


def a_file_is_left(machine: Lockstep) -> None:
    (machine.host.templates / f"userdata-d.9.{UUIDS[2]}.libxl-json").write_bytes(b"{}\0")


def a_domain_is_paused(machine: Lockstep) -> None:
    machine.spec.domains[UUIDS[1]].paused = not machine.spec.domains[UUIDS[1]].paused


DAMAGE: dict[str, tuple[Look, Look]] = {
    "a device is retrieved as another": (a_device_is_another, RETRIEVED),
    "a device's file says another": (a_device_is_another, FILES),
    "a file is left": (a_file_is_left, FILES),
    "a domain is paused": (a_domain_is_paused, HOST),
}
"""What is done to a host, or to what the specification says of it, and the invariant that notices that by itself."""


@pytest.mark.parametrize("what", DAMAGE)
def test_a_host_that_was_damaged_is_noticed(machine: Lockstep, what: str) -> None:
    damage, notices = DAMAGE[what]
    for look in (RETRIEVED, FILES, HOST):
        look(machine)
    damage(machine)
    with pytest.raises(AssertionError):
        notices(machine)


async def nothing() -> None:
    """An operation that is done."""


async def refuses() -> None:
    """An operation that is refused."""
    raise InvalidArgument("no")


def test_an_error_that_the_specification_does_not_have_is_noticed(machine: Lockstep) -> None:
    assert machine.both(nothing(), lambda _failed: None, (0, False))
    with pytest.raises(AssertionError, match="InvalidArgument"):
        machine.both(refuses(), lambda _failed: None, (0, False))
