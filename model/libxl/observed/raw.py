"""The raw format: every small step of the toolstack and of what it starts, as the calls were made.

A line is `time pid program #number what`. A request and its answer are two lines; a lock is an open, a flock
and its answer; a template is written as a temporary file, then renamed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from confsync.model.libxl.observed import collapsed
from confsync.model.libxl.observed.trace import Act, Acts, Kind, ObservedError

_LINE = re.compile(
    r"(?P<time>[0-9]{1,12}\.[0-9]{1,9}) (?P<pid>[0-9]{1,10}) (?P<who>\S+) "
    r"(?:#(?P<number>[0-9]{1,9}) (?P<what>\S.*|  -> .*)|\*\* (?P<note>.+))"
)
_KILLED = "** SIGKILL AFTER previous event"
_TX = re.compile(r"(?P<rest>.*?) ?\[tx (?P<tx>[0-9]{1,10})\]")
_USERDATA = re.compile(r"/(?:.*/)?userdata-(?P<kind>[dnl])\.[0-9]+\.[0-9a-fA-F-]+\.(?P<name>.+)")
_LOCK_NAMES = {
    "domain-userdata-lock": "json_lock",
    "libxl-device-changes-lock": "dev_lock",
    "qmp-socket-lock": "qmp_lock",
}
_REQUESTS = {
    "READ": Kind.READ,
    "DIRECTORY": Kind.READ,
    "DIRECTORY_PART": Kind.READ,
    "GET_PERMS": Kind.READ,
    "GET_DOMAIN_PATH": Kind.READ,
    "IS_DOMAIN_INTRODUCED": Kind.READ,
    "WRITE": Kind.WRITE,
    "MKDIR": Kind.TOUCH,
    "SET_PERMS": Kind.TOUCH,
    "RM": Kind.REMOVE,
    "WATCH": Kind.WATCH,
    "UNWATCH": Kind.UNWATCH,
}
_SCRIPT = {"add": Kind.PLUG, "online": Kind.PLUG, "remove": Kind.UNPLUG, "offline": Kind.UNPLUG}


def is_line(line: str) -> bool:
    """True if it is a line of this format."""
    return line == _KILLED or _LINE.fullmatch(line) is not None


def acts(path: Path, lines: list[str]) -> Acts:
    """The acts of a file in this format."""
    reader = _Reader()
    killed = False
    numbers: list[tuple[int, int]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        split = _LINE.fullmatch(line)
        if not split and line != _KILLED:
            raise ObservedError(
                path, number, f"this is no line of a trace: {line[:60]!r}", "name a trace, or take the line out"
            )
        if not split or split["note"]:
            killed = killed or "SIGKILL" in line
            reader.add(number, line, Kind.IDLE, why="a note of the recorder")
            continue
        reader.take(number, line, split["pid"], split["who"], split["what"])
        if split["pid"] == reader.pid:
            numbers.append((int(split["number"]), number))
    for expected, (seen, number) in enumerate(sorted(numbers), 1):
        if seen != expected:
            raise ObservedError(
                path, number, f"events are missing or doubled: #{expected} was to come, not #{seen}", "record it again"
            )
    return Acts(tuple(reader.finish()), coarse=False, killed=killed)


@dataclass(slots=True)
class _File:
    """A lock's file, as one process uses it."""

    ahead: list[int] = field(default_factory=list)
    """Lines that go with the next lock or unlock."""
    locked: int = -1
    answered: int = -1
    """The line with flock's answer: a close right after it, without an unlink, means the lock was the wrong file."""
    unlinked: bool = False


class _Reader:
    def __init__(self) -> None:
        self.acts: list[Act] = []
        self.pid = self.who = ""
        self.asked: dict[str, tuple[int, str]] = {}
        """Per process, the request that waits for its answer."""
        self.flocking: dict[str, tuple[int, str]] = {}
        self.transactions: dict[tuple[str, str], int] = {}
        self.started = 0
        self.locks: dict[str, _File] = {}
        self.half_said: list[int] = []
        """Lines of a QMP message that goes on in the next line."""
        self.last_program = -1

    def add(self, number: int, line: str, kind: Kind, *, of: int = -1, why: str) -> int:
        self.acts.append(Act(number, line, kind, of=of, why=why))
        return len(self.acts) - 1

    def take(self, number: int, line: str, pid: str, who: str, what: str) -> None:
        self.pid, self.who = self.pid or pid, self.who or who
        if who != self.who:
            why = f"done by {who}, not by the toolstack"
            of = self.last_program
            self.add(number, line, Kind.PART if of >= 0 else Kind.IDLE, of=of, why=why)
            return
        verb, _, rest = what.strip().partition(" ") if not what.startswith("  -> ") else ("->", "", what[5:])
        handler = _HANDLERS.get(verb)
        i = self.add(number, line, Kind.OTHER, why=f"`{verb}`: no step stands for it")
        if handler:
            handler(self, self.acts[i], i, pid, rest)

    def finish(self) -> list[Act]:
        for lock in self.locks.values():
            for i in lock.ahead:
                if self.acts[i].kind is Kind.PART:
                    self.acts[i].kind, self.acts[i].why = Kind.IDLE, "a lock or unlock that was not gone through with"
        for i, _ in self.asked.values():
            self._unanswered(self.acts[i])
        for i, _ in self.flocking.values():
            if self.acts[i].kind is Kind.LOCK:
                self.acts[i].kind, self.acts[i].why = Kind.IDLE, "a lock that was not got"
        for i in self.half_said:
            self.acts[i].kind, self.acts[i].why = Kind.OTHER, "a QMP message whose command is not shown"
        return self.acts

    @staticmethod
    def _unanswered(request: Act) -> None:
        if request.kind in (Kind.START, Kind.COMMIT):
            request.kind, request.why = Kind.OTHER, "a transaction's start or end without an answer"

    def request(self, act: Act, i: int, pid: str, rest: str) -> None:
        if pid in self.asked:
            self._unanswered(self.acts[self.asked[pid][0]])
        self.asked[pid] = (i, rest.split(" ", maxsplit=1)[0])
        tagged = _TX.fullmatch(rest)
        verb, _, rest = (tagged["rest"] if tagged else rest).partition(" ")
        act.path, _, value = rest.partition(" ")
        if tagged:
            act.tx = self.transactions.get((pid, tagged["tx"]), -1)
        if verb == "TRANSACTION_START":
            act.kind, act.path = Kind.START, ""
        elif verb == "TRANSACTION_END":
            act.kind = Kind.COMMIT if act.path == "T" else Kind.ABORT
        elif verb in _REQUESTS:
            act.kind = _REQUESTS[verb]
            act.value = value if act.kind is Kind.WRITE else None
        else:
            act.why = f"`{verb}`: no step stands for it"

    def reply(self, act: Act, _: int, pid: str, rest: str) -> None:
        verb, equals, answer = rest.partition(" =")
        asked, of = self.asked.pop(pid, (-1, ""))
        if asked < 0 or verb != of or not equals:
            act.why = "an answer to no request"
            return
        act.kind, act.of = Kind.PART, asked
        request, answer = self.acts[asked], answer.strip()
        failed = answer.startswith("ERROR")
        if request.kind is Kind.START and not failed:
            self.started += 1
            request.tx = self.transactions[pid, answer] = self.started
        elif request.kind is Kind.START:
            request.kind, request.why = Kind.IDLE, "a transaction that was not begun"
        elif request.kind is Kind.COMMIT and failed:
            request.kind = Kind.RETRY if "EAGAIN" in answer else Kind.ABORT
        elif request.kind is Kind.READ:
            request.value = answer
        elif request.kind is Kind.WRITE and failed:
            request.kind, request.why = Kind.OTHER, "a write that xenstored refused"

    def header(self, act: Act, _i: int, _pid: str, _rest: str) -> None:
        act.kind, act.why = Kind.IDLE, "the header of the message in the next line"

    def event(self, act: Act, _i: int, _pid: str, _rest: str) -> None:
        act.kind, act.why = Kind.IDLE, "a watch fires"

    def quiet(self, act: Act, _i: int, _pid: str, _rest: str) -> None:
        act.kind, act.why = Kind.IDLE, "a connection, or a new process that has done nothing yet"

    def run(self, act: Act, i: int, _pid: str, rest: str) -> None:
        program, _, arguments = rest.partition(" ")
        act.path, act.why = program, f"runs {program}: no step stands for it"
        if "/scripts/" in program:
            act.kind = _SCRIPT.get(arguments.split(" ")[0], Kind.OTHER)
        elif "qemu" in program.rpartition("/")[2]:
            act.kind = Kind.DEVICE_MODEL
        self.last_program = i

    def tell_qemu(self, act: Act, i: int, _pid: str, rest: str) -> None:
        command = re.search(r'"execute": ?"([a-z_-]+)"', rest)
        if not command:
            self.half_said.append(i)
            return
        said = collapsed.qmp("QMP", command[1])
        if said:
            act.kind, act.why = said.kind, said.why
        for earlier in self.half_said:
            self.acts[earlier].kind, self.acts[earlier].of = Kind.PART, i
        self.half_said = []

    def hear_qemu(self, act: Act, _i: int, _pid: str, _rest: str) -> None:
        act.kind, act.why = Kind.IDLE, "QEMU's answer"

    def open(self, act: Act, i: int, _pid: str, rest: str) -> None:
        path, _, flags = rest.partition(" ")
        act.path = path
        userdata = _USERDATA.fullmatch(path)
        if path.endswith("lock"):
            self._lock(path).ahead.append(i)
            act.kind = Kind.PART
        elif userdata and userdata["kind"] == "n" and userdata["name"] == "libxl-json":
            act.kind = Kind.DRAFT
        elif flags == "RO":
            act.kind, act.why = Kind.IDLE, "opens a file to read it"
        else:
            act.why = f"opens {path} to write it: no step stands for it"

    def read_file(self, act: Act, _i: int, _pid: str, rest: str) -> None:
        userdata = _USERDATA.fullmatch(rest)
        act.kind, act.why = Kind.IDLE, "reads a file that is not the template"
        if userdata and userdata["kind"] == "d" and userdata["name"] == "libxl-json":
            act.kind = Kind.READ_TEMPLATE

    def write_file(self, act: Act, _i: int, _pid: str, rest: str) -> None:
        userdata = _USERDATA.fullmatch(rest.partition(" ")[0])
        if userdata and userdata["kind"] == "n" and userdata["name"] == "libxl-json":
            act.kind = Kind.DRAFT

    def rename(self, act: Act, _i: int, _pid: str, rest: str) -> None:
        old, _, new = rest.partition(" -> ")
        a, b = _USERDATA.fullmatch(old), _USERDATA.fullmatch(new)
        act.why = f"renames {old}: no step stands for it"
        if a and b and (a["kind"], b["kind"], a["name"], b["name"]) == ("n", "d", "libxl-json", "libxl-json"):
            act.kind = Kind.REPLACE_TEMPLATE

    def unlink(self, act: Act, i: int, _pid: str, rest: str) -> None:
        userdata = _USERDATA.fullmatch(rest)
        lock = self.locks.get(rest)
        act.why = f"unlinks {rest}: no step stands for it"
        if lock and lock.locked >= 0:
            lock.unlinked = True
            lock.ahead.append(i)
            act.kind = Kind.PART
        elif userdata and userdata["kind"] == "d" and userdata["name"] == "libxl-json":
            act.kind = Kind.REMOVE_TEMPLATE

    def close(self, act: Act, i: int, _pid: str, rest: str) -> None:
        lock = self.locks.get(rest)
        userdata = _USERDATA.fullmatch(rest)
        act.kind, act.why = Kind.IDLE, "closes a file"
        if userdata and userdata["kind"] == "n" and userdata["name"] == "libxl-json":
            act.kind = Kind.DRAFT
        elif lock and lock.locked >= 0 and lock.unlinked:
            act.kind, act.path = Kind.UNLOCK, self.acts[lock.locked].path
            self._settle(lock, i)
            lock.locked, lock.unlinked = -1, False
        elif lock and lock.locked >= 0 and lock.answered == i - 1:
            # The file was no longer at its path, so the lock is void and the toolstack starts again.
            void = self.acts[lock.locked]
            void.kind = act.kind = self.acts[lock.answered].kind = Kind.PART
            lock.ahead += [lock.locked, lock.answered, i]
            lock.locked = -1
        elif lock and lock.locked >= 0:
            act.kind, act.why = Kind.OTHER, "closes a lock's file without unlinking it first: no step stands for it"
            lock.locked = -1

    def flock(self, act: Act, i: int, pid: str, rest: str) -> None:
        how, _, path = rest.partition(" ")
        lock = self._lock(path)
        self.flocking[pid] = (i, path)
        act.path = _lock_name(path)
        if how == "UN":
            act.kind = Kind.PART
            lock.ahead.append(i)
        else:
            act.kind = Kind.LOCK

    def answer(self, act: Act, i: int, pid: str, rest: str) -> None:
        asked, path = self.flocking.pop(pid, (-1, ""))
        if not rest.startswith("flock") or asked < 0:
            if asked >= 0:
                self.flocking[pid] = (asked, path)
            act.kind, act.why = Kind.IDLE, "the answer to the line before"
            return
        lock, request = self._lock(path), self.acts[asked]
        act.kind = Kind.PART
        if request.kind is Kind.LOCK and rest.strip() == "flock ok":
            act.of = lock.locked = asked
            lock.answered = i
            self._settle(lock, asked)
        else:
            request.kind = Kind.PART
            lock.ahead += [i] if asked in lock.ahead else [asked, i]

    def _lock(self, path: str) -> _File:
        return self.locks.setdefault(path, _File())

    def _settle(self, lock: _File, of: int) -> None:
        for i in lock.ahead:
            self.acts[i].of = of
        lock.ahead = []


def _lock_name(path: str) -> str:
    userdata = _USERDATA.fullmatch(path)
    name = userdata["name"] if userdata else path.rpartition("/")[2]
    return _LOCK_NAMES.get(name, name)


_HANDLERS: dict[str, Callable[[_Reader, Act, int, str, str], None]] = {
    "xs": _Reader.request,
    "xsreply": _Reader.reply,
    "xshdr": _Reader.header,
    "xsevent": _Reader.event,
    "connect": _Reader.quiet,
    "fork": _Reader.quiet,
    "execvp": _Reader.run,
    "qmp>": _Reader.tell_qemu,
    "qmp>(+fd)": _Reader.tell_qemu,
    "qmp<": _Reader.hear_qemu,
    "open": _Reader.open,
    "fopen(r)": _Reader.read_file,
    "writefile": _Reader.write_file,
    "rename": _Reader.rename,
    "unlink": _Reader.unlink,
    "close": _Reader.close,
    "flock": _Reader.flock,
    "->": _Reader.answer,
}
