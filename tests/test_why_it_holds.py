"""docs/why-it-holds.md tells what is proved: each lemma and each obligation that it names is one of the proof's."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
DOC = (HERE.parent / "docs" / "why-it-holds.md").read_text(encoding="utf-8")

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("why_it_holds")]


@cache
def report() -> dict[str, Any]:
    """The proof as a user gets it, in a process of its own."""
    command = [sys.executable, "-m", "confsync", "prove", "xenstore_first_locked", "--format=json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE.parent, timeout=300)
    (found,) = json.loads(done.stdout)
    return dict(found)


def lemmas() -> set[str]:
    """As the page writes them: where each holds, and what it says."""
    found = set()
    for family in report()["invariant"]:
        found |= {f"{at}: {family['says']}" for at in family["at"]} or {family["says"]}
    return found


def test_every_lemma_on_the_page_is_in_the_invariant() -> None:
    told = [line[3:-1] for line in DOC.splitlines() if re.match(r"\* `.*`$", line)]
    assert len(told) > 20
    assert [x for x in told if x not in lemmas()] == []


def test_every_obligation_on_the_page_is_discharged() -> None:
    text = " ".join(DOC.split())
    told = re.findall(r"`((?:consecution|safety): [^`]+)`", text)
    proved = {f"{o['kind']}: {o['name']}" for o in report()["obligations"] if o["verdict"] == "PROVED"}
    assert len(told) > 20
    assert [x for x in told if x not in proved] == []
