"""The operations of the model, as they are asked of the implementation: what a slot, a configuration, a name and an
amount of the model are in reality."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass

from confsync.impl.configuration.template import Template, emptied
from confsync.impl.kinds import DISK, Device, Json
from confsync.impl.operations import knobs, media
from confsync.impl.operations.attach import attach, detach
from confsync.impl.operations.create import create
from confsync.impl.operations.destroy import destroy
from confsync.impl.operations.retrieve import retrieve
from confsync.impl.ports import Toolstack
from confsync.impl.vdev import device_number
from confsync.model.engine.program import IDLE, Program
from confsync.model.language import Element
from confsync.model.libxl.state import ABSENT, EMPTY, FIRST_CONFIG, SLOT, Bounds
from confsync.proofs.conformance.stores import DOMAIN, UUID

LIMIT_KB = 1 << 20
Work = Callable[[Toolstack], Coroutine[object, object, object]]


def device(slot: Element, bounds: Bounds) -> Device:
    """The device in a slot: the first disks for the ordinary ones, then the drives."""
    vdev = f"hd{'cd'[slot.index - bounds.slots]}" if slot.ejectable else f"xvd{chr(ord('a') + slot.index)}"
    return Device(DISK, str(device_number(vdev)))


def path(config: int) -> str:
    """The image that stands for a configuration, or a medium."""
    return f"/c{config - FIRST_CONFIG + 1}"


def config_of(image: str) -> int:
    """And back."""
    return int(image.removeprefix("/c")) + FIRST_CONFIG - 1


def name(number: int) -> str:
    return f"name{number}"


def amount(number: int) -> int:
    """In KiB."""
    return (number + 1) * 1024


def entry(slot: Element, config: int, bounds: Bounds) -> dict[str, Json]:
    """The template's entry for a configuration in a slot."""
    found: dict[str, Json] = {"pdev_path": path(config) if config != EMPTY else "", "format": "raw"}
    found["vdev"] = device(slot, bounds).kind.to_key(device(slot, bounds).index)["vdev"]
    if slot.ejectable:
        found |= {"removable": 1, "is_cdrom": 1}
    return emptied(found) if config == EMPTY else found


@dataclass(frozen=True, slots=True)
class Asked:
    """An operation with its arguments."""

    operation: str
    slot: int | None = None
    config: int | None = None
    number: int | None = None
    """The name, or the amount."""
    draft: tuple[int, ...] | None = None

    def __str__(self) -> str:
        said = [f"slot{self.slot}"] if self.slot is not None else []
        said += [path(self.config)[1:]] if self.config is not None else []
        said += [str(self.number)] if self.number is not None else []
        said += ["+".join(map(str, self.draft))] if self.draft is not None else []
        return f"{self.operation}({','.join(said)})"

    def word(self, program: Program) -> int:
        """The model's local word before the first step."""
        put = program.local_layout.put
        word = put(IDLE, "at", program.first[self.operation])
        if self.slot is not None:
            word = put(word, "slot", program.shared_layout.elements(SLOT)[self.slot])
        if self.config is not None:
            word = put(word, "config", self.config)
        if self.draft is not None:
            word = put(word, "draft", self.draft)
        if self.number is not None:
            word = put(word, "new_name" if self.operation == "rename" else "amount", self.number)
        return word

    def work(self, bounds: Bounds) -> Work:
        """What the implementation does for it."""
        return _WORKS[self.operation](self, bounds)


def _slot(asked: Asked, bounds: Bounds) -> Element:
    assert asked.slot is not None
    return bounds.elements(SLOT)[asked.slot]


def _image(asked: Asked) -> str:
    assert asked.config is not None
    return path(asked.config)


def _number(asked: Asked) -> int:
    assert asked.number is not None
    return asked.number


def _attach(asked: Asked, bounds: Bounds) -> Work:
    assert asked.config is not None
    what = entry(_slot(asked, bounds), asked.config, bounds)
    return lambda t: attach(t, DOMAIN, DISK, what)


def _create(asked: Asked, bounds: Bounds) -> Work:
    assert asked.draft is not None
    disks: list[Json] = [
        entry(k, c, bounds) for k, c in zip(bounds.elements(SLOT), asked.draft, strict=True) if c != ABSENT
    ]
    value: dict[str, Json] = {
        "c_info": {"type": "pv", "name": name(0), "uuid": UUID},
        "b_info": {"max_vcpus": 1, "max_memkb": LIMIT_KB, "target_memkb": amount(0)},
        "disks": disks,
    }
    template = Template.of(value, "the model's")
    return lambda t: create(t, template)


_WORKS: Mapping[str, Callable[[Asked, Bounds], Work]] = {
    "create": _create,
    "attach": _attach,
    "detach": lambda a, b: lambda t: detach(t, DOMAIN, device(_slot(a, b), b)),
    "insert": lambda a, b: lambda t: media.insert(t, DOMAIN, device(_slot(a, b), b), _image(a)),
    "eject": lambda a, b: lambda t: media.eject(t, DOMAIN, device(_slot(a, b), b)),
    "swap": lambda a, b: lambda t: media.swap(t, DOMAIN, device(_slot(a, b), b), _image(a)),
    "set_memory_target": lambda a, _: lambda t: knobs.set_memory_target(t, DOMAIN, amount(_number(a))),
    "rename": lambda a, _: lambda t: knobs.rename(t, DOMAIN, name(_number(a))),
    "retrieve": lambda _a, _b: lambda t: retrieve(t, DOMAIN),
    "destroy": lambda _a, _b: lambda t: destroy(t, DOMAIN),
}
