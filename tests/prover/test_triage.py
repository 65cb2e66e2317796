"""Counterexamples to induction: made small, evaluated on plain values, looked up, and told with what is missing."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import places
import pytest
from wrong_relations import CARRIERS

from confsync import load
from confsync.model import language
from confsync.model.engine.concrete import Plain, WordCells
from confsync.model.engine.program import IDLE, Kind, Program
from confsync.model.engine.trace import read_token, replay
from confsync.model.engine.verdict import Verdict
from confsync.model.engine.violation import violates
from confsync.model.language import Design, Element, GivenLemma, Invariant, Record
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.properties import PROPERTIES
from confsync.model.libxl.protocol import LIBXL
from confsync.model.libxl.state import SLOT, Bounds, Local, Shared
from confsync.proofs.libxl.arguments import ARGUMENTS
from confsync.proofs.prover import proof as proofs
from confsync.proofs.prover.carrier.relation import Relation
from confsync.proofs.prover.carrier.terms import Z3Cells
from confsync.proofs.prover.counterexample.cti import EnginesDisagree, Instance, Numbers, counterexample, says
from confsync.proofs.prover.counterexample.triage import Label, Triage, line, triage
from confsync.proofs.prover.invariant import samples
from confsync.proofs.prover.invariant.candidates import candidates
from confsync.proofs.prover.invariant.houdini import Broken
from confsync.proofs.prover.invariant.induction import Claim
from confsync.proofs.prover.invariant.lemma import Clause, Lemma
from confsync.proofs.prover.invariant.vocabulary import atoms, stated
from confsync.proofs.prover.proof import Proof, prove

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("triage")]

recommended = DESIGNS[RECOMMENDED]
MANIFEST = json.loads(places.MANIFEST.read_text(encoding="utf-8"))["designs"]
QUICK = (Bounds(slots=1, ejectable=1, configs=2, names=1, amounts=1, processes=2, crashes=0),)
"""Quickly sampled."""
Pool = Callable[..., list[Lemma]]


def nothing(*_: object) -> list[Lemma]:
    """No candidates at all."""
    return []


def attempt(
    design: Design,
    names: Iterable[str],
    pool: Pool = nothing,
    *,
    bounds: Sequence[language.Bounds] = QUICK,
    cells: type[Z3Cells] = Z3Cells,
) -> Proof:
    """A proof that is tried with other candidates, from samples within bounds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples, "small", lambda _: tuple(bounds))
        patch.setattr(proofs, "candidates", pool)
        if pool is nothing:
            patch.setattr(proofs, "take", nothing)
        patch.setattr(proofs, "Relation", lambda d: Relation(d, cells))
        return prove(design, names, arguments=ARGUMENTS)


def number(k: Element | None) -> int:
    assert k
    return k.index


def all_broken(proof: Proof) -> list[Broken]:
    return [*proof.found.broken.values(), *proof.found.refused.values()]


@cache
def posted() -> Proof:
    return attempt(DESIGNS["as_posted"], ["xenstore_has_template", "template_has_xenstore"], candidates)


@cache
def without_candidates() -> Proof:
    names = ("xenstore_has_template", "no_lost_update", "lock_is_exclusive", "retrieve_is_exact", "knobs_are_reflected")
    return attempt(DESIGNS["xenstore_first"], names)


# ------------------------------------------------------------------ the counterexample


def test_the_smallest_is_always_the_same() -> None:
    """It depends on the question alone: not on what the solver answers first, nor on the order of the lemmas."""
    found = copy(posted().found)  # other tests share the proof
    broken = posted().why["xenstore_has_template"]
    standing = list(found.standing)
    ctis = []
    for seed in (1, 2):
        random.Random(seed).shuffle(standing)
        found.standing = dict.fromkeys(standing)
        ctis.append(counterexample(found, broken))
    one, other = ctis
    assert (one.before, one.move, one.program.bounds) == (other.before, other.move, other.program.bounds)


def test_it_is_small_and_it_is_one() -> None:
    """One slot, one configuration, the other process idle; the lemmas hold, the program takes the step, and the lemma
    is broken."""
    proof = posted()
    cti = counterexample(proof.found, proof.why["xenstore_has_template"])
    assert cti.program.bounds == Bounds(slots=1, ejectable=0, configs=1, names=1, amounts=1, processes=2, crashes=1)
    assert cti.before.local[1] == IDLE
    assert cti.everywhere
    assert {x.lemma for x in cti.assumed} >= {x for x in proof.lemmas if not (isinstance(x, Clause) and x.point)}
    assert all(says(cti.program, cti.before, x) for x in cti.assumed)
    assert cti.move
    assert cti.program.points[cti.move.transition.label.point].place == ("attach", "3 enter_xenstore")
    taken = list(cti.program.transitions(cti.before.shared, cti.before.local[0], set()))
    assert cti.move.transition == taken[cti.move.choice]
    assert cti.move.transition.label.kind is Kind.STEP
    what = cti.broken.what
    assert isinstance(what, Clause)
    assert not says(cti.program, cti.move.after, Instance(what, cti.process, number(cti.element)))


def test_every_one_bears_being_evaluated() -> None:
    """Without candidates all kinds of lemmas and claims are broken, by states far from any that is reached."""
    ctis = [counterexample(without_candidates().found, b) for b in all_broken(without_candidates())]
    assert {isinstance(c.broken.what, Claim) for c in ctis} == {False, True}
    assert all((c.move is None) == isinstance(c.broken.what, Claim) for c in ctis)
    assert any(c.move.transition.started != IDLE for c in ctis if c.move)
    assert all(c.move.transition.label == c.broken.step.transition.label for c in ctis if c.move and c.broken.step)
    assert max(len(c.program.shared_layout.elements(SLOT)) for c in ctis) == 2
    assert any(Bounds.of(c.program.bounds).amounts == 2 for c in ctis)


@pytest.mark.parametrize(
    ("share", "bounds"),
    [(0.2, LIBXL.small[2:3]), pytest.param(0.4, LIBXL.small[1:3], marks=pytest.mark.deep)],
    ids=["few", "many"],
)
def test_many_bear_being_evaluated(share: float, bounds: tuple[Bounds, ...]) -> None:
    """With most candidates left out, whatever breaks of the others. Which and how many that are depends on the solver's
    answers; each of them is a counterexample by evaluation alone."""
    kept = random.Random(7)

    def some(program: Program, *rest: Any) -> list[Lemma]:
        return [x for x in candidates(program, *rest) if kept.random() < share]

    names = ("medium_agrees", "resources_have_xenstore", "retrieve_never_degraded", "every_operation_ends")
    proof = attempt(recommended, names, some, bounds=bounds)
    broken = all_broken(proof)
    ctis = [counterexample(proof.found, b) for b in broken[:100]]
    assert ctis
    assert all(c.broken is b for c, b in zip(ctis, broken, strict=False))
    assert all((c.move is None) == isinstance(c.broken.what, Claim) for c in ctis)
    assert all(
        not says(c.program, c.move.after, Instance(c.broken.what, c.process, number(c.element)))
        for c in ctis
        if c.move and isinstance(c.broken.what, Clause)
    )
    assert all(says(c.program, c.before, x) for c in ctis for x in c.assumed)


# ------------------------------------------------------------------ engines that disagree


class SwapsSlots(Numbers):
    """What stands at one slot is put down at another."""

    def record(self, cells: Z3Cells, record: type[Record], names: set[str]) -> dict[str, Plain]:
        found = super().record(cells, record, names)
        return {n: v[::-1] if isinstance(v, tuple) and record is Shared else v for n, v in found.items()}


class ConfusesConfigurations(Numbers):
    def number(self, z: Any) -> Plain:
        found = super().number(z)
        return found - found % 2 if type(found) is int else found


class ForgetsFlags(Numbers):
    def number(self, z: Any) -> Plain:
        found = super().number(z)
        return False if isinstance(found, bool) else found


class ForgetsWhatIsOnesOwn(Numbers):
    def record(self, cells: Z3Cells, record: type[Record], names: set[str]) -> dict[str, Plain]:
        return super().record(cells, record, names - {"config", "draft"} if record is Local else names)


@pytest.mark.parametrize("numbers", [SwapsSlots, ConfusesConfigurations, ForgetsFlags, ForgetsWhatIsOnesOwn])
def test_a_wrong_translation_is_found_out(numbers: type[Numbers]) -> None:
    proof = without_candidates()
    with pytest.raises(EnginesDisagree):
        [counterexample(proof.found, broken, numbers=numbers) for broken in all_broken(proof)]


class TearsTheTarget(Numbers):
    """A ghost that no step of the counterexample looks at is put down wrong, before the step and after it."""

    def record(self, cells: Z3Cells, record: type[Record], names: set[str]) -> dict[str, Plain]:
        found = super().record(cells, record, names)
        return found | {"torn": True} if "torn" in found else found


def test_what_is_assumed_is_asked_of_plain_values() -> None:
    proof = posted()
    with pytest.raises(EnginesDisagree, match="assumed, and not so on plain values: not torn"):
        counterexample(proof.found, proof.why["xenstore_has_template"], numbers=TearsTheTarget)


@pytest.mark.parametrize("name", ["ConfusesNames", "WritesEverySlot", "WritesNoScalar"])
def test_a_wrong_carrier_is_found_out(name: str) -> None:
    """A step that means something else to the solver does something else on plain values."""
    cells = next(c for c in CARRIERS if c.__name__ == name)
    proof = attempt(DESIGNS["xenstore_first"], ["xenstore_has_template", "no_lost_update"], cells=cells)
    with pytest.raises(EnginesDisagree):
        [counterexample(proof.found, broken) for broken in all_broken(proof)]


def test_a_step_that_is_not_taken_is_found_out() -> None:
    """An answer is asked again: a lemma that nothing breaks has no counterexample, whoever says so."""
    proof = posted()
    kept = next(x for x in proof.lemmas if isinstance(x, Clause))
    step = next(s for s in proof.found.steps if s.arrives(kept))
    with pytest.raises(EnginesDisagree, match="asked again"):
        counterexample(proof.found, Broken(kept, step, False, proof.why["xenstore_has_template"].model))


# ------------------------------------------------------------------ the labels


@pytest.mark.parametrize("name", ["xenstore_has_template", "template_has_xenstore"])
def test_a_bug_is_reached_and_replayed(name: str) -> None:
    found = triage(posted(), posted().why[name])
    assert found.label is Label.REACHABLE
    assert found.itself
    assert found.violated == name
    assert found.trace
    token = read_token(found.trace.token(name), Bounds)
    again = replay(Program(DESIGNS["as_posted"], token.bounds), token)
    assert again.moves == found.trace.moves
    assert violates(again, name)
    assert not violates(type(again)(again.program, again.moves[:-1]), name)
    assert f"confsync replay '{found.trace.token(name)}'" in found.words()
    assert f"REACHABLE: a run comes to it, in {len(again.moves)} steps" in found.words()


def test_what_is_said_of_it() -> None:
    """As a person would read it: the state by place, where each process is, the step, what is broken."""
    words = triage(posted(), posted().why["xenstore_has_template"]).words().splitlines()
    assert words[:9] == [
        "as_posted: xenstore_has_template is not shown. In the way is: xenstore_has_template.",
        "In this state all lemmas hold that stand:",
        "  alive: yes, saved: yes, locked: yes, lock_file: yes",
        "  slot0: as in the initial state",
        "  process 0: before attach 3 enter_xenstore (slot: slot0, config: c1, draft[slot0]: absent, holds: yes)",
        "  process 1: idle",
        "Then process 0 takes attach 3 enter_xenstore (Commit the device's xenstore entry; refused if the slot is "
        "taken):",
        "  xenstore[slot0]: absent -> c1",
        "  process 0: before attach 4 allocate (slot: slot0, config: c1, draft[slot0]: absent, holds: yes)",
    ]
    assert words[9] == "After that it is not so at slot0."


def test_a_bug_that_is_reached_elsewhere() -> None:
    """The smallest counterexample of too few lemmas is seldom reached; that another is, is not kept quiet."""
    proof = without_candidates()
    found = triage(proof, proof.why["xenstore_has_template"])
    assert found.label is Label.REACHABLE
    assert not found.itself
    assert found.trace
    assert violates(found.trace, "xenstore_has_template")
    assert "no run comes to it, but one to another" in found.words()


def test_a_bound_is_no_verdict() -> None:
    found = triage(posted(), posted().why["xenstore_has_template"], max_states=10)
    assert found.label is Label.BEYOND
    assert found.trace is None
    assert not found.lines
    assert "BEYOND THE BOUND: the bound of 10 states at slots=1" in found.words()


def test_what_no_program_does_is_beyond_it() -> None:
    """In a proof a domain is created with any name; in a search with the first, for it makes no difference."""
    first = GivenLemma("it has the first name", lambda s, me, k: me.draft_name == 0, at="create 2 make_domain")  # noqa: ARG005
    proof = attempt(replace(recommended, lemmas=(first,)), [])
    found = triage(proof, *all_broken(proof))
    assert found.label is Label.BEYOND
    assert found.cti is None
    assert "an operation begins as none does" in found.words()


def test_a_lemma_of_the_author_that_is_not_so() -> None:
    """It is refuted as a property is: by a run to a state in which it is not so."""
    wrong = GivenLemma("what is in the template is saved nowhere else", lambda s, me, k: s.template[k] == 0)  # noqa: ARG005
    proof = attempt(replace(recommended, lemmas=(wrong,)), [])
    found = triage(proof, *all_broken(proof))
    assert found.label is Label.REACHABLE
    assert found.trace
    s = Shared(WordCells(found.trace.program.shared_layout, found.trace.last.shared, []))
    assert any(s.template[k] != 0 for k in found.trace.program.shared_layout.elements(SLOT))
    assert "a lemma is not shown. In the way is: what is in the template is saved nowhere else." in found.words()
    assert "confsync replay 'xenstore_first_locked::" in found.words()


@pytest.mark.deep
@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("xenstore_first", ("template_is_faithful", "medium_agrees", "retrieve_is_exact")),
        ("as_posted", ("xenstore_has_template", "retrieve_is_exact")),
    ],
)
def test_labels_are_honest(name: str, names: tuple[str, ...]) -> None:
    """The lemma of a property over the stores is broken in a state that is reached if and only if the search refutes
    it (so says the manifest, which it is held against); a trace leads to what it is said to lead to."""
    proof = prove(DESIGNS[name], names, arguments=ARGUMENTS)
    refuted = {p for p in names if MANIFEST[name][p]["verdict"] == "REFUTED"}
    assert refuted == set(names) == set(proof.why)
    for p, broken in proof.why.items():
        found = triage(proof, broken)
        if isinstance(PROPERTIES[p], Invariant):
            assert (found.label is Label.REACHABLE) == (p in refuted)
            assert found.violated == p
        if found.label is Label.REACHABLE:
            assert found.trace
            token = read_token(found.trace.token(p), Bounds)
            again = replay(Program(DESIGNS[name], token.bounds), token)
            assert again.moves == found.trace.moves
            assert violates(again, p) == (found.violated == p)
        else:
            assert found.label is Label.UNREACHABLE
            assert found.states > 1000


# ------------------------------------------------------------------ what is missing

MINE = """
\"\"\"My design.\"\"\"
base = "xenstore_first_locked"
rename = [take_lock, write_name, drop_lock]
"""


def mine(tmp_path: Path, lemmas: str = "") -> Design:
    path = tmp_path / "mine.py"
    path.write_text(MINE + lemmas, encoding="utf-8")
    return load(path)["mine"]


def printed(found: Triage) -> str:
    """What is to be put into the design's file, as it is printed."""
    words = found.words()
    return words[words.index("lemmas = [") :]


def test_a_line_says_what_its_lemma_says(tmp_path: Path) -> None:
    """Of every atom, either answer: written down, read from a file, and asked in many states."""
    induction = posted().found.induction
    program = Program(recommended, Bounds(slots=1, ejectable=1, configs=2, names=3, amounts=3, processes=2, crashes=2))
    literals = [(atom, yes) for atom in atoms(program) for yes in (True, False)]
    point = induction.relation.names.index("attach 5 write_template")
    lines = [line(induction, Clause(point if i % 2 else None, (x,))) for i, x in enumerate(literals)]
    given = mine(tmp_path, "\n".join(["lemmas = [", *lines, "]"])).lemmas
    assert [x.words for x in given] == [atom.says(yes) for atom, yes in literals]
    some = random.Random(3)
    for _ in range(50):
        s = Shared(WordCells(program.shared_layout, some.getrandbits(program.shared_layout.width), []))
        word = program.local_layout.put(some.getrandbits(program.local_layout.width), "slot", some.choice((0, 1)))
        me = Local(WordCells(program.local_layout, word, []))
        for k in program.shared_layout.elements(SLOT):
            assert [bool(x.holds(s, me, k)) for x in given] == [bool(a.ask(s, me, k)) is yes for a, yes in literals]


def test_an_author_is_told_what_is_missing_and_adds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proof fails, a lemma is printed, it is put into the file, and the proof goes through."""
    monkeypatch.setattr(samples, "small", lambda _: QUICK)
    before = attempt(mine(tmp_path), ["lock_is_exclusive"])
    assert before.verdicts == {"lock_is_exclusive": Verdict.UNKNOWN}
    found = triage(before, before.why["lock_is_exclusive"])
    assert (found.label, found.enough) == (Label.UNREACHABLE, True)
    assert "UNREACHABLE: it is none of the " in found.words()
    assert "What is missing, and enough, is to be given in the design's file:" in found.words()
    after = attempt(mine(tmp_path, printed(found)), ["lock_is_exclusive"])
    assert after.verdicts == {"lock_is_exclusive": Verdict.PROVED}
    assert not after.unproved_given


@pytest.mark.deep
def test_a_family_of_candidates_is_missing(tmp_path: Path) -> None:
    """Nothing is known of one location but what the author is told to add."""
    name, place = "xenstore_has_template", ("attach", "5 enter_xenstore")

    def fewer(program: Program, *rest: Any) -> list[Lemma]:
        found = candidates(program, *rest)
        return [x for x in found if not (isinstance(x, Clause) and x.point and program.points[x.point].place == place)]

    before = attempt(mine(tmp_path), [name], fewer, bounds=LIBXL.small)
    assert before.verdicts == {name: Verdict.UNKNOWN}
    found = triage(before, before.why[name])
    assert (found.label, found.enough) == (Label.UNREACHABLE, True)
    assert all(f'at="{" ".join(place)}"' in x for x in found.lines)
    after = attempt(mine(tmp_path, printed(found)), [name], fewer, bounds=LIBXL.small)
    assert after.verdicts == {name: Verdict.PROVED}
    assert not after.unproved_given


def test_candidates_exclude_it_and_nothing_that_is_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they are not enough, too."""
    monkeypatch.setattr(samples, "small", lambda _: QUICK)
    proof = attempt(recommended, ["xenstore_has_template"])
    found = triage(proof, proof.why["xenstore_has_template"])
    assert (found.label, found.enough) == (Label.UNREACHABLE, False)
    assert found.cti
    assert found.lemmas
    assert "more may be needed" in found.words()
    for lemma in found.lemmas:
        of_each = [Instance(lemma, n, number(found.cti.element)) for n in range(len(found.cti.before.local))]
        assert not all(says(found.cti.program, found.cti.before, x) for x in of_each)
    given = mine(tmp_path, printed(found)).lemmas
    taken = samples.take(recommended, tuple(stated(LIBXL, x.words, x.holds) for x in given))
    for i, x in enumerate(given):
        assert taken.at(proof.found.induction.relation.names.index(x.at))[:, i].all()
