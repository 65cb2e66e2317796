"""What the commands print: the matrix, the claims, coverage, designs and properties in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from confsync.model.engine.check import Examined
from confsync.model.engine.program import Kind, Program
from confsync.model.engine.trace import Trace
from confsync.model.engine.verdict import EXIT_OK, EXIT_REFUTED, Cell, Verdict
from confsync.model.engine.violation import violates
from confsync.model.language import Design, Property
from confsync.model.report.claims import Claim, judge
from confsync.model.report.output import replay_command
from confsync.model.report.story import story

STYLE = {
    Verdict.PROVED: "green",
    Verdict.EXHAUSTED: "green",
    Verdict.BOUNDED: "yellow",
    Verdict.UNKNOWN: "yellow",
    Verdict.REFUTED: "red",
}
_SHORT = {
    Verdict.PROVED: "P",
    Verdict.EXHAUSTED: "E",
    Verdict.BOUNDED: "B",
    Verdict.UNKNOWN: "?",
    Verdict.REFUTED: "R",
}
_WORD = {"TRUE": "green", "FALSE": "red", "NEEDS MORE": "yellow", "OPEN": "yellow", "GIVEN": "dim"}


def matrix(designs: list[str], cells: Iterable[Cell], width: int) -> Group:
    """A row per property, a column per design; the verdict in each cell, in full where it fits. Where a proof was
    tried, its word stands before the search's."""
    found = {(c.design, c.property_name): c for c in cells}
    both = any(c.proof for c in found.values())
    full = width >= 32 + (22 if both else 15) * len(designs)
    table = Table(title="designs x properties", title_justify="left")
    table.add_column("property", no_wrap=True)
    for n, _ in enumerate(designs):
        table.add_column(f"[{n + 1}]", justify="center", no_wrap=True)
    for name in dict.fromkeys(name for _, name in found):
        table.add_row(Text(name), *(_verdicts(found[d, name], full=full) for d in designs))
    legend = [Text(f"[{n + 1}] {d}") for n, d in enumerate(designs)]
    used = {v for c in found.values() for v in _words(c)}
    for v in Verdict:
        if v in used:
            mark = v.value if full else f"{_SHORT[v]} = {v.value}"
            steps = "; the number is the steps of the shortest trace" if v is Verdict.REFUTED else ""
            legend.append(Text(f"{mark}: {v.words}{steps}", style=STYLE[v]))
    if any(c.vacuous for c in found.values()):
        legend.append(Text("*: vacuous, the case that makes the property interesting does not arise"))
    return Group(table, *legend)


def _words(c: Cell) -> list[Verdict]:
    """What is said of a cell: the proof's word, unless that is only that a counterexample stands in its way; then the
    search's."""
    silent = c.proof is None or (c.proof is Verdict.UNKNOWN and c.verdict is Verdict.REFUTED)
    return [c.verdict] if silent or c.proof is None else [c.proof, c.verdict]


def _verdicts(c: Cell, *, full: bool) -> Text:
    words = _words(c)
    said = [v.value if full else _SHORT[v] for v in words]
    said[-1] += f" {c.depth}" if c.verdict is Verdict.REFUTED else "*" if c.vacuous else ""
    worst = Verdict.REFUTED if Verdict.REFUTED in words else Verdict.UNKNOWN if Verdict.UNKNOWN in words else words[-1]
    return Text(" ".join(said), style=STYLE[worst])


def claims(all_claims: Mapping[str, Claim], cells: Mapping[tuple[str, str], Cell], console: Console) -> None:
    """Each claim, what became of it, and the tokens of the traces that refute it."""
    for claim in all_claims.values():
        outcome = judge(claim, cells)
        console.print(Text.assemble((f"{claim.name}  ", "bold"), claim.says))
        console.print(Text.assemble("    ", (outcome.word, _WORD[outcome.word]), f": {outcome.words}."))
        for c in outcome.evidence:
            if c.token:
                console.print(f"    {replay_command(c.token)}", markup=False, highlight=False, soft_wrap=True)


def summary(design: Design, examined: Examined) -> str:
    """A design's search in two lines: how much was covered, and what was never met."""
    seconds = max((c.seconds for c in examined.cells), default=0.0)
    depth = max((c.depth for c in examined.cells), default=0)
    rate = examined.states / max(seconds, 1e-6)
    possible = _possible(design, examined)
    taken = sum(1 for k in possible if examined.taken.get(k))
    one_sided = sum(1 for seen in examined.guards.values() if len(seen) == 1)
    return (
        f"{design.name}: {examined.states:,} states, {examined.transitions:,} transitions, depth {depth}, "
        f"{rate:,.0f} states/s, {examined.peak_bytes / 2**20:,.0f} MiB at most\n"
        f"{' ' * len(design.name)}  {taken} of {len(possible)} transitions taken; {len(examined.guards)} guards, "
        f"{one_sided} of them never seen both true and false (--coverage lists them)"
    )


def _possible(design: Design, examined: Examined) -> list[tuple[str, str, str]]:
    """Every transition the design could have: (operation, step, kind)."""
    program = Program(design, examined.cells[0].bounds) if examined.cells else None
    found = []
    for point in program.points[1:] if program else []:
        touched = program.footprints[point.step] if program else None
        kinds = [Kind.STEP]
        kinds += [Kind.REFUSED] if touched and touched.refuses else []
        kinds += [Kind.FAILS] if point.step.may_fail else []
        kinds += [Kind.CRASH] if point.done else []
        found += [(*point.place, k.value) for k in kinds]
    return list(dict.fromkeys(found))


def coverage(design: Design, examined: Examined) -> Group:
    """How often each transition was taken, and which values each guard was seen to have."""
    transitions = Table("operation", "step", "transition", title=f"{design.name}: transitions", title_justify="left")
    transitions.add_column("taken", justify="right")
    for key in _possible(design, examined):
        count = examined.taken.get(key, 0)
        transitions.add_row(*key, Text(f"{count:,}", style="" if count else "yellow"))
    guards = Table("operation", "step", "guard", "seen", title=f"{design.name}: guards", title_justify="left")
    for (operation, at, which), seen in sorted(examined.guards.items(), key=_by_step(design)):
        said = " and ".join(str(v).lower() for v in sorted(seen, reverse=True))
        guards.add_row(operation, at, str(which + 1), Text(said, style="" if len(seen) == 2 else "yellow"))
    return Group(transitions, guards)


def _by_step(design: Design) -> Callable[[tuple[tuple[str, str, int], frozenset[bool]]], tuple[int, int, str, int]]:
    """Operations in the order of the protocol, steps in theirs, the clean-up last."""
    operations = list(design.protocol.operations)

    def key(item: tuple[tuple[str, str, int], frozenset[bool]]) -> tuple[int, int, str, int]:
        (operation, at, which), _ = item
        number = at.split()[0]
        return operations.index(operation), int(number) if number.isdigit() else len(at) + 1000, at, which

    return key


def retell(trace: Trace, property_name: str, console: Console, given: str = "") -> int:
    """Tell a trace again. -> the exit code: whether it ends in a violation of the property"""
    token = trace.token(property_name)
    console.print(story(trace, property_name, width=console.width, command=replay_command(token, given)))
    return EXIT_REFUTED if property_name and violates(trace, property_name) else EXIT_OK


def design(one: Design, *, orders: bool) -> Group:
    """A design in words; with `orders`, every operation's steps and clean-up."""
    parts: list[Text | Table] = [Text(one.name, style="bold"), Text(f"{one.says.strip()}\n")]
    if orders:
        table = Table("operation", "steps", "on failure", show_lines=True)
        for name, operation in one.operations():
            clean_up = "\n".join(map(str, operation.clean_up))
            table.add_row(
                f"{name}\n({one.protocol.operations[name].words})", ", ".join(map(str, operation.steps)), clean_up
            )
        parts.append(table)
    return Group(*parts)


def properties(all_of_them: Iterable[Property]) -> Group:
    """Every property: what it states, of which claims, and its sometimes twin."""
    parts = []
    for p in all_of_them:
        parts.append(
            Text.assemble(
                (p.name, "bold"),
                f"  [{', '.join(p.claims)}]\n    {p.statement}\n    sometimes: {p.sometimes}\n    "
                f"decided: {p.decided}\n",
            )
        )
    return Group(*parts)
