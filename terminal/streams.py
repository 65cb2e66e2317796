"""Standard output and error, and rich's consoles: whatever is printed, nothing from outside steers the terminal.

There are two ways to a terminal. Text that is printed goes through a stream that escapes all but the ends of lines.
What rich lays out goes through a console that escapes the text of each segment before widths are worked out: only the
colours that rich adds afterwards reach the terminal as controls. A file or a pipe gets the bytes as they are.
"""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from confsync.terminal.text import visible

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

NEWLINE = "\n"


class _Escaping(io.RawIOBase):
    """The bytes of a terminal's stream, in which all but ends of lines is printable."""

    def __init__(self, under: TextIO) -> None:
        super().__init__()
        self.under = under
        decoder = codecs.getincrementaldecoder(under.encoding)
        self._decoder = decoder("surrogateescape")

    name = "<terminal>"

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.under.fileno()

    def write(self, data: ReadableBuffer, /) -> int:
        given = bytes(data)
        text = visible(self._decoder.decode(given), NEWLINE)
        self.under.flush()
        self.under.buffer.write(text.encode(self.under.encoding, "backslashreplace"))
        self.under.buffer.flush()
        return len(given)


class SafeStream(io.TextIOWrapper):
    """A terminal's stream that escapes what it is given."""

    def __init__(self, under: TextIO) -> None:
        super().__init__(_Escaping(under), under.encoding, "backslashreplace", newline="\n", write_through=True)
        self.under = under
        """The stream itself, for what is safe by now."""


class SafeConsole(Console):
    """A console in which text from outside is text: no control characters, no markup, no emoji codes."""

    def __init__(self, *, stderr: bool = False, width: int | None = None) -> None:
        stream = sys.stderr if stderr else sys.stdout
        file = stream.under if isinstance(stream, SafeStream) else stream
        super().__init__(file=file, width=width, markup=False, emoji=False, highlight=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else visible(text, NEWLINE), style, control)


def protect() -> None:
    """Have standard output and error escape what they are given, where they are terminals. What cannot be encoded is
    escaped everywhere."""
    sys.stdout = _safe(sys.stdout)
    sys.stderr = _safe(sys.stderr)


def _safe(stream: TextIO) -> TextIO:
    if isinstance(stream, SafeStream) or not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.reconfigure(errors="backslashreplace")
    return SafeStream(stream) if stream.isatty() else stream
