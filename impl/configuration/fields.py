"""What the fields of a device's entry may hold, kind by kind [tools/libs/light/libxl_types.idl].

Fields that are not listed are kept as they are: any JSON may stand there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from confsync.impl.configuration.defaults import parse_uuid
from confsync.impl.configuration.places import UNSET
from confsync.impl.errors import InvalidArgument
from confsync.impl.kinds import (
    DISK,
    MOST_DEVID,
    MOST_DOMID,
    MOST_PORT,
    MOST_UINT32,
    NIC,
    P9,
    PCI,
    USBCTRL,
    USBDEV,
    VDISPL,
    VKB,
    VSND,
    VTPM,
    Entry,
    Json,
    Kind,
)

MOST_CONNECTORS = 64
MOST_MTU = 65535
_MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")
Check = Callable[[Json], str | None]
"""What the value must be instead, in words; None if it is right."""


def _text(value: Json) -> str | None:
    return None if isinstance(value, str) else "a string"


def _flag(value: Json) -> str | None:
    """A boolean, an integer that libxl takes for one, or a libxl_defbool."""
    right = value in (0, 1) or (isinstance(value, str) and value in ("True", "False", "<default>"))
    return None if right and not isinstance(value, float) else "true, false, 0 or 1"


def _whole(most: int, least: int = 0) -> Check:
    def check(value: Json) -> str | None:
        right = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        return None if right else f"a whole number from {least} to {most}"

    return check


def _one_of(*known: str) -> Check:
    return lambda value: None if isinstance(value, str) and value in known else f"one of {', '.join(known)}"


def _mac(value: Json) -> str | None:
    return None if isinstance(value, str) and _MAC.fullmatch(value) else "an address such as 00:16:3e:01:02:03"


def _uuid(value: Json) -> str | None:
    try:
        parse_uuid(value if isinstance(value, str) else "")
    except InvalidArgument:
        return "a uuid"
    return None


def _object(**fields: Check) -> Check:
    def check(value: Json) -> str | None:
        if not isinstance(value, dict):
            return "an object"
        return next((f"an object whose `{f}` is {w}" for f, w in _wrong(value, fields)), None)

    return check


def _array(most: int, each: Check) -> Check:
    def check(value: Json) -> str | None:
        if not isinstance(value, list) or len(value) > most:
            return f"an array of at most {most}"
        return next((f"an array of each of which is {w}" for one in value if (w := each(one))), None)

    return check


_BACKEND: Mapping[str, Check] = {"backend_domid": _whole(MOST_DOMID), "backend_domname": _text}
_CONNECTOR = _object(unique_id=_text, width=_whole(2**31 - 1), height=_whole(2**31 - 1))
FIELDS: Mapping[str, Mapping[str, Check]] = {
    DISK.name: {
        **_BACKEND, "pdev_path": _text, "script": _text, "vdev": _text,
        "format": _one_of("unknown", "qcow", "qcow2", "vhd", "raw", "empty", "qed"),
        "backend": _one_of("unknown", "phy", "tap", "qdisk", "standalone"),
        "removable": _flag, "readwrite": _flag, "is_cdrom": _flag, "direct_io_safe": _flag, "discard_enable": _flag,
    },
    NIC.name: {
        **_BACKEND, "mac": _mac, "mtu": _whole(MOST_MTU), "nictype": _one_of("unknown", "vif", "vif_ioemu"),
        "model": _text, "ip": _text, "bridge": _text, "ifname": _text, "script": _text, "gatewaydev": _text,
        "vlan": _text, "rate_bytes_per_interval": _whole(2**64 - 1), "rate_interval_usecs": _whole(MOST_UINT32),
    },
    VTPM.name: {**_BACKEND, "uuid": _uuid},
    USBCTRL.name: {
        **_BACKEND, "type": _one_of("auto", "pv", "devicemodel", "qusb"), "version": _whole(3),
        "ports": _whole(MOST_PORT),
    },
    USBDEV.name: {"type.hostdev": _object(hostbus=_whole(255), hostaddr=_whole(255), busid=_text)},
    PCI.name: {
        **_BACKEND, "msitranslate": _flag, "power_mgmt": _flag, "permissive": _flag, "seize": _flag, "name": _text,
        "vdevfn": _whole(MOST_UINT32), "rdm_policy": _one_of("invalid", "strict", "relaxed"),
    },
    P9.name: {**_BACKEND, "tag": _text, "path": _text, "security_model": _text},
    VDISPL.name: {**_BACKEND, "be_alloc": _flag, "connectors": _array(MOST_CONNECTORS, _CONNECTOR)},
    VSND.name: {**_BACKEND, "long_name": _text, "short_name": _text},
    VKB.name: {
        **_BACKEND, "unique_id": _text, "backend_type": _text, "width": _whole(2**31 - 1), "height": _whole(2**31 - 1),
    },
}  # fmt: skip
"""By kind's name. `devid` and the other keys are checked where a device's index is made of them."""


def require_proper_fields(kind: Kind, entry: Entry) -> None:
    """InvalidArgument names the first field that holds what it cannot. null is a field that is not given."""
    for field, what in _wrong(entry, FIELDS[kind.name]):
        shown = ascii(entry[field])
        shown = shown if len(shown) <= 40 else f"{shown[:40]}..."
        raise InvalidArgument(f"{kind}: `{field}` is {shown}, and must be {what}")
    devid = entry.get("devid", UNSET)
    if kind.key == ("devid",) and devid is not None and (needed := _whole(MOST_DEVID, UNSET)(devid)):
        raise InvalidArgument(f"{kind}: `devid` is {ascii(devid)[:40]}, and must be {needed}; {UNSET} is none")


def _wrong(entry: Entry, fields: Mapping[str, Check]) -> list[tuple[str, str]]:
    checked = ((field, check(entry[field])) for field, check in fields.items() if entry.get(field) is not None)
    return [(field, what) for field, what in checked if what]
