"""A plugin of pytest's that tells which test failed first, in a mutant's folder."""

from __future__ import annotations

import pytest

from proofs.mutants.said import Said, Word, wrong_implementation
from proofs.mutants.started import end_with_who_started_me

UNSOUND = ("ImportError", "ModuleNotFoundError", "SyntaxError", "IndentationError", "NameError", "UnboundLocalError")
"""What a mutant that is no Python fails with: no test has noticed anything then."""
_failed: list[Said] = []


def pytest_sessionstart() -> None:
    """Refuse to judge another implementation."""
    end_with_who_started_me()
    if wrong := wrong_implementation():
        Said(Word.DIED, wrong).tell()
        pytest.exit(wrong, returncode=1)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """A file that can't be collected judges nothing."""
    if report.failed:
        _failed.append(Said(Word.DIED, f"{report.nodeid} cannot be collected: {_last_line(report.longreprtext)}"))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Take note of a failure."""
    if report.failed:
        why = _message(report)
        _failed.append(Said(Word.DIED if why.startswith(UNSOUND) else Word.KILLED, why, report.nodeid))


def pytest_sessionfinish(exitstatus: int) -> None:
    """Tell the first, or that all passed."""
    if _failed:
        _failed[0].tell()
    elif exitstatus == pytest.ExitCode.OK:
        Said(Word.PASSED).tell()
    else:
        Said(Word.DIED, f"pytest ended with {exitstatus!r}").tell()


def _message(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    lines = str(crash.message if crash else report.longreprtext).strip().splitlines()
    return lines[0] if lines else "it failed"


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]
