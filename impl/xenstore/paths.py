"""Paths of nodes."""

from __future__ import annotations

import re

from confsync.impl.errors import InvalidRequest

ROOT = "/"
_NAMES = re.compile(r"/|(?:/[A-Za-z0-9_@-]+)+")
_OF_A_DOMAIN = re.compile(r"/local/domain/(?:-[0-9]{1,4}|[0-9]{1,5})/")


def sendable(text: str) -> str:
    """The text, if it can be a string in a message at all. InvalidRequest."""
    if not text.isascii() or "\0" in text:
        raise InvalidRequest(f"{text[:80]!r} is no path of a node")
    return text


def home(domid: int) -> str:
    """Where a domain's relative paths begin."""
    return f"/local/domain/{domid}"


def canonical(path: str, domid: int) -> str:
    """The absolute path that a domain means; special names such as `@releaseDomain` are left alone."""
    return path if path.startswith(("/", "@")) else f"{home(domid)}/{path}"


def checked(path: str, longest: int) -> str:
    """The path, if it is one. InvalidRequest [is_valid_nodename in xenstored_core.c]."""
    if _NAMES.fullmatch(path):
        if len(path) <= longest:
            return path
        within = _OF_A_DOMAIN.match(path)
        if within and len(path) - within.end() <= longest:
            return path
    shown = path if len(path) < 80 else f"{path[:80]}..."
    raise InvalidRequest(f"{shown!r} is no path of a node, or too long")


def parent(path: str) -> str:
    """The path above; the root's is the root."""
    return path[: path.rindex("/")] or ROOT


def name(path: str) -> str:
    """The last name in the path, which is not the root."""
    return path[path.rindex("/") + 1 :]


def child(path: str, leaf: str) -> str:
    """The path of a node's child."""
    return f"/{leaf}" if path == ROOT else f"{path}/{leaf}"


def is_below(path: str, above: str) -> bool:
    """True if `path` is `above`, or below it."""
    return above in (ROOT, path) or path.startswith(f"{above}/")
