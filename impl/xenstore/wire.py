"""Messages as they go over the wire [xen/include/public/io/xs_wire.h, docs/misc/xenstore.txt]."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from confsync.impl import errors
from confsync.impl.xenstore import paths
from confsync.impl.xenstore.limits import PAYLOAD_MAX
from confsync.impl.xenstore.requests import check_payload

HEADER = struct.Struct("=4I")
"""Type, number of the request, number of the transaction, bytes that follow."""
LISTING_MAX = 2**20
"""Bytes of a directory that are taken in one message: oxenstored 4.17 knows no parts, and sends all of it."""


class Type(IntEnum):
    """What a message is [enum xsd_sockmsg_type]."""

    DIRECTORY = 1
    READ = 2
    GET_PERMS = 3
    WATCH = 4
    UNWATCH = 5
    TRANSACTION_START = 6
    TRANSACTION_END = 7
    INTRODUCE = 8
    RELEASE = 9
    WRITE = 11
    MKDIR = 12
    RM = 13
    SET_PERMS = 14
    WATCH_EVENT = 15
    ERROR = 16
    DIRECTORY_PART = 22


@dataclass(frozen=True, slots=True)
class Head:
    """A message's header."""

    type: int
    request: int
    transaction: int
    length: int


class Malformed(Exception):
    """What came is no message of xenstored's."""


_ERRORS: dict[str, type[errors.XenstoreError]] = {
    error.name: error
    for error in (
        errors.NoEntry,
        errors.Again,
        errors.Forbidden,
        errors.NotOwner,
        errors.NodeExists,
        errors.InvalidRequest,
        errors.QuotaExceeded,
        errors.QuotaReached,
        errors.TooBig,
        errors.OutOfMemory,
        errors.NotSupported,
        errors.Busy,
        errors.ReadOnly,
        errors.XenstoreError,
    )
}


def encode(type_: Type, request: int, transaction: int, body: bytes, what: str) -> bytes:
    """A message. TooBig if it is longer than xenstored bears; `what` says in words what is asked."""
    check_payload(what, len(body))
    return HEADER.pack(type_, request, transaction, len(body)) + body


def decode_head(raw: bytes) -> Head:
    """Read a header. Malformed if it announces more than a message may hold."""
    head = Head(*HEADER.unpack(raw))
    most = LISTING_MAX if head.type == Type.DIRECTORY else PAYLOAD_MAX
    if head.length > most:
        raise Malformed(f"a message of {head.length} bytes is announced, and {most} is the most")
    return head


def string(text: str) -> bytes:
    """A string within a message. InvalidRequest if it can't be one."""
    return paths.sendable(text).encode() + b"\0"


def strings(body: bytes) -> list[str]:
    """The strings that a message consists of. Malformed."""
    if not body:
        return []
    if not body.endswith(b"\0") or not body.isascii():
        raise Malformed(f"{body[-40:]!r} ends no string, or is none")
    return body[:-1].decode().split("\0")


def one_string(body: bytes) -> str:
    """The only string in the message. Malformed."""
    found = strings(body)
    if len(found) != 1:
        raise Malformed(f"{len(found)} strings where one is due")
    return found[0]


def is_last_part(part: bytes) -> bool:
    """True if a part of a directory is the last: an empty name follows. Malformed."""
    if not part.endswith(b"\0"):
        raise Malformed("a part of a directory that ends within a name, or is empty")
    return part == b"\0" or part.endswith(b"\0\0")


def error(body: bytes, what: str) -> errors.XenstoreError:
    """The error that the message is. Malformed."""
    name = one_string(body)
    known = _ERRORS.get(name)
    return known(what) if known else errors.XenstoreError(f"{what}: it answers {name!r}")
