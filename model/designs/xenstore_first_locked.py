"""XENSTORE FIRST, LOCKED: xenstore is the primary reference, and the lock is held until xenstore is committed.

A device in xenstore has a template entry, so the template is written first, and only if the slot is free; a
device that holds resources is in xenstore. The lock is dropped before anything is allocated. A template entry
that xenstore lacks is not present, for all purposes. Unplug runs it in reverse: mark closing and release,
then, under the lock, leave xenstore and forget the entry. A medium goes in as a device does: the template
first, and only into an empty drive; it comes out of xenstore first [X1, X2, X3, X4, X5, C1, C2, U1, L1].
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
    forget,
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
    refuse_if_present,
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
insert = order(
    take_lock, read_template, refuse_unless_empty, write_template, load_medium, drop_lock,
    on_failure=(unlock,),
)  # fmt: skip
eject = order(take_lock, read_template, unload_medium, write_template_empty, drop_lock, on_failure=(unlock,))

xenstore_first_locked = Design(
    name="xenstore_first_locked",
    says=__doc__,
    create=order(
        take_lock, make_domain, save_template, enter_devices, allocate_devices, unpause, drop_lock,
        on_failure=(abandon, unlock),
    ),
    attach=order(
        take_lock, read_template, refuse_if_present, write_template, enter_xenstore, drop_lock, allocate,
        on_failure=(unlock,),
    ),
    detach=order(
        mark_closing, release, take_lock, leave_xenstore, read_template, forget, drop_lock,
        on_failure=(unlock,),
    ),
    insert=insert,
    eject=eject,
    swap=eject.then(insert),
    set_memory_target=order(
        take_lock, grant_memory, write_memory, drop_lock,
        on_failure=(once(grant_memory, grant_what_xenstore_says), unlock),
    ),
    rename=order(take_lock, write_name, drop_lock, on_failure=(unlock,)),
    retrieve=order(
        take_lock, read_template, merge_devices, merge_media, merge_knobs, drop_lock, answer,
        on_failure=(unlock,),
    ),
    destroy=order(
        take_lock, close_devices, release_devices, leave_devices, remove_template, kill_domain, drop_lock,
        on_failure=(unlock,),
    ),
)  # fmt: skip
