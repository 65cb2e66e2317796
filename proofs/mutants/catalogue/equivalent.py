"""Edits that are no mistakes: nothing can notice them, each with the reason."""

from __future__ import annotations

from proofs.mutants.mutant import Mutant

EQUIVALENT: tuple[tuple[Mutant, str], ...] = ()
