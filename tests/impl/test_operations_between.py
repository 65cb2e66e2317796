"""Where the exploration does not go, for it knows disks only and no hotplug in parts: what others do between two steps
of an operation, and what they see."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, cast

import pytest
from embedded_host import EmbeddedHost, configuration, run, succeeds

from confsync.impl.configuration.template import Template, is_empty
from confsync.impl.errors import (
    DeviceExists,
    DomainNotFound,
    HotplugFailed,
    InvalidArgument,
    LockFailed,
    QuotaExceeded,
    TimedOut,
    ToolstackError,
)
from confsync.impl.kinds import DISK, NIC, PCI, USBCTRL, USBDEV, Device
from confsync.impl.operations import entries, knobs, media
from confsync.impl.operations.attach import attach, detach
from confsync.impl.operations.create import create
from confsync.impl.operations.destroy import destroy
from confsync.impl.operations.guarded import locked
from confsync.impl.operations.retrieve import retrieve
from confsync.impl.operations.save import save
from confsync.impl.operations.sweep import sweep
from confsync.impl.operations.transact import transact
from confsync.impl.ports import Domain, Lock, Templates, Toolstack, Transaction, Xenstore

ROOT_DISK = Device(DISK, "51712")
GONE = Domain(9, "6f2b1d9e-3c4a-4b5d-8e7f-0123456789ab")
Does = Callable[[], Awaitable[object]]
T = TypeVar("T")


class Interrupted:
    """Templates at which others are let go first: before a lock is asked for, or at once asked for."""

    def __init__(self, templates: Templates, do: Does) -> None:
        self._templates, self._do = templates, do
        self.read, self.replace, self.remove = templates.read, templates.replace, templates.remove
        self.unlock, self.domains = templates.unlock, templates.domains

    async def _others(self) -> None:
        do, self._do = self._do, _nothing
        await do()

    async def lock(self, domain: Domain, *, born: bool = True) -> Lock:
        await self._others()
        return await self._templates.lock(domain, born=born)

    async def lock_at_once(self, domain: Domain) -> Lock | None:
        await self._others()
        return await self._templates.lock_at_once(domain)


async def _nothing() -> None:
    pass


@pytest.fixture
def host(tmp_path: Path) -> EmbeddedHost:
    return EmbeddedHost(tmp_path)


@pytest.fixture
def domain(host: EmbeddedHost) -> Domain:
    return run(create(host.t, configuration()))


def while_it_waits(host: EmbeddedHost, do: Does) -> Toolstack:
    """A process that waits for its first lock while that is done."""
    return replace(host.t, templates=Interrupted(host.t.templates, do))


def answer(asked: Coroutine[None, None, T]) -> T | ToolstackError:
    """What an operation returns, or the error that it ends with."""
    try:
        return run(asked)
    except ToolstackError as e:
        return e


def test_a_number_that_was_taken_while_the_lock_was_waited_for_is_not_given(host: EmbeddedHost, domain: Domain) -> None:
    other = host.toolstack()
    waiting = while_it_waits(host, lambda: attach(other, domain, NIC, {"bridge": "theirs"}))
    mine = answer(attach(waiting, domain, NIC, {"bridge": "mine"}))
    assert mine == Device(NIC, "2")
    found = run(retrieve(host.t, domain)).template
    bridges = [(found.find(d) or {}).get("bridge") for d in found.devices() if d.kind is NIC]
    assert bridges[1:] == ["theirs", "mine"]


def test_a_device_that_was_attached_anew_and_is_held_is_not_left(host: EmbeddedHost, domain: Domain) -> None:
    """And marked again by a third: that it is closing says nothing of whether it is held."""
    other, third = host.toolstack(), host.toolstack()

    async def others() -> None:
        await detach(other, domain, ROOT_DISK)
        await attach(other, domain, DISK, {"pdev_path": "/new.img", "vdev": "xvda", "format": "raw"})
        await transact(third, lambda x: entries.mark_closing(x, domain, ROOT_DISK))

    with pytest.raises(HotplugFailed, match="connected anew"):
        run(detach(while_it_waits(host, others), domain, ROOT_DISK))
    assert host.node(f"/libxl/{domain.domid}/device/vbd/{ROOT_DISK.index}") is not None
    assert run(host.t.hotplug.held(domain, ROOT_DISK))


def test_a_domain_that_is_made_while_its_files_are_looked_at_keeps_them(host: EmbeddedHost, domain: Domain) -> None:
    (host.folder / f"userdata-d.{GONE.domid}.{GONE.uuid}.libxl-json").write_bytes(b"{}")
    (host.folder / f"userdata-d.{GONE.domid}.{GONE.uuid}.libxl-json").chmod(0o600)

    async def born() -> None:
        await host.hypervisor.make(GONE, memory_kb=1024, vcpus=1)

    assert run(sweep(while_it_waits(host, born))) == []
    assert run(host.t.templates.domains()) == [domain, GONE]


def test_sweep_waits_for_no_lock(host: EmbeddedHost, domain: Domain) -> None:
    """It is run by who holds the lock of a domain that comes before or after."""
    holder = host.toolstack()

    async def held() -> Sequence[Domain]:
        async with locked(holder, GONE, born=False):
            return await sweep(host.t)

    assert succeeds(held()) == []
    assert run(host.t.templates.domains()) == [domain]


def test_a_pci_backend_is_told_the_last_place_and_not_how_many(host: EmbeddedHost, domain: Domain) -> None:
    addresses = [{"bus": 1, "dev": n} for n in range(3)]
    first, second, _ = [run(attach(host.t, domain, PCI, a)) for a in addresses]
    for device in (first, second):
        run(detach(host.t, domain, device))
    run(attach(host.t, domain, PCI, addresses[0]))
    backend = f"/local/domain/0/backend/pci/{domain.domid}/0"
    assert host.node(f"{backend}/num_devs") == b"3"
    assert host.node(f"{backend}/dev-2") == b"0000:01:02.0"


def test_that_the_lock_was_lost_is_told(host: EmbeddedHost, domain: Domain) -> None:
    async def robbed() -> None:
        async with locked(host.t, domain):
            (host.folder / f"userdata-l.{domain.domid}.{domain.uuid}.domain-userdata-lock").unlink()

    with pytest.raises(LockFailed, match="removed it while it was held"):
        run(robbed())


def looked_at(
    tmp_path: Path, at: str, look: Callable[[EmbeddedHost, Domain], object]
) -> tuple[EmbeddedHost, list[object]]:
    """A host, and what was seen whenever hotplug was called so."""
    seen: list[object] = []

    async def behave(call: str, _step: str, domain: Domain, _device: Device) -> None:
        if call == at:
            seen.append(look(made, domain))

    made = EmbeddedHost(tmp_path, behave)
    return made, seen


def is_paused(host: EmbeddedHost, domain: Domain) -> bool:
    guest = host.host.guest(domain.domid)
    return guest is not None and guest.paused


@pytest.mark.parametrize("call", ["allocate", "release"])
def test_a_domain_does_not_run_while_its_devices_come_or_go(tmp_path: Path, call: str) -> None:
    host, seen = looked_at(tmp_path, call, is_paused)
    run(destroy(host.t, run(create(host.t, configuration()))))
    assert seen
    assert all(seen)


@pytest.mark.parametrize(("call", "medium"), [("insert", b"aio:/d.iso"), ("eject", b"aio:/c.iso")])
def test_what_a_guest_has_is_never_less_known_than_there(tmp_path: Path, call: str, medium: bytes) -> None:
    drive = Device(DISK, "5632")
    host, seen = looked_at(tmp_path, call, lambda h, d: h.node(f"/libxl/{d.domid}/device/vbd/{drive.index}/params"))
    domain = run(create(host.t, configuration()))
    run(media.eject(host.t, domain, drive))
    run(media.insert(host.t, domain, drive, "/d.iso"))
    assert seen == [medium]


@pytest.mark.parametrize("said", [b"", b"aio:", b"aio:(null)"])
def test_a_drive_is_empty_in_whichever_way_that_is_said(host: EmbeddedHost, domain: Domain, said: bytes) -> None:
    drive = Device(DISK, "5632")
    run(host.t.xenstore.write(f"/libxl/{domain.domid}/device/vbd/{drive.index}/params", said))
    found = run(retrieve(host.t, domain)).template.find(drive)
    assert found is not None
    assert is_empty(found)


def test_scheduling_is_as_the_template_says(host: EmbeddedHost) -> None:
    template = configuration().with_knobs(sched_params={"weight": 512})
    domain = run(create(host.t, template))
    assert run(host.hypervisor.scheduling(domain))["weight"] == 512


def test_a_guest_that_lets_nothing_go_is_destroyed(tmp_path: Path) -> None:
    async def behave(call: str, step: str, _domain: Domain, device: Device) -> None:
        if (call, step) == ("release", "device model"):
            raise TimedOut(f"the guest keeps {device}")

    host = EmbeddedHost(tmp_path, behave)
    succeeds(destroy(host.t, run(create(host.t, configuration()))))
    assert run(host.hypervisor.domains()) == []


def test_usb_devices_go_before_their_controllers_when_the_domain_does(tmp_path: Path) -> None:
    gone: list[str] = []

    async def behave(call: str, _step: str, _domain: Domain, device: Device) -> None:
        if call == "release":
            gone.append(device.kind.name)

    host = EmbeddedHost(tmp_path, behave)
    domain = run(create(host.t, configuration()))
    run(attach(host.t, domain, USBCTRL, {"version": 2, "ports": 4}))
    run(attach(host.t, domain, USBDEV, {"ctrl": 0, "port": 1, "type.hostdev": {"hostbus": 1, "hostaddr": 2}}))
    run(destroy(host.t, domain))
    assert gone.index("usbdev") < gone.index("usbctrl")


def with_video(host: EmbeddedHost) -> Domain:
    value = dict(configuration().value)
    value["b_info"] = {"max_vcpus": 1, "max_memkb": 65536, "target_memkb": 32768, "video_memkb": 4096}
    return run(create(host.t, Template.of(value, "the test's")))


def test_the_video_memory_is_part_of_the_target_however_often_it_is_set(host: EmbeddedHost) -> None:
    domain = with_video(host)
    for kb in (32768, 40960, 40960):
        run(knobs.set_memory_target(host.t, domain, kb))
        assert host.node(f"/local/domain/{domain.domid}/memory/target") == str(kb - 4096).encode()
        assert run(retrieve(host.t, domain)).template.target_memkb == kb == run(host.hypervisor.memory(domain))


def test_a_target_that_xenstore_refuses_leaves_the_hypervisor_s(host: EmbeddedHost) -> None:
    domain = with_video(host)

    class Refusing:
        def __getattr__(self, name: str) -> object:
            return getattr(host.t.xenstore, name)

        async def begin(self) -> Transaction:
            raise QuotaExceeded("begin a transaction")

    refusing = replace(host.t, xenstore=cast("Xenstore", Refusing()))
    with pytest.raises(QuotaExceeded):
        run(knobs.set_memory_target(refusing, domain, 40960))
    assert run(host.hypervisor.memory(domain)) == 32768


@pytest.mark.parametrize(
    "work",
    [
        lambda t, d: attach(t, d, DISK, {"pdev_path": "/b.img", "vdev": "xvdb", "format": "raw"}),
        lambda t, d: knobs.rename(t, d, "b"),
        lambda t, d: knobs.set_memory_target(t, d, 32768),
        lambda t, d: knobs.set_memory_limit(t, d, 131072),
        lambda t, d: knobs.set_vcpus(t, d, [0]),
    ],
    ids=["attach", "rename", "target", "limit", "vcpus"],
)
def test_nothing_is_written_for_a_domain_that_xenstore_has_forgotten(
    host: EmbeddedHost, domain: Domain, work: Callable[[Toolstack, Domain], Awaitable[object]]
) -> None:
    """xenstored was started anew, or the domain is half destroyed."""
    run(forget(host.t.xenstore))

    async def do() -> None:
        await work(host.t, domain)

    before = host.store.tree()
    with pytest.raises(DomainNotFound):
        run(do())
    assert host.store.tree() == before


def test_what_could_not_be_restored_is_not_saved(host: EmbeddedHost, domain: Domain) -> None:
    run(host.t.xenstore.write(f"/libxl/{domain.domid}/device/vif/5", b""))

    async def keep(_template: Template) -> None:
        pytest.fail("it was kept")

    with pytest.raises(ToolstackError, match="its template has no entry for nic 5"):
        run(save(host.t, domain, keep))
    assert not run(host.hypervisor.paused(domain))


class Meanwhile:
    """A xenstore in which somebody who takes no lock does something just before each transaction begins."""

    def __init__(self, xenstore: Xenstore, does: Callable[[Xenstore], Awaitable[object]]) -> None:
        self._xenstore, self._does = xenstore, does

    def __getattr__(self, name: str) -> object:
        return getattr(self._xenstore, name)

    async def begin(self) -> Transaction:
        await self._does(self._xenstore)
        return await self._xenstore.begin()


def meanwhile(host: EmbeddedHost, does: Callable[[Xenstore], Awaitable[object]]) -> Toolstack:
    """A toolstack on such a xenstore."""
    return replace(host.t, xenstore=cast("Xenstore", Meanwhile(host.t.xenstore, does)))


async def forget(x: Xenstore) -> None:
    """Be a xenstored that was started anew."""
    for path in ("/local/domain", "/libxl", "/vm"):
        await x.remove(path)


def test_nothing_is_written_for_a_domain_that_was_forgotten_just_before(host: EmbeddedHost, domain: Domain) -> None:
    t = meanwhile(host, forget)
    found = answer(attach(t, domain, DISK, {"pdev_path": "/b.img", "vdev": "xvdb", "format": "raw"}))
    assert isinstance(found, DomainNotFound)
    assert not [path for path in host.store.tree() if path.startswith(("/libxl", "/local/domain"))]


def test_a_backend_is_told_that_its_device_goes_away(host: EmbeddedHost, domain: Domain) -> None:
    backend = f"/local/domain/0/backend/vbd/{domain.domid}/{ROOT_DISK.index}"
    assert host.node(f"{backend}/online") == b"1"
    run(transact(host.t, lambda x: entries.mark_closing(x, domain, ROOT_DISK)))
    assert (host.node(f"{backend}/online"), host.node(f"{backend}/state")) == (b"0", b"5")


def test_a_device_that_another_toolstack_made_meanwhile_is_not_overwritten(host: EmbeddedHost, domain: Domain) -> None:
    node = f"/libxl/{domain.domid}/device/vbd/51728"
    t = meanwhile(host, lambda x: x.write(f"{node}/params", b"theirs"))
    with pytest.raises(DeviceExists):
        run(attach(t, domain, DISK, {"pdev_path": "/b.img", "vdev": "xvdb", "format": "raw"}))
    assert host.node(f"{node}/params") == b"theirs"


def test_a_medium_that_another_toolstack_put_in_meanwhile_is_not_overwritten(
    host: EmbeddedHost, domain: Domain
) -> None:
    drive, params = Device(DISK, "5632"), f"/libxl/{domain.domid}/device/vbd/5632/params"
    run(media.eject(host.t, domain, drive))
    with pytest.raises(DeviceExists):
        run(media.insert(meanwhile(host, lambda x: x.write(params, b"x")), domain, drive, "/d"))
    assert host.node(params) == b"x"


def test_an_entry_that_cannot_be_written_leaves_the_template(host: EmbeddedHost, domain: Domain) -> None:
    before = host.template(domain)
    with pytest.raises(InvalidArgument):
        run(attach(host.t, domain, DISK, {"pdev_path": 5, "vdev": "xvdb", "format": "raw"}))
    assert host.template(domain) == before


def test_who_comes_late_does_not_touch_the_number_s_next_owner(tmp_path: Path) -> None:
    """Detach marks, and attach connects, without the lock: the domain may be gone by then, and its number another's."""
    host = EmbeddedHost(tmp_path)
    old = run(create(host.t, configuration()))
    run(destroy(host.t, old))
    new = run(create(host.t, configuration("new", GONE.uuid)))
    assert new.domid == old.domid
    tree, held = host.store.tree(), dict(host.host.all_held())
    with pytest.raises(DomainNotFound):
        run(detach(host.t, old, Device(NIC, "0")))
    with pytest.raises(HotplugFailed):
        run(host.t.hotplug.allocate(old, [Device(NIC, "0")]))
    assert host.store.tree() == tree
    assert host.host.all_held() == held
