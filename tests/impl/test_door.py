"""What passes the door can be retrieved, saved, detached and destroyed; what does not leaves nothing."""

from __future__ import annotations

import copy
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from embedded_host import ROOT, UUID, EmbeddedHost, configuration, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from machines_values import ARRAYS, ENTRIES, IMPROPER, JSON, VDEVS

from confsync.impl.configuration.template import Template
from confsync.impl.errors import DeviceExists, DeviceNotFound, InvalidArgument, MalformedConfiguration
from confsync.impl.kinds import DISK, KINDS, NIC, USBCTRL, USBDEV, VKB, Device, Entry, Json, Kind
from confsync.impl.operations import knobs
from confsync.impl.operations.attach import attach, detach
from confsync.impl.operations.create import create
from confsync.impl.operations.destroy import destroy
from confsync.impl.operations.door import MOST_MEMORY_KB
from confsync.impl.operations.retrieve import retrieve
from confsync.impl.operations.save import restore, save
from confsync.impl.vdev import device_number, virtual_name

ODD: st.SearchStrategy[Json] = st.one_of(
    JSON,
    IMPROPER,
    st.sampled_from(
        [2**31, 2**53, 2**63, 2**64, 99999999, 0, -1, 1.5, True, False, "", "x" * 5000, "a\nb", [], {}, "4095"]
    ),
    st.sampled_from([*VDEVS, "hdc", "200", "0xca10"]),
)
FIELDS = [
    "vdev", "devid", "pdev_path", "format", "backend", "backend_domid", "backend_domname", "mac", "mtu", "ports",
    "version", "type", "type.hostdev", "ctrl", "port", "bus", "dev", "func", "domain", "uuid", "connectors", "tag",
    "is_cdrom", "script", "bridge", "short_name", "width",
]  # fmt: skip
ONCE = settings(
    max_examples=120, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


def odd_entries(kind: str) -> st.SearchStrategy[Json]:
    """An entry of the kind of which some fields are anything."""
    some = st.dictionaries(st.sampled_from(FIELDS), ODD, max_size=2)
    return st.one_of(st.builds(lambda entry, odd: {**entry, **odd}, ENTRIES[kind], some), ODD)


@st.composite
def configurations(draw: st.DrawFn) -> Json:
    """JSON that is more or less a configuration."""
    value: dict[str, Json] = {"c_info": {"name": "a", "uuid": UUID, **draw(st.dictionaries(st.just("name"), ODD))}}
    knobs_ = ["max_memkb", "target_memkb", "video_memkb", "max_vcpus", "avail_vcpus", "sched_params"]
    scheduling = st.dictionaries(st.sampled_from(["weight", "cap", "x"]), ODD, max_size=2)
    value["b_info"] = draw(st.dictionaries(st.sampled_from(knobs_), st.one_of(ODD, scheduling), max_size=1))
    for kind in draw(st.lists(st.sampled_from(list(ARRAYS)), max_size=2)):
        value[ARRAYS[kind]] = draw(st.one_of(st.lists(odd_entries(kind), max_size=2), ODD))
    return draw(st.sampled_from([value, value, {**value, draw(st.sampled_from(["c_info", "b_info", "z"])): draw(ODD)}]))


async def kept(_template: Template) -> None:
    """Keeps nothing."""


def lives_and_dies(host: EmbeddedHost, template: Template) -> None:
    """A domain is made of the template, used, and destroyed, and nothing is left."""
    domain = run(create(host.t, template))
    saved = run(save(host.t, domain, kept, checkpoint=True))
    assert run(retrieve(host.t, domain)).template == saved
    for device in sorted(saved.devices(), key=lambda d: d.kind is not USBDEV):
        run(detach(host.t, domain, device))
    assert run(retrieve(host.t, domain)).template.devices() == []
    run(destroy(host.t, domain))
    assert_nothing_is_left(host)
    run(destroy(host.t, run(restore(host.t, saved))))


def assert_nothing_is_left(host: EmbeddedHost) -> None:
    assert host.files() == []
    assert run(host.hypervisor.domains()) == []
    assert not [path for path in host.store.tree() if path.startswith(("/libxl/1/", "/local/domain/1/", "/vm/"))]


@pytest.mark.slow
@ONCE
@given(configurations())
def test_any_configuration_is_refused_or_lives(value: Json) -> None:
    assert isinstance(value, dict)
    with TemporaryDirectory() as folder:
        host = EmbeddedHost(Path(folder))
        try:
            template = Template.of(copy.deepcopy(value), "any")
            lives_and_dies(host, template)
        except (InvalidArgument, MalformedConfiguration):
            assert_nothing_is_left(host)


@pytest.mark.slow
@ONCE
@given(st.sampled_from(list(KINDS)).flatmap(lambda kind: st.tuples(st.just(kind), odd_entries(kind))))
def test_any_entry_is_refused_or_attached(asked: tuple[str, Json]) -> None:
    kind, entry = KINDS[asked[0]], asked[1]
    if not isinstance(entry, dict):
        return
    with TemporaryDirectory() as folder:
        host = EmbeddedHost(Path(folder))
        domain = run(create(host.t, configuration(usbctrls=[{"devid": 7, "ports": 2}])))
        before = run(retrieve(host.t, domain)).template, host.template(domain), host.store.tree()
        try:
            device = run(attach(host.t, domain, kind, copy.deepcopy(entry)))
        except (InvalidArgument, DeviceExists, DeviceNotFound):
            assert (run(retrieve(host.t, domain)).template, host.template(domain), host.store.tree()) == before
            return
        saved = run(save(host.t, domain, kept, checkpoint=True))
        assert device in saved.devices()
        run(detach(host.t, domain, device))
        run(destroy(host.t, domain))
        assert host.files() == []
        run(destroy(host.t, run(restore(host.t, saved))))


@pytest.fixture
def host(tmp_path: Path) -> EmbeddedHost:
    return EmbeddedHost(tmp_path)


def plain(b_info: dict[str, Json], **arrays: Json) -> dict[str, Json]:
    return {"c_info": {"name": "a", "uuid": UUID}, "b_info": b_info, **arrays}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("value", "said"),
    [
        (plain({"max_memkb": 2**63}), "`max_memkb` is"),
        (plain({"max_memkb": MOST_MEMORY_KB + 1}), "`max_memkb` is"),
        (plain({"video_memkb": -1}), "`video_memkb` is"),
        (plain({"sched_params": {"weight": 0}}), "from 1 to 65535"),
        (plain({"sched_params": {"cap": "x"}}), "must be a whole number"),
        (plain({}, usbctrls=[{"ports": 99999999}]), "`ports` is 99999999, and must be a whole number from 0 to 31"),
        (plain({}, usbctrls=[{"version": 4}]), "from 0 to 3"),
        (plain({}, usbctrls=[{"ports": True}]), "`ports` is True"),
        (plain({}, usbdevs=[{"ctrl": 0, "port": 1}]), "has no USB controller 0"),
        (plain({}, usbctrls=[{"devid": 0, "ports": 2}], usbdevs=[{"ctrl": 0, "port": 3}]), "ports are 1 to 2"),
        (plain({}, nics=[{"mtu": "big"}]), "`mtu` is 'big'"),
        (plain({}, nics=[{"mac": "no"}]), "an address such as"),
        (plain({}, nics=[{"backend_domid": 0x7FF0}]), "`backend_domid` is 32752"),
        (plain({}, nics=[{"backend_domname": "99999"}]), "domains go up to 32751"),
        (plain({}, disks=[{"vdev": "xvda", "readwrite": "no"}]), "`readwrite` is 'no'"),
        (plain({}, disks=[{"vdev": "xvda", "format": "floppy"}]), "`format` is 'floppy'"),
        (plain({}, disks=[{"vdev": "xvda", "pdev_path": "x" * 4096}]), "`params` has 4096 bytes"),
        (plain({}, vdispls=[{"connectors": [{}] * 65}]), "an array of at most 64"),
        (plain({}, vkbs=[{} for _ in range(4097)]), "4097 devices"),
    ],
)  # fmt: skip
def test_what_is_refused_before_anything_is_made(host: EmbeddedHost, value: dict[str, Json], said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        run(create(host.t, Template.of(value, "the test's")))
    assert_nothing_is_left(host)


@pytest.mark.parametrize(
    ("kind", "entry", "error"),
    [
        (USBDEV, {"ctrl": 0, "port": 1, "type.hostdev": {"hostbus": 1}}, DeviceNotFound),
        (USBDEV, {"ctrl": 7, "port": 3}, InvalidArgument),
        (USBDEV, {"ctrl": 7, "port": 0}, InvalidArgument),
        (NIC, {"backend_domname": "nobody"}, InvalidArgument),
        (VKB, {"devid": 2**31}, InvalidArgument),
        (USBCTRL, {"ports": 32}, InvalidArgument),
    ],
)
def test_a_refused_attach_leaves_the_template(
    host: EmbeddedHost, kind: Kind, entry: Entry, error: type[Exception]
) -> None:
    domain = run(create(host.t, configuration(usbctrls=[{"devid": 7, "ports": 2}])))
    before = host.template(domain)
    with pytest.raises((DeviceNotFound, InvalidArgument)) as refused:
        run(attach(host.t, domain, kind, entry))
    assert type(refused.value) is error
    assert host.template(domain) == before


def test_the_knobs_have_the_same_bounds(host: EmbeddedHost) -> None:
    domain = run(create(host.t, configuration()))
    for kb in (2**63, MOST_MEMORY_KB + 1):
        with pytest.raises(InvalidArgument):
            run(knobs.set_memory_limit(host.t, domain, kb))
    run(knobs.set_memory_limit(host.t, domain, MOST_MEMORY_KB))
    run(knobs.set_memory_target(host.t, domain, MOST_MEMORY_KB))
    assert run(retrieve(host.t, domain)).template.target_memkb == MOST_MEMORY_KB
    for wrong in ({"weight": 0}, {"weight": 65536}, {"cap": 2**31}):
        with pytest.raises(InvalidArgument):
            run(knobs.set_scheduling(host.t, domain, wrong))


def test_a_disks_number_is_some_disks() -> None:
    """768 numbers below 70,000: hda to hdd with 63 partitions each, sda to sdp and xvda to xvdp with 15."""
    taken = 0
    for number in range(1, 70_000):
        try:
            assert device_number(str(number)) == device_number(hex(number)) == number
        except InvalidArgument:
            continue
        assert device_number(virtual_name(number)) == number
        taken += 1
    assert taken == 4 * 64 + 2 * 16 * 16
    for wrong in ("4095", "200", "999999999", "0", "00", "-1", "0x", "51712 ", "٣"):
        with pytest.raises(InvalidArgument):
            device_number(wrong)


GARBAGE = {
    "/libxl/1/device/vbd/4095": b"", "/libxl/1/device/vif/abc": b"", "/libxl/1/device/odd/0/backend": b"x",
    "/libxl/1/device/vusb/0/port/x": b"1-1", "/libxl/1/device/vif/0/backend": b"/local", "/libxl/1/device/pci/zz": b"",
    "/libxl/1/device/vbd/51712/frontend": b"\xff no path", "/libxl/1/device/pci/0000-01-00-0/number": b"many",
    "/local/domain/0/backend/odd/1/5": b"",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("damage", [None, b"{", b'{"disks": [{"vdev": "4095"}]}'])
def test_a_destruction_works_on_whatever_is_there(host: EmbeddedHost, damage: bytes | None) -> None:
    other = run(create(host.t, configuration("other", "11111111-2222-4333-8444-555555555555")))
    run(destroy(host.t, other))
    before = host.store.tree().keys()
    domain = run(create(host.t, configuration(pcidevs=[{"bus": 1}, {"bus": 2}])))
    (template,) = host.folder.iterdir()
    template.unlink()
    if damage is not None:
        template.write_bytes(damage)
        template.chmod(0o600)
    for path, value in GARBAGE.items():
        run(host.t.xenstore.write(path, value))
    run(destroy(host.t, domain))
    assert_nothing_is_left(host)
    left = host.store.tree().keys() - before
    assert not [path for path in left if path.split("/")[5:6] == ["1"]]
    assert dict(host.host.all_held()) == {}


def test_garbage_is_detached_by_force_and_the_domain_is_well(host: EmbeddedHost) -> None:
    domain = run(create(host.t, configuration()))
    run(host.t.xenstore.write("/libxl/1/device/vif/abc", b""))
    run(detach(host.t, domain, Device(NIC, "abc"), force=True))
    assert run(retrieve(host.t, domain)).template.find(Device(DISK, "51712")) == ROOT
