"""Mistakes in what is claimed of a property, in the relation that a proof is about, and in the candidates."""

from __future__ import annotations

from confsync.proofs.mutants.mutant import Mutant

ANSWERS = "proofs/prover/answers.py"
STATED = "model/libxl/properties.py"
GHOSTS = "model/libxl/ghosts.py"
RECOVERY = "proofs/libxl/recovery.py"
LOCKS = "proofs/prover/locks.py"
PROPERTIES = "proofs/prover/properties.py"
RELATION = "proofs/prover/carrier/relation.py"
CANDIDATES = "proofs/prover/invariant/candidates.py"
SAMPLES = "proofs/prover/invariant/samples.py"
VOCABULARY = "proofs/prover/invariant/vocabulary.py"

CLAIMING = (
    Mutant(
        "exact-without-knobs",
        ANSWERS,
        "        parts.append(said(ind.k) != is_so(ind.k) if fields[name].over else said != is_so)\n",
        "        if fields[name].over:\n            parts.append(said(ind.k) != is_so(ind.k))\n",
        "an exact answer compares devices and no knobs",
        "test_property_claims.py::test_exact_is_every_part_of_the_result",
    ),
    Mutant(
        "death-forgets-vouched",
        GHOSTS,
        "        return either(gone, ABSENT, s.vouched[k])",
        "        return ABSENT",
        "what is in xenstore is no longer vouched for once an operation settles",
        "test_relation_facts.py::test_a_transition_on_plain_values",
    ),
    Mutant(
        "exact-of-no-domain",
        ANSWERS,
        "wrong = z3.Or(negation(after.shared.values[_observer(ind).exists]), _differs(ind, after.local, after.shared))",
        "wrong = _differs(ind, after.local, after.shared)",
        "a result is exact though there is no domain",
        "test_property_claims.py::test_exact_is_every_part_of_the_result",
    ),
    Mutant(
        "knobs-without-memory",
        STATED,
        "all_of(me.draft_name == s.name, any_of(me.draft_memory == s.granted, s.torn))",
        "me.draft_name == s.name",
        "a retrieve may return any memory target",
        "test_property_claims.py::test_the_knobs_are_the_name_and_what_the_hypervisor_grants",
    ),
    Mutant(
        "knobs-excused-when-torn",
        STATED,
        "all_of(me.draft_name == s.name, any_of(me.draft_memory == s.granted, s.torn))",
        "any_of(all_of(me.draft_name == s.name, me.draft_memory == s.granted), s.torn)",
        "a torn memory target excuses a wrong name",
        "test_property_claims.py::test_the_knobs_are_the_name_and_what_the_hypervisor_grants",
    ),
    Mutant(
        "fixed-point-knobs",
        ANSWERS,
        "        return one(ind.k) != other(ind.k) if fields[name].over else one != other\n",
        "        return one(ind.k) != other(ind.k) if fields[name].over else z3.BoolVal(False)\n",
        "a domain that is created from a result may have other knobs",
        "test_property_claims.py::test_a_domain_created_from_a_result_has_the_same_knobs",
    ),
    Mutant(
        "fixed-point-made-up",
        ANSWERS,
        "        formula(neg(p.usable(made_from.me, Z3Term(ind.k)))),\n",
        "",
        "a result with a made-up entry is a fixed point",
        "test_property_claims.py::test_a_result_that_is_made_up_is_no_fixed_point",
    ),
    Mutant(
        "recovery-unlocked-unclaimed",
        RECOVERY,
        "    return (unlocked, *_from",
        "    return (*_from",
        "a lock may be held for ever where nobody is at work",
        "test_property_claims.py::test_a_lock_that_is_held_where_nobody_is_at_work_is_lost",
    ),
    Mutant(
        "sequence-passes-anyway",
        RECOVERY,
        "        return all_of(self.passes, *wanted)",
        "        return all_of(*wanted)",
        "a sequence mends though one of its operations is refused",
        "test_property_claims.py::test_where_nothing_can_be_done_only_what_agrees_is_recovered",
    ),
    Mutant(
        "circle-unseen",
        LOCKS,
        "    return (*own, *map(circle, _circles(tuple(program.protocol.holders)))) or",
        "    return (*own,) or",
        "no circle of two locks is claimed to be impossible",
        "test_property_claims.py::test_a_circle_of_two_is_told_and_no_other",
    ),
    Mutant(
        "circle-of-three-unseen",
        LOCKS,
        "    for size in range(2, len(locks) + 1):",
        "    for size in range(2, min(len(locks), 2) + 1):",
        "no circle of three locks is claimed to be impossible",
        "test_odd_protocols.py::test_three_locks_that_are_waited_for_in_a_circle",
    ),
    Mutant(
        "symbols-unchecked",
        RELATION,
        "        _check_symbols(design.protocol)\n",
        "",
        "a field that has a kind's name is taken for the kind",
        "test_odd_protocols.py::test_what_a_proof_would_take_for_something_else_is_refused",
    ),
    Mutant(
        "one-lock-exclusive",
        PROPERTIES,
        "Needed(tuple(map(Exclusive, protocol.holders)),",
        "Needed(tuple(map(Exclusive, list(protocol.holders)[:1])),",
        "only the first lock has to exclude",
        "test_property_claims.py::test_exclusive_is_both_locks",
    ),
    Mutant(
        "ends-without-beginning",
        PROPERTIES,
        "(*locks.somebody_goes_on(induction), *locks.somebody_begins(induction))",
        "locks.somebody_goes_on(induction)",
        "every operation ends where none can begin",
        "test_property_claims.py::test_every_operation_ends_is_that_one_goes_on_and_that_one_begins",
    ),
    Mutant(
        "degraded-nowhere",
        ANSWERS,
        "    return tuple(Clause(n, ((said, True),)) for n in points)",
        "    return tuple(Clause(n, ((said, True),)) for n in points[1:])",
        "no location is looked at for degraded results",
        "test_property_claims.py::test_every_property_needs_something",
    ),
    Mutant(
        "failure-does-the-step",
        RELATION,
        "        view = before.copy()\n        if not self.program.points[n].cleaning_up:",
        "        view = before.copy()\n"
        "        self.program.points[n].step.run(view.s, view.me)\n"
        "        if not self.program.points[n].cleaning_up:",
        "a step that fails was done",
        "test_relation_facts.py::test_a_transition_on_terms",
    ),
    Mutant(
        "nobody-dies-on-terms",
        RELATION,
        "        if n not in program.first.values():\n            dead",
        "        if n in ():\n            dead",
        "on terms, no process dies",
        "test_relation_facts.py::test_a_process_dies_at_every_location_but_where_its_operation_begins",
    ),
    Mutant(
        "ghosts-do-not-follow",
        RELATION,
        "        follow(taken.s, taken.me)\n",
        "",
        "on terms, the ghosts do not follow a step's writes",
        "test_relation_facts.py::test_a_transition_on_terms",
    ),
    Mutant(
        "idle-still-holds",
        RELATION,
        "after.local.write(self.program.protocol.local_fields[held], False)",
        "after.local.write(self.program.protocol.local_fields[held], before.me.holds)",
        "a process that has ended holds the lock that it held",
        "test_relation_facts.py::test_who_has_ended_or_died_holds_nothing",
    ),
    Mutant(
        "pairs-left-out",
        CANDIDATES,
        "_upper(sensible & ~both_wrong)",
        "_upper(sensible & ~both_wrong & (which > which[:, None]))",
        "half of the clauses of two literals are no candidates",
        "test_candidates.py::test_the_shortest_clauses_that_hold_in_all_samples",
    ),
    Mutant(
        "empty-points-nobody",
        CANDIDATES,
        "        if point != IDLE and not rows.size:\n"
        "            found.append(Clause(point, ()))\n"
        "            continue\n",
        "",
        "that nobody comes to a location is no candidate",
        "test_candidates.py::test_where_no_sample_is_nobody_comes",
    ),
    Mutant(
        "rows-lost",
        SAMPLES,
        "    fresh[1:] = (words[order[1:]] != words[order[:-1]]).any(axis=1)",
        "    fresh[1:] = (words[order[1:]] != words[order[:-1]]).all(axis=1)",
        "samples that differ in part are taken for one",
        "test_candidates.py::test_rows_are_told_apart_and_none_is_lost",
    ),
    Mutant(
        "vocabulary-without-pairs",
        VOCABULARY,
        "if f.sort == g.sort and isinstance(f.sort, ValueSort):",
        "if f.sort == g.sort and f.over and isinstance(f.sort, ValueSort):",
        "names and amounts are not compared with each other",
        "test_candidates.py::test_values_of_one_sort_are_compared_and_of_two_sorts_are_not",
    ),
    Mutant(
        "proof-leaves-closing",
        RECOVERY,
        "        return slot_agrees(s, Z3Term(ind.k))\n",
        "        return any_of(slot_agrees(s, Z3Term(ind.k)), s.closing[Z3Term(ind.k)])\n",
        "a proof takes a device that is going away for recovered",
        "test_property_claims.py::test_where_nothing_can_be_done_only_what_agrees_is_recovered",
    ),
)
