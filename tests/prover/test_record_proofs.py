"""What the prover says of the registered designs, of wrong ones and of random variants is what the record says."""

from __future__ import annotations

import json

import places
import pytest
from record_proofs import design_of, is_variant, names, proved_apart, read_proofs, refuted

from confsync.model.engine.verdict import Verdict
from confsync.model.libxl.designs import DESIGNS
from confsync.model.libxl.properties import PROPERTIES
from confsync.proofs.prover.obligation import Kind

RECORD = read_proofs()
MANIFEST = json.loads(places.MANIFEST.read_text(encoding="utf-8"))["designs"]
CHEAP = ["xenstore_first_unlocked"]
"""A design of which little is proved: its proof takes the least."""


@pytest.mark.slow
@pytest.mark.parametrize("name", CHEAP)
def test_a_cheap_proof(name: str) -> None:
    assert proved_apart(name) == RECORD[name]


@pytest.mark.deep
@pytest.mark.parametrize("name", [name for name in RECORD if name not in CHEAP])
def test_every_proof(name: str) -> None:
    assert proved_apart(name) == RECORD[name]


def words(name: str) -> dict[str, str]:
    """The word on each property of a design."""
    return {p: said.split(";")[0] for p, said in RECORD[name]["properties"].items()}


@pytest.mark.parametrize("name", RECORD)
def test_the_record_of_a_proof_is_whole(name: str) -> None:
    """A word on every property; an invariant; obligations of every kind, each discharged."""
    entry = RECORD[name]
    assert list(entry["properties"]) == list(PROPERTIES)
    assert set(words(name).values()) <= {Verdict.PROVED.value, Verdict.REFUTED.value, "OPEN"}
    if is_variant(name):
        assert len(entry["invariant"]) == len(entry["obligations"]) == 1
        return
    assert entry["invariant"] == sorted(set(entry["invariant"]))
    kinds = {line.split(":")[0] for line in entry["obligations"]}
    assert kinds == {kind.value for kind in Kind}
    assert all(line.endswith((f": {Verdict.PROVED.value}", ", vacuous")) for line in entry["obligations"])


@pytest.mark.parametrize("name", RECORD)
def test_nothing_is_proved_that_the_search_refutes(name: str) -> None:
    """Both records are of the same design, so they cannot contradict each other."""
    proved = {p for p, word in words(name).items() if word == Verdict.PROVED.value}
    assert not proved & refuted(name)
    assert refuted(name) == {p for p, word in words(name).items() if word == Verdict.REFUTED.value}


@pytest.mark.parametrize("name", [name for name in DESIGNS if name in RECORD])
def test_of_a_registered_design_everything_else_is_proved(name: str) -> None:
    expected = {p: Verdict.REFUTED if c["verdict"] == "REFUTED" else Verdict.PROVED for p, c in MANIFEST[name].items()}
    assert words(name) == {p: verdict.value for p, verdict in expected.items()}


@pytest.mark.slow
def test_the_record_is_of_designs_that_there_are() -> None:
    """In the order in which it is written."""
    assert list(RECORD) == names()[: len(RECORD)]
    for name in RECORD:
        assert dict(design_of(name).operations())


@pytest.mark.deep
def test_the_record_lacks_no_design() -> None:
    """Where it does, `python tests/support/record_proofs.py` proves what is lacking."""
    assert list(RECORD) == names()
