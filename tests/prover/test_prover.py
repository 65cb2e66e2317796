"""The prover from end to end on a small design: lemmas, obligations, a certificate, and the certificate's reader.

Everything is in the inner loop. What is proved of the registered designs is in `test_proofs.py`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from small_design import FEW, faulty_design, small_design, small_proof

from confsync.model.engine.check import check
from confsync.model.engine.verdict import Verdict
from confsync.model.libxl.state import Bounds
from confsync.proofs.prover import proof as proofs
from confsync.proofs.prover.certificate.certificate import write_certificate
from confsync.proofs.prover.invariant.lemma import Clause, Exclusive
from confsync.proofs.prover.obligation import Kind, discharge
from confsync.proofs.prover.proof import Proof, prove

Z3 = Path(sys.executable).parent / "z3"
ONE_DEVICE = Bounds(slots=1, ejectable=0, configs=1, names=1, amounts=1, processes=2, crashes=0)


def read_by_a_third_party(proof: Proof, folder: Path) -> tuple[int, str]:
    """Write the certificate and run its own reader. -> the exit code, and the last line printed"""
    reader = write_certificate(proof, folder) / "check.py"
    ran = subprocess.run([sys.executable, "-I", reader, Z3], capture_output=True, text=True, cwd="/", check=False)
    return ran.returncode, (ran.stdout + ran.stderr).splitlines()[-1]


def test_a_design_is_proved_and_its_certificate_read(tmp_path: Path) -> None:
    proof = small_proof()
    assert proof.verdicts == dict.fromkeys(FEW, Verdict.PROVED)
    assert not proof.why
    assert {d.verdict for d in proof.discharged} == {Verdict.PROVED}
    assert {d.obligation.kind for d in proof.discharged} == set(Kind)
    assert any(isinstance(x, Exclusive) for x in proof.lemmas)
    said = {proof.names(x) for x in proof.lemmas if isinstance(x, Clause)}
    entering = "at attach 5 enter_xenstore"
    assert {f"{entering}: my holds", f"{entering}: template[k] != ABSENT or k is not my slot"} <= said
    code, last = read_by_a_third_party(proof, tmp_path / "certificate")
    assert (code, last.endswith("0 faults")) == (0, True), last


def test_what_does_not_hold_is_not_proved_and_the_search_refutes_it() -> None:
    """The attach drops the lock too early: another one comes in between."""
    (cell,) = check(faulty_design, ONE_DEVICE, FEW[:1]).cells
    assert cell.verdict is Verdict.REFUTED
    proof = prove(faulty_design, FEW[:2])
    assert proof.verdicts == {FEW[0]: Verdict.UNKNOWN, FEW[1]: Verdict.PROVED}
    assert proof.why[FEW[0]].step
    assert proof.why[FEW[0]].model is not None


def test_nothing_is_proved_if_one_obligation_is_not_discharged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the strengthening came to: the last word is the solver's, on each obligation by itself."""
    monkeypatch.setattr(proofs, "discharge", lambda o, **more: discharge(o, **(more | {"rlimit": 1})))
    monkeypatch.setattr(proofs, "holds_at_first", lambda *_: True)
    proof = prove(small_design, FEW[1:2])
    assert Verdict.UNKNOWN in {d.verdict for d in proof.discharged}
    assert proof.verdicts == {FEW[1]: Verdict.UNKNOWN}
