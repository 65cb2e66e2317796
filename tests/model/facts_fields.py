"""A fact's host and calls as the fields of the model, and back: what the adaptors of both engines translate with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from facts.plain import (
    CD,
    EMPTY,
    FREE,
    HELD,
    LARGE,
    LEFT_BEHIND,
    MADE_UP,
    NONE,
    PAUSED,
    PLACES,
    RUNNING,
    SMALL,
    VM,
    WEB,
    A,
    B,
    Call,
    Devices,
    Host,
    Template,
    Told,
)

from confsync.model.engine.concrete import Plain
from confsync.model.language import Design, Element, order
from confsync.model.libxl.designs import DESIGNS
from confsync.model.libxl.operations import SIGNATURES
from confsync.model.libxl.state import Bounds, slot_at
from confsync.model.libxl.steps import (
    answer,
    drop_lock,
    merge_devices,
    merge_knobs,
    merge_media,
    read_template,
    take_lock,
    unlock,
)

Fields = Mapping[str, Plain]
ABSENT = "absent"
CONFIGS, NAMES, AMOUNTS = (ABSENT, EMPTY, MADE_UP, A, B), (VM, WEB), (SMALL, LARGE)
STORES = {
    "lock": "locked",
    "domain": "alive",
    "copy": "draft",
    **{name: name for name in ("template", "xenstore", "closing", "resources", "granted", "memory", "name")},
}
"""The field that each store of a fact is."""
NO_NIC = tuple(place for place in PLACES if place != "nic")
"""The places of facts that a whole graph is searched from."""
KNOBS_FIRST = DESIGNS["xenstore_first_locked"].but(
    "knobs are read before devices",
    "as xenstore_first_locked, with a retrieve that reads the devices last",
    retrieve=order(
        take_lock, read_template, merge_knobs, merge_devices, merge_media, drop_lock, answer, on_failure=(unlock,)
    ),
)


def design_of(name: str) -> Design:
    """The design that a fact names."""
    return {**DESIGNS, KNOBS_FIRST.name: KNOBS_FIRST}[name]


def bounds_of(places: Sequence[str]) -> Bounds:
    """Bounds with these places, two of everything else, and room for a few deaths. Of names there is one where a whole
    graph is searched."""
    return Bounds(len(places) - 1, 1, configs=2, names=1 + (places == PLACES), amounts=2, processes=2, crashes=3)


def slot_of(place: str, places: Sequence[str]) -> Element:
    """The slot that a place is."""
    return slot_at(places.index(place), place == CD)


def _map(devices: Devices, places: Sequence[str]) -> tuple[int, ...]:
    assert not devices.keys() - set(places), devices
    return tuple(CONFIGS.index(devices.get(place, ABSENT)) for place in places)


def _flags(those: frozenset[str], places: Sequence[str]) -> tuple[bool, ...]:
    assert not those - set(places), those
    return tuple(place in those for place in places)


def shared_fields(host: Host, places: Sequence[str] = PLACES) -> dict[str, Plain]:
    """The fields of the shared state that a host is."""
    template = host.template or Template()
    return {
        "alive": host.domain != NONE,
        "paused": host.domain == PAUSED,
        "saved": host.template is not None,
        "template": _map(template.devices, places),
        "template_name": NAMES.index(template.name),
        "template_memory": AMOUNTS.index(template.memory),
        "xenstore": _map(host.devices, places),
        "closing": _flags(host.closing, places),
        "resources": _flags(host.resources, places),
        "name": NAMES.index(host.name),
        "memory": AMOUNTS.index(host.memory),
        "granted": AMOUNTS.index(host.granted),
        "locked": host.lock == HELD,
        "lock_file": host.lock != FREE,
        "device_locked": host.device_lock,
        "crashes": host.deaths,
        "vouched": _map(host.vouched, places),
        "torn": host.torn,
    }


def shared_host(fields: Fields, places: Sequence[str] = PLACES) -> Host:
    """The host that these fields are. AssertionError where no host is so."""
    assert fields["alive"] or not fields["paused"], "nothing is paused"
    assert not fields["locked"] or fields["lock_file"], "a lock is held of a file that is not there"
    template = Template(
        devices_of(fields["template"], places),
        NAMES[_number(fields["template_name"])],
        AMOUNTS[_number(fields["template_memory"])],
    )
    assert fields["saved"] or template == Template(), f"{template} is in no file"
    return Host(
        domain=(PAUSED if fields["paused"] else RUNNING) if fields["alive"] else NONE,
        template=template if fields["saved"] else None,
        devices=devices_of(fields["xenstore"], places),
        closing=_those(fields["closing"], places),
        resources=_those(fields["resources"], places),
        name=NAMES[_number(fields["name"])],
        memory=AMOUNTS[_number(fields["memory"])],
        granted=AMOUNTS[_number(fields["granted"])],
        lock=HELD if fields["locked"] else LEFT_BEHIND if fields["lock_file"] else FREE,
        device_lock=bool(fields["device_locked"]),
        deaths=_number(fields["crashes"]),
        vouched=devices_of(fields["vouched"], places),
        torn=bool(fields["torn"]),
    )


def devices_of(value: Plain, places: Sequence[str] = PLACES) -> dict[str, str]:
    """The devices that a map of configurations is."""
    assert isinstance(value, tuple)
    return {place: CONFIGS[c] for place, c in zip(places, value, strict=True) if CONFIGS[c] != ABSENT}


def _those(value: Plain, places: Sequence[str]) -> frozenset[str]:
    assert isinstance(value, tuple)
    return frozenset(place for place, yes in zip(places, value, strict=True) if yes)


def _number(value: Plain) -> int:
    assert isinstance(value, int)
    return int(value)


def arguments(call: Call, places: Sequence[str] = PLACES) -> dict[str, Plain]:
    """The locals that an operation begins with."""
    signature = SIGNATURES[call.operation]
    found: dict[str, Plain] = {"slot": slot_of(call.at, places)} if signature.kind("slot") else {}
    if "config" in signature.takes:
        found["config"] = CONFIGS.index(call.config or ABSENT)
    if "new_name" in signature.takes:
        found["new_name"] = NAMES.index(call.name)
    if "amount" in signature.takes:
        found["amount"] = AMOUNTS.index(call.memory)
    if "draft" in signature.takes:
        found |= result(Told(call.devices, call.name, call.memory), places)
    return found


def result(told: Told, places: Sequence[str] = PLACES) -> dict[str, Plain]:
    """The locals that a retrieve returns."""
    return {
        "draft": _map(told.devices, places),
        "draft_name": NAMES.index(told.name),
        "draft_memory": AMOUNTS.index(told.memory),
    }


def told(fields: Fields, places: Sequence[str] = PLACES) -> Told:
    """The answer that these locals are."""
    return Told(
        devices_of(fields["draft"], places),
        NAMES[_number(fields["draft_name"])],
        AMOUNTS[_number(fields["draft_memory"])],
    )
