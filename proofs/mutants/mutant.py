"""A mutant: the implementation with one small mistake, and which judge is said to notice it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """One edit of one file."""

    id: str
    file: str
    """Below `impl/`."""
    old: str
    """Stands in the file exactly once."""
    new: str
    says: str
    """The mistake, in words."""
    by: str
    """The judge that is said to notice it: one of `proofs.mutants.judges`, or a file of tests without `.py`."""
    defect: str = ""
    """The defect of libxl's that it stands for: commits, or the name of a security advisory."""
    hangs: bool = False
    """It is noticed by its never ending."""

    @property
    def module(self) -> str:
        """The module that is edited, as Python names it."""
        return "impl." + self.file.removesuffix(".py").replace("/", ".")
