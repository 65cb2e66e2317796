"""Snapshots of real hosts, as `tests/data/hosts/snapshots.tar.xz` has them: `<host>/<case>/<moment>/<file>`."""

from __future__ import annotations

import tarfile
from functools import cache
from pathlib import Path

from places import DATA

ARCHIVE = DATA / "hosts" / "snapshots.tar.xz"


@cache
def snapshots() -> dict[str, dict[str, bytes]]:
    """The files of each snapshot, such as `lab/rename/before`, by their names."""
    found: dict[str, dict[str, bytes]] = {}
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content:
                folder, _, name = member.name.rpartition("/")
                found.setdefault(folder, {})[name] = content.read()
    return found


def unpack(snapshot: str, folder: Path) -> Path:
    """The snapshot as files in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in snapshots()[snapshot].items():
        (folder / name).write_bytes(content)
    return folder
