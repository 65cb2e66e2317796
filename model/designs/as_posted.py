"""AS POSTED: the order in which hotplug was first posted to the list.

Take the lock, read the template, add the device to the copy in memory; hotplug, that is enter xenstore and
allocate; on success write the template. Unplug runs it in reverse. The last two steps can fail, and leave
the device in xenstore but not in the template [P1, U1].
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

abandon = once(make_domain, close_devices, remove_template, release_devices, leave_devices, kill_domain)
insert = order(take_lock, read_template, load_medium, write_template, drop_lock, on_failure=(unlock,))
eject = order(take_lock, read_template, write_template_empty, unload_medium, drop_lock, on_failure=(unlock,))

as_posted = Design(
    name="as_posted",
    says=__doc__,
    create=order(
        take_lock, make_domain, enter_devices, allocate_devices, save_template, unpause, drop_lock,
        on_failure=(abandon, unlock),
    ),
    attach=order(
        take_lock, read_template, enter_xenstore, allocate, write_template, drop_lock,
        on_failure=(unlock,),
    ),
    detach=order(
        take_lock, read_template, mark_closing, forget, release, leave_xenstore, drop_lock,
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
        take_lock, close_devices, remove_template, release_devices, leave_devices, kill_domain, drop_lock,
        on_failure=(unlock,),
    ),
)  # fmt: skip
