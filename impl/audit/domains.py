"""A domain as a whole: its template, its knobs, its names, and who can write them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from shlex import quote

from confsync.impl.audit.answer import failure
from confsync.impl.audit.domain import Domain, device_name
from confsync.impl.audit.finding import Finding, shown
from confsync.impl.audit.host import DOM0
from confsync.impl.audit.say import UNDER_WAY, detach, of_domain, written
from confsync.impl.audit.store import number
from confsync.impl.audit.userdata import TEMPLATE
from confsync.impl.kinds import NIC

MOST_FORGEABLE = 5
"""So many paths are named."""
MOST_PASSED_OVER = 5
"""So many of the places of a file that are passed over are named."""


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
    there = [p for p in (f"/local/domain/{domain.domid}", f"/libxl/{domain.domid}") if p not in lacking]
    gone = f"/local/domain/{domain.domid}" in lacking
    has = f"; it has {', '.join(devices[:MOST_FORGEABLE])}" if devices else ""
    merged = domain.domid in domain.host.store.local and domain.template and not domain.name
    return of_domain(
        domain, "domain_is_whole",
        template="not looked at" if domain.template else "none",
        xenstore=f"{', '.join(lacking)}: not there{has}",
        answer="answers with the template as it is" if merged else "fails, or finds no such domain",
        mend=_finish(domain, lacking, gone=gone),
        evidence=f"xenstore has {' and '.join(map(shown, there)) or 'files only'}, and not {', '.join(lacking)}",
        file=domain.host.source,
    )  # fmt: skip


def _finish(domain: Domain, lacking: list[str], *, gone: bool) -> str:
    """How to make half a domain a whole one, or none. To destroy is no advice for a domain that has all but a node."""
    if domain.host.commands != "xl":
        return f"{UNDER_WAY}: `{domain.host.commands} destroy {domain.domid}`"
    look = f"{UNDER_WAY}, look whether `xl list` has domain {domain.domid}"
    if gone:
        return f"{look}: if not, it is a rest of one, and `xenstore-rm /libxl/{domain.domid}` removes it"
    name = domain.name or (domain.template.name if domain.template else None) or ""
    uuid = domain.uuid
    home = f"/local/domain/{domain.domid}"
    known = {f"{home}/name": name, f"{home}/vm": f"/vm/{uuid}" * bool(uuid)}
    back = [written(path, known[path]) for path in lacking if known.get(path)]
    if uuid and f"/vm/{uuid}" in lacking:
        back += [written(f"/vm/{uuid}/name", name), written(f"/vm/{uuid}/uuid", uuid)]
    back += [f"write {path} again" for path in lacking if path not in known and path != f"/vm/{uuid}"]
    if not domain.uuid:
        removes = f"`xenstore-rm {home}` and `xenstore-rm /libxl/{domain.domid}`"
        return f"{look}: if not, it is a rest of one, and {removes} remove it"
    return f"{look}: if so, put back what is missing: {', '.join(back)}"


def check_template(domain: Domain) -> Iterator[Finding]:
    """That there is a template, that it can be read, and that it is this domain's."""
    if domain.broken:
        yield of_domain(
            domain, "template_is_readable", template=f"it cannot be read: {shown(str(domain.broken), 300)[1:-1]}",
            xenstore=_what_is_there(domain), answer=failure(domain),
            mend=_put_back(domain), evidence=f"the file is there, and {shown(domain.broken.reason, 300)[1:-1]}",
        )  # fmt: skip
    elif domain.file is None and domain.host.whole:
        yield of_domain(
            domain, "domain_has_template", template="none: it is being created, or its creation was killed, or the "
            "file was removed", xenstore=_what_is_there(domain), answer=failure(domain),
            mend=_without_template(domain), evidence=_creation(domain),
        )  # fmt: skip
    elif domain.passed_over:
        more = len(domain.passed_over) - MOST_PASSED_OVER
        said = "; ".join(shown(text, 200)[1:-1] for text in domain.passed_over[:MOST_PASSED_OVER])
        yield of_domain(
            domain, "template_is_unambiguous", template=said + (f"; and {more} more" if more > 0 else ""),
            xenstore="not asked for this",
            answer="passes that over, as libxl does, and the next write of the file loses it",
            mend="look at the file: libxl writes no such thing; if what is passed over was meant, put it in the place "
            "of what counts, while no operation is under way",
            evidence="the text of the file",
        )  # fmt: skip
    if domain.file and domain.uuid != domain.file.uuid and domain.domid != DOM0:
        yield _uuid(domain, f"the file is of {domain.file.uuid}", domain.uuid)
    inner = domain.template.uuid if domain.template else None
    if domain.file and inner and inner.lower() != domain.file.uuid:
        yield _uuid(domain, f"c_info.uuid is {shown(inner)}", domain.file.uuid)


def _put_back(domain: Domain) -> str:
    copy = f"an earlier copy of {domain.file}" if domain.file else "an earlier copy"
    if domain.host.commands != "xl":
        return f"put back {copy}; or `{domain.host.commands} destroy {domain.domid}` and create it again"
    return (
        f"put back {copy}; of what `xl list -l {domain.domid}` printed before, only the object of `config` is a "
        "template, and a NUL byte has to follow it; without a copy nothing attaches to the domain until it is "
        "shut down and created again"
    )


def _is_half_made(domain: Domain) -> bool:
    """True if a creation was killed, or is under way: a file of it was not renamed yet, or it has no device."""
    files = domain.host.of_domain.get(domain.domid, ())
    return any(f.letter == "n" and f.tag == TEMPLATE and f.uuid == domain.uuid for f in files) or not domain.devices


def _creation(domain: Domain) -> str:
    if not _is_half_made(domain):
        return "there is no file of its template; that its creation was killed is not seen, as it has devices"
    return "no template was ever in place: " + (
        "its first one was not renamed" if domain.devices else "the domain has no device, not even a console"
    )


def _without_template(domain: Domain) -> str:
    destroy = f"`{domain.host.commands} destroy {domain.domid}`"
    if _is_half_made(domain) or domain.host.commands != "xl":
        return f"{UNDER_WAY}: {destroy}, and create it again"
    return (
        f"look whether all of libxl's files are here (`ls /var/lib/xen/userdata-d.{domain.domid}.*`), and whether "
        f"`xl list {domain.domid}` has it paused, as a creation that was killed leaves it; a domain in use stays so "
        "until it is shut down and created again"
    )


def _uuid(domain: Domain, template: str, uuid: str) -> Finding:
    return of_domain(
        domain, "uuid_agrees", template=template, xenstore=f"the domain is {shown(uuid)}",
        answer="says the uuid that the hypervisor has",
        mend="nothing, if the domain was kept after a crash (`preserve`), which gives it another; otherwise destroy it "
        "and create it again",
        evidence="the two uuids differ",
    )  # fmt: skip


def _what_is_there(domain: Domain) -> str:
    count = sum(len(found) for found in domain.existing.values())
    return f"the domain is there, with {count} device{'' if count == 1 else 's'} that a template lists"


def check_knobs(domain: Domain) -> Iterator[Finding]:
    """Memory and name, each where `retrieve` reads it, and where it is told a second time."""
    memory = {node: domain.local.get(f"memory/{node}") for node in ("target", "static-max", "videoram")}
    target, limit, video = map(number, memory.values())
    unset = 1 if memory["videoram"] == "-1" else 0  # libxl <= 4.14 subtracts LIBXL_MEMKB_DEFAULT for PVH [0a20a53df1]
    home = f"/local/domain/{domain.domid}"
    for node, value in (("target", target), ("static-max", limit)):
        if value is None:
            said = memory[node]
            yield of_domain(
                domain, "knobs_are_reflected", template="not asked for this",
                xenstore=f"memory/{node} is {shown(said)}" if said else f"memory/{node} is not there",
                answer="fails with ERROR_FAIL",
                mend=_memory_node(domain, node, target or limit),
                evidence=f"of {shown(f'{home}/memory')} and what is below it, that node cannot be read",
            )  # fmt: skip
    if target is not None and limit is not None and target > limit + unset:
        yield of_domain(
            domain, "knobs_are_reflected", template="not asked for this",
            xenstore=f"memory/target is {target}, more than memory/static-max, {limit}",
            answer=f"says target_memkb {target} and max_memkb {limit}, from which no domain can be made",
            mend=f"`{domain.host.commands} mem-set {domain.domid} {limit}k`",
            evidence="the two nodes",
        )  # fmt: skip
    second = domain.host.store.vms.get(domain.uuid, {})
    again, name = number(second.get("memory")), second.get("name")
    if target is not None and again is not None and again not in (target >> 10, target + (video or 0) >> 10):
        yield of_domain(
            domain, "knobs_agree", template="not asked for this",
            xenstore=f"memory/target is {target} KiB, /vm/{shown(domain.uuid)[1:-1]}/memory {again} MiB",
            answer=f"says {target} KiB", mend=written(f"/vm/{domain.uuid}/memory", str(target >> 10)),
            evidence="the two nodes",
        )  # fmt: skip
    if name is not None and name != domain.name:
        yield of_domain(
            domain, "knobs_agree", template="not asked for this",
            xenstore=f"the name is {shown(domain.name)}, in /vm {shown(name)}", answer=f"says {shown(domain.name)}",
            mend=f"{written(f'/vm/{domain.uuid}/name', domain.name)}, if that is the name it is to have",
            evidence="the two nodes",
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
            mend=f"{', '.join(_chmod(domain, p) for p in paths[:MOST_FORGEABLE])}, and see who changed it",
            evidence="the permissions of the nodes", file=domain.host.source,
        )  # fmt: skip


def _chmod(domain: Domain, path: str) -> str:
    """What is the toolstack's alone no guest needs to read; its own name and memory it does."""
    return f"`xenstore-chmod {path} n0{'' if path.startswith('/libxl') else f' r{domain.domid}'}`"


def _memory_node(domain: Domain, node: str, other: int | None) -> str:
    template = domain.template
    kib = other
    if template:
        total = template.max_memkb if node == "static-max" else template.target_memkb
        kib = total - (template.video_memkb if node == "target" else 0) if total else other
    if kib is None:
        return (
            f"write /local/domain/{domain.domid}/memory/{node} again: `{domain.host.commands} list` shows how "
            "much it has, in MiB"
        )
    return written(f"/local/domain/{domain.domid}/memory/{node}", str(kib))


def check_macs(domains: Mapping[int, Domain]) -> Iterator[Finding]:
    """Network interfaces with one MAC. A device model's domain has those of its guest, and is left out."""
    first: dict[str, tuple[Domain, str, str]] = {}
    for domain in domains.values():
        if domain.is_stub or domain.domid not in domain.host.store.local:
            continue
        for index, nodes in domain.existing.get(NIC.name, {}).items():
            mac, bridge = nodes.get("mac", "").lower(), nodes.get("bridge", "")
            if not mac:
                continue
            other, at, theirs = first.setdefault(mac, (domain, index, bridge))
            if (other, at) == (domain, index):
                continue
            where = f"both on {shown(bridge)}" if bridge == theirs else f"on {shown(bridge)} and {shown(theirs)}"
            yield of_domain(
                domain, "macs_are_unique", device=device_name(NIC, NIC.folder, index),
                template="not asked for this",
                xenstore=f"domain {other.domid}, nic {at} has the mac {shown(mac)} too, {where}",
                answer=f"says {shown(mac)}, for both",
                mend=f"decide which is to keep it; the other, such as this one: "
                f"{detach(domain.host, NIC, domain.domid, index)}, when the guest can do without, and attach it with a "
                "mac of its own",
                evidence="the `mac` of both devices below /libxl",
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
                answer=f"says {shown(domain.name)}, for both",
                mend=f"`{domain.host.commands} rename {domain.domid} {quote(domain.name)}-{domain.domid}`"
                if shown(domain.name, len(domain.name))[1:-1] == domain.name
                else f"`{domain.host.commands} rename {domain.domid} renamed-{domain.domid}`",
                evidence="both domains' nodes",
            )  # fmt: skip
