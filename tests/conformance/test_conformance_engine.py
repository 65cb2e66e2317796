"""The conformance explorer, on implementations that are designs of the model: one that follows its design conforms, and
each one with a known mistake diverges as soon as what the mistake needs is explored, and not before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import pytest
from modelled import SMALL, C, Modelled, changed, check_covered, explorer, whole

from confsync.model.engine.program import IDLE, Kind, Program, Transition
from confsync.model.language import Design
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.state import ABSENT
from confsync.model.libxl.steps import drop_lock, take_lock, unpause
from confsync.proofs.conformance.asked import Asked
from confsync.proofs.conformance.coverage import ModelSearch
from confsync.proofs.conformance.explore import DEAD, Choice, Explorer, Start
from confsync.proofs.conformance.linearize import linearize
from confsync.proofs.conformance.minimise import judge, minimise
from confsync.proofs.conformance.output import as_json, as_junit, as_text
from confsync.proofs.conformance.paths import graph
from confsync.proofs.conformance.run import Report, Told
from confsync.proofs.conformance.schedule import Schedule, checksum, follow, read_token, token
from confsync.proofs.conformance.scope import Scope, choices, together
from confsync.proofs.conformance.steps import Edge, Place

recommended = DESIGNS[RECOMMENDED]
unlocked = recommended.but(
    "unlocked", "A retrieve without the lock.", retrieve=recommended["retrieve"].without(take_lock).without(drop_lock)
)
ATTACH, DETACH, EJECT = Asked("attach", 0, C), Asked("detach", 0), Asked("eject", 1)
RENAME, MEMORY, RETRIEVE = Asked("rename", number=1), Asked("set_memory_target", number=1), Asked("retrieve")
UNEXPLAINED = "no transition of the model leads to what the stores say"
Pair = tuple[Asked, ...]


@cache
def faithful() -> Explorer:
    return explorer(recommended)


@cache
def begun() -> Start:
    return whole(faithful())


def reason(e: Explorer, asked: Pair, deaths: int = 0, failures: int = 0) -> str:
    """Why it diverges; "" if it does not."""
    found = e.explore(whole(e), asked, deaths=deaths, failures=failures).divergence
    return found.reason if found else ""


# ------------------------------------------------------------------ what conforms, and how much that is


@pytest.mark.parametrize(
    ("asked", "deaths", "failures"),
    [((DETACH,), 1, 1), ((RENAME, RETRIEVE), 0, 0), ((RENAME, DETACH), 1, 0), ((EJECT, RENAME), 0, 1)],
    ids=str,
)
def test_a_design_follows_itself_and_every_schedule_is_counted(asked: Pair, deaths: int, failures: int) -> None:
    """Counted once more here, one schedule after another, by what the implementation can do and nothing else."""
    found = faithful().explore(begun(), asked, deaths=deaths, failures=failures)
    assert found.divergence is None
    places = [faithful().place(p, a) for p, a in enumerate(asked)]
    schedules, steps = counted(faithful().steps, begun().state, tuple(places), deaths, failures)  # type: ignore[arg-type]
    assert found.interleavings == schedules
    assert found.edges == len(steps)


Seen = set[tuple[object, ...]]


def counted(
    moves: Modelled, state: int, places: tuple[Place | None, ...], deaths: int, failures: int
) -> tuple[int, Seen]:
    """How many whole schedules there are from here, and every step on some of them, told apart by where it is taken."""
    found, steps = 0, Seen()
    here = (state, *(p and p.number for p in places), deaths, failures)
    for p, place in enumerate(places):
        if place is None or place.ended:
            continue
        ways: list[tuple[int, Place | None, int, int]] = [
            (e.state, e.place, deaths, failures - (e.failed is not None)) for e in moves.edges(state, place)
        ]
        ways += [(moves.death(state, p), None, deaths - 1, failures)] if place.observed and deaths else []
        for n, (after, then, alive, left) in enumerate(ways):
            if left >= 0:
                more, those = counted(moves, after, (*places[:p], then, *places[p + 1 :]), alive, left)
                found += more
                steps |= {*those, (*here, p, n)}
    return found or 1, steps


def test_more_deaths_failures_and_processes_are_more_schedules() -> None:
    def of(asked: Pair, deaths: int = 0, failures: int = 0) -> int:
        return faithful().explore(begun(), asked, deaths=deaths, failures=failures).interleavings

    assert of((RENAME,)) == 1
    assert 1 < of((RENAME,), 1) < of((RENAME,), 1, 1)
    assert 1 < of((RENAME, RETRIEVE)) < of((RENAME, RETRIEVE), 1)


def test_schedules_that_cover_take_every_edge_to_its_end() -> None:
    first, edges = graph(faithful(), begun(), (RENAME, DETACH), deaths=1, failures=0)
    check_covered(first, edges)


# ------------------------------------------------------------------ what does not

Edit = Callable[[Program], Callable[[Transition], Transition]]


def mistaken(make: Edit, design: Design = recommended) -> Explorer:
    program = Program(design, SMALL)
    return explorer(design, edit=make(program))


def operation_of(program: Program, t: Transition) -> str:
    return program.points[t.label.point].operation


def leaves_the_lock_file(program: Program) -> Callable[[Transition], Transition]:
    """A rename that leaves the lock's file behind."""

    def edit(t: Transition) -> Transition:
        point = program.points[t.label.point]
        return changed(program, t, lock_file=True) if point.place == ("rename", "3 drop_lock") else t

    return edit


def only_if(kind: Kind, operation: str, **values: bool) -> Edit:
    """A mistake in one operation, where it is refused or fails."""

    def make(program: Program) -> Callable[[Transition], Transition]:
        def edit(t: Transition) -> Transition:
            if t.label.kind is kind and operation_of(program, t) == operation:
                return changed(program, t, **values)
            return t

        return edit

    return make


def test_a_store_that_is_left_otherwise_diverges() -> None:
    e = mistaken(leaves_the_lock_file)
    assert reason(e, (RENAME,)) == UNEXPLAINED
    assert reason(e, (RETRIEVE,)) == ""


def test_a_mistake_in_the_second_process_is_found() -> None:
    e = mistaken(leaves_the_lock_file)
    assert reason(e, (RETRIEVE, RENAME)) == UNEXPLAINED
    assert reason(e, (RENAME, RETRIEVE)) == UNEXPLAINED


def test_a_mistake_where_a_step_fails_is_found_where_failures_are_explored() -> None:
    e = mistaken(only_if(Kind.FAILS, "rename", saved=False))
    assert reason(e, (RENAME,)) == ""
    assert reason(e, (RENAME,), failures=1) == UNEXPLAINED


def test_a_mistake_where_a_process_dies_is_found_where_deaths_are_explored() -> None:
    def keeps_the_lock(before: int, after: int) -> int:
        program = Program(recommended, SMALL)
        return program.shared_layout.put(after, "locked", program.shared_layout.get(before, "locked"))

    e = explorer(recommended, on_death=keeps_the_lock)
    assert reason(e, (RENAME,)) == ""
    assert reason(e, (RENAME,), deaths=1) == UNEXPLAINED


def test_a_mistake_that_only_a_preemption_shows_is_found() -> None:
    """A retrieve without the lock returns what the locked one does, unless a device comes in between."""
    e = explorer(unlocked, recommended)
    start = e.prepare(Asked("create", draft=(ABSENT, C)))
    assert e.explore(start, (RETRIEVE,)).divergence is None
    for asked in ((RETRIEVE, ATTACH), (ATTACH, RETRIEVE)):
        found = e.explore(start, asked).divergence
        assert found
        assert found.reason == UNEXPLAINED


def test_a_result_that_is_wrong_diverges() -> None:
    e = explorer(recommended, result=lambda a: (a[0], 1 - a[1], a[2]))
    assert reason(e, (RETRIEVE,)) == UNEXPLAINED
    assert reason(e, (RENAME,)) == ""
    for part in (0, 2):

        def wrong(a: tuple[tuple[int, ...], int, int], part: int = part) -> tuple[tuple[int, ...], int, int]:
            return ((C + 1, *a[0][1:]), a[1], a[2]) if part == 0 else (a[0], a[1], 1 - a[2])

        assert reason(explorer(recommended, result=wrong), (RETRIEVE,)) == UNEXPLAINED


class SaysTheOpposite(Modelled):
    """It returns success where it gave up, and an error where it was done."""

    def _end(self, place: Place, *, done: bool, answers: bool) -> Place:
        return super()._end(place, done=not done, answers=answers)


class GivesUp(Modelled):
    """Of what can fail it takes the failure, though nothing was made to fail."""

    def edges(self, state: int, place: Place) -> Sequence[Edge]:
        found = super().edges(state, place)
        return tuple(replace(e, failed=None) for e in found[1:]) or found


@pytest.mark.parametrize("moves", [SaysTheOpposite, GivesUp])
def test_success_and_an_error_are_two_results(moves: type[Modelled]) -> None:
    program = Program(recommended, SMALL)
    e = Explorer(moves(program, 2), program, ())
    found = e.explore(Start(0, program.initial), (Asked("create", draft=(C, C)),)).divergence
    assert found
    assert found.reason == UNEXPLAINED


def test_what_the_stores_say_that_stands_for_nothing_diverges() -> None:
    e = explorer(recommended, stray="'name9'")
    found = e.explore(Start(0, e.program.initial), (RETRIEVE,))
    assert found.divergence
    assert found.divergence.reason == "the stores say 'name9', which stands for nothing in the model"


def test_a_property_that_is_claimed_is_judged_in_every_state() -> None:
    unchecked = DESIGNS["xenstore_first_unchecked"]
    e = explorer(unchecked, properties=("template_is_faithful",))
    assert reason(e, (Asked("attach", 0, C + 1),)) == "template_is_faithful: violated"
    assert reason(explorer(unchecked), (Asked("attach", 0, C + 1),)) == ""


def test_who_waits_for_ever_diverges() -> None:
    kept = recommended.but("kept", "A rename keeps the lock.", rename=recommended["rename"].without(drop_lock))
    e = explorer(kept)
    assert reason(e, (RENAME,)) == ""
    assert reason(e, (RENAME, RETRIEVE)) == "an operation waits for ever"


def test_a_domain_that_is_left_paused_diverges() -> None:
    """Only at the end: on the way pausing takes an implementation two calls."""
    paused = recommended.but("paused", "It is left paused.", create=recommended["create"].without(unpause))
    e = explorer(paused, recommended)
    found = e.explore(Start(0, e.program.initial), (Asked("create", draft=(C, ABSENT)),))
    assert found.divergence
    assert found.divergence.reason in ("the domain is paused", UNEXPLAINED)


# ------------------------------------------------------------------ a divergence


def test_a_divergence_is_told_by_a_shortest_schedule_that_replays() -> None:
    e = mistaken(leaves_the_lock_file)
    start, asked = whole(e), (DETACH, RENAME)
    found = e.explore(start, asked, deaths=1, failures=1).divergence
    assert found
    assert len(found.schedule) == 3
    assert judge(e, start, Schedule("full", asked, found.schedule)) == UNEXPLAINED
    assert judge(e, start, Schedule("full", asked, found.schedule[:-1])) in (None, "")
    schedule, small = minimise(e, start, "full", found)
    assert schedule.asked == (RENAME,)
    assert schedule.choices == (Choice(0, 0),) * 3
    assert small.reason == UNEXPLAINED


def test_minimising_keeps_the_death_that_is_needed() -> None:
    def keeps_the_lock(before: int, after: int) -> int:
        program = Program(recommended, SMALL)
        return program.shared_layout.put(after, "locked", program.shared_layout.get(before, "locked"))

    e = explorer(recommended, on_death=keeps_the_lock)
    start = whole(e)
    found = e.explore(start, (DETACH, RENAME), deaths=1, failures=1).divergence
    assert found
    schedule, _ = minimise(e, start, "full", found)
    assert len(schedule.asked) == 1
    assert (schedule.deaths, schedule.choices[-1].which) == (1, None)


def test_what_is_wrong_before_the_end_of_a_schedule_is_not_judged_at_its_end() -> None:
    e = mistaken(leaves_the_lock_file)
    start = whole(e)
    late = Schedule("full", (RENAME, RETRIEVE), (*(Choice(0, 0),) * 3, Choice(1, 0)))
    assert judge(e, start, late) is None
    assert judge(e, start, replace(late, choices=late.choices[:3])) == UNEXPLAINED
    assert judge(e, start, replace(late, choices=late.choices[:2])) == ""


# ------------------------------------------------------------------ tokens


def test_a_token_is_its_schedule_and_its_sum_is_of_what_was_asked_and_answered() -> None:
    taken = (*(Choice(0, 0),) * 2, Choice(1, 1), Choice(0, None))
    schedule = Schedule("full", (RENAME, Asked("create", draft=(C, ABSENT))), taken)
    text = token(schedule, [])
    assert text.startswith("conform:full:rename,n1;create,d3.0:0.0*2-1.1-0.x:")
    assert read_token(text)[0] == schedule
    done = follow(faithful(), begun(), replace(schedule, choices=taken[:1]))
    assert checksum(done) != checksum([])
    assert checksum(done) != checksum([replace(done[0], choice=Choice(1, 0))])


def test_preemptions_are_of_those_that_go_on() -> None:
    def of(*processes: int) -> int:
        return Schedule("full", (RENAME, RETRIEVE), tuple(Choice(p, 0) for p in processes)).preemptions

    assert (of(0, 0, 1, 1), of(0, 1, 0, 1), of(0, 1, 1, 0)) == (0, 2, 1)


# ------------------------------------------------------------------ linearizability


def test_a_design_is_linearizable_and_a_wrong_result_is_not() -> None:
    assert linearize(faithful(), begun(), (RENAME, RETRIEVE), deaths=1).wrong is None
    e = explorer(recommended, result=lambda a: (a[0], 1 - a[1], a[2]))
    found = linearize(e, whole(e), (RETRIEVE,))
    assert found.wrong == (Choice(0, 0),) * 7
    assert "no order of the operations explains that retrieve() returned" in found.reason


def test_a_success_that_did_nothing_is_not_linearizable() -> None:
    """A rename that leaves the name as it was, and a retrieve after it."""
    program = Program(recommended, SMALL)

    def forgets(t: Transition) -> Transition:
        point = program.points[t.label.point]
        if point.place == ("rename", "2 write_name") and t.label.kind is Kind.STEP:
            return replace(t, shared=program.shared_layout.put(t.shared, "name", 0))
        return t

    e = explorer(recommended, edit=forgets)
    assert linearize(e, whole(e), (RENAME,)).wrong is None
    assert linearize(e, whole(e), (RENAME, RETRIEVE)).wrong is not None


# ------------------------------------------------------------------ coverage and scope


def test_the_model_s_transitions_are_all_that_its_processes_can_take() -> None:
    """Of one operation and of two, with and without a failure: found here by plain recursion."""
    program = Program(recommended, SMALL)
    start = begun().shared
    for asked, failures in (((RENAME,), 0), ((RENAME,), 1), ((RENAME, EJECT), 0)):
        words = tuple(a.word(program) for a in asked)
        expected = set()
        todo = [(start, words, failures)]
        seen = set(todo)
        while todo:
            shared, local, left = todo.pop()
            for p, word in enumerate(local):
                for t in program.transitions(shared, word, set()) if word else ():
                    begins = word == words[p]
                    if (t.label.kind is Kind.CRASH and begins) or (t.label.kind is Kind.FAILS and not left):
                        continue
                    expected.add((shared, word, t))
                    then = (t.shared, (*local[:p], t.local, *local[p + 1 :]), left - (t.label.kind is Kind.FAILS))
                    todo += [then] if then not in seen else []
                    seen.add(then)
        assert ModelSearch(program).reachable(start, words, failures) == expected
        assert expected


def test_what_the_implementation_took_of_the_model_is_noted() -> None:
    e = explorer(recommended)
    start = whole(e)
    e.matching.taken.clear()
    e.explore(start, (RENAME,))
    labels = {(e.program.points[t.label.point].place[1], t.label.kind) for _, _, t in e.matching.taken}
    assert labels == {("1 take_lock", Kind.STEP), ("2 write_name", Kind.STEP), ("3 drop_lock", Kind.STEP)}
    e.explore(start, (RENAME,), deaths=1)
    labels = {(e.program.points[t.label.point].place[1], t.label.kind) for _, _, t in e.matching.taken}
    assert ("2 write_name", Kind.CRASH) in labels


def test_a_step_that_is_two_of_the_model_s_is_explained_and_one_that_skips_is_not() -> None:
    """Between two steps of the implementation the model may take several; but it takes them all."""
    matching, program = faithful().matching, faithful().program
    word = RENAME.word(program)
    reach = matching.reach(begun().shared, word)
    names = {program.shared_layout.get(r.shared, "name") for r in reach if r.local == IDLE}
    assert names == {1}
    assert len(reach) == 4


def test_every_choice_of_operations_is_explored_once() -> None:
    scope = Scope(2, operations=("attach", "rename", "retrieve"))
    every = list(together(scope))
    assert len(every) == len(set(every)) == 4 * 5 // 2
    assert {a.operation for asked in every for a in asked} == set(scope.operations)
    assert [a.operation for a in choices(0, ("attach",))] == ["attach", "attach"]


# ------------------------------------------------------------------ what is printed


def report(*, told: bool, combinations: int) -> Report:
    found = faithful().explore(begun(), (RENAME,))
    stories = (Told("why", "conform:x", "full", ("rename",), ("1. a step",), ()),) if told else ()
    stopped = "" if combinations == 2 else "the bound of 7 states"
    return Report("a design", Scope(2), combinations, 2, found, stories, None, 1.0, stopped)


@pytest.mark.parametrize(
    ("told", "combinations", "conforms", "said"),
    [
        (False, 2, True, "the implementation follows a design in all of this"),
        (True, 2, False, "the implementation does not follow a design"),
        (False, 1, False, "stopped at the bound of 7 states: not all was explored"),
        (True, 1, False, "the implementation does not follow a design"),
    ],
)
def test_only_what_was_explored_whole_and_did_not_diverge_conforms(
    told: bool, combinations: int, conforms: bool, said: str
) -> None:
    found = report(told=told, combinations=combinations)
    assert found.conforms is conforms
    assert list(as_text(found, ""))[-1] == said
    assert f'"conforms": {str(conforms).lower()}' in as_json(found, "")
    assert f'errors="{int(not told and not conforms)}" failures="{int(told)}"' in as_junit([found], "")


def test_a_dead_process_takes_no_step() -> None:
    e = faithful()
    node = e.at(begun(), (RENAME, RETRIEVE), deaths=1, failures=0)[0]
    dead = (node[0], DEAD, *node[2:])
    assert {c.process for c, _, _ in e.successors(dead)} == {1}
