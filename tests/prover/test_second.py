"""Obligations as scripts, a second opinion on every one, and how steady the first one is."""

from __future__ import annotations

import pickle
import re
import sys
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from itertools import combinations
from typing import Any

import pytest
import z3
from libxl_terms import AXIOMS, CONFIGS, SORTS
from small_design import small_design
from small_design import small_proof as proof

from confsync.model.engine.verdict import Verdict
from confsync.model.language import Design
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.state import ABSENT, CONFIG, EMPTY
from confsync.proofs.libxl.arguments import ARGUMENTS
from confsync.proofs.prover.certificate import stability as stable
from confsync.proofs.prover.certificate.second import (
    Agreement,
    NoSecondSolver,
    Opinion,
    ask,
    compare,
    opinion,
    second_opinion,
)
from confsync.proofs.prover.certificate.smtlib import Answer, Answers, Script, Writer, answers, file_name, scripts
from confsync.proofs.prover.certificate.stability import spread, stability, worst
from confsync.proofs.prover.obligation import Discharged, Kind, Obligation, discharge
from confsync.proofs.prover.proof import prove

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("second")]

SOON = 10_000_000
"""Resource units that are enough for any obligation."""
SAT, UNSAT, UNKNOWN = Answer.SAT, Answer.UNSAT, Answer.UNKNOWN
cvc5 = pytest.mark.skipif(find_spec("cvc5") is None, reason="cvc5 is not installed")


@cache
def written() -> tuple[Script, ...]:
    return tuple(scripts(proof()))


@cache
def whole_written() -> tuple[Script, ...]:
    """The obligations of all properties: some use an axiom."""
    return tuple(scripts(prove(small_design)))


def of_each_kind(count: int) -> list[Script]:
    return [s for kind in Kind for s in [s for s in written() if s.of.obligation.kind is kind][:count]]


def exported(o: Obligation, first: Discharged | None = None) -> Script:
    """An obligation as a script, beside what Z3 says of it, or said of another."""
    first = first or discharge(o, rlimit=SOON)
    return Script(first, "", Writer(DESIGNS[RECOMMENDED], ["idle"] * 1000).script(o, answers(first).possible), (), ())


def hand_made(fails: Any, *premises: Any) -> Obligation:
    return Obligation(Kind.SAFETY, "by hand", tuple((f"{i}", p) for i, p in enumerate(premises)), (), fails)


def pigeons(holes: int) -> Obligation:
    """One more pigeon than there are holes, and no two in one: hard for any solver."""
    sits = [[z3.Bool(f"p{i} in {j}") for j in range(holes)] for i in range(holes + 1)]
    alone = [z3.Not(z3.And(a[j], b[j])) for a, b in combinations(sits, 2) for j in range(holes)]
    return hand_made(z3.And(*alone), *(z3.Or(*row) for row in sits))


# ------------------------------------------------------------------ scripts


def test_what_is_written_is_what_was_discharged() -> None:
    """Read back, a script has the very formulas of the obligation."""
    for script in written():
        o, solver = script.of.obligation, z3.Solver()
        solver.from_string(script.text)
        formulas = [f for _, f in (*o.premises, *o.lemmas)] + [o.fails]
        for read, formula in zip(solver.assertions(), formulas, strict=True):
            assert read.eq(formula) or same(read, formula)


def same(one: Any, other: Any) -> bool:
    solver = z3.Solver()
    solver.add(one != other)
    return bool(solver.check() == z3.unsat)


def test_files_have_names_that_are_good_anywhere() -> None:
    names = {file_name(d.obligation) for d in proof().discharged}
    assert len(names) == len(proof().discharged)
    assert all(re.fullmatch(r"[a-z0-9_]+(-[a-z0-9_]+)*", n) for n in names)
    assert file_name(named("../../ETC/`passwd` | rm #2 é")) == "safety-etc-passwd-rm-2"
    assert len(file_name(named("x" * 1000))) == 100


def test_obligations_with_names_that_look_alike_have_files_of_their_own() -> None:
    claims = [d for d in proof().discharged if d.obligation.kind is Kind.SAFETY]
    alike = [replace(claims[0], obligation=replace(claims[0].obligation, name=n)) for n in ("x #2", "X 2", "x: 2")]
    files = [s.file for s in scripts(replace(proof(), discharged=tuple(alike)))]
    assert files == ["safety-x-2.smt2", "safety-x-2-2.smt2", "safety-x-2-3.smt2"]


def test_words_that_can_not_stand_in_a_symbol_are_replaced_and_no_two_symbols_are_alike() -> None:
    a = z3.Bool("a")
    premises = (("a", a), ("a", a), ("a #2", a), ("| \\ é\n", a), ("/ _ _ _", a))
    text = Writer(DESIGNS[RECOMMENDED], ["idle"]).script(
        replace(hand_made(z3.BoolVal(False)), name="two\nlines é", premises=premises), Answer.SAT
    )
    names = re.findall(r":named \|([^|\\]*)\|", text)
    assert names == ["known: a", "known: a #2", "known: a #2 #2", "known: _ _ __", "known: / _ _ _"]
    assert "; name:   two lines \\xe9\n" in text
    assert text.isascii()
    solver = z3.Solver()
    solver.from_string(text)
    assert len(solver.assertions()) == len(premises) + 1


@pytest.mark.quick
def test_two_symbols_of_one_name_are_refused() -> None:
    both = z3.And(z3.Bool("x"), z3.Int("x") == 1)
    with pytest.raises(ValueError, match="two symbols are called `x`"):
        Writer(DESIGNS[RECOMMENDED], ["idle"]).script(hand_made(both), Answer.SAT)


def named(name: str) -> Obligation:
    return replace(hand_made(z3.BoolVal(False)), name=name)


def test_what_z3_answered_is_what_is_held_against_another_solver() -> None:
    proved, refuted = (discharge(hand_made(z3.BoolVal(fails)), rlimit=SOON) for fails in (False, True))
    assert answers(proved) == Answers(SAT, UNSAT)
    assert answers(refuted) == Answers(SAT, Answer.SAT)
    assert answers(discharge(pigeons(11), rlimit=1_000)).fails is UNKNOWN


# ------------------------------------------------------------------ cvc5


@cvc5
def test_cvc5_agrees_on_some_of_each_kind() -> None:
    opinions = [opinion(s, rlimit=SOON) for s in of_each_kind(6)]
    assert {o.kind for o in opinions} == {k.value for k in Kind}
    assert {o.agreement for o in opinions} == {Agreement.AGREES}
    assert all(o.seconds > 0 and not o.error for o in opinions)


@cvc5
@pytest.mark.parametrize(
    "design",
    [small_design, pytest.param(DESIGNS[RECOMMENDED], marks=pytest.mark.deep)],
    ids=lambda design: design.name,
)
def test_cvc5_agrees_on_everything(design: Design) -> None:
    whole = prove(design, arguments=ARGUMENTS)
    opinions = list(second_opinion(whole, rlimit=SOON))
    assert [(o.kind, o.name) for o in opinions] == [
        (d.obligation.kind.value, d.obligation.name) for d in whole.discharged
    ]
    assert not [o for o in opinions if o.agreement is not Agreement.AGREES]


@cvc5
def test_an_export_without_what_the_proof_rests_on_is_noticed() -> None:
    """Whatever the core has, left out in the text alone, makes cvc5 disagree, or is something the rest makes up for."""
    for script in of_each_kind(3):
        d = script.of
        o, noticed = d.obligation, 0
        for name in d.core:
            without = replace(
                o,
                premises=tuple(p for p in o.premises if p[0] != name),
                lemmas=tuple(x for x in o.lemmas if x[0] != name),
            )
            wrong = discharge(without, rlimit=SOON).verdict is Verdict.REFUTED
            said = opinion(exported(without, d), rlimit=SOON)
            assert (said.agreement is Agreement.DISAGREES) == wrong
            noticed += wrong
        assert noticed or not d.core


@cvc5
def test_an_export_without_the_axioms_is_noticed() -> None:
    said = []
    config = z3.Const("config", SORTS[CONFIG])
    needed = replace(
        hand_made(config == CONFIGS[EMPTY]), premises=(("axiom 1", AXIOMS[0]), ("known", config == CONFIGS[ABSENT]))
    )
    for script in [exported(needed), *(s for s in whole_written() if "axiom 1" in s.of.core)][:10]:
        o = script.of.obligation
        bare = replace(o, premises=tuple(p for p in o.premises if not p[0].startswith("axiom")))
        said.append(opinion(exported(bare, script.of), rlimit=SOON))
    assert Agreement.DISAGREES in {o.agreement for o in said}
    assert all(o.cvc5.fails is SAT for o in said if o.agreement is Agreement.DISAGREES)


@cvc5
def test_what_can_never_happen_is_agreed_upon_too() -> None:
    never = exported(hand_made(z3.Bool("a"), z3.Bool("b"), z3.Not(z3.Bool("b"))))
    assert never.of.possible is False
    assert opinion(never, rlimit=SOON).cvc5 == Answers(UNSAT, UNSAT)
    wrong = replace(never, of=replace(never.of, possible=True))
    assert opinion(wrong, rlimit=SOON).agreement is Agreement.DISAGREES


@cvc5
def test_a_time_out_is_one_and_no_agreement() -> None:
    said = opinion(exported(pigeons(10), discharge(pigeons(3), rlimit=SOON)), rlimit=2_000)
    assert (said.agreement, said.cvc5.fails, said.error) == (Agreement.TIME_OUT, UNKNOWN, "")


@cvc5
def test_a_time_out_of_the_first_solver_is_told_as_well() -> None:
    first = discharge(pigeons(11), rlimit=1_000)
    assert first.verdict is Verdict.UNKNOWN
    said = opinion(exported(pigeons(2), first), rlimit=SOON)
    assert (said.agreement, said.z3.fails, said.cvc5.fails) == (Agreement.TIME_OUT, UNKNOWN, UNSAT)


@cvc5
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("(set-logic QF_UF)(assert nobody)(check-sat)", "nobody"),
        ("(set-logic QF_UF)(check-sat", "RPAREN"),
        ("(set-logic QF_UF)(check-sat)", "1 questions"),
        ("(set-logic QF_UF)(get-model)(check-sat)(check-sat)", "error"),
        ("", "0 questions"),
    ],
)
def test_a_script_that_it_cannot_read_is_a_disagreement(text: str, words: str) -> None:
    said = opinion(replace(written()[0], text=text), rlimit=SOON)
    assert said.agreement is Agreement.DISAGREES
    assert words in said.error


@pytest.mark.parametrize(
    ("one", "other", "comes_to"),
    [
        ((SAT, UNSAT), (SAT, UNSAT), Agreement.AGREES),
        ((SAT, UNSAT), (SAT, SAT), Agreement.DISAGREES),
        ((UNSAT, UNSAT), (SAT, UNSAT), Agreement.DISAGREES),
        ((SAT, UNSAT), (UNKNOWN, UNSAT), Agreement.TIME_OUT),
        ((UNKNOWN, UNSAT), (UNKNOWN, UNSAT), Agreement.TIME_OUT),
        ((UNKNOWN, UNSAT), (UNKNOWN, SAT), Agreement.DISAGREES),
    ],
)
def test_what_two_answers_come_to(
    one: tuple[Answer, Answer], other: tuple[Answer, Answer], comes_to: Agreement
) -> None:
    assert compare(Answers(*one), Answers(*other)) is comes_to
    assert compare(Answers(*other), Answers(*one)) is comes_to


def test_without_cvc5_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cvc5", None)
    with pytest.raises(NoSecondSolver, match=r"pip install 'confsync\[second\]'"):
        next(second_opinion(proof(), rlimit=SOON))


@cvc5
def test_connectives_of_one_operand_or_none_are_written_as_what_they_are() -> None:
    """SMT-LIB has neither, and not every solver reads them."""
    a, b = z3.Bools("a b")
    o = hand_made(z3.Or(z3.And(z3.Or(z3.And(z3.Not(a)))), z3.Or()), z3.And(), z3.Or(z3.And(a)), z3.And(z3.Or(b)))
    script = exported(o)
    assert ask(script.text, rlimit=SOON) == (Answers(SAT, UNSAT), "")
    assert "(and " not in script.text


# ------------------------------------------------------------------ seeds


def test_the_spread_of_a_few_obligations_under_two_seeds() -> None:
    few = replace(proof(), discharged=proof().discharged[:5])
    spreads = list(stability(few, seeds=2, rlimit=SOON))
    assert [s.name for s in spreads] == [d.obligation.name for d in few.discharged]
    for s in spreads:
        assert 0 < s.least <= s.median <= s.most
        assert (s.seeds, s.verdict, s.unlike, s.agrees) == (2, "PROVED", (), True)
    assert worst(spreads, 2) == sorted(spreads, key=lambda s: s.least - s.most)[:2]


def test_a_seed_with_another_verdict_is_told_of_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def odd(o: Obligation, *, rlimit: int, seed: int = 0) -> Discharged:
        found = discharge(o, rlimit=rlimit, seed=seed)
        return replace(found, verdict=Verdict.UNKNOWN, seconds=0.0) if seed == 3 else found

    steady = spread(proof().discharged[1], [1, 2], rlimit=SOON)
    monkeypatch.setattr(stable, "discharge", odd)
    found = spread(proof().discharged[2], range(1, 5), rlimit=SOON)
    assert (found.unlike, found.agrees, found.least) == (((3, "UNKNOWN"),), False, 0.0)
    assert worst([steady, found], 1) == [found]


def test_no_verdict_under_any_seed_is_no_agreement() -> None:
    first = discharge(pigeons(11), rlimit=1_000)
    found = spread(first, [1], rlimit=1_000)
    assert (found.verdict, found.unlike, found.agrees) == ("UNKNOWN", (), False)


def test_what_a_worker_reports_can_be_sent() -> None:
    """Nothing of the solver's is in it."""
    said = Opinion("safety", "x", Agreement.AGREES, Answers(SAT, UNSAT), Answers(SAT, UNSAT), 0.1)
    assert pickle.loads(pickle.dumps(said)) == said
