"""What the engines do where time is short, and the one that refuses calls: each does what it says."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from crash.disk import Disk, Written
from crash.faults import fail_everywhere
from crash.ptrace import kill_everywhere
from crash.refuse import REFUSALS, WORKS_HERE, refuse_everywhere
from crash.store_work import WORKS
from crash.trial import Check, Trial, Wreck

pytestmark = pytest.mark.slow

OLD = b"....."


def prepare(folder: Path) -> None:
    """A file."""
    (folder / "file").write_bytes(OLD)


def write_twice(trial: Trial) -> None:
    """Two writes and a sync; each failure is told, and the next is tried nevertheless."""
    trial.begin()
    file = os.open(trial.folder / "file", os.O_RDWR)
    for offset, text in enumerate([b"a", b"b"]):
        try:
            os.pwrite(file, text, offset)
            trial.note(f"wrote {text.decode()}")
        except OSError as e:
            trial.note(errno.errorcode[e.errno or 0])
    try:
        os.fsync(file)
    except OSError as e:
        trial.note(errno.errorcode[e.errno or 0])


def collector() -> tuple[Check, dict[str, tuple[tuple[str, ...], bytes]]]:
    """A check that finds nothing wrong, and what it has seen."""
    seen: dict[str, tuple[tuple[str, ...], bytes]] = {}

    def check(wreck: Wreck) -> Sequence[str]:
        seen[wreck.how] = tuple(wreck.notes), (wreck.folder / "file").read_bytes()
        return []

    return check, seen


@pytest.mark.skipif(not WORKS_HERE, reason="NOT TESTED: a call that is refused: needs an x86-64")
@pytest.mark.usefixtures("ptrace")
def test_a_call_that_is_refused_is_not_done_and_fails_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crash.refuse.REFUSALS", {k: v for k, v in REFUSALS.items() if k != "openat"})
    check, seen = collector()
    outcome = refuse_everywhere(prepare, write_twice, check)
    assert seen["pwrite64 number 1: ENOSPC, once"] == (("ENOSPC", "wrote b"), b".b...")
    assert seen["pwrite64 number 2: EIO, once"] == (("wrote a", "EIO"), b"a....")
    assert seen["pwrite64 number 1: EDQUOT, from then on"] == (("EDQUOT", "EDQUOT"), OLD)
    assert seen["fsync number 1: EIO, once"] == (("wrote a", "wrote b", "EIO"), b"ab...")
    assert outcome.points == 2 * (2 * 3) + 2
    few = refuse_everywhere(prepare, write_twice, check, every=2)
    assert 0 < few.points < outcome.points


@pytest.mark.usefixtures("ptrace")
def test_killed_before_each_call_leaves_all_that_killed_on_both_sides_does() -> None:
    check, both = collector()
    outcome = kill_everywhere(prepare, write_twice, check, marked=True, every_call=False)
    check, before = collector()
    half = kill_everywhere(prepare, write_twice, check, marked=True, every_call=False, both_sides=False)
    assert {text for _, text in both.values()} == {text for _, text in before.values()}
    assert half.points == sum(count for place, count in outcome.places.items() if place.startswith("before"))


def test_writes_arrive_in_order_without_gaps() -> None:
    disk = Disk({"d": 1}, {1: b"old"}, trusted=lambda _: True, gaps=False)
    for number, text in enumerate([b"1", b"2", b"3"]):
        disk.take(Written(1, number, text))
    assert {held["d"] for held in disk.outcomes()} == {b"old", b"1ld", b"12d", b"123"}


def test_only_the_errors_that_are_asked_for() -> None:
    work = WORKS[1]
    outcome = fail_everywhere(work.prepare, work.act, work.check, errors={errno.EIO})
    assert outcome.points
    assert all(place.endswith(" EIO") for place in outcome.places)
