"""The small steps that the discussion talks about, each written once.

`may_fail` marks the steps that the outside can refuse in reality: a write of the template (disk full), a
transaction's commit (conflict, quota), a hotplug script, a hypercall. A step that is refused by a guard of
its own, or fails so, has done nothing.
"""

from __future__ import annotations

from confsync.model.language import all_of, any_of, either, neg, once, pointwise, step
from confsync.model.libxl.state import ABSENT, EMPTY, MADE_UP, Config, Local, Shared, Slot


def _store(s: Shared, me: Local) -> None:
    """Replace the file by my copy: write a temporary, fsync, rename over the old one."""
    s.template = me.draft
    s.template_name = me.draft_name
    s.template_memory = me.draft_memory
    s.saved = True


@step
def take_lock(s: Shared, me: Local) -> None:
    """Take the domain's lock. Open (creating it), flock, and start again unless that file is still at its path
    [`libxl__lock_domain_userdata`]."""
    me.waits_until(neg(s.locked))
    s.locked = True
    s.lock_file = True
    me.holds = True


@step
def drop_lock(s: Shared, me: Local) -> None:
    """Drop the lock. Unlink the file, then close it [`libxl__unlock_file`: in this order]."""
    me.fails_if(neg(me.holds))
    s.locked = False
    s.lock_file = False
    me.holds = False


unlock = once(take_lock, drop_lock)
"""The clean-up of an operation that may hold the lock."""


@step
def take_device_lock(s: Shared, me: Local) -> None:
    """Take libxl's second lock, libxl-device-changes-lock [since 4.13; insert, eject and retrieve alone use it]."""
    me.waits_until(neg(s.device_locked))
    s.device_locked = True
    me.holds_device_lock = True


@step
def drop_device_lock(s: Shared, me: Local) -> None:
    """Drop libxl's second lock."""
    me.fails_if(neg(me.holds_device_lock))
    s.device_locked = False
    me.holds_device_lock = False


@step
def read_template(s: Shared, me: Local) -> None:
    """Read the template into a copy in memory; an error if there is none (ERROR_JSON_CONFIG_EMPTY)."""
    me.fails_if(neg(s.saved))
    me.draft = s.template
    me.draft_name = s.template_name
    me.draft_memory = s.template_memory


@step
def refuse_if_present(s: Shared, me: Local) -> None:
    """Give up if xenstore has a device in this slot [`libxl__device_exists`]."""
    me.fails_if(s.xenstore[me.slot].present)


@step(may_fail=True)
def write_template(s: Shared, me: Local) -> None:
    """Replace the template by my copy with the device in it (atomic rename)."""
    me.draft[me.slot] = me.config
    _store(s, me)


@step(may_fail=True)
def enter_xenstore(s: Shared, me: Local) -> None:
    """Commit the device's xenstore entry; refused if the slot is taken."""
    me.fails_if(s.xenstore[me.slot].present)
    s.xenstore[me.slot] = me.config


@step(may_fail=True)
def allocate(s: Shared, me: Local) -> None:
    """Hotplug: backend, script, QEMU. Nothing is allocated for a device that is absent or closing."""
    me.fails_if(any_of(neg(s.xenstore[me.slot].present), s.closing[me.slot]))
    s.resources[me.slot] = True


@step(may_fail=True)
def mark_closing(s: Shared, me: Local) -> None:
    """Tell the backend, in xenstore, that the device goes away (online = 0, state = 5)."""
    me.fails_if(neg(s.xenstore[me.slot].present))
    s.closing[me.slot] = True


@step(may_fail=True)
def release(s: Shared, me: Local) -> None:
    """Hot-unplug: the backend closes (state 6), the script runs. Only of a device that is marked closing."""
    me.fails_if(neg(s.closing[me.slot]))
    s.resources[me.slot] = False


@step(may_fail=True)
def leave_xenstore(s: Shared, me: Local) -> None:
    """Commit the removal of the device's xenstore entry; refused unless it is closing and the backend has closed."""
    me.fails_if(any_of(neg(s.closing[me.slot]), s.resources[me.slot]))
    s.xenstore[me.slot] = ABSENT
    s.closing[me.slot] = False


@step(may_fail=True)
def forget(s: Shared, me: Local) -> None:
    """Replace the template by my copy without the device."""
    me.draft[me.slot] = ABSENT
    _store(s, me)


@step(may_fail=True)
def forget_if_absent(s: Shared, me: Local) -> None:
    """Replace the template by my copy without the device, unless xenstore has a device there again."""
    me.fails_if(s.xenstore[me.slot].present)
    me.draft[me.slot] = ABSENT
    _store(s, me)


@step
def refuse_unless_empty(s: Shared, me: Local) -> None:
    """Give up unless there is a drive and xenstore says it is empty."""
    me.fails_if(neg(s.xenstore[me.slot].empty))


@step
def refuse_unless_drive(s: Shared, me: Local) -> None:
    """Give up unless there is a drive."""
    me.fails_if(neg(s.xenstore[me.slot].present))


@step(may_fail=True)
def load_medium(s: Shared, me: Local) -> None:
    """Commit the new medium to xenstore; refused unless there is a drive and it is empty."""
    me.fails_if(neg(s.xenstore[me.slot].empty))
    s.xenstore[me.slot] = me.config


@step(may_fail=True)
def replace_medium(s: Shared, me: Local) -> None:
    """Commit the new medium to xenstore, whatever was in the drive; refused if there is no drive."""
    me.fails_if(neg(s.xenstore[me.slot].present))
    s.xenstore[me.slot] = me.config


@step(may_fail=True)
def unload_medium(s: Shared, me: Local) -> None:
    """Commit to xenstore that the drive is empty; refused if there is no drive."""
    me.fails_if(neg(s.xenstore[me.slot].present))
    s.xenstore[me.slot] = EMPTY


@step(may_fail=True)
def write_template_empty(s: Shared, me: Local) -> None:
    """Replace the template by my copy with the drive empty."""
    me.draft[me.slot] = EMPTY
    _store(s, me)


@step(may_fail=True)
def write_name(s: Shared, me: Local) -> None:
    """Commit the name to xenstore; refused if the domain is gone."""
    me.fails_if(neg(s.alive))
    s.name = me.new_name


@step(may_fail=True)
def grant_memory(s: Shared, me: Local) -> None:
    """Tell the hypervisor the new memory limit; refused if the domain is gone."""
    me.fails_if(neg(s.alive))
    s.granted = me.amount


@step(may_fail=True)
def write_memory(s: Shared, me: Local) -> None:
    """Commit the memory target to xenstore; refused if the domain is gone."""
    me.fails_if(neg(s.alive))
    s.memory = me.amount


@step
def grant_what_xenstore_says(s: Shared, me: Local) -> None:
    """Take the hypervisor's limit back to the target in xenstore."""
    me.fails_if(neg(s.alive))
    s.granted = s.memory


def _merged(s: Shared, me: Local, k: Slot) -> Config:
    """R1 and R2: the template's entry of a device that exists, EMPTY for an empty drive, or a made-up entry."""
    known = either(me.draft[k] != ABSENT, me.draft[k], MADE_UP)
    there = either(s.xenstore[k].empty, EMPTY, known)
    return either(s.xenstore[k].present, there, ABSENT)


@step
def merge_devices(s: Shared, me: Local) -> None:
    """Walk the ordinary devices that exist: each takes its template entry, or a made-up one [R1]."""
    me.draft = pointwise(lambda k: either(k.ejectable, me.draft[k], _merged(s, me, k)))


@step
def merge_media(s: Shared, me: Local) -> None:
    """Walk the drives that exist: as for devices, and the medium of an empty one is dropped [R2]."""
    me.draft = pointwise(lambda k: either(k.ejectable, _merged(s, me, k), me.draft[k]))


@step
def merge_knobs(s: Shared, me: Local) -> None:
    """Read name and memory target from xenstore."""
    me.fails_if(neg(s.alive))
    me.draft_name = s.name
    me.draft_memory = s.memory


@step(may_fail=True)
def write_back(s: Shared, me: Local) -> None:
    """Replace the template by the merged list [R3, read as the file on disk]."""
    _store(s, me)


@step
def answer(s: Shared, me: Local) -> None:
    """Hand the result to the caller."""


@step(may_fail=True)
def make_domain(s: Shared, me: Local) -> None:
    """Have the hypervisor make the domain, paused, and clear what xenstore has of the domid [`libxl__domain_make`]."""
    me.fails_if(s.alive)
    s.alive = True
    s.paused = True
    s.xenstore = pointwise(lambda k: ABSENT)
    s.closing = pointwise(lambda k: False)
    s.name = me.draft_name
    s.memory = me.draft_memory
    s.granted = me.draft_memory


@step(may_fail=True)
def save_template(s: Shared, me: Local) -> None:
    """Write the template for the first time [A3: it is saved at creation]."""
    me.fails_if(neg(s.alive))
    _store(s, me)


@step(may_fail=True)
def enter_devices(s: Shared, me: Local) -> None:
    """Commit the xenstore entries of all devices the domain is created with."""
    s.xenstore = me.draft
    s.closing = pointwise(lambda k: False)


@step(may_fail=True)
def allocate_devices(s: Shared, me: Local) -> None:
    """Hotplug all devices that are in xenstore and not closing."""
    s.resources = pointwise(lambda k: any_of(s.resources[k], all_of(s.xenstore[k].present, neg(s.closing[k]))))


@step
def unpause(s: Shared, me: Local) -> None:
    """Let the domain run; refused if it is gone."""
    me.fails_if(neg(s.alive))
    s.paused = False


@step
def close_devices(s: Shared, me: Local) -> None:
    """Begin the destruction: pause the domain, tell every device to go away; refused if the domain is gone."""
    me.fails_if(neg(s.alive))
    s.paused = True
    s.closing = pointwise(lambda k: s.xenstore[k].present)


@step
def release_devices(s: Shared, me: Local) -> None:
    """Hot-unplug every device that is marked closing, by force where need be."""
    s.resources = pointwise(lambda k: all_of(s.resources[k], neg(s.closing[k])))


@step(may_fail=True)
def leave_devices(s: Shared, me: Local) -> None:
    """Remove all that xenstore has of the domain's devices."""
    s.xenstore = pointwise(lambda k: ABSENT)
    s.closing = pointwise(lambda k: False)


@step(may_fail=True)
def remove_template(s: Shared, me: Local) -> None:
    """Unlink the template [`libxl__userdata_destroyall`]."""
    s.template = pointwise(lambda k: ABSENT)
    s.template_name = 0
    s.template_memory = 0
    s.saved = False


@step
def kill_domain(s: Shared, me: Local) -> None:
    """Have the hypervisor destroy the domain; its name and memory nodes go with it."""
    s.alive = False
    s.paused = False
    s.name = 0
    s.memory = 0
    s.granted = 0
