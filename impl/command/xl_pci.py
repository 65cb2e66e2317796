"""A PCI device of the host as xl spells it [xl-pci-configuration(5); libxlu_pci.c]."""

from __future__ import annotations

import re
from collections.abc import Mapping

from confsync.impl.command.xl_words import Parameters, choice, without_defaults
from confsync.impl.errors import InvalidArgument
from confsync.impl.kinds import Json
from confsync.terminal.text import quoted

_ADDRESS = re.compile(r"(?:([0-9a-fA-F]{1,4}):)?([0-9a-fA-F]{1,2}):([0-9a-fA-F]{1,2})\.([0-7]|\*)")
_SLOT = re.compile(r"(?:0[xX])?([01]?[0-9a-fA-F])")
FLAGS = ("msitranslate", "power_mgmt", "permissive", "seize")
POLICIES = ("strict", "relaxed")


def pci(text: str, defaults: Mapping[str, Json] | None = None) -> dict[str, Json]:
    """The template's entry of a device: `DDDD:BB:DD.F@VSLOT`, then parameters; or parameters alone, `bdf=` among them.
    `defaults`: what a configuration file says of all its devices. InvalidArgument."""
    first, _, rest = text.partition(",")
    positional = "=" not in first
    words = (rest if positional else text).removesuffix(",")
    given = Parameters(words.split(",") if words else [])
    bdf, vslot, name = given.text("bdf"), given.text("vslot"), given.text("name")
    if name is not None:
        raise InvalidArgument("a device by its name, name=, is not known here: give its address, such as 0000:03:00.0")
    if positional:
        if bdf is not None:
            raise InvalidArgument("'bdf' is given twice: the address stands first already")
        bdf, at, slot = first.partition("@")
        if at and vslot is not None:
            raise InvalidArgument("'vslot' is given twice: it stands after the @ already")
        vslot = slot if at else vslot
    if bdf is None:
        raise InvalidArgument("it has no address: give it first, such as 0000:03:00.0")
    entry: dict[str, Json] = {**address(bdf), "vdevfn": None if vslot is None else _slot(vslot) << 3}
    entry |= defaults or {}
    for flag in FLAGS:
        value = given.boolean(flag)
        entry |= {} if value is None else {flag: value}
    policy = given.text("rdm_policy")
    entry |= {} if policy is None else {"rdm_policy": choice("rdm_policy", policy, POLICIES)}
    given.finish()
    return without_defaults(entry)


def address(text: str) -> dict[str, Json]:
    """The parts of an address, `DDDD:BB:DD.F` or without the domain, that are not zero. InvalidArgument."""
    found = _ADDRESS.fullmatch(text)
    if not found:
        raise InvalidArgument(f"{quoted(text)} is no PCI address: it is such as 0000:03:00.0")
    *numbers, function = found.groups()
    if function == "*":
        raise InvalidArgument(
            f"{quoted(text)}: all functions at once, *, are not known here: attach each by its number"
        )
    segment, bus, dev = (int(part or "0", 16) for part in numbers)
    if dev > 0x1F:
        raise InvalidArgument(f"{quoted(text)}: there are 32 devices on a bus, 00 to 1f")
    return without_defaults({"domain": segment, "bus": bus, "dev": dev, "func": int(function)})


def _slot(text: str) -> int:
    """A slot of the guest's bus [parse_vslot]."""
    found = _SLOT.fullmatch(text)
    if not found:
        raise InvalidArgument(f"vslot is {quoted(text)}, and must be a slot in hexadecimal, from 0 to 1f")
    return int(found[1], 16)
