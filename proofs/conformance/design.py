"""The design that the implementation is held against: as registered, and every step can fail that can in reality."""

from __future__ import annotations

from dataclasses import replace

from confsync.model.language import Design, Operation, Step, Undo
from confsync.model.libxl import steps

CAN_FAIL_TOO = (steps.close_devices, steps.release_devices, steps.kill_domain)
"""Steps that the model takes not to fail, and that in the implementation commit a transaction or call hotplug."""


def as_it_can_fail(design: Design) -> Design:
    """The design with these steps able to fail, in every operation that has them."""

    def able(s: Step) -> Step:
        return replace(s, may_fail=True) if s in CAN_FAIL_TOO else s

    def each(operation: Operation) -> Operation:
        undone = tuple(Undo(able(u.of), tuple(map(able, u.steps))) for u in operation.clean_up)
        return Operation(tuple(map(able, operation.steps)), undone)

    return design.but(design.name, design.says, **{name: each(operation) for name, operation in design.operations()})
