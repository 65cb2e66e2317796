"""JSON, JUnit and tables of real cells, and of cells as no search would give them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from io import StringIO

import pytest
from jsonschema import Draft202012Validator
from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite
from rich.console import Console

from confsync.model.engine.check import check
from confsync.model.engine.search.bfs import Limits
from confsync.model.engine.trace import read_token
from confsync.model.engine.verdict import Cell, Verdict
from confsync.model.libxl.designs import DESIGNS
from confsync.model.libxl.properties import PROPERTIES
from confsync.model.libxl.state import Bounds
from confsync.model.report.output import Stories, as_json, as_junit, as_text, schema
from confsync.model.report.wrong import wrong

pytestmark = pytest.mark.slow

DRIVE = Bounds(slots=0, ejectable=1, configs=2, names=1, amounts=1)
NAMES = ("xenstore_has_template", "template_has_xenstore", "retrieve_never_degraded", "lock_order_is_acyclic")
Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None


@pytest.fixture(scope="module")
def cells() -> list[Cell]:
    """Refuted, exhausted, vacuous and bounded ones, of four designs; and two verdicts that no search gives."""
    found = check(DESIGNS["as_posted"], DRIVE, NAMES).cells
    found += check(DESIGNS["json_first"], DRIVE, NAMES).cells
    found += check(DESIGNS["xenstore_first_unlocked"], DRIVE, NAMES, limits=Limits(max_states=500)).cells
    found += check(DESIGNS["xenstore_first_locked"], DRIVE, NAMES[:3]).cells
    more = [
        replace(found[-1], property_name=name, statement=PROPERTIES[name].statement, verdict=verdict)
        for name, verdict in (("medium_agrees", Verdict.PROVED), ("no_lost_update", Verdict.UNKNOWN))
    ]
    return [*found, *more]


def test_the_cells_are_of_every_kind(cells: list[Cell]) -> None:
    assert {c.verdict for c in cells} == set(Verdict)
    assert any(c.vacuous for c in cells)


def problems(instance: object) -> list[str]:
    """What the schema has against it."""
    return [e.message for e in Draft202012Validator(schema()).iter_errors(instance)]


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(schema())


def test_json_is_as_the_schema_says(cells: list[Cell]) -> None:
    assert problems(json.loads(as_json(cells))) == []
    assert json.loads(as_json([])) == []
    assert as_json(cells) == as_json(list(cells))


def test_json_says_what_the_cells_are(cells: list[Cell]) -> None:
    for c, told in zip(cells, json.loads(as_json(cells)), strict=True):
        assert list(told) == [
            "design", "property", "verdict", "vacuous", "states", "transitions", "depth", "seconds", "bounds",
            "stopped", "trace", "token",
        ]  # fmt: skip
        assert (told["design"], told["property"], told["verdict"]) == (c.design, c.property_name, c.verdict.value)
        assert Bounds(**told["bounds"]) == c.bounds
        assert len(told["trace"]) == (c.depth if c.verdict is Verdict.REFUTED else 0)
        if c.verdict is Verdict.REFUTED:
            token = read_token(told["token"], Bounds)
            assert [move["process"] for move in told["trace"]] == [process for process, _ in token.choices]


def test_json_of_a_trace(cells: list[Cell]) -> None:
    """The first step, and what the last state comes to if all changes are made in turn."""
    for c, told in zip(cells, json.loads(as_json(cells)), strict=True):
        if not c.trace:
            continue
        first = told["trace"][0]
        assert list(first) == ["process", "operation", "arguments", "step", "kind", "changed"]
        assert first["operation"] == "create"
        assert first["arguments"]["draft"]["drive0"] in {"empty", "c1", "c2"}
        at: dict[str, str | bool] = {}
        for move in told["trace"]:
            for place, change in move["changed"].items():
                assert change["from"] != change["to"]
                assert at.get(place, change["from"]) == change["from"]
                at[place] = change["to"]
        if c.property_name == "template_has_xenstore":
            assert at["template[drive0]"] not in {"absent", at.get("xenstore[drive0]")}


def drop(key: str) -> Callable[[dict[str, Json]], object]:
    return lambda cell: cell.pop(key)


def put(value: Json, *path: str) -> Callable[[dict[str, Json]], object]:
    """Put a value where the path leads; a trace's first move is `0`."""

    def change(cell: dict[str, Json]) -> None:
        at: Json = cell
        for key in path[:-1]:
            assert isinstance(at, dict | list)
            at = at[0] if isinstance(at, list) else at[key]
        assert isinstance(at, dict)
        at[path[-1]] = value

    return change


@pytest.mark.parametrize(
    "breaks",
    [
        *(drop(k) for k in ("design", "property", "verdict", "vacuous", "bounds", "trace", "token", "stopped")),
        put("GREEN", "verdict"),
        put("EXHAUSTED", "verdict"),
        put("BOUNDED", "verdict"),
        put(-1, "states"),
        put(1.5, "depth"),
        put(0, "bounds", "processes"),
        put("", "design"),
        put("", "token"),
        put("no token", "token"),
        put(True, "vacuous"),
        put("the bound of 5 states", "stopped"),
        put(1, "extra"),
        put(1, "bounds", "extra"),
        put("jumps", "trace", "0", "kind"),
        put("0", "trace", "0", "process"),
        put("c1", "trace", "0", "arguments", "device"),
        put("c1", "trace", "0", "arguments", "draft"),
        put({"from": "absent"}, "trace", "0", "changed", "template[drive0]"),
        put({"from": "absent", "to": 3}, "trace", "0", "changed", "template[drive0]"),
        put({}, "trace", "0", "extra"),
    ],
)
def test_the_schema_rejects_what_is_broken(cells: list[Cell], breaks: Callable[[dict[str, Json]], object]) -> None:
    refuted = json.loads(as_json([next(c for c in cells if c.trace)]))
    assert problems(refuted) == []
    breaks(refuted[0])
    assert problems(refuted)


def test_the_schema_rejects_a_bound_without_its_name(cells: list[Cell]) -> None:
    bounded = next(c for c in cells if c.verdict is Verdict.BOUNDED)
    assert problems(json.loads(as_json([replace(bounded, stopped="")])))
    assert problems(json.loads(as_json([replace(bounded, verdict=Verdict.EXHAUSTED)])))
    assert problems({})


def parsed(text: str) -> JUnitXml:
    return JUnitXml.fromstring(text.encode())


def cases(xml: JUnitXml) -> dict[tuple[str, str], TestCase]:
    return {(str(suite.name), str(case.name)): case for suite in xml for case in suite}


def test_junit_counts(cells: list[Cell]) -> None:
    xml = parsed(as_junit(cells, 12.5))
    refuted = sum(c.verdict is Verdict.REFUTED for c in cells)
    undecided = sum(c.verdict in (Verdict.BOUNDED, Verdict.UNKNOWN) for c in cells)
    assert (xml.tests, xml.failures, xml.errors, xml.skipped) == (len(cells), refuted, undecided, 0)
    assert xml.time == 12.5
    assert [suite.name for suite in xml] == list(dict.fromkeys(c.design for c in cells))
    for suite in xml:
        of_design = [c for c in cells if c.design == suite.name]
        assert isinstance(suite, TestSuite)
        assert suite.tests == len(of_design)
        assert suite.time == pytest.approx(max(c.seconds for c in of_design), abs=0.001)
        assert [case.name for case in suite] == [c.property_name for c in of_design]


def test_junit_says_what_the_cells_are(cells: list[Cell]) -> None:
    found = cases(parsed(as_junit(cells, 0)))
    for c in cells:
        case = found[c.design, c.property_name]
        assert case.is_passed == (c.verdict in (Verdict.PROVED, Verdict.EXHAUSTED)), "a bound is never a pass"
        assert str(case.system_out).startswith(f"{c.verdict.value}: {c.verdict.words}")
        assert ("vacuous" in str(case.system_out)) == c.vacuous
        if c.vacuous:
            assert PROPERTIES[c.property_name].sometimes in str(case.system_out)
        if c.verdict is Verdict.REFUTED:
            (failure,) = case.result
            assert c.trace
            assert isinstance(failure, Failure)
            assert failure.message == wrong(c.trace, c.property_name)[0]
            assert f"{c.design} violates {c.property_name} in {c.depth} step" in str(failure.text)
            assert "confsync replay" in str(failure.text)
            assert "\x1b" not in str(failure.text)
        if c.verdict in (Verdict.BOUNDED, Verdict.UNKNOWN):
            (error,) = case.result
            assert isinstance(error, Error)
            assert c.stopped in str(error.message)


def test_junit_of_nothing() -> None:
    xml = parsed(as_junit([], 0))
    assert (xml.tests, xml.failures, xml.errors, len(list(xml))) == (0, 0, 0, 0)


def printed(cells: list[Cell], width: int, *, stories: Stories) -> str:
    console = Console(file=StringIO(), width=width)
    as_text(cells, console, stories=stories)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [60, 84, 130, 180])
def test_tables(cells: list[Cell], width: int) -> None:
    text = printed(cells, width, stories=Stories.NONE)
    assert max(map(len, text.splitlines())) <= width
    assert "\x1b" not in text
    assert "violates" not in text
    words = set(re.findall(r"[\w']+", text))
    for c in cells:
        assert {c.design, c.property_name, c.verdict.value} <= words
        assert words >= set(re.findall(r"[\w']+", PROPERTIES[c.property_name].statement))
        assert f"{c.states:,}" in text
    assert "(vacuous)" in text
    assert "stopped at the bound of 500 states" in " ".join(text.split())


def test_stories_of_the_refuted(cells: list[Cell]) -> None:
    text = printed(cells, 100, stories=Stories.ALL)
    titles = re.findall(r"^(\w+) violates (\w+) in", text, re.MULTILINE)
    assert titles == [(c.design, c.property_name) for c in cells if c.verdict is Verdict.REFUTED]


def test_tables_of_nothing() -> None:
    assert printed([], 80, stories=Stories.ALL) == ""
