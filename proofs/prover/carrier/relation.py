"""A design as a transition relation on Z3 terms: what any process can do next, in any state of any size.

Everything comes from `confsync.model.engine.program`: its points, where they lead, and the step functions, the ghosts
and the environment, each run once on terms. A process is a term of the sort Process, and its locals are functions of
it. What an idle process's locals are is what it will be asked with: nothing else is known of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import z3

from confsync.model.engine.environment import die, may_be_asked
from confsync.model.engine.program import Kind, Label, Point, Program
from confsync.model.language import COUNT, Design, Index, LanguageError, Protocol
from confsync.proofs.prover.carrier.terms import PROCESS, Guard, Z3Cells, formula, z3_sort


@dataclass(frozen=True, slots=True)
class View:
    """A state as one process sees it: the shared cells and its own."""

    protocol: Protocol
    shared: Z3Cells
    local: Z3Cells

    @property
    def s(self) -> Any:
        """The shared record, of the protocol's type."""
        return self.protocol.shared(self.shared)

    @property
    def me(self) -> Any:
        """The process's own record, of the protocol's type."""
        return self.protocol.local(self.local)

    def copy(self) -> View:
        """The same state, to run a step on."""
        return View(self.protocol, self.shared.copy(), self.local.copy())


@dataclass(frozen=True, slots=True)
class Transition:
    """One outcome of the step at a point: under which conditions, what is after it, and where it leads.

    A first step starts its operation: `before` it the process is idle. `guards`: the conditions, by name.
    """

    name: str
    label: Label
    starts: bool
    guards: tuple[tuple[str, Any], ...]
    before: View
    after: View
    goes_to: int

    @property
    def writes_shared(self) -> frozenset[str]:
        """The frame: the shared fields it does not write stay as they are."""
        return frozenset(self.after.shared.written)

    @property
    def writes_local(self) -> frozenset[str]:
        return frozenset(self.after.local.written)


class Relation:
    """All transitions of a design. LanguageError if the design is no design, or a step does not run on terms."""

    def __init__(self, design: Design, cells: type[Z3Cells] = Z3Cells) -> None:
        self.design = design
        self.protocol = design.protocol
        _check_symbols(design.protocol)
        self.index = _index_sort(design.protocol)
        """What elements are of; of a protocol without an index sort, a sort that nothing is said of."""
        # A program is made for bounds; its points and where they lead are the same for all.
        self.program = Program(design, design.protocol.bounds.ones())
        self.cells = cells
        self.names = _names(self.program.points)
        self.at = z3.Function("at", PROCESS, z3.IntSort())
        """The number of the point that a process is at."""
        self.shared = cells.any(self.protocol.shared)
        self.naturals = [self.shared.values[n] >= 0 for n, f in self.protocol.shared_fields.items() if f.sort == COUNT]
        """That counts are natural numbers."""

    def view(self, process: Any) -> View:
        """The state as it is before a transition, as this process sees it."""
        return View(self.protocol, self.shared, self.cells.any(self.protocol.local, (process,)))

    def asked(self, point: int, view: View, k: Index) -> Any:
        """What is known of the arguments of an operation that begins at a point, at an element."""
        return formula(may_be_asked(self.program.protocol, self.program.signature(point), view.me, k))

    @cached_property
    def me(self) -> Any:
        """The process that takes the step."""
        return z3.Const("me", PROCESS)

    @cached_property
    def transitions(self) -> tuple[Transition, ...]:
        """All transitions of the process `me`, in the order of the points."""
        before = self.view(self.me)
        return tuple(t for n in range(1, len(self.program.points)) for t in self.outcomes(n, before))

    def outcomes(self, n: int, before: View) -> Iterator[Transition]:
        """What the step at a point can come to: taken, refused, made to fail; or the process dies before it."""
        program, point = self.program, self.program.points[n]
        signature = program.signature(n)
        taken = before.copy()
        point.step.run(taken.s, taken.me)
        reached = tuple(taken.local.guards)
        follow = program.protocol.ghosts.follow(signature, program.footprints[point.step].writes_shared)
        follow(taken.s, taken.me)
        guards = tuple((f"{self.names[n]}: guard {i + 1}", g.passes) for i, g in enumerate(reached))
        yield self._outcome(Kind.STEP, n, guards, before, taken)
        if refused := _refused(reached):
            yield self._outcome(Kind.REFUSED, n, refused, before, self._given_up(n, before))
        if point.step.may_fail:
            yield self._outcome(Kind.FAILS, n, guards, before, self._given_up(n, before))
        if n not in program.first.values():
            dead = before.copy()
            die(program.protocol, signature)(dead.s, dead.me)
            yield self._outcome(Kind.CRASH, n, (), before, dead)

    def blocked(self, n: int, view: View) -> Any:
        """The process, at a point, waits: a guard that it comes to is not so yet."""
        after = view.copy()
        self.program.points[n].step.run(after.s, after.me)
        guards = after.local.guards
        return z3.Or(*(_stopped(guards, i) for i, g in enumerate(guards) if g.waits))

    def _given_up(self, n: int, before: View) -> View:
        view = before.copy()
        if not self.program.points[n].cleaning_up:
            gives_up = self.program.protocol.ghosts.gives_up(self.program.signature(n), self.program.written(n))
            gives_up(view.s, view.me)
        return view

    def _outcome(
        self, kind: Kind, n: int, guards: tuple[tuple[str, Any], ...], before: View, after: View
    ) -> Transition:
        goes_to = self.program.leads_to(kind, n)
        if not goes_to:  # what an idle process holds is forgotten
            for held in self.program.protocol.held:
                after.local.write(self.program.protocol.local_fields[held], False)
        starts = n in self.program.first.values()
        return Transition(f"{self.names[n]} {kind.value}", Label(kind, n), starts, guards, before, after, goes_to)


def _check_symbols(protocol: Protocol) -> None:
    """On terms a name is a symbol: of two things with one name, a proof would take one for the other. LanguageError
    names the first. Constants of different sorts may have one name."""
    means = dict.fromkeys(("me", "p", "k"), "one of the prover's own names")
    named = [(name, "a field") for name in (*protocol.shared_fields, *protocol.local_fields)]
    named += [(kind.name, f"a kind of {sort.name}") for sort in protocol.index_sorts for kind in sort.kinds[1:]]
    named += [(name, f"a constant of {sort.name}") for sort in protocol.value_sorts for name in sort.constants]
    seen = set[tuple[str, str]]()
    for name, what in named:
        first = means.setdefault(name, what)
        constants = first.startswith("a constant") and what.startswith("a constant")
        if not name.isidentifier() or (name, what) in seen or (first != what and not constants):
            other = f"is {first}, and is {what} too" if name.isidentifier() else f"is no name for {what}"
            raise LanguageError(f"a proof needs a name for each thing: in protocol {protocol.name}, `{name}` {other}")
        seen.add((name, what))


def _index_sort(protocol: Protocol) -> Any:
    """The Z3 sort of the elements that predicates are asked of. LanguageError for a protocol with several."""
    if len(protocol.index_sorts) > 1:
        raise LanguageError(f"a proof is for protocols with one index sort: {protocol.name} has more")
    for sort in protocol.index_sorts:
        if len(sort.kinds) > 2:
            raise LanguageError(f"a proof is for index sorts with two kinds at most: {sort.name} has more")
        return z3_sort(sort)
    return z3.DeclareSort("Element")


def _names(points: list[Point]) -> list[str]:
    """A name for each point, no two alike."""
    found: list[str] = []
    for n, p in enumerate(points):
        name = " ".join(p.place) if n else p.operation
        same = sum(1 for f in found if f == name or f.startswith(f"{name} #"))
        found.append(f"{name} #{same + 1}" if same else name)
    return found


def _stopped(guards: Sequence[Guard], i: int) -> Any:
    """Guard number `i` stops the step, and none before it does."""
    return z3.And(*(before.passes for before in guards[:i]), z3.Not(guards[i].passes))


def _refused(guards: Sequence[Guard]) -> tuple[tuple[str, Any], ...]:
    """That some guard refuses, and none before it stops the step: () if no guard can."""
    ways = [_stopped(guards, i) for i, g in enumerate(guards) if not g.waits]
    return (("a guard refuses", z3.Or(*ways)),) if ways else ()
