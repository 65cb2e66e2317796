"""The commands of the prover: prove, and the matrix of both engines."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click
from rich.text import Text

from confsync.model.command.options import (
    DESIGN_ARGUMENTS,
    DESIGN_FILE,
    MAX_MEMORY,
    PATH,
    STORIES,
    AskedWrong,
    WithBounds,
    chosen,
    chosen_properties,
    console_of,
    examine_all,
    given_options,
    guarded,
    limits_options,
    memory_for,
    request_of,
)
from confsync.model.command.registry import registry
from confsync.model.engine.check import Examined
from confsync.model.engine.memory import INTERRUPT, early
from confsync.model.engine.parallel import cores
from confsync.model.engine.runner import Request
from confsync.model.engine.verdict import EXIT_OK, EXIT_OPEN, EXIT_REFUTED, Cell, Verdict, exit_code, interrupted
from confsync.model.report import manifest as manifests
from confsync.model.report import tables
from confsync.model.report.output import Stories
from confsync.model.report.progress import Lines
from confsync.proofs.prover import output
from confsync.proofs.prover.carrier.solver import RLIMIT
from confsync.proofs.prover.certificate.certificate import CertificateError, may_write
from confsync.proofs.prover.certificate.second import NoSecondSolver, require
from confsync.proofs.prover.properties import Arguments
from confsync.proofs.prover.report import Asked, OnProgress, Report, run
from confsync.terminal.streams import SafeConsole

MOST_STATES = 20_000_000
"""How many states the search for a counterexample looks at before it gives up: a design of one's own may have more than
any memory."""


@click.command()
@DESIGN_ARGUMENTS
@DESIGN_FILE
@click.option("--property", "asked", multiple=True, help="Only this property. May be repeated.")
@click.option("--invariant", is_flag=True, help="Show the whole invariant: every lemma, and where it holds.")
@click.option("--obligations", is_flag=True, help="Show every obligation, its time and what its proof used.")
@STORIES
@click.option("--second-opinion", "second", is_flag=True, help="Have cvc5 check every obligation, too.")
@click.option("--seeds", type=click.IntRange(0, 1000), default=0, help="Try every obligation with so many seeds.")
@click.option("--certificate", type=PATH, help="A folder to write a certificate of each design into.")
@click.option(
    "--rlimit",
    type=click.IntRange(1, 2**32 - 1),
    default=RLIMIT,
    show_default=True,
    help="Stop the solver at so many Z3 resource units for a question.",
)
@click.option(
    "--max-states",
    type=click.IntRange(1),
    default=MOST_STATES,
    show_default=True,
    help="Stop a search for a counterexample at so many states.",
)
@MAX_MEMORY
@click.option("--jobs", type=click.IntRange(1), default=cores(), help="Designs at a time.  [default: all cores]")
@click.option("--format", "form", type=click.Choice(["text", "json", "junit"]), default="text", show_default=True)
@guarded
def prove(
    designs: tuple[str, ...],
    files: tuple[Path, ...],
    asked: tuple[str, ...],
    invariant: bool,
    obligations: bool,
    stories: bool | None,
    second: bool,
    seeds: int,
    certificate: Path | None,
    rlimit: int,
    max_states: int,
    max_memory: int | None,
    jobs: int,
    form: str,
) -> int:
    """Prove designs for any number of everything: elements, values, processes, operations and deaths; or refute them.

    DESIGN is a registered design's name, or a file with designs of your own; without one, all are proved. No invariant
    is written by hand. A property that has no proof gets its shortest counterexample; where there is none either, what
    the proof lacks is told, and a lemma can be added to the design's file.

    Exit codes: 0 all proved; 1 something is refuted; 2 bad input; 3 something is not decided.
    """  # fmt: skip
    wanted, files = chosen(designs, files)
    try:
        if second:
            require()
        if certificate:
            for design in wanted:
                may_write(certificate / design.name)
    except (NoSecondSolver, CertificateError) as error:
        raise AskedWrong(str(error)) from None
    began = time.perf_counter()
    of = registry()
    request = Asked(
        wanted,
        chosen_properties(asked),
        of.protocol.bounds(),
        rlimit=rlimit,
        arguments=arguments(),
        second=second,
        seeds=seeds,
        certificates=certificate,
        max_states=max_states,
        max_bytes=memory_for(max_memory, min(jobs, len(wanted))),
        jobs=jobs,
    )
    reports = _prove(request)
    console, given = console_of(), given_options(files, ())
    if form == "json":
        console.out(output.as_json(reports), highlight=False)
    elif form == "junit":
        console.out(output.as_junit(reports, time.perf_counter() - began, given), highlight=False)
    else:
        output.as_text(
            reports,
            console,
            stories=Stories.asked(stories, len(wanted)),
            invariant=invariant,
            obligations=obligations,
            given=given,
        )
    code = exit_code([c for r in reports for c in r.cells])
    unsure = any(r.stopped for r in reports) or (code == EXIT_OK and output.objections(reports))
    return EXIT_OPEN if unsure else code


def _prove(asked: Asked) -> list[Report]:
    with _showing(asked) as on_progress:
        return list(run(asked, on_progress))


def _all_properties() -> tuple[str, ...]:
    return tuple(registry().protocol.properties)


def arguments() -> Arguments:
    """What the protocol's properties follow from, where the prover has no argument of its own."""
    found: Arguments = click.get_current_context().obj.arguments
    return found


@contextmanager
def _showing(asked: Asked) -> Iterator[OnProgress]:
    """What is being done for which design, on standard error: a display on a terminal, elsewhere lines now and then."""
    console = SafeConsole(stderr=True)
    if not console.is_terminal:
        yield in_lines("proving", Lines())
        return
    doing: dict[str, str] = {}
    done = 0
    with console.status("") as status:

        def tell(design: str, said: str | None) -> None:
            nonlocal done
            done += said is None
            if said is None:
                doing.pop(design, None)
            else:
                doing[design] = said
            at_work = "; ".join(f"{d}: {s}" for d, s in doing.items() if s)
            status.update(Text(f"{done} of {len(asked.designs)}  {at_work}"))

        yield tell


def in_lines(what: str, lines: Lines) -> OnProgress:
    """As `OnProgress`: what is being done for a design, and for how long by now."""
    began: dict[str, float] = {}

    def tell(design: str, said: str | None) -> None:
        since = time.monotonic() - began.setdefault(design, time.monotonic())
        if said:
            lines.tell(design, f"{what} {design}: {said}, {since:.0f} s")

    return tell


@click.command(cls=WithBounds)
@DESIGN_ARGUMENTS
@DESIGN_FILE
@limits_options
@click.option("--no-proofs", is_flag=True, help="Search only: the verdicts are for the bounds.")
@click.option("--manifest", type=PATH, help="The verdicts that are expected: any difference is a failure.")
@click.option("--write-manifest", type=PATH, help="Write what was found as a manifest. Review it before you trust it.")
@guarded
def matrix(
    designs: tuple[str, ...],
    files: tuple[Path, ...],
    no_proofs: bool,
    manifest: Path | None,
    write_manifest: Path | None,
    **options: object,
) -> int:
    """Designs x properties, both engines' verdict in each cell: proved for any size, and searched within the bounds.

    DESIGN is a registered design's name, or a file with designs of your own; without one, all are checked.

    With --manifest the exit code is 0 if all is as expected, the refuted included, and 1 if not.
    """
    expected = manifests.read(manifest, registry().protocol.bounds) if manifest else None
    if write_manifest and (write_manifest.is_dir() or not write_manifest.parent.is_dir()):
        raise AskedWrong(f"{write_manifest}: cannot be written: name a file in a folder that is there")
    request = request_of(chosen(designs, files).designs, _all_properties(), options)
    began = time.perf_counter()
    examined = examine_all(request)
    searched = time.perf_counter() - began
    cells = [c for e in examined for c in e.cells]
    console, ended = console_of(), INTERRUPT if interrupted(cells) else ""
    if not no_proofs and not ended:
        cells, ended = _with_proofs(request, cells)
    console.print(tables.matrix([d.name for d in request.designs], cells, console.width))
    say(console, _figures(request, examined, searched, None if no_proofs else time.perf_counter() - began - searched))
    contradicted = [c for c in cells if c.proof is Verdict.PROVED and c.verdict is Verdict.REFUTED]
    for c in contradicted:
        say(
            console, f"the engines contradict each other, one of them is wrong: {c.design} {c.property_name}: {c.token}"
        )
    if ended:
        say(console, f"{early(ended)}: not all is decided, so this is held against no manifest, and none is written")
        return EXIT_OPEN
    if write_manifest:
        try:
            manifests.write(write_manifest, manifests.of(cells, request.bounds))
        except OSError as error:
            raise AskedWrong(f"{write_manifest}: cannot be written: {error.strerror}") from None
    if expected is None:
        return exit_code(cells)
    different = manifests.differences(expected, cells, request.bounds)
    for line in different:
        say(console, f"unlike the manifest: {line}")
    if not different:
        say(console, f"all {len(cells)} verdicts are as {manifest} expects")
    return EXIT_REFUTED if different or contradicted else EXIT_OK


def say(console: SafeConsole, line: str) -> None:
    """Print a line as it is."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _figures(request: Request, examined: list[Examined], searched: float, proved: float | None) -> str:
    states, transitions = sum(e.states for e in examined), sum(e.transitions for e in examined)
    said = f"{states:,} states and {transitions:,} transitions in {searched:.1f} s, at {request.bounds}"
    return said if proved is None else f"{said}; proofs for any size in {proved:.1f} s"


def _with_proofs(request: Request, cells: list[Cell]) -> tuple[list[Cell], str]:
    """The cells with the proof's word on each; and what the proofs were stopped at, "" for nothing."""
    asked = Asked(
        request.designs,
        request.properties,
        request.bounds,
        refute=False,
        arguments=arguments(),
        max_bytes=request.max_bytes,
        jobs=request.jobs,
    )
    reports = _prove(asked)
    words = {(c.design, c.property_name): c.proof for r in reports for c in r.cells}
    return [replace(c, proof=words[c.design, c.property_name]) for c in cells], next(
        (r.stopped for r in reports if r.stopped), ""
    )


COMMANDS: list[click.Command] = [prove, matrix]
