"""What can be asked of a design, as functions: what the commands `check`, `prove` and `conform` do.

They work in this process, print nothing, and have the commands' defaults but for the limits: without one a search goes
on to its end.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from confsync.model.command import design_file
from confsync.model.engine import check as checker
from confsync.model.engine.search.bfs import Limits
from confsync.model.engine.verdict import Cell
from confsync.model.language import Design
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.operations import SIGNATURES
from confsync.model.libxl.properties import PROPERTIES
from confsync.model.libxl.registry import REGISTRY
from confsync.model.libxl.state import Bounds
from confsync.model.report.output import replay_command
from confsync.model.report.story import story_text
from confsync.proofs.conformance.run import Report as Conformance
from confsync.proofs.conformance.run import explore
from confsync.proofs.conformance.schedule import MOST_PROCESSES
from confsync.proofs.conformance.scope import Scope
from confsync.proofs.libxl.arguments import ARGUMENTS
from confsync.proofs.prover.carrier.solver import RLIMIT
from confsync.proofs.prover.report import Asked, report_on
from confsync.terminal.text import unknown

__all__ = ["Conformance", "check", "conform", "load", "prove", "story"]


def load(path: Path) -> dict[str, Design]:
    """The designs of libxl's protocol in a file, by name. DesignFileError names the file, the line and the way out."""
    return design_file.load(path, REGISTRY)


def check(
    design: Design, *properties: str, bounds: Bounds | None = None, max_states: int | None = None
) -> dict[str, Cell]:
    """The verdict on each of these properties (all, if none is named), by a search of every state within bounds.

    `bounds`: two processes, one of which may die, one slot and one drive, if not given. `max_states`: a search that has
    found so many is stopped, and what it has not decided is BOUNDED. A refuted property's cell has a shortest trace.
    ValueError names what is no property or no bound; LanguageError says what is wrong with the design.

    >>> from confsync import DESIGNS, Bounds
    >>> small = Bounds(slots=1, ejectable=0, configs=2, names=1, amounts=1)
    >>> cell = check(DESIGNS["xenstore_first_unchecked"], "template_is_faithful", bounds=small)["template_is_faithful"]
    >>> cell.verdict.value, cell.depth
    ('REFUTED', 8)
    """
    bounds = bounds or Bounds()
    for name, least in Bounds.least().items():
        _within(name, getattr(bounds, name), least)
    _within("max_states", max_states, 1)
    limits = Limits(max_states)
    found = checker.check(design, bounds, _known("property", properties, PROPERTIES), limits=limits)
    return {cell.property_name: cell for cell in found.cells}


def prove(design: Design, *properties: str, rlimit: int = RLIMIT, max_states: int | None = None) -> dict[str, Cell]:
    """The verdict on each of these properties (all, if none is named), by a proof for any number of everything.

    A property without a proof is REFUTED if a search within the default bounds finds a counterexample, else UNKNOWN.
    `rlimit`: Z3's resource units for one question. `max_states`: as in `check`, of that search. Errors as of `check`.
    """
    _within("rlimit", rlimit, 1)
    _within("max_states", max_states, 1)
    names = _known("property", properties, PROPERTIES)
    asked = Asked((design,), names, Bounds(), rlimit=rlimit, max_states=max_states, arguments=ARGUMENTS)
    return {cell.property_name: cell for cell in report_on(asked, design).cells}


def conform(
    design: Design | None = None,
    *operations: str,
    processes: int = 2,
    crashes: int = 1,
    failures: int = 0,
    jobs: int = 1,
) -> Conformance:
    """Whether the implementation follows a design (the recommended one, if none is given) after every interleaving.

    `operations`: of which so many are run beside each other; all, if none is named. `crashes` and `failures`: how often
    a process may die, and a port may fail, in one run. `jobs`: processes that work on it. The report says what was
    covered, and of the first divergence a schedule made small. ValueError names what is no operation or no number for
    one of these.

    >>> report = conform(None, "rename", "retrieve", processes=2, crashes=0)
    >>> report.conforms, report.told
    (True, ())
    """
    for name, given, least, most in (
        ("processes", processes, 1, MOST_PROCESSES),
        ("crashes", crashes, 0, None),
        ("failures", failures, 0, None),
        ("jobs", jobs, 1, None),
    ):
        _within(name, given, least, most)
    scope = Scope(processes, crashes, failures, _known("operation", operations, SIGNATURES))
    return explore(design or DESIGNS[RECOMMENDED], scope, jobs=jobs, on_progress=lambda _done, _of: None)


def story(cell: Cell, width: int = 98) -> str:
    """A refuted property's counterexample, told step by step in so many columns. ValueError if there is none.

    >>> from confsync import DESIGNS, Bounds
    >>> one = Bounds(slots=1, ejectable=0, configs=1, names=1, amounts=1, processes=1)
    >>> cells = check(DESIGNS["as_posted"], "template_has_xenstore", "lock_is_exclusive", bounds=one)
    >>> print(story(cells["template_has_xenstore"]).splitlines()[0])
    as_posted violates template_has_xenstore in 3 steps
    >>> story(cells["lock_is_exclusive"])
    Traceback (most recent call last):
      ...
    ValueError: lock_is_exclusive of as_posted is EXHAUSTED: there is no counterexample to tell
    """
    if cell.trace is None:
        said = f"{cell.property_name} of {cell.design} is {cell.verdict.value}"
        raise ValueError(f"{said}: there is no counterexample to tell")
    return story_text(cell.trace, cell.property_name, width=width, command=replay_command(cell.token))


def _within(name: str, given: int | None, least: int, most: int | None = None) -> None:
    """ValueError if a number that is given is not from `least` to `most` (None: without end)."""
    if given is not None and (given < least or (most is not None and given > most)):
        raise ValueError(f"{name}={given}: it has to be at least {least}{f' and at most {most}' if most else ''}")


def _known(what: str, named: tuple[str, ...], known: Iterable[str]) -> tuple[str, ...]:
    """The names, or all that are known. ValueError."""
    every = tuple(known)
    for name in named:
        if name not in every:
            raise ValueError(unknown(what, name, every))
    return named or every
