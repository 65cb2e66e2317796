"""What one step of one operation does, worked out once for each (stores, what the operation has observed).

An operation is a function of what its ports answered. So what it has observed so far *is* where it is: two operations
that observed the same ask for the same next. A step is one call outside of a transaction, or a whole transaction (see
`Grain`): then it is taken from its beginning to its commit at once.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import cast

from confsync.impl.errors import Again, HotplugFailed, HypervisorRefused, QuotaExceeded, StoreError, ToolstackError
from confsync.proofs.conformance.asked import Work
from confsync.proofs.conformance.calls import Answer, Call, asking
from confsync.proofs.conformance.stores import Kept, Stores, Waits


class Grain(Enum):
    """How much is one step."""

    COMMIT = "a call, or a transaction from its beginning to its commit"
    REQUEST = "a call"


Running = Coroutine[object, object, object]
"""An operation that is driven."""


@dataclass(eq=False, slots=True)
class Place:
    """Where an operation is: what it has observed so far. There is one object for each."""

    number: int
    process: int
    work: Work
    observed: tuple[Answer, ...]
    call: Call | None
    """What it asks for next; None if it has ended."""
    outcome: object = None
    """What it returned, or the ToolstackError that it raised."""
    granted: bool = False
    """It has told the hypervisor a memory limit. To take that back is taken not to fail, as in the model: if it did,
    hypervisor and xenstore would differ until somebody sets the target again."""
    next: dict[object, Place] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        return self.call is None


@dataclass(frozen=True, slots=True)
class Edge:
    """One step of one process. `failed`: the failure that was made to happen in it, if any."""

    failed: ToolstackError | None
    said: tuple[tuple[Call, Answer], ...]
    """What was asked, and what was answered."""
    state: int
    """The number of the stores' state that it leads to."""
    place: Place


class Kind(Enum):
    """Which implementation takes the steps, and how large they are: what a token begins with."""

    EMBEDDED = "conform"
    """The reference implementation on embedded stores."""
    FINE = "conform-fine"
    """The same, where others come in within transactions too."""
    REAL = "conform-real"
    """The reference implementation on real files and a real xenstored."""
    EXTERNAL = "conform-external"
    """Somebody else's."""


class Broken(Exception):
    """An operation raised something that is no error of a toolstack's: a bug of it."""


class Nondeterministic(Exception):
    """An operation that observed the same did not do the same."""


FAILURES: Mapping[tuple[str, str], tuple[ToolstackError, ...]] = {
    ("templates", "replace"): (StoreError(Path("template"), "No space left on device"),),
    ("templates", "remove"): (StoreError(Path("template"), "Input/output error"),),
    ("transaction", "commit"): (QuotaExceeded("commit"), Again("commit")),
    ("hotplug", "allocate"): (HotplugFailed("the script failed"),),
    ("hotplug", "release"): (HotplugFailed("the script failed"),),
    ("hypervisor", "make"): (HypervisorRefused("no memory"),),
    ("hypervisor", "set_memory"): (HypervisorRefused("no memory"),),
}
"""The calls that can be made to fail, before they have done anything, and how."""
GRANTS = ("hypervisor", "set_memory")
MOST_LIVE = 4
"""Operations that are kept at one place."""


def key_of(answer: Answer) -> object:
    """Two answers are the same to an operation if their keys are equal."""
    if isinstance(answer, list | tuple):
        return tuple(map(key_of, answer))
    if isinstance(answer, dict):
        return tuple(sorted((k, key_of(v)) for k, v in answer.items()))
    if isinstance(answer, ToolstackError):
        return type(answer).__name__, str(answer)
    return answer


class Steps:
    """The steps of operations on embedded stores."""

    def __init__(self, stores: Stores, grain: Grain = Grain.COMMIT) -> None:
        self.stores, self.grain = stores, grain
        self.states: list[Kept] = []
        self._numbers: dict[object, int] = {}
        self.places: list[Place] = []
        self._live: dict[int, list[Running]] = {}
        """Operations that stand at a place, where some are at hand: each saves running one anew up to there."""
        self._known: dict[tuple[int, int], tuple[Edge, ...]] = {}
        self._deaths: dict[tuple[int, int], int] = {}

    def state(self) -> int:
        """The number of the state that the stores are in."""
        kept = self.stores.keep()
        number = self._numbers.setdefault(kept.key, len(self.states))
        if number == len(self.states):
            self.states.append(kept)
        return number

    def begin(self, process: int, work: Work) -> Place:
        """The place of a process that is asked for an operation and has taken no step."""
        return self._new(process, work, (), work(asking()), None)

    def edges(self, state: int, place: Place) -> tuple[Edge, ...]:
        """What the process can do, but for dying; nothing if it has ended, or waits for a lock."""
        key = (state, place.number)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = tuple(self._work_out(state, place))
        return found

    def death(self, state: int, process: int) -> int:
        """The state after the death of a process."""
        key = (state, process)
        if key not in self._deaths:
            self.stores.put_back(self.states[state])
            self.stores.die(process)
            self._deaths[key] = self.state()
        return self._deaths[key]

    def _work_out(self, state: int, place: Place) -> Iterator[Edge]:
        if place.call is None:
            return
        try:
            yield self._step(state, place, None)
        except Waits:
            return
        call = place.call
        whole = call.method == "begin" and self.grain is Grain.COMMIT
        name = ("transaction", "commit") if whole else (call.port, call.method)
        for failure in FAILURES.get(name, ()) if not (place.granted and name == GRANTS) else ():
            yield self._step(state, place, failure)

    def _step(self, state: int, place: Place, failure: ToolstackError | None) -> Edge:
        """One step, with the call that can fail made to fail so."""
        call = place.call
        assert call is not None
        self.stores.put_back(self.states[state])
        said: list[tuple[Call, Answer]] = []
        running: Running | None = None
        at: Call | None = call
        outcome: object = None
        while at is not None:
            failing = failure is not None and (at.port, at.method) in FAILURES and not _has(said, failure)
            answer = failure if failing else self.stores.answer(place.process, at)
            said.append((at, answer))
            running = running or self._running(place)  # not before the first answer: there is none while it waits
            at, outcome = resume(running, answer)
            if self.grain is Grain.REQUEST or not self.stores.in_transaction(place.process):
                break
        assert running is not None
        after = self.state()
        return Edge(failure, tuple(said), after, self._next(place, said, running, at, outcome))

    def _next(
        self, place: Place, said: list[tuple[Call, Answer]], running: Running, call: Call | None, outcome: object
    ) -> Place:
        answers = tuple(answer for _, answer in said)
        key = key_of(answers)
        known = place.next.get(key)
        if known is None:
            known = place.next[key] = self._new(
                place.process, place.work, (*place.observed, *answers), running, (call, outcome)
            )
            known.granted = place.granted or any((c.port, c.method) == GRANTS for c, _ in said)
        elif known.call != call:
            raise Nondeterministic(f"after the same answers it asks for {call}, and asked for {known.call}")
        elif call is not None:
            self._keep_live(known, running)
        return known

    def _new(
        self,
        process: int,
        work: Work,
        observed: tuple[Answer, ...],
        running: Running,
        stands: tuple[Call | None, object] | None,
    ) -> Place:
        call, outcome = stands or resume(running, None)
        place = Place(len(self.places), process, work, observed, call, outcome)
        self.places.append(place)
        if call is not None:
            self._keep_live(place, running)
        return place

    def _keep_live(self, place: Place, running: Running) -> None:
        """Keep an operation that stands there, unless there are enough."""
        at_hand = self._live.setdefault(place.number, [])
        if len(at_hand) < MOST_LIVE:
            at_hand.append(running)

    def _running(self, place: Place) -> Running:
        """An operation that stands there: the one at hand, or one run anew on what was observed."""
        if at_hand := self._live.get(place.number):
            return at_hand.pop()
        running: Running = place.work(asking())
        call, _ = resume(running, None)
        for answer in place.observed:
            if call is None:
                raise Nondeterministic(f"after the same answers it ended, and asked for {place.call} later")
            call, _ = resume(running, answer)
        if call != place.call:
            raise Nondeterministic(f"after the same answers it asks for {call}, and asked for {place.call}")
        return running


def _has(said: list[tuple[Call, Answer]], failure: ToolstackError) -> bool:
    return any(answer is failure for _, answer in said)


def resume(running: Running, answer: Answer) -> tuple[Call | None, object]:
    """Let an operation go on with an answer: what it asks for next, or None and what came of it: what it returned, the
    ToolstackError that it raised, or Broken."""
    try:
        call = running.throw(answer) if isinstance(answer, ToolstackError) else running.send(answer)
    except StopIteration as done:
        return None, done.value
    except ToolstackError as error:
        return None, error
    except Exception as bug:  # whatever it is, it is told as what the operation did
        return None, Broken(f"{type(bug).__name__}: {bug}")
    return cast("Call", call), None
