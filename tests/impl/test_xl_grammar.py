"""The grammar of xl's device spellings: a table made by hand from Xen's sources, what the real xl says of the same
words, and properties of any text at all."""

from __future__ import annotations

import json
import tomllib
from typing import TypedDict, cast

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from places import DATA
from xl_spelled import spelled

from confsync.impl.command.xl_devices import MOST_CHARACTERS, device_entry
from confsync.impl.errors import InvalidArgument
from confsync.impl.kinds import DISK, KINDS, NIC, P9, PCI, USBCTRL, USBDEV, VDISPL, VKB, VSND, VTPM, Json, Kind
from confsync.terminal.text import quoted

Entry = dict[str, Json]


class Group(TypedDict):
    kind: str
    source: str
    understood: list[tuple[list[str], Entry]]
    refused: list[tuple[list[str], str]]


class Row(TypedDict):
    """What the real xl printed for these words."""

    kind: str
    words: list[str]
    xl: Entry | None
    error: str


GROUPS = cast("list[Group]", tomllib.loads((DATA / "xl-grammar.toml").read_text())["group"])
ROWS = cast("list[Row]", json.loads((DATA / "xl-4.17-words.json").read_text())["rows"])
UNDERSTOOD = [(g["kind"], tuple(words), entry) for g in GROUPS for words, entry in g["understood"]]
REFUSED = [(g["kind"], tuple(words), said) for g in GROUPS for words, said in g["refused"]]

NEWER = ("trusted", "untrusted", "grant_usage", "vlan=", "specification=")
"""Parameters that Debian's 4.17.5 does not know yet, for a disk or for a nic."""
XL_IS_LAX: dict[tuple[str, str], str] = {
    ("disk", "/a,raw,floppy"): "libxl refuses the name later",
    ("disk", "vdev=hdc:cdrom,target=/a"): "libxl refuses the name later",
    ("disk", ",raw,xvda"): "libxl finds no such file later",
    ("disk", ",xvda:disk,w"): "libxl refuses an empty disk later",
    ("disk", "/a,empty,xvda"): "libxl refuses an empty disk later",
    ("disk", "/i.iso,empty,hdc,cdrom"): "the target is dropped",
    ("disk", "/a,raw,xvda,backend="): "no domain has an empty name",
    ("disk", "/a,raw,xvda,discard,no-discard"): "the last counts",
    ("disk", "/a,raw,xvda,w,access=r"): "the last counts",
    ("disk", "/a,raw,hdc:disk,r,cdrom"): "the last counts",
    ("nic", "accel=1"): "a warning, and dropped",
    ("nic", "bridge=a bridge=a"): "the last counts",
    ("nic", "trusted untrusted"): "the last counts",
    ("nic", "mtu=1500x"): "what follows the digits is dropped",
    (
        "vtpm",
        "uuid=3b1d4c52-5a1e-4e0d-8a39-0000000000a1",
    ): "the backend is needed in a file, and dom0 on a command line",
    ("vtpm", "backend="): "no domain has an empty name",
    ("vkb", "backend-type=qemu feature-multi-touch=0 multi-touch-height=1"): "the feature is set all the same",
    ("vkb", "backend-type=qemu feature-raw-pointer=yes"): "yes is read as 0",
    ("vdispl", "connectors=a:1x4294967296"): "the number wraps around",
    ("vsnd", "card,short-name=a card,short-name=b"): "the last counts",
}
"""Words that xl takes and that are refused here, and why that would be half of what was meant."""


def ours(kind: Kind, words: tuple[str, ...]) -> Entry | None:
    try:
        return device_entry(kind, *words)
    except InvalidArgument:
        return None


def named(value: object) -> str:
    """A test's name: the words."""
    return " ".join(value) if isinstance(value, tuple) else ""


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "words", "entry"), UNDERSTOOD, ids=named)
def test_what_xl_understands_means_the_same_here(kind: str, words: tuple[str, ...], entry: Entry) -> None:
    assert device_entry(KINDS[kind], *words) == entry


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "words", "said"), REFUSED, ids=named)
def test_what_is_refused_is_named(kind: str, words: tuple[str, ...], said: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        device_entry(KINDS[kind], *words)
    assert str(refused.value).startswith(f"{kind} {quoted(' '.join(words))}: ")
    assert said in str(refused.value)


def test_the_table_is_of_every_kind_and_cites_its_source() -> None:
    assert {g["kind"] for g in GROUPS} == KINDS.keys()
    assert all(g["understood"] and g["refused"] and g["source"] for g in GROUPS)


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['kind']}: {' '.join(row['words'])}")
def test_the_real_xl_agrees(row: Row) -> None:
    entry, xl = ours(KINDS[row["kind"]], tuple(row["words"])), row["xl"]
    if xl is not None and row["kind"] == "disk":
        xl.setdefault("pdev_path", "")  # an empty drive is the same entry however it is spelled
    if entry == xl or (row["kind"], " ".join(row["words"])) in XL_IS_LAX:
        return
    assert any(word in text for text in row["words"] for word in NEWER) or "id=3" in row["words"][0], (entry, xl)


def test_every_laxity_of_xl_is_one() -> None:
    rows = {(row["kind"], " ".join(row["words"])): row for row in ROWS}
    assert XL_IS_LAX.keys() <= rows.keys()
    for key in XL_IS_LAX:
        assert rows[key]["xl"] is not None, key
        assert ours(KINDS[key[0]], tuple(rows[key]["words"])) is None, key


# Any text

TOKENS: dict[str, list[str]] = {
    DISK.name: [
        "/x", "raw", "qcow2", "empty", "xvda", "hdc", "51712", "w", "r", "ro", "rw", "cdrom", "disk", ":", "=", ",",
        ",", ",",
        ",", " ", "\t", "target=", "format=", "vdev=", "access=", "devtype=", "backendtype=", "backend=", "script=",
        "phy",
        "tap", "phy:", "file:", "ioemu:", "qcow2:", "iscsi:", "qed:", "discard", "no-discard", "untrusted", "colo",
        "direct-io-safe", "specification=", "virtio", "grant_usage=", "1", "0", "colo-port=", "hdc:cdrom", "foo=",
        "FOO", "é",
    ],
    NIC.name: [
        "mac=", "00:16:3e:01:02:03", "0-1-2-3-4-5", "bridge=", "br0", "rate=", "10Mb/s", "010KB/s", "@20ms", "@3s",
        "1b/s",
        "type=", "vif", "ioemu", "mtu=", "1500", "devid=", "3", "trusted", "untrusted", "vlan=", "netdev=",
        "gatewaydev=",
        "backend=", "dd", "script=", "colo_compare_out=", "forwarddev=", ",", ",", ",", " ", "=", "foo=",
    ],
    VTPM.name: ["backend=", "uuid=", "02C1497c-0060-444c-9188-579296d5d4d0", "dd", ",", " ", "=", "x"],
    USBCTRL.name: ["type=", "pv", "QUSB", "auto", "version=", "ports=", "1", "08", "0x1", ",", " ", "=", "-"],
    USBDEV.name: ["type=hostdev", "hostbus=", "hostaddr=", "controller=", "port=", "1", "010", "0x2", "256", ",",
        ",", " "],
    PCI.name: [
        "0000:", "01:00", ".0", ".7", ".*", "@", "7", "1f", ",", ",", "bdf=", "vslot=", "permissive=", "seize=", "1",
        "0",
        "rdm_policy=", "strict", "Relaxed", "name=", " ",
    ],
    P9.name: ["tag=", "path=", "security_model=", "none", "type=", "qemu", "max-files=", "5", "auto-delete=", ",",
        " ", "/p"],
    VDISPL.name: ["connectors=", "a", ":", "1x1", "b:2x3", ";", "be-alloc=", "1", "backend=", "dd", ",", " "],
    VSND.name: [
        "card", "PCM", "stream", ",", ",", "short-name=", "name=", "unique-id=", "id=", "type=", "p",
        "sample-rates=", "1;2",
        "sample-formats=", "s8", ";U8", "channels-min=", "3", "backend=", " ",
    ],
    VKB.name: [
        "backend-type=", "linux", "QEMU", "unique-id=", "k", "width=", "0x10", "multi-touch-width=", "5",
        "feature-multi-touch=", "feature-raw-pointer=", "1", "0", ",", ",", " ",
    ],
}  # fmt: skip


@st.composite
def specs(draw: st.DrawFn) -> tuple[Kind, list[str]]:
    """A kind, and words of its grammar's tokens in any order."""
    kind = KINDS[draw(st.sampled_from(sorted(KINDS)))]
    tokens = st.sampled_from(TOKENS[kind.name])
    return kind, draw(st.lists(st.lists(tokens, max_size=10).map("".join), max_size=4))


@pytest.mark.slow
@settings(max_examples=500)
@given(specs())
def test_any_text_is_an_entry_that_can_be_spelled_again_or_is_refused(spec: tuple[Kind, list[str]]) -> None:
    kind, words = spec
    try:
        entry = device_entry(kind, *words)
    except InvalidArgument:
        return
    json.dumps(entry)
    assert device_entry(kind, *spelled(kind, entry)) == entry


PARAMETERS: dict[str, dict[str, list[str]]] = {
    DISK.name: {
        "": ["discard", "no-discard", "untrusted", "trusted", "direct-io-safe", "colo", "devtype=cdrom"],
        "vdev=": ["xvda", "hdc"], "format=": ["vhd", "qcow"], "access=": ["r"], "target=": ["/a", "/a,b"],
        "script=": ["s"],
        "backend=": ["dd"], "backendtype=": ["phy", "qdisk"], "specification=": ["virtio"], "grant_usage=": ["0", "1"],
        "colo-port=": ["5"], "colo-host=": ["h"],
    },
    NIC.name: {
        "": ["trusted", "untrusted"], "mac=": ["00:16:3e:01:02:03"], "bridge=": ["b", ""], "rate=": ["1B/s"],
        "mtu=": ["9000"],
        "type=": ["vif"], "ip=": ["10.0.0.1"], "vlan=": ["5"], "gatewaydev=": ["g"], "devid=": ["0", "2"],
    },
    VTPM.name: {"backend=": ["dd"], "uuid=": ["02c1497c-0060-444c-9188-579296d5d4d0"]},
    USBCTRL.name: {"type=": ["pv", "qusb"], "version=": ["1"], "ports=": ["3"]},
    USBDEV.name: {"hostbus=": ["1"], "hostaddr=": ["2"], "controller=": ["0"], "port=": ["1"]},
    PCI.name: {"bdf=": ["1:0.0"], "vslot=": ["5"], "permissive=": ["1"], "seize=": ["1"], "rdm_policy=": ["relaxed"]},
    P9.name: {"tag=": ["t"], "path=": ["/p"], "security_model=": ["none"], "type=": ["qemu"], "max-files=": ["5"]},
    VDISPL.name: {"connectors=": ["a:1x1"], "be-alloc=": ["1"], "backend=": ["dd"]},
    VSND.name: {"card,": ["short-name=a"], "pcm,": ["name=b"], "stream,": ["type=p", "id=1"]},
    VKB.name: {"backend-type=": ["qemu"], "unique-id=": ["k"], "width=": ["5"], "feature-raw-pointer=": ["1"]},
}  # fmt: skip


@st.composite
def parameters(draw: st.DrawFn) -> tuple[Kind, list[str], int]:
    """A kind, words that each say something, and which of them to leave out."""
    kind = KINDS[draw(st.sampled_from(sorted(KINDS)))]
    every = [f"{key}{value}" for key, values in PARAMETERS[kind.name].items() for value in values]
    words = draw(st.lists(st.sampled_from(every), min_size=1, max_size=6, unique=True))
    return kind, words, draw(st.integers(0, len(words) - 1))


@pytest.mark.slow
@settings(max_examples=300)
@given(parameters())
def test_no_word_is_dropped(spec: tuple[Kind, list[str], int]) -> None:
    kind, words, without = spec
    entry = ours(kind, tuple(words))
    assume(entry is not None)
    fewer = [word for at, word in enumerate(words) if at != without]
    assume(not (kind is DISK and "devtype=cdrom" in words and "access=r" in words))  # a drive is read-only anyway
    assert ours(kind, tuple(fewer)) != entry


def test_a_long_text_is_cut_in_a_message() -> None:
    with pytest.raises(InvalidArgument) as refused:
        device_entry(DISK, f"/{'a' * 5000},{'b' * 5000}")
    assert "(10,002 characters)" in str(refused.value)
    assert len(str(refused.value)) < 500


@pytest.mark.slow
def test_a_spelling_is_read_up_to_a_length() -> None:
    flags = "cdrom, " * (MOST_CHARACTERS // 7 - 10)
    assert device_entry(DISK, f"{flags}vdev=hdc")["is_cdrom"] == 1
    with pytest.raises(InvalidArgument, match=f"it has more than {MOST_CHARACTERS} characters"):
        device_entry(DISK, "vdev=hdc,cdrom", " " * MOST_CHARACTERS)
