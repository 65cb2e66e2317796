"""What each operation does, alone on a healthy domain: what `check_contract` holds every design of a user to."""

from __future__ import annotations

from collections.abc import Callable

from confsync.model.language import Contract, Scenario
from confsync.model.libxl.state import ABSENT, CONFIG, EMPTY, FIRST_CONFIG, Bounds, Shared, slot_at

ALONE = Bounds(slots=1, ejectable=1, configs=2, names=2, amounts=2, processes=1, crashes=0)
FIRST, SECOND = FIRST_CONFIG, FIRST_CONFIG + 1
SLOT, DRIVE = slot_at(0), slot_at(1, ejectable=True)
Expected = dict[str, Callable[[Shared], object]]


def _has(config: int, medium: int) -> Expected:
    return {
        f"the slot has {CONFIG.show(config)} in xenstore": lambda s: s.attached[SLOT] == config,
        f"the drive has {CONFIG.show(medium)} in xenstore": lambda s: s.attached[DRIVE] == medium,
        "nothing is closing": lambda s: not (s.closing[SLOT] or s.closing[DRIVE]),
        "what is in xenstore holds resources, and nothing else": lambda s: (
            (s.resources[SLOT], s.resources[DRIVE]) == (config != ABSENT, True)
        ),
    }


_RUNS: Expected = {
    "the domain runs": lambda s: s.alive and not s.paused,
    "there is a template": lambda s: s.saved,
}
_TARGET: Expected = {
    "the target in xenstore is the new one": lambda s: s.memory == 1,
    "the hypervisor grants it": lambda s: s.granted == 1,
}
_GONE: Expected = {
    "the domain is gone": lambda s: not s.alive,
    "its template is gone": lambda s: not s.saved,
    "nothing of it is in xenstore": lambda s: s.attached[SLOT] == ABSENT and s.attached[DRIVE] == ABSENT,
    "nothing holds resources": lambda s: not (s.resources[SLOT] or s.resources[DRIVE]),
}
CONTRACT = Contract(
    ALONE,
    (
        Scenario("empty", "create", _RUNS | _has(ABSENT, EMPTY), given={"draft": (ABSENT, EMPTY)}),
        Scenario("full", "create", _RUNS | _has(FIRST, FIRST), given={"draft": (FIRST, FIRST)}),
        Scenario("attached", "attach", _RUNS | _has(FIRST, EMPTY), "empty", {"slot": SLOT.index, "config": FIRST}),
        Scenario("detached", "detach", _RUNS | _has(ABSENT, EMPTY), "attached", {"slot": SLOT.index}),
        Scenario("loaded", "insert", _RUNS | _has(FIRST, FIRST), "attached", {"slot": DRIVE.index, "config": FIRST}),
        Scenario("ejected", "eject", _RUNS | _has(FIRST, EMPTY), "loaded", {"slot": DRIVE.index}),
        Scenario("swapped", "swap", _RUNS | _has(FIRST, SECOND), "loaded", {"slot": DRIVE.index, "config": SECOND}),
        Scenario(
            "renamed", "rename", _RUNS | {"the name is the new one": lambda s: s.name == 1}, "loaded", {"new_name": 1}
        ),
        Scenario("targeted", "set_memory_target", _RUNS | _TARGET, "loaded", {"amount": 1}),
        Scenario("retrieved", "retrieve", _RUNS | _has(FIRST, FIRST), "loaded"),
        Scenario("destroyed", "destroy", _GONE, "loaded"),
    ),
)
