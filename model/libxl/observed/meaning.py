"""What a thing that a toolstack does means: which step it is, operation by operation."""

from __future__ import annotations

from confsync.model.libxl import steps as step
from confsync.model.libxl.observed.trace import Kind
from confsync.model.libxl.observed.transaction import Change

TAKES = {"json_lock": step.take_lock, "dev_lock": step.take_device_lock}
DROPS = {"json_lock": step.drop_lock, "dev_lock": step.drop_device_lock}
REPLACES = {
    "create": step.save_template,
    "attach": step.write_template,
    "detach": step.forget,
    "insert": step.write_template,
    "swap": step.write_template,
    "eject": step.write_template_empty,
    "retrieve": step.write_back,
}
COMMITS = {
    ("create", Change.SKELETON): step.make_domain,
    ("create", Change.ENTERS): step.enter_devices,
    ("attach", Change.ENTERS): step.enter_xenstore,
    ("detach", Change.CLOSES): step.mark_closing,
    ("detach", Change.LEAVES): step.leave_xenstore,
    ("eject", Change.UNLOADS): step.unload_medium,
    ("insert", Change.UNLOADS): step.unload_medium,
    ("insert", Change.LOADS): step.replace_medium,
    ("swap", Change.UNLOADS): step.unload_medium,
    ("swap", Change.LOADS): step.replace_medium,
    ("set_memory_target", Change.MEMORY): step.write_memory,
    ("rename", Change.NAME): step.write_name,
    ("destroy", Change.CLOSES): step.close_devices,
    ("destroy", Change.LEAVES): step.leave_devices,
}
NEEDS_A_LOOK = {
    step.enter_xenstore: "its slot is free",
    step.unload_medium: "there is a drive",
    step.replace_medium: "there is a drive",
    step.load_medium: "there is a drive",
}
"""Steps that refuse. A commit is one of these only if its transaction looks at what the step would refuse for."""
HOTPLUG = {
    "create": (Kind.PLUG, step.allocate_devices, "2"),
    "attach": (Kind.PLUG, step.allocate, "2"),
    "detach": (Kind.UNPLUG, step.release, "6"),
    "destroy": (Kind.UNPLUG, step.release_devices, "6"),
}
"""The direction, the step, and the state that the backend is waited for to reach."""
HYPERCALLS = {
    ("set_memory_target", "max_mem"): step.grant_memory,
    ("destroy", "destroydomain"): step.kill_domain,
    ("create", "unpausedomain"): step.unpause,
}
