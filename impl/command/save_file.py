"""The file that `save` writes: whole or not at all, never over another one, and without leftovers.

Where the file system can, the file has no name until it is whole (O_TMPFILE), so a save that is killed leaves nothing.
Elsewhere it is written beside, as `.NAME.part`, and what a save that was killed left there goes with the next one.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path

from confsync.impl.errors import StoreError
from confsync.impl.templates.files import Files

_NO_TMPFILE = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT}
"""What a file system or a kernel without O_TMPFILE answers; ENOENT: there is no /proc to name the file by."""


def write_saved(path: Path, content: bytes) -> None:
    """Have the file hold this, durably. A file that holds exactly this already is one that a save which was cut short
    has left, and is as good. StoreError."""
    folder = path.parent
    try:
        try:
            _write_unnamed(folder, path, content)
        except OSError as e:
            if e.errno not in _NO_TMPFILE or not folder.is_dir():
                raise
            _write_beside(folder / f".{path.name}.part", path, content)
        Files().fsync_folder(folder)
    except FileExistsError:
        _require_same(path, content)
    except OSError as e:
        raise StoreError(path, f"cannot be written: {e.strerror or e}") from None


def _write_unnamed(folder: Path, path: Path, content: bytes) -> None:
    descriptor = os.open(folder, os.O_WRONLY | os.O_TMPFILE, 0o600)
    at = -1
    try:
        _fill(descriptor, content)
        at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        # a folder's descriptor has Python call linkat, which alone follows the link
        os.link(f"/proc/self/fd/{descriptor}", path.name, dst_dir_fd=at, follow_symlinks=True)
    finally:
        os.close(descriptor)
        if at >= 0:
            os.close(at)


def _write_beside(part: Path, path: Path, content: bytes) -> None:
    descriptor = _take(part)
    try:
        _fill(descriptor, content)
        os.link(part, path)
    finally:
        with suppress(OSError):
            part.unlink()
        os.close(descriptor)


def _take(part: Path) -> int:
    """A new file of this name, locked; one that is there is removed unless a save that is alive writes it. It is
    never written to: it may have another name as well, that of a file which was saved."""
    with suppress(FileNotFoundError):
        old = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(old, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink()
        except BlockingIOError:
            raise StoreError(part, "another save is writing this file") from None
        finally:
            os.close(old)
    made = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(made, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return made


def _fill(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]
    os.fsync(descriptor)


def _require_same(path: Path, content: bytes) -> None:
    try:
        if path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content:
            Files().fsync_folder(path.parent)
            return
    except OSError as e:
        raise StoreError(path, f"is there, and cannot be read: {e.strerror}; give another name") from None
    raise StoreError(path, "is there, and holds something else; it is never overwritten: give another name")
