"""A network interface as xl spells it [xl-network-configuration(5); parse_nic_config, libxlu_vif.c]."""

from __future__ import annotations

import re

from confsync.impl.command.xl_words import Parameters, c_number, without_defaults
from confsync.impl.errors import InvalidArgument
from confsync.impl.kinds import Json
from confsync.terminal.text import quoted

_MAC = re.compile(r"[0-9a-fA-F]{1,2}([:-])(?:[0-9a-fA-F]{1,2}\1){4}[0-9a-fA-F]{1,2}")
_RATE = re.compile(r"([0-9]{1,20})([KMG]?)([Bb])/s(?:@([0-9]{1,20})(ms|us|m|u|s)?)?")
_UNITS = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3}
_MICROSECONDS = {"u": 1, "us": 1, "m": 1000, "ms": 1000, "s": 1_000_000, None: 1_000_000}
_INTERVAL = 50_000
"""The interval, in microseconds, of a rate that gives none."""
_TEXTS = {
    "bridge": "bridge", "ip": "ip", "script": "script", "model": "model", "vlan": "vlan", "vifname": "ifname",
    "forwarddev": "coloft_forwarddev",
}  # fmt: skip
_SOCKETS = (
    "mirror", "compare_sec_in", "redirector0", "redirector1", "redirector2", "compare_pri_in", "compare_notify",
    "sec_redirector0", "sec_redirector1",
)  # fmt: skip
_REDIRECTORS = ("redirector0", "redirector1", "sec_redirector0", "sec_redirector1")
_COLO = (
    *(f"colo_sock_{socket}_{part}" for socket in _SOCKETS for part in ("id", "ip", "port")),
    *(f"colo_filter_{filter_}_{part}" for filter_ in _REDIRECTORS for part in ("queue", "indev", "outdev")),
    "colo_filter_mirror_queue", "colo_filter_mirror_outdev", "colo_filter_sec_rewriter0_queue",
    "colo_compare_pri_in", "colo_compare_sec_in", "colo_compare_out", "colo_compare_notify_dev",
    "colo_checkpoint_host", "colo_checkpoint_port",
)  # fmt: skip
"""Texts of COLO, which the template calls as xl does."""
FLAGS = ("trusted", "untrusted")


def nic(words: list[str]) -> dict[str, Json]:
    """The template's entry of an interface: `mac=...,bridge=...,script=...`, or nothing at all. InvalidArgument."""
    given = Parameters(words, FLAGS)
    if len(set(given.flags)) == len(FLAGS):
        raise InvalidArgument("it is trusted and untrusted")
    entry: dict[str, Json] = {"backend_domname": given.backend()}
    devid = given.decimal("devid")
    entry["mtu"] = given.decimal("mtu")
    entry |= {ours: given.text(theirs) for theirs, ours in _TEXTS.items()}
    mac, kind = given.text("mac"), given.text("type")
    entry["mac"] = None if mac is None else mac_address(mac)
    if kind not in (None, "vif", "ioemu"):
        raise InvalidArgument(f"{quoted(str(kind))} is no type: it is vif or ioemu")
    entry["nictype"] = {None: None, "ioemu": "vif_ioemu", "vif": "vif"}[kind]
    rate = given.text("rate")
    entry |= _rate(rate) if rate is not None else {}
    entry["gatewaydev"] = _gateway(given)
    entry |= {name: given.text(name) for name in _COLO}
    entry["trusted"] = {"trusted": "True", "untrusted": "False"}[given.flags[0]] if given.flags else None
    given.finish()
    return {**without_defaults(entry), **({} if devid is None else {"devid": devid})}


def mac_address(text: str) -> str:
    """A MAC address as libxl writes it: six bytes in lower case. InvalidArgument."""
    if not _MAC.fullmatch(text):
        raise InvalidArgument(f"{quoted(text)} is no MAC address: it is such as 00:16:3e:01:02:03")
    return ":".join(f"{int(byte, 16):02x}" for byte in re.split("[:-]", text))


def _gateway(given: Parameters) -> str | None:
    """`gatewaydev`, or by its old name `netdev`."""
    new, old = given.text("gatewaydev"), given.text("netdev")
    if new is not None and old is not None:
        raise InvalidArgument("'gatewaydev' is given twice: netdev is its old name")
    return old if new is None else new


def _rate(text: str) -> dict[str, Json]:
    """What a rate allows in each interval [xlu_vif_parse_rate]: its numbers are C's, K is 1000, and b is a bit."""
    found = _RATE.fullmatch(text)
    if not found:
        raise InvalidArgument(f"{quoted(text)} is no rate: it is such as 10Mb/s or 250KB/s@20ms")
    amount, unit, byte, every, scale = found.groups()
    interval = c_number("the interval of the rate", every, least=1) * _MICROSECONDS[scale] if every else _INTERVAL
    bytes_per_second = c_number("the rate", amount, least=1) * _UNITS[unit] // (1 if byte == "B" else 8)
    if interval >= 2**32 or bytes_per_second > (2**64 - 1) // interval:
        raise InvalidArgument(f"{quoted(text)}: the rate or its interval is too large")
    return {"rate_bytes_per_interval": bytes_per_second * interval // 1_000_000, "rate_interval_usecs": interval}
