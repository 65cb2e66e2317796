"""What an audit could not look at, so that to find nothing is not to say that all is well."""

from __future__ import annotations

from collections.abc import Mapping

from confsync.impl.audit.domain import Domain
from confsync.impl.audit.host import DOM0, Host
from confsync.impl.audit.invariants import INVARIANTS

MOST = 5
"""So many domains are named."""


def unseen(host: Host, domains: Mapping[int, Domain]) -> list[str]:
    """What was not looked at, and why."""
    store = host.store
    found = []
    if store.bare:
        found.append("who can write what (guest_cannot_forge): the dump has no permissions; make it with `-p`")
    if store.unreadable:
        found.append(f"{store.unreadable:,} nodes that xenstore-ls could not read: run it as root in dom0")
    ends = [nodes["frontend"] for below in store.libxl.values() for nodes in below.values() if "frontend" in nodes]
    if ends and not store.has_frontends:
        found.append(f"the frontends (device_has_frontend): the dump has none, and devices have {len(ends):,}")
    alive = [d for d in domains.values() if d.domid in store.local and not (d.is_foreign or d.is_stub)]
    bare = [d.domid for d in alive if d.domid != DOM0 and d.file is None and not host.whole]
    if bare:
        found.append(f"the templates of {_listed(bare)}: they were not given")
    named = [d.domid for d in alive if d.file and d.file.path is None and d.domid != DOM0]
    if named:
        found.append(f"the templates of {_listed(named)}: the files are listed, and not here")
    old = [d.domid for d in alive if d.domid in store.made - store.listed]
    if old:
        found.append(f"the devices of {_listed(old)}: /libxl/<domid>/device is not there, as before Xen 4.7 (XSA-175)")
    return found


def concerns(unseen: str, invariant: str) -> bool:
    """Whether what was not looked at could be a finding of this invariant: of one that it names, or, where it names
    none, of any."""
    named = [name for name in INVARIANTS if f"({name})" in unseen]
    return not named or invariant in named


def _listed(domids: list[int]) -> str:
    more = f" and {len(domids) - MOST} more" if len(domids) > MOST else ""
    return f"domain{'s' * (len(domids) > 1)} {', '.join(map(str, domids[:MOST]))}{more}"
