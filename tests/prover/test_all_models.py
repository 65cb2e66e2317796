"""The solver's word for it: asked for all models of a state before and some transition, it finds what the checker does.

Nothing is substituted and nothing worked out beside the solver: the sorts are uninterpreted, of which so many values
have names and differ; the state before is given by equations, the state after are constants, and every model is
followed by the demand for another one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import pytest
import z3
from libxl_terms import CONSTANTS, EJECTABLE, SORTS
from odd_design import odd_design
from reached import Checked, Pair, anywhere, arguments, checked, reachable
from wrong_relations import RELATIONS

from confsync.model.engine.concrete import Layout, Plain
from confsync.model.engine.program import IDLE, Program, Transition
from confsync.model.language import BOOL, Element, Field, Sort
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.operations import HOLDERS
from confsync.model.libxl.state import AMOUNT, CONFIG, NAME, SLOT, Bounds, Local, Shared
from confsync.proofs.prover.carrier.relation import Relation
from confsync.proofs.prover.carrier.relation import Transition as OnTerms
from confsync.proofs.prover.carrier.terms import Z3Term

pytestmark = pytest.mark.slow

BOUNDS = Bounds(slots=1, ejectable=1, configs=1, names=2, amounts=2, processes=1, crashes=1)
IN_RELATION = {n: f for r in (Shared, Local) for n, f in r.fields().items() if f.sort in SORTS}


class Solved:
    """A relation within a program's bounds, as one formula over the states before and after."""

    def __init__(self, relation: Relation, program: Program) -> None:
        self.relation, self.program = relation, program
        self.slots = [z3.Const(f"slot{k.index}", SORTS[SLOT]) for k in program.bounds.elements(SLOT)]
        sizes = {sort: program.bounds.size(sort) for sort in (CONFIG, NAME, AMOUNT)}
        self.values = {SORTS[SLOT]: self.slots} | {
            SORTS[sort]: [CONSTANTS[SORTS[sort]].get(i, z3.Const(f"{sort.name}{i}", SORTS[sort])) for i in range(size)]
            for sort, size in sizes.items()
        }
        self.before = relation.view(relation.me)
        self.after = {name: self._constants(f"{name} after", f) for name, f in IN_RELATION.items()}
        self.asked = {
            name: self._constants(f"{name} asked", f) for name in Local.fields() if (f := IN_RELATION.get(name))
        }
        self.which, self.at = z3.Ints("which at")
        self.solver = z3.Solver()
        self.solver.add(*(z3.Distinct(v) for v in self.values.values()))
        self.solver.add(
            *(EJECTABLE(s) == k.ejectable for s, k in zip(self.slots, program.bounds.elements(SLOT), strict=True))
        )
        self.solver.add(*self._within_bounds())
        self.solver.add(z3.Or([self._happens(i, t) for i, t in enumerate(relation.transitions)]))

    def _constants(self, name: str, field: Field) -> list[Any]:
        """A constant for a field, for a map one a slot."""
        return [z3.Const(f"{name} {i}", SORTS[field.sort]) for i in range(len(self.slots) if field.over else 1)]

    def _parts(self, field: Field, value: Any) -> list[Any]:
        return [value(k) for k in self.slots] if field.over else [value]

    def _within_bounds(self) -> Iterator[Any]:
        """What an operation is asked with has a name, and so many processes have died at most."""
        for name, field in Local.fields().items():
            if SORTS.get(field.sort) in self.values:
                for part in self._parts(field, self.before.local.values[name]):
                    yield z3.Or([part == v for v in self.values[SORTS[field.sort]]])
        yield self.after["crashes"][0] <= Bounds.of(self.program.bounds).crashes

    def _happens(self, i: int, t: OnTerms) -> Any:
        """That it is this transition. What nothing can read any more is forgotten; an idle process only locks."""
        program = self.program
        live = program.live_locals[t.goes_to] if t.goes_to else {*HOLDERS.values()}
        conditions = [self.which == i, self.at == t.goes_to, *(g for _, g in t.guards)]
        conditions.append(self.relation.at(self.relation.me) == (IDLE if t.starts else t.label.point))
        after = t.after.shared.values | {n: v for n, v in t.after.local.values.items() if n in live}
        for name, constants in self.after.items():
            conditions += self._are(IN_RELATION[name], constants, after.get(name))
        given = arguments(program, t.label.point) if t.starts else ()
        if t.starts:
            conditions += [self.relation.asked(t.label.point, self.before, Z3Term(k)) for k in self.slots]
        for name, constants in self.asked.items():
            conditions += self._are(
                IN_RELATION[name], constants, self.before.local.values[name] if name in given else None
            )
        return z3.And(conditions)

    def _are(self, field: Field, constants: list[Any], value: Any) -> list[Any]:
        """The constants stand for a field's value; for its first value if there is none."""
        if value is None:
            return [c == self._term(0, field.sort) for c in constants]
        return [c == part for c, part in zip(constants, self._parts(field, value), strict=True)]

    def _term(self, value: bool | int | Element, sort: Sort) -> Any:
        if isinstance(value, Element):
            return self.slots[value.index]
        if SORTS[sort] in self.values:
            return self.values[SORTS[sort]][value]
        return z3.BoolVal(bool(value)) if sort == BOOL else z3.IntVal(value)

    def _plain(self, model: Any, constant: Any) -> int:
        value = model.eval(constant, model_completion=True)
        if constant.sort() in self.values:
            return next(i for i, v in enumerate(self.values[constant.sort()]) if value.eq(model.eval(v)))
        return int(z3.is_true(value)) if z3.is_bool(value) else int(value.as_long())

    def _named(self, model: Any, constant: Any) -> Any:
        """What a constant is in a model, in a word that means the same in the next."""
        values = self.values.get(constant.sort())
        return values[self._plain(model, constant)] if values else model.eval(constant, model_completion=True)

    def moves(self, shared: int, local: int) -> set[Transition]:
        """All models, as the checker's transitions. One that changes nothing is left out, as there."""
        self.solver.push()
        self.solver.add(*self._is(shared, local))
        found, projection = set(), [self.which, self.at, *chain(*self.after.values(), *self.asked.values())]
        while self.solver.check() == z3.sat:
            model = self.solver.model()
            move = self._read(model)
            if (move.shared, move.local) != (shared, local):
                found.add(move)
            self.solver.add(z3.Or([c != self._named(model, c) for c in projection]))
        assert self.solver.check() == z3.unsat
        self.solver.pop()
        return found

    def _is(self, shared: int, local: int) -> Iterator[Any]:
        """The state before. Of an idle process, that it holds no lock."""
        program, cells = self.program, (self.before.shared.values, self.before.local.values)
        yield self.relation.at(self.relation.me) == program.point_of(local)
        for values, names, layout, word in (
            (cells[0], cells[0].keys(), program.shared_layout, shared),
            (cells[1], HOLDERS.values() if local == IDLE else cells[1].keys(), program.local_layout, local),
        ):
            for name in names:
                plain, parts = layout.get(word, name), self._parts(IN_RELATION[name], values[name])
                for part, value in zip(parts, plain if isinstance(plain, tuple) else (plain,), strict=True):
                    yield part == self._term(value, IN_RELATION[name].sort)

    def _read(self, model: Any) -> Transition:
        t = self.relation.transitions[self._plain(model, self.which)]
        shared, local = self.program.shared_layout, self.program.local_layout
        then = self._word(local, model, self.after, self._plain(model, self.at))
        began = self._word(local, model, self.asked, t.label.point) if t.starts else IDLE
        return Transition(t.label, self._word(shared, model, self.after, None), then, began)

    def _word(self, layout: Layout, model: Any, constants: dict[str, list[Any]], at: int | None) -> int:
        word = 0 if at is None else layout.put(0, "at", at)
        for name in constants.keys() & layout.places.keys():
            values = tuple(self._plain(model, c) for c in constants[name])
            plain: Plain = values if IN_RELATION[name].over else values[0]
            word = layout.put(word, name, plain)
        return word


def some(one_in: int) -> Callable[[Program], list[Pair]]:
    """Of one in so many points a reachable pair; and an idle one, that can start anything."""

    def pairs(program: Program) -> list[Pair]:
        found = reachable(program)
        random.Random(1).shuffle(found)
        at_each = {program.point_of(local): (shared, local) for shared, local in found}
        idle = [pair for pair in found if pair[1] == IDLE]
        return [*list(at_each.values())[::one_in], *idle[:1]]

    return pairs


def disagreements(relation: Relation, said: Checked) -> Iterator[str]:
    """Where there are other models than the checker has transitions."""
    solved = Solved(relation, said.program)
    for pair, moves in said.moves.items():
        admitted = solved.moves(*pair)
        if admitted != moves:
            yield f"{pair}: only models {admitted - moves}, only in the checker {moves - admitted}"


@pytest.fixture(scope="module")
def few() -> Checked:
    """What the checker says of a few pairs."""
    return checked(DESIGNS[RECOMMENDED], BOUNDS, some(7))


def test_the_models_are_the_successors(few: Checked) -> None:
    assert list(disagreements(Relation(DESIGNS[RECOMMENDED]), few)) == []


def test_a_relation_with_other_models_is_found_out(few: Checked) -> None:
    assert next(disagreements(RELATIONS["a_death_keeps_the_lock"](DESIGNS[RECOMMENDED]), few), None)


@pytest.mark.deep
def test_the_models_are_the_successors_at_every_point() -> None:
    said = checked(DESIGNS[RECOMMENDED], BOUNDS, some(1))
    assert list(disagreements(Relation(DESIGNS[RECOMMENDED]), said)) == []


def test_the_models_are_the_successors_in_any_state() -> None:
    said = checked(odd_design, BOUNDS, anywhere(1))
    assert list(disagreements(Relation(odd_design), said)) == []
