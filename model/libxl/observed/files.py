"""Files: which of them are traces, what operation each is of, and whether the run came to its end."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confsync.model.libxl.observed import collapsed, raw
from confsync.model.libxl.observed.trace import Acts, ObservedError
from confsync.model.libxl.operations import SIGNATURES
from confsync.terminal.text import near_file

LARGEST_FILE = 64 * 2**20
LONGEST_LINE = 65_536

COMMANDS = {
    "create": "create",
    "block-attach": "attach",
    "network-attach": "attach",
    "block-detach": "detach",
    "network-detach": "detach",
    "cd-insert": "insert",
    "cd-eject": "eject",
    "mem-set": "set_memory_target",
    "rename": "rename",
    "list-l": "retrieve",
    "destroy": "destroy",
}
"""xl's commands, and the operations they are."""
OUTSIDE = {
    "mem-max": "mem-max sets static-max, a knob that the model leaves out",
    "vcpu-set": "vcpu-set brings vcpus on line, a knob that the model leaves out",
    "save": "save writes the domain into a file, which is no operation of the model",
    "restore": "restore makes a domain of a file, which is no operation of the model",
    "reboot": "reboot is several operations in a row",
    "pci-attach": "the model leaves PCI devices out",
    "pci-detach": "the model leaves PCI devices out",
}
"""Commands that are no operation of the model, and why."""
KNOWN: dict[str, str | None] = {**dict.fromkeys(OUTSIDE), **{o: o for o in SIGNATURES}, **COMMANDS}


@dataclass(frozen=True, slots=True)
class Source:
    """A trace file, read as far as its own format goes."""

    path: Path
    acts: Acts
    operation: str | None
    complete: bool
    why: str


def sources(paths: Sequence[Path]) -> Iterator[Source]:
    """Every trace in these files and folders, once each."""
    seen = set()
    for given in paths:
        for path in _traces_in(given):
            try:
                same = path.resolve()
            except (OSError, RuntimeError) as error:
                raise _unreadable(path, error) from None
            if same not in seen:
                seen.add(same)
                yield _source(path)


def _traces_in(given: Path) -> list[Path]:
    try:
        if given.is_dir():
            found = [p for p in given.rglob("*.txt") if p.is_file() and _looks_like_one(p)]
            if not found:
                raise ObservedError(given, None, "there is no trace in this folder", "name a trace file, or its folder")
            return sorted(found, key=lambda p: (p.parent, p.stem))
        if not given.exists():
            raise ObservedError(
                given, None, "there is no such file", near_file(given) or "name a trace file, or a folder of them"
            )
        if not given.is_file():
            raise ObservedError(given, None, "this is not a file", "name a trace file, or a folder of them")
    except (OSError, ValueError) as error:
        raise _unreadable(given, error) from None
    return [given]


def _looks_like_one(path: Path) -> bool:
    """In a folder there are other texts too. A trace is called events, or has a line of one near its beginning."""
    if re.match(r"events(-|$)", path.stem):
        return True
    try:
        with path.open("rb") as file:
            lines = file.read(4096).decode("utf-8", "replace").splitlines()
    except OSError as error:
        raise _unreadable(path, error) from None
    return any(raw.is_line(line) or collapsed.is_line(line) for line in lines)


def _unreadable(path: Path, error: Exception) -> ObservedError:
    what = error.strerror if isinstance(error, OSError) else None
    why = f"it can't be read: {what or type(error).__name__}"
    return ObservedError(path, None, why, near_file(path) or "name a file that can be")


def text_of(path: Path) -> str:
    """The whole text of a file, or an ObservedError."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    if len(data) > LARGEST_FILE:
        raise ObservedError(path, None, f"it is larger than {LARGEST_FILE >> 20} MiB", "name the trace of one run")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ObservedError(path, line, "this is not text (not UTF-8)", "name a trace, not a binary file") from None


def _lines(path: Path) -> list[str]:
    text = text_of(path)
    if not text.strip():
        raise ObservedError(path, None, "it is empty", "record the run again")
    lines = text.split("\n")
    if lines[-1]:
        raise ObservedError(
            path,
            len(lines),
            "the last line has no end, so it may be cut short",
            "record the run again, or end the line",
        )
    lines = [line.removesuffix("\r") for line in lines[:-1]]
    for number, line in enumerate(lines, 1):
        if len(line) > LONGEST_LINE:
            raise ObservedError(path, number, f"the line is longer than {LONGEST_LINE} characters", "this is no trace")
        if not line.replace("\t", " ").isprintable():
            raise ObservedError(
                path, number, "the line has characters that are no text", "name a trace, not a binary file"
            )
    return lines


def _source(path: Path) -> Source:
    lines = _lines(path)
    first = next(line for line in lines if line.strip())
    acts = raw.acts(path, lines) if raw.is_line(first) else collapsed.acts(path, lines)
    command, complete, why = _case(path) if path.stem.startswith("events") else (_command(path.stem), True, "")
    if command is None:
        raise ObservedError(
            path,
            None,
            "its name does not tell which operation it is of",
            f"name it after one of {', '.join([*COMMANDS, *OUTSIDE])}",
        )
    operation = KNOWN.get(command)
    if acts.killed and complete:
        complete, why = False, "the run was killed half-way"
    if operation is None:
        why = OUTSIDE.get(command, f"`{command}` is no command of xl that is known here")
    return Source(path, acts, operation, complete, why)


def _command(stem: str) -> str | None:
    """The command that a name begins with: `network-attach-2nd` is of network-attach."""
    return next((c for c in KNOWN if stem == c or stem.startswith(f"{c}-")), None)


def _case(path: Path) -> tuple[str, bool, str]:
    """What the sibling case.json says: the command, whether the run came to its end, and if not why."""
    case = path.with_name("case.json")
    if not case.is_file():
        raise ObservedError(
            path, None, "there is no case.json beside it to tell which operation it is of",
            f"put it there, or name the file after one of {', '.join([*COMMANDS, *OUTSIDE])}",
        )  # fmt: skip
    try:
        told: Any = json.loads(text_of(case))
    except (ValueError, RecursionError):
        raise ObservedError(case, None, "this is not JSON", "record the run again") from None
    if not isinstance(told, dict):
        raise ObservedError(case, None, "this is not a JSON object", "record the run again")
    command, code = _told(path.stem.partition("-")[2], told)
    if not isinstance(command, str) or not command or not command.isprintable():
        raise ObservedError(case, None, f"it does not tell which operation {path.name} is of", "give it as `op`")
    if not isinstance(code, int) or isinstance(code, bool):
        raise ObservedError(case, None, f"it does not tell the exit code of {path.name}", "give it as `rc`")
    if code == 137:
        return command, False, "the run was killed half-way"
    return command, code == 0, "" if code == 0 else f"the run failed (exit code {code})"


def _told(tag: str, told: dict[Any, Any]) -> tuple[object, object]:
    """Command and exit code: of the case itself, of one of two concurrent runs (a number), or of a later run."""
    if not tag:
        return told.get("op"), told.get("rc")
    if re.fullmatch(r"[0-9]{1,3}", tag):
        said = told.get("argv")
        argv = " ".join(map(str, said)) if isinstance(said, list) else ""
        code = re.search(rf"\brc{tag}=(-?[0-9]{{1,9}})\b", str(told.get("notes")))
        return _of_argv(argv.partition(f"[{tag}] ")[2].split("&")[0]), int(code[1]) if code else None
    return _of_argv(told.get(f"argv_{tag}")), told.get(f"rc_{tag}")


def _of_argv(argv: object) -> str | None:
    words = argv.split() if isinstance(argv, str) else []
    command = next((w for w in words[1:] if not w.startswith("-")), None)
    return "list-l" if command == "list" and "-l" in words else command
