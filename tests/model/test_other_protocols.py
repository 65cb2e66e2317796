"""The search takes any protocol: three that are not libxl's, against a search that is written out here."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from naive import walk
from other_protocols import CROSSED, LOCKED, ORDERED, SERVE, TORN, UNLOCKED, WRITE_FIRST
from places import ROOT

from confsync.model.engine.check import check
from confsync.model.engine.contract import check_contract
from confsync.model.engine.program import Program
from confsync.model.engine.search.bfs import Limits, Search
from confsync.model.engine.search.monitor import Monitor
from confsync.model.engine.search.pairs import Pairs
from confsync.model.engine.trace import read_token, replay
from confsync.model.engine.verdict import Verdict
from confsync.model.language import Design, LanguageError, ValueSort
from confsync.model.report.story import story_text

DESIGNS = [LOCKED, UNLOCKED, WRITE_FIRST, ORDERED, CROSSED, TORN, SERVE]
TORN_BY_A_DEATH = {
    # put takes both locks, stores, and dies: 4 steps; a peek that takes both locks, looks and drops them has 4 more.
    "peek_is_exact": 8,
    "peek_is_a_fixed_point": 4,
}
REFUTED = {
    # write v1: invalidate, write_database; a reader reads v1; write v2: invalidate, write_database; the reader fills.
    "unlocked": {"cache_is_fresh": 6},
    # A writer of v1 takes the lock, writes and dies; a reader takes it, reads, fills and dies; a writer of v2 takes it
    # and writes.
    "write_first": {"cache_is_fresh": 9},
    "ordered": TORN_BY_A_DEATH,
    # Each process takes the lock that it takes first.
    "crossed": TORN_BY_A_DEATH | {"locks_are_ordered": 2, "every_operation_ends": 2},
    # put stores; peek looks and drops. Or put stores and dies.
    "torn": {"peek_is_exact": 3, "peek_is_a_fixed_point": 2},
    "serve": {"no_port_is_bound": 2},
}
"""By design, the properties that it violates, and how many steps a person needs for that; every other one holds."""


@pytest.mark.parametrize("design", DESIGNS, ids=lambda d: d.name)
def test_each_design_violates_what_it_is_expected_to(design: Design) -> None:
    cells = check(design, design.protocol.bounds()).cells
    found = {c.property_name: c.depth for c in cells if c.verdict is Verdict.REFUTED}
    assert found == REFUTED.get(design.name, {})
    assert {c.verdict for c in cells} <= {Verdict.REFUTED, Verdict.EXHAUSTED}
    assert not [c.property_name for c in cells if c.vacuous and not c.property_name.startswith("lock")]


@pytest.mark.parametrize("design", DESIGNS, ids=lambda d: d.name)
def test_the_states_are_those_of_a_plain_search(design: Design) -> None:
    program = Program(design, design.protocol.bounds())
    first = program.initial, (0,) * program.bounds.processes

    def successors(state: tuple[int, tuple[int, ...]]) -> list[tuple[int, tuple[int, ...]]]:
        shared, local = state
        return [
            (t.shared, (*local[:p], t.local, *local[p + 1 :]))
            for p, word in enumerate(local)
            for t in program.transitions(shared, word, set())
        ]

    plain = sum(1 for _ in walk(first, successors))
    for symmetric in (False, True):
        pairs = Pairs(program)
        search = Search(program, pairs, Monitor(program, pairs.shared, pairs.local, []), symmetric=symmetric)
        found = search.run(Limits())
        assert search.total() == plain
        assert found.states < plain or not symmetric


@pytest.mark.parametrize("design", DESIGNS, ids=lambda d: d.name)
def test_a_counterexample_is_told_and_replayed(design: Design) -> None:
    for cell in check(design, design.protocol.bounds()).cells:
        if cell.trace is None:
            continue
        token = read_token(cell.token, design.protocol.bounds)
        again = replay(Program(design, token.bounds), token)
        assert [m.after for m in again.moves] == [m.after for m in cell.trace.moves]
        told = story_text(again, cell.property_name, width=100, command="")
        assert told.startswith(f"{design.name} violates {cell.property_name} in {cell.depth} step")
        assert cell.statement in " ".join(told.split())


def test_the_words_of_a_violation_name_the_element_and_what_is_there() -> None:
    (cell,) = (c for c in check(UNLOCKED, UNLOCKED.protocol.bounds()).cells if c.trace)
    assert cell.trace
    told = story_text(cell.trace, cell.property_name, width=100, command="")
    assert re.search(r"Key0 has v\d in the cache and v\d in the database\.", told, re.IGNORECASE)
    assert "write v1 to key0" in told


def test_a_sort_needs_a_value_that_fields_have_at_first() -> None:
    with pytest.raises(ValueError, match="sort Value: it needs a constant"):
        ValueSort("Value", (), "values")


def test_a_contract_is_not_asked_where_there_is_none() -> None:
    check_contract(LOCKED)


def test_a_design_that_lacks_an_operation_is_refused() -> None:
    with pytest.raises(LanguageError, match="design `half`: it lacks read"):
        Design.of(LOCKED.protocol, "half", "", {"write": LOCKED["write"]})


WORDS = [
    "libxl",
    "xenstore",
    "slot",
    "slots",
    "config",
    "configs",
    "drive",
    "drives",
    "ejectable",
    "medium",
    "media",
    "template",
    "retrieve",
    "hotplug",
    "vouched",
    "torn",
    "granted",
    "attach",
    "detach",
    "eject",
    "userdata",
    "domid",
    "toolstack",
    "xen",
]
ROOMS = ("model/language", "model/engine", "model/report", "model/command", "proofs/prover")


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_of_the_engine_uses_no_word_of_a_protocol(room: str) -> None:
    word = re.compile(rf"(?<![a-z_])({'|'.join(WORDS)})(?![a-z_])", re.IGNORECASE)
    python: Callable[[str], str] = lambda text: re.sub(r"__slots__|slots=True|_slots\b", "", text)  # noqa: E731
    found = [
        f"{path.relative_to(ROOT)}:{n}: {line.strip()}"
        for path in sorted((ROOT / room).rglob("*.py"))
        for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if word.search(python(line))
    ]
    assert found == []
