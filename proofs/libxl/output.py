"""What `confsync refine` prints."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from confsync.model.report.output import replay_command
from confsync.proofs.libxl.indistinguishable import Pair
from confsync.proofs.libxl.refinement import Refinement


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
