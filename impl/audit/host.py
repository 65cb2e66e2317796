"""What is audited: a host's xenstore and the files of its domains; and where to get them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from confsync.impl.audit.dump import read_dump
from confsync.impl.audit.errors import BadInput
from confsync.impl.audit.store import Store
from confsync.impl.audit.userdata import TEMPLATE, Userdata, in_folder, listed, named
from confsync.impl.configuration.template import Template
from confsync.impl.configuration.text import read_bounded
from confsync.impl.embedded.folder import TEMPLATES
from confsync.impl.errors import MalformedConfiguration
from confsync.impl.xenstore.sqlite import FILE as STATE
from confsync.impl.xenstore.sqlite import SqliteStore

DUMP, JSON, LISTINGS = "xenstore.txt", "libxl.json", ("files.txt", "varlibxen.txt")
"""The names in a snapshot's folder."""
DOM0 = 0


@dataclass(frozen=True, slots=True)
class Host:
    """A host at a moment. `source`: where its xenstore was read. `whole`: all its files are known, so that what is not
    among `files` is not there."""

    source: str
    store: Store
    files: Sequence[Userdata]
    whole: bool
    commands: Literal["xl", "confsync domain"] = "xl"
    """The commands of the toolstack that the host is of."""
    of_domain: dict[int, list[Userdata]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_domain: dict[int, list[Userdata]] = {}
        for file in self.files:
            by_domain.setdefault(file.domid, []).append(file)
        object.__setattr__(self, "of_domain", by_domain)


def snapshots(folder: Path) -> list[Host]:
    """The snapshot in the folder; or, if it has none, those in its folders: before and after. BadInput."""
    try:
        whole = (folder / DUMP).is_file()
        below = [] if whole else sorted(path.parent for path in folder.glob(f"*/{DUMP}"))
    except OSError as e:
        raise BadInput(folder, 0, e.strerror or str(e)) from None
    if whole:
        return [snapshot(folder)]
    if not below:
        raise BadInput(folder, 0, f"no {DUMP} here or one folder below: have `xenstore-ls -f -p` print into it")
    return [snapshot(path) for path in sorted(below, key=lambda path: (path.name != "before", path.name))]


def snapshot(folder: Path) -> Host:
    """A folder with xenstore.txt; copies of the userdata files, or libxl.json, that of the only domain; and a
    listing of libxl's folder. BadInput."""
    store = read_dump(folder / DUMP)
    try:
        files = {str(file): file for file in in_folder(folder)}
        listings = [folder / name for name in LISTINGS if (folder / name).is_file()]
        for listing in listings:
            for file in listed(listing.read_text(encoding="utf-8", errors="replace")):
                files.setdefault(str(file), file)
        single = folder / JSON
        size = single.stat().st_size if single.is_file() else -1
    except OSError as e:
        raise BadInput(folder, 0, e.strerror or str(e)) from None
    whole = bool(files or listings)
    if size >= 0 and not any(file.is_template and file.path and file.domid for file in files.values()):
        absent = [file for file in files.values() if file.is_template and not file.path and file.domid]
        if len(absent) == 1:
            files[str(absent[0])] = Userdata(absent[0].domid, absent[0].uuid, "d", TEMPLATE, single)
        elif not whole and size:
            file = _whose(single, store)
            files[str(file)] = file
    found = Host(str(folder / DUMP), store, sorted(files.values()), whole)
    _require_templates(found, folder)
    return found


def pair(templates: Iterable[Path], dump: Path, userdata: Path | None = None) -> Host:
    """A dump, and templates or a whole folder of libxl's. BadInput."""
    store = read_dump(dump)
    files = folder_files(userdata) if userdata else []
    given = [_whose(path, store) for path in templates]
    taken = {str(file) for file in given}
    if len(taken) < len(given):
        raise BadInput(dump, 0, "two of the templates are of one domain")
    files = sorted([*given, *(f for f in files if str(f) not in taken)])
    found = Host(str(dump), store, files, userdata is not None, _commands(userdata))
    if userdata:
        _require_templates(found, userdata)
    return found


def state_folder(folder: Path) -> Host:
    """The host in a state folder of `confsync domain`, at one instant. BadInput; StoreError."""
    if not (folder / STATE).is_file():
        raise BadInput(folder, 0, f"no {STATE} here: it is no state folder of `confsync domain`")
    xenstore = SqliteStore(folder)
    try:
        tree = xenstore.tree()
    finally:
        xenstore.close()
    store = Store()
    for path, (value, permissions) in tree.items():
        if path != "/":
            store.add(path, value.decode("utf-8", "surrogateescape"), ",".join(map(str, permissions)))
    store.local.setdefault(DOM0, {})
    return Host(str(folder / STATE), store, folder_files(folder / TEMPLATES), True, "confsync domain")


def _commands(userdata: Path | None) -> Literal["xl", "confsync domain"]:
    """Whose templates they are: those of `confsync domain` stand in a folder beside its xenstore."""
    return "confsync domain" if userdata and (userdata.absolute().parent / STATE).is_file() else "xl"


def _require_templates(host: Host, folder: Path) -> None:
    """BadInput if there is no template of any domain of libxl's, though the host has some: nothing can be compared."""
    expected = sorted(domid for domid in host.store.made & host.store.local.keys() if domid != DOM0)
    expected = [domid for domid in expected if "target" not in host.store.local[domid]]
    copy = "`cp -p /var/lib/xen/userdata-*` beside the dump, from the same host, at the same time"
    if expected and not host.whole and not host.files:
        reason = f"no templates here, for {len(expected)} domain{'s' * (len(expected) > 1)} of libxl's"
        raise BadInput(folder, 0, f"{reason}: {copy}")
    files = [file for file in host.files if file.is_template and file.domid != DOM0]
    ours = {(domid, uuid_of(host.store, domid)) for domid in expected}
    uuids = {file.uuid for file in files}
    if len(files) > 1 and expected and not any((f.domid, f.uuid) in ours for f in files) and len(uuids) > 1:
        raise BadInput(folder, 0, f"none of the {len(files)} templates is of a domain in the dump: {copy}")


def folder_files(folder: Path) -> list[Userdata]:
    """The files of libxl's folder. BadInput."""
    try:
        return in_folder(folder)
    except OSError as e:
        raise BadInput(folder, 0, e.strerror or str(e)) from None


def uuid_of(store: Store, domid: int) -> str:
    """The uuid that xenstore has for the domain, or nothing."""
    return store.local.get(domid, {}).get("vm", "").removeprefix("/vm/")


def _whose(path: Path, store: Store) -> Userdata:
    """A template, and whose it is: by its file's name, its uuid, its name; or that of the only domain."""
    if file := named(path):
        return file
    domids = [domid for domid in store.local if domid != DOM0]
    try:
        template = Template.parse(read_bounded(path), str(path))
    except OSError as e:
        raise BadInput(path, 0, e.strerror or str(e)) from None
    except MalformedConfiguration:
        found = domids
    else:
        found = [domid for domid in domids if template.uuid and uuid_of(store, domid) == template.uuid] or [
            domid for domid in domids if template.name and store.local[domid].get("name") == template.name
        ] or ([] if template.uuid else domids)  # fmt: skip
    if len(found) != 1:
        form = f"userdata-d.<domid>.<uuid>.{TEMPLATE}"
        raise BadInput(path, 0, f"it does not say which domain's template it is: give it its name, {form}")
    return Userdata(found[0], uuid_of(store, found[0]), "d", TEMPLATE, path)
