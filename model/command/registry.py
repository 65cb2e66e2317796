"""What the commands are about: a protocol, its designs, and what its users and its sources say of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol as Interface

import click

from confsync.model.language import Design, Protocol, Undo
from confsync.model.report.claims import Claim


class Observed(Interface):
    """A design that was read from what a real system was seen to do."""

    @property
    def design(self) -> Design: ...

    @property
    def taken(self) -> Mapping[str, object]:
        """The operations that were read."""

    def describe(self) -> str:
        """The design and where it came from, for people to read."""


@dataclass(frozen=True)
class Registry:
    """A protocol's designs by name, and what belongs to them."""

    protocol: Protocol
    designs: Mapping[str, Design]
    recommended: str
    """The design that others start from."""
    vocabulary: Mapping[str, object]
    """The names of the protocol's that a design file can use without importing them: its steps, for one."""
    steps: str
    """Where the steps are, in words."""
    example: str
    """An operation as a design file could give it."""
    clean_up: tuple[Undo, ...] = ()
    """What an operation of a design file does on failure, if the file does not say."""
    claims: Mapping[str, Claim] = field(default_factory=dict)
    observed: Callable[[Sequence[Path]], Observed] | None = None
    """Reads traces of a real system. What is wrong with them is an exception among `errors`."""
    errors: tuple[type[Exception], ...] = ()
    """What is the user's mistake and not the project's, beside what the commands know of."""


def registry() -> Registry:
    """The registry of the command that runs: the front door gives it to each context."""
    found: Registry = click.get_current_context().obj.registry
    return found


def own_errors() -> tuple[type[Exception], ...]:
    """What is the user's mistake by the protocol; nothing for a command that is about none."""
    given = click.get_current_context().obj
    return registry().errors if given else ()
