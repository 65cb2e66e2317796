"""What a disk may hold after a power loss: which names and which bytes, if not all of it was synced.

Names and data live apart, as POSIX has them: a file's data is on the disk once the file is synced, a name, be it new,
moved or gone, once its folder is. Until then each single change may have reached the disk or not, whatever came before
it or after. A rename is one change, as in every file system with a journal. A write may be torn at the pages, or in the
middle of one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

Inode = int
Names = Mapping[str, Inode]
"""Which file has a name; a name is a path within the folder."""
_PAGE = 4096
_MOST_PIECES = 4
_MOST_CHOICES = 1 << 14
"""More would mean that the act hardly ever syncs; it is refused, not cut short."""


@dataclass(frozen=True, slots=True)
class Renamed:
    """Names that change together: each is given a file, or none."""

    folder: str
    names: tuple[tuple[str, Inode | None], ...]


@dataclass(frozen=True, slots=True)
class Written:
    """Bytes written to a file; before that, it may be cut or extended to a length."""

    inode: Inode
    offset: int
    text: bytes
    length: int | None = None


@dataclass(frozen=True, slots=True)
class FileSynced:
    """All data of a file is on the disk."""

    inode: Inode


@dataclass(frozen=True, slots=True)
class FolderSynced:
    """All names in a folder are on the disk."""

    folder: str


@dataclass(frozen=True, slots=True)
class Said:
    """The act made a promise."""

    text: str


Trusted = Callable[[str], bool]
"""Which files come with a recovery of their own that is not on trial, such as a database's. Their writes arrive whole,
and in order but for one that does not."""
Effect = Renamed | Written | FileSynced | FolderSynced | Said


@dataclass(slots=True)
class Disk:
    """What is on the disk for sure, and what is on its way there."""

    names: dict[str, Inode]
    data: dict[Inode, bytes]
    renamed: list[Renamed] = field(default_factory=list)
    written: list[Written] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    trusted: Trusted = lambda _: False
    gaps: bool = True
    """One write to a trusted file may be missing among those that arrived."""

    def take(self, effect: Effect) -> None:
        """One more thing happens."""
        match effect:
            case Renamed():
                self.renamed.append(effect)
            case Written():
                self.written.append(effect)
            case FileSynced(inode):
                self.data[inode] = _all(self.data.get(inode, b""), self._of(inode))
                self.written = [write for write in self.written if write.inode != inode]
            case FolderSynced(folder):
                for change in self.renamed:
                    if change.folder == folder:
                        _rename(self.names, change)
                self.renamed = [change for change in self.renamed if change.folder != folder]
            case Said(text):
                self.said.append(text)

    def outcomes(self) -> Iterator[dict[str, bytes]]:
        """What the disk may hold if the power goes now: each name's bytes. Equal ones may come several times."""
        choices = 0
        contents: dict[Inode, list[bytes]] = {}
        for chosen in _subsets(self.renamed):
            names = dict(self.names)
            for change in chosen:
                _rename(names, change)
            inodes = sorted(set(names.values()))
            for name, inode in names.items():
                if inode not in contents:
                    contents[inode] = sorted(self._contents(inode, whole=self.trusted(name)))
            for texts in itertools.product(*(contents[inode] for inode in inodes)):
                choices += 1
                if choices > _MOST_CHOICES:
                    raise ValueError(f"more than {_MOST_CHOICES} states of the disk: the act syncs too seldom for this")
                held = dict(zip(inodes, texts, strict=True))
                yield {name: held[inode] for name, inode in names.items()}

    def everything(self) -> dict[str, bytes]:
        """What the disk holds if the power stays: each name's bytes."""
        names = dict(self.names)
        for change in self.renamed:
            _rename(names, change)
        return {name: _all(self.data.get(inode, b""), self._of(inode)) for name, inode in names.items()}

    def _of(self, inode: Inode) -> list[Written]:
        return [write for write in self.written if write.inode == inode]

    def _contents(self, inode: Inode, *, whole: bool) -> set[bytes]:
        """What the file may hold."""
        writes = self._of(inode)
        old = self.data.get(inode, b"")
        if whole:
            prefixes = [writes[:end] for end in range(len(writes) + 1)]
            gaps = [[*writes[:gap], *writes[gap + 1 :]] for gap in range(len(writes)) if self.gaps]
            return {_all(old, arrived) for arrived in (*prefixes, *gaps)}
        found = {old}
        for write in writes:
            found |= {_apply(text, write, pieces) for text in found for pieces in _torn(len(write.text))}
        return found


def _all(text: bytes, writes: Sequence[Written]) -> bytes:
    for write in writes:
        text = _apply(text, write, [(0, len(write.text))])
    return text


def _rename(names: dict[str, Inode], change: Renamed) -> None:
    for name, inode in change.names:
        if inode is None:
            names.pop(name, None)
        else:
            names[name] = inode


def _subsets(changes: Sequence[Renamed]) -> Iterator[Sequence[Renamed]]:
    for chosen in itertools.product([False, True], repeat=len(changes)):
        yield [change for change, is_chosen in zip(changes, chosen, strict=True) if is_chosen]


Pieces = Sequence[tuple[int, int]]
"""The parts of a write that reached the disk, each from and to. An empty one at the end: the length alone did."""


def _torn(length: int) -> Iterator[Pieces]:
    """The ways in which a write may reach the disk, if at all."""
    step = max(1, length // 2 if length <= _PAGE else -(-length // (_PAGE * _MOST_PIECES)) * _PAGE)
    parts = [(start, min(start + step, length)) for start in range(0, length, step)] or [(0, 0)]
    for chosen in itertools.product([False, True], repeat=len(parts)):
        pieces = [part for part, is_chosen in zip(parts, chosen, strict=True) if is_chosen]
        if pieces:
            yield pieces
        yield [*pieces, (length, length)]


def _apply(text: bytes, write: Written, pieces: Pieces) -> bytes:
    """The file once these pieces of the write are in it. What lies between is zeros, where nothing was."""
    held = bytearray(text)
    if write.length is not None:
        held = held[: write.length].ljust(write.length, b"\0")
    for start, end in pieces:
        held.extend(bytes(max(0, write.offset + end - len(held))))
        held[write.offset + start : write.offset + end] = write.text[start:end]
    return bytes(held)
