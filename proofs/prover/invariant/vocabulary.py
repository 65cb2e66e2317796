"""What lemmas are made of: every question that the declared fields allow, asked of an element and of a process.

Nothing is typed by hand: two values of one sort are equal or not, a flag is set or not. An atom is a function in
the language of steps, so it runs on every carrier, and a new field takes part by being declared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from confsync.model.engine.footprint import any_element, probe
from confsync.model.engine.program import Program
from confsync.model.engine.slice import value_flows
from confsync.model.language import BOOL, COUNT, Bool, Field, IndexSort, Protocol, Sort, ValueSort, behind
from confsync.model.language.records import opaque_map
from confsync.proofs.prover.carrier.terms import on_terms

Ask = Callable[[Any, Any, Any], Bool]
"""A question about the shared record, a process's own, and an element `k`."""
Value = Callable[[Any, Any, Any], object]


def named(sort: Sort) -> dict[str, int]:
    """The values of a sort that have a name: those that fields have at first, and those that steps write."""
    if sort == COUNT:
        return {"0": 0}
    if not isinstance(sort, ValueSort):
        return {}
    return {"the first": 0} if sort.first == 1 else {name: n for n, name in enumerate(sort.constants)}


@dataclass(frozen=True, slots=True, eq=False)
class Atom:
    """A question about an element `k` and a process. `about`: the sort of the values it is about; BOOL for none of
    them."""

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


def _fields(protocol: Protocol) -> Iterator[tuple[str, Field, Value]]:
    """Every field a lemma can speak of, its name as a lemma writes it, and its value. Of an opaque map, it is what is
    behind its entries."""
    for record, owner, which in ((protocol.shared, "", 0), (protocol.local, "my ", 1)):
        views = {view.entries.name: name for name, view in vars(record).items() if isinstance(view, behind)}
        for name, field in record.fields().items():
            if not on_terms(field) or (isinstance(field, opaque_map) and name not in views):
                continue
            read = views.get(name, name)
            said = f"{owner}{name}[k]" if field.over else f"{owner}{name}"
            if field.over:
                yield said, field, lambda s, me, k, r=read, w=which: getattr((s, me)[w], r)[k]  # type: ignore[misc]
            else:
                yield said, field, lambda s, me, _, r=read, w=which: getattr((s, me)[w], r)  # type: ignore[misc]


def stated(protocol: Protocol, name: str, ask: Ask) -> Atom:
    """A statement as an atom of its own."""
    return _atom(protocol, name, f"not: {name}", BOOL, ask)


def _atom(protocol: Protocol, name: str, opposite: str, about: Sort, ask: Ask) -> Atom:
    k = any_element(protocol.index_sorts[0]) if protocol.index_sorts else None
    touched = probe(lambda s, me: ask(s, me, k), name, protocol.shared, protocol.local, ghosts=True)
    return Atom(name, opposite, ask, about, touched.reads_shared, touched.reads_local)


def themes(program: Program) -> dict[str, Sort]:
    """What each flag that steps or ghosts make from values is about: the sort of those values. A lemma that joins
    values of two sorts, and flags about them, joins what has no connection."""
    _, flows = value_flows(program)
    fields = program.protocol.local_fields | program.protocol.shared_fields
    sorts = list(program.protocol.value_sorts)
    found: dict[str, Sort] = {}
    for name, made_from in flows.items():
        if fields[name].sort == BOOL:
            about = {fields[f].sort for f in made_from} & set(sorts)
            if about:
                found[name] = next(sort for sort in sorts if sort in about)
    return found


def atoms(program: Program) -> tuple[Atom, ...]:
    """All of them, in the order of the fields' declaration."""
    protocol, about = program.protocol, themes(program)
    fields = list(_fields(protocol))
    of_maps: Sort = next((f.sort for _, f, _ in fields if f.over and isinstance(f.sort, ValueSort)), BOOL)
    """What flags over an index sort are about, and which element is asked of."""
    found = [
        _atom(protocol, f"k is {kind}", f"k is not {kind}", of_maps, lambda _s, _me, k, p=kind: getattr(k, p))  # type: ignore[misc]
        for sort in protocol.index_sorts
        for kind in sort.predicates
    ]
    for said, field, value in fields:
        if field.sort == BOOL:
            sort = of_maps if field.over else about.get(field.name, BOOL)
            found.append(_atom(protocol, said, f"not {said}", sort, value))  # type: ignore[arg-type]
        elif isinstance(field.sort, IndexSort):
            is_k = lambda s, me, k, v=value: v(s, me, k) == k  # noqa: E731
            found.append(_atom(protocol, f"k is {said}", f"k is not {said}", of_maps, is_k))
        for constant, number in named(field.sort).items():
            found.append(
                _atom(
                    protocol,
                    f"{said} = {constant}",
                    f"{said} != {constant}",
                    field.sort,
                    lambda s, me, k, v=value, n=number: v(s, me, k) == n,  # type: ignore[misc]
                )
            )
    for (a, f, x), (b, g, y) in combinations(fields, 2):
        if f.sort == g.sort and isinstance(f.sort, ValueSort):
            equal = lambda s, me, k, x=x, y=y: x(s, me, k) == y(s, me, k)  # noqa: E731
            found.append(_atom(protocol, f"{a} = {b}", f"{a} != {b}", f.sort, equal))
    return tuple(found)
