"""The audit's advice, followed: each command that it prints is executed on the host that it was printed for, and the
next audit finds nothing, with nothing left connected. Each host is taken for one of libxl's too: then the advice names
`xl`, whose commands are carried out in its stead."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import xl
from click.testing import CliRunner
from domain_host import UUID, Host

from confsync.impl.audit.audit import audit
from confsync.impl.audit.cli import audit as command
from confsync.impl.audit.host import Host as Audited
from confsync.impl.audit.host import state_folder
from confsync.impl.audit.invariants import INVARIANTS
from confsync.impl.audit.say import detach
from confsync.impl.audit.store import Store
from confsync.impl.embedded.folder import open_folder
from confsync.impl.kinds import DISK, KINDS, P9, PCI, USBDEV, Kind
from confsync.impl.ports import Permission, Requests
from confsync.impl.xenstore.sqlite import FILE

pytestmark = pytest.mark.slow

NIC = "/libxl/1/device/vif/0"
BACK = "/local/domain/0/backend/vif/1/0"
FRONT = "/local/domain/1/device/vif/0"
HOME = "/local/domain/1"


def on_xenstore(host: Host, act: Callable[[Requests], object]) -> None:
    """Do something to the host's xenstore, as somebody else than the toolstack would."""
    with open_folder(host.folder) as opened:
        asyncio.run(act(opened.toolstack.xenstore))  # type: ignore[arg-type]


def remove(host: Host, path: str) -> None:
    on_xenstore(host, lambda x: x.remove(path))


def write(host: Host, path: str, value: str) -> None:
    on_xenstore(host, lambda x: x.write(path, value.encode()))


def chmod(host: Host, path: str, *permissions: str) -> None:
    given = [Permission(int(p[1:]), p[0]) for p in permissions]  # type: ignore[arg-type]
    on_xenstore(host, lambda x: x.set_permissions(path, given))


def held(host: Host) -> list[tuple[object, ...]]:
    """What is held for devices of the host."""
    database = sqlite3.connect(host.folder / FILE)
    try:
        return database.execute("SELECT domid, folder, device FROM held ORDER BY 1, 2, 3").fetchall()
    finally:
        database.close()


def plugged(host: Host, controller: str) -> list[str]:
    """The USB devices at a controller of domain 1, as `detach` names them."""
    ports = state_folder(host.folder).store.ports.get(1, {})
    return [port.replace("/port", "") for port in ports if port.startswith(f"{controller}/")]


def follow(host: Host, advice: str) -> list[str]:
    """Execute each command of an advice, in its order; the commands. A `list` only looks."""
    commands = [c for c in re.findall(r"`([^`]+)`", advice) if re.match(r"(confsync|xl|rm|xenstore-\w+) ", c)]
    for text in commands:
        match shlex.split(text):
            case ["confsync", "domain", *words]:
                host.ok(*words)
            case ["xl", *_]:
                xl.carried_out(text.removeprefix("xl "), host.ok, lambda controller: plugged(host, controller))
            case ["xenstore-rm", path]:
                remove(host, path)
            case ["xenstore-write", path, value]:
                write(host, path, value)
            case ["xenstore-chmod", path, *permissions]:
                chmod(host, path, *permissions)
            case ["rm", *names]:
                for name in names:
                    (host.templates / name).unlink()
            case ["xenstore-ls", "-f", _]:
                pass
            case words:
                raise AssertionError(f"who follows {words}?")
    return commands


def entry(host: Host, change: Callable[[dict[str, list[dict[str, object]]]], object]) -> None:
    """Change domain 1's template by hand."""
    (path,) = host.templates.glob("userdata-d.1.*")
    value = json.loads(path.read_bytes().rstrip(b"\0"))
    change(value)
    path.write_bytes(json.dumps(value).encode() + b"\0")


def left(host: Host, name: str) -> None:
    (host.templates / f"userdata-{name}").write_bytes(b"")


def without_template(host: Host) -> None:
    for path in host.templates.glob("userdata-d.1.*"):
        path.unlink()


def other_name(host: Host) -> None:
    write(host, f"/vm/{UUID}/name", "x")


def one_name(host: Host) -> None:
    write(host, f"{HOME}/name", "vm2")
    write(host, f"/vm/{UUID}/name", "vm2")


def twin(host: Host) -> None:
    host.ok("attach", "vm2", "nic", "mac=00:16:3e:00:00:01,bridge=xenbr0")


OTHER_UUID = "99999999-2222-4333-8444-555555555555"
BROKEN: dict[str, tuple[str, Callable[[Host], object]]] = {
    "a leaked vif": ("resources_have_xenstore", lambda h: remove(h, NIC)),
    "a leaked disk": ("resources_have_xenstore", lambda h: remove(h, "/libxl/1/device/vbd/51712")),
    "a backend of no domain": (
        "resources_have_xenstore",
        lambda h: write(h, "/local/domain/0/backend/vif/9/0/state", "4"),
    ),
    "a disk in parts": ("device_is_whole", lambda h: remove(h, "/libxl/1/device/vbd/51712/mode")),
    "no entry": ("xenstore_has_template", lambda h: entry(h, lambda t: t.pop("nics"))),
    "another mac": ("template_is_faithful", lambda h: entry(h, lambda t: t["nics"][0].update(mac="00:16:3e:00:00:77"))),
    "another medium": ("medium_agrees", lambda h: entry(h, lambda t: t["disks"][1].update(pdev_path="/x.iso"))),
    "no backend": ("device_has_backend", lambda h: remove(h, BACK)),
    "no frontend": ("device_has_frontend", lambda h: remove(h, FRONT)),
    "a frontend alone": ("frontend_has_device", lambda h: write(h, f"{HOME}/device/vif/5/state", "1")),
    "offline": ("removal_is_finished", lambda h: write(h, f"{BACK}/online", "0")),
    "a failed script": ("hotplug_is_finished", lambda h: write(h, f"{BACK}/hotplug-status", "error")),
    "no name": ("domain_is_whole", lambda h: remove(h, f"{HOME}/name")),
    "no template": ("domain_has_template", without_template),
    "no target": ("knobs_are_reflected", lambda h: remove(h, f"{HOME}/memory/target")),
    "a target above the limit": ("knobs_are_reflected", lambda h: write(h, f"{HOME}/memory/target", "999999")),
    "another name": ("knobs_agree", other_name),
    "a name twice": (
        "names_are_unique",
        one_name,
    ),
    "a mac twice": ("macs_are_unique", twin),
    "an old template": ("userdata_dies_with_domain", lambda h: left(h, f"d.9.{OTHER_UUID}.libxl-json")),
    "an old vm": ("vm_dies_with_domain", lambda h: write(h, f"/vm/{OTHER_UUID}/name", "was")),
    "a list that the guest may write": ("guest_cannot_forge", lambda h: chmod(h, NIC, "n1")),
    "a name that the guest may write": ("guest_cannot_forge", lambda h: chmod(h, f"{HOME}/name", "n0", "b1")),
}
"""What to break, and the finding."""
NOT_FOLLOWED = {
    "template_has_xenstore": "the advice has no command: no toolstack changes such an entry",
    "template_is_readable": "the copy to put back is the user's; destroying is followed for domain_has_template",
    "template_is_unambiguous": "the advice is to look: which of two texts was meant is the user's to say",
    "uuid_agrees": "the advice is to do nothing, or to create the domain again",
    "lock_is_free": "the advice is to do nothing: the next operation removes the file, see test_templates_lock",
    "temporary_is_gone": "the advice is to do nothing: the next write replaces the file, see test_templates",
}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host with two domains, whole and connected."""
    made = Host(tmp_path)
    made.ok(
        "create", "--name=vm1", f"--uuid={UUID}", "--disk=/a.img,raw,xvda,rw",
        "--disk=/c.iso,raw,hdc,cdrom", "--vif=mac=00:16:3e:00:00:01,bridge=xenbr0",
    )  # fmt: skip
    made.ok("create", "--name=vm2", "--vif=mac=00:16:3e:00:00:02,bridge=xenbr0")
    return made


def test_a_host_that_commands_made_is_clean(host: Host) -> None:
    result = CliRunner().invoke(command, ["--state", str(host.folder)])
    assert (result.exit_code, result.stdout.startswith("nothing found: ")) == (0, True)


NEEDS_THE_USER = {
    "no template": "whether a domain that is in use has no template, or the snapshot, is not known",
}
"""Where xl is the host's toolstack, the advice has no command."""
XL_HOST = Audited("a dump", Store(), (), whole=True)
INDICES = {DISK.name: "51712", PCI.name: "0000-03-1f-7", USBDEV.name: "0/port/2"}
NAMED = {DISK.name: "xvda", PCI.name: "0000:03:1f.7", USBDEV.name: "0/2"}
NONE = "no command takes it away; it goes with the domain, at the next `xl shutdown 7`"
NO_DETACH = {P9.name}
"""Kinds that xl 4.17 cannot detach."""


@pytest.mark.parametrize("toolstack", ["confsync domain", "xl"])
@pytest.mark.parametrize("name", BROKEN)
def test_who_follows_the_advice_has_a_clean_host(
    name: str, toolstack: Literal["confsync domain", "xl"], host: Host
) -> None:
    expected, edit = BROKEN[name]
    edit(host)
    found = audit(replace(state_folder(host.folder), commands=toolstack)).findings
    assert expected in {f.invariant.id for f in found}
    commands = [c for f in found if f.invariant.id == expected for c in follow(host, f.mend)]
    assert not any(c.startswith("confsync" if toolstack == "xl" else "xl ") for c in commands)
    if toolstack == "xl" and name in NEEDS_THE_USER:
        assert all(c.startswith("xl list ") for c in commands)
        return
    assert commands
    after = audit(state_folder(host.folder))
    assert ([f.key for f in after.findings], after.unseen) == ([], [])
    listed = {
        (domid, folder, index)
        for domid, below in state_folder(host.folder).store.libxl.items()
        for folder, index in below
    }
    assert set(held(host)) <= listed


ATTACHED: dict[str, list[str]] = {
    "disk": ["/b.img,raw,xvdb,rw"],
    "nic": ["mac=00:16:3e:00:00:05,bridge=xenbr0"],
    "vtpm": ["backend=0"],
    "usbctrl": ["ports=2"],
    "usbdev": ["hostbus=1,hostaddr=2,controller=0,port=1"],
    "pci": ["0000:03:00.1"],
    "p9": ["tag=share,path=/srv,security_model=none"],
    "vdispl": ["connectors=a:800x600"],
    "vsnd": ["card, short-name=Main"],
    "vkb": ["unique-id=k,backend-type=linux"],
}
"""By kind of device, what `confsync domain attach` is given."""
Folders = tuple[Kind, str, str]
"""A kind, the name of the node below /libxl, and the path of the backend."""
PARTS: dict[str, Callable[[Host, Folders], object]] = {
    "no entry": lambda h, of: entry(h, lambda t: t.pop(of[0].array)),
    "no backend": lambda h, of: remove(h, of[2]),
    "no frontend": lambda h, of: remove(h, f"{HOME}/device/{of[0].folder}/{of[1].partition('/')[0]}"),
    "not listed": lambda h, of: remove(h, f"/libxl/1/device/{of[0].folder}/{of[1]}"),
    "offline": lambda h, of: write(h, f"{of[2]}/online", "0"),
}


@pytest.mark.parametrize("toolstack", ["confsync domain", "xl"])
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("kind", KINDS.values(), ids=str)
def test_the_advice_for_each_kind_of_device(
    kind: Kind, part: str, toolstack: Literal["confsync domain", "xl"], host: Host
) -> None:
    """All that is found is mended by the commands, or by the end of the domain if there is none."""
    if kind is USBDEV:
        host.ok("attach", "vm1", "usbctrl", "ports=2")
    host.ok("attach", "vm1", kind.name, *ATTACHED[kind.name])
    store = state_folder(host.folder).store
    index = next(i for folder, i in reversed(store.libxl[1]) if folder == kind.folder)
    backend = next(path for path in reversed(store.backends) if f"/backend/{kind.backend}/1/" in path)
    PARTS[part](host, (kind, index, backend))
    found = audit(replace(state_folder(host.folder), commands=toolstack)).findings
    commands = [c for f in found for c in follow(host, f.mend)]
    assert not any(c.startswith("confsync" if toolstack == "xl" else "xl ") for c in commands)
    for f in found:
        assert re.search(r"`(confsync|xl|xenstore-\w+) |no command", f.mend), f.mend
    if any("no command" in f.mend for f in found) and not any(c.startswith("xl shutdown ") for c in commands):
        host.ok("destroy", "vm1")
    after = audit(state_folder(host.folder))
    assert ([f.key for f in after.findings], after.unseen) == ([], [])


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("kind", KINDS.values(), ids=str)
def test_xl_reads_the_command_for_each_kind_of_device(kind: Kind, force: bool) -> None:
    said = detach(XL_HOST, kind, 7, INDICES.get(kind.name, "3"), force=force)
    if kind.name in NO_DETACH:
        assert said == NONE
        return
    ran: list[tuple[str, ...]] = []
    xl.carried_out(said.removeprefix("`xl ").removesuffix("`"), lambda *words: ran.append(words))
    forced = force and kind in (DISK, PCI)
    assert ran == [("detach", *["--force"] * forced, "7", kind.name, NAMED.get(kind.name, "3"))]


@pytest.mark.parametrize("kind", KINDS.values(), ids=str)
@pytest.mark.parametrize("index", ["abc", "-1", "03", "1;2", ""])
def test_no_command_of_xl_names_what_xl_would_take_for_another_device(kind: Kind, index: str) -> None:
    assert detach(XL_HOST, kind, 7, index) == NONE


def test_xl_has_the_commands_that_the_tests_carry_out() -> None:
    if (program := xl.installed()) is None:
        pytest.skip("NOT TESTED: that the installed xl has these commands: there is none")
    for name in xl.FORMS:
        assert f"{name}\0".encode() in program, name
    for usage in ("<Domain> <DevId|mac>", "[option] <Domain> <DevId>", "<Domain> <controller> <port>"):
        assert f"{usage}\0".encode() in program


def test_every_finding_is_followed_or_says_why_not() -> None:
    assert {expected for expected, _ in BROKEN.values()} | NOT_FOLLOWED.keys() == INVARIANTS.keys()
