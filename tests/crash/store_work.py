"""The store's own operations, as acts, and what must hold of the templates however they are broken."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from confsync.impl.errors import TemplateMissing
from confsync.impl.ports import Domain, Lock
from confsync.impl.templates.files import Files
from confsync.impl.templates.store import TemplateStore
from crash.trial import Trial, Wreck

DOMAIN = Domain(7, "6f2b1d9e-3c4a-4b5d-8e7f-0123456789ab")
TEMPLATE = f"userdata-d.7.{DOMAIN.uuid}.libxl-json"
NEXT = f"userdata-n.7.{DOMAIN.uuid}.libxl-json"
LOCK = f"userdata-l.7.{DOMAIN.uuid}.domain-userdata-lock"
OLD, NEW = b"old" * 20, bytes(range(1, 251)) * 40
"""The new one has three pages, so it can be torn."""
DONE = "done"


async def alive(_domain: Domain) -> bool:
    """All domains are."""
    return True


@dataclass(frozen=True, slots=True)
class Work:
    """What is done under the lock, and the templates before and after it."""

    name: str
    before: bytes | None
    after: bytes | None
    do: Callable[[TemplateStore, Lock], Awaitable[None]]
    born: bool = True

    def __str__(self) -> str:
        return self.name

    def prepare(self, folder: Path) -> None:
        """The folder before it."""
        if self.before is not None:
            (folder / TEMPLATE).write_bytes(self.before)
            (folder / TEMPLATE).chmod(0o600)

    def act(self, trial: Trial) -> None:
        """Do it, and say so before the lock is given up."""
        asyncio.run(self._run(trial.folder, trial.files, trial.begin, trial.note))

    def check(self, wreck: Wreck) -> Sequence[str]:
        """Old or new, whole; new if promised. Who lives has cleaned up; the next one cleans up, and does it again."""
        return [*self._left(wreck), *asyncio.run(self._next(wreck))]

    async def _run(self, folder: Path, files: Files, begin: Callable[[], None], note: Callable[[str], None]) -> None:
        store = TemplateStore(folder, alive, files)
        begin()
        lock = await store.lock(DOMAIN, born=self.born)
        try:
            await self.do(store, lock)
            note(DONE)
        finally:
            await store.unlock(lock)

    def _left(self, wreck: Wreck) -> list[str]:
        lived = wreck.error is not None or (DONE in wreck.notes and not wreck.how.startswith(("killed", "power")))
        problems = []
        if lived and (wreck.folder / NEXT).exists() and not wreck.how.startswith("unlink"):
            problems.append("the next template was left")
        # A lock file of which it is not known that it is ours is not touched.
        if lived and (wreck.folder / LOCK).exists() and not wreck.how.startswith(("unlink", "lstat", "fstat", "flock")):
            problems.append("the lock was left")
        return problems

    async def _next(self, wreck: Wreck) -> list[str]:
        problems = []
        allowed = [self.after] if DONE in wreck.notes else [self.before, self.after]
        store = TemplateStore(wreck.folder, alive)
        text = await _read(store)
        if text not in allowed:
            problems.append(f"the template is {text if text is None else text[:20]!r}")
        lock = await store.lock(DOMAIN)
        if await _read(store) != text:
            problems.append("the next holder of the lock sees another template")
        await store.unlock(lock)
        left = [path.name for path in wreck.folder.iterdir()]
        if left != ([TEMPLATE] if text is not None else []):
            problems.append(f"the next operation left {left}")
        await self._run(wreck.folder, Files(), lambda: None, lambda _: None)
        if await _read(store) != self.after:
            problems.append("it cannot be done again")
        return problems


async def _read(store: TemplateStore) -> bytes | None:
    try:
        return await store.read(DOMAIN)
    except TemplateMissing:
        return None


async def _replace(store: TemplateStore, lock: Lock) -> None:
    await store.replace(lock, NEW)


async def _remove(store: TemplateStore, lock: Lock) -> None:
    await store.remove(lock)


async def _append(store: TemplateStore, lock: Lock) -> None:
    text = await store.read(lock.domain)
    await store.replace(lock, text if text.endswith(b"!") else text + b"!")


async def _nothing(_store: TemplateStore, _lock: Lock) -> None:
    pass


WORKS = [
    Work("create", None, NEW, _replace, born=False),
    Work("replace", OLD, NEW, _replace),
    Work("read and replace", OLD, OLD + b"!", _append),
    Work("remove", OLD, None, _remove),
    Work("lock and unlock", OLD, OLD, _nothing),
]
