"""The client on real daemons: many at once, daemons that die, and the shim that they run under."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import LONG
from xenstored import Daemon, need, running

from confsync.impl.errors import Again, ConnectionLost, NoEntry, XenstoreError
from confsync.impl.ports import Transaction
from confsync.impl.shim.build import SOURCE, CannotBuild, build
from confsync.impl.shim.daemon import PROGRAMS
from confsync.impl.xenstore.client import Client
from confsync.impl.xenstore.retry import transact

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["xenstored", "oxenstored"])
def daemon(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with running(request.param, tmp_path_factory.mktemp(request.param) / "run") as found:
        yield found


def test_many_requests_at_once_on_one_connection(daemon: Daemon) -> None:
    async def body() -> None:
        x = daemon.connect()
        names = [f"n{n}" for n in range(300)]
        await asyncio.gather(*(x.write(f"/many/{name}", name.encode() * 100) for name in names))
        found = await asyncio.gather(*(x.read(f"/many/{name}") for name in names))
        assert found == [name.encode() * 100 for name in names]
        assert sorted(await x.directory("/many")) == sorted(names)
        await x.close()

    asyncio.run(asyncio.wait_for(body(), LONG))


def test_a_large_directory(daemon: Daemon) -> None:
    names = [f"{n}-{'x' * 30}" for n in range(400)]

    async def body() -> None:
        x = daemon.connect()
        await asyncio.gather(*(x.make(f"/large/{name}") for name in names))
        assert sorted(await x.directory("/large")) == sorted(names)
        await x.close()

    asyncio.run(asyncio.wait_for(body(), LONG))


def test_no_update_is_lost_among_connections(daemon: Daemon) -> None:
    async def add_one(tx: Transaction) -> None:
        await tx.write("/n", b"%d" % (int(await tx.read("/n")) + 1))

    async def body() -> None:
        clients = [daemon.connect() for _ in range(4)]
        await clients[0].write("/n", b"0")
        met = 0

        async def counted(tx: Transaction) -> None:
            nonlocal met
            met += 1
            await add_one(tx)

        async def many(client: Client) -> None:
            for _ in range(20):
                await transact(client, counted, attempts=1000)

        await asyncio.gather(*map(many, clients))
        assert await clients[0].read("/n") == b"80"
        assert met > 80  # they met
        for client in clients:
            await client.close()

    asyncio.run(asyncio.wait_for(body(), LONG))


def test_a_connection_that_is_closed_leaves_no_transaction(daemon: Daemon) -> None:
    async def body() -> None:
        x, y = daemon.connect(), daemon.connect()
        await x.write("/left", b"0")
        tx = await x.begin()
        await tx.write("/left", b"1")
        await x.close()
        assert await y.read("/left") == b"0"
        with pytest.raises(ConnectionLost):
            await tx.commit()
        await tx.abort()
        await y.close()

    asyncio.run(asyncio.wait_for(body(), LONG))


def test_a_daemon_that_dies_and_comes_back_empty(daemon: Daemon) -> None:
    async def body() -> None:
        x = daemon.connect()
        await x.write("/here", b"1")
        tx, watch = await x.begin(), await x.watch("/here")
        await tx.write("/here", b"2")
        assert await watch.event() == "/here"
        waiting = asyncio.create_task(watch.event())
        await asyncio.sleep(0)
        daemon.kill()
        with pytest.raises(ConnectionLost):
            await waiting
        with pytest.raises(ConnectionLost):
            await x.read("/here")
        daemon.start()
        with pytest.raises(NoEntry):
            await x.read("/here")
        with pytest.raises(ConnectionLost):
            await tx.commit()
        await x.write("/here", b"3")
        assert await x.read("/here") == b"3"
        await x.close()

    asyncio.run(asyncio.wait_for(body(), LONG))


def test_a_conflict_of_the_real_one_is_called_again(daemon: Daemon) -> None:
    async def body() -> None:
        x, y = daemon.connect(), daemon.connect()
        await x.write("/conflict", b"0")
        tx = await x.begin()
        await tx.read("/conflict")
        await tx.write("/other", b"1")
        await y.write("/conflict", b"1")
        with pytest.raises(Again):
            await tx.commit()
        with pytest.raises(XenstoreError):
            await y.read("/other")
        await x.close()
        await y.close()

    asyncio.run(asyncio.wait_for(body(), LONG))


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_that_nothing_was_compared_is_said(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setitem(PROGRAMS, "oxenstored", ())
    with pytest.raises(outcome, match=r"NOT COMPARED WITH A REAL OXENSTORED: oxenstored .* not installed"):
        need("oxenstored")


def test_the_shim_is_built_once(daemon: Daemon, tmp_path: Path) -> None:
    assert daemon  # there is a compiler
    built = build(tmp_path)
    time = built.stat().st_mtime_ns
    assert build(tmp_path) == built
    assert built.stat().st_mtime_ns == time
    assert [path.name for path in tmp_path.iterdir()] == [built.name]


def test_without_a_compiler_it_is_said_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CannotBuild, match="no-such-compiler: No such file or directory; install a C compiler"):
        build(tmp_path, compiler="no-such-compiler")


def test_a_compiler_that_refuses_is_quoted(tmp_path: Path) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho it is not to my taste >&2\nexit 1\n")
    compiler.chmod(0o755)
    with pytest.raises(CannotBuild, match=f"refused {SOURCE}:\nit is not to my taste"):
        build(tmp_path / "cache", compiler=str(compiler))
    assert list((tmp_path / "cache").iterdir()) == []
