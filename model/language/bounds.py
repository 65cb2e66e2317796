"""Bounds: how many of everything there are in a state space that is searched."""

from __future__ import annotations

from dataclasses import Field, field, fields
from typing import TYPE_CHECKING, Any, Protocol, Self

from confsync.model.language.sorts import BOOL, COUNT, Element, IndexSort, Sort, ValueSort
from confsync.model.language.terms import LanguageError


class Sorted(Protocol):
    """What has a name and a sort: a record's field."""

    name: str
    sort: Sort


def bound(default: int, words: str = "", *, least: int, letter: str) -> Any:
    """Declare a bound: a field of a protocol's `Bounds`. `words`: what there are so many of. `letter`: how a replay
    token writes it."""
    return field(default=default, metadata={"least": least, "letter": letter, "words": words})


class Bounds:
    """How many of everything. Every verdict but a proof is for such bounds. A protocol's are a frozen dataclass whose
    fields are made with `bound`: those that its sorts name, `processes`, and one for each counter."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        """LanguageError if a bound has the name of what bounds have anyway."""
        for name in cls.__annotations__:
            if hasattr(Bounds, name):
                raise LanguageError(f"bounds have a method `{name}`: call the bound something else")

    if TYPE_CHECKING:

        @property
        def processes(self) -> int: ...

    @classmethod
    def declared(cls) -> dict[str, Field[int]]:
        """The declared bounds by name, in their order."""
        return {f.name: f for f in fields(cls)}  # type: ignore[arg-type]

    @classmethod
    def least(cls) -> dict[str, int]:
        """The least that each bound can be."""
        return {name: f.metadata["least"] for name, f in cls.declared().items()}

    @classmethod
    def letters(cls) -> dict[str, str]:
        """How a token writes each bound: the bound by its letter."""
        return {f.metadata["letter"]: name for name, f in cls.declared().items()}

    @classmethod
    def ones(cls) -> Self:
        """One of everything."""
        return cls(**dict.fromkeys(cls.declared(), 1))

    def counts(self) -> dict[str, int]:
        """Each bound by its name."""
        return {name: int(getattr(self, name)) for name in self.declared()}

    def __str__(self) -> str:
        return " ".join(f"{name}={count}" for name, count in self.counts().items())

    def elements(self, sort: IndexSort[Any]) -> tuple[Element, ...]:
        """The elements of an index sort, kind after kind."""
        kinds = [kind.name for kind in sort.kinds for _ in range(getattr(self, kind.bound))]
        return tuple(Element(sort, i, kind) for i, kind in enumerate(kinds))

    def size(self, sort: Sort) -> int:
        """How many values a sort has; not for a sort of the engine's."""
        if isinstance(sort, IndexSort):
            return max(1, sum(self.counts()[kind.bound] for kind in sort.kinds))
        if isinstance(sort, ValueSort):
            return sort.first - sort.counted + int(getattr(self, sort.bound))
        assert sort == BOOL, sort
        return 2

    def size_of(self, field: Sorted) -> int:
        """How many values a field has; not one of a sort of the engine's. A counter goes as far as the bound of its
        name."""
        return self.counts()[field.name] + 1 if field.sort == COUNT else self.size(field.sort)
