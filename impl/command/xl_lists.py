"""Devices of a configuration file that have no kind here: framebuffers, channels, device-tree nodes, PV calls, virtio.

Their entries are kept in the template as xl writes them; nothing is written to xenstore for them, and they cannot be
attached or detached [xl.cfg(5); parse_config_data].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from confsync.impl.command.xl_display import vfb
from confsync.impl.command.xl_words import Parameters, without_defaults, words
from confsync.impl.errors import InvalidArgument
from confsync.impl.kinds import Json
from confsync.terminal.text import quoted


def channel(text: str) -> dict[str, Json]:
    """A channel: `connection=socket,path=/run/c,name=c`. InvalidArgument."""
    given = Parameters(words(text), trim=True)
    entry = without_defaults({"backend_domname": given.backend(), "name": given.text("name")})
    connection, path = given.needed("connection", "it is pty or socket"), given.text("path")
    given.finish()
    if connection == "socket" and path:
        return {**entry, "connection.socket": {"path": path}}
    if connection == "pty" and path is None:
        return {**entry, "connection.pty": {}}
    if connection in ("pty", "socket"):
        raise InvalidArgument("connection=socket needs a path, and connection=pty has none")
    raise InvalidArgument(f"{quoted(connection)} is no connection: it is pty or socket")


def pvcalls(text: str) -> dict[str, Json]:
    """A frontend of PV calls: `backend=dd`. InvalidArgument."""
    given = Parameters(words(text))
    backend = given.backend()
    given.finish()
    return without_defaults({"backend_domname": backend})


def virtio(text: str) -> dict[str, Json]:
    """A virtio device: `backend=dd,type=virtio,device22,transport=mmio,grant_usage=1`. A type that begins with virtio
    holds one comma [parse_virtio_list]. InvalidArgument."""
    parts = words(text)
    for at, word in enumerate(parts[:-1]):
        if word.startswith("type=virtio"):
            parts[at : at + 2] = [f"{word},{parts[at + 1]}"]
            break
    given = Parameters(parts)
    granted = given.boolean("grant_usage")
    entry: dict[str, Json] = {"backend_domname": given.backend(), "type": given.text("type")}
    entry["transport"] = given.choice("transport", ("mmio",))
    entry["grant_usage"] = None if granted is None else str(granted)
    given.finish()
    return without_defaults(entry)


def device_node(text: str) -> dict[str, Json]:
    """A node of the host's device tree, by its path. InvalidArgument."""
    if not text.startswith("/"):
        raise InvalidArgument("it is no path: it is such as /soc/serial@1000")
    return {"path": text}


def framebuffer(text: str) -> dict[str, Json]:
    """A framebuffer: `vnc=1,vnclisten=0.0.0.0`. InvalidArgument."""
    return vfb(words(text))


LISTS: Mapping[str, tuple[str, Callable[[str], dict[str, Json]], bool]] = {
    "vfb": ("vfbs", framebuffer, True),
    "channel": ("channels", channel, True),
    "pvcalls": ("pvcallsifs", pvcalls, True),
    "virtio": ("virtios", virtio, True),
    "dtdev": ("dtdevs", device_node, False),
}
"""A key: the template's list of such devices, the reader of one, and whether xl numbers them from 0."""
