"""A host in a folder: its templates as files, its xenstore and its hypervisor in SQLite. Any number of processes
work on it at once, and any may die."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from impl.embedded.hotplug import Behaves, SimulatedHotplug, behaves
from impl.embedded.hypervisor import EmbeddedHypervisor
from impl.embedded.sqlite import SqliteHost
from impl.errors import StoreError
from impl.ports import Toolstack
from impl.templates.files import Files
from impl.templates.store import TemplateStore
from impl.xenstore.sqlite import SqliteStore

TEMPLATES = "templates"


@dataclass(frozen=True, slots=True)
class HostFolder:
    """A host in a folder, opened by this process."""

    store: SqliteStore
    host: SqliteHost
    toolstack: Toolstack


@contextmanager
def open_folder(path: Path, behave: Behaves = behaves, files: Files | None = None) -> Iterator[HostFolder]:
    """Open the host in this folder, or make it. StoreError."""
    try:
        for folder in (path, path / TEMPLATES):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as e:
        raise StoreError(path, f"cannot be made: {e.strerror}") from e
    store = SqliteStore(path)
    try:
        host = SqliteHost(store)
        hypervisor = EmbeddedHypervisor(host)
        templates = TemplateStore(path / TEMPLATES, hypervisor.alive, files)
        yield HostFolder(store, host, Toolstack(store.connect(), templates, hypervisor, SimulatedHotplug(host, behave)))
    finally:
        store.close()
