"""A design within bounds, unrolled in time: a state at each instant, and one small step between two of them.

The step is the relation of `confsync.proofs.prover.carrier.relation` on the carrier of
`confsync.proofs.prover.bounded.finite`, so it is the step functions, the ghosts and the environment of
`confsync.model`, run once on terms. What is added here is what `confsync.model.engine.program` has besides: whose turn
it is, that an operation begins with what it is asked and nothing else, that what is dead is forgotten, that only so
many processes die, and that a step changes something. So a step here is a transition of `Program`, and no other.

Of several idle processes, which differ in nothing, the first one starts: any run is such a run with processes renamed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import z3

from confsync.model.engine.concrete import Layout
from confsync.model.engine.environment import may_be_asked
from confsync.model.engine.program import IDLE, Kind, Program
from confsync.model.engine.trace import Move, Whole, step
from confsync.model.language import Bounds, Design, LanguageError, Record, all_of
from confsync.proofs.prover.bounded.finite import FiniteCells, lift
from confsync.proofs.prover.carrier.relation import Relation, Transition
from confsync.proofs.prover.carrier.terms import PROCESS, Z3Cells, any_of, formula

KINDS = list(Kind)


@dataclass(frozen=True, slots=True)
class At:
    """A state: the shared cells, and of each process its cells and the number of the point it is at."""

    shared: FiniteCells
    local: tuple[FiniteCells, ...]
    point: tuple[Any, ...]

    def terms(self) -> list[Any]:
        """All it consists of, in the same order for every state."""
        cells = (self.shared, *self.local)
        return [*(z for each in cells for _, z in each.terms()), *self.point]

    def differs(self, other: At) -> Any:
        """That it is another state."""
        return any_of([a != b for a, b in zip(self.terms(), other.terms(), strict=True)])


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is chosen at a step: whose turn it is, what kind of step; and that process's cells and point, those that
    its operation begins with if it was idle."""

    process: Any
    kind: Any
    local: FiniteCells
    point: Any

    def terms(self) -> list[Any]:
        """All it consists of, in the same order for every choice."""
        return [self.process, self.kind, self.point, *(z for _, z in self.local.terms())]


class Unrolled:
    """The small step of a design within bounds, as one formula over a state, a choice and the state after."""

    def __init__(
        self,
        design: Design,
        bounds: Bounds,
        cells: type[FiniteCells] = FiniteCells,
        relation: type[Relation] = Relation,
    ) -> None:
        """LanguageError if the design is no design, or there is no element in the bounds to say anything of."""
        self.protocol = protocol = design.protocol
        for sort in protocol.index_sorts:
            if not bounds.elements(sort):
                name = sort.name.lower()
                raise LanguageError(f"properties are about {name}s, and there is none within these bounds")
        self.elements = protocol.elements_or_one(bounds)
        self.bounds, self.program = bounds, Program(design, bounds)
        self.cells = cells.within(bounds)
        self.relation = relation(design, self.cells)
        self._now = replace(self.state(0), shared=_finite(self.relation.shared))
        self._chosen = replace(self.choice(0), local=_finite(self.relation.view(self.relation.me).local))
        self._then = self.state(1)
        self._small_step = z3.And(*self._conditions())

    def state(self, time: int) -> At:
        """The state at an instant, of which nothing is known."""
        tag, processes = f"@{time}", range(self.bounds.processes)
        owners = [z3.Const(f"process {p}", PROCESS) for p in processes]
        return At(
            self.cells.any(self.protocol.shared, tag=tag),
            tuple(self.cells.any(self.protocol.local, (owner,), tag) for owner in owners),
            tuple(self._number(f"at of process {p}{tag}", len(self.program.points)) for p in processes),
        )

    def choice(self, time: int) -> Chosen:
        """What is chosen at the step after an instant, of which nothing is known."""
        return Chosen(
            self._number(f"turn@{time}", self.bounds.processes),
            self._number(f"kind@{time}", len(KINDS)),
            self.cells.any(self.protocol.local, (self.relation.me,), f"@{time}"),
            self._number(f"at of me@{time}", len(self.program.points)),
        )

    @staticmethod
    def _number(name: str, count: int) -> Any:
        return z3.BitVec(name, max(1, (count - 1).bit_length()))

    def leads(self, now: At, chosen: Chosen, then: At) -> Any:
        """That a choice leads from a state to another."""
        old = self._now.terms() + self._chosen.terms() + self._then.terms()
        return z3.substitute(self._small_step, *zip(old, now.terms() + chosen.terms() + then.terms(), strict=True))

    def _conditions(self) -> Iterator[Any]:
        now, chosen, then = self._now, self._chosen, self._then
        ways = [(t, z3.And(self._allowed(t), *(guard for _, guard in t.guards))) for t in self.relation.transitions]
        yield any_of([way for _, way in ways])
        yield z3.ULE(chosen.process, self.bounds.processes - 1)
        yield from self._turns()
        yield from self._begins()
        yield from self._changes_something(ways)

        def after(old: Any, results: Iterable[Any]) -> Any:
            """What becomes of a term, by what each way makes of it."""
            by_result: dict[int, tuple[Any, list[Any]]] = {}
            for result, (_, way) in zip(results, ways, strict=True):
                if not result.eq(old):
                    by_result.setdefault(result.get_id(), (result, []))[1].append(way)
            new = old
            for result, its_ways in by_result.values():
                new = z3.If(any_of(its_ways), result, new)
            return new

        shared = [[z for _, z in _finite(t.after.shared).terms()] for t, _ in ways]
        for i, ((_, old), (_, new)) in enumerate(zip(now.shared.terms(), then.shared.terms(), strict=True)):
            yield new == after(old, [each[i] for each in shared])
        local = [list(self._remembered(t)) for t, _ in ways]
        mine = [z for _, z in chosen.local.terms()] + [chosen.point]
        leads = [after(old, [each[i] for each in local]) for i, old in enumerate(mine)]
        for p, (before, its_point, new, new_point) in enumerate(
            zip(now.local, now.point, then.local, then.point, strict=True)
        ):
            turn = chosen.process == p
            old = [z for _, z in before.terms()] + [its_point]
            for i, z in enumerate([*(z for _, z in new.terms()), new_point]):
                yield z == z3.If(turn, leads[i], old[i])

    def _allowed(self, t: Transition) -> Any:
        """That it is this transition that is chosen, guards apart."""
        chosen = z3.And(self._chosen.point == t.label.point, self._chosen.kind == KINDS.index(t.label.kind))
        if t.label.kind is not Kind.CRASH:
            return chosen
        return z3.And(
            chosen, self._now.shared.values[self.protocol.crashes] != self.bounds.counts()[self.protocol.crashes]
        )

    def _turns(self) -> Iterator[Any]:
        """The process whose turn it is begins an operation, the first one of those that are idle; or is at work, and
        its cells are as they are."""
        now, chosen = self._now, self._chosen
        begins = any_of([chosen.point == n for n in self.program.first.values()])
        for p, (local, point) in enumerate(zip(now.local, now.point, strict=True)):
            turn, idle = chosen.process == p, point == IDLE
            same = [point == chosen.point]
            same += [old == mine for (_, old), (_, mine) in zip(local.terms(), chosen.local.terms(), strict=True)]
            yield z3.Implies(z3.And(turn, idle), z3.And(begins, *(other != IDLE for other in now.point[:p])))
            yield z3.Implies(z3.And(turn, z3.Not(idle)), z3.And(*same))

    def _begins(self) -> Iterator[Any]:
        """An operation begins with arguments that can be given; its other locals have their first value."""
        me = self._chosen.local
        for name, n in self.program.first.items():
            given = self.protocol.operations[name].takes
            fits = [self._in_range(self.protocol.local, f, z) if f in given else z == _first(z) for f, z in me.terms()]
            view = self.relation.view(self.relation.me)
            asked = [self.relation.asked(n, view, k) for k in self.elements]
            yield z3.Implies(self._chosen.point == n, z3.And(*fits, *asked))

    def _changes_something(self, ways: Iterable[tuple[Transition, Any]]) -> Iterator[Any]:
        """An operation that ends with its first step has done something to what is shared: any other step changes at
        least where its process is."""
        both = zip(self._now.shared.terms(), self._then.shared.terms(), strict=True)
        changed = any_of([new != old for (_, old), (_, new) in both])
        ends_at_once = [way for t, way in ways if t.starts and not t.goes_to]
        if ends_at_once:
            yield z3.Implies(any_of(ends_at_once), changed)

    def _remembered(self, t: Transition) -> Iterator[Any]:
        """A process's cells and point after a transition: what is dead is forgotten."""
        live = self.program.live_locals[t.goes_to]
        for name, z in _finite(t.after.local).terms():
            yield z if name in live else _first(z)
        yield lift(t.goes_to, self._chosen.point.sort())

    def _in_range(self, record: type[Record], name: str, z: Any) -> Any:
        if z3.is_bool(z):
            return z3.BoolVal(True)
        return z3.ULE(z, self.cells.size(record.fields()[name]) - 1)

    def possible(self, state: At) -> Any:
        """What is so of every state whatever happened: values are those there are; a process is between two steps of an
        operation or idle, remembers what some later step may read, and is about an element that it can be asked
        about."""
        rules = [self._in_range(self.protocol.shared, name, z) for name, z in state.shared.terms()]
        between = [n for n in range(len(self.program.points)) if n not in self.program.first.values()]
        for local, point in zip(state.local, state.point, strict=True):
            rules.append(any_of([z3.And(point == n, self._about_its_kind(n, local)) for n in between]))
            for name, z in local.terms():
                live = [point == n for n in between if name in self.program.live_locals[n]]
                rules += [self._in_range(self.protocol.local, name, z), z3.Or(z == _first(z), *live)]
        return z3.And(*rules)

    def _about_its_kind(self, n: int, local: FiniteCells) -> Any:
        """The element of a process at a point is one that its operation can be asked about: nothing changes it."""
        if n == IDLE:
            return z3.BoolVal(True)
        signature, me = replace(self.program.signature(n), takes=()), self.protocol.local(local)
        return formula(all_of(*(may_be_asked(self.protocol, signature, me, k) for k in self.elements)))

    def is_(self, state: At, whole: Whole) -> Any:
        """That a state is this one."""
        rules = list(self._words_are(state.shared, self.program.shared_layout, whole.shared))
        for local, point, word in zip(state.local, state.point, whole.local, strict=True):
            rules += [*self._words_are(local, self.program.local_layout, word), point == self.program.point_of(word)]
        return z3.And(*rules)

    @staticmethod
    def _words_are(cells: FiniteCells, layout: Layout, word: int) -> Iterator[Any]:
        for name, value in cells.values.items():
            plain = layout.get(word, name)
            each = zip(value, plain, strict=True) if isinstance(plain, tuple) else [(value, plain)]
            for z, number in each:
                yield z == lift(number, z.sort())

    def whole(self, model: Any, state: At) -> Whole:
        """The state that a solver's model says it is."""
        local = [
            self.program.local_layout.put(
                self._word(model, cells, self.program.local_layout), "at", _plain(model, point)
            )
            for cells, point in zip(state.local, state.point, strict=True)
        ]
        return Whole(self._word(model, state.shared, self.program.shared_layout), tuple(local))

    @staticmethod
    def _word(model: Any, cells: FiniteCells, layout: Layout) -> int:
        word = 0
        for name, value in cells.values.items():
            each = tuple(_plain(model, z) for z in value) if isinstance(value, tuple) else _plain(model, value)
            word = layout.put(word, name, each)
        return word

    def move(self, model: Any, now: At, chosen: Chosen, then: At) -> Move:
        """The move of the program that a solver's model says the step between two states is. AssertionError if the
        program has no such move: the two do not agree."""
        before, after, process = self.whole(model, now), self.whole(model, then), _plain(model, chosen.process)
        for choice, t in enumerate(self.program.transitions(before.shared, before.local[process], set())):
            move = step(before, process, choice, t)
            if move.after == after:
                return move
        point = self.relation.names[_plain(model, chosen.point)]
        kind = KINDS[_plain(model, chosen.kind)].value
        raise AssertionError(
            f"process {process} {kind} at `{point}`: the unrolling has a step that the program has not"
        )


def _finite(cells: Z3Cells) -> FiniteCells:
    assert isinstance(cells, FiniteCells)
    return cells


def _first(z: Any) -> Any:
    """The first value of a term's sort."""
    return lift(False if z3.is_bool(z) else 0, z.sort())


def _plain(model: Any, z: Any) -> int:
    value = model.eval(z, model_completion=True)
    return int(z3.is_true(value)) if z3.is_bool(value) else int(value.as_long())
