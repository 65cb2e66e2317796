"""What is no trace is refused with file, line and way out; anything at all is refused so, or gives a design."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from observed_runs import ALL, BASE, HOSTS, LAB, LAB_TRACES, names, one, raw_run

from confsync.model.engine.program import Program
from confsync.model.libxl.observed import ObservedError, read, to_design
from confsync.model.libxl.state import Bounds

pytestmark = pytest.mark.slow

EVENT = "1.5 7 xl #1 fork\n"
HOSTILE: dict[str, tuple[str, bytes, str, str]] = {
    "empty": ("rename.txt", b"", "it is empty", ""),
    "blank": ("rename.txt", b"\n  \n", "it is empty", ""),
    "not UTF-8": ("rename.txt", b"TX_START\n\xff\xfe\n", "not UTF-8", ":2"),
    "binary": ("rename.txt", b"TX_START\nTX_\x00COMMIT\n", "characters that are no text", ":2"),
    "an escape sequence": ("rename.txt", b"TX_START\n\x1b[2J\n", "characters that are no text", ":2"),
    "no trace": ("rename.txt", b"TX_START\nhello world\n", "no line of a trace: 'hello world'", ":2"),
    "an unknown event": ("rename.txt", b"TX_FROB /a\n", "no line of a trace", ":1"),
    "a commit with a path": ("rename.txt", b"TX_COMMIT /a\n", "no line of a trace", ":1"),
    "cut short": ("rename.txt", b"TX_START\nTX_COMM", "may be cut short", ":2"),
    "cut short, yet a line": ("rename.txt", b"TX_START\nTX_WRITE /libxl/1", "may be cut short", ":2"),
    "a long line": ("rename.txt", b"XS_READ /" + b"a" * 100_000 + b"\n", "longer than", ":1"),
    "no operation": ("strange.txt", b"TX_START\nTX_COMMIT\n", "does not tell which operation", ""),
    "both formats": ("rename.txt", EVENT.encode() + b"TX_START\n", "no line of a trace", ":2"),
    "no case.json": ("events.txt", EVENT.encode(), "there is no case.json beside it", ""),
    "a gap": ("rename.txt", EVENT.encode() + b"1.6 7 xl #3 fork\n", "#2 was to come, not #3", ":2"),
    "no beginning": ("rename.txt", b"1.6 7 xl #2 fork\n", "#1 was to come, not #2", ":1"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_no_trace_is_refused_with_file_line_and_way_out(tmp_path: Path, case: str) -> None:
    name, data, wrong, line = HOSTILE[case]
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(ObservedError) as error:
        read([path])
    said = str(error.value)
    assert said.startswith(f"{path}{line}: ")
    assert wrong in said
    assert "; " in said


CASES: dict[str, tuple[str, str]] = {
    "not JSON": ("{", "not JSON"),
    "deep": ("[" * 100_000, "not JSON"),
    "a list": ("[]", "not a JSON object"),
    "no op": ('{"rc": 0}', "does not tell which operation"),
    "an op that is no text": ('{"op": 3, "rc": 0}', "does not tell which operation"),
    "an op that can't be printed": ('{"op": "\\ud800", "rc": 0}', "does not tell which operation"),
    "no rc": ('{"op": "rename"}', "does not tell the exit code"),
    "an rc that is no number": ('{"op": "rename", "rc": true}', "does not tell the exit code"),
    "empty": ("", "not JSON"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_case_that_does_not_tell_is_refused(tmp_path: Path, case: str) -> None:
    told, wrong = CASES[case]
    raw_run(tmp_path, "rename", "fork").with_name("case.json").write_text(told)
    with pytest.raises(ObservedError, match=wrong):
        read([tmp_path / "events.txt"])


def test_an_operation_that_the_model_lacks_is_no_error(tmp_path: Path) -> None:
    trace = one(raw_run(tmp_path, "frobnicate", "fork"))
    assert (trace.operation, trace.why) == (None, "`frobnicate` is no command of xl that is known here")


@pytest.mark.parametrize(("rc", "why"), [(1, "the run failed (exit code 1)"), (137, "the run was killed half-way")])
def test_a_run_that_did_not_end_well_is_not_read(tmp_path: Path, rc: int, why: str) -> None:
    trace = one(raw_run(tmp_path, "rename", "fork", rc=rc))
    assert (trace.complete, trace.why) == (False, why)


def test_a_kill_that_only_the_trace_tells_of(tmp_path: Path) -> None:
    path = raw_run(tmp_path, "rename", "fork")
    path.write_text(path.read_text() + "** SIGKILL AFTER previous event\n")
    assert one(path).why == "the run was killed half-way"


def test_what_is_no_file(tmp_path: Path) -> None:
    for path, wrong in (
        (tmp_path / "none.txt", "no such file"),
        (tmp_path, "no trace in this folder"),
        (Path("/dev/null"), "not a file"),
        (Path("a\0b"), r"a\\u0000b: "),
    ):
        with pytest.raises(ObservedError, match=wrong):
            read([path])


def test_a_folder_is_read_once_and_other_texts_in_it_are_left_alone(tmp_path: Path) -> None:
    shutil.copy(LAB / "rename.txt", tmp_path)
    (tmp_path / "notes.txt").write_text("LOCK the door when you leave\n")
    (tmp_path / "xenstore.txt").write_text('/ = ""   (n0)\n')
    assert [t.path.name for t in read([tmp_path, tmp_path / "rename.txt", tmp_path])] == ["rename.txt"]
    shutil.copy(LAB / "rename.txt", tmp_path / "strange.txt")
    with pytest.raises(ObservedError, match="does not tell which operation"):
        read([tmp_path])


def test_a_damaged_line_in_a_folder_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "rename.txt").write_text("garbage\n" + (LAB / "rename.txt").read_text())
    with pytest.raises(ObservedError, match=r"rename\.txt:1: "):
        read([tmp_path])


def test_windows_line_ends_do(tmp_path: Path) -> None:
    path = tmp_path / "rename.txt"
    path.write_bytes((LAB / "rename.txt").read_bytes().replace(b"\n", b"\r\n"))
    assert names(one(path)) == "write_name"


# Anything at all: an ObservedError, or traces that give a design.

RAW_WORDS = st.sampled_from(
    [line.split(" ", 4)[4] for line in (HOSTS / "102-cd-swap-A-B/events.txt").read_text().splitlines()]
)
COLLAPSED_LINES = sorted({line for p in LAB.glob("*.txt") for line in p.read_text().splitlines()})
NAMES = st.sampled_from([*LAB_TRACES, "create", "swap", "mem-max", "strange"])
fuzz = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def survives(fill: Callable[[Path], Path]) -> None:
    """Whatever is in the file, it is refused by an ObservedError or read, line by line, and gives a design."""
    with tempfile.TemporaryDirectory() as folder:
        path = fill(Path(folder))
        try:
            trace = one(path)
        except ObservedError as error:
            refused = str(error)
        else:
            refused = ""
        if refused:
            assert refused.isprintable()
            return
        lines = [n for n, line in enumerate(path.read_bytes().decode().split("\n"), 1) if line.strip()]
        assert [e.line for e in trace.events] == lines
        observed = to_design([trace], BASE)
        Program(observed.design, Bounds(slots=1, ejectable=0, configs=1))
        assert observed.describe()


def filled(name: str, data: bytes) -> Callable[[Path], Path]:
    def fill(folder: Path) -> Path:
        (folder / f"{name}.txt").write_bytes(data)
        return folder / f"{name}.txt"

    return fill


@fuzz
@given(NAMES, st.binary(max_size=300))
@example("rename", b"1.5 7 xl #1 -> \n")
@example("rename", b"1.5 7 xl #1   -> flock ok\n")
def test_any_bytes(name: str, data: bytes) -> None:
    survives(filled(name, data))


@fuzz
@given(NAMES, st.text(max_size=200))
def test_any_text(name: str, text: str) -> None:
    survives(filled(name, (text + "\n").encode("utf-8", "replace")))


@fuzz
@given(st.sampled_from(ALL[:14]), st.integers(0, 2000))
def test_a_trace_that_is_cut_anywhere(path: Path, size: int) -> None:
    survives(filled(path.stem, path.read_bytes()[:size]))


@fuzz
@given(NAMES, st.lists(st.sampled_from(COLLAPSED_LINES), max_size=40))
def test_any_events_in_the_collapsed_format(name: str, lines: list[str]) -> None:
    survives(filled(name, "".join(f"{line}\n" for line in lines).encode()))


@fuzz
@given(NAMES, st.lists(st.tuples(RAW_WORDS, st.sampled_from([("7", "xl"), ("8", "xl"), ("9", "qemu")])), max_size=60))
def test_any_events_in_the_raw_format(name: str, events: list[tuple[str, tuple[str, str]]]) -> None:
    count = {"7": 0, "8": 0, "9": 0}
    lines = []
    for what, (pid, who) in events:
        count[pid] += 1
        lines.append(f"1.5 {pid} {who} #{count[pid]} {what}\n")
    survives(filled(name, "".join(lines).encode()))


@fuzz
@given(st.sampled_from(sorted(HOSTS.rglob("events.txt"))), st.randoms(use_true_random=False))
def test_a_real_trace_with_events_lost_doubled_and_exchanged(path: Path, random: Random) -> None:
    what = [line.partition("#")[2].partition(" ")[2] for line in path.read_text().splitlines() if " xl #" in line]
    for _ in range(3):
        i, j = random.randrange(len(what)), random.randrange(len(what))
        what[i], what[j] = what[j], what[i]
        del what[random.randrange(len(what))]
        what.insert(random.randrange(len(what)), random.choice(what))
    op = json.loads(path.with_name("case.json").read_text())["op"]
    survives(lambda folder: raw_run(folder, op, *what))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@fuzz
@given(
    st.sampled_from(["events", "events-1", "events-retry", "events-"]),
    st.dictionaries(st.sampled_from(["op", "rc", "argv", "notes", "argv_retry", "rc_retry", "kill_spec"]), JSON),
)
@example("events-1", {"argv": ["[1] xl -vvv rename a b & [2] xl"], "notes": "rc1=0 rc2=1"})
def test_any_case(stem: str, told: dict[str, object]) -> None:
    def fill(folder: Path) -> Path:
        raw_run(folder, "rename", "fork").rename(folder / f"{stem}.txt")
        (folder / "case.json").write_text(json.dumps(told))
        return folder / f"{stem}.txt"

    survives(fill)
