"""What the readers of xl's device spellings share: words split at commas, parameters that are each read once, numbers.

A reader takes each parameter that it knows from `Parameters`; `finish` refuses whatever no reader has taken, so no word
of a spelling is dropped in silence.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from confsync.impl.errors import InvalidArgument
from confsync.impl.kinds import Json
from confsync.terminal.text import quoted

MOST_INT = 2**31 - 1
"""The largest value of an `integer` of libxl's JSON."""
MOST_UINT32 = 2**32 - 1
_DECIMAL = re.compile(r"[0-9]{1,18}")
_C_NUMBER = re.compile(r"(0[xX][0-9a-fA-F]{1,15})|(0[0-7]{0,20})|([1-9][0-9]{0,17})")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def words(text: str) -> list[str]:
    """The words between the commas, without the blanks before each; empty words do not count [strtok]."""
    return [word.lstrip(" ") for word in text.split(",") if word.strip()]


def decimal(name: str, text: str, most: int = MOST_INT, least: int = 0) -> int:
    """A number in decimal digits [atoi, strtoul(..., 10)]. InvalidArgument: it is none, or out of range."""
    found = text.strip()
    if not _DECIMAL.fullmatch(found) or not least <= int(found) <= most:
        raise InvalidArgument(f"{name} is {quoted(text)}, and must be a whole number from {least} to {most}")
    return int(found)


def c_number(name: str, text: str, most: int = MOST_UINT32, least: int = 0) -> int:
    """A number as C writes one: 0x1f is hexadecimal and 017 octal [strtoul(..., 0)]. InvalidArgument."""
    found = _C_NUMBER.fullmatch(text.strip())
    if not found:
        octal = ", and one that begins with 0 is octal" if re.fullmatch(r"0[0-9]+", text.strip()) else ""
        raise InvalidArgument(f"{name} is {quoted(text)}, and must be a whole number from {least} to {most}{octal}")
    base = 16 if found[1] else 8 if found[2] else 10
    value = int(found[0], base)
    if not least <= value <= most:
        raise InvalidArgument(f"{name} is {quoted(text)}, and must be a whole number from {least} to {most}")
    return value


def choice(name: str, text: str, known: Iterable[str], *, any_case: bool = True) -> str:
    """One of the names of an enumeration, in lower case as libxl's JSON has it. `any_case`: libxl's own reader takes
    upper case too [libxl__enum_from_string]. InvalidArgument."""
    allowed, found = tuple(known), text.lower() if any_case else text
    if found not in allowed:
        raise InvalidArgument(f"{quoted(text)} is no {name}: there are {', '.join(allowed)}")
    return found


def uuid_text(text: str) -> str:
    """A uuid in its one spelling, 8-4-4-4-12 hexadecimal digits [uuid_parse]. InvalidArgument."""
    if not _UUID.fullmatch(text):
        raise InvalidArgument(f"{quoted(text)} is no uuid: it is such as 02c1497c-0060-444c-9188-579296d5d4d0")
    return text.lower()


def without_defaults(fields: Mapping[str, Json]) -> dict[str, Json]:
    """The fields that libxl's JSON has: it leaves out what was not given, numbers that are 0, and what is False."""
    return {name: value for name, value in fields.items() if value is not None and value != 0}


class Parameters:
    """The parameters `key=value` of one device, and the words that are flags. Each can be given once, and is taken by
    the reader that knows it."""

    def __init__(self, given: Iterable[str], flags: Collection[str] = (), *, trim: bool = False) -> None:
        """`trim`: blanks around a key and a value do not belong to it [split_string_into_pair with isspace].
        InvalidArgument: a word that is neither, or a parameter that is given twice."""
        self._given: dict[str, str] = {}
        self._asked: list[str] = []
        self.flags: list[str] = []
        for at, word in enumerate(given, start=1):
            key, equals, value = word.partition("=")
            if trim:
                key, value = key.strip(), value.strip()
            if not equals and word in flags:
                self.flags.append(word)
            elif not equals:
                also = f", nor one of {', '.join(flags)}" if flags else ""
                raise InvalidArgument(f"word {at}, {quoted(word)}, is not of the form key=value{also}")
            elif key in self._given:
                raise InvalidArgument(f"{quoted(key)} is given twice (word {at})")
            else:
                self._given[key] = value
        self._flags = flags

    def text(self, key: str) -> str | None:
        """The value as it is, or None."""
        self._asked.append(key)
        return self._given.get(key)

    def needed(self, key: str, what: str) -> str:
        """The value, which may not be missing or empty. InvalidArgument says `what` it is for."""
        value = self.text(key)
        if not value:
            raise InvalidArgument(f"it has no {key}: {what}")
        return value

    def decimal(self, key: str, most: int = MOST_INT, least: int = 0) -> int | None:
        """The value as a decimal number. InvalidArgument."""
        value = self.text(key)
        return None if value is None else decimal(key, value, most, least)

    def c_number(self, key: str, most: int = MOST_UINT32, least: int = 0) -> int | None:
        """The value as a number of C. InvalidArgument."""
        value = self.text(key)
        return None if value is None else c_number(key, value, most, least)

    def boolean(self, key: str) -> bool | None:
        """The value as a number that is 0 or not. InvalidArgument."""
        value = self.c_number(key)
        return None if value is None else bool(value)

    def choice(self, key: str, known: Iterable[str]) -> str | None:
        """The value as one of an enumeration's names. InvalidArgument."""
        value = self.text(key)
        return None if value is None else choice(key, value, known)

    def backend(self) -> str | None:
        """The driver domain, by its name or its number, as it was given. InvalidArgument if it is empty."""
        value = self.text("backend")
        if value == "":
            raise InvalidArgument("backend is empty, and must be a domain's name or number")
        return value

    def finish(self) -> None:
        """InvalidArgument if a parameter was given that no reader has asked for."""
        left = [key for key in self._given if key not in self._asked]
        if left:
            known = ", ".join([*self._asked, *self._flags])
            raise InvalidArgument(f"there is no parameter {quoted(left[0])} here: there are {known}")
