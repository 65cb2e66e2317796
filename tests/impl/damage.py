"""Ways in which a host's `xenstore.sqlite`, or what stands beside it, can be damaged; each by a random generator."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from zlib import crc32

from domain_host import CREATE, OTHER, Host
from places import ROOT
from processes import LONG

from confsync.impl.xenstore.sqlite import FILE, SqliteStore

PAGE = 4096
Damage = Callable[[Path, Random], None]
"""Damages the file at the path."""

_KILLED = """
import os, signal, sys
from confsync.impl.command.cli import domain
from confsync.impl.xenstore.sqlite import SqliteStore

SqliteStore.close = lambda self: None
for line in sys.argv[2:]:
    domain(["--state", sys.argv[1], *line.split()], standalone_mode=False)
os.kill(os.getpid(), signal.SIGKILL)
"""
TWO_DOMAINS = (" ".join(CREATE), f"create --name=vm2 --uuid={OTHER} --disk=/b,raw,xvda", "attach vm1 nic bridge=x")


def killed(host: Host, *lines: str) -> None:
    """Run commands in a process that is killed in the end: SQLite's log is left, and holds all that was done."""
    call = [sys.executable, "-c", _KILLED, str(host.folder), *lines]
    done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=LONG, cwd=ROOT)
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")


def random_of(kind: str, seed: int) -> Random:
    """A generator that is the same in each run."""
    return Random(crc32(f"{kind} {seed}".encode()))


def _edit(change: Callable[[bytearray, Random], None]) -> Damage:
    def damage(path: Path, random: Random) -> None:
        text = bytearray(path.read_bytes())
        change(text, random)
        path.write_bytes(text)

    return damage


def _flip(text: bytearray, random: Random) -> None:
    text[random.randrange(len(text))] ^= 1 << random.randrange(8)


def _flip_many(text: bytearray, random: Random) -> None:
    for _ in range(random.randrange(2, 60)):
        _flip(text, random)


def _zero_page(text: bytearray, random: Random) -> None:
    start = random.randrange(len(text) // PAGE) * PAGE
    text[start : start + PAGE] = bytes(PAGE)


def _overwrite(text: bytearray, random: Random) -> None:
    start = random.randrange(len(text) - 64)
    text[start : start + 64] = random.randbytes(64)


def _swap_pages(text: bytearray, random: Random) -> None:
    one, two = (n * PAGE for n in random.sample(range(len(text) // PAGE), 2))
    text[one : one + PAGE], text[two : two + PAGE] = text[two : two + PAGE], text[one : one + PAGE]


def _cut(text: bytearray, random: Random) -> None:
    del text[random.randrange(1, len(text)) :]


def _cut_to_pages(text: bytearray, random: Random) -> None:
    del text[random.randrange(1, len(text) // PAGE) * PAGE :]


def _flip_log_header(text: bytearray, random: Random) -> None:
    text[random.randrange(32)] ^= 1 << random.randrange(8)


def _header(text: bytearray, random: Random) -> None:
    text[random.randrange(100)] = random.randrange(256)


def _statement(*statements: str) -> Damage:
    def damage(path: Path, _random: Random) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            for statement in statements:
                database.execute(statement)

    return damage


def _another_program(path: Path, _random: Random) -> None:
    path.unlink()
    _statement("CREATE TABLE bookmarks (url TEXT)", "INSERT INTO bookmarks VALUES ('x')")(path, _random)
    path.chmod(0o600)


def _new_host(path: Path, _random: Random) -> None:
    """What the first `create` of a host makes, before it makes the domain."""
    from confsync.impl.embedded.sqlite import HOST_SCHEMA  # noqa: PLC0415

    path.unlink()
    SqliteStore(path.parent, schema=HOST_SCHEMA).close()


def _other_host(path: Path, _random: Random) -> None:
    other = Host(path.parent / "other")
    other.folder.parent.mkdir()
    other.ok("create", "--name=elsewhere")
    path.write_bytes((other.folder / FILE).read_bytes())


def _only_xenstore(path: Path, _random: Random) -> None:
    path.unlink()
    SqliteStore(path.parent).close()


def _empty(path: Path, _random: Random) -> None:
    path.write_bytes(b"")


def _gone(path: Path, _random: Random) -> None:
    path.unlink()


def _folder(path: Path, _random: Random) -> None:
    path.unlink()
    path.mkdir()


def _pipe(path: Path, _random: Random) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def _link(path: Path, _random: Random) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def _journal(path: Path, random: Random) -> None:
    journal = path.with_name(f"{FILE}-journal")
    journal.write_bytes(random.randbytes(3 * PAGE))
    journal.chmod(0o600)


def _beside(name: str, damage: Damage) -> Damage:
    return lambda path, random: damage(path.with_name(f"{FILE}-{name}"), random)


def _set(table: str, column: str, value: str) -> Damage:
    return _statement(f"UPDATE {table} SET {column} = {value}")


RANDOM: Mapping[str, Damage] = {
    "a bit": _edit(_flip),
    "many bits": _edit(_flip_many),
    "a page of zeros": _edit(_zero_page),
    "64 random bytes": _edit(_overwrite),
    "two pages exchanged": _edit(_swap_pages),
    "cut": _edit(_cut),
    "cut after a page": _edit(_cut_to_pages),
    "a byte of the header": _edit(_header),
}
"""What may hit a byte that nobody reads: refused, or without any effect."""

CERTAIN: Mapping[str, Damage] = {
    "gone": _gone,
    "empty": _empty,
    "a folder": _folder,
    "a pipe": _pipe,
    "a link": _link,
    "another program's": _another_program,
    "a new host's": _new_host,
    "another host's": _other_host,
    "a xenstore's alone": _only_xenstore,
    "no guests": _statement("DROP TABLE guests"),
    "no ended": _statement("DROP TABLE ended"),
    "one table more": _statement("CREATE TABLE more (x)"),
    "a trigger": _statement("CREATE TRIGGER t AFTER UPDATE ON counter BEGIN DELETE FROM guests; END"),
    "an index less": _statement("DROP INDEX nodes_owner"),
    "types that are not checked": _statement(
        "DROP TABLE guests",
        "CREATE TABLE guests (domid, uuid, paused, memory_kb, vcpus, scheduling, checksum)",
        "INSERT INTO guests VALUES ('x', 7, NULL, x'00', 1.5, '{', 'y')",
    ),
    "another version": _statement("PRAGMA user_version = 99"),
    "no version": _statement("PRAGMA user_version = 0"),
    "rows of a guest gone, with the domains' ends": _statement("DELETE FROM guests", "DELETE FROM ended"),
    "another uuid": _set("guests", "uuid", "'66666666-2222-4333-8444-555555555555' || domid"),
    "no JSON": _set("guests", "scheduling", "'{'"),
    "another memory": _set("guests", "memory_kb", "1"),
    "text that is no UTF-8": _set("guests", "scheduling", "CAST(x'ff80' AS TEXT)"),
    "a path that is no UTF-8": _statement(
        "UPDATE nodes SET path = CAST(x'2fff' AS TEXT) WHERE path = '/tool/xenstored'"
    ),
    "another value": _set("nodes", "value", "x'00'"),
    "permissions that are none": _set("nodes", "permissions", "'zz'"),
    "no permissions": _set("nodes", "permissions", "''"),
    "children that are not there": _set("nodes", "children", "'ghost'"),
    "generations that are no numbers": _set("nodes", "ignored", "'x y'"),
    "a node without its parent's word": _statement("DELETE FROM nodes WHERE path = '/libxl/1/device'"),
    "another life that has ended": _statement(
        "INSERT INTO ended (domid, uuid, checksum) VALUES (1, '02c1497c-0060-444c-9188-579296d5d4d0', 1)"
    ),
    "no last change": _statement("DELETE FROM counter"),
    "an earlier last change": _set("counter", "last_generation", "0"),
    "changes that are none": _statement("INSERT INTO changes (path, exact, visible) VALUES ('/', 1, 'zz')"),
    "what is held": _statement("INSERT INTO held VALUES (1, 'x', 'vbd', 'y', 'z', 0)"),
    "another encoding": _edit(lambda text, _: text.__setitem__(slice(56, 60), b"\0\0\0\2")),
    "no log": _edit(lambda text, _: text.__setitem__(slice(18, 20), b"\1\1")),
    "a journal beside it": _journal,
}
"""What is always refused."""

LOGS: Mapping[str, Damage] = {
    "a bit of the log": _beside("wal", _edit(_flip)),
    "many bits of the log": _beside("wal", _edit(_flip_many)),
    "a page of zeros in the log": _beside("wal", _edit(_zero_page)),
    "the log is cut": _beside("wal", _edit(_cut)),
    "the log's header": _beside("wal", _edit(_flip_log_header)),
    "the log is gone": _beside("wal", _gone),
    "the log is a folder": _beside("wal", _folder),
    "the log is a pipe": _beside("wal", _pipe),
    "the database is empty, the log is not": _empty,
    "the database is of zeros": _edit(lambda text, _: text.__setitem__(slice(None), bytes(len(text)))),
    "a journal beside the log": _journal,
}
"""Of a host whose last process was killed. What cuts the end of the log off is what a power cut does."""
ENDS: Sequence[str] = ("a bit of the log", "many bits of the log", "a page of zeros in the log", "the log is cut")
"""Those that may leave an earlier state."""
