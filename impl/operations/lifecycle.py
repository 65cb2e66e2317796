"""Whether a domain is whole, or half made, half destroyed, or paused by a save that was cut short.

The mark is one node of the toolstack's own, `/libxl/<domid>/lifecycle`. A creation sets it with the domain's first
nodes and removes it before the domain runs; a destruction sets it when it marks the devices; a save sets it before it
pauses the domain. A domain without the mark is whole: so is one of another toolstack.
"""

from __future__ import annotations

from enum import Enum

from confsync.impl.errors import NotReady
from confsync.impl.operations.existence import is_known, read_text, require_known
from confsync.impl.operations.paths import lifecycle
from confsync.impl.ports import Domain, Requests


class Stage(Enum):
    """What is being done with a domain as a whole, or was when its process died; the value of the node."""

    WHOLE = ""
    CREATING = "creating"
    SAVING = "saving"
    DESTROYING = "destroying"
    UNKNOWN = "unknown"
    """xenstore does not know the domain: its creation has just begun, or its destruction is nearly complete."""


_HALF = {
    Stage.CREATING: "half made",
    Stage.DESTROYING: "half destroyed",
    Stage.UNKNOWN: "half made or half destroyed",
}


async def stage(x: Requests, domain: Domain) -> Stage:
    """The domain's stage. A mark that means nothing counts as UNKNOWN."""
    if not await is_known(x, domain):
        return Stage.UNKNOWN
    mark = await read_text(x, lifecycle(domain.domid)) or ""
    return Stage(mark) if mark in {known.value for known in Stage} else Stage.UNKNOWN


async def set_stage(x: Requests, domain: Domain, to: Stage) -> None:
    """Set or remove the mark. DomainNotFound if xenstore does not know the domain."""
    await require_known(x, domain)
    path = lifecycle(domain.domid)
    if to is not Stage.WHOLE:
        await x.write(path, to.value.encode())
    elif await read_text(x, path) is not None:
        await x.remove(path)


async def require_whole(x: Requests, domain: Domain) -> Stage:
    """WHOLE or SAVING. NotReady if the domain is half made or half destroyed: it can only be destroyed."""
    found = await stage(x, domain)
    if found is Stage.UNKNOWN:
        raise NotReady(
            f"{domain} is {_HALF[found]}, or xenstored was started anew and has forgotten it; unless that is so, or "
            f"another command is at work on it: `confsync domain destroy {domain.domid}`"
        )
    if found in _HALF:
        raise NotReady(
            f"{domain} is {_HALF[found]}: unless another command is at work on it, it can only be destroyed: "
            f"`confsync domain destroy {domain.domid}`"
        )
    return found


def in_words(found: Stage, *, paused: bool) -> str:
    """The state that `list` shows."""
    if found in _HALF:
        return _HALF[found]
    if not paused:
        return "running"
    return "paused by save" if found is Stage.SAVING else "paused"
