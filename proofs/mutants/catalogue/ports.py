"""Mistakes in what the templates say, in the kinds of device, in hotplug, and in the audit."""

from __future__ import annotations

from confsync.proofs.mutants.mutant import Mutant

TEXT, TEMPLATE, DEFAULTS = (f"impl/configuration/{name}.py" for name in ("text", "template", "defaults"))
PLACES, MEMORY = "impl/configuration/places.py", "impl/configuration/memory.py"
KINDS, XENBUS, SCRIPT = "impl/kinds.py", "impl/hotplug/xenbus.py", "impl/hotplug/script.py"
SIMULATED, HYPERVISOR, EMBEDDED_HOST = (
    "impl/embedded/hotplug.py",
    "impl/embedded/hypervisor.py",
    "impl/embedded/host.py",
)
AUDIT_STORE, AUDIT_LEFT, AUDIT_DEVICES = "impl/audit/store.py", "impl/audit/leftovers.py", "impl/audit/devices.py"
AUDIT_DOMAINS, AUDIT_LIVE = "impl/audit/domains.py", "impl/audit/live.py"

CONFIGURATION = (
    Mutant(
        "json-no-nul", TEXT,
        '    return "".join(out).encode() + b"\\n\\0"', '    return "".join(out).encode() + b"\\n"',
        "a template does not end as libxl's do", "test_configuration",
    ),
    Mutant(
        "json-key-twice", TEXT,
        "        if len(made) == len(found):\n", "        if True:\n",
        "of a key that stands twice the last is taken", "test_configuration",
    ),
    Mutant(
        "json-rounded", TEXT,
        "        return Exact(written)\n", "        return Exact(repr(float(written)))\n",
        "a number with a fraction is rounded", "test_configuration_kept",
    ),
    Mutant(
        "json-last-key-counts", TEXT,
        "            first.setdefault(key, below)\n", "            first[key] = below\n",
        "the last of a repeated key counts, and not the first", "test_configuration",
    ),
    Mutant(
        "unknown-dropped", TEMPLATE,
        "        value = dict(self._value)\n        if entries:\n",
        '        known = {"c_info", "b_info", *(k.array for k in KINDS.values())}\n'
        "        value = {k: v for k, v in self._value.items() if k in known}\n        if entries:\n",
        "what is not understood is lost", "test_configuration", "0273d8e242",
    ),
    Mutant(
        "key-too-coarse", TEMPLATE,
        "        at = places.get(device.index)\n        if at is None:\n",
        "        at = next(iter(places.values()), None)\n        if at is None:\n",
        "an entry replaces whichever there is of its kind", "pairs", "b923a13761",
    ),
    Mutant(
        "entries-twice", PLACES,
        "        if index in places:\n", "        if False:\n",
        "two entries of one device are borne", "test_configuration", "0d5d5eca4a",
    ),
    Mutant(
        "number-by-place-shifts", PLACES,
        "        entry if by_place[at] == known[at] else", "        entry if True else",
        "a share that stays takes the number of one that went away", "test_configuration",
    ),
    Mutant(
        "target-short-by-a-mebibyte", MEMORY,
        " + (POD_KB if hvm and limit > target else 0)", "",
        "an HVM domain's target is 1 MiB short", "test_retrieve_reference", "7e81d992b1",
    ),
    Mutant(
        "without-nothing", TEMPLATE,
        "        return self.only(device.kind, self._places[device.kind.name].keys() - {device.index})",
        "        return self.only(device.kind, self._places[device.kind.name].keys())",
        "a device's entry is not removed", "pairs",
    ),
    Mutant(
        "empty-by-path-only", TEMPLATE,
        '    return not entry.get("pdev_path") or entry.get("format") == "empty"',
        '    return not entry.get("pdev_path")',
        "a drive that the template says is empty is taken for full", "test_configuration_kept", "bc6a499ebc",
    ),
    Mutant(
        "emptied-keeps-format", TEMPLATE,
        '    made = {**entry, "pdev_path": "", "format": "empty"}', '    made = {**entry, "pdev_path": ""}',
        "an empty drive keeps the format of its medium", "test_operations",
    ),
    Mutant(
        "nic-type-guessed", DEFAULTS,
        '        whole.setdefault("nictype", "vif")\n', "",
        "what was chosen for a network interface is not kept", "test_configuration_kept", "32e9d0f065",
    ),
    Mutant(
        "mac-not-kept", DEFAULTS,
        '        whole.setdefault("mac", _mac(uuid, device))\n', "",
        "an address that was made up is not kept", "test_operations", "32e9d0f065",
    ),
    Mutant(
        "number-taken", DEFAULTS,
        "        taken.add(device.index)\n", "",
        "two devices of a new domain get one number", "test_configuration_kept",
    ),
    Mutant(
        "pci-no-segment", KINDS,
        '    return f"{segment:04x}-{bus:02x}-{dev:02x}-{func}"', '    return f"0000-{bus:02x}-{dev:02x}-{func}"',
        "two PCI devices of two segments are one", "test_configuration_kept", "413fd4e4e9",
    ),
    Mutant(
        "pci-no-function", KINDS,
        '    return f"{segment:04x}-{bus:02x}-{dev:02x}-{func}"', '    return f"{segment:04x}-{bus:02x}-{dev:02x}-0"',
        "two functions of a PCI device are one", "test_configuration_kept", "b923a13761",
    ),
    Mutant(
        "usb-no-controller", KINDS,
        "    return f\"{_whole(entry, 'ctrl')}/port/{_whole(entry, 'port', MOST_PORT, least=1)}\"",
        "    return f\"0/port/{_whole(entry, 'port', MOST_PORT, least=1)}\"",
        "one port of two USB controllers is one", "test_configuration_kept",
    ),
)  # fmt: skip

HOST = (
    Mutant(
        "simulated-allocates-closing", SIMULATED,
        '[device for device in devices if _online(view, domain, device) == b"1"]', "devices",
        "a device is connected that goes away, or is gone", "pairs",
    ),
    Mutant(
        "simulated-releases-online", SIMULATED,
        '                if _online(view, domain, device) != b"0":\n', "                if False:\n",
        "a device is disconnected that was attached anew", "triples",
    ),
    Mutant(
        "hypervisor-any-life", EMBEDDED_HOST,
        "    return guest if guest is not None and guest.uuid == domain.uuid else None", "    return guest",
        "another life of the number is taken for the domain", "test_operations", "2b02882ebb",
    ),
    Mutant(
        "hotplug-allocates-closing", XENBUS,
        " or await is_closing(self.xenstore, domain, device)\n", "\n",
        "a device is connected that goes away", "test_hotplug_stops",
    ),
    Mutant(
        "hotplug-releases-online", XENBUS,
        "        if not await is_closing(self.xenstore, domain, device):\n", "        if False:\n",
        "a device is disconnected that is not marked to go away", "test_hotplug",
    ),
    Mutant(
        "hotplug-force-waits", XENBUS,
        "        if not force:\n", "        if True:\n",
        "a forced removal waits for the guest", "test_hotplug", "8233ca53ad",
    ),
    Mutant(
        "hotplug-needs-initwait", XENBUS,
        '(INIT_WAIT, CONNECTED, CLOSED, ""), self.connect_timeout', '(INIT_WAIT, CLOSED, ""), self.connect_timeout',
        "a backend that was connected at once is waited for", "test_hotplug", "0bdc43c8de", hangs=True,
    ),
    Mutant(
        "hotplug-refused-is-done", XENBUS,
        '        if state in (CLOSED, ""):\n', "        if False:\n",
        "a backend that refused is taken for connected", "test_hotplug",
    ),
    Mutant(
        "hotplug-failure-swallowed", XENBUS,
        "        raise failures[0]\n", "        return\n",
        "what failed beside other devices is taken for done", "test_hotplug",
    ),
    Mutant(
        "hotplug-closing-is-gone", XENBUS,
        "state not in (CLOSED, None)", "False",
        "a device that is connected is said to hold nothing", "test_hotplug",
    ),
    Mutant(
        "script-failure-ignored", SCRIPT,
        "    if process.returncode:\n", "    if False:\n",
        "a script that failed is taken for one that has run", "test_hotplug",
    ),
    Mutant(
        "script-prints-to-the-terminal", SCRIPT,
        "stdout=said.writer, stderr=said.writer", "stdout=2, stderr=said.writer",
        "what a script prints on standard output reaches the terminal as it is", "test_hotplug_script",
    ),
    Mutant(
        "script-left-running", SCRIPT,
        "            _kill_group(process.pid)\n            await process.wait()\n", "",
        "a script that takes too long runs on", "test_hotplug_stops",
    ),
    Mutant(
        "script-children-left-running", SCRIPT,
        "        os.killpg(pid, signal.SIGKILL)\n", "        os.kill(pid, signal.SIGKILL)\n",
        "what a script that takes too long has started runs on", "test_hotplug_script", hangs=True,
    ),
    Mutant(
        "audit-believes-permissions", AUDIT_STORE,
        "    return not permissions or bool(_PERMISSIONS.fullmatch(permissions))", "    return True",
        "what a guest can forge is not told", "test_audit_hosts", "XSA-175",
    ),
    Mutant(
        "audit-no-loose-backends", AUDIT_LEFT,
        "            found.setdefault(int(owned), []).append(path)\n", "            pass\n",
        "a backend that no device has is not told", "test_audit_hosts",
    ),
    Mutant(
        "audit-locks-unseen", AUDIT_LEFT,
        '        locks = [f for f in files if f.letter == "l"]\n', "        locks = []\n",
        "a lock that was left is not told", "test_audit_hosts",
    ),
    Mutant(
        "audit-no-template-is-well", AUDIT_DOMAINS,
        "    elif domain.file is None and domain.host.whole:\n", "    elif False:\n",
        "a domain without a template is not told", "test_audit_hosts", "f0c4c53ff2",
    ),
    Mutant(
        "audit-entries-unseen", AUDIT_DEVICES,
        "            if entry is None:\n", "            if False:\n",
        "a device that the template lacks is not told", "test_audit_hosts", "0fdb48ffe7",
    ),
    Mutant(
        "audit-filtered-is-whole", "impl/audit/whole.py",
        "        missing = self._missing()\n", "        missing = {}\n",
        "a dump that a filter went over is audited", "test_audit_dump",
    ),
    Mutant(
        "audit-no-status-is-unfinished", AUDIT_DEVICES,
        '    return backend.get("state") in ("4", "5", "6", "7", "8")\n', "    return False\n",
        "a vif that is connected is detached for want of its hotplug-status", "test_audit_hosts", "1f2565780e9b",
    ),
    Mutant(
        "audit-empty-is-well", AUDIT_LIVE,
        "    if not store.local:\n", "    if False:\n",
        "a xenstore with nothing in it is taken for a host that is well", "test_audit_output",
    ),
)  # fmt: skip
