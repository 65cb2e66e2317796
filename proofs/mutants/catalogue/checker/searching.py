"""Mistakes in the search: states that are lost or merged, false renamings, limits, slices, exactness, recovery."""

from __future__ import annotations

from confsync.proofs.mutants.mutant import Mutant

BFS, FRONTIER, PAIRS, EXACT, RECOVER, CANONICAL, SYMMETRY, MONITOR, ALONE = (
    f"model/engine/search/{name}.py"
    for name in ("bfs", "frontier", "pairs", "exact", "recover", "canonical", "symmetry", "monitor", "alone")
)
SLICE, CHECK = "model/engine/slice.py", "model/engine/check.py"
AGREEMENT, PROPERTIES = "model/libxl/recovery.py", "model/libxl/properties.py"
PARTS = "test_search_parts.py::"
ORBIT, RENAMED, ANSWER = (
    f"{PARTS}{name}"
    for name in ("test_one_state_an_orbit", "test_what_may_be_renamed", "test_whether_an_answer_is_exact")
)
FACTS = "test_predicate_facts.py::"
HALF_WAY = f"{FACTS}test_what_is_half_way_is_no_agreement"
WAITS = f"{FACTS}test_two_processes_that_wait_for_each_other"

SEARCHING = (
    Mutant(
        "first-state-is-lost", FRONTIER,
        "    keep[0] = True\n", "    keep[0] = False\n",
        "the least of the new states is dropped", f"{PARTS}test_distinct_states",
    ),
    Mutant(
        "last-of-a-block-is-new", FRONTIER,
        "among[low : bounds[i + 1] + 1]", "among[low : bounds[i + 1] - 1]",
        "a state at the end of a block is taken for a new one",
        f"{PARTS}test_which_states_are_present_block_after_block",
    ),
    Mutant(
        "old-runs-are-forgotten", FRONTIER,
        "        for run in self._runs:\n", "        for run in self._runs[-1:]:\n",
        "a state of an earlier level is new again", f"{PARTS}test_what_was_visited_is_not_new",
    ),
    Mutant(
        "narrow-packing-is-not-noticed", FRONTIER,
        "            raise TooNarrow\n", "            pass\n",
        "numbers that do not fit run into each other", f"{PARTS}test_a_state_is_unpacked_as_it_was_packed",
    ),
    Mutant(
        "process-like-another-is-skipped", BFS,
        "np.flatnonzero(local[p] != local[p - 1])", "np.flatnonzero(local[p] == local[p - 1])",
        "the processes that differ are not expanded", ORBIT,
    ),
    Mutant(
        "second-process-never-moves", BFS,
        "                yield np.arange(index.size), index\n",
        "                yield np.arange(index.size)[: -p or None], index[: -p or None]\n",
        "in the last state of a chunk the second process takes no step",
        f"{PARTS}test_every_state_is_reached_and_no_other",
    ),
    Mutant(
        "state-limit-is-passed-over", BFS,
        "here.states > self.max_states:", "here.states < 0:",
        "a search goes on beyond the limit of states", "test_limits.py::test_a_limit_leaves_open_what_is_not_refuted",
    ),
    Mutant(
        "effects-are-known-by-shared-bits", PAIRS,
        "            key = shared & reading.shared, local & reading.local\n",
        "            key = shared & reading.shared, 0\n",
        "what happened to one process is taken for what happens to another",
        f"{PARTS}test_every_state_is_reached_and_no_other",
    ),
    Mutant(
        "blocked-can-move", PAIRS,
        "            can_move[blocked] = False\n", "",
        "a process that waits is taken for one that goes on", WAITS,
    ),
    Mutant(
        "first-name-is-renamed", SYMMETRY,
        "factors.append((values, _within(values.first, others), factorial(others), size))",
        "of = (0, others + 1) if values.first == 1 else (values.first, others)\n"
        "        factors.append((values, _within(*of), 2, size))",
        "the name that a domain is created with is taken for any other", RENAMED,
    ),
    Mutant(
        "made-up-is-renamed", SYMMETRY,
        "factors.append((values, _within(values.first, others), factorial(others), size))",
        "factors.append((values, _within(values.first - 1, others + 1), factorial(others + 1), size))",
        "an entry that was made up is taken for one that a user gave", RENAMED,
    ),
    Mutant(
        "drives-are-slots", SYMMETRY,
        "    counts = _kinds(sort, bounds)\n    firsts =",
        "    counts = [sum(_kinds(sort, bounds))]\n    firsts =",
        "a drive is taken for a slot", RENAMED,
    ),
    Mutant(
        "maps-are-not-moved", SYMMETRY,
        "            to = over[k] if over else k\n", "            to = k\n",
        "a renaming of slots leaves what stands at them", f"{PARTS}test_a_renaming_moves_every_field_of_its_sort",
    ),
    Mutant(
        "ties-are-not-broken", CANONICAL,
        "        for i in range(1, int(ties.max(initial=1))):\n", "        for i in range(1, 1):\n",
        "two states of one orbit are told apart", ORBIT,
    ),
    Mutant(
        "processes-are-not-sorted", CANONICAL,
        "        for j in range(i % 2, n - 1, 2):\n", "        for j in range(i % 2, n - 2, 2):\n",
        "the order of the processes is kept", ORBIT,
    ),
    Mutant(
        "cone-of-one-step", SLICE,
        "        if not more:\n", "        if more is not None:\n",
        "a slice has what the guards depend on, and not what that is made from",
        "test_check_parts.py::test_a_slice_has_what_its_fields_are_made_from",
    ),
    Mutant(
        "configurations-are-always-alike", SLICE,
        "    return not any(touched.compares for touched in program.footprints.values())\n", "    return True\n",
        "a design that compares configurations is searched with one",
        "test_slices.py::test_comparing_two_configurations_needs_two",
    ),
    Mutant(
        "knobs-are-not-compared", EXACT,
        "        if answer != alone.truth(pairs.shared.words[g]):\n",
        "        if answer[:1] != (alone.truth(pairs.shared.words[g]) or ())[:1]:\n",
        "an exact answer has the right devices, with any name and memory target", ANSWER,
    ),
    Mutant(
        "answer-was-never-looked-for", EXACT,
        "            if watch and self.alone.answer_of(word) == self.pairs.answers[watch - 1]:\n",
        "            if watch and self.alone.answer_of(word) != self.pairs.answers[watch - 1]:\n",
        "a retrieve is judged by the answers that it does not return", ANSWER,
    ),
    Mutant(
        "what-others-do-is-not-noticed", EXACT,
        "            if q == process:\n", "            if True:\n",
        "an answer that another process made true stays on the look-out", ANSWER,
    ),
    Mutant(
        "answer-true-at-the-call", EXACT,
        "                past = (now, self.truth(int(shared[row])))\n", "                past = ()\n",
        "an answer that is true as the retrieve begins stays on the look-out", ANSWER,
    ),
    Mutant(
        "recovery-leaves-closing", AGREEMENT,
        "s.resources[k] == s.xenstore[k].present, neg(s.closing[k]))", "s.resources[k] == s.xenstore[k].present)",
        "a device that is still going away is taken for recovered", HALF_WAY,
    ),
    Mutant(
        "recovery-leaves-resources", AGREEMENT,
        "s.template[k] == s.attached[k], s.resources[k] == s.xenstore[k].present, neg",
        "s.template[k] == s.attached[k], neg",
        "what is held for no device is taken for recovered", HALF_WAY,
    ),
    Mutant(
        "recovery-leaves-lock", AGREEMENT,
        "all_of(s.saved == s.alive, neg(s.paused), neg(s.locked))", "all_of(s.saved == s.alive, neg(s.paused))",
        "a lock that stays held is taken for recovered", HALF_WAY,
    ),
    Mutant(
        "recovery-by-destruction", AGREEMENT,
        "    return all_of(s.alive, neg(runs(s)))\n", "    return s.alive\n",
        "a whole domain may be destroyed to recover it",
        f"{FACTS}test_only_what_is_half_created_or_half_destroyed_may_be_destroyed",
    ),
    Mutant(
        "recovery-leaves-memory", AGREEMENT,
        "    return s.granted == s.memory\n", "    return s.memory == s.memory\n",
        "a memory target that is not granted is taken for recovered",
        f"{FACTS}test_a_target_that_the_hypervisor_does_not_grant_is_no_agreement",
    ),
    Mutant(
        "one-cycle-is-none", MONITOR,
        "            self._known[edges] = bool(wanted)\n",
        "            self._known[edges] = any(i in js for i, js in wanted.items())\n",
        "two processes that wait for each other are not seen", WAITS,
    ),
    Mutant(
        "lock-is-held-twice", MONITOR,
        "            twice |= held & holds[column]\n            held |= holds[column]\n",
        "            held |= holds[column]\n",
        "two processes that hold a lock are not seen",
        f"{FACTS}test_one_that_waits_for_another_that_goes_on",
    ),
    Mutant(
        "deadlock-is-an-end", MONITOR,
        "        violated[at_work & ~can_go_on] |= self._ends\n", "",
        "operations that can never go on are not seen", WAITS,
    ),
    Mutant(
        "made-up-is-not-degraded", MONITOR,
        "violated |= 0 if all(p.holds(me, k) for k in elements) else bit", "violated |= 0",
        "an answer with an entry that was made up is a good one",
        f"{FACTS}test_an_answer_with_an_entry_that_was_made_up_is_degraded",
    ),
    Mutant(
        "name-is-not-reflected", PROPERTIES,
        "all_of(me.draft_name == s.name, any_of(me.draft_memory == s.granted, s.torn))",
        "any_of(me.draft_memory == s.granted, s.torn)",
        "a retrieve may return any name", f"{FACTS}test_a_name_that_is_read_from_the_template_is_not_reflected",
    ),
    Mutant(
        "torn-target-is-no-excuse", PROPERTIES,
        "any_of(me.draft_memory == s.granted, s.torn)", "me.draft_memory == s.granted",
        "a death between two writes refutes what no design can have",
        f"{FACTS}test_a_memory_target_that_is_not_granted_is_not_reflected",
    ),
    Mutant(
        "fixed-point-of-the-answer", ALONE,
        "self.recreated(answer) == (truth, answer)", "self.recreated(answer)[1] == answer",
        "a domain that is created from an answer need not be the domain",
        f"{FACTS}test_what_is_retrieved_has_to_be_what_is_there",
    ),
    Mutant(
        "limit-reads-as-exhausted", CHECK,
        "Verdict.BOUNDED if stopped else Verdict.EXHAUSTED", "Verdict.EXHAUSTED",
        "a search that reached a limit is taken for a whole one",
        "test_limits.py::test_a_limit_leaves_open_what_is_not_refuted",
    ),
    Mutant(
        "nothing-is-vacuous", CHECK,
        "vacuous=verdict is Verdict.EXHAUSTED and not met", "vacuous=False",
        "a property without a case counts like any other",
        "test_search.py::test_a_property_that_has_no_case_is_vacuous",
    ),
    Mutant(
        "second-search-s-limit-is-lost", CHECK,
        'reached = (s.found.stopped or o.stopped.get(name, "") for s, o, _ in found)',
        "reached = (s.found.stopped for s, o, _ in found)",
        "where the search for an answer reached a limit, the answer is exact",
        "test_check_parts.py::test_a_limit_of_the_search_for_answers_leaves_them_open",
    ),
)  # fmt: skip
