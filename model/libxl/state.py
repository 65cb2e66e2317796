"""What the state is: the places where a domain's configuration stands, and what a process keeps to itself.

One domid is modelled, with one life after another: domains share nothing but the host, so any number of
them is any number of copies. A *slot* is a guest-visible index; the last ones hold ejectable drives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from confsync.model import language
from confsync.model.language import (
    Bool,
    Element,
    IndexSort,
    Kind,
    LocalRecord,
    Opaque,
    Record,
    Term,
    ValueSort,
    behind,
    bound,
    count,
    element,
    flag,
    flag_map,
    opaque_map,
    value,
    value_map,
)


class Slot(Protocol):
    """A guest-visible index (vdev, devid): where a device can be. Ejectable ones hold a drive for a medium."""

    @property
    def ejectable(self) -> Bool: ...


SLOT = IndexSort[Slot]("Slot", (Kind("ordinary", "slots", "slot{}"), Kind("ejectable", "ejectable", "drive{}")))
CONFIG = ValueSort("Config", ("ABSENT", "EMPTY", "MADE_UP"), "configs", shown="c{}")
"""A slot's configuration: ABSENT (nothing there), EMPTY (a drive without a medium), MADE_UP (what a degraded
retrieve invents), or one of the configurations a user may give."""
NAME = ValueSort("Name", ("name0",), "names", counted=1, shown="name{}")
"""A domain's name; `name0` is the one that it is created with."""
AMOUNT = ValueSort("Amount", ("mem0",), "amounts", counted=1, shown="mem{}")
"""A memory target; `mem0` is the one that a domain is created with."""
ABSENT, EMPTY, MADE_UP = range(3)
FIRST_CONFIG = CONFIG.first
Config = int | Term


def slot_at(index: int, ejectable: bool = False) -> Element:
    """A slot by its number."""
    return SLOT.element(index, "ejectable" if ejectable else "ordinary")


class Entry(Opaque):
    """What a process can learn of a device in xenstore: that it is there, and whether it is empty (J3)."""

    __slots__ = ()
    questions = ("present", "empty")
    reason = "a configuration can't be rebuilt from xenstore"

    @property
    def present(self) -> Bool:
        return self._value != ABSENT

    @property
    def empty(self) -> Bool:
        return self._value == EMPTY


class Shared(Record):
    """The stores, the host, and the ghosts: all that more than one process can see."""

    alive = flag("the hypervisor has a domain under this domid")
    paused = flag("it is not running: its creation has not ended, or its destruction has begun")
    saved = flag("there is a template file")
    template = value_map("the template: what stands at each slot", SLOT, CONFIG)
    template_name = value("the name in the template", NAME)
    template_memory = value("the memory target in the template", AMOUNT)
    xenstore = opaque_map("/libxl/<domid>/device: what exists", SLOT, CONFIG, Entry)
    closing = flag_map("the backend's state says the device is going away (online = 0, state = 5)", SLOT)
    name = value("/local/domain/<domid>/name", NAME)
    memory = value("/local/domain/<domid>/memory/target", AMOUNT)
    resources = flag_map("host and guest hold something for the device: backend, script, QEMU", SLOT)
    granted = value("the memory limit the hypervisor enforces", AMOUNT)
    locked = flag("the lock file that is at its path is held (flock)")
    lock_file = flag("there is a lock file at the path, held or left behind")
    device_locked = flag("libxl's second lock, libxl-device-changes-lock, is held")
    crashes = count("how many processes have died")
    attached = behind(xenstore)
    """Ghost: the very configuration that was attached. No step can see it, as none can in reality."""
    vouched = value_map(
        "what the last operation that names the slot wrote into the template for it", SLOT, CONFIG, ghost=True
    )
    torn = flag("a memory target is granted and not yet in xenstore", ghost=True)


class Local(LocalRecord):
    """A process's own: what it was asked, what it has read, what it holds."""

    slot = element("the slot it was asked about", SLOT)
    config = value("the configuration or medium it was given", CONFIG)
    new_name = value("the name it was given", NAME)
    amount = value("the memory target it was given", AMOUNT)
    draft = value_map(
        "its copy of the whole template; for `create` what it was asked, for `retrieve` the result", SLOT, CONFIG
    )
    draft_name = value("the name in its copy", NAME)
    draft_memory = value("the memory target in its copy", AMOUNT)
    holds = flag("it holds the lock")
    holds_device_lock = flag("it holds libxl's second lock")


@dataclass(frozen=True, slots=True)
class Bounds(language.Bounds):
    """How many of everything. Every verdict but a proof is for such bounds."""

    slots: int = bound(1, "ordinary slots", least=0, letter="s")
    ejectable: int = bound(1, "ejectable drives", least=0, letter="e")
    configs: int = bound(2, "configurations or media", least=1, letter="c")
    names: int = bound(2, "names", least=1, letter="n")
    amounts: int = bound(2, "memory targets", least=1, letter="a")
    processes: int = bound(2, "processes at once", least=1, letter="p")
    crashes: int = bound(1, "processes that die, in all", least=0, letter="k")

    @classmethod
    def of(cls, bounds: language.Bounds) -> Bounds:
        """Bounds of a program of this protocol, as what they are."""
        assert isinstance(bounds, Bounds)
        return bounds
