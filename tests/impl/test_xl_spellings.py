"""Devices as xl spells them, held against what the real xl made of them; a disk's name and its number."""

from __future__ import annotations

import json
from typing import NamedTuple, TypedDict, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import DATA

from confsync.impl.command.xl_config import LISTS
from confsync.impl.command.xl_devices import device_entry, kind_named
from confsync.impl.command.xl_names import device_index
from confsync.impl.errors import InvalidArgument
from confsync.impl.kinds import DISK, KINDS, NIC, PCI, USBCTRL, USBDEV, VKB, Json, Kind, device_of
from confsync.impl.vdev import device_number, virtual_name

pytestmark = pytest.mark.slow

Entry = dict[str, Json]


class Row(TypedDict):
    """What the real xl printed for a spelling."""

    key: str
    spelling: str
    xl: Entry | None
    error: str


ROWS = cast("list[Row]", json.loads((DATA / "xl-4.17-spellings.json").read_text())["rows"])
UNNUMBERED = {"devid": 0}
"""xl numbers the devices of a domain that it makes; here `complete` does, when the device is attached."""
OF_LIBXL: Entry = {"vfunc_mask": 1, "rdm_policy": "strict"}
"""libxl's defaults for every PCI device, which nobody asked for."""


class Differs(NamedTuple):
    """Where ours is not xl's: what it is (or what is said when it is refused), and why."""

    ours: Entry | str
    why: str


DIFFERENCES: dict[tuple[str, str], Differs] = {
    ("disk", "vdev=hdc,cdrom,format=empty"): Differs(
        {"pdev_path": "", "vdev": "hdc", "format": "empty", "removable": 1, "is_cdrom": 1},
        "an empty drive is spelled in three ways, and is the same entry in all of them",
    ),
    ("disk", "trusted,vdev=xvda,target=/x"): Differs(
        {"pdev_path": "/x", "vdev": "xvda", "format": "raw", "readwrite": 1, "trusted": "True"},
        "newer than this xl, which takes the word for the target",
    ),
    ("disk", "untrusted,vdev=xvda,target=/x"): Differs(
        {"pdev_path": "/x", "vdev": "xvda", "format": "raw", "readwrite": 1, "trusted": "False"},
        "newer than this xl, which takes the word for the target",
    ),
    ("vif", "trusted=0"): Differs("no parameter `trusted`", "xl drops what it does not know"),
    ("vif", "trusted=1"): Differs("no parameter `trusted`", "xl drops what it does not know"),
    ("vif", "mac=zz"): Differs("is no MAC address", "xl drops what it cannot read, and the guest gets another address"),
    ("vif", "foo=bar"): Differs("no parameter `foo`", "xl drops what it does not know: a slip of the pen is not seen"),
    ("vif", "type=nope"): Differs("is no type", "xl drops it"),
    ("vif", "bridge=a,bridge=b"): Differs("is given twice", "xl takes the last; for disks it refuses this too"),
    ("usbdev", "hostbus=1,hostaddr=2"): Differs(
        "has no controller", "libxl finds a free port when it attaches; here the port is the device's key"
    ),
    ("usbdev", "hostbus=1"): Differs("has no controller", "xl lets it pass, and libxl fails later"),
}


def kind_of(key: str) -> Kind:
    return LISTS.get(key) or KINDS[key]


def ours_and_xls(row: Row) -> tuple[Entry | str, Entry | None]:
    """Our entry, or our refusal; xl's, without what only libxl adds."""
    kind, xl = kind_of(row["key"]), row["xl"]
    if xl is not None and kind is PCI:
        assert OF_LIBXL.items() <= xl.items()
        xl = {k: v for k, v in xl.items() if k not in OF_LIBXL}
    try:
        ours: Entry | str = device_entry(kind, row["spelling"])
    except InvalidArgument as e:
        return str(e), xl
    if xl is not None and kind.key == ("devid",) and "devid" not in ours:
        assert xl.get("devid", 0) == 0
        xl = {k: v for k, v in xl.items() if k != "devid"}
    return ours, xl


def test_the_table_is_of_every_kind_and_says_when_xl_refused() -> None:
    assert len(ROWS) > 70
    assert {row["key"] for row in ROWS} >= {*LISTS, "vsnd"}
    assert all(bool(row["error"]) == (row["xl"] is None) for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['key']}: {row['spelling']}")
def test_a_spelling_is_read_as_xl_reads_it(row: Row) -> None:
    ours, xl = ours_and_xls(row)
    differs = DIFFERENCES.get((row["key"], row["spelling"]))
    if differs is None:
        assert isinstance(ours, str) if xl is None else ours == xl
    elif isinstance(differs.ours, str):
        assert isinstance(ours, str)
        assert differs.ours in ours
        assert xl is not None
    else:
        assert ours == differs.ours != xl


def test_every_difference_is_one_of_the_table() -> None:
    assert DIFFERENCES.keys() <= {(row["key"], row["spelling"]) for row in ROWS}


@pytest.mark.parametrize(
    ("kind", "spelling", "said"),
    [
        (DISK, "nope=1,vdev=xvda,target=/x", "no parameter `nope`"),
        (DISK, "/x,raw,xvda,rw,devtype=floppy", "`floppy` is no type of disk"),
        (DISK, "/x,raw,xvda,vdev=xvdb", "'vdev' is given twice"),
        (NIC, "bridge", "not of the form key=value"),
        (NIC, "devid=x", "devid is `x`"),
        (NIC, "devid=-1", "devid is `-1`"),
        (NIC, f"mtu={'9' * 5000}", "must be a whole number"),
        (PCI, "00:20.0", "32 devices on a bus"),
        (PCI, "00:00.8", "is no PCI address"),
        (PCI, "00:00.0,permissive", "not of the form key=value"),
        (USBCTRL, "type=usb9", "`usb9` is no type: there are auto, pv"),
        (USBDEV, "type=nope,hostbus=1,hostaddr=2,controller=0,port=1", "`nope` is no type: there are hostdev"),
        (USBDEV, "controller=0,port=1,hostbus=1", "needs hostbus and hostaddr"),
        (USBDEV, "controller=0,hostbus=1,hostaddr=2", "has no port"),
        (VKB, "backend-type=x", "`x` is no backend-type: there are qemu, linux"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(kind: Kind, spelling: str, said: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        device_entry(kind, spelling)
    assert said in str(refused.value)
    assert str(refused.value).startswith(f"{kind} ")


@given(
    kind=st.sampled_from([*KINDS.values()]), text=st.text(st.sampled_from([*"abcxvd019=,:;./ @\n\0é-"]), max_size=40)
)
def test_any_text_is_an_entry_or_is_refused(kind: Kind, text: str) -> None:
    try:
        entry = device_entry(kind, text)
    except InvalidArgument:
        return
    json.dumps(entry)


def test_kinds_have_xls_names_too() -> None:
    names = {"block": "disk", "cdrom": "disk", "vif": "nic", "network": "nic", "9pfs": "p9", "usb": "usbdev"}
    assert {name: kind_named(name).name for name in names} == names
    with pytest.raises(InvalidArgument, match="`floppy` is no kind of device: there are disk, nic"):
        kind_named("floppy")


@pytest.mark.parametrize(
    ("kind", "text", "index"),
    [
        (DISK, "xvdb", "51728"),
        (DISK, "51728", "51728"),
        (NIC, "3", "3"),
        (PCI, "03:1f.7", "0000-03-1f-7"),
        (PCI, "0001:03:1f.7", "0001-03-1f-7"),
        (PCI, "03:00.1@5,permissive=1", "0000-03-00-1"),
        (USBDEV, "1/4", "1/port/4"),
    ],
)
def test_a_device_is_named_by_what_the_guest_knows_it_by(kind: Kind, text: str, index: str) -> None:
    assert device_index(kind, text) == index


@pytest.mark.parametrize(
    ("kind", "text"),
    [(DISK, "0"), (DISK, "²"), (DISK, "9" * 5000), (DISK, ""), (NIC, "x"), (NIC, "-1"), (PCI, "x"), (USBDEV, "1"),
     (USBDEV, "1/"), (USBDEV, "1/2/3"), (USBDEV, "0/256")],
)  # fmt: skip
def test_what_names_no_device_is_refused(kind: Kind, text: str) -> None:
    with pytest.raises(InvalidArgument):
        device_index(kind, text)


# A disk's name and its number: docs/man/xen-vbd-interface.7.pandoc

EXTENDED = 1 << 28
KNOWN = {
    "xvda": 51712,
    "xvda1": 51713,
    "xvdb": 51728,
    "xvdp15": 202 << 8 | 15 << 4 | 15,
    "xvdq": EXTENDED | 16 << 8,
    "xvdq1": EXTENDED | 16 << 8 | 1,
    "xvdz": EXTENDED | 25 << 8,
    "xvdaa": EXTENDED | 26 << 8,
    "xvda16": EXTENDED | 16,
    "hda": 768,
    "hda1": 769,
    "hdb": 832,
    "hdc": 5632,
    "hdd": 5696,
    "sda": 2048,
    "sda1": 2049,
    "sdp15": 8 << 8 | 15 << 4 | 15,
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_names_and_numbers(name: str) -> None:
    assert device_number(name) == KNOWN[name]
    assert virtual_name(KNOWN[name]) == name


def test_a_name_by_disk_and_partition() -> None:
    assert device_number("d0p0") == device_number("xvda")
    assert device_number("d1p2") == device_number("xvdb2")
    assert device_number("d16p0") == device_number("xvdq")


@given(disk=st.integers(0, (1 << 20) - 1), partition=st.integers(0, 255))
def test_each_disk_and_partition_has_a_number_and_a_name_of_its_own(disk: int, partition: int) -> None:
    number = device_number(f"d{disk}p{partition}")
    low = disk <= 15 and partition <= 15
    assert number == (202 << 8 | disk << 4 | partition if low else EXTENDED | disk << 8 | partition)
    assert device_number(virtual_name(number)) == number
    assert device_of(DISK, {"vdev": virtual_name(number)}).index == str(number)


@given(st.from_regex(r"(hd[a-d][0-9]{0,2}|sd[a-p][0-9]{0,2}|xvd[a-z]{1,3}[0-9]{0,3})", fullmatch=True))
def test_a_name_is_refused_or_comes_back(name: str) -> None:
    try:
        number = device_number(name)
    except InvalidArgument:
        return
    assert virtual_name(number) == name


@pytest.mark.parametrize(
    "name",
    ["", "xvd", "xvda0", "xvda256", "xvda01", "hde", "hda64", "sdq", "sda16", "vda", "XVDA", "xvda ", "d0", "d0p256",
     "d1048576p0", "d00p0", "xvda\n", "xvdzzzzz", "xvdé", "fd0"],
)  # fmt: skip
def test_no_names_of_disks(name: str) -> None:
    with pytest.raises(InvalidArgument, match=r"no disk's name|no such disk"):
        device_number(name)


@pytest.mark.parametrize("number", [0, 1, 255, 256, 203 << 8, 8 << 12, 1 << 29, EXTENDED | 1 << 29])
def test_no_numbers_of_disks(number: int) -> None:
    with pytest.raises(InvalidArgument, match="no disk's number"):
        virtual_name(number)
