"""The command of the mutants."""

from __future__ import annotations

import contextlib

import click

from confsync.model.command.options import AskedWrong, console_of, guarded
from confsync.model.engine.parallel import cores
from confsync.model.engine.verdict import EXIT_OPEN
from confsync.model.report.progress import now_and_then
from confsync.proofs.mutants import table
from confsync.proofs.mutants.apply import NotApplicable, edited, is_checkout
from confsync.proofs.mutants.catalogue import CHECKER_SAMPLE, MUTANTS, SAMPLE
from confsync.proofs.mutants.explored import SCOPES
from confsync.proofs.mutants.judges import Verdict, all_of, control
from confsync.proofs.mutants.mutant import Mutant, Subject
from confsync.proofs.mutants.said import Said
from confsync.terminal.streams import SafeConsole
from confsync.terminal.text import unknown

WIDE = 200
"""Columns of the table where standard output is no terminal."""


@click.command()
@click.option(
    "--of",
    "subject",
    type=click.Choice([*(subject.value for subject in Subject), "all"]),
    default="all",
    show_default=True,
    help="Mutants of the implementation (impl/), or of what checks it and the designs.",
)
@click.option("--only", multiple=True, metavar="ID", help="Only this mutant. May be repeated.")
@click.option("--sample", type=click.IntRange(1), help="Only so many, spread over the judges; the cheap ones first.")
@click.option("--in-order", is_flag=True, help="The explorations first, and the stated judge when its turn comes.")
@click.option("--jobs", type=click.IntRange(1), default=cores(), help="Mutants at a time.  [default: all cores]")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@guarded
def mutants(subject: str, only: tuple[str, ...], sample: int | None, in_order: bool, jobs: int, form: str) -> int:
    """Judge mutants of the project: each has one mistake, which its stated judge must notice by a failed assertion.

    First the unedited project goes before the same judges, and must pass. Exit codes: 0 all are noticed as
    stated; 1 some are not; 2 bad input; 3 interrupted.

    Most judges are tests, which only a checkout of the project has. Where confsync was installed from a wheel, only
    mutants that an exploration judges can be named.
    """
    wanted = wanted_of(subject, only, sample)
    if not is_checkout():
        _refuse_tests(wanted)
    try:
        for mutant in wanted:
            edited(mutant)
    except NotApplicable as error:
        raise AskedWrong(str(error)) from None
    passed: list[tuple[str, Said, float]] = []
    verdicts: list[Verdict] = []
    interrupted = not _judged(wanted, jobs, passed, verdicts, in_order=in_order)
    console = console_of()
    if form == "json":
        console.out(table.as_json(verdicts, passed), highlight=False)
    else:
        if not console.is_terminal:
            console.width = WIDE
        table.as_text(verdicts, passed, console)
    if interrupted:
        click.echo(f"confsync: interrupted: {len(verdicts)} of {len(wanted)} mutants were judged", err=True)
        return EXIT_OPEN
    return int(bool(table.unlike(verdicts, passed)))


def _judged(
    wanted: list[Mutant], jobs: int, passed: list[tuple[str, Said, float]], verdicts: list[Verdict], *, in_order: bool
) -> bool:
    """Judge the implementation as it is, and then the mutants. False: an interrupt came before all were judged."""
    status = SafeConsole(stderr=True)

    def how_far() -> str:
        if not verdicts:
            return "the implementation as it is, before the judges"
        return f"judging mutants: {len(verdicts):,} of {len(wanted):,}"

    try:
        with contextlib.nullcontext() if status.is_terminal else now_and_then(how_far):
            passed.extend(control(wanted, in_order=in_order))
            for verdict in all_of(wanted, jobs, in_order=in_order):
                verdicts.append(verdict)
                if status.is_terminal:
                    said = f"{verdict.mutant.id}  {verdict.by or 'not noticed'}"
                    status.print(f"{len(verdicts)} of {len(wanted)}  {said}")
    except KeyboardInterrupt:
        return False
    return True


def _refuse_tests(wanted: list[Mutant]) -> None:
    """AskedWrong if a test is said to judge one of these mutants: there are no tests."""
    tested = [mutant.id for mutant in wanted if mutant.by not in SCOPES]
    if tested:
        others = f" and {len(tested) - 1:,} others are" if len(tested) > 1 else " is"
        explored = [mutant.id for mutant in MUTANTS.values() if mutant.by in SCOPES]
        raise AskedWrong(
            f"{tested[0]}{others} judged by tests, and an installed confsync has no tests: run `confsync mutants` from "
            f"a checkout of the project, or use --only to name mutants that an exploration judges, such as "
            f"{explored[0]} ({len(explored):,} in all)"
        )


def wanted_of(subject: str, only: tuple[str, ...], sample: int | None) -> list[Mutant]:
    """The mutants of this subject ("all": of any): those with these names, or so many of the sample first, or all.
    AskedWrong."""
    if strangers := [name for name in only if name not in MUTANTS]:
        raise AskedWrong(unknown("mutant", strangers[0], MUTANTS, "docs/mutants.md"))
    if only and sample:
        raise AskedWrong("--only and --sample exclude each other")
    first = [*SAMPLE, *CHECKER_SAMPLE] if sample else []
    names = only or [*first, *(name for name in MUTANTS if name not in first)]
    found = [MUTANTS[name] for name in names if subject in (MUTANTS[name].subject.value, "all")]
    if only and len(found) < len(only):
        others = next(name for name in only if MUTANTS[name].subject.value != subject)
        raise AskedWrong(f"{others} is a mutant of the {MUTANTS[others].subject.value}: omit --of {subject}")
    return found[:sample]
