"""xenstored is killed in the middle of each operation, and restarted with an empty store: every operation ends with an
error, none hangs, and nobody is told a configuration that is not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from conftest import Report
from xenstored import Daemon, running

from confsync.impl.operations import existence
from confsync.impl.ports import Domain, Requests
from crash.operation_table import OPERATIONS, Operation, of_group
from crash.operation_xenstored import Killed, kill_xenstored

MOST = 8
"""Requests of each operation before which xenstored is killed; in depth all of them."""
CORE = [operation for operation in of_group("core") if operation.name not in ("restore", "forced detach nic")]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A real xenstored."""
    with running("xenstored", tmp_path_factory.mktemp("xenstored") / "run") as found:
        yield found


def told(found: Killed, title: str, report: Report) -> None:
    """Put it into the table; all must be well."""
    report.add(f"operations: {title}", found.points, len(found.failures))
    assert not found.failures


@pytest.mark.slow
@pytest.mark.xdist_group("xenstored")
@pytest.mark.parametrize(
    "restarts", [pytest.param(True, id="restarted"), pytest.param(False, id="gone", marks=pytest.mark.deep)]
)
@pytest.mark.parametrize("operation", CORE, ids=str)
def test_xenstored_killed(operation: Operation, restarts: bool, daemon: Daemon, report: Report) -> None:
    found = kill_xenstored(operation, daemon, restarts=restarts, most=MOST)
    told(found, "xenstored killed", report)
    assert found.points >= (0 if operation.name == "scheduling" else 2)


@pytest.mark.slow
@pytest.mark.deep
@pytest.mark.xdist_group("xenstored")
@pytest.mark.parametrize("restarts", [True, False], ids=["restarted", "gone"])
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=str)
def test_xenstored_killed_in_depth(operation: Operation, restarts: bool, daemon: Daemon, report: Report) -> None:
    told(kill_xenstored(operation, daemon, restarts=restarts, most=10_000), "xenstored killed, in depth", report)


async def _known(_x: Requests, _domain: Domain) -> None:
    """Whatever xenstore says."""


@pytest.mark.slow
@pytest.mark.xdist_group("xenstored")
def test_an_attachment_to_a_forgotten_domain_is_noticed(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(existence, "require_known", _known)
    found = kill_xenstored(OPERATIONS["attach nic"], daemon, restarts=True, most=20)
    assert any("it says that it is done" in failure for failure in found.failures)
