"""The verdicts on mutants as a table, and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from confsync.proofs.mutants.apply import line_of
from confsync.proofs.mutants.judges import Verdict
from confsync.proofs.mutants.mutant import Mutant
from confsync.proofs.mutants.said import Said, Word

Control = Sequence[tuple[str, Said, float]]


def as_text(verdicts: Sequence[Verdict], control: Control, console: Console) -> None:
    """A row for each mutant, and what is not as stated in words."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("mutant", "place", "killed by"):
        table.add_column(name, no_wrap=name != "place", overflow="fold")
    table.add_column("s", justify="right")
    table.add_column("how", overflow="fold")
    for v in verdicts:
        table.add_row(v.mutant.id, _place(v.mutant), v.by or v.said.word.value, f"{v.seconds:.1f}", _how(v.said))
    console.print(table)
    for line in (*unlike(verdicts, control), *summary(verdicts, control)):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def unlike(verdicts: Iterable[Verdict], control: Control) -> list[str]:
    """What is not as the catalogue states, in words."""
    found = [
        f"the unedited project does not pass {name}, so no kill by it counts: {said.why} {said.trace}".rstrip()
        for name, said, _ in control
        if said.word is not Word.PASSED
    ]
    for v in verdicts:
        if not v.by:
            found.append(f"{v.mutant.id}: not noticed, and {v.mutant.by} should have: {v.said.why or v.mutant.says}")
        elif not v.as_stated:
            found.append(f"{v.mutant.id}: noticed by {v.by} ({v.said.word.value}), and {v.mutant.by} was said to")
    return found


def summary(verdicts: Sequence[Verdict], control: Control) -> list[str]:
    """How many were noticed by which judge, in which time."""
    number, seconds = Counter(v.by or "nobody" for v in verdicts), Counter[str]()
    for v in verdicts:
        seconds[v.by or "nobody"] += v.seconds  # type: ignore[assignment]
    by = ", ".join(f"{n} by {name} ({seconds[name] / n:.1f} s each)" for name, n in number.most_common())
    passed = ", ".join(f"{name} {spent:.1f} s" for name, said, spent in control if said.word is Word.PASSED)
    killed = len(verdicts) - number["nobody"]
    return [f"{killed} of {len(verdicts)} mutants are killed: {by}", f"the unedited project passes: {passed}"]


def as_json(verdicts: Sequence[Verdict], control: Control) -> str:
    """All of it."""
    rows = [
        {
            "mutant": v.mutant.id, "of": v.mutant.subject.value, "place": _place(v.mutant),
            "says": v.mutant.says, "defect": v.mutant.defect,
            "stated": v.mutant.by, "killed_by": v.by, "word": v.said.word.value, "why": v.said.why,
            "trace": v.said.trace, "seconds": round(v.seconds, 2), "as_stated": v.as_stated, "died": list(v.also),
        }
        for v in verdicts
    ]  # fmt: skip
    passes = [{"judge": n, "word": s.word.value, "why": s.why, "seconds": round(t, 2)} for n, s, t in control]
    return json.dumps({"mutants": rows, "unmutated": passes, "unlike": unlike(verdicts, control)}, indent=2)


def _place(mutant: Mutant) -> str:
    return f"{mutant.file}:{line_of(mutant)}"


def _how(said: Said) -> str:
    return "; ".join(part for part in (said.why[:160], said.trace) if part)
