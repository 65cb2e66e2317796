"""The engines break an act where and how they say, and see what it leaves."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest import cannot_trace

from confsync.impl.errors import StoreError
from confsync.impl.templates.files import Files
from crash import tracing
from crash.faults import SHORT, Fault, FaultyFiles, fail_everywhere
from crash.ptrace import kill_everywhere, refused
from crash.rivals import cut_in_everywhere
from crash.store_work import WORKS, Work
from crash.tracing import ActFailed, NotPermitted
from crash.trial import Act, Check, Outcome, Prepare, Trial, Wreck, files_in

pytestmark = pytest.mark.slow

traced = pytest.mark.usefixtures("ptrace")


def nothing(_folder: Path) -> None:
    """An empty folder."""


def old(folder: Path) -> None:
    """A folder with an old file."""
    (folder / "d").write_bytes(b"old")


def left(wreck: Wreck) -> tuple[str, ...]:
    """What stands in the folder."""
    return tuple(sorted(path.name for path in wreck.folder.iterdir()))


def collector() -> tuple[Check, set[tuple[str, ...]]]:
    """A check that finds nothing wrong, and what it has seen in the folders."""
    seen: set[tuple[str, ...]] = set()

    def check(wreck: Wreck) -> Sequence[str]:
        seen.add(left(wreck))
        return []

    return check, seen


# ------------------------------------------------------------------ death


def make_two(trial: Trial) -> None:
    """Two folders, and a word after each."""
    (trial.folder / "one").mkdir()
    trial.note("one")
    (trial.folder / "two").mkdir()
    trial.note("two")


@traced
def test_death_comes_before_each_system_call_and_after_it() -> None:
    seen: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = []

    def check(wreck: Wreck) -> Sequence[str]:
        seen.append((wreck.how.partition(", ")[2].replace("mkdirat", "mkdir"), tuple(wreck.notes), left(wreck)))
        return []

    outcome = kill_everywhere(nothing, make_two, check, all_in_folder=False)
    assert seen == [
        ("before mkdir", (), ()),
        ("after mkdir", (), ("one",)),
        ("before mkdir", ("one",), ("one",)),
        ("after mkdir", ("one",), ("one", "two")),
        ("before exit_group", ("one", "two"), ("one", "two")),
        ("", ("one", "two"), ("one", "two")),
    ]
    assert (outcome.points, outcome.distinct, outcome.failures) == (5, 6, [])


@traced
def test_what_is_left_alike_is_checked_once() -> None:
    outcome = kill_everywhere(nothing, make_two, lambda _: [])
    assert (outcome.points, outcome.distinct) == (5, 6)

    def look_only(trial: Trial) -> None:
        for _ in range(9):
            trial.folder.stat()

    outcome = kill_everywhere(nothing, look_only, lambda _: [])
    assert (outcome.points, outcome.distinct) == (19, 2)
    outcome = kill_everywhere(nothing, look_only, lambda _: [], every_call=False)
    assert (outcome.points, outcome.distinct) == (1, 2)


def look_and_make(trial: Trial) -> None:
    trial.folder.stat()
    trial.begin()
    for name in ("one", "two"):
        if not (trial.folder / name).exists():
            (trial.folder / name).mkdir()
        trial.note(name)


@traced
def test_calls_that_only_look_may_be_passed_over() -> None:
    same_though_passed_over(nothing, look_and_make)


@traced
@pytest.mark.deep
@pytest.mark.parametrize("work", [WORKS[0], WORKS[3]], ids=str)
def test_calls_of_the_store_that_only_look_may_be_passed_over(work: Work) -> None:
    same_though_passed_over(work.prepare, work.act)


def same_though_passed_over(prepare: Prepare, act: Act) -> None:
    every, few = ([], [])  # type: tuple[list[Wreck], list[Wreck]]
    for seen, every_call in ((every, True), (few, False)):

        def collect(wreck: Wreck, seen: list[Wreck] = seen) -> Sequence[str]:
            seen.append(Wreck(Path(), wreck.notes, str(files_in(wreck.folder))))
            return []

        kill_everywhere(prepare, act, collect, marked=True, every_call=every_call)
    assert every == few
    assert len(every) > 2


@traced
def test_what_is_found_wrong_says_where() -> None:
    outcome = kill_everywhere(nothing, make_two, lambda wreck: ["half"] if left(wreck) == ("one",) else [])
    assert [failure.replace("mkdirat", "mkdir") for failure in outcome.failures] == [
        "killed at stop 2, after mkdir, having said []: half",
        "killed at stop 3, before mkdir, having said ['one']: half",
    ]
    outcome = kill_everywhere(nothing, lambda _: None, lambda wreck: [str(wreck.folder / 1)])  # type: ignore[operator]
    assert "the check failed: TypeError" in outcome.failures[0]


@traced
def test_set_up_is_not_broken() -> None:
    def act(trial: Trial) -> None:
        (trial.folder / "set up").mkdir()
        trial.begin()
        make_two(trial)

    outcome = kill_everywhere(
        nothing, act, lambda wreck: [] if "set up" in left(wreck) else ["killed before"], marked=True
    )
    assert (outcome.points, outcome.failures) == (5, [])


@traced
@pytest.mark.parametrize("kind", ["thread", "fork"])
def test_threads_and_forks_are_followed_and_die_too(kind: str) -> None:
    def make(folder: Path) -> None:
        (folder / "one").mkdir()
        (folder / "two").mkdir()

    def act(trial: Trial) -> None:
        if kind == "thread":
            thread = threading.Thread(target=make, args=(trial.folder,))
            thread.start()
            thread.join()
        elif pid := os.fork():
            os.waitpid(pid, 0)
        else:
            make(trial.folder)
            os._exit(0)

    collect, seen = collector()
    outcome = kill_everywhere(nothing, act, collect)
    assert seen == {(), ("one",), ("one", "two")}
    assert sum(count for place, count in outcome.places.items() if "mkdir" in place) == 4


@traced
def test_an_act_that_fails_by_itself_is_no_survivor() -> None:
    def fail(_trial: Trial) -> None:
        raise ValueError("by itself")

    with pytest.raises(ActFailed, match="ValueError: by itself"):
        kill_everywhere(nothing, fail, lambda _: [])
    with pytest.raises(ActFailed, match="died of signal 15 by itself"):
        kill_everywhere(nothing, lambda _: os.kill(os.getpid(), signal.SIGTERM), lambda _: [])


@traced
def test_an_async_act_with_time_in_it() -> None:
    def act(trial: Trial) -> None:
        async def run() -> None:
            trial.begin()
            await asyncio.sleep(0.001)
            (trial.folder / "late").mkdir()

        asyncio.run(run())

    collect, seen = collector()
    kill_everywhere(nothing, act, collect, marked=True)
    assert seen == {(), ("late",)}


def test_where_tracing_is_refused_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        @staticmethod
        def ptrace(*_arguments: object) -> int:
            return -1

    monkeypatch.setattr(tracing, "_libc", Refusing)
    with pytest.raises(NotPermitted, match="ptrace is not permitted here: give the container"):
        kill_everywhere(nothing, lambda _: None, lambda _: [])
    refusal = refused()
    assert refusal
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="ptrace is not permitted"):
        cannot_trace(refusal)
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match=r"NOT TESTED: .*ptrace is not permitted"):
        cannot_trace(refusal)


# ------------------------------------------------------------------ faults


def write(trial: Trial) -> None:
    """A file of five bytes, with no care."""
    file = trial.files.open(trial.folder / "d", os.O_WRONLY | os.O_CREAT)
    trial.files.write(file, b"abcde")
    trial.files.close(file)


def test_each_call_fails_in_each_way() -> None:
    outcome = fail_everywhere(nothing, write, lambda _: [])
    assert outcome.points == 2 * (8 + 5 + 4)
    failed = {failure.partition(": it raised OSError")[0] for failure in outcome.failures if "it raised" in failure}
    assert {fault for fault in failed if fault.startswith("write")} == {
        f"write number 1: {error}, {often}"
        for error in ("ENOSPC", "EDQUOT", "EIO")
        for often in ("once", "from then on")
    }
    assert sum("1 files were left open" in failure for failure in outcome.failures) == 6
    assert not [failure for failure in outcome.failures if "EINTR" in failure or "half" in failure]


def test_a_fault_that_is_to_be_borne_is_not_to_be_told_of() -> None:
    def act(trial: Trial) -> None:
        try:
            trial.files.call("stat", os.stat, trial.folder)
        except OSError as error:
            raise StoreError(trial.folder, "failed") from error

    failures = fail_everywhere(nothing, act, lambda _: []).failures
    assert len(failures) == 2
    assert all("EINTR" in failure and "it was not borne" in failure for failure in failures)


def test_what_each_fault_does(tmp_path: Path) -> None:
    path = tmp_path / "d"
    short = FaultyFiles(Fault("write", 1, SHORT, 1))
    file = os.open(path, os.O_WRONLY | os.O_CREAT)
    assert short.call("write", os.write, file, memoryview(b"abcde")) == 3
    assert path.read_bytes() == b"abc"
    closing = FaultyFiles(Fault("close", 1, errno.EIO, 1))
    with pytest.raises(OSError, match="Input/output error"):
        closing.close(file)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(file)
    reading = FaultyFiles(Fault("read", 1, SHORT, float("inf")))
    file = os.open(path, os.O_RDONLY)
    assert reading.read(file, 10) == b"abc"
    assert reading.counts["read"] == 4
    os.close(file)
    second = FaultyFiles(Fault("stat", 2, errno.EIO, 1))
    for expected in (False, True, False):
        try:
            second.stat(path)
        except OSError:
            assert expected
        else:
            assert not expected


# ------------------------------------------------------------------ rivals


def test_a_rival_goes_before_each_call() -> None:
    class Counting:
        def __init__(self, folder: Path) -> None:
            self.folder, self.seen = folder, -1

        def act(self, files: Files) -> None:
            for number in range(3):
                files.close(files.open(self.folder / str(number), os.O_CREAT))

        def rival(self) -> None:
            assert threading.current_thread() is not threading.main_thread()
            self.seen = len(list(self.folder.iterdir()))

        def check(self) -> Sequence[str]:
            return [str(self.seen)]

    outcome = cut_in_everywhere(nothing, Counting)
    assert outcome.failures == [
        f"cut into before call {call}, {name}: {seen}"
        for call, (name, seen) in enumerate(
            [("open", 0), ("close", 1), ("open", 1), ("close", 2), ("open", 2), ("close", 3)], 1
        )
    ]


def test_an_outcome_counts_what_is_new() -> None:
    outcome = Outcome()
    assert outcome.is_new_among((), {"d": b"1"})
    assert not outcome.is_new_among((), {"d": b"1"})
    assert outcome.is_new_among(("said",), {"d": b"1"})
    assert outcome.is_new_among((), {"d": b"2"})
