"""`confsync prove` and `confsync matrix`: exit codes, what is printed, and what happens when something is wrong."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator
from junitparser import JUnitXml

from confsync.front_door import main
from confsync.model.engine.verdict import Cell, Verdict
from confsync.model.language import Design
from confsync.model.libxl.designs import DESIGNS
from confsync.model.libxl.state import Bounds
from confsync.model.report import manifest
from confsync.proofs.prover import cli
from confsync.proofs.prover.carrier.relation import Relation
from confsync.proofs.prover.invariant.samples import Samples, take
from confsync.proofs.prover.invariant.vocabulary import atoms
from confsync.proofs.prover.output import schema
from confsync.proofs.prover.report import Asked, Report, report_on

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("prove command")]

BOTH = ("lock_is_exclusive", "template_has_xenstore")
HOLDS, REFUTED = (f"--property={name}" for name in BOTH)
DESIGN = "xenstore_first_locked"
EARLY = """base = "xenstore_first_locked"
attach = [take_lock, read_template, refuse_if_present, write_template, drop_lock, enter_xenstore, allocate]
"""


@cache
def sampled(design: Design) -> Samples:
    """The small states of a design, for all proofs of it that are made here."""
    return take(design, atoms(Relation(design).program))


@cache
def reported(design: Design, *properties: str) -> Report:
    return report_on(Asked((design,), properties, Bounds()), design)


@pytest.fixture(autouse=True)
def _sampled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sampled(DESIGNS[DESIGN])  # here, and not in the processes that a command starts
    monkeypatch.setattr("confsync.proofs.prover.proof.take", lambda design, _: sampled(design))


@pytest.fixture
def _reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of what is said: the same proof is not made again for each of them."""
    reported(DESIGNS[DESIGN], *BOTH)
    monkeypatch.setattr("confsync.proofs.prover.report.report_on", lambda asked, d, *_: reported(d, *asked.properties))


def run(*arguments: str | Path) -> Result:
    """A command; an exception that it does not handle is the test's."""
    result = CliRunner(env={"COLUMNS": None, "FORCE_COLOR": None}).invoke(main, [str(a) for a in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert "Traceback" not in result.output
    return result


def test_what_is_proved_exits_with_0() -> None:
    result = run("prove", DESIGN, HOLDS)
    assert result.exit_code == 0, result.output
    assert re.search(r"lock_is_exclusive +PROVED", result.stdout)
    assert re.search(r"\d+ lemmas; \d+ obligations \(1 initiation, \d+ consecution\)", result.stdout)


@pytest.mark.usefixtures("_reported_once")
def test_what_is_refuted_exits_with_1_and_tells_its_story_with_a_token_that_replays() -> None:
    result = run("prove", DESIGN, HOLDS, REFUTED)
    assert result.exit_code == 1
    assert re.search(r"template_has_xenstore +REFUTED in 3 steps", result.stdout)
    (token,) = re.findall(r"confsync replay '([^']+)'", result.stdout)
    assert run("replay", token).exit_code == 1


def test_a_design_file_of_ones_own_gets_a_trace(tmp_path: Path) -> None:
    path = tmp_path / "early_unlock.py"
    path.write_text(EARLY, encoding="utf-8")
    result = run("prove", path, "--property=xenstore_has_template", HOLDS)
    assert result.exit_code == 1
    assert re.search(r"lock_is_exclusive +PROVED", result.stdout)
    assert re.search(r"xenstore_has_template +REFUTED in \d+ steps", result.stdout)
    assert f"--design-file {path}" in result.stdout.replace("\\\n", "")


def test_what_is_neither_proved_nor_refuted_exits_with_3_and_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A solver without time proves nothing; the search finds nothing; that is no pass."""
    monkeypatch.setattr("confsync.proofs.prover.proof.candidates", lambda *_: [])
    result = run("prove", DESIGN, "--property=xenstore_has_template", "--max-states=2000")
    assert result.exit_code == 3
    assert re.search(r"xenstore_has_template +UNKNOWN", result.stdout)
    assert "not decided: xenstore_has_template" in result.stdout
    assert "stopped at the bound of 2,000 states" in result.stdout


def test_the_json_is_as_its_schema_says() -> None:
    result = run("prove", DESIGN, HOLDS, REFUTED, "--format=json", "--seeds=2")
    reports = json.loads(result.stdout)
    Draft202012Validator(schema()).validate(reports)
    (report,) = reports
    assert {p["property"]: p["verdict"] for p in report["properties"]} == {
        "lock_is_exclusive": "PROVED",
        "template_has_xenstore": "REFUTED",
    }
    assert len(report["stability"]) == len(report["obligations"]) > 50
    names = {f["says"] for f in report["invariant"]}
    assert "at most one process holds `locked`" in names


@pytest.mark.usefixtures("_reported_once")
def test_the_junit_has_a_case_for_each_property_and_each_obligation() -> None:
    result = run("prove", DESIGN, HOLDS, REFUTED, "--format=junit")
    (suite,) = JUnitXml.fromstring(result.stdout.encode())
    cases = {case.name: case for case in suite}
    assert suite.failures == 1
    assert not cases["template_has_xenstore"].is_passed
    assert cases["lock_is_exclusive"].is_passed
    assert cases["initiation: every lemma holds at first"].is_passed


@pytest.mark.quick
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["prove", "nope"], "there is no design `nope`"),
        (["prove", "gone.py"], "gone.py: cannot be read"),
        (["prove", DESIGN, "--property=nope"], "there is no property `nope`"),
        (["prove", DESIGN, HOLDS, "--certificate", __file__], f"{__file__}"),
    ],
)
def test_bad_input_exits_with_2_and_says_what_is_wrong(arguments: list[str], said: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_missing_second_solver_is_said_before_anything_is_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.import_module", _no_cvc5)
    result = run("prove", DESIGN, HOLDS, "--second-opinion")
    assert result.exit_code == 2
    assert "confsync[second]" in result.stderr


def _no_cvc5(name: str) -> None:
    raise ModuleNotFoundError(f"No module named {name!r}", name=name)


# ------------------------------------------------------------------ the matrix

CALM = [
    "--slots=1",
    "--ejectable=0",
    "--configs=1",
    "--names=1",
    "--amounts=1",
    "--crashes=0",
    "--processes=1",
    "--jobs=1",
]


def test_the_matrix_shows_the_words_of_both_engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Asked] = []

    def some(request: Asked, *_: object) -> list[Report]:
        asked.append(request)
        few = Asked(request.designs, ("lock_is_exclusive",), Bounds(), refute=False)
        return [report_on(few, d) for d in request.designs]

    monkeypatch.setattr(cli, "_all_properties", lambda: ("lock_is_exclusive",))
    monkeypatch.setattr(cli, "run", some)
    path = tmp_path / "manifest.json"
    result = run("matrix", DESIGN, *CALM, "--write-manifest", path)
    assert result.exit_code == 0, result.output
    assert asked[0].refute is False
    assert re.search(r"lock_is_exclusive.*PROVED EXHAUSTED", result.stdout)
    assert "proofs for any size in" in result.stdout
    cell = manifest.read(path, Bounds)["designs"][DESIGN]["lock_is_exclusive"]
    assert (cell["verdict"], cell["proof"]) == ("EXHAUSTED", "PROVED")


def test_engines_that_contradict_each_other_are_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A property that the search refutes, and a proof of it: whatever the manifest says, that is no pass."""
    monkeypatch.setattr(cli, "_all_properties", lambda: ("template_has_xenstore",))
    monkeypatch.setattr(cli, "_with_proofs", _all_proved)
    path = tmp_path / "manifest.json"
    run("matrix", DESIGN, *CALM, "--write-manifest", path)
    result = run("matrix", DESIGN, *CALM, "--manifest", path)
    assert result.exit_code == 1
    assert "the engines contradict each other" in result.stdout


def _all_proved(_: object, cells: list[Cell]) -> tuple[list[Cell], bool]:
    return [replace(c, proof=Verdict.PROVED) for c in cells], False
