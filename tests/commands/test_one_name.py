"""The project has one import name: a folder's own name fails, in a checkout too, and no source may use it."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT
from processes import environment
from users_project import PARTS, users_project

IMPORTS = ("import {}", "import {}.cli as cli", "from {} import cli", "from {}.cli import check", "import confsync, {}")


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("below", ["", ".cli"])
def test_a_folder_s_own_name_fails_and_says_what_to_import(part: str, below: str) -> None:
    """In a checkout it would be found, and with it a second copy of every class."""
    with pytest.raises(ImportError, match=f"import confsync.{part}, and not {part}: "):
        importlib.import_module(part + below)
    assert part not in sys.modules


def test_each_part_is_a_folder_of_the_checkout_by_a_link_that_can_be_moved() -> None:
    found = {path.name: path for path in (ROOT / "confsync").iterdir() if path.is_symlink()}
    assert sorted(found) == sorted(PARTS)
    for name, path in found.items():
        assert path.readlink() == Path("..", name)
        assert (ROOT / name / "__init__.py").is_file()


def refused(source: str) -> bool:
    """Whether ruff, as the project has it, refuses the import in a file of the tests."""
    ruff = [sys.executable, "-m", "ruff", "check", "--no-cache", "--quiet", "--output-format=concise"]
    name = ["--stdin-filename", str(ROOT / "tests" / "support" / "none.py"), "-"]
    done = subprocess.run([*ruff, *name], input=source, cwd=ROOT, capture_output=True, text=True, check=False)
    return "TID251" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_no_source_may_import_a_folder_s_own_name(part: str) -> None:
    for form in IMPORTS:
        assert refused(f"{form.format(part)}\n"), form
        assert not refused(f"{form.format(f'confsync.{part}')}\n"), form


@pytest.mark.slow
@pytest.mark.parametrize("command", [("designs",), ("domain", "--help"), ("conform", "--help"), ("prove", "--help")])
def test_a_checkout_s_command_runs_in_a_project_with_folders_of_these_names(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    users_project(tmp_path)
    call = [sys.executable, "-m", "confsync", *command]
    done = subprocess.run(call, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
