"""Templates and locks in memory, for processes that are played, one of which may die."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from confsync.impl.errors import DomainNotFound, LockFailed, TemplateMissing
from confsync.impl.ports import Domain, Lock

Kept = tuple[Mapping[Domain, bytes], Mapping[Domain, int], frozenset[Domain]]
PAUSE = 0.001
"""Seconds between two looks at a lock that somebody has."""


@dataclass(frozen=True, slots=True)
class HeldLock:
    """A lock, as its holder has it."""

    domain: Domain
    process: int


class TemplateMemory:
    """The templates and the locks of a host."""

    def __init__(self) -> None:
        self.texts: dict[Domain, bytes] = {}
        self.holders: dict[Domain, int] = {}
        self.lock_files: set[Domain] = set()
        """Held, or left behind by who died."""

    def die(self, process: int) -> None:
        """The process is no more: its locks are free, and their files stay."""
        self.holders = {domain: holder for domain, holder in self.holders.items() if holder != process}

    def keep(self) -> Kept:
        """All of it as it is, to be put back."""
        return self.texts.copy(), self.holders.copy(), frozenset(self.lock_files)

    def put_back(self, kept: Kept) -> None:
        """Have it as it was."""
        self.texts, self.holders, self.lock_files = dict(kept[0]), dict(kept[1]), set(kept[2])


@dataclass(frozen=True, slots=True)
class MemoryTemplates:
    """`confsync.impl.ports.Templates` of one process. No method suspends, but a wait for a lock."""

    memory: TemplateMemory
    process: int
    alive: Callable[[Domain], Awaitable[bool]]
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def lock(self, domain: Domain, *, born: bool = True) -> Lock:
        if self.memory.holders.get(domain) == self.process:
            raise LockFailed(f"{domain}: the caller has this lock already")
        while domain in self.memory.holders:
            await self.pause(PAUSE)
        if born and not await self.alive(domain):
            self.memory.lock_files.discard(domain)
            raise DomainNotFound(f"{domain} is gone, or never was")
        return self._take(domain)

    async def lock_at_once(self, domain: Domain) -> Lock | None:
        return None if domain in self.memory.holders else self._take(domain)

    def _take(self, domain: Domain) -> HeldLock:
        self.memory.holders[domain] = self.process
        self.memory.lock_files.add(domain)
        return HeldLock(domain, self.process)

    async def unlock(self, lock: Lock) -> None:
        self._require(lock)
        del self.memory.holders[lock.domain]
        self.memory.lock_files.discard(lock.domain)

    async def read(self, domain: Domain) -> bytes:
        if domain not in self.memory.texts:
            raise TemplateMissing(f"{domain} has no template")
        return self.memory.texts[domain]

    async def replace(self, lock: Lock, text: bytes) -> None:
        self._require(lock)
        self.memory.texts[lock.domain] = text

    async def remove(self, lock: Lock) -> None:
        self._require(lock)
        self.memory.texts.pop(lock.domain, None)

    async def domains(self) -> Sequence[Domain]:
        return sorted({*self.memory.texts, *self.memory.lock_files})

    def _require(self, lock: Lock) -> None:
        if self.memory.holders.get(lock.domain) != self.process:
            raise LockFailed(f"{lock.domain}: this lock is not held by the caller")
