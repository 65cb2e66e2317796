"""xenstore's tree as `xenstore-ls -f -p` prints it [xenstore_client.c, do_ls, sanitise_value]."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from confsync.impl.ports import Permission

_LETTERS = {"\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\"}


def listing(tree: Mapping[str, tuple[bytes, Sequence[Permission]]]) -> Iterator[str]:
    """A line for each node but the root, children after their parent."""
    for path in sorted(tree, key=lambda path: path.split("/")):
        if path != "/":
            value, permissions = tree[path]
            yield f'{path} = "{_printable(value)}"   ({",".join(map(str, permissions))})'


def _printable(value: bytes) -> str:
    return "".join(map(_character, value.decode("latin-1")))


def _character(character: str) -> str:
    if " " <= character <= "~" and character != "\\":
        return character
    return _LETTERS.get(character) or (f"\\{ord(character):03o}" if character < "\b" else f"\\x{ord(character):02x}")
