"""The abstract specification: a domain is one map and two knobs, and every operation is one atomic change of it.

Written in the language of steps, so that it reads like the model and runs on its carriers. Nothing of it knows of a
template, of xenstore, of locks or of processes that die. What it allows:

- An operation that returns success has made its changes, each at one instant between its call and its return.
- One that returns an error, or whose process dies, has made none of them or all, or the first of a swap's two [C2]: it
  happened or it did not, and a retrieve tells.
- Where no domain runs, no operation but `create` changes anything, and what one returns means nothing.

`see` is the abstraction function: what the stores of the model amount to. *Xenstore says which, the template says what*
[A2, R1, R2]. It is written in the language without ghosts, so it is a function of what any process could see: of an
entry in xenstore, whether it is there and whether it is empty.

A domain is there for those who use it *while it runs*: from the moment its creation unpauses it to the moment its
destruction pauses it. So a domain that is half created or half destroyed, by a process that is at work on it or that
died, is no domain yet, or no longer one: an operation on it changes nothing. Were it taken to be there while the
hypervisor has it, then neither creation nor destruction would be atomic: there it has no device yet, or none left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from confsync.model.engine.footprint import probe
from confsync.model.language import Bool, Record, all_of, either, flag, neg, pointwise, value, value_map
from confsync.model.libxl.state import ABSENT, AMOUNT, CONFIG, EMPTY, NAME, SLOT, Config, Local, Shared, Slot


class Domain(Record):
    """The domain, as those who use it know it. Where none runs, everything has its first value."""

    runs = flag("there is a domain")
    devices = value_map("what is at each slot: nothing, a device, a drive without or with a medium", SLOT, CONFIG)
    name = value("its name", NAME)
    memory = value("its memory target", AMOUNT)


def runs(s: Shared) -> Bool:
    """Its creation has ended, and its destruction has not begun."""
    return all_of(s.alive, neg(s.paused))


def device(s: Shared, k: Slot) -> Config:
    """Xenstore says which: what exists, and which drive is empty. The template says what."""
    there = either(s.xenstore[k].empty, EMPTY, s.template[k])
    return either(all_of(runs(s), s.xenstore[k].present), there, ABSENT)


def see(s: Shared, d: Domain) -> None:
    """The abstraction function. Xenstore says which devices there are, the template says what they are; xenstore says
    the name and the memory target; there is a domain while it runs."""
    d.runs = runs(s)
    d.devices = pointwise(lambda k: device(s, k))
    d.name = either(runs(s), s.name, 0)
    d.memory = either(runs(s), s.memory, 0)


SEEN = probe(lambda s, me: see(s, Domain(me.cells)), "the abstraction function", Shared, Local).reads_shared
"""The fields that the abstraction function reads. Were one a ghost, or did it look behind an entry, that would be an
error."""


def is_what_was_attached(s: Shared, k: Slot) -> Bool:
    """The abstraction tells the truth: what it says is at a slot is what was attached there (a ghost)."""
    return neg(all_of(runs(s), device(s, k) != s.attached[k]))


Update = Callable[[Domain, Local], None]


@dataclass(frozen=True, slots=True)
class Change:
    """An atomic change: a guard, and what is so after it; of a retrieve, what it is told. `of_a_domain`: where none
    runs, it changes nothing."""

    run: Update = field(compare=False)
    name: str
    of_a_domain: bool = True

    def __str__(self) -> str:
        return self.name


def change(run: Update) -> Change:
    """Make a function a change of a domain that runs."""
    return Change(run, run.__name__)


def _begins(d: Domain, me: Local) -> None:
    """From no domain to the whole configuration at once."""
    me.fails_if(d.runs)
    d.runs = True
    d.devices = me.draft
    d.name = me.draft_name
    d.memory = me.draft_memory


begins = Change(_begins, "begins", of_a_domain=False)


@change
def ends(d: Domain, _me: Local) -> None:
    """To no domain."""
    d.runs = False
    d.devices = pointwise(lambda _: ABSENT)
    d.name = 0
    d.memory = 0


@change
def device_enters(d: Domain, me: Local) -> None:
    """A device is where nothing was."""
    me.fails_if(d.devices[me.slot] != ABSENT)
    d.devices[me.slot] = me.config


@change
def device_leaves(d: Domain, me: Local) -> None:
    """Nothing is where a device was."""
    me.fails_if(d.devices[me.slot] == ABSENT)
    d.devices[me.slot] = ABSENT


@change
def medium_enters(d: Domain, me: Local) -> None:
    """A medium is in a drive that was empty."""
    me.fails_if(d.devices[me.slot] != EMPTY)
    d.devices[me.slot] = me.config


@change
def medium_leaves(d: Domain, me: Local) -> None:
    """A drive is empty, whatever was in it."""
    me.fails_if(d.devices[me.slot] == ABSENT)
    d.devices[me.slot] = EMPTY


@change
def is_renamed(d: Domain, me: Local) -> None:
    """It has the name that was asked for."""
    d.name = me.new_name


@change
def memory_is_set(d: Domain, me: Local) -> None:
    """It has the memory target that was asked for."""
    d.memory = me.amount


@change
def is_told(d: Domain, me: Local) -> None:
    """The result is the whole configuration; nothing changes."""
    me.draft = d.devices
    me.draft_name = d.name
    me.draft_memory = d.memory


Specification = Mapping[str, tuple[Change, ...]]
"""For each operation its changes, in their order."""

SPECIFICATION: Specification = {
    "create": (begins,),
    "attach": (device_enters,),
    "detach": (device_leaves,),
    "insert": (medium_enters,),
    "eject": (medium_leaves,),
    "swap": (medium_leaves, medium_enters),  # C2
    "set_memory_target": (memory_is_set,),
    "rename": (is_renamed,),
    "retrieve": (is_told,),
    "destroy": (ends,),
}
