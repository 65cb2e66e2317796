"""The other side of the pipe: an implementation as a process that is asked, line by line."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from typing import Self

from confsync.proofs.conformance.external.guard import Guard
from confsync.proofs.conformance.external.messages import Message, ProtocolBroken, read_answer, shown, written

LONGEST = 1 << 20
"""Bytes of an answer."""
PATIENCE = 10.0
"""Seconds to the next answer."""
_CHUNK = 1 << 16


class Peer:
    """An implementation that is running. Its standard error is told if it dies. It does not outlive this process."""

    def __init__(self, command: Sequence[str], patience: float = PATIENCE) -> None:
        """Start it. ProtocolBroken if it cannot be started."""
        self._command, self._patience = command, patience
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed with the process
        self._rest = b""
        self.asked = 0
        """How many requests were made."""
        self._guard = Guard()
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                bufsize=0,
                start_new_session=True,
                preexec_fn=self._guard.watch_me,  # noqa: PLW1509 (it is one system call)
            )
        except (OSError, ValueError, IndexError, subprocess.SubprocessError) as e:
            self._guard.done()
            self._errors.close()
            raise ProtocolBroken(f"`{' '.join(command)}` cannot be started: {e}") from e
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin, self._process.stdout
        os.set_blocking(self._to.fileno(), False)
        os.set_blocking(self._from.fileno(), False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it, and what it has started."""
        self._to.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.5)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._guard.done()
        self._process.wait()
        self._from.close()
        self._errors.close()

    def ask(self, requests: Sequence[Message]) -> list[Message]:
        """The answers to these requests, which are sent at once. ProtocolBroken names the first that is wrong."""
        text = "".join(written(r) + "\n" for r in requests).encode()
        found: list[Message] = []
        with selectors.DefaultSelector() as ready:
            ready.register(self._from, selectors.EVENT_READ)
            ready.register(self._to, selectors.EVENT_WRITE)
            until = time.monotonic() + self._patience
            while len(found) < len(requests):
                events = ready.select(max(0.0, until - time.monotonic()))
                if not events:
                    raise self._wrong(requests[len(found)], f"no answer came within {self._patience:g} seconds")
                for key, _ in events:
                    if key.fileobj is self._to:
                        text = self._send(text)
                        if not text:
                            ready.unregister(self._to)
                        continue
                    for line in self._lines(requests[len(found)]):
                        if len(found) == len(requests):
                            raise ProtocolBroken(f"line {self.asked + 1}: nothing was asked, and it says {_show(line)}")
                        found.append(self._read(requests[len(found)], line))
                        until = time.monotonic() + self._patience
        if self._rest:
            raise ProtocolBroken(f"line {self.asked + 1}: nothing was asked, and it says {_show(self._rest)}")
        return found

    def _send(self, text: bytes) -> bytes:
        """Send as much as can be: what is left. What nobody reads any more is left alone: the end of the answers
        will tell."""
        try:
            return text[os.write(self._to.fileno(), text[:_CHUNK]) :]
        except BlockingIOError:
            return text
        except BrokenPipeError:
            return b""

    def _lines(self, waiting: Message) -> list[bytes]:
        """The whole lines that have come."""
        came = os.read(self._from.fileno(), _CHUNK)
        if not came:
            raise self._wrong(waiting, self._last_words())
        *lines, self._rest = (self._rest + came).split(b"\n")
        if len(self._rest) > LONGEST:
            raise self._wrong(waiting, f"the answer is longer than {LONGEST} bytes: {_show(self._rest)}")
        return lines

    def _last_words(self) -> str:
        try:
            code = self._process.wait(0.5)
            how = f"it ended, with exit code {code}" if code >= 0 else f"it was ended, by signal {-code}"
        except subprocess.TimeoutExpired:
            how = "it closed its standard output"
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip()
        return f"{how}{'; it said: ' + shown(said[-200:]) if said else ''}"

    def _read(self, request: Message, line: bytes) -> Message:
        try:
            answer = read_answer(str(request["do"]), line.decode())
        except UnicodeDecodeError as e:
            raise self._wrong(request, f"this is no UTF-8: {_show(line)}") from e
        except ProtocolBroken as e:
            raise self._wrong(request, str(e)) from e
        self.asked += 1
        return answer

    def _wrong(self, request: Message, why: str) -> ProtocolBroken:
        return ProtocolBroken(f"line {self.asked + 1}, the answer to {shown(written(request))}: {why}")


def _show(line: bytes) -> str:
    return shown(line[:LONGEST].decode(errors="replace"))
