"""Every operation on a domain, as an act; and what `retrieve` may answer once it was cut short.

One row says all of it: the configuration before and after, those in between that are tolerated, and the refusals by
which the operation, run again, says that it had been done. The configurations are written down here, and none of them
comes from the code on trial.

    operation   before   in between                 after    run again: success, or
    attach      without  none                       with     DeviceExists
    detach      with     none                       without  DeviceNotFound
    insert      empty    none                       medium   DeviceExists
    eject       medium   none                       empty    success only
    swap        old      empty                      new      success only
    knobs       old      none                       new      success only
    retrieve    as is    none                       as is    success only
    create      none     half made: no template, or no devices, or the default scheduling    HypervisorRefused
    destroy     all      half destroyed: no devices, or no template   gone                   DomainNotFound
    save        all      as destroy; the file is whole by then        gone                   DomainNotFound
    checkpoint  all      none                       all      success only

A domain that is half made or half destroyed can be destroyed, and then there is nothing left of it.
"""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

from confsync.impl.configuration.template import Template
from confsync.impl.errors import DeviceExists, DeviceNotFound, DomainNotFound, HypervisorRefused, ToolstackError
from confsync.impl.kinds import DISK, NIC, P9, PCI, USBCTRL, USBDEV, VDISPL, VKB, VSND, VTPM, Device, Entry, Json, Kind
from confsync.impl.operations import attach as attaching
from confsync.impl.operations import create as creating
from confsync.impl.operations import destroy as destroying
from confsync.impl.operations import knobs, media
from confsync.impl.operations import retrieve as retrieving
from confsync.impl.operations import save as saving
from confsync.impl.ports import Domain, Toolstack

UUID = "02c1497c-0060-444c-9188-579296d5d4d0"
DOMAIN = Domain(1, UUID)
"""The one that is operated on. It is the first that was made, so it has the number 1."""
Configuration = dict[str, Json]
Keep = Callable[[Template], Awaitable[None]]
Do = Callable[[Toolstack, Keep], Awaitable[object]]

DRIVE: Configuration = {"pdev_path": "/c.iso", "vdev": "hdc", "format": "raw", "removable": 1, "is_cdrom": 1}
EMPTY: Configuration = {**DRIVE, "pdev_path": "", "format": "empty"}
OTHER: Configuration = {**DRIVE, "pdev_path": "/d.iso"}
ROOT: Configuration = {"pdev_path": "/a.img", "vdev": "xvda", "format": "raw", "readwrite": 1}
FIRST_NIC: Configuration = {"devid": 0, "mac": "00:16:3e:01:02:03", "nictype": "vif", "bridge": "xenbr0"}
CDROM = Device(DISK, "5632")
LISTS = ("disks", "nics", "vtpms", "usbctrls", "usbdevs", "pcidevs", "p9s", "vdispls", "vsnds", "vkbs")


def base() -> Configuration:
    """The domain: a disk, a drive with a medium, a network interface; and something that nobody understands."""
    return {
        "c_info": {"type": "pv", "name": "a", "uuid": UUID},
        "b_info": {
            "max_vcpus": 3, "avail_vcpus": [0, 1], "max_memkb": 65536, "target_memkb": 65536,
            "kernel": "/boot/vmlinuz", "sched_params": {"cap": 0, "weight": 256},
        },
        "disks": [dict(ROOT), dict(DRIVE)],
        "nics": [dict(FIRST_NIC)],
        "unknown": {"deep": [1, {"x": None}]},
    }  # fmt: skip


def plus(configuration: Configuration, array: str, *entries: Entry) -> Configuration:
    """The configuration with these devices at the end."""
    found = copy.deepcopy(configuration)
    found[array] = [*cast("list[Json]", found.get(array, [])), *map(dict, entries)]
    return found


def with_drive(drive: Configuration) -> Configuration:
    """The domain with this in its drive."""
    return {**base(), "disks": [dict(ROOT), dict(drive)]}


def with_knob(part: str, **knob: Json) -> Configuration:
    """The domain with this knob."""
    found = base()
    return {**found, part: {**cast("dict[str, Json]", found[part]), **knob}}


def bare(configuration: Configuration) -> Configuration:
    """The configuration without devices."""
    return {name: value for name, value in configuration.items() if name not in LISTS}


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation, and what is allowed of it."""

    name: str
    before: Configuration | None
    """None: there is no domain."""
    after: Configuration | None
    do: Do
    between: tuple[Configuration, ...] = ()
    refusals: tuple[type[ToolstackError], ...] = ()
    half: bool = False
    """It may be half made or half destroyed: there may be no template, or what is left may be destroyed only."""
    keeps: bool = False
    """It writes a file of the configuration, without which the domain must not go."""
    group: str = "core"
    """`core`: every point is tried always; `kinds`: it shares its code with one that is."""

    def __str__(self) -> str:
        return self.name

    @property
    def allowed(self) -> list[Configuration | None]:
        """What there may be of the domain at any time."""
        return [self.before, self.after, *self.between]


KINDS: dict[str, tuple[Kind, Configuration]] = {
    "disk": (DISK, {"pdev_path": "/b.img", "vdev": "xvdb", "format": "raw"}),
    "cdrom": (DISK, {"pdev_path": "", "vdev": "hdd", "format": "empty", "removable": 1, "is_cdrom": 1}),
    "nic": (NIC, {"devid": 1, "mac": "00:16:3e:0a:0b:0c", "nictype": "vif", "bridge": "b", "mtu": 9000}),
    "vtpm": (VTPM, {"devid": 0, "uuid": "11111111-2222-3333-4444-555555555555"}),
    "usbctrl": (USBCTRL, {"devid": 0, "version": 2, "ports": 4}),
    "usbdev": (USBDEV, {"ctrl": 0, "port": 1, "type.hostdev": {"hostbus": 1, "hostaddr": 2}}),
    "pci": (PCI, {"bus": 3, "func": 1}),
    "p9": (P9, {"devid": 0, "tag": "share", "path": "/srv"}),
    "vdispl": (VDISPL, {"devid": 0, "connectors": [{"unique_id": "a", "width": 800, "height": 600}]}),
    "vsnd": (VSND, {"devid": 0, "short_name": "Main"}),
    "vkb": (VKB, {"devid": 0, "unique_id": "k"}),
}
WHOLE_CODE = ("nic", "usbdev", "pci")
"""Kinds whose entries are written by different code; the others are written as a nic's is."""
DIRECT = "nic"


async def _attach(kind: Kind, entry: Entry, t: Toolstack, _keep: Keep) -> object:
    return await attaching.attach(t, DOMAIN, kind, entry)


async def _detach(device: Device, force: bool, t: Toolstack, _keep: Keep) -> object:
    await attaching.detach(t, DOMAIN, device, force=force)
    return None


async def _create(configuration: Configuration, t: Toolstack, _keep: Keep) -> object:
    return await creating.create(t, Template.of(copy.deepcopy(configuration), "the test's"))


async def _restore(configuration: Configuration, t: Toolstack, _keep: Keep) -> object:
    return await saving.restore(t, Template.of(copy.deepcopy(configuration), "the test's"))


async def _save(checkpoint: bool, t: Toolstack, keep: Keep) -> object:
    return await saving.save(t, DOMAIN, keep, checkpoint=checkpoint)


class WrongAnswer(Exception):
    """`retrieve` has answered, and wrongly."""


async def _retrieve(t: Toolstack, _keep: Keep) -> object:
    found = await retrieving.retrieve(t, DOMAIN)
    if found.made_up or dict(found.template.value) != base():
        raise WrongAnswer(f"{found.template.value}, made up: {found.made_up}")
    return found


def _on_devices(name: str) -> list[Operation]:
    kind, entry = KINDS[name]
    without = plus(base(), "usbctrls", KINDS["usbctrl"][1]) if name == "usbdev" else base()
    having = plus(without, kind.array, entry)
    device = Device(kind, kind.to_index(entry))
    group = "core" if name == DIRECT else "kinds"
    found = [
        Operation(
            f"attach {name}", without, having, partial(_attach, kind, entry), refusals=(DeviceExists,), group=group
        )
    ]
    for force in (False, True):
        title = f"{'forced ' * force}detach {name}"
        detach = partial(_detach, device, force)
        found.append(Operation(title, having, without, detach, refusals=(DeviceNotFound,), group=group))
    return found


def _half_made(configuration: Configuration) -> tuple[Configuration, ...]:
    """The template is there before the devices are, and the scheduling comes after them."""
    scheduling: Json = {"cap": 0, "weight": 256}
    default = {
        **configuration,
        "b_info": {**cast("dict[str, Json]", configuration["b_info"]), "sched_params": scheduling},
    }
    return bare(default), bare(configuration), default


MADE = plus(with_knob("b_info", sched_params={"cap": 0, "weight": 512}, max_memkb=131072), "vtpms", KINDS["vtpm"][1])
"""What is created, and restored: with a knob that has not its default."""


def operations() -> list[Operation]:
    """All of them."""
    drive, scheduling = CDROM, {"weight": 512}
    return [
        *(operation for name in KINDS for operation in _on_devices(name)),
        Operation(
            "insert", with_drive(EMPTY), with_drive(OTHER), lambda t, _: media.insert(t, DOMAIN, drive, "/d.iso"),
            refusals=(DeviceExists,),
        ),
        Operation("eject", base(), with_drive(EMPTY), lambda t, _: media.eject(t, DOMAIN, drive)),
        Operation(
            "swap", base(), with_drive(OTHER), lambda t, _: media.swap(t, DOMAIN, drive, "/d.iso"),
            between=(with_drive(EMPTY),),
        ),
        Operation("rename", base(), with_knob("c_info", name="b"), lambda t, _: knobs.rename(t, DOMAIN, "b")),
        Operation(
            "memory target", base(), with_knob("b_info", target_memkb=32768),
            lambda t, _: knobs.set_memory_target(t, DOMAIN, 32768),
        ),
        Operation(
            "memory limit", base(), with_knob("b_info", max_memkb=131072),
            lambda t, _: knobs.set_memory_limit(t, DOMAIN, 131072),
        ),
        Operation(
            "vcpus", base(), with_knob("b_info", avail_vcpus=[2]), lambda t, _: knobs.set_vcpus(t, DOMAIN, {2})
        ),
        Operation(
            "scheduling", base(), with_knob("b_info", sched_params={"cap": 0, "weight": 512}),
            lambda t, _: knobs.set_scheduling(t, DOMAIN, scheduling),
        ),
        Operation("retrieve", base(), base(), _retrieve),
        Operation(
            "destroy", base(), None, lambda t, _: destroying.destroy(t, DOMAIN), between=(bare(base()),),
            refusals=(DomainNotFound,), half=True,
        ),
        Operation(
            "create", None, MADE, partial(_create, MADE), between=_half_made(MADE), refusals=(HypervisorRefused,),
            half=True,
        ),
        Operation(
            "restore", None, MADE, partial(_restore, MADE), between=_half_made(MADE), refusals=(HypervisorRefused,),
            half=True,
        ),
        Operation(
            "save", base(), None, partial(_save, False), between=(bare(base()),), refusals=(DomainNotFound,),
            half=True, keeps=True,
        ),
        Operation("checkpoint", base(), base(), partial(_save, True), keeps=True),
    ]  # fmt: skip


OPERATIONS: Mapping[str, Operation] = {operation.name: operation for operation in operations()}


def of_group(*groups: str) -> Sequence[Operation]:
    """The operations of these groups."""
    return [operation for operation in OPERATIONS.values() if operation.group in groups]
