"""The witnesses are independent: what is to agree with the checker imports nothing of the checker."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import ROOT, TESTS

HERE = Path(__file__).parent
PROJECT = {path.stem for path in ROOT.iterdir() if (path / "__init__.py").exists() or path.suffix == ".py"} - {"tests"}
"""What a part of the project is imported by: its one name, and the folders' own names, which no file may import."""
THIRD_PARTY = {"hypothesis"}
"""What a witness may import besides the standard library and other witnesses."""
BY_NAME = {"__import__", "import_module", "exec", "eval"}
"""Ways to import that cannot be followed."""
WITNESSES = {
    "facts of the protocol": sorted((HERE / "facts").glob("*.py")),
    "the specification that the Hypothesis machines follow": [TESTS / "conformance" / "machines_spec.py"],
}


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports, wherever it does so; also where it does it by name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path.name}, line {node.lineno}: import the module by its whole name"
            yield str(node.module)
        elif isinstance(node, ast.Name | ast.Attribute):
            name = node.id if isinstance(node, ast.Name) else node.attr
            assert name not in BY_NAME, f"{path.name}, line {node.lineno}: {name}"


def reached(path: Path, seen: set[Path]) -> Iterator[tuple[Path, str]]:
    """The file and the module, for all that a file and the test modules that it imports import."""
    if path in seen:
        return
    seen.add(path)
    for module in imported(path):
        below = [at.joinpath(*module.split(".")) for at in (*path.parents[:2], TESTS / "support")]
        local = [p for at in below for p in (at.with_suffix(".py"), at / "__init__.py") if p.exists()]
        if local:
            yield from reached(local[0], seen)
        else:
            yield path, module


@pytest.mark.parametrize("witness", WITNESSES)
def test_a_witness_imports_nothing_of_the_project(witness: str) -> None:
    seen: set[Path] = set()
    for start in WITNESSES[witness]:
        for path, module in reached(start, seen):
            top = module.split(".")[0]
            assert top not in PROJECT, f"{path.name} imports {module}"
            assert top in sys.stdlib_module_names | THIRD_PARTY, f"{path.name} imports {module}"
    assert seen


def test_the_project_is_what_the_witnesses_are_held_against() -> None:
    assert {"model", "proofs", "impl", "terminal", "confsync"} <= PROJECT


def test_an_import_of_the_project_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "witness.py"
    path.write_text(
        "def late():\n    from confsync.model.libxl.state import Bounds\n    return Bounds\n", encoding="utf-8"
    )
    assert [module for _, module in reached(path, set())] == ["confsync.model.libxl.state"]


def test_an_import_by_name_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "witness.py"
    path.write_text(
        "import importlib\nstate = importlib.import_module('confsync.model.libxl.state')\n", encoding="utf-8"
    )
    with pytest.raises(AssertionError, match="import_module"):
        list(reached(path, set()))
