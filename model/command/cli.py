"""The commands of the checker: check, claims, replay, designs, properties."""

from __future__ import annotations

import time
from pathlib import Path

import click

from confsync.model.command.options import (
    DESIGN_ARGUMENTS,
    DESIGN_FILE,
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
    known_designs,
    limits_options,
    request_of,
)
from confsync.model.command.registry import Observed, registry
from confsync.model.engine.program import Program
from confsync.model.engine.trace import TokenError, read_token, replay
from confsync.model.engine.verdict import EXIT_OK, exit_code
from confsync.model.report import output, tables
from confsync.model.report.claims import needed
from confsync.terminal.text import quoted, unknown


@click.command(cls=WithBounds)
@DESIGN_ARGUMENTS
@DESIGN_FILE
@click.option("--observed", type=PATH, multiple=True, help="Traces of a real system, or a folder of them, as a design.")
@click.option("--property", "asked", multiple=True, help="Only this property. May be repeated.")
@limits_options
@click.option("--coverage", is_flag=True, help="How often each transition was taken, and the values of each guard.")
@STORIES
@click.option("--format", "form", type=click.Choice(["text", "json", "junit"]), default="text", show_default=True)
@guarded
def check(
    designs: tuple[str, ...],
    files: tuple[Path, ...],
    observed: tuple[Path, ...],
    asked: tuple[str, ...],
    coverage: bool,
    stories: bool | None,
    form: str,
    **options: object,
) -> int:
    """Check designs: the verdict on each property, and the shortest trace to each violation.

    DESIGN is a registered design's name (see `confsync designs`), or a file with designs of your own; without one, all
    are checked, or only those of --design-file and --observed.
    """
    seen = _seen(observed)
    if seen and not seen.taken:
        raise AskedWrong(f"no operation could be read from {', '.join(map(str, observed))}:\n{seen.describe()}")
    wanted, files = chosen(designs, files, seen)
    request = request_of(wanted, chosen_properties(asked), options)
    began = time.perf_counter()
    examined = examine_all(request)
    cells = [c for e in examined for c in e.cells]
    console, given = console_of(), given_options(files, observed)
    if form == "json":
        console.out(output.as_json(cells), highlight=False)
    elif form == "junit":
        console.out(output.as_junit(cells, time.perf_counter() - began, given), highlight=False)
    else:
        if seen:
            console.print(seen.describe(), markup=False, highlight=False)
        output.as_text(cells, console, stories=output.Stories.asked(stories, len(wanted)), given=given)
        for design, e in zip(request.designs, examined, strict=True):
            console.print(tables.summary(design, e), markup=False, highlight=False)
            if coverage:
                console.print(tables.coverage(design, e))
    return exit_code(cells)


@click.command(cls=WithBounds)
@limits_options
@guarded
def claims(**options: object) -> int:
    """What became of each claim of the discussion that the designs come from."""
    of = registry()
    wanted = needed(of.claims.values())
    designs = tuple(of.designs[d] for d in dict.fromkeys(d for d, _ in wanted))
    request = request_of(designs, tuple(p for p in of.protocol.properties if p in {p for _, p in wanted}), options)
    cells = {(c.design, c.property_name): c for e in examine_all(request) for c in e.cells}
    console = console_of()
    tables.claims(of.claims, cells, console)
    return exit_code([c for c in cells.values() if c.stopped])


@click.command(name="replay")
@click.argument("token")
@DESIGN_FILE
@click.option("--observed", type=PATH, multiple=True, help="The traces that the token's design was read from.")
@guarded
def replay_token(token: str, files: tuple[Path, ...], observed: tuple[Path, ...]) -> int:
    """Tell the trace of a replay token again, step by step.

    Exit codes: 0 it does not end in a violation of the token's property; 1 it still does; 2 bad input; 4 the token no
    longer means anything: the design, or its steps, have changed since it was made.
    """
    protocol = registry().protocol
    wanted = read_token(token, protocol.bounds)
    known = known_designs(files, _seen(observed))
    if wanted.design not in known:
        raise TokenError(
            f"the token is of design {quoted(wanted.design)}: name its file with --design-file (or --observed)"
        )
    if wanted.property_name and wanted.property_name not in protocol.properties:
        said = unknown("property", wanted.property_name, protocol.properties, "`confsync properties`")
        raise TokenError(f"in the token: {said}")
    trace = replay(Program(known[wanted.design], wanted.bounds), wanted)
    return tables.retell(trace, wanted.property_name, console_of(), given_options(files, observed))


@click.command(name="designs")
@DESIGN_ARGUMENTS
@DESIGN_FILE
@guarded
def list_designs(designs: tuple[str, ...], files: tuple[Path, ...]) -> int:
    """The designs there are, in words; of those named, every operation's order.

    DESIGN is a registered design's name, or a file with designs of your own.
    """
    console = console_of()
    for design in chosen(designs, files).designs:
        console.print(tables.design(design, orders=bool(designs or files)))
    return EXIT_OK


@click.command(name="properties")
@guarded
def list_properties() -> int:
    """The properties there are, in words."""
    console_of().print(tables.properties(registry().protocol.properties.values()))
    return EXIT_OK


def _seen(paths: tuple[Path, ...]) -> Observed | None:
    """The design that traces show, if some are given."""
    read = registry().observed
    if paths and read is None:
        raise AskedWrong(f"--observed: there is no reader of traces for {registry().protocol.name}")
    return read(paths) if paths and read else None


COMMANDS: list[click.Command] = [check, claims, replay_token, list_designs, list_properties]
