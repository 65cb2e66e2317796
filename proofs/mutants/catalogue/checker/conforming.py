"""Mistakes in conformance: what is explored, what fits, what is told of it, and histories."""

from __future__ import annotations

from confsync.proofs.mutants.mutant import Mutant

EXPLORE = "proofs/conformance/explore.py"
ABSTRACTION = "proofs/conformance/abstraction.py"
MATCHING = "proofs/conformance/matching.py"
MINIMISE = "proofs/conformance/minimise.py"
SCHEDULE = "proofs/conformance/schedule.py"
ATOMIC = "proofs/conformance/atomic.py"
COVERAGE = "proofs/conformance/coverage.py"
RUN = "proofs/conformance/run.py"
OUTPUT = "proofs/conformance/output.py"
SCOPE = "proofs/conformance/scope.py"
LINEARIZABLE = "proofs/conformance/linearizable.py"

CONFORMING = (
    Mutant(
        "no-deaths-explored",
        EXPLORE,
        "            if deaths and place.observed:",
        "            if deaths > 1 and place.observed:",
        "no death is explored where one is asked for",
        "test_conformance_engine.py::test_a_mistake_where_a_process_dies_is_found_where_deaths_are_explored",
    ),
    Mutant(
        "no-failures-explored",
        EXPLORE,
        "                if left >= 0:\n",
        "                if left >= 0 and edge.failed is None:\n",
        "no failure is explored",
        "test_conformance_engine.py::test_a_mistake_where_a_step_fails_is_found_where_failures_are_explored",
    ),
    Mutant(
        "first-process-only",
        EXPLORE,
        "            if place is None or place.ended:\n                continue\n            before",
        "            if place is None or place.ended:\n"
        "                continue\n"
        "            if p and any(n != DEAD and not self.steps.places[n].ended for n in places[:p]):\n"
        "                continue\n"
        "            before",
        "a process takes a step only when those before it have ended",
        "test_conformance_engine.py::test_a_mistake_that_only_a_preemption_shows_is_found",
    ),
    Mutant(
        "edges-counted-twice",
        EXPLORE,
        "found.edges += 0 if known else len(there)",
        "found.edges += len(there)",
        "an edge from a node that is met at two depths is counted twice",
        "test_conformance_engine.py::test_a_design_follows_itself_and_every_schedule_is_counted",
    ),
    Mutant(
        "interleavings-summed-wrong",
        EXPLORE,
        "paths[node] = sum(paths[n] for n in following[node]) or 1",
        "paths[node] = max((paths[n] for n in following[node]), default=0) or 1",
        "only the schedules behind one of the next steps are counted",
        "test_conformance_engine.py::test_a_design_follows_itself_and_every_schedule_is_counted",
    ),
    Mutant(
        "anything-fits",
        ABSTRACTION,
        "        return word & self.mask == self.bits",
        "        return True",
        "the stores may say anything",
        "test_conformance_engine.py::test_a_store_that_is_left_otherwise_diverges",
    ),
    Mutant(
        "answers-unmatched",
        MATCHING,
        "if r.outcome is outcome and r.answer == answer:",
        "if r.outcome is outcome:",
        "a retrieve may answer anything",
        "test_conformance_engine.py::test_a_result_that_is_wrong_diverges",
    ),
    Mutant(
        "outcomes-unmatched",
        MATCHING,
        "if r.outcome is outcome and r.answer == answer:",
        "if r.answer == answer:",
        "success and error are the same",
        "test_conformance_engine.py::test_success_and_an_error_are_two_results",
    ),
    Mutant(
        "failures-for-nothing",
        MATCHING,
        "reach = self.reach(shared, local[process], int(failed))",
        "reach = self.reach(shared, local[process], 1)",
        "the model may fail where nothing was made to fail",
        "test_conformance_engine.py::test_success_and_an_error_are_two_results",
    ),
    Mutant(
        "death-fits-anything",
        MATCHING,
        "                if view.fits(t.shared):\n                    found.add((t.shared, (*local[:process], DEAD",
        "                if True:\n                    found.add((t.shared, (*local[:process], DEAD",
        "after a death the stores may say anything",
        "test_conformance_engine.py::test_a_mistake_where_a_process_dies_is_found_where_deaths_are_explored",
    ),
    Mutant(
        "properties-unjudged",
        EXPLORE,
        "        if violated:\n            return",
        "        if violated and place is None:\n            return",
        "properties are judged after deaths alone",
        "test_conformance_engine.py::test_a_property_that_is_claimed_is_judged_in_every_state",
    ),
    Mutant(
        "waiting-is-an-end",
        EXPLORE,
        '        if not all(place.ended for place in left):\n            return "an operation waits for ever"\n',
        "",
        "an operation may wait for ever",
        "test_conformance_engine.py::test_who_waits_for_ever_diverges",
    ),
    Mutant(
        "stray-unseen",
        EXPLORE,
        "        if view.stray:",
        "        if view.stray and place is None:",
        "what stands for nothing in the model is passed over",
        "test_conformance_engine.py::test_what_the_stores_say_that_stands_for_nothing_diverges",
    ),
    Mutant(
        "minimise-drops-deaths",
        MINIMISE,
        "deaths = sum(c.which is None for c in found.schedule)",
        "deaths = 0",
        "a divergence is minimised without its deaths",
        "test_conformance_engine.py::test_minimising_keeps_the_death_that_is_needed",
    ),
    Mutant(
        "judge-anywhere",
        MINIMISE,
        "return after if n == len(schedule.choices) - 1 else None",
        "return after",
        "a schedule is judged by whatever goes wrong first",
        "test_conformance_engine.py::test_what_is_wrong_before_the_end_of_a_schedule_is_not_judged_at_its_end",
    ),
    Mutant(
        "token-loses-deaths",
        SCHEDULE,
        'None if which == "x" else int(which)',
        '0 if which == "x" else int(which)',
        "a token's death is read as a step",
        "test_conformance_engine.py::test_a_token_is_its_schedule_and_its_sum_is_of_what_was_asked_and_answered",
    ),
    Mutant(
        "linearize-any-result",
        ATOMIC,
        "if isinstance(did := stands[process], Did) and did.result in (result, ANYTHING)",
        "if isinstance(stands[process], Did)",
        "an operation that has happened may return anything",
        "test_conformance_engine.py::test_a_design_is_linearizable_and_a_wrong_result_is_not",
    ),
    Mutant(
        "coverage-without-failures",
        COVERAGE,
        "                    if then < 0:\n",
        "                    if then < 0 or t.label.kind is Kind.FAILS:\n",
        "the model's failures are not counted",
        "test_conformance_engine.py::test_the_model_s_transitions_are_all_that_its_processes_can_take",
    ),
    Mutant(
        "interrupted-conforms",
        RUN,
        "        return not self.told and self.combinations == self.of",
        "        return not self.told",
        "an exploration that was interrupted conforms",
        "test_conformance_engine.py::test_only_what_was_explored_whole_and_did_not_diverge_conforms",
    ),
    Mutant(
        "told-conforms",
        OUTPUT,
        '    if result.told:\n        yield f"the implementation does not',
        '    if result.told and result.conforms:\n        yield f"the implementation does not',
        "an implementation that diverged is said to follow the design",
        "test_conformance_engine.py::test_only_what_was_explored_whole_and_did_not_diverge_conforms",
    ),
    Mutant(
        "together-without-repetition",
        SCOPE,
        "itertools.combinations_with_replacement(",
        "itertools.combinations(",
        "no operation is explored beside another of its kind",
        "test_conformance_engine.py::test_every_choice_of_operations_is_explored_once",
    ),
    Mutant(
        "history-any-order",
        LINEARIZABLE,
        "            if call.called > first_end:\n"
        "                break\n"
        "            if not placed >> number & 1:\n"
        "                returned",
        "            if not placed >> number & 1:\n                returned",
        "a call may be placed before one that had returned when it began",
        "test_linearizable.py::test_known_histories",
    ),
    Mutant(
        "unknown-history-ok",
        LINEARIZABLE,
        "    return unknown or Result(Verdict.OK, explored)",
        "    return Result(Verdict.OK, explored)",
        "a history that was not searched to the end is linearizable",
        "test_linearizable.py::test_the_limit_is_never_a_pass",
    ),
    Mutant(
        "external-takes-any-message",
        "proofs/conformance/external/messages.py",
        "    if wrong:\n        where = wrong",
        "    if False:\n        where = wrong",
        "an answer that the protocol does not have is taken",
        "test_external_protocol.py::test_what_breaks_the_protocol_is_named_with_its_line",
    ),
    Mutant(
        "external-fails-unasked",
        "proofs/conformance/external/moves.py",
        '        if failures and "fail" not in can:\n',
        "        if False:\n",
        "calls are made to fail in a program that does not offer that",
        "test_external_protocol.py::test_failures_are_refused_where_they_are_not_offered",
    ),
    Mutant(
        "external-divergence-is-told-unchecked",
        "proofs/conformance/external/run.py",
        "    if found.wrong != told.reason or not found.same:\n",
        "    if False:\n",
        "a divergence that does not come again is told as one",
        "test_external.py::test_a_divergence_that_does_not_come_again_is_an_error",
    ),
)
