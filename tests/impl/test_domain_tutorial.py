"""The tutorial's commands, run: what docs/domain.md shows is what is printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from places import ROOT
from processes import LONG

DOC = ROOT / "docs" / "domain.md"
_BLOCK = re.compile(r"^```console ?(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Shown(NamedTuple):
    """A command, and what the tutorial shows of its output."""

    command: str
    output: str


def blocks(text: str) -> list[tuple[str, list[Shown]]]:
    """How each block's commands are run ("" one after another, "together", "killed"), and the commands."""
    found = []
    for how, block in _BLOCK.findall(text):
        parts = re.split(r"^\$ ", block, flags=re.MULTILINE)
        assert parts[0] == ""
        found.append((how, [Shown(*part.split("\n", 1)) for part in parts[1:]]))
    return found


class Terminal:
    """A folder to work in, with `confsync` on the path."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.last = folder, 0
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(folder), "LC_ALL": "C.UTF-8",
        }  # fmt: skip

    def start(self, command: str) -> subprocess.Popen[str]:
        """`exec`, so that what is killed is the command and not its shell."""
        script = f"exec {command}" if command.startswith("confsync") and "|" not in command else command
        return subprocess.Popen(
            ["sh", "-c", f"(exit {self.last}); {script}"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.folder, env=self.environment,
        )  # fmt: skip

    def run(self, how: str, shown: list[Shown]) -> list[str]:
        """What each command printed."""
        if how == "killed":
            return [self._killed(*one) for one in shown]
        if how == "together":
            return [process.communicate(timeout=LONG)[0] for process in [self.start(one.command) for one in shown]]
        return [self._output(one.command) for one in shown]

    def _output(self, command: str) -> str:
        process = self.start(command)
        output = process.communicate(timeout=LONG)[0]
        self.last = process.returncode
        return output

    def _killed(self, command: str, shown: str) -> str:
        """What it printed until it waited: as many lines as are shown before the shell's word that it was killed."""
        process = self.start(command)
        assert process.stdout
        try:
            printed = [process.stdout.readline() for _ in shown.splitlines()[:-1] or [""]]
        finally:
            process.kill()
        assert process.wait(timeout=LONG) < 0
        return "".join([*printed, "Killed\n"])


@pytest.mark.slow
def test_the_tutorial_shows_what_is_printed(tmp_path: Path) -> None:
    terminal, steps = Terminal(tmp_path), blocks(DOC.read_text())
    assert len(steps) > 10
    for how, shown in steps:
        assert terminal.run(how, shown) == [one.output for one in shown], shown


def test_a_tutorial_that_shows_something_else_is_told_from_a_right_one(tmp_path: Path) -> None:
    (step,) = blocks("```console\n$ echo a\nb\n$ (exit 3)\n$ echo $?\n3\n```\n")
    assert Terminal(tmp_path).run(*step) == ["a\n", "", "3\n"]
    assert [one.output for one in step[1]] == ["b\n", "", "3\n"]


@pytest.mark.parametrize("how", ["together", "killed"])
def test_the_tutorial_has_blocks_of_every_kind(how: str) -> None:
    assert how in [kind for kind, _ in blocks(DOC.read_text())]
