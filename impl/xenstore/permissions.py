"""Who may do what with a node."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from confsync.impl.errors import InvalidRequest
from confsync.impl.ports import Access, Permission

READ, WRITE, OWNER = 1, 2, 4
EVERYTHING = READ | WRITE | OWNER
_RIGHTS: dict[str, int] = {"n": 0, "r": READ, "w": WRITE, "b": READ | WRITE}
_ACCESS: dict[str, Access] = {"n": "n", "r": "r", "w": "w", "b": "b"}
_WORD = re.compile(r"([nrwb])([0-9]{1,10})")
_DOMID_MAX = 2**16 - 1
"""The largest domid_t [xen/include/public/xen.h]: permissions may name a number that no guest has."""
NOBODY_ELSE = (Permission(0, "n"),)
"""The root's permissions, and of the special watches: domain 0 alone."""


def is_privileged(domid: int) -> bool:
    """True for the domain that may do everything."""
    return domid == 0


def rights(domid: int, permissions: Sequence[Permission]) -> int:
    """What the domain may do, as bits [perm_for_conn]."""
    if is_privileged(domid) or permissions[0].domid == domid:
        return EVERYTHING
    for entry in permissions[1:]:
        if entry.domid == domid:
            return _RIGHTS[entry.access]
    return _RIGHTS[permissions[0].access]


def checked(permissions: Iterable[Permission]) -> tuple[Permission, ...]:
    """The permissions, if they are some. InvalidRequest."""
    found = tuple(permissions)
    if not found:
        raise InvalidRequest("no permissions are given, and the first says who owns the node")
    for entry in found:
        if entry.access not in _RIGHTS or not 0 <= entry.domid <= _DOMID_MAX:
            raise InvalidRequest(f"{str(entry)!r} is no permission: n, r, w or b, and a domain's number")
    return found


def to_bytes(permissions: Iterable[Permission]) -> bytes:
    """As they stand in a message: strings, each with a NUL after it."""
    return b"".join(f"{entry}\0".encode() for entry in permissions)


def from_words(words: Iterable[str]) -> tuple[Permission, ...]:
    """Read what `str` makes of permissions, such as `r3`. InvalidRequest."""
    found = []
    for word in words:
        match = _WORD.fullmatch(word)
        if not match:
            raise InvalidRequest(f"{word!r} is no permission")
        found.append(Permission(int(match[2]), _ACCESS[match[1]]))
    return checked(found)
