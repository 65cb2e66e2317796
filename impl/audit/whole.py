"""Whether a dump is all that `xenstore-ls -f` prints, or what a filter left of it.

A node that a filter took out looks like one that is not there, and what is not there is a finding. So a dump that shows
that lines were taken out is refused: a node without its parent, a folder that stands there twice (two dumps in one),
and something that is missing of every domain, though libxl makes it with each.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path

from confsync.impl.audit.errors import BadInput
from confsync.impl.audit.store import Store

FOLDERS = 3
"""The paths with at most so many parts, such as `/local/domain/7`, stand in a dump once."""
AGAIN = "give all that `xenstore-ls -f -p` prints"


class Wholeness:
    """What is known of a dump's lines so far."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._above: list[str] = []
        """The path of the last line, and those of its parents: in a dump as it was printed, all that is needed."""
        self._orphans: dict[str, int] = {}
        """The parents that did not stand above their children, and the line of the first child."""
        self._folders: set[str] = set()

    def add(self, path: str, line: int) -> bool:
        """Take note of a line. False if it is a folder that was there already."""
        parent = path.rpartition("/")[0]
        while self._above and self._above[-1] != parent:
            self._above.pop()
        if parent and not self._above and parent not in self._orphans:
            self._orphans[parent] = line
        self._above.append(path)
        if path.count("/") > FOLDERS:
            return True
        if path in self._folders:
            return False
        self._folders.add(path)
        return True

    def check(self, store: Store) -> None:
        """BadInput if lines are missing."""
        missing = self._missing()
        if missing:
            path, line = min(missing.items(), key=lambda item: item[1])
            reason = f"the line of {path[:200]} is missing, which xenstore-ls prints with what is below it"
            raise BadInput(self._path, line, f"{reason}: the dump was filtered or cut; {AGAIN}")
        for path, reason in _lacking(store):
            raise BadInput(self._path, 0, f"there is no {path}, though {reason}: the dump was filtered or cut; {AGAIN}")

    def _missing(self) -> dict[str, int]:
        """The orphans' parents that stand nowhere. A sorted dump has them elsewhere; only then it is read again."""
        missing = dict(self._orphans)
        if missing:
            with self._path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as file:
                for _ in count():
                    text = file.readline()
                    if not text or not missing:
                        break
                    missing.pop(text.partition(" = ")[0].partition(":")[0], None)
        return missing


def _lacking(store: Store) -> list[tuple[str, str]]:
    """What no domain has, though libxl makes it with each of its domains; and why it would have to be there."""
    alive = [store.local[domid] for domid in store.made & store.local.keys() if domid]
    found: list[tuple[str, str]] = []
    if not alive:
        return found
    for node in ("name", "vm", "memory"):
        if not any(node in nodes for nodes in alive):
            found.append((f"/local/domain/<domid>/{node}", "libxl makes one with each domain"))
    if not store.vms and any("vm" in nodes for nodes in alive):
        found.append(("/vm", "domains lead to it"))
    devices = [nodes for below in store.libxl.values() for nodes in below.values()]
    ended = [nodes for below in store.libxl.values() for (folder, _), nodes in below.items() if folder != "vusb"]
    if ended and not any("backend" in nodes for nodes in ended):
        found.append(("/libxl/<domid>/device/<kind>/<devid>/backend", "domains have devices"))
    if not store.backends and any("backend" in nodes for nodes in devices):
        found.append(("/local/domain/<domid>/backend", "domains have devices"))
    return found
