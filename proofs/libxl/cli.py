"""The command `refine`: whether designs of libxl's protocol refine the abstract specification."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Group

from confsync.model.command.options import (
    DESIGN_ARGUMENTS,
    DESIGN_FILE,
    MAX_MEMORY,
    chosen,
    console_of,
    given_options,
    guarded,
    memory_for,
)
from confsync.model.command.registry import registry
from confsync.model.engine.memory import early
from confsync.model.engine.parallel import Reporter, side_by_side
from confsync.model.engine.verdict import EXIT_OK, EXIT_OPEN, EXIT_REFUTED
from confsync.model.libxl.state import Bounds
from confsync.model.report.progress import Lines
from confsync.proofs.libxl import output
from confsync.proofs.libxl.indistinguishable import look_alike
from confsync.proofs.libxl.refinement import refine as refinement_of
from confsync.proofs.prover.cli import in_lines, say

LOOK_ALIKE = Bounds(slots=1, ejectable=0, configs=2, names=1, amounts=1, processes=1, crashes=1)
"""Where two states that look alike are looked for: two configurations and a death are enough for that."""


@dataclass(frozen=True, slots=True)
class _Refined:
    """What `refine` prints of a design."""

    holds: bool
    table: Group
    lines: tuple[str, ...]


@click.command()
@DESIGN_ARGUMENTS
@DESIGN_FILE
@MAX_MEMORY
@guarded
def refine(designs: tuple[str, ...], files: tuple[Path, ...], max_memory: int | None) -> int:
    """Whether designs refine the abstract specification: one map, every operation one atomic change, in every size.

    DESIGN is a registered design's name, or a file with designs of your own; without one, the recommended
    one. Where none can, for want of an abstraction function, two runs are told that look alike and differ.

    Exit codes: 0 refines; 1 does not; 2 bad input; 3 not decided, for an interrupt or a limit of memory.
    """
    wanted, files = chosen(designs or (() if files else (registry().recommended,)), files)
    console, given = console_of(), given_options(files, ())

    def work(i: int, tell: Reporter[str, _Refined | str]) -> _Refined | str:
        tell("one map, and what each operation does to it")
        found = refinement_of(wanted[i])
        tell("two runs that look alike")
        pair = None if found.holds else look_alike(wanted[i], LOOK_ALIKE).pair
        return _Refined(found.holds, output.refinement(found), tuple(output.alike(pair, given) if pair else ()))

    codes = set()
    told = in_lines("refining", Lines())
    each = side_by_side(
        len(wanted),
        1,
        work,
        lambda i, said: told(wanted[i].name, said),
        unfinished=lambda _i, _so_far, stopped: stopped,
        max_bytes=memory_for(max_memory, 1),
    )
    for design, found in zip(wanted, each, strict=True):
        if isinstance(found, str):
            say(console, f"{design.name}: {early(found)}, and not decided")
            codes.add(EXIT_OPEN)
            continue
        console.print(found.table)
        for line in found.lines:
            say(console, line)
        codes.add(EXIT_OK if found.holds else EXIT_REFUTED)
    return EXIT_OPEN if EXIT_OPEN in codes else max(codes)
