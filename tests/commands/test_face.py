"""What `import confsync` gives: the examples are true, the names are typed, and nothing is imported early."""

from __future__ import annotations

import ast
import doctest
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from places import ROOT
from processes import environment

import confsync
from confsync import DESIGNS, RECOMMENDED, Bounds, Verdict, check, conform, prove, questions

SOURCE = Path(str(confsync.__file__))
TINY = Bounds(slots=1, ejectable=0, configs=1, names=1, amounts=1, processes=1, crashes=0)
LOCKED = DESIGNS[RECOMMENDED]


def ran(examples: doctest.DocTest) -> int:
    """Run examples. -> how many there were"""
    told: list[str] = []
    results = doctest.DocTestRunner().run(examples, out=told.append)
    assert results.failed == 0, "".join(told)
    return results.attempted


@pytest.mark.slow
def test_the_examples_of_the_face() -> None:
    assert sum(ran(test) for test in doctest.DocTestFinder().find(confsync)) >= 5


@pytest.mark.slow
def test_the_examples_of_what_can_be_asked() -> None:
    found = {test.name: ran(test) for test in doctest.DocTestFinder().find(questions) if test.examples}
    assert sorted(found) == [f"confsync.questions.{name}" for name in ("check", "conform", "story")]


@pytest.mark.slow
def test_the_example_of_the_readme() -> None:
    blocks = re.findall(r"^```python\n(>>> .*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    assert len(blocks) == 1
    assert ran(doctest.DocTestParser().get_doctest(blocks[0], {}, "README.md", "README.md", 0)) >= 3


def test_an_example_that_is_not_so_is_noticed() -> None:
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    with pytest.raises(AssertionError, match="Expected"):
        ran(wrong)


def test_the_face_fits_a_page() -> None:
    assert len(SOURCE.read_text(encoding="utf-8").splitlines()) <= 80


def test_each_name_is_typed_where_it_is_looked_up() -> None:
    """What a type checker reads and what happens at run time are the same."""
    typed = {
        alias.asname or alias.name: str(node.module)
        for branch in ast.parse(SOURCE.read_text(encoding="utf-8")).body
        if isinstance(branch, ast.If)
        for node in branch.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    looked_up = {name: module for module, names in confsync._FROM.items() for name in names}
    assert typed == looked_up
    assert set(confsync.__all__) == typed.keys()
    for name, module in typed.items():
        assert getattr(confsync, name) is getattr(sys.modules[module], name)


def test_what_is_not_there_is_said_as_of_any_module() -> None:
    with pytest.raises(AttributeError, match="module 'confsync' has no attribute 'chekc'"):
        confsync.chekc  # noqa: B018
    assert set(confsync.__all__) <= set(dir(confsync))


def test_importing_it_imports_no_part_and_no_library() -> None:
    code = "import sys; old = set(sys.modules); import confsync; print(*sorted(sys.modules.keys() - old))"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    found = set(done.stdout.split())
    assert "confsync" in found
    assert {name for name in found if name.partition(".")[0] not in sys.stdlib_module_names} == {"confsync"}


def test_a_design_of_one_s_own() -> None:
    """The same steps without a lock: the search finds what the lock is for."""
    from confsync.model.libxl.steps import drop_lock, take_lock  # noqa: PLC0415

    mine = LOCKED.without("mine", "No lock", take_lock, drop_lock)
    bounds = Bounds(slots=1, ejectable=0, configs=1, names=1, amounts=2, processes=2, crashes=0)
    assert check(mine, "knobs_are_reflected", bounds=bounds)["knobs_are_reflected"].verdict is Verdict.REFUTED
    assert check(LOCKED, "knobs_are_reflected", bounds=bounds)["knobs_are_reflected"].verdict is Verdict.EXHAUSTED


def test_without_names_all_properties_are_decided() -> None:
    found = check(LOCKED, bounds=TINY)
    assert list(found) == list(confsync.PROPERTIES)
    assert all(cell.property_name == name for name, cell in found.items())


def test_a_limit_leaves_undecided() -> None:
    cell = check(LOCKED, "xenstore_has_template", bounds=TINY, max_states=2)["xenstore_has_template"]
    assert cell.verdict is Verdict.BOUNDED


@pytest.mark.slow
def test_a_divergence_is_told() -> None:
    report = conform(DESIGNS["as_posted"], "attach", crashes=0)
    assert not report.conforms
    assert report.told[0].steps


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: check(LOCKED, "medium_agree"), "there is no property `medium_agree`: did you mean `medium_agrees`?"),
        (lambda: prove(LOCKED, "medium_agree"), "there is no property `medium_agree`: did you mean `medium_agrees`?"),
        (lambda: conform(LOCKED, "renam"), "there is no operation `renam`: did you mean `rename`?"),
        (lambda: check(LOCKED, bounds=Bounds(processes=0)), "processes=0: it has to be at least 1"),
        (lambda: check(LOCKED, bounds=Bounds(slots=-1)), "slots=-1: it has to be at least 0"),
        (lambda: check(LOCKED, max_states=0), "max_states=0: it has to be at least 1"),
        (lambda: prove(LOCKED, max_states=0), "max_states=0: it has to be at least 1"),
        (lambda: prove(LOCKED, rlimit=0), "rlimit=0: it has to be at least 1"),
        (lambda: conform(processes=0), "processes=0: it has to be at least 1 and at most 8"),
        (lambda: conform(processes=9), "processes=9: it has to be at least 1 and at most 8"),
        (lambda: conform(crashes=-1), "crashes=-1: it has to be at least 0"),
        (lambda: conform(failures=-1), "failures=-1: it has to be at least 0"),
        (lambda: conform(jobs=0), "jobs=0: it has to be at least 1"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(call: Callable[[], object], says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        call()
