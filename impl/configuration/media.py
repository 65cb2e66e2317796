"""What xenstore's `params` of a disk says: the path of the medium, or that a drive is empty."""

from __future__ import annotations

EMPTY_MARKS = ("/run/xen/empty-cdrom", "/var/run/xen/empty-cdrom")
"""What libxl 4.19 and later puts into an empty drive that has a real block device for a backend."""
NO_PATH = "(null)"
"""What some versions of libxl wrote for the path of an empty drive [libxl, bc6a499ebc]."""


def path_of(params: str | None) -> str:
    """The path that `params` names, after the first colon if there is one, as libxl reads it
    [libxl__disk_from_xenstore]; "" if there is none."""
    given = params or ""
    return given.partition(":")[2] if ":" in given else given


def says_empty(params: str | None) -> bool:
    """True if `params` says that a drive holds no medium. libxl's own `retrieve` only knows the first case, a path of
    no characters [libxl_device_disk_merge]."""
    path = path_of(params)
    return not path or path == NO_PATH or path.startswith(EMPTY_MARKS)
