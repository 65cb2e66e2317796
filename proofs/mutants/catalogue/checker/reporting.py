"""Mistakes between a proof and its reader: cells, formats, exit codes, scripts, certificates, second opinions."""

from __future__ import annotations

from confsync.proofs.mutants.mutant import Mutant

REPORT = "proofs/prover/report.py"
OUTPUT = "proofs/prover/output.py"
CLI = "proofs/prover/cli.py"
SMTLIB = "proofs/prover/certificate/smtlib.py"
SECOND = "proofs/prover/certificate/second.py"
SYSTEM = "proofs/prover/certificate/system.py"

REPORTING = (
    Mutant(
        "refuted-shown-as-proved",
        REPORT,
        "    if searched and searched.verdict is Verdict.REFUTED:\n"
        "        return replace(searched, proof=proof.verdicts[name])\n"
        "    verdict = proof.verdicts[name]",
        "    verdict = Verdict.PROVED if searched else proof.verdicts[name]",
        "what the search refuted is shown as proved",
        "test_prover_reports.py::test_what_is_not_proved_is_refuted_by_the_search_or_unknown",
    ),
    Mutant(
        "exhausted-is-proved",
        REPORT,
        "    verdict = proof.verdicts[name]\n    states",
        "    verdict = Verdict.PROVED if searched and searched.verdict is Verdict.EXHAUSTED else proof.verdicts[name]\n"
        "    states",
        "what holds within bounds is shown as proved for any size",
        "test_prover_reports.py::test_what_is_not_proved_is_refuted_by_the_search_or_unknown",
    ),
    Mutant(
        "second-opinion-unheard",
        OUTPUT,
        "    return differ or any(s.unlike",
        "    return any(s.unlike",
        "a second solver's objection changes no exit code",
        "test_prover_reports.py::test_the_exit_code_is_the_worst_that_was_found",
    ),
    Mutant(
        "seeds-unheard",
        OUTPUT,
        "    return differ or any(s.unlike for r in reports for s in r.spreads)",
        "    return differ",
        "another verdict under another seed changes no exit code",
        "test_prover_reports.py::test_the_exit_code_is_the_worst_that_was_found",
    ),
    Mutant(
        "interrupted-passes",
        CLI,
        "    unsure = any(r.stopped for r in reports) or (code",
        "    unsure = (code",
        "a run that was interrupted exits with 0",
        "test_prover_reports.py::test_the_exit_code_is_the_worst_that_was_found",
    ),
    Mutant(
        "junit-obligations-pass",
        OUTPUT,
        "            if o.verdict is not Verdict.PROVED:",
        "            if o.verdict is Verdict.REFUTED:",
        "in JUnit, an obligation without an answer passes",
        "test_prover_reports.py::test_an_obligation_that_is_not_discharged_is_an_error_in_junit",
    ),
    Mutant(
        "expected-is-answered",
        SMTLIB,
        "return Answers(answers(self.of).possible, Answer.UNSAT)",
        "return answers(self.of)",
        "a script expects whatever the first solver answered",
        "test_prover_reports.py::test_what_is_expected_of_a_script_is_that_it_holds",
    ),
    Mutant(
        "script-without-lemmas",
        SMTLIB,
        '            *_part("What is known", assertions("known", o.premises)),\n',
        "",
        "a script leaves out what is known",
        "test_prover_reports.py::test_a_script_says_the_very_formulas_that_were_discharged",
    ),
    Mutant(
        "time-out-agrees",
        SECOND,
        "return Agreement.TIME_OUT if any(Answer.UNKNOWN in pair for pair in pairs) else Agreement.AGREES",
        "return Agreement.AGREES",
        "a solver that came to no answer agrees",
        "test_prover_reports.py::test_two_solvers_agree_only_on_two_answers_each",
    ),
    Mutant(
        "second-first-answer-only",
        SECOND,
        "pairs = [(one.possible, other.possible), (one.fails, other.fails)]",
        "pairs = [(one.possible, other.possible)]",
        "of two solvers only the first answers are compared",
        "test_prover_reports.py::test_two_solvers_agree_only_on_two_answers_each",
    ),
    Mutant(
        "system-owner-forgotten",
        SYSTEM,
        "            if held in step.writes_local:",
        "            if lock in step.writes_local:",
        "a certificate's owner of a lock never changes",
        "test_prover_reports.py::test_a_system_says_what_each_transition_writes_and_nothing_else",
    ),
    Mutant(
        "system-axioms-lost",
        SYSTEM,
        "self.texts([*ind.axioms, apart])",
        "self.texts([*ind.axioms])",
        "a certificate does not say that two processes differ",
        "test_prover_reports.py::test_a_system_has_every_axiom_and_the_whole_initial_state",
    ),
)
