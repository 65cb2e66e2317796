"""Refused calls, whoever makes them: each system call of a traced child on a file is refused in turn, as a full or a
broken disk would; the child lives on, and must tell of it or bear it. For what does not go through `Files`: a database.

The call is taken from the child before the kernel sees it [ptrace(2), PTRACE_SETREGS]; on x86-64 only.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from collections.abc import Mapping
from pathlib import Path

from crash.tracing import Stop, Traced, _libc
from crash.trial import Act, Check, Notes, Outcome, Prepare, Wreck, ground

REFUSALS: Mapping[str, tuple[int, ...]] = {
    "openat": (errno.EMFILE, errno.EIO),
    "pwrite64": (errno.ENOSPC, errno.EDQUOT, errno.EIO),
    "pread64": (errno.EIO,),
    "fdatasync": (errno.EIO,),
    "fsync": (errno.EIO,),
    "ftruncate": (errno.EIO,),
}
"""How each call is refused."""
_GETREGS, _SETREGS = 12, 13
_WORDS, _RAX, _ORIG_RAX = 27, 10, 15
"""Of `user_regs_struct`."""
WORKS_HERE = platform.machine() == "x86_64"


class _Refuser:
    """Counts the calls of one name, and refuses one, or all from then on."""

    def __init__(self, name: str, at: int, error: int, lasting: bool) -> None:
        self._name, self._at, self._error, self._lasting = name, at, error, lasting
        self.count = 0
        self._refusing = False

    def __call__(self, stop: Stop) -> bool:
        if stop.result is not None:
            if self._refusing:
                _set(stop.task, _RAX, -self._error)
                self._refusing = False
        elif stop.name == self._name:
            self.count += 1
            if self.count == self._at or (self._lasting and 0 < self._at < self.count):
                _set(stop.task, _ORIG_RAX, -1)
                self._refusing = True
        return False


def _set(task: int, register: int, value: int) -> None:
    words = ctypes.create_string_buffer(8 * _WORDS)
    if _libc.ptrace(_GETREGS, task, None, ctypes.addressof(words)) != 0:
        raise OSError(ctypes.get_errno(), "the registers cannot be read")
    struct.pack_into("<q", words, 8 * register, value)
    if _libc.ptrace(_SETREGS, task, None, ctypes.addressof(words)) != 0:
        raise OSError(ctypes.get_errno(), "the registers cannot be written")


def refuse_everywhere(prepare: Prepare, act: Act, check: Check, *, every: int = 1) -> Outcome:
    """Run the act in a child after its mark, with each call of `REFUSALS` refused in each way, once and from then on;
    check what each leaves. ActFailed if the act raises: it says by its notes how it ended. `every`: of the calls, only
    each so manieth, another one for each way."""
    outcome, notes = Outcome(), Notes()
    with ground(prepare) as at:
        turn = 0
        for name, errors in REFUSALS.items():
            counting = _Refuser(name, 0, 0, lasting=False)
            _run(act, at.fresh(), Notes(), counting)
            for error in errors:
                for lasting in (False, True):
                    turn += 1
                    for number in range(1 + turn % every, counting.count + 1, every):
                        folder = at.fresh()
                        notes.clear()
                        _run(act, folder, notes, _Refuser(name, number, error, lasting))
                        outcome.points += 1
                        outcome.places[f"{name} {errno.errorcode[error]}"] += 1
                        often = "from then on" if lasting else "once"
                        how = f"{name} number {number}: {errno.errorcode[error]}, {often}"
                        outcome.look(check, Wreck(folder, notes.said(), how))
                        at.clear(folder)
    return outcome


def _run(act: Act, folder: Path, notes: Notes, refuser: _Refuser) -> None:
    Traced(act, folder, notes, marked=True).run(refuser)
