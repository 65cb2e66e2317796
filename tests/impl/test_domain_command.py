"""`confsync domain`: what each command does and prints."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from domain_host import CREATE, OTHER, UUID, Host
from places import ROOT

from confsync.front_door import COMMANDS, main
from confsync.impl.audit.dump import read_dump, unescape
from confsync.impl.command.cli import domain
from confsync.impl.command.listing import listing
from confsync.impl.configuration.template import Template
from confsync.impl.kinds import DISK, Device, Json
from confsync.impl.ports import Permission

pytestmark = pytest.mark.slow


@pytest.fixture
def empty(tmp_path: Path) -> Host:
    """A host that is not made yet."""
    return Host(tmp_path)


@pytest.fixture
def host(empty: Host) -> Host:
    """A host with one domain."""
    assert empty.ok(*CREATE) == f"created domain 1, {UUID}\n"
    return empty


# Each command


def test_attach_and_detach_of_each_kind(host: Host) -> None:
    for kind, spec, name, said in (
        ("disk", "/b.img,raw,xvdb,rw", "xvdb", "disk xvdb"),
        ("nic", "bridge=xenbr0", "0", "nic 0"),
        ("vif", "", "0", "nic 0"),
        ("usbctrl", "type=pv,ports=4", "0", "usbctrl 0"),
        ("pci", "03:00.0", "03:00.0", "pci 0000:03:00.0"),
        ("vtpm", "backend=0", "0", "vtpm 0"),
        ("vkb", "backend-type=linux,unique-id=k", "0", "vkb 0"),
        ("9pfs", "tag=t,path=/p,security_model=none", "0", "p9 0"),
        ("vdispl", "connectors=a:1x1", "0", "vdispl 0"),
    ):
        before = host.retrieve()
        assert host.ok("attach", "vm1", kind, *([spec] if spec else [])) == f"attached {said}\n"
        assert [str(d) for d in host.retrieve().devices() if d not in before.devices()] == [said]
        assert host.ok("detach", "vm1", kind, name) == f"detached {said}\n"
        assert host.retrieve().devices() == before.devices()


def test_a_forced_detach_does_not_ask_the_guest(host: Host) -> None:
    for disk, force, steps in (
        ("xvda", [], ["device model", "script", "backend"]),
        ("hdc", ["--force"], ["backend"]),
    ):
        result = host.run("--delay=0.01", "detach", "vm1", "disk", disk, *force)
        assert (result.exit_code, result.stdout) == (0, f"detached disk {disk}\n")
        assert result.stderr.splitlines() == [f"release disk {disk} of domain 1: {step} ..." for step in steps]
    assert host.disks() == set()


def test_a_usb_device_goes_to_its_controller_and_holds_it(host: Host) -> None:
    host.ok("attach", "vm1", "usbctrl", "type=pv")
    host.refused(2, "has no controller", "attach", "vm1", "usb", "hostbus=1,hostaddr=2")
    host.ok("attach", "vm1", "usb", "hostbus=1,hostaddr=2,controller=0,port=3")
    host.refused(2, "ERROR_INVAL: ", "detach", "vm1", "usbctrl", "0")
    assert host.ok("detach", "vm1", "usb", "0/3") == "detached usbdev 0/3\n"
    host.ok("detach", "vm1", "usbctrl", "0")


def test_a_spelling_may_be_in_several_words(host: Host) -> None:
    host.ok("attach", "vm1", "disk", "/b.img", "raw", "xvdb", "r")
    entry = host.retrieve().find(Device(DISK, "51728"))
    assert entry == {"pdev_path": "/b.img", "vdev": "xvdb", "format": "raw"}


def test_a_medium_goes_in_and_out(host: Host) -> None:
    def medium() -> Json:
        return (host.retrieve().find(Device(DISK, "5632")) or {})["pdev_path"]

    assert medium() == "/c.iso"
    host.refused(1, "holds a medium: eject it first", "insert", "vm1", "hdc", "/d.iso")
    host.ok("insert", "vm1", "hdc", "/d.iso", "--swap")
    assert medium() == "/d.iso"
    host.ok("eject", "vm1", "hdc")
    assert medium() == ""
    host.ok("eject", "vm1", "hdc")
    host.ok("insert", "vm1", "hdc", "/e.iso")
    assert medium() == "/e.iso"
    host.refused(2, "ERROR_INVAL", "eject", "vm1", "xvda")
    host.refused(1, "ERROR_NOTFOUND", "eject", "vm1", "hdd")


def test_knobs(host: Host) -> None:
    host.ok("mem-max", "vm1", "1g")
    host.ok("mem-set", "vm1", "256m")
    host.ok("sched-credit", "vm1", "--weight=512", "--cap=50")
    host.ok("rename", "vm1", "vm2")
    found = host.retrieve("vm2")
    assert (found.name, found.max_memkb, found.target_memkb) == ("vm2", 1 << 20, 256 << 10)
    assert found.sched_params == {"weight": 512, "cap": 50}
    host.refused(2, "it must be from 1 to the limit, 1048576 KiB", "mem-set", "vm2", "2g")
    host.refused(2, "must be the target, 262144 KiB, or more", "mem-max", "vm2", "1m")
    host.refused(2, "has 1, numbered from 0", "vcpu-set", "vm2", "2")
    host.refused(2, "is no name", "rename", "vm2", "a/b")
    for size in ("0", "-1", "x", "1e3", "9" * 30, "9999999t", "1MB", "1 m", "1023b", "m", ""):
        host.refused(2, "Invalid value for 'SIZE'", "mem-set", "vm2", "--", size)


@pytest.mark.parametrize(
    ("size", "kib"), [("1024", 1 << 20), ("2048b", 2), ("512k", 512), ("1m", 1024), ("1M", 1024), ("1G", 1 << 20)]
)
def test_amounts_of_memory(host: Host, size: str, kib: int) -> None:
    host.ok("mem-max", "vm1", "4g")
    host.ok("mem-set", "vm1", size)
    assert host.retrieve().target_memkb == kib


def test_vcpus(empty: Host) -> None:
    empty.ok("create", "--name=vm1", "--vcpus=4")
    empty.ok("vcpu-set", "vm1", "2")
    assert empty.retrieve().avail_vcpus == [0, 1]


def test_save_and_restore(host: Host, tmp_path: Path) -> None:
    file, before = tmp_path / "saved", host.retrieve()
    host.ok("save", "vm1", file, "--checkpoint")
    assert file.read_bytes() == before.encode()
    assert json.loads(host.ok("list", "--format=json"))[0]["paused"] is False
    (tmp_path / "other").write_bytes(b"{}")
    host.refused(1, f"{tmp_path / 'other'}: is there, and holds something else", "save", "vm1", tmp_path / "other")
    assert (tmp_path / "other").read_bytes() == b"{}"
    host.refused(1, "No such file or directory", "save", "vm1", tmp_path / "no" / "where")
    assert json.loads(host.ok("list", "--format=json"))[0]["paused"] is False
    host.refused(1, "there is a domain with the uuid", "restore", file)
    file.rename(tmp_path / "first")
    host.ok("save", "vm1", file)
    assert host.ok("list", "--format=json") == "[]\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["first", "other", "saved", "state"]
    assert host.ok("restore", file) == f"created domain 1, {UUID}\n"
    assert host.retrieve().value == before.value


def test_restore_makes_a_new_host(host: Host, tmp_path: Path) -> None:
    host.ok("save", "vm1", tmp_path / "saved")
    other = Host(tmp_path / "other")
    other.ok("restore", tmp_path / "saved")
    assert other.disks() == {"xvda", "hdc"}


def test_list(host: Host) -> None:
    host.ok("create", "--name=two", f"--uuid={OTHER}", "--memory=64m")
    assert host.ok("list").splitlines() == [
        "Name     ID      Mem  State    UUID",
        f"vm1       1      128  running  {UUID}",
        f"two       2       64  running  {OTHER}",
    ]
    assert json.loads(host.ok("list", "--format=json"))[1] == {
        "domid": 2, "name": "two", "uuid": OTHER, "memory_kb": 65536, "paused": False,
        "state": "running",
    }  # fmt: skip


def test_sweep_removes_the_files_of_the_dead_and_names_those_of_strangers(host: Host) -> None:
    host.ok("create", "--name=vm2", f"--uuid={OTHER}")
    dead, stranger = f"userdata-d.2.{OTHER}.libxl-json", f"userdata-d.7.{OTHER}.libxl-json"
    kept = (host.templates / dead).read_bytes()
    host.ok("destroy", "vm2")
    for name in (dead, stranger):  # the first is as of a destruction that was killed
        (host.templates / name).write_bytes(kept)
        (host.templates / name).chmod(0o600)
    before = host.files()
    host.ok("list")
    assert host.files() == before
    result = host.run("sweep")
    assert (result.exit_code, result.stdout) == (0, f"removed the files of domain 2 ({OTHER})\n")
    assert f"kept the files of domain 7 ({OTHER}): this host has no record of it" in result.stderr
    assert sorted(p.name for p in host.templates.iterdir()) == [f"userdata-d.1.{UUID}.libxl-json", stranger]


@pytest.mark.parametrize(
    "command", [["list"], ["list", "--format=json"], ["retrieve", "vm1"], ["xenstore"]], ids=" ".join
)
def test_what_only_reads_changes_nothing(host: Host, command: list[str]) -> None:
    before = host.files()
    assert host.ok(*command)
    assert host.files() == before


def test_destroy_leaves_nothing(host: Host) -> None:
    host.ok("destroy", "vm1")
    assert list(host.templates.iterdir()) == []
    assert UUID not in host.ok("xenstore")
    host.refused(1, "ERROR_DOMAIN_NOTFOUND: there is no domain `vm1`", "destroy", "vm1")


# xenstore


def test_xenstore_is_printed_as_the_audit_reads_it(host: Host, tmp_path: Path) -> None:
    printed = host.ok("xenstore")
    assert '/local/domain/1/name = "vm1"   (n0,r1)\n' in printed
    assert '/libxl/1/device/vbd/51712/params = "/a.img"   (n0)\n' in printed
    (tmp_path / "dump").write_text(printed)
    read_dump(tmp_path / "dump")
    audit = ["audit", f"--xenstore={tmp_path / 'dump'}", f"--userdata={host.templates}", "--format=json"]
    assert CliRunner().invoke(main, audit).exit_code in (0, 1)


def test_every_byte_of_a_value_is_printed_and_read_back() -> None:
    value = bytes(range(256))
    tree = {
        "/": (b"", ()),
        "/b": (value, (Permission(0, "n"), Permission(3, "b"))),
        "/b-c": (b"", ()),
        "/b/d": (b"", ()),
    }
    lines = list(listing(tree))
    assert [line.split(" ")[0] for line in lines] == ["/b", "/b/d", "/b-c"]
    found = re.fullmatch(r'/b = "(.*)"   \(n0,b3\)', lines[0])
    assert found
    assert unescape(found[1]).encode("utf-8", "surrogateescape") == value
    assert found[1].startswith(r"\000\001\002\003\004\005\006\007\x08\t\n\x0b\x0c\r\x0e")
    assert r"[\\]" in found[1]
    assert found[1].endswith(r"}~" + "".join(rf"\x{c:02x}" for c in range(0x7F, 0x100)))


# Which domain


def test_a_domain_by_number_name_and_uuid(host: Host) -> None:
    for which in ("1", "vm1", UUID, UUID.upper()):
        assert host.retrieve(which).name == "vm1"


def test_a_number_is_a_number_before_it_is_a_name(host: Host) -> None:
    host.ok("create", "--name=1", f"--uuid={OTHER}")
    assert host.retrieve("1").uuid == UUID
    host.ok("rename", "2", "9")
    assert host.retrieve("9").uuid == OTHER


@pytest.mark.parametrize("name", ["my vm", "größe", "虚拟机", "a'b\"c", "[red]", "-x", "%d $HOME", "x" * 255])
def test_odd_names(host: Host, name: str) -> None:
    host.ok("rename", "--", "vm1", name)
    assert Template.parse(host.ok("retrieve", "--", name).encode(), "stdout").name == name
    assert host.ok("list").splitlines()[1].startswith(f"{name}  ")
    assert json.loads(host.ok("list", "--format=json"))[0]["name"] == name
    host.ok("destroy", "--", name)


@pytest.mark.parametrize("name", ["", "a\nb", "a\tb", "x" * 256, "a/b", "é" * 128])
def test_names_that_are_none(host: Host, name: str) -> None:
    host.refused(2, "is no name", "rename", "vm1", name)


# The front door


def test_the_front_door_has_every_command_and_imports_only_the_one_that_is_asked_for() -> None:
    from confsync.model.command import cli as model_cli  # noqa: PLC0415
    from confsync.proofs.prover import cli as proofs_cli  # noqa: PLC0415

    assert {c.name for c in (*model_cli.COMMANDS, *proofs_cli.COMMANDS, domain)} <= COMMANDS.keys()
    listed = CliRunner().invoke(main, ["--help"]).stdout
    for name in COMMANDS:
        assert re.search(rf"^  {name} +\S", listed, re.MULTILINE)
        found = main.get_command(click.Context(main), name)
        assert found
        assert found.name == name
    code = (
        "import sys; from confsync.front_door import main; main(['domain', '--help'], standalone_mode=False); "
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    imported = set(done.stdout.splitlines()[-1].split())
    assert "confsync.impl.command.cli" in imported
    assert not imported & {"z3", "numpy", "confsync.model", "confsync.proofs", "hypothesis"}


@pytest.mark.parametrize("command", sorted(domain.commands))
def test_every_command_has_its_help(command: str) -> None:
    result = CliRunner().invoke(main, ["domain", command, "--help"])
    assert result.exit_code == 0
    said = domain.commands[command].help
    assert said
    assert said in " ".join(result.stdout.split())
