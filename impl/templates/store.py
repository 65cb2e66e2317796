"""The templates as files in a folder, named as libxl names them [libxl__userdata_path, libxl_dom.c].

    userdata-d.<domid>.<uuid>.libxl-json             the template
    userdata-n.<domid>.<uuid>.libxl-json             the next one, while it is written
    userdata-l.<domid>.<uuid>.domain-userdata-lock   the lock, while it is held

All are of mode 0600, in a folder that only its owner may write. What is otherwise is refused, never followed.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

from confsync.impl.configuration.text import MOST_BYTES
from confsync.impl.errors import (
    CannotList,
    DomainNotFound,
    InvalidArgument,
    LockFailed,
    StoreError,
    TemplateMissing,
    ToolstackError,
)
from confsync.impl.ports import Domain, Lock
from confsync.impl.templates.files import Files
from confsync.impl.templates.lock import HeldLock, Waits, attempt, current_owner, give_up, take
from confsync.impl.templates.proper import check_domain, check_file, check_folder, failed, in_words

_NAME = re.compile(r"userdata-(?P<letter>[dnl])\.(?P<domid>[0-9]+)\.(?P<uuid>[0-9a-f-]+)\.(?P<kind>[a-z-]+)")
_MOST_DIGITS = 5
_KINDS = {"d": "libxl-json", "n": "libxl-json", "l": "domain-userdata-lock"}


def userdata_path(folder: Path, letter: str, domain: Domain) -> Path:
    """The domain's file: d, its template; n, the next one; l, its lock. InvalidArgument."""
    check_domain(domain)
    return folder / f"userdata-{letter}.{domain.domid}.{domain.uuid}.{_KINDS[letter]}"


class TemplateStore:
    """The templates in a folder: `confsync.impl.ports.Templates`."""

    def __init__(
        self,
        folder: Path,
        alive: Callable[[Domain], Awaitable[bool]],
        files: Files | None = None,
        *,
        waits: Waits | None = None,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        """`alive`: whether a domain exists in this life. `waits`: how to wait for a lock that somebody has.
        StoreError if the folder is not there, or is not this user's alone to write."""
        self.folder, self._alive, self._files = folder, alive, files or Files()
        self._waits, self._most_bytes = waits or Waits(), most_bytes
        self._check_folder()

    async def lock(self, domain: Domain, *, born: bool = True) -> Lock:
        """Wait for the domain's lock, and clean up after a holder that died. LockFailed if the caller has it already;
        DomainNotFound if the domain is gone once it is got, unless it is still to be made (`born=False`)."""
        path = self._path("l", domain)
        self._check_folder()
        lock = await take(self._files, path, domain, current_owner(self), self._waits)
        with self._given_up_on_error(lock):
            self._settle(lock)
            if born:
                await self._check_life(domain)
        return lock

    async def lock_at_once(self, domain: Domain) -> Lock | None:
        """The domain's lock, alive or not, or None if somebody has it. Who holds other locks may ask: nobody waits."""
        self._check_folder()
        lock = attempt(self._files, self._path("l", domain), domain, current_owner(self))
        if lock:
            with self._given_up_on_error(lock):
                self._settle(lock)
        return lock

    @contextlib.contextmanager
    def _given_up_on_error(self, lock: HeldLock) -> Iterator[None]:
        try:
            yield
        except BaseException:
            with contextlib.suppress(ToolstackError):
                give_up(self._files, lock)
            raise

    async def unlock(self, lock: Lock) -> None:
        """Give the lock up. LockFailed if it was not held, or was lost; it is given up even then."""
        give_up(self._files, self._ours(lock))

    async def read(self, domain: Domain) -> bytes:
        """The template's bytes. TemplateMissing if there is none; StoreError if it is too large, or not proper."""
        path = self._path("d", domain)
        try:
            descriptor = self._files.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except FileNotFoundError:
            raise TemplateMissing(f"{domain} has no template: it is being created or destroyed ({path})") from None
        except OSError as error:
            raise failed(path, "open", error) from error
        try:
            check_file(path, self._files.fstat(descriptor))
            text = self._files.read(descriptor, self._most_bytes + 1)
        except OSError as error:
            raise failed(path, "read", error) from error
        finally:
            with contextlib.suppress(OSError):
                self._files.close(descriptor)
        self._check_size(path, text)
        return text

    async def replace(self, lock: Lock, text: bytes) -> None:
        """Have the template hold this, durably. StoreError; LockFailed if the lock is not held.

        After a failure the old template stands; only if the folder itself could not be synced does the new one stand,
        and a power cut may bring the old one back.
        """
        domain = self._held(lock).domain
        path, next_path = self._path("d", domain), self._path("n", domain)
        self._check_size(path, text)
        self._check_old(path)
        try:
            self._discard(next_path)
            self._write_next(next_path, text)
            self._files.rename(next_path, path)
            self._files.fsync_folder(self.folder)
        except BaseException as error:
            self._give_next_up(next_path)
            if isinstance(error, OSError):
                raise failed(path, "replace", error) from error
            raise

    async def remove(self, lock: Lock) -> None:
        """Remove the template, durably, and what a death has left of one being written. StoreError; LockFailed."""
        domain = self._held(lock).domain
        for letter in "nd":
            self._discard(self._path(letter, domain))
        self._sync_folder()

    async def domains(self) -> Sequence[Domain]:
        """The domains that have a file here, in order. CannotList."""
        return sorted({domain for _, domain in self._found()})

    def with_template(self) -> Sequence[Domain]:
        """The domains that have a template here, in order. CannotList."""
        return sorted(domain for letter, domain in self._found() if letter == "d")

    def _found(self) -> Iterator[tuple[str, Domain]]:
        """Each file of a domain's: its letter, and whose it is."""
        try:
            names = self._files.scandir(self.folder)
        except OSError as error:
            raise CannotList(f"{self.folder}: {in_words('list', error)}") from error
        for name in names:
            if domain := self._domain(name):
                yield name.removeprefix("userdata-")[0], domain

    def _path(self, letter: str, domain: Domain) -> Path:
        return userdata_path(self.folder, letter, domain)

    def _domain(self, name: str) -> Domain | None:
        """Whose file it is; None if it is not one of ours."""
        parts = _NAME.fullmatch(name)
        if not parts or len(parts["domid"]) > _MOST_DIGITS:
            return None
        domain = Domain(int(parts["domid"]), parts["uuid"])
        try:
            return domain if self._path(parts["letter"], domain).name == name else None
        except InvalidArgument:
            return None

    def _ours(self, lock: Lock) -> HeldLock:
        if not isinstance(lock, HeldLock):
            raise LockFailed(f"{lock.domain}: this lock is not of the store in {self.folder}")
        return lock

    def _held(self, lock: Lock) -> HeldLock:
        ours = self._ours(lock)
        if not ours.held or ours.path != self._path("l", lock.domain):
            raise LockFailed(f"{ours.path}: this lock is not held, so the template in {self.folder} is left alone")
        return ours

    async def _check_life(self, domain: Domain) -> None:
        if not await self._alive(domain):
            raise DomainNotFound(f"{domain} is gone, or never was; list the domains")

    def _check_folder(self) -> None:
        try:
            status = self._files.stat(self.folder)
        except OSError as error:
            raise failed(self.folder, "find", error) from error
        check_folder(self.folder, status)

    def _check_size(self, path: Path, text: bytes) -> None:
        if len(text) > self._most_bytes:
            raise StoreError(path, f"it is larger than {self._most_bytes} bytes, so it is no template; look into it")

    def _check_old(self, path: Path) -> None:
        try:
            check_file(path, self._files.lstat(path))
        except FileNotFoundError:
            return
        except OSError as error:
            raise failed(path, "look at", error) from error

    def _settle(self, lock: HeldLock) -> None:
        """Clean up after a holder that died: what it renamed may not be on the disk yet, and who reads it now may
        build on it."""
        if self._discard(self._path("n", lock.domain)) or lock.inherited:
            self._sync_folder()

    def _discard(self, path: Path) -> bool:
        """Remove the file; False if it is not there."""
        try:
            self._files.unlink(path)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise failed(path, "remove", error) from error
        return True

    def _sync_folder(self) -> None:
        try:
            self._files.fsync_folder(self.folder)
        except OSError as error:
            raise failed(self.folder, "sync", error) from error

    def _write_next(self, path: Path, text: bytes) -> None:
        """Write the next template, durably. It is a new file: one that stood there could have another name as well."""
        descriptor = self._files.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            self._files.write(descriptor, text)
            self._files.fsync(descriptor)
        finally:
            self._files.close(descriptor)

    def _give_next_up(self, path: Path) -> None:
        """Remove what was written of a template that is not to be. If that fails, the next holder of the lock does."""
        with contextlib.suppress(OSError):
            self._files.unlink(path)
