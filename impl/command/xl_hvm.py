"""Keys for an HVM domain's machine that have more than one form, or depend on each other [xl.cfg(5)].

Firmware, graphics, serial ports, viridian, the generation id and reserved regions [parse_config_data].
"""

from __future__ import annotations

import secrets

from confsync.impl.command.xl_settings import Settings
from confsync.impl.command.xl_syntax import Value
from confsync.impl.command.xl_values import boolean, items, named, text, texts
from confsync.impl.command.xl_words import Parameters, choice, words
from confsync.impl.errors import InvalidArgument
from confsync.impl.kinds import Json
from confsync.terminal.text import quoted

_HVM = ("b_info", "type.hvm")
_BIOSES = ("rombios", "seabios", "ovmf")
_VIRIDIAN = (
    "base", "freq", "time_ref_count", "reference_tsc", "hcall_remote_tlb_flush", "apic_assist", "crash_ctl", "synic",
    "stimer", "hcall_ipi", "ex_processor_masks", "no_vp_limit", "cpu_hotplug",
)  # fmt: skip
"""Groups of enlightenments by their numbers [libxl_viridian_enlightenment]."""
_VIRIDIAN_BITS = 64
_VGA = {"stdvga": "std", "cirrus": "cirrus", "none": "none", "qxl": "qxl"}


def read(given: Settings) -> None:
    """Take these keys. MalformedConfiguration."""
    for key, field in (("serial", "serial"), ("usbdevice", "usbdevice")):
        listed = given.is_list(key)
        if (found := given.take(key, texts if listed else text)) is not None:
            given.put((*_HVM, f"{field}_list" if listed else field), found)
    _graphics(given)
    _firmware(given)
    if given.is_list("viridian"):
        for name, groups in (given.take("viridian", _viridian) or {}).items():
            given.put((*_HVM, name), groups)
    elif (enlightened := given.take("viridian", boolean)) is not None:
        given.put((*_HVM, "viridian"), enlightened)
    if given.take("ms_vm_genid", named({"generate": "generate", "none": "none"})) == "generate":
        given.put((*_HVM, "ms_vm_genid"), [*secrets.token_bytes(16)])
    if reserved := given.take("rdm", _reserved):
        given.put((*_HVM, "rdm"), reserved)


def _graphics(given: Settings) -> None:
    if (kind := given.take("vga", named(_VGA))) is not None:
        given.put((*_HVM, "vga", "kind"), kind)
    elif (standard := given.take("stdvga", boolean)) is not None:
        given.put((*_HVM, "vga", "kind"), "std" if standard == "True" else "cirrus")
    for name, value in (given.take("gfx_passthru", _passed_through) or {}).items():
        given.put((*_HVM, name), value)


def _passed_through(value: Value) -> dict[str, Json]:
    if text(value).lower() in ("default", "igd"):
        kind: dict[str, Json] = {"gfx_passthru_kind": "igd"} if text(value).lower() == "igd" else {}
        return {"gfx_passthru": "True", **kind}
    return {"gfx_passthru": boolean(value)}


def _firmware(given: Settings) -> None:
    """`firmware` is a short way to say `bios`, or a path as in `firmware_override`; the two must not contradict."""
    firmware = given.take("firmware", text)
    if firmware is None or firmware == "bios":
        return
    name = "ovmf" if firmware == "uefi" else firmware.lower()
    field, value = ("bios", name) if name in _BIOSES else ("firmware", firmware)
    if not firmware or given.found((*_HVM, field)) not in (None, value):
        other = "bios" if field == "bios" else "firmware_override"
        raise given.wrong("firmware", f"{quoted(firmware)} is no firmware, or contradicts {other}")
    given.put((*_HVM, field), value)


def _viridian(value: Value) -> dict[str, Json]:
    """Groups to enable, and with a ! to disable; `all` and `defaults`."""
    enabled: set[int] = set()
    disabled: set[int] = set()
    found: dict[str, Json] = {}
    for name in items(value):
        if name == "all":
            enabled |= set(range(_VIRIDIAN_BITS))
        elif name == "defaults":
            found["viridian"] = "True"
        else:
            number = _VIRIDIAN.index(choice("group of enlightenments", name.removeprefix("!"), _VIRIDIAN))
            into, out_of = (disabled, enabled) if name.startswith("!") else (enabled, disabled)
            into.add(number)
            out_of.discard(number)
    sets = {"viridian_enable": enabled, "viridian_disable": disabled}
    return {**found, **{field: [*sorted(numbers)] for field, numbers in sets.items() if numbers}}


def _reserved(value: Value) -> dict[str, Json]:
    """What is done about reserved memory regions: `strategy=host,policy=relaxed`."""
    given = Parameters(words(text(value)))
    found = {"strategy": given.choice("strategy", ("host",)), "policy": given.choice("policy", ("strict", "relaxed"))}
    given.finish()
    if not any(found.values()):
        raise InvalidArgument("it must be such as strategy=host,policy=strict")
    return {name: said for name, said in found.items() if said is not None}
