"""Operations that are wrong, each in one way, and what notices it."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from confsync.impl.configuration.template import emptied
from confsync.impl.errors import InvalidArgument, XenstoreError
from confsync.impl.kinds import KINDS, Device, Entry, Kind
from confsync.impl.operations import attach, create, destroy, entries, existence, knobs, media, paths, retrieve, save
from confsync.impl.operations.guarded import locked, read_template, replace_template
from confsync.impl.operations.layout import params
from confsync.impl.operations.transact import transact
from confsync.impl.ports import Domain, Lock, Requests, Toolstack
from confsync.impl.templates.files import Files
from confsync.impl.xenstore.sqlite import SqliteStore


@dataclass(frozen=True, slots=True)
class Mutant:
    """A wrong piece of an operation: where it is put, the operation that is tried, the engine that must notice, and a
    word of what it must say."""

    owners: Sequence[object]
    attribute: str
    wrong: object
    operation: str
    engine: str
    words: str

    def apply(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put it there."""
        for owner in self.owners:
            monkeypatch.setattr(owner, self.attribute, self.wrong)


async def _xenstore_first(t: Toolstack, domain: Domain, kind: Kind, entry: Entry) -> Device:
    device, whole = Device(kind, kind.to_index(entry)), dict(entry)
    async with locked(t, domain) as lock:
        template = await read_template(t, domain)
        await transact(t, lambda x: entries.enter(x, domain, device, whole))
        await replace_template(t, lock, template.put(device, whole))
    await t.hotplug.allocate(domain, [device])
    return device


async def _without_allocation(t: Toolstack, domain: Domain, kind: Kind, entry: Entry) -> Device:
    device, whole = Device(kind, kind.to_index(entry)), dict(entry)
    async with locked(t, domain) as lock:
        template = await read_template(t, domain)
        await replace_template(t, lock, template.put(device, whole))
        await transact(t, lambda x: entries.enter(x, domain, device, whole))
    return device


async def _forget_first(t: Toolstack, domain: Domain, device: Device, *, force: bool = False) -> None:
    await transact(t, lambda x: entries.mark_closing(x, domain, device))
    await t.hotplug.release(domain, [device], force=force)
    async with locked(t, domain) as lock:
        template = await read_template(t, domain)
        await replace_template(t, lock, template.without(device))
        await transact(t, lambda x: entries.leave(x, domain, device, lambda: t.hotplug.held(domain, device)))


async def _leave_in_two(t: Toolstack, domain: Domain, device: Device, *, force: bool = False) -> None:
    await transact(t, lambda x: entries.mark_closing(x, domain, device))
    await t.hotplug.release(domain, [device], force=force)
    async with locked(t, domain) as lock:
        frontend = await existence.read_text(t.xenstore, f"{paths.existing(domain, device)}/frontend")
        await t.xenstore.remove(paths.existing(domain, device))
        await t.xenstore.remove(frontend or "")
        template = await read_template(t, domain)
        await replace_template(t, lock, template.without(device))


@asynccontextmanager
async def _locked_until_success(t: Toolstack, domain: Domain, *, born: bool = True) -> AsyncIterator[Lock]:
    lock = await t.templates.lock(domain, born=born)
    yield lock
    await t.templates.unlock(lock)


async def _empty_on_error(x: Requests, domain: Domain, *kinds: Kind) -> dict[Kind, list[Device]]:
    found: dict[Kind, list[Device]] = {}
    for kind in kinds or KINDS.values():
        try:
            found[kind] = [Device(kind, index) for index in await existence._indices(x, domain, kind)]
        except (XenstoreError, InvalidArgument):
            found[kind] = []
    return found


async def _killed_first(t: Toolstack, lock: Lock, domain: Domain) -> None:
    there = await destroy._devices(t, domain)
    await t.hypervisor.pause(domain)
    await transact(t, lambda x: destroy._close_all(x, domain, there))
    await t.hotplug.release(domain, there, force=True)
    await transact(t, lambda x: destroy._leave_all(x, domain, there))
    await transact(t, lambda x: destroy._forget_domain(x, domain))
    await t.hypervisor.destroy(domain)
    await t.templates.remove(lock)


async def _held_on(t: Toolstack, lock: Lock, domain: Domain) -> None:
    there = await destroy._devices(t, domain)
    await t.hypervisor.pause(domain)
    await transact(t, lambda x: destroy._leave_all(x, domain, there))
    await t.templates.remove(lock)
    await transact(t, lambda x: destroy._forget_domain(x, domain))
    await t.hypervisor.destroy(domain)


async def _no_clean_up(_t: Toolstack, _lock: Lock, _domain: Domain) -> None:
    pass


async def _template_first_out(t: Toolstack, domain: Domain, drive: Device) -> None:
    async with locked(t, domain) as lock:
        template = await read_template(t, domain)
        entry = template.find(drive)
        assert entry is not None
        await replace_template(t, lock, template.put(drive, emptied(entry)))
        await t.hotplug.eject(domain, drive)
        await transact(t, lambda x: entries.unload(x, domain, drive))


async def _xenstore_first_in(t: Toolstack, domain: Domain, drive: Device, path: str, form: str = "raw") -> None:
    async with locked(t, domain) as lock:
        template = await read_template(t, domain)
        entry = {**(template.find(drive) or {}), "pdev_path": path, "format": form}
        await transact(t, lambda x: entries.load(x, domain, drive, params(entry)))
        await replace_template(t, lock, template.put(drive, entry))
        await t.hotplug.insert(domain, drive, params(entry))


async def _no_way_back(t: Toolstack, domain: Domain, kb: int) -> None:
    async with locked(t, domain):
        await t.hypervisor.set_memory(domain, kb)
        await transact(t, lambda x: x.write(paths.memory(domain.domid, "target"), str(kb).encode()))


async def _vcpus_one_by_one(t: Toolstack, domain: Domain, online: set[int]) -> None:
    async with locked(t, domain):
        for n in range(3):
            await t.xenstore.write(paths.vcpu(domain.domid, n), b"online" if n in online else b"offline")


async def _destroyed_before_kept(
    t: Toolstack, domain: Domain, keep: Callable[..., Awaitable[None]], *, checkpoint: bool = False
) -> None:
    async with locked(t, domain) as lock:
        await t.hypervisor.pause(domain)
        found = await retrieve.retrieve_locked(t, domain)
        if not checkpoint:
            await destroy.destroy_locked(t, lock, domain)
        await keep(found.template)


async def _stay_paused(
    t: Toolstack, domain: Domain, keep: Callable[..., Awaitable[None]], *, checkpoint: bool = False
) -> None:
    async with locked(t, domain) as lock:
        await t.hypervisor.pause(domain)
        await keep((await retrieve.retrieve_locked(t, domain)).template)
        if not checkpoint:
            await destroy.destroy_locked(t, lock, domain)


def _no_folder_sync(_self: Files, _path: Path) -> None:
    pass


_set_up = SqliteStore._set_up


def _without_sync(self: SqliteStore) -> None:
    _set_up(self)
    self._database.execute("PRAGMA synchronous = OFF")


@contextmanager
def _errors_swallowed(self: SqliteStore, begin: str) -> Iterator[None]:
    try:
        self._database.execute(begin)
        yield
    except sqlite3.Error as e:
        raise XenstoreError(str(e)) from e
    finally:
        with suppress(sqlite3.Error):
            self._database.execute("COMMIT")
        if self._database.in_transaction:
            self._database.execute("ROLLBACK")


HOLDERS = (attach, media, retrieve, destroy, knobs, create, save)
MUTANTS = {
    "attach: xenstore before the template": Mutant(
        (attach,), "attach", _xenstore_first, "attach nic", "died", "made up"
    ),
    "attach: xenstore before the template, killed": Mutant(
        (attach,), "attach", _xenstore_first, "attach nic", "kill", "made up"
    ),
    "attach: nothing is connected": Mutant(
        (attach,), "attach", _without_allocation, "attach nic", "died", "and held is"
    ),
    "detach: the template before xenstore": Mutant(
        (attach,), "detach", _forget_first, "detach nic", "died", "made up"
    ),
    "detach: not in one transaction": Mutant(
        (attach,), "detach", _leave_in_two, "detach nic", "died", "it leaves nodes"
    ),
    "the lock is not given up on an error": Mutant(
        HOLDERS, "locked", _locked_until_success, "rename", "xenstore", "is still held"
    ),
    "retrieve: an error is taken for nothing": Mutant(
        (existence,), "devices", _empty_on_error, "retrieve", "xenstore", "WrongAnswer"
    ),
    "checkpoint: an error is taken for nothing": Mutant(
        (existence,), "devices", _empty_on_error, "checkpoint", "xenstore", "what was kept is"
    ),
    "destroy: the template after the domain": Mutant(
        (destroy,), "destroy_locked", _killed_first, "destroy", "died", "the template outlives its domain"
    ),
    "destroy: what is held stays": Mutant(
        (destroy,), "destroy_locked", _held_on, "destroy", "died", "it leaves held"
    ),
    "create: nothing is cleaned up": Mutant(
        (create,), "destroy_locked", _no_clean_up, "create", "others", "it did not clean up"
    ),
    "eject: the template before xenstore": Mutant(
        (media,), "eject", _template_first_out, "eject", "died", "is in the drive, and xenstore"
    ),
    "insert: xenstore before the template": Mutant(
        (media,), "insert", _xenstore_first_in, "insert", "died", "is in the drive, and xenstore"
    ),
    "memory target: the hypervisor is not told again": Mutant(
        (knobs,), "set_memory_target", _no_way_back, "memory target", "xenstore", "the hypervisor grants"
    ),
    "vcpus: not in one transaction": Mutant(
        (knobs,), "set_vcpus", _vcpus_one_by_one, "vcpus", "died", "retrieve says"
    ),
    "save: destroyed before it is kept": Mutant(
        (save,), "save", _destroyed_before_kept, "save", "died", "what was kept is"
    ),
    "checkpoint: it stays paused": Mutant(
        (save,), "save", _stay_paused, "checkpoint", "died", "it is paused"
    ),
    "the templates' folder is not synced": Mutant(
        (Files,), "fsync_folder", _no_folder_sync, "attach nic", "power", "made up"
    ),
    "a refused call is taken for done": Mutant(
        (SqliteStore,), "_transaction", _errors_swallowed, "rename", "refused", "though it was acknowledged"
    ),
    "xenstore's file is not synced": Mutant(
        (SqliteStore,), "_set_up", _without_sync, "rename", "power", "though it was acknowledged"
    ),
}  # fmt: skip
