"""XENSTORE FIRST, LOCKED: xenstore is the primary reference, and the lock is held until xenstore is committed.

A device in xenstore has a template entry, so the template is written first, and only if the slot is free; a
device that holds resources is in xenstore. The lock is dropped before anything is allocated. A template entry
that xenstore lacks is not present, for all purposes. Unplug runs it in reverse: mark closing and release,
then, under the lock, leave xenstore and forget the entry. A medium goes in as a device does: the template
first, and only into an empty drive; it comes out of xenstore first [X1, X2, X3, X4, X5, C1, C2, U1, L1].
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
    refuse_if_present,
    refuse_unless_empty,
    release,
    take_lock,
    unload_medium,
    unlock,
    write_template,
    write_template_empty,
)

insert = order(
    take_lock, read_template, refuse_unless_empty, write_template, load_medium, drop_lock,
    on_failure=(unlock,),
)  # fmt: skip
eject = order(take_lock, read_template, unload_medium, write_template_empty, drop_lock, on_failure=(unlock,))

xenstore_first_locked = design(
    "xenstore_first_locked",
    __doc__,
    create=create,
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
    set_memory_target=set_memory_target,
    rename=rename,
    retrieve=retrieve,
    destroy=destroy,
)  # fmt: skip
