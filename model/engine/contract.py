"""Each operation, alone in a healthy system, does what its protocol's contract says and returns success.

A user's design in which one does not is no design: nothing could be learned from its verdicts. What happens when
several operations meet, fail or die is for the properties.
"""

from __future__ import annotations

from confsync.model.engine.concrete import WordCells
from confsync.model.engine.program import IDLE, Kind, Program
from confsync.model.language import Design, LanguageError, Scenario


def check_contract(design: Design) -> None:
    """LanguageError names the operation that, alone, does not do what its name says, and in what."""
    contract = design.protocol.contract
    if contract is None:
        return
    program = Program(design, contract.bounds)
    ends = {"": program.initial}
    for scenario in contract.scenarios:
        end = _run(program, scenario, ends[scenario.after])
        for lock in design.protocol.locks:  # A step that keeps a lock is for the properties to find.
            end = program.shared_layout.put(end, lock.taken, False)
        s = design.protocol.shared(WordCells(program.shared_layout, end, []))
        for what, is_so in scenario.expects.items():
            if not is_so(s):
                raise _wrong(program, scenario, f"it returns success, and it is not so that {what}")
        ends[scenario.name] = end


def _run(program: Program, scenario: Scenario, shared: int) -> int:
    """The shared word after an operation alone. LanguageError if it does not return success."""
    before, layout = shared, program.local_layout
    local = layout.put(IDLE, "at", program.first[scenario.operation])
    for name, value in scenario.given.items():
        local = layout.put(local, name, value)
    while local != IDLE:
        point = program.point_of(local)
        at = program.points[point].step.name
        effects = program.outcomes(point, shared, local, set())
        if effects is None:
            return before  # it waits for itself, for ever: that is for a property to find
        if effects[0].kind is Kind.REFUSED:
            raise _wrong(program, scenario, f"it is refused at `{at}` and returns an error")
        taken = program.apply(effects[0], point, shared, local)
        shared, local = taken.shared, taken.local
    return shared


def _wrong(program: Program, scenario: Scenario, what: str) -> LanguageError:
    words = program.protocol.operations[scenario.operation].words
    return LanguageError(
        f"design `{program.design.name}`, operation `{scenario.operation}`: alone in a healthy system {what}: it does "
        f"not do what its name says ({words})"
    )
