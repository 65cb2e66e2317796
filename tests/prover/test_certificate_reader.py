"""The reader that every certificate comes with: it passes what is whole, and names what was removed or weakened."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_design import FEW, faulty_design, small_proof

from confsync.proofs.prover.certificate.certificate import BY_THE_FRAME, READER, write_certificate
from confsync.proofs.prover.proof import prove

pytestmark = pytest.mark.slow

Z3 = Path(sys.executable).parent / "z3"
Index = dict[str, Any]
MOST_LINES = 150


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificate(small_proof(), tmp_path_factory.mktemp("certificates") / "whole")


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "copy")
    return tmp_path / "copy"


def check(folder: Path, *solver: str | Path) -> tuple[int, str]:
    """Run the certificate's reader, from somewhere else. -> its exit code, and what it printed."""
    command = [sys.executable, "-I", str(folder / "check.py"), *map(str, solver or (Z3,))]
    ran = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
    return ran.returncode, ran.stdout + ran.stderr


def read(folder: Path) -> Index:
    found: Index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    return found


def put(folder: Path, index: Index) -> None:
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")


def transition(index: Index, name: str) -> Index:
    return next(t for t in index["transitions"] if t["name"] == name)


def edit(folder: Path, file: str, old: str, new: str) -> None:
    text = (folder / file).read_text(encoding="ascii")
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1), encoding="ascii")


WRITES = "attach 4 write_template takes"


def file_of(folder: Path, name: str = WRITES) -> str:
    shown: str = transition(read(folder), name)["shown"]
    return shown


def test_it_is_short_and_imports_nothing_of_the_project() -> None:
    text = READER.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    imports = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Import | ast.ImportFrom)]
    names = {a.name for n in imports if isinstance(n, ast.Import) for a in n.names}
    names |= {n.module or "" for n in imports if isinstance(n, ast.ImportFrom)}
    assert {n.partition(".")[0] for n in names} <= sys.stdlib_module_names


def test_what_is_whole_passes(whole: Path) -> None:
    code, said = check(whole)
    assert (code, re.fullmatch(r"[0-9]{3,} questions, 0 faults\n", said) is not None) == (0, True), said


def test_one_of_a_design_with_properties_that_do_not_hold_passes(tmp_path: Path) -> None:
    proof = prove(faulty_design, FEW[:2])
    assert check(write_certificate(proof, tmp_path / "it"))[0] == 0


def _a_transition_less(folder: Path) -> str:
    index = read(folder)
    index["transitions"].remove(transition(index, "attach 5 enter_xenstore dies"))
    put(folder, index)
    return "attach 5 enter_xenstore dies: there must be a transition that leads to idle"


def _an_operation_less_in_the_orders(folder: Path) -> str:
    index = read(folder)
    index["design"]["operations"] = [o for o in index["design"]["operations"] if o["name"] != "rename"]
    put(folder, index)
    return "rename 1 rename_at_once takes: no order of steps has this"


def _a_step_that_can_no_longer_fail(folder: Path) -> str:
    index = read(folder)
    index["design"]["steps"]["write_template"]["may_fail"] = False
    put(folder, index)
    return "attach 4 write_template fails: no order of steps has this"


def _another_way(folder: Path) -> str:
    index = read(folder)
    transition(index, "attach 5 enter_xenstore takes")["to"] = "attach 7 allocate"
    put(folder, index)
    return "attach 5 enter_xenstore takes: there must be a transition that leads to attach 6 drop_lock"


def _a_clean_up_less(folder: Path) -> str:
    index = read(folder)
    transition(index, "attach 5 enter_xenstore fails")["to"] = "idle"
    put(folder, index)
    return "attach 5 enter_xenstore fails: there must be a transition that leads to attach clean-up drop_lock"


def _an_obligation_less(folder: Path) -> str:
    """Left out as if it were by the frame, without a trace."""
    index = read(folder)
    t = transition(index, WRITES)
    index["obligations"] = [o for o in index["obligations"] if o["file"] != t["shown"]]
    (folder / t["shown"]).unlink()
    t["shown"] = BY_THE_FRAME
    put(folder, index)
    return f"{WRITES}: its file shows less than it must (sat)"


def _a_file_less(folder: Path) -> str:
    (folder / file_of(folder)).unlink()
    return f"{WRITES}: its file shows less than it must (sat)"


def _an_obligation_that_shows_less(folder: Path) -> str:
    edit(folder, file_of(folder), "  (not (holds me))", "  false")
    return f"{WRITES}: its file shows less than it must (sat)"


def _an_obligation_that_shows_nothing(folder: Path) -> str:
    path = folder / file_of(folder)
    text = path.read_text(encoding="ascii")
    begins, ends = text.index("(define-fun"), text.index("; 1. Can")
    path.write_text(f"{text[:begins]}(define-fun |it fails| () Bool false)\n\n{text[ends:]}", encoding="ascii")
    return f"{WRITES}: its file shows less than it must (sat)"


def _an_assumption_more(folder: Path) -> str:
    edit(folder, file_of(folder), "; What would", "(assert (! (holds p) :named |known: more|))\n; What would")
    return "it assumes or asks something else: (holds p)"


def _a_contradiction_in_a_file(folder: Path) -> str:
    """With the answer that is then expected."""
    index, file = read(folder), file_of(folder)
    edit(folder, file, "; What would", "(assert (! (not (= me me)) :named |known: no|))\n; What would")
    next(o for o in index["obligations"] if o["file"] == file)["expected"] = "unsat unsat"
    put(folder, index)
    return "it assumes or asks something else: (not (= me me))"


def _a_contradiction_after_the_question(folder: Path) -> str:
    edit(folder, file_of(folder), "(assert |it fails|)", "(assert false)\n(assert |it fails|)")
    return "it assumes or asks something else"


def _guards_that_contradict_each_other(folder: Path) -> str:
    index = read(folder)
    transition(index, "attach 2 read_template takes")["guards"].append("(not saved)")
    put(folder, index)
    return "attach 2 read_template takes: what is known contradicts itself (unsat)"


def _a_guard_more(folder: Path) -> str:
    index = read(folder)
    transition(index, "attach 3 refuse_if_present takes")["guards"].append("(= (template k) ABSENT)")
    put(folder, index)
    return "attach 3 refuse_if_present: its guards leave a case out (sat)"


def _an_initial_state_that_contradicts_itself(folder: Path) -> str:
    index = read(folder)
    index["system"]["initial"].append("saved")
    put(folder, index)
    return "every lemma holds at first: what is known contradicts itself (unsat)"


def _a_lemma_less(folder: Path) -> str:
    """The one that the attach holds the lock: what was shown with it is no longer."""
    index = read(folder)
    index["invariant"] = [x for x in index["invariant"] if not (x["says"] == "my holds" and "attach 4" in x["at"])]
    put(folder, index)
    return f"{WRITES}: it can fail (sat)"


def _a_lemma_that_says_less(folder: Path) -> str:
    index = read(folder)
    lemma = next(x for x in index["invariant"] if x["says"] == "my holds" and "attach 4" in x["at"])
    lemma["formula"] = lemma["formula"].replace("(holds me)", "true")
    put(folder, index)
    return f"{WRITES}: it can fail (sat)"


def _an_update_less(folder: Path) -> str:
    """A lemma is then shown of something that is not written: its file shows more than it must, and assumes as much.
    What no longer leads on is told where the update is needed."""
    index = read(folder)
    del transition(index, "attach 1 take_lock takes")["updates"]["my holds"]
    put(folder, index)
    return "attach 1 take_lock takes: it can fail (sat)"


def _a_lemma_less_that_a_property_needs(folder: Path) -> str:
    index = read(folder)
    p = next(p for p in index["properties"] if p["name"] == "xenstore_has_template")
    p["lemmas"][0]["number"] = 2
    put(folder, index)
    return "xenstore_has_template: what would show it is not there"


def _a_property_without_reasons(folder: Path) -> str:
    index = read(folder)
    p = next(p for p in index["properties"] if p["name"] == "xenstore_has_template")
    p["lemmas"], p["claims"] = [], []
    put(folder, index)
    return "xenstore_has_template: what would show it is not there"


def _a_claim_that_says_less(folder: Path) -> str:
    index = read(folder)
    index["claims"][0]["given"].append("(holds me)")
    index["claims"][0]["given"].append("(not (holds me))")
    put(folder, index)
    return f"{index['claims'][0]['says']}: what is known contradicts itself (unsat)"


def _an_obligation_more(folder: Path) -> str:
    index = read(folder)
    index["obligations"].append({**index["obligations"][-1], "name": "something else", "file": "obligations/x.smt2"})
    put(folder, index)
    return "obligations/x.smt2: nothing has to be shown by this"


TAMPERED = [f for name, f in list(globals().items()) if name.startswith(("_a_", "_an_", "_another", "_guards"))]


@pytest.mark.parametrize("tamper", TAMPERED, ids=lambda t: t.__name__.strip("_").replace("_", " "))
def test_what_was_removed_or_weakened_is_named(copy: Path, tamper: Callable[[Path], str]) -> None:
    told = tamper(copy)
    code, said = check(copy)
    assert code == 1, said
    assert told in said


def test_any_disjunct_that_is_left_out_is_noticed(copy: Path) -> None:
    """Each by itself, of an obligation that shows several lemmas."""
    path = copy / file_of(copy)
    text = path.read_text(encoding="ascii")
    begins = text.index("(or\n", text.index("(define-fun"))
    ends = text.index("\n))", begins)
    parts = re.split(r"^  ; .*\n", text[begins:ends] + "\n", flags=re.MULTILINE)[1:]
    assert len(parts) > 3
    for part in parts:
        path.write_text(text.replace(part, "  false\n"), encoding="ascii")
        assert check(copy)[0] == 1, part


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"transitions": 1}', "\x00"])
def test_an_index_that_cannot_be_read_is_bad_input(copy: Path, text: str) -> None:
    (copy / "index.json").write_text(text, encoding="utf-8")
    code, said = check(copy)
    assert code == 2
    assert said.startswith("check.py: the certificate can't be checked: ")
    assert said.count("\n") == 1


def test_a_solver_that_is_not_there_or_does_not_answer_is_told(copy: Path) -> None:
    for solver in (copy / "nowhere", Path("/bin/true")):
        code, said = check(copy, solver)
        assert (code, "can't be checked" in said) == (2, True)


def test_a_solver_that_says_the_same_to_everything_does_not_pass(copy: Path) -> None:
    liar = copy.parent / "liar"
    liar.write_text('#!/bin/sh\ngrep -o check-sat "$1" | sed s/.*/unsat/\n', encoding="ascii")
    liar.chmod(0o755)
    assert check(copy, liar)[0] == 1
