"""Rivals: at each call on the file system that the act makes, somebody else goes first.

Both are in this process, the rival in a thread of its own, so who goes when is exact. That is enough for locks: a
`flock` belongs to the open file, not to the process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

from confsync.impl.templates.files import Files
from crash.trial import Outcome, Prepare, ground

P = ParamSpec("P")
R = TypeVar("R")


class Scene(Protocol):
    """One trial: an act, and its rival."""

    def act(self, files: Files) -> None:
        """What is cut into; through these files."""

    def rival(self) -> None:
        """Goes first at one call of the act's, in another thread. It must not wait for what the act holds."""

    def check(self) -> Sequence[str]:
        """After both: what is wrong, in words."""


class _CutInto(Files):
    """Lets the rival go before one call, the how manieth is given."""

    def __init__(self, at: int, rival: Callable[[], None]) -> None:
        self.count, self.where = 0, ""
        self._at, self._rival = at, rival

    def call(self, name: str, function: Callable[P, R], /, *arguments: P.args, **named: P.kwargs) -> R:
        self.count += 1
        if self.count == self._at:
            self.where = name
            _aside(self._rival)
        return function(*arguments, **named)


def _aside(work: Callable[[], None]) -> None:
    """Do the work in a thread of its own, and wait for it; what it raises is raised here."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]


def cut_in_everywhere(prepare: Prepare, scene: Callable[[Path], Scene]) -> Outcome:
    """Play the scene again and again, and have the rival cut in at each call in turn."""
    outcome = Outcome()
    with ground(prepare) as at:
        while True:
            folder = at.fresh()
            played = scene(folder)
            files = _CutInto(outcome.points + 1, played.rival)
            played.act(files)
            if not files.where:
                return outcome
            outcome.points += 1
            outcome.distinct += 1
            outcome.places[f"before {files.where}"] += 1
            where = f"cut into before call {outcome.points}, {files.where}"
            outcome.failures += [f"{where}: {problem}" for problem in played.check()]
            at.clear(folder)
