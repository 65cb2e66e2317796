"""Nothing that comes from outside steers a terminal: commands on a pseudo-terminal, with hostile names and values."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from forked import start
from hypothesis import given
from hypothesis import strategies as st
from places import ROOT

from confsync.terminal.text import MOST, cut, near, unknown, value, visible

pytestmark = pytest.mark.slow

HOSTILE = "\x1b[8m\x1b]0;x\x07\r\b\x9b31m\u202e\u2066\u200b\u2028\u061c\ufeff\x7f"
"""Hides what follows, sets the window's title, goes back over the line, and turns the direction of text."""
PATH_NAME = HOSTILE.encode() + b"\x9b\xff"
COLOURS = re.compile(r"\r?\x1b\[([0-9;]*m|\?25[hl]|[0-9]*[AK]|[0-9]+C)")
"""What rich writes by itself: colours, and to draw a line again."""
CONCEALED = "\x1b[8m"
TINY = ["--slots=1", "--ejectable=0", "--configs=1", "--names=1", "--amounts=1", "--processes=1", "--crashes=0"]
DESIGN = """{doc!r}
base = "xenstore_first_locked"

@step()
def odd(s, me):
    {doc!r}
    me.fails_if(s.paused & False) if False else None
    s.lock_file = s.lock_file

retrieve = [take_lock, read_template, drop_lock]
"""


def on_terminal(*arguments: str | bytes, cwd: Path | None = None) -> str:
    """What a command shows on a terminal: its standard output and error."""
    ours, theirs = pty.openpty()
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TERM": "xterm-256color",
        "COLUMNS": "100",
        "LC_ALL": "C.UTF-8",
    }
    process = start(arguments, os.ttyname(theirs), cwd or ROOT, environment)
    found = b""
    while select.select([ours, process.sentinel], [], [])[0] != [process.sentinel]:
        found += os.read(ours, 1 << 16)
    process.join()
    os.close(theirs)
    try:
        while part := os.read(ours, 1 << 16):  # the kernel may not have handed it over yet
            found += part
    except OSError:  # the other side is closed
        pass
    os.close(ours)
    return found.decode("utf-8")


def assert_harmless(shown: str) -> None:
    assert CONCEALED not in shown
    left = COLOURS.sub("", shown.replace("\r\n", "\n"))
    steering = [c for c in left if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs")]
    assert steering == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a name that is hostile, and not UTF-8."""
    found = tmp_path / os.fsdecode(PATH_NAME)
    found.mkdir()
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "{}.py"],
        ["check", "{}"],
        ["check", "--observed", "{}"],
        ["check", "json_first", "--property", "{}"],
        ["check", "--design-file", "{}"],
        ["check", "--max-memory", "{}"],
        ["claims", "--slots", "{}"],
        ["matrix", "{}"],
        ["matrix", "--manifest", "{}"],
        ["matrix", "--write-manifest", "{}/{}"],
        ["designs", "{}"],
        ["prove", "{}"],
        ["prove", "--certificate", "/dev/null/{}"],
        ["refine", "{}"],
        ["replay", "{}"],
        ["replay", "{}:{}:s1e1c2n2a2p2k1:0.0:a829a492"],
        ["replay", "json_first:{}:s1e1c2n2a2p2k1:0.0:a829a492"],
        ["conform", "--design", "{}"],
        ["conform", "--operations", "{}"],
        ["conform", "--replay", "{}"],
        ["conform", "--external", "{}"],
        ["mutants", "--only", "{}"],
        ["audit", "{}"],
        ["audit", "--xenstore", "{}", "--json", "{}"],
        ["domain", "--state", "{}", "list"],
        ["domain", "create", "{}"],
        ["domain", "create", "--json", "{}"],
        ["domain", "create", "--memory", "{}"],
        ["domain", "{}"],
        ["{}"],
        ["--{}"],
    ],
    ids=" ".join,
)
def test_arguments(arguments: list[str], tmp_path: Path) -> None:
    shown = on_terminal(*(a.replace("{}", HOSTILE) for a in arguments), cwd=tmp_path)
    assert shown
    assert "Traceback" not in shown
    assert_harmless(shown)


@pytest.mark.parametrize("command", ["check", "designs", "matrix", "refine"])
def test_paths_that_are_no_utf8(command: str, folder: Path) -> None:
    (folder / "early.py").write_text("attach = [take_lok]")
    shown = on_terminal(command, str(folder / "early.py"))
    assert "did you mean" in shown
    assert_harmless(shown)


DESIGN_FILES = {
    "doc": f'{HOSTILE!r}\nbase = "xenstore_first_locked"\nretrieve = [take_lock, read_template, drop_lock]\n',
    "markup": '"""[/x] [red]no[/red] [link=http://x]y[/link] :smile:"""\nbase = "xenstore_first_locked"\ndesigns = 5\n',
    "error": f"raise ValueError({HOSTILE!r})\n",
    "design": f"designs = {{{HOSTILE!r}: {{}}}}\n",
    "stray": f"globals()[{HOSTILE!r}] = []\n",
    "base": f"base = {HOSTILE!r}\nretrieve = []\n",
    "not a step": f'base = "xenstore_first_locked"\nretrieve = [{HOSTILE!r}]\n',
    "step": "def odd(s, me):\n    pass\nodd.__name__ = odd.__doc__ = "
    + repr(HOSTILE)
    + '\nbase = "xenstore_first_locked"\n'
    "retrieve = [take_lock, odd, read_template, drop_lock]\n",
    "long": f"raise ValueError({'x' * 100_000!r})\n",
}


@pytest.mark.parametrize("kind", DESIGN_FILES)
@pytest.mark.parametrize("command", ["designs", "check"])
def test_design_files(command: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(DESIGN_FILES[kind], encoding="utf-8")
    more = [*TINY, "--property=knobs_are_reflected"] if command == "check" else []
    shown = on_terminal(command, str(tmp_path / "mine.py"), *more)
    assert len(shown) < 20_000
    assert "Traceback" not in shown
    assert_harmless(shown)


def test_domains(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    entry = {"pdev_path": f"/{HOSTILE}", "vdev": "xvda", "format": "raw", "readwrite": 1}
    given = {"c_info": {"type": "pv", "name": HOSTILE[1:]}, "b_info": {}, "disks": [entry]}
    (tmp_path / "one.json").write_text(json.dumps(given), encoding="utf-8")
    runs = [
        ["create", "--json", str(tmp_path / "one.json")],
        ["create", "--name", f"a{HOSTILE}"],
        ["create", "--name", "b"],
    ]
    runs += [["attach", "b", "nic", f"bridge={HOSTILE}"], ["attach", "b", "disk", f"/{HOSTILE},raw,xvdb,rw"]]
    runs += [
        ["attach", "b", HOSTILE, "x"],
        ["detach", "b", "disk", HOSTILE],
        ["rename", "b", HOSTILE],
        ["retrieve", HOSTILE],
    ]
    runs += [["list"], ["list", "--format=json"], ["xenstore"], ["retrieve", "1"], ["retrieve", "2"], ["retrieve", "b"]]
    for run in runs:
        shown = on_terminal("domain", "--state", state, *run)
        assert "Traceback" not in shown
        assert_harmless(shown)


def test_a_retrieved_configuration_is_json_on_a_terminal_too(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    assert "created" in on_terminal(
        "domain", "--state", state, "create", "--name=vm", "--disk", "/a\u202e\x85b,raw,xvda,rw"
    )
    shown = on_terminal("domain", "--state", state, "retrieve", "vm")
    assert_harmless(shown)
    assert json.loads(shown)["disks"][0]["pdev_path"] == "/a\u202e\x85b"


def test_a_pipe_gets_the_bytes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "confsync", "domain", "--state", str(tmp_path / "state")]
    subprocess.run(
        [*command, "create", "--name=vm", "--vif", "bridge=x\u202ey"], check=True, cwd=ROOT, capture_output=True
    )
    found = subprocess.run([*command, "retrieve", "vm"], check=True, cwd=ROOT, capture_output=True).stdout
    assert json.loads(found)["nics"][0]["bridge"] == "x\u202ey"


def test_what_an_audit_finds(tmp_path: Path) -> None:
    host = tmp_path / os.fsdecode(PATH_NAME)
    host.mkdir()
    (host / "xenstore.txt").write_text(f'/local/domain/0/name = "{HOSTILE}"\n', encoding="utf-8")
    for form in ("text", "json", "junit", "sarif"):
        assert_harmless(on_terminal("audit", str(host), f"--format={form}"))


@pytest.mark.parametrize(
    "body", [f"printf '%s\\n' {json.dumps(json.dumps({'error': HOSTILE}, ensure_ascii=False))}", "exit 1", "cat"]
)
def test_external_programs(body: str, tmp_path: Path) -> None:
    program = tmp_path / "external"
    program.write_bytes(f"#!/bin/sh\nprintf '%s' '{HOSTILE}' >&2\nprintf '%s\\n' '{HOSTILE}'\n{body}\n".encode())
    program.chmod(0o755)
    shown = on_terminal("conform", "--external", str(program), "--operations=retrieve", "--processes=1", "--crashes=0")
    assert "Traceback" not in shown
    assert_harmless(shown)


@given(st.text(st.characters(exclude_categories=())))
def test_what_is_visible_is_printable_and_stays_json(text: str) -> None:
    shown = visible(text)
    assert shown.isprintable()
    assert visible(shown) == shown
    in_json = json.dumps(text, ensure_ascii=False)
    assert json.loads(visible(in_json)) == text


@pytest.mark.parametrize(
    ("text", "shown"), [("\x1b", "\\u001b"), ("\n", "\\n"), ("é 漢 😀", "é 漢 😀"), ("\U000e0001", "\\udb40\\udc01")]
)
def test_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_long_value_is_cut() -> None:
    assert cut("x" * MOST) == "x" * MOST
    assert value("x" * 100_000) == "x" * MOST + "... (100,000 characters)"


def test_near_names() -> None:
    known = ["check", "claims", "conform", "designs", "matrix", "prove"]
    assert near("chekc", known) == ["check"]
    assert near("Prove", known) == ["prove"]
    assert near("zzz", known) == []
    assert unknown("command", "chekc", known) == "there is no command `chekc`: did you mean `check`?"
    assert unknown("design", "zzz", ["a", "b"]) == "there is no design `zzz`; there are a, b"
    many = [f"name{i}" for i in range(20)]
    assert (
        unknown("design", "zzz", many, "`confsync designs`")
        == "there is no design `zzz`: `confsync designs` lists them"
    )
    assert len(near("name1", many)) == 3
