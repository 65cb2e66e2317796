"""What several tests share: the numbers of what they tried, told at the end; and whether they may trace a child."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest
from crash.ptrace import refused
from hypothesis import HealthCheck, settings

_POINTS = "points"
_ALL_SLOW = re.compile(r"^pytestmark = .*\bmark\.slow\b", re.MULTILINE)

settings.register_profile(
    "the same each time",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("the same each time")
"""`too_slow` is left out because it is a limit in seconds, which a loaded machine reaches."""
pytest.MonkeyPatch().setattr("hypothesis.internal.conjecture.providers.is_local_module_file", lambda _path: False)
"""Hypothesis also draws constants that it finds in the loaded modules, and which modules are loaded depends on which
tests ran before. Without them each test draws the same values in any order, and alone."""


@dataclass(frozen=True, slots=True)
class Report:
    """Takes numbers for the table at the end."""

    record: Callable[[str, object], None]

    def add(self, title: str, points: int, failures: int) -> None:
        """So many things were tried, and so many failed. Numbers of the same title are added up."""
        self.record(_POINTS, [title, points, failures])


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Report:
    """The table at the end of the run."""
    return Report(record_property)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where slow tests are left out (`make quick`), do not import a module that is slow as a whole: imports take as
    long as the tests of the inner loop."""
    if collection_path.suffix != ".py" or not str(config.option.markexpr).startswith("(not slow or quick)"):
        return None
    text = collection_path.read_text(encoding="utf-8")
    return True if _ALL_SLOW.search(text) and "mark.quick" not in text else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the seed of the tests' order, and the table, if there is anything in it."""
    seed = config.getoption("randomly_seed", None)
    if seed is not None:
        terminalreporter.write_line(f"random order: the same again with -p randomly --randomly-seed={seed}")
    rows: dict[str, list[int]] = {}
    for reports in terminalreporter.stats.values():
        for test in reports:
            if getattr(test, "when", None) == "call":
                for name, value in test.user_properties:
                    if name == _POINTS:
                        title, points, failures = value
                        row = rows.setdefault(title, [0, 0])
                        row[0], row[1] = row[0] + points, row[1] + failures
    if rows:
        width = max(map(len, rows))
        terminalreporter.section("points tried")
        for title, (points, failures) in sorted(rows.items()):
            terminalreporter.write_line(f"{title:{width}}  {points:9,} tried  {failures:5,} failed")


@pytest.fixture(scope="session")
def ptrace() -> None:
    """A test that uses this traces children. Where that is not permitted it is skipped, loudly; it fails if CI=true."""
    refusal = refused()
    if refusal:
        cannot_trace(refusal)


def cannot_trace(refusal: str) -> NoReturn:
    """Say that something is not tested, and why."""
    if os.environ.get("CI") == "true":
        pytest.fail(refusal)
    pytest.skip(f"NOT TESTED: death at each system call: {refusal}")
