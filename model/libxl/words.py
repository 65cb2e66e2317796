"""How libxl's runs are told: what a step changed, an answer, what stands where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from confsync.model import language
from confsync.model.language import Difference, Words
from confsync.model.libxl.operations import LOCKS
from confsync.model.libxl.state import CONFIG, FIRST_CONFIG, SLOT, Bounds

Changed = Mapping[str, tuple[str | bool, str | bool]]


def changes(d: Difference) -> Iterator[str]:
    """What differs, as a reader wants to hear it: nothing that another line implies."""
    yield from _of_domain(d)
    for k in d.elements:
        yield from _of_slot(d.changed, k)
    yield from _of_locks(d.changed, bool(d.after["lock_file"]))


def _of_domain(d: Difference) -> Iterator[str]:
    alive, paused, saved = (bool(d.after[name]) for name in ("alive", "paused", "saved"))
    if "alive" in d.changed:
        yield f"domain: created{', paused' if paused else ''}" if alive else "domain: gone"
    elif "paused" in d.changed and alive:
        yield "domain: paused" if paused else "domain: runs"
    if alive:
        names = {"name": "name", "memory": "memory target", "granted": "memory granted"}
        yield from _knobs(d, names, new="alive" in d.changed)
    if "saved" in d.changed:
        yield "template file: written" if saved else "template file: gone"
    if saved:
        names = {"template_name": "template's name", "template_memory": "template's memory target"}
        yield from _knobs(d, names, new="saved" in d.changed)


def _knobs(d: Difference, names: dict[str, str], *, new: bool) -> Iterator[str]:
    """What changed of name and memory; all that can differ where they are `new`."""
    for name, words in names.items():
        if name in d.changed and not new:
            yield f"{words}: {d.changed[name][0]} -> {d.changed[name][1]}"
        elif new and name in d.varies:
            yield f"{words}: {d.after[name]}"


def _of_slot(diff: Changed, k: str) -> Iterator[str]:
    if template := diff.get(f"template[{k}]"):
        yield f"template[{k}]: {template[0]} -> {template[1]}"
    entry, closing = diff.get(f"xenstore[{k}]"), diff.get(f"closing[{k}]")
    if entry:
        yield f"xenstore[{k}]: {entry[0]} -> {entry[1]}"
    if closing and not (entry and entry[1] == "absent"):
        yield f"xenstore[{k}]: {'closing' if closing[1] else 'no longer closing'}"
    if resources := diff.get(f"resources[{k}]"):
        yield f"resources[{k}]: {'held' if resources[1] else 'released'}"


def _of_locks(diff: Changed, file_is_there: bool) -> Iterator[str]:
    for lock in LOCKS:
        if lock.taken in diff:
            yield f"{lock.words.removeprefix('the ')}: {'held' if diff[lock.taken][1] else 'free'}"
    released = "locked" in diff and not diff["locked"][1]
    if file_is_there and (released or ("lock_file" in diff and "locked" not in diff)):
        yield "lock file: left behind"
    elif "lock_file" in diff and "locked" not in diff:
        yield "lock file: gone"


def answer(told: Mapping[str, Mapping[str, str] | str]) -> str:
    """A whole configuration; name and memory where there is more than one."""
    draft = told["draft"]
    assert isinstance(draft, Mapping)
    devices = [f"{k}: {config}" for k, config in draft.items() if config != "absent"]
    knobs = [str(told[knob]) for knob in ("draft_name", "draft_memory") if knob in told]
    return ", ".join((devices or ["no device"]) + knobs)


def standing(d: Difference) -> Iterator[str]:
    """What stands where in the state `after`."""
    domain = ("a paused" if d.after["paused"] else "a running") if d.after["alive"] else "no"
    saved, held = "a" if d.after["saved"] else "no", "held" if d.after["locked"] else "free"
    yield f"There is {domain} domain and {saved} template file, and the lock is {held}."
    for k in d.elements:
        template, entry, closing, resources = (
            d.after[f"{name}[{k}]"] for name in ("template", "xenstore", "closing", "resources")
        )
        yield (
            f"{k}: template {template}, xenstore {entry}{' (closing)' if closing else ''}, "
            f"resources {'held' if resources else 'none'}."
        )


def legend(bounds: language.Bounds) -> Iterator[str]:
    """What the names in a story stand for."""
    assert isinstance(bounds, Bounds)
    slots = bounds.elements(SLOT)
    devices, drives = ([str(k) for k in slots if k.ejectable == e] for e in (False, True))
    if devices:
        yield f"{', '.join(devices)}: where a device can be"
    if drives:
        yield f"{', '.join(drives)}: a drive for a medium"
    if slots:
        shown = [CONFIG.show(c) for c in range(FIRST_CONFIG, FIRST_CONFIG + bounds.configs)]
        yield f"{', '.join(shown)}: what users gave"


WORDS = Words(changes, answer, standing, legend)
