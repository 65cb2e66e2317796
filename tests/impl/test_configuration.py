"""libxl's JSON, read and written: real files byte by byte, hostile ones by their errors, any by round trips."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from snapshots import snapshots

from confsync.impl.configuration.template import Template, emptied, is_ejectable, is_empty
from confsync.impl.configuration.text import (
    LEAST_INTEGER,
    MOST_BYTES,
    MOST_INTEGER,
    MOST_LEVELS,
    Exact,
    decode,
    encode,
    read_bounded,
)
from confsync.impl.errors import InvalidArgument, MalformedConfiguration
from confsync.impl.kinds import DISK, KINDS, NIC, P9, PCI, USBDEV, Device, Json

pytestmark = pytest.mark.slow

BY_HAND = re.compile(r'"sched_params": \{\}')
"""Some of the lab's first templates were written by its scripts; libxl leaves a line free within nothing."""

characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
strings = st.text(characters, max_size=12)
numbers = st.integers(LEAST_INTEGER, MOST_INTEGER)
fractions = st.floats(allow_nan=False, allow_infinity=False).map(lambda f: Exact(repr(f)))
scalars = st.none() | st.booleans() | numbers | strings | fractions
values: st.SearchStrategy[Json] = st.recursive(
    scalars, lambda below: st.lists(below, max_size=4) | st.dictionaries(strings, below, max_size=4), max_leaves=12
)
objects = st.dictionaries(strings, values, max_size=5)
unknown = st.dictionaries(strings.map(lambda s: f"x-{s}"), values, max_size=2)


@st.composite
def templates(draw: st.DrawFn) -> dict[str, Json]:
    """Templates with unknown fields at each level, and entries with and without a key."""
    disks: list[Json] = [
        {"pdev_path": draw(strings), "vdev": f"xvd{chr(97 + n)}", **draw(unknown)}
        for n in draw(st.lists(st.integers(0, 15), unique=True, max_size=3))
    ]
    nics: list[Json] = [
        {"devid": n, **draw(unknown)} for n in draw(st.lists(st.integers(0, 9), unique=True, max_size=3))
    ]
    p9s: list[Json] = [{"tag": draw(strings), **draw(unknown)} for _ in range(draw(st.integers(0, 2)))]
    return {
        "c_info": {"name": draw(strings), **draw(unknown)},
        "b_info": {"max_memkb": draw(numbers), "avail_vcpus": [0, 2], "sched_params": {}, **draw(unknown)},
        "disks": disks, "nics": nics, "p9s": p9s, **draw(unknown),
    }  # fmt: skip


def test_every_real_template_comes_back_byte_by_byte() -> None:
    same = by_hand = 0
    for folder, files in snapshots().items():
        for name, data in files.items():
            if not (name == "libxl.json" or name.startswith("userdata-d")) or not data.endswith(b"}\n\0"):
                continue
            template = Template.parse(data, f"{folder}/{name}")
            assert template.encode() == data
            assert name == "libxl.json" or template.uuid in (name.split(".")[2], None)
            same += 1
    for files in snapshots().values():
        data = files.get("libxl.json", b"")
        if BY_HAND.search(data.decode()):
            template = Template.parse(data, "libxl.json")
            assert Template.parse(template.encode(), "again") == template
            by_hand += 1
    assert (same, by_hand) == (767, 8)


def test_what_is_damaged_among_the_real_ones_is_said() -> None:
    cut = snapshots()["xen-4.17/322-json-truncated/after"]["libxl.json"]
    with pytest.raises(MalformedConfiguration, match=r"^f: line 29, column 28: the text ends too early$"):
        Template.parse(cut, "f")
    with pytest.raises(MalformedConfiguration, match=r"^f: empty"):
        Template.parse(snapshots()["xen-4.17/321-json-empty/after"]["libxl.json"], "f")


HOSTILE = {
    "nothing": (b"", "", "empty"),
    "a NUL": (b"\0", "", "empty"),
    "blanks": (b" \n\t\r\0", "", "empty"),
    "a NUL within": (b'{\n"a\0": 1}\0', "line 2, column 1", "the text ends too early"),
    "a NUL in a string": (b'{"a": {"b\\u0000": 1}}', "a", "NUL"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "line 1, column 1", "byte order mark"),
    "UTF-16": ('{"a": 1}'.encode("utf-16-be"), "", "empty"),
    "Latin-1": (b'{"\xc3\xa9": "\xe9"}', "line 1, column 8", "not UTF-8"),
    "a raw surrogate": (b'{"a": "\xed\xa0\x80"}', "line 1, column 8", "not UTF-8"),
    "half a pair": (b'{"a": [0, {"b": "\\ud800"}]}', "a[1].b", "surrogate"),
    "half a pair in a key": (b'{"a": {"\\uDC00": 1}}', "a", "surrogate"),
    "cut": (b'{"a": {"b": 1', "line 1, column 14", "ends too early"),
    "cut in a string": (b'{"a": "xyz', "line 1, column 7", "ends too early"),
    "cut in a string of brackets": (b'{"a": "' + b"[" * 999, "line 1, column 7", "ends too early"),
    "more after it": (b'{"a": 1}\n{"b": 2}', "line 2, column 1", "extra data"),
    "no JSON": (b"name = 'x'\n", "line 1, column 1", "expecting value"),
    "a control character": (b'{"a": "\n"}', "line 1, column 8", "control character"),
    "NaN": (b'{"a": {"b": NaN}}', "a.b", "NaN"),
    "Infinity": (b'{"a": [-Infinity]}', "a[0]", "-Infinity"),
    "a large fraction": (b'{"a": 1e999}', "a", "too large"),
    "a large number": (b'{"a": 18446744073709551616}', "a", "too large"),
    "a small number": (b'{"a": -9223372036854775809}', "a", "too large"),
    "a million digits": (b'{"a": {"b c": ' + b"9" * 1_000_000 + b"}}", 'a."b c"', "too large"),
    "an array": (b"[]", "", "an array, where an object must be"),
    "null": (b"null\n\0", "", "null, where an object must be"),
    "deep": (b'{"a": ' * 200_000, "", f"more than {MOST_LEVELS} levels"),
    "deep arrays": (b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", "", f"more than {MOST_LEVELS} levels"),
    "too many bytes": (b" " * (MOST_BYTES + 1), "", "bytes: more than"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_configuration_is_told_by_place_and_reason(name: str) -> None:
    data, where, reason = HOSTILE[name]
    with pytest.raises(MalformedConfiguration, match=re.escape(reason)) as caught:
        decode(data, "the-file")
    assert (caught.value.source, caught.value.where) == ("the-file", where)
    assert str(caught.value).startswith("the-file: ")
    assert len(str(caught.value)) < 200


def test_depth_and_numbers_at_their_bounds_are_read() -> None:
    levels = MOST_LEVELS - 1
    assert decode(b'{"a": ' + b"[" * levels + b"]" * levels + b"}", "f")
    with pytest.raises(MalformedConfiguration):
        decode(b'{"a": ' + b"[" * MOST_LEVELS + b"]" * MOST_LEVELS + b"}", "f")
    assert decode(b'{"a": "' + b"[" * 9999 + b'\\"[", "b": "\\\\"}', "f")["b"] == "\\"
    assert decode(b'{"a": [18446744073709551615, -9223372036854775808]}', "f")["a"] == [MOST_INTEGER, LEAST_INTEGER]
    assert decode(b" " * (MOST_BYTES - 2) + b"{}", "f") == {}


def test_depth_is_bounded_however_deep_the_caller_is() -> None:
    def deeper(levels: int) -> None:
        if levels:
            return deeper(levels - 1)
        with pytest.raises(MalformedConfiguration, match="levels deep"):
            decode(b'{"a": ' + b"[" * 5000, "f")
        return None

    deeper(sys.getrecursionlimit() // 3)


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(100 << 20)
    with pytest.raises(MalformedConfiguration, match=r"large: 104,857,600 bytes: more than 16,777,216"):
        read_bounded(path)
    assert len(read_bounded(path, 200 << 20)) == 100 << 20
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MalformedConfiguration, match=r"pipe: no regular file"):
        read_bounded(tmp_path / "pipe")
    path.write_bytes(b"{}\n\0")
    assert read_bounded(path, 4) == b"{}\n\0"


@given(objects)
def test_a_value_comes_back(value: dict[str, Json]) -> None:
    written = encode(value)
    assert written.endswith(b"\n\0")
    assert decode(written, "f") == value == json.loads(written[:-1])
    assert encode(decode(written, "f")) == written


@given(st.binary() | st.text().map(str.encode) | objects.map(lambda v: encode(v)[:-7]))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        value = decode(data, "f")
    except MalformedConfiguration:
        return
    assert decode(encode(value), "f") == value


def test_strings_and_numbers_are_written_as_yajl_writes_them() -> None:
    said = encode({"a": '\x1f\b\f\n\r\t"\\/\x7f é\u2028😀\\u001f', "b": {}, "c": [], "d": [True, None, -1]})
    assert (
        said
        == (
            '{\n    "a": "\\u001F\\b\\f\\n\\r\\t\\"\\\\/\x7f é\u2028😀\\\\u001f",\n    "b": {\n\n    },\n'
            '    "c": [\n\n    ],\n'
            '    "d": [\n        true,\n        null,\n        -1\n    ]\n}\n\0'
        ).encode()
    )
    assert encode({"a": 1.0, "b": 0.5, "c": Exact("1.50e+3")}) == (
        b'{\n    "a": 1.0,\n    "b": 0.5,\n    "c": 1.50e+3\n}\n\0'
    )
    with pytest.raises(ValueError, match="no JSON"):
        encode({"a": float("nan")})


@given(templates())
def test_a_template_comes_back(value: dict[str, Json]) -> None:
    written = encode(value)
    template = Template.parse(written, "f")
    assert template.encode() == written
    arrays = [value[array] for array in ("disks", "nics", "p9s")]
    assert len(template.devices()) == sum(len(array) for array in arrays if isinstance(array, list))
    for device in template.devices():
        entry = template.find(device)
        assert entry is not None
        if device.kind is P9:  # its number is in no field
            assert template.without(device).find(device) is None
            continue
        assert template.put(device, entry).encode() == written
        without = template.without(device)
        assert without.find(device) is None
        assert without.put(device, entry).find(device) == entry
        assert {d for d in template.devices() if d != device} == set(without.devices())
        for other in without.devices():
            assert without.find(other) == template.find(other)
    assert template.encode() == written


NIC_0, NIC_1 = Device(NIC, "0"), Device(NIC, "1")


def test_an_entry_takes_its_old_place_or_the_end() -> None:
    template = Template.of({"nics": [{"devid": 1, "mac": "a"}, {"bridge": "unnamed"}, {"devid": 0}]}, "f")
    again = template.put(NIC_1, {"devid": 1, "mac": "b"})
    assert again.value["nics"] == [{"devid": 1, "mac": "b"}, {"bridge": "unnamed"}, {"devid": 0}]
    assert template.find(NIC_1) == {"devid": 1, "mac": "a"}
    assert template.without(NIC_1).put(NIC_1, {"devid": 1}).value["nics"] == [
        {"bridge": "unnamed"},
        {"devid": 0},
        {"devid": 1},
    ]
    assert template.without(NIC_0).without(NIC_1).value["nics"] == [{"bridge": "unnamed"}]
    assert "nics" not in Template.of({"nics": [{"devid": 0}]}, "f").without(NIC_0).value
    with pytest.raises(InvalidArgument, match="another device's key"):
        template.put(NIC_0, {"devid": 1})


P9S: list[tuple[str, list[Json], dict[str, str]]] = [
    ("none has a number", [{"tag": "a"}, {"tag": "b", "devid": -1}], {"0": "a", "1": "b"}),
    ("the next after a number", [{"tag": "a", "devid": 4}, {"tag": "b"}], {"4": "a", "5": "b"}),
    ("a number of another", [{"tag": "a"}, {"tag": "b"}, {"tag": "c", "devid": 1}], {"0": "a", "2": "b", "1": "c"}),
    ("no next number", [{"tag": "a", "devid": 2**31 - 1}, {"tag": "b"}], {"2147483647": "a", "0": "b"}),
]


@pytest.mark.parametrize(("entries", "tags"), [case[1:] for case in P9S], ids=[case[0] for case in P9S])
def test_an_entry_without_a_number_has_the_one_that_its_place_says(entries: list[Json], tags: dict[str, str]) -> None:
    template = Template.of({"p9s": entries}, "f")
    assert {d.index: (template.find(d) or {})["tag"] for d in template.devices()} == tags
    for device in template.devices():
        rest = template.without(device)
        again = Template.of(dict(rest.value), "f")
        assert {d.index: (again.find(d) or {})["tag"] for d in again.devices()} == {
            index: tag for index, tag in tags.items() if index != device.index
        }
    assert template.unnamed(P9) == []


def test_only_an_entry_whose_place_has_changed_gets_its_number() -> None:
    template = Template.of({"p9s": [{"tag": "a"}, {"tag": "b"}, {"tag": "c"}]}, "f")
    assert template.without(Device(P9, "2")).value["p9s"] == [{"tag": "a"}, {"tag": "b"}]
    assert template.without(Device(P9, "0")).value["p9s"] == [{"devid": 1, "tag": "b"}, {"tag": "c"}]


def test_entries_are_found_by_the_keys_of_their_kinds() -> None:
    template = Template.of(
        {
            "disks": [{"vdev": "hdc"}, {"pdev_path": "no vdev"}],
            "pcidevs": [{"bus": 2, "dev": 3}, {}],
            "usbdevs": [{"ctrl": 0, "port": 2}, {"ctrl": -1}],
            "vtpms": None,
        },
        "f",
    )
    assert template.devices() == [
        Device(DISK, "5632"), Device(USBDEV, "0/port/2"), Device(PCI, "0000-02-03-0"), Device(PCI, "0000-00-00-0"),
    ]  # fmt: skip
    assert template.unnamed(DISK) == [{"pdev_path": "no vdev"}]


SHAPES: list[tuple[dict[str, Json], str, str]] = [
    ({"c_info": []}, "c_info", "an array, where an object"),
    ({"b_info": None}, "b_info", "null, where an object"),
    ({"c_info": {"name": 1}}, "c_info.name", "a number, where a string"),
    ({"b_info": {"max_memkb": "1"}}, "b_info.max_memkb", "a string, where a whole number"),
    ({"b_info": {"max_vcpus": True}}, "b_info.max_vcpus", "a truth value"),
    ({"b_info": {"target_memkb": Exact("1.5")}}, "b_info.target_memkb", "a number, where a whole number"),
    ({"b_info": {"avail_vcpus": [0, "1"]}}, "b_info.avail_vcpus[1]", "a string"),
    ({"b_info": {"sched_params": [1]}}, "b_info.sched_params", "an array, where an object"),
    ({"disks": {}}, "disks", "an object, where an array"),
    ({"nics": [{}, "x"]}, "nics[1]", "a string, where an object"),
    ({"disks": [{"vdev": 51712}]}, "disks[0].vdev", "a number, where a string"),
    ({"disks": [{"vdev": "xvda"}, {"vdev": "zzz9"}]}, "disks[1].vdev", "no disk's name"),
    ({"nics": [{"devid": "0"}]}, "nics[0].devid", "a string, where a whole number"),
    ({"nics": [{"devid": -2}]}, "nics[0].devid", "must be a whole number from 0"),
    ({"pcidevs": [{"bus": 256}]}, "pcidevs[0].domain", "`bus` is 256"),
    ({"nics": [{"devid": 3}, {"devid": 4}, {"devid": 3}]}, "nics[2]", "nic 3 has an entry already, nics[0]"),
    ({"disks": [{"vdev": "xvda"}, {"vdev": "d0p0"}]}, "disks[1]", "disk xvda has an entry already"),
]


@pytest.mark.parametrize(("value", "where", "reason"), SHAPES)
def test_a_wrong_shape_is_told_by_its_place(value: dict[str, Json], where: str, reason: str) -> None:
    with pytest.raises(MalformedConfiguration, match=re.escape(reason)) as caught:
        Template.of(value, "f")
    assert caught.value.where == where


def test_knobs_are_read_and_set() -> None:
    data = snapshots()["xen-4.17/100-cd-eject/before"]["libxl.json"]
    template = Template.parse(data, "f")
    assert (template.name, template.uuid) == ("hvm1", "1b3d8f55-5a9f-4fdb-b940-f107b5f036c5")
    assert (template.max_memkb, template.target_memkb) == (65536, 65536)
    assert (template.max_vcpus, template.avail_vcpus, template.sched_params) == (2, [0], {})
    changed = template.with_knobs(
        name="new", uuid="u", max_memkb=1, target_memkb=2, max_vcpus=3, avail_vcpus=[0, 1], sched_params={"weight": 4}
    )
    assert (changed.name, changed.uuid, changed.max_memkb, changed.target_memkb) == ("new", "u", 1, 2)
    assert (changed.max_vcpus, changed.avail_vcpus, changed.sched_params) == (3, [0, 1], {"weight": 4})
    assert list(changed.value["b_info"]) == list(template.value["b_info"])  # type: ignore[arg-type]
    assert template.encode() == template.with_knobs().encode() == data
    nothing = Template.of({}, "f")
    assert [nothing.name, nothing.uuid, nothing.max_memkb, nothing.target_memkb, nothing.max_vcpus] == [None] * 5
    assert (nothing.avail_vcpus, nothing.sched_params) == (None, None)
    assert nothing.with_knobs(name="x").value == {"c_info": {"name": "x"}}


def test_the_text_is_read_as_libxl_reads_it() -> None:
    """The first of a repeated key counts [libxl__json_map_get]; the text ends at the first NUL, which strlen sees."""
    notes: list[str] = []
    data = b'{"b": {"x": 1, "y": [{"vdev": "xvda", "vdev": "xvdb"}], "x": {"x": 2}}, "a": null, "b": 3}\0 } \0'
    assert decode(data, "f", notes=notes) == {"b": {"x": 1, "y": [{"vdev": "xvda"}]}, "a": None}
    assert list(decode(data, "f")) == ["b", "a"]
    assert notes == [
        "4 bytes after the NUL that ends the text are passed over",
        "the key b stands there twice: the first counts",
        "the key b.x stands there twice: the first counts",
        "the key b.y[0].vdev stands there twice: the first counts",
    ]
    quiet: list[str] = []
    assert decode(b'{"a": {"a": 1}}\n\0\0', "f", notes=quiet) == {"a": {"a": 1}}
    assert quiet == []


def test_an_empty_drive_is_said_as_libxl_says_it() -> None:
    moments = snapshots()
    for case in ("100-cd-eject", "150-create-hvm-empty-cd"):
        files = moments[f"xen-4.17/{case}/after"]
        drive = Device(DISK, "5632")
        entry = Template.parse(files["libxl.json"], "f").find(drive)
        assert entry is not None
        assert is_ejectable(entry)
        assert is_empty(entry)
        retrieved = json.loads(files["list-l.json"])[0]["config"]["disks"][1]
        assert emptied(entry) == retrieved
        assert list(emptied(entry)) == list(retrieved)
    loaded = Template.parse(moments["xen-4.17/100-cd-eject/before"]["libxl.json"], "f").find(Device(DISK, "5632"))
    assert loaded is not None
    assert not is_empty(loaded)
    hard = Template.parse(moments["xen-4.17/100-cd-eject/before"]["libxl.json"], "f").find(Device(DISK, "768"))
    assert hard is not None
    assert not is_ejectable(hard)


def test_every_kind_has_a_place_in_a_template() -> None:
    for kind in KINDS.values():
        index = {"disk": "51712", "pci": "0000-00-1f-7", "usbdev": "0/port/3"}.get(kind.name, "7")
        device = Device(kind, index)
        template = Template.of({}, "f").put(device, kind.to_key(index))
        assert template.devices() == [device]
        assert Template.parse(template.encode(), "f").find(device) == kind.to_key(index)
        assert template.without(device).value == {}
