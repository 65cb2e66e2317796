"""The real protocol towards a backend, with one that is played: on the embedded xenstore and on a real one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from embedded_host import ROOT, EmbeddedHost, configuration
from processes import LONG

from confsync.impl.errors import HotplugFailed, TimedOut
from confsync.impl.hotplug.script import run_script
from confsync.impl.hotplug.xenbus import XenbusHotplug
from confsync.impl.kinds import DISK, NIC, PCI, USBCTRL, USBDEV, Device
from confsync.impl.operations import existence
from confsync.impl.operations.attach import attach, detach
from confsync.impl.operations.create import create
from confsync.impl.operations.retrieve import retrieve
from confsync.impl.ports import Xenstore

ROOT_DISK = Device(DISK, "51712")
BACKEND = "/local/domain/0/backend"


@dataclass
class Backend:
    """A kernel's or a driver domain's backend: it answers each state it is told, unless it is deaf to that."""

    xenstore: Xenstore
    deaf_to: tuple[str, ...] = ()
    refuses: bool = False

    async def play(self) -> None:
        watch = await self.xenstore.watch(BACKEND)
        await self.answer_all(BACKEND)  # what was there before it looked
        while True:
            path = await watch.event()
            if path.endswith("/state"):
                await self.answer(path)

    async def answer_all(self, path: str) -> None:
        for name in await existence.names(self.xenstore, path):
            await self.answer_all(f"{path}/{name}")
        if path.endswith("/state"):
            await self.answer(path)

    async def answer(self, path: str) -> None:
        state = await existence.read_text(self.xenstore, path)
        folder = path.rpartition("/")[0]
        if state in self.deaf_to:
            return
        if self.refuses and state == "1":
            await self.xenstore.write(f"{folder}/hotplug-error", b"no such image")
            await self.xenstore.write(path, b"6")
        elif following := {"1": "2", "5": "6", "7": "4"}.get(state or ""):
            await self.xenstore.write(path, following.encode())


@dataclass
class Bench:
    """A host with the real protocol instead of the simulator."""

    host: EmbeddedHost
    ran: list[tuple[str, ...]]

    def gives_up(self, what: str) -> None:
        """Wait for a backend that does not `connect`, or `disconnect`, for 0.2 s only."""
        hotplug = self.host.t.hotplug
        assert isinstance(hotplug, XenbusHotplug)
        hasty = replace(hotplug, connect_timeout=0.2) if what == "connect" else replace(hotplug, disconnect_timeout=0.2)
        self.host.t = replace(self.host.t, hotplug=hasty)

    def play(self, work: Callable[[], Awaitable[None]], **how: object) -> None:
        """Run it beside a backend that behaves so."""

        async def both() -> None:
            backend = Backend(self.host.store.connect(), **how)  # type: ignore[arg-type]
            playing = asyncio.create_task(backend.play())
            try:
                await work()
            finally:
                playing.cancel()

        asyncio.run(both())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    host, ran = EmbeddedHost(tmp_path), list[tuple[str, ...]]()

    async def note(script: str, what: str, backend: str, _device: Device) -> None:
        ran.append((script, what, backend))

    hotplug = XenbusHotplug(host.t.xenstore, note, connect_timeout=LONG, disconnect_timeout=LONG)
    host.t = replace(host.t, hotplug=hotplug)
    return Bench(host, ran)


def test_a_device_connects_and_disconnects(bench: Bench) -> None:
    async def work() -> None:
        t = bench.host.t
        domain = await create(t, configuration())
        assert bench.host.node(f"{BACKEND}/vif/1/0/state") == b"2"
        device = await attach(t, domain, NIC, {})
        await detach(t, domain, device)
        for kind, entry in ((PCI, {"bus": 3}), (PCI, {"bus": 4}), (USBCTRL, {}), (USBDEV, {"ctrl": 0, "port": 1})):
            await attach(t, domain, kind, entry)
        for device in (Device(PCI, "0000-03-00-0"), Device(USBDEV, "0/port/1"), Device(USBCTRL, "0")):
            await detach(t, domain, device)
        assert [str(d) for d in (await retrieve(t, domain)).template.devices()] == [
            "disk xvda", "disk hdc", "nic 0", "pci 0000:04:00.0",
        ]  # fmt: skip

    bench.play(work)
    assert [what for _, what, path in bench.ran if "/vif/1/1" in path] == ["online", "offline"]
    assert [s for s, what, _ in bench.ran if what == "add"] == ["/etc/xen/scripts/block"]  # the drive is QEMU's


def test_a_backend_that_does_not_answer(bench: Bench) -> None:
    bench.gives_up("connect")

    async def work() -> None:
        t = bench.host.t
        domain = await create(t, configuration(disks=[], nics=[]))
        with pytest.raises(TimedOut, match=r"nic 0 did not answer in 0\.2 s: .*/vif/1/0/state is '1'"):
            await attach(t, domain, NIC, {})
        assert [str(d) for d in (await retrieve(t, domain)).template.devices()] == ["nic 0"]

    bench.play(work, deaf_to=("1",))


def test_a_backend_that_does_not_close_needs_force(bench: Bench) -> None:
    bench.gives_up("disconnect")

    async def work() -> None:
        t = bench.host.t
        domain = await create(t, configuration(disks=[dict(ROOT)], nics=[]))
        with pytest.raises(TimedOut):
            await detach(t, domain, ROOT_DISK)
        assert await t.hotplug.held(domain, ROOT_DISK)
        try:
            await detach(t, domain, ROOT_DISK, force=True)
        except TimedOut as error:
            pytest.fail(f"force has waited: {error}")
        assert (await retrieve(t, domain)).template.devices() == []

    bench.play(work, deaf_to=("5",))


def test_a_backend_that_refuses_says_why(bench: Bench) -> None:
    async def work() -> None:
        t = bench.host.t
        domain = await create(t, configuration(disks=[], nics=[]))
        with pytest.raises(HotplugFailed, match="no such image"):
            await attach(t, domain, NIC, {})

    bench.play(work, refuses=True)


def test_a_device_that_goes_away_is_not_connected(bench: Bench) -> None:
    async def work() -> None:
        t = bench.host.t
        domain = await create(t, configuration(disks=[], nics=[]))
        for act in (t.hotplug.allocate(domain, [ROOT_DISK]), t.hotplug.release(domain, [ROOT_DISK], force=True)):
            with pytest.raises(HotplugFailed):
                await act

    bench.play(work)


def test_a_script_is_run_as_libxl_runs_it(tmp_path: Path) -> None:
    script = tmp_path / "vif-x"
    script.write_text('#!/bin/sh\nprintf "%s|" "$@" "$XENBUS_PATH" "$XENBUS_TYPE" "$vif" "$script" > "$0.said"\n')
    script.chmod(0o755)
    asyncio.run(run_script(str(script), "online", f"{BACKEND}/vif/3/1", Device(NIC, "1")))
    assert (tmp_path / "vif-x.said").read_text() == f"online|type_if=vif|{BACKEND}/vif/3/1|vif|vif3.1|{script}|"


def test_a_script_that_fails_says_why(tmp_path: Path) -> None:
    script = tmp_path / "block"
    device = Device(DISK, "51712")
    with pytest.raises(HotplugFailed, match="did not start: No such file"):
        asyncio.run(run_script(str(script), "add", "x", device))
    script.write_text("#!/bin/sh\necho first >&2\necho no such image >&2\nexit 3\n")
    script.chmod(0o755)
    with pytest.raises(HotplugFailed, match=r"`.*block add` of disk xvda failed \(3\): 'no such image'"):
        asyncio.run(run_script(str(script), "add", "x", device))


def test_a_script_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "block"
    script.write_text("#!/bin/sh\nexec sleep 100\n")
    script.chmod(0o755)
    monkeypatch.setattr("confsync.impl.hotplug.script.TIMEOUT", 0.1)
    with pytest.raises(TimedOut):
        asyncio.run(run_script(str(script), "add", "x", Device(DISK, "51712")))


def test_what_a_script_prints_is_not_in_our_output(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "block"
    script.write_text("#!/bin/sh\necho connected\n")
    script.chmod(0o755)
    asyncio.run(run_script(str(script), "add", "x", Device(DISK, "51712")))
    assert capfd.readouterr() == ("", "")
