"""Steps, operations and designs: a step is written once, a design is an order of steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from typing import overload

from confsync.model.language import Bool, LanguageError, Slot
from confsync.model.libxl.state import Local, Shared

StepFunction = Callable[[Shared, Local], None]


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
    a file write, a transaction's commit, a hotplug script."""
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


@dataclass(frozen=True, slots=True)
class GivenLemma:
    """What a design's author says is always so, for a proof to try: of every slot, and every process that is at a
    location such as `attach 5 enter_xenstore` ("": wherever it is). It is shown like any lemma, never believed."""

    words: str
    holds: Callable[[Shared, Local, Slot], Bool] = field(compare=False)
    at: str = ""


@dataclass(frozen=True, slots=True)
class Design:
    """A choice of operations: the unit that is checked. `says` is its page, read aloud."""

    name: str
    says: str
    create: Operation
    attach: Operation
    detach: Operation
    insert: Operation
    eject: Operation
    swap: Operation
    set_memory_target: Operation
    rename: Operation
    retrieve: Operation
    destroy: Operation
    lemmas: tuple[GivenLemma, ...] = ()

    def operations(self) -> Iterator[tuple[str, Operation]]:
        """Name and order of each, in the order of a domain's life."""
        for f in fields(self):
            if f.name in SIGNATURES:
                yield f.name, getattr(self, f.name)

    def but(self, name: str, says: str, **changed: Operation) -> Design:
        """A variant: this design with some operations changed."""
        unknown = sorted(set(changed) - set(SIGNATURES))
        if unknown:
            raise LanguageError(
                f"design `{name}`: no such operation: {', '.join(unknown)}; there are {', '.join(SIGNATURES)}"
            )
        return replace(self, name=name, says=says, **changed)  # type: ignore[arg-type]

    def without(self, name: str, says: str, *dropped: Step) -> Design:
        """A variant: this design with these steps left out of every operation."""
        for s in dropped:
            if not any(s in o.steps for _, o in self.operations()):
                raise LanguageError(f"design `{name}`: `{s}` is no step of `{self.name}`, so it can't be left out")
        return self.but(name, says, **{n: o.without(*dropped) for n, o in self.operations()})


@dataclass(frozen=True, slots=True)
class Signature:
    """What an operation is asked with, and what it must touch to do what its name says."""

    words: str
    slot: str = ""
    """`ordinary` or `ejectable`: the kind of slot it names, if any."""
    takes: tuple[str, ...] = ()
    """Which of `config`, `new_name`, `amount`, `draft` (a whole configuration) it is given."""
    writes: tuple[str, ...] = ()
    """Shared fields that its steps must write: an operation that does not is no such operation."""


SIGNATURES = {
    "create": Signature(
        "create the domain with a whole configuration",
        takes=("draft",),
        writes=("alive", "saved", "template", "xenstore", "resources"),
    ),
    "attach": Signature(
        "attach a device", slot="ordinary", takes=("config",), writes=("template", "xenstore", "resources")
    ),
    "detach": Signature("detach a device", slot="ordinary", writes=("xenstore", "resources")),
    "insert": Signature(
        "insert a medium into an empty drive", slot="ejectable", takes=("config",), writes=("template", "xenstore")
    ),
    "eject": Signature("eject the medium", slot="ejectable", writes=("xenstore",)),
    "swap": Signature(
        "replace the medium by another", slot="ejectable", takes=("config",), writes=("template", "xenstore")
    ),
    "set_memory_target": Signature("set the memory target", takes=("amount",), writes=("granted", "memory")),
    "rename": Signature("rename the domain", takes=("new_name",), writes=("name",)),
    "retrieve": Signature("read the domain's configuration back"),
    "destroy": Signature("destroy the domain", writes=("alive", "saved", "xenstore", "resources")),
}
