"""What the checker says of pairs of a shared state and a process's own: those it can reach, and any at all."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from confsync.model.engine.concrete import Layout, Plain
from confsync.model.engine.program import IDLE, Program, Transition
from confsync.model.engine.search.bfs import Limits, Search
from confsync.model.engine.search.monitor import Monitor
from confsync.model.engine.search.pairs import Pairs
from confsync.model.language import Design
from confsync.model.libxl.state import Bounds
from confsync.proofs.prover.invariant.samples import reachable_pairs

Pair = tuple[int, int]
"""A shared word and the local word of one process."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A program, and all small steps of the process of each of some pairs."""

    program: Program
    moves: dict[Pair, set[Transition]]


def arguments(program: Program, point: int) -> tuple[str, ...]:
    """The locals that an operation is asked with. One that is given a whole configuration is given all of it."""
    signature = program.signature(point)
    whole = ("draft_name", "draft_memory") if "draft" in signature.takes else ()
    return (*(("slot",) if signature.kind("slot") else ()), *signature.takes, *whole)


def widened(program: Program) -> Program:
    """The program, and `create` may be given any name and memory target. It gives the first of each, for names are
    alike until one is in use; the relation says nothing of them."""
    layout, bounds = program.local_layout, Bounds.of(program.bounds)
    program.starts = [
        layout.put(layout.put(word, "draft_name", name), "draft_memory", amount)
        for word in program.starts
        for whole in ["draft_name" in arguments(program, program.point_of(word))]
        for name in range(bounds.names if whole else 1)
        for amount in range(bounds.amounts if whole else 1)
    ]
    return program


def checked(design: Design, bounds: Bounds, pairs: Callable[[Program], Iterable[Pair]]) -> Checked:
    """What the checker says of these pairs of a design."""
    program = Program(design, bounds)
    found = list(pairs(program))
    program = widened(program)
    return Checked(program, {pair: set(program.transitions(*pair, set())) for pair in found})


def reachable(program: Program) -> list[Pair]:
    """The pairs of every process in every state of a complete search."""
    pairs = Pairs(program)
    search = Search(program, pairs, Monitor(program, pairs.shared, pairs.local, []), symmetric=False)
    found = search.run(Limits())
    assert found.complete
    assert not found.stopped
    shared, local = reachable_pairs(search)
    words = pairs.shared.array()[shared].tolist(), pairs.local.array()[local].tolist()
    return list(zip(*words, strict=True))


def anywhere(each: int) -> Callable[[Program], list[Pair]]:
    """For each point so many pairs, of which any field has any value within the bounds."""

    def pairs(program: Program) -> list[Pair]:
        chance, first = random.Random(1), program.first.values()
        return [
            (
                anything(program.shared_layout, chance),
                program.local_layout.put(anything(program.local_layout, chance), "at", n) if n else IDLE,
            )
            for n in range(len(program.points))
            if n not in first
            for _ in range(each)
        ]

    return pairs


def anything(layout: Layout, chance: random.Random) -> int:
    """Any word of a layout, the engine's fields excepted."""
    word = 0
    for name, place in layout.places.items():
        if name not in ("at", "watch"):
            values = tuple(chance.randrange(layout.bounds.size_of(place.field)) for _ in range(place.count))
            plain: Plain = values if place.field.over else values[0]
            word = layout.put(word, name, plain)
    return word
