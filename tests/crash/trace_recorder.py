"""What an act did to the disk, from the system calls of a traced child, whoever in it made them."""

from __future__ import annotations

import mmap
import os
import stat
from pathlib import Path

from confsync.impl.templates.lock import Identity, identity
from crash.disk import Effect, FileSynced, FolderSynced, Inode, Renamed, Said, Written
from crash.tracing import Stop
from crash.trial import Notes, files_in

_AT_FDCWD = -100
_LONGEST_PATH = 4096
_NOT_FOLLOWED = {
    "fallocate", "writev", "pwritev", "pwritev2", "sendfile", "copy_file_range", "sync_file_range",
}  # fmt: skip
_NOT_FOLLOWED_PATHS = {"truncate", "creat", "mkdir", "mkdirat", "rmdir", "link", "linkat", "symlink", "symlinkat"}
_WITHOUT_FOLDER = {"open": "openat", "rename": "renameat", "unlink": "unlinkat"}
"""The old calls, and those that have taken their place."""


def _in_working_folder(name: str, arguments: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    """An old call as the new one that does the same."""
    first, second, *_ = arguments
    here = _AT_FDCWD
    return _WITHOUT_FOLDER[name], (here, first, here, second) if name == "rename" else (here, first, second)


class TraceRecorder:
    """Looks at each stop of a traced child, and keeps what was done to the files in a folder."""

    def __init__(self, folder: Path, notes: Notes) -> None:
        self._folder, self._notes = folder, notes
        self.before: dict[str, bytes] = {}
        """Each file's bytes at the first stop, by its name in the folder."""
        self.names: dict[str, Inode] = {}
        self.effects: list[Effect] = []
        self.mapped: set[str] = set()
        """The files that were written to as memory: what is in them is not known."""
        self._begun = False
        self._now: dict[str, Inode] = {}
        self._inodes: dict[Identity, Inode] = {}
        self._next = self._said = 0
        self._at: dict[int, int] = {}

    def _begin(self, task: int) -> None:
        self._begun = True
        self.before = files_in(self._folder)
        self.names = {name: inode for inode, name in enumerate(self.before)}
        self._now, self._next = dict(self.names), len(self.names)
        self._inodes = {identity((self._folder / name).stat()): inode for name, inode in self.names.items()}
        for line in Path(f"/proc/{task}/maps").read_text().splitlines():
            _, permissions, _, _, _, *path = line.split(maxsplit=5)
            if permissions.startswith("rw") and permissions.endswith("s") and path:
                self.mapped |= {name for name in [self._name(path[0])] if name is not None}

    def hear(self) -> None:
        """Keep what the act has said since."""
        said = self._notes.said()
        self.effects += [Said(text) for text in said[self._said :]]
        self._said = len(said)

    def __call__(self, stop: Stop) -> bool:
        """Keep what the call did, once it is done; it is never enough."""
        if not self._begun:
            self._begin(stop.task)
        self.hear()
        if stop.result is None:
            if stop.name == "write":
                self._at[stop.task] = self._position(stop)
        elif stop.result >= 0:
            self._done(stop, stop.result)
        return False

    def _done(self, stop: Stop, result: int) -> None:
        name, arguments = stop.name, stop.arguments
        if name in _WITHOUT_FOLDER:
            name, arguments = _in_working_folder(name, arguments)
        match name:
            case "openat":
                self._opened(stop, self._path(stop, *arguments[:2]), arguments[2], result)
            case "write":
                self._wrote(stop, self._at[stop.task], result)
            case "pwrite64":
                self._wrote(stop, arguments[3], result)
            case "ftruncate":
                self._cut(stop, arguments[1])
            case "fsync" | "fdatasync":
                self._synced(stop)
            case "renameat" | "renameat2":
                if name == "renameat2" and arguments[4]:
                    raise NotImplementedError("a rename with flags")
                self._renamed(self._path(stop, *arguments[:2]), self._path(stop, *arguments[2:4]))
            case "unlinkat":
                self._named((self._path(stop, *arguments[:2]), None))
            case "mmap":
                self._mapped(stop)
            case _:
                if name in _NOT_FOLLOWED_PATHS or (
                    name in _NOT_FOLLOWED and self._inode(stop, arguments[0]) is not None
                ):
                    raise NotImplementedError(f"what {name} does to the disk")

    # Of the child: its memory, its descriptors.

    def _text(self, stop: Stop, address: int, length: int) -> bytes:
        descriptor = os.open(f"/proc/{stop.task}/mem", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(descriptor, length, address)
        finally:
            os.close(descriptor)

    def _path(self, stop: Stop, folder: int, address: int) -> str | None:
        """A path within the folder; None if it is elsewhere."""
        page = mmap.PAGESIZE
        given = b""
        while b"\0" not in given and len(given) < _LONGEST_PATH:
            start = address + len(given)
            given += self._text(stop, start, page - start % page)
        below = _signed(folder)
        base = "cwd" if below == _AT_FDCWD else f"fd/{below}"
        path = os.path.join(os.readlink(f"/proc/{stop.task}/{base}"), os.fsdecode(given.partition(b"\0")[0]))  # noqa: PTH115, PTH118 - not a path of this process's
        return self._name(os.path.normpath(path))

    def _name(self, path: str) -> str | None:
        return str(Path(path).relative_to(self._folder)) if Path(path).is_relative_to(self._folder) else None

    def _position(self, stop: Stop) -> int:
        information = Path(f"/proc/{stop.task}/fdinfo/{stop.arguments[0]}")
        return int(information.read_text().split()[1]) if information.exists() else 0

    def _inode(self, stop: Stop, descriptor: int) -> Inode | None:
        """The file of a descriptor; None if it is not in the folder, or is a folder."""
        try:
            status = os.stat(f"/proc/{stop.task}/fd/{_signed(descriptor)}")  # noqa: PTH116 - may be no file at all
        except OSError:
            return None
        return self._inodes.get(identity(status)) if stat.S_ISREG(status.st_mode) else None

    # What was done.

    def _opened(self, stop: Stop, name: str | None, flags: int, descriptor: int) -> None:
        if name is None or flags & os.O_DIRECTORY:
            return
        if flags & os.O_TMPFILE == os.O_TMPFILE or flags & os.O_APPEND:
            raise NotImplementedError("a file without a name, or one that is appended to")
        if flags & os.O_CREAT and name not in self._now:
            self._next += 1
            self._inodes[identity(os.stat(f"/proc/{stop.task}/fd/{descriptor}"))] = self._next  # noqa: PTH116
            self._named((name, self._next))
        if flags & os.O_TRUNC:
            self.effects.append(Written(self._now[name], 0, b"", length=0))

    def _wrote(self, stop: Stop, offset: int, length: int) -> None:
        inode = self._inode(stop, stop.arguments[0])
        if inode is not None:
            self.effects.append(Written(inode, offset, self._text(stop, stop.arguments[1], length)))

    def _cut(self, stop: Stop, length: int) -> None:
        inode = self._inode(stop, stop.arguments[0])
        if inode is not None:
            self.effects.append(Written(inode, 0, b"", length=length))

    def _synced(self, stop: Stop) -> None:
        inode = self._inode(stop, stop.arguments[0])
        if inode is not None:
            self.effects.append(FileSynced(inode))
            return
        name = self._name(os.readlink(f"/proc/{stop.task}/fd/{stop.arguments[0]}"))  # noqa: PTH115
        if name is not None:
            self.effects.append(FolderSynced(name))

    def _renamed(self, old: str | None, new: str | None) -> None:
        if old is None and new is None:
            return
        if old is None or new is None:
            raise NotImplementedError("a file that leaves the folder, or enters it")
        self._named((old, None), (new, self._now[old]))

    def _named(self, *changes: tuple[str | None, Inode | None]) -> None:
        names = tuple((name, inode) for name, inode in changes if name is not None)
        folders = {os.path.dirname(name) or "." for name, _ in names}  # noqa: PTH120 - names, not paths
        if len(folders) > 1:
            raise NotImplementedError("a file that moves to another folder")
        for name, inode in names:
            if inode is None:
                self._now.pop(name, None)
            else:
                self._now[name] = inode
        self.effects += [Renamed(folder, names) for folder in folders]

    def _mapped(self, stop: Stop) -> None:
        _, _, protection, flags, descriptor, _ = stop.arguments
        if protection & mmap.PROT_WRITE and flags & mmap.MAP_SHARED and not flags & mmap.MAP_ANONYMOUS:
            inode = self._inode(stop, descriptor)
            self.mapped |= {name for name, found in self._now.items() if found == inode}


def _signed(register: int) -> int:
    """A descriptor, from a register: an `int`, of 32 bits."""
    return (register & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
