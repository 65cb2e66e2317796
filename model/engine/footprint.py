"""What a step touches: computed by running it once on a carrier that keeps no values. Never typed by hand.

The frame of a step is everything it does not write. Running on the probe also shows that the step has no
branch on state, and touches nothing that a real process could not.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from confsync.model.language import (
    BOOL,
    COUNT,
    LOCATION,
    WATCH,
    Bool,
    Element,
    Field,
    Index,
    IndexSort,
    LanguageError,
    LocalRecord,
    Opaque,
    Protocol,
    Record,
    Sort,
    Step,
    Term,
    ValueSort,
)
from confsync.model.language.records import opaque_map


class Probe(Term):
    """Some value of a sort (None: a number), it doesn't matter which; `of` are the fields that it was made from."""

    def __init__(self, sort: Sort | None, of: frozenset[str], compared: list[bool]) -> None:
        self.sort, self.of, self.compared = sort, of, compared

    def __getattr__(self, name: str) -> Probe:
        """A predicate of an index sort's element."""
        if name.startswith("__"):
            raise AttributeError(name)
        if not isinstance(self.sort, IndexSort):
            raise LanguageError(f"{self!r} has no `{name}`: only an element of an index sort can be asked for its kind")
        if name not in self.sort.predicates:
            there = f"it is {' or '.join(self.sort.predicates)}" if self.sort.predicates else "all are of one kind"
            raise LanguageError(f"{self!r} has no `{name}`: {there}")
        return self._made(BOOL)

    def __repr__(self) -> str:
        made_from = " and ".join(f"`{f}`" for f in sorted(self.of))
        return a_value(self.sort) + (f" made from {made_from}" if made_from else "")

    def _made(self, sort: Sort | None, *others: object) -> Probe:
        return Probe(sort, self.of.union(*map(sources, others)), self.compared)

    def neg(self) -> Probe:
        return self.both(True)

    def both(self, other: Bool) -> Probe:
        for c in (self, other):
            if not fits(c, BOOL):
                raise LanguageError(f"a condition is needed, not {c!r}")
        return self._made(BOOL, other)

    def either(self, a: Any, b: Any) -> Probe:
        if not fits(self, BOOL):
            raise LanguageError(f"a condition is needed, not {self!r}")
        sort = next((p.sort for p in (a, b) if isinstance(p, Probe)), BOOL if isinstance(a, bool) else None)
        if not (fits(a, sort) and fits(b, sort)):
            raise LanguageError(f"a choice is between values of one sort, not between {a!r} and {b!r}")
        return self._made(sort, a, b)

    def one_more(self) -> Probe:
        return self._made(COUNT)

    def _compare(self, other: object) -> Probe:
        if not fits(other, self.sort):
            raise LanguageError(f"{self!r} is never equal to {other!r}: compare values of one sort")
        if isinstance(other, Probe):
            self.compared.append(True)
        return self._made(BOOL, other)

    def _refuse(self, _: object) -> Probe:
        raise LanguageError(f"{self!r}: a step can ask of values only whether they are equal")

    __eq__ = __ne__ = _compare  # type: ignore[assignment]
    __lt__ = __le__ = __gt__ = __ge__ = __add__ = __radd__ = __sub__ = __rsub__ = _refuse
    __hash__ = None


def a_value(sort: Sort | None) -> str:
    name = sort.name if sort else "number"
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"


def fits(value: object, sort: Sort | None) -> bool:
    """True where a value can be of the sort (None: a number). A value sort's constants can be written as numbers."""
    if isinstance(value, Opaque):
        value.refuse()
    if isinstance(value, Probe):
        return value.sort == sort or (None in (sort, value.sort) and _is_number(sort) and _is_number(value.sort))
    if isinstance(value, bool) or sort == BOOL:
        return isinstance(value, bool) and sort == BOOL
    if isinstance(sort, IndexSort):
        return isinstance(value, Element) and value.sort == sort
    return isinstance(value, int) and (not isinstance(sort, ValueSort) or value in range(sort.first))


def _is_number(sort: Sort | None) -> bool:
    return sort != BOOL and not isinstance(sort, IndexSort)


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
            raise LanguageError(
                f"{field!r} is a ghost: no process can see it or write it; it follows by itself from what a step "
                "touches, so leave it out"
            )
        if field.sort in (LOCATION, COUNT, WATCH):
            raise LanguageError(f"{field!r} is the engine's: a step neither reads nor writes it")

    def _check_element(self, field: Field, k: object) -> None:
        self._check(field)
        assert field.over
        if not fits(k, field.over):
            one = field.over.name.lower()
            raise LanguageError(f"{field!r} is a map on {one}s: {k!r} is no {one}")

    def _check_value(self, field: Field, value: object) -> None:
        self._check(field)
        if not fits(value, field.sort):
            constants = field.sort.constants if isinstance(field.sort, ValueSort) else ()
            named = f" (those with a name are {', '.join(constants)})" if len(constants) > 1 else ""
            raise LanguageError(f"{field!r} holds {a_value(field.sort)}, not {value!r}{named}")

    def _read(self, field: Field) -> frozenset[str]:
        self._check(field)
        if field.name not in self.replaces:
            self.reads.add(field.name)
        return frozenset({field.name}) | self.flows.get(field.name, frozenset())

    def _write(self, field: Field, *values: object) -> None:
        self.writes.add(field.name)
        self.flows[field.name] = self.flows.get(field.name, frozenset()).union(*map(sources, values))

    def read(self, field: Field) -> Probe:
        return Probe(field.sort, self._read(field), self.compared)

    def read_at(self, field: Field, k: Index) -> Probe:
        self._check_element(field, k)
        return Probe(field.sort, self._read(field) | sources(k), self.compared)

    def look_behind(self, field: Field, k: Index) -> Probe:
        if not self.may_see_ghosts:
            assert isinstance(field, opaque_map)
            view = field.view
            raise LanguageError(
                f"no process can see what is behind an entry of {field!r} ({view.reason}): ask whether it is "
                f"{view.asks()}"
            )
        return self.read_at(field, k)

    def write(self, field: Field, value: object) -> None:
        self._check_value(field, value)
        self._write(field, value)
        self.replaces.add(field.name)

    def write_at(self, field: Field, k: Index, value: object) -> None:
        self._check_element(field, k)
        self._check_value(field, value)
        self._write(field, value, k)

    def write_all(self, field: Field, at: Callable[[Any], object]) -> None:
        assert field.over
        value = at(Probe(field.over, frozenset(), self.compared))
        self._check_value(field, value)
        self._write(field, value)
        self.replaces.add(field.name)

    def wait_until(self, condition: Bool) -> None:
        self._guard(condition)
        self.waits = True

    def fail_if(self, condition: Bool) -> None:
        self._guard(condition)
        self.refuses = True

    def _guard(self, condition: Bool) -> None:
        if not fits(condition, BOOL):
            raise LanguageError(f"a guard needs a condition, not {condition!r}")
        if self.writes or (self.also and self.also.writes):
            raise LanguageError("a guard comes before any update: a step that is refused has done nothing")
        self.guards += 1
        self.decides |= sources(condition)


def _where(error: BaseException, run: Callable[..., object]) -> str:
    code = run.__code__
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == code.co_filename]
    return f"{Path(code.co_filename).name}:{lines[-1] if lines else code.co_firstlineno}"


def probe(
    run: Callable[[Any, Any], object],
    name: str,
    shared: type[Record],
    local: type[LocalRecord],
    *,
    ghosts: bool = False,
) -> Footprint:
    """Run a function of these two records on the probe. LanguageError if it is not a step (or, with `ghosts`, not a
    property): a branch on state, a guard after an update, a ghost touched, a field that does not exist."""
    s, me = _ProbeCells(name, ghosts), _ProbeCells(name, ghosts)
    me.also = s
    try:
        result = run(shared(s), local(me))
    except LanguageError as error:
        raise LanguageError(f"step `{name}` ({_where(error, run)}): {error}") from None
    except (TypeError, AttributeError, NameError, ValueError, IndexError, KeyError) as error:
        raise LanguageError(f"step `{name}` ({_where(error, run)}): {type(error).__name__}: {error}") from None
    if result is not None and not ghosts:
        raise LanguageError(
            f"step `{name}` ({_where(LanguageError(), run)}): it returns a {type(result).__name__}, and a step returns "
            "nothing: it assigns to fields of s and me"
        )
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


def footprint(step: Step, protocol: Protocol) -> Footprint:
    """What a step of a protocol touches."""
    return _touched(step.run, step.name, protocol)


@lru_cache(maxsize=1024)
def _touched(run: Callable[[Any, Any], object], name: str, protocol: Protocol) -> Footprint:
    """One for each function: steps of one name are alike, and need not be the same."""
    return probe(run, name, protocol.shared, protocol.local)


def reads_of(predicate: Callable[[Any, Any], object], protocol: Protocol) -> frozenset[str]:
    """The shared fields that a predicate of the two records reads; it may see ghosts."""
    return probe(predicate, "predicate", protocol.shared, protocol.local, ghosts=True).reads_shared


def any_element(sort: IndexSort[Any]) -> Probe:
    """Some element of an index sort, to run a predicate of one on the probe."""
    return Probe(sort, frozenset(), [])
