"""A mutant: the project with one small mistake, and the judge that has to notice it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

TESTS = "tests/"


class Subject(Enum):
    """What a mutant is a mutant of."""

    IMPLEMENTATION = "implementation"
    """`impl/`: judged by the explorations and by files of tests."""
    CHECKER = "checker"
    """`model/`, `proofs/` and the Hypothesis machines in `tests/`: judged by one named test."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One edit of one file."""

    id: str
    file: str
    """The path of the file, from the checkout's folder: `impl/kinds.py`, `model/language/step.py`,
    `tests/support/naive.py`."""
    old: str
    """The text to replace. It must stand in the file exactly once."""
    new: str
    says: str
    """The mistake, in words."""
    by: str
    """The stated judge: the name of an exploration (`confsync.proofs.mutants.explored.SCOPES`), a file of tests without
    `.py` (`test_hotplug`), or one test (`test_search.py::test_name`, with or without its parameters)."""
    defect: str = ""
    """The defect of libxl that the mutant stands for: commits, or the name of a security advisory."""
    hangs: bool = False
    """The stated judge notices the mutant by not ending."""

    @property
    def subject(self) -> Subject:
        """What this is a mutant of: the folder of the file says."""
        return Subject.IMPLEMENTATION if self.file.startswith("impl/") else Subject.CHECKER

    @property
    def module(self) -> str:
        """The edited module as Python names it; "" for a file of the tests, which only pytest can import."""
        return "" if self.file.startswith(TESTS) else f"confsync.{self.file.removesuffix('.py').replace('/', '.')}"
