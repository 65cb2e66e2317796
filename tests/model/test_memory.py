"""Limits of memory: the default, what is said where one is reached, by each command; and lines of progress."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT
from processes import command, environment

from confsync.model.engine.check import check
from confsync.model.engine.memory import LEAST, LimitReached, Meter, default_limit, left
from confsync.model.engine.parallel import Reporter, side_by_side
from confsync.model.engine.search.bfs import Limits, Progress
from confsync.model.engine.verdict import Verdict
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.state import Bounds
from confsync.model.report.progress import EVERY, Lines

GIB = 2**30


@pytest.mark.parametrize(
    ("jobs", "available", "limit"), [(1, 8 * GIB, 4 * GIB), (4, 8 * GIB, GIB), (0, 2 * GIB, GIB), (64, GIB, LEAST)]
)
def test_the_jobs_share_half_of_what_is_free(jobs: int, available: int, limit: int) -> None:
    assert default_limit(jobs, available) == limit


def test_the_cgroup_has_its_say(tmp_path: Path) -> None:
    meminfo, limit, used = tmp_path / "meminfo", tmp_path / "max", tmp_path / "current"
    assert left(meminfo, limit, used) is None
    meminfo.write_text("MemTotal:  9000 kB\nMemAvailable:    2000 kB\n", encoding="ascii")
    assert left(meminfo, limit, used) == 2000 * 1024
    limit.write_text("max\n", encoding="ascii")
    used.write_text("1000\n", encoding="ascii")
    assert left(meminfo, limit, used) == 2000 * 1024
    limit.write_text("5000\n", encoding="ascii")
    assert left(meminfo, limit, used) == 4000


def test_a_limit_of_memory_names_the_option_that_raises_it() -> None:
    small = Bounds(configs=1, names=1, amounts=1, crashes=0)
    (cell,) = check(DESIGNS[RECOMMENDED], small, ["no_lost_update"], limits=Limits(max_bytes=1)).cells
    assert cell.verdict is Verdict.BOUNDED
    assert "--max-memory" in cell.stopped


def test_a_line_of_progress_comes_now_and_then_for_each_design() -> None:
    now, said = 0.0, list[str]()
    lines = Lines(said.append, lambda: now)
    here = Progress(states=1200, frontier=10, depth=7, transitions=5000, seconds=2.0, nbytes=3 * 2**20)
    lines.search("a", here)
    now = EVERY - 1
    lines.search("a", here)
    lines.search("b", here)
    assert said == []
    now = EVERY
    lines.search("a", here)
    lines.search("a", here)
    lines.search("b", here)
    assert said == ["confsync: searching a: 1,200 states, 600 a second, depth 7, 3 MiB"]
    lines.search("a", None)
    now = 2 * EVERY
    lines.search("b", here)
    assert len(said) == 2


RUNS = {
    "check": (("check", RECOMMENDED, "--property=retrieve_is_exact"), "stopped at the bound of 1 MiB of memory"),
    "prove": (("prove", RECOMMENDED), "stopped at the bound of 1 MiB of memory (--max-memory raises it): UNKNOWN is"),
    "refine": (("refine",), f"{RECOMMENDED}: stopped at the bound of 1 MiB of memory"),
    "conform": (("conform", "--jobs=2"), "stopped at the bound of 1 MiB of memory (--max-memory raises it): not all"),
    "conform walks": (("conform", "--scheduler=random"), "stopped at the bound of 1 MiB of memory"),
    "conform external": (
        ("conform", "--external", f"perl {ROOT / 'examples' / 'toolstack.pl'}"),
        "stopped at the bound of 1 MiB of memory (--max-memory raises it): not all was explored",
    ),
}
"""By name, the arguments, and what is said of the limit."""


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_every_command_that_can_grow_ends_at_the_limit(name: str) -> None:
    """With what is decided so far, the limit and the option that raises it in one line, and exit code 3."""
    arguments, said = RUNS[name]
    result = subprocess.run(
        command(*arguments, "--max-memory=1M"), env=environment(), capture_output=True, text=True, check=False
    )
    assert result.returncode == 3, result.stderr
    assert all(line.startswith("confsync: ") for line in result.stderr.splitlines()), result.stderr
    assert said in " ".join(result.stdout.split())


@pytest.mark.slow
def test_what_work_has_left_counts_where_it_grows_too_large() -> None:
    """Work that never reports again, as in a solver, is ended too; the other piece comes to its end."""

    def work(i: int, report: Reporter[str, str]) -> str:
        if i == 1:
            return "whole"
        report.so_far("so far")
        held = []
        while True:
            held.append(bytearray(2**22))

    def unfinished(i: int, so_far: str | None, stopped: str) -> str:
        return f"{i}: {so_far}, {stopped}"

    found = list(side_by_side(2, 1, work, lambda _i, _p: None, unfinished=unfinished, max_bytes=2**26))
    assert found == ["0: so far, the bound of 64 MiB of memory (--max-memory raises it)", "whole"]


def test_a_meter_counts_from_when_it_was_made() -> None:
    # Of more than 32 MiB the allocator has a mapping of its own, and does not take what was freed before.
    kept = bytearray(b"x") * 2**27
    meter = Meter(2**24)
    meter.check()
    more = bytearray(b"x") * 2**27
    assert 2**26 < meter.grown() < 2**29
    with pytest.raises(LimitReached, match=r"the bound of 16 MiB of memory \(--max-memory raises it\)"):
        meter.check()
    assert len(kept) == len(more)
    assert Meter(None).reached() == ""
    assert Meter(1, process=2**22 + 1).grown() == 0


def test_progress_is_told_again_of_work_that_says_nothing() -> None:
    """A worker tells once what it does; who waits for it is told that again until it is done."""
    told: list[str | None] = []

    def on_progress(_piece: int, said: str | None) -> None:
        told.append(said)
        if len(told) == 3:
            os.write(go, b"!")

    def work(_piece: int, report: Reporter[str, str]) -> str:
        report("at work")
        os.read(wait, 1)
        return "done"

    wait, go = os.pipe()
    assert list(side_by_side(1, 1, work, on_progress, unfinished=lambda _i, _r, s: s)) == ["done"]
    assert told[:3] == ["at work"] * 3
    assert told[-1] is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("check", RECOMMENDED), f"confsync: searching {RECOMMENDED}: "),
        pytest.param(
            ("matrix", RECOMMENDED, "--no-proofs"), f"confsync: searching {RECOMMENDED}: ", marks=pytest.mark.deep
        ),
        pytest.param(("prove", RECOMMENDED), f"confsync: proving {RECOMMENDED}: ", marks=pytest.mark.deep),
        pytest.param(("refine",), f"confsync: refining {RECOMMENDED}: ", marks=pytest.mark.deep),
        (("conform", "--operations=rename", "--jobs=1"), "confsync: exploring 2 processes, 1 death, 0 failures: "),
        pytest.param(("mutants", "--only=script-failure-ignored", "--jobs=1"), "confsync: ", marks=pytest.mark.deep),
    ],
    ids=lambda x: x[0] if isinstance(x, tuple) else "",
)
def test_every_long_command_tells_how_far_it_is(arguments: tuple[str, ...], says: str) -> None:
    """Where standard error is no terminal: a line each time when it is time, on standard error and nowhere else."""
    at_once = (
        "from confsync.model.report import progress; progress.EVERY = 0.0; from confsync.front_door import main; main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", at_once, *arguments], env=environment(), capture_output=True, text=True, check=False
    )
    lines = result.stderr.splitlines()
    assert lines
    assert all(line.startswith(says) for line in lines)
    assert says not in result.stdout
