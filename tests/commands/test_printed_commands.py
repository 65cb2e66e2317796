"""Every command that is printed, pasted into a shell: it shows what it promises."""

from __future__ import annotations

import ast
import json
import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from external_runs import PERL
from places import ROOT
from processes import command, environment

from confsync.front_door import COMMANDS, main
from confsync.impl.command.cli import domain
from confsync.impl.operations import knobs, paths
from confsync.impl.operations.transact import transact
from confsync.impl.ports import Domain, Requests, Toolstack
from confsync.proofs.libxl import cli, refinement

TINY = ("--slots=1", "--ejectable=0", "--configs=1", "--names=1", "--amounts=1", "--jobs=1")
EARLY = """base = "xenstore_first_locked"
attach = [take_lock, read_template, refuse_if_present, write_template, drop_lock, enter_xenstore, allocate]
"""
pytestmark = pytest.mark.slow
PRINTS = re.compile(rf"\bconfsync (?:{'|'.join(COMMANDS)})\b")


def printed(text: str) -> Iterator[str]:
    """The commands in a text: a line of its own, after `again: `, between backquotes; put together again where a
    shell would."""
    whole = text.replace("\\\n", "")
    for line in whole.splitlines():
        if found := re.search(r"`(confsync .*)`|(?:^|again: |^\s+)(confsync .*)$", line):
            yield found[1] or found[2]


def invoked(*arguments: str | Path) -> str:
    """What a command prints, in this process."""
    result = CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)
    return result.stdout + result.stderr


def pasted(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A command as a shell takes it, where `confsync` is a program."""
    tools = folder / "bin"
    tools.mkdir(exist_ok=True)
    (tools / "confsync").write_text(f'#!/bin/sh\nexec {shlex.join(command())} "$@"\n')
    (tools / "confsync").chmod(0o755)
    env = environment()
    env["PATH"] = f"{tools}:{env['PATH']}"
    return subprocess.run(["sh", "-c", line], cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def replays(commands: Sequence[str], folder: Path, code: int, says: str) -> None:
    """One of these at least, and the first of them does that."""
    assert commands
    done = pasted(commands[0], folder)
    assert (done.returncode, done.stderr) == (code, "")
    assert says in done.stdout


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A folder with a name that a shell would take apart."""
    folder = tmp_path / 'it\'s a "folder" of $HOME; '
    folder.mkdir()
    return folder


@pytest.fixture
def early(odd: Path) -> Path:
    path = odd / "early_unlock.py"
    path.write_text(EARLY)
    return path


def test_the_replay_of_a_story(early: Path, tmp_path: Path) -> None:
    found = list(printed(invoked("check", "--design-file", early, "--property=template_has_xenstore", *TINY)))
    replays(found, tmp_path, 1, "early_unlock violates template_has_xenstore")


def test_the_replay_in_a_report_for_ci(early: Path, tmp_path: Path) -> None:
    asked = ("check", "--design-file", early, "--property=template_has_xenstore", *TINY, "--format=junit")
    (failure,) = ElementTree.fromstring(invoked(*asked)).iter("failure")
    replays(list(printed(str(failure.text))), tmp_path, 1, "early_unlock violates template_has_xenstore")


def test_the_replay_of_a_replay(early: Path, tmp_path: Path) -> None:
    (first,) = printed(invoked("check", "--design-file", early, "--property=template_has_xenstore", *TINY))
    (again,) = printed(pasted(first, tmp_path).stdout)
    assert shlex.split(again) == shlex.split(first)


def test_the_replay_of_a_design_that_was_read_from_traces(odd: Path, tmp_path: Path) -> None:
    trace = odd / "block-attach.txt"
    trace.write_bytes((ROOT / "tests" / "data" / "observed" / "lab" / "block-attach.txt").read_bytes())
    found = list(printed(invoked("check", "--observed", trace, "--property=template_has_xenstore", *TINY)))
    replays(found, tmp_path, 1, "observed violates template_has_xenstore")


@pytest.mark.deep
def test_the_replays_of_claims() -> None:
    found = list(printed(invoked("claims", *TINY, "--ejectable=1")))
    assert found
    for line in found:
        assert CliRunner().invoke(main, shlex.split(line)[1:]).exit_code == 1


@pytest.mark.slow
def test_the_replay_of_a_proof_that_fails(early: Path, tmp_path: Path) -> None:
    found = list(printed(invoked("prove", early, "--property=template_has_xenstore")))
    replays(found, tmp_path, 1, "early_unlock violates template_has_xenstore")


def test_the_two_runs_that_look_alike(monkeypatch: pytest.MonkeyPatch, odd: Path, tmp_path: Path) -> None:
    """Where a design does not refine the specification; here that is not looked into."""
    refused = (refinement.Refused("attach", "it is so"),)
    monkeypatch.setattr(cli, "refinement_of", lambda d: refinement.Refinement(d, {}, (), (), refused, (), (), ()))
    path = odd / "unlocked.py"
    path.write_text('base = "json_first"\nrename = [take_lock, write_name, drop_lock]\n')
    one, other = printed(invoked("refine", "--design-file", path))
    for line in (one, other):
        replays([line], tmp_path, 0, "make_domain")


# conform

UNFOLLOWED = ("--operations=attach", "--crashes=0", "--processes=1", "--jobs=1")


def test_a_divergence_from_a_design_of_a_file(odd: Path, tmp_path: Path) -> None:
    """The only design of a file is meant where none is named."""
    path = odd / "unlocked.py"
    path.write_text(EARLY)
    out = invoked("conform", "--design-file", path, *UNFOLLOWED)
    assert "the implementation does not follow unlocked" in out
    (again,) = printed(out)
    replays([again], tmp_path, 1, "diverges: ")
    (found,) = json.loads(invoked("conform", "--design-file", path, *UNFOLLOWED, "--format=json"))
    assert found["divergences"][0]["again"] == again
    (failure,) = ElementTree.fromstring(invoked("conform", "--design-file", path, *UNFOLLOWED, "--format=junit")).iter(
        "failure"
    )
    assert list(printed(str(failure.text))) == [again]


def test_of_several_designs_one_is_to_be_named(odd: Path) -> None:
    for name in ("one", "two"):
        (odd / f"{name}.py").write_text(EARLY)
    files = ("--design-file", odd / "one.py", "--design-file", odd / "two.py")
    result = CliRunner().invoke(main, ["conform", *map(str, files), *UNFOLLOWED])
    assert result.exit_code == 2
    assert "choose one with --design: one, two" in result.stderr
    assert "the implementation does not follow two" in invoked("conform", *files, "--design=two", *UNFOLLOWED)


@pytest.mark.parametrize("bug", [pytest.param("xenstore-first", marks=pytest.mark.deep), "retrieve-lies"])
def test_a_divergence_of_another_implementation(bug: str, odd: Path, tmp_path: Path) -> None:
    script = odd / "toolstack.pl"
    script.write_bytes(Path(PERL[1]).read_bytes())
    external = shlex.join(("perl", str(script), f"--bug={bug}"))
    operations = {"xenstore-first": "attach", "retrieve-lies": "retrieve,attach"}[bug]
    out = invoked("conform", "--external", external, f"--operations={operations}")
    (again,) = printed(out)
    replays([again], tmp_path, 1, out.partition("diverges: ")[2].splitlines()[0])
    mended = pasted(again.replace(f" --bug={bug}", ""), tmp_path)
    assert (mended.returncode, "every step is one of xenstore_first_locked's" in mended.stdout) == (0, True)


@pytest.mark.quick
def test_a_token_is_replayed_on_what_it_was_made_with() -> None:
    rest = "full:attach,s1,k4:0.0*4:db31d52a"
    for kind, options, says in (
        ("conform-external", (), "replay it with --external COMMAND"),
        ("conform-real", (), "replay it with --stores real"),
        ("conform", ("--external", shlex.join(PERL)), "without --external"),
        ("conform-external", ("--stores", "real"), "replay it with --external COMMAND"),
        ("conform-fine", ("--stores", "real"), "within transactions too"),
    ):
        result = CliRunner().invoke(main, ["conform", "--replay", f"{kind}:{rest}", *options])
        assert (result.exit_code, says in result.stderr) == (2, True), result.output


def test_a_token_that_no_longer_means_anything() -> None:
    """A failure that the call there cannot have: the code was other code."""
    result = CliRunner().invoke(main, ["conform", "--replay", "conform:full:attach,s1,k4:0.0-0.7:0"])
    assert result.exit_code == 4
    assert "the token no longer means anything: step 2 is way 7 of process 0" in result.stderr
    for rest, says in (("0.0:00000000", "the design or the steps changed"), ("0.999:0", "takes transition 999")):
        other = CliRunner().invoke(main, ["replay", f"xenstore_first_locked::s1e1c2n2a2p2k1:{rest}"])
        assert (other.exit_code, says in other.stderr) == (4, True)


def test_a_schedule_that_goes_wrong_later_is_not_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The token's last step is right, and the operation's last is not."""

    async def rename(t: Toolstack, one: Domain, _name: str) -> None:
        async def body(x: Requests) -> None:
            await x.write(paths.name(one.domid), b"name2")

        await t.hypervisor.alive(one)
        await transact(t, body)

    token = "conform:full:rename,n1:0.0:0"
    assert CliRunner().invoke(main, ["conform", "--replay", token]).exit_code == 0
    monkeypatch.setattr(knobs, "rename", rename)
    assert CliRunner().invoke(main, ["conform", "--replay", token]).exit_code == 1


# domain


def test_the_hints_of_a_host(odd: Path, tmp_path: Path) -> None:
    def said(*arguments: str) -> str:
        return CliRunner().invoke(domain, ["--state", str(odd / "state"), *arguments]).stderr

    (create,) = printed(said("list"))
    replays([create], tmp_path, 0, "created domain 1")
    (listing,) = printed(said("retrieve", "vm9"))
    replays([listing], tmp_path, 0, "vm1")


# None is forgotten


def _strings(path: Path) -> Iterator[str]:
    """The texts of a module but for its docstrings, what is filled in as `{}`."""
    tree = ast.parse(path.read_text())
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def test_every_place_that_prints_a_command_is_tested_here() -> None:
    files = (p for folder in ("model", "proofs", "impl") for p in (ROOT / folder).rglob("*.py"))
    found = {
        (str(path.relative_to(ROOT)), text[m.start() :].split("`")[0])
        for path in files
        for text in _strings(path)
        for m in PRINTS.finditer(text)
    }
    # `confsync mutants` is advised for a checkout, where test_checker_mutants and test_impl_mutants run it.
    names = {"confsync audit", "confsync conform", "confsync prove", "confsync certificate", "confsync mutants"}
    says_who = ("confsync audit: ", "confsync retrieve: ")
    lists = {"confsync designs", "confsync properties"}
    printed_here = {(p, t.split(" {")[0].strip()) for p, t in found if t.split(" {")[0].strip() in lists}
    assert {t for _, t in printed_here} == lists
    for name in lists:
        assert CliRunner().invoke(main, name.split()[1:]).exit_code == 0
    # What `confsync domain` advises is followed in test_advice, which looks at every place in impl/ that advises it.
    rest = {(p, t) for p, t in found if not (p.startswith("impl/") and t.startswith("confsync domain"))}
    assert {(p, t) for p, t in rest if t not in names | lists and not t.startswith(says_who)} == {
        ("model/report/output.py", "confsync replay '{}'{}"),
        ("model/report/output.py", "confsync replay '"),
        ("proofs/conformance/output.py", "confsync conform --replay '{}'{}"),
        ("proofs/conformance/output.py", "confsync conform --replay '"),
        ("model/command/design_file.py", "confsync designs {}"),
        ("model/command/design_file.py", "confsync designs "),
    }
