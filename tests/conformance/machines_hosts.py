"""Hosts for the machines: in memory, in a folder, and on a real xenstored; hotplug fails when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from xenstored import Daemon

from confsync.impl.embedded.folder import TEMPLATES, open_folder
from confsync.impl.embedded.host import Claim, Guest
from confsync.impl.embedded.hotplug import SimulatedHotplug
from confsync.impl.embedded.hypervisor import EmbeddedHypervisor
from confsync.impl.embedded.memory import MemoryHost
from confsync.impl.errors import HotplugFailed, NoEntry, TimedOut
from confsync.impl.kinds import Device
from confsync.impl.operations import existence, paths
from confsync.impl.operations.layout import CLOSED, CONNECTED
from confsync.impl.ports import Domain, Permission, Toolstack, Xenstore
from confsync.impl.templates.store import TemplateStore
from confsync.impl.xenstore.memory import MemoryStore

T = TypeVar("T")
Tree = Mapping[str, tuple[bytes, tuple[Permission, ...]]]


class Fails:
    """Hotplug's behaviour: the n-th step from now fails."""

    def __init__(self) -> None:
        self.left, self.slow, self.failed = 0, False, False

    def arm(self, step: int, *, slow: bool) -> None:
        """`step`: from 1; 0 for none. `slow`: it takes too long, and does not refuse."""
        self.left, self.slow, self.failed = step, slow, False

    async def __call__(self, call: str, step: str, domain: Domain, device: Device) -> None:
        self.left -= 1
        if self.left == 0:
            self.failed = True
            raise (TimedOut if self.slow else HotplugFailed)(f"{domain}: {call} of {device}: {step}: as it was told")


class Host(Protocol):
    """A host, and all that can be read back from it."""

    t: Toolstack
    fails: Fails
    templates: Path

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Run an operation to its end."""

    def connect(self, domid: int) -> Xenstore:
        """As a guest or a driver domain."""

    def tree(self) -> Tree:
        """The whole xenstore."""

    def held(self) -> Mapping[Claim, str]:
        """What is held for devices."""

    def guests(self) -> Mapping[int, Guest]:
        """What the hypervisor has."""

    def close(self) -> None:
        """Be gone."""


class _Common:
    """A folder and an event loop, for as long as the host is there."""

    def __init__(self) -> None:
        self.fails = Fails()
        self.folder = Path(tempfile.mkdtemp(prefix="confsync-"))
        self.runner = asyncio.Runner()
        self.left = contextlib.ExitStack()
        self.left.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.left.callback(self.runner.close)

    def run(self, work: Coroutine[object, object, T]) -> T:
        return self.runner.run(work)

    def close(self) -> None:
        self.left.close()


class InMemory(_Common):
    """xenstore and hypervisor in memory, templates in files."""

    def __init__(self) -> None:
        super().__init__()
        self.templates = self.folder
        self.store = MemoryStore()
        self.host = MemoryHost(self.store)
        hypervisor = EmbeddedHypervisor(self.host)
        templates = TemplateStore(self.folder, hypervisor.alive)
        self.t = Toolstack(self.store.connect(), templates, hypervisor, SimulatedHotplug(self.host, self.fails))

    def node(self, path: str) -> bytes | None:
        """A xenstore node's value."""
        return self.host.node(path)

    def connect(self, domid: int) -> Xenstore:
        return self.store.connect(domid)

    def tree(self) -> Tree:
        return self.store.tree()

    def held(self) -> Mapping[Claim, str]:
        return self.host.all_held()

    def guests(self) -> Mapping[int, Guest]:
        return self.host.guests()


class InFolder(_Common):
    """All of it in a folder, as `confsync domain` has it."""

    def __init__(self) -> None:
        super().__init__()
        opened = self.left.enter_context(open_folder(self.folder, self.fails))
        self.store, self.host, self.t = opened.store, opened.host, opened.toolstack
        self.templates = self.folder / TEMPLATES

    def connect(self, domid: int) -> Xenstore:
        return self.store.connect(domid)

    def tree(self) -> Tree:
        return self.store.tree()

    def held(self) -> Mapping[Claim, str]:
        with self.host.exclusive():
            return self.host.all_held()

    def guests(self) -> Mapping[int, Guest]:
        with self.host.exclusive() as view:
            return dict(view.guests())


class PlayedHotplug:
    """What `SimulatedHotplug` is, over any xenstore: it asks only the port."""

    def __init__(self, xenstore: Xenstore, fails: Fails) -> None:
        self._x, self._fails = xenstore, fails
        self.held_for: dict[Claim, str] = {}

    async def allocate(self, domain: Domain, devices: Sequence[Device]) -> None:
        for device in devices:
            await self._fails("allocate", "backend", domain, device)
        for device in devices:
            if await self._online(domain, device) != "1":
                raise HotplugFailed(f"{domain}: {device} went away")
            self.held_for.setdefault(_claim(domain, device), "")
            await self._say(domain, device, CONNECTED)

    async def release(self, domain: Domain, devices: Sequence[Device], *, force: bool) -> None:
        for device in devices:
            await self._fails("release", f"backend, force: {force}", domain, device)
        for device in devices:
            if await self._online(domain, device) != "0":
                raise HotplugFailed(f"{domain}: {device} is not marked to go away")
            self.held_for.pop(_claim(domain, device), None)
            await self._say(domain, device, CLOSED)

    async def held(self, domain: Domain, device: Device) -> bool:
        return _claim(domain, device) in self.held_for

    async def insert(self, domain: Domain, device: Device, medium: str) -> None:
        await self._fails("insert", "device model", domain, device)
        if _claim(domain, device) in self.held_for:
            self.held_for[_claim(domain, device)] = medium

    async def eject(self, domain: Domain, device: Device) -> None:
        await self._fails("eject", "device model", domain, device)
        if _claim(domain, device) in self.held_for:
            self.held_for[_claim(domain, device)] = ""

    async def _online(self, domain: Domain, device: Device) -> str | None:
        return await existence.read_text(self._x, f"{paths.existing(domain, device)}/online")

    async def _say(self, domain: Domain, device: Device, state: str) -> None:
        backend = await existence.read_text(self._x, f"{paths.existing(domain, device)}/backend")
        if (
            device.kind.name not in ("usbdev", "pci")
            and backend
            and await existence.read_text(self._x, backend) is not None
        ):
            await self._x.write(f"{backend}/state", state.encode())


def _claim(domain: Domain, device: Device) -> Claim:
    return Claim(domain.domid, domain.uuid, device.kind.folder, device.index)


class OnDaemon(_Common):
    """A real xenstored, and templates in files; the hypervisor keeps books."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__()
        self.templates = self.folder
        self._daemon = daemon
        self._host = MemoryHost(MemoryStore())
        hypervisor = EmbeddedHypervisor(self._host)
        self._x: Xenstore = daemon.connect()
        self._hotplug = PlayedHotplug(self._x, self.fails)
        self.t = Toolstack(self._x, TemplateStore(self.folder, hypervisor.alive), hypervisor, self._hotplug)
        self.run(self._clear())

    async def _clear(self) -> None:
        for path in ("/local", "/libxl", "/vm"):
            with contextlib.suppress(NoEntry):
                await self._x.remove(path)

    def connect(self, domid: int) -> Xenstore:
        return self._daemon.connect(domid)

    def tree(self) -> Tree:
        return self.run(self._all())

    async def _all(self) -> Tree:
        found: dict[str, tuple[bytes, tuple[Permission, ...]]] = {}
        todo = ["/local", "/libxl", "/vm"]
        while todo:
            path = todo.pop()
            with contextlib.suppress(NoEntry):
                value, names, permissions = await asyncio.gather(
                    self._x.read(path), self._x.directory(path), self._x.permissions(path)
                )
                found[path] = value, tuple(permissions)
                todo += [f"{path}/{name}" for name in names]
        return found

    def held(self) -> Mapping[Claim, str]:
        return self._hotplug.held_for

    def guests(self) -> Mapping[int, Guest]:
        return self._host.guests()

    def close(self) -> None:
        self.run(self._x.close())
        super().close()
