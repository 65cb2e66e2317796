"""A schedule and a divergence in words: what each process did, and why no transition of the model fits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from confsync.impl.errors import ToolstackError
from confsync.model.engine.program import Program
from confsync.proofs.conformance.abstraction import View
from confsync.proofs.conformance.asked import Asked
from confsync.proofs.conformance.calls import Answer, Call
from confsync.proofs.conformance.explore import Explorer, Start
from confsync.proofs.conformance.matching import Outcome, Reach, State, Steps
from confsync.proofs.conformance.schedule import Done, Schedule, follow, token
from confsync.proofs.conformance.steps import Kind

WIDTH = 100


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that the model could have done, and why that is not what happened."""

    steps: str
    why_not: str


def tell_schedule(explorer: Explorer, start: Start, schedule: Schedule) -> Iterator[str]:
    """A line for each step."""
    for n, done in enumerate(follow(explorer, start, schedule), 1):
        yield f"{n:3}. {_who(schedule.asked, done)} {_what(done)}"


def token_of(explorer: Explorer, start: Start, schedule: Schedule, kind: Kind | None = None) -> str:
    """The token that replays the schedule. `kind`: where it is to be replayed, if not where it was explored."""
    return token(replace(schedule, kind=kind or explorer.steps.kind), follow(explorer, start, schedule))


def _who(asked: Sequence[Asked], done: Done) -> str:
    return f"process {done.choice.process}, {asked[done.choice.process]},"


def _what(done: Done) -> str:
    if done.choice.which is None:
        return "dies"
    (first, answer), *_, (_, last) = (*done.said, done.said[-1])
    if first.method == "begin" and len(done.said) > 1:
        writes = sum(call.method in ("write", "remove", "make", "set_permissions") for call, _ in done.said)
        what = f"runs a transaction of {len(done.said)} requests, {writes} of them changes"
        end = done.said[-1][0].method
        ended = f"{end}: {_answer(last)}" if isinstance(last, ToolstackError) else f"and {_PAST.get(end, end)}"
        return f"{what}, {ended}{_outcome(done)}"
    return f"asks {_short(first)} -> {_answer(answer)}{_outcome(done)}"


_PAST = {"commit": "commits it", "abort": "aborts it"}


def _outcome(done: Done) -> str:
    if done.place is None or not done.place.ended:
        return ""
    came = done.place.outcome
    return f"; it returns {'an error: ' + str(came) if isinstance(came, ToolstackError) else 'success'}"[:WIDTH]


def _short(call: Call) -> str:
    said = str(call)
    return said if len(said) <= WIDTH else f"{said[: WIDTH - 3]}..."


def _answer(answer: Answer) -> str:
    if isinstance(answer, ToolstackError):
        return f"fails: {answer}"
    said = "done" if answer is None else repr(answer)
    return said if len(said) <= 48 else f"{said[:45]}..."


def candidates(
    explorer: Explorer,
    before: frozenset[State],
    process: int,
    view: View,
    outcome: Outcome,
    answer: object,
    *,
    failed: bool,
) -> list[Candidate]:
    """What the model could have done in the step, the nearest first, and for each the first thing that is not so."""
    found: dict[str, tuple[int, Candidate]] = {}
    for shared, local in before:
        reach = explorer.matching.reach(shared, local[process], 1)
        for r in reach:
            names = _names(explorer.program, reach, r)
            differs = _differs(explorer.program, view, r.shared)
            why = [f"{field} would be {model}, and is {real}" for field, model, real in differs]
            if not failed and not r.failures:
                why.append("no call was made to fail")
            if r.outcome is not outcome:
                why.append(f"of the operation: {r.outcome.value}; in the implementation: {outcome.value}")
            elif r.answer != answer:
                why.append(f"it would answer {r.answer}, and answers {answer}")
            candidate = Candidate(" then ".join(names) or "nothing", "; ".join(why))
            known = found.get(candidate.steps)
            if known is None or len(why) < known[0]:
                found[candidate.steps] = (len(why), candidate)
    return [candidate for _, candidate in sorted(found.values(), key=lambda x: (x[0], len(x[1].steps)))]


def _names(program: Program, reach: Steps, r: Reach) -> list[str]:
    names: list[str] = []
    while reach[r]:
        r, (_, _, t) = reach[r][0]
        label = t.label
        names.append(f"{program.points[label.point].place[1]} {label.kind.value}")
    return names[::-1]


def _differs(program: Program, view: View, word: int) -> list[tuple[str, str, str]]:
    layout, found = program.shared_layout, []
    for field in layout.places:
        mask = layout.mask({field})
        if mask & view.mask and (word ^ view.bits) & mask & view.mask:
            found.append((field, _value(program, field, word), _value(program, field, view.bits)))
    return found


def _value(program: Program, field: str, word: int) -> str:
    value = program.shared_layout.get(word, field)
    each = value if isinstance(value, tuple) else (value,)
    return "+".join(program.shared_layout.show(field, v) for v in each)
