"""Reading dumps: as xenstore-ls prints them, and as somebody who means harm would."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from audit_hosts import healthy
from hypothesis import given, settings
from hypothesis import strategies as st
from snapshots import snapshots, unpack

from confsync.impl.audit import host
from confsync.impl.audit.audit import audit
from confsync.impl.audit.dump import LONGEST_LINE, read_dump, unescape
from confsync.impl.audit.errors import BadInput
from confsync.impl.audit.output import as_json, as_junit, as_sarif

pytestmark = pytest.mark.slow

ROOT = b'/local = ""   (n0)\n/local/domain = ""   (n0)\n'
DOM0 = ROOT + b'/local/domain/0 = ""   (n0)\n/local/domain/1 = ""   (n0)\n'
"""A dump's beginning; what follows it stands from the fifth line on."""
NAME = b'/local/domain/1/name = "'


def read(tmp_path: Path, data: bytes) -> dict[str, str]:
    """What is kept of domain 1."""
    (tmp_path / "dump").write_bytes(data)
    return read_dump(tmp_path / "dump").local.get(1, {})


def sanitised(value: bytes) -> str:
    """As xenstore-ls prints a value: its sanitise_value, written anew from the C."""
    out = ""
    for c in value:
        if 0x20 <= c <= 0x7E and c != 0x5C:
            out += chr(c)
        else:
            out += {9: "\\t", 10: "\\n", 13: "\\r", 92: "\\\\"}.get(c, f"\\{c:03o}" if c < 8 else f"\\x{c:02x}")
    return out


@given(st.binary(max_size=40))
def test_any_value_is_read_as_it_was(value: bytes) -> None:
    assert unescape(sanitised(value)) == value.decode("utf-8", "surrogateescape")


def test_odd_but_proper_lines_are_read(tmp_path: Path) -> None:
    for line, value in {
        NAME + b'a"b"': 'a"b',
        NAME + b'x"   (n0)"   (n1,r2)': 'x"   (n0)',
        NAME + b'x = "y""': 'x = "y"',
        NAME + b'" \t(n0)\r': "",
        NAME + b'caf\xc3\xa9"': "café",
        NAME + b'\xff"': "\udcff",
        NAME + b'a\\nb\\x07\\001\\\\"': "a\nb\x07\x01\\",
    }.items():
        assert read(tmp_path, DOM0 + line + b"\n")["name"] == value
    assert read(tmp_path, DOM0 + NAME + b'cut"') == {"name": "cut"}
    assert read(tmp_path, DOM0 + b"\n/local/domain/1/name:\n") == {}
    assert read(tmp_path, NAME + b'first"\n' + DOM0) == {"name": "first"}
    deep = b"".join(b"/local/domain/1" + b"/a" * n + b' = ""\n' for n in range(1, 1500, 1))
    assert read(tmp_path, DOM0 + deep) == {}


BAD: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 0, "nothing below /local/domain"),
    "only libxl's part": (b'/libxl/1 = ""\n', 0, "nothing below /local/domain"),
    "twice": (DOM0 + NAME + b'a"\n' + NAME + b'b"\n', 3, "/local/domain/1/name stands here a second time"),
    "cut": (DOM0 + NAME + b"a", 2, "ends in the middle of a line"),
    "cut in a path": (DOM0 + b"/local/dom", 2, "ends in the middle of a line"),
    "a line's end in a value": (DOM0 + NAME + b'a\nb"\n', 2, "the value has no end"),
    "the rest of a value": (DOM0 + NAME + b'a"\nb"\n', 3, "no line of `xenstore-ls -f`"),
    "a forged line": (DOM0 + NAME + b'a\n/libxl/1/device/vbd/51712 = "x"\n', 2, "the value has no end"),
    "a tree": (b'local = ""\n domain = ""\n', 1, "whole paths"),
    "a second slash": (DOM0 + b'/local//domain = ""\n', 2, "/local//domain is no path"),
    "a slash at the end": (DOM0 + b'/local/ = ""\n', 2, "/local/ is no path"),
    "a dot in a path": (DOM0 + b'/local/../libxl = ""\n', 2, "no line"),
    "no quotes": (DOM0 + b"/local = x\n", 2, "no line"),
    "permissions that are none": (DOM0 + NAME + b'a"   (root)\n', 2, "(root) are no permissions"),
    "half a permission": (DOM0 + NAME + b'a"   (n0,)\n', 2, "(n0,) are no permissions"),
    "a terminal's width": (DOM0 + NAME + b'a\\..."\n', 2, "have xenstore-ls print into a file"),
    "a long line": (DOM0 + NAME + b"a" * LONGEST_LINE + b'"\n', 2, "more than 65,536 characters"),
    "binary": (b"\x7fELF\x00\xff\x1b[2J\n", 1, r"'\x7fELF\x00\udcff\x1b[2J"),
    "a template": (b"{\n}\n", 1, "no line of"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_dump_is_told_by_its_line(name: str, tmp_path: Path) -> None:
    data, line, reason = BAD[name]
    with pytest.raises(BadInput, match=re.escape(reason)) as caught:
        read(tmp_path, data)
    before = DOM0.count(b"\n") - 1 if line and data.startswith(DOM0) else 0
    assert (caught.value.source, caught.value.line) == (tmp_path / "dump", line and line + before)
    assert str(caught.value).startswith(f"{tmp_path / 'dump'}: ")
    assert str(caught.value).isprintable()


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="none: No such file or directory"):
        read_dump(tmp_path / "none")
    with pytest.raises(BadInput, match="Is a directory"):
        read_dump(tmp_path)
    with pytest.raises(BadInput, match=r"no xenstore\.txt here"):
        host.snapshots(tmp_path)


NAMES = ["xen-4.17/324-xenstore-device-removed/after", "xen-4.17/100-cd-eject/before", "lab/rename/before"]
LINES = [
    line
    for name in NAMES
    for line in snapshots()[name]["xenstore.txt"].splitlines(keepends=True)
    if b"/libxl/" in line or b"backend" in line or b"/local/domain/1" in line or b"/vm" in line
] + [f"{line}\n".encode() for line in healthy().lines()]


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    """Lines of dumps, some with another value or a piece of another path."""
    chosen = draw(st.lists(st.sampled_from(LINES), min_size=1, max_size=30, unique_by=lambda x: x.partition(b" = ")[0]))
    for _ in range(draw(st.integers(0, 4))):
        n = draw(st.integers(0, len(chosen) - 1))
        path, _, rest = chosen[n].partition(b" = ")
        value = draw(st.sampled_from([b"", b"0", b"-1", b"9" * 30, b"\xc2\xb2", b"/vm/", b"/", b"\\xff", b"aio:"]))
        parts = path.split(b"/")
        at = draw(st.integers(0, len(parts) - 1))
        part = draw(st.sampled_from([b"0", b"99999", b"x", b"9" * 40, b"-", b"@", b"device", b"51712", b"7", b"1"]))
        how = draw(st.sampled_from(["value", "path", "cut"]))
        changed = {
            "value": path + b' = "' + value + b'"   ' + rest.rpartition(b" ")[2],
            "path": b"/".join([*parts[:at], part, *parts[at + 1 :]]) + b" = " + rest,
            "cut": chosen[n][: draw(st.integers(0, len(chosen[n])))] + b"\n",
        }[how]
        chosen[n] = changed
    return with_parents(b"".join(chosen))


def with_parents(lines: bytes) -> bytes:
    """The lines, and those of the nodes above, so that the dump is whole."""
    there = {line.partition(b" = ")[0] for line in lines.splitlines()}
    above = {b"/local/domain/0"}
    for path in there | above:
        parts = path.split(b"/")
        above |= {b"/".join(parts[:n]) for n in range(2, len(parts))} if path.startswith(b"/") else set()
    return b"".join(path + b' = ""   (n0)\n' for path in sorted(above - there)) + lines


@settings(max_examples=150, deadline=None)
@given(mangled())
def test_no_dump_is_too_much_for_the_audit(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.getbasetemp() / "mangled"
    if not folder.exists():
        healthy().write(folder)
    (folder / "xenstore.txt").write_bytes(data)
    try:
        result = audit(host.snapshot(folder))
    except BadInput:
        return
    for written in (as_json([result]), as_junit([result]), as_sarif([result])):
        written.encode("utf-8")


def filtered(folder: Path, keep: Callable[[str], bool]) -> Path:
    """A healthy host whose dump went through a filter."""
    healthy().write(folder)
    dump = folder / "xenstore.txt"
    lines = dump.read_text(encoding="utf-8").splitlines(keepends=True)
    dump.write_text("".join(line for line in lines if keep(line)), encoding="utf-8")
    return folder


FILTERS: dict[str, Callable[[str], bool]] = {
    "grep /7": lambda line: "/7" in line,
    "grep -v memory": lambda line: "/memory" not in line,
    "grep -v name": lambda line: not line.partition(" = ")[0].endswith("/name"),
    "grep -v /vm": lambda line: "/vm" not in line,
    "grep -v ^/vm": lambda line: not line.startswith("/vm"),
    "grep -v backend": lambda line: "/backend" not in line,
    "grep -v '= \"\"'": lambda line: ' = ""' not in line,
    "below /local/domain": lambda line: line.startswith("/local/domain/"),
    "only libxl": lambda line: line.startswith("/libxl"),
    "only leaves": lambda line: line.count("/") > 3,
}


@pytest.mark.parametrize("name", FILTERS)
def test_a_filtered_dump_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="all that `xenstore-ls -f -p` prints"):
        host.snapshot(filtered(tmp_path, FILTERS[name]))


def test_where_no_device_has_a_frontend_a_filter_took_them(tmp_path: Path) -> None:
    """A guest can remove its own, and is told so as long as there is another guest's."""
    result = audit(host.snapshot(filtered(tmp_path, lambda line: not re.match("/local/domain/[0-9]+/device", line))))
    assert result.findings == []
    assert any(text.startswith("the frontends (device_has_frontend): the dump has none") for text in result.unseen)


def test_a_sorted_or_converted_dump_is_whole(tmp_path: Path) -> None:
    folder = healthy().write(tmp_path)
    dump = folder / "xenstore.txt"
    lines = dump.read_text(encoding="utf-8").splitlines()
    for changed in (sorted(lines), lines[::-1], [f"{line}\r" for line in lines], sorted(lines, key=len, reverse=True)):
        dump.write_text("\n".join(changed) + "\n", encoding="utf-8", newline="")
        assert audit(host.snapshot(folder)).findings == []


def test_two_dumps_in_one_file_are_refused(tmp_path: Path) -> None:
    folder = healthy().write(tmp_path)
    dump = folder / "xenstore.txt"
    dump.write_bytes(dump.read_bytes() * 2)
    with pytest.raises(BadInput, match="/libxl stands here a second time"):
        host.snapshot(folder)


def test_a_dump_that_a_guest_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="/libxl could not be read: run xenstore-ls again, as root in dom0"):
        read(tmp_path, DOM0 + b"/libxl:\n")
    folder = healthy().write(tmp_path / "some")
    with (folder / "xenstore.txt").open("a", encoding="utf-8") as file:
        file.write("/local/domain/7/data:\n")
    assert "1 nodes that xenstore-ls could not read" in audit(host.snapshot(folder)).unseen[0]


def test_a_dump_cut_anywhere_is_read_or_refused(tmp_path: Path) -> None:
    folder = unpack("lab/rename/before", tmp_path)
    data = (folder / "xenstore.txt").read_bytes()
    refused = 0
    for end in range(0, len(data), 7):
        (folder / "xenstore.txt").write_bytes(data[:end])
        try:
            audit(host.snapshot(folder))
        except BadInput:
            refused += 1
    assert refused > len(data) // 7 // 2
