"""What kills a mutant: a failed assertion of a test, and nothing else that a test can fail with."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis.errors import DeadlineExceeded, FailedHealthCheck, FlakyFailure, Unsatisfiable

from confsync.proofs.mutants import witness
from confsync.proofs.mutants.apply import ROOT
from confsync.proofs.mutants.said import WHERE, Said, Word, heard
from confsync.proofs.mutants.witness import is_failed_assertion

pytestmark = pytest.mark.slow

CODE = """
def checked(x):
    assert x > 0
    return x

def call(back):
    back()
"""


def raised_by(call: Callable[[], object]) -> BaseException:
    try:
        call()
    except BaseException as error:
        return error
    raise LookupError("nothing was raised")


def fails(error: BaseException) -> Callable[[], object]:
    def call() -> None:
        raise error

    return call


def asserts() -> None:
    left = 1
    assert left == 2


def does_not_raise() -> None:
    with pytest.raises(ValueError, match="no"):
        pass


def raises_other_words() -> None:
    with pytest.raises(ValueError, match="no"):
        raise ValueError("yes")


def raises_another() -> None:
    with pytest.raises(ValueError, match="no"):
        raise KeyError("no")


FAILED = {
    "assert": asserts,
    "pytest.fail": lambda: pytest.fail("so"),
    "pytest.raises, nothing raised": does_not_raise,
    "pytest.raises, other words": raises_other_words,
    "a group of assertions": fails(BaseExceptionGroup("two", [raised_by(asserts), raised_by(does_not_raise)])),
}
OTHERS = {
    "a deadline": fails(DeadlineExceeded.__new__(DeadlineExceeded)),
    "a health check": fails(FailedHealthCheck("too slow")),
    "a flaky example": fails(FlakyFailure("once", [AssertionError()])),
    "an unsatisfiable assumption": fails(Unsatisfiable("none")),
    "an undefined name": fails(NameError("x")),
    "another error": fails(KeyError("x")),
    "pytest.raises, another error": raises_another,
    "an assertion and another error": fails(BaseExceptionGroup("two", [raised_by(asserts), KeyError()])),
    "a time limit": fails(TimeoutError()),
    "an interrupt": fails(KeyboardInterrupt()),
}


@pytest.mark.parametrize("call", FAILED.values(), ids=FAILED)
def test_a_failed_assertion(call: Callable[[], object]) -> None:
    assert is_failed_assertion(raised_by(call), ROOT)


@pytest.mark.parametrize("call", OTHERS.values(), ids=OTHERS)
def test_no_failed_assertion(call: Callable[[], object]) -> None:
    assert not is_failed_assertion(raised_by(call), ROOT)


def test_an_assertion_of_the_code_under_test_is_none_of_the_test_s(tmp_path: Path) -> None:
    """A test that runs into an `assert` of the code has compared nothing; one whose code calls back into it has."""
    names: dict[str, Callable[..., object]] = {}
    exec(compile(CODE, str(ROOT / "model" / "code.py"), "exec"), names)
    assert not is_failed_assertion(raised_by(lambda: names["checked"](0)), ROOT)
    assert is_failed_assertion(raised_by(lambda: names["call"](asserts)), ROOT)
    assert not is_failed_assertion(raised_by(asserts), tmp_path), "another project's"


TESTS = """
import os
import pytest
from hypothesis import given, settings, strategies

seen = []

@pytest.fixture
def fixture():
    assert os.environ.get("PWD") == 0

def test_passes(): pass
def test_fails(): assert 1 == 2
def test_errs(): {}["x"]
def test_errs_in_the_fixture(fixture): pass
def test_names(): no_such_name
def test_is_skipped(): pytest.skip("so")
@pytest.mark.deep
def test_is_deep(): assert 1 == 2
@pytest.mark.parametrize("n", [1, 2])
def test_each(n): assert n != 2
@pytest.mark.parametrize("n", [1, 2])
def test_each_errs(n): {1: 1}[n]
@given(strategies.integers())
@settings(database=None)
def test_is_flaky(n):
    seen.append(n)
    assert len(seen) > 1
"""


@pytest.fixture
def judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """What is said of the tests with these names, in a project of their own."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_it.py").write_text(TESTS, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\nmarkers = ['deep']\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(WHERE, str(tmp_path / "said"))
    monkeypatch.setattr(witness, "wrong_project", lambda: "")

    def session(*named: str) -> Said:
        options = ["-q", "-m", "not deep", "-c", "pyproject.toml", "-p", "confsync.proofs.mutants.witness"]
        options += ["-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:randomly", "--import-mode=importlib"]
        sys.modules.pop("tests.test_it", None)  # an earlier session's, of another folder
        pytest.main([*options, *(f"tests/test_it.py::{name}" for name in named)])
        return heard(tmp_path / "said") or Said(Word.HUNG, "nothing was told")

    return session


def later(*values: object) -> object:
    """A case for the deep tests: a session costs seconds."""
    return pytest.param(*values, marks=pytest.mark.deep)


@pytest.mark.parametrize(
    ("named", "word", "why", "trace"),
    [
        later(("test_passes",), Word.PASSED, "", ""),
        (("test_fails",), Word.KILLED, "AssertionError: assert 1 == 2", "test_fails"),
        later(("test_errs",), Word.DIED, "KeyError: 'x'", "test_errs"),
        (("test_errs_in_the_fixture",), Word.DIED, "setup: AssertionError: ", "test_errs_in_the_fixture"),
        later(("test_errs", "test_passes", "test_fails"), Word.KILLED, "AssertionError: assert 1 == 2", "test_fails"),
        (("test_names", "test_fails"), Word.DIED, "NameError: name 'no_such_name' is not defined", "test_names"),
        later(("test_is_skipped", "test_passes"), Word.DIED, "it was skipped", "test_is_skipped"),
        later(("test_is_deep", "test_passes"), Word.DIED, "it did not run", "test_is_deep"),
        later(("test_is_deep",), Word.DIED, "pytest ended with", ""),
        later(("test_is_not_there",), Word.DIED, "pytest ended with", ""),
        later(("test_each",), Word.KILLED, "AssertionError: assert 2 != 2", "test_each[2]"),
        later(("test_each_errs",), Word.DIED, "KeyError: 2", "test_each_errs[2]"),
        later(("test_is_flaky",), Word.DIED, "FlakyFailure: ", "test_is_flaky"),
    ],
)
def test_the_word_of_a_session(
    judged: Callable[..., Said], named: tuple[str, ...], word: Word, why: str, trace: str
) -> None:
    said = judged(*named)
    assert said.word is word, said
    assert said.why.startswith(why)
    assert said.trace == (f"tests/test_it.py::{trace}" if trace else "")
