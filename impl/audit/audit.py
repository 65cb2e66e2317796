"""An audit: every check, on every domain of a host."""

from __future__ import annotations

from collections.abc import Iterator

from confsync.impl.audit.devices import check_entries, check_nodes, check_pci, count_stale
from confsync.impl.audit.domain import Domain, open_domain
from confsync.impl.audit.domains import (
    check_knobs,
    check_macs,
    check_names,
    check_permissions,
    check_template,
    not_whole,
)
from confsync.impl.audit.finding import Audit, Finding
from confsync.impl.audit.host import DOM0, Host
from confsync.impl.audit.invariants import INVARIANTS
from confsync.impl.audit.leftovers import check_ends, check_files, check_vm, loose_backends
from confsync.impl.audit.unseen import unseen

_ORDER = {name: at for at, name in enumerate(INVARIANTS)}


def audit(host: Host) -> Audit:
    """What is found on the host, by domain."""
    result = Audit(host.source)
    domains: dict[int, Domain] = {}
    loose = loose_backends(host)
    for domid in sorted(host.store.local.keys() | host.store.libxl.keys()):
        domain = domains[domid] = open_domain(host, domid)
        result.findings += _of_domain(domain)
        result.domains += domid != DOM0
        result.devices += sum(map(len, domain.existing.values()))
        result.stale += count_stale(domain)
        result.foreign += domain.is_foreign and domid != DOM0
        if domid not in loose:
            domain.template = None  # thousands of them would be hundreds of megabytes
    result.findings += check_ends(host, domains, loose)
    result.findings += check_files(host, domains)
    result.findings += check_vm(host)
    result.findings += check_names(domains)
    result.findings += check_macs(domains)
    result.unseen = unseen(host, domains)
    result.findings.sort(key=lambda f: (-1 if f.domid is None else f.domid, _ORDER[f.invariant.id], f.device, f.uuid))
    return result


def _of_domain(domain: Domain) -> Iterator[Finding]:
    yield from check_permissions(domain)
    if domain.domid == DOM0:
        if domain.broken or domain.passed_over:
            yield from check_template(domain)
        yield from check_nodes(domain)
        return
    if domain.is_foreign:
        return
    if half := not_whole(domain):
        yield half
        return
    yield from check_nodes(domain)
    yield from check_pci(domain)
    if domain.is_stub:
        return
    yield from check_template(domain)
    if domain.template:
        yield from check_entries(domain)
        yield from check_knobs(domain)
