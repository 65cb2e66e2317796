"""Every operation survives death at each system call, power loss, refused calls and a xenstore that fails; and the
checks that say so notice the mistakes that an operation could make. What must hold: tests/crash/operation_table.py.

For every change: on one kind of device every call that changes something; of each code that there is for devices,
every call on a port. In depth (`make deep`): all kinds, both sides of each call, and every write to SQLite's files
that may be missing among others.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Container, Iterable, Sequence

import pytest
from _pytest.mark import ParameterSet
from conftest import Report

from confsync.impl.kinds import KINDS as ALL_KINDS
from crash.faults import SHORT, fail_everywhere
from crash.operation_folder import TRUSTED, FolderWork
from crash.operation_mutants import MUTANTS
from crash.operation_ports import DEATHS, OTHER_FAULTS, XENSTORE_FAULTS, PortOutcome, break_everywhere
from crash.operation_table import KINDS, OPERATIONS, WHOLE_CODE, Operation, of_group
from crash.power import lose_power
from crash.ptrace import kill_everywhere
from crash.refuse import WORKS_HERE, refuse_everywhere
from crash.trial import Outcome, Wreck

pytestmark = pytest.mark.slow

ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.EINTR, errno.ENOLCK, SHORT}
ALIKE = {"restore", "forced detach nic", "swap", "memory limit", "vcpus"}
"""On real files these are tried in depth only: they make the same calls as `create`, `detach`, `eject` with `insert`,
and `rename`. So do the other kinds of device."""
CORE = [operation for operation in of_group("core") if operation.name not in ALIKE]
FEW = {"attach nic", "rename"}
"""Those of CORE that are tried on real files for every change; the others make more calls, and are tried in depth."""
LATER = ("rename", "killed at a system call")
"""In depth only, being costly: an attach makes these calls and more, and is killed at each for every change."""
EVERY = list(OPERATIONS.values())
UNLIKE = [o for o in EVERY if o.group == "core" or not o.name.startswith("forced")]
"""Force makes a difference in hotplug only."""
WHOLE = [o for o in UNLIKE if o.group == "core" or o.name.split()[-1] in WHOLE_CODE]
"""Of each code that there is for xenstore's entries, one kind of device."""
AS_OTHERS = {"restore", "save"}
"""In depth only: `restore` makes the calls of `create`, and `save` those of `checkpoint` and `destroy`."""


def unless(in_depth: Container[Operation], all_of_them: Iterable[Operation]) -> list[Operation | ParameterSet]:
    """The operations, those that are tried in depth only marked so."""
    return [pytest.param(o, marks=pytest.mark.deep) if o in in_depth else o for o in all_of_them]


REFUSED = ["attach nic", "memory target"]
"""Those of which the system refuses every eleventh call for every change; in depth it refuses each call of all."""


def kill(operation: Operation, *, deep: bool = False) -> tuple[Outcome, set[str]]:
    """Death, at each system call."""
    work = FolderWork(operation)
    outcome = kill_everywhere(work.prepare, work.act, work.check, marked=True, every_call=False, both_sides=deep)
    return outcome, work.oracle.answers


def power(operation: Operation, *, deep: bool = False) -> tuple[Outcome, set[str]]:
    """Power loss, at each point."""
    work = FolderWork(operation)
    outcome = lose_power(work.prepare, work.act, work.check, traced=True, marked=True, trusted=TRUSTED, gaps=deep)
    return outcome, work.oracle.answers


def refuse(operation: Operation, *, deep: bool = False) -> tuple[Outcome, set[str]]:
    """Each call on the templates refused."""
    work = FolderWork(operation, closes=True)
    outcome = fail_everywhere(work.prepare, work.act, work.check, errors=None if deep else ERRORS)
    return outcome, work.oracle.answers


Engine = Callable[..., tuple[Outcome, set[str]]]
ENGINES: dict[str, Engine] = {"killed at a system call": kill, "power lost": power, "a call failed": refuse}
OVER_IT = {"retrieve": {"before"}, "checkpoint": {"before"}, "swap": {"before", "between", "after"}}
"""What an operation must have been seen to leave, if it is not just before and after."""


def check_seen(operation: Operation, answers: set[str]) -> None:
    """The engine has got to both sides of what the operation does."""
    expected = OVER_IT.get(operation.name, {"before", "after"} | ({"half"} if operation.half else set()))
    assert answers >= expected


@pytest.mark.usefixtures("ptrace")
@pytest.mark.parametrize(
    ("operation", "engine"),
    [
        pytest.param(
            operation,
            engine,
            marks=() if operation.name in FEW and (operation.name, engine) != LATER else pytest.mark.deep,
            id=f"{operation}-{engine}",
        )
        for operation in CORE
        for engine in ENGINES
    ],
)
def test_on_files(operation: Operation, engine: str, report: Report) -> None:
    outcome, answers = ENGINES[engine](operation)
    report.add(f"operations: {engine}", outcome.points, len(outcome.failures))
    assert not outcome.failures
    check_seen(operation, answers)
    assert outcome.points > 10


@pytest.mark.deep
@pytest.mark.usefixtures("ptrace")
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("operation", EVERY, ids=str)
def test_on_files_in_depth(operation: Operation, engine: str, report: Report) -> None:
    outcome, answers = ENGINES[engine](operation, deep=True)
    report.add(f"operations, in depth: {engine}", outcome.points, len(outcome.failures))
    assert not outcome.failures
    check_seen(operation, answers)


def test_every_kind_and_operation_is_there() -> None:
    assert {kind.name for kind, _ in KINDS.values()} == ALL_KINDS.keys()
    for name in KINDS:
        assert {f"attach {name}", f"detach {name}", f"forced detach {name}"} <= OPERATIONS.keys()
    assert len(CORE) == 12


def told(report: Report, title: str, outcome: PortOutcome) -> None:
    """Put it into the table; all must be well."""
    report.add(f"operations: {title}", outcome.points, len(outcome.failures))
    assert not outcome.failures


@pytest.mark.parametrize("operation", unless([o for o in UNLIKE if o not in WHOLE], UNLIKE), ids=str)
def test_death_at_each_call_on_a_port(operation: Operation, report: Report) -> None:
    outcome = break_everywhere(operation, DEATHS)
    told(report, "died at a port's call", outcome)
    check_seen(operation, outcome.answers)


@pytest.mark.parametrize("operation", unless([o for o in WHOLE if o.name in AS_OTHERS], WHOLE), ids=str)
def test_a_xenstore_that_fails(operation: Operation, report: Report) -> None:
    outcome = break_everywhere(operation, XENSTORE_FAULTS, full=False)
    told(report, "xenstore failed", outcome)
    if operation.name not in ("scheduling", "retrieve", "checkpoint"):
        assert outcome.places["EAGAIN at the commit, 3 times"]
        assert outcome.places["connection lost, request done"]


@pytest.mark.deep
@pytest.mark.parametrize("operation", EVERY, ids=str)
def test_ports_that_fail_in_depth(operation: Operation, report: Report) -> None:
    told(report, "ports failed, in depth", break_everywhere(operation, [*DEATHS, *XENSTORE_FAULTS, *OTHER_FAULTS]))


injects = pytest.mark.skipif(not WORKS_HERE, reason="NOT TESTED: calls of SQLite's that are refused: needs an x86-64")


def refuse_all(operation: Operation, every: int) -> Outcome:
    """Each call refused, SQLite's too."""
    work = FolderWork(operation)
    return refuse_everywhere(work.prepare, work.act_and_tell, work.check, every=every)


@injects
@pytest.mark.usefixtures("ptrace")
@pytest.mark.parametrize("name", REFUSED)
def test_the_system_refuses_a_call(name: str, report: Report) -> None:
    outcome = refuse_all(OPERATIONS[name], every=11)
    report.add("operations: the system refused a call", outcome.points, len(outcome.failures))
    assert not outcome.failures
    assert outcome.places["pwrite64 ENOSPC"]
    assert outcome.places["fdatasync EIO"]


@injects
@pytest.mark.deep
@pytest.mark.usefixtures("ptrace")
@pytest.mark.parametrize("operation", EVERY, ids=str)
def test_the_system_refuses_a_call_in_depth(operation: Operation, report: Report) -> None:
    outcome = refuse_all(operation, every=1)
    report.add("operations, in depth: the system refused a call", outcome.points, len(outcome.failures))
    assert not outcome.failures


@pytest.mark.parametrize("operation", WHOLE, ids=str)
def test_other_ports_that_fail(operation: Operation, report: Report) -> None:
    told(report, "hotplug, hypervisor or templates failed", break_everywhere(operation, OTHER_FAULTS))


BROKEN: dict[str, Callable[[Operation, str], list[str]]] = {
    "died": lambda operation, words: break_everywhere(operation, DEATHS, until=words).failures,
    "xenstore": lambda operation, words: break_everywhere(operation, XENSTORE_FAULTS, full=False, until=words).failures,
    "others": lambda operation, words: break_everywhere(operation, OTHER_FAULTS, until=words).failures,
    "refused": lambda operation, _: refuse_all(operation, every=2).failures,
    "kill": lambda operation, _: kill(operation)[0].failures,
    "power": lambda operation, _: power(operation)[0].failures,
}


class Noticed(BaseException):
    """A problem that a mutant must have; an engine need not look for another."""


def heed(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the engines on real files end at the first problem with these words in it."""
    check = FolderWork.check

    def checked(self: FolderWork, wreck: Wreck) -> Sequence[str]:
        found = check(self, wreck)
        if told := [problem for problem in found if words in problem]:
            raise Noticed(told[0])
        return found

    monkeypatch.setattr(FolderWork, "check", checked)


@pytest.mark.usefixtures("ptrace")
@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_operation_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = MUTANTS[name]
    operation = OPERATIONS[mutant.operation]
    mutant.apply(monkeypatch)
    heed(mutant.words, monkeypatch)
    try:
        failures = BROKEN[mutant.engine](operation, mutant.words)
    except Noticed as noticed:
        failures = [str(noticed)]
    assert failures
    assert any(mutant.words in failure for failure in failures), failures[:5]
