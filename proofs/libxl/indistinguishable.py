"""Why a design can have no abstraction function: two states that look alike, and what is attached differs.

An abstraction function gives the domain's configuration from what a process can see: of an entry in xenstore, whether
it is there and whether it is empty (J3: a configuration can't be rebuilt from xenstore). So where two reachable states
agree in everything that can be seen, and other devices were attached, there is none, whatever its definition: it gives
both the same, and in one of them that is not what the domain has. What is left to a retrieve is to make an entry up,
and to say that it did: a degraded report.

Such a pair is searched for within bounds. That there is none in any size follows where `template_is_faithful` is
proved, or that a design refines the specification (`confsync.proofs.libxl.refinement` shows that what is seen is what
was attached): then what is attached is a function of the template and of what can be seen in xenstore."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from confsync.model.engine.concrete import Plain, WordCells
from confsync.model.engine.program import IDLE, Program
from confsync.model.engine.search.bfs import Limits, Search
from confsync.model.engine.search.frontier import States
from confsync.model.engine.search.monitor import Monitor
from confsync.model.engine.search.pairs import Pairs
from confsync.model.engine.search.rebuild import rebuild
from confsync.model.engine.trace import Trace
from confsync.model.language import COUNT, Design
from confsync.model.libxl.state import SLOT, Bounds, Shared
from confsync.proofs.libxl.specification import runs

VISIBLE = frozenset(n for n, f in Shared.fields().items() if not f.ghost and f.sort != COUNT)
"""All that any process can see. How many have died nobody counts but the engine."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two runs that end in states that look alike, in which other devices are attached."""

    one: Trace
    other: Trace


@dataclass(frozen=True, slots=True)
class Alike:
    """What a search found. Without a pair there is none within the bounds, unless `stopped` says at which limit it
    stopped."""

    pair: Pair | None
    states: int
    bounds: Bounds
    stopped: str


Seen = tuple[Plain, ...]
"""What can be seen of a state."""
Reached = tuple[int, States]
"""A state, as a search has it, and its level."""


class _Looking:
    """What was seen so far, and the first state in which it was for each that was attached."""

    def __init__(self, search: Search, seen: frozenset[str], *, at_rest: bool) -> None:
        self.search, self.seen, self.at_rest = search, sorted(seen - {"xenstore"}), at_rest
        self.pair: tuple[Reached, Reached] | None = None
        self._first: dict[Seen, dict[Plain, Reached]] = {}
        self._known: set[int] = set()

    def look(self, level: int) -> bool:
        """Look at the states of a level. -> whether there is a pair by now: the later of the two is as early as can be,
        and the other as early as can be then"""
        if level == 0:  # a search can begin again
            self._first, self._known = {}, set()
        states = self.search.visited.levels[level]
        shared, local = self.search.packing.unpack(states)
        rows = np.arange(states.size)
        if self.at_rest:
            rows = np.flatnonzero(np.all([column == IDLE for column in local], axis=0))
        numbers, where = np.unique(shared[rows], return_index=True)
        for number, row in zip(numbers.tolist(), rows[where].tolist(), strict=True):
            if number not in self._known:
                self._known.add(number)
                self._note(self.search.pairs.shared.words[number], (level, states[row : row + 1].copy()))
        return self.pair is not None

    def _note(self, word: int, here: Reached) -> None:
        layout = self.search.program.shared_layout
        s = Shared(WordCells(layout, word, []))
        if not runs(s):
            return
        entries = [(s.xenstore[k].present, s.xenstore[k].empty) for k in layout.elements(SLOT)]
        looks = (*(layout.get(word, name) for name in self.seen), *(bool(x) for entry in entries for x in entry))
        attached = self._first.setdefault(looks, {})
        others = [there for config, there in attached.items() if config != layout.get(word, "xenstore")]
        attached.setdefault(layout.get(word, "xenstore"), here)
        if others:
            pair = min(others, key=lambda reached: reached[0]), here
            if self.pair is None or pair[0][0] < self.pair[0][0]:
                self.pair = pair


def look_alike(
    design: Design,
    bounds: Bounds,
    seen: frozenset[str] = VISIBLE,
    *,
    at_rest: bool = True,
    limits: Limits | None = None,
) -> Alike:
    """Search for two reachable states of a running domain that are alike in the fields `seen` (of xenstore: what can be
    seen of it), and differ in what is attached. `at_rest`: among those in which no operation is at work, so that no
    process remembers which it is."""
    program = Program(design, bounds)
    pairs = Pairs(program)
    # configurations are not renamed: two that differ in nothing else are what is looked for
    search = Search(program, pairs, Monitor(program, pairs.shared, pairs.local, []), symmetric=False)
    looking = _Looking(search, seen, at_rest=at_rest)
    found = search.run(limits or Limits(), looking.look)
    pair = None
    if looking.pair:
        one, other = (rebuild(search, program, state, level) for level, state in looking.pair)
        pair = Pair(one, other)
    return Alike(pair, found.states, bounds, found.stopped)
