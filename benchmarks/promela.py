"""The same program for spin: a Promela model printed from the very step functions, and a run of its search.

A step runs on a carrier whose values are expressions, and what it does becomes one `d_step`. Each point is a label; a
map is one variable for each slot, so that bits pack; where a step asks which slot it was asked about, there is an
alternative for each. The reachable states are those of `confsync.model.engine.program`, one for one, so spin's count of
stored states is the count of product states, without any reduction."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.promela_carrier import Known, Plain, Script, ScriptCells, raw, variable
from confsync.model.engine.concrete import Layout
from confsync.model.engine.environment import die
from confsync.model.engine.program import IDLE, Kind, Program
from confsync.model.language import COUNT, LOCATION, WATCH, Field
from confsync.model.libxl import ghosts
from confsync.model.libxl.operations import SIGNATURES
from confsync.model.libxl.protocol import LIBXL
from confsync.model.libxl.state import SLOT, Bounds, Local, Shared

ENGINE = (LOCATION, WATCH)


def places(layout: Layout, names: set[str] | None = None) -> Iterator[tuple[Field, int]]:
    """A record's fields, a map's once for each slot: all, or those named. Not the engine's own."""
    for p in layout.places.values():
        if p.field.sort not in ENGINE and (names is None or p.field.name in names):
            yield from ((p.field, k) for k in range(p.count))


@dataclass(frozen=True, slots=True)
class Alternative:
    """A transition as it is printed: `when`, a conjunction; what it does; the point it leads to."""

    when: tuple[str, ...]
    does: tuple[str, ...]
    goes_to: int


class _Generator:
    def __init__(self, program: Program) -> None:
        self.program, self.kept = program, 0
        self.shared, self.local = program.shared_layout, program.local_layout
        self.starts: dict[str, list[Known]] = {}
        for word in program.starts:
            name = program.points[program.point_of(word)].operation
            self.starts.setdefault(name, []).append(self._arguments(word))
        written = {name: self._written(name) for name in self.starts}
        self.known = {name: self._constants(name, local) for name, (_, local) in written.items()}
        changing = {f.name for f, _ in places(self.shared) if f.ghost or f.sort == COUNT}
        changing |= {n for shared, _ in written.values() for n in shared}
        self.globals = {n for n in changing if self.shared.places[n].bits}
        changing = {f.name for f, k in places(self.local) if any((f.name, k) not in c for c in self.known.values())}
        self.locals = {n for n in changing if self.local.places[n].bits}
        self.never: Known = {(f.name, k): False for f, k in places(self.shared) if f.name not in self.globals}

    def _written(self, name: str) -> tuple[set[str], set[str]]:
        """The shared and the local fields that an operation's steps write."""
        touched = [self.program.footprints[p.step] for p in self.program.points if p.operation == name]
        return {n for t in touched for n in t.writes_shared}, {n for t in touched for n in t.writes_local}

    def _arguments(self, word: int) -> Known:
        whole = {f.name: self.local.get(word, f.name) for f, _ in places(self.local)}
        return {(f.name, k): v[k] if isinstance(v := whole[f.name], tuple) else v for f, k in places(self.local)}

    def _constants(self, name: str, written: set[str]) -> Known:
        """The locals that are the same whenever a step of the operation reads them."""
        first, *others = self.starts[name]
        kept = {at: v for at, v in first.items() if at[0] not in written or not self.local.places[at[0]].bits}
        return {at: v for at, v in kept.items() if all(o[at] == v for o in others)}

    def _cells(self, script: Script, known: Known) -> tuple[ScriptCells, ScriptCells]:
        return (
            ScriptCells(self.shared, self.globals, script, self.never),
            ScriptCells(self.local, self.locals, script, known),
        )

    def _leave(self, script: Script, me: ScriptCells, here: int, to: int, starting: bool) -> tuple[str, ...]:
        """The script's text, when locals that are dead at the next point are reset (and arguments are set)."""
        live = {n for n in self.locals if self.program.live[to] & self.local.places[n].mask} if to else set()
        for f, k in places(self.local, self.locals):
            place = f.name, k
            zero = place in me.known and raw(me.known[place]) == 0 and (starting or f.sort != SLOT)
            held = place in me.written or (not starting and self.program.live[here] & self.local.places[f.name].mask)
            if f.name not in live and held and not zero:
                script.assign(variable(f, k), 0)
            elif f.name in live and starting and place not in me.written and not zero:
                script.assign(variable(f, k), me.known[place])
        self.kept = max(self.kept, len(script.kept))
        return tuple(script.text())

    def _gives_up(self, kind: Kind, here: int, when: tuple[str, ...], known: Known, starting: bool) -> Alternative:
        point, script = self.program.points[here], Script()
        s, me = self._cells(script, known)
        if not point.cleaning_up:
            gives_up = ghosts.gives_up(SIGNATURES[point.operation], self.program.written(here))
            gives_up(Shared(s), Local(me))
        to = self.program._gives_up(kind, here, self.program.initial, IDLE).goes_to
        return Alternative(when, self._leave(script, me, here, to, starting), to)

    def _step(self, here: int, known: Known, starting: bool = False) -> Iterator[Alternative]:
        """What the step at a point can come to."""
        point, script = self.program.points[here], Script()
        s, me = self._cells(script, known)
        point.step.run(Shared(s), Local(me))
        when = tuple(passes for _, passes, _ in script.guards)
        ghosts.follow(SIGNATURES[point.operation], self.program.footprints[point.step].writes_shared)(
            Shared(s), Local(me)
        )
        to = self.program.next[here]
        yield Alternative(when, self._leave(script, me, here, to, starting), to)
        refused = []
        for i, (refuses, _, fails) in enumerate(script.guards):
            if refuses:
                refused.append(self._gives_up(Kind.REFUSED, here, (*when[:i], fails), known, starting))
        if point.step.may_fail:
            waits = tuple(passes for refuses, passes, _ in script.guards if not refuses)
            failed = self._gives_up(Kind.FAILS, here, waits, known, starting)
            same = all((r.does, r.goes_to) == (failed.does, failed.goes_to) for r in refused)
            if same and waits == when[: len(waits)]:
                yield failed  # this comes to the same as a refusal, so nobody asks whether it is one
                return
            yield replace(failed, when=when)
        yield from refused

    def _crash(self, here: int, known: Known) -> Iterator[Alternative]:
        """The death of a process at a point."""
        crashes = Bounds.of(self.program.bounds).crashes
        if not crashes:
            return
        script, bounded = Script(), "crashes" in self.globals
        s, me = self._cells(script, known)
        die(LIBXL, self.program.signature(here))(Shared(s), Local(me))
        when = (f"crashes < {crashes}",) if bounded else ()
        yield Alternative(when, self._leave(script, me, here, IDLE, False), IDLE)

    def idle(self) -> list[Alternative]:
        """All first steps: an operation is started with each choice of arguments."""
        firsts = [
            a
            for name, choices in self.starts.items()
            for arguments in choices
            for a in self._step(self.program.first[name], arguments, starting=True)
        ]
        return _distinct(a for a in firsts if a.does or a.goes_to)

    def at(self, here: int) -> list[Alternative]:
        """What can happen at a point: where it depends on the slot, a case for each."""
        name = self.program.points[here].operation
        slots: list[Plain] = list(dict.fromkeys(arguments["slot", 0] for arguments in self.starts[name]))
        if "slot" in self._written(name)[1]:
            slots = list(self.local.elements(SLOT))
        cases = [self._alternatives(here, {**self.known[name], ("slot", 0): k}) for k in slots]
        same = [a for a in cases[0] if all(a in case for case in cases)]
        return _distinct(
            a if a in same else replace(a, when=(f"slot == {raw(k)}", *a.when))
            for k, case in zip(slots, cases, strict=True)
            for a in case
        )

    def _alternatives(self, here: int, known: Known) -> list[Alternative]:
        return [*self._step(here, known), *self._crash(here, known)]


def _distinct(alternatives: Iterable[Alternative]) -> list[Alternative]:
    return [a for a in dict.fromkeys(alternatives) if "false" not in a.when]


def _declare(layout: Layout, names: set[str], indent: str = "") -> Iterator[str]:
    for f, k in places(layout, names):
        bits = layout.places[f.name].bits
        yield f"{indent}bit {variable(f, k)};" if bits == 1 else f"{indent}unsigned {variable(f, k)} : {bits};"


def generate(program: Program) -> str:
    """The Promela model of a program."""
    g = _Generator(program)
    labels = ["idle", *(f"{p.operation}_{i}_{p.step.name}" for i, p in enumerate(program.points) if i)]
    body, waiting, done = [], [IDLE], {IDLE}
    while waiting:
        here = waiting.pop()
        alternatives = g.at(here) if here else g.idle()
        body += [f"{labels[here]}:", "  if", *(_option(a, labels) for a in alternatives), "  fi;"]
        ahead = {a.goes_to for a in alternatives} - done
        waiting += sorted(ahead, reverse=True)
        done |= ahead
    return "\n".join(
        [
            f"/* {program.design.name}: {program.bounds} */",
            *_declare(g.shared, g.globals),
            *(f"hidden byte kept_{i};" for i in range(g.kept)),
            f"active [{program.bounds.processes}] proctype user() {{",
            *_declare(g.local, g.locals, "  "),
            *body,
            "}",
            "",
        ]
    )


def _option(a: Alternative, labels: list[str]) -> str:
    when = " && ".join(c for c in a.when if c != "true")
    text = " -> ".join(t for t in (when, "; ".join(a.does)) if t)
    return f"  :: d_step {{ {text or 'true'} }}; goto {labels[a.goes_to]}"


class SpinError(Exception):
    """Spin, the compiler or the search did not do what was asked; or the search was cut short."""


@dataclass(frozen=True, slots=True)
class SpinResult:
    """What a search found and took. `transitions` counts those too that a state has twice or that lead back to it;
    pan prints eight digits of a number."""

    states: int
    transitions: int
    depth: int
    user_seconds: float
    system_seconds: float
    peak_bytes: int


SPIN = ("spin", "-o1", "-o2", "-o3", "-a", "model.pml")
"""Without the options that leave out dead or unread variables or merge steps: each would change the count."""
COMPILER = ("gcc", "-O2", "-w", "-DSAFETY", "-DNOREDUCE", "-o", "pan", "pan.c")


CUT_SHORT = {
    "depth limit reached": "`max_depth` is too small",
    "max search depth too small": "`max_depth` is too small",
    "MEMLIM": "`memory_mb` is too small",
    "out of memory": "there is no more memory",
    "Search not completed": "pan says why",
}
"""What pan prints when it has not searched everything."""
LAUNCHER = """
import os, sys
_, status, used = os.wait4(os.spawnvp(os.P_NOWAIT, sys.argv[1], sys.argv[1:]), 0)
print(os.waitstatus_to_exitcode(status), used.ru_utime, used.ru_stime, used.ru_maxrss, file=sys.stderr)
"""
"""Run a command and tell what it used. In a small process: to begin with, a child's peak is that of its parent."""


def _call(*command: str, where: Path) -> subprocess.CompletedProcess[str]:
    try:
        done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise SpinError(f"{command[0]} is not installed") from None
    if done.returncode:
        raise SpinError(f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done


def run(
    program: Program, workdir: Path, *, memory_mb: int = 16000, log2_hash: int = 26, max_depth: int = 1_000_000
) -> SpinResult:
    """Have spin search all states of the program. The time and the memory are those of the search alone; its hash
    table and its stack are part of it. SpinError if the search was cut short."""
    (workdir / "model.pml").write_text(generate(program))
    _call(*SPIN, where=workdir)
    _call(*COMPILER, f"-DMEMLIM={memory_mb}", where=workdir)
    pan = ("./pan", f"-m{max_depth}", f"-w{log2_hash}", "-E", "-n", "-b")
    done = _call(sys.executable, "-I", "-S", "-c", LAUNCHER, *pan, where=workdir)
    code, user, system, peak = done.stderr.split()[-4:]
    return _parsed(done.stdout, int(code), float(user), float(system), int(peak) * 1024)


def _parsed(said: str, code: int, user: float, system: float, peak: int) -> SpinResult:
    """What pan said at its end, and what it used."""
    for cut_short, why in CUT_SHORT.items():
        if cut_short in said:
            raise SpinError(f"the search was cut short: {why}\n{said}")
    states = re.search(r"([0-9.e+]+) states, stored", said)
    transitions = re.search(r"([0-9.e+]+) transitions", said)
    depth = re.search(r"depth reached (\d+), errors: 0", said)
    if code or not (states and transitions and depth):
        raise SpinError(f"pan returned {code}:\n{said}")
    return SpinResult(round(float(states[1])), round(float(transitions[1])), int(depth[1]), user, system, peak)
