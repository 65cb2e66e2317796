"""docs/why-it-holds.md tells what is proved: each lemma and each obligation that it names is one of the proof's."""

from __future__ import annotations

import re

import pytest
from places import ROOT
from proved import PROOFS, proof_of_recommended

from confsync.model.engine.verdict import Verdict

DOC = (ROOT / "docs" / "why-it-holds.md").read_text(encoding="utf-8")

pytestmark = [pytest.mark.slow, PROOFS]


def test_every_lemma_on_the_page_is_in_the_invariant() -> None:
    told = [line[3:-1] for line in DOC.splitlines() if re.match(r"\* `.*`$", line)]
    lemmas = {proof_of_recommended().names(x) for x in proof_of_recommended().lemmas}
    assert len(told) > 20
    assert [x for x in told if x not in lemmas] == []


def test_every_obligation_on_the_page_is_discharged() -> None:
    text = " ".join(DOC.split())
    told = re.findall(r"`((?:consecution|safety): [^`]+)`", text)
    proved = {d.obligation.title for d in proof_of_recommended().discharged if d.verdict is Verdict.PROVED}
    assert len(told) > 20
    assert [x for x in told if x not in proved] == []
