"""The embedded stores and the embedded host, on which driven operations work: a state that can be kept, put back,
and told from others."""

from __future__ import annotations

from collections.abc import Coroutine, Generator, Mapping
from dataclasses import dataclass
from types import coroutine
from typing import cast

from confsync.impl.embedded import memory, templates
from confsync.impl.embedded.host import Claim, Guest
from confsync.impl.embedded.hotplug import SimulatedHotplug
from confsync.impl.embedded.hypervisor import EmbeddedHypervisor
from confsync.impl.embedded.memory import MemoryHost
from confsync.impl.embedded.templates import MemoryTemplates, TemplateMemory
from confsync.impl.errors import ToolstackError
from confsync.impl.ports import Domain, Transaction
from confsync.impl.xenstore.memory import MemoryStore, Snapshot
from confsync.proofs.conformance.calls import Answer, Call

DOMID = 1
UUID = "02c1497c-0060-444c-9188-579296d5d4d0"
DOMAIN = Domain(DOMID, UUID)


class OneNumber(EmbeddedHypervisor):
    """A hypervisor with room for one domain: one number is modelled, with one life after another."""

    async def free_domid(self) -> int:
        return DOMID


class Waits(Exception):
    """The call cannot be answered yet: somebody has the lock."""


@coroutine
def _wait(_seconds: float) -> Generator[None, None, None]:
    yield


@dataclass(frozen=True, slots=True)
class Kept:
    """A state of the stores."""

    xenstore: Snapshot
    host: memory.Kept
    templates: templates.Kept
    open: Mapping[tuple[int, int], Transaction]
    visible: object
    """Two states differ in nothing but open transactions if this is equal."""
    opened: object

    @property
    def key(self) -> object:
        """Two states are alike if their keys are equal."""
        return self.visible, self.opened


class Stores:
    """The stores, and each process's ports to them."""

    def __init__(self, processes: int) -> None:
        self.xenstore = MemoryStore()
        self.host = MemoryHost(self.xenstore)
        self.templates = TemplateMemory()
        hypervisor = OneNumber(self.host)
        self._connections = [self.xenstore.connect() for _ in range(processes)]
        self._ports: list[Mapping[str, object]] = [
            {
                "xenstore": self._connections[p],
                "templates": MemoryTemplates(self.templates, p, hypervisor.alive, _wait),
                "hypervisor": hypervisor,
                "hotplug": SimulatedHotplug(self.host),
                "clock": _Clock(),
            }
            for p in range(processes)
        ]
        self._open: dict[tuple[int, int], Transaction] = {}

    def node(self, path: str) -> str | None:
        """A xenstore node's value as text, None if there is no such node."""
        value = self.host.node(path)
        return None if value is None else value.decode()

    def guest(self) -> Guest | None:
        """The domain, as the hypervisor has it."""
        return self.host.guest(DOMID)

    def held(self, claim: Claim) -> str | None:
        """The medium in a device that is held ("" for none), None if it is not held."""
        return self.host.held(claim)

    @property
    def text(self) -> bytes | None:
        """The template."""
        return self.templates.texts.get(DOMAIN)

    @property
    def locked(self) -> bool:
        """True if the domain's lock is held."""
        return DOMAIN in self.templates.holders

    @property
    def lock_file(self) -> bool:
        """True if there is a lock file, held or left behind."""
        return DOMAIN in self.templates.lock_files

    def answer(self, process: int, call: Call) -> Answer:
        """Do what the call asks for: what it answers, or the ToolstackError that it raises. Waits: nothing is done."""
        where = (process, call.transaction)
        if call.port == "transaction":
            port: object = self._open[where]
        else:
            port = self._ports[process][call.port]
        try:
            found = _at_once(getattr(port, call.method)(*call.arguments, **dict(call.named)))
        except ToolstackError as e:
            found = e
        if call.method == "begin" and not isinstance(found, ToolstackError):
            self._open[where], found = cast("Transaction", found), None
        elif call.method in ("commit", "abort") and not isinstance(found, ToolstackError):
            del self._open[where]  # after a commit that failed the operation still aborts
        return found

    def in_transaction(self, process: int) -> bool:
        """True if the process has a transaction that is neither committed nor aborted."""
        return any(p == process for p, _ in self._open)

    def die(self, process: int) -> None:
        """The process is no more."""
        for where, transaction in list(self._open.items()):
            if where[0] == process:
                _at_once(transaction.abort())
                del self._open[where]
        self.templates.die(process)

    def keep(self) -> Kept:
        """The state as it is now."""
        host, files = self.host.keep(), self.templates.keep()
        engine = self.xenstore.engine
        opened = [
            (number, self.xenstore.fingerprint_of(c)) for number, c in engine.connections.items() if c.transactions
        ]
        visible = (
            self.xenstore.fingerprint(),
            tuple(sorted((d, repr(g)) for d, g in host[0].items())),
            tuple(sorted(host[1].items())),
            tuple(sorted(files[0].items())),
            tuple(sorted(files[1].items())),
            files[2],
        )
        in_transactions = (tuple(opened), tuple(sorted(self._open)))
        return Kept(self.xenstore.snapshot(), host, files, dict(self._open), visible, in_transactions)

    def put_back(self, kept: Kept) -> None:
        """Have the state that was."""
        self.xenstore.restore(kept.xenstore)
        self.host.put_back(kept.host)
        self.templates.put_back(kept.templates)
        self._open = dict(kept.open)


class _Clock:
    async def sleep(self, _seconds: float) -> None:
        """No time passes: how long somebody waits is up to the scheduler."""


def _at_once(work: Coroutine[None, None, object]) -> object:
    """What the work returns; Waits if it does not end at once."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    work.close()
    raise Waits
