"""A domain as a whole: its template, its knobs, its names, and who can write them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from impl.audit.answer import failure
from impl.audit.domain import Domain, device_name
from impl.audit.finding import Finding, shown
from impl.audit.host import DOM0
from impl.audit.say import UNDER_WAY, of_domain
from impl.audit.store import number

MOST_FORGEABLE = 5
"""So many paths are named."""


def not_whole(domain: Domain) -> Finding | None:
    """A domain that is only half there: nothing else is said of it then."""
    lacking = [] if domain.domid in domain.host.store.local else [f"/local/domain/{domain.domid}"]
    if not lacking:
        lacking = [f"/local/domain/{domain.domid}/{node}" for node in ("name", "vm") if not domain.local.get(node)]
    link = domain.local.get("vm", "")
    if link and link.removeprefix("/vm/") not in domain.host.store.vms:
        lacking.append(shown(link)[1:-1])
    if domain.domid not in domain.host.store.libxl:
        lacking.append(f"/libxl/{domain.domid}")
    if not lacking:
        return None
    devices = [device_name(None, *place) for place in domain.devices]
    has = f"; it has {', '.join(devices[:MOST_FORGEABLE])}" if devices else ""
    merged = domain.domid in domain.host.store.local and domain.template and not domain.name
    return of_domain(
        domain, "domain_is_whole",
        template="not looked at" if domain.template else "none",
        xenstore=f"{', '.join(lacking)}: not there{has}",
        answer="answers with the template as it is" if merged else "fails, or finds no such domain",
        mend=f"{UNDER_WAY}: `xl destroy {domain.domid}`; if `xl list` has no such domain, `xenstore-rm "
        f"/local/domain/{domain.domid}` and `xenstore-rm /libxl/{domain.domid}`",
        file=domain.host.source,
    )  # fmt: skip


def check_template(domain: Domain) -> Iterator[Finding]:
    """That there is a template, that it can be read, and that it is this domain's."""
    if domain.broken:
        yield of_domain(
            domain, "template_is_readable", template=f"it cannot be read: {shown(str(domain.broken), 300)[1:-1]}",
            xenstore=_what_is_there(domain), answer=failure(domain),
            mend=f"put back a copy that `xl list -l {domain.domid}` gave before, or destroy the domain and create it "
            "again: nothing attaches to it until then",
        )  # fmt: skip
    elif domain.file is None and domain.host.whole:
        yield of_domain(
            domain, "domain_has_template", template="none: it is being created, or its creation was killed, or the "
            "file was removed", xenstore=_what_is_there(domain), answer=failure(domain),
            mend=f"{UNDER_WAY}: `xl destroy {domain.domid}`, and create it again",
        )  # fmt: skip
    if domain.file and domain.uuid != domain.file.uuid and domain.domid != DOM0:
        yield _uuid(domain, f"the file is of {domain.file.uuid}", domain.uuid)
    inner = domain.template.uuid if domain.template else None
    if domain.file and inner and inner.lower() != domain.file.uuid:
        yield _uuid(domain, f"c_info.uuid is {shown(inner)}", domain.file.uuid)


def _uuid(domain: Domain, template: str, uuid: str) -> Finding:
    return of_domain(
        domain, "uuid_agrees", template=template, xenstore=f"the domain is {shown(uuid)}",
        answer="says the uuid that the hypervisor has",
        mend="nothing, if the domain was kept after a crash (`preserve`), which gives it another; otherwise destroy it "
        "and create it again",
    )  # fmt: skip


def _what_is_there(domain: Domain) -> str:
    count = sum(len(found) for found in domain.existing.values())
    return f"the domain is there, with {count} device{'' if count == 1 else 's'} that a template lists"


def check_knobs(domain: Domain) -> Iterator[Finding]:
    """Memory and name, each where `retrieve` reads it, and where it is told a second time."""
    memory = {node: domain.local.get(f"memory/{node}") for node in ("target", "static-max", "videoram")}
    target, limit, video = map(number, memory.values())
    for node, value in (("target", target), ("static-max", limit)):
        if value is None:
            said = memory[node]
            yield of_domain(
                domain, "knobs_are_reflected", template="not asked for this",
                xenstore=f"memory/{node} is {shown(said)}" if said else f"memory/{node} is not there",
                answer="fails with ERROR_FAIL",
                mend=f"`xl mem-set {domain.domid}` and `xl mem-max {domain.domid}`, or write the node by hand",
            )  # fmt: skip
    if target is not None and limit is not None and target > limit:
        yield of_domain(
            domain, "knobs_are_reflected", template="not asked for this",
            xenstore=f"memory/target is {target}, more than memory/static-max, {limit}",
            answer=f"says target_memkb {target} and max_memkb {limit}, from which no domain can be made",
            mend=f"`xl mem-set {domain.domid} {limit // 1024}`",
        )  # fmt: skip
    second = domain.host.store.vms.get(domain.uuid, {})
    again, name = number(second.get("memory")), second.get("name")
    if target is not None and again is not None and again not in (target >> 10, target + (video or 0) >> 10):
        yield of_domain(
            domain, "knobs_agree", template="not asked for this",
            xenstore=f"memory/target is {target} KiB, /vm/{shown(domain.uuid)[1:-1]}/memory {again} MiB",
            answer=f"says {target} KiB", mend=f"`xl mem-set {domain.domid} {target // 1024}`",
        )  # fmt: skip
    if name is not None and name != domain.name:
        yield of_domain(
            domain, "knobs_agree", template="not asked for this",
            xenstore=f"the name is {shown(domain.name)}, in /vm {shown(name)}", answer=f"says {shown(domain.name)}",
            mend=f"`xl rename {domain.domid}` to the name it is to have",
        )  # fmt: skip


def check_permissions(domain: Domain) -> Iterator[Finding]:
    """What says what exists, and others can write [XSA-175]."""
    paths = domain.host.store.forgeable.get(domain.domid, [])
    if paths:
        more = f" and {len(paths) - MOST_FORGEABLE} more" if len(paths) > MOST_FORGEABLE else ""
        yield of_domain(
            domain, "guest_cannot_forge", template="not looked at",
            xenstore=f"others than dom0 can write {', '.join(map(shown, paths[:MOST_FORGEABLE]))}{more}",
            answer="believes what stands there, whoever wrote it",
            mend="`xenstore-chmod` each to `n0`, and see who changed it", file=domain.host.source,
        )  # fmt: skip


def check_names(domains: Mapping[int, Domain]) -> Iterator[Finding]:
    """Names that two domains have."""
    first: dict[str, Domain] = {}
    for domain in domains.values():
        other = first.setdefault(domain.name, domain)
        if domain.name and other is not domain:
            yield of_domain(
                domain, "names_are_unique", template="not asked for this",
                xenstore=f"domain {other.domid} has the name {shown(domain.name)} too",
                answer=f"says {shown(domain.name)}, for both", mend=f"`xl rename {domain.domid}` to another name",
            )  # fmt: skip
