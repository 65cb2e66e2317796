"""What a disk may hold after a power loss, and what is known of what an act did to it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from crash.disk import Disk, FileSynced, FolderSynced, Renamed, Said, Written
from crash.power import lose_power
from crash.recorder import Recorder
from crash.store_work import WORKS, Work
from crash.trace_recorder import TraceRecorder
from crash.tracing import Traced
from crash.trial import Check, Notes, Trial, Wreck, files_in, ground

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


A, B = 1, 2
TEXT = b"abcd"
TORN = {b"", TEXT, b"ab", b"ab\0\0", b"\0\0cd", bytes(4)}
"""What may be there of the text: nothing, all, one half or the other, the length alone."""


def outcomes(disk: Disk) -> set[tuple[tuple[str, bytes], ...]]:
    """What it may hold."""
    return {tuple(sorted(held.items())) for held in disk.outcomes()}


def after(*effects: Renamed | Written | FileSynced | FolderSynced | Said) -> Disk:
    """A disk with one old file, once this has happened."""
    disk = Disk({"d": A}, {A: b"old"})
    for effect in effects:
        disk.take(effect)
    return disk


MADE, WROTE, MOVED = Renamed(".", (("n", B),)), Written(B, 0, TEXT), Renamed(".", (("n", None), ("d", B)))
GONE = Renamed(".", (("d", None),))
OLD = ("d", b"old")


def test_what_was_not_synced_is_there_or_not() -> None:
    assert outcomes(after()) == {(OLD,)}
    assert outcomes(after(MADE, WROTE)) == {(OLD,)} | {(OLD, ("n", text)) for text in TORN}
    assert outcomes(after(MADE, WROTE, FileSynced(B))) == {(OLD,), (OLD, ("n", TEXT))}
    assert outcomes(after(MADE, WROTE, FolderSynced("."))) == {(OLD, ("n", text)) for text in TORN}
    assert outcomes(after(GONE)) == {(), (OLD,)}
    assert outcomes(after(GONE, FolderSynced("elsewhere"))) == {(), (OLD,)}
    assert outcomes(after(GONE, FolderSynced("."))) == {()}


def test_a_rename_may_be_there_before_the_data() -> None:
    unsynced = outcomes(after(MADE, WROTE, MOVED))
    assert {(("d", text),) for text in TORN} < unsynced
    assert outcomes(after(MADE, WROTE, FileSynced(B), MOVED)) == {(OLD,), (OLD, ("n", TEXT)), (("d", TEXT),)}
    assert outcomes(after(MADE, WROTE, FileSynced(B), MOVED, FolderSynced("."))) == {(("d", TEXT),)}
    assert outcomes(after(MADE, WROTE, MOVED, FolderSynced("."))) == {(("d", text),) for text in TORN}


def test_a_file_is_emptied_and_written_in_any_part() -> None:
    written = outcomes(after(Written(A, 0, b"", length=0), Written(A, 0, TEXT)))
    over_the_old = {b"old", b"old\0", b"abd", b"abd\0", b"olcd"}
    assert written == {(("d", text),) for text in TORN | over_the_old}


def test_a_long_write_is_torn_at_its_pages() -> None:
    pages = [bytes([number]) * 4096 for number in (1, 2, 3)]
    disk = after(MADE, Written(B, 0, b"".join(pages)), FolderSynced("."))
    held = {dict(names)["n"] for names in outcomes(disk)}
    zeros = bytes(4096)
    assert pages[0] + zeros + pages[2] in held
    assert pages[0] + pages[1] in held
    assert len(held) == 8 + 4
    most = after(MADE, Written(B, 0, bytes([7]) * 4096 * 100), FolderSynced("."))
    assert len(outcomes(most)) == 16 + 8


def test_too_many_states_are_refused_not_left_out() -> None:
    many = after(*(Renamed(".", ((str(number), B),)) for number in range(15)))
    with pytest.raises(ValueError, match="the act syncs too seldom"):
        outcomes(many)


def test_power_loss_sees_what_the_act_does_and_what_it_was_promised() -> None:
    def act(trial: Trial) -> None:
        file = trial.files.open(trial.folder / "n", os.O_WRONLY | os.O_CREAT)
        trial.files.write(file, b"ab")
        trial.files.fsync(file)
        trial.files.write(file, b"cd")
        trial.files.close(file)
        trial.files.fsync_folder(trial.folder)
        trial.note("made")
        trial.files.rename(trial.folder / "n", trial.folder / "d")

    seen: set[tuple[tuple[str, ...], tuple[tuple[str, bytes], ...]]] = set()

    def check(wreck: Wreck) -> Sequence[str]:
        assert all(path.stat().st_mode & 0o777 == 0o600 for path in wreck.folder.iterdir())
        seen.add((tuple(wreck.notes), tuple(sorted(files_in(wreck.folder).items()))))
        return []

    outcome = lose_power(old, act, check)
    made = {("n", b"ab" + text) for text in (b"", b"cd", b"c", b"c\0", b"\0d", b"\0\0")}
    assert {held for notes, held in seen if notes} >= {tuple(sorted([OLD, new])) for new in made}
    assert not {held for notes, held in seen if notes and held == (OLD,)}
    assert (("made",), (("d", b"abcd"),)) in seen
    assert outcome.distinct == len(seen)
    assert outcome.points > outcome.distinct


def test_an_effect_that_is_not_recorded_is_noticed() -> None:
    def aside(trial: Trial) -> None:
        (trial.folder / "aside").write_bytes(b"x")

    def link(trial: Trial) -> None:
        trial.files.call("link", os.getpid)

    with pytest.raises(AssertionError, match="the record says"):
        lose_power(nothing, aside, lambda _: [])
    with pytest.raises(NotImplementedError, match="what link"):
        lose_power(nothing, link, lambda _: [])


def test_the_recorder_knows_a_file_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "d").write_bytes(b"old")
    recorder = Recorder(tmp_path)
    recorder.close(recorder.open(tmp_path / "d", os.O_WRONLY | os.O_CREAT | os.O_TRUNC))
    recorder.unlink(tmp_path / "d")
    assert recorder.effects == [Written(0, 0, b"", length=0), GONE]


@traced
@pytest.mark.parametrize("work", WORKS, ids=str)
def test_both_recorders_say_the_same(work: Work) -> None:
    with ground(work.prepare) as at:
        folder = at.fresh()
        recorder = Recorder(folder)
        work.act(Trial(folder, recorder, recorder.note))
        folder = at.fresh()
        notes = Notes()
        tracing_one = TraceRecorder(folder, notes)
        assert not Traced(work.act, folder, notes, marked=False).run(tracing_one)
        assert tracing_one.effects == recorder.effects
        assert len(recorder.effects) >= 3


def connect(folder: Path, synchronous: str) -> sqlite3.Connection:
    """A database that is written ahead."""
    database = sqlite3.connect(folder / "database", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute(f"PRAGMA synchronous = {synchronous}")
    return database


def make_table(folder: Path) -> None:
    """A database with an empty table."""
    with contextlib.closing(connect(folder, "FULL")) as database:
        database.execute("CREATE TABLE word (word TEXT)")


@traced
@pytest.mark.parametrize("marked", [False, True])
@pytest.mark.parametrize("synchronous", ["FULL", "OFF"])
def test_a_database_loses_nothing_that_it_promised_if_it_syncs(synchronous: str, marked: bool) -> None:
    def act(trial: Trial) -> None:
        with contextlib.closing(connect(trial.folder, synchronous)) as database:
            database.execute("INSERT INTO word VALUES ('zero')")
            trial.begin()
            for word in ("one", "two"):
                database.execute("INSERT INTO word VALUES (?)", [word])
                trial.note(word)

    def check(wreck: Wreck) -> Sequence[str]:
        with contextlib.closing(connect(wreck.folder, "FULL")) as database:
            words = [word for (word,) in database.execute("SELECT word FROM word ORDER BY rowid")]
        words = words[1:] if words[:1] == ["zero"] or marked else words
        return [] if words in (["one", "two"][:count] for count in range(len(wreck.notes), 3)) else [f"holds {words}"]

    outcome = lose_power(
        make_table, act, check, traced=True, marked=marked, trusted=lambda name: name.startswith("database")
    )
    assert bool(outcome.failures) == (synchronous == "OFF")
    assert outcome.places["Said"] == 2
    assert outcome.places["Written"] >= 4
    assert outcome.places["FileSynced"] >= (2 if synchronous == "FULL" else 0)
    assert outcome.distinct > 10


def test_trusted_files_arrive_whole_and_in_order_but_for_one() -> None:
    disk = after(*(Written(A, number, text) for number, text in enumerate([b"1", b"2", b"3"])))
    disk.trusted = lambda name: name == "d"
    assert {dict(held)["d"] for held in outcomes(disk)} == {b"old", b"1ld", b"12d", b"123", b"o23", b"1l3"}
