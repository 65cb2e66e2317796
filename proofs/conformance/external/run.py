"""The exploration of somebody else's implementation."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from confsync.model.engine.memory import INTERRUPT, LimitReached, Meter
from confsync.model.engine.program import Program
from confsync.model.language import Design
from confsync.proofs.conformance.coverage import coverage
from confsync.proofs.conformance.design import as_it_can_fail
from confsync.proofs.conformance.explore import CannotPrepare, Explored, Explorer, Start
from confsync.proofs.conformance.external.messages import ProtocolBroken, Untold
from confsync.proofs.conformance.external.moves import AGAIN, ExternalMoves
from confsync.proofs.conformance.external.peer import PATIENCE, Peer
from confsync.proofs.conformance.reproduce import Replayed, read, scope_of
from confsync.proofs.conformance.reproduce import again as take_again
from confsync.proofs.conformance.run import OnProgress, Report, Told, tell_divergence
from confsync.proofs.conformance.scope import BEFORE, Scope, holding, starts, together
from confsync.proofs.conformance.steps import Kind


@contextmanager
def driving(
    command: Sequence[str], design: Design, scope: Scope, *, patience: float = PATIENCE, again: int = AGAIN
) -> Iterator[Explorer]:
    """An explorer that holds an implementation, started by the command, against the design. `patience`: seconds to
    each answer. `again`: every so many steps that are known, one is taken again. ProtocolBroken."""
    program = Program(as_it_can_fail(design), scope.bounds)
    with Peer(command, patience) as peer:
        yield Explorer(ExternalMoves(peer, program, failures=scope.failures > 0, again=again), program, holding(design))


def explore_external(
    command: Sequence[str],
    design: Design,
    scope: Scope,
    on_progress: OnProgress,
    *,
    patience: float = PATIENCE,
    again: int = AGAIN,
    with_coverage: bool = False,
    max_bytes: int | None = None,
) -> Report:
    """Every combination of operations on every start, until one diverges; after Ctrl-C, or where that takes more than
    `max_bytes` of memory, what was covered until then. ProtocolBroken, also if it cannot create the domains to begin
    with."""
    began = time.perf_counter()
    covered, told, done = Explored(), list[Told](), 0
    asked_for = list(together(scope))
    of = len(BEFORE) * len(asked_for)
    model, stopped = None, ""
    with driving(command, design, scope, patience=patience, again=again) as explorer:
        explorer.memory = Meter(max_bytes)
        try:
            _prepared(explorer, told)
            todo = [] if told else [(*s, asked) for s in starts(explorer).items() for asked in asked_for]
            for name, start, asked in todo:
                explorer.memory.check()
                found = explorer.explore(start, asked, deaths=scope.deaths, failures=scope.failures)
                done += 1
                covered.add(found)
                if found.divergence:
                    told.append(tell_divergence(explorer, name, start, found.divergence))
                    break
                on_progress(done, of)
        except KeyboardInterrupt:
            stopped = INTERRUPT
        except LimitReached as limit:
            stopped = str(limit)
        except CannotPrepare as e:
            raise ProtocolBroken(f"nothing can be explored without a domain: {e}") from e
        if with_coverage and not told and done == of:
            model = coverage(explorer, scope, frozenset(explorer.matching.taken), explorer.rested)
    if told:
        _require_again(told[0], command, design, patience)
    return Report(design.name, scope, done, of, covered, tuple(told), model, time.perf_counter() - began, stopped)


def replay_external(token: str, command: Sequence[str], design: Design, *, patience: float = PATIENCE) -> Replayed:
    """Have an implementation, started by the command, take the schedule of a token again, held against the design.
    TokenError if it is none, or of the reference implementation; ProtocolBroken."""
    schedule, total = read(token, Kind.EXTERNAL)
    with driving(command, design, scope_of(schedule), patience=patience) as explorer:
        return take_again(explorer, schedule, total)


def _require_again(told: Told, command: Sequence[str], design: Design, patience: float) -> None:
    """Untold if the schedule does not diverge where nothing else has been done before it."""
    found = replay_external(told.token, command, design, patience=patience)
    if found.wrong != told.reason or not found.same:
        steps = "\n".join((*told.steps, f"diverges: {told.reason}"))
        raise Untold(
            f"a schedule diverged, and did not do so again when a new process took it from its beginning: what the "
            f"implementation does depends on something else than its stores and what it has told.\n{steps}"
        )


def _prepared(explorer: Explorer, told: list[Told]) -> None:
    """What is done beforehand is held against the model too."""
    nothing = Start(explorer.steps.first(), explorer.program.initial)
    for before in BEFORE.values():
        if before and not told:
            found = explorer.explore(nothing, before[:1])
            if found.divergence:
                told.append(tell_divergence(explorer, "none", nothing, found.divergence))
