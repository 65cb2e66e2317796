"""Somebody else's implementation as a graph that is explored.

A state is what the stores are told to be, and what each process that is in the midst of an operation has told so far.
If what a process does next depends on nothing but the stores and what it has told (what it asked, and what it was
answered), and the stores are told in full, then two schedules that lead to the same state have the same future, and a
step is worked out once for each (stores, told). Nothing here can know that this is so. It is tested: some of the steps
that are known already are taken again, by another way if there is one, and so is every step on a way that is replayed;
a difference is an error (`Untold`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from confsync.impl.errors import ToolstackError
from confsync.impl.ports import Toolstack
from confsync.model.engine.program import Program
from confsync.model.engine.search.alone import Answer
from confsync.model.libxl.state import Bounds
from confsync.proofs.conformance.abstraction import View
from confsync.proofs.conformance.asked import Asked
from confsync.proofs.conformance.calls import Call
from confsync.proofs.conformance.external.messages import VERSION, Message, ProtocolBroken, Untold, shown, written
from confsync.proofs.conformance.external.peer import Peer
from confsync.proofs.conformance.external.told import Terms
from confsync.proofs.conformance.matching import Outcome
from confsync.proofs.conformance.steps import Edge, Kind, Place, Running

MOST_STEPS = 200
"""Of one operation: one that takes more is taken to have no end."""
AGAIN = 8
"""Every so many steps that are known already, one is taken again."""
MOST_DETOURS = 3
"""On the way to a step that is taken again: in how many places it is another than the first that was found."""
_RESET: Message = {"do": "reset"}
_STORES: Message = {"do": "stores"}


class Said(Call):
    """What a process told that it did."""

    __slots__ = ()

    def __str__(self) -> str:
        return self.method


@dataclass(frozen=True, slots=True)
class Event:
    """What a process did: a step, one that was made to fail, or its death (`do`). `told`: what it answered then."""

    place: Place
    do: str
    told: str


@dataclass(slots=True)
class State:
    """What the stores are, where each process is that is in an operation, and ways that lead there."""

    stores: int
    live: dict[int, Place]
    ways: list[tuple[int, Event]] = field(default_factory=list)
    """The first and the latest: from which state, and by what."""
    saved: bool = False


@dataclass(frozen=True, slots=True)
class Happened:
    """What came of a step or a death, and which stores it left."""

    told: str
    answer: Message
    stores: int


def _not_ours(_: Toolstack) -> Running:
    raise TypeError("an external operation is driven by requests, not by its ports")


class ExternalMoves:
    """The moves of an implementation behind a pipe."""

    def __init__(self, peer: Peer, program: Program, *, failures: bool, again: int = AGAIN) -> None:
        """Say hello. `failures`: whether calls are made to fail too; ProtocolBroken if it does not offer that."""
        self._peer, self._terms, self._again = peer, Terms(program), again
        bounds = Bounds.of(program.bounds)
        hello = {
            "do": "hello", "protocol": VERSION, "processes": bounds.processes, "slots": bounds.slots,
            "ejectable": bounds.ejectable,
        }  # fmt: skip
        said = peer.ask([hello])[0]
        can = said["can"]
        assert isinstance(can, list)
        self.name, self._snapshots, self._failures = str(said["name"]), "snapshots" in can, failures
        if failures and "fail" not in can:
            raise ProtocolBroken(f"{self.name} does not offer `fail`: explore it with no failures")
        self.places: list[Place] = []
        self.states: list[State] = []
        self._asked: dict[int, Asked] = {}
        self._numbers: dict[tuple[int, tuple[int, ...]], int] = {}
        self._stores: list[Message] = []
        self._stores_numbers: dict[str, int] = {}
        self._views: dict[int, View] = {}
        self._answers: dict[int, Answer] = {}
        self._known: dict[tuple[int, int, str], Happened] = {}
        self._edges: dict[tuple[int, int], tuple[Edge, ...]] = {}
        self._deaths: dict[tuple[int, int], int] = {}
        self._met = 0
        self._came: list[tuple[Message, Message]] = []
        """What the processes were asked and answered, the last time that something was tried."""
        self.taken = self.compared = 0
        """How many steps were taken over the pipe; how many of them to compare them with what was known."""

    @property
    def kind(self) -> Kind:
        """Which implementation it is."""
        return Kind.EXTERNAL

    def first(self) -> int:
        """The state of a host without a domain."""
        if not self.states:
            self._state(self._number(self._peer.ask([_RESET, _STORES])[1]), {}, None)
        return 0

    def asked(self, process: int, asked: Asked) -> Place:
        """The place of a process that is asked for this and has taken no step."""
        return self._place(process, asked, (), Said("", "its first step", ()), None)

    def edges(self, state: int, place: Place) -> tuple[Edge, ...]:
        """What the process can do, but for dying; nothing if it has ended, or waits."""
        key = (state, place.number)
        if key not in self._edges:
            self._edges[key] = tuple(self._work_out(state, place))
        return self._edges[key]

    def death(self, state: int, process: int) -> int:
        """The state after the death of a process."""
        key = (state, process)
        if key not in self._deaths:
            place = self.states[state].live[process]
            self._deaths[key] = self._after(state, place, "crash", self._happens(state, place, "crash"), None)
        return self._deaths[key]

    def view(self, state: int) -> View:
        """What the stores say in this state."""
        return self._views[self.states[state].stores]

    def told(self, state: int) -> Message:
        """What the stores are told to be in this state."""
        return self._stores[self.states[state].stores]

    def ended(self, place: Place) -> tuple[Outcome, Answer | None]:
        """How the operation ended, if it did, and what a `retrieve` returned."""
        if not place.ended:
            return Outcome.OPEN, None
        if isinstance(place.outcome, ToolstackError):
            return Outcome.ERROR, None
        return Outcome.DONE, self._answers.get(place.number)

    def paused(self, state: int) -> bool | None:
        """True if there is a domain and it does not run; None if that is not known."""
        stores = self.told(state)
        if stores["alive"] is False:
            return False
        return None if stores["alive"] is None or stores["paused"] is None else bool(stores["paused"])

    def _work_out(self, state: int, place: Place) -> Iterator[Edge]:
        if place.ended:
            return
        for do in ("step", "fail") if self._failures else ("step",):
            happened = self._happens(state, place, do)
            if "blocked" in happened.answer:
                return
            if "asked" not in happened.answer:
                continue
            there = self._next(place, happened)
            learnt = happened.answer.get("answered")
            failed = ToolstackError(str(learnt or "as it was made to")) if do == "fail" else None
            said = ((Said("", str(happened.answer["asked"]), ()), failed or learnt),)
            yield Edge(failed, said, self._after(state, place, do, happened, there), there)

    def _happens(self, state: int, place: Place, do: str) -> Happened:
        """What comes of it: known, or tried out, or both."""
        here = self.states[state]
        key = (here.stores, place.number, do)
        known = self._known.get(key)
        new = known is None
        if known is None:
            known = self._known[key] = self._try(state, place, do)
        self._met += not new or len(here.ways) > 1
        if self._met >= self._again:
            self._met = 0
            self.compared += 1
            again = self._try(state, place, do, detours=1 + self.compared % MOST_DETOURS)
            if (again.told, again.stores) != (known.told, known.stores):
                said = zip((known.told, again.told), self._left(known.stores, again.stores), strict=True)
                raise self._differs(f"process {place.process}", *map("".join, said))
        return known

    def _try(self, state: int, place: Place, do: str, detours: int = 0) -> Happened:
        """Go there, and do it. The answer is without `asked` where it cannot be done."""
        self.taken += 1
        requests, expected = self._lead(state, detours)
        if not place.observed:
            requests.append(self._terms.start(place.process, self._asked[place.number]))
        last = [_do(do if do != "fail" else "step", place.process), _STORES]
        if do == "fail":
            requests.append(_do("fail", place.process))
        else:
            requests += last
        answers = self._peer.ask(requests)
        self._came = [(r, a) for r, a in zip(requests, answers, strict=True) if r["do"] in ("start", "step", "crash")]
        for n, told in expected.items():
            if written(answers[n]) != told:
                raise self._differs(f"process {requests[n]['process']}", told, written(answers[n]))
        if do == "fail":
            if not answers[-1]["will"]:
                return Happened("", {}, self.states[state].stores)
            answers = self._peer.ask(last)
        return Happened(written(answers[-2]), answers[-2], self._number(answers[-1]))

    def _lead(self, state: int, detours: int) -> tuple[list[Message], dict[int, str]]:
        """The requests that lead there, and what some of them are to be answered: by the first way, or by the latest in
        so many places. Who can save does so on the first way."""
        here = self.states[state]
        if here.saved and not detours:
            return [{"do": "restore", "as": state}], {}
        if not here.ways:
            requests, expected = [_RESET], dict[int, str]()
        else:
            before, event = here.ways[-1 if detours else 0]
            requests, expected = self._lead(before, max(0, detours - (len(here.ways) > 1)))
            if not event.place.observed:
                requests.append(self._terms.start(event.place.process, self._asked[event.place.number]))
            if event.do == "fail":
                requests.append(_do("fail", event.place.process))
            expected[len(requests)] = event.told
            requests.append(_do("crash" if event.do == "crash" else "step", event.place.process))
        if self._snapshots and not detours:
            here.saved = True
            requests.append({"do": "save", "as": state})
        return requests, expected

    def _after(self, state: int, place: Place, do: str, happened: Happened, there: Place | None) -> int:
        """The state after it."""
        live = {p: at for p, at in self.states[state].live.items() if p != place.process}
        if there is not None and not there.ended:
            live[place.process] = there
        return self._state(happened.stores, live, (state, Event(place, do, happened.told)))

    def _state(self, stores: int, live: dict[int, Place], way: tuple[int, Event] | None) -> int:
        key = (stores, tuple(sorted(at.number for at in live.values())))
        number = self._numbers.setdefault(key, len(self.states))
        if number == len(self.states):
            self.states.append(State(stores, live))
        ways = self.states[number].ways
        if way is not None and number:
            ways[1 if ways else 0 :] = [way]
        return number

    def _number(self, stores: Message) -> int:
        """The number of stores that are told to be so."""
        text = written(stores)
        number = self._stores_numbers.setdefault(text, len(self._stores))
        if number == len(self._stores):
            self._views[number] = self._terms.view(stores)
            self._stores.append(stores)
        return number

    def _next(self, place: Place, happened: Happened) -> Place:
        """The place after a step that was told so."""
        if happened.told in place.next:
            return place.next[happened.told]
        asked, answer = self._asked[place.number], happened.answer
        if len(place.observed) == MOST_STEPS:
            raise ProtocolBroken(
                f"{asked} has not ended after {MOST_STEPS} steps. One that waits is to answer `blocked`, and not to "
                "ask again"
            )
        ended, found = answer["ended"], answer.get("answer")
        if (found is not None) != (ended == "done" and asked.operation == "retrieve"):
            raise ProtocolBroken(
                f"{shown(happened.told)}: `answer` is there for a `retrieve` that is done, and only then"
            )
        call = Said("", "its next step", ()) if ended is None else None
        outcome = ToolstackError(str(answer.get("answered", "it does not say which"))) if ended == "error" else None
        there = self._place(place.process, asked, (*map(str, place.observed), happened.told), call, outcome)
        if found is not None:
            self._answers[there.number] = self._terms.answer(found)
        place.next[happened.told] = there
        return there

    def _place(
        self, process: int, asked: Asked, told: tuple[str, ...], call: Said | None, outcome: ToolstackError | None
    ) -> Place:
        place = Place(len(self.places), process, _not_ours, told, call, outcome)
        self.places.append(place)
        self._asked[place.number] = asked
        return place

    def _left(self, *stores: int) -> Iterator[str]:
        """What these stores have that not all of them have, in words; "" if nothing."""
        told = [self._stores[number] for number in stores]
        differs = [f for f in {**told[0], **told[-1]} if any(t.get(f) != told[0].get(f) for t in told)]
        for t in told:
            yield f" and left {written({f: t.get(f) for f in differs})}" if differs else ""

    def _differs(self, who: str, known: str, again: str) -> Untold:
        said = (f"{r['process']} {r.get('operation') or a.get('asked', r['do'])}" for r, a in self._came)
        return Untold(
            f"{who}, on the same stores and after it had told the same, answered {shown(known)}, then {shown(again)}. "
            "Either it goes on by something that it did not tell (`answered`), or the stores hold what was not told "
            f"(`rest`). The processes' steps, this time: {'; '.join(said)}"
        )


def _do(what: str, process: int) -> Message:
    return {"do": what, "process": process}
