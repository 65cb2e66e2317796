"""The operations: what each is asked with, and what it must touch to do what its name says; and the locks."""

from __future__ import annotations

from confsync.model.language import Lock, Observer, Signature

SIGNATURES = {
    "create": Signature(
        "create the domain with a whole configuration",
        takes=("draft",),
        first=("draft_name", "draft_memory"),
        writes=("alive", "saved", "template", "xenstore", "resources"),
        told="create ({draft})",
    ),
    "attach": Signature(
        "attach a device",
        takes=("slot", "config"),
        of_kind=(("slot", "ordinary"),),
        writes=("template", "xenstore", "resources"),
        told="attach {slot} as {config}",
    ),
    "detach": Signature(
        "detach a device",
        takes=("slot",),
        of_kind=(("slot", "ordinary"),),
        writes=("xenstore", "resources"),
        told="detach {slot}",
    ),
    "insert": Signature(
        "insert a medium into an empty drive",
        takes=("slot", "config"),
        of_kind=(("slot", "ejectable"),),
        writes=("template", "xenstore"),
        told="insert {config} into {slot}",
    ),
    "eject": Signature(
        "eject the medium",
        takes=("slot",),
        of_kind=(("slot", "ejectable"),),
        writes=("xenstore",),
        told="eject {slot}",
    ),
    "swap": Signature(
        "replace the medium by another",
        takes=("slot", "config"),
        of_kind=(("slot", "ejectable"),),
        writes=("template", "xenstore"),
        told="swap {slot} to {config}",
    ),
    "set_memory_target": Signature(
        "set the memory target",
        takes=("amount",),
        writes=("granted", "memory"),
        told="set_memory_target to {amount}",
    ),
    "rename": Signature("rename the domain", takes=("new_name",), writes=("name",), told="rename to {new_name}"),
    "retrieve": Signature("read the domain's configuration back", told="retrieve"),
    "destroy": Signature("destroy the domain", writes=("alive", "saved", "xenstore", "resources"), told="destroy"),
}
"""In the order of a domain's life."""
LOCKS = (Lock("locked", "holds", "the lock"), Lock("device_locked", "holds_device_lock", "the device lock"))
OBSERVER = Observer(
    "retrieve",
    answer={"draft": "xenstore", "draft_name": "name", "draft_memory": "memory"},
    exists="alive",
    recreates="create",
    subject="the domain",
)
HOLDERS = {lock.taken: lock.held for lock in LOCKS}
"""Each lock, and the local that says a process holds it."""
RESULT = tuple(OBSERVER.answer)
"""The locals that `retrieve` returns."""
