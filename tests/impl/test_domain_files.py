"""xl's configuration files, as real people write them and as nobody should."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from domain_host import UUID, Host
from hypothesis import given
from hypothesis import strategies as st

from confsync.impl.command.xl_config import read_config
from confsync.impl.command.xl_syntax import MOST_NESTED, Value, parse
from confsync.impl.errors import MalformedConfiguration

pytestmark = pytest.mark.slow


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
vif = [ 'mac=00:16:3e:01:02:03,bridge=xenbr0',
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
    assert found["on_crash"] == "restart_rename"


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
        ("name = a", "`a` stands where a value"),
        ("name = 'a' 'b'", "stands where the line must end"),
        ("name = 'a'\ndisk = [ 'x' 'y' ]", "line 2: "),
        ("name = 'a'\ndisk = [ 'x',", "line 2: "),
        ("name = 'a'\ndisk = 'x'", "line 2: `disk`: it must be a list"),
        ("name = 'a'\ndisk = [ '/x' ]", "it has no vdev"),
        ("name = 'a'\nmemory = 'lots'", "line 2: `memory`: it is `lots`, and must be a whole number"),
        ("name = 'a'\nmemory = 12z", "line 2: `z` stands where the line must end"),
        (f"name = 'a'\nmemory = {'9' * 5000}", "`memory`: it is `9999"),
        (f"name = 'a'\nmemory = '{'9' * 5000}'", "(5,000 characters)`, and must be a whole number"),
        ("name = 'a'\nmemory = -1", "cannot stand here"),
        ("name = 'a'\nmaxmem = 10", "the limit"),
        ("name = 'a'\nvcpus = 4\nmaxvcpus = 2", "4 vcpus of 2"),
        ("name = 'a'\nvcpus = 1000000000", "`vcpus`: it is `1000000000`, and must be a whole number from 1 to 512"),
        ("name = 'a'\ntype = 'xyz'", "`type`: `xyz` is no value here: there are pv, hvm, pvh"),
        ("name = [ 'a' ]", "line 1: `name`: it must be one value, and is a list"),
        ("name = 'a\\0'", "xl can read no number for a character"),
        ("name = 'a\\xff'", "xl can read no number for a character"),
        ("name = 'a\\q'", "there is no such escape"),
        ("name = 'a'\nname += [ 'b' ]", "line 2: `name` cannot be added to"),
        ("import os", "line 1: "),
        ("name = 'a' # no end", "line 1: a comment must end with a line feed"),
        ("Name = 'a'", "line 1: 'N' cannot stand here"),
        ("name = 'a'\r\n", "line 1: a carriage return"),
        ("vif = [ '', \\\n'' ]", "line 1: a backslash: a list goes on in the next line without one"),
        ("name = 'a'\nvif = [ , '' ]", "line 2: `,` stands where a value"),
        ("name = 'a'\nvif = [ [ 'bridge=a' ] ]", "line 2: `vif`: [0] must be a text, and is a list"),
        ("name = 'a'\nvif = [ '', 'bridge' ]", "line 2: `vif`: [1]: nic `bridge`: word 1, `bridge`, is not"),
        ("name = 'a'\nmemory = 32\nmemory += 3", "line 3: `memory`: a number cannot be added to"),
        ("name = 'a'\nmaxmem = 64\nmemory = 65", "line 3: `memory`: `memory` is 65 MiB: from 1 to the limit"),
        ("name = 'a'\nbuilder = 'hvm'\ntype = 'pv'", "line 2: `builder`: it contradicts type = 'pv'"),
        ("name = 'a'\nbuilder = 'linux'", "`linux` is no value here: there are hvm, generic"),
        ("name = 'a'\non_crash = 'rename_restart'", "there are destroy, restart, rename-restart"),
        ("name = 'a'\nfirmware = 'pvgrub64'", "only an hvm domain has one here: write kernel"),
        ("name = 'a'\ntimer_mode = 1", "`timer_mode`: a pv domain has none"),
        ("name = 'a'\nacpi = 'yes'", "`acpi`: it is `yes`, and must be a whole number"),
        ("name = 'a'\nuuid = '{02c1497c-0060-444c-9188-579296d5d4d0}'", "is no uuid"),
        ("name = 'a'\x00", "cannot stand here"),
        ("", "the domain needs a name"),
    ],
)  # fmt: skip
def test_files_that_are_no_configuration(empty: Host, tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a.cfg"
    path.write_text(text)
    empty.refused(2, said, "create", path)


def values(text: str) -> dict[str, Value]:
    return {name: setting.value for name, setting in parse(text, "a.cfg").items()}


def test_escapes_in_both_quotes() -> None:
    text = r"""a = 'it\'s \t\\'; b = "it's \"\a\b\f\n\r\v\"" """
    assert values(text) == {"a": "it's \t\\", "b": 'it\'s "\a\b\f\n\r\v"'}


def test_the_last_of_two_values_counts() -> None:
    text = "a = 1\na = [ 'x' ]\na += [ 'y', ]\nb += 'z'"
    assert values(text) == {"a": ["x", "y"], "b": "z"}
    assert {name: (s.line, s.added) for name, s in parse(text, "a.cfg").items()} == {"a": (3, True), "b": (4, True)}


def test_lists_hold_texts_numbers_and_lists() -> None:
    text = "a = [ [ 'x', 5 ],\n\n [ ], 0x1f # comment\n , ]; b.c_d=[]\n#end\n"
    assert values(text) == {"a": [["x", "5"], [], "0x1f"], "b.c_d": []}


def test_lists_are_nested_to_a_limit() -> None:
    assert values(f"a = {'[' * MOST_NESTED}{']' * MOST_NESTED}")
    with pytest.raises(MalformedConfiguration, match=f"more than {MOST_NESTED} lists deep"):
        parse(f"a = {'[' * 100_000}", "a.cfg")


WORDS = [
    "name",
    "memory",
    "vnc",
    "kernel",
    "pci",
    "vsnd",
    "rdm",
    "'strategy=host'",
    "'1:0.0'",
    "vcpus",
    "disk",
    "vif",
    "=",
    "+=",
    "[",
    "]",
    ",",
    ";",
    "\n",
    "'/a,raw,xvda'",
    '"b"',
    "'\\x'",
]
MORE = [" ", "\\", "'", '"', "#", "0", "12", "0x1g", "é"]


@given(st.lists(st.sampled_from([*WORDS, *MORE]), max_size=14).map(" ".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(MalformedConfiguration):
        read_config(text, "a.cfg")
