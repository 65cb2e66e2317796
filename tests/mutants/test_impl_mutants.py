"""Each mutant of the implementation is noticed by the judge that is said to notice it, and a judge that fell over
something else has noticed nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from confsync.proofs.mutants import judges
from confsync.proofs.mutants.apply import ROOT
from confsync.proofs.mutants.catalogue import CHECKER, CHECKER_SAMPLE, EQUIVALENT, IMPLEMENTATION, MUTANTS, SAMPLE
from confsync.proofs.mutants.cli import mutants, wanted_of
from confsync.proofs.mutants.explored import judge
from confsync.proofs.mutants.judges import UNEXPLORED, Verdict, control
from confsync.proofs.mutants.mutant import Mutant
from confsync.proofs.mutants.said import WHERE, Said, Word
from confsync.proofs.mutants.table import as_json, unlike

pytestmark = pytest.mark.slow

SCRIPT = MUTANTS["script-failure-ignored"]
"""A mutant with a cheap judge; the tests of what judges do with a mutant edit the same place."""


def another(new: str, *, hangs: bool = False) -> Mutant:
    return Mutant("another", SCRIPT.file, SCRIPT.old, new, "", SCRIPT.by, hangs=hangs)


def test_what_the_exploration_runs_is_known() -> None:
    code = (
        "import sys, confsync.proofs.conformance.run; print(*(m for m in sys.modules if m.startswith('confsync.impl')))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.split())
    for mutant in (*IMPLEMENTATION, *(mutant for mutant, _ in EQUIVALENT)):
        assert (mutant.module in loaded) is not mutant.file.startswith(UNEXPLORED), mutant.file


def test_another_implementation_than_the_mutant_is_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = judge("pairs")
    assert said.word is Word.DIED
    assert "is judged, and not the project in" in said.why


@pytest.mark.slow
@pytest.mark.parametrize(
    ("new", "why"),
    [
        ("    import nothing_there\n    if process.returncode:\n", "ModuleNotFoundError"),
        ("    if no_such_name:\n", "NameError"),
    ],
)
def test_a_mutant_that_is_no_program_is_not_noticed(new: str, why: str) -> None:
    found = judges.judge(another(new))
    assert (found.by, found.said.word) == ("", Word.DIED)
    assert why in found.said.why
    assert unlike([found], []) == [f"another: not noticed, and test_hotplug should have: {found.said.why}"]


@pytest.mark.slow
def test_a_mutant_that_cannot_be_imported_is_not_noticed() -> None:
    found = judges.judge(Mutant("another", SCRIPT.file, "TIMEOUT = 40.0", "TIMEOUT = 1 / 0", "", SCRIPT.by))
    assert (found.by, found.said.word) == ("", Word.DIED)
    assert "cannot be imported: ZeroDivisionError" in found.said.why


@pytest.mark.slow
def test_a_mutant_that_is_no_mistake_is_not_noticed() -> None:
    found = judges.judge(another("    if process.returncode != 0:\n"))
    assert (found.by, found.said.word) == ("", Word.PASSED)
    assert not found.as_stated


@pytest.mark.slow
def test_what_does_not_end_is_noticed_only_if_that_is_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judges, "PATIENCE", 2.0)
    monkeypatch.setattr(judges, "SHORT_PATIENCE", 2.0)
    new = "    while True:\n            pass\n        if process.returncode:\n"
    found = judges.judge(another(new))
    assert (found.by, found.said.word) == ("", Word.DIED)
    assert "tests hung: not done after 2 s" in found.said.why
    assert judges.judge(another(new, hangs=True)).as_stated


@pytest.mark.slow
def test_a_judge_that_was_not_stated_is_told() -> None:
    said = Said(Word.KILLED, "why", "trace")
    by_another = Verdict(SCRIPT, "pairs", said, 1.0)
    assert unlike([by_another], []) == [
        "script-failure-ignored: noticed by pairs (killed), and test_hotplug was said to"
    ]
    fails = [("pairs", Said(Word.KILLED, "why"), 1.0)]
    told = json.loads(as_json([Verdict(SCRIPT, SCRIPT.by, said, 1.0)], fails))
    assert told["mutants"][0]["as_stated"]
    assert told["unlike"] == ["the unedited project does not pass pairs, so no kill by it counts: why"]


def test_a_judge_s_word_is_told_where_it_is_awaited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from confsync.proofs.mutants.said import heard  # noqa: PLC0415

    assert heard(tmp_path / "said") is None
    monkeypatch.setenv(WHERE, str(tmp_path / "said"))
    said = Said(Word.KILLED, "why", "trace")
    said.tell()
    assert heard(tmp_path / "said") == said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "none"], "none"),
        (["--only", SCRIPT.id, "--sample", "2"], "--only and --sample exclude each other"),
        (["--only", SCRIPT.id, "--of", "checker"], f"{SCRIPT.id} is a mutant of the implementation: omit --of checker"),
        (["--of", "nothing"], "--of"),
    ],
)
def test_bad_input(arguments: list[str], said: str) -> None:
    ran = CliRunner().invoke(mutants, arguments)
    assert ran.exit_code == 2
    assert said in ran.stderr


EXPLORED = "attach-reads-before-lock"
"""A mutant that an exploration judges."""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", SCRIPT.id], f"{SCRIPT.id} is judged by tests, and an installed confsync has no tests: run"),
        (["--only", EXPLORED, "--only", SCRIPT.id], f"{SCRIPT.id} is judged by tests"),
        (["--of", "checker"], f" and {len(CHECKER) - 1} others are judged by tests"),
    ],
)
def test_without_a_checkout_a_mutant_that_tests_judge_is_refused(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("confsync.proofs.mutants.cli.is_checkout", lambda: False)
    ran = CliRunner().invoke(mutants, arguments)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert said in ran.stderr
    assert f"such as {EXPLORED} (60 in all)" in ran.stderr


def test_without_a_checkout_no_test_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert judges.judges_of(MUTANTS[EXPLORED]) == ("pairs", "deaths", "tests")
    monkeypatch.setattr("confsync.proofs.mutants.judges.is_checkout", lambda: False)
    assert judges.judges_of(MUTANTS[EXPLORED]) == ("pairs", "deaths")


@pytest.mark.parametrize(
    ("of", "sample", "wanted"),
    [
        ("implementation", 2, SAMPLE[:2]),
        ("checker", 2, CHECKER_SAMPLE[:2]),
        ("all", len(SAMPLE) + 1, (*SAMPLE, CHECKER_SAMPLE[0])),
        ("checker", None, tuple(m.id for m in CHECKER)),
        ("all", None, tuple(MUTANTS)),
    ],
)
def test_which_mutants_are_judged(of: str, sample: int | None, wanted: tuple[str, ...]) -> None:
    found = [m.id for m in wanted_of(of, (), sample)]
    assert found == list(wanted) if sample else sorted(found) == sorted(wanted)


@pytest.mark.slow
def test_the_command_judges_the_implementation_as_it_is_first() -> None:
    ran = CliRunner().invoke(mutants, ["--only", SCRIPT.id, "--format", "json", "--jobs", "1"])
    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout)
    assert [(p["judge"], p["word"]) for p in told["unmutated"]] == [("tests", "passed")]
    assert told["mutants"][0]["trace"].startswith("tests/impl/test_hotplug.py::test_a_script_that_fails_says_why")


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLE)
def test_the_sample_is_noticed_as_stated(name: str) -> None:
    found = judges.judge(MUTANTS[name])
    assert found.as_stated, found


@pytest.mark.deep
def test_the_implementation_as_it_is_passes_the_judges_of_the_sample() -> None:
    found = list(control([MUTANTS[name] for name in SAMPLE]))
    assert [name for name, _, _ in found] == ["pairs", "deaths", "tests"]
    assert all(said.word is Word.PASSED for _, said, _ in found), found


@pytest.mark.deep
@pytest.mark.parametrize("name", [m.id for m in IMPLEMENTATION if m.id not in SAMPLE])
def test_every_mutant_is_noticed_as_stated(name: str) -> None:
    found = judges.judge(MUTANTS[name])
    assert found.as_stated, found


@pytest.mark.deep
def test_the_implementation_as_it_is_passes_every_judge() -> None:
    found = list(control(IMPLEMENTATION))
    assert all(said.word is Word.PASSED for _, said, _ in found), found


@pytest.mark.deep
@pytest.mark.parametrize("mutant", [m for m, _ in EQUIVALENT], ids=lambda m: m.id)
def test_what_is_no_mistake_is_not_noticed(mutant: Mutant) -> None:
    found = judges.judge(mutant)
    assert (found.by, found.said.word) == ("", Word.PASSED), found
