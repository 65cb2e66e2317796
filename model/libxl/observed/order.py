"""From the steps that were found, here and there, to the order of an operation; and whether it is a whole one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from confsync.model.language import Step
from confsync.model.libxl import steps as step
from confsync.model.libxl.observed.trace import Placed

FOR_ALL = frozenset({
    step.enter_devices, step.allocate_devices, step.close_devices, step.release_devices, step.leave_devices,
    step.merge_devices, step.merge_media, step.merge_knobs, step.allocate, step.release,
})  # fmt: skip
"""Steps that stand for any number of events of their kind, however these alternate with each other."""

NEEDS: dict[str, tuple[tuple[Step, ...], ...]] = {
    "create": ((step.make_domain,), (step.enter_devices,), (step.allocate_devices,), (step.save_template,)),
    "attach": ((step.write_template,), (step.enter_xenstore,), (step.allocate,)),
    "detach": ((step.mark_closing,), (step.release,), (step.leave_xenstore,)),
    "insert": ((step.write_template,), (step.load_medium, step.replace_medium)),
    "eject": ((step.unload_medium,),),
    "swap": ((step.write_template,), (step.load_medium, step.replace_medium)),
    "set_memory_target": ((step.write_memory,),),
    "rename": ((step.write_name,),),
    "retrieve": ((step.read_template,), (step.merge_devices,), (step.merge_knobs,)),
    "destroy": ((step.close_devices,), (step.release_devices,), (step.leave_devices,), (step.remove_template,)),
}
"""What a run must show, one of each, to be the whole operation: what it lacks would be a step that it never takes,
or one that the next could never follow."""

_LOCKS = {step.take_lock: step.drop_lock, step.take_device_lock: step.drop_device_lock}


@dataclass(frozen=True, slots=True)
class Found:
    """A step, and the number of the act that shows it."""

    step: Step
    act: int
    assumed: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """The steps in their order, what was assumed to get there, and what is wrong with it."""

    kept: list[Found]
    placed: tuple[Placed, ...]
    assumed: list[str]
    unfit: list[str]


def in_order(operation: str, found: Sequence[Found], lines: Sequence[int]) -> Order:
    """The order of the steps that were found. Without an operation it is left unchecked."""
    assumed: list[str] = []
    unfit: list[str] = []
    kept = _one_for_all(sorted(found, key=lambda f: f.act), lines, assumed, unfit)
    if operation:
        kept = _imply(operation, kept, len(lines) - 1, assumed)
        unfit += _wrong(operation, [f.step for f in kept])
    return Order(kept, tuple(Placed(f.step, lines[f.act], f.assumed) for f in kept), assumed, unfit)


def _one_for_all(found: list[Found], lines: Sequence[int], assumed: list[str], unfit: list[str]) -> list[Found]:
    kept: list[Found] = []
    stands_for: dict[Step, list[int]] = {}
    for f in found:
        if f.step not in stands_for:
            kept.append(f)
        if f.step in FOR_ALL:
            stands_for.setdefault(f.step, []).append(f.act)
    for s, acts in stands_for.items():
        if len(acts) == 1:
            continue
        assumed.append(
            f"`{s}` stands for {len(acts)} events, line {lines[acts[0]]} to {lines[acts[-1]]}, as if for one"
        )
        between = [f.step for f in found if acts[0] < f.act < acts[-1] and f.step not in FOR_ALL]
        if between:
            unfit.append(f"`{s}` would be both before and after `{between[0]}`, and no single place is right")
    return kept


def _imply(operation: str, kept: list[Found], last: int, assumed: list[str]) -> list[Found]:
    """Put in what no trace can show."""
    shown = {f.step: n for n, f in reversed(list(enumerate(kept)))}
    if operation == "create":
        assumed.append("the hypercall that makes the domain is not shown: `make_domain` is put where its nodes are")
        if step.unpause not in shown:
            assumed.append("the hypercall that lets the domain run is not shown: `unpause` is put last")
            return [*kept, Found(step.unpause, last, assumed=True)]
    elif operation == "set_memory_target" and step.write_memory in shown and step.grant_memory not in shown:
        n = shown[step.write_memory]
        assumed.append("hypercalls are not shown: `grant_memory` is put before the commit of `write_memory`")
        return [*kept[:n], Found(step.grant_memory, kept[n].act, assumed=True), *kept[n:]]
    elif operation == "retrieve":
        assumed.append("`answer`: the result is handed over at the end")
        return [*kept, Found(step.answer, last, assumed=True)]
    elif operation == "destroy" and step.kill_domain not in shown:
        assumed.append("the hypercall that destroys the domain is not shown: `kill_domain` is put last")
        return [*kept, Found(step.kill_domain, last, assumed=True)]
    return kept


def _wrong(operation: str, order: list[Step]) -> list[str]:
    wrong = [
        f"it does not show `{'` or `'.join(s.name for s in needed)}`, so it is not the whole operation"
        for needed in NEEDS[operation]
        if not set(needed) & set(order)
    ]
    for take, drop in _LOCKS.items():
        held = False
        for s in order:
            if s == take and held:
                wrong.append(f"`{take}` is taken by one that has it already")
            elif s == drop and not held:
                wrong.append(f"`{drop}` is taken by one that does not have the lock")
            held = s == take or (held and s != drop)
        if held:
            wrong.append(f"it ends after `{take}` without `{drop}`")
    return wrong
