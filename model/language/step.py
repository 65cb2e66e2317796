"""Steps and operations: a step is written once, an operation is an order of steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, overload

from confsync.model.language.terms import LanguageError

StepFunction = Callable[[Any, Any], None]
"""A function of the shared record and of the process's own: those of the step's protocol."""


@dataclass(frozen=True, slots=True)
class Step:
    """A guard and an update in one place. `may_fail`: the environment can make it fail before it does anything."""

    name: str
    run: StepFunction = field(compare=False)
    may_fail: bool = field(default=False, compare=False)

    @property
    def words(self) -> str:
        """The first sentence of its docstring."""
        return " ".join((self.run.__doc__ or self.name.replace("_", " ")).split()).split(". ")[0].rstrip(".")

    def __str__(self) -> str:
        return self.name


@overload
def step(run: StepFunction, /) -> Step: ...
@overload
def step(*, may_fail: bool = False) -> Callable[[StepFunction], Step]: ...
def step(run: StepFunction | None = None, /, *, may_fail: bool = False) -> Step | Callable[[StepFunction], Step]:
    """Make a function a step. Say `@step(may_fail=True)` where the real thing can be refused by the outside:
    a file write, a transaction's commit, a script."""
    if run is not None:
        return Step(run.__name__, run)
    return lambda f: Step(f.__name__, f, may_fail)


@dataclass(frozen=True, slots=True)
class Undo:
    """A part of a clean-up, for the case that the step `of` has been done."""

    of: Step
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return f"once {self.of}: {', '.join(map(str, self.steps))}"


@dataclass(frozen=True, slots=True)
class Operation:
    """An order of steps, and its clean-up.

    Where a step fails, or a guard of it refuses, the operation goes on with the parts of its clean-up that apply,
    and returns an error. There a step that is refused has nothing to undo and is passed over; one that fails ends
    its part of the clean-up.
    """

    steps: tuple[Step, ...]
    clean_up: tuple[Undo, ...] = ()

    def clean_up_after(self, done: int) -> tuple[tuple[Step, ...], ...]:
        """The parts of the clean-up of a failure in step number `done`: those before it have been done."""
        return tuple(u.steps for u in self.clean_up if u.of in self.steps[:done] and u.steps)

    def without(self, *dropped: Step) -> Operation:
        """The same order with these steps left out, of the clean-up too."""
        return Operation(
            tuple(s for s in self.steps if s not in dropped),
            tuple(Undo(u.of, tuple(s for s in u.steps if s not in dropped)) for u in self.clean_up),
        )

    def dropping(self, i: int) -> Operation:
        """The same order without its step number `i`."""
        return replace(self, steps=self.steps[:i] + self.steps[i + 1 :])

    def swapping(self, i: int) -> Operation:
        """The same order with steps number `i` and `i + 1` exchanged."""
        s = self.steps
        return replace(self, steps=(*s[:i], s[i + 1], s[i], *s[i + 2 :]))

    def before(self, old: Step, *new: Step) -> Operation:
        """The same order with `new` put in before the first `old`."""
        if old not in self.steps:
            raise LanguageError(
                f"`{old}` is no step of this operation; its steps are {', '.join(map(str, self.steps))}"
            )
        i = self.steps.index(old)
        return replace(self, steps=self.steps[:i] + new + self.steps[i:])

    def then(self, other: Operation) -> Operation:
        """This operation, and after it the other, as one."""
        return Operation(self.steps + other.steps, tuple(dict.fromkeys(self.clean_up + other.clean_up)))


def once(done: Step, *steps: Step) -> Undo:
    """What a clean-up does where `done` has been done."""
    return Undo(done, steps)


def order(*steps: Step, on_failure: tuple[Undo, ...] = ()) -> Operation:
    """An operation as a design's page writes it down."""
    for s in (*steps, *(s for u in on_failure if isinstance(u, Undo) for s in (u.of, *u.steps))):
        if not isinstance(s, Step):
            raise LanguageError(f"`{getattr(s, '__name__', s)}` is no step: write @step before its definition")
    for u in on_failure:
        if not isinstance(u, Undo):
            raise LanguageError(f"`{u}` is no part of a clean-up: write once(the step it undoes, {u})")
    return Operation(steps, on_failure)
