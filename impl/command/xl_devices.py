"""Devices as xl spells them, to entries of the template [xl-disk-configuration(5), xl.cfg(5) and others]."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from impl.configuration.defaults import parse_uuid
from impl.errors import InvalidArgument
from impl.kinds import DISK, KINDS, NIC, P9, PCI, USBCTRL, USBDEV, VDISPL, VKB, VSND, VTPM, Entry, Json, Kind
from impl.vdev import virtual_name

_FORMATS = ("raw", "qcow", "qcow2", "vhd", "qed", "empty")
_ACCESS = {"r": 0, "ro": 0, "w": 1, "rw": 1, "!": 1}
_POSITIONS = ("target", "format", "vdev", "access")
_OLD_PREFIX = re.compile(r"(?:tap2?:)?(raw|qcow2?|vhd|qed|phy|file|aio|tap2?):(?=.)")
_RATE = re.compile(r"([0-9]+)([KMG]?)(B|b)/s(?:@([0-9]+)(ms|us|s)?)?")
_UNITS = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3}
_MICROSECONDS = {"us": 1, "ms": 1000, "s": 1_000_000, None: 1_000_000}
_MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")
_NUMBER = re.compile(r"[0-9]{1,18}")
_BDF = re.compile(r"(?:([0-9a-fA-F]{1,4}):)?([0-9a-fA-F]{1,2}):([0-9a-fA-F]{1,2})\.([0-7])")


def device_entry(kind: Kind, text: str) -> dict[str, Json]:
    """The template's entry for a device that is spelled as xl spells it. InvalidArgument names what is wrong."""
    try:
        return _READERS[kind.name](text)
    except InvalidArgument as e:
        raise InvalidArgument(f"{kind} {text!r}: {e}") from None


def kind_named(name: str) -> Kind:
    """A kind of device by xl's name of it or ours. InvalidArgument."""
    found = _ALSO.get(name) or KINDS.get(name)
    if found is None:
        raise InvalidArgument(f"{name!r} is no kind of device: there are {', '.join(KINDS)}")
    return found


_ALSO = {"block": DISK, "cdrom": DISK, "vif": NIC, "network": NIC, "9p": P9, "9pfs": P9, "usb": USBDEV}


def device_index(kind: Kind, text: str) -> str:
    """The index of a device that is named by what the guest knows it by: a vdev, a number, an address, CTRL/PORT."""
    if kind is DISK and text.isascii() and text.isdigit():
        virtual_name(number := _whole("vdev", text))  # refuses what no disk has
        return str(number)
    if kind is PCI:
        return kind.to_index(_address(text))
    if kind is USBDEV:
        ctrl, _, port = text.partition("/")
        return kind.to_index({"ctrl": _whole("ctrl", ctrl), "port": _whole("port", port)})
    return kind.to_index({kind.key[0]: text if kind is DISK else _whole(kind.key[0], text)})


def disk(text: str) -> dict[str, Json]:
    """A disk: `target,format,vdev,access`, or any of these and more as `key=value`."""
    given, target_rest = _split_target(text)
    rest = target_rest.strip()
    entry: dict[str, Json] = {}
    positions = list(_POSITIONS)
    old = _OLD_PREFIX.match(rest)
    if old:
        rest = rest[old.end() :]
        given["format"] = old[1] if old[1] in _FORMATS else "raw"
        positions.remove("format")
    for word in rest.split(",") if rest else []:
        key, equals, value = word.strip().partition("=")
        if equals:
            _set_once(given, key.strip(), value.strip())
        elif word.strip() in ("cdrom", "disk"):
            given["devtype"] = word.strip()
        elif word.strip() in _FLAGS:
            entry |= _FLAGS[word.strip()]
        elif word.strip() or positions[:1] == ["target"] or positions:
            if not positions:
                raise InvalidArgument(f"{word.strip()!r} is one parameter too many")
            _set_once(given, positions.pop(0), word.strip())
    return _disk_entry(entry, given)


_FLAGS: Mapping[str, dict[str, Json]] = {
    "discard": {"discard_enable": "True"},
    "no-discard": {"discard_enable": "False"},
    "direct-io-safe": {"direct_io_safe": True},
}


def _split_target(text: str) -> tuple[dict[str, str], str]:
    """`target=` takes all that follows, commas too; -> what was given, the rest."""
    found = re.search(r"(?:^|,)\s*target=(.*)$", text, re.DOTALL)
    if not found:
        return {}, text
    return {"target": found[1]}, text[: found.start()]


def _disk_entry(entry: dict[str, Json], given: dict[str, str]) -> dict[str, Json]:
    vdev, _, suffix = given.pop("vdev", "").partition(":")
    if suffix:
        given.setdefault("devtype", suffix)
    if not vdev:
        raise InvalidArgument("it has no vdev: say which disk it is in the guest, such as vdev=xvdb")
    form, access = given.pop("format", "") or "raw", given.pop("access", "") or "w"
    target, devtype = given.pop("target", ""), given.pop("devtype", "disk")
    if form not in _FORMATS:
        raise InvalidArgument(f"{form!r} is no format: there are {', '.join(_FORMATS)}")
    if access not in _ACCESS:
        raise InvalidArgument(f"{access!r} is no access: it is r or w")
    if devtype not in ("cdrom", "disk"):
        raise InvalidArgument(f"{devtype!r} is no type of disk: it is disk or cdrom")
    cdrom = devtype == "cdrom"
    if not target and not cdrom:
        raise InvalidArgument("it has no target: say what the guest is to see, such as target=/dev/vg/data")
    entry |= {"pdev_path": target, "vdev": vdev, "format": form if target else "empty"}
    if cdrom:
        entry |= {"removable": 1, "is_cdrom": 1}
    elif _ACCESS[access]:
        entry["readwrite"] = 1
    if "script" in given:
        entry["script"] = given.pop("script")
    if "backendtype" in given:
        entry["backend"] = given.pop("backendtype")
    entry |= _backend(given)
    _nothing_left(given)
    return entry


def nic(text: str) -> dict[str, Json]:
    """A network interface: `mac=...,bridge=...,script=...`, or nothing at all."""
    given = _pairs(text)
    entry: dict[str, Json] = {}
    if "mac" in given:
        if not _MAC.fullmatch(given["mac"]):
            raise InvalidArgument(f"{given['mac']!r} is no MAC address: it is such as 00:16:3e:01:02:03")
        entry["mac"] = given.pop("mac").lower()
    kind = given.pop("type", None)
    if kind not in (None, "vif", "ioemu"):
        raise InvalidArgument(f"{kind!r} is no type: it is vif or ioemu")
    entry |= {"nictype": {"ioemu": "vif_ioemu", "vif": "vif"}[kind]} if kind else {}
    for ours, theirs in (("bridge", "bridge"), ("script", "script"), ("model", "model"), ("ip", "ip"),
                         ("vifname", "ifname"), ("gatewaydev", "gatewaydev")):  # fmt: skip
        if ours in given:
            entry[theirs] = given.pop(ours)
    for number in ("devid", "mtu"):
        if number in given:
            entry[number] = _whole(number, given.pop(number))
    if "rate" in given:
        entry |= _rate(given.pop("rate"))
    entry |= _backend(given)
    _nothing_left(given, ("trusted", "accel"))
    return entry


def vdispl(text: str) -> dict[str, Json]:
    """A display: `connectors=id0:1920x1080;id1:800x600,be-alloc=1`."""
    given = _pairs(text)
    entry: dict[str, Json] = {"be_alloc": True} if _whole("be-alloc", given.pop("be-alloc", "0")) else {}
    connectors: list[Json] = []
    for connector in given.pop("connectors", "").split(";"):
        found = re.fullmatch(r"([^:]+):([0-9]+)x([0-9]+)", connector.strip())
        if not found:
            raise InvalidArgument(f"{connector!r} is no connector: it is such as id0:1920x1080, and one is needed")
        connectors.append({"unique_id": found[1], "width": int(found[2]), "height": int(found[3])})
    if "devid" in given:
        entry["devid"] = _whole("devid", given.pop("devid"))
    entry |= {**_backend(given), "connectors": connectors}
    _nothing_left(given)
    return entry


def vtpm(text: str) -> dict[str, Json]:
    """A TPM: `backend=...,uuid=...`."""
    entry = _numbered({"uuid": "uuid"})(text)
    return {**entry, "uuid": parse_uuid(str(entry["uuid"]))} if "uuid" in entry else entry


def _rate(text: str) -> dict[str, Json]:
    found = _RATE.fullmatch(text)
    if not found:
        raise InvalidArgument(f"{text!r} is no rate: it is such as 10Mb/s or 250KB/s@20ms")
    amount, unit, byte, every, scale = found.groups()
    interval = int(every) * _MICROSECONDS[scale] if every else 50_000
    bytes_per_second = int(amount) * _UNITS[unit] // (1 if byte == "B" else 8)
    allowed = bytes_per_second * interval // 1_000_000
    entry: dict[str, Json] = {"rate_bytes_per_interval": allowed} if allowed else {}
    return {**entry, "rate_interval_usecs": interval}


def _numbered(strings: Mapping[str, str], numbers: tuple[str, ...] = ()) -> Callable[[str], dict[str, Json]]:
    """A reader of `key=value,...`: the template's field for each key that is a text, the keys that are numbers."""

    def read(text: str) -> dict[str, Json]:
        given = _pairs(text)
        entry: dict[str, Json] = {theirs: given.pop(ours) for ours, theirs in strings.items() if ours in given}
        entry |= {n: _whole(n, given.pop(n)) for n in ("devid", *numbers) if n in given}
        entry |= _backend(given)
        _nothing_left(given)
        return entry

    return read


def usbctrl(text: str) -> dict[str, Json]:
    """A USB controller: `type=pv,version=2,ports=4`."""
    entry = _numbered({"type": "type"}, ("version", "ports"))(text)
    _one_of(entry, "type", "auto", "pv", "devicemodel", "qusb")
    return {k: v for k, v in entry.items() if (k, v) != ("type", "auto")}


def vkb(text: str) -> dict[str, Json]:
    """A keyboard: `unique-id=k,backend-type=linux,width=800,height=600`."""
    strings = {"unique-id": "unique_id", "backend-type": "backend_type"}
    entry = _numbered(strings, ("width", "height"))(text)
    _one_of(entry, "backend_type", "qemu", "linux")
    return entry


def _one_of(entry: Entry, field: str, *known: str) -> None:
    if field in entry and entry[field] not in known:
        raise InvalidArgument(f"{entry[field]!r} is no {field.replace('_', ' ')}: there are {', '.join(known)}")


def usbdev(text: str) -> dict[str, Json]:
    """A USB device of the host: `hostbus=1,hostaddr=2,controller=0,port=1`. libxl finds a port that is free where none
    is given; here it must be, since the port is what the device is known by from then on."""
    given = _pairs(text)
    if given.pop("type", "hostdev") != "hostdev":
        raise InvalidArgument("its type can only be hostdev")
    entry: dict[str, Json] = {}
    for ours, theirs in (("ctrl", "controller"), ("port", "port")):
        if theirs not in given:
            raise InvalidArgument(f"it has no {theirs}: say where it is plugged in, such as controller=0,port=1")
        entry[ours] = _whole(theirs, given.pop(theirs))
    host: dict[str, Json] = {n: _whole(n, given.pop(n)) for n in ("hostbus", "hostaddr") if n in given}
    if len(host) != 2:
        raise InvalidArgument("it needs hostbus and hostaddr: the device's bus and address on the host, as lsusb says")
    _nothing_left(given)
    return {**entry, "type.hostdev": host}


def pci(text: str) -> dict[str, Json]:
    """A PCI device of the host: `DDDD:BB:DD.F`, then flags."""
    address, _, rest = text.partition(",")
    entry, given = _address(address), _pairs(rest)
    for flag in ("msitranslate", "power_mgmt", "permissive", "seize"):
        if _whole(flag, given.pop(flag, "0")):
            entry[flag] = True
    _nothing_left(given)
    return entry


def _address(text: str) -> dict[str, Json]:
    found = _BDF.fullmatch(text.strip())
    if not found:
        raise InvalidArgument(f"{text!r} is no PCI address: it is such as 0000:03:00.0")
    segment, bus, dev, func = (int(part or "0", 16) for part in found.groups())
    if dev > 0x1F:
        raise InvalidArgument(f"{text!r}: there are 32 devices on a bus, 00 to 1f")
    named = {"domain": segment, "bus": bus, "dev": dev, "func": func}
    return {name: value for name, value in named.items() if value}


_READERS: Mapping[str, Callable[[str], dict[str, Json]]] = {
    DISK.name: disk,
    NIC.name: nic,
    VTPM.name: vtpm,
    USBCTRL.name: usbctrl,
    USBDEV.name: usbdev,
    PCI.name: pci,
    P9.name: _numbered({"tag": "tag", "path": "path", "security_model": "security_model"}),
    VDISPL.name: vdispl,
    VSND.name: _numbered({"long-name": "long_name", "short-name": "short_name"}),
    VKB.name: vkb,
}


def _pairs(text: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for word in text.split(",") if text.strip() else []:
        key, equals, value = word.strip().partition("=")
        if not equals:
            raise InvalidArgument(f"{word.strip()!r} is not of the form key=value")
        _set_once(given, key.strip(), value.strip())
    return given


def _set_once(given: dict[str, str], key: str, value: str) -> None:
    if key in given:
        raise InvalidArgument(f"{key!r} is given twice")
    given[key] = value


def _backend(given: dict[str, str]) -> Entry:
    """The driver domain, by its name or its number, as it was given."""
    backend = given.pop("backend", "")
    return {"backend_domname": backend} if backend else {}


def _whole(name: str, text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise InvalidArgument(f"{name} is {text[:40]!r}, and must be a whole number")
    return int(text)


def _nothing_left(given: Mapping[str, str], ignored: tuple[str, ...] = ()) -> None:
    left = [key for key in given if key not in ignored]
    if left:
        raise InvalidArgument(f"there is no parameter {left[0]!r} here")
