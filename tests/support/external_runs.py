"""What the tests of somebody else's implementation share: the example's command, and how it is explored."""

from __future__ import annotations

import sys
from pathlib import Path

from places import ROOT
from processes import LONG

from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.proofs.conformance.external.run import explore_external
from confsync.proofs.conformance.run import Report
from confsync.proofs.conformance.scope import Scope

PERL = ("perl", str(ROOT / "examples" / "toolstack.pl"))
MEDDLER = (sys.executable, str(Path(__file__).parent / "meddler.py"))
DESIGN = DESIGNS[RECOMMENDED]


def explored(*command: str, scope: Scope, again: int = 8, design: str = RECOMMENDED) -> Report:
    """An exploration."""
    return explore_external(command, DESIGNS[design], scope, lambda _done, _of: None, again=again, patience=LONG)
