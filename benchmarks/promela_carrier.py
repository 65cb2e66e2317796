"""A carrier whose values are expressions in Promela: what a step does to it becomes a script of assignments.

Reads see earlier writes of the same step, as on the concrete carrier. A value that was read before a write of
its variable and is used after it is kept in a temporary.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from confsync.model.engine.concrete import Layout
from confsync.model.language import Bool, Element, Field, LanguageError, Term, neg
from confsync.model.libxl.state import SLOT, Config, Slot

Location = tuple[str, int]
Plain = bool | int | Element
Known = dict[Location, Plain]
"""Places whose value is the same in every state in which the code at hand runs."""
OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


def variable(field: Field, k: int) -> str:
    return f"{field.name}_{k}" if field.over else field.name


def raw(value: Plain) -> int:
    """The number that a plain value is in Promela."""
    return value.index if isinstance(value, Element) else int(value)


class Expression(Term):
    """An operator and its operands; without operator, a variable that was read."""

    def __init__(self, operator: str, *operands: Any) -> None:
        self.operator, self.operands = operator, operands

    def neg(self) -> Term:
        if self.operator == "!":
            return cast(Term, self.operands[0])
        if self.operator in OPPOSITE:
            return Expression(OPPOSITE[self.operator], *self.operands)
        if self.operator in ("&&", "||"):
            return Expression("||" if self.operator == "&&" else "&&", *map(neg, self.operands))
        return Expression("!", self)

    def both(self, other: Bool) -> Term:
        if isinstance(other, Term):
            return Expression("&&", other, self)
        return self if other else Expression("&&", other, self)

    def either(self, a: Any, b: Any) -> Term:
        return Expression("->", self, a, b)

    def one_more(self) -> Term:
        return Expression("+", self, 1)

    def __eq__(self, other: object) -> Term:  # type: ignore[override]
        return Expression("==", self, other)

    def __ne__(self, other: object) -> Term:  # type: ignore[override]
        return Expression("!=", self, other)

    def __lt__(self, other: object) -> Term:
        return Expression("<", self, other)

    def __le__(self, other: object) -> Term:
        return Expression("<=", self, other)

    def __gt__(self, other: object) -> Term:
        return Expression(">", self, other)

    def __ge__(self, other: object) -> Term:
        return Expression(">=", self, other)

    __hash__ = None


@dataclass(slots=True, eq=False)
class Read:
    """A variable as it was when it was read. `overwritten`: the number of the statement that wrote it since."""

    variable: str
    overwritten: int = -1
    kept_in: str = ""


@dataclass(slots=True)
class Script:
    """The statements of one `d_step`, in their order; and the guards, which come before any of them."""

    statements: list[str] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    kept: list[Read] = field(default_factory=list)
    guards: list[tuple[bool, str, str]] = field(default_factory=list)
    """Whether the guard is one that refuses, what must hold to pass it, and the opposite."""

    def read(self, variable: str) -> Expression:
        self.reads.append(Read(variable))
        return Expression("", self.reads[-1])

    def assign(self, variable: str, value: Any) -> None:
        text = self.show(value)
        if text == variable:
            return
        for read in self.reads:
            if read.variable == variable and read.overwritten < 0:
                read.overwritten = len(self.statements)
        self.statements.append(f"{variable} = {text}")

    def show(self, value: Any, inside: str = "") -> str:
        """An expression's text, here: what was read before an update is kept in a temporary."""
        if not isinstance(value, Expression):
            return str(raw(value))
        operator = value.operator
        if not operator:
            return self._show_read(value.operands[0])
        shown = [self.show(operand, operator) for operand in value.operands]
        if operator == "!":
            return f"!{shown[0]}"
        if operator == "->":
            return f"({shown[0]} -> {shown[1]} : {shown[2]})"
        text = f" {operator} ".join(shown)
        bare = inside in ("", "->", operator) or (operator in OPPOSITE and inside in ("&&", "||"))
        return text if bare and not (operator in OPPOSITE and inside == operator) else f"({text})"

    def _show_read(self, read: Read) -> str:
        if read.overwritten < 0:
            return read.variable
        if not read.kept_in:
            read.kept_in = f"kept_{len(self.kept)}"
            self.kept.append(read)
        return read.kept_in

    def guard(self, passes: Bool, refuses: bool) -> None:
        if isinstance(passes, Term):
            self.guards.append((refuses, self.show(passes, "&&"), self.show(neg(passes), "&&")))
        elif not passes:
            self.guards.append((refuses, "false", "true"))

    def text(self) -> list[str]:
        """The statements, with those that keep old values."""
        lines = []
        for i, statement in enumerate(self.statements):
            lines += [f"{r.kept_in} = {r.variable}" for r in self.kept if r.overwritten == i]
            lines.append(statement)
        return lines


class ScriptCells:
    """The cells of one record whose accesses become a script."""

    def __init__(self, layout: Layout, declared: set[str], script: Script, known: Known) -> None:
        self.layout, self.declared, self.script, self.known = layout, declared, script, dict(known)
        self.written: set[Location] = set()

    def _read(self, field: Field, k: int) -> Any:
        place = field.name, k
        return self.known[place] if place in self.known else self.script.read(variable(field, k))

    def _write(self, field: Field, k: int, value: Any) -> None:
        if field.name not in self.declared:
            return
        place = field.name, k
        self.script.assign(variable(field, k), value)
        self.known.pop(place, None)
        if not isinstance(value, Term):
            self.known[place] = value
        self.written.add(place)

    def read(self, field: Field) -> Any:
        return self._read(field, 0)

    def write(self, field: Field, value: Any) -> None:
        self._write(field, 0, value)

    def _index(self, slot: Slot) -> int:
        if not isinstance(slot, Element):
            raise LanguageError("a slot that is computed from the state has no place in the Promela model")
        return slot.index

    def read_at(self, field: Field, slot: Slot) -> Any:
        return self._read(field, self._index(slot))

    def look_behind(self, field: Field, slot: Slot) -> Config:
        return cast(Config, self.read_at(field, slot))

    def write_at(self, field: Field, slot: Slot, value: Any) -> None:
        self._write(field, self._index(slot), value)

    def write_all(self, field: Field, at: Callable[[Slot], Any]) -> None:
        for k, value in [(k.index, at(k)) for k in self.layout.elements(SLOT)]:
            self._write(field, k, value)

    def wait_until(self, condition: Bool) -> None:
        self.script.guard(condition, refuses=False)

    def fail_if(self, condition: Bool) -> None:
        self.script.guard(neg(condition), refuses=True)
