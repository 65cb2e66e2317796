"""Mistakes in the meaning of a design: its steps, deaths and failures, what the model remembers, where a step leads."""

from __future__ import annotations

from confsync.proofs.mutants.mutant import Mutant

STEPS, GHOSTS, ENVIRONMENT = "model/libxl/steps.py", "model/libxl/ghosts.py", "model/engine/environment.py"
PROGRAM, STEP = "model/engine/program.py", "model/language/step.py"
FOOTPRINT, CONCRETE = "model/engine/footprint.py", "model/engine/concrete.py"
A_STEP = "test_step_facts.py::test_a_step"
LEADS_TO = "test_search_parts.py::test_what_a_point_leads_to"
READS = "test_search_parts.py::test_what_happens_at_a_point_depends_on_what_it_reads"

SEMANTICS = (
    Mutant(
        "lock-is-not-waited-for", STEPS,
        "    me.waits_until(neg(s.locked))\n", "",
        "a lock that is held is taken", A_STEP,
    ),
    Mutant(
        "lock-file-stays", STEPS,
        "    s.lock_file = False\n", "",
        "the lock is dropped and its file stays", A_STEP,
    ),
    Mutant(
        "read-without-template", STEPS,
        "    me.fails_if(neg(s.saved))\n", "",
        "a template that is not there is read", A_STEP,
    ),
    Mutant(
        "template-without-memory", STEPS,
        "    s.template_memory = me.draft_memory\n", "",
        "the template is written without the memory target", A_STEP,
    ),
    Mutant(
        "enter-a-taken-slot", STEPS,
        "    me.fails_if(s.xenstore[me.slot].present)\n    s.xenstore[me.slot] = me.config\n",
        "    s.xenstore[me.slot] = me.config\n",
        "a device is entered over another: the transaction does not look", A_STEP,
    ),
    Mutant(
        "leave-with-resources", STEPS,
        "any_of(neg(s.closing[me.slot]), s.resources[me.slot])", "neg(s.closing[me.slot])",
        "a device leaves xenstore while it holds resources", A_STEP,
    ),
    Mutant(
        "leave-keeps-mark", STEPS,
        "    s.xenstore[me.slot] = ABSENT\n    s.closing[me.slot] = False\n", "    s.xenstore[me.slot] = ABSENT\n",
        "a device that has left is still marked to go away", A_STEP,
    ),
    Mutant(
        "release-unmarked", STEPS,
        "    me.fails_if(neg(s.closing[me.slot]))\n    s.resources[me.slot] = False\n",
        "    s.resources[me.slot] = False\n",
        "a device is released that is not marked to go away", A_STEP,
    ),
    Mutant(
        "empty-drive-keeps-medium", STEPS,
        "    there = either(s.xenstore[k].empty, EMPTY, known)\n", "    there = known\n",
        "R2: of an empty drive the medium is not dropped", A_STEP,
    ),
    Mutant(
        "entry-is-not-made-up", STEPS,
        "    known = either(me.draft[k] != ABSENT, me.draft[k], MADE_UP)\n", "    known = me.draft[k]\n",
        "R1: a device without an entry is left out", A_STEP,
    ),
    Mutant(
        "absent-device-is-retrieved", STEPS,
        "    return either(s.xenstore[k].present, there, ABSENT)\n", "    return there\n",
        "X4: an entry of what xenstore lacks is returned", A_STEP,
    ),
    Mutant(
        "template-file-stays", STEPS,
        "    s.template_memory = 0\n    s.saved = False\n", "    s.template_memory = 0\n",
        "the template's file is still there after it was unlinked", A_STEP,
    ),
    Mutant(
        "destruction-does-not-pause", STEPS,
        "    s.paused = True\n    s.closing = pointwise(lambda k: s.xenstore[k].present)\n",
        "    s.closing = pointwise(lambda k: s.xenstore[k].present)\n",
        "a domain that is being destroyed runs", A_STEP,
    ),
    Mutant(
        "predecessor-stays-in-xenstore", STEPS,
        "    s.paused = True\n    s.xenstore = pointwise(lambda k: ABSENT)\n", "    s.paused = True\n",
        "a new domain begins with what xenstore has of the domid's last one", A_STEP,
    ),
    Mutant(
        "dead-process-keeps-lock", ENVIRONMENT,
        "all_of(getattr(s, lock.taken), neg(getattr(me, lock.held)))", "getattr(s, lock.taken)",
        "the lock of a process that died stays held",
        "test_step_facts.py::test_who_dies_leaves_the_lock_file_and_not_the_lock",
    ),
    Mutant(
        "death-frees-every-lock", ENVIRONMENT,
        "all_of(getattr(s, lock.taken), neg(getattr(me, lock.held)))", "False",
        "a death drops the locks of the others",
        "test_step_facts.py::test_who_dies_leaves_the_lock_file_and_not_the_lock",
    ),
    Mutant(
        "user-gives-what-is-made-up", "model/libxl/environment.py",
        "(ABSENT, EMPTY, MADE_UP)]", "(ABSENT, EMPTY)]",
        "a device is attached with an entry that only retrieve makes up",
        "test_step_facts.py::test_what_an_operation_may_be_asked",
    ),
    Mutant(
        "death-forgets-what-was-vouched", GHOSTS,
        "        settle(signature, s, me)\n        if \"granted\" in signature.writes:\n",
        "        s.vouched = pointwise(lambda k: ABSENT)\n        if \"granted\" in signature.writes:\n",
        "a death forgets what operations wrote into the template for their slots",
        "test_step_facts.py::test_a_death_keeps_what_was_vouched_for_a_device_that_is_there",
    ),
    Mutant(
        "death-vouches-for-nothing-there", GHOSTS,
        "        settle(signature, s, me)\n        if \"granted\" in signature.writes:\n",
        "        if \"granted\" in signature.writes:\n",
        "what was written for a device that never came stays vouched for",
        "test_step_facts.py::test_a_death_before_the_device_is_there_vouches_for_nothing_in_its_slot",
    ),
    Mutant(
        "death-tears-nothing", GHOSTS,
        '        if "granted" in signature.writes:\n            s.torn = any_of(s.torn, s.granted != s.memory)\n', "",
        "a death between the two writes of a memory target is not remembered",
        "test_step_facts.py::test_a_death_between_the_two_writes_of_a_memory_target_is_remembered",
    ),
    Mutant(
        "error-excuses-torn-target", GHOSTS,
        '        if "granted" in written:\n            s.torn = False\n', "",
        "an operation that failed may leave a memory target that xenstore was not told",
        "test_step_facts.py::test_an_error_is_no_excuse_for_a_target_that_stays_torn",
    ),
    Mutant(
        "write-vouches-for-every-slot", GHOSTS,
        "                s.vouched[me.slot] = s.template[me.slot]\n", "                s.vouched = s.template\n",
        "who writes the template vouches for the slots of others too",
        "test_step_facts.py::test_who_writes_the_template_vouches_for_its_own_slot",
    ),
    Mutant(
        "nothing-is-made-to-fail", PROGRAM,
        "        if p.step.may_fail:\n", "        if False:\n",
        "no step that the outside can refuse is refused", "test_search_parts.py::test_what_the_outside_can_refuse",
    ),
    Mutant(
        "nobody-dies", PROGRAM,
        'if layout.get(shared, counter) == getattr(self.bounds, counter):', 'if layout.get(shared, counter) >= 0:',
        "no process ever dies", "test_search_parts.py::test_so_many_die_and_no_more",
    ),
    Mutant(
        "one-more-dies-than-the-bound", PROGRAM,
        'if layout.get(shared, counter) == getattr(self.bounds, counter):',
        'if layout.get(shared, counter) and layout.get(shared, counter) == getattr(self.bounds, counter):',
        "a process dies where the bound is no death", "test_search_parts.py::test_so_many_die_and_no_more",
    ),
    Mutant(
        "clean-up-ends-at-a-refusal", PROGRAM,
        "kind is Kind.STEP or passed_over", "kind is Kind.STEP",
        "a step of a clean-up that is refused ends its part", LEADS_TO,
    ),
    Mutant(
        "refused-step-was-done", STEP,
        "self.steps[:done]", "self.steps[: done + 1]",
        "the clean-up undoes the step that was refused", LEADS_TO,
    ),
    Mutant(
        "ghosts-are-not-read", PROGRAM,
        "shared = touched.reads_shared | (after.reads_shared - touched.writes_shared) | settled.reads_shared",
        "shared = touched.reads_shared | settled.reads_shared",
        "outcomes are looked up without what the ghosts depend on", READS,
    ),
    Mutant(
        "failure-reads-no-ghosts", PROGRAM,
        "shared = touched.reads_shared | (after.reads_shared - touched.writes_shared) | settled.reads_shared",
        "shared = touched.reads_shared | (after.reads_shared - touched.writes_shared)",
        "failures are looked up without what the ghosts depend on", READS,
    ),
    Mutant(
        "guard-depends-on-nothing", FOOTPRINT,
        "        self.decides |= sources(condition)\n", "        self.decides |= frozenset()\n",
        "a guard draws nothing into a slice",
        "test_slices.py::test_a_guard_draws_what_it_reads_into_every_slice",
    ),
    Mutant(
        "comparison-is-not-noticed", FOOTPRINT,
        "            self.compared.append(True)\n", "            pass\n",
        "a step that compares two configurations is taken for one that does not",
        "test_slices.py::test_comparing_two_configurations_needs_two",
    ),
    Mutant(
        "guard-after-update", FOOTPRINT,
        "        if self.writes or (self.also and self.also.writes):\n", "        if False:\n",
        "a guard may follow an update: a step that is refused has done something",
        "test_language.py::test_what_is_no_step_is_refused_by_name_and_place_with_the_way_out",
    ),
    Mutant(
        "map-is-written-at-one-slot", CONCRETE,
        "        for k, value in [(k.index, at(k)) for k in self.layout.elements(field.over)]:\n",
        "        for k, value in [(k.index, at(k)) for k in self.layout.elements(field.over)[:1]]:\n",
        "a map that is written whole is written at the first slot alone", A_STEP,
    ),
)  # fmt: skip
