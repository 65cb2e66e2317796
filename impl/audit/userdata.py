"""The files in libxl's folder, by their names: `userdata-<letter>.<domid>.<uuid>.<tag>` [libxl__userdata_path]."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TEMPLATE = "libxl-json"
_NAME = r"userdata-([a-z])\.(0|[1-9][0-9]{0,4})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([\w.-]+)"
_FILE = re.compile(_NAME, re.ASCII)
_LISTED = re.compile(rf"(?:^|[\s/]){_NAME}$", re.ASCII | re.MULTILINE)


@dataclass(frozen=True, slots=True, order=True)
class Userdata:
    """A file of a domain's life. `letter`: d data, l a lock, n being written."""

    domid: int
    uuid: str
    letter: str
    tag: str
    path: Path | None = None
    """None: it is known by its name only."""

    def __str__(self) -> str:
        return f"userdata-{self.letter}.{self.domid}.{self.uuid}.{self.tag}"

    @property
    def is_template(self) -> bool:
        """True for a domain's template."""
        return self.letter == "d" and self.tag == TEMPLATE


def named(path: Path) -> Userdata | None:
    """What the file is by its name; None for a file of somebody else's."""
    found = _FILE.fullmatch(path.name)
    return found and Userdata(int(found[2]), found[3], found[1], found[4], path)


def in_folder(folder: Path) -> list[Userdata]:
    """The files of the folder. OSError."""
    return sorted(file for path in folder.iterdir() if (file := named(path)))


def listed(text: str) -> Iterable[Userdata]:
    """The files that a folder's listing names."""
    for letter, domid, uuid, tag in _LISTED.findall(text):
        yield Userdata(int(domid), uuid, letter, tag)
