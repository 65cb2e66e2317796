"""Who waits for whom: that locks are not waited for in a circle, and that every operation ends.

An operation that is at work has ever fewer steps to take (`ranks`), so it ends unless it waits for ever. A lock that
is waited for is held by its owner, a ghost; where no owner waits, somebody can go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations, permutations
from typing import Any

import z3

from confsync.model.engine.program import IDLE, Kind, Program
from confsync.model.language import LanguageError
from confsync.proofs.prover.carrier.terms import PROCESS, any_of, negation
from confsync.proofs.prover.invariant.induction import Claim, Induction, Use


def no_lock() -> Claim:
    """What a property of locks comes to in a protocol that has none: there is nothing to show."""
    return Claim("there is no lock", (), z3.BoolVal(False), ())


def acyclic(ind: Induction) -> tuple[Claim, ...]:
    """No process waits for a lock that it holds, and no two or more in a circle, each for a lock of the next one's."""
    program = ind.relation.program
    about = {
        lock: [
            n
            for n, p in enumerate(program.points)
            if _comes_to(program, n) and held in program.footprints[p.step].writes_local
        ]
        for lock, held in program.protocol.holders.items()
    }
    points = frozenset(n for each in about.values() for n in each)

    def waits(process: Any, lock: str) -> Any:
        return any_of([ind.at(process, n) for n in about[lock]])

    def uses(processes: Iterable[Any]) -> tuple[Use, ...]:
        return tuple(Use(q, ind.k, points) for q in processes)

    def circle(locks: tuple[str, ...]) -> Claim:
        """No processes wait for these locks, one each, while each holds the one that the next of them waits for."""
        others = [z3.Const(f"process {n}", PROCESS) for n in range(3, len(locks) + 1)]
        processes = [ind.me, ind.p, *others]
        around = zip(processes, locks, (*locks[1:], locks[0]), strict=True)
        every = [part for q, wanted, held in around for part in (waits(q, wanted), ind.holds(q, held))]
        apart = (("another process", ind.p != ind.me),)
        return Claim(_in_a_circle(locks), apart, z3.And(*every), uses(processes))

    own = [
        Claim(
            f"nobody waits for `{x}` who holds it",
            (),
            z3.And(waits(ind.me, x), ind.holds(ind.me, x)),
            uses((ind.me, ind.p)),
        )
        for x in program.protocol.holders
    ]
    return (*own, *map(circle, _circles(tuple(program.protocol.holders)))) or (no_lock(),)


def _circles(locks: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """All orders of two locks or more in a circle, each once: a circle begins anywhere."""
    for size in range(2, len(locks) + 1):
        for first, *rest in combinations(locks, size):
            yield from ((first, *order) for order in permutations(rest))


def _in_a_circle(locks: tuple[str, ...]) -> str:
    named = [f"`{lock}`" for lock in locks]
    if len(named) == 2:
        return f"no two wait for each other's {' and '.join(named)}"
    return f"no {len(named)} wait in a circle for {', '.join(named)}"


def _comes_to(program: Program, n: int) -> bool:
    """A process that is at work can wait at the point. One that waits to begin is at work on nothing."""
    return bool(n) and n not in program.first.values() and program.footprints[program.points[n].step].waits


def somebody_goes_on(ind: Induction) -> tuple[Claim, ...]:
    """Where a process at work waits, another at work can go on: it can't be that the owners of all locks that are held
    wait, too."""
    program, relation = ind.relation.program, ind.relation
    waiting = [n for n in range(len(program.points)) if _comes_to(program, n)]
    ranks(program)

    def blocked(process: Any) -> Any:
        view = relation.view(process)
        return any_of([z3.And(ind.at(process, n), relation.blocked(n, view)) for n in waiting])

    owners = [
        (f"who holds `{lock}` waits", z3.Implies(relation.shared.values[lock], z3.And(ind.holds(q, lock), blocked(q))))
        for lock, q in ind.owner.items()
    ]
    uses = tuple(Use(q, ind.k, frozenset(waiting)) for q in (ind.me, *ind.owner.values()))
    return (Claim("where a process waits another at work does not", tuple(owners), blocked(ind.me), uses),)


def somebody_begins(ind: Induction) -> tuple[Claim, ...]:
    """Where no operation is at work, one can begin, and is at work then."""
    begins = [
        z3.And(*(g for _, g in t.guards))
        for t in ind.relation.transitions
        if t.starts and t.label.kind is Kind.STEP and t.goes_to != IDLE
    ]
    everybody = (ind.me, *ind.owner.values())
    idle = tuple((f"`{q}` is idle", ind.at(q, IDLE)) for q in everybody)
    uses = tuple(Use(q, ind.k, frozenset({IDLE})) for q in everybody)
    return (Claim("where none is at work an operation can begin", idle, negation(any_of(begins)), uses),)


def ranks(program: Program) -> list[int]:
    """For each point the most steps that are still to be taken: every step leads to a lower one, so none is taken
    twice. LanguageError if a step leads back."""
    found = [0] * len(program.points)
    later = sorted(
        range(1, len(found)), key=lambda n: (not program.points[n].cleaning_up, len(program.points[n].remaining))
    )
    for n in later:
        found[n] = 1 + max(found[program.next[n]], found[program.failed[n]])
    for n in range(1, len(found)):
        for kind in Kind:
            if found[program.leads_to(kind, n)] >= found[n]:
                raise LanguageError(
                    f"design `{program.design.name}`: a step of `{program.points[n].operation}` leads back"
                )
    return found
