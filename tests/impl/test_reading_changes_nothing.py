"""Commands that only read: no file of the host changes, and they work where nothing can be written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner
from damage import TWO_DOMAINS, killed
from domain_host import CREATE, OTHER, UUID, Host
from places import ROOT
from processes import LONG

from confsync.front_door import main
from confsync.impl.xenstore.sqlite import FILE

pytestmark = pytest.mark.slow

READING = (["list"], ["list", "--format=json"], ["xenstore"], ["retrieve", "vm1"], ["retrieve", "vm2"])
LOCK = f"userdata-l.1.{UUID}.domain-userdata-lock"
Seen = dict[str, tuple[int, ...]]


def two_domains(folder: Path) -> Host:
    host = Host(folder)
    for line in TWO_DOMAINS:
        host.ok(*line.split())
    return host


def two_domains_of_a_killed_process(folder: Path) -> Host:
    """All that was done is in SQLite's log, and a lock file was left."""
    host = Host(folder)
    killed(host, *TWO_DOMAINS)
    (host.templates / LOCK).touch(mode=0o600)
    return host


def seen(host: Host) -> Seen:
    """All of every file and folder but when it was last read."""
    found: Seen = {}
    for path in (host.folder, *host.folder.rglob("*")):
        status = path.lstat()
        what = (status.st_ino, status.st_mode, status.st_nlink, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        found[str(path)] = (*what, hash(path.read_bytes()) if path.is_file() else 0)
    return found


def audited(host: Host, dump: Path) -> int:
    arguments = ["audit", f"--xenstore={dump}", f"--userdata={host.templates}"]
    return CliRunner().invoke(main, arguments).exit_code


@pytest.mark.parametrize("make", [two_domains, two_domains_of_a_killed_process])
def test_no_file_of_the_host_changes(tmp_path: Path, make: object) -> None:
    assert callable(make)
    host = make(tmp_path)
    dump = tmp_path / "dump"
    dump.write_text(host.ok("xenstore"))
    before = seen(host)
    for command in READING:
        assert host.ok(*command)
        assert seen(host) == before, command
    assert audited(host, dump) in (0, 1)
    host.refused(1, "there is no domain `no-such`", "retrieve", "no-such")
    assert seen(host) == before


# Every call that could write is refused

_REFUSES = """
import os, sys
from confsync.impl.command.cli import domain

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {"os.mkdir", "os.remove", "os.rename", "os.link", "os.symlink", "os.rmdir", "os.truncate", "os.utime",
           "os.chmod", "os.chown", "shutil.rmtree", "tempfile.mkstemp", "tempfile.mkdtemp"}

def refuses(event, arguments):
    if event in CHANGES or (event == "open" and (arguments[2] or 0) & WRITES):
        raise OSError(30, "Read-only file system")
    if event == "sqlite3.connect" and arguments[0] != ":memory:":
        raise OSError(30, "Read-only file system")

sys.dont_write_bytecode = True
sys.addaudithook(refuses)
domain(sys.argv[1:])
"""


@pytest.mark.parametrize("make", [two_domains, two_domains_of_a_killed_process])
def test_reading_asks_for_nothing_that_writes(tmp_path: Path, make: object) -> None:
    assert callable(make)
    host = make(tmp_path)
    for command in (READING[0], READING[2], READING[3]):
        call = [sys.executable, "-c", _REFUSES, "--state", str(host.folder), *command]
        done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=LONG, cwd=ROOT)
        assert (done.returncode, done.stdout, done.stderr) == (0, host.ok(*command), "")
    call = [sys.executable, "-c", _REFUSES, "--state", str(host.folder), "attach", "vm1", "nic"]
    done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=LONG, cwd=ROOT)
    assert done.returncode == 1, "the refusals do not reach what writes"


# A file system that is full, and one that is read-only


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB in memory."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "none", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a file system here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> None:
    with suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        for size in (4096, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))


@pytest.mark.parametrize("make", [two_domains, two_domains_of_a_killed_process])
@pytest.mark.parametrize("way", ["full", "read-only"])
def test_they_work_where_nothing_can_be_written(small: Path, tmp_path: Path, make: object, way: str) -> None:
    assert callable(make)
    host = make(small)
    expected = [host.ok(*command) for command in READING]
    dump = tmp_path / "dump"
    dump.write_text(host.ok("xenstore"))
    if way == "full":
        fill(small)
    else:
        subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    before = seen(host)
    assert [host.ok(*command) for command in READING] == expected
    assert audited(host, dump) in (0, 1)
    assert seen(host) == before
    files = {name: text for name, text in host.files().items() if name.startswith("templates/")}
    for command in (["attach", "vm1", "nic"], ["create", "--name=z"], ["sweep"], ["destroy", "vm2"]):
        result = host.run(*command)
        assert result.exit_code in (0, 1)
        if way == "read-only" and command != ["sweep"]:  # which has nothing to do
            assert result.exit_code == 1
        if result.exit_code:
            assert re.fullmatch(r"ERROR_.*(free some space|disk is full|writable).*\n(  .*\n)*", result.stderr)
        assert [text for name, text in host.files().items() if name.startswith("templates/userdata-d.1")] == [
            text for name, text in files.items() if name.startswith("templates/userdata-d.1")
        ]
    if way == "read-only":
        assert seen(host) == before


def test_a_folder_that_was_never_a_host_is_not_made_one_by_reading(tmp_path: Path) -> None:
    host = Host(tmp_path)
    for command in READING:
        host.refused(2, "there is no host here", *command)
    assert not host.folder.exists()


def test_what_reads_sees_what_another_process_has_not_put_into_the_database_yet(tmp_path: Path) -> None:
    from confsync.impl.embedded.folder import open_folder  # noqa: PLC0415

    host = Host(tmp_path)
    host.ok(*CREATE)
    call = [sys.executable, "-c", _HOLDS_OPEN, str(host.folder)]
    with subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as other:
        assert other.stdout
        assert other.stdout.readline() == "ready\n"
        assert (host.folder / f"{FILE}-wal").stat().st_size
        host.ok("create", "--name=vm2", f"--uuid={OTHER}")
        before = seen(host)
        assert "vm2" in host.ok("list")
        assert "renamed" in host.ok("list")
        assert seen(host) == before
        other.communicate("\n")
    with open_folder(host.folder) as opened:
        assert len(opened.store.tree()) > 3


_HOLDS_OPEN = """
import sys, asyncio
from pathlib import Path
from confsync.impl.command.work import find_domain
from confsync.impl.embedded.folder import open_folder
from confsync.impl.operations.knobs import rename

async def work(t):
    await rename(t, await find_domain(t, "vm1"), "renamed")

with open_folder(Path(sys.argv[1])) as host:
    asyncio.run(work(host.toolstack))
    print("ready", flush=True)
    sys.stdin.readline()
"""
