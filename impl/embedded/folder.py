"""A host in a folder: its templates as files, its xenstore and its hypervisor in SQLite. Any number of processes
work on it at once, and any may die. Who only reads changes nothing in the folder.

Nothing is concluded from what cannot be read: a folder that has templates, and no record of the domains they belong
to, is not a new host.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from confsync.impl.embedded.hotplug import Behaves, SimulatedHotplug, behaves
from confsync.impl.embedded.hypervisor import EmbeddedHypervisor
from confsync.impl.embedded.sqlite import HOST_SCHEMA, SqliteHost
from confsync.impl.errors import Busy, DamagedStore, InvalidArgument, StoreError, ToolstackError
from confsync.impl.holders import Tells, tell_nobody
from confsync.impl.ports import Domain, Toolstack
from confsync.impl.templates.files import Files
from confsync.impl.templates.lock import Waits
from confsync.impl.templates.reading import Glimpse, ReadTemplates
from confsync.impl.templates.store import TemplateStore
from confsync.impl.xenstore.snapshot import NotMade, log_of
from confsync.impl.xenstore.sqlite import FILE, SqliteStore

TEMPLATES = "templates"
_TRIES = 100
"""How often a domain is read anew because it changed meanwhile."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HostFolder:
    """A host in a folder, opened by this process."""

    store: SqliteStore
    host: SqliteHost
    templates: TemplateStore
    toolstack: Toolstack


@contextmanager
def open_folder(
    path: Path,
    behave: Behaves = behaves,
    files: Files | None = None,
    *,
    make: bool = True,
    tells: Tells = tell_nobody,
) -> Iterator[HostFolder]:
    """Open the host in this folder, to change it. `make`: make one that is not there, or was not finished. `tells`: is
    told for whom this process waits. StoreError; DamagedStore; InvalidArgument if there is none, and none is made."""
    if make:
        _make_folders(path)
    if not _is_made(path, files) and not make:
        raise no_host(path)
    store = SqliteStore(path, schema=HOST_SCHEMA, tells=tells)
    try:
        yield _host(path, store, behave, files, tells)
    finally:
        store.close()


@contextmanager
def read_folder(path: Path, files: Files | None = None) -> Iterator[HostFolder]:
    """The host in this folder as it is at one instant. Nothing in the folder is changed; what is changed in the host
    that is given is refused. StoreError; DamagedStore; InvalidArgument if there is none."""
    known = _templates(path, files)  # before the record: a domain is in the record before it has a template
    try:
        store = SqliteStore(path, schema=HOST_SCHEMA, snapshot=True)
    except NotMade as e:
        if not known:
            raise no_host(path) from None
        raise _lost(path, known, e.reason) from None
    except DamagedStore as e:
        raise _damaged(path, e) from e
    except StoreError:
        if (path / FILE).is_symlink() or (path / FILE).exists():
            raise
        if not known:
            raise no_host(path) from None
        raise _lost(path, known, "it is not there") from None
    try:
        host = _host(path, store, behaves, files, tell_nobody)
        seen = ReadTemplates(host.templates, host.toolstack.hypervisor.alive)
        try:
            host.host.verify()
        except DamagedStore as e:
            raise _damaged(path, e) from e
        with store.reading():
            domains = host.host.known()
        if known and not domains & set(known):
            raise _lost(path, known, "it knows none of their domains")
        yield replace(host, toolstack=replace(host.toolstack, templates=seen))
    finally:
        store.close()


async def read_domain(
    path: Path,
    find: Callable[[Toolstack], Awaitable[Domain]],
    act: Callable[[Toolstack, Domain], Awaitable[T]],
    *,
    tells: Tells = tell_nobody,
) -> T:
    """What `act` finds out of the domain that `find` finds, as if it held the domain's lock throughout. Nothing in the
    folder is changed. StoreError, DamagedStore, InvalidArgument; Busy if the domain never stays the same."""
    with read_folder(path) as host:
        domain = await find(host.toolstack)
        store = host.templates
    for _ in range(_TRIES):
        async with Glimpse(store, domain, waits=Waits(tells=tells)) as glimpse:
            with read_folder(path) as host:
                try:
                    found = await act(host.toolstack, domain)
                except ToolstackError:
                    if glimpse.unchanged():
                        raise
                    continue
            if glimpse.unchanged():
                return found
    raise Busy(f"{domain} changed {_TRIES} times while it was read")


def _host(path: Path, store: SqliteStore, behave: Behaves, files: Files | None, tells: Tells) -> HostFolder:
    host = SqliteHost(store)
    hypervisor = EmbeddedHypervisor(host)
    templates = TemplateStore(path / TEMPLATES, hypervisor.alive, files, waits=Waits(tells=tells))
    hotplug = SimulatedHotplug(host, behave)
    return HostFolder(store, host, templates, Toolstack(store.connect(), templates, hypervisor, hotplug))


def _make_folders(path: Path) -> None:
    try:
        for folder in (path, path / TEMPLATES):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as e:
        raise StoreError(path, f"cannot be made: {e.strerror}") from e


def _is_made(path: Path, files: Files | None) -> bool:
    """True if there is a host in the folder, and its record is whole. StoreError, DamagedStore."""
    try:
        with read_folder(path, files):
            return True
    except InvalidArgument:
        return False


def _templates(path: Path, files: Files | None) -> list[Domain]:
    """The domains that have a template in the folder. StoreError, CannotList."""
    folder = path / TEMPLATES
    try:
        folder.lstat()
    except FileNotFoundError:
        return []
    except OSError as e:
        raise StoreError(folder, e.strerror or str(e)) from e

    async def never(_domain: Domain) -> bool:
        return False

    return list(TemplateStore(folder, never, files).with_template())


def no_host(path: Path) -> InvalidArgument:
    """The error for a folder without a host."""
    return InvalidArgument(f"{path}: there is no host here: `confsync domain create --name vm1` makes one")


def _lost(path: Path, known: list[Domain], reason: str) -> StoreError:
    what = f"the state folder has templates ({len(known)}) but no {FILE} that belongs to them: {reason}"
    return StoreError(path, f"{what}; {_ways_out(path)}")


def _damaged(path: Path, error: DamagedStore) -> DamagedStore:
    return DamagedStore(error.path, f"it is damaged: {error.reason}; {_ways_out(path)}")


def _ways_out(path: Path) -> str:
    beside = log_of(path / FILE).name
    return (
        f"nothing was changed: put back a copy of {FILE} (and remove {beside} and {FILE}-shm), or make each domain "
        f"anew in another folder, from its template in {path / TEMPLATES}: "
        "`confsync domain --state OTHER create --json TEMPLATE`"
    )
