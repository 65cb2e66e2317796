"""The designs that were on the table, a page each."""

from confsync.model.language import Design
from confsync.model.libxl.designs.as_posted import as_posted
from confsync.model.libxl.designs.json_first import json_first
from confsync.model.libxl.designs.variants import (
    xenstore_first_locked_direct_swap_template_first,
    xenstore_first_locked_direct_swap_xenstore_first,
    xenstore_first_locked_write_back,
    xenstore_first_unchecked,
    xenstore_first_unlocked,
    xenstore_first_write_back,
)
from confsync.model.libxl.designs.xenstore_first import xenstore_first
from confsync.model.libxl.designs.xenstore_first_locked import xenstore_first_locked

DESIGNS: dict[str, Design] = {
    d.name: d
    for d in (
        as_posted,
        json_first,
        xenstore_first,
        xenstore_first_locked,
        xenstore_first_unlocked,
        xenstore_first_unchecked,
        xenstore_first_write_back,
        xenstore_first_locked_write_back,
        xenstore_first_locked_direct_swap_template_first,
        xenstore_first_locked_direct_swap_xenstore_first,
    )
}
RECOMMENDED = "xenstore_first_locked"
"""The design that holds every property it claims; what `--observed` and design files start from."""
