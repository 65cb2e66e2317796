"""What lemmas are made of: every question that the declared fields allow, asked of a slot and of a process.

Nothing is typed by hand: two values of one sort are equal or not, a flag is set or not. An atom is a function in
the language of steps, so it runs on every carrier, and a new field takes part by being declared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import cast

from confsync.model.engine.footprint import Probe, probe
from confsync.model.engine.program import Program
from confsync.model.engine.slice import value_flows
from confsync.model.language import ABSENT, EMPTY, MADE_UP, Bool, Field, Slot, Sort
from confsync.model.libxl.state import Local, Shared

Ask = Callable[[Shared, Local, Slot], Bool]
Value = Callable[[Shared, Local, Slot], object]
ENGINE = {Sort.LOCATION, Sort.WATCH}
FIRSTS = {
    Sort.CONFIG: {"ABSENT": ABSENT, "EMPTY": EMPTY, "MADE_UP": MADE_UP},
    Sort.NAME: {"the first": 0},
    Sort.AMOUNT: {"the first": 0},
    Sort.COUNT: {"0": 0},
}
"""The values of each sort that the language has names for: the initial ones, and those that steps write."""


@dataclass(frozen=True, slots=True, eq=False)
class Atom:
    """A question about a slot `k` and a process. `about`: the sort of the values it is about; BOOL for none of them."""

    name: str
    opposite: str
    ask: Ask
    about: Sort
    shared: frozenset[str]
    local: frozenset[str]
    """The fields that the answer depends on."""

    def says(self, yes: bool) -> str:
        """The answer in words."""
        return self.name if yes else self.opposite


def _fields() -> Iterator[tuple[str, Field, Value]]:
    """Every field a lemma can speak of, its name as a lemma writes it, and its value."""
    for record, owner, which in ((Shared, "", 0), (Local, "my ", 1)):
        for name, field in record.fields().items():
            if field.sort in ENGINE:
                continue
            read = "attached" if name == "xenstore" else name
            said = f"{owner}{name}[k]" if field.per_slot else f"{owner}{name}"
            if field.per_slot:
                yield said, field, lambda s, me, k, r=read, w=which: getattr((s, me)[w], r)[k]  # type: ignore[misc]
            else:
                yield said, field, lambda s, me, _, r=read, w=which: getattr((s, me)[w], r)  # type: ignore[misc]


def stated(name: str, ask: Ask) -> Atom:
    """A statement as an atom of its own."""
    return _atom(name, f"not: {name}", Sort.BOOL, ask)


def _atom(name: str, opposite: str, about: Sort, ask: Ask) -> Atom:
    touched = probe(lambda s, me: ask(s, me, cast(Slot, Probe(Sort.SLOT, frozenset(), []))), name, ghosts=True)
    return Atom(name, opposite, ask, about, touched.reads_shared, touched.reads_local)


def themes(program: Program) -> dict[str, Sort]:
    """What each flag that steps or ghosts make from values is about: the sort of those values. A lemma that joins
    values of two sorts, and flags about them, joins what has no connection."""
    _, flows = value_flows(program)
    fields = Local.fields() | Shared.fields()
    found: dict[str, Sort] = {}
    for name, made_from in flows.items():
        if fields[name].sort is Sort.BOOL:
            sorts = {fields[f].sort for f in made_from} & FIRSTS.keys() - {Sort.COUNT}
            if sorts:
                found[name] = min(sorts, key=list(FIRSTS).index)
    return found


def atoms(program: Program) -> tuple[Atom, ...]:
    """All of them, in the order of the fields' declaration."""
    about = themes(program)
    found = [_atom("k is ejectable", "k is not ejectable", Sort.CONFIG, lambda _s, _me, k: k.ejectable)]
    fields = list(_fields())
    for said, field, value in fields:
        if field.sort is Sort.BOOL:
            sort = Sort.CONFIG if field.per_slot else about.get(field.name, Sort.BOOL)
            found.append(_atom(said, f"not {said}", sort, value))  # type: ignore[arg-type]
        elif field.sort is Sort.SLOT:
            found.append(_atom(f"k is {said}", f"k is not {said}", Sort.CONFIG, lambda _s, me, k: me.slot == k))
        for constant, number in FIRSTS.get(field.sort, {}).items():
            found.append(
                _atom(
                    f"{said} = {constant}",
                    f"{said} != {constant}",
                    field.sort,
                    lambda s, me, k, v=value, n=number: v(s, me, k) == n,  # type: ignore[misc]
                )
            )
    for (a, f, x), (b, g, y) in combinations(fields, 2):
        if f.sort is g.sort and f.sort in FIRSTS and f.sort is not Sort.COUNT:
            found.append(
                _atom(f"{a} = {b}", f"{a} != {b}", f.sort, lambda s, me, k, x=x, y=y: x(s, me, k) == y(s, me, k))  # type: ignore[misc]
            )
    return tuple(found)
