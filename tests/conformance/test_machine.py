"""A random walk through the model with more of everything than the search can cover, and the properties as invariants.

A failure ends in a replay token, which `confsync replay` takes.
"""

from __future__ import annotations

from copy import copy
from functools import cache

import pytest
from hypothesis import Phase, Verbosity, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from naive import Naive, Seen, State, violates

from confsync.model.engine.program import IDLE, Kind, Program, Transition
from confsync.model.engine.trace import Move, Trace, Whole, read_token, replay, step
from confsync.model.language import Invariant, Linearizable, LocksExclusive
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.operations import SIGNATURES
from confsync.model.libxl.properties import PROPERTIES
from confsync.model.libxl.state import Bounds

WIDE = Bounds(slots=3, ejectable=2, configs=4, names=3, amounts=3, processes=4, crashes=3)
HOW = (Invariant, LocksExclusive, Linearizable)
"""What can be decided of a state as it comes, a form for each way; of locks in a state in which one is at work."""

PROCESS = st.integers(0, WIDE.processes - 1)
SOME = st.integers(0, 2**16)
MANY = 12
"""Steps: more than an operation has."""


@cache
def program_of(design: str) -> Program:
    return Program(DESIGNS[design], WIDE)


@cache
def starts_of(design: str, operation: str) -> list[int]:
    """The local words with which an operation can begin."""
    program = program_of(design)
    return [w for w in program.starts if program.points[program.point_of(w)].operation == operation]


class Violation(AssertionError):
    """What a run violates. Its choices are numbered only when it is shown: that takes long, and shrinking is to be
    quick."""

    def __init__(self, name: str, program: Program, taken: list[tuple[int, Transition]]) -> None:
        super().__init__(name)
        self.name, self.program, self.taken = name, program, list(taken)

    def token(self) -> str:
        state = Whole(self.program.initial, (IDLE,) * WIDE.processes)
        moves: list[Move] = []
        for process, transition in self.taken:
            here = self.program.transitions(state.shared, state.local[process], set())
            choice = next(n for n, t in enumerate(here) if t == transition)
            moves.append(step(state, process, choice, transition))
            state = moves[-1].after
        return Trace(self.program, tuple(moves)).token(self.name)

    def __str__(self) -> str:
        return f"{PROPERTIES[self.name].statement}: that is not so after\n    confsync replay '{self.token()}'"


class Walk(RuleBasedStateMachine):
    """Processes begin operations, take steps, fail and die as Hypothesis says."""

    design = RECOMMENDED
    claims = frozenset(PROPERTIES) - {"template_has_xenstore"}

    def __init__(self) -> None:
        super().__init__()
        self.program = program_of(self.design)
        self.naive = Naive(self.program)
        self.state: State = self.naive.first
        self.seen: list[Seen] = [frozenset()] * WIDE.processes
        self.taken: list[tuple[int, Transition]] = []

    def take(self, process: int, t: Transition) -> None:
        """One small step, and a look at where it leads."""
        self.taken.append((process, t))
        self.seen = self.naive.all_notice(self.seen, self.state, process, t)
        local = self.state[1]
        local = (*local[:process], t.local, *local[process + 1 :])
        self.state = t.shared, local
        for how in HOW if any(local) else HOW[:1]:
            for name in sorted(self.naive.bad(self.state, self.seen, how) & self.claims):
                raise Violation(name, self.program, self.taken)

    def _begin(self, process: int, operation: str, which: int, steps: int) -> None:
        words = starts_of(self.design, operation)
        narrow = copy(self.program)
        narrow.starts = [words[which % len(words)]]
        for t in list(narrow.transitions(self.state[0], IDLE, set()))[:1]:
            self.take(process, t)
            self._go_on(process, steps)

    def _go_on(self, process: int, steps: int) -> None:
        for _ in range(steps):
            possible = self._steps(process, wrong=False)
            if not possible:
                return
            self.take(process, possible[0])

    def _steps(self, process: int, *, wrong: bool) -> list[Transition]:
        """What a process at work can do next: what goes wrong there, or what does not."""
        local = self.state[1][process]
        here = self.naive.moves(self.state[0], local) if local else []
        return [t for t in here if (t.label.kind in (Kind.FAILS, Kind.CRASH)) is wrong]

    def _those(self, *, busy: bool) -> list[int]:
        return [p for p, word in enumerate(self.state[1]) if bool(word) is busy]

    @initialize(which=SOME)
    def create(self, which: int) -> None:
        """Nothing happens without a domain, so one is begun with."""
        self._begin(0, "create", which, MANY)

    @precondition(lambda self: self._those(busy=False))
    @rule(process=PROCESS, operation=st.sampled_from(list(SIGNATURES)), which=SOME, steps=st.integers(0, MANY))
    def begin(self, process: int, operation: str, which: int, steps: int) -> None:
        """A process that is idle begins an operation, and takes some more steps."""
        idle = self._those(busy=False)
        self._begin(idle[process % len(idle)], operation, which, steps)

    @precondition(lambda self: self._those(busy=True))
    @rule(process=PROCESS, steps=st.integers(1, MANY))
    def go_on(self, process: int, steps: int) -> None:
        """A process at work takes some steps, and nothing goes wrong."""
        busy = self._those(busy=True)
        self._go_on(busy[process % len(busy)], steps)

    @precondition(lambda self: self._those(busy=True))
    @rule(process=PROCESS, which=SOME)
    def go_wrong(self, process: int, which: int) -> None:
        """The next step of a process at work fails, or the process dies."""
        busy = self._those(busy=True)
        p = busy[process % len(busy)]
        if possible := self._steps(p, wrong=True):
            self.take(p, possible[which % len(possible)])


def walk(design: str, claims: frozenset[str], *, examples: int) -> None:
    """Walk through a design that claims these properties."""
    machine = type("Walk", (Walk,), {"design": design, "claims": claims})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            verbosity=Verbosity.quiet,
        ),
    )


def test_the_recommended_design_stands_a_short_walk() -> None:
    walk(RECOMMENDED, Walk.claims, examples=10)


@pytest.mark.slow
@pytest.mark.parametrize("examples", [60, pytest.param(300, marks=pytest.mark.deep)])
def test_the_recommended_design_stands_a_long_walk(examples: int) -> None:
    walk(RECOMMENDED, Walk.claims, examples=examples)


@pytest.mark.parametrize(
    ("design", "claim"),
    [
        pytest.param("as_posted", "xenstore_has_template", marks=pytest.mark.deep),
        pytest.param("xenstore_first_unchecked", "template_is_faithful", marks=pytest.mark.slow),
        pytest.param("xenstore_first_unchecked", "retrieve_is_exact", marks=pytest.mark.deep),
    ],
)
def test_a_walk_through_a_broken_design_ends_in_a_token_that_replays(design: str, claim: str) -> None:
    with pytest.raises(Violation) as failure:
        walk(design, frozenset({claim}), examples=3000)
    token = read_token(str(failure.value).split("'")[-2], Bounds)
    assert (token.design, token.property_name, token.bounds) == (design, claim, WIDE)
    assert violates(program_of(design), replay(program_of(design), token).moves, claim)
