"""Slicing: a property is decided on the part of the state that can have a say in it.

The fields a property reads, the fields that any guard depends on, and, over and over, the fields from which
one of these is made: nothing else can change the verdict, so the rest need not be kept (the cone of
influence; program slicing, Weiser 1981). The cone is computed from the steps' footprints. States that differ in
the rest alone behave alike, step for step, so a slice refutes exactly what the whole refutes, by traces of the
same length.
"""

from __future__ import annotations

from confsync.model.engine import environment
from confsync.model.engine.program import Program


def value_flows(program: Program) -> tuple[set[str], dict[str, set[str]]]:
    """What the guards depend on; and for each field, the fields from which some step or ghost makes it."""
    decides: set[str] = set()
    flows: dict[str, set[str]] = {}
    for touched in program.footprints.values():
        found = [touched]
        decides |= touched.decides
        for signature in program.protocol.operations.values():
            found.append(environment.touched_after(program.protocol, signature, touched.writes_shared))
            found.append(environment.ghosts_touched_by_death(program.protocol, signature))
        for f in found:
            for target, made_from in f.flows.items():
                flows.setdefault(target, set()).update(made_from)
    return decides, flows


def cone(program: Program, seeds: frozenset[str]) -> frozenset[str]:
    """The fields that can have a say in a property which reads `seeds`."""
    decides, flows = value_flows(program)
    protocol = program.protocol
    locks = {field for lock in protocol.locks for field in (lock.taken, lock.held)}
    inside = {"at", "watch", protocol.crashes, *protocol.element_fields, *locks, *seeds} | decides
    while True:
        more = set().union(*(flows.get(f, set()) for f in inside)) - inside
        if not more:
            return frozenset(inside)
        inside |= more


def values_are_alike(program: Program) -> bool:
    """True if no step compares two values of the state: then it is nowhere asked which value stands at a place, only
    whether it is one of the constants, and a slice whose properties do not ask either can do with one value of a sort
    beside the constants (data independence; Wolper 1986)."""
    return not any(touched.compares for touched in program.footprints.values())
