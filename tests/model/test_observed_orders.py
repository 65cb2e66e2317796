"""Orders that libxl 4.17 does not have are read as they are, and what is no whole operation is skipped."""

from __future__ import annotations

from pathlib import Path

import pytest
from observed_runs import made, names, one, order_of, raw_run

from confsync.model.libxl.observed import Taken, Trace

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
