"""JSON FIRST: the template is the primary reference.

A device in the template is in xenstore, so the entry is made before the template is written; a device that
holds resources is in the template, so the template is written before anything is allocated. The lock is held
across the hotplug. A device in xenstore that the template lacks is tolerated, and reported in degraded form
[J1, J2, J3, J4, U1].
"""

from confsync.model.language import once, order
from confsync.model.libxl.designs.as_posted import as_posted, eject, insert
from confsync.model.libxl.steps import (
    allocate,
    allocate_devices,
    close_devices,
    drop_lock,
    enter_devices,
    enter_xenstore,
    forget,
    kill_domain,
    leave_devices,
    leave_xenstore,
    make_domain,
    mark_closing,
    read_template,
    release,
    release_devices,
    remove_template,
    save_template,
    take_lock,
    unlock,
    unpause,
    write_template,
)

abandon = once(make_domain, close_devices, release_devices, remove_template, leave_devices, kill_domain)

json_first = as_posted.but(
    "json_first",
    says=__doc__,
    create=order(
        take_lock, make_domain, enter_devices, save_template, allocate_devices, unpause, drop_lock,
        on_failure=(abandon, unlock),
    ),
    attach=order(
        take_lock, read_template, enter_xenstore, write_template, allocate, drop_lock,
        on_failure=(unlock,),
    ),
    detach=order(
        take_lock, read_template, mark_closing, release, forget, leave_xenstore, drop_lock,
        on_failure=(unlock,),
    ),
    insert=insert,
    eject=eject,
    swap=eject.then(insert),
    destroy=order(
        take_lock, close_devices, release_devices, remove_template, leave_devices, kill_domain, drop_lock,
        on_failure=(unlock,),
    ),
)  # fmt: skip
