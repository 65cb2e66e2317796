"""A mutant as a folder of its own: a copy of the checkout with the edit. The checkout itself is never edited."""

from __future__ import annotations

import os
import shutil
from itertools import zip_longest
from pathlib import Path

from confsync.proofs.mutants.mutant import Mutant

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""
_COPIED = ("impl", "model", "proofs", "terminal", "tests", "docs", "examples", "benchmarks")
_ALSO = ("confsync.py", "pyproject.toml", "README.md")


class NotApplicable(Exception):
    """The text that a mutant edits does not stand in its file exactly once: the file changed, so must the mutant."""


def source_of(mutant: Mutant) -> str:
    """The file as it is. NotApplicable if it can't be read."""
    try:
        return (ROOT / mutant.file).read_text(encoding="utf-8")
    except OSError as error:
        raise NotApplicable(f"{mutant.id}: {mutant.file} cannot be read: {error.strerror}") from None


def edited(mutant: Mutant) -> str:
    """The file with the edit. NotApplicable."""
    before = source_of(mutant)
    found = before.count(mutant.old)
    if found != 1:
        raise NotApplicable(f"{mutant.id}: its text stands in {mutant.file} {found} times, and must once: edit it")
    return before.replace(mutant.old, mutant.new)


def line_of(mutant: Mutant) -> int:
    """The number of the first line that is edited. NotApplicable."""
    before, after = source_of(mutant).splitlines(), edited(mutant).splitlines()
    pairs = zip_longest(before, after)
    return next(number for number, (was, is_) in enumerate(pairs, 1) if was != is_)


def lay_out(folder: Path, mutant: Mutant | None) -> None:
    """Copy the checkout, with the mutant's edit or as it is, to this empty folder. NotApplicable.

    Compiled files stay behind: Python takes one for the compiled form of an edited file if the size and the second of
    the last change are the same."""
    text = edited(mutant) if mutant else None
    leave = shutil.ignore_patterns("__pycache__", ".hypothesis")
    for name in _COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=leave, symlinks=True)
    for name in _ALSO:
        shutil.copy(ROOT / name, folder / name)
    if mutant and text is not None:
        (folder / mutant.file).write_text(text, encoding="utf-8")


def environment(folder: Path) -> dict[str, str]:
    """The variables with which a process, and all that it starts, imports what is laid out in the folder."""
    return {**os.environ, "PYTHONPATH": str(folder)}
