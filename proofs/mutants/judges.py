"""The judges of a mutant: the stated one is asked first, then, of a mutant of the implementation, the others."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from confsync.proofs.mutants.apply import ROOT, environment, is_checkout, lay_out
from confsync.proofs.mutants.explored import SCOPES
from confsync.proofs.mutants.mutant import Mutant, Subject
from confsync.proofs.mutants.said import MODULE, WHERE, Said, Word, heard
from confsync.proofs.mutants.started import Started

PATIENCE, SHORT_PATIENCE, CONTROL_PATIENCE = 300.0, 30.0, 3600.0
"""Seconds for a judge; for the one that is said to notice a mutant by its never ending; and for all tests in a row."""
TESTS: Mapping[str, tuple[str, ...]] = {
    "impl/audit/": ("test_audit", "test_audit_hosts", "test_audit_dump", "test_audit_output", "test_audit_followed"),
    "impl/configuration/": (
        "test_configuration",
        "test_configuration_kept",
        "test_retrieve_libxl_made",
        "test_retrieve_reference",
        "test_operations",
    ),
    "impl/embedded/folder.py": ("test_domain_command", "test_domain_deaths", "test_damaged_store"),
    "impl/embedded/sqlite.py": ("test_domain_command", "test_domain_deaths", "test_damaged_store"),
    "impl/embedded/": ("test_operations", "test_operations_between", "test_domain_deaths"),
    "impl/hotplug/": ("test_hotplug", "test_hotplug_stops", "test_hotplug_script"),
    "impl/kinds.py": ("test_operations", "test_configuration", "test_configuration_kept"),
    "impl/operations/": (
        "test_operations",
        "test_operations_between",
        "test_hotplug",
        "test_domain_deaths",
        "test_domain_command",
        "test_xenstore_forgotten",
        "test_door",
        "test_pci_layout",
        "test_advice",
    ),
    "impl/templates/reading.py": ("test_lock_waits", "test_reading_changes_nothing"),
    "impl/command/": (
        "test_xl_grammar",
        "test_xl_configs",
        "test_xl_spellings",
        "test_domain_files",
        "test_domain_names",
        "test_domain_command",
    ),
    "impl/templates/": ("test_templates_lock", "test_templates", "test_crash_store"),
    "impl/xenstore/checksum.py": ("test_damaged_store",),
    "impl/xenstore/channel.py": ("test_xenstore_broken_server",),
    "impl/xenstore/client.py": ("test_xenstore_client", "test_xenstore_broken_server"),
    "impl/xenstore/link.py": ("test_xenstore_client", "test_xenstore_broken_server"),
    "impl/xenstore/retry.py": ("test_xenstore_retry",),
    "impl/xenstore/snapshot.py": ("test_xenstore_sqlite", "test_damaged_store"),
    "impl/xenstore/sqlite.py": ("test_xenstore_sqlite", "test_xenstore_transactions", "test_xenstore_power"),
    "impl/xenstore/view.py": ("test_xenstore_transactions", "test_xenstore_semantics"),
    "impl/xenstore/wal.py": ("test_damaged_store",),
    "impl/xenstore/wire.py": ("test_xenstore_client", "test_xenstore_broken_server"),
}
"""By a file of the implementation, or the folder that it is in: the files of tests that judge it, in their order."""
UNEXPLORED = (
    "impl/audit/", "impl/command/", "impl/embedded/folder.py", "impl/embedded/sqlite.py", "impl/hotplug/",
    "impl/operations/save.py", "impl/templates/", "impl/xenstore/channel.py", "impl/xenstore/checksum.py",
    "impl/xenstore/client.py",
    "impl/xenstore/link.py", "impl/xenstore/snapshot.py", "impl/xenstore/sqlite.py", "impl/xenstore/wal.py",
    "impl/xenstore/wire.py",
)  # fmt: skip
"""What the exploration does not run: it works on the embedded stores in memory."""
TESTS_OF_MUTANTS = ("tests/crash/test_crash_store.py::test_a_wrong_store_is_noticed",)
"""Tests of tests: a store that is wrong in another way has to be noticed, too. They judge nothing here."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant. `by`: the judge that noticed it, "" if none did; `also`: judges that died on the way."""

    mutant: Mutant
    by: str
    said: Said
    seconds: float
    also: tuple[str, ...] = ()

    @property
    def as_stated(self) -> bool:
        """True if the judge noticed it that was said to."""
        word = Word.HUNG if self.mutant.hangs else Word.KILLED
        return self.by == self.mutant.by and self.said.word is word


def tests_of(mutant: Mutant) -> tuple[str, ...]:
    """The tests that judge a mutant: the stated test of a mutant of the checker; the files of tests of the part that a
    mutant of the implementation edits."""
    if mutant.subject is Subject.CHECKER:
        return (mutant.by,)
    return next(tests for part, tests in TESTS.items() if mutant.file.startswith(part))


def judges_of(mutant: Mutant, *, in_order: bool = False) -> tuple[str, ...]:
    """The judges of a mutant: the stated one, then the others; or `in_order`: the explorations before the tests.
    `triples` is asked only where it is stated; a mutant of the checker has its stated test alone. Tests are asked only
    in a checkout."""
    if mutant.subject is Subject.CHECKER:
        return ("tests",)
    explored = () if mutant.file.startswith(UNEXPLORED) else ("pairs", "deaths")
    if mutant.by == "triples":
        explored = (*explored, "triples")
    judges = (*explored, "tests") if is_checkout() else explored
    stated = mutant.by if mutant.by in SCOPES else "tests"
    return judges if in_order else (stated, *(name for name in judges if name != stated))


def judge(mutant: Mutant, *, in_order: bool = False, started: Started | None = None) -> Verdict:
    """A mutant before its judges. `started`: what knows their processes, to end them. NotApplicable."""
    tests = (mutant.by,) if mutant.hangs else tests_of(mutant)
    if not in_order:
        tests = tuple(sorted(tests, key=lambda name: name != mutant.by))
    began = time.perf_counter()
    died: list[str] = []
    with laid_out(mutant) as folder:
        for name in judges_of(mutant, in_order=in_order):
            patience = SHORT_PATIENCE if mutant.hangs and name == "tests" else PATIENCE
            said = ask(folder, name, tests, mutant.module, patience, started or Started())
            if said.word is Word.KILLED or (said.word is Word.HUNG and mutant.hangs):
                alone = name == "tests" and len(tests) == 1
                by = mutant.by if alone else name if name != "tests" else _file(said.trace)
                return Verdict(mutant, by, said, time.perf_counter() - began, tuple(died))
            if said.word is not Word.PASSED:
                died.append(f"{name} {said.word.value}: {said.why} {said.trace}".rstrip())
    said = Said(Word.DIED, "; ".join(died)) if died else Said(Word.PASSED)
    return Verdict(mutant, "", said, time.perf_counter() - began, tuple(died))


def control(mutants: Sequence[Mutant], *, in_order: bool = False) -> Iterator[tuple[str, Said, float]]:
    """The project as it is before every judge that is stated for these mutants, or all of theirs: each must pass, or a
    kill means nothing."""
    with laid_out(None) as folder:
        names = {name for m in mutants for name in judges_of(m)[: None if in_order else 1]}
        stated = {m.by for m in mutants} - SCOPES.keys()
        tests = sorted({test for m in mutants for test in tests_of(m)} if in_order else stated)
        for name in [n for n in (*SCOPES, "tests") if n in names]:
            began = time.perf_counter()
            said = ask(folder, name, tests, "", CONTROL_PATIENCE, Started())
            yield name, said, time.perf_counter() - began


def all_of(mutants: Sequence[Mutant], jobs: int, *, in_order: bool = False) -> Iterator[Verdict]:
    """Every mutant before its judges. NotApplicable. Where this is interrupted, all judges are ended."""
    started = Started()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            yield from pool.map(partial(judge, in_order=in_order, started=started), mutants)
        except BaseException:
            started.end()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextlib.contextmanager
def laid_out(mutant: Mutant | None) -> Iterator[Path]:
    """A folder with the mutant, or the project as it is, for as long as it is needed."""
    with tempfile.TemporaryDirectory(prefix="confsync-mutant-") as name:
        folder = Path(name)
        lay_out(folder, mutant)
        yield folder


def ask(folder: Path, name: str, tests: Sequence[str], module: str, patience: float, started: Started) -> Said:
    """A judge's word on what is laid out in the folder."""
    told = folder / f"{name}.said"
    command = [sys.executable, "-m", "confsync.proofs.mutants.explored", name] if name in SCOPES else _pytest(tests)
    with started.running(command, folder, {**environment(folder), WHERE: str(told), MODULE: module}) as process:
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            return Said(Word.HUNG, f"not done after {patience:g} s")
    return heard(told) or Said(Word.DIED, f"it ended with {process.returncode} and said nothing")


def _pytest(tests: Sequence[str]) -> list[str]:
    options = ["-q", "-m", "not deep", "-c", "pyproject.toml", "--tb=native"]
    options += ["-p", "no:cacheprovider", "-p", "no:randomly"]
    options += ["-p", "confsync.proofs.mutants.witness"]
    left = [word for name in TESTS_OF_MUTANTS for word in ("--deselect", name)]
    return [sys.executable, "-m", "pytest", *options, *left, *map(_argument, tests)]


def file_of(name: str) -> str:
    """The file of tests with this name, as a path from the checkout's folder: no two have one name. LookupError."""
    found = sorted((ROOT / "tests").rglob(f"{name}.py"))
    if len(found) != 1:
        raise LookupError(f"tests/ has {len(found)} files called {name}.py")
    return found[0].relative_to(ROOT).as_posix()


def _argument(test: str) -> str:
    file, colons, name = test.partition("::")
    return file_of(file.removesuffix(".py")) + colons + name


def _file(test: str) -> str:
    return Path(test.partition("::")[0]).stem
