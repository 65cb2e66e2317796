"""What a real toolstack was seen to do is read as the order it is, and what is not understood is said.

The expected orders are written from libxl's own description of each operation (what it does in which order), not
from what the reader makes of it: the lock is the userdata lock, the template is `libxl-json`, the device lock is
`libxl-device-changes-lock`.
"""

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

from model.designs import DESIGNS, RECOMMENDED
from model.observed import Observed, ObservedError, Taken, Trace, read, to_design
from model.program import Program
from model.state import Bounds
from model.step import once
from model.steps import drop_device_lock, take_device_lock, unlock

DATA = Path(__file__).parent / "data" / "observed"
LAB, HOSTS = DATA / "lab", DATA / "hosts"
BASE = DESIGNS[RECOMMENDED]

ATTACH = "take_lock read_template refuse_if_present write_template enter_xenstore drop_lock allocate"
"""Lock; read; in an open transaction look, rename the template, write the nodes, commit; unlock; then hotplug."""
DETACH = "mark_closing release leave_xenstore"
"""Without any lock, and the template is not opened."""
INSERT = (
    "take_device_lock take_lock unload_medium read_template drop_lock "
    "take_lock read_template write_template load_medium drop_lock drop_device_lock"
)
"""Two sections under the lock, all of it under the device lock; the drive is emptied first."""
EJECT = (
    "take_device_lock take_lock unload_medium read_template drop_lock "
    "take_lock read_template write_template_empty unload_medium drop_lock drop_device_lock"
)
"""As an insert, with an empty medium, which is so committed twice."""
MEMORY = "take_lock read_template grant_memory write_memory drop_lock"
"""The hypercall is made inside the open transaction; the template is read, and not written."""
RETRIEVE = (
    "take_device_lock take_lock read_template drop_lock take_lock merge_knobs merge_devices merge_media "
    "drop_device_lock drop_lock answer"
)
"""The template is read in one section, xenstore in a second; the device lock is dropped first."""
DESTROY = "close_devices release_devices leave_devices take_lock remove_template drop_lock kill_domain"
"""Xenstore is cleared outside any lock; the hypervisor's domain goes last."""
CREATE = "make_domain enter_devices allocate_devices take_lock save_template drop_lock unpause"
"""The devices are entered and plugged without a template; it is written once, at the end."""

LAB_TRACES = {
    "block-attach": ("attach", ATTACH),
    "network-attach": ("attach", ATTACH),
    "network-attach-2nd": ("attach", ATTACH),
    "block-detach": ("detach", DETACH),
    "block-detach-force": ("detach", DETACH),
    "network-detach": ("detach", DETACH),
    "cd-insert-qmp": ("insert", INSERT),
    "cd-insert-trad": ("insert", INSERT),
    "cd-eject-qmp": ("eject", EJECT),
    "mem-set": ("set_memory_target", MEMORY),
    "rename": ("rename", "write_name"),
    "list-l": ("retrieve", RETRIEVE),
    "destroy": ("destroy", DESTROY),
}
HOST_TRACES = {
    "010-create-pv-paused/events": ("create", CREATE),
    "013-list-l-pv/events": ("retrieve", RETRIEVE),
    "020-block-attach-live/events": ("attach", ATTACH),
    "021-block-detach-live/events": ("detach", DETACH),
    "030-mem-set-live/events": ("set_memory_target", MEMORY),
    "033-rename-live/events": ("rename", "write_name"),
    "044-network-detach-paused/events": ("detach", "mark_closing mark_closing release leave_xenstore"),
    "100-cd-eject/events": ("eject", EJECT),
    "102-cd-swap-A-B/events": ("insert", INSERT),
    "113-kill-cd-after-tx1-commit/events-retry": ("insert", INSERT),
    "161-destroy-hvm/events": ("destroy", DESTROY),
    "301-conc-attach-same-vdev/events-1": ("attach", ATTACH),
    "365-attach-commit-EAGAIN/events-1": ("attach", ATTACH),
    "365-attach-commit-EAGAIN/events-2": ("detach", DETACH),
}
ALL = [LAB / f"{n}.txt" for n in (*LAB_TRACES, "mem-max")] + sorted(HOSTS.rglob("*.txt"))


def one(path: Path) -> Trace:
    (trace,) = read([path])
    return trace


def names(trace: Trace) -> str:
    return " ".join(s.name for s in trace.order)


def made(*paths: Path) -> Observed:
    """The design from these, which must be one that the model can run."""
    observed = to_design(read(paths), BASE)
    Program(observed.design, Bounds())
    return observed


def order_of(observed: Observed, operation: str) -> str:
    return " ".join(s.name for s in getattr(observed.design, operation).steps)


@pytest.mark.parametrize(("name", "expected"), [*LAB_TRACES.items(), *HOST_TRACES.items()])
def test_each_trace_shows_the_order_that_is_known(name: str, expected: tuple[str, str]) -> None:
    trace = one((LAB if name in LAB_TRACES else HOSTS) / f"{name}.txt")
    assert (trace.operation, names(trace)) == expected
    assert trace.complete
    assert not trace.unfit
    observed = made(trace.path)
    assert order_of(observed, expected[0]) == expected[1]
    assert set(observed.taken) == {expected[0]} | ({"swap"} if expected[0] == "insert" else set())
    assert set(observed.borrowed) == {n for n, _ in BASE.operations()} - set(observed.taken)


def test_the_lab_as_a_whole() -> None:
    observed = made(LAB)
    for operation, expected in LAB_TRACES.values():
        assert order_of(observed, operation) == expected
    assert order_of(observed, "swap") == INSERT
    assert observed.borrowed == ("create",)
    assert observed.design.create is BASE.create
    assert observed.variations == ()
    assert {n: [t.path.stem for t in ts] for n, ts in observed.agreeing.items()} == {
        "attach": ["network-attach", "network-attach-2nd"],
        "detach": ["block-detach-force", "network-detach"],
        "insert": ["cd-insert-trad"],
    }
    assert [(t.path.stem, why) for t, why in observed.skipped] == [
        ("mem-max", "mem-max sets static-max, a knob that the model leaves out")
    ]


def test_the_hosts_as_a_whole_agree_with_the_lab() -> None:
    observed = made(HOSTS)
    assert not observed.borrowed
    lab = made(LAB).design
    for operation, _ in BASE.operations():
        if operation != "create":
            assert order_of(observed, operation) == " ".join(s.name for s in getattr(lab, operation).steps)
    assert order_of(observed, "create") == CREATE
    assert [t.label for t in observed.variations] == ["044-network-detach-paused/events.txt"]
    assert {t.label: why for t, why in observed.skipped} == {
        "113-kill-cd-after-tx1-commit/events.txt": "the run was killed half-way",
        "301-conc-attach-same-vdev/events-2.txt": "the run failed (exit code 1)",
    }


@pytest.mark.parametrize("path", ALL, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_no_line_is_dropped_and_every_trace_alone_gives_a_design(path: Path) -> None:
    trace = one(path)
    lines = path.read_text().splitlines()
    assert [(e.line, e.text) for e in trace.events] == list(enumerate(lines, 1))
    for event in trace.events:
        assert event.steps or event.why
        assert (event.taken is Taken.STEP) <= bool(event.steps)
    observed = made(path)
    assert [e for _, e in observed.unknown] == [e for e in trace.events if e.taken is Taken.UNKNOWN]
    shown = {(p.step, p.line) for p in trace.steps if not p.assumed}
    assert shown == {(s, e.line) for e in trace.events if e.taken is Taken.STEP for s in e.steps}


def test_a_step_is_at_the_line_that_makes_it_real() -> None:
    assert [p.line for p in one(LAB / "block-attach.txt").steps] == [1, 2, 6, 8, 16, 18, 20]
    raw = one(HOSTS / "020-block-attach-live/events.txt")
    text = {e.line: e.text for e in raw.events}
    ends = ["flock EX", "fopen(r)", "READ /libxl/2/device/vbd/51728", "rename", "TRANSACTION_END T", "close", "execvp"]
    for placed, end in zip(raw.steps, ends, strict=True):
        assert end in text[placed.line]


def test_the_lines_of_a_transaction_are_part_of_its_step() -> None:
    events = {e.line: e for e in one(LAB / "block-attach.txt").events}
    for line in (5, 9, 15):
        assert (events[line].taken, [s.name for s in events[line].steps]) == (Taken.PART, ["enter_xenstore"])
    assert (events[7].taken, [s.name for s in events[7].steps]) == (Taken.PART, ["write_template"])
    assert (events[17].taken, [s.name for s in events[17].steps]) == (Taken.PART, ["allocate"])
    assert (events[3].taken, events[3].why) == (Taken.NOTHING, "a read of xenstore")
    raw = {e.line: e for e in one(HOSTS / "020-block-attach-live/events.txt").events}
    assert [s.name for s in raw[8].steps] == ["take_lock"]
    assert [s.name for s in raw[134].steps] == ["drop_lock"]
    assert "xenstore-write" in raw[164].text
    assert (raw[164].taken, [s.name for s in raw[164].steps]) == (Taken.PART, ["allocate"])


def test_what_no_step_stands_for_is_reported() -> None:
    unknown = {(t.path.stem, e.line) for t, e in made(LAB).unknown}
    assert unknown == {
        *(("cd-eject-qmp", n) for n in (8, 11)),
        *(("cd-insert-qmp", n) for n in (8, 11, 21, 22, 23)),
        *(("destroy", n) for n in (47, 48, 50)),
        ("list-l", 10),
        *(("mem-max", n) for n in (5, 6)),
    }
    text = made(HOSTS).describe()
    for said in ("`INTRODUCE`", "`eject`", "`blockdev-change-medium`", "/device/console/0", "`domid-history.lock`"):
        assert said in text


def test_what_is_assumed_is_said() -> None:
    hosts = "\n".join(made(HOSTS).assumed)
    assert "hypercalls are not shown: `grant_memory` is put before the commit of `write_memory`" in hosts
    assert "`kill_domain` is put last" in hosts
    assert "`unpause` is put last" in hosts
    assert "`load_medium` refuses a drive that is not empty" in hosts
    assert "an attempt that xenstored refused" not in hosts
    assert "hotplug script" not in hosts
    assert "swap: libxl has one call for both" in hosts
    lab = made(LAB).assumed
    assert "no hotplug script is shown: `allocate` is put where the wait for the backend ends (block-attach.txt)" in lab
    assert not any("grant_memory" in a for a in lab)
    assert any("is done on failure" in a for a in made(LAB / "rename.txt").assumed)


def test_clean_up_drops_the_locks_that_are_taken() -> None:
    design = made(LAB).design
    assert design.attach.clean_up == (unlock,)
    assert design.insert.clean_up == (unlock, once(take_device_lock, drop_device_lock))
    assert design.detach.clean_up == design.rename.clean_up == ()


def test_a_commit_that_was_refused_counts_once() -> None:
    trace = one(HOSTS / "365-attach-commit-EAGAIN/events-1.txt")
    renames = [e for e in trace.events if " rename " in e.text]
    assert [e.taken for e in renames] == [Taken.PART, Taken.STEP]
    assert any("EAGAIN" in a for a in trace.assumed)


def test_a_lock_on_a_file_that_is_gone_is_taken_again() -> None:
    trace = one(HOSTS / "301-conc-attach-same-vdev/events-2.txt")
    assert names(trace) == "take_lock read_template drop_lock"
    locks = [e for e in trace.events if " flock EX " in e.text]
    assert [(e.taken, [s.name for s in e.steps]) for e in locks] == [
        (Taken.PART, ["take_lock"]),
        (Taken.STEP, ["take_lock"]),
    ]
    assert trace.why == "the run failed (exit code 1)"


def test_describe_tells_it_all() -> None:
    observed = made(LAB, HOSTS)
    text = observed.describe()
    assert "attach, from block-attach.txt\n   1 take_lock            block-attach.txt:1\n" in text
    assert "detach in 044-network-detach-paused/events.txt: mark_closing, mark_closing, release" in text
    for assumed in observed.assumed:
        assert assumed in text
    for trace, why in observed.skipped:
        assert f"{trace.label}: {why}" in text
    assert "borrowed" in made(LAB).describe()
    assert text.isascii()


# Orders that libxl 4.17 does not have.

SYNTHETIC = {
    "as it was first posted: the template last": (
        "attach",
        "LOCK json_lock|JSON_READ|TX_START|TX_READ /libxl/1/device|TX_RM /libxl/1/device|TX_WRITE /libxl/1/device|"
        "TX_WRITE /local/domain/0/backend|TX_COMMIT|XS_WATCH /local/domain/0/backend|"
        "XS_UNWATCH /local/domain/0/backend|JSON_TMP_WRITE|JSON_RENAME tmp->live|UNLOCK json_lock (unlink, then close)",
        "take_lock read_template enter_xenstore allocate write_template drop_lock",
    ),
    "the template before the transaction": (
        "attach",
        "LOCK json_lock|JSON_READ|JSON_RENAME tmp->live|UNLOCK json_lock (unlink, then close)|TX_START|"
        "TX_READ /libxl/1/device|TX_RM /libxl/1/device|TX_WRITE /libxl/1/device|TX_COMMIT|"
        "XS_WATCH /local/domain/0/backend|XS_UNWATCH /local/domain/0/backend",
        "take_lock read_template write_template drop_lock enter_xenstore allocate",
    ),
    "a detach that forgets the entry": (
        "detach",
        "TX_START|TX_WRITE /local/domain/0/backend|TX_COMMIT|XS_WATCH /local/domain/0/backend|"
        "XS_UNWATCH /local/domain/0/backend|LOCK json_lock|TX_START|TX_RM /libxl/1/device|TX_COMMIT|JSON_READ|"
        "JSON_TMP_WRITE|JSON_RENAME tmp->live|UNLOCK json_lock (unlink, then close)",
        "mark_closing release take_lock leave_xenstore read_template forget drop_lock",
    ),
    "a swap with a single commit": (
        "swap",
        "LOCK json_lock|JSON_READ|JSON_RENAME tmp->live|TX_START|TX_READ /libxl/1/device|"
        "TX_WRITE /local/domain/0/backend  x2|TX_WRITE /libxl/1/device  x2|TX_COMMIT|"
        "UNLOCK json_lock (unlink, then close)",
        "take_lock read_template write_template replace_medium drop_lock",
    ),
    "a destroy whose hypercall is shown, under the lock": (
        "destroy",
        "LOCK json_lock|TX_START|TX_WRITE /local/domain/0/backend  x2|TX_COMMIT|XS_WATCH /local/domain/0/backend|"
        "XS_UNWATCH /local/domain/0/backend|TX_START|TX_RM /libxl/1/device|TX_COMMIT|JSON_UNLINK|"
        "HYPERCALL destroydomain dom=1|UNLOCK json_lock (unlink, then close)",
        "take_lock close_devices release_devices leave_devices remove_template kill_domain drop_lock",
    ),
}


def written(folder: Path, name: str, lines: str) -> Path:
    path = folder / f"{name}.txt"
    path.write_text(lines.replace("|", "\n") + "\n")
    return path


@pytest.mark.parametrize("case", SYNTHETIC)
def test_other_orders_are_read_as_they_are(tmp_path: Path, case: str) -> None:
    name, lines, expected = SYNTHETIC[case]
    assert order_of(made(written(tmp_path, name, lines)), name) == expected


UNFIT = {
    "no look whether the slot is free": (
        "attach",
        "LOCK json_lock|JSON_READ|JSON_RENAME tmp->live|TX_START|TX_RM /libxl/1/device|TX_WRITE /libxl/1/device|"
        "TX_COMMIT|XS_WATCH /local/domain/0/backend|XS_UNWATCH /local/domain/0/backend|"
        "UNLOCK json_lock (unlink, then close)",
        "it does not show `enter_xenstore`",
        {7},
    ),
    "a lock that is never dropped": (
        "rename",
        "LOCK json_lock|TX_START|TX_WRITE /local/domain/1|TX_COMMIT",
        "it ends after `take_lock` without `drop_lock`",
        set(),
    ),
    "an unlock in the wrong order": (
        "rename",
        "LOCK json_lock|TX_START|TX_WRITE /local/domain/1|TX_COMMIT|UNLOCK json_lock (close, then unlink)",
        "it ends after `take_lock` without `drop_lock`",
        {5},
    ),
    "a lock that is taken twice": (
        "rename",
        "LOCK json_lock|LOCK json_lock|TX_START|TX_WRITE /local/domain/1|TX_COMMIT|"
        "UNLOCK json_lock (unlink, then close)",
        "`take_lock` is taken by one that has it already",
        set(),
    ),
    "a transaction that is never ended": (
        "rename",
        "TX_START|TX_WRITE /local/domain/1|TX_COMMIT|TX_START",
        "the transaction of line 4 is never ended",
        set(),
    ),
    "only half of it": (
        "detach",
        "TX_START|TX_WRITE /local/domain/0/backend|TX_COMMIT",
        "it does not show `release`, so it is not the whole operation",
        set(),
    ),
    "a template that is written without being read": (
        "eject",
        "LOCK json_lock|TX_START|TX_READ /libxl/1/device|TX_WRITE /libxl/1/device|TX_COMMIT|JSON_RENAME tmp->live|"
        "UNLOCK json_lock (unlink, then close)",
        "uses `me.draft",
        set(),
    ),
    "devices that come before the template and after it": (
        "create",
        "TX_START|TX_RM /libxl/1|TX_WRITE /libxl/1|TX_COMMIT|TX_START|TX_RM /libxl/1/device|TX_WRITE /libxl/1/device|"
        "TX_COMMIT|XS_WATCH /local/domain/0/backend|XS_UNWATCH /local/domain/0/backend|JSON_RENAME tmp->live|"
        "TX_START|TX_RM /libxl/1/device|TX_WRITE /libxl/1/device|TX_COMMIT",
        "`enter_devices` would be both before and after `save_template`",
        set(),
    ),
    "a retrieve that failed though its exit code is 0": (
        "list-l",
        "LOCK dev_lock (try)|LOCK json_lock|JSON_READ|UNLOCK json_lock (unlink, then close)|"
        "UNLOCK dev_lock (unlink, then close)",
        "it does not show `merge_devices`",
        set(),
    ),
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_run_that_does_not_show_a_whole_operation_is_skipped_with_a_reason(tmp_path: Path, case: str) -> None:
    name, lines, why, unknown = UNFIT[case]
    observed = made(written(tmp_path, name, lines))
    assert not observed.taken
    ((_, said),) = observed.skipped
    assert why in said
    assert {e.line for _, e in observed.unknown} == unknown


def raw_run(folder: Path, op: str, *steps: str, rc: int = 0) -> Path:
    """A trace in the raw format, with its case.json. A step that ends in `...` is a request and its answer OK."""
    what = [w for s in steps for w in ([s[:-3], f"xsreply {s.split()[1]} = OK "] if s.endswith("...") else [s])]
    folder.joinpath("case.json").write_text(json.dumps({"op": op, "rc": rc}))
    path = folder / "events.txt"
    path.write_text("".join(f"{n}.5 7 xl #{n} {w}\n" for n, w in enumerate(what, 1)))
    return path


def medium(value: str, tx: int) -> list[str]:
    """A transaction that looks for the drive and writes its medium."""
    return [
        "xs TRANSACTION_START  ",
        f"xsreply TRANSACTION_START = {tx} ",
        f"xs READ /libxl/1/device/vbd/5632/frontend  [tx {tx}]",
        "xsreply READ = /local/domain/1/device/vbd/5632",
        f"xs WRITE /local/domain/0/backend/qdisk/1/5632/params {value} [tx {tx}]...",
        f"xs WRITE /libxl/1/device/vbd/5632/params {value} [tx {tx}]...",
        f"xs TRANSACTION_END T  [tx {tx}]...",
    ]


USERDATA = "/var/lib/xen/userdata-{}.1.1b3d8f55-5a9f-4fdb-b940-f107b5f036c5.{}"
LIVE, TEMPORARY = USERDATA.format("d", "libxl-json"), USERDATA.format("n", "libxl-json")
LOCK_FILE = USERDATA.format("l", "domain-userdata-lock")
TAKE = [f"open {LOCK_FILE} O_CREAT RW", f"flock EX {LOCK_FILE}", "  -> flock ok"]
DROP = [f"unlink {LOCK_FILE}", f"close {LOCK_FILE}"]
REWRITE = [f"fopen(r) {LIVE}", f"open {TEMPORARY} O_CREAT O_TRUNC RW", f"rename {TEMPORARY} -> {LIVE}"]


def test_a_release_that_writes_the_new_medium_twice_is_not_taken_for_an_eject(tmp_path: Path) -> None:
    first, then = medium("aio:/b.iso", 1), medium("aio:/b.iso", 2)
    path = raw_run(tmp_path, "cd-insert", *TAKE, *first, *REWRITE, *then, *DROP)
    expected = "take_lock replace_medium read_template write_template replace_medium drop_lock"
    assert order_of(made(path), "insert") == expected


def test_an_eject_that_writes_a_medium_is_unknown(tmp_path: Path) -> None:
    observed = made(raw_run(tmp_path, "cd-eject", *TAKE, *medium("aio:/b.iso", 1), *DROP))
    assert [e.why for _, e in observed.unknown] == [
        "a transaction that puts a medium into a drive: no step stands for it here"
    ]
    assert not observed.taken


@pytest.mark.parametrize(
    ("value", "name"), [("", "unload_medium"), ("aio:", "unload_medium"), ("/b", "replace_medium")]
)
def test_a_medium_is_empty_as_retrieve_reads_it(tmp_path: Path, value: str, name: str) -> None:
    trace = one(raw_run(tmp_path, "cd-insert", *medium(value, 1)))
    assert names(trace) == name


def test_a_medium_that_only_the_backend_is_told_is_unknown(tmp_path: Path) -> None:
    only = [line for line in medium("", 1) if "WRITE /libxl" not in line]
    trace = one(raw_run(tmp_path, "cd-eject", *only))
    assert names(trace) == ""
    assert [e.taken for e in trace.events if "END T" in e.text] == [Taken.UNKNOWN]


def test_a_close_without_an_unlink_is_unknown(tmp_path: Path) -> None:
    trace = one(raw_run(tmp_path, "rename", *TAKE, "xs READ /local/domain/1/name...", f"close {LOCK_FILE}"))
    assert [e.why for e in trace.unknown] == ["closes a lock's file without unlinking it first: no step stands for it"]
    assert "it ends after `take_lock` without `drop_lock`" in trace.unfit


def test_a_look_at_another_slot_is_no_look(tmp_path: Path) -> None:
    def attach(seen: int) -> Trace:
        return one(
            raw_run(
                tmp_path, "block-attach",
                "xs TRANSACTION_START  ", "xsreply TRANSACTION_START = 1 ",
                f"xs READ /libxl/1/device/vbd/{seen}  [tx 1]", "xsreply READ = ERROR ENOENT ",
                *REWRITE,
                "xs WRITE /libxl/1/device/vbd/5/backend /x [tx 1]...", "xs TRANSACTION_END T  [tx 1]...",
            )
        )  # fmt: skip

    assert names(attach(5)) == "refuse_if_present read_template write_template enter_xenstore"
    assert names(attach(6)) == "read_template write_template"


# What is no trace.

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
        (Path("a\0b"), r"a\?b: "),
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
