"""What is wrong in the last state of a counterexample, in words: which slot, which answer, who waits."""

from __future__ import annotations

from collections.abc import Iterator

from confsync.model.engine.concrete import WordCells, slot_name
from confsync.model.engine.program import IDLE, Program
from confsync.model.engine.search.alone import Alone, Answer
from confsync.model.engine.trace import Trace
from confsync.model.engine.violation import violates
from confsync.model.language import MADE_UP, ConcreteSlot
from confsync.model.libxl.properties import BIT, PROPERTIES, Decided, Property
from confsync.model.libxl.state import LOCKS, Shared
from confsync.model.report.events import configuration, standing


def wrong(trace: Trace, property_name: str) -> list[str]:
    """What violates the property in the trace's last state, then what helps to see it, a sentence each.
    No sentence if nothing in that state violates the property."""
    p = PROPERTIES[property_name]
    if p.decided is Decided.STORES:
        return list(_in_stores(trace, p))
    if p.decided in (Decided.ANSWERS, Decided.WATCH):
        return list(_in_answer(trace, p))
    if p.decided is Decided.ALONE:
        return list(_alone(trace, p))
    if not violates(trace, property_name):
        return []
    return [_sentence(p.violated), *(_at_work if p.decided is Decided.PROCESSES else _left_standing)(trace)]


def _sentence(pattern: str, **values: str) -> str:
    first = pattern[0].upper()  # a slot that it begins with keeps its name
    return f"{first}{pattern[1:]}.".format(**values)


def _in_stores(trace: Trace, p: Property) -> Iterator[str]:
    layout, word = trace.program.shared_layout, trace.last.shared
    s = Shared(WordCells(layout, word, []))
    for k in layout.slots or (ConcreteSlot(0, False),):
        if p.holds and not p.holds(s, k):
            shown = {"slot": slot_name(k)}
            for name, field in {"attached": "xenstore", "template": "template", "vouched": "vouched"}.items():
                place = layout.places[field]
                shown[name] = layout.show(field, layout.at(word, place, k.index)) if place.count else "absent"
            yield _sentence(p.violated, **shown)
            return


def _in_answer(trace: Trace, p: Property) -> Iterator[str]:
    """For the properties of what a retrieve is about to return."""
    program, alone = trace.program, Alone(trace.program)
    for process, local in enumerate(trace.last.local):
        if local == IDLE or not program.answers(program.point_of(local)):
            continue
        answer, was = alone.answer_of(local), _since_the_call(trace, alone, process)
        if answer not in was if p.decided is Decided.WATCH else MADE_UP in answer[0]:
            yield _sentence(p.violated, result=_told(program, answer))
            times = ", then ".join(_told(program, truth) for truth in was)
            yield f"From the call of the retrieve (process {process}) on, the domain was: {times}."
            return


def _since_the_call(trace: Trace, alone: Alone, process: int) -> list[Answer | None]:
    """What the domain was, one configuration after another, since a process was called."""
    began = max(i for i, m in enumerate(trace.moves) if m.process == process and m.transition.started != IDLE)
    words = [trace.moves[began].before.shared, *(m.after.shared for m in trace.moves[began:])]
    truths = [alone.truth(w) for w in words]
    return [t for i, t in enumerate(truths) if i == 0 or t != truths[i - 1]]


def _alone(trace: Trace, p: Property) -> Iterator[str]:
    """For the properties of what a retrieve returns while no other operation is at work."""
    program, alone, last = trace.program, Alone(trace.program), trace.last
    if any(w != IDLE for w in last.local) or not alone.judge(last.shared)[0] & BIT[p.name]:
        return
    layout = program.shared_layout
    granted = layout.show("granted", layout.at(last.shared, layout.places["granted"], 0))
    yield _sentence(p.violated, result=_told(program, alone.retrieve(last.shared)), granted=granted)
    yield f"The domain is: {_told(program, alone.truth(last.shared))}."


def _told(program: Program, whole: Answer | None) -> str:
    return f"({configuration(program, whole)})" if whole else "no domain"


def _at_work(trace: Trace) -> Iterator[str]:
    """Where each process is, and which locks it holds."""
    program = trace.program
    for process, local in enumerate(trace.last.local):
        if local == IDLE:
            yield f"Process {process} is idle."
            continue
        point = program.points[program.point_of(local)]
        held = [words for words, _, holds in _LOCK_WORDS if program.local_layout.get(local, holds)]
        holding = f", and holds {' and '.join(held)}" if held else ""
        doing = "cleaning up" if point.cleaning_up else "at"
        yield f"Process {process} is {doing} {point.operation}, before {point.step.name}{holding}."
    for words, lock, holds in _LOCK_WORDS:
        owned = any(program.local_layout.get(local, holds) for local in trace.last.local)
        if program.shared_layout.get(trace.last.shared, lock) and not owned:
            yield _sentence(f"{words} is taken, and none of them holds it")


_LOCK_WORDS = [(words, *lock) for words, lock in zip(("the lock", "the device lock"), LOCKS.items(), strict=True)]


def _left_standing(trace: Trace) -> Iterator[str]:
    """What stands where in the last state."""
    layout, word = trace.program.shared_layout, trace.last.shared
    flags = {n: bool(layout.get(word, n)) for n in ("alive", "paused", "saved", "locked")}
    domain = "paused" if flags["paused"] else "running"
    yield (
        f"There is {'a ' + domain if flags['alive'] else 'no'} domain and {'a' if flags['saved'] else 'no'} template "
        f"file, and the lock is {'held' if flags['locked'] else 'free'}."
    )
    yield from (f"{standing(layout, word, k)}." for k in layout.slots)
