"""What a conformance run came to, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from io import BytesIO

from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite

from confsync.model.engine.memory import early
from confsync.proofs.conformance.coverage import Coverage
from confsync.proofs.conformance.on_real import OnReal
from confsync.proofs.conformance.run import Report, Told
from confsync.proofs.conformance.sample import Sampled

Result = Report | Sampled | OnReal


def as_text(result: Result, given: str) -> Iterator[str]:
    """Lines. `given`: as `divergence`."""
    yield from _figures(result)
    for told in result.told:
        yield ""
        yield from divergence(told, given)
    if isinstance(result, Report) and result.model:
        yield from _coverage(result.model)
    yield ""
    if result.told:
        yield f"the implementation does not follow {result.design}"
    elif result.conforms:
        yield f"the implementation follows {result.design} in all of this"
    else:
        yield f"{early(result.stopped)}: not all was explored"


def _figures(result: Result) -> Iterator[str]:
    if isinstance(result, Sampled):
        yield f"{result.scope}: {result.walks:,} walks of {result.steps:,} steps, the longest {result.longest}"
        yield f"in {result.seconds:.1f} s"
        return
    if isinstance(result, OnReal):
        yield f"{result.scope}, on real files and a real {result.daemon}: {result.combinations:,} combinations"
        yield f"{result.edges:,} edges, each taken in one of {result.schedules:,} schedules of {result.steps:,} steps"
        yield f"in {result.seconds:.1f} s"
        return
    found = result.covered
    yield f"{result.scope}: {result.combinations:,} of {result.of:,} combinations of operations and stores"
    yield f"{found.nodes:,} nodes and {found.edges:,} edges, each edge held against the model; {found.checks:,} checks"
    yield f"they cover exactly {found.interleavings:,} interleavings, in {result.seconds:.1f} s"


def _coverage(found: Coverage) -> Iterator[str]:
    share = 100 * found.taken / found.reachable
    yield f"of the model's {found.reachable:,} transitions it took {found.taken:,}, {share:.2f} %; not taken:"
    by_reason: dict[str, list[str]] = {}
    for m in found.missing:
        said = f"{m.operation}: {m.step} {m.kind.value} ({m.count})"
        by_reason.setdefault(m.reason.value, []).append(said)
    for reason, lines in by_reason.items():
        yield f"  {reason}:"
        yield from (f"    {line}" for line in lines)


def divergence(told: Told, given: str) -> Iterator[str]:
    """A divergence, as a story, with the command that replays it. `given`: the options that say what it is replayed on,
    and which design it is held against."""
    yield f"diverges: {told.reason}"
    yield f"stores to begin with: {told.start}; processes: {', '.join(told.operations)}"
    yield from told.steps
    if told.candidates:
        yield "in the last step the model could have done, and did not happen because:"
        yield from (f"  {line}" for line in told.candidates)
    yield f"again: {again(told, given)}"


def again(told: Told, given: str) -> str:
    """The command that replays a divergence."""
    return f"confsync conform --replay '{told.token}'{given}"


def as_json(result: Result, given: str) -> str:
    """A JSON object. `given`: as `divergence`."""
    found: dict[str, object] = {
        "design": result.design,
        "conforms": result.conforms,
        "stopped": result.stopped,
        "scope": asdict(result.scope),
        "seconds": round(result.seconds, 3),
        "divergences": [asdict(told) | {"again": again(told, given)} for told in result.told],
    }
    if isinstance(result, Sampled):
        found |= {"walks": result.walks, "steps": result.steps, "longest": result.longest}
        return json.dumps(found, indent=2)
    if isinstance(result, OnReal):
        found |= {"daemon": result.daemon, "combinations": result.combinations, "edges": result.edges}
        found |= {"schedules": result.schedules, "steps": result.steps}
        return json.dumps(found, indent=2)
    covered = result.covered
    found |= {
        "combinations": result.combinations,
        "of": result.of,
        "nodes": covered.nodes,
        "edges": covered.edges,
        "checks": covered.checks,
        "interleavings": covered.interleavings,
    }
    if result.model:
        missing = [
            {"operation": m.operation, "step": m.step, "kind": m.kind.value, "reason": m.reason.name, "count": m.count}
            for m in result.model.missing
        ]
        found["model"] = {"reachable": result.model.reachable, "taken": result.model.taken, "missing": missing}
    return json.dumps(found, indent=2)


def as_junit(results: Sequence[Result], given: str) -> str:
    """JUnit XML: a case for each scope. `given`: as `divergence`."""
    suite = TestSuite("confsync conform")
    for result in results:
        case = TestCase(f"{result.design}, {result.scope}", "conform", result.seconds)
        if not result.conforms:
            told = result.told[0] if result.told else None
            if told:
                failure = Failure(told.reason, "conformance")
                failure.text = "\n".join(divergence(told, given))
                case.result = [failure]
            else:
                case.result = [Error(f"{early(result.stopped)}: not all was explored", "BOUNDED")]
        suite.add_testcase(case)
    xml = JUnitXml()
    xml.add_testsuite(suite)
    out = BytesIO()
    xml.write(out, pretty=True)
    return out.getvalue().decode()
