"""Proof certificates: what is in one, that a solver passes it, and that what was tampered with does not pass."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from small_design import FEW as FEW_PROPERTIES
from small_design import faulty_design, small_design
from small_design import small_proof as proof

import confsync.proofs.prover.certificate.certificate as certificates
from confsync.model.engine.program import Kind as Outcome
from confsync.model.engine.verdict import Verdict
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.proofs.libxl.arguments import ARGUMENTS
from confsync.proofs.prover.certificate.certificate import (
    BY_THE_FRAME,
    CertificateError,
    index_of,
    may_write,
    write_certificate,
)
from confsync.proofs.prover.certificate.smtlib import scripts
from confsync.proofs.prover.obligation import Kind
from confsync.proofs.prover.proof import Proof, prove

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("certificate")]

Z3 = Path(sys.executable).parent / "z3"
SCHEMA = json.loads((Path(certificates.__file__).parent / "certificate.schema.json").read_text(encoding="utf-8"))
Index = dict[str, Any]
FEW = 8
"""How many obligations are kept where a solver runs on them again and again."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificate(proof(), tmp_path_factory.mktemp("certificates") / "whole")


def read(folder: Path) -> Index:
    found: Index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    return found


def put(folder: Path, index: Index) -> None:
    (folder / "index.json").write_text(json.dumps(index, indent=2), encoding="utf-8")


@pytest.fixture
def few(whole: Path, tmp_path: Path) -> Path:
    """A certificate of some of the obligations only, in which nothing is missing."""
    folder = tmp_path / "few"
    shutil.copytree(whole, folder)
    index = read(folder)
    kept = [o for kind in Kind for o in [o for o in index["obligations"] if o["kind"] == kind.value][:FEW]]
    files = {o["file"] for o in kept}
    index["obligations"] = kept
    index["transitions"] = [t for t in index["transitions"] if t["shown"] in files]
    for lemma in index["invariant"]:
        lemma["assumed_in"] = [f for f in lemma["assumed_in"] if f in files]
    for path in folder.glob("obligations/*"):
        if path.relative_to(folder).as_posix() not in files:
            path.unlink()
    for claim in (c for p in index["properties"] for c in p["claims"]):
        assert claim["shown"] in files
    put(folder, index)
    return folder


def check(folder: Path, *solver: str | Path) -> tuple[int, str]:
    """Run the certificate's own script, from somewhere else. -> its exit code, and what it printed."""
    command = ["sh", str(folder / "check.sh"), *map(str, solver or (Z3,))]
    ran = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
    return ran.returncode, ran.stdout + ran.stderr


# ------------------------------------------------------------------ what it holds


@pytest.mark.parametrize(
    "of",
    [
        pytest.param(proof, id="small"),
        pytest.param(
            lambda: prove(DESIGNS[RECOMMENDED], FEW_PROPERTIES),
            id="a few of the recommended design",
            marks=pytest.mark.deep,
        ),
        pytest.param(
            lambda: prove(DESIGNS[RECOMMENDED], arguments=ARGUMENTS),
            id="all of the recommended design",
            marks=pytest.mark.deep,
        ),
    ],
)
def test_a_certificate_is_as_its_schema_says_and_z3_passes_it(of: Callable[[], Proof], tmp_path: Path) -> None:
    found = of()
    folder = write_certificate(found, tmp_path / "it")
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator(SCHEMA).validate(read(folder))
    assert check(folder) == (0, f"{len(found.discharged)} obligations, 0 differences\n")
    assert {p.name for p in folder.iterdir()} == certificates.CONTENTS
    assert not [p for p in tmp_path.iterdir() if p != folder]


def test_one_of_a_design_with_refuted_properties_too(tmp_path: Path) -> None:
    folder = write_certificate(prove(faulty_design, FEW_PROPERTIES[:2]), tmp_path)
    index = read(folder)
    Draft202012Validator(SCHEMA).validate(index)
    assert [(p["verdict"], p["lemmas"][0]["number"]) for p in index["properties"]] == [("UNKNOWN", None), ("PROVED", 1)]
    assert "| xenstore_has_template | UNKNOWN | not decided |" in (folder / "README.md").read_text(encoding="utf-8")


def test_no_transition_and_no_lemma_is_left_out(whole: Path) -> None:
    index, found = read(whole), proof().found
    files = {o["file"]: o for o in index["obligations"]}
    assert [t["name"] for t in index["transitions"]] == [s.name for s in found.steps]
    for entry, step in zip(index["transitions"], found.steps, strict=True):
        if found.goals(step):
            assert entry["shown"] in files
            assert files[entry["shown"]]["name"] == entry["name"]
            shown = {index["invariant"][n - 1]["says"] for n in files[entry["shown"]]["shows"]}
            assert shown == {proof().names.says(g.lemma) for g in found.goals(step)}
        else:
            assert entry["shown"] == BY_THE_FRAME
            assert not any(lemma["at"] == f"at {entry['to']}" for lemma in index["invariant"])
    assert {t["shown"] == BY_THE_FRAME for t in index["transitions"]} == {True, False}
    assert [lemma["number"] for lemma in index["invariant"]] == list(range(1, len(proof().lemmas) + 1))
    initiation = next(o for o in index["obligations"] if o["kind"] == "initiation")
    assert initiation["shows"] == [lemma["number"] for lemma in index["invariant"]]


def test_the_transitions_are_those_of_the_orders_of_steps(whole: Path) -> None:
    """What the page on certificates tells a reader to count."""
    index = read(whole)
    for operation in index["design"]["operations"]:
        name, steps = operation["name"], operation["steps"]
        places = [f"{name} {i + 1} {step}" for i, step in enumerate(steps)]
        came = [t for t in index["transitions"] if t["name"].rpartition(" ")[0] in places]
        taken = [t for t in came if t["name"].endswith(Outcome.STEP.value)]
        assert [t["from"] for t in taken] == ["idle", *places[1:]]
        assert [t["to"] for t in taken] == [*places[1:], "idle"]
        assert sum(t["name"].endswith(Outcome.CRASH.value) for t in came) == len(steps) - 1


def test_a_file_says_what_it_is_and_names_all_it_assumes(whole: Path) -> None:
    index = read(whole)
    for o, d in zip(index["obligations"], proof().discharged, strict=True):
        text = (whole / o["file"]).read_text(encoding="ascii")
        assert f"; kind:   {o['kind']}\n; name:   {o['name']}\n" in text
        assert f"; design: {small_design.name}\n" in text
        names = re.findall(r":named (\|[^|]*\|)", text)
        assert len(names) == len(set(names)) == len(d.obligation.premises) + len(d.obligation.lemmas)
        assert {f"|known: {n}|" for n, _ in d.obligation.premises} <= set(names)
        assert set(o["core"]) == set(d.core)


def test_lemmas_are_numbered_and_it_is_told_where_they_are_used(whole: Path) -> None:
    index = read(whole)
    for lemma in index["invariant"]:
        words = f"{lemma['at']}: {lemma['says']}" if lemma["at"] else lemma["says"]
        for o in index["obligations"]:
            assumed = f"|lemma: {words}|" in (whole / o["file"]).read_text(encoding="ascii")
            assert assumed == (o["file"] in lemma["assumed_in"])


def test_it_is_written_the_same_again(whole: Path, tmp_path: Path) -> None:
    again = write_certificate(proof(), tmp_path / "again")
    for path in (p for p in whole.rglob("*") if p.is_file()):
        assert path.read_bytes() == (again / path.relative_to(whole)).read_bytes()


def test_what_was_not_decided_is_not_claimed() -> None:
    """Any first answer will do; but an obligation that was not discharged does not hold until a solver says so."""
    first, *rest = proof().discharged
    undecided = replace(proof(), discharged=(replace(first, possible=None, verdict=Verdict.UNKNOWN), *rest))
    index = index_of(undecided, list(scripts(undecided)))
    Draft202012Validator(SCHEMA).validate(index)
    obligations: Any = index["obligations"]
    assert (obligations[0]["expected"], obligations[0]["answered"]) == ("any unsat", "unknown unknown")


# ------------------------------------------------------------------ tampering


def test_what_was_not_tampered_with_passes(few: Path) -> None:
    code, said = check(few)
    assert (code, said) == (0, f"{len(read(few)['obligations'])} obligations, 0 differences\n")


def _a_lemma_less(folder: Path) -> str:
    """Leave a lemma out of a file: one without which the solver finds a counterexample."""
    for o in read(folder)["obligations"]:
        text = (folder / o["file"]).read_text(encoding="ascii")
        lemmas = text.index("; What the lemmas say") if "; What the lemmas say" in text else len(text)
        ends = text.find("; What would be so", lemmas)
        if ends > 0 and o["expected"] == "sat unsat":
            (folder / o["file"]).write_text(text[:lemmas] + text[ends:], encoding="ascii")
            return f"{o['file']}: 'sat sat' where 'sat unsat' is expected"
    raise AssertionError("no obligation of these uses a lemma")


def _a_file_less(folder: Path) -> str:
    file = read(folder)["obligations"][2]["file"]
    (folder / file).unlink()
    return f"{file}: there is no such file"


def _a_file_more(folder: Path) -> str:
    (folder / "obligations" / "more.smt2").touch()
    return "obligations/more.smt2: it is not among the obligations of index.json"


def _an_empty_file(folder: Path) -> str:
    file = read(folder)["obligations"][1]["file"]
    (folder / file).write_text("", encoding="ascii")
    return f"{file}: '' where"


def _another_answer(folder: Path) -> str:
    index = read(folder)
    index["obligations"][1]["expected"] = "unsat unsat"
    put(folder, index)
    return "'sat unsat' where 'unsat unsat' is expected"


def _an_obligation_less(folder: Path) -> str:
    """Leave one out as if there had never been one: the transition still names it."""
    index = read(folder)
    gone = index["obligations"].pop(1)["file"]
    put(folder, index)
    (folder / gone).unlink()
    return f"{gone}: it is not among the obligations of index.json"


def _nothing_left(folder: Path) -> str:
    put(folder, {"obligations": []})
    shutil.rmtree(folder / "obligations")
    (folder / "obligations").mkdir()
    return "index.json: it names no obligations"


def _nonsense(folder: Path) -> str:
    file: str = read(folder)["obligations"][1]["file"]
    path = folder / file
    path.write_text(path.read_text(encoding="ascii").replace("(push 1)", "(push 1"), encoding="ascii")
    return file


@pytest.mark.parametrize(
    "tamper",
    [
        _a_lemma_less,
        _a_file_less,
        _a_file_more,
        _an_empty_file,
        _another_answer,
        _an_obligation_less,
        _nothing_left,
        _nonsense,
    ],
    ids=lambda t: t.__name__.strip("_").replace("_", " "),
)
def test_what_was_tampered_with_does_not_pass(few: Path, tamper: Callable[[Path], str]) -> None:
    told = tamper(few)
    code, said = check(few)
    assert code == 1
    assert told in said
    assert " 0 differences" not in said


def test_a_single_lemma_that_is_left_out_of_a_file_is_noticed(few: Path) -> None:
    """Assertion by assertion, as somebody would who wants to know what an obligation rests on."""
    o = next(o for o in read(few)["obligations"] if len(o["core"]) > 4 and o["expected"] == "sat unsat")
    path = few / o["file"]
    text = path.read_text(encoding="ascii")
    for assertion in re.findall(r"^\(assert \(!.*?:named \|lemma[^|]*\|\)\)$", text, re.MULTILINE | re.DOTALL):
        path.write_text(text.replace(assertion, ""), encoding="ascii")
        if check(few)[0]:
            return
    raise AssertionError(f"{o['file']} does without any one of its lemmas")


def test_an_answer_that_nobody_knows_may_be_any(few: Path) -> None:
    index = read(few)
    for o in index["obligations"]:
        o["expected"] = "any unsat"
    put(few, index)
    assert check(few)[0] == 0
    (few / index["obligations"][0]["file"]).write_text("(check-sat)", encoding="ascii")
    assert check(few)[0] == 1


def test_a_solver_can_have_options_and_has_to_be_there(few: Path, tmp_path: Path) -> None:
    assert check(few, Z3, "-T:60")[0] == 0
    code, said = check(few, tmp_path / "nowhere")
    assert (code, "there is no solver" in said) == (2, True)
    liar = tmp_path / "a liar"
    liar.write_text("#!/bin/sh\necho unsat; echo unsat\n", encoding="ascii")
    liar.chmod(0o755)
    assert check(few, liar)[0] == 1


# ------------------------------------------------------------------ where it is written


def test_an_older_certificate_is_replaced(few: Path) -> None:
    assert write_certificate(proof(), few) == few
    assert len(read(few)["obligations"]) == len(proof().discharged)
    assert list(few.parent.iterdir()) == [few]


def test_folders_on_the_way_are_made_and_an_empty_one_is_used(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "a" / "b" / "c", tmp_path / "empty"):
        assert may_write(folder) == write_certificate(proof(), folder) == folder
        assert read(folder)["format"] == certificates.FORMAT
    assert os.access(tmp_path / "empty" / "check.sh", os.X_OK)


def test_a_link_to_a_folder_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert write_certificate(proof(), tmp_path / "link") == tmp_path / "real"
    assert (tmp_path / "link").is_symlink()


def _in_the_way(tmp_path: Path) -> dict[str, tuple[Path, str]]:
    """Places where no certificate is to be written, and why not."""
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.json").write_text("[]", encoding="utf-8")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "index.json").write_text('{"format": "confsync certificate"}', encoding="utf-8")
    (tmp_path / "notes" / "my notes").touch()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "index.json").write_text("{", encoding="utf-8")
    (tmp_path / "loop").symlink_to("loop")
    return {
        "a file": (tmp_path / "file", "is a file"),
        "below a file": (tmp_path / "file" / "x", "is a file"),
        "another's": (tmp_path / "mine", "holds something else"),
        "notes added": (tmp_path / "notes", "holds something else"),
        "no index": (tmp_path / "broken", "holds something else"),
        "a loop": (tmp_path / "loop" / "x", "loop"),
    }


@pytest.mark.parametrize("which", ["a file", "below a file", "another's", "notes added", "no index", "a loop"])
def test_what_is_in_the_way_is_left_alone_and_told(which: str, tmp_path: Path) -> None:
    path, why = _in_the_way(tmp_path)[which]
    before = sorted(str(p) for p in tmp_path.rglob("*"))
    for attempt in (may_write, lambda p: write_certificate(proof(), p)):
        with pytest.raises(CertificateError, match=why) as told:
            attempt(path)
        assert "name " in str(told.value)
    assert sorted(str(p) for p in tmp_path.rglob("*")) == before


def test_where_nothing_can_be_written_it_is_told() -> None:
    with pytest.raises(CertificateError, match=r"/proc/nowhere/it: .*: name another folder"):
        write_certificate(proof(), Path("/proc/nowhere/it"))


@pytest.mark.quick
def test_where_nobody_may_write_it_is_told_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # whoever runs this may be root
    with pytest.raises(CertificateError, match="nothing can be written in"):
        may_write(tmp_path / "it")


@pytest.mark.parametrize("stop", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_stops_halfway_leaves_what_was_there(
    few: Path, monkeypatch: pytest.MonkeyPatch, stop: BaseException
) -> None:
    def half(_proof: Proof, folder: Path) -> None:
        folder.mkdir()
        raise stop

    before = sorted(few.parent.rglob("*"))
    monkeypatch.setattr(certificates, "_write", half)
    with pytest.raises((CertificateError, KeyboardInterrupt)):
        write_certificate(proof(), few)
    assert sorted(few.parent.rglob("*")) == before
    assert check(few)[0] == 0


def test_what_can_not_be_moved_into_place_leaves_what_was_there(few: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved, rename = list[str](), Path.rename

    def odd(self: Path, target: Path) -> Path:
        moved.append(self.name)
        if self.name == "new":
            raise OSError(16, "Device or resource busy")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", odd)
    with pytest.raises(CertificateError, match="busy"):
        write_certificate(proof(), few)
    assert moved == ["few", "new", "old"]
    assert check(few)[0] == 0
