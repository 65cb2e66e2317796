"""From what a toolstack did to the steps that it took, and what of it no step stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from confsync.model.language import Step
from confsync.model.libxl import steps as step
from confsync.model.libxl.observed.meaning import COMMITS, DROPS, HOTPLUG, HYPERCALLS, NEEDS_A_LOOK, REPLACES, TAKES
from confsync.model.libxl.observed.order import Found, in_order
from confsync.model.libxl.observed.trace import Act, Acts, Event, Kind, Placed, Taken
from confsync.model.libxl.observed.transaction import (
    Change,
    backend_of,
    changes,
    device_of,
    devices_written,
    domain_node,
    is_whole_tree,
    looks_at,
)


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a file's acts come to."""

    events: tuple[Event, ...]
    steps: tuple[Placed, ...]
    assumed: tuple[str, ...]
    unfit: str


@dataclass(frozen=True, slots=True)
class _Mark:
    taken: Taken
    steps: tuple[Step, ...] = ()
    why: str = ""


class _Recogniser:
    def __init__(self, operation: str | None, source: Acts) -> None:
        self.operation = operation or ""
        self.acts, self.coarse = source.acts, source.coarse
        self.marks: list[_Mark | None] = [None] * len(self.acts)
        self.found: list[Found] = []
        self.assumed: list[str] = []
        self.unfit: list[str] = []
        self.open: dict[int, list[int]] = {}
        """Per transaction that is not ended, its acts."""
        self.strange_locks: dict[str, int] = {}
        self.drafts: list[int] = []
        self.waits: list[int] = []
        self.programs: list[int] = []
        self.media: list[tuple[int, list[int]]] = []
        """Commits of a medium that is not shown, and what they commit."""

    def run(self, complete: bool) -> Recognised:
        for i, act in enumerate(self.acts):
            _HANDLERS[act.kind](self, i, act)
        for members in self.open.values():
            self._mark(members, _Mark(Taken.NOTHING, why="part of a transaction that was never ended"))
            self.unfit.append(f"the transaction of line {self.acts[members[0]].line} is never ended")
        self._mark(self.drafts, _Mark(Taken.NOTHING, why="a temporary file that was not put in place"))
        self._settle_media()
        self._settle_hotplug()
        if self.coarse and self.found:
            self._assume("paths are cut short and values are left out: which node is meant is told by the operation")
        order = in_order(self.operation if complete else "", self.found, [a.line for a in self.acts])
        return Recognised(
            self._events(order.kept),
            order.placed,
            (*self.assumed, *order.assumed),
            "; ".join(dict.fromkeys([*self.unfit, *order.unfit])),
        )

    def _mark(self, acts: Iterable[int], mark: _Mark) -> None:
        for i in acts:
            self.marks[i] = mark

    def _step(self, i: int, *steps: Step) -> None:
        self.found += [Found(s, i) for s in steps]
        self.marks[i] = _Mark(Taken.STEP, steps)

    def _unknown(self, i: int, why: str) -> None:
        self.marks[i] = _Mark(Taken.UNKNOWN, why=why)

    def _has(self, *steps: Step) -> bool:
        return any(f.step in steps for f in self.found)

    def lock(self, i: int, act: Act) -> None:
        taken = TAKES.get(act.path)
        if taken:
            self._step(i, taken)
        else:
            self.strange_locks[act.path] = i
            self._unknown(i, f"`{act.path}`: no step stands for this lock")

    def unlock(self, i: int, act: Act) -> None:
        dropped, strange = DROPS.get(act.path), self.strange_locks.pop(act.path, None)
        if dropped:
            self._step(i, dropped)
        elif strange is not None:
            self.marks[i] = _Mark(Taken.PART, why=f"drops the lock of line {self.acts[strange].line}, which is unknown")
        else:
            self._unknown(i, f"`{act.path}`: no step stands for this lock")

    def read_template(self, i: int, _: Act) -> None:
        self._step(i, step.read_template)

    def draft(self, i: int, _: Act) -> None:
        self.drafts.append(i)

    def replace_template(self, i: int, _: Act) -> None:
        written = REPLACES.get(self.operation)
        if written:
            self._step(i, written)
            self._mark(self.drafts, _Mark(Taken.PART, (written,)))
            self._assume("a template's content is not in a trace: it is taken to be what its operation is for")
        else:
            why = "a write of the template: no step stands for it here"
            self._unknown(i, why)
            self._mark(self.drafts, _Mark(Taken.PART, why=why))
        self.drafts = []

    def remove_template(self, i: int, _: Act) -> None:
        if self.operation == "destroy":
            self._step(i, step.remove_template)
        else:
            self._unknown(i, "the template's removal: no step stands for it here")

    def start(self, i: int, act: Act) -> None:
        self.open[act.tx] = [i]

    def commit(self, i: int, act: Act) -> None:
        members = self._ended(i, act)
        if members is None:
            return
        inside = [self.acts[m] for m in members]
        made = changes(inside, self.operation, self.coarse)
        if self.operation == "create" and made == {Change.MEMORY} and self._has(step.make_domain):
            self._mark([*members, i], _Mark(Taken.PART, (step.make_domain,)))
        elif not any(a.kind in (Kind.WRITE, Kind.REMOVE, Kind.TOUCH) for a in inside):
            self._mark([*members, i], _Mark(Taken.NOTHING, why="a transaction that changes nothing"))
        elif made == {Change.MEDIUM} and self.operation in ("insert", "swap", "eject"):
            self.media.append((i, members))
        elif len(made) == 1 and (self.operation, *made) in COMMITS:
            (change,) = made
            taken = COMMITS[self.operation, change]
            if taken is step.replace_medium and self._has(step.unload_medium):
                taken = step.load_medium
            self._committed(i, members, taken)
        else:
            does = " and ".join(sorted(c.value for c in made)) or f"writes {_places(inside)}"
            self._lose(i, members, f"a transaction that {does}: no step stands for it here")

    def _committed(self, i: int, members: list[int], taken: Step) -> None:
        written = devices_written([self.acts[m] for m in members], self.coarse)
        looks = [m for m in members if looks_at(self.acts[m], written, self.coarse)]
        if taken in NEEDS_A_LOOK and not looks:
            self._lose(i, members, f"`{taken}` without a look whether {NEEDS_A_LOOK[taken]}: no step stands for it")
            return
        self._mark(members, _Mark(Taken.PART, (taken,)))
        self._step(i, taken)
        renamed = [f.act for f in self.found if f.step is step.write_template]
        if taken is step.enter_xenstore and any(looks[0] < r < i for r in renamed):
            self._step(looks[0], step.refuse_if_present)

    def _lose(self, i: int, members: list[int], why: str) -> None:
        self._unknown(i, why)
        self._mark(
            members, _Mark(Taken.PART, why=f"part of the transaction of line {self.acts[i].line}, which is unknown")
        )

    def retry(self, i: int, act: Act) -> None:
        members = self._ended(i, act)
        if members is None:
            return
        again = f"an attempt that xenstored refused in line {act.line}"
        self._mark([*members, i], _Mark(Taken.NOTHING, why=again))
        for f in [f for f in self.found if members[0] < f.act < i]:
            self.found.remove(f)
            self.marks[f.act] = _Mark(Taken.PART, (f.step,), again)
        self._assume(f"{again}, to be made again (EAGAIN), is counted once: as the attempt that was accepted")

    def abort(self, i: int, act: Act) -> None:
        members = self._ended(i, act)
        if members is not None:
            self._mark([*members, i], _Mark(Taken.NOTHING, why="a transaction that was given up"))

    def _ended(self, i: int, act: Act) -> list[int] | None:
        members = self.open.pop(act.tx, None)
        if members is None:
            self._unknown(i, "the end of a transaction whose start is not shown")
        return members

    def _inside(self, i: int, act: Act) -> bool:
        if act.tx and act.tx in self.open:
            self.open[act.tx].append(i)
        elif act.tx:
            self._unknown(i, "part of a transaction whose start is not shown")
        return act.tx != 0

    def read(self, i: int, act: Act) -> None:
        if self._inside(i, act):
            return
        self.marks[i] = _Mark(Taken.NOTHING, why="a read of xenstore")
        if self.operation != "retrieve" or not self._has(step.read_template):
            return
        node = domain_node(act.path)
        if node == "" if self.coarse else node in ("name", "memory/target"):
            self._step(i, step.merge_knobs)
        elif device_of(act.path, self.coarse):
            self._step(i, step.merge_devices, step.merge_media)
        elif "/backend/pci/" in act.path or backend_of(act.path, self.coarse):
            self._unknown(i, "a backend's nodes as a source of the result (libxl: PCI devices): no step stands for it")

    def write(self, i: int, act: Act) -> None:
        if self._inside(i, act):
            return
        backend = backend_of(act.path, self.coarse)
        forced = backend is not None and backend[2] == "state" and act.value == "6"
        if self.operation == "destroy" and forced and self._has(step.close_devices):
            self.marks[i] = _Mark(Taken.PART, (step.release_devices,))
        else:
            self._unknown(i, f"writes {act.path} outside a transaction: no step stands for it")

    def remove(self, i: int, act: Act) -> None:
        if self._inside(i, act):
            return
        if self.operation == "destroy" and is_whole_tree(act.path):
            self._step(i, step.leave_devices)
        elif self.operation == "destroy" and domain_node(act.path) == "":
            self._unknown(i, "name and memory go here; in the model they go with the domain, in `kill_domain`")
        else:
            self._unknown(i, f"removes {act.path} outside a transaction: no step stands for it")

    def touch(self, i: int, act: Act) -> None:
        if not self._inside(i, act):
            self._unknown(i, f"makes {act.path}, or sets its permissions: no step stands for it")

    def watch(self, i: int, act: Act) -> None:
        if backend_of(act.path, self.coarse):
            self.waits.append(i)
        else:
            self.marks[i] = _Mark(Taken.NOTHING, why="a watch")

    def program(self, i: int, _: Act) -> None:
        self.programs.append(i)

    def hypercall(self, i: int, act: Act) -> None:
        done = HYPERCALLS.get((self.operation, act.path))
        if done:
            self._step(i, done)
        elif (self.operation, act.path) == ("destroy", "pausedomain"):
            self.marks[i] = _Mark(Taken.PART, (step.close_devices,))
        else:
            self._unknown(i, f"hypercall `{act.path}`: no step stands for it here")

    def idle(self, i: int, act: Act) -> None:
        self.marks[i] = _Mark(Taken.NOTHING, why=act.why)

    def other(self, i: int, act: Act) -> None:
        self._unknown(i, act.why)

    def part(self, _i: int, _act: Act) -> None:
        """Told at the end, when it is known what the other line is."""

    def _settle_media(self) -> None:
        for n, (i, members) in enumerate(self.media, 1):
            loads = n == len(self.media) and self.operation != "eject"
            taken = (step.load_medium if n > 1 else step.replace_medium) if loads else step.unload_medium
            self._committed(i, members, taken)
            self._assume(f"line {self.acts[i].line} does not show which medium it writes: it is taken for `{taken}`")
        for f in self.found:
            if f.step is step.load_medium:
                self._assume(
                    f"`load_medium` refuses a drive that is not empty; line {self.acts[f.act].line} looks only whether "
                    "there is a drive, and relies on the `unload_medium` before it"
                )

    def _settle_hotplug(self) -> None:
        wanted, taken, state = HOTPLUG.get(self.operation, (Kind.OTHER, None, ""))
        for i in self.programs:
            act = self.acts[i]
            if taken and (act.kind is wanted or (act.kind is Kind.DEVICE_MODEL and self.operation == "create")):
                self._step(i, taken)
            else:
                self._unknown(i, f"runs {act.path}: no step stands for it here")
        if taken is None:
            self._mark(self.waits, _Mark(Taken.NOTHING, why="a wait for a backend"))
            return
        self._mark(self.waits, _Mark(Taken.PART, (taken,)))
        ends = [i for i in self.waits if self.acts[i].kind is Kind.UNWATCH and self._reached(i, state)]
        if not self._has(taken) and ends:
            self._assume(f"no hotplug script is shown: `{taken}` is put where the wait for the backend ends")
            for i in ends:
                self._step(i, taken)

    def _reached(self, i: int, state: str) -> bool:
        """True unless the trace shows that the wait ended before the backend was in this state."""
        path = self.acts[i].path
        seen = [a.value for a in self.acts[:i] if a.kind is Kind.READ and a.path == path]
        return self.coarse or seen[-1:] == [state]

    def _assume(self, what: str) -> None:
        if what not in self.assumed:
            self.assumed.append(what)

    def _events(self, kept: list[Found]) -> tuple[Event, ...]:
        """A step that another event already stands for is part of that one."""
        at: dict[int, tuple[Step, ...]] = {}
        for f in kept:
            at[f.act] = at.get(f.act, ()) + (() if f.assumed else (f.step,))
        for i, mark in enumerate(self.marks):
            if mark and mark.taken is Taken.STEP:
                self.marks[i] = _Mark(Taken.STEP, at[i]) if at.get(i) else _Mark(Taken.PART, mark.steps)
        return tuple(self._event(i) for i in range(len(self.acts)))

    def _event(self, i: int) -> Event:
        act, root = self.acts[i], i
        while self.acts[root].kind is Kind.PART and self.marks[root] is None and self.acts[root].of >= 0:
            root = self.acts[root].of
        mark = self.marks[root] or _Mark(Taken.UNKNOWN, why="it goes with nothing else in the trace")
        if root != i and mark.taken is Taken.STEP:
            mark = _Mark(Taken.PART, mark.steps)
        elif root != i and mark.taken is Taken.UNKNOWN:
            mark = _Mark(Taken.PART, why=f"goes with line {self.acts[root].line}, which is unknown")
        return Event(act.line, act.text, mark.taken, mark.steps, mark.why)


def recognise(operation: str | None, source: Acts, complete: bool) -> Recognised:
    """What each act was taken for, and the order of steps that they come to."""
    return _Recogniser(operation, source).run(complete)


def _places(acts: list[Act]) -> str:
    paths = list(dict.fromkeys(a.path for a in acts if a.kind in (Kind.WRITE, Kind.REMOVE, Kind.TOUCH)))
    return paths[0] + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")


_HANDLERS: dict[Kind, Callable[[_Recogniser, int, Act], None]] = {
    Kind.LOCK: _Recogniser.lock,
    Kind.UNLOCK: _Recogniser.unlock,
    Kind.READ_TEMPLATE: _Recogniser.read_template,
    Kind.DRAFT: _Recogniser.draft,
    Kind.REPLACE_TEMPLATE: _Recogniser.replace_template,
    Kind.REMOVE_TEMPLATE: _Recogniser.remove_template,
    Kind.START: _Recogniser.start,
    Kind.COMMIT: _Recogniser.commit,
    Kind.RETRY: _Recogniser.retry,
    Kind.ABORT: _Recogniser.abort,
    Kind.READ: _Recogniser.read,
    Kind.WRITE: _Recogniser.write,
    Kind.TOUCH: _Recogniser.touch,
    Kind.REMOVE: _Recogniser.remove,
    Kind.WATCH: _Recogniser.watch,
    Kind.UNWATCH: _Recogniser.watch,
    Kind.PLUG: _Recogniser.program,
    Kind.UNPLUG: _Recogniser.program,
    Kind.DEVICE_MODEL: _Recogniser.program,
    Kind.HYPERCALL: _Recogniser.hypercall,
    Kind.PART: _Recogniser.part,
    Kind.IDLE: _Recogniser.idle,
    Kind.OTHER: _Recogniser.other,
}
