"""Create a domain: everything under the lock; the template before xenstore, xenstore before anything is allocated."""

from __future__ import annotations

from confsync.impl.configuration.defaults import complete_all, parse_uuid
from confsync.impl.configuration.template import Template
from confsync.impl.errors import HypervisorRefused, InvalidArgument, MalformedConfiguration, ToolstackError
from confsync.impl.kinds import USBDEV, Device
from confsync.impl.operations import entries, paths
from confsync.impl.operations.destroy import destroy_locked
from confsync.impl.operations.door import MOST_VCPUS, require_good_name, require_good_template, scheduling
from confsync.impl.operations.existence import named, require_known
from confsync.impl.operations.guarded import UNWINDS, locked, replace_template
from confsync.impl.operations.lifecycle import Stage
from confsync.impl.operations.sweep import sweep
from confsync.impl.operations.transact import transact
from confsync.impl.ports import Domain, Lock, Permission, Requests, Toolstack

__all__ = ["MOST_VCPUS", "create"]
TRIES = 16
"""How often another number is asked for, when somebody else was faster."""
MEMORY_KB = 131072
"""The memory a domain gets whose configuration does not say [`libxl__domain_build_info_setdefault`]."""


async def create(t: Toolstack, template: Template) -> Domain:
    """Create the domain that the template describes, and let it run. `template` must name it and give its uuid.

    InvalidArgument, HypervisorRefused, HotplugFailed, ...: the domain was destroyed again; if even that failed a note
    says so, and `destroy` takes away what is left."""
    if not template.name or not template.uuid:
        raise InvalidArgument("a configuration needs `c_info.name` and `c_info.uuid`")
    require_good_name(template.name)
    uuid = parse_uuid(template.uuid)
    try:
        whole = complete_all(template, uuid)
    except MalformedConfiguration as e:
        raise InvalidArgument(str(e)) from e
    require_good_template(whole)
    _memory(whole)
    for _ in range(TRIES):
        domain = Domain(await t.hypervisor.free_domid(), uuid)
        async with locked(t, domain, born=False) as lock:
            if await _make(t, domain, whole):
                await _furnish(t, lock, domain, whole)
                return domain
    raise HypervisorRefused(f"no number for a new domain was got in {TRIES} tries: try again")


async def _make(t: Toolstack, domain: Domain, whole: Template) -> bool:
    """Have the hypervisor make the domain; False if its number was taken by then."""
    memory, _ = _memory(whole)
    try:
        await t.hypervisor.make(domain, memory_kb=memory, vcpus=whole.max_vcpus or 1)
    except HypervisorRefused:
        if any(d.domid == domain.domid and d.uuid != domain.uuid for d in await t.hypervisor.domains()):
            return False
        raise
    return True


async def _furnish(t: Toolstack, lock: Lock, domain: Domain, whole: Template) -> None:
    try:
        await sweep(t)
        await transact(t, lambda x: _introduce(x, domain, whole))
        await replace_template(t, lock, whole)
        await transact(t, lambda x: _enter_all(x, domain, whole))
        await t.hotplug.allocate(domain, _order(whole))
        if scheduling(whole):
            await t.hypervisor.set_scheduling(domain, scheduling(whole))
        await entries.remove(t.xenstore, paths.lifecycle(domain.domid))
        await t.hypervisor.unpause(domain)
    except UNWINDS as failed:
        try:
            await destroy_locked(t, lock, domain)
        except ToolstackError as also:
            failed.add_note(f"and {domain} is left half made ({also}): `confsync domain destroy {domain.domid}`")
        raise


def _memory(whole: Template) -> tuple[int, int]:
    """The memory target and limit, in KiB."""
    limit = whole.max_memkb or whole.target_memkb or MEMORY_KB
    target = whole.target_memkb or limit
    kept = whole.kept_back_kb(whole.video_memkb)
    if not kept < target <= limit:
        least = f"more than what is kept back for its devices, {kept} KiB, and at most the limit, {limit} KiB"
        raise InvalidArgument(f"a memory target of {target} KiB: it must be {least}")
    return target, limit


def _order(whole: Template) -> list[Device]:
    """USB devices after their controllers."""
    return sorted(whole.devices(), key=lambda device: device.kind is USBDEV)


async def _introduce(x: Requests, domain: Domain, whole: Template) -> None:
    """Write what xenstore has of a domain without devices, and clear what it had of the number [`libxl__domain_make`].
    InvalidArgument if another domain has the name."""
    assert whole.name
    if other := await named(x, whole.name, but=domain.domid):
        raise InvalidArgument(f"domain {other} has the name {whole.name!r} already")
    home, vm, target = paths.home(domain.domid), paths.vm(domain.uuid), _memory(whole)
    for path in (home, paths.private(domain.domid), vm):
        await entries.remove(x, path)
        await x.make(path)
    readable = [Permission(0, "n"), Permission(domain.domid, "r")]
    await x.set_permissions(home, readable)
    await x.set_permissions(vm, readable)
    nodes = {
        f"{vm}/uuid": domain.uuid,
        f"{vm}/name": whole.name,
        f"{home}/vm": vm,
        f"{home}/name": whole.name,
        f"{home}/domid": str(domain.domid),
        f"{home}/memory/static-max": str(target[1]),
        f"{home}/memory/target": str(target[0] - whole.kept_back_kb(whole.video_memkb)),
        f"{home}/memory/videoram": str(whole.video_memkb),
        f"{home}/device": "",
        f"{paths.devices(domain.domid)}": "",
        paths.lifecycle(domain.domid): Stage.CREATING.value,
    }
    vcpus = whole.max_vcpus or 1
    online = set(range(vcpus) if whole.avail_vcpus is None else whole.avail_vcpus)
    nodes |= {paths.vcpu(domain.domid, n): "online" if n in online else "offline" for n in range(vcpus)}
    for path, value in nodes.items():
        await x.write(path, value.encode())


async def _enter_all(x: Requests, domain: Domain, whole: Template) -> None:
    await require_known(x, domain)
    for device in _order(whole):
        entry = whole.find(device)
        assert entry is not None
        await entries.enter(x, domain, device, entry)
