"""The commands: check, matrix, claims, replay, designs, properties."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import click
from rich.console import Console

from model import manifest as manifests
from model import output, tables
from model.check import Examined
from model.claims import CLAIMS, needed
from model.design_file import DesignFileError, load
from model.designs import DESIGNS, RECOMMENDED
from model.language import LanguageError
from model.observed import Observed, ObservedError, read, to_design
from model.program import Program
from model.progress import showing
from model.properties import PROPERTIES
from model.runner import Request, WorkerDied, cores, run
from model.state import Bounds
from model.step import Design
from model.trace import MOST, TokenError, read_token, replay
from model.verdict import EXIT_BAD_INPUT, EXIT_OK, EXIT_OPEN, EXIT_REFUTED, exit_code

P = ParamSpec("P")


class AskedWrong(Exception):
    """A command was asked for something that is not there."""


BAD_INPUT = (
    AskedWrong,
    DesignFileError,
    LanguageError,
    ObservedError,
    TokenError,
    manifests.ManifestError,
)
_SIZES = {"K": 2**10, "M": 2**20, "G": 2**30}
_PATH = click.Path(path_type=Path)


class Size(click.ParamType[int]):
    """A number of bytes, such as 500M or 2G."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value).upper().removesuffix("B").removesuffix("I")
        unit = _SIZES.get(text[-1:], 1)
        digits = text[:-1] if text[-1:] in _SIZES else text
        if not digits.isdigit() or int(digits) * unit < 2**20:
            self.fail(f"{value!r} is no size of at least 1M, such as 500M or 2G", param, ctx)
        return int(digits) * unit


def _guarded(command: Callable[P, int]) -> Callable[P, None]:
    """Bad input is a message on standard error and exit code 2, a search that could not end one and code 3; else the
    command's code."""

    @wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            code = command(*args, **kwargs)
        except BAD_INPUT as error:
            click.echo(f"confsync: {error}", err=True)
            code = EXIT_BAD_INPUT
        except WorkerDied as error:
            click.echo(f"confsync: {error}", err=True)
            code = EXIT_OPEN
        except KeyboardInterrupt:
            click.echo("confsync: interrupted", err=True)
            code = EXIT_OPEN
        sys.exit(code)

    return wrapper


def _bounds(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say how many of everything."""
    words = {
        "slots": "ordinary slots",
        "ejectable": "ejectable drives",
        "configs": "configurations or media",
        "names": "names",
        "amounts": "memory targets",
        "processes": "processes at once",
        "crashes": "processes that die, in all",
    }
    default = Bounds()
    for name, what in reversed(words.items()):
        least = Bounds.LEAST[name]
        command = click.option(
            f"--{name}",
            type=click.IntRange(least, MOST),
            default=getattr(default, name),
            show_default=True,
            help=f"How many {what}.",
        )(command)
    return command


def _limits(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say how to search."""
    for option in (
        click.option(
            "--jobs", type=click.IntRange(1), default=cores(), help="Designs at a time.  [default: all cores]"
        ),
        click.option("--max-memory", type=Size(), help="Stop a design's search at so much memory, such as 4G."),
        click.option("--max-states", type=click.IntRange(1), help="Stop a search at so many states."),
        click.option("--no-symmetry", is_flag=True, help="Tell slots, drives, configurations and processes apart."),
    ):
        command = option(command)
    return command


_DESIGN_FILE = click.option(
    "--design-file", "files", type=_PATH, multiple=True, help="A Python file with designs of your own. May be repeated."
)


def _known(files: Iterable[Path], observed: Observed | None = None) -> dict[str, Design]:
    """All designs by name: those that are registered, those of the files, the observed one."""
    known = dict(DESIGNS)
    more = [(str(path), load(path)) for path in dict.fromkeys(files)]
    if observed:
        more.append(("--observed", {observed.design.name: observed.design}))
    for where, found in more:
        for name in found:
            if name in known:
                raise AskedWrong(f"{where}: there is a design `{name}` already: use another name")
        known |= found
    return known


def _chosen(names: Iterable[str], files: tuple[Path, ...], observed: Observed | None = None) -> tuple[Design, ...]:
    """The designs a command is about: those named; else those of the files; else all that are registered."""
    known = _known(files, observed)
    wanted = tuple(names) or tuple(n for n in known if n not in DESIGNS) or tuple(known)
    for name in wanted:
        if name not in known:
            raise AskedWrong(f"there is no design `{name}`; there are {', '.join(known)}")
    return tuple(known[n] for n in dict.fromkeys(wanted))


def _given(files: tuple[Path, ...], observed: tuple[Path, ...]) -> str:
    """The options again that say where designs came from, for the commands that are printed."""
    options = [("--design-file", f) for f in files] + [("--observed", f) for f in observed]
    return "".join(f" {option} {shlex.quote(str(path))}" for option, path in options)


def _properties(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in PROPERTIES:
            raise AskedWrong(f"there is no property `{name}`; there are {', '.join(PROPERTIES)}")
    return tuple(dict.fromkeys(names)) or tuple(PROPERTIES)


def _request(designs: tuple[Design, ...], names: tuple[str, ...], options: dict[str, object]) -> Request:
    counts = {k: v for k, v in options.items() if k in Bounds.LEAST}
    bounds = Bounds(**counts)  # type: ignore[arg-type]
    return Request(
        designs,
        bounds,
        names,
        symmetric=not options["no_symmetry"],
        max_states=options["max_states"],  # type: ignore[arg-type]
        max_bytes=options["max_memory"],  # type: ignore[arg-type]
        jobs=options["jobs"],  # type: ignore[arg-type]
    )


def _examine(request: Request) -> list[Examined]:
    with showing(request) as on_progress:
        return list(run(request, on_progress))


class _Output(Console):
    """Standard output. Where nobody reads it any more the command goes on, to the exit code it would have had."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _console() -> Console:
    """As wide as the terminal (or as COLUMNS says), and wide enough for any table where standard output is none."""
    plain = _Output()
    return plain if plain.is_terminal or "COLUMNS" in os.environ else _Output(width=200)


@click.command()
@click.argument("designs", nargs=-1)
@_DESIGN_FILE
@click.option(
    "--observed", type=_PATH, multiple=True, help="Traces of a real toolstack, or a folder of them, as a design."
)
@click.option("--property", "asked", multiple=True, help="Only this property. May be repeated.")
@_bounds
@_limits
@click.option("--coverage", is_flag=True, help="How often each transition was taken, and the values of each guard.")
@click.option("--stories/--no-stories", default=None, help="Tell every counterexample.  [default: for one design]")
@click.option("--format", "form", type=click.Choice(["text", "json", "junit"]), default="text", show_default=True)
@_guarded
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

    DESIGN is a registered design's name (see `confsync designs`); without one, all are checked, or only those of
    --design-file and --observed.
    """
    seen = to_design(read(observed), DESIGNS[RECOMMENDED]) if observed else None
    if seen and not seen.taken:
        raise AskedWrong(f"no operation could be read from {', '.join(map(str, observed))}:\n{seen.describe()}")
    request = _request(_chosen(designs, files, seen), _properties(asked), options)
    began = time.perf_counter()
    examined = _examine(request)
    cells = [c for e in examined for c in e.cells]
    console, given = _console(), _given(files, observed)
    if form == "json":
        console.out(output.as_json(cells), highlight=False)
    elif form == "junit":
        console.out(output.as_junit(cells, time.perf_counter() - began, given), highlight=False)
    else:
        if seen:
            console.print(seen.describe(), markup=False, highlight=False)
        one = len(request.designs) == 1
        output.as_text(cells, console, stories=one if stories is None else stories, given=given)
        for design, e in zip(request.designs, examined, strict=True):
            console.print(tables.summary(design, e), markup=False, highlight=False)
            if coverage:
                console.print(tables.coverage(design, e))
    return exit_code(cells)


@click.command()
@click.argument("designs", nargs=-1)
@_DESIGN_FILE
@_bounds
@_limits
@click.option("--manifest", type=_PATH, help="The verdicts that are expected: any difference is a failure.")
@click.option("--write-manifest", type=_PATH, help="Write what was found as a manifest. Review it before you trust it.")
@_guarded
def matrix(
    designs: tuple[str, ...],
    files: tuple[Path, ...],
    manifest: Path | None,
    write_manifest: Path | None,
    **options: object,
) -> int:
    """Designs x properties, the verdict in each cell.

    With --manifest the exit code is 0 if all is as expected, the refuted included, and 1 if not.
    """
    expected = manifests.read(manifest) if manifest else None
    if write_manifest and (write_manifest.is_dir() or not write_manifest.parent.is_dir()):
        raise AskedWrong(f"{write_manifest}: cannot be written: name a file in a folder that is there")
    request = _request(_chosen(designs, files), tuple(PROPERTIES), options)
    began = time.perf_counter()
    examined = _examine(request)
    cells = [c for e in examined for c in e.cells]
    console = _console()
    console.print(tables.matrix([d.name for d in request.designs], cells, console.width))
    states, seconds = sum(e.states for e in examined), time.perf_counter() - began
    console.print(
        f"{states:,} states and {sum(e.transitions for e in examined):,} transitions in {seconds:.1f} s, "
        f"at {request.bounds}",
        markup=False,
        highlight=False,
    )
    if write_manifest:
        try:
            write_manifest.write_text(manifests.of(cells, request.bounds), encoding="utf-8")
        except OSError as error:
            raise AskedWrong(f"{write_manifest}: cannot be written: {error.strerror}") from None
    if expected is None:
        return exit_code(cells)
    different = manifests.differences(expected, cells, request.bounds)
    for line in different:
        console.print(f"unlike the manifest: {line}", markup=False, highlight=False)
    if not different:
        console.print(f"all {len(cells)} verdicts are as {manifest} expects", markup=False, highlight=False)
    return EXIT_REFUTED if different else EXIT_OK


@click.command()
@_bounds
@_limits
@_guarded
def claims(**options: object) -> int:
    """What became of each claim of the 2014 discussion."""
    wanted = needed()
    designs = tuple(DESIGNS[d] for d in dict.fromkeys(d for d, _ in wanted))
    request = _request(designs, tuple(p for p in PROPERTIES if p in {p for _, p in wanted}), options)
    cells = {(c.design, c.property_name): c for e in _examine(request) for c in e.cells}
    console = _console()
    tables.claims(CLAIMS, cells, console)
    return exit_code([c for c in cells.values() if c.stopped])


@click.command(name="replay")
@click.argument("token")
@_DESIGN_FILE
@click.option("--observed", type=_PATH, multiple=True, help="The traces that the token's design was read from.")
@_guarded
def replay_token(token: str, files: tuple[Path, ...], observed: tuple[Path, ...]) -> int:
    """Tell the trace of a replay token again, step by step. Exit code 1 if it ends in a violation."""
    wanted = read_token(token)
    known = _known(files, to_design(read(observed), DESIGNS[RECOMMENDED]) if observed else None)
    if wanted.design not in known:
        raise TokenError(f"the token is of design `{wanted.design}`: name its file with --design-file (or --observed)")
    if wanted.property_name and wanted.property_name not in PROPERTIES:
        raise TokenError(f"the token is of a property `{wanted.property_name}` that does not exist")
    trace = replay(Program(known[wanted.design], wanted.bounds), wanted)
    return tables.retell(trace, wanted.property_name, _console(), _given(files, observed))


@click.command(name="designs")
@click.argument("names", nargs=-1)
@_DESIGN_FILE
@_guarded
def list_designs(names: tuple[str, ...], files: tuple[Path, ...]) -> int:
    """The designs there are, in words; of those named, every operation's order."""
    console = _console()
    for design in _chosen(names, files) if names or files else DESIGNS.values():
        console.print(tables.design(design, orders=bool(names or files)))
    return EXIT_OK


@click.command(name="properties")
@_guarded
def list_properties() -> int:
    """The properties there are, in words."""
    _console().print(tables.properties())
    return EXIT_OK


COMMANDS: list[click.Command] = [check, matrix, claims, replay_token, list_designs, list_properties]
