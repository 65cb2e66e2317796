"""A disk's name in the guest, and its number [`libxl__device_disk_dev_number`, docs/man/xen-vbd-interface.7.pandoc]."""

from __future__ import annotations

import re

from confsync.impl.errors import InvalidArgument

_XVD, _IDE, _SCSI = 202, (3, 22, 33, 34), (8, 65, 66, 67, 68, 69, 70, 71)
_EXTENDED = 1 << 28
_MOST_DISK, _MOST_PARTITION = (1 << 20) - 1, 255
_NAME = re.compile(r"(xvd|hd|sd)([a-z]{1,5})([1-9][0-9]{0,2})?")
_D_P = re.compile(r"d(0|[1-9][0-9]{0,6})p(0|[1-9][0-9]{0,2})")

_PLAIN = re.compile(r"[1-9][0-9]{0,8}|0[xX][0-9a-fA-F]{1,8}")


def device_number(vdev: str) -> int:
    """The number of a disk such as xvda, hdc, sdb2, d0p0, 51712 or 0xca00. InvalidArgument if no disk has the name or
    the number."""
    if _PLAIN.fullmatch(vdev):
        virtual_name(plain := int(vdev, 0))
        return plain
    if found := _D_P.fullmatch(vdev):
        disk, partition = int(found[1]), int(found[2])
        family = "xvd"
    elif found := _NAME.fullmatch(vdev):
        family, letters, digits = found.groups()
        disk, partition = _from_letters(letters), int(digits or 0)
    else:
        raise InvalidArgument(f"{vdev!r} is no disk's name: it must be such as xvda, hdc, sdb2 or d0p0")
    number = _number(family, disk, partition)
    if number is None:
        raise InvalidArgument(f"{vdev!r}: there is no such disk or partition")
    return number


def _number(family: str, disk: int, partition: int) -> int | None:
    if disk > _MOST_DISK or partition > _MOST_PARTITION:
        return None
    if family == "xvd":
        return (
            _XVD << 8 | disk << 4 | partition if disk <= 15 and partition <= 15 else _EXTENDED | disk << 8 | partition
        )
    if family == "hd":
        return _IDE[0] << 8 | disk << 6 | partition if disk <= 1 and partition <= 63 else (
            _IDE[1] << 8 | (disk - 2) << 6 | partition if disk <= 3 and partition <= 63 else None
        )  # fmt: skip
    return _SCSI[0] << 8 | disk << 4 | partition if disk <= 15 and partition <= 15 else None


def virtual_name(number: int) -> str:
    """The name of the disk with this number. InvalidArgument if no disk has it, or another number is its own."""
    name = _any_name(number) if number > 0 else None
    if name is None or device_number(name) != number:
        raise InvalidArgument(f"{number} is no disk's number: one is such as 51712, which is xvda's")
    return name


def _any_name(number: int) -> str | None:
    major, minor = number >> 8, number & 255
    if number & _EXTENDED and number >> 8 & ~(_EXTENDED >> 8) <= _MOST_DISK:
        return _name("xvd", number >> 8 & _MOST_DISK, number & 255)
    if major == _XVD:
        return _name("xvd", minor >> 4, minor & 15)
    if major in _IDE[:2]:
        return _name("hd", (minor >> 6) + 2 * _IDE.index(major), minor & 63)
    if major == _SCSI[0]:
        return _name("sd", minor >> 4, minor & 15)
    return None


def _name(family: str, disk: int, partition: int) -> str:
    return f"{family}{_to_letters(disk)}{partition or ''}"


def _from_letters(letters: str) -> int:
    found = 0
    for letter in letters:
        found = found * 26 + ord(letter) - ord("a") + 1
    return found - 1


def _to_letters(disk: int) -> str:
    found, disk = "", disk + 1
    while disk:
        disk, letter = divmod(disk - 1, 26)
        found = chr(ord("a") + letter) + found
    return found
