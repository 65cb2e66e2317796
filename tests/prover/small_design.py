"""A design that is proved in two seconds, for tests that are about the prover and not about a design.

Its attach is that of the recommended design, step by step. Each other operation is one step, which waits until the lock
is free: fewer points, fewer transitions and a short invariant, but obligations of every kind.
"""

from __future__ import annotations

from functools import cache

from places import DATA

from confsync import load
from confsync.model.libxl.steps import drop_lock, enter_xenstore
from confsync.proofs.prover.proof import Proof, prove

SMALL_FILE = DATA / "small.py"
small_design = load(SMALL_FILE)["small"]
faulty_design = small_design.but(
    "faulty",
    "As small, but the attach drops the lock before it enters xenstore.",
    attach=small_design["attach"]
    .dropping(small_design["attach"].steps.index(drop_lock))
    .before(enter_xenstore, drop_lock),
)
FEW = ("xenstore_has_template", "lock_is_exclusive", "lock_order_is_acyclic")
"""Properties that together have obligations of every kind, and transitions that need none. The first does not hold of
the faulty design."""


@cache
def small_proof() -> Proof:
    """The proof of a few properties of the small design, once in a process."""
    return prove(small_design, FEW)
