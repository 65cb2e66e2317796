"""A domain's configuration file as xl reads it, to a template [xl.cfg(5); libxlu_cfg_l.l, libxlu_cfg_y.y]."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from impl.command.xl_devices import device_entry
from impl.errors import InvalidArgument, MalformedConfiguration
from impl.kinds import DISK, NIC, P9, PCI, USBCTRL, USBDEV, VDISPL, VKB, VTPM, Json, Kind
from impl.operations.create import MOST_VCPUS

_TOKEN = re.compile(
    r"""(?P<skip>[ \t\r]+|\#[^\n]*|\\\n)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<number>[0-9][0-9a-zA-Z]*)
    |(?P<string>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")|(?P<mark>\+=|[=\[\],;\n])""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|([0-7]{1,3})|(.))")
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"', "'": "'"}
Value = str | int | list[str]
MOST_KIB = 10**12
"""The most memory, in KiB, that is read as an amount; and the largest number."""
_NUMBER = re.compile(r"[0-9]{1,18}")
LISTS: Mapping[str, Kind] = {
    "disk": DISK, "vif": NIC, "vtpm": VTPM, "pci": PCI, "usbctrl": USBCTRL, "usbdev": USBDEV, "p9": P9, "vkb": VKB,
    "vdispl": VDISPL,
}  # fmt: skip
"""The lists of devices, and of what kind."""


@dataclass(frozen=True, slots=True)
class Read:
    """What a file says. `ignored`: the keys in it that are not about anything that is kept here."""

    value: dict[str, Json]
    ignored: tuple[str, ...]


def read_config(text: str, source: str) -> Read:
    """The template's value for an xl configuration. MalformedConfiguration names the file, the line and the reason."""
    given = parse(text, source)
    try:
        return _template(given)
    except InvalidArgument as e:
        raise MalformedConfiguration(source, "", str(e)) from None


def parse(text: str, source: str) -> dict[str, Value]:
    """Names and values. MalformedConfiguration."""
    tokens = _Tokens(text, source)
    given: dict[str, Value] = {}
    while tokens.skip_ends():
        name = tokens.take("name", "a name, such as memory")
        adds = tokens.peek() == ("mark", "+=")
        tokens.mark("+=" if adds else "=")
        value = _value(tokens)
        given[name] = _added(tokens, name, given[name], value) if adds and name in given else value
        tokens.end()
    return given


def _added(tokens: _Tokens, name: str, before: Value, more: Value) -> Value:
    """What `+=` makes of both [xlu__cfg_concat_vals]."""
    if isinstance(before, list) and isinstance(more, list):
        return [*before, *more]
    if isinstance(before, str) and isinstance(more, str):
        return before + more
    raise tokens.wrong(f"`{name}` cannot be added to: only a list to a list, and a text to a text")


def _value(tokens: _Tokens) -> Value:
    kind, text = tokens.peek()
    if (kind, text) == ("mark", "["):
        tokens.next()
        return list(_items(tokens))
    if kind == "number":
        tokens.next()
        try:
            return int(text, 0)
        except ValueError:
            raise tokens.wrong(f"{text!r} is no number") from None
    return tokens.string("a value: a number, a text in quotes, or a list in [ ]")


def _items(tokens: _Tokens) -> Iterator[str]:
    while True:
        while tokens.peek() == ("mark", "\n"):
            tokens.next()
        if tokens.peek() == ("mark", "]"):
            tokens.next()
            return
        yield tokens.string("a text in quotes, or ]")
        while tokens.peek() == ("mark", "\n"):
            tokens.next()
        if tokens.peek() != ("mark", "]"):
            tokens.mark(",")


class _Tokens:
    """The words of a file, one after another."""

    def __init__(self, text: str, source: str) -> None:
        self._source, self._line = source, 1
        self._found: list[tuple[str, str, int]] = []
        at = 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if not match or match.lastgroup is None:
                raise self.wrong(f"{text[at]!r} cannot stand here")
            if match.lastgroup != "skip":
                self._found.append((match.lastgroup, match[0], self._line))
            self._line += match[0].count("\n")
            at = match.end()
        self._next = 0

    def wrong(self, reason: str) -> MalformedConfiguration:
        return MalformedConfiguration(self._source, f"line {self._line}", reason)

    def peek(self) -> tuple[str, str]:
        if self._next == len(self._found):
            return "end", "the end of the file"
        kind, text, self._line = self._found[self._next]
        return kind, text

    def next(self) -> None:
        self._next += 1

    def take(self, kind: str, what: str) -> str:
        found, text = self.peek()
        if found != kind:
            raise self.wrong(f"{text.strip() or 'the end of the line'!r} stands where {what} must")
        self.next()
        return text

    def string(self, what: str) -> str:
        """A text in quotes, without them and its escapes [xlu__cfgl_dequote]."""
        return _ESCAPE.sub(self._unescaped, self.take("string", what)[1:-1])

    def _unescaped(self, found: re.Match[str]) -> str:
        code, octal, letter = found.groups()
        if not letter:
            number = int(code, 16) if code else int(octal, 8)
            if not 0 < number < 128:
                raise self.wrong(f"{found[0]!r} is no ASCII character: write the character itself")
            return chr(number)
        if letter not in _LETTERS:
            raise self.wrong(f"there is no escape {found[0]!r}: a backslash itself is written twice")
        return _LETTERS[letter]

    def mark(self, wanted: str) -> None:
        if self.peek() != ("mark", wanted):
            raise self.wrong(f"{self.peek()[1].strip() or 'the end of the line'!r} stands where {wanted!r} must")
        self.next()

    def end(self) -> None:
        if self.peek()[0] != "end" and self.peek()[1] not in ("\n", ";"):
            raise self.wrong(f"{self.peek()[1]!r} stands where the line must end")

    def skip_ends(self) -> bool:
        """False at the end of the file."""
        while self.peek() in (("mark", "\n"), ("mark", ";")):
            self.next()
        return self.peek()[0] != "end"


def _template(given: dict[str, Value]) -> Read:
    left = dict(given)
    info: dict[str, Json] = {"type": _type(left)}
    build: dict[str, Json] = {}
    for key in ("name", "uuid"):
        if key in left:
            info[key] = _text(key, left.pop(key))
    memory = _whole("memory", left.pop("memory", 128)) * 1024
    limit = _whole("maxmem", left.pop("maxmem", memory // 1024)) * 1024
    if not 0 < memory <= limit <= MOST_KIB:
        raise InvalidArgument(f"`memory` is {memory // 1024} MiB: from 1 to the limit, `maxmem`, {limit // 1024}")
    build |= {"target_memkb": memory, "max_memkb": limit}
    online = _whole("vcpus", left.pop("vcpus", 1))
    build["max_vcpus"] = most = _whole("maxvcpus", left.pop("maxvcpus", online))
    if not 1 <= online <= most <= MOST_VCPUS:
        raise InvalidArgument(
            f"{online} vcpus of {most}: there must be 1 to {MOST_VCPUS}, and no more online than that"
        )
    build["avail_vcpus"] = list(range(online))
    for key in ("kernel", "ramdisk", "cmdline"):
        if key in left:
            build[key] = _text(key, left.pop(key))
    scheduling: dict[str, Json] = {
        ours: _whole(key, left.pop(key)) for key, ours in (("cpu_weight", "weight"), ("cap", "cap")) if key in left
    }
    if scheduling:
        build["sched_params"] = scheduling
    value: dict[str, Json] = {"c_info": info, "b_info": build}
    for key, kind in LISTS.items():
        texts = left.pop(key, [])
        if not isinstance(texts, list):
            raise InvalidArgument(f"`{key}` must be a list, such as {key} = [ '...' ]")
        if texts:
            value[kind.array] = [device_entry(kind, text) for text in texts]
    for key in ("on_poweroff", "on_reboot", "on_crash"):
        if key in left:
            value[key] = _text(key, left.pop(key)).replace("-", "_")
    return Read(value, tuple(left))


def _type(left: dict[str, Value]) -> str:
    builder = left.pop("builder", None)
    kind = _text("type", left.pop("type", "hvm" if builder == "hvm" else "pv"))
    if kind not in ("pv", "hvm", "pvh"):
        raise InvalidArgument(f"`type` is {kind!r}, and must be pv, hvm or pvh")
    return kind


def _text(key: str, value: Value) -> str:
    if not isinstance(value, str):
        raise InvalidArgument(f"`{key}` must be a text in quotes")
    return value


def _whole(key: str, value: Value) -> int:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or value > MOST_KIB:
        raise InvalidArgument(f"`{key}` must be a whole number, up to {MOST_KIB}")
    return value
