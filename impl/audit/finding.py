"""What an audit finds."""

from __future__ import annotations

from dataclasses import dataclass, field

from confsync.impl.audit.invariants import INVARIANTS, Invariant
from confsync.terminal.text import quoted


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it must be. Texts are safe to print, whatever a guest wrote."""

    invariant: Invariant
    domid: int | None
    """None: it is about a uuid that no domain has."""
    uuid: str
    """Empty if it is not known; so is the name."""
    name: str
    device: str
    """Such as `disk xvdb`, or empty: it is about the domain."""
    template: str
    """What the template, or the file, says."""
    xenstore: str
    """What xenstore says."""
    answer: str
    """What `retrieve` answers for it."""
    mend: str
    """How to mend it."""
    evidence: str
    """What the advice rests on: what was seen, and where."""
    file: str
    """Where to look."""

    @property
    def domain(self) -> str:
        """The domain, as one says it."""
        if self.domid is None:
            return f"no domain ({self.uuid})"
        said = [f"domain {self.domid}", f"`{self.name}`" if self.name else "", self.uuid and f"({self.uuid})"]
        return " ".join(filter(None, said))

    @property
    def key(self) -> str:
        """What tells it from any other finding of the host."""
        return " ".join(filter(None, (self.invariant.id, str(self.domid), self.device, self.uuid)))


@dataclass(slots=True)
class Audit:
    """An audit's result."""

    source: str
    """The host's dump, or `live`."""
    findings: list[Finding] = field(default_factory=list)
    domains: int = 0
    devices: int = 0
    stale: int = 0
    """Template entries of devices that are not there: libxl leaves them, and `retrieve` leaves them out [X4]."""
    foreign: int = 0
    """Domains of another toolstack: nothing of libxl's is kept for them."""
    unseen: list[str] = field(default_factory=list)
    """What was not looked at, and why: without it, to have found nothing does not say that all is well."""


def invariant(name: str) -> Invariant:
    """The invariant with this id."""
    return INVARIANTS[name]


def shown(text: str, most: int = 120) -> str:
    """A text of somebody's, in backquotes, in which nothing can steer a terminal."""
    return quoted(text, most)
