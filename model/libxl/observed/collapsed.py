"""The collapsed format: one model-level event a line, such as `TX_WRITE /libxl/1/device  x2`.

Paths are cut to the subtree, values and hotplug scripts are not shown, equal neighbours are counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from confsync.model.libxl.observed.trace import Act, Acts, Kind, ObservedError

_LINE = re.compile(r"(?P<verb>[A-Z]+(?:_[A-Z]+)*)(?: (?P<rest>\S.*?))?(?:  x[0-9]{1,9})?")
_LOCKS = re.compile(r"(?P<name>\S+)(?: \((?P<how>[^()]*)\))?")
_PATHS = {
    "READ": Kind.READ,
    "DIRECTORY": Kind.READ,
    "WRITE": Kind.WRITE,
    "MKDIR": Kind.TOUCH,
    "SET_PERMS": Kind.TOUCH,
    "RM": Kind.REMOVE,
    "WATCH": Kind.WATCH,
    "UNWATCH": Kind.UNWATCH,
}
_PLAIN = {
    "JSON_READ": Kind.READ_TEMPLATE,
    "JSON_TMP_WRITE": Kind.DRAFT,
    "JSON_RENAME": Kind.REPLACE_TEMPLATE,
    "JSON_UNLINK": Kind.REMOVE_TEMPLATE,
    "TX_START": Kind.START,
    "TX_COMMIT": Kind.COMMIT,
    "TX_ABORT": Kind.ABORT,
}


def is_line(line: str) -> bool:
    """True if it is a line of this format."""
    return _act(line) is not None


def _act(line: str) -> Act | None:
    split = _LINE.fullmatch(line)
    read = _reader(split["verb"]) if split else None
    return read(split["verb"], split["rest"] or "") if split and read else None


def acts(path: Path, lines: list[str]) -> Acts:
    """The acts of a file in this format."""
    found: list[Act] = []
    tx = transactions = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        act = _act(line)
        if act is None:
            raise ObservedError(
                path, number, f"this is no line of a trace: {line[:60]!r}", "name a trace, or take the line out"
            )
        act.line, act.text = number, line
        if act.kind is Kind.START:
            tx = transactions = transactions + 1
        if line.startswith("TX_"):
            act.tx = tx
        if act.kind in (Kind.COMMIT, Kind.ABORT):
            tx = 0
        found.append(act)
    return Acts(tuple(found), coarse=True)


def _reader(verb: str) -> Callable[[str, str], Act | None] | None:
    if verb in _PLAIN:
        return _plain
    if verb.startswith(("XS_", "TX_")) and verb[3:] in _PATHS:
        return _at_path
    return {"LOCK": _lock, "UNLOCK": _lock, "HYPERCALL": _hypercall, "QMP": qmp}.get(verb)


def _plain(verb: str, rest: str) -> Act | None:
    return None if rest and verb.startswith("TX_") else Act(0, "", _PLAIN[verb])


def _at_path(verb: str, rest: str) -> Act | None:
    known = rest and " " not in rest and not (verb.startswith("TX_") and "WATCH" in verb)
    return Act(0, "", _PATHS[verb[3:]], rest) if known else None


def _lock(verb: str, rest: str) -> Act | None:
    found = _LOCKS.fullmatch(rest)
    if not found:
        return None
    if verb == "LOCK":
        return Act(0, "", Kind.LOCK, found["name"])
    if found["how"] == "unlink, then close":
        return Act(0, "", Kind.UNLOCK, found["name"])
    return Act(0, "", Kind.OTHER, why=f"drops `{found['name']}` otherwise than by unlink, then close")


def _hypercall(_: str, rest: str) -> Act | None:
    return Act(0, "", Kind.HYPERCALL, rest.split(maxsplit=1)[0]) if rest else None


def qmp(_: str, command: str) -> Act | None:
    """What a QMP command is: a question, or something done to QEMU."""
    if command == "qmp_capabilities" or command.startswith("query-"):
        return Act(0, "", Kind.IDLE, why="asks QEMU")
    if command in ("", "?"):
        return Act(0, "", Kind.OTHER, why="a QMP message whose command is not shown")
    return Act(0, "", Kind.OTHER, why=f"QEMU is told `{command}` (QMP): no step stands for it")
