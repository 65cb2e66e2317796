"""What an implementation tells, in the model's terms; and what it is asked, in the protocol's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from confsync.model.engine.program import Program
from confsync.model.engine.search.alone import Answer
from confsync.model.libxl.state import ABSENT, EMPTY, FIRST_CONFIG, MADE_UP, SLOT, Bounds
from confsync.proofs.conformance.abstraction import View
from confsync.proofs.conformance.asked import Asked, amount, name, path
from confsync.proofs.conformance.external.messages import Message, ProtocolBroken

_TEMPLATE = ("template", "template_name", "template_memory")
_KNOBS = ("name", "memory", "granted")
COMPARED = ("alive", "saved", *_TEMPLATE, "xenstore", "closing", "resources", *_KNOBS, "locked", "lock_file")
"""What of the stores is held against the model."""


class Terms:
    """The protocol's terms for a program's bounds."""

    def __init__(self, program: Program) -> None:
        bounds = Bounds.of(program.bounds)
        self._layout = program.shared_layout
        self._entries = {"absent": ABSENT, "empty": EMPTY, "made_up": MADE_UP}
        self._entries |= {_config(FIRST_CONFIG + n): FIRST_CONFIG + n for n in range(bounds.configs)}
        names: Mapping[object, int] = {name(n): n for n in range(bounds.names)}
        amounts: Mapping[object, int] = {amount(n): n for n in range(bounds.amounts)}
        entries: Mapping[object, int] = {c: value for c, value in self._entries.items()}  # noqa: C416 - keys of any type
        self._said = dict.fromkeys(("template", "xenstore", "slots"), entries)
        self._said |= dict.fromkeys(("template_name", "name"), names)
        self._said |= dict.fromkeys(("template_memory", "memory", "granted"), amounts)
        self._spelled = {value: said for said, value in self._entries.items()}

    def start(self, process: int, asked: Asked) -> Message:
        """The request that gives a process its operation."""
        found: dict[str, object] = {"do": "start", "process": process, "operation": asked.operation}
        if asked.slot is not None:
            found["slot"] = asked.slot
        if asked.config is not None:
            found["config"] = _config(asked.config)
        if asked.number is not None and asked.operation == "rename":
            found["name"] = name(asked.number)
        elif asked.number is not None:
            found["memory"] = amount(asked.number)
        if asked.draft is not None:
            slots = [self._spelled[c] for c in asked.draft]
            found["configuration"] = {"slots": slots, "name": name(0), "memory": amount(0)}
        return found

    def view(self, stores: Message) -> View:
        """What the stores say. ProtocolBroken where a value is none that was ever asked for."""
        nothing: set[str] = set()
        if stores["alive"] is False:
            nothing.update(_KNOBS)
        if stores["saved"] is False:
            nothing.update(_TEMPLATE)
        mask = bits = 0
        for field in COMPARED:
            place = self._layout.places[field]
            told = stores[field]
            each = [*told] if isinstance(told, list) else [told]
            if field in nothing:
                each = [False] * place.count
            elif place.count != len(each) and each != [None]:
                raise ProtocolBroken(f"`{field}` has {len(each)} entries: there are {place.count} slots")
            for k, said in enumerate(each):
                if said is not None:
                    at = place.offset + k * place.bits
                    value = said if isinstance(said, bool) else self._read(field, said)
                    mask |= ((1 << place.bits) - 1) << at
                    bits |= value << at
        return View(mask, bits)

    def answer(self, told: object) -> Answer:
        """What a `retrieve` returned."""
        said = cast("Mapping[str, object]", told)
        slots = cast("list[str]", said["slots"])
        count = len(self._layout.elements(SLOT))
        if len(slots) != count:
            raise ProtocolBroken(f"`answer.slots` has {len(slots)} entries: there are {count} slots")
        entries = tuple(self._read("slots", c) for c in slots)
        return entries, self._read("name", said["name"]), self._read("memory", said["memory"])

    def _read(self, field: str, said: object) -> int:
        known = self._said[field]
        if said not in known:
            raise ProtocolBroken(f"`{field}` is {said}, which nobody has asked for: only {', '.join(map(str, known))}")
        return known[said]


def _config(config: int) -> str:
    return path(config)[1:]
