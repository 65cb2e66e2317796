"""What a committed transaction comes to: which of the changes that the model speaks of it makes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum

from confsync.model.libxl.observed.trace import Act, Kind

_DEVICE = re.compile(r"/libxl/[0-9]+/device(?:/(?P<kind>[^/]+)(?:/(?P<id>[^/]+)(?:/(?P<leaf>.+))?)?)?")
_BACKEND = re.compile(r"/local/domain/[0-9]+/backend(?:/(?P<kind>[^/]+)/[0-9]+/(?P<id>[^/]+)(?:/(?P<leaf>.+))?)?")
_DOMAIN = re.compile(r"/local/domain/[1-9][0-9]*(?:/(?P<leaf>.+))?")
_LIBXL = re.compile(r"/libxl/[0-9]+")
_BACKENDS = {"qdisk": "vbd", "tap": "vbd"}
_KINDS = {"vbd", "virtio_disk", "vif", "vtpm", "vdispl", "vsnd"}
"""The devices that libxl adds and keeps in one and the same way, template entry included: those of the model."""


class Change(Enum):
    """One of the changes that the model speaks of."""

    SKELETON = "makes the domain's nodes"
    ENTERS = "enters a device"
    CLOSES = "tells a backend to close"
    LEAVES = "removes a device"
    LOADS = "puts a medium into a drive"
    UNLOADS = "empties a drive"
    MEDIUM = "writes a drive's medium, it is not shown which"
    NAME = "writes the name"
    MEMORY = "writes the memory target"


def device_of(path: str, coarse: bool) -> tuple[str, str, str] | None:
    """Kind, id and leaf of a node of a device of the model. A coarse path tells only that it is some device's."""
    found = _DEVICE.fullmatch(path)
    if not found:
        return None
    if coarse:
        return None if found["kind"] else ("", "", "")
    if found["id"] is None or found["kind"] not in _KINDS:
        return None
    return found["kind"], found["id"], found["leaf"] or ""


def backend_of(path: str, coarse: bool) -> tuple[str, str, str] | None:
    """As `device_of`, for a node of a device's backend."""
    found = _BACKEND.fullmatch(path)
    if not found:
        return None
    if coarse:
        return None if found["kind"] else ("", "", "")
    kind = _BACKENDS.get(found["kind"] or "", found["kind"])
    return (kind, found["id"], found["leaf"] or "") if kind in _KINDS else None


def is_whole_tree(path: str) -> bool:
    """True of /libxl/<domid>, all that libxl keeps of a domain."""
    return _LIBXL.fullmatch(path) is not None


def domain_node(path: str) -> str | None:
    """The rest of a path below /local/domain/<domid>, not of the control domain's."""
    found = _DOMAIN.fullmatch(path)
    return None if found is None else found["leaf"] or ""


def devices_written(acts: Sequence[Act], coarse: bool) -> set[tuple[str, str]]:
    """Kind and id of each device that a transaction writes."""
    found = (device_of(a.path, coarse) for a in acts if a.kind is Kind.WRITE)
    return {device[:2] for device in found if device}


def looks_at(act: Act, devices: set[tuple[str, str]], coarse: bool) -> bool:
    """True of a read of the very node that says whether one of these devices exists."""
    device = device_of(act.path, coarse)
    return act.kind is Kind.READ and device is not None and device[:2] in devices and device[2] in ("", "frontend")


def changes(acts: Sequence[Act], operation: str | None, coarse: bool) -> set[Change]:
    """All changes that a transaction makes."""
    made = _of_devices(acts, coarse)
    for act in acts:
        leaf = domain_node(act.path) if act.kind is Kind.WRITE else None
        if leaf == ("" if coarse and operation == "rename" else "name"):
            made.add(Change.NAME)
        elif leaf == ("" if coarse and operation == "set_memory_target" else "memory/target"):
            made.add(Change.MEMORY)
    wiped = any(a.kind is Kind.REMOVE and is_whole_tree(a.path) for a in acts)
    if wiped and any(a.kind is Kind.WRITE and is_whole_tree(a.path) for a in acts):
        return {Change.SKELETON}
    return made


def _of_devices(acts: Sequence[Act], coarse: bool) -> set[Change]:
    removed: set[tuple[str, str]] = set()
    entered: set[tuple[str, str]] = set()
    media: set[bool | None] = set()
    told: dict[tuple[str, str], set[str]] = {}
    touched = False
    for act in acts:
        device, backend = device_of(act.path, coarse), backend_of(act.path, coarse)
        if device and act.kind is Kind.REMOVE:
            removed.add(device[:2])
        elif device and act.kind is Kind.WRITE:
            touched = True
            if device[:2] in removed or device[2] in ("frontend", "backend"):
                entered.add(device[:2])
            elif coarse or device[2] == "params":
                media.add(_is_medium(act.value))
        elif backend and act.kind is Kind.WRITE:
            told.setdefault(backend[:2], set()).add(f"{backend[2]}={act.value}")
    made = {Change.ENTERS} if entered else set()
    if removed - entered:
        made.add(Change.LEAVES)
    if not entered:
        made |= {{True: Change.LOADS, False: Change.UNLOADS, None: Change.MEDIUM}[m] for m in media}
    if coarse:
        closes = bool(told) and not touched and not removed
    else:
        closes = any("online=0" in t and t & {"state=5", "state=6"} for t in told.values())
    return made | ({Change.CLOSES} if closes else set())


def _is_medium(params: str | None) -> bool | None:
    """As retrieve reads `params`: what follows the first colon, if there is one, is the image; "" is none."""
    return None if params is None else params.partition(":")[2 if ":" in params else 0] != ""
