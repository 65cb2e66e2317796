"""The machine that holds an implementation on a host against the specification, one operation after another."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping
from typing import ClassVar, cast

from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from machines_hosts import Host
from machines_spec import Key, One, Refused, Spec, is_drive, normal, require_medium, same
from machines_values import KIND_NAMES, NAMES, SELDOM_TOO_LONG, configurations, entries

from confsync.impl.configuration.template import Template
from confsync.impl.errors import ToolstackError, XenstoreError
from confsync.impl.kinds import KINDS, Device, Json
from confsync.impl.operations import knobs, media
from confsync.impl.operations.attach import attach, detach
from confsync.impl.operations.create import create
from confsync.impl.operations.destroy import destroy
from confsync.impl.operations.retrieve import retrieve
from confsync.impl.operations.save import restore, save
from confsync.impl.ports import Domain

UUIDS = [f"{n}{n}{n}{n}0000-0000-4000-8000-00000000000{n}" for n in range(1, 5)]
MOST_DOMAINS = 3
UUID, WHICH = st.sampled_from(UUIDS[:MOST_DOMAINS]), st.integers(0, 11)
"""A uuid to create a domain with; and any one of what there is, or, seldom, of what there is not."""
FAILS = st.tuples(st.one_of(st.just(0), st.just(0), st.integers(1, 9)), st.booleans())
"""Which step of hotplug fails, 0 for none; and whether it is by taking too long."""


class Lockstep(RuleBasedStateMachine):
    """Up to three domains, each under a uuid that it may have again."""

    open_host: ClassVar[Callable[[], Host]]

    def __init__(self) -> None:
        super().__init__()
        self.host = type(self).open_host()
        self.spec = Spec()

    def teardown(self) -> None:
        self.host.close()

    def some(self, which: int) -> str:
        """The uuid of one of the domains, or of none."""
        there = [*self.spec.domains]
        return there[which % len(there)] if there and which < 11 else UUIDS[which % MOST_DOMAINS]

    def domain(self, uuid: str) -> Domain:
        """The domain, as a caller names it; one that is not there by some number."""
        one = self.spec.domains.get(uuid)
        return Domain(one.domid if one else self.spec.free_number(), uuid)

    def device(self, uuid: str, which: int) -> Key:
        """One of its devices, or one that it lacks."""
        one = self.spec.domains.get(uuid)
        keys = [*one.devices] if one else []
        keys += [("disk", "5632"), ("nic", "7")]
        return keys[which % len(keys)]

    def drive(self, uuid: str, which: int) -> Key:
        """One of its drives, if it has one."""
        one = self.spec.domains.get(uuid)
        drives = [k for k, e in one.devices.items() if is_drive(e)] if one else []
        return drives[which % len(drives)] if drives else self.device(uuid, which)

    def both(
        self, work: Coroutine[object, object, object], spec: Callable[[bool], object], fails: tuple[int, bool]
    ) -> bool:
        """Run the operation, and then the specification, which is told whether hotplug failed. True if it was done."""
        self.host.fails.arm(fails[0], slow=fails[1])
        error: ToolstackError | None = None
        try:
            self.host.run(work)
        except ToolstackError as e:
            error = e
        failed = self.host.fails.failed
        self.host.fails.arm(0, slow=False)
        wanted = {"NoneType"}
        try:
            spec(failed)
        except Refused as refused:
            wanted = {*refused.errors}
        assert type(error).__name__ in wanted, f"{type(error).__name__} ({error}), and not {sorted(wanted)}"
        return error is None

    @rule(uuid=UUID, data=st.data(), fails=FAILS)
    def create(self, uuid: str, data: st.DataObject, fails: tuple[int, bool]) -> None:
        self._create(uuid, data.draw(configurations(uuid), label="value"), fails)

    @initialize()
    def first(self) -> None:
        """Little happens without domains: one whose devices are served by the other."""
        empty: dict[str, Json] = {"vdev": "hdc", "pdev_path": "", "format": "empty", "is_cdrom": 1, "backend_domid": 2}
        value: dict[str, Json] = {
            "c_info": {"name": "vm", "uuid": UUIDS[0]},
            "b_info": {"max_vcpus": 4, "video_memkb": 8},
            "disks": [{"vdev": "xvda", "pdev_path": "/a.img"}, empty],
            "usbctrls": [{}],
            "nics": [{"backend_domid": 2}],
        }
        self._create(UUIDS[0], value, (0, False))
        self._create(UUIDS[1], {"c_info": {"name": "vm 2", "uuid": UUIDS[1]}, "b_info": {}}, (0, False))

    def _create(self, uuid: str, value: dict[str, Json], fails: tuple[int, bool]) -> None:
        number = self.spec.free_number()

        async def work() -> None:
            assert (await create(self.host.t, Template.of(json.loads(json.dumps(value)), "asked"))).domid == number

        if self.both(work(), lambda failed: self.spec.create(uuid, value, failed=failed), fails):
            self._adopt(uuid)
            assert len(self._held(uuid)) == len(self.spec.domains[uuid].devices)

    def _adopt(self, uuid: str) -> None:
        self.spec.adopt(uuid, normal(self.answer(uuid))[1])

    @rule(which_domain=WHICH, kinds=st.lists(KIND_NAMES, min_size=1, max_size=3), data=st.data(), fails=FAILS)
    def attach(self, which_domain: int, kinds: list[str], data: st.DataObject, fails: tuple[int, bool]) -> None:
        """One after another; hotplug fails with the last of them."""
        for n, kind in enumerate(kinds, 1):
            self._attach(self.some(which_domain), kind, data, fails if n == len(kinds) else (0, False))

    def _attach(self, uuid: str, kind: str, data: st.DataObject, fails: tuple[int, bool]) -> None:
        entry, domain = data.draw(entries(kind), label="entry"), self.domain(uuid)
        if "backend_domname" in entry and (names := [one.name for one in self.spec.domains.values()]):
            entry["backend_domname"] = data.draw(st.sampled_from([*names, "nobody"]), label="backend")
        there = uuid in self.spec.domains
        done = self.both(
            attach(self.host.t, domain, KINDS[kind], entry),
            lambda failed: self.spec.attach(uuid, kind, entry, failed=failed),
            fails,
        )
        if there:
            self._adopt(uuid)
        if done:
            held = self._held(uuid)
            assert len(held) > 0

    @rule(which_domain=WHICH, which=WHICH, fails=FAILS, force=st.booleans())
    def detach(self, which_domain: int, which: int, fails: tuple[int, bool], force: bool) -> None:
        uuid = self.some(which_domain)
        key = self.device(uuid, which)
        work = detach(self.host.t, self.domain(uuid), _device(key), force=force)
        self.both(work, lambda failed: self.spec.detach(uuid, key, failed=failed), fails)

    @rule(which_domain=WHICH, which=WHICH, path=SELDOM_TOO_LONG, form=st.sampled_from(["raw", "qcow2"]), fails=FAILS)
    def insert(self, which_domain: int, which: int, path: str, form: str, fails: tuple[int, bool]) -> None:
        uuid = self.some(which_domain)
        key = self.drive(uuid, which)
        work = media.insert(self.host.t, self.domain(uuid), _device(key), path, form)
        self.both(work, lambda failed: self.spec.insert(uuid, key, path, form, failed=failed), fails)

    @rule(which_domain=WHICH, which=WHICH, fails=FAILS)
    def eject(self, which_domain: int, which: int, fails: tuple[int, bool]) -> None:
        uuid = self.some(which_domain)
        key = self.drive(uuid, which)
        work = media.eject(self.host.t, self.domain(uuid), _device(key))
        self.both(work, lambda failed: self.spec.eject(uuid, key, failed=failed), fails)

    @rule(which_domain=WHICH, which=WHICH, path=SELDOM_TOO_LONG, fails=FAILS)
    def swap(self, which_domain: int, which: int, path: str, fails: tuple[int, bool]) -> None:
        uuid = self.some(which_domain)
        key = self.drive(uuid, which)

        def spec(failed: bool) -> None:
            require_medium(path)
            self.spec.eject(uuid, key, failed=failed and fails[0] == 1)
            self.spec.insert(uuid, key, path, "raw", failed=failed)

        self.both(media.swap(self.host.t, self.domain(uuid), _device(key), path), spec, fails)

    def _set(self, work: Coroutine[object, object, object], spec: Callable[[], None]) -> None:
        self.both(work, lambda _: spec(), (0, False))

    @rule(which_domain=WHICH, name=st.one_of(NAMES, st.integers(0, 2)))
    def rename(self, which_domain: int, name: str | int) -> None:
        """A number: the name of a domain that is there."""
        uuid = self.some(which_domain)
        if isinstance(name, int):
            name = [*(one.name for one in self.spec.domains.values()), "vm"][name % (len(self.spec.domains) + 1)]
        self._set(knobs.rename(self.host.t, self.domain(uuid), name), lambda: self.spec.rename(uuid, name))

    @rule(which_domain=WHICH, kb=st.one_of(st.sampled_from([1024, 65536]), st.integers(-1, 2**40)))
    def set_memory_target(self, which_domain: int, kb: int) -> None:
        uuid = self.some(which_domain)
        work = knobs.set_memory_target(self.host.t, self.domain(uuid), kb)
        self._set(work, lambda: self.spec.set_memory_target(uuid, kb))

    @rule(which_domain=WHICH, kb=st.one_of(st.just(2**41), st.integers(-1, 2**40)))
    def set_memory_limit(self, which_domain: int, kb: int) -> None:
        uuid = self.some(which_domain)
        work = knobs.set_memory_limit(self.host.t, self.domain(uuid), kb)
        self._set(work, lambda: self.spec.set_memory_limit(uuid, kb))

    @rule(which_domain=WHICH, online=st.sets(st.integers(-1, 4)))
    def set_vcpus(self, which_domain: int, online: set[int]) -> None:
        uuid = self.some(which_domain)
        work = knobs.set_vcpus(self.host.t, self.domain(uuid), online)
        self._set(work, lambda: self.spec.set_vcpus(uuid, online))

    @rule(
        which_domain=WHICH,
        parameters=st.dictionaries(st.sampled_from(["cap", "weight", "cap", "x"]), st.integers(0, 999), max_size=2),
    )
    def set_scheduling(self, which_domain: int, parameters: dict[str, int]) -> None:
        uuid = self.some(which_domain)
        work = knobs.set_scheduling(self.host.t, self.domain(uuid), parameters)
        self._set(work, lambda: self.spec.set_scheduling(uuid, parameters))

    @precondition(lambda self: len(self.spec.domains) > 1)
    @rule(which_domain=WHICH, fails=FAILS)
    def destroy(self, which_domain: int, fails: tuple[int, bool]) -> None:
        uuid = self.some(which_domain)
        work = destroy(self.host.t, self.domain(uuid))
        self.both(work, lambda failed: self.spec.destroy(uuid, failed=failed), fails)

    @precondition(lambda self: self.spec.domains)
    @rule(which=WHICH, fails=FAILS)
    def save_and_restore(self, which: int, fails: tuple[int, bool]) -> None:
        """What is restored is what was saved."""
        uuid = [*self.spec.domains][which % len(self.spec.domains)]
        kept: list[Template] = []

        async def keep(template: Template) -> None:
            kept.append(template)

        work = save(self.host.t, self.domain(uuid), keep)
        if self.both(work, lambda failed: self.spec.destroy(uuid, failed=failed), fails):
            value = json.loads(json.dumps(dict(kept[0].value)))
            self.both(
                restore(self.host.t, kept[0]), lambda failed: self.spec.create(uuid, value, failed=failed), (0, False)
            )

    @precondition(lambda self: self.spec.domains)
    @rule(
        which=st.integers(0, 999),
        value=st.binary(max_size=4),
        how=st.sampled_from(["all", "write", "add", "remove", "give"]),
    )
    def somebody_else_writes(self, which: int, value: bytes, how: str) -> None:
        """A guest or a driver domain does with what it owns as it likes: nothing changes."""
        tree = self.host.tree()
        owned = sorted((p, found[1][0].domid) for p, found in tree.items() if found[1][0].domid in (1, 2, 3))
        if not owned:
            return
        path, domid = owned[which % len(owned)]

        async def write() -> None:
            x = self.host.connect(domid)
            if how == "all":
                for one in [p for p, d in owned if d == domid]:
                    await x.write(one, value)
            elif how in ("write", "add"):
                await x.write(path if how == "write" else f"{path}/new", value)
            elif how == "remove":
                await x.remove(path)
            else:
                await x.set_permissions(path, [*tree[path][1][:1], *tree[path][1][1:], *tree[path][1][1:]][:3])
            await x.close()

        try:
            self.host.run(write())
        except XenstoreError:
            return

    def answer(self, uuid: str) -> Mapping[str, Json]:
        """What `retrieve` returns."""
        found = self.host.run(retrieve(self.host.t, self.domain(uuid)))
        assert not found.made_up
        return found.template.value

    def _held(self, uuid: str) -> set[tuple[str, str]]:
        return {(c.folder, c.index) for c in self.host.held() if c.uuid == uuid}

    @invariant()
    def what_is_retrieved_is_what_the_specification_says(self) -> None:
        for uuid, one in self.spec.domains.items():
            rest, devices = normal(self.answer(uuid))
            assert same(rest, one.value), f"{rest} instead of {one.value}"
            assert {*devices} == {*one.devices}
            for key, entry in devices.items():
                assert same(entry, one.devices[key]), f"{key}: {entry} instead of {one.devices[key]}"

    @invariant()
    def files_and_tree_are_as_they_must_be(self) -> None:
        tree, domains = self.host.tree(), self.spec.domains
        names = {f"userdata-d.{one.domid}.{uuid}.libxl-json": one for uuid, one in domains.items()}
        assert {p.name for p in self.host.templates.iterdir()} == names.keys()
        for name, one in names.items():
            text = (self.host.templates / name).read_bytes()
            _check_template(cast("dict[str, Json]", json.loads(text.removesuffix(b"\0"))), one)
            assert existing(tree, one.domid) == {(KINDS[k].folder, index) for k, index in one.devices}
        _check_nothing_is_left(tree, {one.domid for one in domains.values()}, {*domains})

    @invariant()
    def the_host_has_what_exists(self) -> None:
        there = {one.domid: (uuid, one.paused) for uuid, one in self.spec.domains.items()}
        assert {domid: (guest.uuid, guest.paused) for domid, guest in self.host.guests().items()} == there
        for claim in self.host.held():
            one = self.spec.domains[claim.uuid]
            assert one.domid == claim.domid
            assert (claim.folder, claim.index) in {(KINDS[k].folder, index) for k, index in one.devices}


def _device(key: Key) -> Device:
    return Device(KINDS[key[0]], key[1])


def existing(tree: Mapping[str, tuple[bytes, object]], domid: int) -> set[tuple[str, str]]:
    """What exists, by the toolstack's own nodes: kind's folder and device's node."""
    found: set[tuple[str, str]] = set()
    for path, (value, _) in tree.items():
        parts = path.split("/")
        if parts[1:2] != ["libxl"] or parts[2:4] != [str(domid), "device"]:
            continue
        if len(parts) == 6 or (len(parts) == 8 and parts[4] == "vusb" and parts[6] == "port" and value):
            found.add((parts[4], "/".join(parts[5:])))
    return found


def _check_template(value: dict[str, Json], one: One) -> None:
    """What is in xenstore is in the template, as it was attached; a drive that xenstore calls empty may have a medium
    there."""
    _, devices = normal(value)
    for key, entry in one.devices.items():
        there = devices[key]
        if is_drive(entry) and not entry["pdev_path"]:
            there = {**there, "pdev_path": "", "format": "empty"}
        assert same(there, entry), f"{key} in the file: {there} instead of {entry}"


def _check_nothing_is_left(tree: Mapping[str, object], domids: set[int], uuids: set[str]) -> None:
    """Of a domain that is gone there is nothing, but what backends other domains have in it."""
    for path in tree:
        parts = path.split("/")[1:]
        if parts[:2] == ["local", "domain"] and len(parts) > 3:
            assert int(parts[2]) in domids or parts[3] == "backend", path
            assert parts[3] != "backend" or len(parts) < 6 or int(parts[5]) in domids, path
        elif parts[0] in ("libxl", "vm") and len(parts) > 1:
            assert parts[1] in ({str(d) for d in domids} if parts[0] == "libxl" else uuids), path


def how(examples: int, steps: int, *, shrink: bool = True) -> settings:
    """The same walks each time."""
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
        report_multiple_bugs=False,
        verbosity=Verbosity.normal if shrink else Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )


def walk(open_host: Callable[[], Host], *, examples: int, steps: int = 25, shrink: bool = True) -> None:
    """Walks on hosts that are opened so."""
    machine = type("Lockstep", (Lockstep,), {"open_host": staticmethod(open_host)})
    run_state_machine_as_test(machine, settings=how(examples, steps, shrink=shrink))
