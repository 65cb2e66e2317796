"""Hotplug that only says what it would hold, and that can be made to fail, hang or be slow at each step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from confsync.impl.embedded.host import Claim, Host, View, living
from confsync.impl.errors import HotplugFailed
from confsync.impl.kinds import PCI, USBDEV, Device
from confsync.impl.operations import paths
from confsync.impl.operations.layout import CLOSED, CONNECTED
from confsync.impl.ports import Domain

ALLOCATE = ("backend", "script", "device model")
RELEASE = ("device model", "script", "backend")
"""What is connected, in this order, and disconnected."""
Behaves = Callable[[str, str, Domain, Device], Awaitable[None]]
"""Called before each step with the call (`allocate`, `release`, `insert`, `eject`), the step, domain and device: it
may take its time, wait for ever, or raise HotplugFailed or TimedOut."""


async def behaves(_call: str, _step: str, _domain: Domain, _device: Device) -> None:
    """Nothing fails, and nothing takes any time."""


class SimulatedHotplug:
    """`confsync.impl.ports.Hotplug` over an embedded host. Something is held from the first step of `allocate`
    to the last of `release`, for a device that exists and is not closing."""

    def __init__(self, host: Host, behave: Behaves = behaves) -> None:
        self._host, self._behave = host, behave

    async def allocate(self, domain: Domain, devices: Sequence[Device]) -> None:
        first, *rest = ALLOCATE
        for device in devices:
            await self._behave("allocate", first, domain, device)
        with self._host.exclusive() as view:
            staying = [device for device in devices if _online(view, domain, device) == b"1"]
            if devices and not staying:
                raise HotplugFailed(f"{domain}: {devices[0]} went away while it was being connected")
            for device in staying:
                claim = _claim(domain, device)
                view.hold(claim, view.held(claim) or "")
                _say(view, domain, device, CONNECTED)
        for step in rest:
            for device in devices:
                await self._behave("allocate", step, domain, device)

    async def release(self, domain: Domain, devices: Sequence[Device], *, force: bool) -> None:
        *rest, last = RELEASE
        for step in (last,) if force else (*rest, last):
            for device in devices:
                await self._behave("release", step, domain, device)
        with self._host.exclusive() as view:
            for device in devices:
                if _online(view, domain, device) != b"0":
                    raise HotplugFailed(f"{domain}: {device} is not marked to go away")
            for device in devices:
                view.hold(_claim(domain, device), None)
                _say(view, domain, device, CLOSED)

    async def held(self, domain: Domain, device: Device) -> bool:
        with self._host.exclusive() as view:
            return view.held(_claim(domain, device)) is not None

    async def insert(self, domain: Domain, device: Device, medium: str) -> None:
        await self._behave("insert", "device model", domain, device)
        with self._host.exclusive() as view:
            inside = view.held(_claim(domain, device))
            if inside:
                raise HotplugFailed(f"{domain}: there is a medium in {device}")
            if inside is not None:
                view.hold(_claim(domain, device), medium)

    async def eject(self, domain: Domain, device: Device) -> None:
        await self._behave("eject", "device model", domain, device)
        with self._host.exclusive() as view:
            if view.held(_claim(domain, device)) is not None:
                view.hold(_claim(domain, device), "")


def _claim(domain: Domain, device: Device) -> Claim:
    return Claim(domain.domid, domain.uuid, device.kind.folder, device.index)


def _say(view: View, domain: Domain, device: Device, state: str) -> None:
    """What a backend writes: its state, and that its script has run."""
    backend = (view.node(f"{paths.existing(domain, device)}/backend") or b"").decode()
    if device.kind is USBDEV or not backend or view.node(backend) is None:
        return
    if device.kind is PCI:
        view.set_node(f"{backend}/state", CONNECTED.encode())
        return
    view.set_node(f"{backend}/state", state.encode())
    if state == CONNECTED:
        view.set_node(f"{backend}/hotplug-status", b"connected")


def _online(view: View, domain: Domain, device: Device) -> bytes | None:
    """The mark of the device; None if it is not there, or is of the number's next owner."""
    if living(view, domain) is None:
        return None
    return view.node(f"{paths.existing(domain, device)}/online")
