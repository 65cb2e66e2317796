"""Retrieve a domain's configuration: the template, by what xenstore says exists [A2, R1, R2]."""

from __future__ import annotations

from dataclasses import dataclass

from confsync.impl.configuration.implicit import unaccounted
from confsync.impl.configuration.memory import parse_amount
from confsync.impl.configuration.template import Template, emptied, is_ejectable
from confsync.impl.errors import CannotList, XenstoreError
from confsync.impl.kinds import Device
from confsync.impl.operations import entries, existence, paths
from confsync.impl.operations.existence import names, read_text
from confsync.impl.operations.guarded import locked, read_template, require_alive
from confsync.impl.ports import Domain, Toolstack


@dataclass(frozen=True, slots=True)
class Retrieved:
    """A configuration. `made_up`: the devices that exist and that the template says nothing of; the entry of such
    a one is its key and nothing else. Only another toolstack can have left them."""

    template: Template
    made_up: tuple[Device, ...]


async def retrieve(t: Toolstack, domain: Domain) -> Retrieved:
    """The domain's configuration. DomainNotFound, TemplateMissing, MalformedConfiguration; CannotList if what exists
    cannot be read: never an answer that lacks what could not be read."""
    async with locked(t, domain):
        return await retrieve_locked(t, domain)


async def retrieve_locked(t: Toolstack, domain: Domain) -> Retrieved:
    """The same, by who holds the lock."""
    template = await read_template(t, domain)
    made_up: list[Device] = []
    for kind, there in (await existence.devices(t.xenstore, domain)).items():
        template = template.only(kind, {device.index for device in there})
        unknown = unaccounted(template, kind, [device.index for device in there])
        for device in there:
            entry = template.find(device)
            if device.index in unknown:
                made_up.append(device)
                template = template.put(device, kind.to_key(device.index))
            elif entry is not None and is_ejectable(entry) and await _is_empty(t, domain, device):
                template = template.put(device, emptied(entry))
    return Retrieved(await _with_knobs(t, domain, template), tuple(made_up))


async def _is_empty(t: Toolstack, domain: Domain, drive: Device) -> bool:
    try:
        return await entries.drive_is_empty(t.xenstore, domain, drive)
    except XenstoreError as e:
        raise CannotList(f"{domain}: the medium in {drive} cannot be read: {e}") from e


async def _with_knobs(t: Toolstack, domain: Domain, template: Template) -> Template:
    try:
        target, limit, video = [
            await read_text(t.xenstore, paths.memory(domain.domid, what))
            for what in ("target", "static-max", "videoram")
        ]
        numbers = await names(t.xenstore, f"{paths.home(domain.domid)}/cpu")
        vcpus = {n: await read_text(t.xenstore, paths.vcpu(domain.domid, int(n))) for n in numbers if n.isdigit()}
        name = await read_text(t.xenstore, paths.name(domain.domid))  # last: it is not there if xenstored was restarted
    except XenstoreError as e:
        raise CannotList(f"{domain}: its name, memory and vcpus cannot be read: {e}") from e
    await require_alive(t, domain)
    if name is None or target is None or limit is None:
        raise CannotList(f"{domain}: xenstore lacks its name or its memory: it is being created or destroyed")
    try:
        total = parse_amount(target) + template.kept_back_kb(parse_amount(video or "0"))
        return template.with_knobs(
            name=name,
            uuid=domain.uuid,
            target_memkb=total,
            max_memkb=parse_amount(limit),
            avail_vcpus=sorted(int(n) for n, value in vcpus.items() if value == "online") if vcpus else None,
            sched_params=dict(await t.hypervisor.scheduling(domain)) or None,
        )
    except ValueError as e:
        raise CannotList(f"{domain}: its memory in xenstore is no number: {e}") from e
