"""Linearizability of the observer, decided exactly.

First the cheap question: is the answer, at the moment when its last part is read, what there is to observe? If so in
every reachable case, that moment is the linearization point and the property holds.

Where it is not, the answers that were out of date at that moment are suspects, and a second search decides. There an
observer may, as it begins, be on the look-out for one suspect answer; as soon as what there is to observe is what the
answer says, at any instant and by whomever's step, the look-out ends. An observer that returns what it is still on the
look-out for returns what was so at no instant since the call. (A prophecy variable: Abadi and Lamport,
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
from confsync.model.language import Linearizable


def suspects(pairs: Pairs) -> set[Answer]:
    """The answers that, in some reachable case, are not what there is to observe when their last part is read."""
    alone, point = Alone(pairs.program), pairs.program.last_read()
    wanted = [n for label, n in pairs.labels.items() if label.kind is Kind.STEP and label.point == point]
    rows = np.flatnonzero(np.isin(pairs.to_label.array, wanted))
    found = set()
    for g, me in set(zip(pairs.to_shared.array[rows].tolist(), pairs.to_local.array[rows].tolist(), strict=True)):
        answer = alone.answer_of(pairs.local.words[me])
        if answer != alone.truth(pairs.shared.words[g]):
            found.add(answer)
    return found


class Watching(Pairs):
    """Pairs in which an observer may begin on the look-out for one of `answers`."""

    def __init__(self, program: Program, answers: list[Answer]) -> None:
        super().__init__(program)
        self.answers = answers
        self._alone = Alone(program)
        self._number_of = {a: i + 1 for i, a in enumerate(answers)}
        self._truths: dict[int, int] = {}
        self._watch = program.local_layout.places["watch"]

    def truth(self, shared: int) -> int:
        """The number of the answer that is so right now, 0 if it is none of them."""
        if shared not in self._truths:
            now = self._alone.truth(self.shared.words[shared])
            self._truths[shared] = self._number_of.get(now, 0) if now else 0
        return self._truths[shared]

    def renamed_watch(self, permutation: Permutation) -> tuple[int, ...]:
        return (0, *(self._number_of[renamed_answer(self.program.protocol, a, permutation)] for a in self.answers))

    def watch_of(self, word: int) -> int:
        return (word & self._watch.mask) >> self._watch.offset

    def seen_now(self, local: int, truth: int) -> int:
        """The local number after answer number `truth` was seen to be so."""
        word = self.local.words[local]
        return self.local(word & ~self._watch.mask) if truth and self.watch_of(word) == truth else local

    def watched(self, batch: Batch, local: Ids, shared: Ids) -> Batch:
        rows = []
        for row, to_shared, to_local, label in zip(*(c.tolist() for c in batch.columns()), strict=True):
            word, now = self.local.words[to_local], self.truth(to_shared)
            rows.append((row, to_shared, self.seen_now(to_local, now), label))
            if local[row] == 0 and to_local and self.program.observing(self.program.point_of(word)):
                past = (now, self.truth(int(shared[row])))
                looks_out = [word | n << self._watch.offset for n in self._number_of.values() if n not in past]
                rows += [(row, to_shared, self.local(w), label) for w in looks_out]
        return Batch(*np.array(rows, np.int64).reshape(-1, 4).T)


class WatchMonitor(Monitor):
    """Judges one thing: an observer that is about to return what it is still on the look-out for."""

    def __init__(self, pairs: Watching) -> None:
        self.pairs = pairs
        properties = pairs.program.protocol.properties
        names = [name for name, p in properties.items() if isinstance(p, Linearizable)]
        super().__init__(pairs.program, pairs.shared, pairs.local, names)

    def _judge_local(self, word: int) -> tuple[int, int, int, int]:
        if word != IDLE and self.program.answers(self.program.point_of(word)):
            watch = self.pairs.watch_of(word)
            assert self.alone
            if watch and self.alone.answer_of(word) == self.pairs.answers[watch - 1]:
                return self.mask, 0, 0, 0
        return 0, 0, 0, 0

    def _judge_quiescent(self, word: int) -> tuple[int, int]:  # noqa: ARG002
        return 0, 0


class WatchSearch(Search):
    """A search in which every process notices what there is to observe after every step."""

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
    group = permutations(program.protocol, program.bounds)
    group = group if symmetric else group[:1]
    closed = sorted({renamed_answer(program.protocol, a, g) for a in answers for g in group})
    watched = Program(program.design, program.bounds, only=program.only, watches=len(closed) + 1)
    pairs = Watching(watched, closed)
    return WatchSearch(watched, pairs, WatchMonitor(pairs), symmetric=symmetric)
