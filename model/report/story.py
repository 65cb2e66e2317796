"""A counterexample as a story: who did what, what changed, what is wrong in the end, and how to see it again.

It is a table with a column per process; on a terminal too narrow for that, one step under the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import StringIO

from rich import box
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from confsync.model.engine.program import Kind, Program
from confsync.model.engine.trace import Trace
from confsync.model.language import Property
from confsync.model.report.events import Event, answer_words, asked, events
from confsync.model.report.wrong import wrong

STYLE = {Kind.STEP: "", Kind.REFUSED: "yellow", Kind.FAILS: "red", Kind.CRASH: "bold red"}
LEAST_OF_PROCESS, LEAST_OF_CHANGES, MOST_OF_PROCESS, GAP = 24, 18, 60, 2
"""Widths of columns, and between them."""


def story(trace: Trace, property_name: str, *, width: int, command: str) -> Group:
    """A trace as a counterexample to a property ("" for none), for a console of this width. `command` replays
    it: `confsync replay '<token>'`."""
    told, found = list(events(trace)), wrong(trace, property_name) if property_name else []
    steps = f"{len(told)} step{'' if len(told) == 1 else 's'}"
    name = trace.program.design.name
    title = f"{name} violates {property_name} in {steps}" if found else f"{name}: a run of {steps}"
    return Group(
        Text(title, style="bold"),
        Text(_legend(trace.program), style="dim"),
        Text(),
        _table(trace.program, told, width),
        *(_ending(trace, property_name, found) if property_name else ()),
        Text(),
        Text("Replay it:"),
        Text("\n".join(shell_lines(command, width))),
    )


def story_text(trace: Trace, property_name: str, *, width: int, command: str) -> str:
    """The same as plain text: no colour, no trailing spaces."""
    console = Console(file=StringIO(), width=width, color_system=None, force_terminal=False, legacy_windows=False)
    with console.capture() as capture:
        console.print(story(trace, property_name, width=width, command=command))
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def shell_lines(command: str, width: int) -> list[str]:
    """A command; where it is wider than the console, on several lines that a shell reads as the one."""
    if cell_len(command) <= width:
        return [command]
    lines, line, quoted = list[str](), "", False
    for char in command:
        if cell_len(line + char) > max(width, 4) - 2:
            lines.append(line + ("'\\" if quoted else "\\"))
            line = "'" if quoted else ""
        line += char
        quoted ^= char == "'"
    return [*lines, line]


def _legend(program: Program) -> str:
    """What the names in the table stand for."""
    return "; ".join(program.protocol.words.legend(program.bounds))


def _ending(trace: Trace, property_name: str, found: Sequence[str]) -> Iterator[RenderableType]:
    p = trace.program.protocol.properties[property_name]
    yield Text()
    if not found:
        yield Text(f"Nothing in the last state violates {property_name}.", style="bold")
    else:
        yield Text(found[0], style="bold red")
        yield from map(Text, found[1:])
    yield Text.assemble(
        "That violates " if found else "It says: ", (property_name, "bold"), f"{_claims(p)}: {p.statement}."
    )


def _claims(p: Property) -> str:
    return f" [{', '.join(p.claims)}]" if p.claims else ""


def _table(program: Program, told: Sequence[Event], width: int) -> Table:
    processes = sorted({e.process for e in told})
    cells = [_Cell(program, e) for e in told]
    lines = [line for e in told for line in e.changes]
    number = len(str(len(told)))
    room = width - number - GAP * (len(processes) + 1)
    process = max([LEAST_OF_PROCESS, *(c.least() for c in cells)])
    changes = max([LEAST_OF_CHANGES, *(max(map(cell_len, _broken(line))) for line in lines)])
    if process * len(processes) + changes > room:
        return _stacked(cells)
    left = room - process * len(processes)
    changes = max(changes, min(left, max(map(cell_len, lines), default=0)))
    process = min(max(process, MOST_OF_PROCESS), (room - changes) // max(1, len(processes)))
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column(justify="right", width=number)
    for n in processes:
        table.add_column(f"process {n}", width=process, overflow="fold")
    table.add_column("what changed", width=changes, overflow="fold")
    for i, cell in enumerate(cells):
        columns = [cell.told() if n == cell.event.process else Text() for n in processes]
        said = [part for c in cell.event.changes for part in ([c] if cell_len(c) <= changes else _broken(c))]
        table.add_row(str(i + 1), *columns, Text("\n".join(said)))
    return table


def _broken(change: str) -> list[str]:
    """A change on two lines."""
    where, what = change.split(": ", 1)
    return [f"{where}:", f"  {what}"]


def _stacked(cells: Sequence[_Cell]) -> Table:
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(justify="right")
    table.add_column(overflow="fold")
    before = None
    for i, cell in enumerate(cells):
        lines = list[RenderableType]()
        if cell.event.process != before or cell.event.starts:
            lines.append(Text(f"process {cell.event.process}", style="bold"))
        lines.append(cell.told())
        lines += [Padding(Text(f"=> {c}"), (0, 0, 0, 2)) for c in cell.event.changes]
        table.add_row(str(i + 1), Group(*lines))
        before = cell.event.process
    return table


class _Cell:
    """What a process does in one step, as lines."""

    def __init__(self, program: Program, event: Event) -> None:
        self.program, self.event = program, event

    def least(self) -> int:
        """The width below which a name would be broken."""
        return max(_widest_word(text.plain) + indent for indent, text in self._lines())

    def told(self) -> Group:
        return Group(*(Padding(text, (0, 0, 0, indent)) for indent, text in self._lines()))

    def _lines(self) -> Iterator[tuple[int, Text]]:
        e = self.event
        if e.starts:
            who = "a new process: " if e.reborn else ""
            yield 0, Text(f"{who}{asked(self.program, e.point.operation, e.arguments)}:", style="bold")
        yield 0, self._did()
        if e.kind is not Kind.CRASH:
            yield 2, Text(e.point.step.words, style="dim")
        if e.returns:
            yield 0, Text(f"{e.point.operation} returns {answer_words(self.program, e.returns)}", style="bold")
        elif e.ends:
            failed = e.point.cleaning_up or e.kind is not Kind.STEP
            yield 0, Text(f"{e.point.operation} {'returns an error' if failed else 'succeeds'}")

    def _did(self) -> Text:
        e = self.event
        name = f"{'clean-up: ' if e.point.cleaning_up else ''}{e.point.step.name}"
        said = {
            Kind.STEP: f"- {name}",
            Kind.REFUSED: f"! {name} is REFUSED{', and passed over' if e.point.cleaning_up else ''}",
            Kind.FAILS: f"! {name} FAILS",
            Kind.CRASH: f"! DIES before {name}",
        }
        return Text(said[e.kind], style=STYLE[e.kind])


def _widest_word(text: str) -> int:
    return max(map(cell_len, text.split()), default=0)
