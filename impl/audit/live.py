"""Reads a live xenstore: what an audit keeps of one, and no more; a node that goes meanwhile is not there."""

from __future__ import annotations

from collections.abc import Sequence

from confsync.impl.audit.store import BACKEND, DEVICE, LOCAL, VM, Store
from confsync.impl.errors import CannotList, NoEntry
from confsync.impl.ports import Requests


async def read_live(xenstore: Requests) -> Store:
    """The store as it is now. XenstoreError; CannotList if there is no domain in it, not even dom0."""
    store = Store()
    for domid in await _names(xenstore, "/local/domain"):
        await _local(xenstore, store, f"/local/domain/{domid}")
    if not store.local:
        raise CannotList("xenstore has nothing below /local/domain: it was started anew, or is not a host's")
    await _keep(xenstore, store, "/libxl")
    for domid in await _names(xenstore, "/libxl"):
        await _libxl(xenstore, store, f"/libxl/{domid}")
    for uuid in await _names(xenstore, "/vm"):
        store.add(f"/vm/{uuid}", "")
        for name in sorted(VM):
            await _keep(xenstore, store, f"/vm/{uuid}/{name}")
    return store


async def _names(xenstore: Requests, path: str) -> Sequence[str]:
    try:
        return await xenstore.directory(path)
    except NoEntry:
        return ()


async def _keep(xenstore: Requests, store: Store, path: str, *, guarded: bool = False) -> None:
    """`guarded`: only the toolstack may write there; see who may."""
    try:
        value = await xenstore.read(path)
        allowed = ",".join(map(str, await xenstore.permissions(path))) if guarded else ""
    except NoEntry:
        return
    store.add(path, value.decode("utf-8", "surrogateescape"), allowed)


async def _local(xenstore: Requests, store: Store, path: str) -> None:
    store.add(path, "")
    for name in sorted(LOCAL):
        await _keep(xenstore, store, f"{path}/{name}", guarded=name != "target")
    for folder in await _names(xenstore, f"{path}/device"):
        for index in await _names(xenstore, f"{path}/device/{folder}"):
            store.add(f"{path}/device/{folder}/{index}", "")
    for number in await _names(xenstore, f"{path}/cpu"):
        await _keep(xenstore, store, f"{path}/cpu/{number}/availability")
    await _keep(xenstore, store, f"{path}/console")
    for kind in await _names(xenstore, f"{path}/backend"):
        for owned in await _names(xenstore, f"{path}/backend/{kind}"):
            for index in await _names(xenstore, f"{path}/backend/{kind}/{owned}"):
                where = f"{path}/backend/{kind}/{owned}/{index}"
                for name in await _names(xenstore, where):
                    if name in BACKEND or name.startswith(("dev-", "state-")):
                        await _keep(xenstore, store, f"{where}/{name}")


async def _libxl(xenstore: Requests, store: Store, path: str) -> None:
    await _keep(xenstore, store, path, guarded=True)
    await _keep(xenstore, store, f"{path}/dm-version", guarded=True)
    for folder in await _names(xenstore, f"{path}/device"):
        for index in await _names(xenstore, f"{path}/device/{folder}"):
            where = f"{path}/device/{folder}/{index}"
            await _keep(xenstore, store, where, guarded=True)
            for name in await _names(xenstore, where):
                if name in DEVICE:
                    await _keep(xenstore, store, f"{where}/{name}", guarded=True)
            if folder == "vusb":
                for port in await _names(xenstore, f"{where}/port"):
                    await _keep(xenstore, store, f"{where}/port/{port}", guarded=True)
