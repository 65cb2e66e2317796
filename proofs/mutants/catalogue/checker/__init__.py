"""The mutants of the checker, by what they are about; and the sample of them that `make test` judges."""

from __future__ import annotations

from proofs.mutants.catalogue.checker.properties import PROPERTIES
from proofs.mutants.mutant import Mutant

CHECKER: tuple[Mutant, ...] = (*PROPERTIES,)
CHECKER_SAMPLE: tuple[str, ...] = ("lock-file-may-outlive-domain",)
"""Cheap ones, spread over the subjects."""

__all__ = ["CHECKER", "CHECKER_SAMPLE"]
