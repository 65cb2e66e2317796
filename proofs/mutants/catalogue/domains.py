"""Mistakes in what is done with a domain as a whole: create, destroy, the lock around a block, the knobs, retrieve."""

from __future__ import annotations

from confsync.proofs.mutants.mutant import Mutant

CREATE, DESTROY, GUARDED = "impl/operations/create.py", "impl/operations/destroy.py", "impl/operations/guarded.py"
KNOBS, RETRIEVE, SAVE, SWEEP = (f"impl/operations/{name}.py" for name in ("knobs", "retrieve", "save", "sweep"))
EXISTENCE, TRANSACT = "impl/operations/existence.py", "impl/operations/transact.py"

CREATIONS = (
    Mutant(
        "create-template-last", CREATE,
        "        await replace_template(t, lock, whole)\n"
        "        await transact(t, lambda x: _enter_all(x, domain, whole))\n",
        "        await transact(t, lambda x: _enter_all(x, domain, whole))\n"
        "        await replace_template(t, lock, whole)\n",
        "the template is written after the devices are in xenstore", "pairs", "b61d5a9a76",
    ),
    Mutant(
        "create-no-template", CREATE,
        "        await replace_template(t, lock, whole)\n", "",
        "the domain gets no template", "pairs", "f0c4c53ff2",
    ),
    Mutant(
        "create-half-made", CREATE,
        "            await destroy_locked(t, lock, domain)\n", "            pass\n",
        "a creation that fails leaves what it has made", "deaths", "f0c4c53ff2",
    ),
    Mutant(
        "create-runs-first", CREATE,
        "        await t.hotplug.allocate(domain, _order(whole))\n",
        "        await t.hypervisor.unpause(domain)\n        await t.hotplug.allocate(domain, _order(whole))\n",
        "the domain runs before its devices are connected", "test_operations_between",
    ),
    Mutant(
        "create-no-hotplug", CREATE,
        "        await t.hotplug.allocate(domain, _order(whole))\n", "",
        "the devices are not connected", "pairs",
    ),
    Mutant(
        "create-stays-paused", CREATE,
        "        await t.hypervisor.unpause(domain)\n", "",
        "the domain does not run", "pairs",
    ),
    Mutant(
        "create-name-taken", CREATE,
        "    if other := await named(x, whole.name, but=domain.domid):",
        "    if other := None:",
        "two domains get one name", "test_operations",
    ),
    Mutant(
        "create-meets-last-life", CREATE,
        "        await entries.remove(x, path)\n        await x.make(path)", "        await x.make(path)",
        "what xenstore has of the number's last life is met", "test_operations",
    ),
    Mutant(
        "create-number-once", CREATE,
        "            return False\n        raise", "            raise\n        raise",
        "a number that somebody else was faster to take fails the creation", "test_operations",
    ),
    Mutant(
        "create-guest-writes", CREATE,
        '    readable = [Permission(0, "n"), Permission(domain.domid, "r")]',
        '    readable = [Permission(0, "n"), Permission(domain.domid, "b")]',
        "the guest can write its own name and memory", "test_domain_command", "XSA-175",
    ),
    Mutant(
        "create-no-scheduling", CREATE,
        "        if scheduling(whole):\n", "        if False:\n",
        "the scheduler's parameters are not set", "test_operations_between", "3b4adbadb9",
    ),
    Mutant(
        "create-no-sweep", CREATE,
        "        await sweep(t)\n", "",
        "files of domains that are gone are left", "test_operations", "b61d5a9a76",
    ),
    Mutant(
        "sweep-takes-the-living", SWEEP,
        "            if await t.hypervisor.ended(domain):\n", "            if True:\n",
        "whether the domain is gone is not looked at again once its lock is got", "test_operations_between",
    ),
    Mutant(
        "sweep-waits", SWEEP,
        "        lock = await t.templates.lock_at_once(domain)\n",
        "        lock = await t.templates.lock(domain, born=False)\n",
        "a lock that is held is waited for, by one that holds another", "test_operations_between",
    ),
    Mutant(
        "destroy-kills-early", DESTROY,
        "    await t.templates.remove(lock)\n    await transact(t, lambda x: _forget_domain(x, domain))\n"
        "    await t.hypervisor.destroy(domain)\n",
        "    await t.hypervisor.destroy(domain)\n    await t.templates.remove(lock)\n"
        "    await transact(t, lambda x: _forget_domain(x, domain))\n",
        "the domain is gone before its template is", "pairs", "b61d5a9a76",
    ),
    Mutant(
        "destroy-unlocks-early", DESTROY,
        "    async with locked(t, domain) as lock:\n        await destroy_locked(t, lock, domain)\n",
        "    async with locked(t, domain):\n        there = await _devices(t, domain)\n"
        "    await t.hypervisor.pause(domain)\n"
        "    await transact(t, lambda x: _close_all(x, domain, there))\n"
        "    async with locked(t, domain) as lock:\n        await destroy_locked(t, lock, domain)\n",
        "the lock is dropped and taken again in the middle", "pairs", "1c91d6fba2",
    ),
    Mutant(
        "destroy-no-close", DESTROY,
        "    await transact(t, lambda x: _close_all(x, domain, there))\n", "",
        "the devices are not marked to go away", "pairs",
    ),
    Mutant(
        "destroy-no-release", DESTROY,
        "    await t.hotplug.release(domain, there, force=True)\n", "",
        "the devices stay connected", "pairs", "8233ca53ad",
    ),
    Mutant(
        "destroy-asks-the-guest", DESTROY,
        "    await t.hotplug.release(domain, there, force=True)\n",
        "    await t.hotplug.release(domain, there, force=False)\n",
        "a guest that does not let a device go is not destroyed", "test_operations_between", "7988902b93",
    ),
    Mutant(
        "destroy-leaves-last", DESTROY,
        "    await transact(t, lambda x: _leave_all(x, domain, there))\n    await t.templates.remove(lock)\n",
        "    await t.templates.remove(lock)\n    await transact(t, lambda x: _leave_all(x, domain, there))\n",
        "the template is removed while there are devices in xenstore", "pairs",
    ),
    Mutant(
        "destroy-keeps-template", DESTROY,
        "    await t.templates.remove(lock)\n", "",
        "the template outlives the domain", "pairs", "b61d5a9a76",
    ),
    Mutant(
        "destroy-keeps-xenstore", DESTROY,
        "    await transact(t, lambda x: _forget_domain(x, domain))\n", "",
        "what xenstore has of the domain outlives it", "test_operations",
    ),
    Mutant(
        "destroy-lets-it-run", DESTROY,
        "    await t.hypervisor.pause(domain)\n", "",
        "the domain runs while its devices are taken away", "test_operations_between",
    ),
    Mutant(
        "destroy-controller-first", DESTROY,
        '    return sorted(there, key=lambda device: "/port/" not in device.index)', "    return there",
        "USB controllers go away before their devices", "test_operations_between",
    ),
    Mutant(
        "locked-kept-on-error", GUARDED,
        "            try:\n"
        "                await self._t.templates.unlock(self._lock)\n"
        "            except ToolstackError as also",
        "            try:\n                pass\n            except ToolstackError as also",
        "the lock is kept after a failure", "pairs", "8f1d6c049c",
    ),
    Mutant(
        "replace-swallowed", GUARDED,
        "    await t.templates.replace(lock, template.encode())",
        "    try:\n"
        "        await t.templates.replace(lock, template.encode())\n"
        "    except ToolstackError:\n"
        "        pass",
        "a template that could not be written is taken for one that was", "deaths", "f0c4c53ff2",
    ),
    Mutant(
        "commit-swallowed", TRANSACT,
        "    return await until_committed(t.xenstore, body, sleep=t.sleep)",
        "    from confsync.impl.errors import XenstoreError\n    try:\n"
        "        return await until_committed(t.xenstore, body, sleep=t.sleep)\n"
        "    except XenstoreError:\n        return None",
        "what xenstore refuses is taken for done", "deaths", "531d3bea5e",
    ),
)  # fmt: skip

READINGS = (
    Mutant(
        "unlock-failure-hidden", GUARDED,
        "        if failed is None:\n            await self._t.templates.unlock(self._lock)\n",
        "        if failed is None:\n            try:\n                await self._t.templates.unlock(self._lock)\n"
        "            except ToolstackError:\n                pass\n",
        "that the lock was lost while it was held is not told", "test_operations_between",
    ),
    Mutant(
        "rename-no-lock", KNOBS,
        '        await x.write(f"{paths.vm(domain.uuid)}/name", name.encode())\n\n'
        "    async with locked(t, domain):\n        await transact(t, body)\n",
        '        await x.write(f"{paths.vm(domain.uuid)}/name", name.encode())\n\n    await transact(t, body)\n',
        "the lock is not taken", "pairs",
    ),
    Mutant(
        "rename-one-place", KNOBS,
        '        await x.write(f"{paths.vm(domain.uuid)}/name", name.encode())\n', "",
        "the name is changed in one of its two places", "test_operations", "412f0e6401",
    ),
    Mutant(
        "rename-half-destroyed", KNOBS,
        "    async def body(x: Requests) -> None:\n        await require_known(x, domain)\n        if other",
        "    async def body(x: Requests) -> None:\n        if other",
        "a name is written for a domain that is half destroyed", "test_operations_between",
    ),
    Mutant(
        "rename-name-taken", KNOBS,
        "        if other := await named(x, name, but=domain.domid):", "        if other := None:",
        "two domains get one name", "test_operations",
    ),
    Mutant(
        "memory-no-lock", KNOBS,
        "    async with locked(t, domain):\n        template = await _template(t, domain)\n        kept",
        "    if True:\n        template = await _template(t, domain)\n        kept",
        "the lock is not taken", "pairs", "5f33fa2bca",
    ),
    Mutant(
        "memory-hypervisor-only", KNOBS,
        '        await x.write(paths.memory(domain.domid, "target"), str(kb - kept).encode())\n', "",
        "xenstore is not told of the memory", "pairs",
    ),
    Mutant(
        "memory-xenstore-only", KNOBS,
        "        await t.hypervisor.set_memory(domain, kb)\n        try:\n", "        try:\n",
        "the hypervisor is not told of the memory", "pairs",
    ),
    Mutant(
        "memory-xenstore-first", KNOBS,
        "        await t.hypervisor.set_memory(domain, kb)\n        try:\n            await transact(t, body)\n",
        "        try:\n            await transact(t, body)\n            await t.hypervisor.set_memory(domain, kb)\n",
        "xenstore is told of the memory before the hypervisor has it", "pairs",
    ),
    Mutant(
        "memory-no-rollback", KNOBS,
        "                await t.hypervisor.set_memory(domain, before + kept)\n", "                del before\n",
        "the hypervisor keeps the memory that xenstore refused", "deaths", "5f33fa2bca",
    ),
    Mutant(
        "memory-with-video", KNOBS,
        "str(kb - kept).encode()", "str(kb).encode()",
        "the video memory is added with each setting", "test_operations_between", "d8e1ee8182",
    ),
    Mutant(
        "memory-rollback-without-video", KNOBS,
        "await t.hypervisor.set_memory(domain, before + kept)", "await t.hypervisor.set_memory(domain, before)",
        "the hypervisor is told less than before when xenstore refuses", "test_operations_between", "d8e1ee8182",
    ),
    Mutant(
        "memory-wrong-vm", KNOBS,
        '        await x.write(f"{paths.vm(domain.uuid)}/memory", str(kb // 1024).encode())\n',
        '        await x.write(f"{paths.vm(\'\')}/memory", str(kb // 1024).encode())\n',
        "the memory is written below /vm at a wrong place", "test_domain_command", "ed5f19aea6",
    ),
    Mutant(
        "limit-not-in-xenstore", KNOBS,
        '        await x.write(paths.memory(domain.domid, "static-max"), str(kb).encode())\n', "        pass\n",
        "xenstore is not told of the memory limit", "test_domain_command", "77bbea1baf",
    ),
    Mutant(
        "vcpus-not-in-xenstore", KNOBS,
        '            await x.write(paths.vcpu(domain.domid, n), b"online" if n in wanted else b"offline")\n',
        "            pass\n",
        "xenstore is not told which vcpus are online", "test_operations", "f50e4912b7",
    ),
    Mutant(
        "retrieve-no-lock", RETRIEVE,
        "    async with locked(t, domain):\n        return await retrieve_locked(t, domain)",
        "    return await retrieve_locked(t, domain)",
        "the lock is not taken", "pairs",
    ),
    Mutant(
        "retrieve-unlocks-early", RETRIEVE,
        "    async with locked(t, domain):\n        return await retrieve_locked(t, domain)",
        "    async with locked(t, domain):\n        await read_template(t, domain)\n"
        "    return await retrieve_locked(t, domain)",
        "the lock is dropped before xenstore is read", "pairs", "6156341925",
    ),
    Mutant(
        "retrieve-template-medium", RETRIEVE,
        "            elif entry is not None and is_ejectable(entry) and await _is_empty(t, domain, device):",
        "            elif False:",
        "the template is believed about what is in a drive", "deaths", "bc6a499ebc",
    ),
    Mutant(
        "retrieve-stale-entries", RETRIEVE,
        "        template = template.only(kind, {device.index for device in there})\n", "",
        "what only the template has is taken to exist", "deaths",
    ),
    Mutant(
        "retrieve-drops-unsaid", RETRIEVE,
        "                template = template.put(device, kind.to_key(device.index))\n", "                pass\n",
        "what only xenstore has is left out", "test_operations", "e4a4a84957",
    ),
    Mutant(
        "retrieve-no-name", RETRIEVE, "            name=name,\n", "",
        "the name is the template's", "pairs",
    ),
    Mutant(
        "retrieve-no-memory", RETRIEVE, "            target_memkb=total,\n", "",
        "the memory is the template's", "pairs",
    ),
    Mutant(
        "retrieve-no-limit", RETRIEVE, "            max_memkb=parse_amount(limit),\n", "",
        "the memory limit is the template's", "test_operations", "77bbea1baf",
    ),
    Mutant(
        "retrieve-no-vcpus", RETRIEVE,
        '            avail_vcpus=sorted(int(n) for n, value in vcpus.items() if value == "online") if vcpus '
        'else None,\n',
        "", "the vcpus are the template's", "test_operations", "01f3193e2e",
    ),
    Mutant(
        "retrieve-no-scheduling", RETRIEVE,
        "            sched_params=dict(await t.hypervisor.scheduling(domain)) or None,\n", "",
        "the scheduler's parameters are the template's", "test_operations", "3b4adbadb9",
    ),
    Mutant(
        "retrieve-shrinks", RETRIEVE,
        '.kept_back_kb(parse_amount(video or "0"))', '.kept_back_kb(0)',
        "the video memory is lost with each retrieve", "test_operations_between", "d8e1ee8182, 7e81d992b1",
    ),
    Mutant(
        "retrieve-medium-unread", RETRIEVE,
        '        raise CannotList(f"{domain}: the medium in {drive} cannot be read: {e}") from e',
        "        return False",
        "a medium that cannot be read is the template's", "test_operations",
    ),
    Mutant(
        "list-error-is-empty", EXISTENCE,
        "    except (XenstoreError, InvalidArgument) as e:\n"
        '        raise CannotList(f"{domain}: what exists cannot be read: {e}") from e',
        "    except (XenstoreError, InvalidArgument):\n        return {k: [] for k in kinds or KINDS.values()}",
        "what cannot be listed is taken for nothing", "test_operations", "f07d02f1c4",
    ),
    Mutant(
        "read-error-is-absence", EXISTENCE,
        '        return (await x.read(path)).decode("utf-8", "replace")\n    except NoEntry:',
        '        return (await x.read(path)).decode("utf-8", "replace")\n    except XenstoreError:',
        "what cannot be read is taken for what is not there", "test_operations",
    ),
    Mutant(
        "list-wrong-folder", EXISTENCE,
        "    folder = paths.of_kind(domain.domid, kind)\n    found",
        '    folder = f"{paths.devices(domain.domid)}/{kind.name}"\n    found',
        "disks are listed at `disk`, and stand at `vbd`", "pairs", "d5dd9dc86e",
    ),
    Mutant(
        "list-no-usb", EXISTENCE,
        '        found = [f"{ctrl}/port/{port}" for ctrl in found for port in await names(x, '
        'f"{folder}/{ctrl}/port")]\n',
        "        found = []\n",
        "USB devices are not listed", "test_operations", "74157a2f98",
    ),
    Mutant(
        "guest-is-believed", EXISTENCE,
        "    value = await read_text(x, paths.existing(domain, device))\n",
        '    value = await read_text(x, f"{paths.home(domain.domid)}/device/{device.kind.folder}/{device.index}")\n',
        "a device exists if its frontend does, which the guest can write", "test_operations", "XSA-175",
    ),
    Mutant(
        "backend-is-believed", EXISTENCE,
        '    return await read_text(x, f"{paths.existing(domain, device)}/online") == "0"\n',
        '    backend = await read_text(x, f"{paths.existing(domain, device)}/backend")\n'
        '    return await read_text(x, f"{backend}/online") == "0"\n',
        "a device goes away if its backend says so, which a driver domain writes", "test_domain_command", "XSA-178",
    ),
    Mutant(
        "save-unlocks-early", SAVE,
        "            await _destroy(t, lock, domain)\n", "            del lock\n",
        "the domain that was saved is not destroyed", "test_operations",
    ),
    Mutant(
        "save-stays-paused", SAVE,
        "                await _run_on_after(t, domain, failed)\n", "                pass\n",
        "a save that fails leaves the domain paused", "test_operations",
    ),
    Mutant(
        "save-unpauses-the-users", SAVE,
        "        ours = left_paused or not await t.hypervisor.paused(domain)\n", "        ours = True\n",
        "a domain that its user has paused runs after a checkpoint", "test_advice",
    ),
    Mutant(
        "half-made-is-whole", "impl/operations/lifecycle.py",
        "    if found in _HALF:\n        raise", "    if False:\n        raise",
        "a domain that is half made is saved, and unpaused", "test_advice",
    ),
    Mutant(
        "save-made-up", SAVE,
        "            if found.made_up:\n", "            if False:\n",
        "a configuration is saved that cannot be restored", "test_operations_between",
    ),
)  # fmt: skip
