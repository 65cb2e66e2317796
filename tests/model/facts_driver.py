"""Calls of facts, followed step by step on whichever engine: where a process stops, fails, dies or waits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Generic, Protocol, TypeVar

from facts.plain import DEAD, ERROR, OK, STOPPED, WAITS, Answer, Call, Die, Host, Resume, Run, Told
from facts_fields import STORES

S = TypeVar("S")
P = TypeVar("P")


class Came(Enum):
    """What a step came to."""

    TAKEN = "taken"
    REFUSED = "refused"
    FAILED = "failed"
    DEAD = "dead"
    WAITS = "waits"


@dataclass(frozen=True, slots=True)
class Stepped(Generic[S, P]):
    """What a step came to: the shared state after it, and the process; None: it is idle. `told`: what it returned."""

    came: Came
    shared: S
    process: P | None
    told: Told | None = None


class Engine(Protocol[S, P]):
    """An engine, with a design, that takes single steps."""

    def shared(self, host: Host) -> S:
        """The shared state that a host is."""
        ...

    def host(self, shared: S) -> Host:
        """The host that a shared state is."""
        ...

    def begin(self, call: Call) -> P:
        """A process that is about to take an operation's first step."""
        ...

    def writes(self, process: P) -> Iterable[str]:
        """The fields that the process's next step writes where it is taken."""
        ...

    def cleans_up(self, process: P) -> bool:
        """Whether its next step is one of a clean-up."""
        ...

    def step(self, shared: S, process: P, wanted: Came) -> Stepped[S, P]:
        """Take a step, or have it fail, or have the process die instead."""
        ...


@dataclass(slots=True)
class _Process(Generic[P]):
    call: Call
    at: P | None
    ok: bool = True
    met: int = 0
    """How many steps have written the store that the call names."""
    told: Told | None = None


def follow(engine: Engine[S, P], run: Run) -> tuple[tuple[Answer, ...], Host]:
    """What the calls of a run answer, and what they leave."""
    shared, answers, processes = engine.shared(run.before), list[Answer](), dict[str, _Process[P]]()
    for call in run.calls:
        if isinstance(call, Call):
            processes[call.process] = _Process(call, engine.begin(call))
        process = processes[call.process]
        if isinstance(call, Resume):
            process.call = replace(process.call, stops="")
        if isinstance(call, Die):
            assert process.at is not None
            shared = engine.step(shared, process.at, Came.DEAD).shared
            answers.append(DEAD)
        else:
            shared, answer = _go(engine, shared, process)
            answers.append(answer)
    return tuple(answers), engine.host(shared)


def _go(engine: Engine[S, P], shared: S, process: _Process[P]) -> tuple[S, Answer]:
    """Let a process take steps until it returns, dies, stops or waits."""
    call = process.call
    named = STORES.get(call.dies or call.fails or call.stops, "")
    while process.at is not None:
        here = named in engine.writes(process.at) and not engine.cleans_up(process.at)
        here, process.met = here and process.met == call.again, process.met + here
        wanted = Came.FAILED if here and call.fails else Came.TAKEN
        stepped = engine.step(shared, process.at, wanted)
        if stepped.came is Came.WAITS:
            process.met -= here
            return shared, WAITS
        process.ok = process.ok and stepped.came is Came.TAKEN
        shared, process.at, process.told = stepped.shared, stepped.process, stepped.told or process.told
        if here and call.stops:
            return shared, STOPPED
        if here and call.dies:
            assert process.at is not None, "it has returned"
            return engine.step(shared, process.at, Came.DEAD).shared, DEAD
    assert not (call.dies or call.fails or call.stops) or process.met > call.again, f"{call} never came to that"
    return shared, (process.told or OK) if process.ok else ERROR
