"""A disk as xl spells it [xl-disk-configuration(5); libxlu_disk_l.l, libxlu_disk.c].

xl scans a spelling with rules, of which the one with the longest match counts, and the first of two that are as long.
The rules here are in the same order, so that a text is a prefix, a parameter, a position or an error as it is to xl.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from confsync.impl.command.xl_words import choice, decimal, without_defaults
from confsync.impl.errors import InvalidArgument
from confsync.impl.kinds import Json
from confsync.impl.vdev import device_number
from confsync.terminal.text import quoted

_NAMES: Mapping[str, tuple[str, Sequence[str]]] = {
    "format": ("format", ("raw", "qcow", "qcow2", "vhd", "qed", "empty")),
    "devtype": ("type of disk", ("disk", "cdrom")),
    "backendtype": ("backendtype", ("phy", "tap", "qdisk", "standalone")),
    "specification": ("specification", ("xen", "virtio")),
    "grant_usage": ("grant_usage", ("0", "1")),
}
"""Parameters whose values are names: what a value is called, and which there are. xl reads them in lower case only."""
_ACCESS = {"r": "r", "ro": "r", "w": "w", "rw": "w", "": "w"}
_TEXTS = {
    "backend": "backend_domname", "vdev": "vdev", "script": "script", "colo-host": "colo_host",
    "colo-export": "colo_export", "active-disk": "active_disk", "hidden-disk": "hidden_disk",
}  # fmt: skip
"""Parameters that are texts, and the template's names of them."""
_OTHERS = ("format", "devtype", "access", "backendtype", "specification", "colo-port", "grant_usage")
_FLAGS: Mapping[str, tuple[str, str]] = {
    "cdrom": ("devtype", "cdrom"),
    "direct-io-safe": ("direct-io-safe", "1"),
    "discard": ("discard", "True"),
    "no-discard": ("discard", "False"),
    "colo": ("colo", "True"),
    "no-colo": ("colo", "False"),
    "trusted": ("trusted", "True"),
    "untrusted": ("trusted", "False"),
}
"""Words that stand alone: what each sets."""
_PARAMETERS = (*_TEXTS, *_OTHERS, "target")
_IGNORED_PREFIXES = ("tapdisk", "tap2", "tap", "aio", "ioemu", "file", "phy")
_SCRIPT_PREFIXES = ("iscsi", "nbd", "enbd", "drbd")
_RULES = {
    "blank": re.compile(r"(?P<head>[ \t\n]+)(?:[^ \t\n].*)?"),
    "parameter": re.compile(rf"(?P<head>(?P<key>{'|'.join((*_TEXTS, *_OTHERS))})=(?P<value>[^,]*),?)"),
    "flag": re.compile(rf"(?P<head>(?P<key>{'|'.join(sorted(_FLAGS, key=len, reverse=True))}),?)"),
    "target": re.compile(r"(?P<head>target=(?P<value>.*))"),
    "unknown": re.compile(r"(?P<head>(?P<key>[a-z][-_a-z0-9]*)=)[^,]*"),
    "prefix": re.compile(
        rf"(?P<head>(?P<key>raw|qcow2?|vhd|{'|'.join((*_SCRIPT_PREFIXES, *_IGNORED_PREFIXES))}):).*"
    ),
    "unknown prefix": re.compile(r"(?P<head>(?P<key>[a-z][a-z0-9]*):)(?:[^a-z0-9].*)?"),
    "position": re.compile(r"(?P<head>(?P<value>[^=,]+),?|,)"),
}  # fmt: skip
"""The scanner's rules in their order. A rule takes `head`; the rest of its match only counts for its length."""


def disk(specs: Sequence[str]) -> dict[str, Json]:
    """The template's entry of a disk that is spelled in these words, each scanned by itself: `target=` takes all of its
    word [xlu_disk_parse]. InvalidArgument."""
    scanner = _Scanner()
    for number, spec in enumerate(specs, start=1):
        scanner.scan(spec, f"word {number}, " if len(specs) > 1 else "")
    return _entry(scanner.given)


class _Scanner:
    """What the words of a spelling have set so far."""

    def __init__(self) -> None:
        self.given: dict[str, str] = {}
        self._prefixed = False
        self._access_by_position = False

    def scan(self, spec: str, where: str) -> None:
        at = 0
        while at < len(spec):
            rule, found = _longest(spec, at)
            if found is None:
                raise InvalidArgument(f"{where}character {at + 1}: {quoted(spec[at:])} is no parameter")
            try:
                self._take(rule, found.groupdict(""))
            except InvalidArgument as e:
                raise InvalidArgument(f"{where}character {at + 1}: {e}") from None
            at = found.end("head")

    def _take(self, rule: str, part: Mapping[str, str]) -> None:
        key, value = part.get("key", ""), part.get("value", "")
        if rule == "parameter":
            self._set(key, _value(key, value))
        elif rule == "flag":
            self._set(*_FLAGS[key])
        elif rule == "target":
            self._set("target", value.removesuffix(","))
        elif rule == "unknown":
            raise InvalidArgument(
                f"there is no parameter {quoted(key)} here: there are {', '.join(_PARAMETERS)}, {', '.join(_FLAGS)}"
            )
        elif rule == "prefix":
            self._prefix(key)
        elif rule == "unknown prefix":
            raise InvalidArgument(f"{quoted(key + ':')} is no prefix that xl knows: write format=, script= and target=")
        elif rule == "position":
            self._position(value)

    def _set(self, key: str, value: str) -> None:
        """xl takes the last of two accesses, types or flags that contradict each other; here they are refused."""
        before = self.given.get(key, "")
        if before and (key in _TEXTS or key == "target" or before != value):
            raise InvalidArgument(f"{key!r} is given twice: it is {quoted(before)} already")
        self.given[key] = value

    def _prefix(self, key: str) -> None:
        self._prefixed = True
        if key in _SCRIPT_PREFIXES:
            self._set("script", f"block-{key}")
        elif key not in _IGNORED_PREFIXES:
            self._set("format", key)

    def _position(self, value: str) -> None:
        if "target" not in self.given:
            self._set("target", value)
        elif not self._prefixed and "format" not in self.given:
            if self.given["target"] or not self._vdev_and_type(value):
                self._set("format", _value("format", value))
            else:
                self._set("format", "empty")
        elif "vdev" not in self.given:
            if not self._vdev_and_type(value):
                self._set("vdev", value)
        elif not self._access_by_position:
            self._access_by_position = True
            self._set("access", _value("access", value))
        else:
            raise InvalidArgument(f"{quoted(value)} is one parameter too many")

    def _vdev_and_type(self, value: str) -> bool:
        """Take a `vdev:type`; False if it is none."""
        vdev, colon, devtype = value.rpartition(":")
        if colon:
            self._set("vdev", vdev)
            self._set("devtype", _value("devtype", devtype))
        return bool(colon)


def _longest(spec: str, at: int) -> tuple[str, re.Match[str] | None]:
    best, found = "", None
    for rule, pattern in _RULES.items():
        match = pattern.match(spec, at)
        if match and (found is None or match.end() > found.end()):
            best, found = rule, match
    return best, found


def _value(key: str, value: str) -> str:
    """The value in its one spelling. InvalidArgument says which values there are."""
    if key == "access":
        if value not in _ACCESS:
            raise InvalidArgument(f"{quoted(value)} is no access: it is r, ro, w or rw")
        return _ACCESS[value]
    if key == "colo-port":
        return str(decimal(key, value, 65535, 1))
    if key in _NAMES:
        what, known = _NAMES[key]
        found = choice(what, "raw" if key == "format" and not value else value, known, any_case=False)
        return {"0": "False", "1": "True"}.get(found, found)
    return value


def _entry(given: Mapping[str, str]) -> dict[str, Json]:
    vdev, target = given.get("vdev", ""), given.get("target", "")
    form, cdrom = given.get("format", "raw"), given.get("devtype") == "cdrom"
    if not vdev:
        raise InvalidArgument("it has no vdev: say which disk it is in the guest, such as vdev=xvdb")
    device_number(vdev)  # refuses what is no disk's name
    if not cdrom and (not target or form == "empty"):
        raise InvalidArgument("it has no target: say what the guest is to see, such as target=/dev/vg/data")
    if target and form == "empty":
        raise InvalidArgument(f"the drive is empty by its format, and yet has the target {quoted(target)}")
    if given.get("backend") == "":
        raise InvalidArgument("backend is empty, and must be a domain's name or number")
    entry: dict[str, Json] = {
        "backend_domname": given.get("backend"),
        "pdev_path": target,
        "vdev": vdev,
        "backend": given.get("backendtype"),
        "format": form if target else "empty",
        "script": given.get("script"),
        "removable": int(cdrom),
        "readwrite": int(not cdrom and given.get("access", "w") == "w"),
        "is_cdrom": int(cdrom),
        "direct_io_safe": "direct-io-safe" in given,
        "discard_enable": given.get("discard"),
        "specification": given.get("specification"),
        "colo_enable": given.get("colo"),
        "colo_port": int(given.get("colo-port", "0")),
        "trusted": given.get("trusted"),
        "grant_usage": given.get("grant_usage"),
    }
    colo = {
        field: given.get(key) for key, field in _TEXTS.items() if field not in ("backend_domname", "vdev", "script")
    }
    return without_defaults({**entry, **colo})
