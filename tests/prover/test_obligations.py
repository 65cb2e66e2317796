"""Obligations: that one that does not hold is not discharged, that none is left out, and that a property is proved
only where all of them are discharged. The systems are of a few transitions, written by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
import z3
from tiny_systems import (
    ALIVE,
    HOLDS,
    LITTLE,
    LOCKED,
    ONE,
    PAUSED,
    SAVED,
    Move,
    Tiny,
    always,
    at,
    claim,
    no,
    pigeons,
    strengthened,
)

from confsync.model.engine.verdict import Verdict
from confsync.model.language import GivenLemma, neg
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.operations import HOLDERS
from confsync.model.libxl.state import Local, Shared
from confsync.proofs.prover import proof
from confsync.proofs.prover.certificate.stability import spread
from confsync.proofs.prover.invariant.houdini import Strengthening
from confsync.proofs.prover.invariant.lemma import Exclusive, Lemma, Names
from confsync.proofs.prover.obligation import (
    Discharged,
    Kind,
    Obligation,
    discharge,
    holds_at_first,
    obligations,
    verdict_of,
)
from confsync.proofs.prover.proof import prove, verdicts_of
from confsync.proofs.prover.properties import Needed

PROVED, REFUTED, UNKNOWN = Verdict.PROVED, Verdict.REFUTED, Verdict.UNKNOWN
A, B = z3.Bools("a b")


def obligation(fails: Any, *premises: Any, **more: Any) -> Obligation:
    return Obligation(Kind.SAFETY, "by hand", tuple((f"p{i}", p) for i, p in enumerate(premises, 1)), (), fails, **more)


# ------------------------------------------------------------------ one obligation


@pytest.mark.parametrize(("answer", "verdict"), [(z3.unsat, PROVED), (z3.sat, REFUTED), (z3.unknown, UNKNOWN)], ids=str)
def test_only_unsat_proves(answer: z3.CheckSatResult, verdict: Verdict) -> None:
    assert verdict_of(answer) is verdict


@pytest.mark.parametrize(
    ("fails", "premises", "verdict"),
    [
        (z3.BoolVal(False), [], PROVED),
        (z3.BoolVal(True), [], REFUTED),
        (A, [z3.Not(A)], PROVED),
        (A, [], REFUTED),
        (A, [B], REFUTED),
        (A, [z3.Implies(A, B)], REFUTED),
        (A, [z3.Implies(A, B), z3.Not(B)], PROVED),
    ],
)
def test_what_does_not_follow_is_not_discharged(fails: Any, premises: list[Any], verdict: Verdict) -> None:
    assert discharge(obligation(fails, *premises)).verdict is verdict


def test_what_a_lemma_says_is_assumed_and_what_the_others_say_is_not() -> None:
    known = (("a lemma", z3.Not(A)),)
    assert discharge(replace(obligation(A), lemmas=known)).verdict is PROVED
    assert discharge(replace(obligation(A), others=known)).verdict is REFUTED


def test_a_solver_without_an_answer_discharges_nothing_and_the_reason_is_told() -> None:
    found = discharge(obligation(A, pigeons(11)), rlimit=LITTLE)
    assert (found.verdict, found.unknown, found.core) == (UNKNOWN, "the limit of 20,000 resource units", ())
    assert found.possible is None


def test_a_core_names_what_the_proof_rests_on() -> None:
    found = discharge(obligation(A, z3.Not(A), B))
    assert (found.verdict, found.core, found.unknown) == (PROVED, ("p1",), "")


def test_premises_that_contradict_each_other_are_told() -> None:
    assert discharge(obligation(z3.And(A, B), z3.Not(A))).possible is True
    assert discharge(obligation(A, B, z3.Not(B))).possible is False
    assert discharge(obligation(A, z3.Not(A), others=(("another", A),))).possible is False


def test_a_guard_without_which_it_holds_as_well_is_idle() -> None:
    """One that the proof did not use; and one that it used, and could have done without."""
    of = ("p1", "p2", "p3")
    assert discharge(obligation(A, z3.Not(A), B, guards=of[:2])).idle_guards == ("p2",)
    either = discharge(obligation(A, z3.Not(A), z3.And(z3.Not(A), B), guards=of[:2]))
    assert set(either.idle_guards) == {"p1", "p2"}
    assert discharge(obligation(A, B, guards=of[:1])).idle_guards == ()


def test_a_seed_that_comes_to_another_verdict_is_told() -> None:
    found = discharge(obligation(A, z3.Not(A)))
    assert spread(found, [1, 2], rlimit=LITTLE).agrees
    unlike = spread(replace(found, verdict=UNKNOWN), [1, 2], rlimit=LITTLE)
    assert (unlike.agrees, unlike.unlike) == (False, ((1, "PROVED"), (2, "PROVED")))


# ------------------------------------------------------------------ the initial state


@pytest.mark.parametrize(
    ("lemma", "holds"),
    [
        (always(no(ALIVE)), True),
        (always(ALIVE), False),
        (at(0, ALIVE), False),
        (at(ONE, ALIVE), True),
        (always(no(HOLDS)), True),
        (always(HOLDS), False),
        (Exclusive("locked"), True),
    ],
)
def test_a_lemma_holds_at_first_or_it_does_not(lemma: Lemma, holds: bool) -> None:
    assert holds_at_first(strengthened([], [], []).induction, lemma) is holds


# ------------------------------------------------------------------ the obligations of a proof


def make(s: Shared, _me: Local) -> None:
    s.alive = True


def nothing(_s: Shared, _me: Local) -> None: ...


def take(s: Shared, me: Local) -> None:
    me.waits_until(neg(s.locked))
    s.locked = True


def unlock(s: Shared, _me: Local) -> None:
    s.locked = False


def verdicts(found: Strengthening) -> dict[str, Verdict]:
    names = Names(found.induction.relation)
    return {o.title: discharge(o).verdict for o in obligations(found, names)}


def forced(moves: Iterable[Move], lemmas: Iterable[Lemma]) -> Strengthening:
    """As if the engine had kept these lemmas without a look at them, each shown by all of them."""
    found = strengthened(moves, lemmas, [])
    for lemma in lemmas:
        found._need(lemma, None)
    found.used = {step: frozenset(lemmas) for step in found.steps}
    return found


INITIATION = "initiation: every lemma holds at first"


def test_a_lemma_that_every_transition_keeps_and_the_initial_state_has_not_is_refuted_at_first() -> None:
    assert verdicts(forced([Move("make", make)], [always(ALIVE)])) == {INITIATION: REFUTED, "consecution: make": PROVED}


def test_a_lemma_that_a_transition_breaks_is_refuted_there_and_nowhere_else() -> None:
    found = forced([Move("rest", nothing), Move("make", make), Move("unlock", unlock)], [always(no(ALIVE))])
    assert verdicts(found) == {INITIATION: PROVED, "consecution: make": REFUTED}


def test_a_lemma_that_a_transition_breaks_for_another_process_is_refuted() -> None:
    moves = [Move("take", take, to=ONE), Move("unlock", unlock, here=ONE)]
    found = forced(moves, [at(ONE, LOCKED)])
    assert verdicts(found) == {INITIATION: PROVED, "consecution: take": PROVED, "consecution: unlock": REFUTED}


def test_each_of_several_lemmas_is_shown_of_a_transition() -> None:
    """One that is kept beside one that is not proves nothing of the other, in either order."""
    kept, broken = always(no(SAVED), ALIVE), always(no(ALIVE))
    for lemmas in ([kept, broken], [broken, kept]):
        assert verdicts(forced([Move("make", make)], lemmas))["consecution: make"] is REFUTED
    for lemmas in ([always(no(ALIVE)), always(ALIVE)], [always(ALIVE), always(no(ALIVE))]):
        assert verdicts(forced([], lemmas)) == {INITIATION: REFUTED}


def test_a_lemma_that_was_not_used_is_not_assumed() -> None:
    """An obligation says what its proof rests on, and can be checked from that alone."""

    def pause_if_alive(s: Shared, _me: Local) -> None:
        s.paused = s.alive

    calm, dead = always(no(PAUSED)), always(no(ALIVE))
    found = forced([Move("pause", pause_if_alive)], [calm, dead])
    assert verdicts(found)["consecution: pause"] is PROVED
    found.used = {found.steps[0]: frozenset({calm})}
    assert verdicts(found)["consecution: pause"] is REFUTED


def test_every_claim_that_is_not_refused_is_an_obligation() -> None:
    moves = [Move("rest", nothing)]
    relation = Tiny(*moves)
    alive, saved = (relation.shared.values[f] for f in ("alive", "saved"))
    claims = [claim(relation, "nothing is alive", (), alive), claim(relation, "nothing is saved", (), saved)]
    found = strengthened(moves, [always(no(ALIVE))], (), claims)
    assert set(found.refused) == {"nothing is saved"}
    assert verdicts(found) == {INITIATION: PROVED, "safety: nothing is alive": PROVED}
    found.refused.clear()
    assert verdicts(found)["safety: nothing is saved"] is REFUTED


# ------------------------------------------------------------------ the verdict on a property


DEAD, UNSAVED = always(no(ALIVE)), always(no(SAVED))


def said(verdict: Verdict) -> Discharged:
    return Discharged(obligation(A), verdict, 0.0, (), True, ())


def test_a_property_is_proved_if_its_lemmas_are_kept_its_claims_follow_and_all_is_discharged() -> None:
    relation = Tiny(Move("make", make))
    alive, saved = (relation.shared.values[f] for f in ("alive", "saved"))
    follows, wrong = claim(relation, "unsaved", (), saved), claim(relation, "dead", (), alive)
    found = strengthened([Move("make", make)], [DEAD, UNSAVED], [DEAD, UNSAVED], [follows, wrong])
    needs = {
        "a kept lemma": Needed((UNSAVED,)),
        "a claim that follows": Needed((), (follows,)),
        "both": Needed((UNSAVED,), (follows,)),
        "a lemma that is dropped": Needed((DEAD,)),
        "a kept one and a dropped one": Needed((UNSAVED, DEAD)),
        "a lemma that nobody offered": Needed((Exclusive("locked"),)),
        "a claim that is refused": Needed((), (wrong,)),
        "one of each": Needed((UNSAVED,), (follows, wrong)),
    }
    shown = {"a kept lemma", "a claim that follows", "both"}
    expected = {name: PROVED if name in shown else UNKNOWN for name in needs}
    assert verdicts_of(needs, found, [said(PROVED)]) == expected
    for verdict in (REFUTED, UNKNOWN):
        assert set(verdicts_of(needs, found, [said(PROVED), said(verdict), said(PROVED)]).values()) == {UNKNOWN}


# ------------------------------------------------------------------ a proof from end to end

# ------------------------------------------------------------------ a proof from end to end

POOL = [*map(Exclusive, HOLDERS), always(no(HOLDS), LOCKED), at(ONE, HOLDS)]


def hold(s: Shared, me: Local) -> None:
    take(s, me)
    me.holds = True


def hold_without_waiting(s: Shared, me: Local) -> None:
    s.locked = True
    me.holds = True


def release(s: Shared, me: Local) -> None:
    s.locked = False
    me.holds = False


RELEASE = Move("release", release, here=ONE)


@pytest.fixture
def proved(monkeypatch: pytest.MonkeyPatch) -> Callable[..., proof.Proof]:
    """Prove `lock_is_exclusive` of a system by hand, with these lemmas of an author's."""

    def prove_of(*moves: Move, lemmas: tuple[GivenLemma, ...] = ()) -> proof.Proof:
        monkeypatch.setattr(proof, "Relation", lambda design: Tiny(*moves, design=design))
        monkeypatch.setattr(proof, "take", lambda *_: None)
        monkeypatch.setattr(proof, "candidates", lambda *_: POOL)
        return prove(replace(DESIGNS[RECOMMENDED], lemmas=lemmas), ["lock_is_exclusive"])

    return prove_of


def test_what_holds_is_proved(proved: Callable[..., proof.Proof]) -> None:
    found = proved(Move("hold", hold, to=ONE), RELEASE)
    assert found.verdicts == {"lock_is_exclusive": PROVED}
    assert {d.verdict for d in found.discharged} == {PROVED}
    assert not found.why
    assert set(found.lemmas) == set(POOL)


def test_what_does_not_hold_is_not_proved_and_what_breaks_it_is_told(proved: Callable[..., proof.Proof]) -> None:
    found = proved(Move("hold", hold_without_waiting, to=ONE), RELEASE)
    assert found.verdicts == {"lock_is_exclusive": UNKNOWN}
    broken = found.why["lock_is_exclusive"]
    assert (broken.what, broken.step and broken.step.name) == (Exclusive("locked"), "hold")


@pytest.mark.parametrize("verdict", [REFUTED, UNKNOWN])
@pytest.mark.parametrize("kind", [Kind.INITIATION, Kind.CONSECUTION])
def test_one_obligation_that_is_not_discharged_and_nothing_is_proved(
    proved: Callable[..., proof.Proof], monkeypatch: pytest.MonkeyPatch, kind: Kind, verdict: Verdict
) -> None:
    def all_but_one(o: Obligation, **more: Any) -> Discharged:
        return replace(discharge(o, **more), verdict=verdict if o.kind is kind else PROVED)

    monkeypatch.setattr(proof, "discharge", all_but_one)
    assert proved(Move("hold", hold, to=ONE), RELEASE).verdicts == {"lock_is_exclusive": UNKNOWN}


def test_a_lemma_of_an_author_s_is_shown_and_not_believed(proved: Callable[..., proof.Proof]) -> None:
    """One that is so; one that every transition keeps, and the initial state has not; one that a transition breaks."""
    so, not_at_first, broken = (
        GivenLemma("nothing is saved", lambda s, _me, _k: neg(s.saved), ""),
        GivenLemma("a domain is alive", lambda s, _me, _k: s.alive, ""),
        GivenLemma("nothing is locked", lambda s, _me, _k: neg(s.locked), ""),
    )
    found = proved(Move("hold", hold, to=ONE), RELEASE, lemmas=(so, not_at_first, broken))
    assert found.unproved_given == {
        not_at_first: "it does not hold in the initial state",
        broken: "it can be broken by `hold`",
    }
    assert "nothing is saved" in {found.names.says(x) for x in found.lemmas}
    assert found.verdicts == {"lock_is_exclusive": PROVED}
