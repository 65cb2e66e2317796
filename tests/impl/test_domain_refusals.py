"""`confsync domain`: what is refused, with which exit code and words; state folders and files of all sorts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from domain_host import CREATE, OTHER, UUID, Host

pytestmark = pytest.mark.slow


@pytest.fixture
def empty(tmp_path: Path) -> Host:
    """A host that is not made yet."""
    return Host(tmp_path)


@pytest.fixture
def host(empty: Host) -> Host:
    """A host with one domain."""
    assert empty.ok(*CREATE) == f"created domain 1, {UUID}\n"
    return empty


# What is refused


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["attach", "vm1", "disk", "/b.img,raw,xvda,rw"], 1, "ERROR_DEVICE_EXISTS: domain 1"),
        (["attach", "vm1", "disk", "/b.img"], 2, "ERROR_INVAL: disk `/b.img`: it has no vdev"),
        (["attach", "vm1", "disk", "/b.img,raw,vda"], 2, "'vda' is no disk's name"),
        (["attach", "vm1", "floppy", "x"], 2, "ERROR_INVAL: `floppy` is no kind of device"),
        (["attach", "vm1", "nic", "backend=nobody"], 2, "there is no domain 'nobody' to be the backend"),
        (["attach", "vm9", "disk", "/b.img,raw,xvdb"], 1, "ERROR_DOMAIN_NOTFOUND: there is no domain `vm9`"),
        (["attach", "vm1"], 2, "Missing argument 'KIND'"),
        (["detach", "vm1", "disk", "xvdz"], 1, "ERROR_NOTFOUND: domain 1"),
        (["detach", "vm1", "disk", "zz"], 2, "'zz' is no disk's name"),
        (["detach", "vm1", "nic", "x"], 2, "devid is `x`"),
        (["retrieve", "7"], 1, "there is no domain `7`"),
        (["retrieve", ""], 1, "there is no domain ``"),
        (["retrieve", OTHER], 1, "ERROR_DOMAIN_NOTFOUND"),
        (["create", "--name=vm1"], 2, "domain 1 has the name 'vm1' already"),
        (["create", "--name=b", f"--uuid={UUID}"], 1, "ERROR_FAIL: there is a domain with the uuid"),
        (["create", "--name=b", "--uuid=x"], 2, "'x' is no uuid"),
        (["create", "--name=a/b"], 2, "'a/b' is no name"),
        (["create"], 2, "the domain needs a name"),
        (["create", "--name=b", "--vcpus=0"], 2, "0 is not in the range"),
        (["create", "--name=b", "--memory=x"], 2, "`x` is no amount of memory"),
        (["create", "--name=b", "--disk=/a,raw,xvda", "--disk=/b,raw,xvda"], 2, "xvda"),
        (["create", "--name=\udcff"], 2, "is not UTF-8"),
        (["frobnicate"], 2, "there is no command `frobnicate`"),
        (["--delay=-1", "list"], 2, "-1.0 is not in the range"),
        (["sched-credit", "vm1", "--weight=0"], 2, "0 is not in the range"),
        (["restore", "/nowhere"], 2, "/nowhere: No such file or directory"),
    ],
    ids=lambda v: " ".join(v).encode("ascii", "replace").decode() if isinstance(v, list) else "",
)  # fmt: skip
def test_what_is_refused_is_said_and_changes_nothing(host: Host, arguments: list[str], code: int, said: str) -> None:
    before = host.ok("xenstore"), host.retrieve().value
    host.refused(code, said, *arguments)
    assert (host.ok("xenstore"), host.retrieve().value) == before
    assert [p.name for p in host.templates.iterdir()] == [f"userdata-d.1.{UUID}.libxl-json"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b'{"c_info": {"name"', "the text ends too early"),
        (b"\xff", "UTF-8"),
        (b"[]", ""),
        (b"[" * 100_000, "nested"),
        (b'{"c_info": {"name": "\\udcff"}}', "half of a surrogate pair"),
        (b'{"c_info": {"name": "b"}, "b_info": {"max_memkb": 1e400}}', ""),
        (b'{"c_info": {"name": "b"}, "disks": {}}', "disks"),
        (b'{"c_info": {"name": "b"}, "disks": [{"vdev": "xvda"}, {"vdev": "xvda"}]}', "xvda"),
        (b'{"b_info": {}}', "the domain needs a name"),
        (b" " * ((16 << 20) + 1), "larger than 16777216 bytes"),
    ],
    ids=lambda v: ascii(v)[:40],
)
def test_json_files_that_are_none(empty: Host, tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    empty.refused(2, said, "create", "--json", path)
    assert not empty.folder.exists()
    if b"b_info" not in content:
        empty.refused(2, str(path), "restore", path)


def test_files_that_cannot_be_read(empty: Host, tmp_path: Path) -> None:
    for option in ([], ["--json"]):
        empty.refused(2, "No such file or directory", "create", *option, tmp_path / "none")
        empty.refused(2, "is a directory", "create", *option, tmp_path)
        empty.refused(2, "larger than", "create", *option, "/dev/zero")
    (tmp_path / "a.cfg").write_bytes(b"name = 'a\xff'\n")
    empty.refused(2, "a.cfg: byte 9: it is not UTF-8", "create", tmp_path / "a.cfg")
    empty.refused(2, "not both", "create", tmp_path / "a.cfg", "--json", tmp_path / "a.cfg")


# The state folder


def test_a_host_that_is_not_made(empty: Host) -> None:
    create = f"confsync domain --state {empty.folder} create --name vm1"
    empty.refused(2, f"there is no host here: `{create}` makes one", "list")
    assert not empty.folder.exists()


def test_a_folder_of_something_else_is_no_host(empty: Host) -> None:
    empty.folder.mkdir()
    empty.refused(2, "there is no host here", "retrieve", "vm1")
    assert list(empty.folder.iterdir()) == []


def test_a_state_folder_that_is_a_file(empty: Host) -> None:
    empty.folder.touch()
    empty.refused(2, "is a file", "list")


def test_a_state_folder_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    below = Host(tmp_path / "f")
    below.refused(1, "Not a directory", *CREATE)


def test_a_state_folder_that_others_can_write(host: Host) -> None:
    for folder in (host.folder, host.templates):
        folder.chmod(0o777)
        host.refused(1, f"ERROR_FAIL: {folder}: others may write to it (mode 0777)", "list")
        folder.chmod(0o700)
    (host.folder / "xenstore.sqlite").chmod(0o644)
    host.refused(1, "ERROR_FAIL: ", "list")


def test_a_symbolic_link_leads_to_the_state_folder_and_is_not_followed_in_it(host: Host, tmp_path: Path) -> None:
    linked = Host(tmp_path / "linked")
    linked.folder.parent.mkdir()
    linked.folder.symlink_to(host.folder)
    assert linked.disks() == {"xvda", "hdc"}
    for path in (host.templates / f"userdata-d.1.{UUID}.libxl-json", host.folder / "xenstore.sqlite"):
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
        host.refused(1, str(path), "retrieve", "vm1")
        path.unlink()
        (tmp_path / "elsewhere").rename(path)


def spoil_version(path: Path) -> None:
    import sqlite3  # noqa: PLC0415

    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda p: p.write_bytes(b"x" * 5000), "it is damaged: it is no SQLite database"),
        (lambda p: p.write_bytes(p.read_bytes()[:8192]), "it is damaged"),
        (lambda p: p.write_bytes(p.read_bytes()[:4096] + b"\xa5" * (len(p.read_bytes()) - 4096)), "it is damaged"),
        (spoil_version, "is of version 99"),
        (lambda p: (p.unlink(), p.mkdir()), "it is no regular file"),
    ],
    ids=["other", "cut", "overwritten", "version", "folder"],
)
def test_a_database_that_is_none(host: Host, spoil: Callable[[Path], object], said: str) -> None:
    path = host.folder / "xenstore.sqlite"
    spoil(path)
    template = host.templates / f"userdata-d.1.{UUID}.libxl-json"
    before = template.read_bytes()
    for command in (["retrieve", "vm1"], ["list"], ["create", "--name=b"]):
        result = host.run(*command)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("ERROR_FAIL: ")
        assert "xenstore.sqlite" in result.stderr
        assert said in result.stderr
    assert template.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "error"),
    [(b'{"c_info', "ERROR_FAIL: the template of domain 1"), (b"", "ERROR_FAIL: the template of domain 1"),
     (None, "ERROR_JSON_CONFIG_EMPTY")],
    ids=["cut", "empty", "gone"],
)  # fmt: skip
def test_a_template_that_cannot_be_read(host: Host, content: bytes | None, error: str) -> None:
    path = host.templates / f"userdata-d.1.{UUID}.libxl-json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)
    for command in (["retrieve", "vm1"], ["attach", "vm1", "disk", "/b,raw,xvdb"]):
        host.refused(1, error, *command)
    assert (path.read_bytes() if path.exists() else None) == content
    host.ok("destroy", "vm1")
