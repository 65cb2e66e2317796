"""An embedded host in memory for the tests: xenstore, hypervisor, hotplug, and templates in a folder."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from confsync.impl.configuration.template import Template
from confsync.impl.embedded.hotplug import Behaves, SimulatedHotplug, behaves
from confsync.impl.embedded.hypervisor import EmbeddedHypervisor
from confsync.impl.embedded.memory import MemoryHost
from confsync.impl.errors import ToolstackError
from confsync.impl.kinds import Json
from confsync.impl.ports import Domain, Toolstack
from confsync.impl.templates.store import TemplateStore
from confsync.impl.xenstore.memory import MemoryStore

T = TypeVar("T")
UUID = "02c1497c-0060-444c-9188-579296d5d4d0"
DRIVE: dict[str, Json] = {"pdev_path": "/c.iso", "vdev": "hdc", "format": "raw", "removable": 1, "is_cdrom": 1}
ROOT: dict[str, Json] = {"pdev_path": "/a.img", "vdev": "xvda", "format": "raw", "readwrite": 1}


@dataclass
class EmbeddedHost:
    """A host, and a toolstack process on it."""

    folder: Path
    behave: Behaves = behaves
    store: MemoryStore = field(default_factory=MemoryStore)

    def __post_init__(self) -> None:
        self.folder.chmod(0o700)
        self.host = MemoryHost(self.store)
        self.hypervisor = EmbeddedHypervisor(self.host)
        self.t = self.toolstack()

    def toolstack(self) -> Toolstack:
        """One more process."""
        templates = TemplateStore(self.folder, self.hypervisor.alive)
        return Toolstack(self.store.connect(), templates, self.hypervisor, SimulatedHotplug(self.host, self.behave))

    def node(self, path: str) -> bytes | None:
        found = self.store.table.get(path)
        return None if found is None else found.value

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def template(self, domain: Domain) -> Template:
        """What stands in the file."""
        path = self.folder / f"userdata-d.{domain.domid}.{domain.uuid}.libxl-json"
        return Template.parse(path.read_bytes(), path.name)


def configuration(name: str = "a", uuid: str = UUID, **more: Json) -> Template:
    """A domain with a disk, a drive with a medium, and a network interface."""
    value: dict[str, Json] = {
        "c_info": {"type": "pv", "name": name, "uuid": uuid},
        "b_info": {"max_vcpus": 2, "max_memkb": 65536, "target_memkb": 65536, "kernel": "/boot/vmlinuz"},
        "disks": [dict(ROOT), dict(DRIVE)],
        "nics": [{"bridge": "xenbr0"}],
        **more,
    }
    return Template.of(value, "the test's configuration")


def run(work: Coroutine[None, None, T]) -> T:
    """Run one process to its end."""
    return asyncio.run(work)


def succeeds(work: Coroutine[None, None, T]) -> T:
    """What an operation returns that has to succeed: an error of its is a failed assertion."""
    try:
        return run(work)
    except ToolstackError as error:
        pytest.fail(f"{type(error).__name__}: {error}")
