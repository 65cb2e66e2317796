"""Terms and connectives: what a step says of values, whichever carrier keeps them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, TypeVar


class LanguageError(Exception):
    """A step, an operation or a design says something the language has no meaning for."""


class Term(ABC):
    """A value that is not a plain Python value: a symbolic carrier's, or the probe's."""

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise LanguageError(
            "a step must not branch on state: write `neg(a)`, `all_of(a, b)`, `any_of(a, b)`, `implies(a, b)` or "
            "`either(condition, a, b)` instead of not, and, or, if, while and chained comparisons"
        )

    @abstractmethod
    def neg(self) -> Term: ...

    @abstractmethod
    def both(self, other: Bool) -> Term: ...

    @abstractmethod
    def either(self, a: Any, b: Any) -> Term:
        """`a` where this condition holds, else `b`; they may be plain values."""

    @abstractmethod
    def one_more(self) -> Term:
        """The count after this one."""


Bool = bool | Term
T = TypeVar("T", bool, int)


def neg(condition: Bool) -> Bool:
    return condition.neg() if isinstance(condition, Term) else not condition


def all_of(*conditions: Bool) -> Bool:
    total: Bool = True
    for c in conditions:
        if isinstance(total, Term):
            total = total.both(c)
        elif isinstance(c, Term):
            total = c.both(total)
        else:
            total = total and c
    return total


def any_of(*conditions: Bool) -> Bool:
    return neg(all_of(*map(neg, conditions)))


def implies(a: Bool, b: Bool) -> Bool:
    return neg(all_of(a, neg(b)))


def either(condition: Bool, a: T | Term, b: T | Term) -> T | Term:
    """`a` where the condition holds, else `b`. Both are evaluated: there is no branch."""
    if isinstance(condition, Term):
        return condition.either(a, b)
    return a if condition else b


def one_more(count: int | Term) -> int | Term:
    """The count after this one: the engine's, no step counts."""
    return count.one_more() if isinstance(count, Term) else count + 1
