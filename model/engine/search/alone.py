"""What one operation does alone, from a state in which no other is at work: properties of quiescent states."""

from __future__ import annotations

from confsync.model.engine.concrete import Plain, WordCells
from confsync.model.engine.program import IDLE, Program
from confsync.model.language import MADE_UP
from confsync.model.libxl.properties import BIT
from confsync.model.libxl.state import RESULT, Shared

Answer = tuple[tuple[int, ...], int, int]
"""A whole configuration: what is at each slot, the name, the memory target. Sliced fields are 0."""


class Alone:
    """Runs operations alone: no failure, no crash, nobody else."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._kept = program.only
        retrieve = range(1, len(program.points))
        self._reads = 0
        for point in retrieve:
            if program.points[point].operation == "retrieve":
                self._reads |= program.reads(point)[0]
        self._answers: dict[int, Answer | None] = {}
        self._fixed: dict[tuple[Answer, Answer], bool] = {}

    def _keeps(self, field: str) -> bool:
        return self._kept is None or field in self._kept

    def run(self, shared: int, local: int) -> tuple[int, Answer | None]:
        """The shared word after an operation begun with this local word, and what it returns, if it is a retrieve
        that succeeds. One that is blocked stays where it is."""
        program, answer = self.program, None
        while local != IDLE:
            point = program.point_of(local)
            if program.answers(point):
                answer = self.answer_of(local)
            effects = program.outcomes(point, shared, local, set())
            if effects is None:
                return shared, None
            t = program.apply(effects[0], point, shared, local)
            shared, local = t.shared, t.local
        return shared, answer

    def answer_of(self, local: int) -> Answer:
        """What a retrieve with this local word is about to return."""
        draft, name, memory = (self.program.local_layout.get(local, f) for f in RESULT)
        assert isinstance(draft, tuple)
        assert isinstance(name, int)
        assert isinstance(memory, int)
        return tuple(map(int, draft)), name, memory

    def truth(self, shared: int) -> Answer | None:
        """The domain's configuration: what was attached at each slot, its name, its memory target; None if there
        is no domain. Only the parts that a result has in this slice."""
        layout = self.program.shared_layout
        if not layout.get(shared, "alive"):
            return None
        attached, name, memory = (layout.get(shared, f) for f in ("xenstore", "name", "memory"))
        assert isinstance(attached, tuple)
        assert isinstance(name, int)
        assert isinstance(memory, int)
        nothing = tuple(0 for _ in attached)
        return (
            tuple(map(int, attached)) if self._keeps("draft") else nothing,
            name if self._keeps("draft_name") else 0,
            memory if self._keeps("draft_memory") else 0,
        )

    def retrieve(self, shared: int) -> Answer | None:
        """What a retrieve alone returns; None if it returns an error."""
        key = shared & self._reads
        if key not in self._answers:
            start = self.program.local_layout.put(IDLE, "at", self.program.first["retrieve"])
            self._answers[key] = self.run(shared, start)[1]
        return self._answers[key]

    def recreated(self, answer: Answer) -> tuple[Answer | None, Answer | None]:
        """Create a domain from an answer on an empty host: what it is, and what a retrieve of it returns."""
        word = self.program.local_layout.put(IDLE, "at", self.program.first["create"])
        parts: tuple[Plain, ...] = answer
        for field, part in zip(RESULT, parts, strict=True):
            word = self.program.local_layout.put(word, field, part)
        shared, _ = self.run(self.program.initial, word)
        return self.truth(shared), self.retrieve(shared)

    def judge(self, shared: int) -> tuple[int, int]:
        """(violated, met) of the properties that are decided in quiescent states, as masks."""
        s = Shared(WordCells(self.program.shared_layout, shared, []))
        answer, truth = self.retrieve(shared), self.truth(shared)
        if answer is None or truth is None:
            return 0, 0
        violated = met = 0
        knobs = (s.name if self._keeps("draft_name") else 0, s.granted if self._keeps("draft_memory") else 0)
        if any(k != 0 for k in knobs):
            met |= BIT["knobs_are_reflected"]
        if answer[1] != knobs[0] or (answer[2] != knobs[1] and not s.torn):
            violated |= BIT["knobs_are_reflected"]
        if any(answer[0]) or not self._keeps("draft"):
            met |= BIT["retrieve_is_a_fixed_point"]
        if not self._is_fixed(answer, truth):
            violated |= BIT["retrieve_is_a_fixed_point"]
        return violated, met

    def _is_fixed(self, answer: Answer, truth: Answer) -> bool:
        key = (answer, truth)
        if key not in self._fixed:
            self._fixed[key] = MADE_UP not in answer[0] and self.recreated(answer) == (truth, answer)
        return self._fixed[key]
