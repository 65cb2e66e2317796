"""Hosts that no snapshot is of: a healthy one with something of everything, and one thing wrong with it at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import xl
from audit_hosts import DRIVER, FOREIGN, GUEST, OTHER, PV, STUB, Made, healthy, template_name, uuid

from confsync.impl.audit.audit import audit
from confsync.impl.audit.errors import BadInput
from confsync.impl.audit.finding import Finding
from confsync.impl.audit.host import pair, snapshot
from confsync.impl.audit.invariants import INVARIANTS
from confsync.impl.configuration.text import encode

pytestmark = pytest.mark.slow

Edit = Callable[[Made], object]
LIBXL, LOCAL, BACK = f"/libxl/{GUEST}/device", f"/local/domain/{GUEST}", "/local/domain/0/backend"


def findings(made: Made, folder: Path) -> list[Finding]:
    """What is found."""
    found = audit(snapshot(made.write(folder))).findings
    for finding in found:
        xl.reads(finding.mend)
    return found


def keys(found: list[Finding]) -> list[str]:
    """The findings, without uuids."""
    return [f.key.removesuffix(f.uuid).strip() for f in found]


def test_nothing_is_wrong_with_a_healthy_host(tmp_path: Path) -> None:
    result = audit(snapshot(healthy().write(tmp_path)))
    assert keys(result.findings) == []
    assert (result.domains, result.stale, result.foreign) == (6, 1, 1)
    assert result.devices == 17


def test_permissions_need_not_be_in_the_dump(tmp_path: Path) -> None:
    assert audit(snapshot(healthy().write(tmp_path, permissions=False))).findings == []


def test_the_order_of_a_dump_is_of_no_account(tmp_path: Path) -> None:
    made = healthy()
    made.remove(f"{BACK}/qdisk/{GUEST}/5632")
    folder = made.write(tmp_path)
    forwards = audit(snapshot(folder)).findings
    lines = (folder / "xenstore.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "xenstore.txt").write_text("".join(reversed(lines)), encoding="utf-8")
    assert audit(snapshot(folder)).findings == forwards != []


def drop_entry(array: str, at: int, domid: int = GUEST) -> Edit:
    """Remove a template's entry."""
    return lambda made: made.entries(domid, array).pop(at)


def change(domid: int, array: str, at: int, **fields: str) -> Edit:
    """Change a template's entry."""
    return lambda made: made.entries(domid, array)[at].update(fields)


def raw(made: Made, change: Callable[[bytes], bytes]) -> None:
    """A template whose bytes are not those that libxl writes."""
    made.files[template_name(OTHER)] = change(encode(made.templates.pop(OTHER)))


def twin(made: Made) -> None:
    """A second network interface with the guest's mac, on another bridge."""
    made.device(PV, "vif", "3", "vif", mac="00:16:3e:00:00:01", bridge="other")
    made.templates[PV]["nics"] = [{"devid": 3, "mac": "00:16:3e:00:00:01"}]


def only_an_error(made: Made) -> None:
    """A script that failed, and whose status is gone."""
    no_script(made, "4")
    made.put({f"{BACK}/vif/{GUEST}/0/hotplug-error": "no bridge"})


def waits(made: Made) -> None:
    """A driver domain's disk that is not connected."""
    made.remove(f"/local/domain/{DRIVER}/backend/vbd/{GUEST}/768/hotplug-status")
    made.put({f"/local/domain/{DRIVER}/backend/vbd/{GUEST}/768/state": "2"})


def no_script(made: Made, state: str) -> None:
    """The guest's vif without the word of its script."""
    made.remove(f"{BACK}/vif/{GUEST}/0/hotplug-status")
    made.put({f"{BACK}/vif/{GUEST}/0/state": state})


WRONG: dict[str, tuple[Edit, list[str]]] = {
    "a disk without an entry": (drop_entry("disks", 0), [f"xenstore_has_template {GUEST} disk hda"]),
    "a nic without an entry": (drop_entry("nics", 0), [f"xenstore_has_template {GUEST} nic 0"]),
    "a pci device without an entry": (drop_entry("pcidevs", 1), [f"xenstore_has_template {GUEST} pci 0001:04:1f.7"]),
    "a usb device without an entry": (drop_entry("usbdevs", 0), [f"xenstore_has_template {GUEST} usbdev 0/1"]),
    "a usb controller without an entry": (drop_entry("usbctrls", 0), [f"xenstore_has_template {GUEST} usbctrl 0"]),
    "a vtpm without an entry": (drop_entry("vtpms", 0, PV), [f"xenstore_has_template {PV} vtpm 0"]),
    "a 9p share without an entry": (drop_entry("p9s", 0, PV), [f"xenstore_has_template {PV} p9 0"]),
    "a display without an entry": (drop_entry("vdispls", 0, PV), [f"xenstore_has_template {PV} vdispl 1"]),
    "a sound card without an entry": (drop_entry("vsnds", 0, PV), [f"xenstore_has_template {PV} vsnd 0"]),
    "a PV keyboard without an entry": (drop_entry("vkbs", 0, PV), [f"xenstore_has_template {PV} vkb 0"]),
    "a second HVM keyboard": (
        lambda m: m.device(GUEST, "vkbd", "1", "vkbd"), [f"xenstore_has_template {GUEST} vkb 1"],
    ),
    "a disk over virtio without an entry": (
        lambda m: m.device(
            GUEST, "virtio_disk", "51760", "virtio_disk", params="/x", dev="xvdd", removable="0", mode="w", type="x",
            device_type="disk",
        ),
        [f"xenstore_has_template {GUEST} disk xvdd"],
    ),
    "a share that is gone": (lambda m: m.remove(
        f"/libxl/{PV}/device/9pfs/0", f"{BACK}/9pfs/{PV}/0", f"/local/domain/{PV}/device/9pfs/0"
    ), [f"template_has_xenstore {PV} p9 0"]),
    "a keyboard that is gone": (lambda m: m.remove(
        f"/libxl/{PV}/device/vkbd/0", f"{BACK}/vkbd/{PV}/0", f"/local/domain/{PV}/device/vkbd/0"
    ), [f"template_has_xenstore {PV} vkb 0"]),
    "another disk in the template": (
        change(PV, "disks", 0, pdev_path="/dev/vg/b"), [f"template_is_faithful {PV} disk xvda"],
    ),
    "another mac in the template": (change(GUEST, "nics", 0, mac="00:16:3e:00:00:02"),
                                    [f"template_is_faithful {GUEST} nic 0"]),
    "another medium in the template": (
        change(GUEST, "disks", 1, pdev_path="/srv/b.iso"), [f"medium_agrees {GUEST} disk hdc"],
    ),
    "no medium in the template": (
        change(GUEST, "disks", 1, format="empty"), [f"medium_agrees {GUEST} disk hdc"],
    ),
    "an empty drive on a real block device": (
        lambda m: m.put({f"{LIBXL}/vbd/5632/params": f"/run/xen/empty-cdrom.{GUEST}"}), [],
    ),
    "a backend without a device": (
        lambda m: m.put({f"{BACK}/vbd/{PV}/51728/state": "4"}), [f"resources_have_xenstore {PV} disk xvdb"],
    ),
    "a device that is only gone from libxl's list": (
        lambda m: m.remove(f"{LIBXL}/vif/0"), [f"resources_have_xenstore {GUEST} nic 0"],
    ),
    "a driver domain's backend without a device": (
        lambda m: m.put({f"/local/domain/{DRIVER}/backend/vbd/{PV}/51728/state": "2"}),
        [f"resources_have_xenstore {PV} disk xvdb"],
    ),
    "a backend of no domain": (
        lambda m: m.put({f"{BACK}/vif/99/0/hotplug-status": "connected"}), ["resources_have_xenstore 99 nic 0"],
    ),
    "an old backend of another kind": (
        lambda m: m.put({f"{BACK}/qdisk/{PV}/51712/state": "4"}), [f"resources_have_xenstore {PV} disk xvda"],
    ),
    "a pci device that is not counted": (
        lambda m: m.put({f"{BACK}/pci/{GUEST}/0/dev-2": "0000:05:00.0"}),
        [f"resources_have_xenstore {GUEST} pci 0000:05:00.0"],
    ),
    "a disk in parts": (lambda m: m.remove(f"{LIBXL}/vbd/768/type"), [f"device_is_whole {GUEST} disk hda"]),
    "an empty device": (
        lambda m: m.put({f"{LIBXL}/vbd/51760": ""}), [f"device_is_whole {GUEST} disk xvdd"],
    ),
    "a device without a number": (
        lambda m: m.put({f"{LIBXL}/vif/eth0/backend": "x"}), [f"device_is_whole {GUEST} nic eth0"],
    ),
    "no backend": (lambda m: m.remove(f"{BACK}/qdisk/{GUEST}/5632"), [f"device_has_backend {GUEST} disk hdc"]),
    "no backend domain": (
        lambda m: m.put({f"{LIBXL}/vbd/768/backend": "/local/domain/55/backend/vbd/7/768"}),
        [f"resources_have_xenstore {GUEST} disk hda", f"device_has_backend {GUEST} disk hda"],
    ),
    "no console": (lambda m: m.remove(f"{BACK}/console/{PV}/0"), [f"device_has_backend {PV} console 0"]),
    "no frontend": (lambda m: m.remove(f"{LOCAL}/device/vbd/768"), [f"device_has_frontend {GUEST} disk hda"]),
    "a frontend alone": (
        lambda m: m.put({f"{LOCAL}/device/vbd/51760": "", f"{LOCAL}/device/vbd/51760/state": "1"}),
        [f"frontend_has_device {GUEST} disk xvdd"],
    ),
    "offline": (
        lambda m: m.put({f"{BACK}/vif/{GUEST}/0/online": "0", f"{BACK}/vif/{GUEST}/0/state": "5"}),
        [f"removal_is_finished {GUEST} nic 0"],
    ),
    "a stubdom's disk offline": (
        lambda m: m.put({f"{BACK}/vbd/{STUB}/51712/online": "0"}), [f"removal_is_finished {STUB} disk xvda"],
    ),
    "dom0's disk offline": (
        lambda m: m.put({f"{BACK}/vbd/0/51712/online": "0"}), ["removal_is_finished 0 disk xvda"],
    ),
    "closed by the guest": (lambda m: m.put({f"{BACK}/vif/{GUEST}/0/state": "6"}), []),
    "no script": (lambda m: no_script(m, "2"), [f"hotplug_is_finished {GUEST} nic 0"]),
    "no script, and no state": (
        lambda m: m.remove(f"{BACK}/vif/{GUEST}/0/hotplug-status", f"{BACK}/vif/{GUEST}/0/state"),
        [f"hotplug_is_finished {GUEST} nic 0"],
    ),
    "connected, and the status removed": (lambda m: no_script(m, "4"), []),
    "closed by the guest, and the status removed": (lambda m: no_script(m, "6"), []),
    "connected, and an error": (
        lambda m: m.put({f"{BACK}/vif/{GUEST}/0/hotplug-error": "no bridge"}), [],
    ),
    "an error and no status": (
        only_an_error,
        [f"hotplug_is_finished {GUEST} nic 0"],
    ),
    "a driver domain's disk, connected": (
        lambda m: m.remove(f"/local/domain/{DRIVER}/backend/vbd/{GUEST}/768/hotplug-status"), [],
    ),
    "a driver domain's disk that waits": (
        waits,
        [f"hotplug_is_finished {GUEST} disk hda"],
    ),
    "a script that QEMU's disk has in vain": (
        lambda m: m.put({f"{LIBXL}/vbd/5632/script": "/x", f"{BACK}/qdisk/{GUEST}/5632/state": "2"}),
        [],
    ),
    "pci without a node of libxl's": (lambda m: m.remove(f"{LIBXL}/pci"), []),
    "a pci backend of no domain": (
        lambda m: m.put({f"{BACK}/pci/99/0/num_devs": "1"}), ["resources_have_xenstore 99 pci 0"],
    ),
    "a mac twice": (
        twin,
        [f"macs_are_unique {PV} nic 3"],
    ),
    "a stubdom's network interface": (
        lambda m: m.device(STUB, "vif", "0", "vif", mac="00:16:3e:00:00:01"), [],
    ),
    "libxl before XSA-175": (lambda m: m.remove(f"/libxl/{OTHER}/device"), []),
    "a failed script": (
        lambda m: m.put({f"{BACK}/vif/{GUEST}/0/hotplug-status": "error"}), [f"hotplug_is_finished {GUEST} nic 0"],
    ),
    "no /local/domain": (
        lambda m: m.remove(f"/local/domain/{OTHER}"),
        [f"domain_is_whole {OTHER}", f"userdata_dies_with_domain {OTHER}", f"vm_dies_with_domain None {uuid(OTHER)}"],
    ),
    "no name": (lambda m: m.remove(f"/local/domain/{OTHER}/name"), [f"domain_is_whole {OTHER}"]),
    "no /vm": (lambda m: m.remove(f"/vm/{uuid(OTHER)}"), [f"domain_is_whole {OTHER}"]),
    "a number and nothing else": (lambda m: m.put({"/local/domain/44": ""}), []),  # libxl makes all in one transaction
    "another toolstack's domain, dead": (lambda m: m.put({"/libxl/46": "", "/libxl/46/dm-version": "qemu_xen"}), []),
    "parts of a dead domain": (
        lambda m: m.put({"/libxl/45": "", "/libxl/45/device/vbd/51712": ""}), ["domain_is_whole 45"],
    ),
    "no template": (lambda m: m.templates.pop(GUEST), [f"domain_has_template {GUEST}"]),
    "a template that is cut": (
        lambda m: m.files.update({template_name(OTHER): encode(m.templates.pop(OTHER))[:99]}),
        [f"template_is_readable {OTHER}"],
    ),
    "an empty template": (
        lambda m: m.files.update({template_name(OTHER): b"" * bool(m.templates.pop(OTHER))}),
        [f"template_is_readable {OTHER}"],
    ),
    "a large template": (
        lambda m: m.files.update({template_name(OTHER): b" " * (17 << 20) * bool(m.templates.pop(OTHER))}),
        [f"template_is_readable {OTHER}"],
    ),
    "a device twice": (lambda m: m.templates[OTHER].update({"nics": [{"devid": 1}, {"devid": 1}]}),
                       [f"template_is_readable {OTHER}"]),
    "a key twice": (
        lambda m: raw(m, lambda text: text.replace(b'"name"', b'"name": "other", "name"', 1)),
        [f"template_is_unambiguous {OTHER}"],
    ),
    "a key of an entry twice, once with an escape": (
        lambda m: raw(m, lambda text: text.replace(b"{", b'{"nics": [{"mac": "a", "\\u006dac": "b"}],', 1)),
        [f"template_is_unambiguous {OTHER}"],
    ),
    "text after the NUL": (
        lambda m: raw(m, lambda text: text + b'{"c_info": {}}\n'), [f"template_is_unambiguous {OTHER}"],
    ),
    "dom0's template cut": (
        lambda m: m.files.update(dict.fromkeys(m.files, b"{")), ["template_is_readable 0"],
    ),
    "no target": (lambda m: m.remove(f"{LOCAL}/memory/target"), [f"knobs_are_reflected {GUEST}"]),
    "no limit": (lambda m: m.remove(f"{LOCAL}/memory/static-max"), [f"knobs_are_reflected {GUEST}"]),
    "a target that is no number": (
        lambda m: m.put({f"{LOCAL}/memory/target": "²" * 3}), [f"knobs_are_reflected {GUEST}"],
    ),
    "a target that is too long": (
        lambda m: m.put({f"{LOCAL}/memory/target": "9" * 5000}), [f"knobs_are_reflected {GUEST}"],
    ),
    "a target above the limit": (
        lambda m: m.put({f"{LOCAL}/memory/target": "131073", f"/vm/{uuid(GUEST)}/memory": "128"}),
        [f"knobs_are_reflected {GUEST}"],
    ),
    "another memory": (lambda m: m.put({f"/vm/{uuid(GUEST)}/memory": "63"}), [f"knobs_agree {GUEST}"]),
    "memory with the video's": (lambda m: m.put({f"/vm/{uuid(GUEST)}/memory": "72"}), []),
    "another name": (lambda m: m.put({f"/vm/{uuid(GUEST)}/name": "was"}), [f"knobs_agree {GUEST}"]),
    "a name twice": (
        lambda m: m.put({f"/local/domain/{PV}/name": "other", f"/vm/{uuid(PV)}/name": "other"}),
        [f"names_are_unique {PV}"],
    ),
    "another uuid within": (
        lambda m: m.c_info(OTHER).update({"uuid": uuid(1)}),
        [f"uuid_agrees {OTHER}"],
    ),
    "no uuid within": (
        lambda m: m.c_info(OTHER).pop("uuid"), [],
    ),
    "kept after a crash": (
        lambda m: m.put({
            f"/local/domain/{OTHER}/vm": f"/vm/{uuid(77)}", f"/vm/{uuid(77)}": "",
            f"/local/domain/{OTHER}/name": "other-20261125T1900Z",
        }),
        [f"uuid_agrees {OTHER}", f"vm_dies_with_domain None {uuid(OTHER)}"],
    ),
    "a template of no domain": (
        lambda m: m.files.update({template_name(98): encode({})}), ["userdata_dies_with_domain 98"],
    ),
    "a lock of no domain": (
        lambda m: m.files.update({f"userdata-l.98.{uuid(98)}.domain-userdata-lock": b""}),
        ["userdata_dies_with_domain 98"],
    ),
    "a template of an older life": (
        lambda m: m.files.update({f"userdata-d.{OTHER}.{uuid(98)}.libxl-json": encode({})}),
        [f"userdata_dies_with_domain {OTHER}"],
    ),
    "a number that is used anew": (
        lambda m: m.files.update({f"userdata-d.{OTHER}.{uuid(98)}.libxl-json": encode(m.templates.pop(OTHER))}),
        [f"domain_has_template {OTHER}", f"userdata_dies_with_domain {OTHER}"],
    ),
    "a lock": (
        lambda m: m.files.update({f"userdata-l.{OTHER}.{uuid(OTHER)}.domain-userdata-lock": b""}),
        [f"lock_is_free {OTHER}"],
    ),
    "an unfinished template": (
        lambda m: m.files.update({f"userdata-n.{OTHER}.{uuid(OTHER)}.libxl-json": b"{"}),
        [f"temporary_is_gone {OTHER}"],
    ),
    "another tool's data": (
        lambda m: m.files.update({f"userdata-d.{OTHER}.{uuid(OTHER)}.libvirt-xml": b"<domain/>"}), [],
    ),
    "a uuid without a domain": (
        lambda m: m.put({f"/vm/{uuid(97)}": "", f"/vm/{uuid(97)}/name": "was"}),
        [f"vm_dies_with_domain None {uuid(97)}"],
    ),
    "a list that the guest may write": (
        lambda m: m.permissions.update({f"{LIBXL}/vbd": f"n{GUEST}"}), [f"guest_cannot_forge {GUEST}"],
    ),
    "a device that anybody may write": (
        lambda m: m.permissions.update({f"{LIBXL}/vbd/768/params": "b0"}), [f"guest_cannot_forge {GUEST}"],
    ),
    "memory that the guest may write": (
        lambda m: m.permissions.update({f"{LOCAL}/memory/target": f"n0,b{GUEST}"}), [f"guest_cannot_forge {GUEST}"],
    ),
    "memory that the guest may read": (
        lambda m: m.permissions.update({f"{LOCAL}/memory/target": f"n0,r{GUEST}"}), [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_one_thing_is_wrong_and_found(name: str, tmp_path: Path) -> None:
    edit, expected = WRONG[name]
    made = healthy()
    edit(made)
    found = findings(made, tmp_path)
    assert sorted(f.key if f.domid is None else keys([f])[0] for f in found) == sorted(expected)
    for f in found:
        assert all((f.template, f.xenstore, f.answer, f.mend, f.evidence))
        assert "xl destroy" not in f.mend  # no finding here shows that a domain is not whole and in nobody's use


def test_every_invariant_is_found_broken() -> None:
    told = {key.split()[0] for _, expected in WRONG.values() for key in expected}
    assert told == set(INVARIANTS)


def test_a_domain_that_is_being_created_is_told_as_one_finding(tmp_path: Path) -> None:
    made = healthy()
    made.domain(50, "new")
    made.disk(50, 51712, "xvda", "/dev/vg/new")
    made.remove("/local/domain/50/memory/target")
    (found,) = findings(made, tmp_path)
    assert keys([found]) == ["domain_has_template 50"]
    assert "it is being created" in found.template
    assert found.answer == "fails with ERROR_JSON_CONFIG_EMPTY"
    assert found.name == "new"


def test_a_host_of_another_toolstack_has_no_finding(tmp_path: Path) -> None:
    made = healthy()
    for path in [p for p in made.nodes if p.startswith("/libxl")]:
        del made.nodes[path]
    made.templates.clear()
    made.files.clear()
    made.put({f"{BACK}/vbd/99/51712/state": "4"})
    result = audit(snapshot(made.write(tmp_path)))
    assert keys(result.findings) == []
    assert result.foreign == 6


def test_what_a_driver_domain_writes_is_said_to_be_its_word(tmp_path: Path) -> None:
    made = healthy()
    made.nodes[f"/local/domain/{DRIVER}/backend/vbd/{GUEST}/768/online"] = "0"
    (found,) = findings(made, tmp_path)
    assert f"domain {DRIVER} writes this, and can forge it" in found.xenstore
    assert "has disk hda" in found.answer


def test_a_finding_tells_both_sides_and_the_way_out(tmp_path: Path) -> None:
    made = healthy()
    made.entries(GUEST, "disks")[1]["pdev_path"] = "/srv/b.iso"
    (found,) = findings(made, tmp_path)
    assert (found.domid, found.name, found.uuid, found.device) == (GUEST, "guest", uuid(GUEST), "disk hdc")
    assert (found.template, found.xenstore) == ("medium `/srv/b.iso`", "params `aio:/srv/cd.iso`")
    assert found.answer == "says medium `/srv/b.iso`, whatever is in the drive"
    assert found.mend == f"`xl cd-eject {GUEST} hdc`, then insert what it is to hold"
    assert found.file == str(tmp_path / template_name(GUEST))


def test_what_a_guest_wrote_cannot_steer_a_terminal(tmp_path: Path) -> None:
    made = healthy()
    made.nodes[f"{LIBXL}/vbd/5632/params"] = "aio:/\\x1b[2J\\x9b\\xc3\\xa9\\xe2\\x80\\xae.iso\\xff"
    (found,) = findings(made, tmp_path)
    assert found.xenstore == r"params `aio:/\u001b[2J\udc9bé\u202e.iso\udcff`"


def test_one_template_is_held_against_a_dump(tmp_path: Path) -> None:
    made = healthy()
    drop_entry("disks", 0)(made)
    folder = made.write(tmp_path / "host")
    plain = folder / template_name(GUEST)
    expected = [f"xenstore_has_template {GUEST} disk hda"]
    assert keys(audit(pair([plain], folder / "xenstore.txt")).findings) == expected
    by_uuid = plain.rename(tmp_path / "libxl.json")
    assert keys(audit(pair([by_uuid], folder / "xenstore.txt")).findings) == expected
    del made.c_info(GUEST)["uuid"]
    by_uuid.write_bytes(encode(made.templates[GUEST]))
    assert keys(audit(pair([by_uuid], folder / "xenstore.txt")).findings) == expected
    by_uuid.write_bytes(b"{")
    with pytest.raises(BadInput, match="does not say which domain's template"):
        pair([by_uuid], folder / "xenstore.txt")
    by_uuid.write_bytes(encode({"c_info": {"uuid": uuid(96)}}))
    with pytest.raises(BadInput, match="does not say which domain's template"):
        pair([by_uuid], folder / "xenstore.txt")
    with pytest.raises(BadInput, match="No such file"):
        pair([tmp_path / "none"], folder / "xenstore.txt")
    whole = audit(pair([], folder / "xenstore.txt", folder)).findings
    assert keys(whole) == [f"domain_has_template {GUEST}"]


def test_foreign_devices_are_left_alone(tmp_path: Path) -> None:
    made = healthy()
    made.nodes[f"/local/domain/{FOREIGN}/device/vif/0"] = ""
    assert findings(made, tmp_path) == []


def test_a_folder_with_a_dump_and_one_template_is_of_one_domain(tmp_path: Path) -> None:
    made = healthy()
    made.entries(GUEST, "disks").pop(0)
    folder = made.write(tmp_path)
    (folder / template_name(GUEST)).rename(folder / "libxl.json")
    for other in folder.glob("userdata-*"):
        other.unlink()
    assert keys(audit(snapshot(folder)).findings) == [f"xenstore_has_template {GUEST} disk hda"]


def test_the_only_domain_has_no_template_of_another_uuid(tmp_path: Path) -> None:
    made = Made({"/local/domain/0": "", "/libxl": ""})
    made.domain(OTHER, "other")
    dump = made.write(tmp_path) / "xenstore.txt"
    template = tmp_path / "libxl.json"
    template.write_bytes(encode({"c_info": {"uuid": uuid(96)}}))
    with pytest.raises(BadInput, match="does not say which domain's template"):
        pair([template], dump)
    template.write_bytes(encode({}))
    assert audit(pair([template], dump)).findings == []
    template.write_bytes(b"{")
    assert keys(audit(pair([template], dump)).findings) == [f"template_is_readable {OTHER}"]
