"""A plugin for pytest that says whether an assertion failed, in the folder of a mutant.

A test kills a mutant only by a failed assertion of its own: an `assert` in the tests, `pytest.fail`, or `pytest.raises`
around what did not raise. A test that fails in another way has judged nothing: an error that the mutant's code raises;
a deadline, a health check or a flaky example of Hypothesis; a fixture that fails; an `assert` in the code under test.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from types import TracebackType

import pytest
from hypothesis.errors import HypothesisException

from confsync.proofs.mutants.said import Said, Word, wrong_project
from confsync.proofs.mutants.started import end_with_who_started_me

PROJECT = ("benchmarks", "confsync", "impl", "model", "proofs", "terminal", "tests")
"""The folders of the project that Python imports from; the virtual environment may be another one in the checkout."""
NO_PROGRAM = (ImportError, SyntaxError, NameError)
"""What a mutant that is no program fails with. Whatever other tests say of it then does not count."""


class Witness:
    """Notes what the tests of one session do, and tells at the end."""

    def __init__(self, config: pytest.Config) -> None:
        self._root = config.rootpath.resolve()
        self._named = [argument for argument in config.args if "::" in argument]
        self._died: list[Said] = []
        self._killed: list[Said] = []
        self._passed: list[str] = []
        self._skipped: list[str] = []

    def pytest_sessionstart(self) -> None:
        """Refuse to judge another project."""
        end_with_who_started_me()
        if wrong := wrong_project():
            Said(Word.DIED, wrong).tell()
            pytest.exit(wrong, returncode=1)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that can't be collected judges nothing."""
        if report.failed:
            last = (report.longreprtext.strip().splitlines() or [""])[-1]
            self._died.append(Said(Word.DIED, f"{report.nodeid} cannot be collected: {last}"))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note one phase of a test. The session stops at the first kill, and at what shows that there is no program."""
        report = yield
        if report.failed:
            error = call.excinfo.value if call.excinfo else None
            said = self._judged(report, error)
            (self._killed if said.word is Word.KILLED else self._died).append(said)
            if said.word is Word.KILLED or isinstance(error, NO_PROGRAM):
                item.session.shouldstop = said.why or "it failed"
        elif report.skipped:
            self._skipped.append(report.nodeid)
        elif report.when == "call":
            self._passed.append(report.nodeid)
        return report

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Tell the first kill; or else the first death; or that all passed."""
        (*self._killed, *self._died, self._otherwise(exitstatus))[0].tell()

    def _judged(self, report: pytest.TestReport, error: BaseException | None) -> Said:
        if error is None:
            return Said(Word.DIED, "it failed without an error", report.nodeid)
        why = (str(error).strip().splitlines() or [""])[0]
        why = f"{type(error).__name__}: {why}" if why else type(error).__name__
        if report.when != "call":
            return Said(Word.DIED, f"{report.when}: {why}", report.nodeid)
        killed = is_failed_assertion(error, self._root)
        return Said(Word.KILLED if killed else Word.DIED, why, report.nodeid)

    def _otherwise(self, exitstatus: int) -> Said:
        if exitstatus != pytest.ExitCode.OK:
            return Said(Word.DIED, f"pytest ended with {exitstatus!r}")
        for named in self._named:
            if skipped := [test for test in self._skipped if _is_of(test, named)]:
                return Said(Word.DIED, "it was skipped", skipped[0])
            if not any(_is_of(test, named) for test in self._passed):
                return Said(Word.DIED, "it did not run", named)
        return Said(Word.PASSED) if self._passed else Said(Word.DIED, "no test ran")


def is_failed_assertion(error: BaseException, root: Path) -> bool:
    """Whether a test failed by an assertion of its own. `root`: the folder of the project, its tests in `tests`."""
    if isinstance(error, HypothesisException):  # among them a group of errors: what failed once and not again
        return False
    if isinstance(error, BaseExceptionGroup):
        return all(is_failed_assertion(one, root) for one in error.exceptions)
    if not isinstance(error, (AssertionError, pytest.fail.Exception)):
        return False
    return _raised_in(error.__traceback__, root) == "tests"


def _raised_in(traceback: TracebackType | None, root: Path) -> str:
    """The folder of the project whose code was called last; frames of libraries do not count."""
    found = ""
    while traceback:
        file = Path(traceback.tb_frame.f_code.co_filename).resolve()
        if file.is_relative_to(root) and (part := file.relative_to(root).parts[0]) in PROJECT:
            found = part
        traceback = traceback.tb_next
    return found


def _is_of(test: str, named: str) -> bool:
    return test == named or test.startswith(f"{named}[")


def pytest_configure(config: pytest.Config) -> None:
    """Start to witness."""
    config.pluginmanager.register(Witness(config), "confsync-witness")
