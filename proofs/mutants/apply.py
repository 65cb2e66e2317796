"""A mutant as a folder of its own: a copy of the project with the edit. The project itself is never edited.

The project is a checkout, or the package alone where it was installed from a wheel: then there are no tests."""

from __future__ import annotations

import os
import shutil
from itertools import zip_longest
from pathlib import Path

from confsync.proofs.mutants.mutant import TESTS, Mutant

PACKAGE = Path(__file__).parents[2]
"""The package `confsync`. In a checkout its four parts are links to the checkout's folders."""
ROOT = PACKAGE.resolve().parent
"""The checkout, if there is one."""
_COPIED = ("confsync", "impl", "model", "proofs", "terminal", "tests", "docs", "examples", "benchmarks")
_ALSO = ("pyproject.toml", "README.md")


class NotApplicable(Exception):
    """The text that a mutant edits does not stand in its file exactly once: the file changed, so must the mutant."""


def is_checkout() -> bool:
    """Whether the project has its tests: a wheel installs none."""
    return PACKAGE.joinpath("model").is_symlink() and ROOT.joinpath(TESTS).is_dir()


def source_of(mutant: Mutant) -> str:
    """The file as it is. NotApplicable if it can't be read."""
    try:
        return _place(ROOT, mutant).read_text(encoding="utf-8")
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
    """Copy the project, with the mutant's edit or as it is, to this empty folder. NotApplicable.

    Compiled files stay behind: Python takes one for the compiled form of an edited file if the size and the second of
    the last change are the same."""
    text = edited(mutant) if mutant else None
    leave = shutil.ignore_patterns("__pycache__", ".hypothesis")
    whole = is_checkout()
    for name in _COPIED if whole else (PACKAGE.name,):
        shutil.copytree(ROOT / name, folder / name, ignore=leave, symlinks=True)
    for name in _ALSO if whole else ():
        shutil.copy(ROOT / name, folder / name)
    if mutant and text is not None:
        _place(folder, mutant).write_text(text, encoding="utf-8")


def _place(root: Path, mutant: Mutant) -> Path:
    """The file that a mutant edits, in a project: that of a test in the checkout, any other in the package."""
    return root.joinpath("" if mutant.file.startswith(TESTS) else PACKAGE.name, mutant.file)


def environment(folder: Path) -> dict[str, str]:
    """The variables with which a process, and all that it starts, imports what is laid out in the folder."""
    return {**os.environ, "PYTHONPATH": str(folder)}
