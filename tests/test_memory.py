"""The default memory limit of a search, and what it says where it is reached."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.check import check
from model.designs import DESIGNS, RECOMMENDED
from model.memory import LEAST, default_limit, left
from model.progress import EVERY, Lines
from model.search.bfs import Limits, Progress
from model.state import Bounds
from model.verdict import Verdict

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
