"""Which entry of a template is of which device: by the entry's key, or by its place in the list.

libxl leaves the entries of some kinds without the number that it gave the device, at creation, and writes the number of
one that is attached later [libxl__update_domain_configuration, libxl__device_nextid].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count

from confsync.impl.configuration.text import expect
from confsync.impl.errors import InvalidArgument, MalformedConfiguration
from confsync.impl.kinds import DISK, MOST_DEVID, P9, PCI, USBCTRL, VKB, Device, Entry, Json, Kind

Places = Mapping[str, int]
"""Where the entries of a kind stand, by their index: a device's own hash costs ten times as much."""
UNSET = -1
"""libxl's number for a device that got none yet; default values are left out, so a missing one is the same."""
BY_PLACE = (USBCTRL, P9, VKB)
"""The kinds of which an entry without a number has one by its place."""


def places_of(kind: Kind, entries: Json, source: str) -> Places:
    """Where the entries are that have an index. MalformedConfiguration names `source`, the file: `entries` is no list
    of objects, a key has no value that one can have, or two entries have the same."""
    if entries is None:
        return {}
    if not isinstance(entries, list):
        expect(source, kind.array, entries, "an array")
    indices: list[str | None] = []
    places: dict[str, int] = {}
    for at, entry in enumerate(entries):
        if not isinstance(entry, dict):
            expect(source, f"{kind.array}[{at}]", entry, "an object")
        index = _index(kind, entry, source, at)
        if index in places:
            reason = f"{Device(kind, index)} has an entry already, {kind.array}[{places[index]}]"
            raise MalformedConfiguration(source, f"{kind.array}[{at}]", reason)
        indices.append(index)
        if index is not None:
            places[index] = at
    if kind in BY_PLACE and None in indices:
        return {index: at for at, index in enumerate(_in_place(indices))}
    return places


def numbered(kind: Kind, entries: Sequence[dict[str, Json]], places: Places) -> list[dict[str, Json]]:
    """The entries, some of which stand in other places now: where the place says another number than `places` has, the
    entry gets its number."""
    if kind not in BY_PLACE:
        return list(entries)
    known = {at: index for index, at in places.items()}
    indices = [known[at] if _has_number(entry) else None for at, entry in enumerate(entries)]
    by_place = _in_place(indices, known)
    return [
        entry if by_place[at] == known[at] else {**kind.to_key(known[at]), **_without_number(entry)}
        for at, entry in enumerate(entries)
    ]


def _in_place(indices: Sequence[str | None], known: Mapping[int, str] | None = None) -> list[str]:
    """The index of each entry, None where it has no number: one more than the largest number of those before it, but
    for numbers that others have. `known`: the numbers by place that the entries are to have; what follows an entry
    whose place says another counts from the known one."""
    taken = {index for index in indices if index is not None}
    lowest = count()
    largest = -1
    found: list[str] = []
    for at, given in enumerate(indices):
        index = given
        if index is None:
            number = next(n for n in count(largest + 1) if str(n) not in taken)
            index = str(number if number <= MOST_DEVID else next(n for n in lowest if str(n) not in taken))
        found.append(index)
        meant = index if known is None else known[at]
        taken.add(meant)
        largest = max(largest, int(meant))
    return found


def _has_number(entry: Entry) -> bool:
    return entry.get("devid") not in (None, UNSET)


def _without_number(entry: Entry) -> dict[str, Json]:
    return {field: value for field, value in entry.items() if field != "devid"}


def _index(kind: Kind, entry: Entry, source: str, at: int) -> str | None:
    """None if the entry has no key. PCI parts that are left out are zero, and such an entry has one."""
    for field in kind.key:
        found = entry.get(field)
        if found is None or found == UNSET:
            if kind is not PCI:
                return None
        elif type(found) is not (str if kind is DISK else int):
            what = "a string" if kind is DISK else "a whole number"
            expect(source, f"{kind.array}[{at}].{field}", found, what)
    try:
        return kind.to_index(entry)
    except InvalidArgument as e:
        raise MalformedConfiguration(source, f"{kind.array}[{at}].{kind.key[0]}", str(e)) from None
