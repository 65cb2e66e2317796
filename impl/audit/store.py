"""What an audit keeps of a xenstore: a few values per domain and device, found at once, whatever order they come in."""

from __future__ import annotations

import re
from functools import lru_cache
from sys import intern

Nodes = dict[str, str]
Place = tuple[str, str]
"""A device's folder below `/libxl/<domid>/device`, and the name of its node."""

DEVICE = frozenset(
    (
        "backend", "frontend", "params", "removable", "dev", "type", "mode", "device-type", "script", "mac", "bridge",
        "handle",
    )
)  # fmt: skip
"""What is kept of `/libxl/<domid>/device/<folder>/<index>`."""
BACKEND = frozenset(("state", "online", "hotplug-status", "hotplug-error", "num_devs", *DEVICE))
"""What is kept of a backend's node; and of a PCI backend, the devices."""
LOCAL = frozenset(("name", "vm", "target", "memory", "memory/target", "memory/static-max", "memory/videoram"))
"""What is kept of `/local/domain/<domid>`."""
VM = frozenset(("name", "memory"))
"""What is kept of `/vm/<uuid>`."""
_DOMID = re.compile(r"0|[1-9][0-9]{0,4}")
_PERMISSIONS = re.compile(r"[nr]0(?:,[nr][0-9]+)*")
_NUMBER = re.compile(r"[0-9]{1,19}")
_PCI = re.compile(r"(?:dev|state)-[0-9]{1,5}")
_TRUSTED = ("name", "vm", "memory")


class Store:
    """An index of a xenstore. What the toolstack alone can write is kept apart from what others can."""

    __slots__ = ("backends", "bare", "forgeable", "frontends", "has_frontends", "has_libxl", "libxl", "listed", "local",
                 "made", "models", "others", "ports", "size", "unreadable", "vcpus", "vms")  # fmt: skip

    def __init__(self) -> None:
        self.size = 0
        """How many nodes there are."""
        self.has_libxl = False
        """There is a `/libxl`: libxl was ever at work here."""
        self.bare = 0
        """How many of the nodes that only the toolstack may write came without their permissions."""
        self.unreadable = 0
        """How many nodes had no value that could be read."""
        self.others = False
        """There is a `/xapi` or `/xenserver`: another toolstack is at work here."""
        self.listed: set[int] = set()
        """The domains with `/libxl/<domid>/device`: libxl keeps their devices there [XSA-175]."""
        self.made: set[int] = set()
        """The domains whose `/libxl/<domid>` has `device` or `type`, which libxl makes with each of its domains and
        other toolstacks do not [libxl__domain_make]."""
        self.local: dict[int, Nodes] = {}
        """Of each domain, `/local/domain/<domid>`."""
        self.libxl: dict[int, dict[Place, Nodes]] = {}
        """Of each domain, `/libxl/<domid>`: its devices."""
        self.models: dict[int, str] = {}
        """Of each domain, the version of its device model, `/libxl/<domid>/dm-version`."""
        self.vcpus: dict[int, Nodes] = {}
        """Of each domain, by number, what `cpu/<number>/availability` says of its vcpus."""
        self.ports: dict[int, Nodes] = {}
        """Of each domain, the USB ports that are taken: `<controller>/port/<number>`, and the device."""
        self.backends: dict[str, Nodes] = {}
        """Of each backend with something in it, by its path."""
        self.frontends: set[str] = set()
        """The paths of the frontends. What is in them is the guest's, and never looked at."""
        self.has_frontends = False
        """There is a frontend below some `/local/domain/<domid>/device`."""
        self.vms: dict[str, Nodes] = {}
        """Of each uuid, `/vm/<uuid>`."""
        self.forgeable: dict[int, list[str]] = {}
        """Of each domain, what should be the toolstack's, and is not by its permissions."""

    def add(self, path: str, value: str, permissions: str = "") -> bool:
        """Take note of a node. `permissions`: such as `n0,r1`; empty if unknown. False if the node was there already,
        so far as it is kept."""
        self.size += 1
        parts = path.split("/", 8)
        match parts[1]:
            case "local" if len(parts) > 3 and parts[2] == "domain":
                return self._local(path, parts, value, permissions)
            case "libxl":
                self.has_libxl = True
                return len(parts) < 3 or self._libxl(path, parts, value, permissions)
            case "vm" if len(parts) > 2:
                nodes = self.vms.get(parts[2])
                if nodes is None:
                    nodes = self.vms[parts[2]] = {}
                return len(parts) != 4 or parts[3] not in VM or _put(nodes, parts[3], value)
            case "xapi" | "xenserver":
                self.others = True
        return True

    def _local(self, path: str, parts: list[str], value: str, permissions: str) -> bool:
        domid = domid_of(parts[3])
        if domid is None:
            return True
        nodes = self.local.get(domid)
        if nodes is None:
            nodes = self.local[domid] = {}
        count = len(parts)
        part = parts[4] if count > 4 else ""
        new = True
        if part == "backend":
            new = count < 9 or self._backend(path, parts[8], value)
        elif (part == "device" and count == 7) or (part == "console" and count == 5):
            new = self._frontend(path)
        elif part == "cpu" and count == 7 and parts[6] == "availability":
            new = _put(self.vcpus.setdefault(domid, {}), parts[5], value)
        elif part and part != "device" and count < 7:
            if part in _TRUSTED:
                self._guard(domid, path, permissions)
            name = part if count == 5 else f"{part}/{parts[5]}"
            new = name not in LOCAL or _put(nodes, name, value)
        return new

    def _backend(self, path: str, key: str, value: str) -> bool:
        if key in BACKEND or _PCI.fullmatch(key):
            where = path[: -len(key) - 1]
            nodes = self.backends.get(where)
            if nodes is None:
                nodes = self.backends[where] = {}
            return _put(nodes, key, value)
        return True

    def _frontend(self, path: str) -> bool:
        before = len(self.frontends)
        self.frontends.add(path)
        self.has_frontends = self.has_frontends or "/device/" in path
        return len(self.frontends) > before

    def _libxl(self, path: str, parts: list[str], value: str, permissions: str) -> bool:
        domid = domid_of(parts[2])
        if domid is None:
            return True
        devices = self.libxl.get(domid)
        if devices is None:
            devices = self.libxl[domid] = {}
        self._guard(domid, path, permissions)
        count = len(parts)
        if count == 4 and parts[3] == "dm-version":
            self.models[domid] = value
        if count > 3 and parts[3] in ("device", "type"):
            self.made.add(domid)
            if parts[3] == "device":
                self.listed.add(domid)
        if count < 6 or parts[3] != "device":
            return True
        place = (intern(parts[4]), intern(parts[5]))
        nodes = devices.get(place)
        if nodes is None:
            nodes = devices[place] = {}
        if count == 7 and parts[6] in DEVICE:
            return _put(nodes, parts[6], value)
        if count == 8 and parts[4] == "vusb" and parts[6] == "port" and value:
            return _put(self.ports.setdefault(domid, {}), f"{parts[5]}/port/{parts[7]}", value)
        return True

    def _guard(self, domid: int, path: str, permissions: str) -> None:
        self.bare += not permissions
        if not _guarded(permissions):
            self.forgeable.setdefault(domid, []).append(path)


@lru_cache(maxsize=65536)
def domid_of(text: str) -> int | None:
    """A domain's number, None if the text is none."""
    return int(text) if _DOMID.fullmatch(text) else None


@lru_cache(maxsize=65536)
def _guarded(permissions: str) -> bool:
    """True if only dom0 can write; or if nothing is known."""
    return not permissions or bool(_PERMISSIONS.fullmatch(permissions))


def number(text: str | None) -> int | None:
    """The whole number that the text is, or None; numbers that nobody means are none."""
    return int(text) if text and _NUMBER.fullmatch(text) else None


def _put(nodes: Nodes, name: str, value: str) -> bool:
    if name in nodes:
        return False
    nodes[intern(name)] = intern(value) if len(value) < 12 else value
    return True
