"""The specification: a plain dictionary for each domain, and each operation one change of it, or a refusal.

It was written from what `retrieve` is to return (docs/design.md), not from the implementation: it knows
no template, no xenstore and no order of steps.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from machines_values import ARRAYS, DRIVES, TOO_LONG, VDEVS, Json, good_name, proper

Entry = dict[str, Json]
Key = tuple[str, str]
"""A device: the kind's name, and the name of its node."""
NUMBERED = ("nic", "vtpm", "usbctrl", "p9", "vdispl", "vsnd", "vkb")
MADE = {
    "nic": {"mac": r"([0-9a-f]{2}:){5}[0-9a-f]{2}", "nictype": "vif"},
    "vtpm": {"uuid": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"},
}
"""The fields that a device gets when it is attached, if it was not given them."""
PLENTY_KB, MOST_VCPUS = 131072, 512


class Refused(Exception):
    """The operation is refused, with one of these errors; nothing changes."""

    def __init__(self, *errors: str) -> None:
        super().__init__(*errors)
        self.errors = frozenset(errors)


@dataclass
class One:
    """A domain. `value`: what `retrieve` returns; its devices apart, in `devices`."""

    domid: int
    value: dict[str, Json]
    devices: dict[Key, Entry] = field(default_factory=dict)
    closing: set[Key] = field(default_factory=set)
    """The devices that were to be detached, which failed."""
    paused: bool = False

    @property
    def build(self) -> dict[str, Json]:
        return cast("dict[str, Json]", self.value["b_info"])

    @property
    def name(self) -> str:
        return str(cast("dict[str, Json]", self.value["c_info"])["name"])

    def number(self, name: str) -> int:
        return cast("int", self.build.get(name) or 0)

    @property
    def vcpus(self) -> int:
        """How many there are, online or not."""
        return self.number("max_vcpus") or 1


def index_of(kind: str, entry: Mapping[str, Json]) -> str | None:
    """The name of the device's node; None: it has no number yet."""
    if kind == "disk":
        return str((VDEVS | DRIVES)[str(entry["vdev"])])
    if kind == "pci":
        parts = [cast("int", entry.get(part, 0)) for part in ("domain", "bus", "dev", "func")]
        return "{:04x}-{:02x}-{:02x}-{}".format(*parts)
    if kind == "usbdev":
        return f"{entry['ctrl']}/port/{entry['port']}"
    return str(entry["devid"]) if "devid" in entry else None


def numbered(kind: str, listed: list[Entry]) -> list[Entry]:
    """The entries, each with the number that its place says if it has none: one more than the largest before it, and
    none that another has. Of other kinds as they are."""
    if kind not in ("usbctrl", "p9", "vkb"):
        return listed
    taken = {cast("int", entry["devid"]) for entry in listed if "devid" in entry}
    largest, found = -1, list[Entry]()
    for entry in listed:
        number = cast("int", entry.get("devid", largest + 1))
        while "devid" not in entry and number in taken:
            number += 1
        taken.add(number)
        largest = max(largest, number)
        found.append({**entry, "devid": number})
    return found


def is_drive(entry: Mapping[str, Json]) -> bool:
    """True if a medium can be put into it."""
    return bool(entry.get("removable") or entry.get("is_cdrom"))


def normal(value: Mapping[str, Json]) -> tuple[dict[str, Json], dict[Key, Entry]]:
    """A configuration as two: all but the devices, and the devices."""
    rest = {k: v for k, v in value.items() if k not in ARRAYS.values()}
    found: dict[Key, Entry] = {}
    for kind, array in ARRAYS.items():
        for entry in numbered(kind, cast("list[Entry]", value.get(array, []))):
            index = index_of(kind, entry)
            assert index is not None
            assert (kind, index) not in found
            found[kind, index] = entry
    return rest, found


def same(one: object, other: object) -> bool:
    """Equal, and 1 is not true and 1.0 not 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


class Spec:
    """The domains there are, by their uuids."""

    def __init__(self, numbers: int | None = None) -> None:
        self.domains: dict[str, One] = {}
        self._numbers = numbers

    def named(self, name: str) -> str | None:
        """The uuid of the domain that has this name."""
        return next((uuid for uuid, one in self.domains.items() if one.name == name), None)

    def free_number(self) -> int:
        """The number that the next domain gets."""
        taken = {one.domid for one in self.domains.values()}
        return next(n for n in range(1, len(taken) + 2) if n not in taken)

    def create(self, uuid: str, asked: dict[str, Json], *, failed: bool) -> None:
        """A domain, with everything that it is asked for, or nothing."""
        value = copy.deepcopy(asked)
        about = cast("dict[str, Json]", value["c_info"])
        build = cast("dict[str, Json]", value["b_info"])
        arrays = {array for array in ARRAYS.values() if array in value}
        wrong: set[str] = set()
        if not proper(value):
            wrong |= {"InvalidArgument", "MalformedConfiguration"}
        if not good_name(str(about["name"])) or self.named(str(about["name"])):
            wrong.add("InvalidArgument")
        if not 0 < cast("int", build.get("max_vcpus", 1)) <= MOST_VCPUS:
            wrong.add("InvalidArgument")
        limit = cast("int", build.get("max_memkb") or build.get("target_memkb") or PLENTY_KB)
        target = cast("int", build.get("target_memkb") or limit)
        if not cast("int", build.get("video_memkb") or 0) < target <= limit:
            wrong.add("InvalidArgument")
        if uuid in self.domains:
            wrong.add("HypervisorRefused")
        online = build.get("avail_vcpus")
        here = set(range(cast("int", build.get("max_vcpus", 1))))
        if online is not None and (not online or set(cast("list[int]", online)) - here):
            wrong.add("InvalidArgument")
        one = One(self.free_number(), {k: v for k, v in value.items() if k not in arrays})
        names = {str(about["name"]), *(o.name for o in self.domains.values())}
        for kind, array in ARRAYS.items():
            listed = cast("list[Entry]", value.get(array, []))
            taken = {index for e in listed if (index := index_of(kind, e)) is not None}
            if len(taken) < sum(index_of(kind, e) is not None for e in listed):
                wrong.add("MalformedConfiguration")
            for entry in numbered(kind, listed):
                wrong |= _wrong(entry, names)
                index = self._numbered(kind, entry, taken)
                taken.add(index)
                one.devices[kind, index] = _settled(entry)
        wrong |= {"InvalidArgument" for key in one.devices if key[0] == "usbdev" and not _has_port(one, key)}
        if wrong:
            raise Refused(*wrong)
        if failed:
            raise Refused("HotplugFailed", "TimedOut")
        build["max_memkb"], build["target_memkb"] = limit, target
        build["avail_vcpus"] = cast("Json", sorted(cast("list[int]", online) if online is not None else here))
        build["sched_params"] = {"cap": 0, "weight": 256, **cast("Entry", build.get("sched_params") or {})}
        about["uuid"] = uuid
        self.domains[uuid] = one

    @staticmethod
    def _numbered(kind: str, entry: Entry, taken: set[str]) -> str:
        index = index_of(kind, entry)
        if index is None:
            number = next(n for n in range(len(taken) + 1) if str(n) not in taken)
            entry["devid"] = number
            index = str(number)
        return index

    def find(self, uuid: str) -> One:
        """The domain. Refused."""
        if uuid not in self.domains:
            raise Refused("DomainNotFound", "DeviceNotFound", "InvalidArgument")
        return self.domains[uuid]

    def attach(self, uuid: str, kind: str, asked: Entry, *, failed: bool) -> Key:
        """One more device. If hotplug fails it is there."""
        one = self.find(uuid)
        entry = copy.deepcopy(asked)
        taken = {index for k, index in one.devices if k == kind}
        key = (kind, self._numbered(kind, entry, taken))
        wrong = _wrong(entry, {o.name for o in self.domains.values()})
        if key in one.devices:
            wrong.add("DeviceExists")
        if kind == "usbdev" and (not (at := _controller(one, key)) or at in one.closing):
            wrong.add("DeviceNotFound")
        elif kind == "usbdev" and not _has_port(one, key):
            wrong.add("InvalidArgument")
        if wrong:
            raise Refused(*wrong)
        one.devices[key] = _settled(entry)
        if failed:
            raise Refused("HotplugFailed", "TimedOut")
        return key

    def adopt(self, uuid: str, devices: Mapping[Key, Entry]) -> None:
        """Take over what was made up for the devices that are new."""
        for key, entry in self.domains[uuid].devices.items():
            for name, like in MADE.get(key[0], {}).items():
                made = devices.get(key, {}).get(name)
                if name not in entry and isinstance(made, str) and re.fullmatch(like, made):
                    entry[name] = made

    def detach(self, uuid: str, key: Key, *, failed: bool) -> None:
        """One device less. If hotplug fails it is there, and is going away."""
        one = self.find(uuid)
        if key not in one.devices:
            raise Refused("DeviceNotFound")
        if key[0] == "usbctrl" and any(_controller(one, k) == key for k in one.devices if k[0] == "usbdev"):
            raise Refused("InvalidArgument")
        one.closing.add(key)
        if failed:
            raise Refused("HotplugFailed", "TimedOut")
        one.closing.discard(key)
        del one.devices[key]

    def _drive(self, uuid: str, key: Key) -> Entry:
        entry = self.find(uuid).devices.get(key)
        if entry is None:
            raise Refused("DeviceNotFound")
        if not is_drive(entry):
            raise Refused("InvalidArgument")
        return entry

    def insert(self, uuid: str, key: Key, path: str, form: str, *, failed: bool) -> None:
        """A medium into a drive. If hotplug fails all but the guest has it."""
        require_medium(path)
        entry = self._drive(uuid, key)
        if entry["pdev_path"]:
            raise Refused("DeviceExists")
        entry |= {"pdev_path": path, "format": form}
        if failed:
            raise Refused("HotplugFailed", "TimedOut")

    def eject(self, uuid: str, key: Key, *, failed: bool) -> None:
        """The medium out of a drive. If hotplug fails it is in."""
        entry = self._drive(uuid, key)
        if failed:
            raise Refused("HotplugFailed", "TimedOut")
        entry |= {"pdev_path": "", "format": "empty"}

    def rename(self, uuid: str, name: str) -> None:
        """Another name."""
        one = self.find(uuid)
        if not good_name(name) or self.named(name) not in (None, uuid):
            raise Refused("InvalidArgument")
        cast("dict[str, Json]", one.value["c_info"])["name"] = name

    def set_memory_target(self, uuid: str, kb: int) -> None:
        """The memory that the domain is to have, the graphics card's included."""
        one = self.find(uuid)
        if not one.number("video_memkb") < kb <= one.number("max_memkb"):
            raise Refused("InvalidArgument")
        one.build["target_memkb"] = kb

    def set_memory_limit(self, uuid: str, kb: int) -> None:
        """The most memory that it can be given."""
        one = self.find(uuid)
        if kb < one.number("target_memkb"):
            raise Refused("InvalidArgument")
        one.build["max_memkb"] = kb

    def set_vcpus(self, uuid: str, online: set[int]) -> None:
        """The vcpus that are online."""
        one = self.find(uuid)
        if not online or online - set(range(one.vcpus)):
            raise Refused("InvalidArgument")
        one.build["avail_vcpus"] = cast("Json", sorted(online))

    def set_scheduling(self, uuid: str, parameters: dict[str, int]) -> None:
        """The scheduler's parameters that are named."""
        one = self.find(uuid)
        if parameters.keys() - {"cap", "weight"} or parameters.get("weight") == 0:
            raise Refused("InvalidArgument")
        one.build["sched_params"] = {**cast("Entry", one.build["sched_params"]), **parameters}

    def destroy(self, uuid: str, *, failed: bool) -> None:
        """No domain. If hotplug fails there is one, paused, whose devices are going away."""
        one = self.find(uuid)
        if failed:
            one.closing, one.paused = set(one.devices), True
            raise Refused("HotplugFailed", "TimedOut")
        del self.domains[uuid]


def _controller(one: One, key: Key) -> Key | None:
    """The controller of a USB device."""
    found = ("usbctrl", key[1].partition("/")[0])
    return found if found in one.devices else None


def _has_port(one: One, key: Key) -> bool:
    """True if the controller of the USB device is there, and has its port."""
    at = _controller(one, key)
    return at is not None and int(key[1].rpartition("/")[2]) <= int(cast("int", one.devices[at].get("ports") or 8))


def require_medium(path: str) -> None:
    """A medium that no drive can take is refused, whatever there is."""
    if wrong := _wrong({"pdev_path": path}, set()):
        raise Refused(*wrong)


def _settled(entry: Entry) -> Entry:
    """As `retrieve` says it: a drive without a medium says so."""
    if is_drive(entry) and (not entry.get("pdev_path") or entry.get("format") == "empty"):
        return {**entry, "pdev_path": "", "format": "empty"}
    return entry


def _wrong(entry: Entry, names: set[str]) -> set[str]:
    """Why the entry is refused whatever there is."""
    wrong: set[str] = set()
    if not proper(entry, 2):
        wrong |= {"InvalidArgument", "MalformedConfiguration"}
    backend = entry.get("backend_domname")
    if isinstance(backend, str) and backend and not (backend.isascii() and backend.isdigit()) and backend not in names:
        wrong.add("InvalidArgument")
    if any(isinstance(v, str) and len(v.encode()) >= TOO_LONG for k, v in entry.items() if not k.startswith("zz")):
        wrong |= {"TooBig", "InvalidArgument"}
    return wrong
