"""How a command names a device: by number, PCI address, MAC address or uuid; and how an attach reads its words."""

from __future__ import annotations

from pathlib import Path

import pytest
from domain_host import CREATE, Host

from confsync.impl.kinds import NIC, PCI, Device

pytestmark = pytest.mark.slow

A, B = "00:16:3e:5a:50:00", "00:16:3e:5a:50:01"
TPM = "ac0a5b9e-cbe2-4c07-b43b-1d69e46fb839"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host with one domain, that has two interfaces."""
    host = Host(tmp_path)
    host.ok(*CREATE, f"--vif=mac={A},bridge=xenbr0", f"--vif=mac={B.upper()},bridge=xenbr0")
    return host


def names(host: Host) -> list[str]:
    return [str(device) for device in host.retrieve().devices() if device.kind.name != "disk"]


def test_an_interface_is_named_by_its_mac(host: Host) -> None:
    host.refused(1, "ERROR_NOTFOUND", "detach", "vm1", "nic", "00:16:3e:5a:50:77")
    host.refused(2, "is no MAC address", "detach", "vm1", "nic", "00:16:3e:5a:50")
    assert names(host) == ["nic 0", "nic 1"]
    assert host.ok("detach", "vm1", "nic", "00:16:3E:5A:50:01") == "detached nic 1\n"
    assert host.ok("detach", "vm1", "vif", A) == "detached nic 0\n"


def test_a_mac_that_two_interfaces_have_names_neither(host: Host) -> None:
    host.ok("attach", "vm1", "nic", f"mac={A}")
    host.refused(2, f"2 devices have the mac `{A}`: name one by number, 0, 2", "detach", "vm1", "nic", A)
    assert names(host) == ["nic 0", "nic 1", "nic 2"]
    assert host.ok("detach", "vm1", "nic", "2") == "detached nic 2\n"
    assert host.ok("detach", "vm1", "nic", A) == "detached nic 0\n"


def test_a_tpm_is_named_by_its_uuid(host: Host) -> None:
    host.ok("attach", "vm1", "vtpm", f"backend=0,uuid={TPM}")
    host.refused(1, f"has no vtpm with the uuid {TPM[:-1]}8", "detach", "vm1", "vtpm", f"{TPM[:-1]}8")
    host.refused(2, "is no uuid", "detach", "vm1", "vtpm", TPM[:-1])
    assert host.ok("detach", "vm1", "vtpm", TPM.upper()) == "detached vtpm 0\n"


def test_a_pci_device_is_named_by_its_address(host: Host) -> None:
    assert host.ok("attach", "vm1", "pci", "3:0.1", "permissive=1") == "attached pci 0000:03:00.1\n"
    host.refused(1, "has pci 0000:03:00.1 already", "attach", "vm1", "pci", "0000:03:00.1")
    assert host.retrieve().find(Device(PCI, "0000-03-00-1")) == {"bus": 3, "func": 1, "permissive": True}
    assert host.ok("detach", "vm1", "pci", "0000:03:00.1") == "detached pci 0000:03:00.1\n"


def test_a_usb_device_is_named_by_controller_and_port(host: Host) -> None:
    host.ok("attach", "vm1", "usbctrl", "type=pv,ports=4")
    for name in (["0/2"], ["0", "2"]):
        host.ok("attach", "vm1", "usbdev", "hostbus=1", "hostaddr=2", "controller=0", "port=2")
        assert host.ok("detach", "vm1", "usbdev", *name) == "detached usbdev 0/2\n"
    host.refused(2, "ERROR_INVAL", "detach", "vm1", "nic", "0", "1")


def test_the_words_of_a_disk_are_read_each_by_itself(host: Host) -> None:
    host.ok("attach", "vm1", "disk", "vdev=xvdc", "target=/srv/a,b.img", "access=ro")
    found = next(d for d in host.retrieve().devices() if str(d) == "disk xvdc")
    assert host.retrieve().find(found) == {"pdev_path": "/srv/a,b.img", "vdev": "xvdc", "format": "raw"}


def test_a_refusal_names_the_word_and_changes_nothing(host: Host) -> None:
    before = host.files()
    host.refused(2, "nic `bridge=a mtu=x`: mtu is `x`, and must be", "attach", "vm1", "nic", "bridge=a", "mtu=x")
    host.refused(2, "word 2, character 1: there is no parameter `foo`", "attach", "vm1", "disk", "vdev=xvdd", "foo=1")
    host.refused(2, "is no backendtype", "attach", "vm1", "disk", "/b.img,raw,xvdb,rw,backendtype=file")
    assert host.files() == before


def test_the_number_of_an_interface_can_be_given(host: Host) -> None:
    assert host.ok("attach", "vm1", "nic", "devid=7") == "attached nic 7\n"
    assert (host.retrieve().find(Device(NIC, "7")) or {})["devid"] == 7


def test_memory_is_in_mib_on_the_command_line_as_in_a_file(tmp_path: Path) -> None:
    host = Host(tmp_path)
    (tmp_path / "b.cfg").write_text("name = 'b'\nmemory = 256\n")
    host.ok("create", "--name=a", "--memory=256")
    host.ok("create", tmp_path / "b.cfg")
    assert host.retrieve("a").target_memkb == host.retrieve("b").target_memkb == 256 << 10
    host.ok("mem-max", "a", "512")
    host.ok("mem-set", "a", "300")
    assert (host.retrieve("a").max_memkb, host.retrieve("a").target_memkb) == (512 << 10, 300 << 10)


def test_what_xenstore_has_of_a_device_that_is_not_trusted(host: Host) -> None:
    host.ok("attach", "vm1", "disk", "/b.img,raw,xvdb,w,untrusted,specification=virtio")
    host.ok("attach", "vm1", "nic", "untrusted")
    said = host.ok("xenstore").splitlines()
    for line in (
        '/local/domain/1/device/vbd/51728/trusted = "0"',
        '/local/domain/1/device/vbd/51712/trusted = "1"',
        '/local/domain/1/device/vif/2/trusted = "0"',
        '/libxl/1/device/vbd/51728/specification = "virtio"',
    ):
        assert [found for found in said if found.startswith(line)], line


def test_dom0_is_a_backend_by_its_name(host: Host) -> None:
    host.ok("attach", "vm1", "nic", "backend=Domain-0,devid=7")
    nic = host.retrieve().find(Device(NIC, "7")) or {}
    assert nic["backend_domname"] == "Domain-0"
    host.refused(2, "there is no domain 'dom0' to be the backend", "attach", "vm1", "nic", "backend=dom0")
