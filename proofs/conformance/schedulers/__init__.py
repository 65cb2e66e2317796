"""Schedulers: who goes on next. Each is a file; all but the exhaustive one take one way at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from confsync.proofs.conformance.explore import Choice


class Scheduler(Protocol):
    """Decides one walk."""

    def choose(self, can: Sequence[Choice], step: int) -> Choice:
        """Which of the things that can happen does, in step number `step`, from 0."""
