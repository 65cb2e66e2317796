"""A child process that stops at each system call, and says which it is [ptrace(2)].

It is a fork that runs no other program, traced from its mark on, with all threads and processes that it starts.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import struct
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from confsync.impl.templates.files import Files
from crash.calls import NAMES
from crash.trial import Act, Notes, Trial

_TRACEME, _CONT, _SYSCALL, _SETOPTIONS, _GET_SYSCALL_INFO = 0, 7, 24, 0x4200, 0x420E
_OPTIONS = 0x01 | 0x02 | 0x04 | 0x08 | 0x10 | 0x100000
"""A stop at a system call is told from a signal; forks, vforks, threads and programs are followed; none outlives us."""
_AT_SYSCALL = signal.SIGTRAP | 0x80
_WALL = 0x40000000
_REFUSED = 77
_LONGEST = 60
"""Seconds until a child that is stuck dies of an alarm, which is a failure."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


class NotPermitted(Exception):
    """This process may not trace its children."""

    def __str__(self) -> str:
        return "ptrace is not permitted here: give the container CAP_SYS_PTRACE, or a seccomp profile that allows it"


class ActFailed(AssertionError):
    """The act came to a wrong end though it was not killed."""


@dataclass(frozen=True, slots=True)
class Stop:
    """A thread or process that stands before a system call, or after it."""

    task: int
    name: str
    arguments: tuple[int, ...]
    result: int | None
    """What the call returned; None before it is done."""

    def __str__(self) -> str:
        return f"{'before' if self.result is None else 'after'} {self.name}"


class Traced:
    """A child process that runs an act."""

    def __init__(self, act: Act, folder: Path, notes: Notes, marked: bool) -> None:
        """`marked`: the act says by `trial.begin()` where its set-up ends."""
        self._words = Notes()
        trial = Trial(folder, Files(), notes.add, _stop if marked else _nothing)
        self._pid = os.fork()
        if self._pid == 0:
            self._live(act, trial, marked)
        self._counting = False
        self.tasks = [self._pid]
        """All threads and processes so far, in order of their births."""
        self._before: dict[int, Stop] = {}
        self._info = ctypes.create_string_buffer(88)

    def _live(self, act: Act, trial: Trial, marked: bool) -> NoReturn:
        code = 1
        try:
            gc.disable()
            os.setpgid(0, 0)
            if _libc.ptrace(_TRACEME, 0, None, None) != 0:
                os._exit(_REFUSED)
            signal.alarm(_LONGEST)
            _stop()
            if not marked:
                _stop()
            act(trial)
            code = 0
        except BaseException:
            self._words.add(traceback.format_exc()[-4000:])
        finally:
            os._exit(code)

    def run(self, enough: Callable[[Stop], bool]) -> bool:
        """Let it run; at each stop ask whether that is enough. It is killed then, with all that it has started, and
        this is True; False if it came to its end first. NotPermitted, ActFailed."""
        try:
            return self._run(enough)
        finally:
            self._end()

    def _run(self, enough: Callable[[Stop], bool]) -> bool:
        _, status = os.waitpid(self._pid, 0)
        if os.WIFEXITED(status):
            raise NotPermitted if os.WEXITSTATUS(status) == _REFUSED else ActFailed(self._words.said())
        if _libc.ptrace(_SETOPTIONS, self._pid, None, _OPTIONS) != 0:
            raise NotPermitted
        self._resume(self._pid, 0)
        while True:
            task, status = os.waitpid(-self._pid, _WALL)
            if not os.WIFSTOPPED(status):
                if task == self._pid:
                    self._check_end(status)
                    return False
                continue
            stop_signal, event = os.WSTOPSIG(status), status >> 16
            if stop_signal == _AT_SYSCALL:
                if enough(self._at(task)):
                    return True
                stop_signal = 0
            elif event or task not in self.tasks:
                if task not in self.tasks:
                    self.tasks.append(task)
                stop_signal = 0
            elif stop_signal == signal.SIGSTOP and not self._counting:
                self._counting = True
                stop_signal = 0
            self._resume(task, stop_signal)

    def _resume(self, task: int, with_signal: int) -> None:
        _libc.ptrace(_SYSCALL if self._counting else _CONT, task, None, with_signal)

    def _at(self, task: int) -> Stop:
        _libc.ptrace(_GET_SYSCALL_INFO, task, len(self._info), ctypes.addressof(self._info))
        if self._info[0] == b"\1":
            number, *arguments = struct.unpack_from("<7Q", self._info, 24)
            stop = Stop(task, NAMES.get(number, f"system call {number}"), tuple(arguments), None)
            self._before[task] = stop
            return stop
        (result,) = struct.unpack_from("<q", self._info, 24)
        before = self._before.get(task)
        return Stop(task, before.name if before else "its birth", before.arguments if before else (), result)

    def _check_end(self, status: int) -> None:
        if os.WIFSIGNALED(status):
            raise ActFailed(f"the act died of signal {os.WTERMSIG(status)} by itself")
        if os.WEXITSTATUS(status):
            raise ActFailed("".join(self._words.said()))

    def _end(self) -> None:
        """Kill it and all that it started, and wait for them."""
        try:
            os.killpg(self._pid, signal.SIGKILL)
            while True:
                os.waitpid(-self._pid, _WALL)
        except (ProcessLookupError, ChildProcessError):
            return


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _nothing() -> None:
    pass
