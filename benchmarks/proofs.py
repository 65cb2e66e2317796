"""How long proofs take: a table of all registered designs, and the whole matrix on all cores.

python -m benchmarks.proofs [DESIGN ...]
"""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.table import Table

from confsync.model.engine.parallel import cores
from confsync.model.engine.verdict import Verdict
from confsync.model.libxl.designs import DESIGNS
from confsync.model.libxl.properties import PROPERTIES
from confsync.model.libxl.state import Bounds
from confsync.proofs.libxl.arguments import ARGUMENTS
from confsync.proofs.prover.report import Asked, Report, run

PHASES = ("small states", "candidates", "strengthening", "obligations", "counterexamples")


def row(r: Report) -> list[str]:
    """A design's figures: verdicts, sizes, seconds by phase, the solver's own in the obligations."""
    verdicts = [c.verdict for c in r.cells]
    lemmas = sum(max(1, len(f.at)) for f in r.invariant)
    counts = [verdicts.count(v) for v in (Verdict.PROVED, Verdict.REFUTED, Verdict.UNKNOWN)]
    seconds = [f"{r.phases.get(phase, 0):.1f}" for phase in PHASES]
    slowest = max((o.seconds for o in r.outcomes), default=0.0)
    return [r.design, *map(str, counts), str(lemmas), str(len(r.outcomes)), *seconds, f"{slowest * 1000:.1f}"]


def main(names: list[str]) -> None:
    """Print the table."""
    designs = tuple(DESIGNS[n] for n in names) or tuple(DESIGNS.values())
    table = Table("design", "proved", "refuted", "unknown", "lemmas", "obligations", *PHASES, "slowest, ms")
    for column in table.columns[1:]:
        column.justify = "right"
    began = time.perf_counter()
    reports = list(run(Asked(designs, tuple(PROPERTIES), Bounds(), jobs=cores(), arguments=ARGUMENTS)))
    seconds = time.perf_counter() - began
    for r in reports:
        table.add_row(*row(r))
    console = Console(width=200)
    console.print(table)
    console.print(f"{len(designs)} designs x {len(PROPERTIES)} properties in {seconds:.1f} s on {cores()} cores")


if __name__ == "__main__":
    main(sys.argv[1:])
