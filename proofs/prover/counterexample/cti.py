"""Counterexamples to induction, in plain values: the smallest there is, evaluated again without the solver.

A counterexample to induction is a state in which everything holds that was assumed, and a step after which a lemma does
not; of a claim, a state in which the claim fails. The solver is asked for one thing after another that makes a state
small and plain, and each is kept where it is possible: so the outcome does not depend on what it happens to answer.
Then the state is put into words of `confsync.model.engine.program`, on which lemmas and steps run once more in plain
Python. Where that disagrees with the solver, an engine is wrong, and it is said loudly. (Ivy minimises so too: Padon,
McMillan, Panda, Sagiv and Shoham, "Ivy: safety verification by interactive generalization", PLDI 2016.)"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import combinations, product
from typing import Any

import z3

from confsync.model.engine.concrete import Layout, Plain, WordCells
from confsync.model.engine.program import IDLE, Program, Transition
from confsync.model.engine.trace import Move, Whole, step
from confsync.model.language import COUNT, Bounds, Element, IndexSort, Protocol, Record, ValueSort
from confsync.proofs.prover.carrier.solver import Solver
from confsync.proofs.prover.carrier.terms import Z3Cells, constants, negation, predicate, z3_sort
from confsync.proofs.prover.invariant.houdini import Broken, Strengthening
from confsync.proofs.prover.invariant.induction import Claim
from confsync.proofs.prover.invariant.lemma import Clause, Exclusive, Lemma, Names, Owned


class EnginesDisagree(Exception):
    """What the solver says is not so on plain values: the relation, the carrier or the evaluation is wrong."""


class NoCounterexample(Exception):
    """There is none within reach, and why: the solver takes too long, or no state of a program is one."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A lemma, and the process and the element that it is used of, by number. One on a lock is of all processes."""

    lemma: Lemma
    process: int
    element: int


@dataclass(frozen=True)
class Cti:
    """A counterexample to induction. `move`: the step that breaks something, taken by process 0; None for a claim.
    `process` and `element`: of which what is broken fails. `assumed`: what holds in `before`; that is every lemma that
    stands, of every process at every element, where `everywhere` is true."""

    broken: Broken
    program: Program
    before: Whole
    move: Move | None
    process: int
    element: Element | None
    assumed: tuple[Instance, ...]
    everywhere: bool


def counterexample(found: Strengthening, broken: Broken, *, numbers: type[Numbers] | None = None) -> Cti:
    """The smallest counterexample to induction for what is broken, with all lemmas assumed that still stand. `numbers`:
    how it is put into plain values. NoCounterexample; EnginesDisagree where it does not bear being evaluated."""
    smallest = Smallest(found, broken)
    return _evaluated(smallest, (numbers or Numbers)(smallest))


class _Greedy:
    """A solver that is asked for more and more, and keeps what is possible."""

    def __init__(self, rlimit: int) -> None:
        self._solver = Solver(rlimit)
        self.model: Any = None
        """Of all that holds so far."""

    def must(self, formulas: Iterable[Any], otherwise: Exception) -> None:
        """These hold from now on. Raises `otherwise` if they cannot."""
        self._solver.add(*formulas)
        if not self._possible():
            raise otherwise

    def may(self, formula: Any) -> bool:
        """Let it hold from now on, if it can. -> whether it can"""
        can = bool(z3.is_true(self.model.eval(formula, model_completion=True)))
        if not can:
            self._solver.push()
            self._solver.add(formula)
            can = self._possible()
            self._solver.pop()
        if can:
            self._solver.add(formula)
        return can

    def _possible(self) -> bool:
        answer = self._solver.check()
        if answer == z3.unknown:
            raise NoCounterexample(f"the solver came to no answer: {self._solver.reason()}")
        if answer == z3.sat:
            self.model = self._solver.model()
        return bool(answer == z3.sat)


class Smallest:
    """The question that was answered, asked again for its smallest answer. Process 0 is `me`, 1 is `p`."""

    def __init__(self, found: Strengthening, broken: Broken) -> None:
        self.induction, self.relation = found.induction, found.induction.relation
        self.broken, self.step = broken, broken.step
        self.assumed = [*found.standing, *(() if isinstance(broken.what, Claim) else (broken.what,))]
        self.rlimit = found.rlimit
        self.solver = _Greedy(self.rlimit)
        self.protocol = self.relation.protocol
        sorts = self.protocol.value_sorts
        self.values: dict[Any, dict[int, Any]] = {z3_sort(sort): constants(sort) for sort in sorts}
        """What each number stands for, by sort: the constants, and what else occurs."""
        self.last = {z3_sort(sort): constants(sort)[sort.first - 1] for sort in sorts if sort.first > 1}
        """The value of a sort that is taken only where nothing else will do: the last constant."""
        self.everybody = self._everybody()
        self.processes, self.points, self.elements = list[Any](), list[int](), list[Any]()
        """Those that differ; and where each process is."""
        self.used: list[tuple[Lemma, int, Any]] = []
        """What is assumed: each lemma with the process and the element that it is used of."""
        self._ask()
        for q in self.everybody:
            self._place(q)
        self.everywhere = self._name_elements()
        for k, name in product(self.elements, predicates(self.protocol)):
            self.solver.may(negation(predicate(name, k)))
        self._fix(self.relation.shared, self.protocol.shared, set(self.protocol.shared_fields))
        for n, q in enumerate(self.processes):
            self._fix(self.relation.view(q).local, self.protocol.local, self.kept(n))
        self.solver.must((), EnginesDisagree("what is possible one by one is not together"))

    def _everybody(self) -> tuple[Any, ...]:
        """The processes that the question is about."""
        named = [self.induction.me, self.induction.p, *self.induction.owner.values()]
        named += [use.process for use in self.broken.what.uses] if isinstance(self.broken.what, Claim) else []
        return tuple({q.get_id(): q for q in named}.values())

    def kept(self, n: int) -> set[str]:
        """The locals of a process that have a say: those that are live, and those it begins with."""
        program, point = self.relation.program, self.points[n]
        if point == IDLE and n == 0 and self.step and self.step.transition.starts:
            return set(program.signature(self.step.transition.label.point).known)
        return program.live_locals[point]

    def _ask(self) -> None:
        """The question as it was; and what is so of the processes of a program, though no lemma says it."""
        ind, what = self.induction, self.broken.what
        given: list[Any] = [f for _, f in ind.axioms] + [ind.p != ind.me]
        points: set[int | None] | None = None
        if isinstance(what, Claim):
            given += [*(f for _, f in what.given), what.fails]
            uses = what.uses
        else:
            assert self.step
            given += [*(f for _, f in self.step.given), self.step.goal(what, other=self.broken.other).fails]
            uses, points = self.step.uses, {None, self.step.here}
            points |= {what.point} if isinstance(what, Clause) and self.broken.other else set()
        for x in self.assumed:
            if not isinstance(x, Clause) or points is None or x.point in points:
                given += [ind.says(x, *use) for use in ind.uses(x, uses)]
        none = "what was broken is not when the solver is asked again"
        self.solver.must(given, EnginesDisagree(none) if self.broken.model is not None else NoCounterexample(none))
        given = [z3.Or(ind.at_work(q), ind.at(q, IDLE)) for q in self.everybody]
        given += [
            z3.Or(ind.at_work(q), negation(ind.holds(q, lock)))
            for q in self.everybody
            for lock in self.protocol.holders
        ]
        if isinstance(what, Owned) and self.step:  # nobody holds the lock, whoever its owner is said to be
            given += [z3.Or(q == ind.me, negation(ind.holds(q, what.lock))) for q in self.everybody]
            given.append(negation(self.step.transition.after.local.values[self.protocol.holders[what.lock]]))
        self.solver.must(given, NoCounterexample("in every state that is one a lock is held by nobody at work"))

    def _place(self, q: Any) -> None:
        """Let a process be one of those there are, or else say where it is: idle, or where what is broken needs it."""
        if any(self.solver.may(q == other) for other in self.processes):
            return
        what = self.broken.what
        likely = [self.step.here] if self.step and not self.processes else [IDLE]
        likely += [what.point] if isinstance(what, Clause) and what.point is not None else []
        self.processes.append(q)
        likely += range(len(self.relation.program.points))
        self.points.append(next(n for n in likely if self.solver.may(self.induction.at(q, n))))

    def _name_elements(self) -> bool:
        """Name the elements that occur, and use the lemmas at all of them. -> whether they can all hold"""
        named = [self.induction.k]
        if isinstance(self.broken.what, Claim):
            named += sorted(
                _named_in([*(f for _, f in self.broken.what.given), self.broken.what.fails], self.relation.index),
                key=str,
            )
        for n, q in enumerate(self.processes):
            local = self.relation.view(q).local
            named += [local.values[name] for name in sorted(self.protocol.element_fields & self.kept(n))]
        if self.step and self.step.transition.starts:
            self._begin(self.step.transition.label.point, named)
        uses = [(x, n, k, f) for x in self.assumed for n, k, f in self._of_everything(x, named)]
        everywhere = self.solver.may(z3.And(*(f for *_, f in uses)))
        self.used = [(x, n, k) for x, n, k, f in uses if everywhere or self.solver.may(f)]
        for k in named:
            if not any(self.solver.may(k == other) for other in self.elements):
                self.elements.append(k)
        return everywhere

    def _begin(self, point: int, elements: list[Any]) -> None:
        """What a program lets an operation begin with: at every element what may be asked; some locals' first
        values."""
        view, term = self.relation.view(self.induction.me), self.relation.cells.term
        asked = [self.relation.asked(point, view, term(k)) for k in elements]
        signature = self.relation.program.signature(point)
        given = [view.local.values[name] for name in signature.first if name in self.kept(0)]
        asked += [z == self.values[z.sort()][0] for z in given]
        self.solver.must(asked, NoCounterexample("in every state that is one an operation begins as none does"))

    def _of_everything(self, lemma: Lemma, elements: list[Any]) -> Iterator[tuple[int, Any, Any]]:
        """What a lemma says of processes and elements: each, and the formula."""
        ind = self.induction
        if isinstance(lemma, Owned):
            yield 0, ind.k, ind.says(lemma, ind.me, ind.k)
        elif isinstance(lemma, Exclusive):
            pairs = combinations([ind.holds(q, lemma.lock) for q in self.processes], 2)
            yield 0, ind.k, z3.And(*(negation(z3.And(a, b)) for a, b in pairs))
        else:
            there = [n for n, point in enumerate(self.points) if lemma.point in (None, point)]
            for n in there if lemma.local else there[:1]:  # of the shared state alone it says the same of each
                yield from ((n, k, ind.says(lemma, self.processes[n], k)) for k in elements)

    def _fix(self, cells: Z3Cells, record: type[Record], names: set[str]) -> None:
        """Give these fields the first values they can have."""
        for name, field in record.fields().items():
            if name in names and name in cells.values and not isinstance(field.sort, IndexSort):
                value = cells.values[name]
                for z in [value(k) for k in self.elements] if field.over else [value]:
                    self._choose(z)

    def _choose(self, z: Any) -> None:
        may, sort = self.solver.may, z.sort()
        if sort == z3.BoolSort():
            may(negation(z))
        elif sort == z3.IntSort():
            n = 0
            while not may(z == n):
                n += 1
        else:
            known, last = self.values[sort], self.last.get(sort)
            if any(may(z == value) for value in known.values() if value is not last):
                return
            if may(z3.And(*(z != value for value in known.values()))):
                known[max(known) + 1] = z


def predicates(protocol: Protocol) -> tuple[str, ...]:
    """The kinds that an element can be asked for."""
    return protocol.index_sorts[0].predicates if protocol.index_sorts else ()


def _named_in(formulas: Iterable[Any], index: Any) -> set[Any]:
    """The elements that formulas speak of by a name of their own."""
    found, seen, todo = set[Any](), set[int](), list(formulas)
    while todo:
        z = todo.pop()
        if z.get_id() not in seen:
            seen.add(z.get_id())
            todo += z.children()
            if z.sort() == index and z3.is_const(z):
                found.add(z)
    return found


class Numbers:
    """The smallest counterexample in plain values."""

    def __init__(self, smallest: Smallest) -> None:
        self.model, self.protocol, self.index = smallest.solver.model, smallest.protocol, smallest.relation.index
        kinds = [self._kind(k) for k in smallest.elements]
        order = sorted(range(len(kinds)), key=lambda i: (kinds[i], i))
        self.order = [smallest.elements[i] for i in order]
        """The elements' terms, those of the first kind first."""
        self.elements = [sort.element(n, sort.kinds[kinds[i]].name) for sort in self.sorts for n, i in enumerate(order)]
        self._numbers = {
            sort: {str(self._value(z)): n for n, z in known.items()} for sort, known in smallest.values.items()
        }

    @property
    def sorts(self) -> tuple[IndexSort[Any], ...]:
        """The index sort, if there is one."""
        return self.protocol.index_sorts

    def _kind(self, k: Any) -> int:
        """The number of the kind that an element is of."""
        of = [z3.is_true(self._value(predicate(name, k))) for name in predicates(self.protocol)]
        return of.index(True) + 1 if True in of else 0

    def _value(self, z: Any) -> Any:
        return self.model.eval(z, model_completion=True)

    def element(self, z: Any) -> Element | None:
        """The element that a term is; None of a protocol without an index sort."""
        value = self._value(z)
        return next((e for e, k in zip(self.elements, self.order, strict=False) if self._value(k).eq(value)), None)

    def number(self, z: Any) -> Plain:
        """What a term is. EnginesDisagree if it is none of the values that occur."""
        value, sort = self._value(z), z.sort()
        if sort == self.index and (element := self.element(z)):
            return element
        if sort == z3.BoolSort():
            return bool(z3.is_true(value))
        if sort == z3.IntSort():
            return int(value.as_long())
        if str(value) not in self._numbers[sort]:
            raise EnginesDisagree(f"`{z}` is a {sort} that occurs nowhere else")
        return self._numbers[sort][str(value)]

    def record(self, cells: Z3Cells, record: type[Record], names: set[str]) -> dict[str, Plain]:
        """These fields."""
        found: dict[str, Plain] = {}
        for name, field in record.fields().items():
            if name in names and name in cells.values:
                value = cells.values[name]
                found[name] = tuple(self.number(value(k)) for k in self.order) if field.over else self.number(value)  # type: ignore[misc]
        return found


def _bounds(protocol: Protocol, elements: list[Element], processes: int, records: list[dict[str, Plain]]) -> Bounds:
    """Just large enough; but one process may die."""
    fields = protocol.shared_fields | protocol.local_fields
    counts = {**protocol.bounds.least(), "processes": processes, protocol.crashes: 1}
    for index in protocol.index_sorts:
        counts |= {kind.bound: sum(k.kind == kind.name for k in elements) for kind in index.kinds}
    for name, value in ((n, v) for r in records for n, v in r.items()):
        sort, each = fields[name].sort, value if isinstance(value, tuple) else (value,)
        most = max((int(v) for v in each if not isinstance(v, Element)), default=0)
        if isinstance(sort, ValueSort):
            counts[sort.bound] = max(counts[sort.bound], most + 1 - sort.first + sort.counted)
        elif sort == COUNT:
            counts[name] = max(counts[name], most)
    return protocol.bounds(**counts)


def _evaluated(smallest: Smallest, numbers: Numbers) -> Cti:
    """The counterexample in words of a program, once it has borne being evaluated there."""
    relation, broken, names = smallest.relation, smallest.broken, Names(smallest.relation)
    protocol = relation.protocol
    shared = numbers.record(relation.shared, protocol.shared, set(protocol.shared_fields))
    local = [
        numbers.record(relation.view(q).local, protocol.local, smallest.kept(n))
        for n, q in enumerate(smallest.processes)
    ]
    t, after, mine = broken.step.transition if broken.step else None, dict[str, Plain](), dict[str, Plain]()
    if t:
        after = numbers.record(t.after.shared, protocol.shared, set(shared))
        mine = numbers.record(t.after.local, protocol.local, relation.program.live_locals[t.goes_to])
    program = Program(relation.design, _bounds(protocol, numbers.elements, len(local), [shared, *local, after, mine]))

    def word(layout: Layout, values: dict[str, Plain]) -> int:
        return reduce(lambda found, each: layout.put(found, *each), values.items(), 0)

    def at(point: int, values: dict[str, Plain]) -> int:
        return word(program.local_layout, {"at": point, **values}) if point else IDLE

    words = tuple(at(point, values) for point, values in zip(smallest.points, local, strict=True))
    before, move = Whole(word(program.shared_layout, shared), words), None
    if t:
        began = at(t.label.point, local[0]) if t.starts else IDLE
        to = Transition(t.label, word(program.shared_layout, after), at(t.goes_to, mine), began)
        all_ = enumerate(program.transitions(before.shared, words[0], set()))
        move = next((step(before, 0, n, each) for n, each in all_ if each == to), None)
        if move is None:
            raise EnginesDisagree(f"`{t.name}` does something else on plain values, or nothing")
    assumed = tuple(Instance(lemma, n, _number(numbers.element(z))) for lemma, n, z in smallest.used)
    for x in assumed:
        if not says(program, before, x):
            raise EnginesDisagree(f"assumed, and not so on plain values: {names(x.lemma)}")
    k, what = numbers.element(smallest.induction.k), broken.what
    if isinstance(what, Claim):
        _check_claim(smallest, numbers, program, before, what)
    elif move is None or says(program, move.after, Instance(what, int(broken.other), _number(k))):
        raise EnginesDisagree(f"broken for the solver, and so on plain values: {names(what)}")
    return Cti(broken, program, before, move, int(broken.other), k, assumed, smallest.everywhere)


def _number(k: Element | None) -> int:
    return k.index if k else 0


def says(program: Program, state: Whole, instance: Instance) -> bool:
    """Whether what a lemma says is so in a state."""
    lemma = instance.lemma
    if not isinstance(lemma, Clause):
        holders = sum(
            bool(program.local_layout.get(word, program.protocol.holders[lemma.lock])) for word in state.local
        )
        if isinstance(lemma, Exclusive):
            return holders < 2
        return bool(holders) or not program.shared_layout.get(state.shared, lemma.lock)
    word = state.local[instance.process]
    if lemma.point not in (None, program.point_of(word)):
        return True
    s = program.protocol.shared(WordCells(program.shared_layout, state.shared, []))
    me = program.protocol.local(WordCells(program.local_layout, word, []))
    k = program.protocol.elements_or_one(program.bounds)[instance.element]
    return any(bool(atom.ask(s, me, k)) is yes for atom, yes in lemma.literals)


def _check_claim(smallest: Smallest, numbers: Numbers, program: Program, state: Whole, claim: Claim) -> None:
    """A claim is a formula: that it fails where every cell is what the words say. EnginesDisagree if it does not."""
    relation, values = smallest.relation, smallest.values
    given = [f for _, f in (*smallest.induction.axioms, *claim.given)] + [claim.fails]
    given += [z3.Distinct(*z) for z in (numbers.order, smallest.processes) if len(z) > 1]
    given += [
        predicate(name, z) == getattr(k, name)
        for z, k in zip(numbers.order, numbers.elements, strict=False)
        for name in predicates(relation.protocol)
    ]

    def cells(cells: Z3Cells, layout: Layout, word: int, names: set[str]) -> Iterator[Any]:
        for name in names & cells.values.keys():
            value, held = cells.values[name], layout.get(word, name)
            pairs = (
                [(value, held)] if not isinstance(held, tuple) else zip(map(value, numbers.order), held, strict=True)
            )
            for z, plain in pairs:
                if isinstance(plain, Element):
                    yield z == numbers.order[plain.index]
                else:
                    yield z == (values[z.sort()][plain] if z.sort() in values else plain)

    given += cells(relation.shared, program.shared_layout, state.shared, set(relation.protocol.shared_fields))
    for n, (q, word) in enumerate(zip(smallest.processes, state.local, strict=True)):
        given.append(relation.at(q) == program.point_of(word))
        given += cells(relation.view(q).local, program.local_layout, word, smallest.kept(n))
    solver = Solver(smallest.rlimit)
    solver.add(*given)
    if solver.check() != z3.sat:
        raise EnginesDisagree(f"refused by the solver, and so on plain values: {claim.name}")
