"""Readers of one value of a configuration file: a text, a number, a name of an enumeration, a list [libxlu_cfg.c].

xl warns of a value that it cannot read, and goes on as if it were not there. Here such a value is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from confsync.impl.command.xl_syntax import Value
from confsync.impl.command.xl_words import MOST_INT, MOST_UINT32, c_number, choice
from confsync.impl.errors import InvalidArgument
from confsync.impl.kinds import Json
from confsync.terminal.text import quoted

MOST_KIB = 10**12
"""The most memory, in KiB, that is read as an amount."""
MOST_COLOURS = 1 << 12
"""The most colours of a cache that are read, and the largest."""
Reader = Callable[[Value], Json]
T = TypeVar("T")
_RANGE = re.compile(r"(?:0[xX])?([0-9a-fA-F]{1,8})(?:-(?:0[xX])?([0-9a-fA-F]{1,8}))?")
_FRAMES = re.compile(r"(?:0[xX])?([0-9a-fA-F]{1,15}),(?:0[xX])?([0-9a-fA-F]{1,15})(?:@(?:0[xX])?([0-9a-fA-F]{1,15}))?")


def text(value: Value) -> str:
    """A text, or a number as it is written. InvalidArgument."""
    if isinstance(value, list):
        raise InvalidArgument("it must be one value, and is a list")
    return value


def number(least: int = 0, most: int = MOST_INT) -> Callable[[Value], int]:
    """A reader of numbers in a range, as C writes them."""

    def read(value: Value) -> int:
        found = text(value)
        if found.startswith("-") and least < 0:
            return -c_number("it", found[1:], -least)
        return c_number("it", found, most, max(least, 0))

    return read


def unsigned(value: Value) -> int:
    """A number that libxl keeps in 32 bits without a sign: a negative one wraps around."""
    return number(-(2**31), MOST_UINT32)(value) & MOST_UINT32


def boolean(value: Value) -> str:
    """A number that is 0 or not, as libxl writes a truth [xlu_cfg_get_defbool]."""
    return str(bool(number(-MOST_INT)(value)))


def mebibytes_between(least: int, most: int) -> Callable[[Value], int]:
    """A reader of amounts in MiB, as KiB."""
    return lambda value: number(least, most)(value) * 1024


mebibytes = mebibytes_between(0, MOST_KIB // 1024)
"""Any amount in MiB, as KiB."""


def name_of(*known: str, any_case: bool = True) -> Reader:
    """A reader of an enumeration's names, which xl calls as libxl does."""
    return lambda value: choice("value here", text(value), known, any_case=any_case)


def named(names: dict[str, str]) -> Reader:
    """A reader of names, and what libxl calls each."""
    return lambda value: names[choice("value here", text(value), names, any_case=False)]


def name_or_number(*known: str) -> Reader:
    """A reader of an enumeration's names, or their numbers from 0."""

    def read(value: Value) -> Json:
        found = text(value)
        return known[number(0, len(known) - 1)(found)] if found.isdigit() else choice("value here", found, known)

    return read


def items(value: Value) -> list[str]:
    """The texts of a list. InvalidArgument: it is no list, or holds one."""
    if not isinstance(value, list):
        raise InvalidArgument("it must be a list, such as [ '...' ]")
    found: list[str] = []
    for at, item in enumerate(value):
        if isinstance(item, list):
            raise InvalidArgument(f"[{at}] must be a text, and is a list")
        found.append(item)
    return found


def texts(value: Value) -> Json:
    """A list of texts, as libxl writes it."""
    return [*items(value)]


def texts_or_words(value: Value) -> Json:
    """A list of texts; or one text, whose words they are."""
    return [*value.split()] if isinstance(value, str) else texts(value)


def each(read: Callable[[str], T]) -> Callable[[Value], list[T]]:
    """A reader of lists, with a reader of their texts. InvalidArgument says which text is wrong."""

    def read_all(value: Value) -> list[T]:
        found: list[T] = []
        for at, item in enumerate(items(value)):
            try:
                found.append(read(item))
            except InvalidArgument as e:
                raise InvalidArgument(f"[{at}]: {e}") from None
        return found

    return read_all


def ports(item: str) -> Json:
    """A range of I/O ports, in hexadecimal: `3f8-3ff`."""
    found = _RANGE.fullmatch(item)
    first, last = (int(part or found[1], 16) for part in found.groups()) if found else (1, 0)
    if last < first:
        raise InvalidArgument(f"{quoted(item)} is no range of ports: it is such as 2f8-2ff, in hexadecimal")
    return {"first": first, "number": last - first + 1} if first else {"number": last + 1}


def frames(item: str) -> Json:
    """A range of memory frames, in hexadecimal: `START,NUMBER@GFN`."""
    found = _FRAMES.fullmatch(item)
    if not found:
        raise InvalidArgument(f"{quoted(item)} is no range of frames: it is such as f0,2@100, in hexadecimal")
    names: Sequence[str] = ("start", "number", "gfn")
    whole = {name: int(part, 16) for name, part in zip(names, found.groups(), strict=True) if part}
    return {name: value for name, value in whole.items() if value or name == "gfn"}


def irq(item: str) -> Json:
    """The number of an interrupt."""
    return number(0, MOST_UINT32 - 1)(item)


def colours(value: Value) -> Json:
    """Colours of the last-level cache: numbers, and ranges of them such as 2-6."""
    found: list[Json] = []
    for item in items(value):
        first, _, last = item.partition("-")
        low, high = number(0, MOST_COLOURS)(first), number(0, MOST_COLOURS)(last or first)
        if high < low:
            raise InvalidArgument(f"{quoted(item)} is no range of colours: it is such as 2-6")
        if len(found) + high - low >= MOST_COLOURS:
            raise InvalidArgument(f"there are more than {MOST_COLOURS} colours")
        found += range(low, high + 1)
    return found
