"""The JSON that libxl writes: bytes to a value, strictly, and back to the same bytes [libxl_json.c, yajl_gen.c].

What is not such a text is an error that names the file, the place and the reason; nothing is guessed.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from json.encoder import encode_basestring
from math import isfinite
from pathlib import Path
from typing import NoReturn, cast

from confsync.impl.errors import MalformedConfiguration
from confsync.impl.kinds import Json

MOST_BYTES = 16 << 20
"""A template of 1,000 devices has 200 KiB."""
MOST_LEVELS = 100
"""libxl's own have six."""
LEAST_INTEGER, MOST_INTEGER = -(2**63), 2**64 - 1
"""What the types of libxl_types.idl can hold."""

TOO_LARGE = "a number that is too large"
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NOT_BRACKETS = bytes(sorted(set(range(256)) - set(b"[]{}")))
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


class Exact(float):
    """A number with a fraction or an exponent, as it was written: unknown fields survive untouched."""

    __slots__ = ("text",)

    def __new__(cls, text: str) -> Exact:
        """`text`: as JSON has it."""
        made = super().__new__(cls, text)
        made.text = text
        return made

    text: str


@dataclass(frozen=True, slots=True)
class _Constant:
    """NaN or Infinity, until it is known where it stands."""

    name: str

    def __str__(self) -> str:
        return f"{self.name}, which is no JSON"


class _Repeating(dict[str, Json]):
    """An object that had a key twice: it has the first, as libxl takes the first [libxl__json_map_get]."""

    key: str


def read_bounded(path: Path, most: int = MOST_BYTES) -> bytes:
    """The file's bytes. MalformedConfiguration, before it is read, if it has more than `most`, or is no regular file;
    OSError."""
    with open(path, "rb", opener=_without_waiting) as file:  # Path.open takes no opener
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise MalformedConfiguration(str(path), "", "no regular file")
        size = status.st_size
        data = b"" if size > most else file.read(most + 1)
    if max(size, len(data)) > most:
        raise MalformedConfiguration(str(path), "", f"{max(size, len(data)):,} bytes: more than {most:,}")
    return data


def _without_waiting(path: str, flags: int) -> int:
    """Nobody may ever write into a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def decode(data: bytes, source: str, most: int = MOST_BYTES, notes: list[str] | None = None) -> dict[str, Json]:
    """The object that the bytes stand for, read as libxl reads it: a NUL ends the text, and of a key that an object has
    twice the first counts [libxl__userdata_store, libxl__json_map_get].

    `source`: the file's name, for the error, MalformedConfiguration. `notes`: gets what of the text was passed over.
    """
    if len(data) > most:
        raise MalformedConfiguration(source, "", f"{len(data):,} bytes: more than {most:,}")
    body, _, rest = data.partition(b"\0")
    if notes is not None and rest.strip(b"\0"):
        notes.append(f"{len(rest):,} bytes after the NUL that ends the text are passed over")
    if not body.strip(b" \t\r\n"):
        raise MalformedConfiguration(source, "", "empty: it was never written, or lost when the host went down")
    if body.startswith(b"\xef\xbb\xbf"):
        raise MalformedConfiguration(source, "line 1, column 1", "a byte order mark: JSON begins without one")
    try:
        text = body.decode()
    except UnicodeDecodeError as e:
        raise MalformedConfiguration(source, _line_and_column(body, e.start), "not UTF-8") from None
    _check_depth(body, source)
    value = _value(text, source, [] if notes is None else notes)
    if not isinstance(value, dict):
        raise MalformedConfiguration(source, "", f"{_kind(value)}, where an object must be")
    return value


def _check_depth(body: bytes, source: str) -> None:
    brackets = _STRING.sub(b"", body).translate(None, _NOT_BRACKETS)
    if max(accumulate(map(_STEP.__getitem__, brackets)), default=0) > MOST_LEVELS:
        raise MalformedConfiguration(source, "", f"nested more than {MOST_LEVELS} levels deep")


def _value(text: str, source: str, notes: list[str]) -> Json:
    odd: list[object] = []

    def pairs(found: list[tuple[str, Json]]) -> object:
        made = dict(found)
        if len(made) == len(found):
            return made
        first = _Repeating()
        for key, below in found:
            first.setdefault(key, below)
        first.key = next(key for key, times in Counter(key for key, _ in found).items() if times > 1)
        odd.append(first)
        return first

    def constant(name: str) -> object:
        odd.append(_Constant(name))
        return odd[-1]

    def whole(written: str) -> int:
        if len(written) > 18:
            odd.append(written)
        return int(written) if len(written) < 40 else MOST_INTEGER + 1  # int() takes quadratic time, or refuses

    def fraction(written: str) -> Exact:
        odd.append(written)
        return Exact(written)

    try:
        value = json.loads(
            text, object_pairs_hook=pairs, parse_constant=constant, parse_int=whole, parse_float=fraction
        )
    except json.JSONDecodeError as e:
        reason = "the text ends too early" if e.pos >= len(text.rstrip()) or "Unterminated" in e.msg else e.msg
        raise MalformedConfiguration(source, f"line {e.lineno}, column {e.colno}", _lower(reason)) from None
    if odd or "\\u" in text:
        for where, item in _walk("", value):
            if isinstance(item, _Repeating):
                notes.append(f"the key {join(where, item.key)} stands there twice: the first counts")
            if wrong := _wrong(item):
                raise MalformedConfiguration(source, where, wrong)
    return cast("Json", value)


def _walk(where: str, value: object) -> Iterator[tuple[str, object]]:
    """Each value with its place; a key's place is that of its object."""
    yield where, value
    if isinstance(value, dict):
        for key, below in value.items():
            yield where, key
            yield from _walk(join(where, key), below)
    elif isinstance(value, list):
        for n, below in enumerate(value):
            yield from _walk(f"{where}[{n}]", below)


def join(where: str, key: str) -> str:
    """The place of a key in the object at `where`; such as `disks[2].vdev`."""
    said = key if re.fullmatch(r"[\w.-]{1,80}", key) else json.dumps(key)[:80]
    return f"{where}.{said}" if where else said


def _wrong(value: object) -> str:
    match value:
        case _Constant():
            return str(value)
        case str() if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
            return "half of a surrogate pair, which is no character"
        case str() if "\0" in value:
            return "a string with a NUL in it, where C would end it"
        case Exact() if not isfinite(value):
            return TOO_LARGE
        case int() if not LEAST_INTEGER <= value <= MOST_INTEGER:
            return TOO_LARGE
        case _:
            return ""


def _line_and_column(body: bytes, at: int) -> str:
    """Of a byte; columns count characters."""
    begin = body.rfind(b"\n", 0, at) + 1
    line, column = body.count(b"\n", 0, at) + 1, len(body[begin:at].decode(errors="replace")) + 1
    return f"line {line}, column {column}"


def _lower(reason: str) -> str:
    return reason[:1].lower() + reason[1:]


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a truth value"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
    return "an object"


def expect(source: str, where: str, value: object, what: str) -> NoReturn:
    """Refuse a value for its type. `what`: what must be there, such as `an array`."""
    raise MalformedConfiguration(source, where, f"{_kind(value)}, where {what} must be")


def encode(value: Mapping[str, Json] | list[Json]) -> bytes:
    """The bytes that libxl would write for the value: yajl's, beautified with four spaces, a newline, a NUL."""
    out: list[str] = []
    _write(value, "\n", out)
    return "".join(out).encode() + b"\n\0"


def _write(value: Json | Mapping[str, Json], newline: str, out: list[str]) -> None:
    """`newline`: a line's end, and the next one's indent."""
    match value:
        case str():
            out.append(_string(value))
        case bool():
            out.append("true" if value else "false")
        case None:
            out.append("null")
        case Exact():
            out.append(value.text)
        case int():
            out.append(int.__repr__(value))
        case float():
            out.append(_fraction(value))
        case Mapping():
            _write_object(value, newline, out)
        case _:
            _write_array(value, newline, out)


def _write_object(value: Mapping[str, Json], newline: str, out: list[str]) -> None:
    inner = newline + "    "
    begin = "{" + inner
    for key, below in value.items():
        out.append(f"{begin}{_string(key)}: ")
        if type(below) is str:
            out.append(_string(below))
        else:
            _write(below, inner, out)
        begin = "," + inner
    out.append(newline + "}" if value else "{\n" + newline + "}")


def _write_array(value: Sequence[Json], newline: str, out: list[str]) -> None:
    inner = newline + "    "
    begin = "[" + inner
    for below in value:
        out.append(begin)
        _write(below, inner, out)
        begin = "," + inner
    out.append(newline + "]" if value else "[\n" + newline + "]")


def _string(value: str) -> str:
    written = encode_basestring(value)
    if "\\u00" in written:  # yajl's hexadecimal digits are capitals; an escaped backslash before a `u` is none
        return re.sub(r"\\(?:\\|u00[01][0-9a-f])", lambda found: _capitals(found[0]), written)
    return written


def _capitals(escape: str) -> str:
    return escape if escape == "\\\\" else "\\u" + escape[2:].upper()


def _fraction(value: float) -> str:
    """As yajl writes it [yajl_gen_double]."""
    if not isfinite(value):
        raise ValueError(f"{value} is no JSON")
    written = f"{value:.20g}"
    return written if set(written) - set("0123456789-") else written + ".0"
