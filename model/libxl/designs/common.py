"""What was not at issue, and is the same in most designs.

Creation and destruction hold the lock throughout. The template is saved before anything is in xenstore, and
removed after everything has left it. What sets a knob, and what reads everything back, holds the lock too
[A2, A3, A4, L1].
"""

from confsync.model.language import once, order
from confsync.model.libxl.steps import (
    allocate_devices,
    answer,
    close_devices,
    drop_lock,
    enter_devices,
    grant_memory,
    grant_what_xenstore_says,
    kill_domain,
    leave_devices,
    make_domain,
    merge_devices,
    merge_knobs,
    merge_media,
    read_template,
    release_devices,
    remove_template,
    save_template,
    take_lock,
    unlock,
    unpause,
    write_memory,
    write_name,
)

abandon = once(make_domain, close_devices, release_devices, leave_devices, remove_template, kill_domain)
create = order(
    take_lock, make_domain, save_template, enter_devices, allocate_devices, unpause, drop_lock,
    on_failure=(abandon, unlock),
)  # fmt: skip
destroy = order(
    take_lock, close_devices, release_devices, leave_devices, remove_template, kill_domain, drop_lock,
    on_failure=(unlock,),
)  # fmt: skip
set_memory_target = order(
    take_lock, grant_memory, write_memory, drop_lock,
    on_failure=(once(grant_memory, grant_what_xenstore_says), unlock),
)  # fmt: skip
rename = order(take_lock, write_name, drop_lock, on_failure=(unlock,))
retrieve = order(
    take_lock, read_template, merge_devices, merge_media, merge_knobs, drop_lock, answer,
    on_failure=(unlock,),
)  # fmt: skip
