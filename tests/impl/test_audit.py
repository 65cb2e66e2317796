"""The audit of snapshots of real hosts: what was read from each case by hand is found, and nothing else."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
import xl
from places import DATA
from snapshots import snapshots as all_snapshots
from snapshots import unpack

from confsync.impl.audit.answer import retrieve
from confsync.impl.audit.audit import audit
from confsync.impl.audit.domain import open_domain
from confsync.impl.audit.host import Host, snapshot, snapshots
from confsync.impl.kinds import Json

pytestmark = pytest.mark.slow

EXPECTED = tomllib.loads((DATA / "hosts" / "expected.toml").read_text(encoding="utf-8"))
CASES = sorted({name.rpartition("/")[0] for name in all_snapshots()})


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Host]:
    """Each snapshot's host."""
    folder = tmp_path_factory.mktemp("hosts")
    return {name: snapshot(unpack(name, folder / name)) for name in all_snapshots()}


def test_every_snapshot_is_there() -> None:
    assert len(CASES) == 87 + 16
    assert len(all_snapshots()) == 257
    assert set(EXPECTED) <= set(all_snapshots())


def test_what_each_case_left_is_found_and_nothing_else(hosts: dict[str, Host]) -> None:
    found = {}
    for name, host in hosts.items():
        keys = [f.key.removesuffix(f.uuid).strip() for f in audit(host).findings]
        if keys:
            found[name] = sorted(keys)
    assert found == {name: sorted(case["findings"]) for name, case in EXPECTED.items()}


def test_every_finding_tells_all_that_one_needs(hosts: dict[str, Host]) -> None:
    for host in hosts.values():
        for f in audit(host).findings:
            xl.reads(f.mend)
            for told in (f.template, f.xenstore, f.answer, f.mend, f.file, f.invariant.words, f.invariant.claims):
                assert told.strip()
            assert f.domid is not None


def _retrieved(files: dict[str, bytes]) -> Iterator[tuple[int, dict[str, Json]]]:
    """What the real `xl list -l` printed: each domain's number and configuration."""
    text = files.get("list-l.json", b"").decode()
    for said in json.loads(text) if text.strip() else []:
        yield said["domid"], said["config"]


def _comparable(config: dict[str, Json]) -> dict[str, Json]:
    """Without what only the hypervisor or QEMU know."""
    b_info = {**cast("dict[str, Json]", config["b_info"])}
    for unknown in ("sched_params", "avail_vcpus"):
        b_info.pop(unknown, None)
    c_info = {**cast("dict[str, Json]", config["c_info"])}
    c_info.pop("domid", None)
    return {**config, "b_info": b_info, "c_info": c_info}


def test_retrieve_answers_as_the_real_one_did(hosts: dict[str, Host]) -> None:
    compared = failures = 0
    for name, host in hosts.items():
        files = all_snapshots()[name]
        said = dict(_retrieved(files))
        for domid, config in said.items():
            answer = retrieve(open_domain(host, domid))
            assert answer.configuration is not None, name
            assert _comparable(dict(answer.configuration.value)) == _comparable(config), name
            compared += 1
        if not said and name in EXPECTED:
            for finding in EXPECTED[name]["findings"]:
                invariant, domid = finding.split()[:2]
                if invariant in ("domain_has_template", "template_is_readable"):
                    assert retrieve(open_domain(host, int(domid))).failure.startswith("fails with ERROR_")
                    failures += 1
    assert (compared > 200, failures > 5) == (True, True), (compared, failures)


def test_stale_entries_are_counted_and_no_finding(hosts: dict[str, Host]) -> None:
    result = audit(hosts["lab/sem-stale-several/before"])
    assert (result.stale, result.findings) == (2, [])
    assert audit(hosts["xen-4.17/205-kill-attach-after-rename/after"]).stale == 1
    assert audit(hosts["xen-4.17/010-create-pv-paused/after"]).stale == 0


def test_a_case_is_audited_before_and_after(tmp_path: Path) -> None:
    for moment in ("after", "after-retry", "before"):
        unpack(f"xen-4.17/208-kill-attach-after-commit/{moment}", tmp_path / moment)
    names = [Path(host.source).parent.name for host in snapshots(tmp_path)]
    assert names == ["before", "after", "after-retry"]


def test_answers_do_not_depend_on_what_a_guest_can_write(tmp_path: Path) -> None:
    name = "xen-4.17/020-block-attach-live/after"
    clean = unpack(name, tmp_path / "clean")
    forged = unpack(name, tmp_path / "forged")
    lines = (clean / "xenstore.txt").read_text(encoding="utf-8").splitlines()
    hostile = []
    for line in lines:
        path, _, rest = line.partition(" = ")
        if rest.rpartition("(")[2].startswith("n2") and "/device/" in path:
            value = '"9"' if path.endswith("/state") else '"/local/domain/0/backend/vbd/9/9"'
            hostile.append(f"{path} = {value}   ({rest.rpartition('(')[2]}")
            continue
        hostile.append(line)
    own = "/local/domain/2/device/vbd/51712"
    hostile += [f'{own}/{x} = "1"   (n2)' for x in ("online", "params", "removable", "hotplug-status", "dev")]
    hostile += ['/local/domain/2/data/libxl = "/libxl/2/device/vbd/51760"   (n2)']
    assert hostile[: len(lines)] != lines
    (forged / "xenstore.txt").write_text("\n".join(hostile) + "\n", encoding="utf-8")
    before, after = snapshot(clean), snapshot(forged)
    assert [f.key for f in audit(before).findings] == [f.key for f in audit(after).findings]
    assert [f.invariant.id for f in audit(before).findings] == ["macs_are_unique"]
    for domid in before.store.local:
        one, other = retrieve(open_domain(before, domid)), retrieve(open_domain(after, domid))
        assert (one.failure, one.configuration) == (other.failure, other.configuration)
