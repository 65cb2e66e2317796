"""Texts from outside (paths, names, what other programs print), as they can be shown to a person."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

MOST = 160
"""Characters of a value that a message shows."""
_BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"
"""Characters that Unicode counts as letters, marks or symbols, and that show as nothing."""
_PERHAPS = re.compile("[^ -~]")
_SHOWS_NOTHING = re.compile(f"[{_BLANK}]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
NEAR = 3
"""How many near names are suggested."""
MOST_FILES = 10_000
"""How many names of a folder are looked at for near ones."""
MANY = 8
"""From how many names on a message says where they are listed, and does not list them."""


def visible(text: str, keep: str = "") -> str:
    r"""The text with each character escaped that could steer a terminal or show as nothing: C0 and C1 controls,
    controls of direction, characters of no width, separators but the space, lone surrogates.

    The escapes are those of JSON (`\u001b`), so JSON that is printed remains JSON. `keep`: characters to leave alone.
    """
    if text.isascii() and text.isprintable():
        return text
    return _PERHAPS.sub(lambda found: _escaped(found[0], keep), text)


def _escaped(character: str, keep: str) -> str:
    if character in keep or (character.isprintable() and not _SHOWS_NOTHING.match(character)):
        return character
    if character in _SHORT:
        return _SHORT[character]
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))


def cut(text: str, most: int = MOST) -> str:
    """The text if it has at most so many characters; else its beginning and its length."""
    return text if len(text) <= most else f"{text[:most]}... ({len(text):,} characters)"


def value(text: object, most: int = MOST) -> str:
    """A value from outside, to stand in a message: visible, and cut."""
    return visible(cut(str(text), most))


def quoted(text: object, most: int = MOST) -> str:
    """The same, in backquotes."""
    return f"`{value(text, most)}`"


def near(name: str, known: Iterable[str]) -> list[str]:
    """The known names that somebody who wrote `name` may have meant, the nearest first."""
    by_spelling = {k.casefold().replace("-", "_"): k for k in known}
    wanted = name[:MOST].casefold().replace("-", "_")
    found = get_close_matches(wanted, by_spelling, n=NEAR)
    found += [k for k in by_spelling if len(wanted) > 2 and wanted in k and k not in found]
    return [by_spelling[k] for k in found[:NEAR]]


def near_file(path: Path) -> str:
    """What to say of a file that is not there: the names in its folder that are near; "" if it is there, or none is."""
    try:
        there = path.exists()
        names = [] if there else [found.name for found in islice(path.parent.iterdir(), MOST_FILES)]
    except (OSError, ValueError):
        return ""
    meant = near(path.name, names)
    return f"did you mean {_either(str(path.parent / name) for name in meant)}?" if meant else ""


def _either(names: Iterable[str]) -> str:
    return " or ".join(map(quoted, names))


def unknown(what: str, name: str, known: Iterable[str], listed: str = "") -> str:
    """What to say of a name that is not known: those that are near; else all; of many, where they are listed.

    `what`: what it should name, such as "design". `listed`: the command or page that lists them.
    """
    known = list(known)
    said = f"there is no {what} {quoted(name)}"
    if meant := near(name, known):
        return f"{said}: did you mean {_either(meant)}?"
    if len(known) > MANY and listed:
        return f"{said}: {listed} lists them"
    return f"{said}; there are {', '.join(map(value, known))}" if known else said
