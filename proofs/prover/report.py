"""What became of a design, in plain values: verdicts, the invariant, the obligations; what a worker can send."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from confsync.model.engine.check import check
from confsync.model.engine.memory import INTERRUPT, Meter
from confsync.model.engine.parallel import Report as Tell
from confsync.model.engine.parallel import Reporter, side_by_side
from confsync.model.engine.runner import bare, with_traces
from confsync.model.engine.search.bfs import Limits
from confsync.model.engine.verdict import Cell, Verdict, interrupted
from confsync.model.language import Bounds, Design
from confsync.proofs.prover.carrier.solver import RLIMIT
from confsync.proofs.prover.certificate.certificate import write_certificate
from confsync.proofs.prover.certificate.second import Opinion, second_opinion
from confsync.proofs.prover.certificate.stability import Spread, stability
from confsync.proofs.prover.counterexample.triage import triage
from confsync.proofs.prover.invariant.lemma import Clause
from confsync.proofs.prover.obligation import Discharged
from confsync.proofs.prover.proof import Proof, prove
from confsync.proofs.prover.properties import Arguments


@dataclass(frozen=True, slots=True)
class Asked:
    """What to prove, and what else to do with the proof. `bounds`: where counterexamples are looked for. `seeds`: how
    many the solver is tried with. `certificates`: the folder for them, one for each design. `max_bytes`: of memory that
    the work on a design may take."""

    designs: tuple[Design, ...]
    properties: tuple[str, ...]
    bounds: Bounds
    rlimit: int = RLIMIT
    refute: bool = True
    second: bool = False
    seeds: int = 0
    certificates: Path | None = None
    max_states: int | None = None
    max_bytes: int | None = None
    jobs: int = 1
    arguments: Arguments = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Family:
    """Lemmas that say the same, of several locations ((): of every state)."""

    words: str
    at: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """An obligation, and what was said of it; see `confsync.proofs.prover.obligation`."""

    kind: str
    name: str
    verdict: Verdict
    seconds: float
    possible: bool | None
    core: tuple[str, ...]
    idle_guards: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """A design's proof. `cells`: a verdict on each property. `missing`: for each one that is UNKNOWN, what a proof
    lacks. `given`: the author's lemmas that could not be shown, and why."""

    design: str
    cells: tuple[Cell, ...]
    invariant: tuple[Family, ...]
    outcomes: tuple[Outcome, ...]
    by_frame: int
    """Transitions of which nothing has to be shown: they write nothing that a lemma speaks of."""
    missing: dict[str, str]
    given: dict[str, str]
    phases: dict[str, float]
    opinions: tuple[Opinion, ...] = ()
    spreads: tuple[Spread, ...] = ()
    certificate: str = ""
    stopped: str = ""
    """The limit, or the interrupt, for which not all was done that was asked for; "" for none."""

    @property
    def interrupted(self) -> bool:
        """True if an interrupt ended it."""
        return self.stopped == INTERRUPT


OnProgress = Callable[[str, str | None], None]
"""Told what is being done for a design; None when it is done."""


def run(asked: Asked, on_progress: OnProgress = lambda _d, _p: None) -> Iterator[Report]:
    """The reports, in the order of the designs, several designs side by side. What is not decided
    before Ctrl-C, or before a design takes more memory than it may, is UNKNOWN."""

    def work(i: int, tell: Reporter[str, tuple[Report, list[str]]]) -> tuple[Report, list[str]]:
        return _sent(report_on(asked, asked.designs[i], tell, lambda report: tell.so_far(_sent(report))))

    def unfinished(i: int, so_far: tuple[Report, list[str]] | None, stopped: str) -> tuple[Report, list[str]]:
        report, tokens = so_far or _sent(undecided(asked, asked.designs[i]))
        return replace(report, stopped=stopped), tokens

    found = side_by_side(
        len(asked.designs),
        asked.jobs,
        work,
        lambda i, p: on_progress(asked.designs[i].name, p),
        unfinished=unfinished,
        max_bytes=asked.max_bytes,
    )
    for design, (report, tokens) in zip(asked.designs, found, strict=True):
        yield replace(report, cells=tuple(with_traces(report.cells, tokens, design, asked.bounds)))


def _sent(report: Report) -> tuple[Report, list[str]]:
    """A report as it can be sent from one process to another: the tokens in place of the traces."""
    return replace(report, cells=tuple(map(bare, report.cells))), [c.token for c in report.cells]


def undecided(asked: Asked, design: Design) -> Report:
    """The report on a design of which nothing is decided yet."""
    figures = 0, 0, 0, 0.0
    cells = (_unsearched(design, name, asked.bounds, figures, Verdict.UNKNOWN) for name in asked.properties)
    return Report(design.name, tuple(cells), (), (), 0, {}, {}, {})


def report_on(
    asked: Asked,
    design: Design,
    tell: Tell[str] = lambda _: True,
    so_far: Callable[[Report], object] = lambda _: None,
) -> Report:
    """Prove a design; where that fails, look for a counterexample; where there is none, say what a proof lacks.
    `so_far` is given the report as it is should the work be ended from now on."""
    memory = Meter(asked.max_bytes)
    proof = prove(design, asked.properties, arguments=asked.arguments, rlimit=asked.rlimit, tell=tell)
    open_ = [n for n, v in proof.verdicts.items() if v is not Verdict.PROVED]
    searched: dict[str, Cell] = {}

    def cells() -> tuple[Cell, ...]:
        return tuple(_cell(proof, name, searched.get(name), asked.bounds) for name in proof.verdicts)

    report = Report(
        design.name,
        cells(),
        tuple(families(proof)),
        tuple(map(_outcome, proof.discharged)),
        len(proof.found.steps) - sum(d.obligation.kind.value == "consecution" for d in proof.discharged),
        {},
        {lemma.words: why for lemma, why in proof.unproved_given.items()},
        dict(proof.phases),
    )
    so_far(report)
    if open_ and asked.refute:
        tell("counterexamples")
        began = time.perf_counter()
        limits = Limits(asked.max_states, asked.max_bytes, lambda _: tell("counterexamples"), memory.grown())
        searched |= {c.property_name: c for c in check(design, asked.bounds, open_, limits=limits).cells}
        report.phases["counterexamples"] = time.perf_counter() - began
        report = replace(report, cells=cells())
        so_far(report)
        if interrupted(searched.values()):
            return replace(report, stopped=INTERRUPT)
    for c in report.cells:
        if c.verdict is Verdict.UNKNOWN and asked.refute:
            tell(f"what a proof of {c.property_name} lacks")
            report.missing[c.property_name] = _lacks(proof, c.property_name, searched.get(c.property_name))
            so_far(report)
    return replace(
        report,
        opinions=tuple(second_opinion(proof)) if asked.second else (),
        spreads=tuple(stability(proof, seeds=asked.seeds, rlimit=asked.rlimit)) if asked.seeds else (),
        certificate=str(write_certificate(proof, asked.certificates / design.name)) if asked.certificates else "",
    )


def _cell(proof: Proof, name: str, searched: Cell | None, bounds: Bounds) -> Cell:
    """The word on a property: proved, else refuted by the search, else unknown."""
    if searched and searched.verdict is Verdict.REFUTED:
        return replace(searched, proof=proof.verdicts[name])
    verdict = proof.verdicts[name]
    states, transitions, depth = (searched.states, searched.transitions, searched.depth) if searched else (0, 0, 0)
    return _unsearched(proof.design, name, bounds, (states, transitions, depth, proof.seconds), verdict)


def _unsearched(
    design: Design, name: str, bounds: Bounds, figures: tuple[int, int, int, float], verdict: Verdict
) -> Cell:
    """The word of a proof. `figures`: states, transitions, depth and seconds."""
    p = design.protocol.properties[name]
    return Cell(
        design.name, name, verdict, bounds, *figures, proof=verdict, statement=p.statement, sometimes=p.sometimes
    )


def _lacks(proof: Proof, name: str, searched: Cell | None) -> str:
    within = f"No counterexample within {searched.bounds}" if searched else "No counterexample was looked for"
    within += f", stopped at {searched.stopped}" if searched and searched.stopped else ""
    if missing := proof.needs[name].missing:
        return f"{within}. {missing[0].upper()}{missing[1:]}."
    broken = proof.why.get(name)
    if broken is None:
        return f"{within}. An obligation of the proof was not discharged{_undecided(proof)}."
    if broken.model is None:
        return f"{within}. The solver came to no answer: {broken.unknown}."
    return f"{within}.\n{triage(proof, broken).words()}"


def _undecided(proof: Proof) -> str:
    """The first obligation that the solver came to no answer about, and why."""
    return next((f": {d.obligation.title}: {d.unknown}" for d in proof.discharged if d.unknown), "")


def families(proof: Proof) -> Iterator[Family]:
    """The invariant, lemmas that say the same together, general ones first."""
    found: dict[str, list[str]] = {}
    for lemma in proof.lemmas:
        at = found.setdefault(proof.names.says(lemma), [])
        if isinstance(lemma, Clause) and lemma.point is not None:
            at.append(proof.names.where(lemma))
    for words, at in sorted(found.items(), key=lambda item: len(item[1]) > 0):
        yield Family(words, tuple(at))


def _outcome(d: Discharged) -> Outcome:
    o = d.obligation
    return Outcome(o.kind.value, o.name, d.verdict, d.seconds, d.possible, d.core, d.idle_guards)
