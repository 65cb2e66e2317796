"""What the processes of a load have written down of their operations, and what a domain may do: the specification by
which the history is checked.

A domain's configuration is one map, of slots and knobs, and each operation changes it at one instant. What was killed
may have happened or not; a creation or destruction that was cut short may have left the domain in part.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

from confsync.proofs.conformance.linearizable import Call

Map = frozenset[tuple[str, object]]
State = str | Map
"""NONE before it is created, GONE after it was destroyed, HALF if it has no configuration left; or its map."""
NONE, HALF, GONE = "none", "half", "gone"
OK = "ok"
DRIVE = "disk hdc"
KNOBS = ("name", "memory", "weight", "vcpus")
NOT_THERE = {"DomainNotFound"}
REFUSALS = {"DeviceExists", "DeviceNotFound", "InvalidArgument"}
CUT_SHORT = {"TemplateMissing", "CannotList"}


def read_logs(folder: Path) -> list[Call]:
    """Every operation of every process. A last line that a death has cut short is left out: it says nothing."""
    return [call for path in sorted(folder.glob("log-*")) for call in _read_log(path)]


def _read_log(path: Path) -> Iterator[Call]:
    begun: dict[int, tuple[float, str, object]] = {}
    for line in path.read_text().split("\n")[:-1]:
        record = json.loads(line)
        if "what" in record:
            begun[record["n"]] = record["t"], record["life"], frozen(record["what"])
        else:
            called, life, what = begun.pop(record["n"])
            yield Call(life, called, record["t"], what, frozen(record["answer"]), path.name)
    for called, life, what in begun.values():
        yield Call(life, called, None, what, None, path.name)


def frozen(value: object) -> object:
    """A value of JSON's that can be compared and hashed."""
    return tuple(map(frozen, value)) if isinstance(value, list | tuple) else value


def with_value(state: Map, name: str, value: object) -> Map:
    """The map with this in the slot; None: nothing."""
    rest = frozenset(item for item in state if item[0] != name)
    return rest if value is None else rest | {(name, value)}


def without_devices(state: Map) -> Map:
    """The map of a domain whose destruction has got so far."""
    return frozenset(item for item in state if item[0] in KNOBS)


def step(state: State, call: Call) -> Iterable[State]:
    """The states that an operation may lead to, having answered what it did."""
    what = cast("tuple[object, ...]", call.what)
    answer = call.answer
    match what[0]:
        case "create":
            return _create(state, cast(Map, frozenset(cast("tuple[tuple[str, object]]", what[1]))), answer)
        case "destroy":
            return _destroy(state, answer)
        case "retrieve":
            return _retrieve(state, answer)
    if isinstance(state, str):
        return _on_nothing(state, what, answer)
    return _change(state, what, answer)


def _change(state: Map, what: tuple[object, ...], answer: object) -> Iterable[State]:
    old = dict(state)
    name, value, refused, refusal = DRIVE, cast(object, ""), DRIVE not in old, "DeviceNotFound"
    match what:
        case ("attach", str(name), value):
            refused, refusal = name in old, "DeviceExists"
        case ("detach", str(name)):
            value, refused = None, name not in old
        case ("insert", value):
            if not refused:
                refused, refusal = old[DRIVE] != "", "DeviceExists"
        case ("set", str(name), value):
            refused, refusal = False, ""
    return _may(state, with_value(state, name, value), answer, refused, refusal)


def _may(old: Map, new: Map, answer: object, refused: bool, refusal: str) -> Iterable[State]:
    """A change that is made, or refused with that word if it cannot be made."""
    if answer == OK:
        return [] if refused else [new]
    if answer == refusal:
        return [old] if refused else []
    if answer in NOT_THERE | CUT_SHORT | REFUSALS:
        return []
    return [old] if refused else [old, new]  # it died, or failed in a way that says nothing of how far it got


def _on_nothing(state: str, what: tuple[object, ...], answer: object) -> Iterable[State]:
    """A domain without a configuration has no devices, and so no drive either. Its name and memory may still be there
    to be set: it is xenstore that forgets them, after the template is gone."""
    if answer == OK and what[0] == "set" and state == HALF:
        return [HALF]
    if answer == OK or (answer in CUT_SHORT and state != HALF):
        return []
    without = ("detach", "eject", "insert") if state == HALF else ("detach",)
    if answer == "DeviceExists" or (answer == "DeviceNotFound" and what[0] not in without):
        return []
    return [state]


def _create(state: State, made: Map, answer: object) -> Iterable[State]:
    if state != NONE:
        return []
    return [made] if answer == OK else [NONE, HALF, GONE, without_devices(made), made]


def _destroy(state: State, answer: object) -> Iterable[State]:
    if answer == OK:
        return [] if state in (NONE, GONE) else [GONE]
    if state in (NONE, GONE):
        return [state]
    if answer in NOT_THERE:
        return []
    return [state, HALF, GONE] if isinstance(state, str) else [state, without_devices(state), HALF, GONE]


def _retrieve(state: State, answer: object) -> Iterable[State]:
    if isinstance(answer, tuple):
        return [state] if not isinstance(state, str) and frozenset(answer) == state else []
    if answer in NOT_THERE:
        return [state] if state in (NONE, GONE) else []
    if answer in CUT_SHORT:
        return [state] if state == HALF else []
    return [state]


def matters(state: State, pending: Call, call: Call) -> bool:
    """Whether an operation that never returned could make a difference to another one: not if that can answer as it did
    without it, or is about another slot, or is a `retrieve` that says otherwise."""
    done, what = cast("tuple[object, ...]", pending.what), cast("tuple[object, ...]", call.what)
    said = isinstance(call.answer, tuple) or call.answer in {OK, *REFUSALS, *NOT_THERE, *CUT_SHORT}
    if done[0] == "retrieve" or (said and list(step(state, call))):
        return False
    if isinstance(state, str) or done[0] in ("create", "destroy") or what[0] in ("create", "destroy"):
        return done[0] in ("create", "destroy")
    (about,) = _named(done, None)
    if what[0] != "retrieve":
        return about in _named(what, None)
    if not isinstance(call.answer, tuple):
        return False
    told = dict(call.answer).get(about)
    return dict(state).get(about) != told and (done[0] in ("detach", "eject") or done[-1] == told)


def quiet(call: Call) -> bool:
    """Whether an operation changed nothing: it only looked, or it was refused."""
    what = cast("tuple[object, ...]", call.what)
    return what[0] == "retrieve" or call.answer in {*REFUSALS, *NOT_THERE, *CUT_SHORT}


def on_slots(calls: Iterable[Call]) -> Iterator[Call]:
    """The same history, of each slot by itself: what no operation touches is left out of it. It is searched faster, and
    says less."""
    calls = list(calls)
    names: dict[object, set[str]] = {}
    for call in calls:
        what = cast("tuple[object, ...]", call.what)
        names.setdefault(call.key, set()).update(_named(what, call.answer))
    for call in calls:
        what = cast("tuple[object, ...]", call.what)
        for name in sorted(names[call.key]) if what[0] in ("create", "destroy", "retrieve") else _named(what, None):
            yield Call(
                (call.key, name), call.called, call.returned, _only(what, name), _answered(call, name), call.process
            )


def _named(what: tuple[object, ...], answer: object) -> set[str]:
    match what:
        case ("create", tuple(items)):
            return {str(cast("tuple[str, object]", item)[0]) for item in items}
        case ("insert" | "eject", *_):
            return {DRIVE}
        case ("attach" | "detach" | "set", str(name), *_):
            return {name}
    return {str(item[0]) for item in answer} if isinstance(answer, tuple) else set()


def _only(what: tuple[object, ...], name: str) -> tuple[object, ...]:
    if what[0] != "create":
        return what
    return "create", tuple(item for item in cast("tuple[tuple[str, object], ...]", what[1]) if item[0] == name)


def _answered(call: Call, name: str) -> object:
    if not isinstance(call.answer, tuple):
        return call.answer
    return tuple(item for item in call.answer if item[0] == name)


def lost(calls: list[Call], last: dict[object, Map]) -> list[str]:
    """Acknowledged attachments that no other operation of their slot or domain can have undone, and that the last
    `retrieve` does not say. Found without the specification above."""
    return [
        f"{call}: at last there is {dict(last[call.key]).get(str(slot))!r}"
        for call, slot, value in undisturbed(calls)
        if call.key in last and (slot, value) not in last[call.key]
    ]


def undisturbed(calls: list[Call]) -> Iterator[tuple[Call, object, object]]:
    """The attachments that nothing came after."""
    ended: dict[object, float] = {}
    for call in calls:
        what = cast("tuple[object, ...]", call.what)
        if what[0] in ("detach", "destroy"):
            key = (call.key, what[1] if what[0] == "detach" else None)
            ended[key] = max(call.end, ended.get(key, 0.0))
    for call in calls:
        what = cast("tuple[object, ...]", call.what)
        if what[0] == "attach" and call.answer == OK:
            until = max(ended.get((call.key, what[1]), 0.0), ended.get((call.key, None), 0.0))
            if until < call.called:
                yield call, what[1], what[2]
