"""A xenstored that was started anew, and has nothing: no operation concludes from that that a device or a domain is
gone. Only `destroy`, which is asked to, removes a template."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from embedded_host import EmbeddedHost, configuration, run

from confsync.impl.errors import CannotList, DeviceNotFound, DomainNotFound, NotReady, ToolstackError
from confsync.impl.kinds import DISK, NIC, Device
from confsync.impl.operations import knobs, media
from confsync.impl.operations.attach import attach, detach
from confsync.impl.operations.create import create
from confsync.impl.operations.destroy import destroy
from confsync.impl.operations.retrieve import retrieve
from confsync.impl.operations.save import save
from confsync.impl.operations.sweep import sweep
from confsync.impl.ports import Domain, Toolstack
from confsync.impl.xenstore.memory import MemoryStore

ROOT, DRIVE = Device(DISK, "51712"), Device(DISK, "5632")
OTHER = "11111111-2222-4333-8444-555555555555"


async def keep(_template: object) -> None:
    """Keeps nothing."""


OPERATIONS: dict[str, tuple[Callable[[Toolstack, Domain], Awaitable[object]], type[ToolstackError]]] = {
    "retrieve": (retrieve, CannotList),
    "attach": (lambda t, d: attach(t, d, NIC, {"bridge": "x"}), DomainNotFound),
    "attach over one that is in the template": (
        lambda t, d: attach(t, d, DISK, {"pdev_path": "/new", "vdev": "xvda", "format": "raw"}),
        DomainNotFound,
    ),
    "detach": (lambda t, d: detach(t, d, ROOT), DomainNotFound),
    "detach by force": (lambda t, d: detach(t, d, ROOT, force=True), DomainNotFound),
    "eject": (lambda t, d: media.eject(t, d, DRIVE), DeviceNotFound),
    "insert": (lambda t, d: media.insert(t, d, DRIVE, "/new.iso"), DeviceNotFound),
    "swap": (lambda t, d: media.swap(t, d, DRIVE, "/new.iso"), DeviceNotFound),
    "rename": (lambda t, d: knobs.rename(t, d, "b"), DomainNotFound),
    "save": (lambda t, d: save(t, d, keep), NotReady),
    "save, and run on": (lambda t, d: save(t, d, keep, checkpoint=True), NotReady),
}


@pytest.fixture
def host(tmp_path: Path) -> EmbeddedHost:
    return EmbeddedHost(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_is_refused_and_the_template_stays(host: EmbeddedHost, operation: str) -> None:
    domain = run(create(host.t, configuration()))
    path = host.folder / f"userdata-d.{domain.domid}.{domain.uuid}.libxl-json"
    before = path.read_bytes()
    act, error = OPERATIONS[operation]

    async def ask(t: Toolstack) -> None:
        await act(t, domain)

    with pytest.raises(error):
        run(ask(replace(host.t, xenstore=MemoryStore().connect())))
    assert path.read_bytes() == before
    assert [d.domid for d in run(host.hypervisor.domains())] == [domain.domid]


def test_a_sweep_and_a_creation_leave_the_others_alone(host: EmbeddedHost) -> None:
    domain = run(create(host.t, configuration()))
    path = host.folder / f"userdata-d.{domain.domid}.{domain.uuid}.libxl-json"
    before = path.read_bytes()
    forgotten = replace(host.t, xenstore=MemoryStore().connect())
    assert run(sweep(forgotten)) == []
    run(create(forgotten, configuration("b", OTHER, disks=[], nics=[])))
    assert path.read_bytes() == before


def test_it_can_still_be_destroyed(host: EmbeddedHost) -> None:
    domain = run(create(host.t, configuration()))
    run(destroy(replace(host.t, xenstore=MemoryStore().connect()), domain))
    assert host.files() == []
