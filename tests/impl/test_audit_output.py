"""What `confsync audit` prints, in each of its formats, and its exit codes."""

from __future__ import annotations

import asyncio
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import pytest
from audit_hosts import GUEST, PV, Made, healthy, template_name
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator
from junitparser import JUnitXml
from places import DATA, ROOT
from snapshots import unpack

from confsync.impl.audit.audit import audit
from confsync.impl.audit.cli import audit as command
from confsync.impl.audit.host import Host, snapshot
from confsync.impl.audit.invariants import INVARIANTS
from confsync.impl.audit.live import read_live
from confsync.impl.audit.output import schema
from confsync.impl.audit.store import Store
from confsync.impl.audit.userdata import in_folder
from confsync.impl.errors import CannotList, NoEntry
from confsync.impl.ports import Permission

CASE = "xen-4.17/208-kill-attach-after-commit"
SARIF: dict[str, object] = json.loads((DATA / "sarif-subset.schema.json").read_text("utf-8"))


def run(*arguments: object, width: int = 100) -> Result:
    """The command's result."""
    return CliRunner().invoke(command, [str(a) for a in arguments], env={"COLUMNS": str(width)})


def test_nothing_found_is_exit_code_0(tmp_path: Path) -> None:
    result = run(healthy().write(tmp_path))
    assert result.exit_code == 0
    assert result.stdout.startswith("nothing found: ")
    assert "6 domains, 17 devices, 1 template entry of devices that are gone, 1 domain of another toolstack" in (
        " ".join(result.stdout.split())
    )


@pytest.mark.parametrize("width", [40, 80, 200])
def test_text_tells_all_of_each_finding(tmp_path: Path, width: int) -> None:
    for moment in ("before", "after"):
        unpack(f"{CASE}/{moment}", tmp_path / moment)
    result = run(tmp_path, width=width)
    assert result.exit_code == 1
    said = "".join(result.stdout.split())
    for part in (
        "nothingfound:", "2warnings:", "warninghotplug_is_finisheddomain9`a208`", "diskxvdb", "hasnotrun",
        "`xlblock-detach--force9xvdb`,thenattachitagain", "lock_is_free", "retrieve", "mend",
    ):  # fmt: skip
        assert part in said
    assert result.stderr == ""


def test_json_is_as_the_schema_says(tmp_path: Path) -> None:
    Draft202012Validator.check_schema(schema())
    result = run(unpack(f"{CASE}/after", tmp_path), "--format", "json")
    said = json.loads(result.stdout)
    assert [e.message for e in Draft202012Validator(schema()).iter_errors(said)] == []
    assert [f["invariant"] for f in said[0]["findings"]] == ["hotplug_is_finished", "lock_is_free"]
    assert result.exit_code == 1
    del said[0]["findings"][0]["answer"]
    assert not Draft202012Validator(schema()).is_valid(said)


def test_junit_has_a_case_per_invariant_and_a_failure_per_finding(tmp_path: Path) -> None:
    result = run(unpack(f"{CASE}/after", tmp_path), "--format", "junit")
    (suite,) = JUnitXml.fromstring(result.stdout.encode())
    cases = {case.name: case for case in suite}
    assert list(cases) == list(INVARIANTS)
    assert [name for name, case in cases.items() if case.result] == ["hotplug_is_finished", "lock_is_free"]
    failure = ET.fromstring(result.stdout.encode()).find(".//failure")
    assert failure is not None
    assert failure.get("message", "").startswith("domain 9 `a208`")
    assert "mend: if no operation is under way" in (failure.text or "")
    assert (suite.failures, suite.tests) == (2, len(INVARIANTS))


def test_sarif_is_as_the_standard_says(tmp_path: Path) -> None:
    result = run(unpack(f"{CASE}/after", tmp_path), "--format", "sarif")
    said = json.loads(result.stdout)
    Draft202012Validator.check_schema(SARIF)
    assert [e.message for e in Draft202012Validator(SARIF).iter_errors(said)] == []
    results, rules = said["runs"][0]["results"], said["runs"][0]["tool"]["driver"]["rules"]
    assert [r["ruleId"] for r in results] == ["hotplug_is_finished", "lock_is_free"]
    assert all(rules[r["ruleIndex"]]["id"] == r["ruleId"] for r in results)
    assert len({rule["id"] for rule in rules}) == len(rules) == len(INVARIANTS)
    uri = results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri.startswith("file:///")
    assert uri.endswith(".libxl-json")
    said["runs"][0]["results"][0]["level"] = "fatal"
    assert not Draft202012Validator(SARIF).is_valid(said)


def without_permissions(folder: Path) -> Path:
    """A healthy host, in whose dump nobody can see who can write what."""
    dump = healthy().write(folder) / "xenstore.txt"
    dump.write_bytes(re.sub(rb"  \([^()]*\)$", b"", dump.read_bytes(), flags=re.MULTILINE))
    return folder


def test_what_was_not_looked_at_is_no_pass_in_junit(tmp_path: Path) -> None:
    """The one invariant that is about permissions is skipped; the others pass."""
    result = run(without_permissions(tmp_path), "--format", "junit")
    (suite,) = JUnitXml.fromstring(result.stdout.encode())
    cases = {case.name: case for case in suite}
    assert {name for name, case in cases.items() if case.is_skipped} == {"guest_cannot_forge"}
    assert all(case.is_passed for name, case in cases.items() if name != "guest_cannot_forge")
    assert "the dump has no permissions" in (cases["guest_cannot_forge"].result[0].message or "")
    assert (suite.tests, suite.failures, suite.skipped) == (len(INVARIANTS), 0, 1)


def test_templates_that_were_not_given_leave_no_invariant_passed(tmp_path: Path) -> None:
    folder = healthy().write(tmp_path)
    template = min(folder.rglob("*.libxl-json"))
    result = run("--xenstore", folder / "xenstore.txt", "--json", template, "--format", "junit")
    (suite,) = JUnitXml.fromstring(result.stdout.encode())
    assert not any(case.is_passed for case in suite)
    assert suite.skipped > 0


def test_what_was_not_looked_at_is_an_open_result_in_sarif(tmp_path: Path) -> None:
    said = json.loads(run(without_permissions(tmp_path), "--format", "sarif").stdout)
    assert [e.message for e in Draft202012Validator(SARIF).iter_errors(said)] == []
    (result,), rules = said["runs"][0]["results"], said["runs"][0]["tool"]["driver"]["rules"]
    assert (result["kind"], result["level"], rules[result["ruleIndex"]]["id"]) == ("open", "none", result["ruleId"])
    assert "the dump has no permissions" in result["message"]["text"]
    clean = json.loads(run(healthy().write(tmp_path / "clean"), "--format", "sarif").stdout)
    assert clean["runs"][0]["results"] == []
    assert len(clean["runs"][0]["tool"]["driver"]["rules"]) == len(INVARIANTS)


@pytest.mark.parametrize("form", ["json", "junit", "sarif"])
def test_a_clean_host_is_valid_in_every_format(tmp_path: Path, form: str) -> None:
    result = run(healthy().write(tmp_path), "--format", form)
    assert result.exit_code == 0
    assert result.stdout.strip()


def test_bad_input_is_exit_code_2_and_names_the_place(tmp_path: Path) -> None:
    folder = healthy().write(tmp_path / "host")
    (folder / "xenstore.txt").write_bytes(b'/local/domain/0 = ""\nrubbish\x1b[31m\n')
    result = run(folder)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == (
        f"confsync audit: {folder}/xenstore.txt: line 2: no line of `xenstore-ls -f`: 'rubbish\\x1b[31m\\n'\n"
    )
    for arguments in (
        [], [folder, "--live"], ["--json", "x"], ["--xenstore", "x"], [folder, "--userdata", folder],
        [tmp_path / "none"], ["--xenstore", tmp_path / "none", "--userdata", folder], [folder, "--format", "xml"],
    ):  # fmt: skip
        result = run(*arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert len(result.stderr) > 20
        assert "Traceback" not in result.stderr


def test_a_dump_and_a_template_are_enough(tmp_path: Path) -> None:
    folder = healthy().write(tmp_path)
    dump, template = folder / "xenstore.txt", folder / template_name(GUEST)
    assert run("--json", template, "--xenstore", dump).exit_code == 0
    assert run("--userdata", folder, "--xenstore", dump).exit_code == 0
    template.write_bytes(b"{")
    assert run("--json", template, "--xenstore", dump).exit_code == 1


class FakeXenstore:
    """Answers from a made host."""

    def __init__(self, made: Made, *, vanishing: str = "-") -> None:
        """`vanishing`: a node that is listed and then gone."""
        self.nodes = {line.partition(" = ")[0]: line.partition('"')[2].rpartition('"')[0] for line in made.lines()}
        self.made, self.vanishing = made, vanishing

    def _there(self, path: str) -> str:
        if path not in self.nodes or path == self.vanishing:
            raise NoEntry(f"read {path}")
        return self.nodes[path]

    async def read(self, path: str) -> bytes:
        return self._there(path).encode()

    async def directory(self, path: str) -> Sequence[str]:
        self._there(path)
        return sorted({p[len(path) + 1 :].partition("/")[0] for p in self.nodes if p.startswith(f"{path}/")})

    async def permissions(self, path: str) -> Sequence[Permission]:
        self._there(path)
        who = self.made.permissions.get(path, "n0").split(",")
        return [Permission(int(w[1:]), w[0]) for w in who]  # type: ignore[arg-type]

    async def write(self, path: str, value: bytes) -> None:
        raise AssertionError(f"an audit wrote {value!r} to {path}")

    async def make(self, path: str) -> None:
        raise AssertionError(f"an audit made {path}")

    async def remove(self, path: str) -> None:
        raise AssertionError(f"an audit removed {path}")

    async def set_permissions(self, path: str, permissions: Sequence[Permission]) -> None:
        raise AssertionError(f"an audit set {path} to {permissions}")


def contents(store: Store) -> list[object]:
    """All that is kept, but for the number of nodes."""
    return [getattr(store, name) for name in Store.__slots__ if name != "size"]


def test_a_live_host_is_read_as_its_dump_is(tmp_path: Path) -> None:
    made = healthy()
    made.permissions[f"/libxl/{GUEST}/device/vbd/768/params"] = "b0"
    made.permissions[f"/local/domain/{PV}/memory/target"] = f"n0,b{PV}"
    made.nodes[f"/local/domain/0/backend/vif/{GUEST}/0/online"] = "0"
    folder = made.write(tmp_path)
    from_dump = snapshot(folder)
    live = Host("live", asyncio.run(read_live(FakeXenstore(made))), in_folder(folder), whole=True)
    assert contents(live.store) == contents(from_dump.store)
    assert [f.key for f in audit(live).findings] == [f.key for f in audit(from_dump).findings]
    assert len(audit(live).findings) == 3


def test_a_node_that_goes_while_it_is_read_is_not_there() -> None:
    gone = f"/libxl/{GUEST}/device/vbd/768"
    store = asyncio.run(read_live(FakeXenstore(healthy(), vanishing=gone)))
    assert ("vbd", "768") not in store.libxl[GUEST]
    assert ("vbd", "5632") in store.libxl[GUEST]


def test_a_libxl_with_nothing_in_it_is_one() -> None:
    store = asyncio.run(read_live(FakeXenstore(Made({"/local/domain/0": "", "/libxl": ""}))))
    assert store.has_libxl
    assert not asyncio.run(read_live(FakeXenstore(Made({"/local/domain/0": ""})))).has_libxl


def test_what_is_found_live_is_looked_for_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = healthy()
    made.nodes[f"/local/domain/0/backend/vif/{GUEST}/0/online"] = "0"
    folder = made.write(tmp_path)
    reads: list[FakeXenstore] = []

    class Client(FakeXenstore):
        """At the second look that backend is online, if it is to be, and another is not."""

        def __init__(self) -> None:
            super().__init__(made)
            reads.append(self)

        async def directory(self, path: str) -> Sequence[str]:
            if path == "/local/domain":
                self.looks = getattr(self, "looks", 0) + 1
                if heals and self.looks == 2:
                    self.nodes[f"/local/domain/0/backend/vif/{GUEST}/0/online"] = "1"
                    self.nodes[f"/local/domain/0/backend/qdisk/{GUEST}/5632/online"] = "0"
            return await super().directory(path)

        async def close(self) -> None:
            self.closed = True

    monkeypatch.setattr("confsync.impl.xenstore.client.Client", Client)
    heals = False
    stays = run("--live", "--userdata", folder)
    assert (stays.exit_code, "removal_is_finished" in stays.stdout) == (1, True)
    heals = True
    assert run("--live", "--userdata", folder).exit_code == 0
    assert [(client.looks, client.closed) for client in reads] == [(2, True)] * 2  # type: ignore[attr-defined]
    assert run("--live", "--userdata", tmp_path / "none").exit_code == 2


def test_a_xenstore_with_nothing_in_it_is_no_host() -> None:
    with pytest.raises(CannotList, match="nothing below /local/domain"):
        asyncio.run(read_live(FakeXenstore(Made())))


def test_the_documentation_has_every_finding() -> None:
    text = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z_]+)` \| (error|warning) \| ([^|]+) \| ([^|]+) \|", text, re.MULTILINE)
    assert [(name, severity, claims.strip(), words.strip()) for name, severity, claims, words in rows] == [
        (i.id, i.severity, i.claims, i.words) for i in INVARIANTS.values()
    ]
