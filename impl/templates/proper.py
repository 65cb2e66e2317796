"""What a file of the store must be, and what to say if it is not or if the system refuses a call."""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path

from confsync.impl.errors import InvalidArgument, StoreError
from confsync.impl.kinds import MOST_DOMID
from confsync.impl.ports import Domain

_WAYS_OUT = {
    errno.ENOSPC: "free some space and run the operation again",
    errno.EDQUOT: "free some space, or have the quota raised, and run the operation again",
    errno.EMFILE: "raise the limit of open files (ulimit -n) and run the operation again",
    errno.ENFILE: "raise the system's limit of open files (fs.file-max) and run the operation again",
    errno.ENOLCK: "the file system gives no locks: have the folder on a local one",
    errno.EACCES: "run as the folder's owner",
    errno.EPERM: "run as the folder's owner",
    errno.EROFS: "mount the file system writable",
    errno.EIO: "look into the kernel's log, and check the disk",
    errno.ELOOP: "it is a symbolic link: find out who made it, and remove it",
    errno.EISDIR: "it is a folder: find out who made it, and remove it",
    errno.ENXIO: "it is no regular file: find out who made it, and remove it",
    errno.ENOENT: "make the folder, or name the one where the templates are",
    errno.ENOTDIR: "name the folder where the templates are",
}
_KINDS = [
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
]
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def check_domain(domain: Domain) -> None:
    """Refuse a domain of which no file name can be made. InvalidArgument."""
    if isinstance(domain.domid, bool) or not 0 <= domain.domid <= MOST_DOMID:
        raise InvalidArgument(f"{domain.domid!r} is no domain's number: it must be from 0 to {MOST_DOMID}")
    if not _UUID.fullmatch(domain.uuid):
        raise InvalidArgument(
            f"{domain.uuid!r} is no uuid: it must be like 6f2b1d9e-3c4a-4b5d-8e7f-0123456789ab, in lower case"
        )


def in_words(action: str, error: OSError) -> str:
    """What was refused, why, and the way out."""
    way_out = _WAYS_OUT.get(error.errno or 0)
    return f"cannot {action} it: {error.strerror or error}" + (f"; {way_out}" if way_out else "")


def failed(path: Path, action: str, error: OSError) -> StoreError:
    """The error for a call that the system refused."""
    return StoreError(path, in_words(action, error))


def check_file(path: Path, status: os.stat_result) -> None:
    """Refuse what is no regular file of this user's alone. StoreError.

    A file that is open may have lost its last name since; one with two names has one that the store did not give it.
    """
    if not stat.S_ISREG(status.st_mode):
        kind = next((words for test, words in _KINDS if test(status.st_mode)), "a device")
        raise StoreError(path, f"it is {kind}, not a regular file; find out who made it, and remove it")
    _check_owner(path, status)
    if status.st_nlink > 1:
        raise StoreError(
            path, f"it has {status.st_nlink} names (hard links); find out who made them, and keep this one"
        )


def check_folder(path: Path, status: os.stat_result) -> None:
    """Refuse a folder into which others can write. StoreError."""
    if not stat.S_ISDIR(status.st_mode):
        raise StoreError(path, "it is no folder; name the folder where the templates are")
    _check_owner(path, status)


def _check_owner(path: Path, status: os.stat_result) -> None:
    if status.st_uid != os.geteuid():
        raise StoreError(
            path,
            f"it belongs to user {status.st_uid}, not to {os.geteuid()}; run as its owner, or chown it if it is yours",
        )
    if status.st_mode & _OTHERS_WRITE:
        raise StoreError(path, f"others may write to it (mode {stat.S_IMODE(status.st_mode):04o}); chmod go-w it")
