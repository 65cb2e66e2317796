"""libxl's sorts as Z3 has them, for tests that put plain values into terms."""

from __future__ import annotations

from typing import Any

import z3

from confsync.model.language import BOOL, COUNT, Sort
from confsync.model.libxl import state
from confsync.model.libxl.protocol import LIBXL
from confsync.proofs.prover.carrier.terms import axioms, constants, z3_sort

SORTS: dict[Sort, Any] = {s: z3_sort(s) for s in (BOOL, state.CONFIG, state.NAME, state.AMOUNT, state.SLOT, COUNT)}
CONFIGS: dict[int, Any] = constants(state.CONFIG)
CONSTANTS: dict[Any, dict[int, Any]] = {
    SORTS[state.CONFIG]: CONFIGS,
    SORTS[state.NAME]: {**constants(state.NAME), 1: z3.Const("name1", SORTS[state.NAME])},
    SORTS[state.AMOUNT]: {**constants(state.AMOUNT), 1: z3.Const("mem1", SORTS[state.AMOUNT])},
}
"""By sort, what stands for a number; of names and memory targets one more than have a name."""
OTHERS = [z3.Distinct(*each.values()) for sort, each in CONSTANTS.items() if sort != SORTS[state.CONFIG]]
AXIOMS = [*axioms(LIBXL), *OTHERS]
"""That values with a name differ, and that those of OTHERS do."""
EJECTABLE = z3.Function("ejectable", SORTS[state.SLOT], z3.BoolSort())
