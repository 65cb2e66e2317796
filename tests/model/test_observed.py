"""What a real toolstack was seen to do is read as the order it is, and what is not understood is said.

The expected orders are written from libxl's own description of each operation (what it does in which order), not
from what the reader makes of it: the lock is the userdata lock, the template is `libxl-json`, the device lock is
`libxl-device-changes-lock`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from observed_runs import ALL, BASE, CREATE, HOST_TRACES, HOSTS, INSERT, LAB, LAB_TRACES, made, names, one, order_of

from confsync.model.language import once
from confsync.model.libxl.observed import Taken
from confsync.model.libxl.steps import drop_device_lock, take_device_lock, unlock


@pytest.mark.slow
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
    assert observed.design["create"] is BASE["create"]
    assert observed.variations == ()
    assert {n: [t.path.stem for t in ts] for n, ts in observed.agreeing.items()} == {
        "attach": ["network-attach", "network-attach-2nd"],
        "detach": ["block-detach-force", "network-detach"],
        "insert": ["cd-insert-trad"],
    }
    assert [(t.path.stem, why) for t, why in observed.skipped] == [
        ("mem-max", "mem-max sets static-max, a knob that the model leaves out")
    ]


@pytest.mark.slow
def test_the_hosts_as_a_whole_agree_with_the_lab() -> None:
    observed = made(HOSTS)
    assert not observed.borrowed
    lab = made(LAB).design
    for operation, _ in BASE.operations():
        if operation != "create":
            assert order_of(observed, operation) == " ".join(s.name for s in lab[operation].steps)
    assert order_of(observed, "create") == CREATE
    assert [t.label for t in observed.variations] == ["044-network-detach-paused/events.txt"]
    assert {t.label: why for t, why in observed.skipped} == {
        "113-kill-cd-after-tx1-commit/events.txt": "the run was killed half-way",
        "301-conc-attach-same-vdev/events-2.txt": "the run failed (exit code 1)",
    }


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
    assert design["attach"].clean_up == (unlock,)
    assert design["insert"].clean_up == (unlock, once(take_device_lock, drop_device_lock))
    assert design["detach"].clean_up == design["rename"].clean_up == ()


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


@pytest.mark.slow
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
