"""The lockstep machine on real files and a real xenstored, C and OCaml."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from machines_hosts import OnDaemon
from machines_lockstep import walk
from xenstored import Daemon, running


@pytest.fixture(scope="module", params=["xenstored", "oxenstored"])
def daemon(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with running(request.param, tmp_path_factory.mktemp(request.param) / "run") as found:
        yield found


@pytest.mark.slow
def test_a_host_with_a_real_xenstored_stands_some_walks(daemon: Daemon) -> None:
    walk(lambda: OnDaemon(daemon), examples=4, steps=12)


@pytest.mark.slow
def test_a_machine_leaves_nothing_of_its_own(daemon: Daemon) -> None:
    """Each walk begins with an empty tree, or it would prove less than it says."""
    for _ in range(2):
        host = OnDaemon(daemon)
        assert set(host.tree()) <= {"/local", "/libxl", "/vm"}
        host.run(host.connect(0).write("/local/domain/1/name", b"left"))
        host.close()
