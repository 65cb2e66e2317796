"""What is made of a search: slices, limits, traces and contracts, in cases that are small enough to be told by hand."""

from __future__ import annotations

import pytest
from retrieving import read_memory, read_name, retrieving

from confsync.model.engine.check import check
from confsync.model.engine.contract import check_contract
from confsync.model.engine.memory import INTERRUPT
from confsync.model.engine.program import Program
from confsync.model.engine.search.bfs import Limits, Progress
from confsync.model.engine.slice import cone
from confsync.model.engine.trace import Trace, checksum, initial
from confsync.model.engine.trace import step as move
from confsync.model.engine.verdict import Verdict
from confsync.model.engine.violation import violates
from confsync.model.language import LanguageError, Operation, order, step
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.state import Bounds, Local, Shared
from confsync.model.libxl.steps import allocate, answer, drop_lock, read_template, take_lock

recommended = DESIGNS[RECOMMENDED]
KNOBS = Bounds(slots=0, ejectable=0, configs=1, names=2, amounts=1, processes=2, crashes=0)


def test_a_slice_has_what_its_fields_are_made_from() -> None:
    """The template's name is that of a process's copy, which a retrieve and a creation make from other names."""
    fields = cone(Program(recommended, Bounds()), frozenset({"template_name"}))
    assert fields >= {"template_name", "draft_name"}
    fields = cone(Program(recommended, Bounds()), frozenset({"draft_name"}))
    assert fields >= {"draft_name", "template_name", "name", "new_name"}
    assert not fields & {"memory", "granted", "amount"}


@pytest.mark.slow
def test_a_limit_of_the_search_for_answers_leaves_them_open() -> None:
    """The result is out of date when its last part is read, and only a second search shows that it was true before.
    Whichever search is stopped, the answer stays open."""
    design, begun = retrieving(read_name, read_memory, answer), 0

    def stops_in(search: int) -> Limits:
        def go_on(here: Progress) -> bool:
            nonlocal begun
            begun += here.depth == 0
            return begun < search or here.depth == 0

        return Limits(go_on=go_on)

    (cell,) = check(design, KNOBS, ["retrieve_is_exact"], limits=stops_in(1000)).cells
    assert (cell.verdict, cell.stopped) == (Verdict.EXHAUSTED, "")
    searches, begun = begun, 0
    assert searches > 2
    for search in range(1, searches + 1):
        (cell,) = check(design, KNOBS, ["retrieve_is_exact"], limits=stops_in(search)).cells
        assert (cell.verdict, cell.stopped) == (Verdict.BOUNDED, INTERRUPT), f"search {search} of {searches}"
        begun = 0


def run_of(program: Program, *choices: tuple[int, str]) -> Trace:
    """The run in which each process takes its next step: of an idle one, the first of the operation that is named."""
    state, moves = initial(program), []
    for process, operation in choices:
        found = list(program.transitions(state.shared, state.local[process], set()))
        which = next(
            n for n, t in enumerate(found) if not operation or program.points[t.label.point].operation == operation
        )
        moves.append(move(state, process, which, found[which]))
        state = moves[-1].after
    return Trace(program, tuple(moves))


CREATED = [(0, "create"), *[(0, "")] * 6]
RENAMED = [(0, "rename"), *[(0, "")] * 2]


def renames_to(program: Program, name: int) -> Program:
    program.starts = [
        w
        for w in program.starts
        if program.points[program.point_of(w)].operation != "rename" or program.local_layout.get(w, "new_name") == name
    ]
    return program


def test_what_was_true_before_the_call_is_no_excuse() -> None:
    """The name in the template was the domain's until the rename; the retrieve is called after that."""
    stale = retrieving(take_lock, read_template, drop_lock, answer)
    program = renames_to(Program(stale, KNOBS), 1)
    late = run_of(program, *CREATED, *RENAMED, (1, "retrieve"), *[(1, "")] * 2)
    assert violates(late, "retrieve_is_exact")
    beside = run_of(
        renames_to(Program(retrieving(read_name, read_memory, answer), KNOBS), 1),
        *CREATED, (1, "retrieve"), *RENAMED, (1, ""),
    )  # fmt: skip
    assert not violates(beside, "retrieve_is_exact"), "the name was true when it was read"


def test_a_token_s_sum_is_over_what_the_steps_did() -> None:
    """Two runs of the same steps with other names differ in what the steps did alone."""
    runs = [run_of(renames_to(Program(recommended, Bounds(0, 0, 1, 3, 1)), n), *CREATED, *RENAMED) for n in (1, 2)]
    labels = [[(m.process, m.transition.label) for m in run.moves] for run in runs]
    assert labels[0] == labels[1]
    assert checksum(runs[0].moves) != checksum(runs[1].moves)
    assert checksum(runs[0].moves) == checksum(run_of(runs[0].program, *CREATED, *RENAMED).moves)


# ------------------------------------------------------------------ contracts


@step
def rename_nothing(s: Shared, me: Local) -> None:  # noqa: ARG001
    """Write the name that the domain has."""
    s.name = s.name


@step
def allocate_nothing(s: Shared, me: Local) -> None:
    """Write down what the device holds already."""
    s.resources[me.slot] = s.resources[me.slot]


EMPTY_WORDS: dict[str, tuple[dict[str, Operation], str]] = {
    "a rename to the old name": (
        {"rename": order(take_lock, rename_nothing, drop_lock)}, "`rename`.*the name is the new one",
    ),
    "an attach that allocates nothing": (
        {"attach": Operation(tuple(s if s is not allocate else allocate_nothing for s in recommended["attach"].steps))},
        "`attach`.*what is in xenstore holds resources",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", EMPTY_WORDS)
def test_an_operation_that_returns_success_for_nothing_is_refused(what: str) -> None:
    operations, said = EMPTY_WORDS[what]
    check_contract(recommended)
    with pytest.raises(LanguageError, match=said):
        check_contract(recommended.but("empty_words", "", **operations))
