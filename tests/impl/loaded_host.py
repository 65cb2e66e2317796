"""A host of the reference implementation that is in the state of a snapshot: its xenstore, one template, one guest."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass

from confsync.impl.audit.dump import unescape
from confsync.impl.embedded.host import Guest, Scheduling
from confsync.impl.embedded.hotplug import SimulatedHotplug, behaves
from confsync.impl.embedded.hypervisor import EmbeddedHypervisor
from confsync.impl.embedded.memory import MemoryHost
from confsync.impl.embedded.templates import MemoryTemplates, TemplateMemory
from confsync.impl.ports import Domain, Toolstack
from confsync.impl.xenstore.memory import MemoryStore

_NODE = re.compile(r'(/\S*) = "(.*)"(?:   \([^()"]*\))?')
_FILE = re.compile(r"userdata-d\.(\d+)\.([0-9a-f-]{36})\.libxl-json")


@dataclass
class Loaded:
    """The host, and its store to look at."""

    t: Toolstack
    store: MemoryStore


def load(dump: str, domain: Domain | None, template: bytes | None, scheduling: Scheduling) -> Loaded:
    """The host of a dump. `domain`: the one that the hypervisor has, with this file for a template."""
    store = MemoryStore()
    asyncio.run(_write(store, dump))
    host, texts = MemoryHost(store), TemplateMemory()
    if domain is not None:
        host.set_guest(domain.domid, Guest(domain.uuid, False, memory_kb=1, vcpus=1, scheduling=scheduling))
        if template is not None:
            texts.texts[domain] = template
    hypervisor = EmbeddedHypervisor(host)
    templates = MemoryTemplates(texts, 0, hypervisor.alive)
    return Loaded(Toolstack(store.connect(), templates, hypervisor, SimulatedHotplug(host, behaves)), store)


async def _write(store: MemoryStore, dump: str) -> None:
    xenstore = store.connect()
    for line in dump.splitlines():
        if (found := _NODE.fullmatch(line)) and not found[1].startswith("/@") and found[1] != "/":
            await xenstore.write(found[1], unescape(found[2]).encode("utf-8", "surrogateescape"))


def domain_of(files: Mapping[str, bytes], which: str) -> Domain | None:
    """The domain of a snapshot, by its number or name: what xenstore says of it, or the name of its template's file."""
    dump = files["xenstore.txt"].decode()
    named = re.search(rf'^/local/domain/(\d+)/name = "{re.escape(which)}"', dump, re.M)
    domid = named[1] if named else which
    if not domid.isdigit():
        return None
    known = re.search(rf'^/local/domain/{domid}/vm = "/vm/([^"]+)"', dump, re.M)
    uuids = [known[1]] if known else [m[2] for name in files if (m := _FILE.fullmatch(name)) and m[1] == domid]
    return Domain(int(domid), uuids[0]) if uuids else None
