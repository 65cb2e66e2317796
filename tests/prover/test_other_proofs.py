"""The prover takes any protocol: what it proves of two that are not libxl's, against what the search says."""

from __future__ import annotations

import pytest
from other_protocols import CROSSED, LOCKED, ORDERED, SERVE, TORN, UNLOCKED, WRITE_FIRST

from confsync.model.engine.check import check
from confsync.model.engine.verdict import Verdict
from confsync.model.language import Design, FixedPoint, LanguageError, Recoverable, Recovery
from confsync.proofs.prover.proof import prove
from confsync.proofs.prover.properties import needed
from confsync.proofs.prover.report import Asked, report_on

pytestmark = pytest.mark.slow

DESIGNS = [LOCKED, UNLOCKED, WRITE_FIRST, ORDERED, CROSSED, TORN]


@pytest.mark.parametrize("design", DESIGNS, ids=lambda d: d.name)
def test_what_is_proved_is_what_the_search_does_not_refute(design: Design) -> None:
    searched = {c.property_name: c.verdict for c in check(design, design.protocol.bounds()).cells}
    proved = {name for name, verdict in prove(design).verdicts.items() if verdict is Verdict.PROVED}
    assert proved == {name for name, verdict in searched.items() if verdict is Verdict.EXHAUSTED}


@pytest.mark.parametrize("design", [LOCKED, UNLOCKED], ids=lambda d: d.name)
def test_a_report_refutes_what_is_not_proved(design: Design) -> None:
    report = report_on(Asked((design,), tuple(design.protocol.properties), design.protocol.bounds()), design)
    words = {c.property_name: c.verdict for c in report.cells}
    fresh = Verdict.PROVED if design is LOCKED else Verdict.REFUTED
    assert words == {
        "cache_is_fresh": fresh,
        "lock_is_exclusive": Verdict.PROVED,
        "every_operation_ends": Verdict.PROVED,
    }


def test_a_protocol_with_two_index_sorts_is_refused_by_name() -> None:
    with pytest.raises(LanguageError, match="a proof is for protocols with one index sort: bindings has more"):
        prove(SERVE)


def test_a_property_without_an_argument_is_not_proved() -> None:
    """Nothing is proved for want of anything to show."""
    found = prove(LOCKED)
    p = Recoverable("back", "", (), "", "", Recovery(lambda _s, _k: True, lambda _: True))
    needs = needed(p, found.found.induction, {})
    assert needs.missing
    assert not needs.lemmas
    assert not needs.claims


def test_the_fixed_point_of_the_other_protocol_is_of_its_form() -> None:
    assert isinstance(TORN.protocol.properties["peek_is_a_fixed_point"], FixedPoint)
