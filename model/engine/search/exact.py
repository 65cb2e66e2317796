"""`retrieve_is_exact`: linearizability of retrieve, decided exactly.

First the cheap question: is the result, at the moment when its last part is read, what the domain is? If so in
every reachable case, that moment is the linearization point and the property holds.

Where it is not, the results that were out of date at that moment are suspects, and a second search decides. There a
retrieve may, as it begins, be on the look-out for one suspect answer; as soon as the domain is what the answer
says, at any instant and by whomever's step, the look-out ends. A retrieve that returns what it is still on the
look-out for returns what the domain was at no instant since the call. (A prophecy variable: Abadi and Lamport,
"The existence of refinement mappings", 1991.)
"""

from __future__ import annotations

import numpy as np

from confsync.model.engine.program import IDLE, Kind, Program
from confsync.model.engine.search.alone import Alone, Answer
from confsync.model.engine.search.bfs import Search
from confsync.model.engine.search.frontier import Ids
from confsync.model.engine.search.monitor import Monitor
from confsync.model.engine.search.pairs import Batch, Pairs
from confsync.model.engine.search.symmetry import Permutation, permutations, renamed_answer
from confsync.model.libxl.properties import BIT
from confsync.model.libxl.state import RESULT


def last_read(program: Program) -> int:
    """The point of `retrieve` whose step reads the last part of the result."""
    steps = program.design.retrieve.steps
    last = max(i for i, s in enumerate(steps) if program.footprints[s].writes_local & set(RESULT))
    return next(
        n
        for n, p in enumerate(program.points)
        if p.operation == "retrieve" and not p.cleaning_up and p.remaining and p.done == last
    )


def suspects(pairs: Pairs) -> set[Answer]:
    """The results that, in some reachable case, are not what the domain is when their last part is read."""
    alone, point = Alone(pairs.program), last_read(pairs.program)
    wanted = [n for label, n in pairs.labels.items() if label.kind is Kind.STEP and label.point == point]
    rows = np.flatnonzero(np.isin(pairs.to_label.array, wanted))
    found = set()
    for g, me in set(zip(pairs.to_shared.array[rows].tolist(), pairs.to_local.array[rows].tolist(), strict=True)):
        answer = alone.answer_of(pairs.local.words[me])
        if answer != alone.truth(pairs.shared.words[g]):
            found.add(answer)
    return found


class Watching(Pairs):
    """Pairs in which a retrieve may begin on the look-out for one of `answers`."""

    def __init__(self, program: Program, answers: list[Answer]) -> None:
        super().__init__(program)
        self.answers = answers
        self._alone = Alone(program)
        self._number_of = {a: i + 1 for i, a in enumerate(answers)}
        self._truths: dict[int, int] = {}
        self._watch = program.local_layout.places["watch"]

    def truth(self, shared: int) -> int:
        """The number of the answer that the domain is right now, 0 if it is none of them."""
        if shared not in self._truths:
            now = self._alone.truth(self.shared.words[shared])
            self._truths[shared] = self._number_of.get(now, 0) if now else 0
        return self._truths[shared]

    def renamed_watch(self, permutation: Permutation) -> tuple[int, ...]:
        return (0, *(self._number_of[renamed_answer(a, permutation)] for a in self.answers))

    def watch_of(self, word: int) -> int:
        return (word & self._watch.mask) >> self._watch.offset

    def seen_now(self, local: int, truth: int) -> int:
        """The local number after the domain was seen to be answer number `truth`."""
        word = self.local.words[local]
        return self.local(word & ~self._watch.mask) if truth and self.watch_of(word) == truth else local

    def watched(self, batch: Batch, local: Ids, shared: Ids) -> Batch:
        rows = []
        for row, to_shared, to_local, label in zip(*(c.tolist() for c in batch.columns()), strict=True):
            word, now = self.local.words[to_local], self.truth(to_shared)
            rows.append((row, to_shared, self.seen_now(to_local, now), label))
            point = self.program.points[self.program.point_of(word)]
            if local[row] == 0 and to_local and point.operation == "retrieve" and not point.cleaning_up:
                past = (now, self.truth(int(shared[row])))
                looks_out = [word | n << self._watch.offset for n in self._number_of.values() if n not in past]
                rows += [(row, to_shared, self.local(w), label) for w in looks_out]
        return Batch(*np.array(rows, np.int64).reshape(-1, 4).T)


class WatchMonitor(Monitor):
    """Judges one thing: a retrieve that is about to return what it is still on the look-out for."""

    def __init__(self, pairs: Watching) -> None:
        self.pairs = pairs
        super().__init__(pairs.program, pairs.shared, pairs.local, ["retrieve_is_exact"])

    def _judge_local(self, word: int) -> tuple[int, int, int, int]:
        if word != IDLE and self.program.answers(self.program.point_of(word)):
            watch = self.pairs.watch_of(word)
            if watch and self.alone.answer_of(word) == self.pairs.answers[watch - 1]:
                return BIT["retrieve_is_exact"], 0, 0, 0
        return 0, 0, 0, 0

    def _judge_quiescent(self, word: int) -> tuple[int, int]:  # noqa: ARG002
        return 0, 0


class WatchSearch(Search):
    """A search in which every process notices what the domain is after every step."""

    pairs: Watching
    notices = True

    def notice(self, process: int, shared: Ids, local: list[Ids]) -> None:
        truths = np.array([self.pairs.truth(g) for g in range(len(self.pairs.shared))], np.int64)[shared]
        for q, column in enumerate(local):
            if q == process:
                continue
            watches = np.array([self.pairs.watch_of(w) for w in self.pairs.local.words], np.int64)[column]
            for row in np.flatnonzero((watches > 0) & (watches == truths)).tolist():
                column[row] = self.pairs.seen_now(int(column[row]), int(truths[row]))


def watching(program: Program, answers: set[Answer], *, symmetric: bool) -> WatchSearch:
    """The second search, for these suspects; with symmetry, for all that they can be renamed to."""
    group = permutations(program.bounds) if symmetric else permutations(program.bounds)[:1]
    closed = sorted({renamed_answer(a, g) for a in answers for g in group})
    watched = Program(program.design, program.bounds, only=program.only, watches=len(closed) + 1)
    pairs = Watching(watched, closed)
    return WatchSearch(watched, pairs, WatchMonitor(pairs), symmetric=symmetric)
