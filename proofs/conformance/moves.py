"""What an exploration needs to know of an implementation: where its operations can be, what they can do next, what
the stores then say. The reference implementation answers in `embedded`, somebody else's in `external`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from confsync.model.engine.search.alone import Answer
from confsync.proofs.conformance.abstraction import View
from confsync.proofs.conformance.asked import Asked
from confsync.proofs.conformance.matching import Outcome
from confsync.proofs.conformance.steps import Edge, Kind, Place


class Moves(Protocol):
    """An implementation, as a graph that is worked out as it is asked for. States and places have numbers."""

    @property
    def kind(self) -> Kind:
        """Which implementation it is."""

    @property
    def places(self) -> Sequence[Place]:
        """All places that have been met, by their numbers."""

    def first(self) -> int:
        """The state of a host without a domain."""

    def asked(self, process: int, asked: Asked) -> Place:
        """The place of a process that is asked for this and has taken no step."""

    def edges(self, state: int, place: Place) -> Sequence[Edge]:
        """What the process can do, but for dying; nothing if it has ended, or waits."""

    def death(self, state: int, process: int) -> int:
        """The state after the death of a process."""

    def view(self, state: int) -> View:
        """What the stores say in this state."""

    def ended(self, place: Place) -> tuple[Outcome, Answer | None]:
        """How the operation ended, if it did, and what a `retrieve` returned."""

    def paused(self, state: int) -> bool | None:
        """True if there is a domain and it does not run; None if that is not known."""
