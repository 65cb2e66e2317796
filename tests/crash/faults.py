"""Faults: each call on the file system fails in turn, in each way in which it may, once or from then on.

A fault that POSIX wants borne, an interrupted call or a short write, must not be seen at all. Any other must end in a
`ToolstackError`, with nothing left open.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import ParamSpec, TypeVar, cast

from confsync.impl.errors import ToolstackError
from confsync.impl.templates.files import Files
from crash.trial import Act, Check, Notes, Outcome, Prepare, Trial, Wreck, ground

P = ParamSpec("P")
R = TypeVar("R")

SHORT = 0
"""Not an error: the call does half of what it was asked for."""
_BORNE = {errno.EINTR, SHORT}
FAULTS = {
    "open": (errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES, errno.EINTR),
    "read": (errno.EIO, errno.EINTR, SHORT),
    "write": (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EINTR, SHORT),
    "fsync": (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EINTR),
    "close": (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EINTR),
    "rename": (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EINTR),
    "unlink": (errno.EIO, errno.EROFS, errno.EINTR),
    "flock": (errno.ENOLCK, errno.EIO, errno.EINTR),
    "fstat": (errno.EIO, errno.EINTR),
    "stat": (errno.EIO, errno.EINTR),
    "lstat": (errno.EIO, errno.EINTR),
    "scandir": (errno.EIO, errno.EMFILE, errno.EINTR),
}
"""How each call may fail."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong: which call, the how manieth, how, and how often."""

    call: str
    number: int
    error: int
    times: float

    @property
    def borne(self) -> bool:
        """True if nobody is to see it."""
        return self.error in _BORNE

    def __str__(self) -> str:
        name = "done by half" if self.error == SHORT else errno.errorcode[self.error]
        often = {1: "once"}.get(int(self.times) if self.times < float("inf") else 0, "from then on")
        return f"{self.call} number {self.number}: {name}, {often}"


class FaultyFiles(Files):
    """Makes the calls, but for those that the fault is about. Without one it counts them."""

    def __init__(self, fault: Fault | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self.opened: set[int] = set()
        self._fault = fault

    def call(self, name: str, function: Callable[P, R], /, *arguments: P.args, **named: P.kwargs) -> R:
        """Make the call, or have it fail."""
        self.counts[name] += 1
        fault = self._fault
        if fault and fault.call == name and 0 <= self.counts[name] - fault.number < fault.times:
            return self._fail(fault, function, arguments)
        result = function(*arguments, **named)
        if name == "open":
            self.opened.add(cast(int, result))
        elif name == "close":
            self.opened.discard(cast(int, arguments[0]))
        return result

    def _fail(self, fault: Fault, function: Callable[..., R], arguments: Sequence[object]) -> R:
        if fault.error == SHORT:
            descriptor, what = arguments
            return function(descriptor, what[: (len(what) + 1) // 2] if isinstance(what, memoryview) else 1)
        if fault.call == "close":
            self.opened.discard(cast(int, arguments[0]))
            function(*arguments)
        raise OSError(fault.error, os.strerror(fault.error))

    def close_all(self) -> None:
        """Close what the act has left open."""
        for descriptor in self.opened:
            with contextlib.suppress(OSError):
                os.close(descriptor)


def fail_everywhere(prepare: Prepare, act: Act, check: Check, *, errors: Collection[int] | None = None) -> Outcome:
    """Run the act, with each fault at each call that it makes; check what each leaves, and how the act told of it.
    `errors`: these only.

    The check finds in `wreck.how` what was done, and in `wreck.error` what the act raised.
    """
    outcome = Outcome()
    counting = FaultyFiles()
    with ground(prepare) as at:
        act(Trial(at.fresh(), counting, lambda _: None))
        for fault in _faults(counting.counts):
            if errors is not None and fault.error not in errors:
                continue
            folder, files, notes = at.fresh(), FaultyFiles(fault), Notes()
            outcome.points += 1
            outcome.places[f"{fault.call} {errno.errorcode.get(fault.error, 'SHORT')}"] += 1
            error: BaseException | None = None
            try:
                act(Trial(folder, files, notes.add))
            except Exception as raised:
                error = raised
            wreck = Wreck(folder, notes.said(), str(fault), error)
            outcome.failures += [f"{fault}: {problem}" for problem in _problems(fault, error, files)]
            outcome.look(check, wreck)
            files.close_all()
            at.clear(folder)
    return outcome


def _faults(counts: Counter[str]) -> list[Fault]:
    unknown = set(counts) - set(FAULTS)
    if unknown:
        raise NotImplementedError(f"how these may fail: {unknown}")
    return [
        Fault(call, number, error, times)
        for call, count in counts.items()
        for error in FAULTS[call]
        for number in range(1, count + 1)
        for times in ((1, 3) if error == errno.EINTR else (1, float("inf")))
    ]


def _problems(fault: Fault, error: BaseException | None, files: FaultyFiles) -> list[str]:
    problems = []
    if error is not None and not isinstance(error, ToolstackError):
        problems.append(f"it raised {type(error).__name__}: {error}")
    if error is not None and fault.borne:
        problems.append(f"it was not borne: {error}")
    if files.opened:
        problems.append(f"{len(files.opened)} files were left open")
    return problems
