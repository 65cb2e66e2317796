"""Stories: what a person who knows the design expects to read, in that order, at any width."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from confsync.model.engine.check import check
from confsync.model.engine.program import IDLE, Kind, Program, Transition
from confsync.model.engine.search.bfs import Limits
from confsync.model.engine.trace import Trace, initial
from confsync.model.engine.trace import step as move
from confsync.model.engine.verdict import Cell
from confsync.model.engine.violation import violates
from confsync.model.language import AnswerInvariant, Design, Invariant, step
from confsync.model.libxl.designs import DESIGNS
from confsync.model.libxl.properties import PROPERTIES
from confsync.model.libxl.state import Bounds, Local, Shared
from confsync.model.libxl.steps import drop_lock, read_template, take_device_lock, take_lock
from confsync.model.report.events import arguments, asked, events
from confsync.model.report.story import shell_lines, story, story_text
from confsync.model.report.wrong import wrong

pytestmark = pytest.mark.xdist_group("story")

DEVICE = Bounds(slots=1, ejectable=0, configs=2, names=1, amounts=1)
DRIVE = Bounds(slots=0, ejectable=1, configs=2, names=1, amounts=1)
BOTH = Bounds(slots=1, ejectable=1, configs=2, names=1, amounts=1)
KNOBS = Bounds(slots=0, ejectable=0, configs=1, names=2, amounts=2)
WIDTHS = (60, 80, 120, 200)
ESCAPE = "\x1b"
RARE = ("retrieve_is_exact", "no_lost_update", "always_recoverable")
KINDS = {"!": Kind.REFUSED, "?": Kind.FAILS, "+": Kind.CRASH}
CREATE = "take_lock make_domain save_template enter_devices allocate_devices unpause drop_lock"


def play(design: Design, bounds: Bounds, *script: str) -> Trace:
    """The trace of a script: `process operation: steps`, the operation in a story's words where it begins; `!` before
    a step that is refused, `?` before one that fails, `+` before the one at which the process dies."""
    program = Program(design, bounds)
    state, moves = initial(program), []
    for line in script:
        who, _, steps = line.rpartition(": ")
        process, _, operation = who.partition(" ")
        for name in steps.split():
            wanted = operation, name.lstrip("!?+"), KINDS.get(name[0], Kind.STEP)
            found = list(program.transitions(state.shared, state.local[int(process)], set()))
            called = [_called(program, t) for t in found]
            assert wanted in called, f"{wanted} is not among {called}"
            choice = called.index(wanted)
            moves.append(move(state, int(process), choice, found[choice]))
            state, operation = moves[-1].after, ""
    return Trace(program, tuple(moves))


def _called(program: Program, t: Transition) -> tuple[str, str, Kind]:
    point = program.points[t.label.point]
    begun = asked(program, point.operation, arguments(program, t.started)) if t.started != IDLE else ""
    return begun, point.step.name, t.label.kind


def told(trace: Trace, property_name: str, width: int = 100) -> str:
    return story_text(trace, property_name, width=width, command=f"confsync replay '{trace.token(property_name)}'")


def in_order(text: str, *expected: str) -> None:
    """Each is found after the one before it."""
    at = 0
    for part in expected:
        found = text.find(part, at)
        assert found >= 0, f"{part!r} is not in the rest:\n{text[at:]}"
        at = found + len(part)


def test_two_attaches_of_one_slot() -> None:
    """Unchecked, the second writes the template before xenstore refuses it: its clean-up can't bring c1 back."""
    trace = play(
        DESIGNS["xenstore_first_unchecked"],
        DEVICE,
        f"0 create (no device): {CREATE}",
        "0 attach slot0 as c1: take_lock read_template write_template enter_xenstore drop_lock allocate",
        "1 attach slot0 as c2: take_lock read_template write_template !enter_xenstore drop_lock",
    )
    in_order(
        told(trace, "template_is_faithful"),
        "xenstore_first_unchecked violates template_is_faithful in 18 steps",
        "process 0", "process 1", "what changed",
        "create (no device):", "lock: held",
        "make_domain", "domain: created, paused",
        "save_template", "template file: written",
        "unpause", "domain: runs",
        "drop_lock", "lock: free",
        "create succeeds",
        "attach slot0 as c1:",
        "write_template", "template[slot0]: absent -> c1",
        "enter_xenstore", "xenstore[slot0]: absent -> c1",
        "allocate", "resources[slot0]: held",
        "attach succeeds",
        "attach slot0 as c2:",
        "write_template", "template[slot0]: c1 -> c2",
        "! enter_xenstore is REFUSED", "refused if the slot is",
        "clean-up: drop_lock", "lock: free",
        "attach returns an error",
        "slot0 was attached as c1, and the template says c2.",
        "That violates template_is_faithful [R1, X6]: of a device in xenstore that is not empty",
        "Replay it:", "confsync replay",
    )  # fmt: skip


def test_an_attach_that_fails_leaves_the_device_in_xenstore_only() -> None:
    """As posted, the template is written last; where that fails retrieve has to make the entry up."""
    trace = play(
        DESIGNS["as_posted"],
        DEVICE,
        f"0 create (no device): {CREATE}",
        "0 attach slot0 as c1: take_lock read_template enter_xenstore allocate ?write_template drop_lock",
        "1 retrieve: take_lock read_template merge_devices merge_media merge_knobs drop_lock",
    )
    text = told(trace, "retrieve_never_degraded")
    in_order(
        text,
        "attach slot0 as c1:", "xenstore[slot0]: absent -> c1", "resources[slot0]: held",
        "! write_template FAILS", "clean-up: drop_lock", "attach returns an error",
        "retrieve:", "drop_lock",
        "Retrieve found a device in xenstore that its template lacks, and made an entry up: (slot0: made up).",
        "From the call of the retrieve (process 1) on, the domain was: (slot0: c1).",
    )  # fmt: skip
    assert "template[slot0]" not in text
    assert "retrieve returns" not in text, "it is only about to"


def test_a_death_frees_the_lock_and_leaves_its_file() -> None:
    trace = play(
        DESIGNS["xenstore_first_locked"],
        DEVICE,
        "0 create (slot0: c1): take_lock make_domain save_template +enter_devices",
        "0 retrieve: take_lock read_template",
    )
    in_order(
        told(trace, "template_has_xenstore"),
        "template[slot0]: absent -> c1",
        "! DIES before enter_devices", "lock: free",
        "lock file: left behind",
        "a new process: retrieve:", "lock: held",
        "The template has an entry for slot0, and it is not in xenstore.",
        "That violates template_has_xenstore [J1]: a device in the template is in xenstore.",
    )  # fmt: skip


def test_a_whole_life_without_a_violation() -> None:
    """No property: a run. What one line implies is not said on another."""
    trace = play(
        DESIGNS["xenstore_first_locked"],
        BOTH,
        f"0 create (slot0: c1, drive1: empty): {CREATE}",
        "0 insert c2 into drive1: take_lock read_template refuse_unless_empty write_template load_medium drop_lock",
        "0 eject drive1: take_lock read_template unload_medium write_template_empty drop_lock",
        "0 detach slot0: mark_closing release take_lock leave_xenstore read_template forget drop_lock",
        "0 retrieve: take_lock read_template merge_devices merge_media merge_knobs drop_lock answer",
        "0 destroy: take_lock close_devices release_devices leave_devices remove_template kill_domain drop_lock",
    )
    text = told(trace, "")
    in_order(
        text,
        "xenstore_first_locked: a run of 39 steps",
        "slot0: where a device can be; drive1: a drive for a medium; c1, c2: what users gave",
        "allocate_devices", "resources[slot0]: held",
        "resources[drive1]: held",
        "insert c2 into drive1:", "template[drive1]: empty -> c2", "xenstore[drive1]: empty -> c2", "insert succeeds",
        "eject drive1:", "xenstore[drive1]: c2 -> empty", "template[drive1]: c2 -> empty",
        "detach slot0:", "xenstore[slot0]: closing", "resources[slot0]: released", "xenstore[slot0]: c1 -> absent",
        "template[slot0]: c1 -> absent",
        "retrieve returns drive1: empty",
        "destroy:", "domain: paused", "xenstore[drive1]: closing", "xenstore[drive1]: empty -> absent",
        "remove_template", "template file: gone", "kill_domain", "domain: gone",
    )  # fmt: skip
    assert "no longer closing" not in text
    assert "lock file" not in text
    assert "violates" not in text


def test_names_and_memory_are_told_where_there_is_more_than_one() -> None:
    locked = DESIGNS["xenstore_first_locked"]
    deaf = locked.but("deaf", "", retrieve=locked["retrieve"].without(*locked["retrieve"].steps[4:5]))
    assert [s.name for s in deaf["retrieve"].steps] == [
        "take_lock", "read_template", "merge_devices", "merge_media", "drop_lock", "answer",
    ]  # fmt: skip
    trace = play(
        deaf,
        KNOBS,
        f"0 create (no device): {CREATE}",
        "0 rename to name1: take_lock write_name drop_lock",
        "0 set_memory_target to mem1: take_lock grant_memory write_memory drop_lock",
        "0 retrieve: take_lock read_template merge_devices merge_media drop_lock answer",
    )
    in_order(
        told(trace, "knobs_are_reflected"),
        "domain: created, paused", "name: name0", "memory target: mem0", "memory granted: mem0",
        "template file: written", "template's name: name0",
        "rename to name1:", "name: name0 -> name1",
        "set_memory_target to mem1:", "memory granted: mem0 -> mem1", "memory target: mem0 -> mem1",
        "retrieve returns no device, name0, mem0",
        "the hypervisor grants mem1, and retrieve returns (no device, name0, mem0).",
        "The domain is: (no device, name1, mem1).",
        "[A4]",
    )  # fmt: skip


def test_an_answer_out_of_date_is_shown_beside_what_the_domain_was() -> None:
    """Nothing is locked: retrieve is called between the two halves of an eject, and an insert passes before it looks
    into xenstore; it returns the medium that was gone when it was called."""
    trace = play(
        DESIGNS["xenstore_first_unlocked"],
        DRIVE,
        f"0 create (drive0: c1): {CREATE.replace('take_lock ', '').replace(' drop_lock', '')}",
        "0 eject drive0: read_template unload_medium",
        "1 retrieve: read_template",
        "0: write_template_empty",
        "0 insert c2 into drive0: read_template refuse_unless_empty write_template load_medium",
        "1: merge_devices merge_media merge_knobs",
    )
    in_order(
        told(trace, "retrieve_is_exact"),
        "Retrieve returns (drive0: c1), which the domain was at no instant since the call.",
        "From the call of the retrieve (process 1) on, the domain was: (drive0: empty), then (drive0: c2).",
        "[A2, R1, R2, C2, A4]",
    )
    early = Trace(trace.program, trace.moves[:-1])
    assert "Nothing in the last state violates retrieve_is_exact." in told(early, "retrieve_is_exact")


@step
def break_lock(s: Shared, _me: Local) -> None:
    """Break the lock, whoever holds it."""
    s.locked = False


LOCKED = DESIGNS["xenstore_first_locked"]
LAWLESS = LOCKED.but(
    "lawless",
    "",
    rename=LOCKED["rename"].before(take_lock, break_lock),
    insert=LOCKED["insert"].before(read_template, take_device_lock),
    eject=LOCKED["eject"].before(take_lock, take_device_lock),
    retrieve=LOCKED["retrieve"].dropping(5),
)


@pytest.mark.parametrize(
    ("name", "script", "expected"),
    [
        (
            "lock_is_exclusive",
            ["0 set_memory_target to mem0: take_lock", "1 rename to name0: break_lock take_lock"],
            [
                "lock: free", "lock file: left behind", "Two processes hold the same lock.",
                "Process 0 is at set_memory_target, before grant_memory, and holds the lock.",
                "Process 1 is at rename, before write_name, and holds the lock.",
            ],
        ),
        (
            "lock_order_is_acyclic",
            ["0 insert c1 into drive0: take_lock", "1 eject drive0: take_device_lock"],
            [
                "lock: held", "device lock: held",
                "Process 0 is at insert, before take_device_lock, and holds the lock.",
                "Process 1 is at eject, before take_lock, and holds the device lock.",
            ],
        ),
        (
            "every_operation_ends",
            ["0 insert c1 into drive0: take_lock", "1 eject drive0: take_device_lock"],
            ["No operation that is at work can ever take a step again."],
        ),
        ("lock_is_exclusive", ["0 insert c1 into drive0: take_lock"], ["Nothing in the last state violates lock_is"]),
        ("always_recoverable", ["0 insert c1 into drive0: take_lock"], ["Nothing in the last state violates always"]),
        ("userdata_dies_with_domain", [], ["a run of 0 steps", "Nothing in the last state violates"]),
    ],
)  # fmt: skip
def test_who_is_where(name: str, script: list[str], expected: list[str]) -> None:
    in_order(told(play(LAWLESS, DRIVE, *script), name), *expected)


def test_a_lock_that_nobody_holds() -> None:
    stuck = LOCKED.but("stuck", "", rename=LOCKED["rename"].without(drop_lock))
    trace = play(stuck, KNOBS, f"0 create (no device): {CREATE}", "0 rename to name1: take_lock write_name")
    in_order(told(trace, "every_operation_ends"), "Process 0 is idle.", "The lock is taken, and none of them holds it.")
    in_order(
        told(trace, "always_recoverable"),
        "No operation is at work, and no sequence of operations leads back to full agreement.",
        "There is a running domain and a template file, and the lock is held.",
    )


@pytest.fixture(scope="module")
def refuted() -> list[Cell]:
    """What small searches refute, of every design."""
    stores = [n for n, p in PROPERTIES.items() if isinstance(p, Invariant | AnswerInvariant)]
    cells = []
    for design in DESIGNS.values():
        cells += check(design, DRIVE, [*stores, "retrieve_is_a_fixed_point"], limits=Limits(max_states=1_500)).cells
        cells += check(design, DEVICE, stores, limits=Limits(max_states=4_000)).cells
    for name in RARE:
        one = replace(BOTH, configs=1)
        cells += check(DESIGNS["xenstore_first_unlocked"], one, [name], limits=Limits(max_states=60_000)).cells
    return [c for c in cells if c.trace]


@pytest.mark.slow
def test_enough_is_refuted(refuted: list[Cell]) -> None:
    assert len(refuted) >= 30
    assert {c.design for c in refuted} == set(DESIGNS)
    assert {c.property_name for c in refuted} >= {*RARE, "retrieve_never_degraded", "retrieve_is_a_fixed_point"}


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
def test_no_story_loses_a_step(refuted: list[Cell], width: int) -> None:
    for c in refuted:
        assert c.trace
        text = told(c.trace, c.property_name, width)
        assert max(map(len, text.splitlines())) <= width
        assert ESCAPE not in text
        told_events = list(events(c.trace))
        in_order(text, *(e.point.step.name for e in told_events))
        words = set(re.findall(r"[\w\[\]']+", text))
        for e in told_events:
            assert words >= set(re.findall(r"[\w\[\]']+", " ".join(e.changes))), (c.design, c.property_name)
        assert "".join(shell_lines(f"confsync replay '{c.token}'", width)) in text.replace("\n", "")


@pytest.mark.slow
def test_every_story_says_what_is_wrong(refuted: list[Cell]) -> None:
    for c in refuted:
        assert c.trace
        assert violates(c.trace, c.property_name)
        assert wrong(c.trace, c.property_name), (c.design, c.property_name)
        before = Trace(c.trace.program, c.trace.moves[:-1])
        assert not wrong(before, c.property_name), "the trace is a shortest one"


@pytest.mark.slow
@pytest.mark.parametrize("width", [1, 8, 20, 40])
def test_a_very_narrow_console_is_no_error(refuted: list[Cell], width: int) -> None:
    assert refuted[0].trace
    text = told(refuted[0].trace, refuted[0].property_name, width)
    assert "".join(refuted[0].property_name.split()) in "".join(text.split())


@pytest.mark.slow
def test_colour_on_a_terminal_only(refuted: list[Cell]) -> None:
    c = refuted[0]
    assert c.trace
    printed = {}
    for terminal in (True, False):
        console = Console(
            file=StringIO(), width=100, force_terminal=terminal, color_system="standard" if terminal else "auto"
        )
        console.print(story(c.trace, c.property_name, width=100, command="confsync replay 'x'"))
        assert isinstance(console.file, StringIO)
        printed[terminal] = console.file.getvalue()
    plain = re.sub(r"\x1b\[[0-9;]*m", "", printed[True])
    assert ESCAPE in printed[True]
    assert ESCAPE not in printed[False]
    assert plain == printed[False]


@pytest.mark.parametrize("width", [8, 21, 33, 60, 200])
def test_a_shell_reads_a_broken_command_as_one(width: int) -> None:
    command = "printf '<%s>' 'a_design:a property:s1e1c2:" + "0.1-1.20-" * 12 + "0.0:0f' --design-file x.py"
    lines = shell_lines(command, width)
    assert all(len(line) <= width for line in lines)
    broken, whole = (
        subprocess.run(["sh", "-c", c], capture_output=True, text=True, check=True).stdout
        for c in ("\n".join(lines), command)
    )
    assert broken == whole
    assert (len(lines) == 1) == (len(command) <= width)
