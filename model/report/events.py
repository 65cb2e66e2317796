"""The moves of a trace, told: who was asked what, which step came of it, what it changed.

A story (`confsync.model.report.story`) prints them, JSON (`confsync.model.report.output`) lists them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from confsync.model.engine.concrete import Layout
from confsync.model.engine.program import IDLE, Kind, Point, Program
from confsync.model.engine.search.alone import Alone, Answer
from confsync.model.engine.trace import Move, Trace
from confsync.model.language import COUNT, Difference, Element

Arguments = dict[str, str | dict[str, str]]
"""What an operation was asked with, by the names of locals; of a map a value for each element."""
Changed = dict[str, tuple[str | bool, str | bool]]
"""What was at each place that changed, and what is there now."""


@dataclass(frozen=True, slots=True)
class Event:
    """One move. `starts`: with it the operation begins; `reborn`: by a process in place of one that died.
    `ends`: with it the operation returns. `returns`: what an observer that succeeds with it returns."""

    process: int
    point: Point
    kind: Kind
    arguments: Arguments
    changed: Changed
    changes: tuple[str, ...]
    """What changed, in words."""
    starts: bool
    reborn: bool
    ends: bool
    returns: Answer | None


def events(trace: Trace) -> Iterator[Event]:
    """The moves of a trace, told one by one."""
    program, asked, dead = trace.program, dict[int, Arguments](), set[int]()
    for move in trace.moves:
        label, started = move.transition.label, move.transition.started
        if started != IDLE:
            asked[move.process] = arguments(program, started)
        diff = difference(program.shared_layout, move.before.shared, move.after.shared)
        yield Event(
            move.process,
            program.points[label.point],
            label.kind,
            asked[move.process],
            diff.changed,
            tuple(program.protocol.words.changes(diff)),
            started != IDLE,
            move.process in dead,
            move.transition.local == IDLE and label.kind is not Kind.CRASH,
            _returned(program, move),
        )
        dead = dead | {move.process} if label.kind is Kind.CRASH else dead - {move.process}


def _returned(program: Program, move: Move) -> Answer | None:
    label = move.transition.label
    if label.kind is not Kind.STEP or not program.answers(label.point):
        return None
    return Alone(program).answer_of(move.transition.started or move.before.local[move.process])


def arguments(program: Program, started: int) -> Arguments:
    """What an operation that begins with this local word is asked with."""
    layout, signature = program.local_layout, program.signature(program.point_of(started))
    given: Arguments = {}
    for name in signature.takes:
        value = layout.get(started, name)
        if isinstance(value, tuple):
            given[name] = {str(k): layout.show(name, v) for k, v in zip(_elements(layout, name), value, strict=True)}
        else:
            given[name] = layout.show(name, value)
    return given


def _elements(layout: Layout, name: str) -> tuple[Element, ...]:
    """The elements that a field is a map over; none of a field that is no map."""
    over = layout.places[name].field.over
    return layout.elements(over) if over else ()


def asked(program: Program, operation: str, given: Arguments) -> str:
    """An operation with its arguments, in words."""
    pattern = (
        program.protocol.operations[operation].told or f"{operation} {' '.join(f'{{{a}}}' for a in given)}".strip()
    )
    shown = {a: said if isinstance(said, str) else _whole(program, {a: said}) for a, said in given.items()}
    return pattern.format(**shown)


def _whole(program: Program, told: Mapping[str, str | Mapping[str, str]]) -> str:
    return program.protocol.words.answer(told)


def answer_words(program: Program, answer: Answer) -> str:
    """An answer in words; of a part that has one value within the bounds, nothing."""
    layout, told = program.local_layout, dict[str, str | Mapping[str, str]]()
    for name, part in zip(program.protocol.answer, answer, strict=True):
        if isinstance(part, tuple):
            told[name] = {str(k): layout.show(name, v) for k, v in zip(_elements(layout, name), part, strict=True)}
        elif layout.places[name].bits:
            told[name] = layout.show(name, part)
    return _whole(program, told)


def difference(layout: Layout, before: int, after: int) -> Difference:
    """Two shared words, place by place; neither ghosts nor counts."""
    fields = [n for n, place in layout.places.items() if not (place.field.ghost or place.field.sort == COUNT)]
    elements = dict.fromkeys(str(k) for name in fields for k in _elements(layout, name))
    varies = frozenset(name for name in fields if layout.places[name].bits)
    return Difference(_places(layout, fields, before), _places(layout, fields, after), tuple(elements), varies)


def _places(layout: Layout, fields: list[str], word: int) -> dict[str, str | bool]:
    """What is at each place, by `field` or `field[element]`."""
    found: dict[str, str | bool] = {}
    for name in fields:
        value = layout.get(word, name)
        if isinstance(value, tuple):
            for k, v in zip(_elements(layout, name), value, strict=True):
                found[f"{name}[{k}]"] = _shown(layout, name, v)
        else:
            found[name] = _shown(layout, name, value)
    return found


def _shown(layout: Layout, name: str, value: bool | int | Element) -> str | bool:
    return value if isinstance(value, bool) else layout.show(name, value)
