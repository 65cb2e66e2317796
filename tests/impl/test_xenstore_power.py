"""What the embedded xenstore has promised, a power loss does not take."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from crash.power import lose_power
from crash.trial import Trial, Wreck

from confsync.impl.xenstore.sqlite import SqliteStore

WORDS = ("one", "two")


def make(folder: Path) -> None:
    SqliteStore(folder).close()


def act(trial: Trial) -> None:
    """Write two nodes, a request each, and tell of each once it has returned."""
    store = SqliteStore(trial.folder)
    xenstore = store.connect()

    async def write(word: str) -> None:
        await xenstore.write(f"/{word}", b"1")

    asyncio.run(write("zero"))
    trial.begin()
    for word in WORDS:
        asyncio.run(write(word))
        trial.note(word)
    store.close()


def check(wreck: Wreck) -> Sequence[str]:
    """All that was told of is there, and nothing that comes after something that is not."""
    store = SqliteStore(wreck.folder)
    there = store.tree()
    store.close()
    found = [word for word in WORDS if f"/{word}" in there]
    kept = found == list(WORDS[: len(found)]) and len(found) >= len(wreck.notes)
    return [] if kept else [f"it holds {found}, and {list(wreck.notes)} was promised"]


@pytest.mark.slow
@pytest.mark.usefixtures("ptrace")
def test_what_a_request_has_written_is_on_the_disk_when_it_returns() -> None:
    outcome = lose_power(make, act, check, traced=True, marked=True, trusted=lambda name: name.startswith("xenstore"))
    assert not outcome.failures
    assert outcome.places["Said"] == len(WORDS)
    assert outcome.places["FileSynced"] >= len(WORDS)
