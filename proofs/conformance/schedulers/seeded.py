"""Seeded random: each thing that can happen is as likely as any other; deaths and failures are rarer."""

from __future__ import annotations

import random
from collections.abc import Sequence

from confsync.proofs.conformance.explore import Choice

RARELY = 0.1
"""How likely it is, at each step, that something goes wrong where something can."""


class Seeded:
    """The same seed, the same walk."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def choose(self, can: Sequence[Choice], step: int) -> Choice:  # noqa: ARG002
        well = [choice for choice in can if choice.which == 0]
        wrong = [choice for choice in can if choice.which != 0]
        return self._random.choice(wrong if wrong and (not well or self._random.random() < RARELY) else well)
