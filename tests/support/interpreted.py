"""A relation on terms in a finite structure: what it says of plain states, to be held against the checker.

A term is worked out by substitution: every field by its value, every named constant and the slots by values that Z3
itself holds to be different. The answer depends on no field but those that occur in the term, so it is kept for
their values, and so is what a whole transition does.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import z3
from libxl_terms import CONSTANTS, EJECTABLE, SORTS
from reached import arguments

from confsync.model.engine.concrete import Layout, Plain
from confsync.model.engine.program import IDLE, Program
from confsync.model.engine.program import Transition as Move
from confsync.model.language import BOOL, Element, Field, Sort
from confsync.model.libxl.operations import HOLDERS
from confsync.model.libxl.state import AMOUNT, CONFIG, NAME, SLOT, Bounds, Local, Shared
from confsync.proofs.prover.carrier.relation import Relation, Transition
from confsync.proofs.prover.carrier.terms import PROCESS, Z3Term

FIELDS: dict[str, Field] = Shared.fields() | Local.fields()
ORDER = {name: i for i, name in enumerate(FIELDS)}


def distinct_values(sort: Any, count: int) -> list[Any]:
    """Values that Z3 itself holds to be different."""
    names = [z3.Const(f"v{i}", sort) for i in range(count)]
    solver = z3.Solver()
    solver.add(z3.Distinct(*names))
    assert solver.check() == z3.sat
    return [solver.model().eval(n) for n in names]


class Structure:
    """A finite interpretation of the sorts, and of what the language has names for. A sort has as many values as
    the bounds say, and no fewer than have names."""

    def __init__(self, bounds: Bounds) -> None:
        self.slots = bounds.elements(SLOT)
        self.values: dict[Sort, list[Any]] = {SLOT: distinct_values(SORTS[SLOT], len(self.slots))}
        self.named: list[tuple[Any, Any]] = []
        """The symbols that mean the same in every state, and what they mean."""
        self._meanings: dict[Any, Any] = {}
        self._questions: dict[int, Question] = {}
        for sort in (CONFIG, NAME, AMOUNT):
            constants = CONSTANTS[SORTS[sort]]
            self.values[sort] = distinct_values(SORTS[sort], max(bounds.size(sort), len(constants)))
            self.named += [(constant.decl(), self.values[sort][i]) for i, constant in constants.items()]
        self._plain = {v.get_id(): i for values in self.values.values() for i, v in enumerate(values)}
        self.named.append((EJECTABLE, self.meaning(tuple(k.ejectable for k in self.slots), BOOL, 1)))

    def meaning(self, value: Plain, sort: Sort, arguments: int) -> Any:
        """A plain value as a term; a map as one of a symbol's last argument, a slot."""
        key = value, sort, arguments
        if key not in self._meanings:
            if isinstance(value, tuple):
                found, k = self.meaning(value[-1], sort, 0), z3.Var(arguments - 1, SORTS[SLOT])
                for slot, at in zip(self.values[SLOT][:-1], value[:-1], strict=True):
                    found = z3.If(k == slot, self.meaning(at, sort, 0), found)
            elif sort in self.values:
                found = self.values[sort][value.index if isinstance(value, Element) else value]
            else:
                found = z3.BoolVal(value) if sort == BOOL else z3.IntVal(value)
            self._meanings[key] = found
        return self._meanings[key]

    def value_of(self, term: Any) -> bool | int:
        """The plain value that a term has come to."""
        if term.get_id() in self._plain:
            return self._plain[term.get_id()]
        if z3.is_int_value(term):
            return int(term.as_long())
        assert z3.is_true(term) or z3.is_false(term), f"{term} has no value yet"
        return bool(z3.is_true(term))

    def question(self, term: Any) -> Question:
        """The term as a question; of the same term the same one."""
        key = term.get_id()
        if key not in self._questions:
            self._questions[key] = Question(term, self)
        return self._questions[key]

    def whole(self, field: Field, value: Any) -> list[Question]:
        """What a field has come to, as questions: one, or for a map one a slot."""
        return [self.question(t) for t in (map(value, self.values[SLOT]) if field.over else [value])]


def symbols(term: Any) -> dict[str, Any]:
    """The uninterpreted symbols that occur in a term, by name. The only process is the one that takes the step."""
    found: dict[str, Any] = {}
    todo, seen = [term], set()
    while todo:
        t = todo.pop()
        if t.get_id() not in seen:
            seen.add(t.get_id())
            todo += t.children()
            if t.decl().kind() == z3.Z3_OP_UNINTERPRETED:
                found[t.decl().name()] = t.decl()
                assert t.sort() != PROCESS or t.decl().name() == "me", f"{term} is about {t}"
    return found


class Question:
    """A term, asked at one plain state after another."""

    def __init__(self, term: Any, structure: Structure) -> None:
        self.term, self.structure = term, structure
        occurring = symbols(term)
        self.inputs = [
            (FIELDS[n], occurring[n]) for n in sorted(occurring.keys() & FIELDS.keys(), key=ORDER.__getitem__)
        ]
        self.known: dict[tuple[Any, ...], bool | int] = {}

    def answer(self, values: dict[str, Any]) -> bool | int:
        given = tuple(values[f.name] for f, _ in self.inputs)
        if given not in self.known:
            self.known[given] = self._work_out(given)
        return self.known[given]

    def _work_out(self, given: tuple[Any, ...]) -> bool | int:
        of = self.structure
        fields = [
            (decl, of.meaning(value, f.sort, decl.arity())) for (f, decl), value in zip(self.inputs, given, strict=True)
        ]
        return of.value_of(z3.simplify(z3.substitute_funs(self.term, *of.named, *fields)))


class Outcome:
    """A transition of the relation, on plain states.

    What a process can still read is what it remembers, as in the program; of an idle one the relation says that it
    holds no lock, and the program that it remembers nothing.
    """

    def __init__(self, transition: Transition, program: Program, structure: Structure) -> None:
        self.transition, self.program = transition, program
        self.guards = [structure.question(g) for _, g in transition.guards]
        goes_to = transition.goes_to
        live = program.live_locals[goes_to] if goes_to else set(HOLDERS.values())
        after = transition.after
        self.shared = {n: structure.whole(FIELDS[n], after.shared.values[n]) for n in transition.writes_shared}
        self.local = {n: structure.whole(FIELDS[n], after.local.values[n]) for n in transition.writes_local & live}
        self._keeps_shared = ~program.shared_layout.mask(transition.writes_shared)
        self._keeps_local = program.local_layout.mask(live - transition.writes_local - {"at"})
        written = [*self.shared.values(), *self.local.values()]
        self.inputs = {f.name for q in itertools.chain(self.guards, *written) for f, _ in q.inputs}
        self._reads = [
            (layout, sorted(self.inputs & layout.places.keys()), layout.mask(self.inputs & layout.places.keys()))
            for layout in (program.shared_layout, program.local_layout)
        ]
        self._known: dict[tuple[int, int], tuple[int, int] | None] = {}
        """For each reading of the fields that occur, the bits that are written; None where it doesn't happen."""

    def move(self, shared: int, local: int) -> Move | None:
        """What it is from these words, if anything; that the process is at its point is given."""
        (_, _, s), (_, _, me) = self._reads
        key = shared & s, local & me
        if key not in self._known:
            self._known[key] = self._work_out(*key)
        written = self._known[key]
        if written is None:
            return None
        after = shared & self._keeps_shared | written[0], local & self._keeps_local | written[1]
        return Move(self.transition.label, *after, local if self.transition.starts else IDLE)

    def _work_out(self, shared: int, local: int) -> tuple[int, int] | None:
        values = {
            n: layout.get(w, n)
            for (layout, names, _), w in zip(self._reads, (shared, local), strict=True)
            for n in names
        }
        if not all(g.answer(values) for g in self.guards):
            return None
        program = self.program
        deaths = [q.answer(values) for q in self.shared.get("crashes", ())]
        if any(n > Bounds.of(program.bounds).crashes for n in deaths):  # the relation counts on, beyond any bound
            return None
        at = program.local_layout.put(0, "at", self.transition.goes_to)
        return _put(program.shared_layout, 0, self.shared, values), _put(program.local_layout, at, self.local, values)


def _put(layout: Layout, word: int, written: dict[str, list[Question]], values: dict[str, Any]) -> int:
    """The word with these fields' answers in it; they are values within the bounds."""
    for name, questions in written.items():
        told = tuple(q.answer(values) for q in questions)
        assert all(v < layout.bounds.size_of(FIELDS[name]) for v in told), f"{name}: {told}"
        plain: Plain = told if FIELDS[name].over else told[0]
        word = layout.put(word, name, plain)
    return word


class Interpreted:
    """A relation within a program's bounds."""

    def __init__(self, relation: Relation, program: Program, structure: Structure) -> None:
        self.relation, self.program, self.structure = relation, program, structure
        self._outcomes: dict[int, list[Outcome]] = {}
        self._asked: dict[int, list[int]] = {}

    def outcomes(self, n: int) -> list[Outcome]:
        """What can happen to a process at a point, or idle."""
        if n not in self._outcomes:
            here = [t for t in self.relation.transitions if n == (IDLE if t.starts else t.label.point)]
            self._outcomes[n] = [Outcome(t, self.program, self.structure) for t in here]
        return self._outcomes[n]

    def asked(self, point: int) -> list[int]:
        """The words of the processes that begin at a point, asked what they may be asked."""
        if point not in self._asked:
            self._asked[point] = list(self._ask(point))
        return self._asked[point]

    def _ask(self, point: int) -> Iterator[int]:
        relation, structure, layout = self.relation, self.structure, self.program.local_layout
        view = relation.view(relation.me)
        asked = [structure.question(relation.asked(point, view, Z3Term(k))) for k in structure.values[SLOT]]
        given = arguments(self.program, point)
        for values in itertools.product(*(self._values(FIELDS[name]) for name in given)):
            named = dict(zip(given, values, strict=True))
            if all(q.answer(named) for q in asked):
                word = layout.put(IDLE, "at", point)
                for name, value in named.items():
                    word = layout.put(word, name, value)
                yield word

    def _values(self, field: Field) -> Iterable[Any]:
        """The values of a field within the bounds."""
        if field.sort == SLOT:
            return self.program.local_layout.elements(SLOT)
        one = range(self.program.bounds.size_of(field))
        return itertools.product(one, repeat=len(self.program.local_layout.elements(SLOT))) if field.over else one

    def moves(self, shared: int, local: int) -> set[Move]:
        """All transitions of one process. As in the program, what changes nothing is left out."""
        found = set()
        for outcome in self.outcomes(self.program.point_of(local)):
            for word in self.asked(outcome.transition.label.point) if local == IDLE else (local,):
                move = outcome.move(shared, word)
                if move and (move.shared, move.local) != (shared, local):
                    found.add(move)
        return found
