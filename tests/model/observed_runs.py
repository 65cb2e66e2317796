"""Traces of operations: those kept beside the tests with the orders they are known to show, and made ones."""

from __future__ import annotations

import json
from pathlib import Path

import places

from confsync.model.engine.program import Program
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.observed import Observed, Trace, read, to_design
from confsync.model.libxl.state import Bounds

DATA = places.DATA / "observed"
LAB, HOSTS = DATA / "lab", DATA / "hosts"
BASE = DESIGNS[RECOMMENDED]

ATTACH = "take_lock read_template refuse_if_present write_template enter_xenstore drop_lock allocate"
"""Lock; read; in an open transaction look, rename the template, write the nodes, commit; unlock; then hotplug."""
DETACH = "mark_closing release leave_xenstore"
"""Without any lock, and the template is not opened."""
INSERT = (
    "take_device_lock take_lock unload_medium read_template drop_lock "
    "take_lock read_template write_template load_medium drop_lock drop_device_lock"
)
"""Two sections under the lock, all of it under the device lock; the drive is emptied first."""
EJECT = (
    "take_device_lock take_lock unload_medium read_template drop_lock "
    "take_lock read_template write_template_empty unload_medium drop_lock drop_device_lock"
)
"""As an insert, with an empty medium, which is so committed twice."""
MEMORY = "take_lock read_template grant_memory write_memory drop_lock"
"""The hypercall is made inside the open transaction; the template is read, and not written."""
RETRIEVE = (
    "take_device_lock take_lock read_template drop_lock take_lock merge_knobs merge_devices merge_media "
    "drop_device_lock drop_lock answer"
)
"""The template is read in one section, xenstore in a second; the device lock is dropped first."""
DESTROY = "close_devices release_devices leave_devices take_lock remove_template drop_lock kill_domain"
"""Xenstore is cleared outside any lock; the hypervisor's domain goes last."""
CREATE = "make_domain enter_devices allocate_devices take_lock save_template drop_lock unpause"
"""The devices are entered and plugged without a template; it is written once, at the end."""

LAB_TRACES = {
    "block-attach": ("attach", ATTACH),
    "network-attach": ("attach", ATTACH),
    "network-attach-2nd": ("attach", ATTACH),
    "block-detach": ("detach", DETACH),
    "block-detach-force": ("detach", DETACH),
    "network-detach": ("detach", DETACH),
    "cd-insert-qmp": ("insert", INSERT),
    "cd-insert-trad": ("insert", INSERT),
    "cd-eject-qmp": ("eject", EJECT),
    "mem-set": ("set_memory_target", MEMORY),
    "rename": ("rename", "write_name"),
    "list-l": ("retrieve", RETRIEVE),
    "destroy": ("destroy", DESTROY),
}
HOST_TRACES = {
    "010-create-pv-paused/events": ("create", CREATE),
    "013-list-l-pv/events": ("retrieve", RETRIEVE),
    "020-block-attach-live/events": ("attach", ATTACH),
    "021-block-detach-live/events": ("detach", DETACH),
    "030-mem-set-live/events": ("set_memory_target", MEMORY),
    "033-rename-live/events": ("rename", "write_name"),
    "044-network-detach-paused/events": ("detach", "mark_closing mark_closing release leave_xenstore"),
    "100-cd-eject/events": ("eject", EJECT),
    "102-cd-swap-A-B/events": ("insert", INSERT),
    "113-kill-cd-after-tx1-commit/events-retry": ("insert", INSERT),
    "161-destroy-hvm/events": ("destroy", DESTROY),
    "301-conc-attach-same-vdev/events-1": ("attach", ATTACH),
    "365-attach-commit-EAGAIN/events-1": ("attach", ATTACH),
    "365-attach-commit-EAGAIN/events-2": ("detach", DETACH),
}
ALL = [LAB / f"{n}.txt" for n in (*LAB_TRACES, "mem-max")] + sorted(HOSTS.rglob("*.txt"))


def one(path: Path) -> Trace:
    (trace,) = read([path])
    return trace


def names(trace: Trace) -> str:
    return " ".join(s.name for s in trace.order)


def made(*paths: Path) -> Observed:
    """The design from these, which must be one that the model can run."""
    observed = to_design(read(paths), BASE)
    Program(observed.design, Bounds())
    return observed


def order_of(observed: Observed, operation: str) -> str:
    return " ".join(s.name for s in observed.design[operation].steps)


def raw_run(folder: Path, op: str, *steps: str, rc: int = 0) -> Path:
    """A trace in the raw format, with its case.json. A step that ends in `...` is a request and its answer OK."""
    what = [w for s in steps for w in ([s[:-3], f"xsreply {s.split()[1]} = OK "] if s.endswith("...") else [s])]
    folder.joinpath("case.json").write_text(json.dumps({"op": op, "rc": rc}))
    path = folder / "events.txt"
    path.write_text("".join(f"{n}.5 7 xl #{n} {w}\n" for n, w in enumerate(what, 1)))
    return path
