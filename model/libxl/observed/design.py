"""From traces to a design: one order for each operation, and a plain account of where each came from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from confsync.model.engine.program import Program
from confsync.model.language import Design, LanguageError, Operation, Step, Undo, once, order
from confsync.model.libxl.observed.trace import Event, Taken, Trace
from confsync.model.libxl.state import Bounds
from confsync.model.libxl.steps import drop_device_lock, take_device_lock, take_lock, unlock


@dataclass(frozen=True, slots=True)
class Observed:
    """A design that was read from traces.

    `taken`: the trace that each operation was read from. `agreeing`: others that show the same order.
    `variations`: others that show another, which is not the design's. `borrowed`: operations that no trace
    showed, and that are those of `base`.
    """

    design: Design
    base: str
    taken: dict[str, Trace]
    agreeing: dict[str, tuple[Trace, ...]]
    variations: tuple[Trace, ...]
    borrowed: tuple[str, ...]
    unknown: tuple[tuple[Trace, Event], ...]
    skipped: tuple[tuple[Trace, str], ...]
    assumed: list[str]

    def describe(self) -> str:
        """The design and where it came from, for people to read."""
        seen, lent = len(self.taken), len(self.borrowed)
        lines = [f"{self.design.name}: {seen} of {seen + lent} operations as they were seen, {lent} borrowed"]
        for name, operation in self.design.operations():
            if name in self.taken:
                lines += ["", *self._operation(name, operation)]
        lines += _section(f"borrowed from `{self.base}`, for no trace shows them", list(self.borrowed))
        lines += _section("seen in another order, which is not the design's", [_in_a_row(t) for t in self.variations])
        passed_over = [id(t) for t, _ in self.skipped]
        used = [(t, e) for t, e in self.unknown if id(t) not in passed_over]
        unused = [(t, e) for t, e in self.unknown if id(t) in passed_over]
        lines += _section("unknown, so not in the design", _gathered(used))
        lines += _section("unknown, in traces that were skipped", _gathered(unused))
        lines += _section("assumed, not seen", self.assumed)
        lines += _section("skipped", [f"{t.label}: {why}" for t, why in self.skipped])
        return "\n".join(lines) + "\n"

    def _operation(self, name: str, operation: Operation) -> list[str]:
        trace = self.taken[name]
        also = [t.label for t in self.agreeing.get(name, ())]
        lines = [f"{name}, from {trace.label}"]
        for n, placed in enumerate(trace.steps, 1):
            where = f"{trace.label}:{placed.line}" + (", assumed" if placed.assumed else "")
            lines.append(f"  {n:2} {placed.step.name:<20} {where}")
        lines += [f"     on failure: {undo}, assumed" for undo in operation.clean_up]
        more = f", and {len(also) - 4} more" if len(also) > 4 else ""
        return lines + ([f"     the same order in {', '.join(also[:4])}{more}"] if also else [])


def _section(title: str, items: list[str]) -> list[str]:
    return ["", f"{title}:", *(f"  {i}" for i in items)] if items else []


def _in_a_row(trace: Trace) -> str:
    return f"{trace.operation} in {trace.label}: {', '.join(s.name for s in trace.order)}"


def _gathered(unknown: Sequence[tuple[Trace, Event]]) -> list[str]:
    """One line for all events of an operation that differ in numbers only."""
    alike: dict[tuple[str | None, str], list[tuple[Trace, Event]]] = {}
    for trace, event in unknown:
        sort = trace.operation, re.sub("[0-9a-f]*[0-9][0-9a-f]*", "N", event.why)
        alike.setdefault(sort, []).append((trace, event))
    lines = []
    for (operation, _), ((trace, event), *more) in alike.items():
        where = f"{trace.label}:{event.line}" + (f", and {len(more)} more like it" if more else "")
        lines.append(f"{operation or 'no operation of the model'}: {event.why} ({where})")
    return lines


def to_design(traces: Sequence[Trace], base: Design) -> Observed:
    """The design that these traces show. What they do not show is that of `base`. LanguageError if `base` is no
    design."""
    Program(base, Bounds())
    taken: dict[str, Trace] = {}
    agreeing: dict[str, tuple[Trace, ...]] = {}
    variations: list[Trace] = []
    skipped: list[tuple[Trace, str]] = []
    orders: dict[str, Operation] = {}
    for trace in traces:
        name, why = trace.operation, _unusable(trace, base)
        if name is None or why:
            skipped.append((trace, why))
        elif name not in taken:
            taken[name], orders[name] = trace, _operation(trace.order)
        elif trace.order == taken[name].order:
            agreeing[name] = (*agreeing.get(name, ()), trace)
        else:
            variations.append(trace)
    each = {a: [t.label for t in taken.values() if a in t.assumed] for t in taken.values() for a in t.assumed}
    assumed = [f"{a} ({', '.join(labels)})" for a, labels in each.items()]
    if "insert" in taken and "swap" not in taken:
        taken["swap"], orders["swap"] = taken["insert"], orders["insert"]
        assumed.append("swap: libxl has one call for both, so it is what insert was seen to be")
    if any(o.clean_up for o in orders.values()):
        assumed.append(
            "what is done on failure: that the locks are dropped, and nothing else; no trace was read for it"
        )
    elif orders:
        assumed.append("what is done on failure: nothing; no trace was read for it")
    borrowed = tuple(n for n, _ in base.operations() if n not in taken)
    says = "OBSERVED: the order in which a toolstack was seen to take its steps."
    if borrowed:
        says += f" Not seen, so taken from {base.name}: {', '.join(borrowed)}."
    design = base.but("observed", says, **orders)
    unknown = tuple((t, e) for t in traces for e in t.events if e.taken is Taken.UNKNOWN)
    return Observed(
        design, base.name, taken, agreeing, tuple(variations), borrowed, unknown, tuple(skipped), assumed
    )  # fmt: skip


def _unusable(trace: Trace, base: Design) -> str:
    """Why a trace is not read into the design; "" if it is."""
    if trace.operation is None or not trace.complete:
        return trace.why
    if trace.unfit:
        return trace.unfit
    try:
        Program(base.but(base.name, base.says, **{trace.operation: _operation(trace.order)}), Bounds())
    except LanguageError as error:
        return f"what it shows is no operation: {error}"
    return ""


def _operation(steps: tuple[Step, ...]) -> Operation:
    on_failure: list[Undo] = []
    if take_lock in steps:
        on_failure.append(unlock)
    if take_device_lock in steps:
        on_failure.append(once(take_device_lock, drop_device_lock))
    return order(*steps, on_failure=tuple(on_failure))
