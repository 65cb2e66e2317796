"""AS POSTED: the order in which hotplug was first posted to the list.

Take the lock, read the template, add the device to the copy in memory; hotplug, that is enter xenstore and
allocate; on success write the template. Unplug runs it in reverse. The last two steps can fail, and leave
the device in xenstore but not in the template [P1, U1]. A medium goes in and comes out in the same order.
"""

from confsync.model.language import order
from confsync.model.libxl.designs.common import create, destroy, rename, retrieve, set_memory_target
from confsync.model.libxl.protocol import design
from confsync.model.libxl.steps import (
    allocate,
    drop_lock,
    enter_xenstore,
    forget,
    leave_xenstore,
    load_medium,
    mark_closing,
    read_template,
    release,
    take_lock,
    unload_medium,
    unlock,
    write_template,
    write_template_empty,
)

insert = order(take_lock, read_template, load_medium, write_template, drop_lock, on_failure=(unlock,))
eject = order(take_lock, read_template, write_template_empty, unload_medium, drop_lock, on_failure=(unlock,))

as_posted = design(
    "as_posted",
    __doc__,
    create=create,
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
    set_memory_target=set_memory_target,
    rename=rename,
    retrieve=retrieve,
    destroy=destroy,
)  # fmt: skip
