"""The two carriers agree: within bounds, what the relation on terms admits is what the checker's program does.

Compared are whole transitions of one process, from each pair of a shared state and a local one: what happened at
which point, what an operation was asked with, every field after it that anything can still read, and where the
process then is.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
from designs_at_random import DESIGNS_AT_RANDOM
from hypothesis import HealthCheck, given, settings
from interpreted import Interpreted, Structure
from odd_design import odd_design
from reached import Checked, anywhere, arguments, checked, reachable
from wrong_relations import CARRIERS, RELATIONS

from confsync.model.engine.program import IDLE, Kind, Label, Program
from confsync.model.language import Design
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.operations import HOLDERS
from confsync.model.libxl.state import Bounds, Local, Shared
from confsync.proofs.prover.carrier.relation import Relation

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("agreement")]

TOGETHER = Bounds(slots=1, ejectable=1, configs=1, names=1, amounts=1, processes=2, crashes=1)
KNOBS = Bounds(slots=0, ejectable=1, configs=1, names=2, amounts=2, processes=1, crashes=1)
SMALL = (
    KNOBS,
    Bounds(slots=1, ejectable=1, configs=1, names=1, amounts=1, processes=1, crashes=1),
    Bounds(slots=1, ejectable=0, configs=1, names=1, amounts=1, processes=2, crashes=1),
    Bounds(slots=0, ejectable=1, configs=1, names=1, amounts=1, processes=2, crashes=1),
)
TWO = (
    Bounds(slots=2, ejectable=0, configs=1, names=1, amounts=1, processes=1, crashes=1),
    Bounds(slots=0, ejectable=2, configs=1, names=1, amounts=1, processes=1, crashes=1),
)
LARGER = (
    Bounds(slots=1, ejectable=1, configs=1, names=2, amounts=1, processes=2, crashes=1),
    Bounds(slots=2, ejectable=1, configs=1, names=1, amounts=1, processes=1, crashes=1),
    Bounds(slots=1, ejectable=0, configs=2, names=1, amounts=1, processes=2, crashes=1),
)
EVERY = [
    pytest.param(d, id=d.name, marks=() if d in (DESIGNS[RECOMMENDED], odd_design) else pytest.mark.slow)
    for d in (*DESIGNS.values(), odd_design)
]
ANYWHERE = Bounds(slots=2, ejectable=1, configs=1, names=2, amounts=2, processes=1, crashes=1)


def interpreted(relation: Relation, said: Checked) -> Interpreted:
    """The relation within the program's bounds, of which its points are independent."""
    ours, theirs = said.program, relation.program
    assert (ours.points, ours.next, ours.failed) == (theirs.points, theirs.next, theirs.failed)
    return Interpreted(relation, said.program, Structure(Bounds.of(said.program.bounds)))


def disagreements(relation: Interpreted, said: Checked) -> Iterator[str]:
    """Where the relation admits anything else than the checker says."""
    for (shared, local), moves in said.moves.items():
        admitted = relation.moves(shared, local)
        if admitted != moves:
            place = said.program.points[said.program.point_of(local)].place if local else "idle"
            yield (
                f"{place}, shared {shared:#x}, local {local:#x}: only on terms {admitted - moves}, "
                f"only in the checker {moves - admitted}"
            )


def taken(said: Checked) -> set[Label]:
    """What happens somewhere."""
    return {m.label for moves in said.moves.values() for m in moves}


@pytest.fixture(scope="module")
def recommended() -> tuple[Checked, ...]:
    """What the checker says of every pair that the recommended design can reach."""
    return tuple(checked(DESIGNS[RECOMMENDED], bounds, reachable) for bounds in (TOGETHER, KNOBS))


@pytest.fixture(scope="module")
def odd() -> Checked:
    """What the checker says of some pairs of the odd design."""
    return checked(odd_design, ANYWHERE, anywhere(15))


def test_the_recommended_design_agrees_everywhere(recommended: tuple[Checked, ...]) -> None:
    relation = Relation(DESIGNS[RECOMMENDED])
    for said in recommended:
        assert list(itertools.islice(disagreements(interpreted(relation, said), said), 3)) == []
    program = recommended[0].program
    points = {program.point_of(local) for _, local in recommended[0].moves}
    assert points == {*range(len(program.points))} - {*program.first.values()}, "a point is not met"


def test_what_never_happens_is_a_refusal_or_changes_nothing(recommended: tuple[Checked, ...]) -> None:
    """The transitions of the relation that no reachable pair takes: all are guards that never refuse, but a first
    step that fails before anything is done."""
    happens = set().union(*map(taken, recommended))
    never = [t for t in Relation(DESIGNS[RECOMMENDED]).transitions if t.label not in happens]
    assert {t.name for t in never if t.label.kind is not Kind.REFUSED} == {"detach 1 mark_closing fails"}


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.deep
def test_every_design_agrees_everywhere(name: str) -> None:
    relation = Relation(DESIGNS[name])
    for bounds in (*SMALL, *(TWO if name == RECOMMENDED else ())):
        said = checked(DESIGNS[name], bounds, reachable)
        assert list(itertools.islice(disagreements(interpreted(relation, said), said), 3)) == []


@pytest.mark.parametrize(
    "bounds", [*(pytest.param(b, marks=pytest.mark.deep) for b in LARGER[:-1]), LARGER[-1]], ids=str
)
def test_larger_bounds_agree_everywhere(bounds: Bounds) -> None:
    said = checked(DESIGNS[RECOMMENDED], bounds, reachable)
    relation = interpreted(Relation(DESIGNS[RECOMMENDED]), said)
    assert list(itertools.islice(disagreements(relation, said), 3)) == []


@pytest.mark.parametrize("design", EVERY)
def test_states_that_nobody_reaches_agree_too(design: Design) -> None:
    """Induction asks about them, so they must mean the same."""
    said = checked(design, ANYWHERE, anywhere(6))
    relation = interpreted(Relation(design), said)
    assert list(itertools.islice(disagreements(relation, said), 3)) == []


@pytest.mark.parametrize("examples", [4, pytest.param(12, marks=pytest.mark.deep)])
def test_random_designs_agree(examples: int) -> None:
    @given(DESIGNS_AT_RANDOM)
    @settings(max_examples=examples, suppress_health_check=[HealthCheck.too_slow])
    def agree(design: Design) -> None:
        test_states_that_nobody_reaches_agree_too(design)

    agree()


@pytest.mark.parametrize("design", EVERY)
def test_a_start_depends_on_nothing_but_its_arguments(design: Design) -> None:
    """Of an idle process the relation knows only that it holds no lock: the rest must not matter."""
    program = Program(design, KNOBS)
    relation = Interpreted(Relation(design), program, Structure(KNOBS))
    for start in relation.outcomes(IDLE):
        known = {*arguments(program, start.transition.label.point), *HOLDERS.values(), *Shared.fields()}
        assert start.inputs <= known, start.transition.name


@pytest.mark.parametrize("design", EVERY)
def test_what_a_transition_does_not_write_stays(design: Design) -> None:
    """What is said to be written is what has another term, and that is all that is compared."""
    for t in Relation(design).transitions:
        for before, after, written in (
            (t.before.shared, t.after.shared, t.writes_shared),
            (t.before.local, t.after.local, t.writes_local),
        ):
            stays = before.values.keys() - written
            assert all(after.values[name] is before.values[name] for name in stays), t.name


def test_who_waits_on_terms_waits_in_the_checker(odd: Checked) -> None:
    program, relation, structure = odd.program, Relation(odd_design), Structure(ANYWHERE)
    view, waits = relation.view(relation.me), set()
    for shared, local in odd.moves:
        for word in program.starts if local == IDLE else (local,):
            n = program.point_of(word)
            values = {name: program.shared_layout.get(shared, name) for name in Shared.fields()}
            values |= {name: program.local_layout.get(word, name) for name in Local.fields()}
            blocked = program.outcomes(n, shared, word, set()) is None
            assert structure.question(relation.blocked(n, view)).answer(values) == blocked, program.points[n].place
            waits.add(blocked)
    assert waits == {True, False}


# ------------------------------------------------------------------ mutants

WRONG: dict[str, Callable[[Design], Relation]] = RELATIONS | {
    cells.__name__: lambda design, cells=cells: Relation(design, cells) for cells in CARRIERS
}
AT_ONCE = ("a_death_keeps_the_lock", "a_refusal_leads_on", "an_idle_process_holds_what_it_held")
"""The mutants of the relation that the inner loop tries; and all those of the carrier."""
ONLY_ODD = ("a_clean_up_that_is_refused_ends", "ChoosesTheFirst", "AsksLater", "WaitsFirst", "WaitsLast")
"""Those that mean the same in all that the recommended design can reach."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=pytest.mark.slow if n in RELATIONS and n not in AT_ONCE else ())
        for n in WRONG
        if n not in ONLY_ODD
    ],
)
def test_what_means_something_else_is_found_out(name: str, recommended: tuple[Checked, ...]) -> None:
    relation = WRONG[name](DESIGNS[RECOMMENDED])
    assert any(next(disagreements(interpreted(relation, said), said), None) for said in recommended)


@pytest.mark.parametrize("name", ONLY_ODD)
def test_what_means_something_else_where_a_design_is_odd_is_found_out(name: str, odd: Checked) -> None:
    assert next(disagreements(interpreted(WRONG[name](odd_design), odd), odd), None)
