"""Power loss: what the act did to the disk is recorded; at each point, whatever was not synced may be there or not.

Every such state of the disk is laid out as a folder and checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from crash.disk import Disk, Effect, FileSynced, FolderSynced, Renamed, Said, Trusted, Written
from crash.recorder import Recorder
from crash.trace_recorder import TraceRecorder
from crash.tracing import Traced
from crash.trial import Act, Check, Ground, Notes, Outcome, Prepare, Trial, Wreck, files_in, ground


def lose_power(
    prepare: Prepare,
    act: Act,
    check: Check,
    *,
    traced: bool = False,
    marked: bool = False,
    trusted: Trusted = lambda _: False,
    gaps: bool = True,
) -> Outcome:
    """Run the act once, and check all that a power loss at any point of it may leave. What the act found when it
    began counts as synced.

    Seen is what goes through `trial.files`; or, `traced`, every system call of the act, which runs in a child process
    then, whatever makes it: a database, say. `marked`, with that: the act says by `trial.begin()` where its set-up
    ends. `trusted`: by their names in the folder, the files whose own recovery is not on trial; `gaps=False`: their
    writes arrive in order, with none missing. NotPermitted.
    """
    outcome = Outcome()
    with ground(prepare) as at:
        folder = at.fresh()
        recorder: Recorder | TraceRecorder
        if traced:
            recorder = _trace(act, folder, marked=marked)
        else:
            recorder = Recorder(folder)
            act(Trial(folder, recorder, recorder.note))
        names = dict(recorder.names)
        disk = Disk(names, {names[name]: text for name, text in recorder.before.items()}, trusted=trusted, gaps=gaps)
        _look(outcome, check, at, disk, "before the first effect")
        for number, effect in enumerate(recorder.effects, 1):
            disk.take(effect)
            outcome.places[type(effect).__name__] += 1
            _look(outcome, check, at, disk, f"after effect {number}, {_words(effect)}")
        _check_record(disk.everything(), files_in(folder), recorder.mapped)
    return outcome


def _trace(act: Act, folder: Path, *, marked: bool) -> TraceRecorder:
    notes = Notes()
    recorder = TraceRecorder(folder, notes)
    Traced(act, folder, notes, marked).run(recorder)
    recorder.hear()
    return recorder


def _check_record(recorded: Mapping[str, bytes], found: Mapping[str, bytes], unknown: set[str]) -> None:
    """A record that misses an effect would make any check hold."""
    wrong = {name for name in {*recorded, *found} - unknown if recorded.get(name) != found.get(name)}
    if wrong:
        raise AssertionError(f"the record says otherwise than the folder of {sorted(wrong)}")


def _look(outcome: Outcome, check: Check, at: Ground, disk: Disk, when: str) -> None:
    for held in disk.outcomes():
        outcome.points += 1
        if outcome.is_new_among(tuple(disk.said), held):
            folder = at.empty()
            _lay_out(at.original, folder, held)
            outcome.look(check, Wreck(folder, tuple(disk.said), f"power lost {when}, which left {_brief(held)}"))
            at.clear(folder)


def _lay_out(original: Path, folder: Path, held: Mapping[str, bytes]) -> None:
    """Fill a folder: with the folders that there were, and the files that there are."""
    for path in sorted(original.rglob("*")):
        if path.is_dir():
            (folder / path.relative_to(original)).mkdir(mode=0o700)
    for name, text in held.items():
        (folder / name).write_bytes(text)
        (folder / name).chmod(0o600)


def _brief(held: Mapping[str, bytes]) -> dict[str, str]:
    return {name: f"{len(text)} bytes {text[:20]!r}" for name, text in held.items()}


def _words(effect: Effect) -> str:
    match effect:
        case Renamed(_, names):
            return "names " + ", ".join(name if inode is not None else f"no {name}" for name, inode in names)
        case Written(_, offset, text):
            return f"{len(text)} bytes written at {offset}"
        case FileSynced():
            return "a file synced"
        case FolderSynced():
            return "the folder synced"
        case Said(text):
            return f"{text!r} said"
