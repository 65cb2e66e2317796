"""A manifest is held against what was found, and any difference in either direction is said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from places import MANIFEST, ROOT

from confsync.front_door import main
from confsync.model.engine.check import check
from confsync.model.engine.verdict import Cell, Verdict
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.properties import PROPERTIES
from confsync.model.libxl.state import Bounds
from confsync.model.report import manifest
from confsync.model.report.manifest import Manifest, ManifestError, differences

TINY = Bounds(slots=1, ejectable=0, configs=1, names=1, amounts=1, processes=2, crashes=0)
OPTIONS = ["--slots=1", "--ejectable=0", "--configs=1", "--names=1", "--amounts=1", "--crashes=0", "--jobs=1"]
NAMES = ("xenstore_has_template", "template_has_xenstore", "lock_order_is_acyclic")


@pytest.fixture(scope="module")
def cells() -> list[Cell]:
    found = check(DESIGNS["json_first"], TINY, NAMES).cells
    assert [c.verdict for c in found] == [Verdict.REFUTED, Verdict.EXHAUSTED, Verdict.EXHAUSTED]
    assert found[2].vacuous
    return found


@pytest.fixture
def expected(cells: list[Cell], tmp_path: Path) -> Manifest:
    path = tmp_path / "manifest.json"
    path.write_text(manifest.of(cells, TINY), encoding="utf-8")
    return manifest.read(path, Bounds)


def only(found: list[str]) -> str:
    """The one sentence that there is."""
    assert len(found) == 1, found
    return found[0]


def test_what_is_written_is_what_is_read_and_expects_just_that(expected: Manifest, cells: list[Cell]) -> None:
    assert differences(expected, cells, TINY) == []
    assert set(expected["designs"]) == {"json_first"}
    assert tuple(expected["designs"]["json_first"]) == NAMES


@pytest.mark.parametrize(
    ("which", "change", "said"),
    [
        (1, {"verdict": Verdict.REFUTED}, "verdict EXHAUSTED -> REFUTED"),
        (0, {"verdict": Verdict.EXHAUSTED}, "verdict REFUTED -> EXHAUSTED"),
        (1, {"verdict": Verdict.BOUNDED}, "verdict EXHAUSTED -> BOUNDED"),
        (1, {"vacuous": True}, "vacuous False -> True"),
        (2, {"vacuous": False}, "vacuous True -> False"),
        (0, {"depth": 99}, "-> 99"),
        (1, {"states": 98}, "-> 98"),
        (1, {"proof": Verdict.PROVED}, "proof  -> PROVED"),
    ],
)
def test_a_cell_that_came_out_otherwise(
    expected: Manifest, cells: list[Cell], which: int, change: dict[str, Any], said: str
) -> None:
    now = [replace(c, **change) if i == which else c for i, c in enumerate(cells)]
    line = only(differences(expected, now, TINY))
    assert line.startswith(f"json_first {NAMES[which]}: not as expected: ")
    assert line.endswith(said)


def test_a_proof_is_held_against_the_manifest_where_one_was_tried(expected: Manifest, cells: list[Cell]) -> None:
    expected["designs"]["json_first"][NAMES[1]]["proof"] = "PROVED"
    assert differences(expected, cells, TINY) == []
    line = only(differences(expected, [replace(c, proof=Verdict.UNKNOWN) if c is cells[1] else c for c in cells], TINY))
    assert line == f"json_first {NAMES[1]}: not as expected: proof PROVED -> UNKNOWN"


def test_a_cell_that_only_one_of_them_has(expected: Manifest, cells: list[Cell]) -> None:
    missing = only(differences(expected, cells[1:], TINY))
    assert missing == f"json_first {NAMES[0]}: REFUTED expected, and it was not checked"
    extra = only(differences(expected, [*cells, replace(cells[0], design="as_posted")], TINY))
    assert extra == f"as_posted {NAMES[0]}: REFUTED, and the manifest does not have it"
    del expected["designs"]["json_first"][NAMES[1]]
    extra = only(differences(expected, cells, TINY))
    assert extra == f"json_first {NAMES[1]}: EXHAUSTED, and the manifest does not have it"


@pytest.mark.slow
def test_all_differences_are_said(expected: Manifest, cells: list[Cell]) -> None:
    assert len(differences(expected, [replace(c, depth=c.depth + 1) for c in cells], TINY)) == len(cells)
    assert len(differences(expected, [], TINY)) == len(cells)


def test_other_bounds_are_another_manifest(expected: Manifest, cells: list[Cell]) -> None:
    line = only(differences(expected, cells, replace(TINY, configs=2)))
    assert "'configs': 1" in line
    assert "'configs': 2" in line


def run(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": None, "FORCE_COLOR": None}).invoke(
        main, ["matrix", "--no-proofs", *OPTIONS, *arguments]
    )


GOOD = '{"bounds": {%s}, "designs": {"json_first": {"x": %s}}}'
BOUNDS = ", ".join(f'"{n}": 1' for n in Bounds.least())
CELL = '{"verdict": "REFUTED", "proof": "", "vacuous": false, "depth": 1, "states": 1}'
BAD: dict[str, bytes] = {
    "empty": b"",
    "not JSON": b"verdict: green",
    "truncated": manifest.of([], TINY).encode()[:-9],
    "not UTF-8": b'{"bounds": "caf\xe9"}',
    "too deep": b"[" * 100_000,
    "too long a number": b"1" * 10_000,
    "an array": b"[]",
    "null": b"null",
    "an empty object": b"{}",
    "one key too many": b'{"bounds": {}, "designs": {}, "more": 1}',
    "no bounds": (GOOD % ("", CELL)).encode(),
    "a bound that is no number": (GOOD % (BOUNDS.replace("1", "true", 1), CELL)).encode(),
    "designs are an array": (GOOD % (BOUNDS, CELL))
    .replace('{"json_first"', '[{"json_first"')
    .replace("}}}}", "}}}]}")
    .encode(),
    "a design is an array": (GOOD % (BOUNDS, CELL)).replace('{"x"', '[{"x"').replace("}}}}", "}}]}}").encode(),
    "a cell is a word": (GOOD % (BOUNDS, '"REFUTED"')).encode(),
    "a cell lacks a key": (GOOD % (BOUNDS, CELL.replace(', "states": 1', ""))).encode(),
    "a cell has one too many": (GOOD % (BOUNDS, CELL.replace("}", ', "x": 1}'))).encode(),
    "a verdict that is none": (GOOD % (BOUNDS, CELL.replace("REFUTED", "GREEN"))).encode(),
    "a verdict that is a number": (GOOD % (BOUNDS, CELL.replace('"REFUTED"', "1"))).encode(),
    "a depth that is a word": (GOOD % (BOUNDS, CELL.replace('"depth": 1', '"depth": "1"'))).encode(),
}


def test_the_good_one_that_the_bad_ones_are_made_from_is_good(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text(GOOD % (BOUNDS, CELL), encoding="utf-8")
    assert manifest.read(path, Bounds)["designs"]["json_first"]["x"]["verdict"] == "REFUTED"


@pytest.mark.parametrize("name", BAD)
def test_a_malformed_manifest_is_bad_input(tmp_path: Path, name: str) -> None:
    path = tmp_path / "m.json"
    path.write_bytes(BAD[name])
    with pytest.raises(ManifestError, match=r"m\.json: "):
        manifest.read(path, Bounds)
    result = run("json_first", "--manifest", str(path))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"confsync: {path}: ")


@pytest.mark.parametrize("make", [lambda p: p / "gone.json", lambda p: p], ids=["not there", "a folder"])
def test_a_manifest_that_cannot_be_read_is_bad_input(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    result = run("json_first", "--manifest", str(make(tmp_path)))
    assert result.exit_code == 2
    assert "cannot be read" in result.stderr


def test_a_manifest_that_cannot_be_written_is_said_before_the_search(tmp_path: Path) -> None:
    for path in (tmp_path / "gone" / "m.json", tmp_path):
        result = run("json_first", "--write-manifest", str(path))
        assert (result.exit_code, result.stdout) == (2, "")
        assert "cannot be written" in result.stderr


@pytest.mark.slow
def test_the_command_writes_one_and_any_flipped_verdict_is_unlike_it(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    assert run("json_first", "--write-manifest", str(path)).exit_code == 1
    same = run("json_first", "--manifest", str(path))
    assert same.exit_code == 0
    assert f"all {len(PROPERTIES)} verdicts are as" in same.stdout
    for name, other in (("xenstore_has_template", "EXHAUSTED"), ("template_has_xenstore", "REFUTED")):
        data = json.loads(path.read_text(encoding="utf-8"))
        was = data["designs"]["json_first"][name]["verdict"]
        assert was != other
        data["designs"]["json_first"][name]["verdict"] = other
        flipped = tmp_path / "flipped.json"
        flipped.write_text(json.dumps(data), encoding="utf-8")
        result = run("json_first", "--manifest", str(flipped))
        assert result.exit_code == 1
        assert f"unlike the manifest: json_first {name}: not as expected: verdict {other} -> {was}" in result.stdout
        assert result.stdout.count("unlike the manifest") == 1


def test_ours_has_every_design_and_property_at_the_default_bounds() -> None:
    ours = manifest.read(MANIFEST, Bounds)
    assert Bounds(**ours["bounds"]) == Bounds()
    assert {(d, p) for d, cells in ours["designs"].items() for p in cells} == {
        (d, p) for d in DESIGNS for p in PROPERTIES
    }
    words = {(c["verdict"], c["proof"]) for cells in ours["designs"].values() for c in cells.values()}
    assert words == {("EXHAUSTED", "PROVED"), ("REFUTED", "UNKNOWN")}


@pytest.mark.deep
def test_two_designs_are_as_our_manifest_expects(tmp_path: Path) -> None:
    """Of the search, the design that is recommended and the one that was posted. `make verify` holds all of them
    against it, and their proofs."""
    designs = (RECOMMENDED, "as_posted")
    ours = json.loads((MANIFEST).read_text(encoding="utf-8"))
    part = tmp_path / "part.json"
    part.write_text(json.dumps(ours | {"designs": {d: ours["designs"][d] for d in designs}}), encoding="utf-8")
    command = [sys.executable, "-m", "confsync", "matrix", *designs, "--no-proofs", "--manifest", str(part), "--jobs=1"]
    plain = {k: v for k, v in os.environ.items() if k != "FORCE_COLOR"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=plain, timeout=900)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert f"all {len(designs) * len(PROPERTIES)} verdicts are as" in done.stdout
