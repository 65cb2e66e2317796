"""Builds the shim from its source, once for each source and compiler flags."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_name("xenstored_shim.c")
FLAGS = ("-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared")


class CannotBuild(Exception):
    """The compiler is not there, or refused."""


def cache_folder() -> Path:
    """Where built shims are kept: below XDG_CACHE_HOME, or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "confsync"


def build(folder: Path | None = None, *, compiler: str = "cc") -> Path:
    """The shared object, built now unless `folder` (the cache) has it. CannotBuild, with the compiler's words."""
    folder = folder or cache_folder()
    name = hashlib.sha256(SOURCE.read_bytes() + " ".join((compiler, *FLAGS)).encode()).hexdigest()[:20]
    built = folder / f"xenstored_shim-{name}.so"
    if built.exists():
        return built
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        made = Path(scratch) / built.name
        try:
            done = subprocess.run(
                [compiler, *FLAGS, "-o", made, SOURCE, "-ldl"], capture_output=True, text=True, check=False
            )
        except OSError as e:
            raise CannotBuild(f"{compiler}: {e.strerror}; install a C compiler, such as Debian's gcc") from e
        if done.returncode:
            raise CannotBuild(f"{compiler} refused {SOURCE}:\n{done.stderr}")
        made.replace(built)  # two builders at once make the same file
    return built
