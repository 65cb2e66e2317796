"""The keys of xl's configuration files, against what the real xl made of the same files; and what it does not say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict, cast

import pytest
from domain_host import Host
from places import DATA

from confsync.impl.command.xl_config import LISTS, read_config
from confsync.impl.command.xl_hvm import read as read_hvm
from confsync.impl.command.xl_keys import KEYS
from confsync.impl.command.xl_lists import LISTS as UNATTACHED
from confsync.impl.command.xl_settings import Settings
from confsync.impl.command.xl_syntax import parse
from confsync.impl.errors import MalformedConfiguration
from confsync.impl.kinds import Json

pytestmark = pytest.mark.slow

Value = dict[str, Json]


class Row(TypedDict):
    """What the real xl printed for a file."""

    config: str
    xl: Value | None
    error: str


ROWS = cast("list[Row]", json.loads((DATA / "xl-4.17-configs.json").read_text())["rows"])
BASE = "name = 'a'\nmemory = 64\n"
XL_WARNS = ("memory+=3", "maxmem='x'", "cpu_weight='x'", "disk='x'", "vif=['mac= 00:")
"""xl warns of what it cannot read, and leaves it out; here it is refused."""
LIBXL_REFUSES = ("maxmem=32",)
"""xl takes it, and libxl refuses it when the domain is made."""
NOT_UNDERSTOOD = ("pci=['1:0.*']",)
NEWER: dict[str, tuple[str, Value]] = {
    "tee='ffa'": ("pv", {"tee": "ffa"}),
    "sve='256'": ("pv", {"arch_arm": {"sve_vl": "256"}}),
    "nr_spis=5": ("pv", {"arch_arm": {"nr_spis": 5}}),
    "llc_colors=['2-4','8']": ("pv", {"llc_colors": [2, 3, 4, 8]}),
    "hvm_pirq=1": ("hvm", {"type.hvm": {"pirq": "True"}}),
    "xen_platform_pci_bar_uc=1": ("hvm", {"type.hvm": {"xen_platform_pci_bar_uc": "True"}}),
    "xenstore_feature_mask=3": ("pv", {"xenstore_feature_mask": 3}),
    "altp2m_count=4": ("pv", {"altp2m_count": 4}),
    "bootloader_restrict=1": ("pv", {"bootloader_restrict": "True"}),
    "bootloader_user='u'": ("pv", {"bootloader_user": "u"}),
    "trap_unmapped_accesses=1": ("pv", {"trap_unmapped_accesses": "True"}),
}
"""Keys and values that 4.17 does not know, and what is kept of them: for which type, the fields of `b_info`."""
DIFFERS = ("rdm='strategy=host'", "p9=[' tag = ", "xend_suspend_evtchn_compat=1")
"""4.17 prints what happened to be in memory for the policy; it does not trim the words of p9; nor know the last key."""


def given_here(text: str) -> Value | None:
    try:
        return read_config(text, "a.cfg").value
    except MalformedConfiguration:
        return None


def compared(value: Value, text: str) -> Json:
    """The value without what either side fills in by itself: numbers of devices, vcpus, libxl's defaults of PCI."""
    whole = json.loads(json.dumps(value))
    if "vcpus" not in text:
        whole["b_info"].pop("max_vcpus", None)
        whole["b_info"].pop("avail_vcpus", None)
    for entry in whole.get("pcidevs", []):
        entry.pop("vfunc_mask", None)
        if entry.get("rdm_policy") == "strict":
            del entry["rdm_policy"]
    for array in ("nics", "vkbs", "vtpms", "vdispls", "usbctrls", "vsnds"):
        for number, entry in enumerate(whole.get(array, [])):
            if entry.get("devid") == number:
                del entry["devid"]
    return _without_empty(whole)


def _without_empty(value: Json) -> Json:
    if isinstance(value, dict):
        return {k: v for k, v in ((k, _without_empty(v)) for k, v in value.items()) if v != {}}
    return [_without_empty(v) for v in value] if isinstance(value, list) else value


@pytest.mark.parametrize("row", ROWS, ids=lambda row: " ".join(row["config"].split("\n")[1:]))
def test_a_file_is_read_as_xl_reads_it(row: Row) -> None:
    text, xl = row["config"], row["xl"]
    found = given_here(text)
    if any(part in text for part in (*XL_WARNS, *LIBXL_REFUSES, *NOT_UNDERSTOOD)):
        assert xl is not None
        assert found is None
    elif any(part in text for part in (*NEWER, *DIFFERS)):
        assert found is not None
    else:
        assert (found is None) == (xl is None), row["error"]
        assert found is None or xl is None or compared(found, text) == compared(xl, text)


def test_every_key_is_in_a_recorded_file() -> None:
    said = "\n".join(row["config"] for row in ROWS)
    assert {key for key in {*KEYS, *LISTS, *UNATTACHED} if f"\n{key}=" not in said} == {"virtio"}


def b_info(text: str, kind: str = "pv") -> Value:
    value = read_config(f"{BASE}type = '{kind}'\n{text}\n", "a.cfg").value
    return cast("Value", value["b_info"])


@pytest.mark.parametrize("text", NEWER)
def test_a_key_that_is_newer_than_the_recorded_xl(text: str) -> None:
    kind, fields = NEWER[text]
    assert fields.items() <= b_info(text, kind).items()


@pytest.mark.parametrize(
    ("text", "line", "note"),
    [
        ("root = '/dev/xvda1'\nextra = 'ro'", "root=/dev/xvda1 ro", ""),
        ("root = '/dev/xvda1'", "root=/dev/xvda1", ""),
        ("extra = 'ro'\nextra += ' quiet'", "ro quiet", ""),
        ("cmdline = 'a b'\nroot = '/r'", "a b", "ignoring root= and extra= in favour of cmdline="),
        ("cmdline = 'a b'\nextra = 'e'", "a b", "ignoring root= and extra= in favour of cmdline="),
        ("cmdline = ''", "", ""),
        ("", None, ""),
    ],
)
def test_the_kernels_command_line(text: str, line: str | None, note: str) -> None:
    found = read_config(BASE + text, "a.cfg")
    assert cast("Value", found.value["b_info"]).get("cmdline") == line
    assert found.notes == ((note,) if note else ())
    assert found.ignored == ()


def test_what_is_not_kept_is_named_once(tmp_path: Path) -> None:
    path = tmp_path / "a.cfg"
    path.write_text(
        f"{BASE}type = 'hvm'\nkernel = '/usr/lib/xen/boot/hvmloader'\n"
        "vnuma = [ ['pnode=0', 'size=64'] ]\ncpus = '0-3'\ncpuid = 'host,tm=0'\n"
        "pvshim = 1\ne820_host = 1\nfoo.bar = 1\nchannel = [ 'connection=pty,name=c' ]\n"
    )
    host = Host(tmp_path)
    result = host.run("create", path)
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        f"{path}: ignoring kernel=, as xl does: hvmloader is what an hvm domain starts with anyway",
        f"{path}: kept in the template alone, no such device is made here: channel",
        f"{path}: not kept here, and ignored: vnuma, cpus, cpuid, pvshim, e820_host, foo.bar",
    ]
    value = host.retrieve("a").value
    assert "kernel" not in cast("Value", value["b_info"])
    assert value["channels"] == [{"devid": 0, "name": "c", "connection.pty": {}}]


def test_the_firmware_of_an_hvm_domain() -> None:
    for text, fields in (
        ("firmware = 'uefi'", {"bios": "ovmf"}),
        ("firmware = 'seabios'\nbios = 'seabios'", {"bios": "seabios"}),
        ("firmware = 'bios'\nbios = 'rombios'", {"bios": "rombios"}),
        ("firmware = '/f.bin'", {"firmware": "/f.bin"}),
    ):
        assert b_info(text, "hvm")["type.hvm"] == fields
    for text in ("firmware = 'uefi'\nbios = 'seabios'", "firmware = '/f'\nfirmware_override = '/g'", "firmware = ''"):
        with pytest.raises(MalformedConfiguration, match="is no firmware, or contradicts"):
            b_info(text, "hvm")


def test_a_generation_id_is_made_up_when_one_is_asked_for() -> None:
    first, second = (b_info("ms_vm_genid = 'generate'", "hvm")["type.hvm"] for _ in range(2))
    assert first != second
    assert len(cast("list[int]", cast("Value", first)["ms_vm_genid"])) == 16


def test_reserved_regions_hold_for_every_pci_device_that_says_nothing() -> None:
    text = f"{BASE}type='hvm'\nrdm='strategy=host,policy=relaxed'\npci=['1:0.0', '1:0.1,rdm_policy=strict']\n"
    value = read_config(text, "a.cfg").value
    assert cast("Value", value["b_info"])["type.hvm"] == {"rdm": {"strategy": "host", "policy": "relaxed"}}
    assert value["pcidevs"] == [
        {"bus": 1, "rdm_policy": "relaxed"},
        {"bus": 1, "func": 1, "rdm_policy": "strict"},
    ]


def test_a_virtio_device_whose_type_holds_a_comma() -> None:
    text = f"{BASE}virtio=['backend=dd,type=virtio,device22,transport=mmio,grant_usage=1','type=x']\n"
    assert read_config(text, "a.cfg").value["virtios"] == [
        {"devid": 0, "backend_domname": "dd", "type": "virtio,device22", "transport": "mmio", "grant_usage": "True"},
        {"devid": 1, "type": "x"},
    ]


@pytest.mark.parametrize("kind", ["hvm", "pvh"])
def test_the_top_levels_framebuffer_is_a_pv_domains_alone(kind: str) -> None:
    found = read_config(f"{BASE}type = '{kind}'\nvnc = 1\n", "a.cfg")
    assert "vfbs" not in found.value
    assert found.ignored == (() if kind == "hvm" else ("vnc",))


def test_the_top_levels_framebuffer_comes_with_a_keyboard() -> None:
    found = read_config(f"{BASE}vnc = 1\nvncdisplay = 2\nkeymap = 'de'\n", "a.cfg")
    assert found.value["vfbs"] == [{"devid": 0, "vnc": {"enable": "True", "display": 2}, "sdl": {}, "keymap": "de"}]
    assert found.value["vkbs"] == [{}]
    assert found.notes == ("kept in the template alone, no such device is made here: vnc",)
    assert read_config(f"{BASE}vnc = 0\nvncdisplay = 2\n", "a.cfg").ignored == ("vncdisplay",)


def test_the_colours_of_a_cache_are_bounded() -> None:
    ranges = ", ".join(["'0-4000'"] * 2)
    with pytest.raises(MalformedConfiguration, match="line 3: `llc_colors`: there are more than 4096 colours"):
        read_config(f"{BASE}llc_colors = [ {ranges} ]\n", "a.cfg")


def test_a_setting_is_taken_once() -> None:
    settings = Settings(parse("serial = 'pty'\nfoo = 1\n", "a.cfg"), "a.cfg")
    read_hvm(settings)
    read_hvm(settings)
    assert settings.value == {"b_info": {"type.hvm": {"serial": "pty"}}}
    assert settings.left == ("foo",)
