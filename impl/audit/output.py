"""Audits for others to read: text, JSON, JUnit XML, SARIF 2.1.0."""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Sequence
from importlib.metadata import version
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import cast
from urllib.parse import quote_from_bytes

from junitparser import Failure, JUnitXml, Skipped, TestCase, TestSuite
from junitparser.junitparser import FinalResult
from rich.console import Console
from rich.text import Text

from confsync.impl.audit.finding import Audit, Finding, shown
from confsync.impl.audit.invariants import INVARIANTS
from confsync.impl.audit.unseen import concerns

STYLE = {"error": "red", "warning": "yellow"}
LABEL = 10
"""The width of the labels."""
NOT_LOOKED_AT = "not_looked_at"
"""The id of SARIF's rule for what was not looked at."""
SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def schema() -> dict[str, object]:
    """The JSON schema of `as_json`."""
    text = files("confsync.impl.audit").joinpath("audit.schema.json").read_text(encoding="utf-8")
    return cast("dict[str, object]", json.loads(text))


def as_json(audits: Sequence[Audit]) -> str:
    """The audits as a JSON array; see `schema`."""
    return json.dumps([_object(audit) for audit in audits], indent=2)


def _object(audit: Audit) -> dict[str, object]:
    return {
        "source": _safe(audit.source),
        "domains": audit.domains,
        "devices": audit.devices,
        "stale": audit.stale,
        "foreign": audit.foreign,
        "unseen": audit.unseen,
        "findings": [
            {
                "invariant": f.invariant.id,
                "severity": f.invariant.severity,
                "claims": f.invariant.claims,
                "words": f.invariant.words,
                "domid": f.domid,
                "uuid": f.uuid,
                "name": f.name,
                "device": f.device,
                "template": f.template,
                "xenstore": f.xenstore,
                "answer": f.answer,
                "mend": f.mend,
                "evidence": f.evidence,
                "file": _safe(f.file),
            }
            for f in audit.findings
        ],
    }


def as_junit(audits: Sequence[Audit]) -> str:
    """The audits as JUnit XML: a suite per host, a test case per invariant; each finding is a failure of its case. A
    case without a finding is skipped, and not passed, where something that it is about was not looked at."""
    xml = JUnitXml("confsync audit")
    for audit in audits:
        suite = TestSuite(_safe(audit.source))
        for invariant in INVARIANTS.values():
            case = TestCase(invariant.id, _safe(audit.source))
            unseen = [f"not looked at: {text}" for text in audit.unseen if concerns(text, invariant.id)]
            failures: list[FinalResult] = [_failure(f) for f in audit.findings if f.invariant is invariant]
            if failures:
                case.result = failures
            elif unseen:
                case.result = [Skipped("; ".join(unseen))]
            case.system_out = "\n".join((f"{invariant.words} ({invariant.claims})", *unseen))
            suite.add_testcase(case)
        for text in audit.unseen:
            suite.add_property("not looked at", text)
        xml.add_testsuite(suite)
    xml.update_statistics()  # type: ignore[no-untyped-call]
    out = BytesIO()
    xml.write(out, pretty=True)
    return out.getvalue().decode()


def _failure(finding: Finding) -> Failure:
    failure = Failure(_headline(finding), finding.invariant.severity)
    failure.text = "\n".join(f"{name}: {text}" for name, text in _lines(finding))
    return failure


def _headline(finding: Finding) -> str:
    return f"{finding.domain}{f', {finding.device}' if finding.device else ''}: {finding.invariant.id}"


def _lines(finding: Finding) -> Sequence[tuple[str, str]]:
    return (
        ("must be", f"{finding.invariant.words} ({finding.invariant.claims})"),
        ("template", finding.template),
        ("xenstore", finding.xenstore),
        ("retrieve", finding.answer),
        ("evidence", finding.evidence),
        ("mend", finding.mend),
    )


def as_sarif(audits: Sequence[Audit]) -> str:
    """The audits as SARIF 2.1.0, one run for all. What was not looked at is a result of kind `open`: the tool could not
    decide."""
    rules: list[dict[str, object]] = [
        {
            "id": i.id,
            "shortDescription": {"text": i.words},
            "help": {"text": f"{i.words} ({i.claims}): see docs/audit.md"},
            "defaultConfiguration": {"level": i.severity},
        }
        for i in INVARIANTS.values()
    ]
    at = {name: n for n, name in enumerate(INVARIANTS)}
    results = [_result(f, at[f.invariant.id]) for audit in audits for f in audit.findings]
    if any(audit.unseen for audit in audits):
        words = "all of the host is looked at"
        rules.append({"id": NOT_LOOKED_AT, "shortDescription": {"text": words}, "help": {"text": "see docs/audit.md"}})
    results += [_undecided(audit, text, len(at)) for audit in audits for text in audit.unseen]
    driver = {"name": "confsync", "version": version("confsync"), "rules": rules}
    run: dict[str, object] = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    if unseen := [text for audit in audits for text in audit.unseen]:
        notes = [{"level": "warning", "message": {"text": f"not looked at: {text}"}} for text in unseen]
        run["invocations"] = [{"executionSuccessful": True, "toolExecutionNotifications": notes}]
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _result(finding: Finding, rule: int) -> dict[str, object]:
    message = f"{_headline(finding)}. " + " ".join(f"{name.capitalize()}: {text}." for name, text in _lines(finding))
    return {
        "ruleId": finding.invariant.id,
        "ruleIndex": rule,
        "level": finding.invariant.severity,
        "message": {"text": message},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": _uri(finding.file)}},
                "logicalLocations": [{"fullyQualifiedName": _headline(finding).rpartition(":")[0]}],
            }
        ],
        "partialFingerprints": {"finding/v1": finding.key},
    }


def _undecided(audit: Audit, unseen: str, rule: int) -> dict[str, object]:
    return {
        "ruleId": NOT_LOOKED_AT,
        "ruleIndex": rule,
        "kind": "open",
        "level": "none",
        "message": {"text": f"Not looked at: {unseen}."},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": _uri(audit.source)}}}],
    }


def _uri(file: str) -> str:
    path = Path(file)
    return path.as_uri() if path.is_absolute() else quote_from_bytes(os.fsencode(path.as_posix()))


def _safe(path: str) -> str:
    """A file's name, in which nothing can steer a terminal."""
    return shown(path, len(path))[1:-1]


def as_text(audits: Sequence[Audit], console: Console) -> None:
    """Print each finding, and what was looked at."""
    for audit in audits:
        for finding in audit.findings:
            _print_finding(finding, console)
        counts = {s: sum(f.invariant.severity == s for f in audit.findings) for s in ("error", "warning")}
        found = ", ".join(_counted(n, s) for s, n in counts.items() if n) or _clean(audit)
        style = "red" if counts["error"] else "yellow" if counts["warning"] or audit.unseen else "green"
        notes = [_counted(audit.domains, "domain"), _counted(audit.devices, "device")]
        if audit.stale:
            notes.append(f"{_counted(audit.stale, 'template entry', 'template entries')} of devices that are gone")
        if audit.foreign:
            notes.append(f"{_counted(audit.foreign, 'domain')} of another toolstack")
        console.print(Text.assemble((found, style), f": {_safe(audit.source)} ({', '.join(notes)})"), soft_wrap=True)
        for unseen in audit.unseen:
            console.print(Text(f"  not looked at: {unseen}", "yellow"), soft_wrap=True)


def _clean(audit: Audit) -> str:
    """That all was looked at and is well is said only where it is so."""
    return "no finding, and not all was looked at" if audit.unseen else "nothing found"


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def _print_finding(finding: Finding, console: Console) -> None:
    head = Text.assemble(
        (finding.invariant.severity, STYLE[finding.invariant.severity]), "  ", (finding.invariant.id, "bold"), "  ",
        finding.domain, f", {finding.device}" if finding.device else "",
    )  # fmt: skip
    for name, text in _lines(finding):
        begin = f"  {name:<{LABEL}}"
        wrapped = textwrap.wrap(
            text, max(console.width - 1, 2 * LABEL), initial_indent=begin, subsequent_indent=" " * len(begin),
            break_on_hyphens=False,
        )  # fmt: skip
        head.append(f"\n{begin}", "dim").append("\n".join(wrapped)[len(begin) :])
    console.print(head.append("\n"), soft_wrap=True)
