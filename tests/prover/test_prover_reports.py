"""From a proof to what is printed of it: a verdict is never better than what was shown, in cells, scripts, formats and
exit codes. The proof is of a system of two transitions, written by hand."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import z3
from click.testing import CliRunner
from tiny_systems import HOLDS, LOCKED, ONE, Move, always, at, no, strengthened

from confsync.front_door import main
from confsync.model.engine.verdict import Cell, Verdict
from confsync.model.language import neg
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.operations import HOLDERS
from confsync.model.libxl.properties import PROPERTIES
from confsync.model.libxl.state import Bounds, Local, Shared
from confsync.proofs.libxl.arguments import ARGUMENTS
from confsync.proofs.prover import cli, report
from confsync.proofs.prover.certificate.second import Agreement, Opinion, compare
from confsync.proofs.prover.certificate.smtlib import Answer, Answers, Printed, Writer, answers, scripts
from confsync.proofs.prover.certificate.stability import Spread
from confsync.proofs.prover.certificate.system import System
from confsync.proofs.prover.invariant.houdini import Strengthening
from confsync.proofs.prover.invariant.induction import Claim, Use
from confsync.proofs.prover.invariant.lemma import Exclusive, Lemma, Names
from confsync.proofs.prover.obligation import Discharged, Kind, Obligation, discharge, obligations
from confsync.proofs.prover.output import as_json, as_junit, objections
from confsync.proofs.prover.proof import Proof, verdicts_of
from confsync.proofs.prover.properties import needed
from confsync.proofs.prover.report import Asked, Report, report_on

PROVED, REFUTED, UNKNOWN = Verdict.PROVED, Verdict.REFUTED, Verdict.UNKNOWN
SAT, UNSAT = Answer.SAT, Answer.UNSAT
EXCLUSIVE, REFUTED_ONE = "lock_is_exclusive", "template_has_xenstore"
design = DESIGNS[RECOMMENDED]


def hold(s: Shared, me: Local) -> None:
    me.waits_until(neg(s.locked))
    s.locked = True
    me.holds = True


def release(s: Shared, me: Local) -> None:
    s.locked = False
    me.holds = False


@cache
def engine() -> Strengthening:
    pool: list[Lemma] = [*map(Exclusive, HOLDERS), always(no(HOLDS), LOCKED), at(ONE, HOLDS)]
    return strengthened([Move("hold", hold, to=ONE), Move("release", release, here=ONE)], pool, pool[:2])


@cache
def proof() -> Proof:
    found = engine()
    names = Names(found.induction.relation)
    discharged = tuple(map(discharge, obligations(found, names)))
    needs = {name: needed(PROPERTIES[name], found.induction, ARGUMENTS) for name in (EXCLUSIVE, REFUTED_ONE)}
    return Proof(design, names, found, needs, discharged, verdicts_of(needs, found, discharged), {}, {}, 1.0)


# ------------------------------------------------------------------ cells


@pytest.mark.parametrize(
    ("searched", "verdict"),
    [(None, UNKNOWN), (REFUTED, REFUTED), (Verdict.EXHAUSTED, UNKNOWN), (Verdict.BOUNDED, UNKNOWN)],
)
def test_what_is_not_proved_is_refuted_by_the_search_or_unknown(
    monkeypatch: pytest.MonkeyPatch, searched: Verdict | None, verdict: Verdict
) -> None:
    """A search within bounds that finds nothing makes no proof."""
    asked_for: list[Iterable[str]] = []

    def check(_design: object, bounds: Bounds, names: list[str], **_: object) -> Any:
        asked_for.append(tuple(names))
        cells = [Cell(design.name, n, searched, bounds, 1, 1, 1, 0.1) for n in names if searched]
        return type("Checked", (), {"cells": cells})()

    monkeypatch.setattr(report, "prove", lambda *_args, **_more: proof())
    monkeypatch.setattr(report, "check", check)
    asked = Asked((design,), (EXCLUSIVE, REFUTED_ONE), Bounds(), refute=searched is not None)
    found = report_on(asked, design)
    assert {c.property_name: (c.verdict, c.proof) for c in found.cells} == {
        EXCLUSIVE: (PROVED, PROVED),
        REFUTED_ONE: (verdict, UNKNOWN),
    }
    assert asked_for == ([(REFUTED_ONE,)] if searched else [])
    assert (REFUTED_ONE in found.missing) is (searched is not None and verdict is UNKNOWN)


# ------------------------------------------------------------------ formats and exit codes


def reported(*verdicts: Verdict, opinions: tuple[Opinion, ...] = (), **more: Any) -> Report:
    names = (EXCLUSIVE, REFUTED_ONE)
    cells = tuple(
        Cell(design.name, n, v, Bounds(), 0, 0, 0, 0.0, proof=v) for n, v in zip(names, verdicts, strict=False)
    )
    outcomes = tuple(report._outcome(d) for d in proof().discharged)
    return Report(design.name, cells, (), outcomes, 0, {}, {}, {}, opinions=opinions, **more)


def opinion(agreement: Agreement) -> Opinion:
    return Opinion("safety", "x", agreement, Answers(SAT, UNSAT), Answers(SAT, SAT), 0.1)


def spread(*unlike: tuple[int, str]) -> Spread:
    return Spread("safety", "x", 2, 1.0, 1.0, 1.0, "PROVED", unlike)


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (reported(PROVED), 0),
        (reported(PROVED, REFUTED), 1),
        (reported(REFUTED), 1),
        (reported(PROVED, UNKNOWN), 3),
        (reported(PROVED, Verdict.BOUNDED), 3),
        (reported(PROVED, opinions=(opinion(Agreement.AGREES),)), 0),
        (reported(PROVED, opinions=(opinion(Agreement.DISAGREES),)), 3),
        (reported(PROVED, opinions=(opinion(Agreement.AGREES), opinion(Agreement.TIME_OUT))), 3),
        (reported(PROVED, spreads=(spread(),)), 0),
        (reported(PROVED, spreads=(spread((1, "UNKNOWN")),)), 3),
        (reported(PROVED, stopped="an interrupt"), 3),
    ],
)
def test_the_exit_code_is_the_worst_that_was_found(monkeypatch: pytest.MonkeyPatch, found: Report, code: int) -> None:
    monkeypatch.setattr(cli, "run", lambda *_: [found])
    for form in ("text", "json", "junit"):
        ran = CliRunner().invoke(main, ["prove", design.name, "--format", form, "--no-stories"])
        assert ran.exit_code == code, ran.output
    assert objections([found]) is (code == 3 and found.cells[-1].verdict is PROVED and not found.interrupted)


def test_every_format_has_the_verdict() -> None:
    for verdict, failed in ((PROVED, ()), (REFUTED, ("failures",)), (UNKNOWN, ("errors",))):
        found = reported(verdict)
        assert json.loads(as_json([found]))[0]["properties"][0]["verdict"] == verdict.value
        junit = as_junit([found], 1.0)
        for count in ("failures", "errors"):
            assert (f'{count}="1"' in junit) is (count in failed), (verdict, count)


def test_an_obligation_that_is_not_discharged_is_an_error_in_junit() -> None:
    bad = replace(reported(PROVED), outcomes=tuple(replace(o, verdict=UNKNOWN) for o in reported(PROVED).outcomes[:1]))
    assert 'errors="1"' in as_junit([bad], 1.0)
    assert 'errors="1"' not in as_junit([reported(PROVED)], 1.0)


# ------------------------------------------------------------------ scripts


def test_a_script_says_the_very_formulas_that_were_discharged() -> None:
    """Read back: the premises and lemmas that may be assumed, and what must not be possible."""
    found = list(scripts(proof()))
    assert [s.of for s in found] == list(proof().discharged)
    for script in found:
        o, solver = script.of.obligation, z3.Solver()
        solver.from_string(script.text)
        formulas = [*(f for _, f in (*o.premises, *o.lemmas)), o.fails]
        assert len(solver.assertions()) == len(formulas)
        for read, formula in zip(solver.assertions(), formulas, strict=True):
            other = z3.Solver()
            other.add(read != formula)
            assert other.check() == z3.unsat, (o.title, formula)


def test_a_script_names_the_lemmas_that_it_assumes_and_shows() -> None:
    by_kind: dict[Kind, list[Any]] = {}
    for script in scripts(proof()):
        by_kind.setdefault(script.of.obligation.kind, []).append(script)
    (first,) = by_kind[Kind.INITIATION]
    assert (first.uses, set(first.shows)) == ((), set(proof().lemmas))
    for script in by_kind[Kind.CONSECUTION]:
        step = next(s for s in engine().steps if s.name == script.of.obligation.name)
        assert set(script.uses) == engine().used[step]
        assert set(script.shows) == {g.lemma for g in engine().goals(step)}


@pytest.mark.parametrize(
    ("verdict", "possible", "said"),
    [
        (PROVED, True, Answers(SAT, UNSAT)),
        (PROVED, False, Answers(UNSAT, UNSAT)),
        (PROVED, None, Answers(Answer.UNKNOWN, UNSAT)),
        (REFUTED, True, Answers(SAT, SAT)),
        (UNKNOWN, True, Answers(SAT, Answer.UNKNOWN)),
    ],
)
def test_what_is_expected_of_a_script_is_that_it_holds(verdict: Verdict, possible: bool | None, said: Answers) -> None:
    """Whatever the solver answered, `unsat` is what has to be answered."""
    d = replace(proof().discharged[0], verdict=verdict, possible=possible)
    assert answers(d) == said
    (script,) = scripts(replace(proof(), discharged=(d,)))
    assert script.expected == Answers(said.possible, UNSAT)
    assert script.text.rstrip().endswith("(check-sat) ; expected: unsat")


def test_two_symbols_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two symbols are called `x`"):
        Printed()(z3.And(z3.Bool("x"), z3.Int("x") == 1))


def test_a_connective_of_no_operand_is_what_it_comes_to() -> None:
    a = z3.Bool("a")
    assert Printed()(z3.And(z3.Or(a), z3.And()))[0] == "(and a true)"
    assert Printed()(z3.Or())[0] == "false"


@pytest.mark.parametrize(
    ("one", "other", "agreement"),
    [
        ((SAT, UNSAT), (SAT, UNSAT), Agreement.AGREES),
        ((SAT, UNSAT), (SAT, SAT), Agreement.DISAGREES),
        ((UNSAT, UNSAT), (SAT, UNSAT), Agreement.DISAGREES),
        ((SAT, UNSAT), (Answer.UNKNOWN, UNSAT), Agreement.TIME_OUT),
        ((SAT, Answer.UNKNOWN), (SAT, Answer.UNKNOWN), Agreement.TIME_OUT),
        ((Answer.UNKNOWN, UNSAT), (Answer.UNKNOWN, SAT), Agreement.DISAGREES),
    ],
)
def test_two_solvers_agree_only_on_two_answers_each(
    one: tuple[Answer, Answer], other: tuple[Answer, Answer], agreement: Agreement
) -> None:
    assert compare(Answers(*one), Answers(*other)) is agreement
    assert compare(Answers(*other), Answers(*one)) is agreement


# ------------------------------------------------------------------ the transition system of a certificate


def test_a_system_says_what_each_transition_writes_and_nothing_else() -> None:
    system = System(engine().induction)
    taken, released = (system.updates(s) for s in engine().steps)
    assert taken == {
        "locked": "true",
        "my holds": "true",
        "|owner of locked|": "(ite (and true (not (holds me))) me |owner of locked|)",
    }
    assert released == {
        "locked": "false",
        "my holds": "false",
        "|owner of locked|": "(ite (and false (not (holds me))) me |owner of locked|)",
    }


def test_a_system_has_every_axiom_and_the_whole_initial_state() -> None:
    ind, system = engine().induction, System(engine().induction)
    found = system.of_all()
    assert len(found["axioms"]) == len(ind.axioms) + 1
    assert "(distinct p me)" in found["axioms"]
    assert len(found["initial"]) == len(Shared.fields()) + len(HOLDERS) + 1
    assert len(found["processes"]) == 2 + len(HOLDERS)


def test_a_system_s_claim_has_all_that_is_given() -> None:
    ind, system = engine().induction, System(engine().induction)
    a, b = z3.Bools("a b")
    claim = Claim("x", (("one", a), ("other", b)), z3.Not(a), (Use(ind.me, ind.k), Use(ind.p, ind.k)))
    assert system.claim(claim) == {"says": "x", "given": ["a", "b"], "fails": "(not a)", "uses": ["(me k)", "(p k)"]}


def test_a_writer_refuses_words_for_another_number_of_ways_to_fail() -> None:
    a, b = z3.Bools("a b")
    o = Obligation(Kind.SAFETY, "x", (), (), z3.Or(a, b))
    with pytest.raises(ValueError, match="2 ways to fail, and words for 3"):
        Writer(DESIGNS[RECOMMENDED], ["idle"]).script(o, SAT, ["one", "two", "three"])
    assert isinstance(discharge(o), Discharged)
