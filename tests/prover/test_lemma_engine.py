"""The engine that proves, on systems of a few transitions: what holds is kept, and what does not is dropped.

Each system is written by hand, and has one reason why a lemma holds or fails.
"""

from __future__ import annotations

import pytest
import z3
from tiny_systems import (
    ALIVE,
    CLOSING,
    HARD,
    HOLDS,
    LITTLE,
    LOCKED,
    MINE,
    ONE,
    PAUSED,
    RESOURCES,
    SAVED,
    TWO,
    Move,
    Tiny,
    always,
    at,
    claim,
    no,
    strengthened,
)

from confsync.model.language import neg, pointwise
from confsync.model.libxl.state import Local, Shared
from confsync.proofs.prover.invariant.houdini import Strengthening
from confsync.proofs.prover.invariant.induction import Induction, Use
from confsync.proofs.prover.invariant.lemma import Clause, Exclusive, Lemma, Owned

# ------------------------------------------------------------------ steps


def nothing(_s: Shared, _me: Local) -> None: ...


def make(s: Shared, _me: Local) -> None:
    s.alive = True
    s.saved = True


def enliven(s: Shared, _me: Local) -> None:
    s.alive = True


def save_if_paused(s: Shared, _me: Local) -> None:
    s.saved = s.paused


def pause_if_alive(s: Shared, _me: Local) -> None:
    s.paused = s.alive


def take(s: Shared, me: Local) -> None:
    me.waits_until(neg(s.locked))
    s.locked = True
    me.holds = True


def take_without_waiting(s: Shared, me: Local) -> None:
    s.locked = True
    me.holds = True


def drop(s: Shared, me: Local) -> None:
    s.locked = False
    me.holds = False


def lock_for_nobody(s: Shared, _me: Local) -> None:
    s.locked = True


def forget_to_unlock(_s: Shared, me: Local) -> None:
    me.holds = False


# ------------------------------------------------------------------ one lemma


SAVED_MEANS_ALIVE = always(no(SAVED), ALIVE)


def test_a_lemma_that_every_transition_keeps_is_kept() -> None:
    found = strengthened([Move("make", make)], [SAVED_MEANS_ALIVE], [SAVED_MEANS_ALIVE])
    assert list(found.needed) == [SAVED_MEANS_ALIVE]
    assert not found.broken


def test_a_lemma_that_a_transition_breaks_is_dropped_and_the_transition_is_named() -> None:
    dead = always(no(ALIVE))
    found = strengthened([Move("rest", nothing), Move("make", make)], [dead], [dead])
    assert not found.needed
    broken = found.broken[dead]
    assert broken.step is not None
    assert (broken.step.name, broken.other, broken.unknown) == ("make", False, "")


def test_a_lemma_is_not_shown_by_itself_after_the_transition() -> None:
    """*Nobody is paused* is so before the step; that it was wanted afterwards does not make it so."""
    calm = always(no(PAUSED))

    def pause(s: Shared, _me: Local) -> None:
        s.paused = True

    assert not strengthened([Move("pause", pause)], [calm], [calm]).needed


def test_a_map_is_kept_at_every_slot_and_not_at_one() -> None:
    free = always(no(CLOSING))

    def close_one(s: Shared, me: Local) -> None:
        s.closing[me.slot] = True

    def close_all(s: Shared, _me: Local) -> None:
        s.closing = pointwise(lambda _: True)

    def close_none(s: Shared, _me: Local) -> None:
        s.closing = pointwise(lambda k: s.closing[k])

    assert not strengthened([Move("close", close_one)], [free], [free]).needed
    assert not strengthened([Move("close", close_all)], [free], [free]).needed
    assert strengthened([Move("close", close_none)], [free], [free]).needed


# ------------------------------------------------------------------ support

CALM, UNSAVED, DEAD = always(no(PAUSED)), always(no(SAVED)), always(no(ALIVE))
CHAIN = [Move("save", save_if_paused), Move("pause", pause_if_alive)]
"""Nothing is ever alive, so nothing is paused, so nothing is saved."""


def test_a_lemma_that_needs_others_is_kept_with_them() -> None:
    found = strengthened(CHAIN, [UNSAVED, CALM, DEAD], [UNSAVED])
    assert set(found.needed) == {UNSAVED, CALM, DEAD}


@pytest.mark.parametrize("lacking", [CALM, DEAD], ids=["the next", "the last"])
def test_a_lemma_whose_support_is_lacking_is_dropped(lacking: Clause) -> None:
    found = strengthened(CHAIN, [x for x in (UNSAVED, CALM, DEAD) if x != lacking], [UNSAVED])
    assert UNSAVED not in found.needed
    assert UNSAVED in found.broken


def test_where_the_support_falls_what_rests_on_it_falls() -> None:
    found = strengthened([*CHAIN, Move("enliven", enliven)], [UNSAVED, CALM, DEAD], [UNSAVED])
    assert not found.needed
    assert set(found.broken) == {UNSAVED, CALM, DEAD}


def test_two_lemmas_may_rest_on_each_other() -> None:
    """Each is shown of the state after by what both say of the state before."""

    def swap(s: Shared, _me: Local) -> None:
        s.alive, s.saved = s.saved, s.alive

    both = [always(no(ALIVE)), always(no(SAVED))]
    assert set(strengthened([Move("swap", swap)], both, both[:1]).needed) == set(both)


def test_what_is_not_wanted_is_not_asked_for() -> None:
    found = strengthened(CHAIN, [UNSAVED, CALM, DEAD], [DEAD])
    assert list(found.needed) == [DEAD]


def test_pruning_leaves_out_what_is_not_needed_and_nothing_else() -> None:
    found = strengthened(CHAIN, [UNSAVED, CALM, DEAD], [UNSAVED, CALM, DEAD])
    found.prune([UNSAVED])
    assert set(found.needed) == {UNSAVED, CALM, DEAD}
    lone = strengthened([Move("save", lambda s, _me: setattr(s, "saved", False))], [UNSAVED, DEAD], [UNSAVED, DEAD])
    lone.prune([UNSAVED])
    assert list(lone.needed) == [UNSAVED]


# ------------------------------------------------------------------ locations and other processes

TAKE, DROP = Move("take", take, to=ONE), Move("drop", drop, here=ONE)
HELD_HERE, LOCKED_HERE = at(ONE, HOLDS), at(ONE, LOCKED)
HELD_MEANS_LOCKED = always(no(HOLDS), LOCKED)
IDLE_HOLDS_NOTHING = at(0, no(HOLDS))
MUTEX: list[Lemma] = [LOCKED_HERE, HELD_HERE, HELD_MEANS_LOCKED, Exclusive("locked")]


def test_a_lock_excludes() -> None:
    found = strengthened([TAKE, DROP], MUTEX, [LOCKED_HERE, Exclusive("locked")])
    assert set(found.needed) == set(MUTEX)


@pytest.mark.parametrize("lacking", MUTEX[1:], ids=["who is there holds it", "held is locked", "one holds it"])
def test_without_a_lemma_of_the_lock_another_process_breaks_it(lacking: Lemma) -> None:
    found = strengthened([TAKE, DROP], [x for x in MUTEX if x != lacking], [LOCKED_HERE])
    assert LOCKED_HERE not in found.needed


def test_another_process_that_unlocks_breaks_what_is_so_at_a_location() -> None:
    found = strengthened([TAKE, DROP], [LOCKED_HERE], [LOCKED_HERE])
    assert not found.needed
    broken = found.broken[LOCKED_HERE]
    assert broken.step is not None
    assert (broken.step.name, broken.other) == ("drop", True)


def test_two_that_do_not_wait_hold_the_lock_both() -> None:
    moves = [Move("take", take_without_waiting, to=ONE), DROP]
    found = strengthened(moves, MUTEX, [Exclusive("locked")])
    assert Exclusive("locked") not in found.needed


def test_a_lemma_is_shown_where_a_transition_arrives() -> None:
    there = at(TWO, SAVED)
    assert not strengthened([Move("go", nothing, ONE, TWO)], [there], [there]).needed
    assert strengthened([Move("go", make, ONE, TWO)], [there], [there]).needed
    assert strengthened([Move("go", nothing, ONE, ONE)], [there], [there]).needed


def test_a_lemma_moves_on_with_the_process_only_where_nothing_of_it_was_written() -> None:
    before, after = at(ONE, HOLDS), at(TWO, HOLDS)
    moves = [Move("arrive", take, to=ONE), Move("rest", nothing, ONE, TWO)]
    assert set(strengthened(moves, [before, after], [after]).needed) == {before, after}
    moves[1] = Move("forget", forget_to_unlock, ONE, TWO)
    assert not strengthened(moves, [before, after], [after]).needed


def test_a_process_is_where_its_transition_begins_and_at_no_other_location() -> None:
    """*Saved at 1* says nothing of who comes from 2."""
    here, there = at(ONE, SAVED), at(0, SAVED)
    assert not strengthened([Move("go", nothing, TWO, 0), Move("come", make, 0, ONE)], [here, there], [there]).needed


def test_nobody_comes_where_no_transition_leads() -> None:
    never = at(TWO)
    assert strengthened([Move("go", nothing, 0, ONE)], [never], [never]).needed
    assert not strengthened([Move("go", nothing, 0, TWO)], [never], [never]).needed


def test_guards_are_known() -> None:
    def save_the_paused(s: Shared, me: Local) -> None:
        me.waits_until(s.paused)
        s.saved = True

    def save_but_the_paused(s: Shared, me: Local) -> None:
        me.fails_if(s.paused)
        s.saved = True

    only = always(no(SAVED), PAUSED)
    assert strengthened([Move("save", save_the_paused)], [only], [only]).needed
    assert not strengthened([Move("save", save_but_the_paused)], [only], [only]).needed


def test_of_a_slot_a_lemma_is_known_at_that_slot_alone() -> None:
    """A lemma is shown of the slot `k`: that at its own slot nothing is closing does not help at another."""
    mine, all_slots = at(ONE, no(MINE), no(CLOSING)), at(ONE, no(CLOSING))

    def arrive(s: Shared, me: Local) -> None:
        s.closing[me.slot] = False

    found = strengthened([Move("arrive", arrive, 0, ONE)], [mine, all_slots], [mine, all_slots])
    assert list(found.needed) == [mine]


def test_a_slot_that_is_written_may_be_any() -> None:
    agree = always(no(RESOURCES), CLOSING)

    def at_its_own(s: Shared, me: Local) -> None:
        s.closing[me.slot] = True
        s.resources[me.slot] = True

    def at_all(s: Shared, me: Local) -> None:
        s.closing[me.slot] = True
        s.resources = pointwise(lambda _: True)

    assert strengthened([Move("write", at_its_own)], [agree], [agree]).needed
    assert not strengthened([Move("write", at_all)], [agree], [agree]).needed


# ------------------------------------------------------------------ locks and their owners

OWNED = Owned("locked")


def test_a_lock_that_is_set_has_an_owner() -> None:
    assert OWNED in strengthened([TAKE, DROP], [OWNED, Exclusive("locked"), *MUTEX], [OWNED]).needed


def test_a_lock_that_nobody_took_has_none() -> None:
    assert not strengthened([Move("lock", lock_for_nobody)], [OWNED], [OWNED]).needed


def test_a_holder_that_forgets_it_leaves_a_lock_without_an_owner() -> None:
    found = strengthened([TAKE, Move("forget", forget_to_unlock, ONE, 0)], [OWNED, *MUTEX], [OWNED])
    assert OWNED not in found.needed


# ------------------------------------------------------------------ claims


def test_a_claim_that_follows_is_not_refused_and_names_what_it_rests_on() -> None:
    relation = Tiny(*CHAIN)
    wanted = claim(relation, "nothing is saved", (), relation.shared.values["saved"])
    found = strengthened(CHAIN, [UNSAVED, CALM, DEAD], (), [wanted])
    assert not found.refused
    assert found.used[wanted.name] == {UNSAVED}
    assert set(found.needed) == {UNSAVED, CALM, DEAD}


def test_a_claim_that_does_not_follow_is_refused() -> None:
    relation = Tiny(*CHAIN)
    wanted = claim(relation, "nothing is closing", (), relation.shared.values["alive"])
    found = strengthened(CHAIN, [UNSAVED, CALM], (), [wanted])
    assert set(found.refused) == {wanted.name}
    assert found.refused[wanted.name].model is not None


def test_a_claim_whose_lemma_is_dropped_later_is_refused() -> None:
    moves = [*CHAIN, Move("enliven", enliven)]
    relation = Tiny(*moves)
    wanted = claim(relation, "nothing is saved", (), relation.shared.values["saved"])
    found = strengthened(moves, [UNSAVED, CALM, DEAD], (), [wanted])
    assert set(found.refused) == {wanted.name}
    assert not found.needed


def test_what_is_given_of_a_claim_is_assumed() -> None:
    relation = Tiny(*CHAIN)
    saved = relation.shared.values["saved"]
    given = claim(relation, "given", [("not saved", z3.Not(saved))], saved)
    assert not strengthened(CHAIN, [], (), [given]).refused


# ------------------------------------------------------------------ no answer


def test_a_lemma_that_the_solver_came_to_no_answer_about_is_dropped_and_told_so() -> None:
    moves = [Move("save", make, given=(HARD,))]
    found = strengthened(moves, [UNSAVED], [UNSAVED], rlimit=LITTLE)
    assert not found.needed
    broken = found.broken[UNSAVED]
    assert (broken.model, broken.unknown) == (None, "the limit of 20,000 resource units")


def test_a_claim_that_the_solver_came_to_no_answer_about_is_refused_and_told_so() -> None:
    relation = Tiny(*CHAIN)
    hard = claim(relation, "hard", [HARD], relation.shared.values["saved"])
    found = strengthened(CHAIN, [], (), [hard], rlimit=LITTLE)
    assert set(found.refused) == {"hard"}
    assert found.refused["hard"].unknown == "the limit of 20,000 resource units"
    assert found.refused["hard"].model is None


# ------------------------------------------------------------------ what lemmas say


def of_two() -> tuple[Induction, z3.Solver]:
    ind = Induction(Tiny())
    solver = z3.Solver()
    solver.add(*(f for _, f in ind.axioms))
    return ind, solver


def test_a_clause_at_a_location_says_nothing_of_who_is_elsewhere() -> None:
    ind, solver = of_two()
    here = ind.says(at(ONE, SAVED), ind.me, ind.k)
    saved = ind.relation.shared.values["saved"]
    solver.add(here, z3.Not(saved))
    assert solver.check(ind.at(ind.me, TWO)) == z3.sat
    assert solver.check(ind.at(ind.me, ONE)) == z3.unsat


def test_a_lemma_is_used_of_those_it_is_about() -> None:
    ind, _ = of_two()
    here, there = Use(ind.me, ind.k, frozenset({ONE})), Use(ind.p, ind.k, frozenset({TWO}))
    assert ind.uses(at(ONE, SAVED), [here, there]) == [(ind.me, ind.k)]
    assert ind.uses(at(TWO, SAVED), [here, there]) == [(ind.p, ind.k)]
    assert ind.uses(always(HOLDS), [here, there]) == [(ind.me, ind.k), (ind.p, ind.k)]
    assert ind.uses(always(SAVED), [here, there]) == [(ind.me, ind.k)]


def test_the_initial_state_is_one_state() -> None:
    """Every shared field has its first value there: what is not said could be anything."""
    ind, solver = of_two()
    solver.add(*(f for _, f in ind.initially(ind.me)))
    assert solver.check() == z3.sat
    known = z3.And(*solver.assertions())
    for name, field in Shared.fields().items():
        value = ind.relation.shared.values[name]
        value = value(ind.k) if field.over else value
        other = z3.Const("other", value.sort())
        assert solver.check(z3.substitute(known, (value, other)), other != value) == z3.unsat, name
    assert solver.check(ind.holds(ind.me, "locked")) == z3.unsat
    assert solver.check(z3.Not(ind.at(ind.me, 0))) == z3.unsat


def test_every_core_is_as_small_as_can_be() -> None:
    found = Strengthening(Tiny(*CHAIN), [UNSAVED, CALM, DEAD, always(no(SAVED), no(PAUSED), no(ALIVE))])
    found.keep([UNSAVED])
    assert set(found.needed) == {UNSAVED, CALM, DEAD}
