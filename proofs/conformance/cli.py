"""`confsync conform`: hold the implementation against a design, after every interleaving."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from confsync.impl.shim.daemon import PROGRAMS, NoDaemon
from confsync.model.command.options import (
    DESIGN_FILE,
    MAX_MEMORY,
    AskedWrong,
    design_named,
    given_options,
    guarded,
    known_designs,
    memory_for,
)
from confsync.model.engine.parallel import cores
from confsync.model.engine.verdict import EXIT_OK, EXIT_OPEN, EXIT_REFUTED, EXIT_STALE
from confsync.model.language import Design
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.operations import SIGNATURES
from confsync.model.report.progress import Lines
from confsync.proofs.conformance import output
from confsync.proofs.conformance.external.messages import ProtocolBroken
from confsync.proofs.conformance.external.run import explore_external, replay_external
from confsync.proofs.conformance.on_real import on_real, replay_on_real
from confsync.proofs.conformance.reproduce import Replayed, replay
from confsync.proofs.conformance.run import OnProgress, explore
from confsync.proofs.conformance.sample import SCHEDULERS, Sampled, most_steps, sample
from confsync.proofs.conformance.schedulers.pct import bound
from confsync.proofs.conformance.scope import Scope
from confsync.proofs.conformance.steps import Grain
from confsync.terminal.streams import SafeConsole
from confsync.terminal.text import unknown

DEEP = (Scope(4, 0, 0), Scope(3, 2, 0), Scope(3, 1, 1), Scope(2, 2, 2))
"""What --deep explores: quadruples; two deaths; deaths with failures."""
MOST_PROCESSES = 6
EXHAUSTIVE = "exhaustive"


@click.command()
@click.option("--operations", help="Only these, with commas between them.  [default: all]")
@click.option("--processes", type=click.IntRange(1, MOST_PROCESSES), default=2, show_default=True)
@click.option("--crashes", type=click.IntRange(0, 3), default=1, show_default=True, help="Processes that die, in all.")
@click.option("--failures", type=click.IntRange(0, 4), default=0, show_default=True, help="Calls that fail, in all.")
@click.option(
    "--scheduler",
    type=click.Choice([EXHAUSTIVE, *SCHEDULERS]),
    default=EXHAUSTIVE,
    show_default=True,
    help="Every interleaving; or walks, at random or by probabilistic concurrency testing.",
)
@click.option("--walks", type=click.IntRange(1), default=1000, show_default=True, help="How many, at random.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the walks: the same seed, the same walks.")
@click.option("--depth", type=click.IntRange(1, 10), default=3, show_default=True, help="Of PCT: ordering constraints.")
@click.option("--fine", is_flag=True, help="Let others come in within a transaction too.")
@click.option(
    "--deep",
    is_flag=True,
    help="Four scopes of its own, for a long time: quadruples of operations, two deaths, failures.",
)
@click.option(
    "--design",
    "name",
    help=f"The design to hold it against.  [default: the one of --design-file, else {RECOMMENDED}]",
)
@DESIGN_FILE
@click.option(
    "--stores",
    type=click.Choice(["embedded", "real"]),
    default="embedded",
    show_default=True,
    help="real: every edge once more, on real files, real locks and a real xenstored.",
)
@click.option("--daemon", type=click.Choice(list(PROGRAMS)), default="xenstored", show_default=True, help="Which one.")
@click.option("--external", metavar="COMMAND", help="Hold somebody else's implementation against it: docs/external.md.")
@click.option("--replay", "token", help="Take the schedule of a token once more, and tell it.")
@MAX_MEMORY
@click.option("--jobs", type=click.IntRange(1), default=cores(), help="Processes at a time.  [default: all cores]")
@click.option("--format", "form", type=click.Choice(["text", "json", "junit"]), default="text", show_default=True)
@guarded
def conform(
    operations: str | None,
    processes: int,
    crashes: int,
    failures: int,
    scheduler: str,
    walks: int,
    seed: int,
    depth: int,
    fine: bool,
    deep: bool,
    name: str | None,
    files: tuple[Path, ...],
    stores: str,
    daemon: str,
    external: str | None,
    token: str | None,
    max_memory: int | None,
    jobs: int,
    form: str,
) -> int:
    """Hold the implementation against a design: every interleaving of operations, with deaths and failures.

    Every schedule is covered, by covering every edge of a graph once: after each step the model must allow it, the
    stores must be as the model says, and every property that the design holds must hold.

    Exit codes: 0 it conforms; 1 it diverges; 2 bad input; 3 not all was explored, for an interrupt or a limit
    of memory. With --replay: 0 the schedule does not diverge
    any more; 1 it still diverges; 2 bad input, or a token of another implementation; 4 the token no longer means
    anything.
    """
    design = _design(name, files)
    walks_on, elsewhere = scheduler != EXHAUSTIVE, external is not None or stores == "real"
    for contradictory, why in (
        (
            token is not None and (walks_on or fine or deep or operations is not None),
            "--replay takes its schedule from the token: no --scheduler, --fine, --deep or --operations",
        ),
        (token is not None and form != "text", "--replay is told as text: no --format"),
        (external is not None and stores == "real", "--external has stores of its own"),
        (
            elsewhere and (walks_on or fine),
            "--external and --stores real are explored whole: no --scheduler, no --fine",
        ),
        (fine and walks_on, "--fine is for the exploration: no --scheduler"),
        (deep and operations is not None, "--deep explores its own scopes: no --operations"),
    ):
        if contradictory:
            raise AskedWrong(why)
    given = given_by(design, files, stores, daemon, external)
    if token is not None:
        return _tell(_replay(token, design, external, daemon if stores == "real" else None), design, given)
    wanted = _operations(operations)
    scopes = DEEP if deep else (Scope(processes, crashes, failures, wanted),)
    most = memory_for(max_memory, 1 if elsewhere or walks_on else jobs)
    results: list[output.Result] = []
    for scope in scopes:
        with _showing(str(scope)) as on_progress, _in_words():
            if external is not None:
                result: output.Result = explore_external(_command(external), design, scope, on_progress, max_bytes=most)
            elif stores == "real":
                result = on_real(design, scope, daemon, on_progress, max_bytes=most)
            elif walks_on:
                result = sample(
                    design,
                    scope,
                    scheduler=scheduler,
                    walks=walks,
                    seed=seed,
                    depth=depth,
                    on_progress=on_progress,
                    max_bytes=most,
                )
            else:
                grain = Grain.REQUEST if fine else Grain.COMMIT
                result = explore(
                    design,
                    scope,
                    jobs=jobs,
                    on_progress=on_progress,
                    grain=grain,
                    with_coverage=scope.processes < 3,
                    max_bytes=most,
                )
        results.append(result)
        if form == "text":
            _say(result, given, depth if scheduler == "pct" else None)
    if form == "json":
        click.echo(f"[{', '.join(output.as_json(result, given) for result in results)}]")
    elif form == "junit":
        click.echo(output.as_junit(results, given))
    return _code(results)


def _code(results: list[output.Result]) -> int:
    if any(r.told for r in results):
        return EXIT_REFUTED
    return EXIT_OK if all(r.conforms for r in results) else EXIT_OPEN


def _design(name: str | None, files: tuple[Path, ...]) -> Design:
    known = known_designs(files)
    if name is None:
        own = [n for n in known if n not in DESIGNS] or [RECOMMENDED]
        if len(own) > 1:
            raise AskedWrong(f"the design files have several designs: choose one with --design: {', '.join(own)}")
        (name,) = own
    return design_named(name, known)


def given_by(design: Design, files: tuple[Path, ...], stores: str, daemon: str, external: str | None) -> str:
    """The options again that a printed command needs."""
    given = given_options(files, ())
    given += "" if design.name == RECOMMENDED else f" --design {design.name}"
    given += "" if external is None else f" --external {shlex.quote(external)}"
    if stores == "real":
        given += f" --stores real --daemon {daemon}"
    return given


def _command(given: str) -> list[str]:
    try:
        found = shlex.split(given)
    except ValueError as e:
        raise AskedWrong(f"--external {given!r}: {e}") from None
    if not found:
        raise AskedWrong("--external is empty: name the program")
    return found


def _operations(given: str | None) -> tuple[str, ...]:
    wanted = tuple(word.strip() for word in given.split(",")) if given is not None else tuple(SIGNATURES)
    for one in wanted:
        if one not in SIGNATURES:
            raise AskedWrong(unknown("operation", one, SIGNATURES))
    return wanted


def _say(result: output.Result, given: str, depth: int | None) -> None:
    for line in output.as_text(result, given):
        click.echo(line)
    if depth is not None and isinstance(result, Sampled):
        most = most_steps(result.scope)
        if result.longest > most:
            click.echo(f"PCT: no bound, for a walk had {result.longest} steps, and the changes were drawn from {most}")
            return
        least = bound(result.scope.processes, most, depth)
        click.echo(
            f"PCT: one walk finds a bug of depth {depth} in its operations, in {result.scope.processes} processes "
            f"of at most {most} steps in all, with a probability of at least {least:.2g}"
        )


def _replay(token: str, design: Design, external: str | None, daemon: str | None) -> Replayed:
    """Take the schedule of a token again, on the implementation that is named; `daemon`: on real stores."""
    with _in_words():
        if external is not None:
            return replay_external(token, _command(external), design)
        return replay(token, design) if daemon is None else replay_on_real(token, design, daemon)


def _tell(found: Replayed, design: Design, given: str) -> int:
    """What came of a token. -> the exit code"""
    for line in output.divergence(found.told, given) if found.wrong else found.told.steps:
        click.echo(line)
    if not found.same:
        click.echo(
            "confsync: the implementation no longer asks, or is no longer answered, what it was when the token was "
            "made; steps that cannot be taken any more were left out",
            err=True,
        )
    if found.wrong:
        return EXIT_REFUTED
    if found.stale:
        click.echo(f"confsync: the token no longer means anything: {found.stale}", err=True)
        return EXIT_STALE
    click.echo(f"every step is one of {design.name}'s, and so are those that follow to the end of all operations")
    return EXIT_OK


@contextmanager
def _in_words() -> Iterator[None]:
    """What is not there, or speaks no protocol, is bad input."""
    try:
        yield
    except (NoDaemon, ProtocolBroken) as e:
        raise AskedWrong(str(e)) from None


@contextmanager
def _showing(what: str) -> Iterator[OnProgress]:
    """How far it is, on standard error: a display on a terminal, elsewhere a line now and then."""
    console = SafeConsole(stderr=True)
    if not console.is_terminal:
        lines = Lines()
        lines.begin(what)
        yield lambda done, of: lines.tell(what, f"exploring {what}: {done:,} of {of:,}")
        return
    with console.status(what) as status:
        yield lambda done, of: status.update(f"{what}: {done:,} of {of:,}")
