"""How the properties are split up for the search.

A whole configuration is a fixed point, or in agreement, if its devices are and its knobs are. It is exact if both are
at the instant when the last part is read; where they are not, the engine decides on everything at once."""

from __future__ import annotations

from confsync.model.engine.footprint import probe
from confsync.model.language import Invariant, LockOrderAcyclic, LocksExclusive, Slice, Terminates
from confsync.model.libxl import recovery
from confsync.model.libxl.operations import OBSERVER
from confsync.model.libxl.properties import PROPERTIES
from confsync.model.libxl.state import CONFIG, Local, Shared


def _over_stores() -> frozenset[str]:
    """The shared fields that some invariant reads."""
    predicates = [f for p in PROPERTIES.values() if isinstance(p, Invariant) for f in (p.holds, p.met)]
    touched = [probe(lambda s, me, f=f: f(s, me.slot), "", Shared, Local, ghosts=True) for f in predicates]  # type: ignore[misc]
    return frozenset().union(*(t.reads_shared for t in touched))


SLICES = (
    Slice(
        "processes",
        tuple(n for n, p in PROPERTIES.items() if isinstance(p, LocksExclusive | LockOrderAcyclic | Terminates)),
        frozenset(),
        alike=(CONFIG,),
    ),
    Slice(
        "devices",
        tuple(
            n
            for n, p in PROPERTIES.items()
            if not isinstance(p, LocksExclusive | LockOrderAcyclic | Terminates) and n != "knobs_are_reflected"
        ),
        _over_stores() | {"draft"},
    ),
    Slice(
        "knobs",
        ("retrieve_is_exact", "knobs_are_reflected", "retrieve_is_a_fixed_point"),
        frozenset({"alive", "saved", "name", "memory", "granted", "torn", *OBSERVER.answer}) - {"draft"},
        alike=(CONFIG,),
    ),
    Slice(
        "memory",
        ("always_recoverable",),
        frozenset({"alive", "saved", "paused", "memory", "granted"}),
        alike=(CONFIG,),
        recovery=recovery.KNOBS,
    ),
)
