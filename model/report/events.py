"""The moves of a trace in the words of the domain: who was asked what, which step came of it, what it changed.

A story (`confsync.model.report.story`) prints them, JSON (`confsync.model.report.output`) lists them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from confsync.model.engine.concrete import Layout, Plain, slot_name
from confsync.model.engine.program import IDLE, Kind, Point, Program
from confsync.model.engine.search.alone import Alone, Answer
from confsync.model.engine.trace import Move, Trace
from confsync.model.language import ABSENT, ConcreteSlot, Sort
from confsync.model.language.step import SIGNATURES

Arguments = dict[str, str | dict[str, str]]
"""What an operation was asked with, by the names of `Local`; `draft` is a whole configuration, slot by slot."""
Changed = dict[str, tuple[str | bool, str | bool]]
"""What was at each place that changed, and what is there now."""


@dataclass(frozen=True, slots=True)
class Event:
    """One move. `starts`: with it the operation begins; `reborn`: by a process in place of one that died.
    `ends`: with it the operation returns. `returns`: what a retrieve that succeeds with it returns."""

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
        yield Event(
            move.process,
            program.points[label.point],
            label.kind,
            asked[move.process],
            changed(program.shared_layout, move.before.shared, move.after.shared),
            tuple(_in_words(program.shared_layout, move.before.shared, move.after.shared)),
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
    for name in (*(("slot",) if signature.slot else ()), *signature.takes):
        value = layout.get(started, name)
        if isinstance(value, tuple):
            shown = zip(layout.slots, value, strict=True)
            given[name] = {slot_name(k): layout.show(name, v) for k, v in shown}
        else:
            given[name] = layout.show(name, value)
    return given


def asked(operation: str, given: Arguments) -> str:
    """An operation with its arguments, in words."""
    if isinstance(whole := given.get("draft"), dict):
        devices = ", ".join(f"{k}: {v}" for k, v in whole.items() if v != "absent")
        return f"{operation} ({devices or 'no device'})"
    pattern = {
        "attach": "attach {slot} as {config}",
        "insert": "insert {config} into {slot}",
        "swap": "swap {slot} to {config}",
        "set_memory_target": "set_memory_target to {amount}",
        "rename": "rename to {new_name}",
    }.get(operation, "{operation} {slot}" if SIGNATURES[operation].slot else "{operation}")
    return pattern.format(operation=operation, **given)


def configuration(program: Program, whole: Answer) -> str:
    """A whole configuration in words; name and memory where there is more than one."""
    layout, (configs, name, memory) = program.local_layout, whole
    devices = [
        f"{slot_name(k)}: {layout.show('draft', c)}" for k, c in zip(layout.slots, configs, strict=True) if c != ABSENT
    ]
    names = [layout.show("draft_name", name)] if program.bounds.names > 1 else []
    amounts = [layout.show("draft_memory", memory)] if program.bounds.amounts > 1 else []
    return ", ".join((devices or ["no device"]) + names + amounts)


def changed(layout: Layout, before: int, after: int) -> Changed:
    """What differs between two shared words, field by field and slot by slot; neither ghosts nor counts."""
    found: Changed = {}
    for name, place in layout.places.items():
        if place.field.ghost or place.field.sort is Sort.COUNT:
            continue
        was, now = layout.get(before, name), layout.get(after, name)
        if isinstance(was, tuple) and isinstance(now, tuple):
            for k, a, b in zip(layout.slots, was, now, strict=True):
                if a != b:
                    found[f"{name}[{slot_name(k)}]"] = _shown(layout, name, a), _shown(layout, name, b)
        elif was != now:
            found[name] = _shown(layout, name, was), _shown(layout, name, now)
    return found


def _shown(layout: Layout, name: str, value: Plain) -> str | bool:
    assert not isinstance(value, tuple)
    return value if isinstance(value, bool) else layout.show(name, value)


def _in_words(layout: Layout, before: int, after: int) -> Iterator[str]:
    """What differs, as a reader wants to hear it: nothing that another line implies."""
    diff = changed(layout, before, after)
    yield from _of_domain(layout, diff, after)
    for k in map(slot_name, layout.slots):
        yield from _of_slot(diff, k)
    yield from _of_locks(diff, bool(layout.get(after, "lock_file")))


def _of_domain(layout: Layout, diff: Changed, after: int) -> Iterator[str]:
    alive, paused, saved = (bool(layout.get(after, name)) for name in ("alive", "paused", "saved"))
    if "alive" in diff:
        yield f"domain: created{', paused' if paused else ''}" if alive else "domain: gone"
    elif "paused" in diff and alive:
        yield "domain: paused" if paused else "domain: runs"
    if alive:
        names = {"name": "name", "memory": "memory target", "granted": "memory granted"}
        yield from _knobs(layout, diff, after, names, new="alive" in diff)
    if "saved" in diff:
        yield "template file: written" if saved else "template file: gone"
    if saved:
        names = {"template_name": "template's name", "template_memory": "template's memory target"}
        yield from _knobs(layout, diff, after, names, new="saved" in diff)


def _knobs(layout: Layout, diff: Changed, after: int, names: dict[str, str], *, new: bool) -> Iterator[str]:
    """What changed of name and memory; all that can differ where they are `new`."""
    for name, words in names.items():
        if name in diff and not new:
            yield f"{words}: {diff[name][0]} -> {diff[name][1]}"
        elif new and layout.places[name].bits:
            yield f"{words}: {_shown(layout, name, layout.get(after, name))}"


def _of_slot(diff: Changed, k: str) -> Iterator[str]:
    if template := diff.get(f"template[{k}]"):
        yield f"template[{k}]: {template[0]} -> {template[1]}"
    entry, closing = diff.get(f"xenstore[{k}]"), diff.get(f"closing[{k}]")
    if entry:
        yield f"xenstore[{k}]: {entry[0]} -> {entry[1]}"
    if closing and not (entry and entry[1] == "absent"):
        yield f"xenstore[{k}]: {'closing' if closing[1] else 'no longer closing'}"
    if resources := diff.get(f"resources[{k}]"):
        yield f"resources[{k}]: {'held' if resources[1] else 'released'}"


def _of_locks(diff: Changed, file_is_there: bool) -> Iterator[str]:
    for name, words in (("locked", "lock"), ("device_locked", "device lock")):
        if name in diff:
            yield f"{words}: {'held' if diff[name][1] else 'free'}"
    released = "locked" in diff and not diff["locked"][1]
    if file_is_there and (released or ("lock_file" in diff and "locked" not in diff)):
        yield "lock file: left behind"
    elif "lock_file" in diff and "locked" not in diff:
        yield "lock file: gone"


def standing(layout: Layout, shared: int, k: ConcreteSlot) -> str:
    """What stands at a slot in each store."""
    at = {n: layout.at(shared, layout.places[n], k.index) for n in ("template", "xenstore", "closing", "resources")}
    closing = " (closing)" if at["closing"] else ""
    return (
        f"{slot_name(k)}: template {layout.show('template', at['template'])}, "
        f"xenstore {layout.show('xenstore', at['xenstore'])}{closing}, "
        f"resources {'held' if at['resources'] else 'none'}"
    )
