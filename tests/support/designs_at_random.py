"""Designs that Hypothesis draws: random variants of the registered ones."""

from __future__ import annotations

from hypothesis import strategies as st
from variants import variant

from confsync.model.engine.program import Program
from confsync.model.libxl.state import Bounds

DESIGNS_AT_RANDOM = st.randoms(use_true_random=False).map(
    lambda random: variant(random, lambda design: Program(design, Bounds()))[1]
)
