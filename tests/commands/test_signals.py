"""Signals to real processes: Ctrl-C ends a run with what is decided so far, and nothing outlives who started it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from processes import Marked, command

pytestmark = pytest.mark.slow
LARGE = ("--slots=2", "--configs=3", "--max-memory=1G", "--jobs=2")
RUNS = {
    "check": ("check", *LARGE),
    "claims": ("claims", *LARGE),
    "matrix": ("matrix", "xenstore_first_locked", "--max-states=1"),
    "prove": ("prove", "--jobs=2"),
    "refine": ("refine",),
    "conform": ("conform", "--processes=4", "--jobs=2"),
    "mutants": ("mutants", "--jobs=2"),
    "external": ("conform", "--external", "sh -c 'trap : TERM HUP; while :; do sleep 1000; done'"),
}
"""What has work for minutes, and workers. One design of `matrix` is searched in the process itself, so a worker is a
proof's; the program that never answers has a shell's child."""
WORKERS = {"matrix": 1, "refine": 1, "mutants": 1}


@contextmanager
def started(name: str) -> Iterator[Marked]:
    run = Marked(command(*RUNS[name]))
    try:
        run.has_started(WORKERS.get(name, 2))
        yield run
    finally:
        run.kill()


@pytest.mark.parametrize("name", RUNS)
def test_sigterm_ends_a_run_and_all_that_it_has_started(name: str) -> None:
    with started(name) as run:
        run.process.send_signal(signal.SIGTERM)
        _ends_with(run, 143)


def test_sighup_does_too() -> None:
    with started("prove") as run:
        run.process.send_signal(signal.SIGHUP)
        _ends_with(run, 129)


def _ends_with(run: Marked, code: int) -> None:
    """It says nothing but how far it was, if that took long."""
    ended, out, err = run.ends()
    assert (ended, out) == (code, "")
    assert all(line.startswith("confsync: ") for line in err.splitlines()), err


DEAF = """
import subprocess, sys, time
sys.stdin.readline()
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
time.sleep(1000)
"""
"""A program that leaves its first request unanswered, starts another, and does not see the end of its input."""


def test_an_external_program_ends_with_who_started_it_whatever_ends_that(tmp_path: Path) -> None:
    program = tmp_path / "deaf.py"
    program.write_text(DEAF, encoding="utf-8")
    run = Marked(command("conform", "--external", f"{sys.executable} {program}"))
    try:
        run.has_started(3)  # the guard, the program and its child
        run.process.kill()
        assert run.ends()[0] == -signal.SIGKILL
    finally:
        run.kill()


DIES_AS_IT_STARTS_ONE = """
import os, signal, subprocess, sys
from confsync.proofs.conformance.external.peer import Peer

class Popen(subprocess.Popen):
    def __init__(self, command, **how):
        super().__init__(command, **how)
        if command[0] == "sh":
            os.kill(os.getpid(), signal.SIGKILL)

subprocess.Popen = Popen
Peer(["sh", "-c", "trap : TERM HUP; while :; do sleep 1000; done"])
"""
"""The first moment at which there is a program: whoever started it has not been told its number yet."""


def test_a_program_is_guarded_from_its_first_moment_on() -> None:
    run = Marked([sys.executable, "-c", DIES_AS_IT_STARTS_ONE])
    try:
        assert run.ends()[0] == -signal.SIGKILL
    finally:
        run.kill()


@pytest.mark.parametrize("name", ["check", "prove", "refine", "conform", "mutants"])
def test_workers_end_with_who_started_them_whatever_ends_that(name: str) -> None:
    with started(name) as run:
        run.process.kill()
        assert run.ends()[0] == -signal.SIGKILL


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("check", "stopped at an interrupt"),
        ("claims", "OPEN"),
        ("matrix", "interrupted: not all is decided"),
        ("prove", "interrupted: UNKNOWN is what was not decided by then"),
        ("refine", "xenstore_first_locked: interrupted, and not decided"),
        ("conform", "interrupted: not all was explored"),
        ("mutants", "0 of 0 mutants are killed"),
    ],
)
def test_the_first_ctrl_c_ends_a_run_with_what_is_decided(name: str, says: str) -> None:
    """Ctrl-C goes to all processes of the terminal: to the solver's, too, which has a handler of its own for it."""
    with started(name) as run:
        os.killpg(run.process.pid, signal.SIGINT)
        code, out, err = run.ends()
    assert code == 3
    assert says in out
    assert "Traceback" not in err


def test_what_was_proved_before_an_interrupt_is_told() -> None:
    """One worker: by the time that the second design's is at work, the first is proved."""
    small = ("xenstore_first_locked", "json_first", "as_posted")
    run = Marked([sys.executable, "-c", SLOW_PROOFS, *small])
    try:
        assert run.process.stdout is not None
        assert run.process.stdout.readline() == "first\n"
        run.process.send_signal(signal.SIGINT)
        code, out, _ = run.ends()
    finally:
        run.kill()
    assert (code, out) == (0, "[('xenstore_first_locked', False), ('json_first', True), ('as_posted', True)]\n")


SLOW_PROOFS = """
import sys, time
from confsync.model.libxl.designs import DESIGNS
from confsync.model.libxl.state import Bounds
from confsync.proofs.prover import report

first = sys.argv[1]

def report_on(asked, design, tell, so_far):
    if design.name != first:
        time.sleep(1000)
    return report.Report(design.name, (), (), (), 0, {}, {}, {})

report.report_on = report_on
asked = report.Asked(tuple(DESIGNS[name] for name in sys.argv[1:]), (), Bounds(), jobs=1)
tell = lambda design, said: print("first", flush=True) if design == first and said is None else None
print([(r.design, r.interrupted) for r in report.run(asked, tell)])
"""
STUBBORN = """
import time
from confsync.model.engine.parallel import side_by_side

def work(i, report):
    print("at work", flush=True)
    while report("at work"):
        time.sleep(0.01)
    print("told", flush=True)
    time.sleep(1000)

try:
    list(side_by_side(2, 2, work, lambda i, said: None))
except KeyboardInterrupt:
    print("interrupted")
"""


def test_the_second_ctrl_c_ends_work_that_does_not_stop() -> None:
    run = Marked([sys.executable, "-c", STUBBORN])
    try:
        out = run.process.stdout
        assert out is not None
        for said in ("at work\n", "told\n"):
            assert [out.readline(), out.readline()] == [said] * 2
            run.process.send_signal(signal.SIGINT)
        assert run.ends() == (0, "interrupted\n", "")
    finally:
        run.kill()
