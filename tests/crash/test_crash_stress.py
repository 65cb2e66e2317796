"""Many processes count in one template, and some are killed: nothing is lost, and no two have the lock at once."""

from __future__ import annotations

import asyncio
import fcntl
import json
import mmap
import os
import random
import signal
import struct
import time
from pathlib import Path

import pytest
from conftest import Report

from confsync.impl.templates.store import TemplateStore
from crash.store_work import DOMAIN, TEMPLATE, alive
from crash.trial import ground

pytestmark = pytest.mark.slow

WORKERS, EACH, KILLS = 6, 50, 30


class Tally:
    """Numbers that the workers share with the test: how often each began and ended, and who met whom."""

    def __init__(self) -> None:
        self._map = mmap.mmap(-1, 8 * 4 * WORKERS)
        self.enough = mmap.mmap(-1, 1)

    def add(self, worker: int, column: int) -> None:
        """One more. Only the worker itself writes there."""
        struct.pack_into("<Q", self._map, 8 * (4 * worker + column), self.of(worker, column) + 1)

    def of(self, worker: int, column: int) -> int:
        """How many."""
        found: int = struct.unpack_from("<Q", self._map, 8 * (4 * worker + column))[0]
        return found


BEGUN, ENDED, MET = 0, 1, 2


async def count(folder: Path, tally: Tally, worker: int, inside: int) -> None:
    """Count, under the lock, until it is enough. `inside`: a file that only the lock's holder locks."""
    store = TemplateStore(folder, alive)
    while tally.of(worker, ENDED) < EACH or not tally.enough[0]:
        lock = await store.lock(DOMAIN)
        try:
            fcntl.flock(inside, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tally.add(worker, MET)
        counts = json.loads(await store.read(DOMAIN))
        counts[worker] += 1
        tally.add(worker, BEGUN)
        await store.replace(lock, json.dumps(counts).encode())
        tally.add(worker, ENDED)
        fcntl.flock(inside, fcntl.LOCK_UN)
        await store.unlock(lock)


def start(folder: Path, tally: Tally, worker: int) -> int:
    """A process that counts."""
    pid = os.fork()
    if pid:
        return pid
    try:
        # Opened before any lock, so that a death closes it first.
        asyncio.run(count(folder, tally, worker, os.open(folder / "inside", os.O_RDWR)))
        os._exit(0)
    finally:
        os._exit(1)


def prepare(folder: Path) -> None:
    """Nobody has counted yet."""
    (folder / TEMPLATE).write_text(json.dumps([0] * WORKERS))
    (folder / TEMPLATE).chmod(0o600)
    (folder / "inside").touch()


def test_nothing_is_lost_and_two_never_hold(report: Report) -> None:
    with ground(prepare) as at:
        run(at.fresh(), report)


def run(folder: Path, report: Report) -> None:
    """Have them count, and kill some."""
    tally, chance = Tally(), random.Random(4)
    running = {start(folder, tally, worker): worker for worker in range(WORKERS)}
    killed = [0] * WORKERS
    failed = []
    while running:
        time.sleep(chance.uniform(0, 0.01))
        pid = chance.choice(sorted(running))
        if sum(killed) < KILLS:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            worker = running.pop(pid)
            killed[worker] += 1
            running[start(folder, tally, worker)] = worker
        else:
            tally.enough[0] = 1
            if os.waitpid(pid, 0)[1]:
                failed.append(running[pid])
            del running[pid]
    counts = json.loads((folder / TEMPLATE).read_bytes())
    report.add("store: counted by many, some killed", sum(counts), len(failed))
    assert not failed
    for worker in range(WORKERS):
        assert not tally.of(worker, MET)
        assert EACH <= tally.of(worker, ENDED) <= counts[worker] <= tally.of(worker, BEGUN)
        assert tally.of(worker, BEGUN) - tally.of(worker, ENDED) <= killed[worker]
    assert sum(killed) == KILLS

    async def next_one() -> None:
        store = TemplateStore(folder, alive)
        await store.unlock(await store.lock(DOMAIN))

    asyncio.run(next_one())
    assert sorted(path.name for path in folder.iterdir()) == ["inside", TEMPLATE]
