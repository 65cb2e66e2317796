"""The same exploration on real files, real locks and a real xenstored: every edge once more."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from xenstored import need

from confsync.impl.shim.daemon import NoDaemon, running
from confsync.impl.templates.store import TemplateStore
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.operations import SIGNATURES
from confsync.model.libxl.state import FIRST_CONFIG
from confsync.proofs.conformance import on_real as on_real_stores
from confsync.proofs.conformance.asked import Asked
from confsync.proofs.conformance.cli import given_by
from confsync.proofs.conformance.explore import Choice
from confsync.proofs.conformance.on_real import OnReal, on_real, replay_on_real
from confsync.proofs.conformance.output import as_text
from confsync.proofs.conformance.real import RealStores, replay
from confsync.proofs.conformance.schedule import Schedule
from confsync.proofs.conformance.scope import Scope, begin, starts

DESIGN = DESIGNS[RECOMMENDED]
pytestmark = pytest.mark.slow


def taken(daemon: str, scope: Scope, *, each_pair_once: bool = False) -> OnReal:
    need(daemon)
    return on_real(DESIGN, scope, daemon, lambda _done, _of: None, each_pair_once=each_pair_once)


@pytest.mark.parametrize(
    "operations",
    [("attach", "rename", "create"), pytest.param(tuple(SIGNATURES), marks=pytest.mark.deep)],
    ids=",".join,
)
def test_every_pair_on_a_real_xenstored(operations: tuple[str, ...]) -> None:
    found = taken("xenstored", Scope(2, operations=operations), each_pair_once=True)
    assert found.conforms, found.told
    pairs, with_create = len(operations) * (len(operations) + 1) // 2, len(operations)
    assert found.combinations == pairs + with_create  # where there is a domain, and where there is none
    assert found.schedules > found.combinations


@pytest.mark.parametrize(
    ("daemon", "some"),
    [
        ("xenstored", ("attach", "destroy")),
        pytest.param("xenstored", ("attach", "detach", "swap", "destroy"), marks=pytest.mark.deep),
        ("oxenstored", ("attach", "rename")),
    ],
)
def test_operations_that_die_and_fail_on_a_real_one(daemon: str, some: tuple[str, ...]) -> None:
    found = taken(daemon, Scope(1, 1, 1, some))
    assert found.conforms, found.told


def test_a_design_that_is_not_followed_is_told_here_too() -> None:
    need("xenstored")
    found = on_real(DESIGNS["json_first"], Scope(1, operations=("detach",)), "xenstored", lambda _done, _of: None)
    assert [t.reason for t in found.told] == ["no transition of the model leads to what the stores say"]


def as_real_command(found: OnReal) -> Iterator[str]:
    """The command that is printed for each divergence."""
    given = given_by(DESIGN, (), "real", found.daemon, None)
    for line in as_text(found, given):
        if line.startswith("again: "):
            yield line.removeprefix("again: ")


def test_a_difference_is_told_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    async def forgets(self: TemplateStore, lock: object, text: bytes) -> None:
        """Says that it wrote, and does not."""

    need("xenstored")
    monkeypatch.setattr(TemplateStore, "replace", forgets)
    monkeypatch.setattr(on_real_stores, "together", lambda _scope: [(Asked("create", draft=(FIRST_CONFIG, 0, 1)),)])
    found = on_real(DESIGN, Scope(1), "xenstored", lambda _done, _of: None)
    (told,) = found.told
    assert told.reason == "on the real stores, the stores stand for another state of the model"
    assert "templates.replace" in told.steps[-1]
    again = replay_on_real(told.token, DESIGN, "xenstored")
    assert (again.wrong, again.told.token, again.same) == (told.reason, told.token, True)
    assert shlex.split(next(as_real_command(found)))[4:] == ["--stores", "real", "--daemon", "xenstored"]
    monkeypatch.undo()
    assert replay_on_real(told.token, DESIGN, "xenstored").wrong == ""


def test_a_dead_process_gives_its_lock_and_keeps_its_file(tmp_path: Path) -> None:
    need("xenstored")
    explorer = begin(DESIGN, Scope(2, 1, 0))
    start = starts(explorer)["full"]
    asked = (Asked("rename", number=1), Asked("rename", number=2))
    dies = Schedule("full", asked, (Choice(0, 0), Choice(0, None), *(Choice(1, 0),) * 3))

    async def at_last(folder: Path, socket: Path) -> None:
        real = RealStores(folder, socket, 2)
        assert await replay(explorer, real, start, dies) is None
        await real.close()

    (tmp_path / "templates").mkdir()
    with running("xenstored", tmp_path / "run") as daemon:
        asyncio.run(at_last(tmp_path / "templates", daemon.socket))


def test_a_daemon_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("confsync.impl.shim.daemon.PROGRAMS", {"xenstored": ()})
    with pytest.raises(NoDaemon, match="apt-get install"), running("xenstored", tmp_path):
        pass
