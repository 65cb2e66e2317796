"""What the pages say is so: their commands parse, their stories and tables are the ones that are printed, their paths
are there."""

from __future__ import annotations

import json
import re
import shlex
from fnmatch import fnmatch

import click
import pytest
from click.testing import CliRunner
from places import ROOT

from confsync.front_door import main
from confsync.model.libxl.claims import CLAIMS
from confsync.model.libxl.designs import DESIGNS
from confsync.model.libxl.operations import SIGNATURES
from confsync.model.libxl.properties import PROPERTIES

PAGES = {
    str(p.relative_to(ROOT)): p.read_text()
    for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "tests/README.md"]
}
README = PAGES["README.md"]
ROOTS = ("confsync/", "docs/", "impl/", "model/", "proofs/", "terminal/", "tests/", "examples/", "benchmarks/")
"""Where a path in a page is one of this project's."""
LETTERS = {"PROVED": "P", "EXHAUSTED": "E", "BOUNDED": "B", "REFUTED": "R", "UNKNOWN": "?"}


def commands(text: str) -> list[str]:
    """The command lines of a page, those that go on in the next line joined."""
    joined = re.sub(r"'\\\n\s*'", "", text).replace("\\\n", " ")
    lines = re.findall(r"^(?: *\$ |    )?(confsync [a-z].*)$", joined, re.MULTILINE)
    return [re.split(r" [|>&] ", line)[0] for line in lines]


EVERY_COMMAND = [(page, command) for page, text in PAGES.items() for command in commands(text)]


def parse(command: click.Command, arguments: list[str], parent: click.Context | None = None) -> None:
    """Parse a command line as click does, and run nothing."""
    with command.make_context(command.name, arguments, parent=parent) as context:
        if isinstance(command, click.Group):
            rest = [*context._protected_args, *context.args]
            _, found, left = command.resolve_command(context, rest)
            assert found is not None
            parse(found, left, context)


@pytest.mark.slow
@pytest.mark.parametrize(("page", "command"), EVERY_COMMAND)
def test_a_command_of_a_page_parses(page: str, command: str) -> None:
    assert page in PAGES
    parse(main, shlex.split(command, comments=True)[1:])


def test_pages_have_commands() -> None:
    assert len(EVERY_COMMAND) > 20
    assert "confsync prove xenstore_first_locked" in commands(README)


def test_a_command_that_does_not_exist_does_not_parse() -> None:
    with pytest.raises(click.UsageError):
        parse(main, ["check", "--no-such-option"])
    with pytest.raises(click.UsageError):
        parse(main, ["domain", "no-such-command"])


@pytest.mark.parametrize("page", PAGES)
def test_paths_and_links_are_there(page: str) -> None:
    text = re.sub(r"```.*?```", "", PAGES[page], flags=re.DOTALL)
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    missing = [link for link in links if link and not (ROOT / page).parent.joinpath(link).exists()]
    named = re.findall(r"[\w./-]+", text)
    paths = {
        name.rstrip(".") for name in named if name.startswith(ROOTS) and re.search(r"(\.\w+|/)$", name.rstrip("."))
    }
    missing += [path for path in sorted(paths) if not (ROOT / path).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES)
def test_tables_are_whole(page: str) -> None:
    """No blank line within a table, a line of dashes below its head, as many cells in each row."""
    text = re.sub(r"```.*?```", "", PAGES[page], flags=re.DOTALL)
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        head, dashes, *rows = table.splitlines()
        assert re.fullmatch(r"[|:\s-]+", dashes), f"a table is cut before: {head}"
        assert {row.count("|") - row.count(r"\|") for row in (head, *rows)} == {dashes.count("|")}


def test_every_command_is_in_the_readme() -> None:
    table = re.findall(r"^\| (`confsync .*?) \| ", README, re.MULTILINE)
    assert {name for row in table for name in re.findall(r"`confsync (\w+)", row)} == {
        *main.list_commands(click.Context(main))
    }


def test_the_matrix_is_the_manifest() -> None:
    manifest = json.loads((ROOT / "tests" / "manifest.json").read_text())["designs"]
    designs = re.findall(r"^\[\d+\] (\w+)$", README, re.MULTILINE)
    assert designs == list(DESIGNS)
    rows = dict(re.findall(r"^│ (\w+) +│ (.*) │$", README, re.MULTILINE))
    assert list(rows) == list(PROPERTIES)
    for name, row in rows.items():
        expected = []
        for design in designs:
            cell = manifest[design][name]
            refuted = cell["verdict"] == "REFUTED"
            proof = "" if refuted and cell["proof"] == "UNKNOWN" else cell["proof"]
            words = " ".join(LETTERS[v] for v in (proof, cell["verdict"]) if v)
            expected.append(words + (f" {cell['depth']}" if refuted else "*" if cell["vacuous"] else ""))
        assert [cell.strip() for cell in row.split("│")] == expected


def test_the_story_is_the_one_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "98")
    told = README.split("```\nxenstore_first_unchecked violates")[1].split("\n```")[0]
    command = next(c for c in commands(told) if c.startswith("confsync replay"))
    result = CliRunner().invoke(main, shlex.split(command)[1:])
    assert result.exit_code == 1
    shown = [line.rstrip() for line in result.stdout.strip().splitlines()]
    assert shown == f"xenstore_first_unchecked violates{told}".splitlines()


@pytest.mark.parametrize("page", ["README.md", "docs/conformance.md"])
def test_what_is_explored_is_named(page: str) -> None:
    text = " ".join(PAGES[page].split())
    assert len(SIGNATURES) == 10
    assert re.search(r"\bthe ten\b.{0,40}model", text)
    assert all(name in text for name in SIGNATURES)


@pytest.mark.deep
def test_the_figures_of_conformance_are_those_counted() -> None:
    block = README.split("$ confsync conform --processes 2 --crashes 1 --fine\n\n```\n")[1].split("\n```")[0]
    printed = CliRunner().invoke(main, ["conform", "--processes=2", "--crashes=1", "--fine"]).stdout
    for line in block.splitlines():
        if line.strip() != "...":
            assert line.partition(", in about")[0] in printed


CITATION = re.compile(r"\[((?:[AJXRCLPU][0-9])(?:, ?[AJXRCLPU][0-9])*)[\]:]")
"""Claims of the discussion as docstrings and pages cite them: [X1, X4], or [A3: what it says]."""
FOLDERS = ("model", "impl", "proofs")


def rows(page: str) -> list[list[str]]:
    """The cells of all rows of a page's tables."""
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in PAGES[page].split("\n") if line[:1] == "|"
    ]


def test_the_design_of_record_has_each_claim_and_each_property_as_the_code_does() -> None:
    found = [tuple(row) for row in rows("docs/design.md")]
    claims = [(c.name, c.says) for c in CLAIMS.values()]
    properties = [(f"`{p.name}`", p.statement, ", ".join(p.claims), p.decided) for p in PROPERTIES.values()]
    assert [row for row in found if re.fullmatch("[A-Z][0-9]", row[0])] == claims
    assert [row for row in found if len(row) == 4 and row[0].startswith("`")] == properties


def test_each_claim_that_is_cited_is_in_the_design_of_record() -> None:
    sources = {str(p): p.read_text(encoding="utf-8") for folder in FOLDERS for p in (ROOT / folder).rglob("*.py")}
    cited = {
        (name, claim)
        for name, text in (sources | PAGES).items()
        for found in CITATION.findall(text)
        for claim in re.split(", ?", found)
    }
    assert len(cited) > 50
    assert {(name, claim) for name, claim in cited if claim not in CLAIMS} == set()


def test_the_page_on_the_tests_names_each_file() -> None:
    table = PAGES["tests/README.md"].split("| subject |")[1]
    patterns = re.findall(r"`([a-z_*]+)`", table)
    files = {path.stem.removeprefix("test_") for path in (ROOT / "tests").rglob("test_*.py")}
    assert {name for name in files if not any(fnmatch(name, pattern) for pattern in patterns)} == set()
    assert [pattern for pattern in patterns if not any(fnmatch(name, pattern) for name in files)] == []
