"""`confsync conform`: what it prints, its formats, and its exit codes."""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner, Result
from junitparser import JUnitXml

from confsync.front_door import main
from confsync.proofs.conformance.sample import most_steps
from confsync.proofs.conformance.scope import Scope

pytestmark = pytest.mark.slow


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["conform", "--jobs", "1", *arguments], catch_exceptions=False)


SMALL = ("--operations", "attach,retrieve", "--crashes", "1")


def test_what_conforms() -> None:
    result = run(*SMALL)
    assert result.exit_code == 0, result.output
    assert "2 processes, 1 death, 0 failures: 18 of 18 combinations of operations and stores" in result.output
    assert re.search(r"they cover exactly [\d,]+ interleavings", result.output)
    assert re.search(r"of the model's [\d,]+ transitions it took [\d,]+, [\d.]+ %", result.output)
    assert "the implementation follows xenstore_first_locked in all of this" in result.output


def test_what_diverges_is_told_and_its_token_replays() -> None:
    result = run("--design", "json_first", "--crashes", "0")
    assert result.exit_code == 1
    assert "diverges: no transition of the model leads to what the stores say" in result.output
    assert "the implementation does not follow json_first" in result.output
    again = re.search(r"again: confsync conform --replay '(.*)' --design json_first", result.output)
    assert again
    replayed = run("--replay", again[1], "--design", "json_first")
    assert replayed.exit_code == 1
    assert "diverges: no transition of the model leads to what the stores say" in replayed.output
    followed = run("--replay", again[1])
    assert followed.exit_code == 0
    assert "every step is one of xenstore_first_locked's" in followed.output


def test_within_transactions() -> None:
    result = run("--fine", "--operations", "rename,create", "--crashes", "0", "--format", "json")
    (found,) = json.loads(result.output)
    coarse = json.loads(run("--operations", "rename,create", "--crashes", "0", "--format", "json").output)[0]
    assert found["conforms"]
    assert found["edges"] > coarse["edges"]
    assert found["interleavings"] > coarse["interleavings"]


def test_json() -> None:
    (found,) = json.loads(run(*SMALL, "--format", "json").output)
    assert found["conforms"]
    assert found["divergences"] == []
    assert found["scope"]["operations"] == ["attach", "retrieve"]
    assert found["model"]["taken"] + sum(m["count"] for m in found["model"]["missing"]) == found["model"]["reachable"]
    assert {m["reason"] for m in found["model"]["missing"]} <= {"PASSES", "BEHIND"}
    (wrong,) = json.loads(run("--design", "json_first", "--format", "json").output)
    assert not wrong["conforms"]
    assert wrong["divergences"][0]["token"].startswith("conform:")


def test_junit() -> None:
    good, bad = (
        JUnitXml.fromstring(run(*arguments, "--format", "junit").output)
        for arguments in (SMALL, ("--design", "json_first", "--crashes", "0"))
    )
    assert (good.tests, good.failures) == (1, 0)
    assert (bad.tests, bad.failures) == (1, 1)


@pytest.mark.parametrize("scheduler", ["random", "pct"])
def test_walks(scheduler: str) -> None:
    result = run("--scheduler", scheduler, "--walks", "30", "--processes", "3", "--seed", "7")
    assert result.exit_code == 0
    assert "30 walks" in result.output
    says = f"PCT: one walk finds a bug of depth 3 in its operations, in 3 processes of at most {most_steps(Scope(3))} "
    assert (says in result.output) == (scheduler == "pct")
    assert (
        result.output.split("\nin ")[0]
        == run("--scheduler", scheduler, "--walks", "30", "--processes", "3", "--seed", "7").output.split("\nin ")[0]
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--operations", "fly"), "there is no operation `fly`"),
        (("--design", "none"), "there is no design `none`"),
        (("--replay", "nonsense"), "is no token of a schedule"),
        (("--replay", "conform:moon:retrieve:0.0:x"), "none of the stores to begin with"),
        (("--external", "/no/such/program"), "/no/such/program"),
        (("--external", ""), "--external is empty"),
        (("--external", "'"), "No closing quotation"),
        (("--external", "true", "--replay", "x"), "is no token of a schedule"),
        (("--stores", "real", "--replay", "x"), "is no token of a schedule"),
        (("--replay", "x", "--scheduler", "pct"), "--replay takes its schedule from the token"),
        (("--replay", "x", "--format", "json"), "--replay is told as text"),
        (("--replay", "conform:full:rename,n1:1.0:x"), "there is no process 1"),
        (("--fine", "--scheduler", "pct"), "--fine is for the exploration"),
        (("--deep", "--operations", "attach"), "--deep explores its own scopes"),
        (("--external", "true", "--fine"), "--external and --stores real are explored whole"),
        (("--stores", "real", "--scheduler", "pct"), "--external and --stores real are explored whole"),
    ],
)
def test_bad_input(arguments: tuple[str, ...], says: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert says in result.output
    assert "Traceback" not in result.output


def test_a_daemon_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("confsync.impl.shim.daemon.PROGRAMS", {"xenstored": ()})
    result = run("--stores", "real", *SMALL)
    assert result.exit_code == 2
    assert "apt-get install xen-utils-4.17" in result.output
