"""XENSTORE FIRST, taken literally: the lock covers the update of the template, and nothing else.

The new template is written before xenstore is; the lock need not be held across the device's addition, only
across the update of the template. Unplug runs it in reverse, and forgets the entry only if the slot is still
absent from xenstore. What does not touch the file takes no lock at all [X1, X2, X4, X5, X6, U1, L1]. Creation
and destruction were not at issue: they hold the lock throughout, as in the other designs.
"""

from confsync.model.language import once, order
from confsync.model.libxl.designs.common import create, destroy
from confsync.model.libxl.protocol import design
from confsync.model.libxl.steps import (
    allocate,
    answer,
    drop_lock,
    enter_xenstore,
    forget_if_absent,
    grant_memory,
    grant_what_xenstore_says,
    leave_xenstore,
    load_medium,
    mark_closing,
    merge_devices,
    merge_knobs,
    merge_media,
    read_template,
    refuse_unless_empty,
    release,
    take_lock,
    unload_medium,
    unlock,
    write_memory,
    write_name,
    write_template,
    write_template_empty,
)

insert = order(take_lock, read_template, write_template, drop_lock, load_medium, on_failure=(unlock,))
eject = order(
    unload_medium, take_lock, read_template, refuse_unless_empty, write_template_empty, drop_lock,
    on_failure=(unlock,),
)  # fmt: skip

xenstore_first = design(
    "xenstore_first",
    __doc__,
    create=create,
    attach=order(
        take_lock, read_template, write_template, drop_lock, enter_xenstore, allocate,
        on_failure=(unlock,),
    ),
    detach=order(
        mark_closing, release, leave_xenstore, take_lock, read_template, forget_if_absent, drop_lock,
        on_failure=(unlock,),
    ),
    insert=insert,
    eject=eject,
    swap=eject.then(insert),
    set_memory_target=order(
        grant_memory, write_memory,
        on_failure=(once(grant_memory, grant_what_xenstore_says),),
    ),
    rename=order(write_name),
    retrieve=order(
        take_lock, read_template, drop_lock, merge_devices, merge_media, merge_knobs, answer,
        on_failure=(unlock,),
    ),
    destroy=destroy,
)  # fmt: skip
