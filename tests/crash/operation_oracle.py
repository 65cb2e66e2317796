"""What must hold after an operation was cut short, wherever it runs: of the answer, of running it again, of what is
left once the domain is destroyed."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from confsync.impl.configuration.template import Template
from confsync.impl.errors import CannotList, NotReady, TemplateMissing, ToolstackError
from confsync.impl.kinds import DISK, Json
from confsync.impl.operations.create import create
from confsync.impl.operations.destroy import destroy
from confsync.impl.operations.retrieve import retrieve
from confsync.impl.ports import Domain, Toolstack
from crash.operation_table import LISTS, UUID, Configuration, Keep, Operation, base

DONE = "done"
"""What an act says once the operation has returned."""
HALF = "half"
"""There is a domain, and it has no configuration: it is half made or half destroyed."""
Answer = Configuration | str | None
"""What `retrieve` says; None if there is no domain."""
OTHER_UUID = "0e0e0e0e-0000-4000-8000-000000000001"
_OF_DOMAIN = re.compile(
    r"/(local/domain|libxl)/[1-9][0-9]*(/|$)|/vm/[^/]|/local/domain/0/backend/[^/]+/[1-9][0-9]*(/|$)"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an operation runs, as who checks it sees it: from a new process."""

    toolstack: Toolstack
    keep: Keep
    saved: Callable[[], Configuration | None]
    """What `keep` has kept; None if there is no file, or one that is not whole."""
    files: Callable[[], list[str]]
    """The names of the templates' files, locks and all."""
    tree: Callable[[], Sequence[str]]
    """The paths of xenstore's nodes."""
    held: Callable[[], Sequence[str]]
    """What is held for devices."""
    fingerprint: Callable[[], Hashable]
    """All of it: what is equal behaves the same from now on."""


@dataclass(slots=True)
class Oracle:
    """The check of one operation. What is left behind equally is checked once."""

    operation: Operation
    seen: set[Hashable] = field(default_factory=set)
    answers: set[str] = field(default_factory=set)
    """What was answered, so that a test can say what it must have seen."""

    async def problems(self, place: Place, *, done: bool) -> list[str]:
        """What is wrong, in words."""
        key = done, place.fingerprint()
        if key in self.seen:
            return []
        self.seen.add(key)
        try:
            return await self._problems(place, done)
        except ToolstackError as e:
            return [f"what should have gone well afterwards did not: {type(e).__name__}: {e}"]

    async def _problems(self, place: Place, done: bool) -> list[str]:
        o = self.operation
        found = await answer(place)
        self.answers.add(_brief(o, found))
        wrong = []
        allowed: list[Answer] = [o.after] if done else [*o.allowed, *([HALF] if o.half else [])]
        if found not in allowed:
            wrong.append(f"retrieve says {_words(found)}{' though it was acknowledged' * done}")
        if found is not None and found != HALF and len(place.files()) != 1:
            wrong.append(f"the next operation left {place.files()}")
        if found is None and any("lock" not in name for name in place.files()):
            wrong.append(f"the template outlives its domain: {place.files()}")
        if isinstance(found, dict):
            wrong += await _medium_agrees(place, found)
            if done and len(place.held()) != sum(len(cast("list[Json]", found.get(name, []))) for name in LISTS):
                wrong.append(f"acknowledged, and held is {place.held()}")
        if o.keeps and (done or found != o.before) and place.saved() != o.before:
            wrong.append(f"what was kept is {place.saved()}")
        wrong += await self._again(place, found)
        if wrong:
            return wrong
        last = await answer(place)
        if last != o.after:
            wrong.append(f"run again, retrieve says {_words(last)}")
        if isinstance(last, dict):
            wrong += await _hypervisor_agrees(place, last)
        wrong += await _nothing_is_left(place)
        return wrong

    async def _again(self, place: Place, found: Answer) -> list[str]:
        """Run it again, or destroy what is left of the domain where the operation is about the whole of it."""
        o, t = self.operation, place.toolstack
        if o.half and (found not in (o.before, o.after) or await _is_made_and_paused(o, place, found)):
            await destroy(t, await _domain(t))
            if await answer(place) is not None:
                return ["it cannot be destroyed"]
            if o.after is None:
                return []
            found = None
        try:
            await o.do(t, place.keep)
        except NotReady as refusal:
            if not o.half or (o.keeps and place.saved() != o.before):
                return [f"run again, it refuses though the domain is whole or not kept: {refusal}"]
            await destroy(t, await _domain(t))
        except o.refusals as refusal:
            if found != o.after:
                return [f"run again, it refuses though it was not done: {type(refusal).__name__}: {refusal}"]
        return []


async def answer(place: Place) -> Answer:
    """What there is of the domain."""
    t = place.toolstack
    if UUID not in {domain.uuid for domain in await t.hypervisor.domains()}:
        return None
    try:
        found = await retrieve(t, await _domain(t))
    except (TemplateMissing, CannotList):
        return HALF
    if found.made_up:
        return f"{found.made_up[0]} made up"
    return dict(found.template.value)


async def _is_made_and_paused(operation: Operation, place: Place, found: Answer) -> bool:
    """True if the last step of a creation is missing."""
    t = place.toolstack
    return operation.before is None and found is not None and await t.hypervisor.paused(await _domain(t))


async def _domain(t: Toolstack) -> Domain:
    return next(domain for domain in await t.hypervisor.domains() if domain.uuid == UUID)


async def _hypervisor_agrees(place: Place, configuration: Configuration) -> list[str]:
    domain = await _domain(place.toolstack)
    memory = await place.toolstack.hypervisor.memory(domain)
    build = configuration["b_info"]
    assert isinstance(build, dict)
    wrong = [] if memory == build["target_memkb"] else [f"the hypervisor grants {memory} KiB"]
    return wrong + ["it is paused"] * await place.toolstack.hypervisor.paused(domain)


async def _medium_agrees(place: Place, configuration: Configuration) -> list[str]:
    """xenstore says that a drive is empty, or what `retrieve` says is in it."""
    wrong = []
    for entry in cast("list[Configuration]", configuration.get("disks", [])):
        if entry.get("removable"):
            node = f"/libxl/{(await _domain(place.toolstack)).domid}/device/vbd/{DISK.to_index(entry)}/params"
            medium = (await place.toolstack.xenstore.read(node)).decode()
            if medium and medium != f"aio:{entry['pdev_path']}":
                wrong.append(f"retrieve says {entry['pdev_path']!r} is in the drive, and xenstore {medium!r}")
    return wrong


async def _nothing_is_left(place: Place) -> list[str]:
    """Destroy it, and look what that leaves once another domain was made, which sweeps, and destroyed."""
    t = place.toolstack
    if await answer(place) is not None:
        await destroy(t, await _domain(t))
    value = base()
    value["c_info"] = {"type": "pv", "name": "other", "uuid": OTHER_UUID}
    other = await create(t, Template.of(value, "another"))
    wrong = [f"the next creation left {place.files()}"] if len(place.files()) != 1 else []
    await destroy(t, other)
    nodes = [path for path in place.tree() if _OF_DOMAIN.match(path)]
    left: Mapping[str, Sequence[object]] = {
        "files": place.files(),
        "nodes": nodes,
        "held": place.held(),
        "guests": await t.hypervisor.domains(),
    }
    return wrong + [f"destroyed, it leaves {what}: {which}" for what, which in left.items() if which]


def _words(found: Answer) -> str:
    return "that there is none" if found is None else str(found)


def _brief(operation: Operation, found: Answer) -> str:
    if found == operation.before:
        return "before"
    if found == operation.after:
        return "after"
    return "half" if found == HALF else "between" if found in operation.between else "wrong"
