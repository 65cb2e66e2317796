"""What a template says is kept: to the digit, and with what was chosen for the user."""

from __future__ import annotations

from pathlib import Path

import pytest
from embedded_host import EmbeddedHost, configuration, run, succeeds

from confsync.impl.configuration.template import is_empty
from confsync.impl.configuration.text import decode, encode
from confsync.impl.kinds import NIC, PCI, USBCTRL, USBDEV, Device, Json
from confsync.impl.operations.attach import attach
from confsync.impl.operations.create import create
from confsync.impl.operations.retrieve import retrieve


@pytest.mark.parametrize("number", ["1.10", "1e2", "0.1000000000000000055511151231257827", "-0.0", "1E+2"])
def test_a_fraction_is_kept_to_the_digit(number: str) -> None:
    written = f'{{\n    "x": {number}\n}}\n\0'.encode()
    assert encode(decode(written, "the test's")) == written


@pytest.mark.parametrize(
    ("entry", "empty"),
    [
        ({"pdev_path": "/c.iso", "format": "empty"}, True),
        ({"pdev_path": "", "format": "raw"}, True),
        ({"format": "raw"}, True),
        ({"pdev_path": "/c.iso", "format": "raw"}, False),
    ],
)
def test_a_drive_is_empty_by_its_path_or_by_its_format(entry: dict[str, Json], empty: bool) -> None:
    assert is_empty(entry) is empty


def test_what_was_chosen_for_a_network_interface_is_kept(tmp_path: Path) -> None:
    """A receiver must not choose again [libxl, 32e9d0f065]."""
    host = EmbeddedHost(tmp_path)
    domain = run(create(host.t, configuration()))
    run(attach(host.t, domain, NIC, {"bridge": "b"}))
    found = run(retrieve(host.t, domain)).template
    for index in ("0", "1"):
        entry = found.find(Device(NIC, index)) or {}
        assert entry.get("nictype") == "vif"
        assert str(entry.get("mac")).startswith("00:16:3e:")


def test_each_part_of_a_pci_address_tells_devices_apart(tmp_path: Path) -> None:
    host = EmbeddedHost(tmp_path)
    domain = run(create(host.t, configuration()))
    parts = ("domain", "bus", "dev", "func")
    first: dict[str, Json] = dict.fromkeys(parts, 1)
    addresses = [first, *[{**first, part: 2} for part in parts]]
    for address in addresses:
        succeeds(attach(host.t, domain, PCI, address))
    found = run(retrieve(host.t, domain)).template
    assert [found.find(d) for d in found.devices() if d.kind is PCI] == addresses


def test_devices_of_a_new_domain_that_have_no_number_get_one_each(tmp_path: Path) -> None:
    host = EmbeddedHost(tmp_path)
    nics: list[Json] = [{"bridge": "a"}, {"bridge": "b"}, {"bridge": "c", "devid": 1}]
    domain = succeeds(create(host.t, configuration(nics=nics)))
    found = run(retrieve(host.t, domain)).template
    assert {d.index: (found.find(d) or {})["bridge"] for d in found.devices() if d.kind is NIC} == {
        "0": "a",
        "1": "c",
        "2": "b",
    }


def test_one_port_of_two_usb_controllers_is_two(tmp_path: Path) -> None:
    host = EmbeddedHost(tmp_path)
    domain = run(create(host.t, configuration()))
    for number in (0, 1):
        run(attach(host.t, domain, USBCTRL, {"version": 2, "ports": 4}))
        succeeds(attach(host.t, domain, USBDEV, {"ctrl": number, "port": 1, "type.hostdev": {"hostaddr": number}}))
    found = run(retrieve(host.t, domain)).template
    devices = [d for d in found.devices() if d.kind is USBDEV]
    assert [(found.find(d) or {})["type.hostdev"] for d in devices] == [{"hostaddr": 0}, {"hostaddr": 1}]
