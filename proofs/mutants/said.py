"""What a judge's process tells who started it, and that it judged the right project."""

from __future__ import annotations

import importlib
import json
import os
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

WHERE = "CONFSYNC_JUDGE_SAYS"
"""The variable that names the file it is told in."""
MODULE = "CONFSYNC_JUDGE_IMPORTS"
"""The variable that names the module that was edited, if one was."""
PACKAGES = ("confsync", "confsync.impl", "confsync.model", "confsync.proofs", "confsync.terminal")
"""What has to be the project in the judge's folder: each part may be a link, and another part not."""


class Word(Enum):
    """What became of a judge."""

    PASSED = "passed"
    KILLED = "killed"
    DIED = "died"
    """It fell over something else than a wrong result, so it has judged nothing."""
    HUNG = "hung"


@dataclass(frozen=True, slots=True)
class Said:
    """A judge's word. `why`: the reason, or how it died; `trace`: a token, or the test that failed first."""

    word: Word
    why: str = ""
    trace: str = ""

    def tell(self) -> None:
        """Write it where it is awaited."""
        Path(os.environ[WHERE]).write_text(json.dumps({**asdict(self), "word": self.word.value}), encoding="utf-8")


def heard(where: Path) -> Said | None:
    """What was told there, if anything was."""
    try:
        found = json.loads(where.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return Said(Word(found["word"]), found["why"], found["trace"])


def wrong_project() -> str:
    """What is wrong with the project that is imported, in words: another's, or it cannot be imported; or "" """
    here = Path.cwd().resolve()
    try:
        found = [importlib.import_module(name) for name in PACKAGES]
        if os.environ.get(MODULE):
            found.append(importlib.import_module(os.environ[MODULE]))
    except Exception as error:
        return f"cannot be imported: {type(error).__name__}: {error}"
    others = [str(module.__file__) for module in found if not Path(str(module.__file__)).resolve().is_relative_to(here)]
    return f"{others[0]} is judged, and not the project in {here}" if others else ""
