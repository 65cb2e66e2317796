"""Each command that a message of `confsync domain` names is run as it is printed, in the situation that prints it; then
the host is well: the audit finds nothing, and what was asked for can be done."""

from __future__ import annotations

import re
import shlex
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from domain_host import CREATE, UUID, Host, ends
from places import ROOT
from processes import LONG
from test_domain_deaths import die

from confsync.front_door import main
from confsync.impl.embedded.hypervisor import EmbeddedHypervisor
from confsync.impl.errors import HypervisorRefused
from confsync.impl.kinds import DISK, Device
from confsync.impl.ports import Domain

pytestmark = pytest.mark.slow
ADVICE = re.compile(r"`confsync domain ([^`]+)`")
ATTACH = ["attach", "vm1", "disk", "/b,raw,xvdb,rw"]
OPERATIONS = ROOT / "impl"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host with one domain."""
    made = Host(tmp_path)
    made.ok(*CREATE)
    return made


def interrupted(host: Host, *arguments: str) -> str:
    """What a command says on an interrupt while hotplug is at its first step."""
    process = host.start("--delay=60", *arguments)
    assert process.stderr
    assert process.stderr.readline()
    process.send_signal(signal.SIGINT)
    ((code, _, err),) = ends(process)
    assert code == 130
    return err


def refused(host: Host, *arguments: str | Path) -> str:
    result = host.run(*arguments)
    assert result.exit_code in (1, 2)
    return result.stderr


def follow(host: Host, said: str) -> list[str]:
    """Run each command that is printed, without the delay that the test has given; the commands."""
    found = [shlex.split(command) for command in ADVICE.findall(said)]
    assert found, said
    for command in found:
        assert command[:2] == ["--state", str(host.folder)]
        host.ok(*[word for word in command[2:] if word != "--delay=60"])
    return [command[2] if command[2] != "--delay=60" else command[3] for command in found]


def assert_well(host: Host, tmp_path: Path) -> None:
    """The audit finds nothing, nobody is half made, and no lock and no part of a file is left."""
    dump = tmp_path / "dump.txt"
    dump.write_text(host.ok("xenstore"))
    with pytest.raises(SystemExit) as ended:
        main(["audit", "--xenstore", str(dump), "--userdata", str(host.templates)])
    assert ended.value.code == 0
    listed = host.ok("list")
    assert "half" not in listed
    assert "by save" not in listed
    assert not any("lock" in p.name or p.name.startswith("userdata-n") for p in host.templates.iterdir())


def test_an_interrupted_attach(host: Host, tmp_path: Path) -> None:
    assert follow(host, interrupted(host, *ATTACH)) == ["detach"]
    host.ok(*ATTACH)
    assert_well(host, tmp_path)


def test_a_killed_attach_is_refused_with_the_way_out(host: Host, tmp_path: Path) -> None:
    die(host, "allocate backend", *ATTACH)
    assert follow(host, refused(host, *ATTACH)) == ["detach"]
    host.ok(*ATTACH)
    assert_well(host, tmp_path)


@pytest.mark.quick
def test_a_healthy_device_is_never_advised_to_be_detached(host: Host) -> None:
    host.ok(*ATTACH)
    assert not ADVICE.search(refused(host, *ATTACH))


def test_a_killed_detach_seen_by_an_attach(host: Host, tmp_path: Path) -> None:
    host.ok(*ATTACH)
    die(host, "release device model", "detach", "vm1", "disk", "xvdb")
    assert follow(host, refused(host, *ATTACH)) == ["detach"]
    host.ok(*ATTACH)
    assert_well(host, tmp_path)


@pytest.mark.parametrize("command", [["detach", "vm1", "disk", "xvda"], ["eject", "vm1", "hdc"], ["destroy", "vm1"]])
def test_what_is_interrupted_and_run_again(host: Host, tmp_path: Path, command: list[str]) -> None:
    assert follow(host, interrupted(host, *command)) == command[:1]
    assert_well(host, tmp_path)


def test_an_interrupted_creation(tmp_path: Path) -> None:
    empty = Host(tmp_path)
    assert follow(empty, interrupted(empty, *CREATE)) == ["create"]
    assert_well(empty, tmp_path)


@pytest.mark.quick
def test_an_interrupted_insert(host: Host, tmp_path: Path) -> None:
    host.ok("eject", "vm1", "hdc")
    assert follow(host, interrupted(host, "insert", "vm1", "hdc", "/d.iso")) == ["eject"]
    host.ok("insert", "vm1", "hdc", "/d.iso")
    assert_well(host, tmp_path)


def test_a_drive_that_holds_a_medium(host: Host, tmp_path: Path) -> None:
    assert follow(host, refused(host, "insert", "vm1", "hdc", "/d.iso")) == ["eject"]
    host.ok("insert", "vm1", "hdc", "/d.iso")
    assert_well(host, tmp_path)


def test_an_interrupted_save(host: Host, tmp_path: Path) -> None:
    file = tmp_path / "saved"
    assert follow(host, interrupted(host, "save", "vm1", str(file))) == ["destroy"]
    host.ok("restore", file)
    assert_well(host, tmp_path)


HALF: dict[str, Callable[[Host], object]] = {
    "half made": lambda host: die(host, "allocate script", "create", "--name=two", "--disk=/x,raw,xvda"),
    "half destroyed": lambda host: die(host, "release backend", "destroy", "vm1"),
}


@pytest.mark.parametrize("command", [["save", "FILE"], ["save", "FILE", "--checkpoint"], ["unpause"], ["pause"]])
@pytest.mark.parametrize("state", HALF)
def test_a_domain_that_is_half_there_is_neither_saved_nor_unpaused(
    host: Host, tmp_path: Path, state: str, command: list[str]
) -> None:
    HALF[state](host)
    assert state in host.ok("list")
    domid = "2" if state == "half made" else "1"
    said = refused(host, command[0], domid, *[w.replace("FILE", str(tmp_path / "file")) for w in command[1:]])
    assert said.startswith("ERROR_NOT_READY: ")
    assert state in host.ok("list")
    assert not (tmp_path / "file").exists()
    assert follow(host, said) == ["destroy"]
    assert_well(host, tmp_path)


@pytest.mark.parametrize("checkpoint", [[], ["--checkpoint"]])
def test_a_domain_that_its_user_paused_stays_paused(host: Host, tmp_path: Path, checkpoint: list[str]) -> None:
    host.ok("pause", "vm1")
    host.refused(1, "holds something else", "save", "vm1", write(tmp_path / "other"), *checkpoint)
    assert " paused " in host.ok("list")
    host.ok("save", "vm1", tmp_path / "saved", "--checkpoint")
    assert " paused " in host.ok("list")
    host.ok("unpause", "vm1")
    assert " running " in host.ok("list")


def write(path: Path) -> Path:
    path.write_bytes(b"{}")
    return path


DIES_IN_SAVE = ("_fill", "fsync_folder")


@pytest.mark.parametrize("at", DIES_IN_SAVE)
def test_a_killed_save_is_run_again_or_the_domain_unpaused(host: Host, tmp_path: Path, at: str) -> None:
    kill_in_save(host, at, tmp_path / "saved")
    assert "paused by save" in host.ok("list")
    host.ok("unpause", "vm1")
    assert " running " in host.ok("list")
    kill_in_save(host, at, tmp_path / "saved")
    host.ok("save", "vm1", tmp_path / "saved", "--checkpoint")
    assert " running " in host.ok("list")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["saved", "state"]
    assert_well(host, tmp_path)


KILLS = """
import os, signal, sys
from confsync.impl.command import save_file
from confsync.impl.command.cli import domain

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(save_file if sys.argv[1] == "_fill" else save_file.Files, sys.argv[1], die)
domain(sys.argv[2:])
"""


def kill_in_save(host: Host, at: str, file: Path) -> None:
    import subprocess  # noqa: PLC0415
    import sys  # noqa: PLC0415

    call = [sys.executable, "-c", KILLS, at, "--state", str(host.folder), "save", "vm1", str(file), "--checkpoint"]
    done = subprocess.run(call, capture_output=True, check=False, timeout=LONG, cwd=OPERATIONS.parent)
    assert done.returncode == -signal.SIGKILL


def test_a_save_that_fails_and_cannot_let_the_domain_run_on(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_hypervisor: EmbeddedHypervisor, _domain: Domain) -> None:
        raise HypervisorRefused("it does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(EmbeddedHypervisor, "unpause", refuse)
        said = refused(host, "save", "vm1", write(tmp_path / "other"))
    assert "paused by save" in host.ok("list")
    assert follow(host, said) == ["list", "unpause"]
    assert " running " in host.ok("list")
    host.ok("attach", "vm1", *ATTACH[2:])
    assert_well(host, tmp_path)


def test_a_controller_that_is_in_use(host: Host, tmp_path: Path) -> None:
    host.ok("attach", "vm1", "usbctrl", "ports=2")
    host.ok("attach", "vm1", "usbdev", "hostbus=1,hostaddr=2,controller=0,port=2")
    assert follow(host, refused(host, "detach", "vm1", "usbctrl", "0")) == ["detach"]
    host.ok("detach", "vm1", "usbctrl", "0")
    assert_well(host, tmp_path)


def test_garbage_for_a_name_is_detached_as_it_is_said(host: Host, tmp_path: Path) -> None:
    write_node(host, "/libxl/1/device/vif/abc")
    assert follow(host, refused(host, "retrieve", "vm1")) == ["detach"]
    assert host.disks() == {"xvda", "hdc"}
    assert_well(host, tmp_path)


def test_a_device_without_an_entry_is_detached_as_it_is_said(host: Host, tmp_path: Path) -> None:
    write_node(host, "/libxl/1/device/pci/0000-03-00-1")
    assert follow(host, refused(host, "save", "vm1", tmp_path / "saved")) == ["detach"]
    assert " running " in host.ok("list")
    host.ok("save", "vm1", tmp_path / "saved")


def write_node(host: Host, path: str) -> None:
    import asyncio  # noqa: PLC0415

    from confsync.impl.embedded.folder import open_folder  # noqa: PLC0415

    with open_folder(host.folder) as opened:
        asyncio.run(opened.toolstack.xenstore.write(path, b""))


def test_where_there_is_no_host_and_no_domain(tmp_path: Path) -> None:
    empty = Host(tmp_path)
    assert follow(empty, refused(empty, "list")) == ["create"]
    assert follow(empty, refused(empty, "destroy", "nobody")) == ["list"]
    assert_well(empty, tmp_path)


TESTED = {"create", "list", "detach", "eject", "destroy", "unpause"}
"""The commands that the tests above have followed."""


@pytest.mark.quick
def test_every_advice_in_the_source_is_of_a_command_that_is_followed_here() -> None:
    found = {
        words.split()[-1]
        for path in OPERATIONS.rglob("*.py")
        for words in re.findall(r"`((?:confsync domain|\{PROGRAM\})(?: --state \w+)? [a-z]+)", path.read_text())
    }
    assert found == TESTED


def test_the_domain_is_the_one_that_was_made(host: Host) -> None:
    assert host.retrieve().uuid == UUID
    assert host.retrieve().find(Device(DISK, "51712")) is not None
