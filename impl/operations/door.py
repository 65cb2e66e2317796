"""Everything that a later reader of a configuration needs, checked before a lock is taken and before anything is made.

What passes can be written to xenstore, retrieved, saved, restored, detached and destroyed. One place for `create`,
`restore`, `attach`, `insert` and the knobs, whatever the configuration came from: JSON, an xl configuration, options.
"""

from __future__ import annotations

from collections.abc import Mapping

from confsync.impl.configuration.defaults import complete
from confsync.impl.configuration.fields import require_proper_fields
from confsync.impl.configuration.template import Template
from confsync.impl.configuration.text import MOST_BYTES
from confsync.impl.errors import InvalidArgument
from confsync.impl.kinds import MOST_DOMID, USBCTRL, USBDEV, Device, Entry, Json, Kind
from confsync.impl.operations import paths
from confsync.impl.operations.guarded import require_proper, require_proper_entry
from confsync.impl.operations.layout import Layout, driver_domain, layout, ports
from confsync.impl.ports import Domain
from confsync.impl.xenstore.limits import PAYLOAD_MAX

MOST_VCPUS = 512
"""The most vcpus that a domain is made with: more than any HVM guest has, and a bound for what goes to xenstore."""
MOST_MEMORY_KB = 2**53 - 1
"""The most memory, in KiB: in bytes it fits into 63 bits, and a reader of JSON that has only doubles keeps it exact."""
MOST_DEVICES = 4096
"""The most devices of a domain: a bound for how long a creation holds the lock."""
MOST_KNOBS = 64 << 10
"""Bytes by which `retrieve`'s answer can exceed the template: the vcpus, the name, memory and scheduling."""
MOST_NAME = 255
_SCHEDULING = {"weight": (1, 65535), "cap": (0, 51200)}
"""Ranges of the credit scheduler's parameters [libxl_sched.c, sched_credit_domain_set]."""
_UNSET = -1
"""libxl's default of each of them [LIBXL_DOMAIN_SCHED_PARAM_*_DEFAULT]."""
_MOST_PARAMETER = 2**31 - 1
_SOMEBODY = Domain(MOST_DOMID, "00000000-0000-0000-0000-000000000000")
"""A domain whose paths are as long as any domain's."""


def require_good_name(name: str) -> None:
    """InvalidArgument unless a domain can have this name."""
    if not name or not name.isprintable() or "/" in name or len(name.encode()) > MOST_NAME:
        raise InvalidArgument(f"{name[:80]!r} is no name: 1 to {MOST_NAME} printable characters, and no slash")


def require_good_template(whole: Template) -> None:
    """InvalidArgument unless a domain can be made of the template, every entry of which is complete."""
    devices = whole.devices()
    if len(devices) > MOST_DEVICES:
        raise InvalidArgument(f"{len(devices)} devices: a domain has at most {MOST_DEVICES}")
    require_proper(whole)
    _require_good_knobs(whole)
    for device in devices:
        require_good_entry(device, whole.find(device) or {})
    for device in devices:
        if device.kind is USBDEV:
            _require_controller(whole, device)
    fullest = whole.with_knobs(
        name="x" * MOST_NAME, max_memkb=MOST_MEMORY_KB, target_memkb=MOST_MEMORY_KB, avail_vcpus=range(MOST_VCPUS)
    )
    _require_size(fullest)


def require_good_asked(kind: Kind, entry: Entry, uuid: str) -> None:
    """InvalidArgument unless a device can be attached that is described by `entry`, which may have no number yet."""
    device, whole = complete(kind, entry, uuid, frozenset())
    require_proper_entry(kind, whole)
    require_good_entry(device, whole)


def require_good_entry(device: Device, entry: Entry) -> None:
    """InvalidArgument unless the entry, which is complete, can be written to xenstore and to a template."""
    require_proper_fields(device.kind, entry)
    backend = driver_domain(entry)
    if isinstance(backend, int):
        if backend > MOST_DOMID:
            raise InvalidArgument(f"{device}: its backend is in domain {backend}: domains go up to {MOST_DOMID}")
    else:
        require_good_name(backend)
    plan = layout(_SOMEBODY, device, entry, MOST_DOMID)
    for name, value in (*plan.front.items(), *plan.back.items()):
        _require_fits(plan, device, name, value)


def _require_fits(plan: Layout, device: Device, name: str, value: str) -> None:
    """InvalidArgument unless the node fits into one message to xenstored, in whichever of its folders."""
    port = f"{paths.home(MOST_DOMID)}/backend/{device.kind.backend}/{MOST_DOMID}/{device.index}"
    longest = max(map(len, (plan.frontend, plan.backend, paths.existing(_SOMEBODY, device), port)))
    if longest + 1 + len(name) + 1 + len(value.encode()) > PAYLOAD_MAX:
        most = PAYLOAD_MAX - longest - len(name) - 2
        raise InvalidArgument(f"{device}: its `{name}` has {len(value.encode())} bytes, and xenstore takes {most}")


def require_room(template: Template) -> None:
    """InvalidArgument unless `retrieve`'s answer for the template is one that can be restored."""
    _require_size(template, MOST_BYTES - MOST_KNOBS)


def _require_size(template: Template, most: int = MOST_BYTES) -> None:
    size = len(template.encode())
    if size > most:
        raise InvalidArgument(f"the configuration would have {size} bytes: at most {most} can be kept")


def _require_controller(whole: Template, device: Device) -> None:
    ctrl, _, port = device.index.partition("/port/")
    controller = whole.find(Device(USBCTRL, ctrl))
    if controller is None:
        raise InvalidArgument(f"{device}: the configuration has no USB controller {ctrl}")
    require_port(device, int(port), ports(controller))


def require_port(device: Device, port: int, most: int) -> None:
    """InvalidArgument unless the USB controller has the port."""
    if not 1 <= port <= most:
        raise InvalidArgument(f"{device}: the controller's ports are 1 to {most}")


def _require_good_knobs(whole: Template) -> None:
    build = whole.value.get("b_info") or {}
    assert isinstance(build, Mapping)
    for field in ("max_memkb", "target_memkb", "video_memkb"):
        require_amount(f"`{field}`", build.get(field))
    there = 1 if whole.max_vcpus is None else whole.max_vcpus
    if not 0 < there <= MOST_VCPUS:
        raise InvalidArgument(f"{there} vcpus: it must be from 1 to {MOST_VCPUS}")
    online = whole.avail_vcpus
    if online is not None and (not online or not set(online) <= set(range(there))):
        numbers = ", ".join(map(str, online[:8])) or "none"
        raise InvalidArgument(f"vcpus {numbers} online: there are {there}, numbered from 0, and one must be online")
    require_good_scheduling(whole.sched_params or {})


def require_amount(what: str, kb: Json) -> None:
    """InvalidArgument unless it is None, or an amount of memory in KiB."""
    if kb is None or (isinstance(kb, int) and not isinstance(kb, bool) and 0 <= kb <= MOST_MEMORY_KB):
        return
    raise InvalidArgument(f"{what} is {ascii(kb)[:40]}, and must be a whole number of KiB, up to {MOST_MEMORY_KB}")


def require_good_scheduling(parameters: Mapping[str, Json]) -> None:
    """InvalidArgument unless each of the scheduler's parameters that is a number is in its range, or unset."""
    for name, value in parameters.items():
        least, most = _SCHEDULING.get(name, (_UNSET, _MOST_PARAMETER))
        if name in _SCHEDULING and (isinstance(value, bool) or not isinstance(value, int)):
            raise InvalidArgument(f"the scheduler's `{name}` is {ascii(value)[:40]}, and must be a whole number")
        if isinstance(value, int) and value != _UNSET and not least <= value <= most:
            raise InvalidArgument(f"the scheduler's `{name}` is {value}: it must be from {least} to {most}")


def scheduling(whole: Template) -> dict[str, int]:
    """The scheduler's parameters that the template sets."""
    given = (whole.sched_params or {}).items()
    return {k: v for k, v in given if isinstance(v, int) and not isinstance(v, bool) and v != _UNSET}
