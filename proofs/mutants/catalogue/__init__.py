"""The mutants, by what they are about; edits that are no mistakes; and the samples that `make test` judges."""

from __future__ import annotations

from confsync.proofs.mutants.catalogue.checker import CHECKER, CHECKER_SAMPLE
from confsync.proofs.mutants.catalogue.devices import DEVICES
from confsync.proofs.mutants.catalogue.domains import CREATIONS, READINGS
from confsync.proofs.mutants.catalogue.equivalent import EQUIVALENT
from confsync.proofs.mutants.catalogue.ports import CONFIGURATION, HOST
from confsync.proofs.mutants.catalogue.spellings import SPELLINGS
from confsync.proofs.mutants.catalogue.stores import TEMPLATES, XENSTORE
from confsync.proofs.mutants.mutant import Mutant

IMPLEMENTATION: tuple[Mutant, ...] = (
    *DEVICES, *CREATIONS, *READINGS, *TEMPLATES, *XENSTORE, *CONFIGURATION, *HOST, *SPELLINGS,
)  # fmt: skip
ALL: tuple[Mutant, ...] = (*IMPLEMENTATION, *CHECKER)
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
"""Of the implementation: a few for each kind of judge, of the cheap ones."""

__all__ = ["ALL", "CHECKER", "CHECKER_SAMPLE", "EQUIVALENT", "IMPLEMENTATION", "MUTANTS", "SAMPLE"]
