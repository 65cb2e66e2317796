"""What facts are written in: a host as plain values, calls, what they answer, and the kinds of fact.

There are three places for a device: `disk` and `nic`, and `cd`, a drive whose medium can be changed. Configurations and
media are letters. Maps that lack a place say that nothing is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

DISK, NIC, CD = "disk", "nic", "cd"
PLACES = (DISK, NIC, CD)
A, B = "A", "B"
EMPTY, MADE_UP = "empty", "made up"
"""A drive without a medium; what a retrieve invents for a device that the template lacks."""
VM, WEB = "vm", "web"
SMALL, LARGE = "256 MiB", "512 MiB"
"""Two names and two memory targets."""
NONE, RUNNING, PAUSED = "no domain", "running", "paused"
FREE, HELD, LEFT_BEHIND = "free", "held", "left behind"
"""The lock: no file; a file that a process holds; a file that nobody holds."""

Devices = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Template:
    """The template file."""

    devices: Devices = field(default_factory=dict)
    name: str = VM
    memory: str = SMALL


@dataclass(frozen=True, slots=True)
class Host:
    """All that there is of one domid. `devices`: what was attached at each place that xenstore has an entry for.
    `granted`: the limit that the hypervisor enforces. `vouched`: what the last operation on a place wrote into the
    template for it, as long as that is meant to stand. `torn`: a memory target is granted that xenstore lacks, because
    an operation is between the two or died there. Where there is no domain, `name`, `memory` and `granted` say
    nothing."""

    domain: str = RUNNING
    template: Template | None = None
    devices: Devices = field(default_factory=dict)
    closing: frozenset[str] = frozenset()
    resources: frozenset[str] = frozenset()
    name: str = VM
    memory: str = SMALL
    granted: str = SMALL
    lock: str = FREE
    device_lock: bool = False
    deaths: int = 0
    vouched: Devices = field(default_factory=dict)
    torn: bool = False


NOTHING = Host(domain=NONE)
"""A host without the domain, and nothing left of it."""


def running(devices: Devices) -> Host:
    """A domain that runs with these devices, and everything agrees. Nothing is vouched for a drive without a medium."""
    vouched = {place: config for place, config in devices.items() if config != EMPTY}
    return Host(template=Template(devices), devices=devices, resources=frozenset(devices), vouched=vouched)


def died(host: Host) -> Host:
    """The same host where a process died that held the lock."""
    return replace(host, lock=LEFT_BEHIND, deaths=host.deaths + 1)


@dataclass(frozen=True, slots=True)
class Call:
    """An operation that a process is asked for. At most one of `dies`, `fails` and `stops` names a store (`template`,
    `xenstore`, `closing`, `resources`, `lock`, `domain`, `granted`, `memory`, `name`): the process dies, or is
    stopped, just after the step that wrote that store; or the step that would write it fails. `again`: of several
    such steps which one, counted from 0."""

    operation: str
    at: str = ""
    config: str = ""
    devices: Devices = field(default_factory=dict)
    name: str = VM
    memory: str = SMALL
    dies: str = ""
    fails: str = ""
    stops: str = ""
    again: int = 0
    process: str = "one"


@dataclass(frozen=True, slots=True)
class Resume:
    """A process that was stopped, or waits, goes on."""

    process: str


@dataclass(frozen=True, slots=True)
class Told:
    """What a retrieve returns."""

    devices: Devices
    name: str = VM
    memory: str = SMALL


@dataclass(frozen=True, slots=True)
class Die:
    """A process that was stopped, or waits, dies."""

    process: str


OK, ERROR, WAITS, DEAD, STOPPED = "success", "error", "waits", "dead", "stopped"
Answer = str | Told
LOCKED = "xenstore_first_locked"


@dataclass(frozen=True, slots=True)
class Run:
    """From `before`, these calls one after another give these answers and leave `after`; None: what was before."""

    fact: str
    before: Host
    calls: tuple[Call | Resume | Die, ...]
    answers: tuple[Answer, ...]
    after: Host | None = None
    design: str = LOCKED

    @property
    def left(self) -> Host:
        """The host afterwards."""
        return self.before if self.after is None else self.after


HOLDS, FAILS, VACUOUS = "holds", "fails", "holds, and its case does not arise"


@dataclass(frozen=True, slots=True)
class Statement:
    """What a property says of a host, whatever the design."""

    fact: str
    host: Host
    property: str
    says: str


@dataclass(frozen=True, slots=True)
class Quiescent:
    """What a property says of a host on which nothing is under way; it depends on what the design's retrieve does."""

    fact: str
    host: Host
    property: str
    says: str
    design: str = LOCKED


@dataclass(frozen=True, slots=True)
class Exact:
    """A retrieve is about to read the last part of its answer. `draft`: what it has so far; `says`: the answer is then
    what the domain is at that instant."""

    fact: str
    host: Host
    draft: Told
    says: bool
    design: str = LOCKED


@dataclass(frozen=True, slots=True)
class Returned:
    """A retrieve is about to return an answer. `says`: it had to make an entry up."""

    fact: str
    answer: Told
    says: bool


@dataclass(frozen=True, slots=True)
class Agreement:
    """Which of `disk`, `cd`, `memory target` and `whole` agree; whether a whole domain runs; and whether destroying it
    counts as a recovery. The host has no `nic`."""

    fact: str
    host: Host
    agree: frozenset[str]
    runs: bool = True
    may_be_destroyed: bool = False


@dataclass(frozen=True, slots=True)
class Recoverable:
    """Whether operations that run one after another lead from the host back to full agreement, without destroying a
    domain that runs. The host has no `nic`, and the name that it was created with."""

    fact: str
    host: Host
    says: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """What the stores amount to for those who use the domain; None: there is no domain for them."""

    fact: str
    host: Host
    seen: Told | None


@dataclass(frozen=True, slots=True)
class Asked:
    """Whether an operation may be asked for with these arguments."""

    fact: str
    call: Call
    says: bool
