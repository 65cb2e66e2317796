"""PCI devices in xenstore as libxl 4.17 writes them, and those that libxl itself attached."""

from __future__ import annotations

from pathlib import Path

import pytest
from embedded_host import EmbeddedHost, configuration, run

from confsync.impl.errors import DeviceExists, DeviceNotFound, InvalidArgument
from confsync.impl.kinds import PCI, Device, Json
from confsync.impl.operations.attach import attach, detach
from confsync.impl.operations.create import create
from confsync.impl.operations.destroy import destroy
from confsync.impl.operations.retrieve import retrieve

BACKEND = "/local/domain/0/backend/pci/1/0"
LIBXL_S = Device(PCI, "0000-02-00-0")


@pytest.fixture
def host(tmp_path: Path) -> EmbeddedHost:
    """A host with one domain, number 1."""
    made = EmbeddedHost(tmp_path)
    assert run(create(made.t, configuration())).domid == 1
    return made


def attached(host: EmbeddedHost, **entry: Json) -> Device:
    (domain,) = run(host.hypervisor.domains())
    return run(attach(host.t, domain, PCI, entry))


OPTIONS: list[tuple[dict[str, Json], str, str | None]] = [
    # As on a real host of Xen 4.17 with two controllers that were passed through without any option.
    ({"bus": 2}, "msitranslate=0,power_mgmt=0,permissive=0,rdm_policy=strict", None),
    ({"bus": 2, "rdm_policy": "relaxed"}, "msitranslate=0,power_mgmt=0,permissive=0,rdm_policy=relaxed", None),
    ({"bus": 2, "rdm_policy": "invalid"}, "msitranslate=0,power_mgmt=0,permissive=0,rdm_policy=strict", None),
    ({"bus": 2, "permissive": True, "vdevfn": 40}, "msitranslate=0,power_mgmt=0,permissive=1,rdm_policy=strict", "28"),
    ({"bus": 2, "msitranslate": True, "vdevfn": 0}, "msitranslate=1,power_mgmt=0,permissive=0,rdm_policy=strict", None),
    ({"power_mgmt": 1, "permissive": "False"}, "msitranslate=0,power_mgmt=1,permissive=0,rdm_policy=strict", None),
]


@pytest.mark.parametrize(("entry", "options", "slot"), OPTIONS)
def test_the_backend_s_nodes_are_libxl_s(
    host: EmbeddedHost, entry: dict[str, Json], options: str, slot: str | None
) -> None:
    attached(host, **{"bus": 2, **entry})
    expected = {
        "key-0": "0000:02:00.0", "dev-0": "0000:02:00.0", "opts-0": options, "vdevfn-0": slot, "num_devs": "1",
        "domain": "a", "frontend": "/local/domain/1/device/pci/0", "frontend-id": "1", "online": "1",
    }  # fmt: skip
    for name, value in expected.items():
        assert host.node(f"{BACKEND}/{name}") == (None if value is None else value.encode()), name


def test_nothing_of_a_device_that_is_detached_stays_at_the_backend(host: EmbeddedHost) -> None:
    attached(host, bus=2)
    (domain,) = run(host.hypervisor.domains())
    second = attached(host, bus=3, vdevfn=40, name="nic")
    assert host.node(f"{BACKEND}/vdevfn-1") == b"28"
    assert host.node(f"{BACKEND}/name-1") == b"nic"
    run(detach(host.t, domain, second))
    assert [path for path in host.store.tree() if path.startswith(BACKEND) and path.endswith("-1")] == []


FIELDS: list[tuple[str, Json]] = [("vdevfn", -1), ("vdevfn", 2**32), ("rdm_policy", "lenient"), ("name", 5)]


@pytest.mark.parametrize(("field", "value"), FIELDS)
def test_a_field_that_libxl_could_not_read_is_refused(host: EmbeddedHost, field: str, value: Json) -> None:
    with pytest.raises(InvalidArgument, match=f"`{field}` is"):
        attached(host, bus=2, **{field: value})
    assert host.node(BACKEND) is None


def by_libxl(host: EmbeddedHost) -> None:
    """A device that libxl attached: since Xen 4.15 the backend alone says so."""
    nodes = {"frontend": "/local/domain/1/device/pci/0", "num_devs": "1", "dev-0": "0000:02:00.0"}
    for name, value in {**nodes, "dev-1": "0000:04:00.0", "state": "4", "state-0": "3", "online": "1"}.items():
        run(host.store.connect().write(f"{BACKEND}/{name}", value.encode()))


def test_a_device_that_libxl_attached_is_retrieved_and_left_to_libxl(host: EmbeddedHost) -> None:
    by_libxl(host)
    (domain,) = run(host.hypervisor.domains())
    found = run(retrieve(host.t, domain))
    assert found.made_up == (LIBXL_S,)
    with pytest.raises(DeviceExists):
        attached(host, bus=2)
    with pytest.raises(DeviceNotFound, match=r"`xl pci-detach 1 0000:02:00\.0`"):
        run(detach(host.t, domain, LIBXL_S))
    mine = attached(host, bus=5)
    assert host.node(f"{BACKEND}/dev-0") == b"0000:02:00.0"
    assert host.node(f"{BACKEND}/dev-2") == b"0000:05:00.0"  # dev-1 is there, though num_devs does not count it
    assert host.node(f"{BACKEND}/num_devs") == b"3"
    run(detach(host.t, domain, mine))
    assert host.node(f"{BACKEND}/dev-0") == b"0000:02:00.0"
    assert host.node(f"{BACKEND}/num_devs") == b"2"
    run(destroy(host.t, domain))
    assert [path for path in host.store.tree() if "/pci/" in path] == []


@pytest.mark.parametrize("count", [b"", b"x", b"-1", b"\xd9\xa3", b"99999999999999999999"])
def test_a_number_of_devices_that_is_none_lists_none(host: EmbeddedHost, count: bytes) -> None:
    by_libxl(host)
    run(host.store.connect().write(f"{BACKEND}/num_devs", count))
    (domain,) = run(host.hypervisor.domains())
    assert run(retrieve(host.t, domain)).made_up == ()
