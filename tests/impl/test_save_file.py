"""The file of a save: whole or not at all, never over another one, and nothing is left beside it."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from confsync.impl.command import save_file
from confsync.impl.command.save_file import write_saved
from confsync.impl.errors import StoreError


@pytest.fixture(params=["unnamed", "beside"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With O_TMPFILE, and where there is none."""
    if request.param == "beside":

        def refuse(_folder: Path, _path: Path, _content: bytes) -> None:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")

        monkeypatch.setattr(save_file, "_write_unnamed", refuse)
    return str(request.param)


def test_a_file_is_written_once_and_never_overwritten(tmp_path: Path, way: str) -> None:
    path = tmp_path / "saved"
    write_saved(path, b"one")
    write_saved(path, b"one")
    with pytest.raises(StoreError, match="never overwritten"):
        write_saved(path, b"two")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"one", 0o600)
    assert [p.name for p in tmp_path.iterdir()] == ["saved"]
    why = "No such file or directory" if way == "unnamed" else "cannot be written"
    with pytest.raises(StoreError, match=why):
        write_saved(tmp_path / "no" / "where", b"one")


def test_what_a_killed_save_left_goes_with_the_next(tmp_path: Path, way: str) -> None:
    (tmp_path / ".saved.part").write_bytes(b"half")
    if way == "beside":
        write_saved(tmp_path / "saved", b"whole")
        assert [p.name for p in tmp_path.iterdir()] == ["saved"]


def test_a_save_killed_between_link_and_unlink_keeps_its_file(tmp_path: Path) -> None:
    """The leftover is the saved file by another name: it is not written to."""
    (tmp_path / "saved").write_bytes(b"whole")
    os.link(tmp_path / "saved", tmp_path / ".saved.part")
    save_file._write_beside(tmp_path / ".saved.part", tmp_path / "moved", b"new")
    assert (tmp_path / "saved").read_bytes() == b"whole"


def test_a_save_that_is_at_work_is_left_alone(tmp_path: Path) -> None:
    part = tmp_path / ".saved.part"
    with part.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(StoreError, match="another save is writing"):
            save_file._write_beside(part, tmp_path / "saved", b"x")
        assert part.exists()
