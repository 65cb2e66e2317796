"""The commands of `xl` that an advice may name, as xl 4.17 reads them, carried out by `confsync domain`.

The forms are those of tools/xl/xl_cmdtable.c and of the main_* function of each command; nothing here is of the audit.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path

NUMBER = r"0|[1-9][0-9]*"
MAC = "[0-9a-f]{2}(?::[0-9a-f]{2}){5}"
FORMS: dict[str, str] = {
    "network-detach": rf"(?P<domid>{NUMBER}) (?P<nic>{NUMBER}|{MAC})",
    "block-detach": rf"(?P<force>--force )?(?P<domid>{NUMBER}) (?P<disk>{NUMBER}|(?:xvd|sd|hd)[a-z]+[0-9]*)",
    "vtpm-detach": rf"(?P<domid>{NUMBER}) (?P<vtpm>{NUMBER})",
    "pci-detach": rf"(?P<force>-f )?(?P<domid>{NUMBER}) (?P<pci>(?:[0-9a-f]{{4}}:)?[0-9a-f]{{2}}:[0-9a-f]{{2}}\.[0-7])",
    "usbctrl-detach": rf"(?P<domid>{NUMBER}) (?P<usbctrl>{NUMBER})",
    "usbdev-detach": rf"(?P<domid>{NUMBER}) (?P<usbdev>(?:{NUMBER}) (?:{NUMBER}))",
    "vkb-detach": rf"(?P<domid>{NUMBER}) (?P<vkb>{NUMBER})",
    "vdispl-detach": rf"(?P<domid>{NUMBER}) (?P<vdispl>{NUMBER})",
    "vsnd-detach": rf"(?P<domid>{NUMBER}) (?P<vsnd>{NUMBER})",
    "cd-eject": rf"(?P<domid>{NUMBER}) (?P<drive>(?:xvd|sd|hd)[a-z]+)",
    "mem-set": rf"(?P<domid>{NUMBER}) (?P<memory>{NUMBER}[kmgt]?)",
    "rename": rf"(?P<domid>{NUMBER}) (?P<name>\S+)",
    "destroy": rf"(?:-f )?(?P<domid>{NUMBER})",
    "shutdown": rf"(?:-w )?(?P<domid>{NUMBER})",
    "list": rf"(?:-l ?)?(?P<domid>{NUMBER})?",
    "pci-assignable-list": "",
}
"""The arguments of each command, as a pattern; the name of a group is a kind of device."""
ONLY_LOOK = {"list", "pci-assignable-list"}
PROGRAMS = Path("/usr/lib")


def read(command: str) -> tuple[str, dict[str, str]]:
    """A command after `xl `: its name, and its arguments by name. AssertionError if xl would refuse it."""
    name, _, rest = command.partition(" ")
    assert name in FORMS, f"xl has no command {name}"
    found = re.fullmatch(FORMS[name], " ".join(shlex.split(rest)))
    assert found, f"xl does not read `xl {command}`"
    return name, {group: text for group, text in found.groupdict().items() if text}


def reads(advice: str) -> None:
    """AssertionError if xl would refuse a command of its that the advice names."""
    for command in re.findall(r"`xl ([^`]+)`", advice):
        read(command)


def carried_out(
    command: str, run: Callable[..., object], plugged: Callable[[str], Iterable[str]] = lambda _: ()
) -> None:
    """Carry out what `xl COMMAND` does. `plugged`: the USB devices at a controller of the domain, which libxl takes
    away with the controller [libxl__initiate_device_usbctrl_remove]."""
    name, said = read(command)
    if name in ONLY_LOOK:
        return
    domid, force = said.pop("domid"), ["--force"] * bool(said.pop("force", ""))
    match name:
        case "destroy" | "shutdown":  # a shutdown ends with a destruction
            run("destroy", domid)
        case "cd-eject":
            run("eject", domid, *said.values())
        case "mem-set" | "rename":
            run(name, domid, *said.values())
        case _:
            ((kind, which),) = said.items()
            for port in plugged(which) if kind == "usbctrl" else ():
                run("detach", *force, domid, "usbdev", port)
            run("detach", *force, domid, kind, which.replace(" ", "/"))


def installed() -> bytes | None:
    """The program that is installed, if one is."""
    found = sorted(PROGRAMS.glob("xen-*/bin/xl"))
    return found[-1].read_bytes() if found else None
