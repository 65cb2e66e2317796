"""The exploration as a judge, run in a mutant's folder: `python -m confsync.proofs.mutants.explored pairs`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.proofs.mutants.said import Said, Word, wrong_project
from confsync.proofs.mutants.started import end_with_who_started_me

if TYPE_CHECKING:
    from confsync.proofs.conformance.run import Report

SCOPES: Mapping[str, tuple[int, int, int, tuple[str, ...]]] = {
    "pairs": (2, 0, 0, ()),
    "deaths": (2, 1, 1, ()),
    "triples": (3, 0, 0, ("attach", "detach", "destroy", "create")),
}
"""By the judge's name: processes, deaths, failures, and the operations if not all."""


def judge(name: str) -> Said:
    """Explore, and say whether the implementation follows the recommended design."""
    if wrong := wrong_project():
        return Said(Word.DIED, wrong)
    from confsync.proofs.conformance.explore import CannotPrepare  # noqa: PLC0415 - it imports the implementation
    from confsync.proofs.conformance.run import explore  # noqa: PLC0415
    from confsync.proofs.conformance.scope import Scope  # noqa: PLC0415
    from confsync.proofs.conformance.steps import Nondeterministic  # noqa: PLC0415

    processes, deaths, failures, operations = SCOPES[name]
    scope = Scope(processes, deaths, failures, operations) if operations else Scope(processes, deaths, failures)
    try:
        report = explore(DESIGNS[RECOMMENDED], scope, jobs=1, on_progress=lambda _done, _of: None)
    except CannotPrepare as error:
        return Said(Word.KILLED, f"alone, on an empty host: {error}", "create")
    except Nondeterministic as error:
        return Said(Word.KILLED, str(error), "no token: it cannot be replayed")
    except Exception as error:  # whatever else it is, it is no verdict
        return Said(Word.DIED, f"{type(error).__name__}: {error}")
    return _told(report)


def _told(report: Report) -> Said:
    if report.told:
        told = report.told[0]
        return Said(Word.KILLED, f"{' beside '.join(told.operations)}: {told.reason}", told.token)
    return Said(Word.PASSED) if report.conforms else Said(Word.DIED, "it was interrupted")


if __name__ == "__main__":
    end_with_who_started_me()
    judge(sys.argv[1]).tell()
