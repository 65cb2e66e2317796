"""SQLite's write-ahead log, read without SQLite and so without a change to any file.

Its format: https://sqlite.org/fileformat2.html#walformat
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_LITTLE, _BIG = 0x377F0682, 0x377F0683
_VERSION = 3007000
HEADER_BYTES = _HEADER.size
Sums = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Log:
    """What a log says of its database."""

    pages: dict[int, bytes]
    """The committed pages, by number from 1."""
    page_count: int
    """The database's size in pages after the last commit; 0: nothing was committed."""
    damaged: bool
    """Changes follow that were committed and cannot be read: a power cut does not leave that."""


EMPTY = Log({}, 0, damaged=False)


def read_log(text: bytes, page_bytes: int) -> Log:
    """Read a log, as SQLite's recovery does: up to the last commit before the first frame that is not whole.

    `page_bytes`: the database's page size. A commit is on the disk before a later transaction is begun, so only the
    last transaction can be torn; frames of a transaction after a torn one mean that the log was damaged."""
    if not text:
        return EMPTY
    if len(text) < HEADER_BYTES:
        return Log({}, 0, damaged=False)  # killed while it wrote the header: no frame was written
    magic, version, size, _, salt1, salt2, *sums = _HEADER.unpack_from(text)
    frame = _FRAME.size + page_bytes
    whole = magic in (_LITTLE, _BIG) and version == _VERSION and size == page_bytes
    order = "<" if magic == _LITTLE else ">"
    if not whole or _sums(text[:24], (0, 0), order) != (sums[0], sums[1]):
        return Log({}, 0, damaged=len(text) > HEADER_BYTES)  # frames are written after the header is on the disk
    return _frames(text, frame, (salt1, salt2), (sums[0], sums[1]), order)


def _frames(text: bytes, frame: int, salts: Sums, sums: Sums, order: str) -> Log:
    pages: dict[int, bytes] = {}
    pending: dict[int, bytes] = {}
    count, start = 0, HEADER_BYTES
    while start + frame <= len(text):
        number, commit, salt1, salt2, sum1, sum2 = _FRAME.unpack_from(text, start)
        page = text[start + _FRAME.size : start + frame]
        sums = _sums(page, _sums(text[start : start + 8], sums, order), order)
        if (salt1, salt2) != salts or (sum1, sum2) != sums or not number:
            return Log(pages, count, damaged=_more_was_committed(text, frame, start, salts))
        pending[number] = page
        if commit:
            pages |= pending
            pending, count = {}, commit
        start += frame
    return Log(pages, count, damaged=False)


def _more_was_committed(text: bytes, frame: int, start: int, salts: Sums) -> bool:
    """True if, from this frame on, a transaction of this log follows a commit of this log."""
    committed = False
    for _, commit, *found in _headers(text, frame, start):
        if (found[0], found[1]) == salts:
            if committed:
                return True
            committed = commit != 0
    return False


def _headers(text: bytes, frame: int, start: int) -> Iterator[tuple[int, ...]]:
    for place in range(start, len(text) - frame + 1, frame):
        yield _FRAME.unpack_from(text, place)


def _sums(text: bytes, before: Sums, order: str) -> Sums:
    one, two = before
    words = iter(struct.unpack(f"{order}{len(text) // 4}I", text))
    for even, odd in zip(words, words, strict=True):
        one = (one + even + two) & 0xFFFFFFFF
        two = (two + odd + one) & 0xFFFFFFFF
    return one, two
