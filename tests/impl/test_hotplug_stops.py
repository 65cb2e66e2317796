"""What hotplug leaves alone, and what it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import pytest
from embedded_host import EmbeddedHost, configuration, run
from processes import until_so

from confsync.impl.errors import HotplugFailed
from confsync.impl.hotplug.script import run_script
from confsync.impl.hotplug.xenbus import XenbusHotplug
from confsync.impl.kinds import DISK, Device
from confsync.impl.operations import entries
from confsync.impl.operations.create import create
from confsync.impl.operations.layout import CONNECTED
from confsync.impl.operations.transact import transact

ROOT_DISK = Device(DISK, "51712")


def test_a_backend_that_is_there_does_not_connect_what_goes_away(tmp_path: Path) -> None:
    host = EmbeddedHost(tmp_path)
    domain = run(create(host.t, configuration()))
    node = f"/libxl/{domain.domid}/device/vbd/{ROOT_DISK.index}"
    backend = (host.node(f"{node}/backend") or b"").decode()
    run(transact(host.t, lambda x: entries.mark_closing(x, domain, ROOT_DISK)))
    run(host.t.xenstore.write(f"{backend}/state", CONNECTED.encode()))

    async def no_script(script: str, what: str, _backend: str, device: Device) -> None:
        pytest.fail(f"{script} {what} {device}")

    with pytest.raises(HotplugFailed, match="went away"):
        run(XenbusHotplug(host.t.xenstore, no_script).allocate(domain, [ROOT_DISK]))


def test_a_script_that_is_given_up_runs_no_longer(tmp_path: Path) -> None:
    said, script = tmp_path / "pid", tmp_path / "script"
    script.write_text(f"#!/bin/sh\necho $$ >{said}.new && mv {said}.new {said}\nexec sleep 600\n")
    script.chmod(0o700)

    async def give_up() -> None:
        running = asyncio.create_task(run_script(str(script), "add", "/local/domain/0/backend/vbd/1/51712", ROOT_DISK))
        await until_so(said.exists)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        with pytest.raises(ProcessLookupError):  # while the loop lives, whose end would end it, too
            os.kill(int(said.read_text()), signal.SIGKILL)

    run(give_up())
