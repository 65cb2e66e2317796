"""`confsync retrieve` against what the real `xl list -l` printed for every snapshot of a real host, byte for byte."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from snapshots import snapshots, unpack

from confsync.impl.audit.answer import IGNORED
from confsync.impl.audit.retrieve_cli import retrieve

pytestmark = pytest.mark.slow

SCHEDULING = {
    "lab": {"sched": "credit2", "weight": 256, "cap": 0},
    "xen-4.17": {"sched": "credit", "weight": 256, "cap": 0},
}
"""What the hypervisor said for every domain of the host: no store and no template has it."""
DEAD_DEVICE_MODEL = {
    f"xen-4.17/{moment}"
    for moment in ("160-block-attach-hvm/before", "160-block-attach-hvm/after", "161-destroy-hvm/before")
}
"""QEMU of domain 19 had died: `query-cpus-fast` is refused, and retrieve fails. Neither xenstore nor a file
tells of it [retrieve_domain_configuration_lock_acquired]."""
HYPERVISOR_ALONE = {"xen-4.17/286-kill-destroy-after-unlink2/after-byid"}
"""The destroy was killed when neither xenstore nor a file was left of domain 65: xl finds it, and retrieve fails; to
who has the snapshot alone there is no such domain."""
_ASKED = re.compile(r"^(\S+) is an invalid domain identifier|^Error: Domain '(\d+)' does not exist|Domain (\d+):", re.M)


def messages(name: str) -> str:
    """What libxl and xl said besides."""
    files = snapshots()[name]
    return files.get("list-l.err", files.get("list-l.stderr", b"")).decode()


def asked(name: str) -> str:
    """The domain that xl was asked for."""
    printed = json.loads(snapshots()[name]["list-l.json"] or "[]")
    if printed:
        return str(printed[0]["domid"])
    found = _ASKED.search(messages(name))
    assert found, name
    return next(group for group in found.groups() if group)


@pytest.mark.parametrize("host", SCHEDULING)
def test_every_answer_of_the_real_one_is_printed_byte_for_byte(host: str, tmp_path: Path) -> None:
    held = {"answered": 0, "failed": 0, "no domain": 0}
    for name in sorted(snapshots()):
        if not name.startswith(f"{host}/"):
            continue
        folder = str(unpack(name, tmp_path / name))
        said = CliRunner().invoke(
            retrieve, ["--scheduling", json.dumps(SCHEDULING[host]), "--domain", asked(name), folder]
        )
        expected = snapshots()[name]["list-l.json"].decode()
        if name in DEAD_DEVICE_MODEL:
            assert (said.exit_code, json.loads(expected)) == (0, []), name
            continue
        if name in HYPERVISOR_ALONE:
            assert (said.exit_code, said.stdout, json.loads(expected)) == (1, "", []), name
            continue
        assert said.stdout == expected, name
        assert said.stderr.count(IGNORED) == messages(name).count(IGNORED), name
        there = "does not exist" not in messages(name) and "invalid domain identifier" not in messages(name)
        answered = there and bool(json.loads(expected))
        assert said.exit_code == (0 if answered else 1), name
        assert there or "ERROR_DOMAIN_NOTFOUND" in said.stderr, name
        assert answered or not there or "fails with ERROR_" in said.stderr, name
        held["answered" if answered else "failed" if there else "no domain"] += 1
    expected_counts = {"lab": (29, 2, 1), "xen-4.17": (188, 11, 22)}
    print(f"{sum(held.values())} answers of the real {host} held: {held}")
    assert tuple(held.values()) == expected_counts[host]


def test_each_snapshot_has_what_the_real_one_printed() -> None:
    assert sum("list-l.json" in files for files in snapshots().values()) == len(snapshots()) == 257


def test_a_domain_whose_destroy_was_cut_is_answered_with_its_raw_template(tmp_path: Path) -> None:
    folder = unpack("xen-4.17/284-kill-destroy-before-unlink/after-byid", tmp_path)
    said = CliRunner().invoke(retrieve, ["--domain", "63", str(folder)])
    assert said.exit_code == 0
    template = json.loads((folder / "libxl.json").read_bytes().rstrip(b"\0"))
    assert json.loads(said.stdout) == [{"domid": 63, "config": template}]
    assert "Fail to get domain name" in said.stderr
