"""A user's project with names of its own that are also names of folders here."""

from __future__ import annotations

from pathlib import Path

PARTS = ("impl", "model", "proofs", "terminal")
"""The parts of the project, each a folder of the checkout and a package below `confsync`."""


def users_project(folder: Path) -> None:
    """A project that has packages and a module of the same names as the folders here."""
    for name in ("impl", "model", "proofs", "tests"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(f"raise RuntimeError('the {name} of the user')\n", encoding="utf-8")
    (folder / "terminal.py").write_text("raise RuntimeError('the terminal of the user')\n", encoding="utf-8")
