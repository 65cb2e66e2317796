"""Proofs for any size: what is proved holds, and nothing is proved for a wrong reason."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace

import places
import pytest
import z3
from mutants import MUTANTS
from proved import PROOFS, proof_of_recommended

from confsync.model.engine.check import check
from confsync.model.engine.verdict import Verdict
from confsync.model.language import GivenLemma, LanguageError, any_of, implies, neg
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.state import ABSENT, Bounds
from confsync.proofs.libxl.arguments import ARGUMENTS
from confsync.proofs.prover.invariant.houdini import Strengthening
from confsync.proofs.prover.invariant.induction import Step
from confsync.proofs.prover.invariant.lemma import Lemma
from confsync.proofs.prover.obligation import Kind, discharge
from confsync.proofs.prover.proof import Proof, prove

pytestmark = PROOFS

recommended = DESIGNS[RECOMMENDED]
DEVICES = ("xenstore_has_template", "resources_have_xenstore", "lock_is_exclusive")
MANIFEST = json.loads(places.MANIFEST.read_text(encoding="utf-8"))["designs"]


def of_the_recommended_design(test: Callable[[], None]) -> Callable[[], None]:
    """Tests that share a proof (the mark `xdist_group` has them run on one worker)."""
    return pytest.mark.slow(test)


def proved(proof: Proof) -> set[str]:
    return {name for name, verdict in proof.verdicts.items() if verdict is Verdict.PROVED}


# ------------------------------------------------------------------ what is proved


@of_the_recommended_design
def test_proved_is_all_that_is_not_refuted() -> None:
    """No invariant is written by hand, and no property that holds is left without a proof. (`make verify` holds the
    proofs of all designs against the manifest.)"""
    holds = {p for p, cell in MANIFEST[RECOMMENDED].items() if cell["verdict"] == "EXHAUSTED"}
    assert proved(proof_of_recommended()) == holds


@of_the_recommended_design
def test_every_obligation_is_discharged_from_its_formulas() -> None:
    proof = proof_of_recommended()
    assert {d.verdict for d in proof.discharged} == {Verdict.PROVED}
    kinds = [d.obligation.kind for d in proof.discharged]
    assert set(kinds) == set(Kind)
    assert kinds.count(Kind.INITIATION) == 1


@of_the_recommended_design
def test_every_transition_is_shown_to_keep_the_invariant_or_touches_nothing_of_it() -> None:
    found = proof_of_recommended().found
    shown = {d.obligation.name for d in proof_of_recommended().discharged if d.obligation.kind is Kind.CONSECUTION}
    for step in found.steps:
        if step.name not in shown:
            assert not any(step.arrives(x) or step.disturbs(x) for x in found.needed), step.name


@of_the_recommended_design
def test_what_can_never_happen_is_told() -> None:
    """An obligation holds for nothing where its premises contradict each other: there the step cannot be taken, and the
    search never took it either."""
    vacuous = {d.obligation.name for d in proof_of_recommended().discharged if not d.possible}
    assert "attach 6 drop_lock is refused" in vacuous
    bounds = Bounds(slots=1, ejectable=1, configs=1, names=2, amounts=2, processes=2, crashes=1)
    taken = check(recommended, bounds).taken
    names = {f"{operation} {place} {kind}" for (operation, place, kind), n in taken.items() if n}
    assert names
    assert not vacuous & names


@of_the_recommended_design
def test_a_guard_matters_or_is_listed() -> None:
    """Listed are those without which every obligation still holds; the look whether a slot is free is none of them."""
    idle = {g for d in proof_of_recommended().discharged for g in d.idle_guards}
    assert "retrieve 2 read_template: guard 1" in idle
    assert "attach 3 refuse_if_present: guard 1" not in idle
    assert "attach 1 take_lock: guard 1" not in idle
    assert "detach 4 leave_xenstore: guard 1" not in idle


# ------------------------------------------------------------------ every lemma is needed


def without(proof: Proof, dropped: Lemma) -> bool:
    """Whether everything else is still proved without a lemma."""
    found = proof.found
    kept = [x for x in found.needed if x != dropped]
    for step in found.steps:
        goals = [g.fails for g in found.goals(step) if g.lemma != dropped]
        if dropped in found.used.get(step, ()) and goals and not follows(found, step, kept, z3.Or(goals)):
            return False
    return all(follows(found, c.name, kept, c.fails) for c in found.claims if dropped in found.used.get(c.name, ()))


def follows(found: Strengthening, key: Step | str, lemmas: list[Lemma], fails: z3.BoolRef) -> bool:
    return bool(found._asked[key].check(lemmas, fails)[0] == z3.unsat)


@of_the_recommended_design
def test_without_any_kept_lemma_something_is_no_longer_proved() -> None:
    proof = proof_of_recommended(*DEVICES)
    own = {x for n in proof.needs.values() for x in n.lemmas}
    support = [x for x in proof.found.needed if x not in own]
    assert len(support) > 20
    assert [proof.names(x) for x in support if without(proof, x)] == []


# ------------------------------------------------------------------ nothing refuted is proved

DEVICE = Bounds(slots=1, ejectable=0, configs=2, names=1, amounts=1, processes=2, crashes=0)
DRIVE = Bounds(slots=0, ejectable=1, configs=2, names=1, amounts=1, processes=2, crashes=1)
AMOUNTS = Bounds(slots=0, ejectable=0, configs=1, names=1, amounts=2, processes=2, crashes=1)
TELLING = {
    "attach: without 3 refuse_if_present": ("template_is_faithful", DEVICE),
    "attach: 5 enter_xenstore before 4 write_template": ("xenstore_has_template", DEVICE),
    "attach: without 1 take_lock": ("xenstore_has_template", DEVICE),
    "attach: without 6 drop_lock": ("every_operation_ends", DEVICE),
    "create: clean-up once make_domain: leave_devices before release_devices": ("resources_have_xenstore", DEVICE),
    "destroy: 6 kill_domain before 5 remove_template": ("userdata_dies_with_domain", DEVICE),
    "destroy: 4 leave_devices before 3 release_devices": ("resources_have_xenstore", DEVICE),
    "insert: 5 load_medium before 4 write_template": ("medium_agrees", DRIVE),
    "set_memory_target: without 1 take_lock": ("knobs_are_reflected", AMOUNTS),
}
"""Mutants, and a property that the search refutes of each within bounds."""
LATER = {
    "attach: 5 enter_xenstore before 4 write_template",
    "attach: without 1 take_lock",
    "attach: without 6 drop_lock",
    "create: clean-up once make_domain: leave_devices before release_devices",
    "destroy: 4 leave_devices before 3 release_devices",
    "destroy: 6 kill_domain before 5 remove_template",
    "insert: 5 load_medium before 4 write_template",
    "set_memory_target: without 1 take_lock",
}
"""Those that are left to the deep tests: of each property over devices, media and deaths there is another."""


@pytest.mark.slow
@pytest.mark.xdist_group("what_is_refuted")
@pytest.mark.parametrize("words", [pytest.param(w, marks=pytest.mark.deep if w in LATER else ()) for w in TELLING])
def test_what_the_search_refutes_is_not_proved(words: str) -> None:
    _, design = MUTANTS[words]
    name, bounds = TELLING[words]
    (cell,) = check(design, bounds, [name]).cells
    assert cell.verdict is Verdict.REFUTED
    assert not proved(prove(design, [name], arguments=ARGUMENTS))


@of_the_recommended_design
def test_nothing_that_is_refuted_is_proved_in_any_registered_design() -> None:
    """By the manifest, which the search is held against."""
    refuted = {p for p, cell in MANIFEST[RECOMMENDED].items() if cell["verdict"] == "REFUTED"}
    assert refuted
    assert not proved(proof_of_recommended()) & refuted


# ------------------------------------------------------------------ an author's lemmas


def given(words: str, at: str = "") -> GivenLemma:
    lemmas = {
        "true": lambda s, _me, k: implies(s.closing[k], s.xenstore[k].present),
        "false at first": lambda s, _me, _k: s.alive,
        "false later": lambda s, _me, _k: neg(s.alive),
        "free": lambda s, me, k: any_of(neg(me.slot == k), s.attached[k] == ABSENT),
        "stray": lambda _s, me, k: me.draft[k] == ABSENT,
    }
    return GivenLemma(words, lemmas[words], at)


def with_lemmas(*lemmas: GivenLemma) -> Proof:
    return prove(replace(recommended, name="with_lemmas", lemmas=lemmas), ["lock_is_exclusive"])


@pytest.mark.slow
def test_an_authors_lemma_is_shown_and_not_believed() -> None:
    proof = with_lemmas(
        given("true"), given("false at first"), given("false later"), given("free", "attach 4 write_template")
    )
    kept = {proof.names.says(x) for x in proof.lemmas}
    assert {"true", "free"} <= kept
    assert {lemma.words: why for lemma, why in proof.unproved_given.items()} == {
        "false at first": "it does not hold in the initial state",
        "false later": "it can be broken by `create 2 make_domain takes`",
    }
    assert proved(proof) == {"lock_is_exclusive"}


@pytest.mark.parametrize(
    ("lemma", "said"),
    [
        (given("free", "attach 4 write_templat"), "there is no location `attach 4 write_templat`; there are create 1"),
        (given("free"), "`me.slot` means nothing wherever a process is"),
        (given("stray", "rename 2 write_name"), "`me.draft` means nothing at rename 2 write_name"),
    ],
)
def test_a_lemma_that_is_none_is_said_to_be(lemma: GivenLemma, said: str) -> None:
    with pytest.raises(LanguageError, match=re.escape(said)):
        with_lemmas(lemma)


# ------------------------------------------------------------------ no time, no proof


@of_the_recommended_design
def test_without_time_nothing_is_proved() -> None:
    """A time-out reads UNKNOWN: of a question, and of an obligation."""
    obligation = next(d.obligation for d in proof_of_recommended(*DEVICES).discharged)
    pigeons = [[z3.Bool(f"pigeon {i} in {j}") for j in range(11)] for i in range(12)]
    crowded = [z3.Or(*row) for row in pigeons]
    alone = [z3.Not(z3.And(a[j], b[j])) for j in range(11) for i, a in enumerate(pigeons) for b in pigeons[i + 1 :]]
    hard = replace(obligation, premises=(("pigeons", z3.And(*crowded)),), lemmas=(), fails=z3.And(*alone), others=())
    assert discharge(hard, rlimit=20_000).verdict is Verdict.UNKNOWN


@of_the_recommended_design
def test_an_obligation_that_does_not_hold_is_not_discharged() -> None:
    """Without what its core names, the solver finds a counterexample."""
    d = next(d for d in proof_of_recommended(*DEVICES).discharged if d.obligation.kind is Kind.CONSECUTION and d.core)
    used = [name for name, _ in d.obligation.lemmas if name in d.core]
    assert used
    lighter = replace(d.obligation, lemmas=tuple((n, f) for n, f in d.obligation.lemmas if n not in used))
    assert discharge(lighter, rlimit=10_000_000).verdict is Verdict.REFUTED
