"""A domain's configuration file as xl reads it, to a template [xl.cfg(5); parse_config_data]."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from confsync.impl.command import xl_hvm
from confsync.impl.command.xl_devices import device_entry
from confsync.impl.command.xl_keys import KEYS, ON, ON_OTHERWISE
from confsync.impl.command.xl_lists import LISTS as UNATTACHED
from confsync.impl.command.xl_pci import FLAGS, pci
from confsync.impl.command.xl_settings import Settings
from confsync.impl.command.xl_syntax import Value, parse
from confsync.impl.command.xl_values import boolean, each, items, mebibytes, name_of, named, number, text
from confsync.impl.command.xl_words import uuid_text
from confsync.impl.errors import InvalidArgument
from confsync.impl.kinds import DISK, NIC, P9, PCI, USBCTRL, USBDEV, VDISPL, VKB, VSND, VTPM, Json, Kind
from confsync.impl.operations.create import MEMORY_KB, MOST_VCPUS

LISTS: Mapping[str, Kind] = {
    "disk": DISK, "vif": NIC, "vtpm": VTPM, "pci": PCI, "usbctrl": USBCTRL, "usbdev": USBDEV, "p9": P9, "vkb": VKB,
    "vdispl": VDISPL, "vsnd": VSND,
}  # fmt: skip
"""The lists of devices, and of what kind."""
TYPES = ("pv", "hvm", "pvh")


@dataclass(frozen=True, slots=True)
class Read:
    """What a file says."""

    value: dict[str, Json]
    ignored: tuple[str, ...]
    """The keys in it that are not about anything that is kept for a domain of this type."""
    notes: tuple[str, ...] = ()
    """What else whoever wrote the file should know."""


def read_config(content: str, source: str) -> Read:
    """The template's value for an xl configuration. MalformedConfiguration names the file, the line, the key and the
    reason."""
    given = Settings(parse(content, source), source)
    kind = _type(given)
    given.put(("c_info", "type"), kind)
    given.put(("b_info",), {})
    if uuid := given.take("uuid", lambda value: uuid_text(text(value))):
        given.put(("c_info", "uuid"), uuid)
    _labels(given)
    _memory(given)
    _vcpus(given)
    _kernel(given, kind)
    for name, key in KEYS.items():
        if kind in key.types and (found := given.take(name, key.read)) not in (None, key.default):
            given.put(key.place, found)
    if kind == "hvm":
        xl_hvm.read(given)
    elif given.has("firmware"):
        raise given.wrong("firmware", "only an hvm domain has one here: write kernel = '/path/of/pvgrub64.bin' instead")
    elif kind == "pv" and given.has("timer_mode"):
        raise given.wrong("timer_mode", "a pv domain has none")
    _devices(given, kind)
    for name, read in ON.items():
        action = given.take(name, read) or ON_OTHERWISE.get(name, "destroy")
        if action != "destroy":
            given.put((name,), action)
    return Read(given.value, given.left, tuple(given.notes))


def _type(given: Settings) -> str:
    kind = given.take("type", name_of(*TYPES, any_case=False))
    built = given.take("builder", named({"hvm": "hvm", "generic": "pv"}))
    if kind and built and kind != built:
        raise given.wrong("builder", f"it contradicts type = {str(kind)!r}")
    return str(kind or built or "pv")


def _labels(given: Settings) -> None:
    """The domain's label for XSM: `seclabel` is the one it runs with, and is made with too unless `init_seclabel` says
    another."""
    first, label = given.take("init_seclabel", text), given.take("seclabel", text)
    if first is not None or label is not None:
        given.put(("c_info", "ssid_label"), label if first is None else first)
    if first is not None and label is not None:
        given.put(("b_info", "exec_ssid_label"), label)


def _memory(given: Settings) -> None:
    memory = given.take("memory", mebibytes)
    limit = given.take("maxmem", mebibytes)
    target = MEMORY_KB if memory is None else memory
    most = target if limit is None else limit
    if not 0 < target <= most:
        key = "memory" if memory is not None else "maxmem"
        raise given.wrong(key, f"`memory` is {target >> 10} MiB: from 1 to the limit, `maxmem`, {most >> 10}")
    given.put(("b_info", "max_memkb"), most)
    given.put(("b_info", "target_memkb"), target)


def _vcpus(given: Settings) -> None:
    count = number(1, MOST_VCPUS)
    given_online, given_most = given.take("vcpus", count), given.take("maxvcpus", count)
    online = given_online or 1
    most = given_most or online
    if online > most:
        raise given.wrong("maxvcpus", f"{online} vcpus of {most}: no more can be online than there are")
    given.put(("b_info", "max_vcpus"), most)
    given.put(("b_info", "avail_vcpus"), [*range(online)])


def _kernel(given: Settings, kind: str) -> None:
    kernel = given.take("kernel", text)
    if kernel is not None and kind == "hvm" and kernel.rpartition("/")[2] == "hvmloader":
        given.notes.append("ignoring kernel=, as xl does: hvmloader is what an hvm domain starts with anyway")
    elif kernel is not None:
        given.put(("b_info", "kernel"), kernel)
    line, root, extra = (given.take(key, text) for key in ("cmdline", "root", "extra"))
    if line is not None:
        if root is not None or extra is not None:
            given.notes.append("ignoring root= and extra= in favour of cmdline=")
    elif root is not None:
        line = f"root={root}" if extra is None else f"root={root} {extra}"
    else:
        line = extra
    if line is not None:
        given.put(("b_info", "cmdline"), line)


def _devices(given: Settings, kind: str) -> None:
    alone: list[str] = []
    for key, (array, read_one, numbered) in UNATTACHED.items():
        entries = given.take(key, each(read_one)) or []
        if entries:
            alone.append(key)
            given.put((array,), [{"devid": n, **entry} if numbered else entry for n, entry in enumerate(entries)])
    if kind == "pv" and not given.found(("vfbs",)) and _top_level_framebuffer(given):
        alone.append("vnc")
    if alone:
        given.notes.append(f"kept in the template alone, no such device is made here: {', '.join(alone)}")
    defaults = _for_all_pci(given)
    keyboards: list[dict[str, Json]] = [{} for _ in _list(given.found(("vfbs",)))]
    for key, what in LISTS.items():
        found = given.take(key, _reader(what, defaults)) or []
        if what is VKB:
            found = keyboards + found
        if found:
            given.put((what.array,), [*found])
    if kind == "pv" and given.found((PCI.array,)):
        given.put(("b_info", "type.pv", "e820_host"), "True")


def _list(found: Json) -> list[Json]:
    return found if isinstance(found, list) else []


def _top_level_framebuffer(given: Settings) -> bool:
    """`vnc = 1` of a pv domain is a framebuffer, and its keyboard, as in `vfb`. False if it is not in the file."""
    if not given.has("vnc") or given.take("vnc", boolean) != "True":
        return False
    parts: dict[str, dict[str, Json]] = {"vnc": {"enable": "True"}, "sdl": {}}
    for name in ("vnclisten", "vncpasswd", "vncdisplay", "vncunused", "sdl", "opengl", "display", "xauthority"):
        key = KEYS[name]
        if (found := given.take(name, key.read)) not in (None, key.default):
            parts[key.place[-2]][key.place[-1]] = found
    keymap = given.take("keymap", text)
    given.put(("vfbs",), [{"devid": 0, **parts, **({} if keymap is None else {"keymap": keymap})}])
    return True


def _for_all_pci(given: Settings) -> dict[str, Json]:
    """What the file says of all its PCI devices, which each can say otherwise."""
    flags = {flag: given.take(f"pci_{flag}", boolean) for flag in FLAGS}
    found: dict[str, Json] = {flag: value == "True" for flag, value in flags.items() if value is not None}
    policy = given.found(("b_info", "type.hvm", "rdm", "policy"))
    return found if policy is None else {**found, "rdm_policy": policy}


def _reader(kind: Kind, pci_defaults: Mapping[str, Json]) -> Callable[[Value], list[dict[str, Json]]]:
    """A reader of a list of devices of a kind."""
    if kind is VSND:
        return _sound_cards
    if kind is PCI:
        return each(lambda spec: pci(spec, pci_defaults))
    return each(lambda spec: device_entry(kind, spec))


def _sound_cards(value: Value) -> list[dict[str, Json]]:
    """Each card is a list of its items."""
    if not isinstance(value, list) or not all(isinstance(card, list) for card in value):
        raise InvalidArgument("it must be a list of lists, such as [ [ 'card,short-name=Main', 'pcm' ] ]")
    found: list[dict[str, Json]] = []
    for at, card in enumerate(value):
        try:
            found.append(device_entry(VSND, *items(card)))
        except InvalidArgument as e:
            raise InvalidArgument(f"[{at}]: {e}") from None
    return found
