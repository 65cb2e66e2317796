"""What is wrong in the last state of a counterexample, in words: which element, which answer, who waits."""

from __future__ import annotations

from collections.abc import Iterator

from confsync.model.engine.concrete import WordCells
from confsync.model.engine.program import IDLE, Program
from confsync.model.engine.search.alone import Alone, Answer
from confsync.model.engine.trace import Trace
from confsync.model.engine.violation import violates
from confsync.model.language import AnswerInvariant, Element, Invariant, Linearizable, Property, behind
from confsync.model.language.properties import OF_PROCESSES, OF_QUIESCENCE
from confsync.model.report.events import answer_words, difference


def wrong(trace: Trace, property_name: str) -> list[str]:
    """What violates the property in the trace's last state, then what helps to see it, a sentence each.
    No sentence if nothing in that state violates the property."""
    p = trace.program.protocol.properties[property_name]
    if isinstance(p, Invariant):
        return list(_in_shared(trace, p))
    if isinstance(p, AnswerInvariant | Linearizable):
        return list(_in_answer(trace, p))
    if isinstance(p, OF_QUIESCENCE):
        return list(_alone(trace, p))
    if not violates(trace, property_name):
        return []
    return [_sentence(p.violated), *(_at_work(trace) if isinstance(p, OF_PROCESSES) else standing(trace))]


def _sentence(pattern: str, **values: str) -> str:
    first = pattern[0].upper()  # a name that it begins with stays as it is
    return f"{first}{pattern[1:]}.".format(**values)


def _values(trace: Trace, k: Element | None = None) -> dict[str, str]:
    """What a property's words can name of the last state: each field by its name, a map's at this element, and the
    element by the name of its sort."""
    layout, word = trace.program.shared_layout, trace.last.shared
    shown = {k.sort.name.lower(): str(k)} if k else {}
    for name, place in layout.places.items():
        if not place.field.over:
            shown[name] = layout.show(name, layout.at(word, place, 0))
        elif k and place.field.over == k.sort:
            shown[name] = layout.show(name, layout.at(word, place, k.index) if place.count else 0)
    for name, field in vars(trace.program.protocol.shared).items():
        if isinstance(field, behind) and field.entries.name in shown:
            shown[name] = shown[field.entries.name]
    return shown


def _in_shared(trace: Trace, p: Invariant) -> Iterator[str]:
    protocol = trace.program.protocol
    s = protocol.shared(WordCells(trace.program.shared_layout, trace.last.shared, []))
    for k in protocol.elements_or_one(trace.program.bounds, p.over):
        if not p.holds(s, k):
            yield _sentence(p.violated, **_values(trace, k))
            return


def _in_answer(trace: Trace, p: AnswerInvariant | Linearizable) -> Iterator[str]:
    """For the properties of what an observer is about to return."""
    program, alone = trace.program, Alone(trace.program)
    for process, local in enumerate(trace.last.local):
        if local == IDLE or not program.answers(program.point_of(local)):
            continue
        answer, was = alone.answer_of(local), _since_the_call(trace, alone, process)
        if answer not in was if isinstance(p, Linearizable) else _violates(program, p, local):
            yield _sentence(p.violated, result=_told(program, answer))
            times = ", then ".join(_told(program, truth) for truth in was)
            observer = alone.observer
            yield (
                f"From the call of the {observer.operation} (process {process}) on, {observer.subject} was: {times}."
            )
            return


def _violates(program: Program, p: AnswerInvariant, local: int) -> bool:
    me = program.protocol.local(WordCells(program.local_layout, local, []))
    return not all(p.holds(me, k) for k in program.protocol.elements_or_one(program.bounds, p.over))


def _since_the_call(trace: Trace, alone: Alone, process: int) -> list[Answer | None]:
    """What there was to observe, one configuration after another, since a process was called."""
    began = max(i for i, m in enumerate(trace.moves) if m.process == process and m.transition.started != IDLE)
    words = [trace.moves[began].before.shared, *(m.after.shared for m in trace.moves[began:])]
    truths = [alone.truth(w) for w in words]
    return [t for i, t in enumerate(truths) if i == 0 or t != truths[i - 1]]


def _alone(trace: Trace, p: Property) -> Iterator[str]:
    """For the properties of what an observer returns while no other operation is at work."""
    program, alone, last = trace.program, Alone(trace.program), trace.last
    if any(w != IDLE for w in last.local) or not alone.judge(last.shared)[0] & program.protocol.bits[p.name]:
        return
    yield _sentence(p.violated, result=_told(program, alone.answer_alone(last.shared)), **_values(trace))
    subject = alone.observer.subject
    yield f"{subject[0].upper()}{subject[1:]} is: {_told(program, alone.truth(last.shared))}."


def _told(program: Program, answer: Answer | None) -> str:
    observer = program.protocol.observer
    assert observer
    return f"({answer_words(program, answer)})" if answer else f"no {observer.subject.removeprefix('the ')}"


def _at_work(trace: Trace) -> Iterator[str]:
    """Where each process is, and which locks it holds."""
    program = trace.program
    locks = program.protocol.locks
    for process, local in enumerate(trace.last.local):
        if local == IDLE:
            yield f"Process {process} is idle."
            continue
        point = program.points[program.point_of(local)]
        held = [lock.words for lock in locks if program.local_layout.get(local, lock.held)]
        holding = f", and holds {' and '.join(held)}" if held else ""
        doing = "cleaning up" if point.cleaning_up else "at"
        yield f"Process {process} is {doing} {point.operation}, before {point.step.name}{holding}."
    for lock in locks:
        owned = any(program.local_layout.get(local, lock.held) for local in trace.last.local)
        if program.shared_layout.get(trace.last.shared, lock.taken) and not owned:
            yield _sentence(f"{lock.words} is taken, and none of them holds it")


def standing(trace: Trace) -> Iterator[str]:
    """What stands where in the last state."""
    word = trace.last.shared
    yield from trace.program.protocol.words.standing(difference(trace.program.shared_layout, word, word))
