"""Mistakes in what is done with devices and media: attach, detach, insert, eject, and their entries in xenstore."""

from __future__ import annotations

from confsync.proofs.mutants.mutant import Mutant

ATTACH, ENTRIES, MEDIA = "impl/operations/attach.py", "impl/operations/entries.py", "impl/operations/media.py"

DEVICES = (
    Mutant(
        "attach-to-the-forgotten", ATTACH,
        "    await existence.require_known(x, domain)\n", "",
        "a device is written for a domain that xenstore does not have", "test_operations_between",
    ),
    Mutant(
        "attach-reads-before-lock", ATTACH,
        "    async with locked(t, domain) as lock:\n"
        "        template = await read_template(t, domain)\n"
        "        device, whole",
        "    template = await read_template(t, domain)\n"
        "    async with locked(t, domain) as lock:\n"
        "        device, whole",
        "the template is not read again once the lock is got", "pairs", "6156341925",
    ),
    Mutant(
        "attach-unlocks-before-commit", ATTACH,
        "        await transact(t, lambda x: _enter(x, domain, device, whole))\n    try:\n        await t.hotplug",
        "    await transact(t, lambda x: _enter(x, domain, device, whole))\n    try:\n        await t.hotplug",
        "the lock is dropped before xenstore is written", "pairs",
    ),
    Mutant(
        "attach-allocates-under-lock", ATTACH,
        "    try:\n        await t.hotplug.allocate(domain, [device])\n    except UNWINDS",
        "        await t.hotplug.allocate(domain, [device])\n    try:\n        pass\n    except UNWINDS",
        "the lock is held while the backend is waited for", "pairs", "875538465a, a9ba60d062",
    ),
    Mutant(
        "attach-template-after-commit", ATTACH,
        "        await replace_template(t, lock, template.put(device, whole))\n"
        "        await transact(t, lambda x: _enter(x, domain, device, whole))\n",
        "        await transact(t, lambda x: _enter(x, domain, device, whole))\n"
        "        await replace_template(t, lock, template.put(device, whole))\n",
        "the template is written after xenstore", "pairs", "4197d3abbb",
    ),
    Mutant(
        "attach-no-template", ATTACH,
        "        await replace_template(t, lock, template.put(device, whole))\n", "",
        "the template is not written", "pairs", "0fdb48ffe7",
    ),
    Mutant(
        "attach-no-check", ATTACH,
        "        if await existence.exists(t.xenstore, domain, device):\n"
        '            raise DeviceExists(f"{domain} has {device} already")\n',
        "",
        "what exists is looked at in the transaction only, after the template was written", "pairs", "0d5d5eca4a",
    ),
    Mutant(
        "attach-swallows-commit", ATTACH,
        "        await transact(t, lambda x: _enter(x, domain, device, whole))\n",
        "        try:\n            await transact(t, lambda x: _enter(x, domain, device, whole))\n"
        "        except Exception:\n            pass\n",
        "a transaction that failed is taken for one that was committed", "deaths", "531d3bea5e",
    ),
    Mutant(
        "attach-swallows-hotplug", ATTACH,
        "then attach it again\"\n        )\n        raise\n", "then attach it again\"\n        )\n",
        "a device that could not be connected is said to be", "pairs", "7988902b93",
    ),
    Mutant(
        "attach-number-before-lock", ATTACH,
        "    async with locked(t, domain) as lock:\n        template = await read_template(t, domain)\n"
        "        device, whole = complete(kind, entry, domain.uuid, await _taken(t, domain, kind))\n",
        "    taken = await _taken(t, domain, kind)\n"
        "    async with locked(t, domain) as lock:\n        template = await read_template(t, domain)\n"
        "        device, whole = complete(kind, entry, domain.uuid, taken)\n",
        "the free number is looked for before the lock is got", "test_operations_between", "4600d75604",
    ),
    Mutant(
        "attach-over-the-forgotten", ATTACH,
        "        await existence.require_known(t.xenstore, domain)  #", "        #",
        "a device is attached over one that a restarted xenstored has forgotten", "test_xenstore_forgotten",
    ),
    Mutant(
        "attach-late-partners", ATTACH,
        "        await entries.require_partners(t.xenstore, domain, device, whole)\n", "",
        "a device without a backend or a controller is refused when the template has it already", "test_door",
    ),
    Mutant(
        "detach-no-mark", ATTACH,
        "    await transact(t, lambda x: entries.mark_closing(x, domain, device))\n", "",
        "the device is not marked to go away", "pairs",
    ),
    Mutant(
        "detach-swallows-hotplug", ATTACH,
        "    await t.hotplug.release(domain, [device], force=force)\n",
        "    try:\n"
        "        await t.hotplug.release(domain, [device], force=force)\n"
        "    except Exception:\n"
        "        pass\n",
        "a device that could not be disconnected is taken for one that is", "pairs", "9eaaedfcde",
    ),
    Mutant(
        "detach-releases-last", ATTACH,
        "    await t.hotplug.release(domain, [device], force=force)\n    async with locked(t, domain) as lock:\n"
        "        await transact(t, lambda x: entries.leave(x, domain, device, held))\n",
        "    async with locked(t, domain) as lock:\n"
        "        await transact(t, lambda x: entries.leave(x, domain, device, held))\n"
        "        await t.hotplug.release(domain, [device], force=force)\n",
        "xenstore is left before the device is disconnected", "pairs", "c4b1ef0f89",
    ),
    Mutant(
        "detach-forgets-first", ATTACH,
        "        await transact(t, lambda x: entries.leave(x, domain, device, held))\n"
        "        template = await read_template(t, domain)\n"
        "        await replace_template(t, lock, template.without(device))",
        "        template = await read_template(t, domain)\n"
        "        await replace_template(t, lock, template.without(device))\n"
        "        await transact(t, lambda x: entries.leave(x, domain, device, held))",
        "the template is changed before xenstore is left", "pairs",
    ),
    Mutant(
        "detach-leaves-before-lock", ATTACH,
        "    async with locked(t, domain) as lock:\n"
        "        await transact(t, lambda x: entries.leave(x, domain, device, held))\n",
        "    await transact(t, lambda x: entries.leave(x, domain, device, held))\n"
        "    async with locked(t, domain) as lock:\n",
        "xenstore is left without the lock", "pairs",
    ),
    Mutant(
        "detach-keeps-entry", ATTACH,
        "        await replace_template(t, lock, template.without(device))", "        template.without(device)",
        "the template keeps the entry", "pairs",
    ),
    Mutant(
        "detach-no-held-check", ENTRIES,
        "    if await held():", "    if False:",
        "whether the device was connected anew meanwhile is not looked at", "test_operations_between",
    ),
    Mutant(
        "enter-no-check", ENTRIES,
        "    if await exists(x, domain, device):\n"
        '        raise DeviceExists(f"{domain} has {device} already")\n',
        "",
        "what exists is not looked at in the transaction that writes it", "test_operations_between", "0d5d5eca4a",
    ),
    Mutant(
        "load-no-check", ENTRIES,
        "    await refuse_unless_empty(x, domain, drive)\n    await _write_medium", "    await _write_medium",
        "whether the drive is empty is not looked at in the transaction that loads it", "test_operations_between",
    ),
    Mutant(
        "leave-no-closing-check", ENTRIES,
        "    if not await is_closing(x, domain, device):\n"
        '        raise HotplugFailed(f"{domain}: {device} was attached anew while it was being detached")\n',
        "",
        "a device that was attached anew meanwhile is removed", "triples",
    ),
    Mutant(
        "closing-backend-untold", ENTRIES,
        '    await x.write(f"{node}/online", b"0")\n    await _tell(x, domain, device)',
        '    await x.write(f"{node}/online", b"0")',
        "the backend is not told that its device goes away", "test_operations_between", "5c9a00c571",
    ),
    Mutant(
        "closing-node-unmarked", ENTRIES,
        '    await x.write(f"{node}/online", b"0")\n    await _tell(x, domain, device)',
        "    await _tell(x, domain, device)",
        "only the backend is told that its device goes away", "pairs",
    ),
    Mutant(
        "leave-keeps-node", ENTRIES,
        "    await expunge(x, domain, device)\n    await _prune(x, node, paths.devices(domain.domid))",
        "    await expunge(x, domain, device)",
        "the node by which the device exists is left", "pairs", "0503cafe62",
    ),
    Mutant(
        "leave-keeps-backend", ENTRIES,
        "        for folder in (frontend, backend):\n            if folder:\n"
        "                await _prune(x, folder, paths.parent(paths.parent(folder)))",
        "        for folder in (frontend,):\n            if folder:\n"
        "                await _prune(x, folder, paths.parent(paths.parent(folder)))",
        "the backend's folder is left", "test_operations", "9eaaedfcde",
    ),
    Mutant(
        "leave-keeps-empty-folders", ENTRIES,
        '    while above.startswith(f"{stop}/") and not await names(x, above):',
        "    while False:",
        "folders that have become empty are left", "test_operations", "c992efd06a",
    ),
    Mutant(
        "pci-stale-number", ENTRIES,
        "    number = next(n for n in range(len(taken) + 1) if n not in taken)", "    number = len(taken)",
        "the next place at the backend is counted, though it may be taken", "test_operations", "c19434d928",
    ),
    Mutant(
        "pci-numbers-shrink", ENTRIES,
        '"num_devs": str(max({number, *taken}) + 1)', '"num_devs": str(len(taken) + 1)',
        "the backend is told a number of devices that leaves the last one out", "test_operations_between", "c19434d928",
    ),
    Mutant(
        "usb-without-controller", ENTRIES,
        '    if await read_text(x, controller) is None or await read_text(x, f"{controller}/online") == "0":',
        "    if False:",
        "a USB device is attached where there is no controller", "test_door",
    ),
    Mutant(
        "usb-controller-in-use", ENTRIES,
        "    if device.kind is USBCTRL and (busy := await plugged(x, domain, device)):",
        "    if False and (busy := await plugged(x, domain, device)):",
        "a USB controller goes away under its devices", "test_operations",
    ),
    Mutant(
        "insert-reads-before-lock", MEDIA,
        "    async with locked(t, domain) as lock:\n        template = await read_template(t, domain)\n"
        "        await entries.refuse_unless_empty(t.xenstore, domain, drive)\n",
        "    template = await read_template(t, domain)\n    async with locked(t, domain) as lock:\n"
        "        await entries.refuse_unless_empty(t.xenstore, domain, drive)\n",
        "the template is not read again once the lock is got", "pairs", "6156341925",
    ),
    Mutant(
        "insert-no-check", MEDIA,
        "        await entries.refuse_unless_empty(t.xenstore, domain, drive)\n", "",
        "whether the drive is empty is looked at in the transaction only, after the template was written", "pairs",
    ),
    Mutant(
        "insert-template-after-commit", MEDIA,
        "        await replace_template(t, lock, template.put(drive, entry))\n"
        "        await transact(t, lambda x: entries.load(x, domain, drive, medium))\n",
        "        await transact(t, lambda x: entries.load(x, domain, drive, medium))\n"
        "        await replace_template(t, lock, template.put(drive, entry))\n",
        "the template is written after xenstore", "pairs",
    ),
    Mutant(
        "insert-guest-first", MEDIA,
        "        await transact(t, lambda x: entries.load(x, domain, drive, medium))\n        try:\n"
        "            await t.hotplug.insert(domain, drive, medium)\n",
        "        await t.hotplug.insert(domain, drive, medium)\n        try:\n"
        "            await transact(t, lambda x: entries.load(x, domain, drive, medium))\n",
        "the guest gets the medium before xenstore has it", "test_operations_between",
    ),
    Mutant(
        "insert-no-guest", MEDIA,
        "            await t.hotplug.insert(domain, drive, medium)\n", "            pass\n",
        "the guest does not get the medium", "test_domain_deaths", "d8f65e68a7",
    ),
    Mutant(
        "eject-template-first", MEDIA,
        "        await t.hotplug.eject(domain, drive)\n"
        "        await transact(t, lambda x: entries.unload(x, domain, drive))\n"
        "        if not is_empty(entry):\n"
        "            await replace_template(t, lock, template.put(drive, emptied(entry)))\n",
        "        if not is_empty(entry):\n"
        "            await replace_template(t, lock, template.put(drive, emptied(entry)))\n"
        "        await t.hotplug.eject(domain, drive)\n"
        "        await transact(t, lambda x: entries.unload(x, domain, drive))\n",
        "the template is changed before the medium is out", "pairs",
    ),
    Mutant(
        "eject-guest-last", MEDIA,
        "        await t.hotplug.eject(domain, drive)\n"
        "        await transact(t, lambda x: entries.unload(x, domain, drive))\n",
        "        await transact(t, lambda x: entries.unload(x, domain, drive))\n"
        "        await t.hotplug.eject(domain, drive)\n",
        "xenstore says that the drive is empty while the guest has the medium", "test_operations_between",
    ),
    Mutant(
        "eject-no-guest", MEDIA,
        "        await t.hotplug.eject(domain, drive)\n", "",
        "the guest keeps the medium", "pairs",
    ),
    Mutant(
        "eject-reads-before-lock", MEDIA,
        "    async with locked(t, domain) as lock:\n        template = await _readable(t, domain)\n"
        "        entry = template.find(drive) or {}\n        await entries.require_drive",
        "    template = await _readable(t, domain)\n    async with locked(t, domain) as lock:\n"
        "        entry = template.find(drive) or {}\n        await entries.require_drive",
        "the template is not read again once the lock is got", "pairs", "6156341925",
    ),
    Mutant(
        "eject-keeps-entry", MEDIA,
        "        if not is_empty(entry):\n", "        if False:\n",
        "the template keeps the medium", "pairs",
    ),
    Mutant(
        "unload-keeps-medium", ENTRIES,
        '    await _write_medium(x, domain, drive, "")',
        '    await _write_medium(x, domain, drive, "aio:/c1")',
        "xenstore is written a medium where it must be told that there is none", "pairs", "4e41947bad",
    ),
    Mutant(
        "medium-backend-only", ENTRIES,
        '    await x.write(f"{node}/params", medium.encode())\n', "",
        "the medium is written at the backend only", "pairs", "3a5fec0379",
    ),
    Mutant(
        "medium-copy-only", ENTRIES,
        '        await x.write(f"{backend}/params", medium.encode())\n', "        pass\n",
        "the backend is not told of the medium", "test_operations",
    ),
    Mutant(
        "drive-null-is-full", "impl/configuration/media.py",
        "not path or path == NO_PATH or", "not path or",
        "the old way to say that a drive is empty is not known", "test_retrieve_libxl_made", "bc6a499ebc",
    ),
    Mutant(
        "drive-any-disk", ENTRIES,
        '    if await read_text(x, f"{paths.existing(domain, drive)}/removable") != "1":', "    if False:",
        "a medium is put into a disk that is no drive", "test_operations",
    ),
)  # fmt: skip
