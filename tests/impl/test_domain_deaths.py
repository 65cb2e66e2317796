"""`confsync domain`: several commands at once, and the deaths of some."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from domain_host import CREATE, UUID, Host, ends
from places import ROOT
from processes import LONG

from confsync.impl.kinds import DISK, Device

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


# Several at once


def test_of_attaches_at_once_none_is_lost_and_no_disk_is_attached_twice(host: Host) -> None:
    specs = ["/b,raw,xvdb,rw", "/c,raw,xvdc,rw", "/one,raw,xvdd,rw", "/two,raw,xvdd,rw"]
    b, c, one, two = ends(*(host.start("--delay=0.1", "attach", "vm1", "disk", spec) for spec in specs))
    assert (b[:2], c[:2]) == ((0, "attached disk xvdb\n"), (0, "attached disk xvdc\n"))
    assert "allocate disk xvdb of domain 1: script ...\n" in b[2]
    (lost,) = [end for end in (one, two) if end[0]]
    assert lost[0] == 1
    assert lost[2].startswith("ERROR_DEVICE_EXISTS: ")
    assert host.disks() == {"xvda", "hdc", "xvdb", "xvdc", "xvdd"}
    entry = host.retrieve().find(Device(DISK, "51760")) or {}
    assert entry["pdev_path"] == ("/two" if lost is one else "/one")


def test_domains_created_at_once_have_numbers_of_their_own_and_one_has_the_name(empty: Host) -> None:
    made = ends(*(empty.start("create", f"--name={name}") for name in ("a", "b", "same", "same")))
    assert [end[0] for end in made[:2]] == [0, 0]
    assert sorted(end[0] for end in made[2:]) == [0, 2]
    rows = json.loads(empty.ok("list", "--format=json"))
    assert (len({row["domid"] for row in rows}), {row["name"] for row in rows}) == (3, {"a", "b", "same"})
    assert len(list(empty.templates.iterdir())) == 3


# Deaths

DIES = """
import os, signal, sys
from confsync.impl.command.cli import domain
from confsync.impl.command.work import Work

async def die(self, call, step, domain, device):
    if f"{call} {step}" == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)

Work._behave = die
domain(sys.argv[2:])
"""


def die(host: Host, at: str, *arguments: str) -> None:
    """Run a command that is killed at a step of hotplug."""
    call = [sys.executable, "-c", DIES, at, "--state", str(host.folder), *arguments]
    done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=LONG, cwd=ROOT)
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")


def assert_nothing_is_left(host: Host) -> None:
    host.ok("destroy", "1")
    host.ok("sweep")
    assert list(host.templates.iterdir()) == []
    printed = host.ok("xenstore")
    assert UUID not in printed
    assert "/domain/1" not in printed
    assert "/libxl/1" not in printed


@pytest.mark.parametrize("step", ["backend", "script", "device model"])
def test_death_in_an_attach(host: Host, step: str) -> None:
    die(host, f"allocate {step}", "attach", "vm1", "disk", "/b,raw,xvdb,rw")
    assert host.disks() == {"xvda", "hdc", "xvdb"}
    host.refused(1, "ERROR_DEVICE_EXISTS", "attach", "vm1", "disk", "/b,raw,xvdb,rw")
    host.ok("detach", "vm1", "disk", "xvdb")
    host.ok("attach", "vm1", "disk", "/b,raw,xvdb,rw")
    assert_nothing_is_left(host)


@pytest.mark.parametrize("step", ["device model", "script", "backend"])
def test_death_in_a_detach(host: Host, step: str) -> None:
    die(host, f"release {step}", "detach", "vm1", "disk", "xvda")
    assert host.disks() == {"xvda", "hdc"}
    host.ok("detach", "vm1", "disk", "xvda")
    assert host.disks() == {"hdc"}
    assert_nothing_is_left(host)


def test_death_in_an_eject_and_an_insert_with_the_lock_held(host: Host) -> None:
    die(host, "eject device model", "eject", "vm1", "hdc")
    assert any(".domain-userdata-lock" in name for name in host.files())
    assert host.disks() == {"xvda", "hdc"}
    assert any(".domain-userdata-lock" in name for name in host.files()), "who reads leaves it"
    host.ok("eject", "vm1", "hdc")
    assert not any(".domain-userdata-lock" in name for name in host.files())
    die(host, "insert device model", "insert", "vm1", "hdc", "/d.iso")
    assert host.disks() == {"xvda", "hdc"}
    host.ok("insert", "vm1", "hdc", "/e.iso", "--swap")
    assert (host.retrieve().find(Device(DISK, "5632")) or {})["pdev_path"] == "/e.iso"
    assert_nothing_is_left(host)


@pytest.mark.parametrize("step", ["backend", "script", "device model"])
def test_death_in_a_creation(empty: Host, step: str) -> None:
    die(empty, f"allocate {step}", *CREATE)
    assert empty.disks() == {"xvda", "hdc"}
    (row,) = json.loads(empty.ok("list", "--format=json"))
    assert (row["name"], row["paused"]) == ("vm1", True)
    empty.refused(2, "has the name 'vm1' already", "create", "--name=vm1")
    assert_nothing_is_left(empty)
    empty.ok(*CREATE)


def test_death_in_a_destruction(host: Host) -> None:
    die(host, "release backend", "destroy", "vm1")
    assert host.disks() == {"xvda", "hdc"}
    assert_nothing_is_left(host)
    host.ok(*CREATE)


def test_death_in_a_save_leaves_the_file_and_the_domain(host: Host, tmp_path: Path) -> None:
    file, before = tmp_path / "saved", host.retrieve()
    die(host, "release backend", "save", "vm1", str(file))
    assert file.read_bytes() == before.encode()
    assert_nothing_is_left(host)
    host.ok("restore", file)
    assert host.retrieve().value == before.value


def test_a_command_killed_from_outside_while_it_waits(host: Host) -> None:
    process = host.start("--delay=60", "attach", "vm1", "disk", "/b,raw,xvdb,rw")
    assert process.stderr
    assert process.stderr.readline() == "allocate disk xvdb of domain 1: backend ...\n"
    process.kill()
    ends(process)
    assert host.disks() == {"xvda", "hdc", "xvdb"}
    host.ok("detach", "vm1", "disk", "xvdb")


def test_an_interrupt_ends_a_creation_and_takes_back_what_was_made(empty: Host) -> None:
    process = empty.start("--delay=60", *CREATE)
    assert process.stderr
    assert process.stderr.readline().startswith("allocate ")
    process.send_signal(signal.SIGINT)
    ((code, out, err),) = ends(process)
    again = f"confsync domain --state {empty.folder} --delay=60 {' '.join(CREATE)}"
    assert (code, out, err) == (130, "", f"interrupted\n  run it again: `{again}`\n")
    assert json.loads(empty.ok("list", "--format=json")) == []
    assert list(empty.templates.iterdir()) == []
