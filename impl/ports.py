"""What an operation reaches the outside by. Every effect is one `await` on one of these; there is no other way out.

An operation is deterministic in what these answer, so who owns the ports owns the interleaving.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from confsync.impl.kinds import Device

Access = Literal["n", "r", "w", "b"]
"""What a domain may do with a node: nothing, read, write, both."""


@dataclass(frozen=True, slots=True, order=True)
class Domain:
    """A domain: the number that it has while it lives, and the name that no other life has."""

    domid: int
    uuid: str

    def __str__(self) -> str:
        return f"domain {self.domid} ({self.uuid})"


@dataclass(frozen=True, slots=True)
class Permission:
    """One entry of a node's permissions. The first is of the owner, and says what all others may do."""

    domid: int
    access: Access

    def __str__(self) -> str:
        return f"{self.access}{self.domid}"


class Requests(Protocol):
    """xenstore's requests on nodes, within a transaction or without. Paths are absolute. XenstoreError on failure."""

    async def read(self, path: str) -> bytes:
        """The node's value. NoEntry."""

    async def write(self, path: str, value: bytes) -> None:
        """Set the node's value; it and what is above it are made where they are not there."""

    async def make(self, path: str) -> None:
        """Make the node, with an empty value, unless it is there [MKDIR]."""

    async def remove(self, path: str) -> None:
        """Remove the node and all below it. NoEntry only if what is above it is not there either [RM]."""

    async def directory(self, path: str) -> Sequence[str]:
        """The names of the node's children. NoEntry."""

    async def permissions(self, path: str) -> Sequence[Permission]:
        """The node's permissions. NoEntry."""

    async def set_permissions(self, path: str, permissions: Sequence[Permission]) -> None:
        """Replace the node's permissions. NoEntry."""


class Transaction(Requests, Protocol):
    """Requests that happen together or not at all."""

    async def commit(self) -> None:
        """Make it so, at once. Again if it met another one: nothing happened."""

    async def abort(self) -> None:
        """Forget it. Safe after a failed commit."""


class Watch(Protocol):
    """A node, and all below it, that is looked at."""

    async def event(self) -> str:
        """Wait for the next change; its path. The first comes at once, and any may come without a change."""

    async def close(self) -> None:
        """Look no longer."""


class Xenstore(Requests, Protocol):
    """A connection to a xenstore."""

    async def begin(self) -> Transaction:
        """Begin a transaction."""

    async def watch(self, path: str) -> Watch:
        """Begin to look at a node, whether or not it is there."""

    async def close(self) -> None:
        """Give the connection up: its transactions are aborted, its watches closed."""


class Lock(Protocol):
    """A domain's lock, held."""

    @property
    def domain(self) -> Domain:
        """Whose lock it is."""


class Templates(Protocol):
    """The templates, and the locks that guard them: one each per domain."""

    async def lock(self, domain: Domain, *, born: bool = True) -> Lock:
        """Wait for the domain's lock. LockFailed if the caller holds it already; DomainNotFound if the domain is gone
        once it is got. `born=False`: the domain is still to be made, under the lock, so its life is not looked at."""

    async def unlock(self, lock: Lock) -> None:
        """Give the lock up. It is given up even if this fails."""

    async def read(self, domain: Domain) -> bytes:
        """The template's bytes. TemplateMissing if there is none."""

    async def replace(self, lock: Lock, text: bytes) -> None:
        """Have the template hold this, durably; after any failure or death it holds the old or the new, whole."""

    async def remove(self, lock: Lock) -> None:
        """Remove the template, durably, and what a death has left of one being written."""

    async def lock_at_once(self, domain: Domain) -> Lock | None:
        """The domain's lock, alive or not, or None if somebody has it. Who holds another lock may ask."""

    async def domains(self) -> Sequence[Domain]:
        """The domains that have a file here, alive or not."""


class Hypervisor(Protocol):
    """What only the hypervisor knows of a domain, or can do. DomainNotFound if it is gone."""

    async def free_domid(self) -> int:
        """A number that no domain has; somebody else may take it first. HypervisorRefused if there is none."""

    async def make(self, domain: Domain, *, memory_kb: int, vcpus: int) -> None:
        """Make the domain, paused. HypervisorRefused if the number or the uuid is taken."""

    async def alive(self, domain: Domain) -> bool:
        """True if the domain exists, in this life."""

    async def ended(self, domain: Domain) -> bool:
        """True if it is known that this life of the domain is over. False is not the opposite: it may be that the
        domain exists, or that nothing is known of it. Only this is a reason to remove what a domain has left."""

    async def domains(self) -> Sequence[Domain]:
        """All domains, by their numbers."""

    async def pause(self, domain: Domain) -> None:
        """Let the domain run no longer. Nothing if it does not run."""

    async def unpause(self, domain: Domain) -> None:
        """Let the domain run."""

    async def paused(self, domain: Domain) -> bool:
        """True if the domain is not running."""

    async def set_memory(self, domain: Domain, kb: int) -> None:
        """Set the memory limit, in KiB [XEN_DOMCTL_max_mem]."""

    async def memory(self, domain: Domain) -> int:
        """The memory limit, in KiB."""

    async def set_scheduling(self, domain: Domain, parameters: dict[str, int]) -> None:
        """Set the scheduler's parameters that are named; leave the others [XEN_DOMCTL_scheduler_op]."""

    async def scheduling(self, domain: Domain) -> dict[str, int]:
        """The scheduler's parameters."""

    async def destroy(self, domain: Domain) -> None:
        """End the domain. Its number is free at once."""


class Hotplug(Protocol):
    """What the host and the guest really hold for a device: backend, hotplug script, device model."""

    async def allocate(self, domain: Domain, devices: Sequence[Device]) -> None:
        """Connect devices that are in xenstore, side by side [`libxl__multidev`]; nothing for one that is connected.
        One that is going away is passed over; HotplugFailed if that is all of them. HotplugFailed, TimedOut: some may
        be connected, and one half."""

    async def release(self, domain: Domain, devices: Sequence[Device], *, force: bool) -> None:
        """Disconnect devices that are marked closing, side by side; nothing for one that is not connected.
        HotplugFailed, TimedOut: some may be connected, and one half. `force`: whatever the guest does; still
        HotplugFailed if the host's part fails."""

    async def insert(self, domain: Domain, device: Device, medium: str) -> None:
        """Put the medium into the drive, which is empty. HotplugFailed, TimedOut."""

    async def held(self, domain: Domain, device: Device) -> bool:
        """True if host or guest hold anything for the device."""

    async def eject(self, domain: Domain, device: Device) -> None:
        """Take the medium out of the drive. HotplugFailed, TimedOut: it may be in or out."""


@dataclass(frozen=True, slots=True)
class Toolstack:
    """The ports of one toolstack process."""

    xenstore: Xenstore
    templates: Templates
    hypervisor: Hypervisor
    hotplug: Hotplug
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    """Wait, in seconds: between two tries of a transaction."""
