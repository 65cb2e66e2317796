"""Mistakes in the properties that are predicates of the stores: one that holds where it must not, or is never met."""

from __future__ import annotations

from proofs.mutants.mutant import Mutant

PREDICATES = "model/properties.py"

PROPERTIES = (
    Mutant(
        "lock-file-may-outlive-domain", PREDICATES,
        "all_of(neg(s.saved), neg(left))", "neg(s.saved)",
        "userdata_dies_with_domain does not look for a lock file", "test_properties.py::test_broken_on_purpose",
    ),
)  # fmt: skip
