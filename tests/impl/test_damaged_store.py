"""A host whose `xenstore.sqlite` is damaged, missing or another's: a clear refusal, and no file is changed."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import Result
from damage import CERTAIN, ENDS, LOGS, RANDOM, TWO_DOMAINS, killed, random_of
from domain_host import CREATE, OTHER, UUID, Host

from confsync.impl.xenstore.sqlite import FILE

pytestmark = pytest.mark.slow

READING = (["list"], ["list", "--format=json"], ["xenstore"], ["retrieve", "vm1"])
WRITING = (["sweep"], ["attach", "vm1", "nic"], ["create", "--name=z"], ["destroy", "vm1"])
SEEDS = 14
LOG_SEEDS = 6


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Host:
    """A host with two domains, one that has ended, and all that the commands say of it."""
    host = Host(tmp_path_factory.mktemp("whole"))
    for line in (f"create --name=vm2 --uuid={OTHER}", "destroy vm2", *TWO_DOMAINS):
        host.ok(*line.split())
    return host


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Host:
    """The same, all of it in the log that a killed process has left."""
    host = Host(tmp_path_factory.mktemp("left"))
    killed(host, *TWO_DOMAINS)
    assert (host.folder / f"{FILE}-wal").stat().st_size > (host.folder / FILE).stat().st_size
    return host


def copy_of(host: Host, folder: Path) -> Host:
    shutil.copytree(host.folder.parent, folder / "copy")
    return Host(folder / "copy")


def assert_clear(host: Host, result: Result) -> None:
    """One line that says what, where, and the way out."""
    assert result.exit_code in (1, 2)
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.rstrip("\n").isprintable()
    assert result.stderr.startswith(("ERROR_FAIL: ", "ERROR_INVAL: ", "ERROR_LOCK_FAIL: "))
    assert str(host.folder) in result.stderr
    assert any(way in result.stderr for way in ("put back a copy", "find out who made it", "name another folder"))


def answers(host: Host) -> list[str]:
    return [host.run(*command).stdout for command in READING]


def assert_refused(host: Host, commands: Sequence[list[str]] = (*READING, *WRITING)) -> None:
    """Every command is, and every file is as it was."""
    before = host.files()
    for command in commands:
        assert_clear(host, host.run(*command))
        assert host.files() == before, command


def is_refused(host: Host) -> bool:
    """True if a reading command is refused; none changes anything, and each says why in clear words."""
    before = host.files()
    results = [host.run(*command) for command in READING]
    assert host.files() == before
    for result in results:
        if result.exit_code:
            assert_clear(host, result)
    return any(result.exit_code for result in results)


@pytest.mark.parametrize("kind", RANDOM)
def test_random_damage_is_refused_or_has_no_effect(whole: Host, tmp_path: Path, kind: str) -> None:
    expected, refused = answers(whole), 0
    for seed in range(SEEDS):
        host = copy_of(whole, tmp_path / str(seed))
        RANDOM[kind](host.folder / FILE, random_of(kind, seed))
        if is_refused(host):
            assert_refused(host, WRITING)
            refused += 1
        else:
            assert answers(host) == expected, (kind, seed)
    assert refused > SEEDS // 8, "the damage is none"


@pytest.mark.parametrize("kind", CERTAIN)
def test_what_is_not_this_host_s_record_is_refused(whole: Host, tmp_path: Path, kind: str) -> None:
    host = copy_of(whole, tmp_path)
    CERTAIN[kind](host.folder / FILE, random_of(kind, 0))
    assert_refused(host)


@pytest.mark.parametrize("kind", LOGS)
def test_a_damaged_log_is_refused_or_ends_where_it_is_damaged(left: Host, tmp_path: Path, kind: str) -> None:
    templates = {name for name in left.files() if "libxl-json" in name}
    for seed in range(LOG_SEEDS if kind in ENDS else 1):
        host = copy_of(left, tmp_path / str(seed))
        LOGS[kind](host.folder / FILE, random_of(kind, seed))
        if is_refused(host):
            before = host.files()
            for command in (["sweep"], ["create", "--name=z"]):
                host.run(*command)
            assert {name: host.files()[name] for name in templates} == {name: before[name] for name in templates}
        else:
            assert kind in ENDS
            host.run("sweep")
            assert {name: host.files()[name] for name in templates} == {name: left.files()[name] for name in templates}


def test_what_a_killed_process_has_left_is_read_whole(left: Host, tmp_path: Path) -> None:
    expected = answers(left)
    for name in (f"{FILE}-shm",):
        host = copy_of(left, tmp_path)
        (host.folder / name).unlink()
        assert answers(host) == expected
    host.ok("attach", "vm2", "nic")
    assert (answers(host)[0], answers(host)[3]) == (expected[0], expected[3])
    assert not (host.folder / f"{FILE}-wal").exists(), "SQLite has put the log into the database"


@pytest.mark.quick
@pytest.mark.parametrize("damage", ["gone", "empty"])
def test_templates_without_a_record_are_no_new_host(whole: Host, tmp_path: Path, damage: str) -> None:
    host = copy_of(whole, tmp_path)
    CERTAIN[damage](host.folder / FILE, random_of(damage, 0))
    for command in (["list"], ["sweep"], ["create", "--name=z"]):
        host.refused(1, f"the state folder has templates (2) but no {FILE} that belongs to them", *command)


def test_the_way_out_leads_out(whole: Host, tmp_path: Path) -> None:
    host = copy_of(whole, tmp_path)
    before = [host.disks("vm1"), host.disks("vm2")]
    (host.folder / FILE).unlink()
    said = host.run("list").stderr
    assert f"from its template in {host.templates}" in said
    assert "`confsync domain --state OTHER create --json TEMPLATE`" in said
    other = Host(tmp_path / "other")
    for template in host.templates.iterdir():
        other.ok("create", "--json", template)
    assert [other.disks("vm1"), other.disks("vm2")] == before
    (host.folder / FILE).write_bytes((whole.folder / FILE).read_bytes())
    (host.folder / FILE).chmod(0o600)
    assert answers(host) == answers(whole)


# The first creation


@pytest.mark.parametrize("left_behind", ["nothing", "a folder", "an empty file", "a page"])
def test_a_first_creation_that_was_killed_is_made_again(tmp_path: Path, left_behind: str) -> None:
    host = Host(tmp_path)
    if left_behind != "nothing":
        host.templates.mkdir(parents=True, mode=0o700)
        host.folder.chmod(0o700)
    if left_behind in ("an empty file", "a page"):
        (host.folder / FILE).touch(mode=0o600)
    if left_behind == "a page":
        _begin(host.folder / FILE)
    for command in (["list"], ["sweep"], ["retrieve", "vm1"]):
        host.refused(2, " create --name vm1` makes one", *command)
    assert host.ok(*CREATE) == f"created domain 1, {UUID}\n"
    assert host.disks() == {"xvda", "hdc"}


def _begin(path: Path) -> None:
    """What SQLite has written before the tables are made."""
    import sqlite3  # noqa: PLC0415

    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode = WAL")
    database.close()
    assert path.stat().st_size == 4096


# What stands among the templates


def _make_folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def _make_pipe(path: Path) -> None:
    import os  # noqa: PLC0415

    path.unlink(missing_ok=True)
    os.mkfifo(path, 0o600)


def _make_link(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to("/etc/hostname")


@pytest.mark.parametrize("make", [_make_folder, _make_pipe, _make_link])
@pytest.mark.parametrize("letter", ["d", "l"])
def test_a_template_or_a_lock_that_is_no_file(whole: Host, tmp_path: Path, make: object, letter: str) -> None:
    host, kind = copy_of(whole, tmp_path), {"d": "libxl-json", "l": "domain-userdata-lock"}[letter]
    path = host.templates / f"userdata-{letter}.1.{UUID}.{kind}"
    assert callable(make)
    make(path)
    names = sorted(p.name for p in host.templates.iterdir())
    for command in (["retrieve", "vm1"], ["attach", "vm1", "nic"]):
        result = host.run(*command)
        assert_clear(host, result)
        assert path.name in result.stderr
        assert sorted(p.name for p in host.templates.iterdir()) == names
    assert host.ok("list") == whole.ok("list")
    assert host.ok("retrieve", "vm2") == whole.ok("retrieve", "vm2")
    host.ok("create", "--name=z")


def test_a_template_with_random_damage(whole: Host, tmp_path: Path) -> None:
    host = copy_of(whole, tmp_path)
    path = host.templates / f"userdata-d.1.{UUID}.libxl-json"
    text = path.read_bytes()
    for seed in range(SEEDS):
        damaged, random = bytearray(text), random_of("template", seed)
        for _ in range(random.randrange(1, 4)):
            damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
        path.write_bytes(damaged)
        result = host.run("retrieve", "vm1")
        assert result.exit_code in (0, 1)
        if result.exit_code:
            assert result.stderr.startswith("ERROR_FAIL: the template of domain 1")
            assert result.stderr.count("\n") == 1
        assert path.read_bytes() == damaged
    assert host.ok("list") == whole.ok("list")
