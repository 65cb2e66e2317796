"""Each mutant of the checker is killed by the test that is stated for it, and the unedited project passes that test."""

from __future__ import annotations

from dataclasses import replace

import pytest

from confsync.proofs.mutants import judges
from confsync.proofs.mutants.catalogue import CHECKER, CHECKER_SAMPLE, MUTANTS
from confsync.proofs.mutants.judges import control
from confsync.proofs.mutants.said import Word
from confsync.proofs.mutants.table import unlike

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", CHECKER_SAMPLE)
def test_the_sample_is_killed_as_stated(name: str) -> None:
    found = judges.judge(MUTANTS[name])
    assert found.as_stated, found


def test_the_unedited_project_passes_the_tests_of_the_sample() -> None:
    (found,) = control([MUTANTS[name] for name in CHECKER_SAMPLE])
    assert found[1].word is Word.PASSED, found


def test_a_named_test_that_fails_by_another_error_kills_nothing() -> None:
    lock = MUTANTS["lock-is-not-waited-for"]
    found = judges.judge(replace(lock, id="another", new="    me.waits_until(neg(s.no_such_field))\n"))
    assert (found.by, found.said.word, found.as_stated) == ("", Word.DIED, False)
    assert "no_such_field" in found.said.why
    assert unlike([found], []) == [f"another: not noticed, and {lock.by} should have: {found.said.why}"]


@pytest.mark.deep
@pytest.mark.parametrize("name", [m.id for m in CHECKER if m.id not in CHECKER_SAMPLE])
def test_every_mutant_is_killed_as_stated(name: str) -> None:
    found = judges.judge(MUTANTS[name])
    assert found.as_stated, found


@pytest.mark.deep
def test_the_unedited_project_passes_every_stated_test() -> None:
    (found,) = control(CHECKER)
    assert found[1].word is Word.PASSED, found
