"""Devices as xl spells them, to entries of the template [xl.cfg(5) and its pages on disks, networks and PCI].

What xl reads is read as xl reads it, and what xl refuses is refused. What xl drops without a word, such as a parameter
that it does not know or a value that it cannot read, is refused too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from confsync.impl.command.xl_disk import disk
from confsync.impl.command.xl_display import vdispl, vkb
from confsync.impl.command.xl_nic import nic
from confsync.impl.command.xl_pci import pci
from confsync.impl.command.xl_sound import sound_card
from confsync.impl.command.xl_words import Parameters, decimal, uuid_text, without_defaults, words
from confsync.impl.errors import InvalidArgument
from confsync.impl.kinds import DISK, KINDS, NIC, P9, PCI, USBCTRL, USBDEV, VDISPL, VKB, VSND, VTPM, Json, Kind
from confsync.terminal.text import quoted

_ALSO = {"block": DISK, "cdrom": DISK, "vif": NIC, "network": NIC, "9p": P9, "9pfs": P9, "usb": USBDEV}
MOST_CHARACTERS = 1 << 16
"""The longest spelling that is read: xenstore could keep nothing as long, and the time to scan a disk's is bounded."""
_CONTROLLERS = ("auto", "pv", "devicemodel", "qusb")


def kind_named(name: str) -> Kind:
    """A kind of device by xl's name of it or ours. InvalidArgument."""
    found = _ALSO.get(name) or KINDS.get(name)
    if found is None:
        raise InvalidArgument(f"{quoted(name)} is no kind of device: there are {', '.join(KINDS)}")
    return found


def device_entry(kind: Kind, *specs: str) -> dict[str, Json]:
    """The template's entry for a device that is spelled in these words. A disk's words and a sound card's items are
    each read by themselves; the parameters of all other kinds stand between commas, or are words of their own.
    InvalidArgument names the device, the word and what is wrong with it."""
    try:
        _require_short(specs)
        return _READERS[kind.name](specs)
    except InvalidArgument as e:
        raise InvalidArgument(f"{kind} {quoted(' '.join(specs))}: {e}") from None


def _require_short(specs: Sequence[str]) -> None:
    if sum(map(len, specs)) > MOST_CHARACTERS:
        raise InvalidArgument(f"it has more than {MOST_CHARACTERS} characters")


def vtpm(given_words: Sequence[str]) -> dict[str, Json]:
    """The template's entry of a TPM: `backend=tpmd,uuid=...`; there is none without a backend. InvalidArgument."""
    given = Parameters(given_words)
    backend, uuid = given.backend(), given.text("uuid")
    given.finish()
    if backend is None:
        raise InvalidArgument("it has no backend: say which domain serves it, such as backend=tpmd")
    return without_defaults({"backend_domname": backend, "uuid": None if uuid is None else uuid_text(uuid)})


def p9(given_words: Sequence[str]) -> dict[str, Json]:
    """The template's entry of a shared folder: `tag=share,path=/srv,security_model=none`. InvalidArgument."""
    given = Parameters(given_words, trim=True)
    entry: dict[str, Json] = {"backend_domname": given.backend()}
    for name in ("tag", "path", "security_model"):
        entry[name] = given.text(name)
        if entry[name] == "":
            raise InvalidArgument(f"{name} is empty")
    entry["type"] = given.choice("type", ("qemu", "xen_9pfsd"))
    if entry["type"] == "xen_9pfsd" and not entry["path"]:
        raise InvalidArgument("it has no path: give it, such as path=/var/log/xen/guests/NAME, which is what xl takes")
    entry |= {name.replace("-", "_"): given.decimal(name) for name in ("max-space", "max-files", "max-open-files")}
    entry["auto_delete"] = given.boolean("auto-delete")
    given.finish()
    return without_defaults(entry)


def usbctrl(given_words: Sequence[str]) -> dict[str, Json]:
    """The template's entry of a USB controller: `type=pv,version=2,ports=4`. InvalidArgument."""
    given = Parameters(given_words)
    kind = given.choice("type", _CONTROLLERS)
    entry: dict[str, Json] = {"type": None if kind == "auto" else kind}
    entry |= {name: given.decimal(name) for name in ("version", "ports")}
    given.finish()
    return without_defaults(entry)


def usbdev(given_words: Sequence[str]) -> dict[str, Json]:
    """The template's entry of a USB device of the host: `hostbus=1,hostaddr=2,controller=0,port=1`. libxl finds a free
    port where none is given; here it must be given, since a device is known by its port. InvalidArgument."""
    given = Parameters(given_words)
    given.choice("type", ("hostdev",))
    bus, address = given.c_number("hostbus", 255), given.c_number("hostaddr", 255)
    where = "say where it is plugged in, such as controller=0,port=1"
    controller, port = given.text("controller"), given.text("port")
    given.finish()
    for name, value in (("controller", controller), ("port", port)):
        if value is None:
            raise InvalidArgument(f"it has no {name}: {where}")
    if not bus or not address:
        raise InvalidArgument("it needs hostbus and hostaddr: the device's bus and address on the host, as lsusb says")
    entry: dict[str, Json] = {
        "ctrl": decimal("controller", controller or ""),
        "port": decimal("port", port or "", 255, 1),
    }
    return {**entry, "type.hostdev": {"hostbus": bus, "hostaddr": address}}


def _in_words(read: Callable[[list[str]], dict[str, Json]]) -> Callable[[Sequence[str]], dict[str, Json]]:
    """A reader of spellings, with a reader of their words between commas."""
    return lambda specs: read([word for spec in specs for word in words(spec)])


_READERS: Mapping[str, Callable[[Sequence[str]], dict[str, Json]]] = {
    DISK.name: disk,
    VSND.name: sound_card,
    PCI.name: lambda specs: pci(",".join(specs)),
    NIC.name: _in_words(nic),
    VTPM.name: _in_words(vtpm),
    USBCTRL.name: _in_words(usbctrl),
    USBDEV.name: _in_words(usbdev),
    P9.name: _in_words(p9),
    VDISPL.name: _in_words(vdispl),
    VKB.name: _in_words(vkb),
}
