"""The reference implementation on embedded stores, as an exploration sees it."""

from __future__ import annotations

from confsync.impl.errors import ToolstackError
from confsync.impl.operations.retrieve import Retrieved
from confsync.model.engine.program import Program
from confsync.model.engine.search.alone import Answer
from confsync.model.libxl.state import Bounds
from confsync.proofs.conformance.abstraction import Abstraction, View
from confsync.proofs.conformance.asked import Asked
from confsync.proofs.conformance.matching import Outcome
from confsync.proofs.conformance.steps import Grain, Kind, Place, Steps
from confsync.proofs.conformance.stores import DOMID, Stores


class Embedded(Steps):
    """Its steps, and what the stores say in the model's terms."""

    def __init__(self, stores: Stores, program: Program, grain: Grain = Grain.COMMIT) -> None:
        super().__init__(stores, grain)
        self._grain = grain
        self._bounds = Bounds.of(program.bounds)
        self._abstraction = Abstraction(program)
        self._views: dict[object, View] = {}
        """By what is visible: nothing that a transaction has not committed counts."""

    @property
    def kind(self) -> Kind:
        """Which implementation it is."""
        return Kind.FINE if self._grain is Grain.REQUEST else Kind.EMBEDDED

    def first(self) -> int:
        """The state of a host without a domain."""
        return 0 if self.states else self.state()

    def asked(self, process: int, asked: Asked) -> Place:
        """The place of a process that is asked for this and has taken no step."""
        return self.begin(process, asked.work(self._bounds))

    def view(self, state: int) -> View:
        """What the stores say in this state."""
        kept = self.states[state]
        view = self._views.get(kept.visible)
        if view is None:
            self.stores.put_back(kept)
            view = self._views[kept.visible] = self._abstraction.view(self.stores)
        return view

    def ended(self, place: Place) -> tuple[Outcome, Answer | None]:
        """How the operation ended, if it did, and what a `retrieve` returned."""
        if not place.ended:
            return Outcome.OPEN, None
        if isinstance(place.outcome, ToolstackError):
            return Outcome.ERROR, None
        found = place.outcome
        return Outcome.DONE, self._abstraction.answer(found.template) if isinstance(found, Retrieved) else None

    def paused(self, state: int) -> bool:
        """True if there is a domain, and it does not run."""
        kept = self.states[state].host[0].get(DOMID)
        return kept is not None and kept.paused
