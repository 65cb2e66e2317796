"""The end of what a program prints, in bounded memory, whoever keeps the pipe open."""

from __future__ import annotations

import asyncio
import contextlib
import os

KEPT = 4096
"""Bytes that are kept."""
_PIECE, _PIECES = 65536, 16
"""What is read at once, and how often once the program has ended: a child of it may print for ever."""


class Tail:
    """The reading end of a pipe, drained while the event loop runs. Used as a context; `writer` is for the program."""

    def __enter__(self) -> Tail:
        self._reader, self.writer = os.pipe()
        os.set_blocking(self._reader, False)
        self._kept = b""
        asyncio.get_running_loop().add_reader(self._reader, self._drain)
        return self

    def __exit__(self, *_raised: object) -> None:
        asyncio.get_running_loop().remove_reader(self._reader)
        os.close(self._reader)
        self.give_away()

    def give_away(self) -> None:
        """Close our copy of the writing end: the program has its own."""
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def end(self) -> bytes:
        """The last bytes that were printed so far. The end of the pipe is not waited for."""
        for _ in range(_PIECES):
            if not self._drain():
                break
        return self._kept

    def _drain(self) -> bool:
        """Read what is there; False if there was nothing."""
        piece = b""
        with contextlib.suppress(BlockingIOError):
            piece = os.read(self._reader, _PIECE)
            if not piece:  # every writer has closed it: an event loop would find that again and again
                asyncio.get_running_loop().remove_reader(self._reader)
        self._kept = (self._kept + piece)[-KEPT:]
        return bool(piece)
