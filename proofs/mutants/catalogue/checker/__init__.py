"""The mutants of the checker, by what they are about; and the sample of them that `make test` judges."""

from __future__ import annotations

from confsync.proofs.mutants.catalogue.checker.certifying import CERTIFYING
from confsync.proofs.mutants.catalogue.checker.claiming import CLAIMING
from confsync.proofs.mutants.catalogue.checker.conforming import CONFORMING
from confsync.proofs.mutants.catalogue.checker.doubting import DOUBTING
from confsync.proofs.mutants.catalogue.checker.facts import FACTS
from confsync.proofs.mutants.catalogue.checker.machines import MACHINES
from confsync.proofs.mutants.catalogue.checker.properties import PROPERTIES
from confsync.proofs.mutants.catalogue.checker.proving import PROVING
from confsync.proofs.mutants.catalogue.checker.reporting import REPORTING
from confsync.proofs.mutants.catalogue.checker.searching import SEARCHING
from confsync.proofs.mutants.catalogue.checker.semantics import SEMANTICS
from confsync.proofs.mutants.catalogue.checker.verdicts import VERDICTS
from confsync.proofs.mutants.mutant import Mutant

CHECKER: tuple[Mutant, ...] = (
    *SEMANTICS, *PROPERTIES, *SEARCHING, *VERDICTS, *MACHINES, *PROVING, *CLAIMING, *REPORTING, *CONFORMING,
    *CERTIFYING, *DOUBTING, *FACTS,
)  # fmt: skip
CHECKER_SAMPLE = (
    "death-forgets-what-was-vouched",
    "nobody-dies",
    "drive-may-be-unfaithful",
    "first-name-is-renamed",
    "knobs-are-not-compared",
    "recovery-leaves-closing",
    "limit-reads-as-exhausted",
    "manifest-s-missing-cell",
    "look-at-any-slot",
    "walk-looks-at-nothing",
    "sound-whatever",
    "others-not-shown",
    "answers-unmatched",
)
"""Cheap ones, spread over the subjects."""

__all__ = ["CHECKER", "CHECKER_SAMPLE"]
