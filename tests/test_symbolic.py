"""The language on Z3 terms: every step runs there unchanged, and means there what it means on plain values."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import z3
from z3_carrier import AXIOM, CONFIG, EJECTABLE, NAMED, SLOT, SORTS, Relation, State, Z3Cells, Z3Term, lift, relation

from model import ghosts
from model.concrete import Layout, Plain, WordCells
from model.designs import DESIGNS, RECOMMENDED
from model.footprint import footprint
from model.language import (
    ABSENT,
    EMPTY,
    FIRST_CONFIG,
    Bool,
    ConcreteSlot,
    Field,
    LanguageError,
    Slot,
    Sort,
    all_of,
    any_of,
    either,
    implies,
    neg,
)
from model.program import IDLE, Effect, Kind, Program
from model.properties import PROPERTIES, Property
from model.state import Bounds, Local, Shared
from model.step import SIGNATURES, Step
from model.steps import write_template

BOUNDS = {n: Bounds(slots=1, ejectable=1, configs=1, names=2, amounts=n, processes=n, crashes=1) for n in (1, 2)}
"""By the number of processes. With two amounts a memory target can be torn; with one there are fewer states."""


@pytest.mark.parametrize("name", DESIGNS)
def test_every_step_and_every_ghost_runs_on_terms(name: str) -> None:
    program = Program(DESIGNS[name], BOUNDS[1])
    for step, operation in {(p.step, p.operation) for p in program.points[1:]}:
        signature, state, touched = SIGNATURES[operation], State.any(), footprint(step)
        step.run(state.s, state.me)
        ghosts.follow(signature, touched)(state.s, state.me)
        ghosts.gives_up(signature, state.s, state.me, tore=True)
        ghosts.dies(signature, state.s, state.me)
        assert len(state.local.guards) == touched.guards
        k = z3.Const("k", SLOT)
        for f, value in state.fields().items():
            assert (value(k) if f.per_slot else value).sort() == SORTS[f.sort], f"{operation}, {step}: {f}"


@pytest.mark.parametrize("p", [p for p in PROPERTIES.values() if p.holds and p.met], ids=lambda p: p.name)
def test_every_property_over_the_stores_is_a_formula(p: Property) -> None:
    """It can hold and fail, its interesting case can be met and not."""
    assert p.holds
    assert p.met
    s, k = State.any().s, Z3Term(z3.Const("k", SLOT))
    for formula in (p.holds(s, k), p.met(s, k)):
        assert counterexample(lift(formula, z3.BoolSort())) is not None
        assert counterexample(lift(neg(formula), z3.BoolSort())) is not None


# ------------------------------------------------------------------ agreement of the two carriers

STATES = {1: 6000, 2: 8000}
"""How many states of a search are looked at, by the number of processes. All of them would take minutes."""


def distinct_values(sort: Any, count: int) -> list[Any]:
    """Values that Z3 itself holds to be different."""
    names = [z3.Const(f"v{i}", sort) for i in range(count)]
    solver = z3.Solver()
    solver.add(z3.Distinct(*names))
    assert solver.check() == z3.sat
    return [solver.model().eval(n) for n in names]


SLOTS, CONFIGS = distinct_values(SLOT, 2), distinct_values(CONFIG, 4)


def term_of(value: bool | int | ConcreteSlot, sort: Sort) -> Any:
    """A plain value as a term of the finite interpretation."""
    if isinstance(value, ConcreteSlot):
        return SLOTS[value.index]
    return {Sort.BOOL: z3.BoolVal, Sort.CONFIG: CONFIGS.__getitem__}.get(sort, z3.IntVal)(value)


def value_of(term: Any) -> bool | int:
    """The plain value that a term has come to. No step writes a slot."""
    if term.sort() == CONFIG:
        return next(i for i, v in enumerate(CONFIGS) if v.eq(term))
    if z3.is_int_value(term):
        return int(term.as_long())
    assert z3.is_true(term) or z3.is_false(term), f"{term} has no value yet"
    return bool(z3.is_true(term))


def by_slot(at: tuple[Any, ...]) -> Any:
    """A function on the two slots, as `substitute_funs` takes it."""
    return z3.If(z3.Var(0, SLOT) == SLOTS[0], *at)


def names_in(term: Any) -> set[str]:
    """The names that occur in a term."""
    return {str(term.decl().name())}.union(*map(names_in, term.children()))


After = dict[str, Plain]
"""The new values of the fields that a step writes; of a map, for each slot."""


class Question:
    """A term, asked at one concrete state after another. The answer depends on no field but those that occur in
    the term: it is kept for their values."""

    def __init__(self, term: Any, fields: dict[Field, Any]) -> None:
        self.term = term
        occurring = names_in(term)
        self.inputs = [(f, v) for f, v in fields.items() if f.name in occurring]
        self.known: dict[tuple[Any, ...], bool | int] = {}

    def answer(self, values: dict[str, Any]) -> bool | int:
        given = tuple(values[f.name] for f, _ in self.inputs)
        if given not in self.known:
            self.known[given] = self._work_out(given)
        return self.known[given]

    def _work_out(self, given: tuple[Any, ...]) -> bool | int:
        functions: list[Any] = [(EJECTABLE, by_slot((z3.BoolVal(False), z3.BoolVal(True))))]
        constants = list(zip(NAMED, CONFIGS, strict=False))
        for (f, v), value in zip(self.inputs, given, strict=True):
            if f.per_slot:
                functions.append((v, by_slot(tuple(term_of(x, f.sort) for x in value))))
            else:
                constants.append((v, term_of(value, f.sort)))
        return value_of(z3.simplify(z3.substitute(z3.substitute_funs(self.term, *functions), *constants)))


class Interpreted:
    """A relation in the finite interpretation."""

    def __init__(self, r: Relation) -> None:
        before = r.before.fields()
        self.guards = [(g.waits, Question(g.holds, before)) for g in r.guards]
        self.taken, self.given_up = (
            {
                f.name: [Question(t, before) for t in (map(v, SLOTS) if f.per_slot else [v])]
                for f, v in after.fields().items()
                if v is not before[f]
            }
            for after in (r.taken, r.given_up)
        )
        questions = [q for _, q in self.guards]
        questions += [q for written in (self.taken, self.given_up) for qs in written.values() for q in qs]
        self.inputs = {f.name for q in questions for f, _ in q.inputs}


def answers(questions: dict[str, list[Question]], values: dict[str, Any]) -> After:
    told = {name: tuple(q.answer(values) for q in qs) for name, qs in questions.items()}
    return {name: vs if len(vs) > 1 else vs[0] for name, vs in told.items()}


def sample(program: Program, states: int, points: frozenset[int] = frozenset()) -> set[tuple[int, int]]:
    """The (shared, local) pairs at which a step can be taken, of a search that follows its states in a fixed random
    order, so that deep ones are met too, and stops after so many, and not before it has met these points."""
    chance, missing = random.Random(1), set(points)
    start = (program.initial, (IDLE,) * program.bounds.processes)
    found, todo, pairs = {start}, [start], set()
    moves: dict[tuple[int, int], list[tuple[int, int]]] = {}
    while todo and (missing or len(found) < states):
        i = chance.randrange(len(todo))
        todo[i], todo[-1] = todo[-1], todo[i]
        shared, locals_ = todo.pop()
        for p, local in enumerate(locals_):
            words = [local] if local != IDLE else program.starts
            pairs |= {(shared, w) for w in words}
            missing -= set(map(program.point_of, words))
            if (shared, local) not in moves:
                moves[shared, local] = [(t.shared, t.local) for t in program.transitions(shared, local, set())]
            for after, then in moves[shared, local]:
                state = (after, tuple(sorted((*locals_[:p], then, *locals_[p + 1 :]))))
                if state not in found:
                    found.add(state)
                    todo.append(state)
    return pairs


_interpreted: dict[tuple[str, Step, bool, bool, type[Z3Cells]], Interpreted] = {}


def interpreted(program: Program, point: int, cells: type[Z3Cells]) -> Interpreted:
    p = program.points[point]
    tore = program.tore(point)
    key = (p.operation, p.step, p.cleaning_up, tore, cells)
    if key not in _interpreted:
        _interpreted[key] = Interpreted(relation(p.step, program.signature(point), p.cleaning_up, cells, tore=tore))
    return _interpreted[key]


def disagreements(program: Program, pairs: set[tuple[int, int]], cells: type[Z3Cells] = Z3Cells) -> Iterator[str]:
    """Where the relation says anything else than the step does on plain values."""
    for shared, local in sorted(pairs):
        point = program.point_of(local)
        r = interpreted(program, point, cells)
        values = {n: program.shared_layout.get(shared, n) for n in r.inputs & program.shared_layout.places.keys()}
        values |= {n: program.local_layout.get(local, n) for n in r.inputs & program.local_layout.places.keys()}
        guards = [(waits, holds.answer(values)) for waits, holds in r.guards]
        stopped = next((i for i, (waits, holds) in enumerate(guards) if holds != waits), None)

        seen: set[tuple[int, int, bool]] = set()
        outcomes = program.outcomes(point, shared, local, seen)
        expected: dict[Kind, After] = {Kind.STEP: answers(r.taken, values)}
        if stopped is not None:
            expected = {} if guards[stopped][0] else {Kind.REFUSED: answers(r.given_up, values)}
        elif program.points[point].step.may_fail:
            expected[Kind.FAILS] = answers(r.given_up, values)

        where = f"{program.design.name}: {program.points[point]}, shared {shared:#x}, local {local:#x}"
        reached = guards if stopped is None else guards[: stopped + 1]
        if seen != {(point, i, holds) for i, (_, holds) in enumerate(reached)}:
            yield f"{where}: guards {sorted(seen)}, on terms {guards}"
        elif [e.kind for e in outcomes or []] != list(expected):
            yield f"{where}: {outcomes}, on terms {list(expected)}"
        for effect in outcomes or []:
            if effect.kind in expected:
                for wrong in differences(program, effect, (shared, local), expected[effect.kind]):
                    yield f"{where}: after {effect.kind.name} {wrong}"


def differences(program: Program, effect: Effect, words: tuple[int, int], written: After) -> Iterator[str]:
    """The fields with another value after the effect than the relation says; one it does not write stays."""
    masks = ((effect.shared_mask, effect.shared_bits), (effect.local_mask, effect.local_bits))
    for layout, word, (mask, bits) in zip((program.shared_layout, program.local_layout), words, masks, strict=True):
        after, told = word & ~mask | bits, word
        for name in written.keys() & layout.places.keys():
            told = layout.put(told, name, written[name])
        if told != after:
            wrong = [n for n in layout.places if layout.get(told, n) != layout.get(after, n)]
            yield ", ".join(f"{n} is {layout.get(after, n)}, on terms {layout.get(told, n)}" for n in wrong)


@pytest.mark.parametrize("name", [pytest.param(d, marks=() if d == RECOMMENDED else pytest.mark.slow) for d in DESIGNS])
def test_both_carriers_agree_at_every_point(name: str) -> None:
    for processes, bounds in BOUNDS.items():
        program = Program(DESIGNS[name], bounds)
        in_order = frozenset(i for i, p in enumerate(program.points) if i and not p.cleaning_up)
        pairs = sample(program, STATES[processes], in_order if processes == 1 else frozenset())
        assert list(itertools.islice(disagreements(program, pairs), 5)) == []
        assert processes > 1 or in_order <= {program.point_of(local) for _, local in pairs}


class Swaps(Z3Term):
    def either(self, a: Any, b: Any) -> Z3Term:
        return super().either(b, a)


class Affirms(Z3Term):
    def neg(self) -> Z3Term:
        return self


class IsContent(Z3Term):
    def both(self, other: Bool) -> Z3Term:  # noqa: ARG002
        return self


class SeesNoDrive(Z3Term):
    @property
    def ejectable(self) -> Z3Term:
        return SeesNoDrive(z3.BoolVal(False))


class WritesEverySlot(Z3Cells):
    def write_at(self, field: Field, slot: Slot, value: object) -> None:  # noqa: ARG002
        self.write_all(field, lambda _: value)


class WritesOneSlot(Z3Cells):
    def write_all(self, field: Field, at: Callable[[Slot], object]) -> None:
        k = self.term(z3.Const("slot", SLOT))
        self.write_at(field, k, at(k))


class WritesNoScalar(Z3Cells):
    def write(self, field: Field, value: object) -> None: ...


class ReadsTheOldMap(Z3Cells):
    def read_at(self, field: Field, slot: Slot) -> Z3Term:
        return self.term(self.any(Shared if field.record == "Shared" else Local).values[field.name](lift(slot, SLOT)))


class WaitsWhereItFails(Z3Cells):
    def fail_if(self, condition: Bool) -> None:
        self.wait_until(neg(condition))


class GuardsNothing(Z3Cells):
    def wait_until(self, condition: Bool) -> None:  # noqa: ARG002
        super().wait_until(True)


def with_terms(terms: type[Z3Term]) -> type[Z3Cells]:
    return type(terms.__name__, (Z3Cells,), {"term": terms})


MUTANTS = [
    *map(with_terms, (Swaps, Affirms, IsContent, SeesNoDrive)),
    WritesEverySlot,
    WritesOneSlot,
    WritesNoScalar,
    ReadsTheOldMap,
    WaitsWhereItFails,
    GuardsNothing,
]


@pytest.mark.parametrize("cells", MUTANTS, ids=lambda c: c.__name__)
def test_a_carrier_that_means_something_else_is_found_out(cells: type[Z3Cells]) -> None:
    program = Program(DESIGNS[RECOMMENDED], BOUNDS[2])
    assert next(disagreements(program, sample(program, 3000), cells), None) is not None


# ------------------------------------------------------------------ no branch on a term

BRANCHES: dict[str, Callable[[Shared, Local], object]] = {
    "if": lambda s, me: 1 if s.alive else 2,  # noqa: ARG005
    "not": lambda s, me: not s.alive,  # noqa: ARG005
    "and": lambda s, me: s.alive and me.holds,
    "or": lambda s, me: s.xenstore[me.slot].present or me.holds,
    "chained comparison": lambda s, me: ABSENT != s.template[me.slot] != EMPTY,
    "in": lambda s, me: s.template[me.slot] in (ABSENT, EMPTY),
    "all": lambda s, me: all([s.alive, me.holds]),
    "comprehension": lambda s, me: [m for m in (1, 2) if me.amount == m],  # noqa: ARG005
    "bool": lambda s, me: bool(me.slot.ejectable),  # noqa: ARG005
}


@pytest.mark.parametrize("branch", BRANCHES.values(), ids=BRANCHES)
def test_a_term_has_no_truth_value_and_says_what_to_write(branch: Callable[[Shared, Local], object]) -> None:
    state = State.any()
    with pytest.raises(LanguageError) as error:
        branch(state.s, state.me)
    for word in ("must not branch on state", "`neg(", "`all_of(", "`any_of(", "`implies(", "`either("):
        assert word in str(error.value)


def test_what_to_write_instead_runs_on_terms() -> None:
    state = State.any()
    s, me = state.s, state.me
    a, b = z3.Bools("alive holds")
    for said, meant in (
        (neg(s.alive), z3.Not(a)),
        (all_of(s.alive, True, me.holds), z3.And(a, b)),
        (any_of(s.alive, me.holds), z3.Or(a, b)),
        (implies(s.alive, me.holds), z3.Implies(a, b)),
        (either(s.alive, me.holds, True), z3.If(a, b, True)),
        (either(s.alive, EMPTY, ABSENT) == me.config, z3.If(a, *NAMED[1::-1]) == z3.Const("config", CONFIG)),
    ):
        assert valid(lift(said, z3.BoolSort()) == meant)


# ------------------------------------------------------------------ a proof, for any number of slots


def valid(claim: Any, *premises: Any) -> bool:
    return counterexample(claim, *premises) is None


def counterexample(claim: Any, *premises: Any) -> Any:
    solver = z3.Solver()
    solver.add(AXIOM, *premises)
    assert solver.check() == z3.sat, "the premises contradict each other"
    solver.add(z3.Not(claim))
    verdict = solver.check()
    assert verdict != z3.unknown, solver.reason_unknown()
    return solver.model() if verdict == z3.sat else None


def test_induction_over_one_step_for_any_number_of_slots() -> None:
    """In attach, where the draft is what the template holds, writing the template keeps it that what is in xenstore
    is in the template. Were the draft older, it would not."""
    assert write_template in DESIGNS["xenstore_first_locked"].attach.steps
    r = relation(write_template, SIGNATURES["attach"])
    xenstore_has_template = PROPERTIES["xenstore_has_template"].holds
    assert xenstore_has_template
    k = Z3Term(z3.Const("k", SLOT))

    config = r.before.local.values["config"]
    given = [r.enabled, *(config != c for c in NAMED), lift(xenstore_has_template(r.before.s, k), z3.BoolSort())]
    draft_is_template = lift(r.before.me.draft[k] == r.before.s.template[k], z3.BoolSort())
    goal = lift(xenstore_has_template(r.taken.s, k), z3.BoolSort())

    assert valid(goal, *given, draft_is_template)
    found = counterexample(goal, *given)
    assert z3.is_true(found.eval(k.z != r.before.local.values["slot"])), "another slot than the one it writes"
    assert replay_breaks(found, r.before, k, xenstore_has_template)


def replay_breaks(found: Any, before: State, k: Z3Term, holds: Callable[[Shared, Slot], Bool]) -> bool:
    """The counterexample, on plain values: slot 0 is `k`, slot 1 the one the operation names."""
    bounds, (here, named) = Bounds(slots=2, ejectable=0, configs=1), Bounds(slots=2, ejectable=0).all_slots()

    def plain(term: Any) -> int:
        value = found.eval(term, model_completion=True)
        return next((i for i, c in enumerate(NAMED) if value.eq(found.eval(c))), FIRST_CONFIG)

    slots = (k.z, before.local.values["slot"])
    shared_layout, local_layout = Layout(Shared, bounds, {}), Layout(Local, bounds, {Sort.LOCATION: 1, Sort.WATCH: 1})
    shared = local = 0
    for name in ("template", "xenstore"):
        shared = shared_layout.put(shared, name, tuple(plain(before.shared.values[name](at)) for at in slots))
    local = local_layout.put(local, "draft", tuple(plain(before.local.values["draft"](at)) for at in slots))
    local = local_layout.put(local_layout.put(local, "slot", named), "config", plain(before.local.values["config"]))

    s, me = Shared(WordCells(shared_layout, shared, [])), Local(WordCells(local_layout, local, []))
    assert holds(s, here)
    write_template.run(s, me)
    return not holds(s, here)
