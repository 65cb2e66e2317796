"""Transition systems of one to four transitions, written by hand: what the engine that proves may and may not show of
them is seen at a glance, so they test it without a proof of a design."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import combinations
from typing import Any

import z3

from confsync.model.engine.program import IDLE, Kind, Label
from confsync.model.language import Design
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.protocol import LIBXL
from confsync.model.libxl.state import Local, Shared, Slot
from confsync.proofs.prover.carrier.relation import Relation, Transition, View
from confsync.proofs.prover.carrier.solver import RLIMIT
from confsync.proofs.prover.invariant.houdini import Strengthening
from confsync.proofs.prover.invariant.induction import Claim, Named, Use
from confsync.proofs.prover.invariant.lemma import Clause, Lemma
from confsync.proofs.prover.invariant.vocabulary import Ask, Atom, stated

ONE, TWO = 2, 3
"""Two locations."""
_BEGINS = 1
"""The point whose step begins an operation."""


@dataclass(frozen=True, slots=True)
class Move:
    """A transition, of any process: what it does, where it begins and ends, and what must hold for it besides the
    guards of `run`."""

    name: str
    run: Callable[[Shared, Local], None]
    here: int = IDLE
    to: int = IDLE
    given: tuple[Named, ...] = ()


@cache
def _whole(design: Design) -> Relation:
    """The relation of a design, made once: only its fields and locations are used."""
    return Relation(design)


class Tiny(Relation):
    """A relation that has these transitions and no others. A design lends it the fields and the locations."""

    def __init__(self, *moves: Move, design: Design = DESIGNS[RECOMMENDED]) -> None:
        self.__dict__.update(_whole(design).__dict__)
        self._moves = moves

    def asked(self, point: int, view: View, k: Slot) -> Any:  # noqa: ARG002
        """An operation can be asked with anything."""
        return z3.BoolVal(True)

    @cached_property
    def transitions(self) -> tuple[Transition, ...]:
        return tuple(map(self._transition, self._moves))

    def _transition(self, move: Move) -> Transition:
        before = self.view(self.me)
        after = before.copy()
        move.run(after.s, after.me)
        guards = (*((f"guard {i + 1}", g.passes) for i, g in enumerate(after.local.guards)), *move.given)
        starts = move.here == IDLE
        label = Label(Kind.STEP, _BEGINS if starts else move.here)
        return Transition(move.name, label, starts, guards, before, after, move.to)


def strengthened(
    moves: Iterable[Move],
    candidates: Iterable[Lemma],
    wanted: Iterable[Lemma],
    claims: Iterable[Claim] = (),
    *,
    rlimit: int = RLIMIT,
) -> Strengthening:
    """What the engine makes of a system: which of the lemmas that are wanted it keeps, and which claims it refuses."""
    found = Strengthening(Tiny(*moves), candidates, rlimit)
    found.keep(wanted, claims)
    return found


def atom(words: str, ask: Ask) -> Atom:
    """A statement about the stores, a process and a slot."""
    return stated(LIBXL, words, ask)


ALIVE = atom("alive", lambda s, _me, _k: s.alive)
SAVED = atom("saved", lambda s, _me, _k: s.saved)
PAUSED = atom("paused", lambda s, _me, _k: s.paused)
LOCKED = atom("locked", lambda s, _me, _k: s.locked)
HOLDS = atom("my holds", lambda _s, me, _k: me.holds)
CLOSING = atom("closing[k]", lambda s, _me, k: s.closing[k])
RESOURCES = atom("resources[k]", lambda s, _me, k: s.resources[k])
MINE = atom("k is my slot", lambda _s, me, k: me.slot == k)


def always(*literals: Atom | tuple[Atom, bool]) -> Clause:
    """One of these, wherever a process is. A pair has the answer; without one it is yes."""
    return at(None, *literals)


def at(point: int | None, *literals: Atom | tuple[Atom, bool]) -> Clause:
    """One of these, where a process is at the point."""
    return Clause(point, tuple(x if isinstance(x, tuple) else (x, True) for x in literals))


def no(x: Atom) -> tuple[Atom, bool]:
    """The opposite."""
    return x, False


def claim(found: Relation, name: str, given: Iterable[Named], fails: Any) -> Claim:
    """A claim about the process `me`, the slot `k` and all stores."""
    k = z3.Const("k", found.view(found.me).local.values["slot"].sort())
    return Claim(name, tuple(given), fails, (Use(found.me, k),))


def pigeons(holes: int) -> Any:
    """That one more pigeon than there are holes sits in a hole of its own: impossible, and hard for a solver to see."""
    sits = [[z3.Bool(f"pigeon {i} in {j}") for j in range(holes)] for i in range(holes + 1)]
    alone = (z3.Not(z3.And(a[j], b[j])) for a, b in combinations(sits, 2) for j in range(holes))
    return z3.And(*(z3.Or(*row) for row in sits), *alone)


HARD = ("pigeons", pigeons(11))
"""A premise that makes everything follow, and that no solver gets to the bottom of within LITTLE."""
LITTLE = 20_000
"""Resource units: enough for any question about a tiny system, unless it has HARD in it."""
