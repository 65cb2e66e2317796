"""No failure of confsync looks like a verdict: output that cannot be written, no memory, an unexpected error."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from every_command import RUNS
from places import ROOT
from processes import command, environment

from confsync.front_door import COMMANDS, EXIT_FAILED, Descriptor

pytestmark = pytest.mark.slow

SLOW = ("mutants", "prove", "refine")
NO_PROOF = """
from confsync.front_door import main
from confsync.proofs.libxl import cli
from confsync.proofs.libxl import refinement
from confsync.proofs.prover import report

report.report_on = lambda asked, design, *_: report.undecided(asked, design)
cli.refinement_of = lambda design: refinement.Refinement(design, {}, (), (), (), (), (), ())
main()
"""
"""The front door, where proofs take no time."""
INNER = ("domain", "check", "--help")
"""Those of the inner loop: a command, one that works side by side, and the front door itself."""
EACH = [name if name != "mutants" else pytest.param(name, marks=pytest.mark.deep) for name in RUNS]
CLOSED = {*INNER, "audit", "conform", "claims"}
"""Those of which standard output is closed for every change: one of each part of the program."""
QUICK = [name if name in CLOSED else pytest.param(name, marks=pytest.mark.deep) for name in RUNS if name not in SLOW]
FULL = Path("/dev/full")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A host with a domain, in a folder."""
    folder = tmp_path_factory.mktemp("host") / "state"
    subprocess.run(
        command("domain", "--state", folder, "create", "--name=vm1"), cwd=ROOT, check=True, stdout=subprocess.DEVNULL
    )
    nodes = ("/local", "/local/domain", "/local/domain/0", "/local/domain/0/name")
    (folder / "xenstore.txt").write_text("".join(f'{node} = ""   (n0)\n' for node in nodes))
    return str(folder)


def call(name: str, state: str) -> list[str]:
    arguments = [state if argument == "STATE" else argument for argument in RUNS[name][0]]
    return [sys.executable, "-c", NO_PROOF, *arguments] if name in ("prove", "refine") else command(*arguments)


def run(name: str, state: str, redirected: str) -> subprocess.CompletedProcess[str]:
    """A command in a shell, with these redirections."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirected}', "sh", *call(name, state)],
        cwd=ROOT,
        env=environment(CONFSYNC_STATE=state),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_every_command_is_run() -> None:
    assert {arguments[0] for arguments, _ in RUNS.values()} >= set(COMMANDS)


@pytest.mark.parametrize("name", EACH)
def test_a_full_disk_under_standard_output_is_no_verdict(name: str, state: str) -> None:
    done = run(name, state, f"> {FULL}")
    assert (done.returncode, done.stdout) == (EXIT_FAILED, "")
    assert done.stderr == "confsync: standard output cannot be written: No space left on device\n"


@pytest.mark.parametrize("name", QUICK)
def test_nor_is_a_closed_standard_output(name: str, state: str) -> None:
    done = run(name, state, ">&-")
    assert (done.returncode, done.stdout) == (EXIT_FAILED, "")
    assert done.stderr == "confsync: standard output cannot be written: it is closed\n"


@pytest.mark.parametrize("name", ["audit", "conform", "designs", "domain", "--help"])
def test_where_nobody_reads_on_the_exit_code_is_as_ever(name: str, state: str) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as nobody:
        done = subprocess.run(
            call(name, state),
            cwd=ROOT,
            env=environment(CONFSYNC_STATE=state),
            stdout=nobody,
            stderr=subprocess.PIPE,
            check=False,
            timeout=300,
        )
    assert (done.returncode, done.stderr) == (RUNS[name][1], b"")


@pytest.mark.parametrize("redirected", [f"2> {FULL}", "2>&-", "<&- >&- 2>&-"])
def test_a_message_that_cannot_be_written_changes_no_exit_code(redirected: str, state: str) -> None:
    bad = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirected}', "sh", *command("check", "no_such_design")],
        cwd=ROOT,
        env=environment(CONFSYNC_STATE=state),
        check=False,
    )
    assert bad.returncode == 2


def test_a_command_that_prints_nothing_needs_no_standard_output(state: str) -> None:
    """It is found in good order, and an audit says so; a rename says nothing."""
    rename = command("domain", "--state", state, "rename", "vm1", "vm2")
    done = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", *rename], cwd=ROOT, env=environment(), check=False)
    assert done.returncode == 0


# What is not expected

BROKEN = """
import sys, click

@click.command()
@click.argument("how")
def broken(how):
    if how == "error": raise RuntimeError("a\\nbug")
    if how == "memory": raise MemoryError
    if how == "disk": raise OSError(28, "No space left on device", "/tmp/x")
    if how == "deep": deep()
    if how == "words": sys.exit("some words")
    if how == "interrupt": raise KeyboardInterrupt
    if how == "worker": list(side_by_side(2, 2, lambda i, report: 1 / 0, lambda i, said: None))

def deep():
    deep()

from confsync.model.engine.parallel import side_by_side
from confsync import front_door
front_door.COMMANDS["broken"] = "__main__:broken"
front_door.main()
"""


def broken(how: str, **more: str) -> subprocess.CompletedProcess[str]:
    asked = [sys.executable, "-c", BROKEN, "broken", how]
    return subprocess.run(asked, cwd=ROOT, env=environment(**more), capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("how", "code", "says"),
    [
        (
            "error",
            EXIT_FAILED,
            "confsync: internal error: RuntimeError: a bug (set CONFSYNC_DEBUG=1 for the traceback)",
        ),
        ("memory", EXIT_FAILED, "confsync: out of memory (set"),
        ("disk", EXIT_FAILED, "confsync: /tmp/x: No space left on device (set"),
        ("deep", EXIT_FAILED, "confsync: internal error: RecursionError"),
        ("words", EXIT_FAILED, "confsync: some words"),
        ("worker", EXIT_FAILED, "confsync: internal error: ZeroDivisionError: division by zero (set"),
        ("interrupt", 130, "\nconfsync: interrupted"),
    ],
)
def test_an_error_that_nobody_expects_is_a_line_and_a_code_of_its_own(how: str, code: int, says: str) -> None:
    done = broken(how)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(says)
    assert len(done.stderr.split("\n")) == 2 + (how == "interrupt")


@pytest.mark.parametrize("how", ["error", "worker"])
def test_its_traceback_is_shown_on_demand(how: str) -> None:
    done = broken(how, CONFSYNC_DEBUG="1")
    assert done.returncode == EXIT_FAILED
    assert "Traceback (most recent call last)" in done.stderr
    assert ("In a worker process:" in done.stderr) == (how == "worker")


# The streams


def fails_with(number: int, monkeypatch: pytest.MonkeyPatch) -> Descriptor:
    def write(_number: int, _data: bytes) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "write", write)
    stream = Descriptor(1)
    assert stream.write(b"all of it") == len(b"all of it")
    return stream


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EBADF])
def test_what_cannot_be_written_is_remembered(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    error = fails_with(number, monkeypatch).error
    assert error
    assert error.errno == number


def test_a_reader_that_went_away_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fails_with(errno.EPIPE, monkeypatch).error is None


def test_a_slow_reader_of_a_pipe_that_does_not_block_gets_all() -> None:
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    text = bytes(range(256)) * 2048
    stream, came = Descriptor(write_end), bytearray()

    def read() -> None:
        while data := os.read(read_end, 1000):
            came.extend(data)

    reader = threading.Thread(target=read)
    reader.start()
    assert stream.write(text) == len(text)
    os.close(write_end)
    reader.join()
    os.close(read_end)
    assert (bytes(came), stream.error) == (text, None)
