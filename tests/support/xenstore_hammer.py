"""What the tests of the shared xenstore run in processes of their own: `hammer FOLDER COUNT` or `forever FOLDER`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from processes import LONG

from confsync.impl.ports import Transaction, Xenstore
from confsync.impl.xenstore.retry import transact
from confsync.impl.xenstore.sqlite import SqliteStore


async def add_one(tx: Transaction) -> int:
    """Count one up in two nodes, and have as many children as that modulo 3."""
    count = int(await tx.read("/count/a")) + 1
    await tx.write("/count/a", b"%d" % count)
    for name in await tx.directory("/count/children"):
        await tx.remove(f"/count/children/{name}")
    for n in range(count % 3):
        await tx.write(f"/count/children/{n}/below", b"")
    await tx.write("/count/b", b"%d" % count)
    return count


async def begin(x: Xenstore) -> None:
    """What `add_one` counts in."""
    for path in ("/count/a", "/count/b"):
        await x.write(path, b"0")
    await x.make("/count/children")


async def _hammer(folder: Path, count: int) -> None:
    x = SqliteStore(folder, busy=LONG).connect()
    for _ in range(count):
        await transact(x, add_one, attempts=10_000)


async def _forever(folder: Path) -> None:
    x = SqliteStore(folder, busy=LONG).connect()
    while True:
        print(await transact(x, add_one), flush=True)
        await x.write("/single/node/deep", b"v")
        await x.remove("/single/node")


if __name__ == "__main__":
    if sys.argv[1] == "hammer":
        asyncio.run(_hammer(Path(sys.argv[2]), int(sys.argv[3])))
    else:
        asyncio.run(_forever(Path(sys.argv[2])))
