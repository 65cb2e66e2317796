"""Operations beside each other as Hypothesis has them: what is asked, who goes on when, what fails, who dies. Each step
is held against the model.

A failure is shown as the replay token of the shrunk schedule and as a test that can be run by itself.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import Phase, Verbosity, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from places import ROOT

from confsync.impl.errors import HotplugFailed
from confsync.impl.operations.retrieve import Retrieved, retrieve_locked
from confsync.impl.ports import Domain, Toolstack
from confsync.model.engine.trace import TokenError
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.proofs.conformance import asked as asking
from confsync.proofs.conformance.asked import Asked
from confsync.proofs.conformance.explore import At, Choice, Divergence, Explorer, Start
from confsync.proofs.conformance.reproduce import as_pytest, replay
from confsync.proofs.conformance.run import Told, tell_divergence
from confsync.proofs.conformance.schedule import Schedule, read_token
from confsync.proofs.conformance.scope import Scope, begin, choices, starts

PROCESSES, DEATHS, FAILURES = 4, 2, 3
SCOPE = Scope(PROCESSES, DEATHS, FAILURES)
ASKED = st.integers(0, len(choices(0, SCOPE.operations)) - 1)
FIRST = st.lists(ASKED, min_size=1, max_size=3)
MANY = 60
"""Steps: more than an operation has."""


@cache
def common() -> tuple[Explorer, dict[str, Start]]:
    """For all walks on the implementation as it is."""
    explorer = begin(DESIGNS[RECOMMENDED], SCOPE)
    return explorer, starts(explorer)


class Diverged(AssertionError):
    """A schedule whose last step is wrong. It is made small, and told, only when it is shown: shrinking is to be
    quick."""

    def __init__(self, explorer: Explorer, start: Start, schedule: Schedule, reason: str) -> None:
        super().__init__(reason)
        self.explorer, self.start, self.schedule, self.reason = explorer, start, schedule, reason

    def told(self) -> Told:
        """What Hypothesis came to, and then the least that diverges at all, of the same operations."""
        schedule = self.schedule
        found = Divergence(self.start, schedule.asked, schedule.choices, self.reason)
        return tell_divergence(self.explorer, schedule.start, self.start, found)

    def __str__(self) -> str:
        told = self.told()
        lines = [told.reason, *told.steps, *told.candidates, f"    confsync conform --replay '{told.token}'"]
        return "\n".join([*lines, "", as_pytest(told.token, told.reason)])


class Beside(RuleBasedStateMachine):
    """Up to four processes, each with an operation."""

    explorer: Explorer
    known: dict[str, Start]
    process = Bundle("process")

    def __init__(self) -> None:
        super().__init__()
        self.asked: tuple[Asked, ...] = ()
        self.taken: list[Choice] = []

    @initialize(target=process, start=st.sampled_from(["full", "bare", "none"]), which=FIRST)
    def begin(self, start: str, which: list[int]) -> MultipleResults[int]:
        """What there is, and what the first processes are asked for."""
        self.name, self.start = start, self.known[start]
        return multiple(*map(self._ask, which))

    @precondition(lambda self: len(self.asked) < PROCESSES)
    @rule(target=process, which=ASKED)
    def ask(self, which: int) -> int:
        """One more process."""
        return self._ask(which)

    def _ask(self, which: int) -> int:
        """All that was done, done again beside one more process."""
        p = len(self.asked)
        self.asked = (*self.asked, choices(p, SCOPE.operations)[which])
        self.at: At = self.explorer.at(self.start, self.asked, deaths=DEATHS, failures=FAILURES)
        for choice in self.taken:
            after = self.explorer.take(self.at, choice)
            assert isinstance(after, tuple)
            self.at = after
        return p

    def take(self, choice: Choice) -> None:
        """One step, held against the model."""
        self.taken.append(choice)
        after = self.explorer.take(self.at, choice)
        assert after is not None
        if isinstance(after, str):
            self.wrong(after)
        else:
            self.at = after

    def wrong(self, reason: str) -> None:
        """The schedule ends here; who took no step is left out of it."""
        busy = sorted({c.process for c in self.taken})
        taken = tuple(Choice(busy.index(c.process), c.which) for c in self.taken)
        asked = tuple(self.asked[p] for p in busy)
        raise Diverged(self.explorer, self.start, Schedule(self.name, asked, taken), reason)

    def can(self, kind: str = "go on", process: int | None = None) -> list[Choice]:
        """What can happen next, of this kind."""
        kinds = {None: "die", 0: "go on"}
        can = [c for c in self.explorer.can(self.at) if kinds.get(c.which, "fail") == kind]
        return [c for c in can if process in (None, c.process)]

    def go_on(self, process: int, steps: int) -> None:
        """The process takes so many steps, or as many as it can."""
        for _ in range(steps):
            for choice in self.can(process=process):
                self.take(choice)

    @rule(process=process)
    def a_step(self, process: int) -> None:
        self.go_on(process, 1)

    @rule(process=process, steps=st.integers(2, 8))
    def some_steps(self, process: int, steps: int) -> None:
        self.go_on(process, steps)

    @rule(process=process)
    def all_it_can(self, process: int) -> None:
        """Until it has ended, or waits."""
        self.go_on(process, MANY)

    @rule(process=process, which=st.integers(0, 5))
    def fails(self, process: int, which: int) -> None:
        """The process goes on to a call that can be made to fail, and it fails."""
        while can := self.can(process=process):
            wrong = self.can("fail", process)
            if which < len(wrong):
                self.take(wrong[which])
                return
            which -= len(wrong)
            self.take(can[0])

    @rule(process=process, steps=st.integers(0, MANY))
    def dies(self, process: int, steps: int) -> None:
        """The process takes so many steps, and dies."""
        self.go_on(process, steps)
        for choice in self.can("die", process):
            self.take(choice)

    def teardown(self) -> None:
        """All go on to their ends, one after another; nobody waits for ever."""
        if not self.asked:
            return
        while can := self.can():
            self.take(can[0])
        if not self.explorer.can(self.at) and (reason := self.explorer.at_the_end(self.at)):
            self.wrong(reason)


def walk(explorer: Explorer, known: dict[str, Start], *, examples: int) -> None:
    """Walks; Diverged, shrunk, if one is wrong."""
    machine = type("Beside", (Beside,), {"explorer": explorer, "known": known})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            report_multiple_bugs=False,
            verbosity=Verbosity.quiet,
        ),
    )


@pytest.mark.slow
def test_operations_beside_each_other_stand_a_few_walks() -> None:
    walk(*common(), examples=25)


@pytest.mark.deep
def test_operations_beside_each_other_stand_many_walks() -> None:
    walk(*common(), examples=200)


async def unlocked_retrieve(t: Toolstack, domain: Domain) -> Retrieved:
    """A retrieve that does without the lock."""
    return await retrieve_locked(t, domain)


def careless(operation: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
    """An operation that says it was done although hotplug failed."""

    async def swallows(*arguments: object) -> object:
        try:
            return await operation(*arguments)
        except HotplugFailed:
            return None

    return swallows


Mutant = dict[tuple[object, str], object]
MUTANTS: dict[str, tuple[Mutant, int, int]] = {
    "retrieve without the lock": ({(asking, "retrieve"): unlocked_retrieve}, 2, 0),
    "hotplug's failure swallowed": ({(asking, o): careless(getattr(asking, o)) for o in ("attach", "detach")}, 2, 1),
}
"""And how many operations, and how many deaths and failures, there are at most in the small schedule that shows it."""


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.deep) if MUTANTS[n][2] else n for n in MUTANTS])
def test_a_wrong_operation_ends_in_a_small_schedule(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    mutant, processes, wrong = MUTANTS[name]
    for (owner, operation), instead in mutant.items():
        monkeypatch.setattr(owner, operation, instead)
    explorer = begin(DESIGNS[RECOMMENDED], SCOPE)
    with pytest.raises(Diverged) as failure:
        walk(explorer, starts(explorer), examples=5000)
    assert len(failure.value.schedule.asked) <= processes + 1  # as Hypothesis shrank it
    token = failure.value.told().token
    found, _ = read_token(token)
    assert len(found.asked) <= processes
    assert sum(c.which != 0 for c in found.choices) <= wrong
    assert found.preemptions <= 1
    again = replay(token, DESIGNS[RECOMMENDED])
    assert (again.wrong, again.same) == (failure.value.told().reason, True)
    said = str(failure.value)
    assert f"confsync conform --replay '{token}'" in said
    assert as_pytest(token, again.wrong) in said


WRONG = """
from confsync.impl.operations.transact import transact
from confsync.impl.operations import knobs, paths

async def rename(t, domain, name):
    async def body(x):
        await x.write(paths.name(domain.domid), name.encode())
    if await t.hypervisor.alive(domain):
        await transact(t, body)

knobs.rename = rename
"""
"""A `conftest.py` that has a rename without the lock."""
TOKEN = "conform:full:attach,s0,k3;rename,n2:0.0-1.0-1.0:b5a50df5"


def pytest_of(folder: Path, source: str) -> subprocess.CompletedProcess[str]:
    """Run this test in a process of its own."""
    (folder / "test_it.py").write_text(source)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_printed_test_fails_as_long_as_the_operation_is_wrong(tmp_path: Path) -> None:
    source = as_pytest(TOKEN, "no transition of the model")
    (tmp_path / "conftest.py").write_text(WRONG)
    found = pytest_of(tmp_path, source)
    assert found.returncode == 1
    assert "no transition of the model leads to what the stores say" in found.stdout
    assert "3. process 1, rename(2), runs a transaction" in found.stdout
    (tmp_path / "conftest.py").unlink()
    found = pytest_of(tmp_path, source)
    assert (found.returncode, "1 passed" in found.stdout) == (0, True)


def test_a_printed_test_is_a_proper_one_whatever_was_wrong() -> None:
    token = f"conform:full:{';'.join(['retrieve'] * 8)}:{'-'.join(['0.0'] * 90)}:0"
    source = as_pytest(token, 'a "quoted" \\ thing\n\n""" and more' * 9)
    assert max(map(len, source.splitlines())) <= 120
    found: dict[str, object] = {}
    exec(compile(source, "printed", "exec"), found)
    assert found["TOKEN"] == token
    assert callable(found["test_the_schedule_does_not_diverge"])


@pytest.mark.slow
def test_a_token_of_other_code_is_done_as_far_as_it_can_be() -> None:
    found = replay(TOKEN, DESIGNS[RECOMMENDED])
    assert (found.wrong, found.same) == ("", False)
    assert len(found.told.steps) == 1  # the rename waits for the lock


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("conform:nowhere:retrieve:0.0:0", "none of the stores to begin with: none, full, bare"),
        ("conform:full:detach:0.0:0", "detach.* in the token: an argument is missing"),
        ("conform:full:detach,s2:0.0:0", "in the token: an argument is missing"),
        ("conform:full:attach,s0,k1:0.0:0", "in the token: an argument is missing"),
        ("conform:full:attach,s0,k3,n1:0.0:0", "in the token: an argument is missing"),
        ("conform:full:rename,n9:0.0:0", "in the token: an argument is missing"),
        ("conform:full:create,d3.0:0.0:0", "in the token: an argument is missing"),
        ("conform:full:create,d3.0.9:0.0:0", "in the token: an argument is missing"),
        ("search:x", "is no token of a schedule"),
    ],
)
def test_a_token_that_is_none_is_refused(wrong: str, said: str) -> None:
    with pytest.raises(TokenError, match=said):
        replay(wrong, DESIGNS[RECOMMENDED])
