"""Mistakes in how xl's spellings and configuration files are read, and in which device a command means."""

from __future__ import annotations

from confsync.proofs.mutants.mutant import Mutant

DISK, NIC, PCI, WORDS = (f"impl/command/xl_{name}.py" for name in ("disk", "nic", "pci", "words"))
CONFIG, KEYS, HVM, SYNTAX = (f"impl/command/xl_{name}.py" for name in ("config", "keys", "hvm", "syntax"))
NAMES, SIZE = "impl/command/xl_names.py", "impl/command/size.py"

SPELLINGS = (
    Mutant(
        "disk-words-joined", DISK,
        "    for number, spec in enumerate(specs, start=1):\n",
        '    for number, spec in enumerate([",".join(specs)], start=1):\n',
        "`target=` takes the words after its own", "test_xl_grammar",
    ),
    Mutant(
        "disk-shortest-rule", DISK,
        "match.end() > found.end()", "match.end() < found.end()",
        "of two rules that match, the one with less of the text counts", "test_xl_grammar",
    ),
    Mutant(
        "disk-any-backendtype", DISK,
        '    "backendtype": ("backendtype", ("phy", "tap", "qdisk", "standalone")),\n', "",
        "a type of backend that no libxl can read back is kept", "test_xl_grammar",
    ),
    Mutant(
        "parameters-left", WORDS,
        "        if left:\n", "        if len(left) > 1:\n",
        "a parameter that nobody knows is dropped in silence", "test_xl_grammar",
    ),
    Mutant(
        "parameter-twice", WORDS,
        "            elif key in self._given:\n",
        "            elif key in self._given and value == self._given[key]:\n",
        "of a parameter that is given twice the last counts", "test_xl_grammar",
    ),
    Mutant(
        "rate-in-1024s", NIC,
        '_UNITS = {"": 1, "K": 1000,', '_UNITS = {"": 1, "K": 1024,',
        "a rate's K is taken for 1024", "test_xl_grammar",
    ),
    Mutant(
        "pci-own-flags-lost", PCI,
        "        entry |= {} if value is None else {flag: value}\n",
        "        entry |= {flag: value} if value else {}\n",
        "a device cannot take back what the file says of all PCI devices", "test_xl_configs",
    ),
    Mutant(
        "action-by-xls-name", KEYS,
        '"rename-restart": "restart_rename"', '"rename-restart": "rename_restart"',
        "an action is kept by a name that libxl does not have", "test_xl_configs",
    ),
    Mutant(
        "root-dropped", CONFIG,
        '        line = f"root={root}" if extra is None else f"root={root} {extra}"\n',
        '        line = f"root={root}" if extra is None else extra\n',
        "with `extra`, `root` does not reach the kernel's command line", "test_xl_configs",
    ),
    Mutant(
        "ignored-in-silence", CONFIG,
        "    return Read(given.value, given.left, tuple(given.notes))\n",
        "    return Read(given.value, (), tuple(given.notes))\n",
        "keys that are not kept are not named", "test_xl_configs",
    ),
    Mutant(
        "firmware-wins", HVM,
        "given.found((*_HVM, field)) not in (None, value)", "False",
        "of `bios` and `firmware` that contradict each other one is dropped", "test_xl_configs",
    ),
    Mutant(
        "list-adds-nothing", SYNTAX,
        "            return [*before, *more]\n", "            return [*more]\n",
        "`+=` drops the list before it", "test_domain_files",
    ),
    Mutant(
        "first-of-one-mac", NAMES,
        "    if len(found) > 1:\n", "    if len(found) > 2:\n",
        "of two devices with one address the first is detached", "test_domain_names",
    ),
    Mutant(
        "size-in-kib", SIZE,
        '"": 10,', '"": 0,',
        "an amount without a unit is taken for KiB", "test_domain_names",
    ),
)  # fmt: skip
