"""Mistakes in what the checker is held against: the naive checker, and the Hypothesis machines. One that checks nothing
passes every walk."""

from __future__ import annotations

from confsync.proofs.mutants.mutant import Mutant

WALK, NAIVE, LOCKSTEP, BESIDE = (
    f"tests/{name}.py"
    for name in (
        "conformance/test_machine",
        "support/naive",
        "conformance/machines_lockstep",
        "conformance/test_machine_concurrent",
    )
)
DAMAGE = "test_machines_notice.py::test_a_host_that_was_damaged_is_noticed"
WORDS = "test_machines_notice.py::test_an_error_that_the_specification_does_not_have_is_noticed"
STORES = "test_predicate_facts.py::test_the_naive_checker_says_the_same_of_the_stores"

MACHINES = (
    Mutant(
        "walk-looks-at-nothing", WALK,
        "        for how in HOW if any(local) else HOW[:1]:\n", "        for how in ():\n",
        "a walk through the model looks at no state",
        "test_machines_notice.py::test_a_walk_notices_what_a_trace_violates",
    ),
    Mutant(
        "walk-claims-nothing", WALK,
        "for name in sorted(self.naive.bad(self.state, self.seen, how) & self.claims):",
        "for name in sorted(self.naive.bad(self.state, self.seen, how) - self.claims):",
        "a walk looks for what the design does not claim",
        "test_machines_notice.py::test_a_walk_notices_what_a_trace_violates",
    ),
    Mutant(
        "naive-template-has-any-entry", NAIVE,
        "if was not in (ABSENT, EMPTY) and saved != was:", "if was not in (ABSENT, EMPTY) and saved == ABSENT:",
        "the naive checker is content with any entry", STORES,
    ),
    Mutant(
        "divergence-is-passed-over", BESIDE,
        "            self.wrong(after)\n", "            return\n",
        "a step that no transition of the model allows is passed over",
        "test_machines_notice.py::test_a_step_that_the_model_does_not_have_is_noticed",
    ),
    Mutant(
        "any-error-will-do", LOCKSTEP,
        "        assert type(error).__name__ in wanted, ", "        assert wanted, ",
        "an operation may fail or succeed as it likes", WORDS,
    ),
    Mutant(
        "retrieved-devices-are-not-compared", LOCKSTEP,
        "                assert same(entry, one.devices[key]), ", "                assert entry, ",
        "what is retrieved of a device is not compared", DAMAGE,
    ),
    Mutant(
        "templates-are-not-counted", LOCKSTEP,
        "        assert {p.name for p in self.host.templates.iterdir()} == names.keys()\n", "",
        "files that are left are not seen", DAMAGE,
    ),
    Mutant(
        "guests-are-not-compared", LOCKSTEP,
        "for domid, guest in self.host.guests().items()} == there\n",
        "for domid, guest in self.host.guests().items()}\n",
        "a domain that is paused, or gone, is not seen", DAMAGE,
    ),
)  # fmt: skip
