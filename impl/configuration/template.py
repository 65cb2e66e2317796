"""The template: what a domain was given, device by device, and nothing in it that is not understood is lost."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from types import MappingProxyType
from typing import cast

from confsync.impl.configuration.memory import kept_back
from confsync.impl.configuration.places import Places, numbered, places_of
from confsync.impl.configuration.text import MOST_BYTES, decode, encode, expect, join
from confsync.impl.errors import InvalidArgument, MalformedConfiguration
from confsync.impl.kinds import KINDS, Device, Entry, Json, Kind

_KNOBS = {
    "name": ("c_info", str, "a string"),
    "uuid": ("c_info", str, "a string"),
    "max_memkb": ("b_info", int, "a whole number"),
    "target_memkb": ("b_info", int, "a whole number"),
    "max_vcpus": ("b_info", int, "a whole number"),
    "avail_vcpus": ("b_info", list, "an array"),
    "sched_params": ("b_info", dict, "an object"),
}
LISTING = "it is what `xl list -l` prints, of which only the object of `config` is a template"
_LISTED = re.compile(rb'\s*\[\s*\{\s*"(?:domid|config)"\s*:')


def _is_listing(data: bytes) -> bool:
    """True if it begins as what `xl list -l` prints, an array with an object of a number and a configuration for each
    domain [xl_info.c, list_domains_details]."""
    return _LISTED.match(data[:4096]) is not None


class Template:
    """A template. It never changes: what would change it gives a new one.

    A device's entry is found by its key. libxl replaces by the key, so two entries with one are malformed. libxl
    writes no number into the entries of some kinds (`places.BY_PLACE`): such an entry is of the device that libxl
    gave the next number to [libxl__device_nextid]. Entries of other kinds without a key are kept as they are, and are
    in `unnamed`.
    """

    __slots__ = ("_places", "_value")

    def __init__(self, value: Mapping[str, Json], places: Mapping[str, Places]) -> None:
        """Not for others: see `parse`, `of`."""
        self._value, self._places = value, places

    @classmethod
    def parse(cls, data: bytes, source: str, most: int = MOST_BYTES, notes: list[str] | None = None) -> Template:
        """The template that the file `source` holds. MalformedConfiguration. `notes`: gets what of the file was passed
        over."""
        listed = _is_listing(data)
        try:
            value = decode(data, source, most, notes)
        except MalformedConfiguration:
            if not listed:
                raise
            value = {}
        if listed or (value.keys() >= {"domid", "config"} and "c_info" not in value):
            raise MalformedConfiguration(source, "", LISTING)
        return cls.of(value, source)

    @classmethod
    def of(cls, value: Mapping[str, Json], source: str) -> Template:
        """The template over a value, which is no longer the caller's. MalformedConfiguration: its shape is wrong."""
        for part in ("c_info", "b_info"):
            if not isinstance(value.get(part, {}), dict):
                expect(source, part, value[part], "an object")
        for knob, (part, kind, what) in _KNOBS.items():
            _check_knob(value, source, part, knob, kind, what)
        return cls(value, {kind.name: places_of(kind, value.get(kind.array), source) for kind in KINDS.values()})

    def encode(self) -> bytes:
        """The bytes as libxl writes them."""
        return encode(self._value)

    @property
    def value(self) -> Mapping[str, Json]:
        """All of it, to look at."""
        return MappingProxyType(self._value)

    def find(self, device: Device) -> Entry | None:
        """The device's entry, to look at, or None."""
        at = self._places[device.kind.name].get(device.index)
        return None if at is None else self._entries(device.kind)[at]

    def devices(self) -> list[Device]:
        """The devices that have an entry, kind by kind, in the order of the entries."""
        return [Device(KINDS[name], index) for name, places in self._places.items() for index in places]

    def unnamed(self, kind: Kind) -> list[Entry]:
        """The entries of a kind that have no key."""
        named = set(self._places[kind.name].values())
        return [entry for at, entry in enumerate(self._entries(kind)) if at not in named]

    def put(self, device: Device, entry: Entry) -> Template:
        """With this entry for the device: in its old one's place, or at the end. InvalidArgument if the entry is
        another device's."""
        if device.kind.to_index(entry) != device.index:
            raise InvalidArgument(f"an entry for {device} has another device's key")
        places = self._places[device.kind.name]
        entries = list(self._entries(device.kind))
        at = places.get(device.index)
        if at is None:
            places = {**places, device.index: len(entries)}
            entries.append(dict(entry))
        else:
            entries[at] = dict(entry)
        return self._with(device.kind, entries, places)

    def without(self, device: Device) -> Template:
        """With no entry for the device."""
        return self.only(device.kind, self._places[device.kind.name].keys() - {device.index})

    def only(self, kind: Kind, indices: Set[str]) -> Template:
        """With the entries of these devices only, of those of the kind that have a key; in the order they have. An
        entry whose place said its number, and has changed, gets the number."""
        index_at = {at: index for index, at in self._places[kind.name].items()}
        if indices >= self._places[kind.name].keys():
            return self
        entries: list[dict[str, Json]] = []
        kept: dict[str, int] = {}
        for at, entry in enumerate(self._entries(kind)):
            index = index_at.get(at)
            if index is None or index in indices:
                if index is not None:
                    kept[index] = len(entries)
                entries.append(entry)
        return self._with(kind, numbered(kind, entries, kept), kept)

    def _entries(self, kind: Kind) -> list[dict[str, Json]]:
        return cast("list[dict[str, Json]]", self._value.get(kind.array) or [])

    def _with(self, kind: Kind, entries: list[dict[str, Json]], places: Places) -> Template:
        value = dict(self._value)
        if entries:
            value[kind.array] = cast("Json", entries)
        else:
            value.pop(kind.array, None)  # as libxl leaves out a list of nothing
        return Template(value, {**self._places, kind.name: places})

    def _knob(self, knob: str) -> Json:
        return _object(self._value, _KNOBS[knob][0]).get(knob)

    @property
    def name(self) -> str | None:
        """The domain's name."""
        return cast("str | None", self._knob("name"))

    @property
    def uuid(self) -> str | None:
        """The domain's uuid, as text."""
        return cast("str | None", self._knob("uuid"))

    @property
    def max_memkb(self) -> int | None:
        """The memory limit, in KiB."""
        return cast("int | None", self._knob("max_memkb"))

    @property
    def target_memkb(self) -> int | None:
        """The memory target, in KiB."""
        return cast("int | None", self._knob("target_memkb"))

    @property
    def video_memkb(self) -> int:
        """The graphics card's memory, in KiB; 0 if the template has none."""
        found = _object(self._value, "b_info").get("video_memkb")
        return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else 0

    @property
    def is_hvm(self) -> bool:
        """True for a domain with a device model's hardware: libxl gives it devices that no template lists."""
        return _object(self._value, "c_info").get("type") == "hvm" or "type.hvm" in _object(self._value, "b_info")

    def kept_back_kb(self, video_kb: int) -> int:
        """In KiB, what the target in xenstore of a domain that was made of this template is without. `video_kb`: the
        graphics card's memory."""
        return kept_back(_object(self._value, "b_info"), video_kb, hvm=self.is_hvm)

    @property
    def max_vcpus(self) -> int | None:
        """How many vcpus there are, online or not."""
        return cast("int | None", self._knob("max_vcpus"))

    @property
    def avail_vcpus(self) -> list[int] | None:
        """The vcpus that are online, by number."""
        return cast("list[int] | None", self._knob("avail_vcpus"))

    @property
    def sched_params(self) -> Mapping[str, Json] | None:
        """The scheduler's parameters."""
        return cast("Mapping[str, Json] | None", self._knob("sched_params"))

    def with_knobs(
        self,
        *,
        name: str | None = None,
        uuid: str | None = None,
        max_memkb: int | None = None,
        target_memkb: int | None = None,
        max_vcpus: int | None = None,
        avail_vcpus: Sequence[int] | None = None,
        sched_params: Mapping[str, Json] | None = None,
    ) -> Template:
        """With these knobs; None: as it is."""
        vcpus: Json = None if avail_vcpus is None else list(avail_vcpus)
        scheduling: Json = None if sched_params is None else dict(sched_params)
        knobs: dict[str, Json] = {
            "name": name, "uuid": uuid, "max_memkb": max_memkb, "target_memkb": target_memkb,
            "max_vcpus": max_vcpus, "avail_vcpus": vcpus, "sched_params": scheduling,
        }  # fmt: skip
        value = dict(self._value)
        for part in ("c_info", "b_info"):
            new = {k: v for k, v in knobs.items() if v is not None and _KNOBS[k][0] == part}
            if new:
                value[part] = {**_object(value, part), **new}
        return Template(value, self._places)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Template) and self.encode() == other.encode()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<template of {self.name!r}, {sum(map(len, self._places.values()))} devices>"


def is_ejectable(entry: Entry) -> bool:
    """True for a drive whose medium can be changed: `is_cdrom`, or `removable`."""
    return is_set(entry, "is_cdrom") or is_set(entry, "removable")


def is_set(entry: Entry, name: str) -> bool:
    """True if the field is a truth: a boolean, a number that is not 0, or libxl's text for one."""
    return entry.get(name) not in (None, False, 0, "", "False", "<default>")


def is_empty(entry: Entry) -> bool:
    """True for a drive that the template has no medium for [libxl__device_disk_setdefault]."""
    return not entry.get("pdev_path") or entry.get("format") == "empty"


def emptied(entry: Entry) -> dict[str, Json]:
    """A drive's entry without its medium, as `retrieve` says it [libxl_device_disk_merge]."""
    made = {**entry, "pdev_path": "", "format": "empty"}
    return made if "pdev_path" in entry else {"pdev_path": "", **made}


def _object(value: Mapping[str, Json], part: str) -> dict[str, Json]:
    return cast("dict[str, Json]", value.get(part) or {})


def _check_knob(value: Mapping[str, Json], source: str, part: str, knob: str, kind: type, what: str) -> None:
    found = _object(value, part).get(knob)
    if found is None:
        return
    if not isinstance(found, kind) or isinstance(found, bool):
        expect(source, join(part, knob), found, what)
    if knob == "avail_vcpus" and isinstance(found, list):
        for n, vcpu in enumerate(found):
            if isinstance(vcpu, bool) or not isinstance(vcpu, int):
                expect(source, f"{part}.{knob}[{n}]", vcpu, "a whole number")
