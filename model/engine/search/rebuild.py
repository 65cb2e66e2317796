"""From a state that a search found to a trace of the whole program: a shortest one, replayable."""

from __future__ import annotations

import numpy as np

from confsync.model.engine.concrete import Layout
from confsync.model.engine.program import Program
from confsync.model.engine.search.bfs import Search
from confsync.model.engine.search.frontier import States
from confsync.model.engine.trace import Move, Trace, Whole, initial, step
from confsync.model.language import ValueSort


def _projection(word: int, whole: Layout, part: Layout) -> int:
    """A word of the whole program as the slice's layout has it: the watch 0, and values that the slice does not tell
    apart one."""
    out = 0
    for name, place in part.places.items():
        if place.bits and name != "watch":
            value, sort = whole.get(word, name), place.field.sort
            if isinstance(sort, ValueSort):
                last = part.bounds.size(sort) - 1
                value = tuple(min(v, last) for v in value) if isinstance(value, tuple) else min(int(value), last)  # type: ignore[arg-type]
            out = part.put(out, name, value)
    return out


def rebuild(search: Search, whole: Program, target: States, level: int) -> Trace:
    """A shortest trace of `whole` to the state `target` of a search over a slice of it.

    The search's path is of canonical states. It is followed forwards in states as they are: of the transitions
    from each, one is taken whose canonical form is the next on the path.
    """
    sliced = search.program
    shared, local = np.zeros(1, np.int64), [np.zeros(1, np.int64) for _ in range(sliced.bounds.processes)]
    state, moves = initial(whole), []
    watch = sliced.local_layout.places["watch"].mask
    for wanted in search.chain(target, level)[1:]:
        process, shared, local = search.follow(shared, local, wanted)
        after_shared = search.pairs.shared.words[int(shared[0])]
        after_local = search.pairs.local.words[int(local[process][0])] & ~watch
        moves.append(_move(whole, sliced, state, process, after_shared, after_local))
        state = moves[-1].after
    return Trace(whole, tuple(moves))


def _move(whole: Program, sliced: Program, state: Whole, process: int, shared: int, local: int) -> Move:
    for choice, t in enumerate(whole.transitions(state.shared, state.local[process], set())):
        same = _projection(t.shared, whole.shared_layout, sliced.shared_layout) == shared
        if same and _projection(t.local, whole.local_layout, sliced.local_layout) == local:
            return step(state, process, choice, t)
    raise AssertionError("a step of the slice is no step of the whole: the slice is wrong")
