"""Does a trace end in a violation? Asked of the whole program, state by state, without the search that found it."""

from __future__ import annotations

import numpy as np

from confsync.model.engine.search.alone import Alone
from confsync.model.engine.search.bfs import Search
from confsync.model.engine.search.monitor import Monitor
from confsync.model.engine.search.pairs import Pairs
from confsync.model.engine.search.recover import Recoveries
from confsync.model.engine.trace import Trace, initial
from confsync.model.language import Linearizable, Recoverable


def violates(trace: Trace, name: str) -> bool:
    """Whether the last state of a trace violates a property; of one about the observer's exactness, whether an observer
    is about to return what was so at no instant since its call."""
    program = trace.program
    p = program.protocol.properties[name]
    if isinstance(p, Linearizable):
        return _inexact(trace)
    pairs = Pairs(program)
    search = Search(program, pairs, Monitor(program, pairs.shared, pairs.local, [name]), symmetric=False)
    shared = np.array([pairs.shared(trace.last.shared)], np.int64)
    local = [np.array([pairs.local(word)], np.int64) for word in trace.last.local]
    if isinstance(p, Recoverable):
        search.visited.add_level(search.packing.pack(shared, local))
        quiet = all(word == 0 for word in trace.last.local)
        return quiet and bool(Recoveries(search, p.recovery).hopeless()[0].size)
    indices = [pairs.index(column, shared) for column in local]
    can_move = [pairs.can_move.array[i] for i in indices]
    violated, _ = search.monitor.judge(shared, local, can_move)
    return bool(violated[0] & program.protocol.bits[name])


def _inexact(trace: Trace) -> bool:
    program, alone = trace.program, Alone(trace.program)
    for process, word in enumerate(trace.last.local):
        if not word or not program.answers(program.point_of(word)):
            continue
        mine = [n for n, m in enumerate(trace.moves) if m.process == process and m.transition.started]
        states = [initial(program), *(m.after for m in trace.moves)]
        if all(alone.truth(s.shared) != alone.answer_of(word) for s in states[mine[-1] :]):
            return True
    return False
