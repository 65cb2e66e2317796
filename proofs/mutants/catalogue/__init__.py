"""The mutants of the implementation, by what they are about; those that are none; and the sample of them."""

from __future__ import annotations

from proofs.mutants.catalogue.devices import DEVICES
from proofs.mutants.catalogue.domains import CREATIONS, READINGS
from proofs.mutants.catalogue.equivalent import EQUIVALENT
from proofs.mutants.catalogue.ports import CONFIGURATION, HOST
from proofs.mutants.catalogue.spellings import SPELLINGS
from proofs.mutants.catalogue.stores import TEMPLATES, XENSTORE
from proofs.mutants.mutant import Mutant

ALL: tuple[Mutant, ...] = (*DEVICES, *CREATIONS, *READINGS, *TEMPLATES, *XENSTORE, *CONFIGURATION, *HOST, *SPELLINGS)
MUTANTS: dict[str, Mutant] = {m.id: m for m in ALL}
"""By their names."""
SAMPLE = (
    "attach-reads-before-lock",
    "destroy-no-release",
    "memory-no-rollback",
    "fork-holds",
    "script-failure-ignored",
    "client-commit-aborts",
    "link-takes-any-answer",
    "audit-entries-unseen",
)
"""A few for each kind of judge, of the cheap ones."""

__all__ = ["ALL", "EQUIVALENT", "MUTANTS", "SAMPLE"]
