"""Set what is no device: name, memory, vcpus, scheduling. Each under the lock, so that no `retrieve` reads half of it
and no two setters leave a knob that stands in two places apart [A4; libxl, 5f33fa2bca]."""

from __future__ import annotations

from collections.abc import Collection

from confsync.impl.configuration.memory import parse_amount
from confsync.impl.configuration.template import Template
from confsync.impl.errors import (
    DomainNotFound,
    InvalidArgument,
    MalformedConfiguration,
    TemplateMissing,
    ToolstackError,
)
from confsync.impl.operations import paths
from confsync.impl.operations.door import require_amount, require_good_name, require_good_scheduling
from confsync.impl.operations.existence import named, names, read_text, require_known
from confsync.impl.operations.guarded import UNWINDS, locked, read_template
from confsync.impl.operations.transact import transact
from confsync.impl.ports import Domain, Requests, Toolstack


async def rename(t: Toolstack, domain: Domain, name: str) -> None:
    """Give the domain another name. InvalidArgument if another domain has it."""
    require_good_name(name)

    async def body(x: Requests) -> None:
        await require_known(x, domain)
        if other := await named(x, name, but=domain.domid):
            raise InvalidArgument(f"domain {other} has the name {name!r} already")
        await x.write(paths.name(domain.domid), name.encode())
        await x.write(f"{paths.vm(domain.uuid)}/name", name.encode())

    async with locked(t, domain):
        await transact(t, body)


async def set_memory_target(t: Toolstack, domain: Domain, kb: int) -> None:
    """Set the memory the domain is to have, in KiB, with what xenstore's target is without: the hypervisor first, then
    xenstore; if that fails the hypervisor is told again what xenstore says. InvalidArgument if it is above the limit.

    libxl takes off the graphics card's memory alone, so that its `retrieve` can answer 1 MiB more than was set for an
    HVM domain [libxl_set_memory_target, libxl__get_targetmem_fudge]."""

    async def body(x: Requests) -> None:
        await require_known(x, domain)
        kept = await _require_target(x, domain, template, kb)
        await x.write(paths.memory(domain.domid, "target"), str(kb - kept).encode())
        await x.write(f"{paths.vm(domain.uuid)}/memory", str(kb // 1024).encode())

    async with locked(t, domain):
        template = await _template(t, domain)
        kept = await _require_target(t.xenstore, domain, template, kb)
        await t.hypervisor.set_memory(domain, kb)
        try:
            await transact(t, body)
        except UNWINDS as failed:
            try:
                before = await _amount(t.xenstore, domain, "target")
                await t.hypervisor.set_memory(domain, before + kept)
            except ToolstackError as also:
                failed.add_note(f"and the hypervisor still grants {kb} KiB: {also}")
            raise


async def _require_target(x: Requests, domain: Domain, template: Template, kb: int) -> int:
    """What xenstore's target is without, in KiB. InvalidArgument unless the domain can be given so much as `kb`."""
    limit, kept = await _amount(x, domain, "static-max"), template.kept_back_kb(await _video(x, domain))
    if not kept < kb <= limit:
        raise InvalidArgument(f"a memory target of {kb} KiB: it must be from {kept + 1} to the limit, {limit} KiB")
    return kept


async def _template(t: Toolstack, domain: Domain) -> Template:
    """The domain's template, for its memory; one that says nothing if it is missing or damaged: `retrieve` fails then,
    whatever the memory is."""
    try:
        return await read_template(t, domain)
    except (TemplateMissing, MalformedConfiguration):
        return Template.of({}, "no template")


async def set_memory_limit(t: Toolstack, domain: Domain, kb: int) -> None:
    """Set the most memory the domain can be given, in KiB. InvalidArgument if it has been given more."""
    require_amount("the memory limit", kb)

    async def body(x: Requests) -> None:
        await require_known(x, domain)
        target = await _amount(x, domain, "target") + template.kept_back_kb(await _video(x, domain))
        if kb < target:
            raise InvalidArgument(f"a memory limit of {kb} KiB: it must be the target, {target} KiB, or more")
        await x.write(paths.memory(domain.domid, "static-max"), str(kb).encode())

    async with locked(t, domain):
        template = await _template(t, domain)
        await transact(t, body)


async def _video(x: Requests, domain: Domain) -> int:
    """The graphics card's memory, in KiB; 0 if xenstore says nothing of it."""
    if await read_text(x, paths.memory(domain.domid, "videoram")) is None:
        return 0
    return await _amount(x, domain, "videoram")


async def _amount(x: Requests, domain: Domain, what: str) -> int:
    """A memory amount in KiB, by xenstore. DomainNotFound; InvalidArgument if it is no number."""
    text = await read_text(x, paths.memory(domain.domid, what))
    if text is None:
        raise DomainNotFound(f"xenstore has no memory/{what} of {domain}")
    try:
        return parse_amount(text)
    except ValueError as e:
        raise InvalidArgument(f"{paths.memory(domain.domid, what)}: {e}, and must be a whole number of KiB") from None


async def set_vcpus(t: Toolstack, domain: Domain, online: Collection[int]) -> None:
    """Have these vcpus online and the others not. InvalidArgument if there is no such vcpu, or none is online."""
    wanted = set(online)

    async def body(x: Requests) -> None:
        await require_known(x, domain)
        there = {int(n) for n in await names(x, f"{paths.home(domain.domid)}/cpu") if n.isdigit()}
        if not wanted or wanted - there:
            numbers = ", ".join(map(str, sorted(wanted - there))) or "none"
            raise InvalidArgument(f"vcpus {numbers}: {domain} has {len(there)}, numbered from 0, and needs one online")
        for n in sorted(there):
            await x.write(paths.vcpu(domain.domid, n), b"online" if n in wanted else b"offline")

    async with locked(t, domain):
        await transact(t, body)


async def set_scheduling(t: Toolstack, domain: Domain, parameters: dict[str, int]) -> None:
    """Set the scheduler's parameters that are named. InvalidArgument if the scheduler knows no such parameter, or no
    such value of it."""
    require_good_scheduling(parameters)
    async with locked(t, domain):
        known = await t.hypervisor.scheduling(domain)
        if unknown := sorted(parameters.keys() - known.keys()):
            has = ", ".join(sorted(known)) or "no parameter"
            raise InvalidArgument(f"the scheduler has no `{unknown[0]}`; it has {has}")
        await t.hypervisor.set_scheduling(domain, parameters)
