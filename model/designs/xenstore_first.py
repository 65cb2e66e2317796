"""XENSTORE FIRST, taken literally: the lock covers the update of the template, and nothing else.

The new template is written before xenstore is; the lock need not be held across the device's addition, only
across the update of the template. Unplug runs it in reverse, and forgets the entry only if the slot is still
absent from xenstore. What does not touch the file takes no lock at all [X1, X2, X4, X5, X6, U1, L1].
"""

from model.step import Design, once, order
from model.steps import (
    allocate,
    allocate_devices,
    answer,
    close_devices,
    drop_lock,
    enter_devices,
    enter_xenstore,
    forget_if_absent,
    grant_memory,
    grant_what_xenstore_says,
    kill_domain,
    leave_devices,
    leave_xenstore,
    load_medium,
    make_domain,
    mark_closing,
    merge_devices,
    merge_knobs,
    merge_media,
    read_template,
    refuse_unless_empty,
    release,
    release_devices,
    remove_template,
    save_template,
    take_lock,
    unload_medium,
    unlock,
    unpause,
    write_memory,
    write_name,
    write_template,
    write_template_empty,
)

abandon = once(make_domain, close_devices, release_devices, leave_devices, remove_template, kill_domain)
insert = order(take_lock, read_template, write_template, drop_lock, load_medium, on_failure=(unlock,))
eject = order(
    unload_medium, take_lock, read_template, refuse_unless_empty, write_template_empty, drop_lock,
    on_failure=(unlock,),
)  # fmt: skip

xenstore_first = Design(
    name="xenstore_first",
    says=__doc__,
    create=order(
        make_domain, take_lock, save_template, drop_lock, enter_devices, allocate_devices, unpause,
        on_failure=(abandon, unlock),
    ),
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
    destroy=order(
        close_devices, release_devices, leave_devices, take_lock, remove_template, drop_lock, kill_domain,
        on_failure=(unlock,),
    ),
)  # fmt: skip
