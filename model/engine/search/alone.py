"""What one operation does alone, from a state in which no other is at work: properties of quiescent states."""

from __future__ import annotations

from dataclasses import dataclass

from confsync.model.engine.concrete import Plain, WordCells
from confsync.model.engine.footprint import any_element, probe
from confsync.model.engine.program import IDLE, Program
from confsync.model.language import AloneInvariant, Element, FixedPoint, Protocol

Part = int | tuple[int, ...]
Answer = tuple[Part, ...]
"""What the observer answers, part by part in the order of `Observer.answer`; of a map a number for each element.
Sliced fields are 0."""


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, and the local word of the process that is about to return it."""

    answer: Answer
    local: int


class Alone:
    """Runs operations alone: no failure, no crash, nobody else. The protocol has an observer."""

    def __init__(self, program: Program) -> None:
        assert program.protocol.observer
        self.program, self.observer = program, program.protocol.observer
        self._kept = program.only
        self._reads = 0
        for point in range(1, len(program.points)):
            if program.points[point].operation == self.observer.operation:
                self._reads |= program.reads(point)[0]
        self._answers: dict[int, Answered | None] = {}
        self._fixed: dict[tuple[Answer, Answer], bool] = {}
        protocol = program.protocol
        of = [
            (p, protocol.bits[p.name], protocol.elements_or_one(program.bounds, p.over))
            for p in protocol.properties.values()
        ]
        self._invariants = [(p, bit, elements) for p, bit, elements in of if isinstance(p, AloneInvariant)]
        self._fixed_points = [(p, bit, elements) for p, bit, elements in of if isinstance(p, FixedPoint)]
        self._about = {p.name: self._is_about(p) for p, _, _ in self._fixed_points}

    def _is_about(self, p: FixedPoint) -> bool:
        """Whether the slice keeps the part of the answer that the interesting case is about."""
        return self._kept is None or answer_reads(self.program.protocol, p) <= self._kept

    def _keeps(self, field: str) -> bool:
        return self._kept is None or field in self._kept

    def run(self, shared: int, local: int) -> tuple[int, Answered | None]:
        """The shared word after an operation begun with this local word, and what it returns, if it is the observer
        and succeeds. One that is blocked stays where it is."""
        program, answered = self.program, None
        while local != IDLE:
            point = program.point_of(local)
            if program.answers(point):
                answered = Answered(self.answer_of(local), local)
            effects = program.outcomes(point, shared, local, set())
            if effects is None:
                return shared, None
            t = program.apply(effects[0], point, shared, local)
            shared, local = t.shared, t.local
        return shared, answered

    def answer_of(self, local: int) -> Answer:
        """What the observer with this local word is about to return."""
        return tuple(_part(self.program.local_layout.get(local, field)) for field in self.observer.answer)

    def truth(self, shared: int) -> Answer | None:
        """What there is to observe; None if there is nothing. Only the parts that an answer has in this slice."""
        layout = self.program.shared_layout
        if not layout.get(shared, self.observer.exists):
            return None
        parts = []
        for field, about in self.observer.answer.items():
            part = _part(layout.get(shared, about))
            if not self._keeps(field):
                part = tuple(0 for _ in part) if isinstance(part, tuple) else 0
            parts.append(part)
        return tuple(parts)

    def answer_alone(self, shared: int) -> Answer | None:
        """What the observer answers alone; None if it returns an error."""
        answered = self._answered(shared)
        return answered.answer if answered else None

    def _answered(self, shared: int) -> Answered | None:
        key = shared & self._reads
        if key not in self._answers:
            start = self.program.local_layout.put(IDLE, "at", self.program.first[self.observer.operation])
            self._answers[key] = self.run(shared, start)[1]
        return self._answers[key]

    def recreated(self, answer: Answer) -> tuple[Answer | None, Answer | None]:
        """Make the same anew from an answer, in the initial state: what there is then, and what is answered."""
        word = self.program.local_layout.put(IDLE, "at", self.program.first[self.observer.recreates])
        for field, part in zip(self.observer.answer, answer, strict=True):
            word = self.program.local_layout.put(word, field, part)
        shared, _ = self.run(self.program.initial, word)
        return self.truth(shared), self.answer_alone(shared)

    def judge(self, shared: int) -> tuple[int, int]:
        """(violated, met) of the properties that are decided in quiescent states, as masks."""
        answered, truth = self._answered(shared), self.truth(shared)
        if answered is None or truth is None:
            return 0, 0
        s = self.program.protocol.shared(WordCells(self.program.shared_layout, shared, []))
        me = self.program.protocol.local(WordCells(self.program.local_layout, answered.local, []))
        violated = met = 0
        for p, bit, elements in self._invariants:
            violated |= 0 if all(p.holds(s, me, k) for k in elements) else bit
            met |= bit if any(p.met(s, me, k) for k in elements) else 0
        for f, bit, elements in self._fixed_points:
            usable = all(f.usable(me, k) for k in elements)
            violated |= 0 if usable and self._is_fixed(answered.answer, truth) else bit
            met |= bit if not self._about[f.name] or any(f.met(me, k) for k in elements) else 0
        return violated, met

    def _is_fixed(self, answer: Answer, truth: Answer) -> bool:
        key = (answer, truth)
        if key not in self._fixed:
            self._fixed[key] = self.recreated(answer) == (truth, answer)
        return self._fixed[key]


def answer_reads(protocol: Protocol, p: FixedPoint) -> frozenset[str]:
    """The parts of an answer that the interesting case of a property is about."""
    sort = p.over or (protocol.index_sorts[0] if protocol.index_sorts else None)
    k = any_element(sort) if sort else None
    return probe(lambda _s, me: p.met(me, k), p.name, protocol.shared, protocol.local, ghosts=True).reads_local


def _part(value: Plain) -> Part:
    if isinstance(value, tuple):
        return tuple(map(int, value))
    return value.index if isinstance(value, Element) else int(value)
