"""Reads what `xenstore-ls -f`, with or without `-p`, has printed [tools/xenstore/xenstore_client.c, do_ls]."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import count
from pathlib import Path

from confsync.impl.audit.errors import BadInput
from confsync.impl.audit.store import Store
from confsync.impl.audit.whole import FOLDERS, Wholeness

LONGEST_LINE = 65536
"""A path has 3,072 bytes at most, a value 4,096, an escape four."""
_LINE = re.compile(r'(/[-\w/@]*) = "(.*)"(?:[ \t]*\(([^()"]*)\))?[ \t]*\r?\n?', re.ASCII)
_BEGUN = re.compile(r'/[-\w/@]* = "', re.ASCII)
_UNREADABLE = re.compile(r"(/[-\w/@]*): ?(?:\([^()]*\))?\r?\n?", re.ASCII)
_PERMISSIONS = re.compile(r"[nrwb][0-9]{1,5}(?:,[nrwb][0-9]{1,5})*")
_TREE = re.compile(r'\s*[-\w@]+ = "')
_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3})|(.))", re.DOTALL)
_LETTER = {b"n": b"\n", b"t": b"\t", b"r": b"\r"}


def read_dump(path: Path) -> Store:
    """The xenstore that the file tells of. BadInput: the file, the line and what is wrong with it."""
    store, whole = Store(), Wholeness(path)
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            for number in count(1):
                line = file.readline(LONGEST_LINE)
                if not line:
                    break
                _read_line(store, whole, line, path, number)
    except OSError as e:
        raise BadInput(path, 0, e.strerror or str(e)) from None
    if not store.local:
        raise BadInput(path, 0, "there is nothing below /local/domain: it must be all that `xenstore-ls -f -p` prints")
    whole.check(store)
    return store


def _read_line(store: Store, whole: Wholeness, line: str, path: Path, number: int) -> None:
    found = _LINE.fullmatch(line)
    if found is None:
        _read_odd(store, whole, line, path, number)
        return
    where, value, permissions = found.groups()
    if "//" in where or where[-1] == "/":
        raise BadInput(path, number, f"{where[:80]} is no path")
    if "\\" in value:
        if value.endswith("\\..."):
            raise BadInput(path, number, "the value is cut to a terminal's width: have xenstore-ls print into a file")
        value = unescape(value)
    if permissions and not _are_permissions(permissions):
        raise BadInput(path, number, f"({permissions[:80]}) are no permissions")
    if not (whole.add(where, number) and store.add(where, value, permissions or "")):
        raise BadInput(path, number, f"{where[:200]} stands here a second time")


@lru_cache(maxsize=65536)
def _are_permissions(text: str) -> bool:
    return _PERMISSIONS.fullmatch(text) is not None


def _read_odd(store: Store, whole: Wholeness, line: str, path: Path, number: int) -> None:
    """What is no node with its value. A node without one was removed while xenstore-ls ran, or may not be read."""
    if not line.strip():
        return
    if unreadable := _UNREADABLE.fullmatch(line):
        if unreadable[1].count("/") <= FOLDERS:
            reason = f"{unreadable[1][:200]} could not be read: run xenstore-ls again, as root in dom0"
            raise BadInput(path, number, reason)
        store.unreadable += 1
        whole.add(unreadable[1], number)
        return
    if len(line) >= LONGEST_LINE:
        reason = f"it has more than {LONGEST_LINE:,} characters"
    elif not line.endswith("\n"):
        reason = "the dump ends in the middle of a line"
    elif _BEGUN.match(line):
        reason = "the value has no end: the line is cut, or a value was printed with a line's end in it"
    elif _TREE.match(line):
        reason = "no path: it must be of `xenstore-ls -f`, which prints whole paths"
    else:
        reason = f"no line of `xenstore-ls -f`: {line[:60]!a}"
    raise BadInput(path, number, reason)


def unescape(value: str) -> str:
    """A value as it is in xenstore, from how xenstore-ls prints it [sanitise_value]."""
    raw = _ESCAPE.sub(_unescaped, value.encode("utf-8", "surrogateescape"))
    return raw.decode("utf-8", "surrogateescape")


def _unescaped(found: re.Match[bytes]) -> bytes:
    if found[1]:
        return bytes([int(found[1], 16)])
    if found[2]:
        return bytes([int(found[2], 8) & 255])
    return _LETTER.get(found[3], found[3])
