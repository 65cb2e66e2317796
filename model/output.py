"""Cells for others to read: JSON, JUnit XML, and tables with the stories of what does not hold."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from enum import Enum
from importlib.resources import files
from io import BytesIO
from typing import cast

from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite
from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from confsync.model.events import events
from confsync.model.properties import PROPERTIES
from confsync.model.story import shell_lines, story, story_text
from confsync.model.trace import Trace
from confsync.model.verdict import Cell, Verdict
from confsync.model.wrong import wrong

JUNIT_WIDTH = 120
STYLE = {
    Verdict.PROVED: "green",
    Verdict.EXHAUSTED: "green",
    Verdict.BOUNDED: "yellow",
    Verdict.REFUTED: "red",
    Verdict.UNKNOWN: "yellow",
}
WITH_NUMBERS, WITH_STATEMENTS = 84, 130
"""The console widths from which numbers, and statements, have columns of their own."""


def schema() -> dict[str, object]:
    """The JSON schema of `as_json`."""
    text = files("confsync.model").joinpath("cells.schema.json").read_text(encoding="utf-8")
    return cast("dict[str, object]", json.loads(text))


def as_json(cells: Iterable[Cell]) -> str:
    """The cells as a JSON array; see `schema`."""
    return json.dumps([_object(c) for c in cells], indent=2)


def _object(c: Cell) -> dict[str, object]:
    return {
        "design": c.design,
        "property": c.property_name,
        "verdict": c.verdict.value,
        "vacuous": c.vacuous,
        "states": c.states,
        "transitions": c.transitions,
        "depth": c.depth,
        "seconds": round(c.seconds, 3),
        "bounds": asdict(c.bounds),
        "stopped": c.stopped,
        "trace": list(_entries(c.trace)) if c.trace else [],
        "token": c.token,
    }


def _entries(trace: Trace) -> Iterator[dict[str, object]]:
    for e in events(trace):
        yield {
            "process": e.process,
            "operation": e.point.operation,
            "arguments": e.arguments,
            "step": e.point.step.name,
            "kind": e.kind.value,
            "changed": {place: {"from": was, "to": now} for place, (was, now) in e.changed.items()},
        }


def as_junit(cells: Iterable[Cell], elapsed: float, given: str = "") -> str:
    """The cells as JUnit XML: a suite per design, a test case per property. What is refuted is a failure, with its
    story; what is not decided an error. `elapsed`: seconds in all; `given` as in `as_text`. Properties
    that were decided in one search each have the whole of its time, so a suite has that of its longest case."""
    xml = JUnitXml("confsync")
    for design, of_design in _by_design(cells):
        suite = TestSuite(design)
        for c in of_design:
            suite.add_testcase(test_case(c, given))
        xml.add_testsuite(suite)
    return junit_text(xml, elapsed)


def junit_text(xml: JUnitXml, elapsed: float) -> str:
    """The text of JUnit XML whose suites are complete. `elapsed`: seconds in all."""
    xml.update_statistics()  # type: ignore[no-untyped-call]
    for suite in xml:
        suite.time = max((case.time or 0.0 for case in suite), default=0.0)
    xml.time = round(elapsed, 3)
    out = BytesIO()
    xml.write(out, pretty=True)
    return out.getvalue().decode()


def test_case(c: Cell, given: str) -> TestCase:
    """A cell as a test case."""
    case = TestCase(c.property_name, c.design, round(c.seconds, 3))
    said = f"{c.verdict.value}: {c.verdict.words}"
    if c.verdict is Verdict.REFUTED:
        found = wrong(c.trace, c.property_name) if c.trace else []
        failure = Failure(found[0] if found else said, c.verdict.value)
        if c.trace:
            failure.text = story_text(
                c.trace, c.property_name, width=JUNIT_WIDTH, command=replay_command(c.token, given)
            )
        case.result = [failure]
    elif c.verdict not in (Verdict.PROVED, Verdict.EXHAUSTED):
        case.result = [Error(f"{said}{_stopped(c)}", c.verdict.value)]
    case.system_out = "\n".join([f"{said}{_stopped(c)}", _searched(c), *_vacuous(c)])
    return case


def _searched(c: Cell) -> str:
    return f"{c.states:,} states, {c.transitions:,} transitions, depth {c.depth}, {c.seconds:.2f} s, at {c.bounds}"


def _stopped(c: Cell) -> str:
    return f": stopped at {c.stopped}" if c.stopped else ""


def _vacuous(c: Cell) -> list[str]:
    return [f"vacuous: it was never so that {PROPERTIES[c.property_name].sometimes}"] if c.vacuous else []


def replay_command(token: str, given: str = "") -> str:
    """The command that tells a trace again. `given`: the options that say where its design came from."""
    return f"confsync replay '{token}'{given}"


class Stories(Enum):
    """Which counterexamples are told."""

    NONE = "none"
    SHORTEST = "the shortest of each design"
    ALL = "all"

    @classmethod
    def asked(cls, wanted: bool | None, designs: int) -> Stories:
        """Those that --stories or --no-stories asks for, or neither, of this many designs."""
        if wanted is None:
            return cls.SHORTEST if designs == 1 else cls.NONE
        return cls.ALL if wanted else cls.NONE


def as_text(cells: Iterable[Cell], console: Console, *, stories: Stories, given: str = "") -> None:
    """Print a table per design, then the counterexamples that are told, then the command that tells each of the others.
    `given`: the options that say where a design came from, which a replay needs too."""
    for design, of_design in _by_design(cells):
        console.print(_table(design, of_design, console.width))
        for stopped in dict.fromkeys(c.stopped for c in of_design if c.stopped):
            names = ", ".join(c.property_name for c in of_design if c.stopped == stopped)
            console.print(Text(f"not decided, stopped at {stopped}: {names}", style=STYLE[Verdict.BOUNDED]))
        tell(of_design, console, stories, given)
        console.print()


def tell(cells: Iterable[Cell], console: Console, stories: Stories, given: str) -> None:
    """Print the counterexamples to one design that are told, then the command that tells each of the others."""
    refuted = [(c, c.trace) for c in cells if c.trace]
    shortest = sorted(refuted, key=lambda found: found[0].depth)[:1]
    told = {Stories.NONE: [], Stories.SHORTEST: shortest, Stories.ALL: refuted}[stories]
    for c, trace in told:
        console.print()
        console.rule(style="dim")
        console.print(story(trace, c.property_name, width=console.width, command=replay_command(c.token, given)))
    others = [c for c, _ in refuted if c is not told[0][0]] if stories is Stories.SHORTEST and told else []
    if others:
        console.print(_others(others, console.width, given))


def _others(cells: Sequence[Cell], width: int, given: str) -> Text:
    """Counterexamples that are not told, each with the command that tells it."""
    lines = ["", f"{len(cells)} more refuted; each with the command that tells its story (--stories tells all):"]
    for c in cells:
        lines.append(f"{c.property_name}, {c.depth} steps:")
        lines += shell_lines(replay_command(c.token, given), width)
    return Text("\n".join(lines))


def _by_design(cells: Iterable[Cell]) -> Iterator[tuple[str, list[Cell]]]:
    """The cells of each design together, designs in the order in which they first come."""
    found: dict[str, list[Cell]] = {}
    for c in cells:
        found.setdefault(c.design, []).append(c)
    yield from found.items()


def _table(design: str, cells: Sequence[Cell], width: int) -> Table:
    numbers, statements = width >= WITH_NUMBERS, width >= WITH_STATEMENTS
    bounds = "; ".join(dict.fromkeys(str(c.bounds) for c in cells))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, title_justify="left")
    table.title = Text.assemble((design, "bold"), f", at {bounds}")
    table.add_column("property", overflow="fold")
    table.add_column("verdict", overflow="fold")
    for header in ("shortest", "states", "seconds") if numbers else ():
        table.add_column(header, justify="right", no_wrap=True)
    if statements:
        table.add_column("what it says", overflow="fold")
    for c in cells:
        table.add_row(*_row(c, numbers, statements))
    return table


def _row(c: Cell, numbers: bool, statements: bool) -> Iterator[RenderableType]:
    statement = PROPERTIES[c.property_name].statement
    figures = [f"{c.depth} steps" if c.verdict is Verdict.REFUTED else "", f"{c.states:,}", f"{c.seconds:.2f}"]
    verdict = Text(c.verdict.value, style=STYLE[c.verdict])
    if c.vacuous:
        verdict.append(" (vacuous)", style="yellow")
    if not numbers:
        shortest, states, seconds = figures
        verdict.append("".join(f"\n{f}" for f in (shortest, f"{states} states", f"{seconds} s") if f), style="dim")
    yield Text(c.property_name) if statements else _under(Text(c.property_name), statement)
    yield verdict
    yield from figures if numbers else ()
    yield from (statement,) if statements else ()


def _under(name: Text, statement: str) -> Group:
    return Group(name, Padding(Text(statement, style="dim"), (0, 0, 0, 2)))
