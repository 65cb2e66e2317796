"""The checksum that each row carries: SQLite itself does not notice a byte that changed within a value."""

from __future__ import annotations

from zlib import crc32


def checksum(*values: bytes | str | int) -> int:
    """The CRC-32 of the values; each is preceded by its length, so that no byte can move from one to the next."""
    found = 0
    for value in values:
        text = value if isinstance(value, bytes) else str(value).encode()
        found = crc32(b"%d:" % len(text) + text, found)
    return found


class Damaged(Exception):
    """A row is not what was written. The message names the row and what is wrong with it."""


def require_checksum(what: str, expected: object, *values: bytes | str | int) -> None:
    """Damaged unless the values have this checksum. `what`: the row, in words."""
    if checksum(*values) != expected:
        raise Damaged(f"{what} does not have the content that was written")
