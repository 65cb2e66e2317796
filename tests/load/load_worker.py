"""One process of a load: mixed operations on whatever domains there are, each written down when it is called, and when
it returns."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from uuid import UUID

from load_history import DRIVE, OK

from confsync.impl.configuration.template import Template
from confsync.impl.embedded.folder import open_folder
from confsync.impl.errors import ToolstackError
from confsync.impl.kinds import DISK, NIC, VTPM, Device, Entry, Json, Kind, device_of
from confsync.impl.operations import knobs, media
from confsync.impl.operations.attach import attach, detach
from confsync.impl.operations.create import create
from confsync.impl.operations.destroy import destroy
from confsync.impl.operations.retrieve import retrieve
from confsync.impl.ports import Domain, Toolstack

STATE = "state"
CDROM = Device(DISK, "5632")
MARKS = {DISK: "pdev_path", NIC: "bridge", VTPM: "uuid"}
"""The field of each kind's entries by which they are told apart."""
KEYS: list[tuple[Kind, dict[str, Json]]] = [
    (NIC, {"devid": 0, "mac": "00:16:3e:00:00:00"}),
    (NIC, {"devid": 1, "mac": "00:16:3e:00:00:01"}),
    (DISK, {"vdev": "xvda", "format": "raw"}),
    (DISK, {"vdev": "xvdb", "format": "raw"}),
    (VTPM, {"devid": 0}),
]
WEIGHTS = {
    "retrieve": 40, "attach": 60, "detach": 40, "insert": 12, "eject": 12, "memory": 8, "weight": 8, "vcpus": 8,
    "name": 8, "destroy": 4,
}  # fmt: skip
MEMORY, VCPUS = 65536, 3
What = tuple[object, ...]


@dataclass(slots=True)
class Worker:
    """A process. `number`: no other has it, dead or alive."""

    folder: Path
    number: int
    domains: int
    until: float
    chance: random.Random = field(init=False)
    log: int = field(init=False)
    count: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.number)
        self.log = os.open(self.folder / f"log-{self.number:05}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def run(self) -> None:
        """Work until it is time."""
        with open_folder(self.folder / STATE) as host:
            asyncio.run(self.work(host.toolstack))

    async def work(self, t: Toolstack) -> None:
        """One operation after the other."""
        while time.monotonic() < self.until:
            there = await t.hypervisor.domains()
            if len(there) < self.domains and (not there or self.chance.random() < 0.3):
                await self.create(t)
            else:
                await self.operate(t, self.chance.choice(there))

    def unique(self) -> str:
        """A word that nobody else uses."""
        return f"{self.number}x{self.count}"

    async def create(self, t: Toolstack) -> None:
        """Create a domain, with a life that no other has."""
        life = str(UUID(int=self.number << 64 | self.count))
        name = f"d{self.unique()}"
        value: dict[str, Json] = {
            "c_info": {"type": "pv", "name": name, "uuid": life},
            "b_info": {"max_vcpus": VCPUS, "max_memkb": MEMORY, "target_memkb": MEMORY},
            "disks": [
                {"vdev": "xvda", "format": "raw", "pdev_path": "/a"},
                {"vdev": "hdc", "format": "raw", "pdev_path": "/c", "removable": 1, "is_cdrom": 1},
            ],
            "nics": [{"devid": 0, "mac": "00:16:3e:00:00:00", "bridge": "first"}],
        }
        made = {
            "name": name, "memory": MEMORY, "weight": 256, "vcpus": tuple(range(VCPUS)), "disk xvda": "/a", DRIVE: "/c",
            "nic 0": "first",
        }  # fmt: skip
        template = Template.of(value, "the load's")
        await self.tell(life, ("create", sorted(made.items())), create(t, template))

    async def operate(self, t: Toolstack, domain: Domain) -> None:
        """Some operation on the domain. One that is half made or half destroyed is destroyed."""
        (which,) = self.chance.choices(list(WEIGHTS), list(WEIGHTS.values()))
        kind, key = self.chance.choice(KEYS)
        answer = await self.one(t, domain, which, kind, key)
        if answer in ("TemplateMissing", "CannotList"):
            await self.one(t, domain, "destroy", kind, key)

    async def one(self, t: Toolstack, domain: Domain, which: str, kind: Kind, key: Entry) -> object:
        """This operation on it, and what it answered."""
        word, device = self.unique(), device_of(kind, key)
        what: What
        work: Awaitable[object]
        match which:
            case "attach":
                mark = str(UUID(int=self.number << 64 | self.count)) if kind is VTPM else word
                what, work = ("attach", str(device), mark), attach(t, domain, kind, {**key, MARKS[kind]: mark})
            case "detach":
                force = self.chance.random() < 0.3
                what, work = ("detach", str(device)), detach(t, domain, device, force=force)
            case "insert":
                what, work = ("insert", f"/{word}"), media.insert(t, domain, CDROM, f"/{word}")
            case "eject":
                what, work = ("eject",), media.eject(t, domain, CDROM)
            case "memory":
                kb = self.chance.randrange(1024, MEMORY)
                what, work = ("set", "memory", kb), knobs.set_memory_target(t, domain, kb)
            case "weight":
                weight = self.chance.randrange(1, 65536)
                what, work = ("set", "weight", weight), knobs.set_scheduling(t, domain, {"weight": weight})
            case "vcpus":
                online = sorted(self.chance.sample(range(VCPUS), self.chance.randrange(1, VCPUS + 1)))
                what, work = ("set", "vcpus", online), knobs.set_vcpus(t, domain, online)
            case "name":
                what, work = ("set", "name", word), knobs.rename(t, domain, word)
            case "destroy":
                what, work = ("destroy",), destroy(t, domain)
            case _:
                what, work = ("retrieve",), retrieved(t, domain)
        return await self.tell(domain.uuid, what, work)

    async def tell(self, life: str, what: What, work: Awaitable[object]) -> object:
        """Write it down, do it, write down what it answered."""
        self.count += 1
        self.write({"n": self.count, "life": life, "what": what, "t": time.monotonic()})
        try:
            result = await work
            answer: object = result if what[0] == "retrieve" else OK
        except ToolstackError as e:
            answer = type(e).__name__
        self.write({"n": self.count, "answer": answer, "t": time.monotonic()})
        return answer

    def write(self, record: dict[str, object]) -> None:
        """One line, by one call."""
        os.write(self.log, json.dumps(record).encode() + b"\n")


async def retrieved(t: Toolstack, domain: Domain) -> object:
    """What `retrieve` says, as a list of slots and knobs with what is in them."""
    found = await retrieve(t, domain)
    template = found.template
    items: dict[str, object] = {
        "name": template.name,
        "memory": template.target_memkb,
        "weight": (template.sched_params or {}).get("weight"),
        "vcpus": template.avail_vcpus,
    }
    for device in template.devices():
        items[str(device)] = (template.find(device) or {}).get(MARKS[device.kind])
    for device in found.made_up:
        items[str(device)] = "made up"
    return sorted(items.items())


def start(folder: Path, number: int, domains: int, until: float) -> int:
    """A process that works; its number to the system."""
    pid = os.fork()
    if not pid:
        _live(folder, number, domains, until)
    return pid


def _live(folder: Path, number: int, domains: int, until: float) -> NoReturn:
    code = 1
    try:
        gc.freeze()
        Worker(folder, number, domains, until).run()
        code = 0
    except BaseException as e:
        (folder / f"failed-{number:05}").write_text(f"{type(e).__name__}: {e}")
    finally:
        os._exit(code)
