"""The syntax of xl's configuration files: names, and values that are texts or lists [libxlu_cfg_l.l, libxlu_cfg_y.y].

A number is a text to xl, `5` the same as `'5'`: it is read as a number where one is needed. What xl's scanner refuses
is refused: capital letters in a name, Python, a line that goes on after a backslash, the line ends of DOS.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from confsync.impl.errors import MalformedConfiguration
from confsync.terminal.text import quoted

_TOKEN = re.compile(
    r"""(?P<skip>[ \t]+)|(?P<name>[a-z][._0-9a-z]*)|(?P<number>[0-9][0-9a-fx]*)
    |(?P<string>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")|(?P<comment>\#[^\n]*\n)|(?P<mark>\+=|[=\[\],;\n])""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(.)")
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"', "'": "'"}
_WHY = {
    "\r": "a carriage return: the lines of the file must end in a line feed alone",
    "#": "a comment must end with a line feed, and the last one of the file has none",
    "\\": "a backslash: a list goes on in the next line without one",
}
MOST_NESTED = 8
"""How deep lists are read in lists: xl.cfg(5) has none deeper than two."""
Value = str | list["Value"]


@dataclass(frozen=True, slots=True)
class Setting:
    """What a name is set to, and where. `added`: by `+=`, which xl does not let a number be."""

    value: Value
    line: int
    added: bool = False


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


def parse(text: str, source: str) -> dict[str, Setting]:
    """The settings of a file; of two of one name the last counts. MalformedConfiguration names the line."""
    return dict(_Parser(text, source).settings())


class _Parser:
    """The words of a file, one after another."""

    def __init__(self, text: str, source: str) -> None:
        self._source = source
        self._tokens = list(self._scan(text))
        self._next = 0

    def settings(self) -> Iterator[tuple[str, Setting]]:
        seen: dict[str, Setting] = {}
        while self._skip_ends():
            _, name, line = self._take("name", "a name, such as memory")
            added = self._found("+=")
            if not added:
                self._mark("=")
            value = self._value(0)
            if added and name in seen:
                value = self._sum(name, seen[name].value, value)
            seen[name] = Setting(value, line, added)
            yield name, seen[name]
            if self._peek.kind != "end" and self._peek.text not in ("\n", ";"):
                raise self._wrong(f"{quoted(self._peek.text)} stands where the line must end")

    def _scan(self, text: str) -> Iterator[_Token]:
        at, line = 0, 1
        while at < len(text):
            match = _TOKEN.match(text, at)
            if not match or match.lastgroup is None:
                why = _WHY.get(text[at], f"{text[at]!r} cannot stand here")
                raise MalformedConfiguration(self._source, f"line {line}", why)
            if match.lastgroup == "comment":
                yield _Token("mark", "\n", line)
            elif match.lastgroup != "skip":
                yield _Token(match.lastgroup, match[0], line)
            line += match[0].count("\n")
            at = match.end()
        yield _Token("end", "the end of the file", line)

    @property
    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _wrong(self, reason: str) -> MalformedConfiguration:
        return MalformedConfiguration(self._source, f"line {self._peek.line}", reason)

    def _found(self, mark: str) -> bool:
        """True, and past it, if the mark is next."""
        found = self._peek[:2] == ("mark", mark)
        self._next += found
        return found

    def _instead(self, wanted: str) -> MalformedConfiguration:
        found = self._peek.text.strip() or "the end of the line"
        return self._wrong(f"{quoted(found)} stands where {wanted} must")

    def _mark(self, mark: str) -> None:
        if not self._found(mark):
            raise self._instead(repr(mark))

    def _take(self, kind: str, what: str) -> _Token:
        found = self._peek
        if found.kind != kind:
            raise self._instead(what)
        self._next += 1
        return found

    def _skip_ends(self) -> bool:
        """False at the end of the file."""
        while self._found("\n") or self._found(";"):
            pass
        return self._peek.kind != "end"

    def _skip_lines(self) -> None:
        while self._found("\n"):
            pass

    def _value(self, depth: int) -> Value:
        if self._found("["):
            if depth == MOST_NESTED:
                raise self._wrong(f"a list is more than {MOST_NESTED} lists deep")
            return list(self._items(depth + 1))
        if self._peek.kind == "number":
            return self._take("number", "a number").text
        return self._string("a value: a number, a text in quotes, or a list in [ ]")

    def _items(self, depth: int) -> Iterator[Value]:
        self._skip_lines()
        while not self._found("]"):
            yield self._value(depth)
            self._skip_lines()
            if self._peek.text != "]" or self._peek.kind != "mark":
                self._mark(",")
            self._skip_lines()

    def _string(self, what: str) -> str:
        """A text in quotes, without them and its escapes [xlu__cfgl_dequote]."""
        found = self._take("string", what)

        def unescaped(escape: re.Match[str]) -> str:
            if escape[1] not in _LETTERS:
                number = (
                    "xl can read no number for a character" if escape[1] in "x01234567" else "there is no such escape"
                )
                reason = f"{escape[0]!r}: {number}: a backslash itself is written twice"
                raise MalformedConfiguration(self._source, f"line {found.line}", reason)
            return _LETTERS[escape[1]]

        return _ESCAPE.sub(unescaped, found.text[1:-1])

    def _sum(self, name: str, before: Value, more: Value) -> Value:
        """What `+=` makes of both [xlu__cfg_concat_vals]."""
        if isinstance(before, list) and isinstance(more, list):
            return [*before, *more]
        if isinstance(before, str) and isinstance(more, str):
            return before + more
        raise self._wrong(f"{quoted(name)} cannot be added to: only a list to a list, and a text to a text")
