"""What a step touches: computed by running it once on a carrier that keeps no values. Never typed by hand.

The frame of a step is everything it does not write. Running on the probe also shows that the step has no
branch on state, and touches nothing that a real process could not.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.language import Bool, ConcreteSlot, Field, LanguageError, Slot, Sort, Term
from model.state import Local, Shared
from model.step import Step


class Probe(Term):
    """Some value, it doesn't matter which; `of` are the fields that it was made from."""

    def __init__(self, of: frozenset[str] = frozenset(), compared: list[bool] | None = None) -> None:
        self.of = of
        self.compared = [] if compared is None else compared

    def neg(self) -> Probe:
        return self

    def both(self, other: Bool) -> Probe:
        return Probe(self.of | sources(other), self.compared)

    def either(self, a: Any, b: Any) -> Probe:
        return Probe(self.of | sources(a) | sources(b), self.compared)

    @property
    def ejectable(self) -> Probe:
        return self

    def _compare(self, other: object) -> Probe:
        if isinstance(other, Probe):
            self.compared.append(True)
        return Probe(self.of | sources(other), self.compared)

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _compare
    __hash__ = None  # type: ignore[assignment]


def sources(value: object) -> frozenset[str]:
    """The fields that a value was made from; none for a constant."""
    return value.of if isinstance(value, Probe) else frozenset()


@dataclass(frozen=True, slots=True)
class Footprint:
    """The fields a step reads and writes; `replaces` are the maps and values it writes whole.

    `waits`: it has a guard that can block it. `guards`: how many guards it has. `decides`: the fields that its
    guards depend on. `flows`: for each field it writes, the fields that the new value is made from.
    """

    reads_shared: frozenset[str]
    reads_local: frozenset[str]
    writes_shared: frozenset[str]
    writes_local: frozenset[str]
    replaces_local: frozenset[str]
    waits: bool
    refuses: bool
    guards: int
    decides: frozenset[str]
    compares: bool
    flows: dict[str, frozenset[str]]


class _ProbeCells:
    def __init__(self, step: str, may_see_ghosts: bool) -> None:
        self.step, self.may_see_ghosts = step, may_see_ghosts
        self.compared: list[bool] = []
        self.reads: set[str] = set()
        self.writes: set[str] = set()
        self.replaces: set[str] = set()
        self.waits = self.refuses = False
        self.guards = 0
        self.decides: frozenset[str] = frozenset()
        self.flows: dict[str, frozenset[str]] = {}
        self.also: _ProbeCells | None = None
        """The other record's cells: a guard of the locals comes before any update of the shared state."""

    def _check(self, field: Field) -> None:
        if self.may_see_ghosts:
            return
        if field.ghost:
            raise LanguageError(f"{field!r} is a ghost: no process can see it or write it")
        if field.sort in (Sort.LOCATION, Sort.COUNT, Sort.WATCH):
            raise LanguageError(f"{field!r} is the engine's: a step neither reads nor writes it")

    def _read(self, field: Field) -> frozenset[str]:
        self._check(field)
        if field.name not in self.replaces:
            self.reads.add(field.name)
        return frozenset({field.name}) | self.flows.get(field.name, frozenset())

    def _write(self, field: Field, *values: object) -> None:
        self.writes.add(field.name)
        self.flows[field.name] = self.flows.get(field.name, frozenset()).union(*map(sources, values))

    def read(self, field: Field) -> Probe:
        return Probe(self._read(field), self.compared)

    def read_at(self, field: Field, slot: Slot) -> Probe:
        if not isinstance(slot, Probe | ConcreteSlot):
            raise LanguageError(f"{field!r} is a map on slots: {slot!r} is no slot")
        return Probe(self._read(field) | sources(slot), self.compared)

    def look_behind(self, field: Field, slot: Slot) -> Probe:
        if not self.may_see_ghosts:
            raise LanguageError(
                f"no process can see the configuration behind an entry of {field!r} (it can't be rebuilt from "
                "xenstore): ask whether it is `.present` or `.empty`"
            )
        return self.read_at(field, slot)

    def write(self, field: Field, value: object) -> None:
        self._check(field)
        kinds = {Sort.BOOL: bool, Sort.SLOT: ConcreteSlot}
        if not isinstance(value, Probe) and not isinstance(value, kinds.get(field.sort, int)):
            raise LanguageError(f"{field!r} holds a {field.sort.value}, not {value!r}")
        self._write(field, value)
        self.replaces.add(field.name)

    def write_at(self, field: Field, slot: Slot, value: object) -> None:
        self._check(field)
        if not isinstance(value, Probe | int):
            raise LanguageError(f"{field!r} holds {field.sort.value}s, not {value!r}")
        self._write(field, value, slot)

    def write_all(self, field: Field, at: Callable[[Any], object]) -> None:
        self._check(field)
        self._write(field, at(Probe()))
        self.replaces.add(field.name)

    def wait_until(self, condition: Bool) -> None:
        self._guard(condition)
        self.waits = True

    def fail_if(self, condition: Bool) -> None:
        self._guard(condition)
        self.refuses = True

    def _guard(self, condition: Bool) -> None:
        if not isinstance(condition, Probe | bool):
            raise LanguageError(f"a guard needs a condition, not {condition!r}")
        if self.writes or (self.also and self.also.writes):
            raise LanguageError("a guard comes before any update: a step that is refused has done nothing")
        self.guards += 1
        self.decides |= sources(condition)


def _where(error: BaseException, run: Callable[..., object]) -> str:
    code = run.__code__
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == code.co_filename]
    return f"{Path(code.co_filename).name}:{lines[-1] if lines else code.co_firstlineno}"


def probe(run: Callable[[Shared, Local], object], name: str, *, ghosts: bool = False) -> Footprint:
    """Run a function of the two records on the probe. LanguageError if it is not a step (or, with `ghosts`, not a
    property): a branch on state, a guard after an update, a ghost touched, a field that does not exist."""
    s, me = _ProbeCells(name, ghosts), _ProbeCells(name, ghosts)
    me.also = s
    try:
        run(Shared(s), Local(me))
    except LanguageError as error:
        raise LanguageError(f"step `{name}` ({_where(error, run)}): {error}") from None
    except (TypeError, AttributeError, NameError, ValueError, IndexError, KeyError) as error:
        raise LanguageError(f"step `{name}` ({_where(error, run)}): {type(error).__name__}: {error}") from None
    return Footprint(
        frozenset(s.reads),
        frozenset(me.reads),
        frozenset(s.writes),
        frozenset(me.writes),
        frozenset(me.replaces),
        me.waits,
        me.refuses,
        me.guards,
        me.decides,
        bool(s.compared or me.compared),
        s.flows | me.flows,
    )


def footprint(step: Step) -> Footprint:
    """What a step touches."""
    return probe(step.run, step.name)
