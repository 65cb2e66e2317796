"""What an act did to the disk, from the calls that it made through `Files`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

from confsync.impl.templates.files import Files
from crash.disk import Effect, FileSynced, FolderSynced, Inode, Renamed, Said, Written
from crash.trial import files_in

P = ParamSpec("P")
R = TypeVar("R")


class Recorder(Files):
    """Makes the calls, and keeps what they did to the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.before = files_in(folder)
        """Each file's bytes at first, by its name in the folder."""
        self.names: dict[str, Inode] = {name: inode for inode, name in enumerate(self.before)}
        self.mapped: set[str] = set()
        """None is written to as memory."""
        self.effects: list[Effect] = []
        self._now = dict(self.names)
        self._next = len(self.names)
        self._open: dict[int, Inode | str] = {}
        self._at: dict[int, int] = {}

    def note(self, text: str) -> None:
        """The act made a promise."""
        self.effects.append(Said(text))

    def call(self, name: str, function: Callable[P, R], /, *arguments: P.args, **named: P.kwargs) -> R:
        """Make the call, and keep what it did."""
        result = super().call(name, function, *arguments, **named)
        self._keep(name, arguments, result)
        return result

    def _keep(self, name: str, arguments: tuple[object, ...], result: object) -> None:
        match name, arguments:
            case "open", (Path() as path, int(flags), *_):
                self._opened(path, flags, cast(int, result))
            case "write", (int(descriptor), text):
                self._wrote(descriptor, bytes(cast(memoryview, text))[: cast(int, result)])
            case "fsync", (int(descriptor),):
                what = self._open[descriptor]
                self.effects.append(FolderSynced(what) if isinstance(what, str) else FileSynced(what))
            case "close", (int(descriptor),):
                self._open.pop(descriptor, None)
            case "rename", (Path() as old, Path() as new):
                self._renamed((old, None), (new, self._now[self._name(old)]))
            case "unlink", (Path() as path,):
                self._renamed((path, None))
            case (("read" | "flock" | "fstat" | "stat" | "lstat" | "scandir"), _):
                pass
            case _:
                raise NotImplementedError(f"what {name}{arguments} does to the disk")

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._folder))

    def _opened(self, path: Path, flags: int, descriptor: int) -> None:
        name = self._name(path)
        if flags & os.O_DIRECTORY:
            self._open[descriptor] = name
            return
        if name not in self._now:
            self._next += 1
            self._renamed((path, self._next))
        inode = self._now[name]
        self._open[descriptor], self._at[descriptor] = inode, 0
        if flags & os.O_TRUNC:
            self.effects.append(Written(inode, 0, b"", length=0))

    def _wrote(self, descriptor: int, text: bytes) -> None:
        inode = self._open[descriptor]
        if isinstance(inode, str):
            raise NotImplementedError("a folder that is written to")
        self.effects.append(Written(inode, self._at[descriptor], text))
        self._at[descriptor] += len(text)

    def _renamed(self, *changes: tuple[Path, Inode | None]) -> None:
        folders = {self._name(path.parent) for path, _ in changes}
        if len(folders) > 1:
            raise NotImplementedError("a file that moves to another folder")
        names = tuple((self._name(path), inode) for path, inode in changes)
        for name, inode in names:
            if inode is None:
                self._now.pop(name, None)
            else:
                self._now[name] = inode
        self.effects.append(Renamed(folders.pop(), names))
