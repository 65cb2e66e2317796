"""A trace: the small steps that lead somewhere, and the token that replays it.

A token is `design:property:bounds:choices:sum`. A choice `p.n` is the n-th transition of process p, as
`Program.transitions` lists them from the state reached so far; the sum is over what the steps did, so a token of
another version of the design is told from its own.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from confsync.model.engine.program import Program, Transition
from confsync.model.language import Bounds

MOST = 16
"""The most of anything that a token can be for."""


class TokenError(Exception):
    """A token that can't be replayed: what is wrong with it, and what to do."""


class StaleToken(TokenError):
    """A token that no longer means anything: the design, or its steps, have changed since it was made."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole state: the shared word, and each process's local word."""

    shared: int
    local: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Move:
    """One small step of a trace. `choice`: which of the process's transitions it was."""

    process: int
    choice: int
    transition: Transition
    before: Whole
    after: Whole


@dataclass(frozen=True, slots=True)
class Trace:
    """A run of a program from its initial state."""

    program: Program
    moves: tuple[Move, ...]

    @property
    def last(self) -> Whole:
        return self.moves[-1].after if self.moves else initial(self.program)

    def token(self, property_name: str) -> str:
        """The token that replays this trace as a counterexample to a property ("" for none)."""
        given = self.program.bounds
        bounds = "".join(f"{letter}{getattr(given, name)}" for letter, name in given.letters().items())
        choices = "-".join(f"{m.process}.{m.choice}" for m in self.moves)
        return f"{self.program.design.name}:{property_name}:{bounds}:{choices}:{checksum(self.moves)}"


def initial(program: Program) -> Whole:
    return Whole(program.initial, (0,) * program.bounds.processes)


def step(state: Whole, process: int, choice: int, transition: Transition) -> Move:
    """The move that a transition of a process is in a whole state."""
    local = (*state.local[:process], transition.local, *state.local[process + 1 :])
    return Move(process, choice, transition, state, Whole(transition.shared, local))


def checksum(moves: Iterable[Move]) -> str:
    """A sum over what the moves did, by the names of steps and not their numbers."""
    said = [f"{m.process} {m.transition.label.kind.name} {m.after.shared:x}" for m in moves]
    return f"{zlib.crc32(' '.join(said).encode()):08x}"


@dataclass(frozen=True, slots=True)
class Token:
    """A token, read."""

    design: str
    property_name: str
    bounds: Bounds
    choices: tuple[tuple[int, int], ...]
    checksum: str


def read_token(text: str, bounds_of: type[Bounds]) -> Token:
    """Read a token of a protocol with such bounds. TokenError if it is none."""
    parts = text.strip().split(":")
    if len(parts) != 5:
        raise TokenError(f"`{text[:60]}` is no replay token: it should be design:property:bounds:choices:sum")
    design, property_name, bounds, choices, checksum_ = parts
    letters = bounds_of.letters()
    counts = re.fullmatch("".join(rf"{letter}(\d{{1,3}})" for letter in letters), bounds)
    if not counts:
        such = "".join(f"{letter}{bounds_of.declared()[name].default}" for letter, name in letters.items())
        raise TokenError(f"`{bounds[:60]}` in the token does not say the bounds, such as {such}")
    if not re.fullmatch(r"(\d{1,3}\.\d{1,6}(-\d{1,3}\.\d{1,6})*)?", choices):
        raise TokenError(f"`{choices[:60]}` in the token are no choices, such as 0.3-1.12")
    pairs = tuple((int(p), int(n)) for p, n in (c.split(".") for c in choices.split("-") if c))
    given = bounds_of(**{name: int(n) for name, n in zip(letters.values(), counts.groups(), strict=True)})
    for name, least in bounds_of.least().items():
        if not least <= getattr(given, name) <= MOST:
            raise TokenError(f"the token is for {name}={getattr(given, name)}: from {least} to {MOST} it can be")
    return Token(design, property_name, given, pairs, checksum_)


def replay(program: Program, token: Token) -> Trace:
    """Take a token's choices again. StaleToken where one cannot be taken, or the steps do something else now."""
    state, moves = initial(program), []
    for n, (process, choice) in enumerate(token.choices):
        if process >= len(state.local):
            raise TokenError(f"step {n + 1} of the token is process {process}'s, and there are {len(state.local)}")
        found = list(program.transitions(state.shared, state.local[process], set()))
        if choice >= len(found):
            raise StaleToken(
                f"step {n + 1} of the token takes transition {choice} of process {process}, which has {len(found)} "
                "there: the design or the steps have changed since the token was made"
            )
        moves.append(step(state, process, choice, found[choice]))
        state = moves[-1].after
    if checksum(moves) != token.checksum:
        raise StaleToken("the steps do something else than when the token was made: the design or the steps changed")
    return Trace(program, tuple(moves))
