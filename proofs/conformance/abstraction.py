"""The abstraction: what the model's shared state is, by the stores read back. Nothing in memory of an operation counts.

Not compared are the ghosts, which nothing real holds; `crashes`, which the exploration counts itself; `paused`, which
the model sets together with `closing` where reality needs two calls; and, while the hypervisor has the domain and
xenstore lacks its name, name and memory: creation and destruction take two calls there too, and nothing answers from
them meanwhile, for there is no template.
"""

from __future__ import annotations

from dataclasses import dataclass

from impl.configuration.template import Template, is_ejectable, is_empty
from impl.embedded.host import Claim
from impl.operations import paths
from impl.operations.entries import DRIVE_EMPTY
from model.language import ABSENT, EMPTY, MADE_UP, ConcreteSlot
from model.program import Program
from model.state import Shared
from proofs.conformance.asked import DOMAIN, amount, config_of, device, name
from proofs.conformance.stores import DOMID, Stores

UNCOMPARED = frozenset({"crashes", "paused", "device_locked"})


@dataclass(frozen=True, slots=True)
class View:
    """What the stores say of the model's shared word: these bits are so."""

    mask: int
    bits: int

    def fits(self, word: int) -> bool:
        """True if the word is one that these stores may stand for."""
        return word & self.mask == self.bits


class Abstraction:
    """The abstraction for a program's bounds."""

    def __init__(self, program: Program) -> None:
        self._layout, self._bounds = program.shared_layout, program.bounds
        ghosts = {field for field, f in Shared.fields().items() if f.ghost}
        self._compared = frozenset(self._layout.places) - ghosts - UNCOMPARED
        self._names = {name(n): n for n in range(program.bounds.names)}
        self._amounts = {amount(n): n for n in range(program.bounds.amounts)}

    def view(self, stores: Stores) -> View:
        """What the stores say."""
        guest = stores.host.guest(DOMID)
        template = _template(stores)
        slots = self._layout.slots
        values: dict[str, bool | int | tuple[bool | int, ...]] = {
            "alive": guest is not None,
            "saved": template is not None,
            "template": tuple(_saved(template, k, self) for k in slots),
            "template_name": self._names[template.name or ""] if template else 0,
            "template_memory": self._amounts[template.target_memkb or 0] if template else 0,
            "xenstore": tuple(_exists(stores, k, self) for k in slots),
            "closing": tuple(stores.node(f"{self.existing(k)}/online") == "0" for k in slots),
            "resources": tuple(stores.host.held(self._claim(k)) is not None for k in slots),
            "granted": self._amounts[guest.memory_kb] if guest else 0,
            "locked": DOMAIN in stores.templates.holders,
            "lock_file": DOMAIN in stores.templates.lock_files,
            "name": 0,
            "memory": 0,
        }
        unsaid: set[str] = set()
        if guest:
            called = stores.node(paths.name(DOMID))
            target = stores.node(paths.memory(DOMID, "target"))
            if called is None or target is None:
                unsaid = {"name", "memory"}
            else:
                values |= {"name": self._names[called], "memory": self._amounts[int(target)]}
        word = 0
        for field, value in values.items():
            word = self._layout.put(word, field, value)
        mask = self._layout.mask(self._compared - unsaid)
        return View(mask, word & mask)

    def existing(self, k: ConcreteSlot) -> str:
        """The node by which the device in a slot exists."""
        return paths.existing(DOMAIN, device(k, self._bounds))

    def _claim(self, k: ConcreteSlot) -> Claim:
        what = device(k, self._bounds)
        return Claim(DOMAIN.domid, DOMAIN.uuid, what.kind.folder, what.index)

    def answer(self, template: Template) -> tuple[tuple[int, ...], int, int]:
        """What a retrieve's answer is in the model: what is at each slot, the name, the memory target."""
        slots = tuple(_saved(template, k, self) for k in self._layout.slots)
        return slots, self._names[template.name or ""], self._amounts[template.target_memkb or 0]

    def entry(self, template: Template, k: ConcreteSlot) -> int:
        """What the template says of a slot."""
        found = template.find(device(k, self._bounds))
        if found is None:
            return ABSENT
        if "pdev_path" not in found:
            return MADE_UP
        return EMPTY if is_ejectable(found) and is_empty(found) else config_of(str(found["pdev_path"]))


def _template(stores: Stores) -> Template | None:
    text = stores.templates.texts.get(DOMAIN)
    return None if text is None else Template.parse(text, "the template")


def _saved(template: Template | None, k: ConcreteSlot, by: Abstraction) -> int:
    return ABSENT if template is None else by.entry(template, k)


def _exists(stores: Stores, k: ConcreteSlot, by: Abstraction) -> int:
    node = by.existing(k)
    if stores.node(node) is None:
        return ABSENT
    medium = stores.node(f"{node}/params") or ""
    return EMPTY if k.ejectable and medium in DRIVE_EMPTY else config_of(medium.removeprefix("aio:"))
