"""The variants: each is an edit of a design's lists."""

from confsync.model.language import order
from confsync.model.libxl.designs.xenstore_first import xenstore_first
from confsync.model.libxl.designs.xenstore_first_locked import xenstore_first_locked
from confsync.model.libxl.steps import (
    answer,
    drop_lock,
    merge_devices,
    merge_knobs,
    merge_media,
    read_template,
    refuse_if_present,
    refuse_unless_drive,
    refuse_unless_empty,
    replace_medium,
    take_lock,
    unlock,
    write_back,
    write_template,
)

xenstore_first_unlocked = xenstore_first_locked.without(
    "xenstore_first_unlocked",
    "XENSTORE FIRST, UNLOCKED: the same order as xenstore_first_locked, without any lock [L1].",
    take_lock,
    drop_lock,
)

xenstore_first_unchecked = xenstore_first_locked.but(
    "xenstore_first_unchecked",
    "XENSTORE FIRST, UNCHECKED: as xenstore_first_locked, without the look whether the slot is free (for a medium, "
    "whether the drive is empty) before the template is written [X5].",
    attach=xenstore_first_locked["attach"].without(refuse_if_present),
    insert=xenstore_first_locked["insert"].without(refuse_unless_empty),
    swap=xenstore_first_locked["swap"].without(refuse_unless_empty),
)

retrieve_and_write_back = order(
    take_lock, read_template, merge_devices, merge_media, merge_knobs, write_back, drop_lock, answer,
    on_failure=(unlock,),
)  # fmt: skip

xenstore_first_write_back = xenstore_first.but(
    "xenstore_first_write_back",
    "XENSTORE FIRST, WRITE BACK: as xenstore_first, and retrieve replaces the file on disk by the merged list [R3].",
    retrieve=retrieve_and_write_back,
)

xenstore_first_locked_write_back = xenstore_first_locked.but(
    "xenstore_first_locked_write_back",
    "XENSTORE FIRST, LOCKED, WRITE BACK: as xenstore_first_locked, and retrieve replaces the file on disk by the "
    "merged list [R3].",
    retrieve=retrieve_and_write_back,
)

xenstore_first_locked_direct_swap_template_first = xenstore_first_locked.but(
    "xenstore_first_locked_direct_swap_template_first",
    "XENSTORE FIRST, LOCKED, DIRECT SWAP: a swap without the eject; the template first, then xenstore [C1, C2].",
    swap=order(
        take_lock, read_template, refuse_unless_drive, write_template, replace_medium, drop_lock,
        on_failure=(unlock,),
    ),
)  # fmt: skip

xenstore_first_locked_direct_swap_xenstore_first = xenstore_first_locked.but(
    "xenstore_first_locked_direct_swap_xenstore_first",
    "XENSTORE FIRST, LOCKED, DIRECT SWAP: a swap without the eject; xenstore first, then the template [C1, C2].",
    swap=order(take_lock, read_template, replace_medium, write_template, drop_lock, on_failure=(unlock,)),
)
