"""xl's configuration files, as real people write them and as nobody should."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from domain_host import UUID, Host
from hypothesis import given
from hypothesis import strategies as st

from impl.command.xl_config import parse, read_config
from impl.errors import MalformedConfiguration


@pytest.fixture
def empty(tmp_path: Path) -> Host:
    """A host that is not made yet."""
    return Host(tmp_path)


REAL = r"""
# Guest of the web team; -*- Python -*-
name = "web-1"   # its name
uuid = '02c1497c-0060-444c-9188-579296d5d4d0'
type='pvh';  vcpus = 2 ; maxvcpus = "4"
memory = 0x200
maxmem =1024
kernel = "/boot/vmlinuz-6.1 \"test\""
cmdline = 'root=/dev/xvda ro'
cmdline += " quiet"
disk = [
    'phy:/dev/vg/web,xvda,w',      # the root
    "format=qcow2, vdev=xvdb, access=ro, target=/srv/a,b.qcow2",

    ',,hdc,cdrom', ]
disk += [ '/d.img,raw,xvdd,rw' ]
vif = [ 'mac=00:16:3e:01:02:03,bridge=xenbr0', \
        '' ]
on_crash = 'rename-restart'
vnc = 1
serial = [ 'pty' ]
cpu_weight = 512
"""


def test_a_file_as_real_people_write_them(empty: Host, tmp_path: Path) -> None:
    path = tmp_path / "web.cfg"
    path.write_text(REAL)
    result = empty.run("create", path)
    assert (result.exit_code, result.stdout) == (0, f"created domain 1, {UUID}\n")
    assert result.stderr == f"{path}: not kept here, and ignored: vnc, serial\n"
    found = empty.retrieve("web-1").value
    assert found["c_info"] == {"type": "pvh", "name": "web-1", "uuid": UUID}
    assert found["b_info"] == {
        "target_memkb": 512 << 10, "max_memkb": 1 << 20, "max_vcpus": 4, "avail_vcpus": [0, 1],
        "kernel": '/boot/vmlinuz-6.1 "test"', "cmdline": "root=/dev/xvda ro quiet",
        "sched_params": {"weight": 512, "cap": 0},
    }  # fmt: skip
    assert found["disks"] == [
        {"pdev_path": "/dev/vg/web", "vdev": "xvda", "format": "raw", "readwrite": 1},
        {"pdev_path": "/srv/a,b.qcow2", "vdev": "xvdb", "format": "qcow2"},
        {"pdev_path": "", "vdev": "hdc", "format": "empty", "removable": 1, "is_cdrom": 1},
        {"pdev_path": "/d.img", "vdev": "xvdd", "format": "raw", "readwrite": 1},
    ]
    nics = found["nics"]
    assert isinstance(nics, list)
    assert nics[0] == {"mac": "00:16:3e:01:02:03", "bridge": "xenbr0", "devid": 0, "nictype": "vif"}
    assert [nic["devid"] for nic in nics if isinstance(nic, dict)] == [0, 1]
    assert found["on_crash"] == "rename_restart"


def test_options_beside_a_file(empty: Host, tmp_path: Path) -> None:
    path = tmp_path / "web.cfg"
    path.write_text("name='a'\nmemory=64\ndisk=['/a,raw,xvda']\n")
    empty.ok("create", path, "--name=b", "--memory=256m", "--disk=/b,raw,xvdb")
    found = empty.retrieve("b")
    assert (found.target_memkb, found.max_memkb) == (256 << 10, 256 << 10)
    assert empty.disks("b") == {"xvda", "xvdb"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = 'a\nmemory = 64\n", "line 1: \"'\" cannot stand here"),
        ("\n\nname 'a'", "line 3: "),
        ("name = ", "the end of the file"),
        ("name = a", "'a' stands where a value"),
        ("name = 'a' 'b'", "stands where the line must end"),
        ("name = 'a'\ndisk = [ 'x' 'y' ]", "line 2: "),
        ("name = 'a'\ndisk = [ 'x',", "line 2: "),
        ("name = 'a'\ndisk = 'x'", "`disk` must be a list"),
        ("name = 'a'\ndisk = [ '/x' ]", "it has no vdev"),
        ("name = 'a'\nmemory = 'lots'", "`memory` must be a whole number"),
        ("name = 'a'\nmemory = 12z", "'12z' is no number"),
        (f"name = 'a'\nmemory = {'9' * 5000}", "is no number"),
        (f"name = 'a'\nmemory = '{'9' * 5000}'", "`memory` must be a whole number"),
        ("name = 'a'\nmemory = -1", "cannot stand here"),
        ("name = 'a'\nmaxmem = 10", "the limit"),
        ("name = 'a'\nvcpus = 4\nmaxvcpus = 2", "4 vcpus of 2"),
        ("name = 'a'\nvcpus = 1000000000", "there must be 1 to 512"),
        ("name = 'a'\ntype = 'xyz'", "`type` is 'xyz'"),
        ("name = 5", "`name` must be a text in quotes"),
        ("name = [ 'a' ]", "`name` must be a text in quotes"),
        ("name = 'a\\0'", "is no ASCII character"),
        ("name = 'a\\xff'", "is no ASCII character"),
        ("name = 'a\\q'", "there is no escape '\\\\q'"),
        ("name = 'a'\nname += [ 'b' ]", "line 2: `name` cannot be added to"),
        ("import os", "line 1: "),
        ("name = 'a'\x00", "cannot stand here"),
        ("", "the domain needs a name"),
    ],
)  # fmt: skip
def test_files_that_are_no_configuration(empty: Host, tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a.cfg"
    path.write_text(text)
    empty.refused(2, said, "create", path)


def test_escapes_in_both_quotes() -> None:
    text = r"""a = 'it\'s \x41\102\t\\'; b = "it's \"\a\b\f\n\r\v\"" """
    assert parse(text, "a.cfg") == {"a": "it's AB\t\\", "b": 'it\'s "\a\b\f\n\r\v"'}


def test_the_last_of_two_values_counts() -> None:
    assert parse("a = 1\na = [ 'x' ]\na += [ 'y', ]\nb += 'z'", "a.cfg") == {"a": ["x", "y"], "b": "z"}


WORDS = ["name", "memory", "vcpus", "disk", "vif", "=", "+=", "[", "]", ",", ";", "\n", "'/a,raw,xvda'", '"b"', "'\\x'"]
MORE = [" ", "\\", "'", '"', "#", "0", "12", "0x1g", "é"]


@given(st.lists(st.sampled_from([*WORDS, *MORE]), max_size=14).map(" ".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(MalformedConfiguration):
        read_config(text, "a.cfg")
