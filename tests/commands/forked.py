"""Commands in processes that are forked from one that has imported them, which is several times faster than to start
Python for each. What a process does before the front door's `main` is not tried so."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

_FROM = multiprocessing.get_context("forkserver")
_FROM.set_forkserver_preload(
    [
        "confsync.impl.audit.cli",
        "confsync.impl.command.cli",
        "confsync.model.command.cli",
        "confsync.proofs.prover.cli",
        "confsync.proofs.conformance.cli",
        "confsync.proofs.mutants.cli",
    ]
)


def start(arguments: Sequence[str | bytes], terminal: str, folder: Path, more: Mapping[str, str]) -> BaseProcess:
    """Start a command that has the terminal for standard output and error, in this folder and environment."""
    process = _FROM.Process(target=_run, args=([os.fsdecode(a) for a in arguments], terminal, folder, dict(more)))
    process.start()
    return process


def _run(arguments: list[str], terminal: str, folder: Path, environment: dict[str, str]) -> None:
    from confsync.front_door import main  # noqa: PLC0415 (here, and not where the tests are)

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    descriptor = os.open(terminal, os.O_RDWR | os.O_NOCTTY)
    for number in (1, 2):
        os.dup2(descriptor, number)
    os.close(descriptor)
    sys.stdout, sys.stderr = (os.fdopen(n, "w", encoding="utf-8", closefd=False) for n in (1, 2))
    sys.argv = ["confsync", *arguments]
    main()
