"""Mistakes in what is made of a search: verdicts, the manifest, the claims, traces, contracts, and observed designs."""

from __future__ import annotations

from confsync.proofs.mutants.mutant import Mutant

VERDICT, MANIFEST, CLAIMS, TRACE, VIOLATION, CONTRACT = (
    f"model/{name}.py"
    for name in (
        "engine/verdict",
        "report/manifest",
        "report/claims",
        "engine/trace",
        "engine/violation",
        "engine/contract",
    )
)
OBSERVED, TRANSACTION = "model/libxl/observed/design.py", "model/libxl/observed/transaction.py"
LIMIT = "test_limits.py::test_a_limit_leaves_open_what_is_not_refuted"
TOKEN = "test_search_parts.py::test_a_token_replays_its_own_run_and_no_other"

VERDICTS = (
    Mutant(
        "bounded-exits-as-green", VERDICT,
        "verdicts & {Verdict.BOUNDED, Verdict.UNKNOWN}", "verdicts & {Verdict.UNKNOWN}",
        "a verdict that a limit left open ends the command with success", LIMIT,
    ),
    Mutant(
        "refuted-exits-as-open", VERDICT,
        "        return EXIT_REFUTED\n", "        return EXIT_OPEN\n",
        "a refuted property ends the command as an undecided one does", LIMIT,
    ),
    Mutant(
        "manifest-of-verdicts-alone", MANIFEST,
        'keys = [k for k in was if was[k] != now[k] and (k != "proof" or now[k])]',
        'keys = [k for k in was if k == "verdict" and was[k] != now[k]]',
        "a cell that is vacuous, or of another depth, is as expected",
        "test_manifest.py::test_a_cell_that_came_out_otherwise",
    ),
    Mutant(
        "manifest-s-missing-cell", MANIFEST,
        "sorted(found.keys() | wanted.keys())", "sorted(found.keys())",
        "what the manifest expects and was not checked is as expected",
        "test_manifest.py::test_a_cell_that_only_one_of_them_has",
    ),
    Mutant(
        "manifest-of-other-bounds", MANIFEST,
        '    if manifest["bounds"] != bounds.counts():\n', "    if False:\n",
        "verdicts are held against those for other bounds", "test_manifest.py::test_other_bounds_are_another_manifest",
    ),
    Mutant(
        "claim-of-a-bounded-cell", CLAIMS,
        "_UNDECIDED = (Verdict.BOUNDED, Verdict.UNKNOWN)", "_UNDECIDED = (Verdict.UNKNOWN,)",
        "a claim is true though a search for it reached a limit",
        "test_claims.py::test_what_is_not_decided_is_never_true",
    ),
    Mutant(
        "claim-without-a-case", CLAIMS,
        'return "OPEN" if all(c.vacuous for c in own) else "TRUE"', 'return "TRUE"',
        "a claim is true though none of its cases arises",
        "test_claims.py::test_what_holds_for_want_of_a_case_says_so_and_is_not_true_by_that_alone",
    ),
    Mutant(
        "condition-is-not-looked-at", CLAIMS,
        "    if still := _broken(more):\n", "    if not more and (still := _broken(more)):\n",
        "a claim needs a condition that does not make it true",
        "test_claims.py::test_a_claim_is_what_its_cells_make_it",
    ),
    Mutant(
        "token-of-other-steps", TRACE,
        "    if checksum(moves) != token.checksum:\n", "    if False:\n",
        "a token replays whatever the steps do now", TOKEN,
    ),
    Mutant(
        "sum-over-names-alone", TRACE,
        "{m.transition.label.kind.name} {m.after.shared:x}", "{m.transition.label.kind.name}",
        "a token's sum does not tell what the steps did",
        "test_check_parts.py::test_a_token_s_sum_is_over_what_the_steps_did",
    ),
    Mutant(
        "answer-true-before-the-call", VIOLATION,
        "for s in states[mine[-1] :])", "for s in states)",
        "a retrieve may return what the domain was before it was called",
        "test_check_parts.py::test_what_was_true_before_the_call_is_no_excuse",
    ),
    Mutant(
        "contract-is-not-looked-at", CONTRACT,
        "            if not is_so(s):\n", "            if False:\n",
        "an operation that does not do what its name says is one",
        "test_check_parts.py::test_an_operation_that_returns_success_for_nothing_is_refused",
    ),
    Mutant(
        "contract-without-resources", "model/libxl/contract.py",
        "(s.resources[SLOT], s.resources[DRIVE]) == (config != ABSENT, True)", "s.resources[DRIVE]",
        "an attach that allocates nothing is one",
        "test_check_parts.py::test_an_operation_that_returns_success_for_nothing_is_refused",
    ),
    Mutant(
        "other-order-is-the-same", OBSERVED,
        "        elif trace.order == taken[name].order:\n", "        elif trace.order:\n",
        "a trace in another order is said to show the same",
        "test_observed.py::test_the_hosts_as_a_whole_agree_with_the_lab",
    ),
    Mutant(
        "observed-lock-is-kept", OBSERVED,
        "        on_failure.append(unlock)\n", "        pass\n",
        "an observed operation that fails keeps its lock",
        "test_observed.py::test_clean_up_drops_the_locks_that_are_taken",
    ),
    Mutant(
        "run-that-ended-early-is-whole", OBSERVED,
        "    if trace.operation is None or not trace.complete:\n", "    if trace.operation is None:\n",
        "a run that was cut short is read as an operation",
        "test_observed.py::test_the_hosts_as_a_whole_agree_with_the_lab",
    ),
    Mutant(
        "look-at-any-slot", TRANSACTION,
        "device is not None and device[:2] in devices and device[2]", "device is not None and device[2]",
        "a look at another slot is taken for the check of this one",
        "test_observed_orders.py::test_a_look_at_another_slot_is_no_look",
    ),
    Mutant(
        "every-colon-begins-an-image", TRANSACTION,
        'return None if params is None else params.partition(":")[2 if ":" in params else 0] != ""',
        'return None if params is None else params != ""',
        "a drive whose params name a format and no image holds a medium",
        "test_observed_orders.py::test_a_medium_is_empty_as_retrieve_reads_it",
    ),
)  # fmt: skip
