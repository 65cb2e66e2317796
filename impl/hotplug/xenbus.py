"""The protocol towards a backend: states in xenstore, watched, and the hotplug script [`libxl__initiate_device_add`,
`libxl__initiate_device_generic_remove`, libxl_device.c; docs/misc/xenbus in xen/include/public/io/xenbus.h].

What a backend says is believed about the backend, and about nothing else: a driver domain that lies can keep its own
device from working, or from going away without force.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Sequence
from dataclasses import dataclass

from confsync.impl.errors import HotplugFailed, TimedOut
from confsync.impl.hotplug.script import MOST_QUOTED, Runs, run_script
from confsync.impl.kinds import DISK, NIC, PCI, USBDEV, Device
from confsync.impl.operations import paths
from confsync.impl.operations.existence import exists, is_closing, is_known, pointers, read_text
from confsync.impl.operations.layout import CLOSED, CONNECTED, INIT_WAIT, RECONFIGURING
from confsync.impl.ports import Domain, Xenstore

CONNECT_TIMEOUT = DISCONNECT_TIMEOUT = 10.0
"""Seconds [LIBXL_INIT_TIMEOUT, LIBXL_DESTROY_TIMEOUT]."""
Changes = Callable[[Domain, Device, str], Awaitable[None]]
"""Has the device model put this medium into a drive; "": take out what is in it."""


async def no_device_model(domain: Domain, device: Device, _medium: str) -> None:
    """There is none to ask."""
    raise HotplugFailed(f"{domain}: there is no device model to change the medium in {device}")


async def _side_by_side(works: Iterable[Coroutine[None, None, None]]) -> None:
    """Do all of it, to the end of each; then raise the first failure."""
    failures = [e for e in await asyncio.gather(*works, return_exceptions=True) if e is not None]
    if failures:
        for other in failures[1:]:
            failures[0].add_note(f"and: {other}")
        raise failures[0]


@dataclass(frozen=True, slots=True)
class XenbusHotplug:
    """`confsync.impl.ports.Hotplug` towards the backends of a host."""

    xenstore: Xenstore
    scripts: Runs = run_script
    change_medium: Changes = no_device_model
    connect_timeout: float = CONNECT_TIMEOUT
    disconnect_timeout: float = DISCONNECT_TIMEOUT

    async def allocate(self, domain: Domain, devices: Sequence[Device]) -> None:
        staying = [device for device in devices if not await self._goes_away(domain, device)]
        if devices and not staying:
            raise HotplugFailed(f"{domain}: {devices[0]} went away while it was being connected")
        await _side_by_side(self._allocate(domain, device) for device in staying)

    async def _goes_away(self, domain: Domain, device: Device) -> bool:
        there = await is_known(self.xenstore, domain) and await exists(self.xenstore, domain, device)
        return not there or await is_closing(self.xenstore, domain, device)

    async def _allocate(self, domain: Domain, device: Device) -> None:
        node = paths.existing(domain, device)
        _, backend = await pointers(self.xenstore, domain, node)
        if device.kind is USBDEV or not backend:
            return  # the backend watches its ports
        state = await self._wait(f"{backend}/state", (INIT_WAIT, CONNECTED, CLOSED, ""), self.connect_timeout, device)
        if state in (CLOSED, ""):
            raise HotplugFailed(f"{domain}: the backend of {device} refused it: {await self._complaint(backend)}")
        await self._script(node, backend, device, "online" if device.kind is NIC else "add")

    async def release(self, domain: Domain, devices: Sequence[Device], *, force: bool) -> None:
        await _side_by_side(self._release(domain, device, force=force) for device in devices)

    async def _release(self, domain: Domain, device: Device, *, force: bool) -> None:
        node = paths.existing(domain, device)
        if not await is_closing(self.xenstore, domain, device):
            raise HotplugFailed(f"{domain}: {device} is not marked to go away")
        _, backend = await pointers(self.xenstore, domain, node)
        if device.kind is USBDEV or not backend:
            return
        done = (INIT_WAIT, CONNECTED, CLOSED, "") if device.kind is PCI else (CLOSED, "")
        if not force:
            await self._wait(f"{backend}/state", done, self.disconnect_timeout, device)
        await self._script(node, backend, device, "offline" if device.kind is NIC else "remove")
        if force and device.kind is not PCI and await read_text(self.xenstore, f"{backend}/state") is not None:
            await self.xenstore.write(f"{backend}/state", CLOSED.encode())

    async def held(self, domain: Domain, device: Device) -> bool:
        _, backend = await pointers(self.xenstore, domain, paths.existing(domain, device))
        if device.kind is USBDEV or not backend:
            return False
        state = await read_text(self.xenstore, f"{backend}/state")
        return state == RECONFIGURING if device.kind is PCI else state not in (CLOSED, None)

    async def insert(self, domain: Domain, device: Device, medium: str) -> None:
        await self.change_medium(domain, device, medium)

    async def eject(self, domain: Domain, device: Device) -> None:
        await self.change_medium(domain, device, "")

    async def _wait(self, path: str, wanted: Collection[str], timeout: float, device: Device) -> str:
        """Wait for one of these values; "" is no node. -> the value. TimedOut."""
        value = await read_text(self.xenstore, path) or ""
        if value in wanted:
            return value
        watch = await self.xenstore.watch(path)
        try:
            async with asyncio.timeout(timeout):
                while value not in wanted:
                    await watch.event()
                    value = await read_text(self.xenstore, path) or ""
                return value
        except TimeoutError:
            raise TimedOut(f"the backend of {device} did not answer in {timeout:g} s: {path} is {value!r}") from None
        finally:
            await watch.close()

    async def _script(self, node: str, backend: str, device: Device, what: str) -> None:
        script = await read_text(self.xenstore, f"{node}/script")
        if script and device.kind in (DISK, NIC):
            await self.scripts(script, what, backend, device)

    async def _complaint(self, backend: str) -> str:
        reason = await read_text(self.xenstore, f"{backend}/hotplug-error")
        return repr(reason[-MOST_QUOTED:]) if reason else "it says no reason"
