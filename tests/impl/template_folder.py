"""Two domains, and the folder of their templates."""

from __future__ import annotations

from pathlib import Path

from confsync.impl.ports import Domain, Templates

UUID = "6f2b1d9e-3c4a-4b5d-8e7f-0123456789ab"
ONE, TWO = Domain(1, UUID), Domain(2, UUID)
TEMPLATE, NEXT = f"userdata-d.1.{UUID}.libxl-json", f"userdata-n.1.{UUID}.libxl-json"
LOCK = f"userdata-l.1.{UUID}.domain-userdata-lock"


async def alive(_domain: Domain) -> bool:
    """All domains are."""
    return True


def names(folder: Path) -> list[str]:
    """What stands in it."""
    return sorted(path.name for path in folder.iterdir())


async def put(store: Templates, domain: Domain, text: bytes) -> None:
    """Have the template hold this."""
    lock = await store.lock(domain)
    await store.replace(lock, text)
    await store.unlock(lock)
