"""What the state is: the places where a domain's configuration stands, and what a process keeps to itself.

One domid is modelled, with one life after another: domains share nothing but the host, so any number of
them is any number of copies. A *slot* is a guest-visible index; the last ones hold ejectable drives.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

from confsync.model.language import (
    FIRST_CONFIG,
    Bool,
    ConcreteSlot,
    Record,
    Sort,
    behind,
    config_map,
    entry_map,
    flag,
    flag_map,
    slot,
    value,
)


class Shared(Record):
    """The stores, the host, and the ghosts: all that more than one process can see."""

    alive = flag("the hypervisor has a domain under this domid")
    paused = flag("it is not running: its creation has not ended, or its destruction has begun")
    saved = flag("there is a template file")
    template = config_map("the template: what stands at each slot")
    template_name = value("the name in the template", Sort.NAME)
    template_memory = value("the memory target in the template", Sort.AMOUNT)
    xenstore = entry_map("/libxl/<domid>/device: what exists")
    closing = flag_map("the backend's state says the device is going away (online = 0, state = 5)")
    name = value("/local/domain/<domid>/name", Sort.NAME)
    memory = value("/local/domain/<domid>/memory/target", Sort.AMOUNT)
    resources = flag_map("host and guest hold something for the device: backend, script, QEMU")
    granted = value("the memory limit the hypervisor enforces", Sort.AMOUNT)
    locked = flag("the lock file that is at its path is held (flock)")
    lock_file = flag("there is a lock file at the path, held or left behind")
    device_locked = flag("libxl's second lock, libxl-device-changes-lock, is held")
    crashes = value("how many processes have died", Sort.COUNT)
    attached = behind(xenstore)
    """Ghost: the very configuration that was attached. No step can see it, as none can in reality."""
    vouched = config_map("what the last operation that names the slot wrote into the template for it", ghost=True)
    torn = flag("a memory target is granted and not yet in xenstore", ghost=True)


class Local(Record):
    """A process's own: where it is, what it was asked, what it has read, what it holds."""

    at = value("the location: which step comes next; 0 is idle", Sort.LOCATION)
    slot = slot("the slot it was asked about")
    config = value("the configuration or medium it was given", Sort.CONFIG)
    new_name = value("the name it was given", Sort.NAME)
    amount = value("the memory target it was given", Sort.AMOUNT)
    draft = config_map("its copy of the whole template; for `create` what it was asked, for `retrieve` the result")
    draft_name = value("the name in its copy", Sort.NAME)
    draft_memory = value("the memory target in its copy", Sort.AMOUNT)
    holds = flag("it holds the lock")
    holds_device_lock = flag("it holds libxl's second lock")
    watch = value("which answer it is on the look-out for, if any (0: none)", Sort.WATCH, ghost=True)

    def waits_until(self, condition: Bool) -> None:
        """Guard: the step is not enabled until the condition holds."""
        self.cells.wait_until(condition)

    def fails_if(self, condition: Bool) -> None:
        """Guard: where the condition holds the operation gives up here and cleans up."""
        self.cells.fail_if(condition)


RESULT = ("draft", "draft_name", "draft_memory")
"""The locals that `retrieve` returns."""
LOCKS = {"locked": "holds", "device_locked": "holds_device_lock"}
"""Each lock, and the local that says a process holds it."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many of everything. Every verdict but a proof is for such bounds."""

    slots: int = 1
    ejectable: int = 1
    configs: int = 2
    names: int = 2
    amounts: int = 2
    processes: int = 2
    crashes: int = 1

    LEAST: ClassVar[dict[str, int]] = {
        "slots": 0,
        "ejectable": 0,
        "configs": 1,
        "names": 1,
        "amounts": 1,
        "processes": 1,
        "crashes": 0,
    }

    def __str__(self) -> str:
        return " ".join(f"{f.name}={getattr(self, f.name)}" for f in fields(self))

    def all_slots(self) -> tuple[ConcreteSlot, ...]:
        return tuple(ConcreteSlot(k, k >= self.slots) for k in range(self.slots + self.ejectable))

    def size(self, sort: Sort) -> int:
        """How many values a sort has, LOCATION and WATCH excepted."""
        return {
            Sort.BOOL: 2,
            Sort.CONFIG: FIRST_CONFIG + self.configs,
            Sort.NAME: self.names,
            Sort.AMOUNT: self.amounts,
            Sort.SLOT: max(1, self.slots + self.ejectable),
            Sort.COUNT: self.crashes + 1,
        }[sort]
