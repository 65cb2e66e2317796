"""A domain's template, read without its lock file being made, so that nothing in the folder changes.

A lock file that is not there is held by nobody; one that is there, left behind by a process that died, is locked while
the template is read, and stays. What is read counts only if the lock was free, and the template the same, before and
after: every operation that takes more than one step to change what `retrieve` reads replaces or removes the template.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from confsync.impl.errors import DomainNotFound, StoreError
from confsync.impl.ports import Domain, Lock
from confsync.impl.templates.files import Files
from confsync.impl.templates.lock import Waits, identity, stands
from confsync.impl.templates.proper import check_file, failed
from confsync.impl.templates.store import TemplateStore, userdata_path


@dataclass(frozen=True, slots=True)
class _Free:
    """A lock that nobody has. `descriptor`: of its file, locked; None if the file is not there."""

    path: Path
    descriptor: int | None


@dataclass(frozen=True, slots=True)
class _NoLock:
    """What stands for the lock, for an operation that only reads."""

    domain: Domain


class Glimpse:
    """A domain's template while its lock is free."""

    def __init__(
        self, store: TemplateStore, domain: Domain, files: Files | None = None, waits: Waits | None = None
    ) -> None:
        self._store, self._domain = store, domain
        self._files, self._waits = files or Files(), waits or Waits()
        self._lock, self._template = [userdata_path(store.folder, letter, domain) for letter in "ld"]

    async def __aenter__(self) -> Glimpse:
        """Wait until the lock is free. StoreError."""
        self._free = await self._waits.until(self._look, self._lock, f"the lock of {self._domain}")
        try:
            self._descriptor = self._open(self._template)
        except BaseException as error:
            self._close(self._free.descriptor)
            if isinstance(error, OSError):
                raise failed(self._template, "open", error) from error
            raise
        return self

    async def __aexit__(self, *_raised: object) -> None:
        self._close(self._free.descriptor)
        self._close(self._descriptor)

    def unchanged(self) -> bool:
        """True if what was read since the glimpse was entered is as if the lock had been held. StoreError."""
        try:
            return self._is_unchanged()
        except OSError as error:
            raise failed(self._store.folder, "look into", error) from error

    def _is_unchanged(self) -> bool:
        if self._free.descriptor is None:
            same_lock = not _is_there(self._files, self._lock)
        else:
            same_lock = stands(self._files, self._lock, identity(self._files.fstat(self._free.descriptor)))
        if self._descriptor is None:
            return same_lock and not _is_there(self._files, self._template)
        return same_lock and stands(self._files, self._template, identity(self._files.fstat(self._descriptor)))

    def _look(self) -> _Free | None:
        try:
            descriptor = self._open(self._lock)
            if descriptor is None:
                return _Free(self._lock, None)
            try:
                status = self._files.fstat(descriptor)
                check_file(self._lock, status)
                if self._files.flock(descriptor) and stands(self._files, self._lock, identity(status)):
                    return _Free(self._lock, descriptor)
            except BaseException:
                self._close(descriptor)
                raise
        except OSError as error:
            raise failed(self._lock, "look at", error) from error
        self._close(descriptor)
        return None

    def _open(self, path: Path) -> int | None:
        """A descriptor of the file, None if it is not there. One that cannot be opened is refused where it is read."""
        try:
            return self._files.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except FileNotFoundError:
            return None

    def _close(self, descriptor: int | None) -> None:
        if descriptor is not None:
            with contextlib.suppress(OSError):
                self._files.close(descriptor)


class ReadTemplates:
    """`confsync.impl.ports.Templates` of a process that only reads: nothing is locked, and what would write is
    refused."""

    def __init__(self, store: TemplateStore, alive: Callable[[Domain], Awaitable[bool]]) -> None:
        self._store, self._alive = store, alive

    async def lock(self, domain: Domain, *, born: bool = True) -> Lock:
        if born and not await self._alive(domain):
            raise DomainNotFound(f"{domain} is gone, or never was; list the domains")
        return _NoLock(domain)

    async def unlock(self, lock: Lock) -> None:
        """Nothing: nothing is locked."""

    async def read(self, domain: Domain) -> bytes:
        return await self._store.read(domain)

    async def domains(self) -> Sequence[Domain]:
        return await self._store.domains()

    async def replace(self, lock: Lock, text: bytes) -> None:
        raise self._refusal(f"a template of {len(text)} bytes for {lock.domain} is not written")

    async def remove(self, lock: Lock) -> None:
        raise self._refusal(f"the template of {lock.domain} is not removed")

    async def lock_at_once(self, domain: Domain) -> Lock | None:
        raise self._refusal(f"the lock of {domain} is not taken")

    def _refusal(self, what: str) -> StoreError:
        return StoreError(self._store.folder, f"it was opened to be read: {what}")


def _is_there(files: Files, path: Path) -> bool:
    try:
        files.lstat(path)
    except FileNotFoundError:
        return False
    return True
