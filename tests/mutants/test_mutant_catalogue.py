"""The mutants' edits: each has its place, gives another program, and names a judge that there is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import CodeType

import pytest

from confsync.proofs.mutants import judges
from confsync.proofs.mutants.apply import ROOT, NotApplicable, edited, lay_out, line_of, source_of
from confsync.proofs.mutants.catalogue import ALL, CHECKER, CHECKER_SAMPLE, EQUIVALENT, IMPLEMENTATION, MUTANTS, SAMPLE
from confsync.proofs.mutants.explored import SCOPES
from confsync.proofs.mutants.mutant import Mutant, Subject

pytestmark = pytest.mark.slow

EDITED = [*ALL, *(mutant for mutant, _ in EQUIVALENT)]
ATTACH = "impl/operations/attach.py"


def test_each_has_its_own_name_and_edit() -> None:
    assert len({m.id for m in EDITED}) == len(EDITED)
    assert len({(m.file, edited(m)) for m in EDITED}) == len(EDITED)


def test_there_are_enough() -> None:
    assert len(IMPLEMENTATION) >= 200
    assert len(CHECKER) >= 60


def test_each_is_of_what_its_list_says() -> None:
    assert {m.subject for m in IMPLEMENTATION} == {Subject.IMPLEMENTATION}
    assert {m.subject for m in CHECKER} == {Subject.CHECKER}
    assert MUTANTS.keys() == {m.id for m in ALL}


def program(text: str) -> object:
    """What a module's text is compiled to, but for the numbers of its lines."""

    def without_lines(part: object) -> object:
        if not isinstance(part, CodeType):
            return type(part), part
        names = (part.co_names, part.co_varnames, part.co_freevars, part.co_cellvars)
        return part.co_code, names, part.co_exceptiontable, [without_lines(constant) for constant in part.co_consts]

    return without_lines(compile(text, "module", "exec", dont_inherit=True))


def test_an_edit_has_its_place_and_is_another_program() -> None:
    before = {m.file: source_of(m) for m in EDITED}
    programs = {file: program(text) for file, text in before.items()}
    for m in EDITED:
        assert program(edited(m)) != programs[m.file], f"{m.id} is the same program"
        assert 1 <= line_of(m) <= before[m.file].count("\n") + 1, m.id
        assert m.says, m.id


def test_layout_and_comments_are_no_other_program() -> None:
    assert program("x = 1\n") == program("\n\nx = (1)  # one\n")
    assert program("x = 1\n") != program("x = True\n")
    assert program("def f(): return 1\n") != program("def f(): return 2\n")


def test_no_edit_takes_away_what_a_name_stands_for(tmp_path: Path) -> None:
    """A mutant that falls over an undefined name is no mistake that a check would have to notice."""
    for mutant in EDITED:
        (tmp_path / f"{mutant.id}.py").write_text(edited(mutant), encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--quiet", "--select", "F821,F823,E9"]
    found = subprocess.run([*ruff, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (found.stdout, found.stderr, found.returncode) == ("", "", 0)


def test_the_stated_judge_of_the_implementation_is_there() -> None:
    for m in (*IMPLEMENTATION, *(mutant for mutant, _ in EQUIVALENT)):
        assert m.by in SCOPES or m.by in judges.tests_of(m), m.id
        assert all((ROOT / judges.file_of(name)).is_file() for name in judges.tests_of(m)), m.id


def test_the_stated_judge_of_the_checker_is_a_test() -> None:
    for m in CHECKER:
        file, _, name = m.by.partition("::")
        path = judges.file_of(file.removesuffix(".py"))
        text = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^def {re.escape(name.partition('[')[0])}\(", text, re.MULTILINE), m.id
        assert m.file != path, f"{m.id} is a mutant of its own judge"


def test_the_samples_are_spread() -> None:
    assert {m.id for m in IMPLEMENTATION} >= set(SAMPLE)
    assert {m.id for m in CHECKER} >= set(CHECKER_SAMPLE)
    by = {MUTANTS[name].by for name in SAMPLE}
    assert {"pairs", "deaths"} < by
    assert len(by) > 5
    assert len(CHECKER_SAMPLE) >= 10
    assert len({MUTANTS[name].file for name in CHECKER_SAMPLE}) >= 8


def test_an_edit_whose_place_is_gone_or_not_the_only_one_is_refused(tmp_path: Path) -> None:
    gone = Mutant("gone", ATTACH, "no such text", "", "", "pairs")
    twice = Mutant("twice", ATTACH, "await", "", "", "pairs")
    with pytest.raises(NotApplicable, match=r"gone: its text stands in impl/operations/attach.py 0 times"):
        lay_out(tmp_path / "gone", gone)
    with pytest.raises(NotApplicable, match=r"twice: its text stands in impl/operations/attach.py \d\d times"):
        edited(twice)
    with pytest.raises(NotApplicable, match="cannot be read"):
        edited(Mutant("none", "impl/operations/none.py", "", "", "", "pairs"))


def test_a_mutant_is_laid_out_without_compiled_files_and_the_checkout_stays_as_it_is(tmp_path: Path) -> None:
    mutant = Mutant("one", ATTACH, '"""', "'''", "", "pairs")
    with pytest.raises(NotApplicable):
        lay_out(tmp_path, mutant)
    before = (ROOT / "model" / "language" / "step.py").read_text(encoding="utf-8")
    mutant = Mutant("two", "model/language/step.py", before, "pass\n", "", "test_step.py::test_step")
    lay_out(tmp_path, mutant)
    assert (tmp_path / "model" / "language" / "step.py").read_text(encoding="utf-8") == "pass\n"
    assert (ROOT / "model" / "language" / "step.py").read_text(encoding="utf-8") == before
    assert not list(tmp_path.rglob("*.pyc"))
    assert (tmp_path / "confsync" / "model" / "language" / "step.py").resolve() == (
        tmp_path / "model" / "language" / "step.py"
    ).resolve()
    for folder in ("confsync", "impl", "model", "proofs", "terminal", "tests"):
        copied = {p.relative_to(tmp_path) for p in (tmp_path / folder).rglob("*.py")}
        assert copied == {p.relative_to(ROOT) for p in (ROOT / folder).rglob("*.py")}
