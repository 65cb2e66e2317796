"""Mistakes in what is made of a proof that fails, and in refinement: counterexamples to induction that are none, labels
that are not so, changes that are not the specification's."""

from __future__ import annotations

from confsync.proofs.mutants.mutant import Mutant

CTI, TRIAGE, ALONE = (
    "proofs/prover/counterexample/cti.py",
    "proofs/prover/counterexample/triage.py",
    "proofs/prover/alone.py",
)
REFINEMENT, SPECIFICATION = "proofs/libxl/refinement.py", "proofs/libxl/specification.py"
DOES_NOT_REFINE = "test_refinement.py::test_a_design_that_does_not_refine_says_where"
WRONG_SPECIFICATION = "test_refinement.py::test_a_wrong_specification_is_refused"
PLAIN = "test_refinement.py::test_the_specification_runs_on_plain_values"

DOUBTING = (
    Mutant(
        "cti-is-not-evaluated", CTI,
        "    for x in assumed:\n        if not says(program, before, x):\n",
        "    for x in assumed:\n        if False:\n",
        "what a solver assumes is not asked of plain values",
        "test_triage.py::test_what_is_assumed_is_asked_of_plain_values",
    ),
    Mutant(
        "cti-step-is-not-taken", CTI,
        "        move = next((step(before, 0, n, each) for n, each in all_ if each == to), None)\n",
        "        move = next((step(before, 0, n, each) for n, each in all_), None)\n",
        "any step is taken for the one that the solver means",
        "test_triage.py::test_a_wrong_carrier_is_found_out",
    ),
    Mutant(
        "triage-bound-is-a-verdict", TRIAGE,
        "    if stopped := reached.found.stopped:\n", "    if stopped := \"\":\n",
        "a search that was stopped says that a state is not reached",
        "test_triage.py::test_a_bound_is_no_verdict",
    ),
    Mutant(
        "triage-never-reached", TRIAGE,
        "    if trace := itself or reached.elsewhere(what, name):\n",
        "    if (trace := itself or reached.elsewhere(what, name)) and False:\n",
        "a bug that is reached is said not to be",
        "test_triage.py::test_a_bug_is_reached_and_replayed",
    ),
    Mutant(
        "triage-lemmas-exclude-nothing", TRIAGE,
        "tuple((vocabulary[about[c]], not mine[c]) for c in columns)",
        "tuple((vocabulary[about[c]], bool(mine[c])) for c in columns)",
        "the lemmas that are told do not exclude the state",
        "test_triage.py::test_candidates_exclude_it_and_nothing_that_is_reached",
    ),
    Mutant(
        "alone-passes-every-guard", ALONE,
        "        passes += [guard for _, guard in taken.guards]\n", "        passes += []\n",
        "an operation alone passes guards that refuse it",
        "test_recovery.py::test_a_sequence_on_terms_does_what_its_operations_do_on_plain_states",
    ),
    Mutant(
        "alone-answers-as-it-began", ALONE,
        "        if program.answers(point):\n            answer = view.local\n",
        "        answer = answer or view.local\n",
        "what a retrieve answers is what it began with",
        "test_facts.py::test_properties_of_quiescent_states",
    ),
    Mutant(
        "refinement-holds-whatever", REFINEMENT,
        "        return not self.refused\n", "        return True\n",
        "every design refines the specification",
        DOES_NOT_REFINE,
    ),
    Mutant(
        "refinement-forgets-a-guard", REFINEMENT,
        "        wrong = z3.Or(guard, self._differ(domain, after), *self._misses(told, t))\n",
        "        wrong = z3.Or(self._differ(domain, after), *self._misses(told, t))\n",
        "a change may be made where the specification refuses it",
        WRONG_SPECIFICATION,
    ),
    Mutant(
        "refinement-compares-no-change", REFINEMENT,
        "        wrong = z3.Or(guard, self._differ(domain, after), *self._misses(told, t))\n",
        "        wrong = z3.Or(guard, *self._misses(told, t))\n",
        "any change is the one that the specification has",
        WRONG_SPECIFICATION,
    ),
    Mutant(
        "refinement-follows-no-way", REFINEMENT,
        "            if way.changes != should:\n", "            if False:\n",
        "an operation may return success without its changes",
        WRONG_SPECIFICATION,
    ),
    Mutant(
        "specification-attaches-anywhere", SPECIFICATION,
        "    me.fails_if(d.devices[me.slot] != ABSENT)\n    d.devices[me.slot] = me.config\n",
        "    d.devices[me.slot] = me.config\n",
        "the specification attaches to a slot that is taken",
        PLAIN,
    ),
    Mutant(
        "specification-ends-nothing", SPECIFICATION,
        "    d.devices = pointwise(lambda _: ABSENT)\n    d.name = 0\n", "    d.name = 0\n",
        "the specification's destruction leaves the devices",
        PLAIN,
    ),
    Mutant(
        "specification-sees-a-paused-domain", SPECIFICATION,
        "    return all_of(s.alive, neg(s.paused))\n", "    return s.alive\n",
        "a domain that is half made is there",
        "test_refinement.py::test_a_search_sees_the_changes_at_the_points_and_nowhere_else",
    ),
)  # fmt: skip
