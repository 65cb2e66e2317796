"""The commands: exit codes, what is printed and where, and what happens when something is wrong."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from junitparser import JUnitXml
from places import DATA
from processes import LONG

from confsync.front_door import main
from confsync.model.engine.check import Examination
from confsync.model.libxl.claims import CLAIMS
from confsync.model.libxl.designs import DESIGNS
from confsync.model.libxl.properties import PROPERTIES
from confsync.model.report.output import schema

pytestmark = pytest.mark.slow

OBSERVED = DATA / "observed"
TERMINAL = ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
"""What else in the environment would say what standard output is."""
TINY = ["--slots=1", "--ejectable=0", "--configs=1", "--names=1", "--amounts=1", "--jobs=1"]
CALM = [*TINY, "--crashes=0", "--processes=1"]
HOLDS, REFUTED = ["--property=xenstore_has_template"], ["--property=template_has_xenstore"]
EARLY = """base = "xenstore_first_locked"
attach = [take_lock, read_template, refuse_if_present, write_template, drop_lock, enter_xenstore, allocate]
"""


def run(*arguments: str | Path) -> Result:
    """A command; an exception that it does not handle is the test's."""
    result = CliRunner(env=dict.fromkeys(TERMINAL)).invoke(main, [str(a) for a in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert "Traceback" not in result.output
    return result


def environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k not in TERMINAL}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "confsync", *arguments]


@pytest.fixture
def early(tmp_path: Path) -> Path:
    path = tmp_path / "early_unlock.py"
    path.write_text(EARLY, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def token() -> str:
    """Of a short counterexample."""
    result = run("check", "xenstore_first_locked", *REFUTED, *TINY, "--format=json")
    (cell,) = json.loads(result.stdout)
    assert cell["verdict"] == "REFUTED"
    return str(cell["token"])


# Exit codes


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["check", "xenstore_first_locked", *HOLDS, *CALM], 0),
        (["check", "xenstore_first_locked", *REFUTED, *TINY], 1),
        (["check", "xenstore_first_locked", *REFUTED, *TINY, "--format=json"], 1),
        (["check", "xenstore_first_locked", *REFUTED, *TINY, "--format=junit"], 1),
        (["check", "xenstore_first_locked", *HOLDS, *TINY, "--max-states=100"], 3),
        (["check", "xenstore_first_locked", "xenstore_first", *HOLDS, *TINY, "--jobs=2", "--max-states=100"], 3),
        (["matrix", "xenstore_first_locked", "--no-proofs", *CALM], 1),
        (["matrix", "xenstore_first_locked", "--no-proofs", *CALM, "--max-states=1"], 3),
        pytest.param(["claims", *CALM, "--slots=0"], 0, marks=pytest.mark.slow),
        pytest.param(["claims", *CALM, "--max-states=1"], 3, marks=pytest.mark.slow),
        (["designs"], 0),
        (["designs", "json_first"], 0),
        (["properties"], 0),
        ([], 2),
        (["--help"], 0),
        (["check", "--help"], 0),
        (["--version"], 0),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else str(v),
)
def test_exit_codes(arguments: list[str], code: int) -> None:
    assert run(*arguments).exit_code == code


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "nope"], "there is no design `nope`: `confsync designs` lists them"),
        (["matrix", "nope"], "there is no design `nope`"),
        (["designs", "nope"], "there is no design `nope`"),
        (["check", "--property=nope"], "there is no property `nope`: `confsync properties` lists them"),
        (["check", "--slots=99"], "99 is not in the range"),
        (["check", "--slots=-1"], "-1 is not in the range"),
        (["check", "--processes=0"], "0 is not in the range"),
        (["check", "--configs=two"], "'two' is not a valid integer"),
        (["check", "--jobs=0"], "0 is not in the range"),
        (["check", "--max-states=0"], "0 is not in the range"),
        (["check", "--max-memory=5"], "is no size of at least 1M"),
        (["check", "--max-memory=-1G"], "is no size of at least 1M"),
        (["check", "--max-memory=lots"], "is no size of at least 1M"),
        (["check", "--format=yaml"], "'yaml' is not one of"),
        (["check", "--nope"], "No such option"),
        (["frobnicate"], "there is no command `frobnicate`"),
        (["check", "--design-file=gone.py"], "gone.py: cannot be read"),
        (["matrix", "--design-file=gone.py"], "gone.py: cannot be read"),
        (["replay", "x:y:z:0.0:0", "--design-file=gone.py"], "does not say the bounds"),
        (["check", "--observed=gone"], "gone: there is no such file"),
        (["check", f"--observed={__file__}"], "is no line of a trace"),
        (["check", f"--observed={OBSERVED / 'hosts' / '010-create-pv-paused' / 'case.json'}"], "confsync: "),
        (["replay", "nope"], "is no replay token"),
        (["replay", ""], "is no replay token"),
        (["replay", "nope:medium_agrees:s1e1c2n1a2p2k1:0.0:0"], "is of design `nope`: name its file"),
        (["replay", "json_first:nope:s1e1c2n1a2p2k1:0.0:0"], "in the token: there is no property `nope`"),
        (["replay", "json_first:medium_agrees:s1:0.0:0"], "does not say the bounds"),
        (["replay", "json_first:medium_agrees:s1e1c2n1a2p2k1:zero:0"], "are no choices"),
        (["replay", "json_first:medium_agrees:s1e1c2n1a2p2k1:9.0:0"], "process 9's, and there are 2"),
        (["replay", "json_first:medium_agrees:s1e1c2n1a2p0k1::00000000"], "processes=0"),
        (["replay", "json_first:medium_agrees:s1e1c2n1a2p999k1::00000000"], "processes=999"),
        (["replay", "json_first:medium_agrees:s999e1c2n1a2p2k1::00000000"], "slots=999"),
        (["check", "json_first", "--slots=16", "--configs=16"], "so take smaller bounds"),
        (["check", "json_first", "as_posted", "--slots=16", "--configs=16", "--jobs=2"], "so take smaller bounds"),
    ],
    ids=lambda v: v if isinstance(v, str) else " ".join(v)[-60:],
)
def test_what_is_asked_wrong_is_said_with_code_2(arguments: list[str], said: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


# check


def test_json_is_as_its_schema_says() -> None:
    result = run("check", "xenstore_first_locked", "json_first", *TINY, "--format=json")
    cells = json.loads(result.stdout)
    Draft202012Validator(schema()).validate(cells)
    assert [(c["design"], c["property"]) for c in cells] == [
        (d, p) for d in ("xenstore_first_locked", "json_first") for p in PROPERTIES
    ]


def test_junit_can_be_read() -> None:
    result = run("check", "xenstore_first_locked", *TINY, "--format=junit")
    (suite,) = JUnitXml.fromstring(result.stdout.encode())
    assert (suite.name, suite.tests, suite.failures) == ("xenstore_first_locked", len(PROPERTIES), 1)


def test_side_by_side_is_as_one_after_the_other() -> None:
    def cells(*options: str) -> list[dict[str, object]]:
        asked = ["as_posted", "json_first", "xenstore_first", *HOLDS, *REFUTED, *TINY]
        found = run("check", *asked, "--format=json", *options).stdout
        return [{k: v for k, v in c.items() if k != "seconds"} for c in json.loads(found)]

    assert cells("--jobs=1") == cells("--jobs=3")


def test_symmetry_changes_counts_and_no_verdict() -> None:
    def cells(*options: str) -> list[dict[str, object]]:
        drive = ["--slots=0", "--ejectable=1", "--configs=2", "--names=1", "--amounts=1", "--jobs=1"]
        asked = ["xenstore_first", *HOLDS, *REFUTED, "--property=medium_agrees", *drive]
        return list(json.loads(run("check", *asked, "--format=json", *options).stdout))

    plain, told_apart = cells(), cells("--no-symmetry")
    for key in ("property", "verdict", "vacuous"):
        assert [c[key] for c in plain] == [c[key] for c in told_apart]
    lengths = [[c["depth"] for c in cs if c["verdict"] == "REFUTED"] for cs in (plain, told_apart)]
    assert lengths[0] == lengths[1]
    assert sum(int(str(c["states"])) for c in plain) < sum(int(str(c["states"])) for c in told_apart)


MEMORY = "the bound of 1 MiB of memory (--max-memory raises it)"


@pytest.mark.parametrize(
    ("options", "limit"),
    [(["--max-states=100", *TINY], "the bound of 100 states"), (["--max-memory=1M"], MEMORY)],
    ids=["states", "memory"],
)
def test_a_limit_is_named_and_nothing_is_green_for_it(options: list[str], limit: str) -> None:
    result = run("check", "xenstore_first_locked", *HOLDS, *options)
    assert result.exit_code == 3
    assert "BOUNDED" in result.stdout
    assert "EXHAUSTED" not in result.stdout
    assert f"stopped at {limit}: xenstore_has_template" in result.stdout


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_search_that_runs_out_of_memory_decides_nothing(monkeypatch: pytest.MonkeyPatch, jobs: int) -> None:
    def run_out(_: Examination) -> NoReturn:
        raise MemoryError

    monkeypatch.setattr(Examination, "run", run_out)
    result = run("check", "json_first", "as_posted", *TINY, f"--jobs={jobs}")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == "confsync: it ran out of memory: set --max-memory\n"


def test_an_interrupt_outside_a_search_is_no_verdict_either(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("confsync.model.report.output.as_text", interrupted)
    result = run("check", "xenstore_first_locked", *HOLDS, *CALM)
    assert (result.exit_code, result.stderr) == (3, "confsync: interrupted\n")


def test_stories_are_told_for_one_design_and_where_asked_for() -> None:
    one, two = ["xenstore_first_locked"], ["xenstore_first_locked", "xenstore_first"]
    assert "confsync replay" in run("check", *one, *REFUTED, *TINY).stdout
    assert "confsync replay" not in run("check", *one, *REFUTED, *TINY, "--no-stories").stdout
    assert "confsync replay" not in run("check", *two, *REFUTED, *TINY).stdout
    assert run("check", *two, *REFUTED, *TINY, "--stories").stdout.count("confsync replay") == 2


def test_coverage_lists_transitions_and_guards() -> None:
    result = run("check", "xenstore_first_locked", *HOLDS, *TINY, "--coverage")
    assert "xenstore_first_locked: transitions" in result.stdout
    assert "xenstore_first_locked: guards" in result.stdout
    for name, operation in DESIGNS["xenstore_first_locked"].operations():
        assert name in result.stdout
        assert all(s.name in result.stdout for s in operation.steps)


def test_what_was_observed_is_printed_as_a_design_and_checked() -> None:
    hosts = OBSERVED / "hosts" / "020-block-attach-live"
    result = run("check", "--observed", hosts, *HOLDS, *TINY)
    assert result.exit_code == 0
    for said in ("attach, from", "1 take_lock", "events.txt:9", "borrowed from", "assumed", "EXHAUSTED"):
        assert said in result.stdout


def test_a_counterexample_of_what_was_observed_is_replayed_with_it() -> None:
    traces = ["--observed", str(OBSERVED / "lab" / "network-attach.txt")]
    (cell,) = json.loads(run("check", *traces, *REFUTED, *TINY, "--format=json").stdout)
    assert run("replay", cell["token"]).exit_code == 2
    assert run("replay", cell["token"], *traces).exit_code == 1


# --design-file


def test_a_design_file_is_checked_by_itself(early: Path) -> None:
    result = run("check", "--design-file", early, *HOLDS, *TINY, "--format=json")
    assert result.exit_code == 1
    (cell,) = json.loads(result.stdout)
    assert (cell["design"], cell["verdict"]) == ("early_unlock", "REFUTED")
    assert run("replay", cell["token"]).exit_code == 2
    replayed = run("replay", cell["token"], "--design-file", early)
    assert replayed.exit_code == 1
    assert "early_unlock" in replayed.stdout


def test_a_design_file_beside_a_registered_design(early: Path) -> None:
    result = run("matrix", "--no-proofs", "--design-file", early, "early_unlock", "json_first", *CALM)
    assert "[1] early_unlock" in result.stdout
    assert "[2] json_first" in result.stdout
    listed = run("designs", "--design-file", early).stdout
    assert all(
        name in listed
        for name in ("early_unlock", "refuse_if_present", *(n for n, _ in DESIGNS["json_first"].operations()))
    )


def test_two_designs_of_one_name_are_not_one(early: Path, tmp_path: Path) -> None:
    other = tmp_path / "more" / early.name
    other.parent.mkdir()
    other.write_text(EARLY, encoding="utf-8")
    result = run("check", "--design-file", early, "--design-file", other, *CALM)
    assert result.exit_code == 2
    assert f"{other}: there is a design `early_unlock` already" in result.stderr


def test_a_bad_design_file_is_bad_input_to_every_command_that_takes_one(tmp_path: Path, token: str) -> None:
    path = tmp_path / "bad.py"
    path.write_text("attach = [tak_lock]\n", encoding="utf-8")
    for arguments in (["check"], ["matrix"], ["designs"], ["replay", token]):
        result = run(*arguments, "--design-file", path)
        assert result.exit_code == 2
        meant = "did you mean `take_lock` or `take_device_lock`?"
        assert result.stderr == f"confsync: {path}:1: there is no step or function `tak_lock`: {meant}\n"


# replay


def test_replay_tells_the_story_that_check_told(token: str) -> None:
    told = run("check", "xenstore_first_locked", *REFUTED, *TINY).stdout
    again = run("replay", token)
    assert again.exit_code == 1
    lines = [line.strip() for line in again.stdout.splitlines() if line.strip()]
    assert len(lines) > 5
    assert [line for line in lines if line not in told] == []
    assert f"confsync replay '{token}'" in again.stdout


def test_replay_of_a_run_that_violates_nothing() -> None:
    result = run("replay", "json_first::s1e1c2n1a2p2k1::00000000")
    assert result.exit_code == 0
    assert "a run of 0 steps" in result.stdout


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_token_with_anything_changed_is_an_error_or_another_trace(token: str, data: st.DataObject) -> None:
    design, name, bounds, choices, checksum = token.split(":")
    steps = choices.split("-")
    i = data.draw(st.integers(0, len(steps) - 1))
    how = data.draw(st.sampled_from(["choice", "cut", "character"]))
    if how == "choice":
        steps[i] = f"{data.draw(st.integers(0, 3))}.{data.draw(st.integers(0, 30))}"
    elif how == "cut":
        del steps[i]
    changed = ":".join((design, name, bounds, "-".join(steps), checksum))
    if how == "character":
        at = data.draw(st.integers(0, len(token) - 1))
        changed = token[:at] + data.draw(st.characters(codec="utf-8")) + token[at + 1 :]
    result = run("replay", "--", changed)
    if changed.strip() == token:
        assert result.exit_code == 1
    else:
        assert result.exit_code in (0, 1, 2, 4)
        assert (result.exit_code in (2, 4)) == result.stderr.startswith("confsync: ")


# designs, properties, claims, matrix


def test_designs_lists_every_design_and_the_orders_of_those_named() -> None:
    everything = run("designs").stdout
    assert all(name in everything.splitlines() for name in DESIGNS)
    one = run("designs", "json_first").stdout
    assert all(name in one for name, _ in DESIGNS["json_first"].operations())


def test_properties_lists_every_property_and_what_it_says() -> None:
    said = run("properties").stdout
    for p in PROPERTIES.values():
        assert f"{p.name}  [{', '.join(p.claims)}]" in said


def test_claims_lists_every_claim_once() -> None:
    lines = run("claims", *CALM, "--max-states=1").stdout.splitlines()
    assert [line.split("  ")[0] for line in lines if line[:3].strip() in CLAIMS] == list(CLAIMS)


def test_the_matrix_has_every_property_and_design() -> None:
    result = run("matrix", "--no-proofs", *CALM, "--max-states=1")
    assert result.exit_code == 3
    assert all(f"│ {name} " in result.stdout for name in PROPERTIES)
    assert all(f"[{n + 1}] {name}" in result.stdout for n, name in enumerate(DESIGNS))


# As processes


def test_piped_output_has_no_escape_codes() -> None:
    for arguments in (["check", "xenstore_first_locked", *REFUTED, *TINY], ["properties"]):
        done = subprocess.run(command(*arguments), capture_output=True, check=False, env=environment(), timeout=LONG)
        assert b"\x1b" not in done.stdout
        assert done.stderr == b""


@pytest.mark.parametrize("arguments", [["--format=json"], ["--stories", "--coverage"]], ids=" ".join)
def test_where_nobody_reads_on_the_exit_code_is_as_ever(arguments: list[str]) -> None:
    """A pipe that is closed from the start."""
    asked = command("check", "xenstore_first_locked", *REFUTED, *TINY, *arguments)
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as closed:
        done = subprocess.run(
            asked, stdout=closed, stderr=subprocess.PIPE, check=False, env=environment(), timeout=LONG
        )
    assert (done.returncode, done.stderr) == (1, b"")


TELLS = """
import sys
from confsync.model.engine.search.bfs import Search

run = Search.run

def tell(*given):
    print("searching", file=sys.stderr, flush=True)
    return run(*given)

Search.run = tell
from confsync.front_door import main
main(prog_name="confsync")
"""
"A command that says when it searches."


def test_an_interrupt_ends_a_search_and_leaves_it_undecided() -> None:
    def start(jobs: int) -> subprocess.Popen[str]:
        designs = ("xenstore_first_locked", "xenstore_first_locked_write_back")
        asked = [*HOLDS, "--slots=2", "--configs=3", f"--jobs={jobs}", "--max-memory=1G"]
        call = [sys.executable, "-c", TELLS, "check", *designs, *asked]
        return subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())

    processes = [start(jobs) for jobs in (1, 2)]
    try:
        for jobs, p in enumerate(processes, 1):
            assert p.stderr is not None
            assert [p.stderr.readline() for _ in range(jobs)] == ["searching\n"] * jobs
            p.send_signal(signal.SIGINT)
        ends = [p.communicate(timeout=LONG) for p in processes]
    finally:
        for p in processes:
            p.kill()
    for p, (out, err) in zip(processes, ends, strict=True):
        assert (p.returncode, err.replace("searching\n", "")) == (3, "")
        assert out.count("BOUNDED") == 2
        assert "stopped at an interrupt: xenstore_has_template" in out


def test_a_file_is_an_argument_where_a_design_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    steps = "take_lock, read_template, refuse_if_present, write_template, drop_lock, enter_xenstore, allocate"
    path.write_text(f'base = "xenstore_first_locked"\nattach = [{steps}]\n', encoding="utf-8")
    for more in ([], ["xenstore_first"]):
        shown = run("designs", str(path), *more).stdout
        assert shown.startswith("mine\n")
        assert ("\nxenstore_first\n" in shown) is bool(more)
    shown = run("check", str(path), *HOLDS, *TINY).stdout
    assert "mine, at" in shown
    assert "mine" in run("matrix", str(path), "--no-proofs", "--max-states=1", *TINY).stdout


def test_the_shortest_story_is_told_and_how_to_see_the_others() -> None:
    shown = run("check", "as_posted", *TINY).stdout
    told = re.findall(r"^as_posted violates (\w+) in (\d+) steps", shown, re.MULTILINE)
    others = re.findall(r"^(\w+), (\d+) steps:\n(confsync replay .*)$", shown, re.MULTILINE)
    assert len(told) == 1
    assert len(others) == int(re.findall(r"^(\d+) more refuted;", shown, re.MULTILINE)[0]) > 1
    assert all(int(told[0][1]) <= int(steps) for _, steps, _ in others)
    for name, steps, command in others:
        assert f"violates {name} in {steps} steps" in run(*shlex.split(command)[1:]).stdout
