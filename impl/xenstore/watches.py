"""Changes, and who hears of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from confsync.impl.ports import Permission
from confsync.impl.xenstore import paths
from confsync.impl.xenstore.permissions import READ, rights

INTRODUCED, RELEASED = "@introduceDomain", "@releaseDomain"


@dataclass(frozen=True, slots=True)
class Change:
    """A node changed. If it was removed with one above it, only watches of this very path hear of it (`exact`)."""

    path: str
    exact: bool
    visible: tuple[tuple[Permission, ...], ...]
    """Permissions of which one must let a domain read, that it may hear: the node's, before and after, and those of
    the node above."""

    def heard_by(self, domid: int) -> bool:
        """True if the domain may hear of it [watch_permitted]."""
        return any(rights(domid, permissions) & READ for permissions in self.visible)


@dataclass(slots=True, eq=False)
class Watched:
    """A watch of a connection, and what it has not yet told."""

    node: str
    base: str
    """What is taken off the paths it tells: a relative watch tells relative paths."""
    pending: dict[str, None] = field(default_factory=dict)
    """Paths, each once: xenstored drops an event that is already waiting."""
    wake: Callable[[], None] | None = None

    def tell(self, path: str) -> None:
        """An event."""
        shown = path[len(self.base) :].lstrip("/") if self.base else path
        self.pending[shown] = None
        if self.wake:
            self.wake()

    def meets(self, change: Change) -> bool:
        """True if the watch is of what changed, or of something above."""
        return change.path == self.node if change.exact else paths.is_below(change.path, self.node)

    def take(self) -> str | None:
        """The oldest event that is waiting, if there is one; it waits no longer."""
        for path in self.pending:
            del self.pending[path]
            return path
        return None
