"""The abstraction: what the model's shared state is, by the stores read back. Nothing in memory of an operation counts.

Not compared are the ghosts, which nothing real holds; `crashes`, which the exploration counts itself; `paused`, which
the model sets together with `closing` where reality needs two calls; and, while the hypervisor has the domain and
xenstore lacks its name, name and memory: creation and destruction take two calls there too, and nothing answers from
them meanwhile, for there is no template.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from confsync.impl.configuration.media import says_empty
from confsync.impl.configuration.template import Template, is_ejectable, is_empty
from confsync.impl.embedded.host import Claim, Guest
from confsync.impl.errors import MalformedConfiguration
from confsync.impl.operations import paths
from confsync.model.engine.program import Program
from confsync.model.language import Element
from confsync.model.libxl.state import ABSENT, EMPTY, MADE_UP, SLOT, Bounds, Shared
from confsync.proofs.conformance.asked import amount, config_of, device, name
from confsync.proofs.conformance.stores import DOMAIN, DOMID

_NAME, _TARGET = paths.name(DOMID), paths.memory(DOMID, "target")
STRAY = -1
UNCOMPARED = frozenset({"crashes", "paused", "device_locked"})


class Seen(Protocol):
    """Stores, read back."""

    def node(self, path: str) -> str | None:
        """A xenstore node's value, None if there is no such node."""

    def guest(self) -> Guest | None:
        """The domain, as the hypervisor has it."""

    def held(self, claim: Claim) -> str | None:
        """The medium in a device that is held ("" for none), None if it is not held."""

    @property
    def text(self) -> bytes | None:
        """The template file."""

    @property
    def locked(self) -> bool:
        """True if the domain's lock is held."""

    @property
    def lock_file(self) -> bool:
        """True if there is a lock file, held or left behind."""


@dataclass(frozen=True, slots=True)
class View:
    """What the stores say of the model's shared word: these bits are so."""

    mask: int
    bits: int
    half: bool = False
    """The domain is half made or half destroyed: alive, and xenstore lacks its name. What sets a knob refuses that as
    no domain, where the model's can only fail."""
    stray: str = ""
    """What in the stores stands for nothing in the model: a name or an amount that nobody asked for."""

    def fits(self, word: int) -> bool:
        """True if the word is one that these stores may stand for."""
        return word & self.mask == self.bits


class Abstraction:
    """The abstraction for a program's bounds."""

    def __init__(self, program: Program) -> None:
        self._layout, bounds = program.shared_layout, Bounds.of(program.bounds)
        ghosts = {field for field, f in Shared.fields().items() if f.ghost}
        self._compared = frozenset(self._layout.places) - ghosts - UNCOMPARED
        self._names = {name(n): n for n in range(bounds.names)}
        self._amounts = {amount(n): n for n in range(bounds.amounts)}
        self._devices = {k: device(k, bounds) for k in self._layout.elements(SLOT)}
        self._where = {k: paths.existing(DOMAIN, what) for k, what in self._devices.items()}
        self._claims = [
            Claim(DOMAIN.domid, DOMAIN.uuid, what.kind.folder, what.index) for what in self._devices.values()
        ]
        self._saved: dict[bytes, tuple[tuple[int, ...], int, int]] = {}
        """What template files say that were read before: there are few different ones."""

    def view(self, seen: Seen) -> View:
        """What the stores say."""
        try:
            return self._view(seen)
        except (KeyError, ValueError, MalformedConfiguration) as e:
            return View(0, 0, stray=str(e))

    def _view(self, seen: Seen) -> View:
        guest, text = seen.guest(), seen.text
        slots = self._layout.elements(SLOT)
        nothing = ((ABSENT,) * len(slots), 0, 0)
        template, template_name, template_memory = nothing if text is None else self._says(text)
        values: dict[str, bool | int | tuple[bool | int, ...]] = {
            "alive": guest is not None,
            "saved": text is not None,
            "template": template,
            "template_name": template_name,
            "template_memory": template_memory,
            "xenstore": tuple(self._exists(seen, k) for k in slots),
            "closing": tuple(seen.node(f"{self.existing(k)}/online") == "0" for k in slots),
            "resources": tuple(seen.held(claim) is not None for claim in self._claims),
            "granted": self._amounts[guest.memory_kb] if guest else 0,
            "locked": seen.locked,
            "lock_file": seen.lock_file,
            "name": 0,
            "memory": 0,
        }
        unsaid: set[str] = set()
        if guest:
            called, target = seen.node(_NAME), seen.node(_TARGET)
            if called is None or target is None:
                unsaid = {"name", "memory"}
            else:
                values |= {"name": self._names[called], "memory": self._amounts[int(target)]}
        word = 0
        for field, value in values.items():
            word = self._layout.put(word, field, value)
        mask = self._layout.mask(self._compared - unsaid)
        return View(mask, word & mask, bool(unsaid))

    def reads(self) -> list[str]:
        """The nodes that are looked at."""
        each = [self.existing(k) for k in self._layout.elements(SLOT)]
        return [_NAME, _TARGET, *each, *(f"{e}/online" for e in each), *(f"{e}/params" for e in each)]

    def _says(self, text: bytes) -> tuple[tuple[int, ...], int, int]:
        """What a template file says: what is at each slot, the name, the memory target."""
        if text not in self._saved:
            template = Template.parse(text, "the template")
            entries = tuple(self.entry(template, k) for k in self._layout.elements(SLOT))
            self._saved[text] = entries, self._names[template.name or ""], self._amounts[template.target_memkb or 0]
        return self._saved[text]

    def _exists(self, seen: Seen, k: Element) -> int:
        if seen.node(self.existing(k)) is None:
            return ABSENT
        medium = seen.node(f"{self.existing(k)}/params") or ""
        return EMPTY if k.ejectable and says_empty(medium) else config_of(medium.removeprefix("aio:"))

    def existing(self, k: Element) -> str:
        """The node by which the device in a slot exists."""
        return self._where[k]

    def answer(self, template: Template) -> tuple[tuple[int, ...], int, int]:
        """What a retrieve's answer is in the model: what is at each slot, the name, the memory target. STRAY for what
        stands for nothing there: no answer of the model's has that."""
        slots = tuple(self.entry(template, k) for k in self._layout.elements(SLOT))
        called, target = (
            self._names.get(template.name or "", STRAY),
            self._amounts.get(template.target_memkb or 0, STRAY),
        )
        return slots, called, target

    def entry(self, template: Template, k: Element) -> int:
        """What the template says of a slot."""
        found = template.find(self._devices[k])
        if found is None:
            return ABSENT
        if "pdev_path" not in found:
            return MADE_UP
        return EMPTY if is_ejectable(found) and is_empty(found) else config_of(str(found["pdev_path"]))
