"""What libxl's properties follow from, where the prover has no argument of its own."""

from __future__ import annotations

from confsync.proofs.libxl.recovery import recoverable
from confsync.proofs.prover.properties import Arguments

ARGUMENTS: Arguments = {"always_recoverable": recoverable}
"""By property: see `confsync.proofs.prover.proof.prove`."""
