"""What operations may be asked with: the kind of place that each is about, and configurations that a user can give."""

from facts.plain import CD, DISK, EMPTY, MADE_UP, NIC, A, Asked, B, Call

ASKED = (
    Asked("a device is attached to a slot", Call("attach", DISK, A), True),
    Asked("nothing is attached to a drive", Call("attach", CD, A), False),
    Asked("a device has a configuration", Call("attach", DISK), False),
    Asked("a device is no empty drive", Call("attach", NIC, EMPTY), False),
    Asked("nobody gives what a retrieve makes up", Call("attach", DISK, MADE_UP), False),
    Asked("a device is detached from a slot", Call("detach", NIC), True),
    Asked("a drive is not detached", Call("detach", CD), False),
    Asked("a medium is inserted into a drive", Call("insert", CD, B), True),
    Asked("no medium is inserted into a slot", Call("insert", DISK, A), False),
    Asked("emptiness is not inserted", Call("insert", CD, EMPTY), False),
    Asked("a medium is ejected from a drive", Call("eject", CD), True),
    Asked("nothing is ejected from a slot", Call("eject", DISK), False),
    Asked("a drive is not swapped for an empty one", Call("swap", CD, EMPTY), False),
    Asked("a domain is created with devices and drives", Call("create", devices={DISK: A, CD: B}), True),
    Asked("a drive may be empty at first", Call("create", devices={CD: EMPTY}), True),
    Asked("a place for a medium always has its drive", Call("create", devices={DISK: A}), False),
    Asked("a slot is never empty in the way of a drive", Call("create", devices={DISK: EMPTY, CD: B}), False),
    Asked("nobody creates from what a retrieve made up", Call("create", devices={DISK: MADE_UP, CD: B}), False),
)
