"""Each operation, alone on a healthy domain, does what its name says and returns success.

A user's design in which one does not is no design: nothing could be learned from its verdicts. What happens when
several operations meet, fail or die is for the properties.
"""

from __future__ import annotations

from collections.abc import Callable

from confsync.model.engine.concrete import WordCells
from confsync.model.engine.program import IDLE, Kind, Program
from confsync.model.language import ABSENT, EMPTY, FIRST_CONFIG, LanguageError
from confsync.model.language.step import SIGNATURES, Design
from confsync.model.libxl.state import Bounds, Shared

ALONE = Bounds(slots=1, ejectable=1, configs=2, names=2, amounts=2, processes=1, crashes=0)
FIRST, SECOND = FIRST_CONFIG, FIRST_CONFIG + 1


def _run(program: Program, operation: str, shared: int, **given: int | tuple[int, ...]) -> int:
    """The shared word after an operation alone. LanguageError if it does not return success."""
    before, layout = shared, program.local_layout
    local = layout.put(IDLE, "at", program.first[operation])
    if SIGNATURES[operation].slot == "ejectable":
        local = layout.put(local, "slot", program.shared_layout.slots[1])
    for name, value in given.items():
        local = layout.put(local, name, value)
    while local != IDLE:
        point = program.point_of(local)
        at = program.points[point].step.name
        effects = program.outcomes(point, shared, local, set())
        if effects is None:
            return before  # it waits for itself, for ever: that is for `every_operation_ends` to find
        if effects[0].kind is Kind.REFUSED:
            raise _wrong(program, operation, f"it is refused at `{at}` and returns an error")
        taken = program.apply(effects[0], point, shared, local)
        shared, local = taken.shared, taken.local
    return shared


def _wrong(program: Program, operation: str, what: str) -> LanguageError:
    return LanguageError(
        f"design `{program.design.name}`, operation `{operation}`: alone on a healthy domain {what}: it does not do "
        f"what its name says ({SIGNATURES[operation].words})"
    )


def check_contract(design: Design) -> None:
    """LanguageError names the operation that, alone, does not do what its name says, and in what."""
    program = Program(design, ALONE)
    slot, drive = program.shared_layout.slots

    def after(
        operation: str, shared: int, holds: dict[str, Callable[[Shared], object]], **given: int | tuple[int, ...]
    ) -> int:
        end = _run(program, operation, shared, **given)
        # A step that keeps the lock is for `every_operation_ends` to find.
        free = program.shared_layout.put(program.shared_layout.put(end, "locked", False), "device_locked", False)
        s = Shared(WordCells(program.shared_layout, free, []))
        for what, is_so in holds.items():
            if not is_so(s):
                raise _wrong(program, operation, f"it returns success, and it is not so that {what}")
        return free

    def has(config: int, medium: int) -> dict[str, Callable[[Shared], object]]:
        return {
            f"the slot has {program.shared_layout.show('template', config)} in xenstore": lambda s: (
                s.attached[slot] == config
            ),
            f"the drive has {program.shared_layout.show('template', medium)} in xenstore": lambda s: (
                s.attached[drive] == medium
            ),
            "nothing is closing": lambda s: not (s.closing[slot] or s.closing[drive]),
            "what is in xenstore holds resources, and nothing else": lambda s: (
                (s.resources[slot], s.resources[drive]) == (config != ABSENT, True)
            ),
        }

    runs: dict[str, Callable[[Shared], object]] = {
        "the domain runs": lambda s: s.alive and not s.paused,
        "there is a template": lambda s: s.saved,
    }
    empty = after("create", program.initial, runs | has(ABSENT, EMPTY), draft=(ABSENT, EMPTY))
    after("create", program.initial, runs | has(FIRST, FIRST), draft=(FIRST, FIRST))
    attached = after("attach", empty, runs | has(FIRST, EMPTY), config=FIRST)
    after("detach", attached, runs | has(ABSENT, EMPTY))
    loaded = after("insert", attached, runs | has(FIRST, FIRST), config=FIRST)
    after("eject", loaded, runs | has(FIRST, EMPTY))
    after("swap", loaded, runs | has(FIRST, SECOND), config=SECOND)
    after("rename", loaded, runs | {"the name is the new one": lambda s: s.name == 1}, new_name=1)
    target: dict[str, Callable[[Shared], object]] = {
        "the target in xenstore is the new one": lambda s: s.memory == 1,
        "the hypervisor grants it": lambda s: s.granted == 1,
    }
    after("set_memory_target", loaded, runs | target, amount=1)
    after("retrieve", loaded, runs | has(FIRST, FIRST))
    gone: dict[str, Callable[[Shared], object]] = {
        "the domain is gone": lambda s: not s.alive,
        "its template is gone": lambda s: not s.saved,
        "nothing of it is in xenstore": lambda s: s.attached[slot] == ABSENT and s.attached[drive] == ABSENT,
        "nothing holds resources": lambda s: not (s.resources[slot] or s.resources[drive]),
    }
    after("destroy", loaded, gone)
