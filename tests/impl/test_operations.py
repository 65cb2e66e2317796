"""Each operation by itself, on an embedded host: what it does, what it refuses, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from embedded_host import DRIVE, ROOT, UUID, EmbeddedHost, configuration, run, succeeds

from confsync.impl.configuration.template import Template
from confsync.impl.errors import (
    CannotList,
    DeviceExists,
    DeviceNotFound,
    DomainNotFound,
    Forbidden,
    HotplugFailed,
    HypervisorRefused,
    InvalidArgument,
    LockFailed,
    MalformedConfiguration,
    TemplateMissing,
    TimedOut,
    ToolstackError,
)
from confsync.impl.kinds import DISK, KINDS, NIC, P9, PCI, USBCTRL, USBDEV, VDISPL, VKB, VSND, VTPM, Device, Entry, Kind
from confsync.impl.operations import existence, knobs, media
from confsync.impl.operations.attach import attach, detach
from confsync.impl.operations.create import create
from confsync.impl.operations.destroy import destroy
from confsync.impl.operations.guarded import locked
from confsync.impl.operations.retrieve import retrieve
from confsync.impl.operations.save import restore, save
from confsync.impl.operations.sweep import sweep
from confsync.impl.ports import Domain, Permission

CDROM = Device(DISK, "5632")
ENTRIES: list[tuple[Kind, Entry]] = [
    (DISK, {"pdev_path": "/b.img", "vdev": "xvdb", "format": "raw"}),
    (DISK, {"pdev_path": "", "vdev": "hdd", "format": "empty", "removable": 1, "is_cdrom": 1}),
    (NIC, {"bridge": "b", "mtu": 9000}),
    (VTPM, {}),
    (USBCTRL, {"version": 2, "ports": 4}),
    (USBDEV, {"ctrl": 0, "port": 1, "type.hostdev": {"hostbus": 1, "hostaddr": 2}}),
    (PCI, {"bus": 3, "func": 1}),
    (P9, {"tag": "share", "path": "/srv"}),
    (VDISPL, {"connectors": [{"unique_id": "a", "width": 800, "height": 600}]}),
    (VSND, {"short_name": "Main"}),
    (VKB, {"unique_id": "k"}),
]


@pytest.fixture
def host(tmp_path: Path) -> EmbeddedHost:
    return EmbeddedHost(tmp_path)


@pytest.fixture
def domain(host: EmbeddedHost) -> Domain:
    return run(create(host.t, configuration(unknown={"deep": [1, {"x": None}]})))


def answer(host: EmbeddedHost, domain: Domain) -> Template:
    found = run(retrieve(host.t, domain))
    assert not found.made_up
    return found.template


def test_a_created_domain_is_retrieved_as_it_was_asked_for(host: EmbeddedHost, domain: Domain) -> None:
    found = answer(host, domain)
    assert [str(d) for d in found.devices()] == ["disk xvda", "disk hdc", "nic 0"]
    assert found.find(CDROM) == DRIVE
    assert found.value["unknown"] == {"deep": [1, {"x": None}]}
    assert (found.name, found.uuid, found.max_memkb, found.target_memkb) == ("a", UUID, 65536, 65536)
    assert host.files() == [f"userdata-d.1.{UUID}.libxl-json"]
    assert not run(host.hypervisor.paused(domain))
    assert {(c.folder, c.index) for c in host.host.all_held()} == {("vbd", "51712"), ("vbd", "5632"), ("vif", "0")}


def test_a_created_copy_of_what_was_retrieved_is_retrieved_the_same(host: EmbeddedHost, domain: Domain) -> None:
    before = answer(host, domain)
    run(destroy(host.t, domain))
    assert answer(host, run(create(host.t, before))) == before


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "entry"), ENTRIES, ids=lambda x: x.name if isinstance(x, Kind) else "")
def test_what_is_attached_exists_until_it_is_detached(
    host: EmbeddedHost, domain: Domain, kind: Kind, entry: Entry
) -> None:
    if kind is USBDEV:
        run(attach(host.t, domain, USBCTRL, {}))
    before, tree, held = answer(host, domain), host.store.tree(), dict(host.host.all_held())
    device = run(attach(host.t, domain, kind, entry))
    found = answer(host, domain).find(device)
    assert found is not None
    assert {k: found[k] for k in entry} == dict(entry)
    assert host.template(domain).find(device) == found
    assert run(host.t.hotplug.held(domain, device))
    run(detach(host.t, domain, device))
    assert answer(host, domain) == before
    assert dict(host.host.all_held()) == held
    left = host.store.tree().keys() - tree.keys()
    assert left <= {f"/local/domain/0/backend/{kind.backend}", f"/local/domain/1/device/{kind.folder}"}
    assert tree.keys() <= host.store.tree().keys()


def test_every_kind_is_tried() -> None:
    assert {kind.name for kind, _ in ENTRIES} == KINDS.keys()


def test_a_device_without_a_number_gets_the_lowest_that_is_free(host: EmbeddedHost, domain: Domain) -> None:
    given = [run(attach(host.t, domain, NIC, {})).index for _ in range(3)]
    assert given == ["1", "2", "3"]
    run(detach(host.t, domain, Device(NIC, "2")))
    assert run(attach(host.t, domain, NIC, {})).index == "2"
    macs = [
        entry.get("mac")
        for d in answer(host, domain).devices()
        if (entry := answer(host, domain).find(d)) and d.kind is NIC
    ]
    assert None not in macs
    assert len(set(macs)) == len(macs) == 4


def test_a_taken_slot_is_refused_and_nothing_changes(host: EmbeddedHost, domain: Domain) -> None:
    before, tree = host.template(domain), host.store.tree()
    for vdev in ("xvda", "d0p0"):  # the same disk by its two names
        with pytest.raises(DeviceExists):
            run(attach(host.t, domain, DISK, {"pdev_path": "/z", "vdev": vdev, "format": "raw"}))
    assert (host.template(domain), host.store.tree()) == (before, tree)


def test_an_entry_that_cannot_be_written_is_refused_before_anything_is(host: EmbeddedHost, domain: Domain) -> None:
    before, tree = host.template(domain), host.store.tree()
    wrong: list[tuple[Kind, Entry]] = [
        (DISK, {"pdev_path": "/z", "vdev": "nonsense"}),
        (DISK, {"pdev_path": 3, "vdev": "xvdb"}),
        (DISK, {"pdev_path": "/z\0", "vdev": "xvdb"}),
        (DISK, {"pdev_path": "/z"}),
        (NIC, {"devid": -3}),
        (NIC, {"devid": "1"}),
        (NIC, {"backend_domname": "nobody"}),
        (USBDEV, {"ctrl": 0, "port": 1}),
    ]
    for kind, entry in wrong:
        with pytest.raises((InvalidArgument, DeviceNotFound)):
            run(attach(host.t, domain, kind, entry))
    assert host.store.tree() == tree
    assert answer(host, domain).devices() == before.devices()


def test_usb_devices_go_before_their_controller(host: EmbeddedHost, domain: Domain) -> None:
    controller = run(attach(host.t, domain, USBCTRL, {}))
    plugged = run(attach(host.t, domain, USBDEV, {"ctrl": 0, "port": 2}))
    with pytest.raises(InvalidArgument, match="usbdev 0/2: detach that first"):
        run(detach(host.t, domain, controller))
    run(detach(host.t, domain, plugged))
    run(detach(host.t, domain, controller))
    assert run(existence.devices(host.t.xenstore, domain))[USBCTRL] == []


def test_pci_devices_keep_their_place_at_the_backend(host: EmbeddedHost, domain: Domain) -> None:
    backend = "/local/domain/0/backend/pci/1/0"
    a, b = (run(attach(host.t, domain, PCI, {"bus": n})) for n in (3, 4))
    assert (host.node(f"{backend}/dev-0"), host.node(f"{backend}/dev-1")) == (b"0000:03:00.0", b"0000:04:00.0")
    run(detach(host.t, domain, a))
    assert (host.node(f"{backend}/dev-0"), host.node(f"{backend}/num_devs")) == (None, b"2")
    run(attach(host.t, domain, PCI, {"bus": 5}))
    assert (host.node(f"{backend}/dev-0"), host.node(f"{backend}/dev-1")) == (b"0000:05:00.0", b"0000:04:00.0")
    for device in (b, Device(PCI, "0000-05-00-0")):
        run(detach(host.t, domain, device))
    assert host.node(backend) is None


def test_a_medium_goes_in_and_out(host: EmbeddedHost, domain: Domain) -> None:
    with pytest.raises(DeviceExists):
        run(media.insert(host.t, domain, CDROM, "/d.iso"))
    for path, form in (("", "raw"), ("/d.iso", "empty")):
        for act in (media.insert, media.swap):
            with pytest.raises(InvalidArgument, match="a medium needs a path"):
                run(act(host.t, domain, CDROM, path, form))
    assert answer(host, domain).find(CDROM) == DRIVE
    run(media.eject(host.t, domain, CDROM))
    empty = {**DRIVE, "pdev_path": "", "format": "empty"}
    assert answer(host, domain).find(CDROM) == host.template(domain).find(CDROM) == empty
    run(media.eject(host.t, domain, CDROM))
    run(media.insert(host.t, domain, CDROM, "/d.iso"))
    assert answer(host, domain).find(CDROM) == {**DRIVE, "pdev_path": "/d.iso"}
    run(media.swap(host.t, domain, CDROM, "/e.iso"))
    assert answer(host, domain).find(CDROM) == {**DRIVE, "pdev_path": "/e.iso"}
    assert host.node("/libxl/1/device/vbd/5632/params") == b"aio:/e.iso"
    assert host.node("/local/domain/0/backend/qdisk/1/5632/params") == b"aio:/e.iso"


def test_a_medium_goes_into_no_disk_and_no_empty_slot(host: EmbeddedHost, domain: Domain) -> None:
    for act in (media.eject, lambda t, d, v: media.insert(t, d, v, "/x")):
        with pytest.raises(InvalidArgument):
            run(act(host.t, domain, Device(DISK, "51712")))
        with pytest.raises(DeviceNotFound):
            run(act(host.t, domain, Device(DISK, "5696")))


def test_an_empty_drive_in_xenstore_is_reported_empty_whatever_the_template_says(
    host: EmbeddedHost, domain: Domain
) -> None:
    run(host.t.xenstore.write("/libxl/1/device/vbd/5632/params", b""))
    assert answer(host, domain).find(CDROM) == {**DRIVE, "pdev_path": "", "format": "empty"}


def test_knobs_are_what_retrieve_returns(host: EmbeddedHost, domain: Domain) -> None:
    run(knobs.rename(host.t, domain, "b"))
    run(knobs.set_memory_limit(host.t, domain, 99999))
    run(knobs.set_memory_target(host.t, domain, 77777))
    run(knobs.set_vcpus(host.t, domain, [1]))
    run(knobs.set_scheduling(host.t, domain, {"weight": 512}))
    found = answer(host, domain)
    assert (found.name, found.max_memkb, found.target_memkb, found.avail_vcpus) == ("b", 99999, 77777, [1])
    assert found.sched_params == {"cap": 0, "weight": 512}
    assert run(host.hypervisor.memory(domain)) == 77777
    assert host.node(f"/vm/{UUID}/name") == b"b"


def test_knobs_refuse_what_cannot_be(host: EmbeddedHost, domain: Domain) -> None:
    other = run(create(host.t, configuration("other", UUID.replace("02", "03"))))
    before = answer(host, domain)
    wrong: list[Callable[[], object]] = [
        lambda: run(knobs.rename(host.t, domain, "other")),
        lambda: run(knobs.rename(host.t, domain, "")),
        lambda: run(knobs.rename(host.t, domain, "x" * 256)),
        lambda: run(knobs.set_memory_target(host.t, domain, 65537)),
        lambda: run(knobs.set_memory_target(host.t, domain, 0)),
        lambda: run(knobs.set_memory_limit(host.t, domain, 65535)),
        lambda: run(knobs.set_vcpus(host.t, domain, [2])),
        lambda: run(knobs.set_vcpus(host.t, domain, [])),
        lambda: run(knobs.set_scheduling(host.t, domain, {"nonsense": 1})),
        lambda: run(create(host.t, configuration("other", UUID.replace("02", "04")))),
    ]
    for act in wrong:
        with pytest.raises(InvalidArgument):
            act()
    assert answer(host, domain) == before
    assert run(host.hypervisor.domains()) == [domain, other]


def test_a_memory_target_that_xenstore_refuses_is_not_granted(host: EmbeddedHost, domain: Domain) -> None:
    class Refuses:
        def __getattr__(self, name: str) -> object:
            return getattr(host.t.xenstore, name)

        async def begin(self) -> object:
            raise Forbidden("begin")

    with pytest.raises(Forbidden):
        run(knobs.set_memory_target(replace(host.t, xenstore=Refuses()), domain, 4096))  # type: ignore[arg-type]
    assert run(host.hypervisor.memory(domain)) == 65536


def test_nothing_outlives_a_destroyed_domain(host: EmbeddedHost, domain: Domain) -> None:
    for kind, entry in ENTRIES:
        if kind is not USBDEV:
            run(attach(host.t, domain, kind, entry))
    run(attach(host.t, domain, USBDEV, {"ctrl": 0, "port": 1}))
    run(destroy(host.t, domain))
    assert host.files() == []
    assert not host.host.all_held()
    assert not [path for path in host.store.tree() if path.startswith(("/libxl/1", "/local/domain/1", f"/vm/{UUID}"))]
    assert not [path for path in host.store.tree() if "/backend/" in path and "/1" in path]
    for operation in (destroy, retrieve):
        with pytest.raises(DomainNotFound):
            run(operation(host.t, domain))
    assert host.files() == []


def test_a_number_is_used_again_and_nothing_of_its_last_life_is_met(host: EmbeddedHost, domain: Domain) -> None:
    run(host.t.hypervisor.destroy(domain))  # as if the toolstack had died: files and xenstore stay
    (host.folder / f"userdata-l.1.{UUID}.domain-userdata-lock").touch(mode=0o600)
    other = succeeds(create(host.t, configuration("new", UUID.replace("02", "03"), disks=[dict(ROOT)], nics=[])))
    assert other.domid == domain.domid
    assert [str(d) for d in answer(host, other).devices()] == ["disk xvda"]
    assert host.files() == [f"userdata-d.1.{other.uuid}.libxl-json"]


def test_sweep_takes_what_the_dead_left_and_nothing_else(host: EmbeddedHost, domain: Domain) -> None:
    gone = UUID.replace("02", "05")
    for letter, kind in (("d", "libxl-json"), ("n", "libxl-json"), ("l", "domain-userdata-lock")):
        (host.folder / f"userdata-{letter}.7.{gone}.{kind}").touch(mode=0o600)

    async def with_one_at_work() -> list[Domain]:
        busy = await host.toolstack().templates.lock(Domain(8, gone), born=False)
        found = await sweep(host.t)
        await host.t.templates.unlock(busy)
        return found

    assert run(with_one_at_work()) == [Domain(7, gone)]
    assert host.files() == [f"userdata-d.1.{UUID}.libxl-json"]
    assert answer(host, domain).name == "a"


def test_a_failed_creation_leaves_nothing(tmp_path: Path) -> None:
    async def refuses(call: str, step: str, _domain: Domain, device: Device) -> None:
        if (call, step, device.kind) == ("allocate", "script", NIC):
            raise HotplugFailed("the script says no")

    host = EmbeddedHost(tmp_path, refuses)
    tree = host.store.tree()
    with pytest.raises(HotplugFailed, match="the script says no"):
        run(create(host.t, configuration()))
    assert host.files() == []
    assert run(host.hypervisor.domains()) == []
    assert not host.host.all_held()
    left = host.store.tree().keys() - tree.keys()
    assert not [path for path in left if UUID in path or "/1" in path]


def test_creation_takes_the_next_number_if_somebody_was_faster(host: EmbeddedHost, domain: Domain) -> None:
    class Behind:
        asked = 0

        def __getattr__(self, name: str) -> object:
            return getattr(host.hypervisor, name)

        async def free_domid(self) -> int:
            self.asked += 1
            return domain.domid if self.asked == 1 else await host.hypervisor.free_domid()

    late = replace(host.t, hypervisor=Behind())  # type: ignore[arg-type]
    assert succeeds(create(late, configuration("b", UUID.replace("02", "03")))).domid == 2
    with pytest.raises(HypervisorRefused):
        run(create(host.t, configuration("c")))  # the same uuid
    assert answer(host, domain).name == "a"


def test_a_guest_that_does_not_let_go_needs_force(tmp_path: Path) -> None:
    async def hangs(call: str, step: str, _domain: Domain, device: Device) -> None:
        if (call, step) == ("release", "device model"):
            raise TimedOut(f"the guest keeps {device}")

    host = EmbeddedHost(tmp_path, hangs)
    domain = run(create(host.t, configuration()))
    root = Device(DISK, "51712")
    with pytest.raises(TimedOut):
        run(detach(host.t, domain, root))
    assert root in answer(host, domain).devices()
    with pytest.raises(DeviceExists):
        run(attach(host.t, domain, DISK, ROOT))
    run(detach(host.t, domain, root, force=True))
    assert root not in answer(host, domain).devices()
    run(attach(host.t, domain, DISK, ROOT))


def test_detach_of_what_is_not_there(host: EmbeddedHost, domain: Domain) -> None:
    tree = host.store.tree()
    with pytest.raises(DeviceNotFound):
        run(detach(host.t, domain, Device(NIC, "9")))
    assert host.store.tree() == tree


def test_nothing_that_a_guest_or_a_driver_domain_writes_changes_what_exists(host: EmbeddedHost, domain: Domain) -> None:
    """XSA-175, XSA-178."""
    before = answer(host, domain)
    guest, driver = host.store.connect(domain.domid), host.store.connect(0)
    run(host.t.xenstore.write("/local/domain/0/precious", b"1"))
    home, backend = "/local/domain/1/device/vbd", "/local/domain/0/backend/vbd/1/51712"
    run(guest.write(f"{home}/51712/backend", b"/local/domain/0/precious"))
    run(guest.write(f"{home}/51712/forged", b"1"))
    run(guest.write("/local/domain/1/device/vbd/5632/params", b""))
    with pytest.raises(Forbidden):
        run(guest.write("/libxl/1/device/vbd/51760/frontend", b"x"))
    for name, value in (("params", b""), ("dev", b"xvdz"), ("online", b"0"), ("state", b"6"), ("removable", b"1")):
        run(driver.write(f"{backend}/{name}", value))
    assert answer(host, domain) == before
    run(guest.remove(f"{home}/51712"))
    run(driver.remove(backend))
    assert answer(host, domain) == before
    run(detach(host.t, domain, Device(DISK, "51712")))
    assert Device(DISK, "51712") not in answer(host, domain).devices()
    assert host.node("/local/domain/0/precious") == b"1"


def test_a_backend_in_a_driver_domain(host: EmbeddedHost, domain: Domain) -> None:
    driver = run(create(host.t, configuration("storage", UUID.replace("02", "03"), disks=[], nics=[])))
    device = run(attach(host.t, domain, NIC, {"backend_domname": "storage"}))
    backend = f"/local/domain/{driver.domid}/backend/vif/1/1"
    assert host.store.tree()[backend][1] == (Permission(driver.domid, "n"), Permission(1, "r"))
    entry = answer(host, domain).find(device)
    assert entry is not None
    assert entry["backend_domname"] == "storage"
    run(detach(host.t, domain, device))
    assert host.node(backend) is None


def test_what_another_toolstack_left_is_made_up_and_said(host: EmbeddedHost, domain: Domain) -> None:
    run(host.t.xenstore.write("/libxl/1/device/vif/5/frontend", b"/local/domain/1/device/vif/5"))
    found = run(retrieve(host.t, domain))
    assert found.made_up == (Device(NIC, "5"),)
    assert found.template.find(Device(NIC, "5")) == {"devid": 5}


def test_a_stale_entry_of_the_template_is_not_present(host: EmbeddedHost, domain: Domain) -> None:
    run(host.t.xenstore.remove("/libxl/1/device/vif/0"))
    assert [str(d) for d in answer(host, domain).devices()] == ["disk xvda", "disk hdc"]


@pytest.mark.parametrize("path", ["/libxl/1/device/vif", "/libxl/1/device/vbd/5632/params", "/local/domain/1/name"])
def test_what_cannot_be_listed_is_no_empty_list(host: EmbeddedHost, domain: Domain, path: str) -> None:
    class Refuses:
        def __getattr__(self, name: str) -> Callable[[str], object]:
            real = getattr(host.t.xenstore, name)

            async def request(asked: str) -> object:
                if asked == path:
                    raise Forbidden(asked)
                return await real(asked)

            return request

    with pytest.raises(CannotList, match=rf"{path}.*EACCES"):
        run(retrieve(replace(host.t, xenstore=Refuses()), domain))  # type: ignore[arg-type]


def test_a_node_that_is_no_device_is_no_empty_list(host: EmbeddedHost, domain: Domain) -> None:
    run(host.t.xenstore.write("/libxl/1/device/vif/x", b""))
    with pytest.raises(CannotList, match="/libxl/1/device/vif/x: 'x' is no device's number"):
        run(retrieve(host.t, domain))


def test_a_domain_without_a_template_is_being_made_or_destroyed(host: EmbeddedHost, domain: Domain) -> None:
    (host.folder / host.files()[0]).unlink()
    for act in (retrieve, lambda t, d: attach(t, d, NIC, {})):
        with pytest.raises(TemplateMissing):
            run(act(host.t, domain))
    assert host.files() == []
    run(destroy(host.t, domain))


@pytest.mark.parametrize("text", [b"", b'{"disks": [', b"\xff", b'{"disks": 3}', b"{\0}\0"])
def test_a_malformed_template_is_never_overwritten(host: EmbeddedHost, domain: Domain, text: bytes) -> None:
    path = host.folder / host.files()[0]
    path.write_bytes(text)
    for act in (
        lambda: attach(host.t, domain, NIC, {}),
        lambda: detach(host.t, domain, Device(NIC, "0")),
        lambda: media.insert(host.t, domain, CDROM, "/d.iso"),
        lambda: retrieve(host.t, domain),
    ):
        with pytest.raises(MalformedConfiguration):
            run(act())
        assert path.read_bytes() == text
    run(media.eject(host.t, domain, CDROM))
    run(detach(host.t, domain, CDROM, force=True))
    assert path.read_bytes() == text
    assert host.files() == [path.name]


def test_a_nested_operation_is_an_error_and_no_deadlock(host: EmbeddedHost, domain: Domain) -> None:
    async def nested() -> None:
        async with locked(host.t, domain):
            await retrieve(host.t, domain)

    with pytest.raises(LockFailed):
        run(nested())
    assert answer(host, domain).name == "a"


def test_save_holds_the_lock_and_restore_gives_the_same(host: EmbeddedHost, domain: Domain) -> None:
    kept: list[Template] = []

    async def keep(template: Template) -> None:
        assert await host.hypervisor.paused(domain)
        assert await host.t.templates.lock_at_once(domain) is None
        kept.append(template)

    before = answer(host, domain)
    run(save(host.t, domain, keep, checkpoint=True))
    assert not run(host.hypervisor.paused(domain))
    run(save(host.t, domain, keep))
    assert kept == [before, before]
    assert run(host.hypervisor.domains()) == []
    assert answer(host, run(restore(host.t, kept[0]))) == before


def test_a_save_that_fails_lets_the_domain_run_on(host: EmbeddedHost, domain: Domain) -> None:
    async def keep(_template: Template) -> None:
        raise ToolstackError("the disk is full")

    with pytest.raises(ToolstackError, match="the disk is full"):
        run(save(host.t, domain, keep))
    assert not run(host.hypervisor.paused(domain))
    assert answer(host, domain).name == "a"
