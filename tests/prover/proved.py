"""Proofs of the recommended design, each made once in a process.

A module that asks for one is in the group `PROOFS`, which `pytest -n` runs on one worker.
"""

from __future__ import annotations

from functools import cache

import pytest

from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.properties import PROPERTIES
from confsync.proofs.libxl.arguments import ARGUMENTS
from confsync.proofs.prover.proof import Proof, prove

PROOFS = pytest.mark.xdist_group("proofs")


@cache
def proof_of_recommended(*names: str) -> Proof:
    """The proof of some properties of the recommended design, or of all."""
    return prove(DESIGNS[RECOMMENDED], names or tuple(PROPERTIES), arguments=ARGUMENTS)
