"""What the commands share: their options, the designs they can be about, bad input and where output goes."""

from __future__ import annotations

import dataclasses
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import NamedTuple, ParamSpec

import click

from confsync.model.command.design_file import DesignFileError, load
from confsync.model.command.registry import Observed, own_errors, registry
from confsync.model.engine.check import Examined
from confsync.model.engine.memory import default_limit
from confsync.model.engine.parallel import WorkerDied, cores
from confsync.model.engine.runner import Request, run
from confsync.model.engine.trace import MOST, StaleToken, TokenError
from confsync.model.engine.verdict import EXIT_BAD_INPUT, EXIT_OPEN, EXIT_STALE
from confsync.model.language import Design, LanguageError
from confsync.model.report.manifest import ManifestError
from confsync.model.report.progress import showing
from confsync.terminal.streams import SafeConsole
from confsync.terminal.text import quoted, unknown, value

P = ParamSpec("P")


class AskedWrong(Exception):
    """A command was asked for something that is not there."""


BAD_INPUT = (
    AskedWrong,
    DesignFileError,
    LanguageError,
    TokenError,
    ManifestError,
)
_SIZES = {"K": 2**10, "M": 2**20, "G": 2**30}
PATH = click.Path(path_type=Path)


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


MAX_MEMORY = click.option(
    "--max-memory",
    type=Size(),
    help="Stop at so much memory for each job, such as 4G.  [default: half of the free memory / jobs]",
)


def memory_for(asked: object, jobs: int) -> int | None:
    """Bytes for each of so many jobs: what --max-memory asks for, else a share of what the machine has left."""
    return asked if isinstance(asked, int) else default_limit(jobs)


def guarded(command: Callable[P, int]) -> Callable[P, None]:
    """Run a command to its exit code. Bad input is a message on standard error and exit code 2; a search that could not
    end, or an interrupt, code 3; a token that no longer means anything, code 4. SIGTERM and SIGHUP end the command,
    what it has started, and its temporary files: then the code is 128 and the signal's number, as in a shell."""

    @wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        bad_input: tuple[type[Exception], ...] = (*BAD_INPUT, *own_errors())
        try:
            with _ended_by_signals():
                code = command(*args, **kwargs)
        except StaleToken as error:
            click.echo(f"confsync: {error}", err=True)
            code = EXIT_STALE
        except bad_input as error:
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


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Unwind where a signal would end this process at once. A signal that is ignored (`nohup`) stays ignored, and the
    second one ends the process at once."""

    def end(number: int, _frame: object) -> None:
        for one in before:
            signal.signal(one, signal.SIG_DFL)
        sys.exit(128 + number)

    before: list[signal.Signals] = []
    try:
        for one in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(one) is signal.SIG_DFL:
                signal.signal(one, end)
                before.append(one)
    except ValueError:
        pass  # signals are handled in the main thread only
    try:
        yield
    finally:
        for one in before:
            signal.signal(one, signal.SIG_DFL)


class WithBounds(click.Command):
    """A command with an option for each bound of the protocol: how many of everything."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's own options and, before those that say how to search, the bounds."""
        with ctx.scope(cleanup=False):
            bounds = registry().protocol.bounds
        own = super().get_params(ctx)
        before = next((i for i, p in enumerate(own) if p.name == "jobs"), len(own))
        return [*own[:before], *map(_bound_option, bounds.declared().values()), *own[before:]]


def _bound_option(bound: dataclasses.Field[int]) -> click.Option:
    return click.Option(
        [f"--{bound.name}"],
        type=click.IntRange(bound.metadata["least"], MOST),
        default=bound.default,
        show_default=True,
        help=f"How many {bound.metadata['words']}.",
    )


def limits_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say how to search."""
    for option in (
        click.option(
            "--jobs", type=click.IntRange(1), default=cores(), help="Designs at a time.  [default: all cores]"
        ),
        MAX_MEMORY,
        click.option("--max-states", type=click.IntRange(1), help="Stop a search at so many states."),
        click.option(
            "--no-symmetry",
            is_flag=True,
            help="Tell elements, values and processes apart that only differ in their names.",
        ),
    ):
        command = option(command)
    return command


DESIGN_ARGUMENTS = click.argument("designs", nargs=-1, metavar="[DESIGN | FILE]...")
STORIES = click.option(
    "--stories/--no-stories", default=None, help="Tell every counterexample, or none.  [default: one design's shortest]"
)
DESIGN_FILE = click.option(
    "--design-file", "files", type=PATH, multiple=True, help="A Python file with designs of your own. May be repeated."
)


def known_designs(files: Iterable[Path], observed: Observed | None = None) -> dict[str, Design]:
    """All designs by name: those that are registered, those of the files, the observed one."""
    known = dict(registry().designs)
    more = [(str(path), load(path, registry())) for path in dict.fromkeys(files)]
    if observed:
        more.append(("--observed", {observed.design.name: observed.design}))
    for where, found in more:
        for name in found:
            if name in known:
                raise AskedWrong(f"{value(where)}: there is a design {quoted(name)} already: use another name")
        known |= found
    return known


class Chosen(NamedTuple):
    """The designs that a command is about, and all files that designs came from."""

    designs: tuple[Design, ...]
    files: tuple[Path, ...]


def chosen(arguments: Iterable[str], files: tuple[Path, ...], observed: Observed | None = None) -> Chosen:
    """The designs a command is about: those that the arguments name, and all those of a file that is an argument.
    Without arguments those of the files and the observed one; else all that are registered."""
    arguments = tuple(arguments)
    known = known_designs(files, observed)
    own = dict.fromkeys(Path(a) for a in arguments if a not in known and _is_path(a))
    files = tuple(dict.fromkeys((*files, *own)))
    of_file = {path: tuple(load(path, registry())) for path in own}
    known = known_designs(files, observed)
    if not arguments:
        names = [n for n in known if n not in registry().designs] or [*known]
        return Chosen(tuple(known[n] for n in names), files)
    wanted = [name for a in arguments for name in of_file.get(Path(a), (a,))]
    return Chosen(tuple(design_named(n, known) for n in dict.fromkeys(wanted)), files)


def _is_path(argument: str) -> bool:
    """An argument that names a file with designs, and not a design."""
    return argument.endswith(".py") or "/" in argument or Path(argument).is_file()


def design_named(name: str, known: Mapping[str, Design]) -> Design:
    """The design of this name. AskedWrong says which were perhaps meant."""
    if name not in known:
        raise AskedWrong(unknown("design", name, known, "`confsync designs`"))
    return known[name]


def given_options(files: tuple[Path, ...], observed: tuple[Path, ...]) -> str:
    """The options again that say where designs came from, for the commands that are printed."""
    options = [("--design-file", f) for f in files] + [("--observed", f) for f in observed]
    return "".join(f" {option} {shlex.quote(str(path))}" for option, path in options)


def chosen_properties(names: tuple[str, ...]) -> tuple[str, ...]:
    """The properties of these names, or all. AskedWrong says which were perhaps meant."""
    known = registry().protocol.properties
    for name in names:
        if name not in known:
            raise AskedWrong(unknown("property", name, known, "`confsync properties`"))
    return tuple(dict.fromkeys(names)) or tuple(known)


def request_of(designs: tuple[Design, ...], names: tuple[str, ...], options: dict[str, object]) -> Request:
    """What to examine, by what the options say."""
    of = registry().protocol.bounds
    bounds = of(**{name: count for name, count in options.items() if name in of.declared()})
    jobs = int(options["jobs"])  # type: ignore[call-overload]
    return Request(
        designs,
        bounds,
        names,
        symmetric=not options["no_symmetry"],
        max_states=options["max_states"],  # type: ignore[arg-type]
        max_bytes=memory_for(options["max_memory"], min(jobs, len(designs))),
        jobs=jobs,
    )


def examine_all(request: Request) -> list[Examined]:
    with showing(request) as on_progress:
        return list(run(request, on_progress))


def console_of() -> SafeConsole:
    """As wide as the terminal (or as COLUMNS says), and wide enough for any table where standard output is none."""
    plain = SafeConsole()
    return plain if plain.is_terminal or "COLUMNS" in os.environ else SafeConsole(width=200)
