"""The templates' store, one call at a time."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest
from template_folder import LOCK, NEXT, ONE, TEMPLATE, TWO, UUID, alive, names, put

from confsync.impl.configuration.text import MOST_BYTES
from confsync.impl.errors import (
    CannotList,
    InvalidArgument,
    LockFailed,
    StoreError,
    TemplateMissing,
    ToolstackError,
)
from confsync.impl.kinds import MOST_DOMID
from confsync.impl.ports import Domain
from confsync.impl.templates.files import Files
from confsync.impl.templates.store import TemplateStore

P = ParamSpec("P")
R = TypeVar("R")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path


@pytest.fixture
def store(folder: Path) -> TemplateStore:
    return TemplateStore(folder, alive)


# ------------------------------------------------------------------ templates


def test_a_template_is_what_was_stored_last_under_libxl_s_name(store: TemplateStore, folder: Path) -> None:
    async def run() -> None:
        await put(store, ONE, b"{}")
        await put(store, ONE, b'{"a": 1}\0')
        assert await store.read(ONE) == b'{"a": 1}\0'
        lock = await store.lock(ONE)
        assert names(folder) == [TEMPLATE, LOCK]
        await store.remove(lock)
        assert names(folder) == [LOCK]
        await store.remove(lock)
        await store.unlock(lock)
        assert not names(folder)

    asyncio.run(run())


def test_no_template_is_said(store: TemplateStore) -> None:
    with pytest.raises(TemplateMissing, match=f"domain 1.*{TEMPLATE}"):
        asyncio.run(store.read(ONE))


def test_files_are_of_mode_0600_whatever_the_umask(store: TemplateStore, folder: Path) -> None:
    async def run() -> set[int]:
        lock = await store.lock(ONE)
        await store.replace(lock, b"{}")
        modes = {path.stat().st_mode & 0o7777 for path in folder.iterdir()}
        await store.unlock(lock)
        return modes

    before = os.umask(0)
    try:
        assert asyncio.run(run()) == {0o600}
    finally:
        os.umask(before)


def test_the_size_is_bounded_both_ways(folder: Path) -> None:
    store = TemplateStore(folder, alive, most_bytes=10)

    async def run() -> None:
        await put(store, ONE, b"0123456789")
        assert await store.read(ONE) == b"0123456789"
        lock = await store.lock(ONE)
        with pytest.raises(StoreError, match=f"{TEMPLATE}: it is larger than 10 bytes"):
            await store.replace(lock, b"0123456789+")
        await store.unlock(lock)
        (folder / TEMPLATE).write_bytes(b"0123456789+")
        with pytest.raises(StoreError, match=f"{TEMPLATE}: it is larger than 10 bytes"):
            await store.read(ONE)

    asyncio.run(run())


def test_a_reader_without_the_lock_bears_a_replacement(folder: Path) -> None:
    class Late(Files):
        def call(self, name: str, function: Callable[P, R], /, *arguments: P.args, **named: P.kwargs) -> R:
            if name == "fstat":
                (folder / NEXT).write_bytes(b"new")
                (folder / NEXT).rename(folder / TEMPLATE)
            return function(*arguments, **named)

    (folder / TEMPLATE).write_bytes(b"old")
    assert asyncio.run(TemplateStore(folder, alive, Late()).read(ONE)) == b"old"


def test_who_has_files_here(store: TemplateStore, folder: Path) -> None:
    other = Domain(1, UUID.replace("6", "7"))
    strays = [
        f"userdata-d.1.{UUID}.xl",
        f"userdata-x.1.{UUID}.libxl-json",
        f"userdata-l.1.{UUID}.libxl-json",
        f"userdata-d.1.{UUID}.libxl-json.bak",
        f"userdata-d.4.{UUID[:-1]}.libxl-json",
        f"userdata-d.-4.{UUID}.libxl-json",
        f"userdata-d.04.{UUID}.libxl-json",
        f"userdata-d.99999.{UUID}.libxl-json",
        f"userdata-d.4.{UUID.upper()}.libxl-json",
        f"userdata-d.4.{UUID.replace('-', 'a')}.libxl-json",
    ]
    for name in [*strays, TEMPLATE, f"userdata-n.1.{other.uuid}.libxl-json", LOCK.replace("-l.1.", "-l.2.")]:
        (folder / name).touch()
    assert asyncio.run(store.domains()) == [ONE, other, TWO]


def test_a_folder_that_cannot_be_listed_is_not_an_empty_one(store: TemplateStore, folder: Path) -> None:
    folder.rmdir()
    with pytest.raises(CannotList, match=r"cannot list it: No such file or directory; make the folder"):
        asyncio.run(store.domains())


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    "domain",
    [
        Domain(-1, UUID),
        Domain(MOST_DOMID + 1, UUID),
        Domain(True, UUID),
        Domain(1, ""),
        Domain(1, "../../../etc/passwd"),
        Domain(1, UUID.upper()),
        Domain(1, UUID + "\n"),
        Domain(1, UUID.replace("-", "/")),
    ],
    ids=str,
)
def test_no_path_is_made_of_what_is_no_domain(store: TemplateStore, folder: Path, domain: Domain) -> None:
    for call in (store.lock, store.read):
        with pytest.raises(InvalidArgument, match=r"is no (uuid|domain's number)"):
            asyncio.run(call(domain))
    assert not names(folder)


def _symlink(path: Path) -> None:
    target = path.parent / "target"
    target.write_bytes(b"{}")
    path.symlink_to(target)


def _hard_link(path: Path) -> None:
    _symlink(path)
    path.unlink()
    path.hardlink_to(path.parent / "target")


def _socket(path: Path) -> None:
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(before)


def _writable(path: Path) -> None:
    path.touch()
    path.chmod(0o660)


STRANGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "symbolic link": (_symlink, "symbolic link.*remove it"),
    "hard link": (_hard_link, r"2 names \(hard links\); find out who"),
    "folder": (Path.mkdir, "folder.*remove it"),
    "pipe": (os.mkfifo, "pipe, not a regular file; find out who made it, and remove it"),
    "socket": (_socket, "remove it"),
    "writable": (_writable, r"others may write to it \(mode 0660\); chmod go-w it"),
}


@pytest.mark.parametrize("strange", STRANGE)
def test_strange_templates_are_neither_read_nor_replaced(store: TemplateStore, folder: Path, strange: str) -> None:
    make, reason = STRANGE[strange]
    make(folder / TEMPLATE)
    before = (folder / TEMPLATE).lstat()

    async def run() -> None:
        with pytest.raises(StoreError, match=f"{TEMPLATE}: .*{reason}"):
            await store.read(ONE)
        lock = await store.lock(ONE)
        with pytest.raises(StoreError, match=f"{TEMPLATE}: .*{reason}"):
            await store.replace(lock, b"new")
        await store.unlock(lock)

    asyncio.run(run())
    assert (folder / TEMPLATE).lstat() == before
    assert set(names(folder)) <= {TEMPLATE, "target"}


@pytest.mark.parametrize("strange", STRANGE)
def test_strange_locks_are_refused_and_left(store: TemplateStore, folder: Path, strange: str) -> None:
    make, reason = STRANGE[strange]
    make(folder / LOCK)
    with pytest.raises((StoreError, LockFailed), match=f"{LOCK}: .*{reason}"):
        asyncio.run(store.lock(ONE))
    assert LOCK in names(folder)


@pytest.mark.parametrize("strange", ["symbolic link", "hard link", "pipe", "writable"])
def test_strange_next_templates_are_removed_and_never_written_to(
    store: TemplateStore, folder: Path, strange: str
) -> None:
    STRANGE[strange][0](folder / NEXT)
    asyncio.run(put(store, ONE, b"new"))
    assert NEXT not in names(folder)
    assert asyncio.run(store.read(ONE)) == b"new"
    assert not (folder / "target").exists() or (folder / "target").read_bytes() == b"{}"


def test_a_next_template_that_could_not_be_cleaned_up_is_in_nobody_s_way(store: TemplateStore, folder: Path) -> None:
    async def run() -> None:
        lock = await store.lock(ONE)
        (folder / NEXT).write_bytes(b"left by a replacement that failed")
        await store.replace(lock, b"new")
        await store.unlock(lock)
        assert await store.read(ONE) == b"new"
        assert names(folder) == [TEMPLATE]

    asyncio.run(run())


class Foreign(Files):
    """One call says that the file belongs to somebody else."""

    def __init__(self, name: str) -> None:
        self._name = name

    def call(self, name: str, function: Callable[P, R], /, *arguments: P.args, **named: P.kwargs) -> R:
        result = function(*arguments, **named)
        if name == self._name and isinstance(result, os.stat_result):
            parts = list(result)
            parts[4] += 1
            return type(result)(parts)
        return result


def test_foreign_owners_are_refused(folder: Path) -> None:
    (folder / TEMPLATE).touch()
    with pytest.raises(StoreError, match=f"{folder}: it belongs to user .*; run as its owner, or chown it"):
        TemplateStore(folder, alive, Foreign("stat"))
    with pytest.raises(StoreError, match=f"{TEMPLATE}: it belongs to user"):
        asyncio.run(TemplateStore(folder, alive, Foreign("fstat")).read(ONE))
    with pytest.raises(StoreError, match=f"{LOCK}: it belongs to user"):
        asyncio.run(TemplateStore(folder, alive, Foreign("fstat")).lock(ONE))


def test_a_folder_that_is_not_one_s_own_is_refused(folder: Path) -> None:
    with pytest.raises(StoreError, match=r"none: cannot find it: No such file or directory; make the folder"):
        TemplateStore(folder / "none", alive)
    (folder / "file").touch()
    with pytest.raises(StoreError, match=r"file: it is no folder; name the folder"):
        TemplateStore(folder / "file", alive)
    store = TemplateStore(folder, alive)
    folder.chmod(0o1777)
    with pytest.raises(StoreError, match=r"others may write to it \(mode 1777\); chmod go-w it"):
        TemplateStore(folder, alive)
    with pytest.raises(StoreError, match="others may write to it"):
        asyncio.run(store.lock(ONE))


# ------------------------------------------------------------------ words


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        ("write", errno.ENOSPC, f"{TEMPLATE}: cannot replace it: No space left on device; free some space"),
        ("write", errno.EDQUOT, f"{TEMPLATE}: cannot replace it: Disk quota exceeded; free some space, or have"),
        ("fsync", errno.EIO, f"{TEMPLATE}: cannot replace it: Input/output error; look into the kernel's log"),
        ("rename", errno.EROFS, f"{TEMPLATE}: cannot replace it: Read-only file system; mount"),
        ("flock", errno.ENOLCK, f"{LOCK}: cannot lock it: No locks available; the file system gives no locks"),
        ("open", errno.EMFILE, f"{LOCK}: cannot lock it: Too many open files; raise the limit"),
    ],
)
def test_a_failure_names_the_file_the_reason_and_the_way_out(folder: Path, call: str, error: int, words: str) -> None:
    class Failing(Files):
        def call(self, name: str, function: Callable[P, R], /, *arguments: P.args, **named: P.kwargs) -> R:
            if name == call:
                raise OSError(error, os.strerror(error))
            return function(*arguments, **named)

    async def run() -> None:
        store = TemplateStore(folder, alive, Failing())
        lock = await store.lock(ONE)
        try:
            await store.replace(lock, b"new")
        finally:
            await store.unlock(lock)

    with pytest.raises(ToolstackError) as raised:
        asyncio.run(run())
    assert str(raised.value).startswith(f"{folder}/{words}")


def test_the_bound_leaves_room_for_a_thousand_devices() -> None:
    assert MOST_BYTES >= 1000 * 4096
