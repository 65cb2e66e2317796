"""What a trace is: the events that were seen, what each was taken for, and the steps that they come to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from confsync.model.language import Step
from confsync.terminal.text import value


class ObservedError(Exception):
    """A file that is no trace: says which file and line, what is wrong with it, and the way out."""

    def __init__(self, path: Path, line: int | None, wrong: str, way_out: str) -> None:
        super().__init__(f"{shown(path)}{f':{line}' if line else ''}: {wrong}; {way_out}")
        self.path, self.line = path, line


def shown(path: Path) -> str:
    """A path as it can be printed anywhere."""
    return value(path)


class Taken(Enum):
    """What an event was taken for."""

    STEP = "a step"
    PART = "part of a step"
    NOTHING = "nothing that the model keeps"
    UNKNOWN = "no step stands for it"


@dataclass(frozen=True, slots=True)
class Event:
    """A line of a trace. `steps`: the steps it is, or is part of. `why`, in words, where it is neither."""

    line: int
    text: str
    taken: Taken
    steps: tuple[Step, ...] = ()
    why: str = ""

    def __str__(self) -> str:
        names = ", ".join(s.name for s in self.steps)
        words = {
            Taken.STEP: names,
            Taken.PART: f"part of {names}" if names else self.why,
            Taken.NOTHING: f"nothing: {self.why}",
            Taken.UNKNOWN: f"unknown: {self.why}",
        }
        return f"{self.line}: {self.text}  [{words[self.taken]}]"


@dataclass(frozen=True, slots=True)
class Placed:
    """A step and the line at which the trace shows it. `assumed`: the line only says where it was put."""

    step: Step
    line: int
    assumed: bool = False


@dataclass(frozen=True, slots=True)
class Trace:
    """One run of one operation. `operation` is None where no operation of the model is meant; `why` says so, or
    why the run is not `complete`. `unfit`: why a complete run does not show its whole operation."""

    path: Path
    operation: str | None
    events: tuple[Event, ...]
    complete: bool
    why: str = ""
    steps: tuple[Placed, ...] = ()
    assumed: tuple[str, ...] = ()
    unfit: str = ""

    @property
    def label(self) -> str:
        """A short name: a file that is called `events...` goes by its folder too."""
        return shown(Path(*self.path.parts[-2 if self.path.stem.startswith("events") else -1 :]))

    @property
    def order(self) -> tuple[Step, ...]:
        return tuple(p.step for p in self.steps)

    @property
    def unknown(self) -> tuple[Event, ...]:
        return tuple(e for e in self.events if e.taken is Taken.UNKNOWN)


class Kind(Enum):
    """What a line says was done, in either format."""

    LOCK = "lock"
    UNLOCK = "unlock"
    READ_TEMPLATE = "read the template"
    DRAFT = "write a temporary file"
    REPLACE_TEMPLATE = "rename it over the template"
    REMOVE_TEMPLATE = "unlink the template"
    START = "start a transaction"
    COMMIT = "commit"
    RETRY = "a commit that was refused, to be tried again"
    ABORT = "give a transaction up"
    READ = "read xenstore"
    WRITE = "write xenstore"
    TOUCH = "make a node or set its permissions"
    REMOVE = "remove from xenstore"
    WATCH = "watch"
    UNWATCH = "watch no longer"
    PLUG = "run a hotplug script: add"
    UNPLUG = "run a hotplug script: remove"
    DEVICE_MODEL = "start the device model"
    HYPERCALL = "hypercall"
    PART = "goes with another line"
    IDLE = "nothing"
    OTHER = "something else"


@dataclass(slots=True)
class Act:
    """A line, put the same way for both formats, on its way to becoming an `Event`.

    `path`: the node, lock, hypercall or program. `value`: what is written, or the answer to a read; None where
    the format does not show it. `tx`: which transaction, 0 for none. `of`: the act that a PART goes with.
    """

    line: int
    text: str
    kind: Kind
    path: str = ""
    value: str | None = None
    tx: int = 0
    of: int = -1
    why: str = ""


@dataclass(frozen=True, slots=True)
class Acts:
    """All acts of a file. `coarse`: paths are cut short, values and scripts are not shown. `killed`: it says so."""

    acts: tuple[Act, ...]
    coarse: bool
    killed: bool = False
