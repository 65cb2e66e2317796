"""Reports for others to read: text, JSON, JUnit XML."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from importlib.resources import files
from typing import cast

from junitparser import Error, JUnitXml, TestCase, TestSuite
from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from confsync.model.memory import early
from confsync.model.output import STYLE, Stories, junit_text, replay_command, tell, test_case
from confsync.model.properties import PROPERTIES
from confsync.model.verdict import Cell, Verdict
from confsync.proofs.indistinguishable import Pair
from confsync.proofs.refinement import Refinement
from confsync.proofs.report import Report
from confsync.proofs.second import Agreement
from confsync.proofs.stability import worst

FEW = 12
"""How many names are listed before the rest is counted."""


def schema() -> dict[str, object]:
    """The JSON schema of `as_json`."""
    text = files("confsync.proofs").joinpath("proof.schema.json").read_text(encoding="utf-8")
    return cast("dict[str, object]", json.loads(text))


def as_json(reports: Iterable[Report]) -> str:
    """The reports as a JSON array; see `schema`."""
    return json.dumps([_object(r) for r in reports], indent=2)


def _object(r: Report) -> dict[str, object]:
    return {
        "design": r.design,
        "properties": [
            {
                "property": c.property_name,
                "verdict": c.verdict.value,
                "depth": c.depth if c.trace else 0,
                "token": c.token,
                "missing": r.missing.get(c.property_name, ""),
            }
            for c in r.cells
        ],
        "invariant": [{"says": f.words, "at": list(f.at)} for f in r.invariant],
        "obligations": [
            {
                "kind": o.kind,
                "name": o.name,
                "verdict": o.verdict.value,
                "milliseconds": round(o.seconds * 1000, 3),
                "possible": o.possible,
                "core": list(o.core),
                "idle_guards": list(o.idle_guards),
            }
            for o in r.outcomes
        ],
        "by_frame": r.by_frame,
        "unproved_lemmas": r.given,
        "seconds": {phase: round(s, 3) for phase, s in r.phases.items()},
        "second_opinion": [asdict(o) for o in r.opinions],
        "stability": [asdict(s) for s in r.spreads],
        "certificate": r.certificate,
        "interrupted": r.interrupted,
        "stopped": r.stopped,
    }


def as_junit(reports: Sequence[Report], elapsed: float, given: str = "") -> str:
    """The reports as JUnit XML: a suite per design, a test case per property and per obligation. What is refuted is a
    failure with its story, what is not decided an error. `elapsed`: seconds in all; `given`: the options that say where
    designs came from."""
    xml = JUnitXml("confsync prove")
    for r in reports:
        suite = TestSuite(r.design)
        for c in r.cells:
            case = test_case(c, given)
            if c.verdict is Verdict.PROVED:
                case.system_out = f"{c.verdict.value}: {c.verdict.words}"
            elif c.property_name in r.missing:
                case.system_out = r.missing[c.property_name]
            suite.add_testcase(case)
        for o in r.outcomes:
            case = TestCase(f"{o.kind}: {o.name}", f"{r.design} obligations", round(o.seconds, 4))
            if o.verdict is not Verdict.PROVED:
                case.result = [Error(f"{o.verdict.value}: {o.verdict.words}", o.verdict.value)]
            suite.add_testcase(case)
        if r.stopped:
            case = TestCase("all that was asked for", r.design)
            case.result = [Error(f"{early(r.stopped)}: not all was done", "UNKNOWN")]
            suite.add_testcase(case)
        xml.add_testsuite(suite)
    return junit_text(xml, elapsed)


def as_text(
    reports: Sequence[Report],
    console: Console,
    *,
    stories: Stories,
    invariant: bool,
    obligations: bool,
    given: str = "",
) -> None:
    """Print a table of each design's verdicts, what they rest on, and what is worth knowing of the proof; with
    `stories` counterexamples, with `invariant` all lemmas, with `obligations` each of them."""
    for r in reports:
        console.print(_verdicts(r))
        for line in _notes(r):
            console.print(line, markup=False, highlight=False)
        if invariant:
            console.print(_invariant(r))
        if obligations:
            console.print(_obligations(r))
        for name, said in r.missing.items():
            console.print(Text(f"\nnot decided: {name}", style=STYLE[Verdict.UNKNOWN]))
            console.print(said, markup=False, highlight=False)
        tell(r.cells, console, stories, given)
        console.print()


def _verdicts(r: Report) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, title_justify="left")
    table.title = Text.assemble((r.design, "bold"), ", for any number of everything")
    for header in ("property", "verdict", "what it says"):
        table.add_column(header, overflow="fold")
    for c in r.cells:
        table.add_row(c.property_name, _word(c), PROPERTIES[c.property_name].statement)
    return table


def _word(c: Cell) -> RenderableType:
    steps = f" in {c.depth} steps" if c.verdict is Verdict.REFUTED else ""
    return Text(f"{c.verdict.value}{steps}", style=STYLE[c.verdict])


def _notes(r: Report) -> Iterator[str]:
    if r.stopped:
        yield f"{early(r.stopped)}: UNKNOWN is what was not decided by then"
        if not r.outcomes:
            return
    held = [o for o in r.outcomes if o.verdict is Verdict.PROVED]
    kinds = ", ".join(f"{sum(o.kind == k for o in r.outcomes)} {k}" for k in dict.fromkeys(o.kind for o in r.outcomes))
    lemmas = sum(max(1, len(f.at)) for f in r.invariant)
    yield (
        f"{lemmas} lemmas; {len(r.outcomes)} obligations ({kinds}), {len(held)} of them hold; {r.by_frame} more "
        "transitions write nothing that a lemma speaks of"
    )
    if r.outcomes:
        slowest = max(r.outcomes, key=lambda o: o.seconds)
        spent = ", ".join(f"{phase} {s:.1f} s" for phase, s in r.phases.items())
        yield f"{spent}; the slowest obligation took {slowest.seconds * 1000:.1f} ms ({slowest.kind}: {slowest.name})"
    for o in r.outcomes:
        if o.verdict is not Verdict.PROVED:
            yield f"not discharged: {o.kind}: {o.name}: {o.verdict.value}"
    yield from _listed(
        "can never happen, so nothing is shown of it", [o.name for o in r.outcomes if o.possible is False]
    )
    yield from _listed("a guard that the proof does not need", [g for o in r.outcomes for g in o.idle_guards])
    for words, why in r.given.items():
        yield f"a lemma of the design's that is not shown: {words}: {why}"
    if r.opinions:
        yield from _opinions(r)
    if r.spreads:
        yield from _spreads(r)
    if r.certificate:
        yield f"certificate: {r.certificate}"


def _opinions(r: Report) -> Iterator[str]:
    """What cvc5 said: how many it agrees on, and every one that it does not."""
    agreed = [o for o in r.opinions if o.agreement is Agreement.AGREES]
    seconds = sum(o.seconds for o in r.opinions)
    yield f"cvc5 agrees on {len(agreed)} of {len(r.opinions)} obligations, in {seconds:.1f} s"
    for o in r.opinions:
        if o.agreement is not Agreement.AGREES:
            yield f"cvc5 {o.agreement}: {o.kind}: {o.name} {o.error}".rstrip()


def _spreads(r: Report) -> Iterator[str]:
    """How far the times of each obligation lie apart under several seeds: the worst, and every change of mind."""
    unlike = [s for s in r.spreads if s.unlike]
    seeds = r.spreads[0].seeds
    yield f"{len(r.spreads)} obligations under {seeds} seeds: {len(unlike)} with another verdict under some"
    for s in unlike:
        said = ", ".join(f"{verdict} with seed {seed}" for seed, verdict in s.unlike)
        yield f"not stable: {s.kind}: {s.name}: {s.verdict}, but {said}"
    for s in worst(r.spreads):
        yield f"  {s.least:.1f} / {s.median:.1f} / {s.most:.1f} ms (least, median, most): {s.kind}: {s.name}"


def objections(reports: Iterable[Report]) -> bool:
    """Whether a second opinion, or another seed, does not agree with what was said."""
    differ = any(o.agreement is not Agreement.AGREES for r in reports for o in r.opinions)
    return differ or any(s.unlike for r in reports for s in r.spreads)


def _listed(what: str, names: Sequence[str]) -> Iterator[str]:
    if names:
        more = f", and {len(names) - FEW} more" if len(names) > FEW else ""
        yield f"{what}: {'; '.join(names[:FEW])}{more}"


def _invariant(r: Report) -> Table:
    table = Table("lemma", "holds", box=box.SIMPLE_HEAD, pad_edge=False, show_lines=False)
    for f in r.invariant:
        table.add_row(Text(f.words), ", ".join(f.at) or "always")
    return table


def _obligations(r: Report) -> Table:
    table = Table("obligation", "verdict", "ms", "used", box=box.SIMPLE_HEAD, pad_edge=False)
    for o in r.outcomes:
        used = Text("; ".join(o.core))
        table.add_row(f"{o.kind}: {o.name}", o.verdict.value, f"{o.seconds * 1000:.1f}", used)
    return table


def refinement(r: Refinement) -> Group:
    """A refinement: the abstraction function, where each operation takes effect, and what stands in the way."""
    word = Text("refines the specification", style="green") if r.holds else Text("does not refine it", style="red")
    table = Table(
        "operation", "takes effect at", "returns an error though it happened", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for operation, points in r.points.items():
        table.add_row(operation, ", then ".join(points) or "-", "; ".join(r.after_the_fact(operation)))
    asked = f"{len(r.simulated)} transitions simulated, {len(r.by_frame)} change nothing that is seen"
    refused = [Text(f"refused: {x}", style="red") for x in r.refused]
    return Group(Text.assemble((r.design.name, "bold"), ": ", word), Text(r.abstraction), table, Text(asked), *refused)


def alike(pair: Pair, given: str) -> Iterator[str]:
    """Two runs that lead to what looks the same and is not."""
    yield "there is no such function: these two lead to what looks the same, and to different configurations"
    for trace in (pair.one, pair.other):
        yield f"  {replay_command(trace.token(''), given)}"
