"""Replay: the choices of a token, one after another."""

from __future__ import annotations

from collections.abc import Sequence

from confsync.model.engine.trace import TokenError
from confsync.proofs.conformance.explore import Choice


class Replay:
    """Takes the choices of a schedule, and then whatever can happen first."""

    def __init__(self, choices: Sequence[Choice]) -> None:
        self._choices = choices

    def choose(self, can: Sequence[Choice], step: int) -> Choice:
        if step >= len(self._choices):
            return can[0]
        if self._choices[step] not in can:
            raise TokenError(f"step {step + 1} of the token, {self._choices[step]}, cannot happen: it is of other code")
        return self._choices[step]
