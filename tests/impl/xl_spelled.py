"""A template's entry, written as the words that xl would read it from: one canonical spelling for each entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from confsync.impl.kinds import DISK, NIC, P9, PCI, USBCTRL, USBDEV, VDISPL, VKB, VSND, VTPM, Entry, Json, Kind

_DISK_TEXTS = {
    "backend_domname": "backend", "vdev": "vdev", "backend": "backendtype", "script": "script",
    "specification": "specification", "colo_host": "colo-host", "colo_export": "colo-export",
    "active_disk": "active-disk", "hidden_disk": "hidden-disk", "colo_port": "colo-port",
}  # fmt: skip
_DISK_FLAGS = {
    ("discard_enable", "True"): "discard", ("discard_enable", "False"): "no-discard", ("colo_enable", "True"): "colo",
    ("colo_enable", "False"): "no-colo", ("trusted", "True"): "trusted", ("trusted", "False"): "untrusted",
    ("direct_io_safe", True): "direct-io-safe", ("is_cdrom", 1): "cdrom", ("grant_usage", "True"): "grant_usage=1",
    ("grant_usage", "False"): "grant_usage=0",
}  # fmt: skip


def spelled(kind: Kind, entry: Entry) -> list[str]:
    """The words."""
    return _SPELL[kind.name](entry)


def _disk(entry: Entry) -> list[str]:
    words = [f"{key}={entry[field]}" for field, key in _DISK_TEXTS.items() if field in entry]
    words += [word for (field, value), word in _DISK_FLAGS.items() if entry.get(field) == value]
    if entry["format"] != "empty":
        words.append(f"format={entry['format']}")
    words.append(f"access={'w' if entry.get('readwrite') else 'r'}")
    return [*words, f"target={entry['pdev_path']},"] if entry["pdev_path"] else words


def _nic(entry: Entry) -> list[str]:
    names = {"backend_domname": "backend", "ifname": "vifname", "nictype": "type", "coloft_forwarddev": "forwarddev"}
    left = dict(entry)
    words = [{"True": "trusted", "False": "untrusted"}[str(left.pop("trusted"))]] if "trusted" in entry else []
    if "rate_interval_usecs" in left:
        words.append(
            _rate(cast("int", left.pop("rate_bytes_per_interval", 0)), cast("int", left.pop("rate_interval_usecs")))
        )
    if left.get("nictype") == "vif_ioemu":
        left["nictype"] = "ioemu"
    return [*words, *(f"{names.get(field, field)}={value}" for field, value in left.items())]


def _rate(allowed: int, interval: int) -> str:
    """A rate that allows so many bytes in so many microseconds."""
    for unit, scale in (("", 1), ("K", 1000), ("M", 1000**2), ("G", 1000**3)):
        for byte, bits in (("B", 1), ("b", 8)):
            amount = max(1, -(-allowed * 1_000_000 * bits // (interval * scale)))
            if amount < 2**32 and amount * scale // bits * interval // 1_000_000 == allowed:
                return f"rate={amount}{unit}{byte}/s@{interval}us"
    raise AssertionError(f"no rate allows {allowed} bytes in {interval} us")


def _named(**names: str) -> Callable[[Entry], list[str]]:
    """A speller of fields that are called as the parameters are, but for these and for - and _."""

    def spell(entry: Entry) -> list[str]:
        return [f"{names.get(field, field.replace('_', '-'))}={_plain(value)}" for field, value in entry.items()]

    return spell


def _plain(value: Json) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def _usbdev(entry: Entry) -> list[str]:
    host = cast("Mapping[str, Json]", entry["type.hostdev"])
    return [f"controller={entry['ctrl']}", f"port={entry['port']}", *(f"{key}={value}" for key, value in host.items())]


def _pci(entry: Entry) -> list[str]:
    segment, bus, dev, func, slot = (cast("int", entry.get(n, 0)) for n in ("domain", "bus", "dev", "func", "vdevfn"))
    rest = [f"{key}={_plain(value)}" for key, value in entry.items() if key in ("permissive", "seize", "msitranslate",
            "power_mgmt", "rdm_policy")]  # fmt: skip
    return [f"{segment:04x}:{bus:02x}:{dev:02x}.{func}{f'@{slot >> 3:x}' if slot else ''}", *rest]


def _vdispl(entry: Entry) -> list[str]:
    connectors = cast("list[Mapping[str, Json]]", entry["connectors"])
    sizes = ";".join(f"{c['unique_id']}:{c.get('width', 0)}x{c.get('height', 0)}" for c in connectors)
    return [
        f"connectors={sizes}",
        *_named(backend_domname="backend")({k: v for k, v in entry.items() if k != "connectors"}),
    ]


def _vsnd(entry: Entry) -> list[str]:
    items = [_item("card", entry)]
    for pcm in cast("list[Entry]", entry.get("pcms", [])):
        items.append(_item("pcm", pcm))
        items += [_item("stream", stream) for stream in cast("list[Entry]", pcm.get("streams", []))]
    return items


def _item(head: str, entry: Entry) -> str:
    fields = {k: v for k, v in entry.items() if isinstance(v, str)} | cast("dict[str, Json]", entry["params"])
    lists = {k: ";".join(map(str, v)) if isinstance(v, list) else v for k, v in fields.items()}
    return ",".join([head, *_named(backend_domname="backend")(lists)])


_SPELL: Mapping[str, Callable[[Entry], list[str]]] = {
    DISK.name: _disk,
    NIC.name: _nic,
    VTPM.name: _named(backend_domname="backend"),
    USBCTRL.name: _named(),
    USBDEV.name: _usbdev,
    PCI.name: _pci,
    P9.name: _named(backend_domname="backend", security_model="security_model"),
    VDISPL.name: _vdispl,
    VSND.name: _vsnd,
    VKB.name: _named(backend_domname="backend"),
}
