"""What an SQLite file holds at one instant, read without a change to the file or its folder.

SQLite itself cannot do that: to read a database that has a write-ahead log, it makes or changes the `-shm` file beside
it, and so needs a folder that can be written to. Here the database and its log are read as bytes, and the log's
committed pages are put in their places.

The process must not have the file open otherwise: POSIX ends all its locks on a file when it closes one descriptor.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

from confsync.impl.errors import Busy, DamagedStore, StoreError
from confsync.impl.holders import held_by
from confsync.impl.xenstore.wal import HEADER_BYTES, read_log

MOST_BYTES = 1 << 30
"""A file that is larger is not read into memory."""
_MAGIC = b"SQLite format 3\0"
_SHARED_FIRST, _SHARED_SIZE = 0x40000002, 510
"""The bytes whose lock keeps others from ending the log [sqlite3, os.h]."""
_PAUSE = 0.01
_LOOKS = 5
"""How often a log is read before it is called damaged."""
Pause = Callable[[float], None]


class NotMade(DamagedStore):
    """The database is empty, or was not finished: the process that made it was killed."""


class LogDamaged(DamagedStore):
    """The write-ahead log has lost changes that were committed."""


def log_of(path: Path) -> Path:
    """The database's write-ahead log."""
    return path.with_name(f"{path.name}-wal")


def read_snapshot(path: Path, busy: float, pause: Pause = time.sleep) -> bytes:
    """The database, with all that is committed, as a file without a log. StoreError; NotMade; Busy.

    `busy`: seconds to wait for a process that has the file for itself."""
    waited, looks = 0.0, 0
    while True:
        try:
            found = _try(path)
        except LogDamaged:  # or written to while it was read
            looks += 1
            if looks == _LOOKS:
                raise
        else:
            if found is not None:
                return found
        if waited >= busy:
            raise Busy(f"{path}: {held_by(path)} for {busy:g} s")
        pause(_PAUSE)
        waited += _PAUSE


def require_own(path: Path, status: os.stat_result) -> None:
    """StoreError unless it is a regular file of this user's alone."""
    if stat.S_ISLNK(status.st_mode):
        raise StoreError(path, "it is a symbolic link: find out who made it, and remove it")
    if not stat.S_ISREG(status.st_mode):
        raise StoreError(path, "it is no regular file: find out who made it, and remove it")
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        mode = stat.filemode(status.st_mode)
        raise StoreError(
            path,
            f"must be a file of user {os.geteuid()} alone, and is {mode} of {status.st_uid}: chmod 600 it, or name "
            "another folder",
        )


def _try(path: Path) -> bytes | None:
    """The snapshot; None if somebody has the file for himself, or began the log anew while it was read."""
    descriptor = _open(path)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB, _SHARED_SIZE, _SHARED_FIRST)
        before = _read_log(log_of(path), HEADER_BYTES)
        image = _read(path, descriptor, MOST_BYTES)
        # The log is read last: what was copied from it into the database meanwhile is in the log as well.
        log = _read_log(log_of(path), MOST_BYTES)
    except BlockingIOError:
        return None
    except OSError as e:
        raise StoreError(path, f"cannot be read: {e.strerror or e}") from e
    finally:
        os.close(descriptor)
    if log[:HEADER_BYTES] != before[:HEADER_BYTES]:
        return None
    return _put_together(path, image, log)


def _put_together(path: Path, image: bytes, log: bytes) -> bytes:
    if not image and not log:
        raise NotMade(path, "it is empty")
    if not image.startswith(_MAGIC):
        raise DamagedStore(path, "it is no SQLite database" if image else "it is empty, and has a write-ahead log")
    page_bytes = int.from_bytes(image[16:18], "big")
    page_bytes = 65536 if page_bytes == 1 else page_bytes
    if page_bytes < 512 or page_bytes & (page_bytes - 1):
        raise DamagedStore(path, "its header has no proper page size")
    journal = path.with_name(f"{path.name}-journal")
    if len(image) == page_bytes and not log and (journal.exists() or image[18:20] == b"\1\1"):
        raise NotMade(path, "it was not finished")
    if image[18:20] != b"\2\2":
        raise DamagedStore(path, "its header is not that of a database with a write-ahead log")
    if journal.exists():
        raise DamagedStore(path, f"{journal.name} stands beside it, which this toolstack does not leave")
    found = read_log(log, page_bytes)
    if found.damaged:
        raise LogDamaged(path, f"{log_of(path).name} has changes that were committed and cannot be read")
    size = found.page_count * page_bytes or len(image)
    if size % page_bytes:
        raise DamagedStore(path, "its size is not that of a whole database")
    whole = bytearray(image[:size].ljust(size, b"\0"))
    for number, page in found.pages.items():
        if number <= size // page_bytes:
            whole[(number - 1) * page_bytes : number * page_bytes] = page
    whole[18:20] = b"\1\1"  # a database without a log: so SQLite can have it in memory
    return bytes(whole)


def _open(path: Path) -> int:
    try:
        require_own(path, path.lstat())
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as e:
        raise StoreError(path, e.strerror or str(e)) from e


def _read_log(path: Path, most: int) -> bytes:
    """The log, or its beginning; empty if there is none. OSError, StoreError."""
    try:
        require_own(path, path.lstat())
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return b""
    try:
        return _read(path, descriptor, most) if most > HEADER_BYTES else os.read(descriptor, most)
    finally:
        os.close(descriptor)


def _read(path: Path, descriptor: int, most: int) -> bytes:
    size = os.fstat(descriptor).st_size
    if size > most:
        raise StoreError(path, f"it is larger than {most} bytes")
    pieces: list[bytes] = []
    while piece := os.read(descriptor, 1 << 20):
        pieces.append(piece)
        if sum(map(len, pieces)) > most:
            raise StoreError(path, f"it is larger than {most} bytes")
    return b"".join(pieces)
