"""A hotplug script, run as libxl runs it [`libxl__get_hotplug_script_info`, `libxl__hotplug_disk`]."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable
from typing import IO

from impl.errors import HotplugFailed, TimedOut
from impl.kinds import NIC, Device

TIMEOUT = 40.0
"""Seconds [LIBXL_HOTPLUG_TIMEOUT]."""
Runs = Callable[[str, str, str, Device], Awaitable[None]]
"""Runs a script: its path, what it is to do (add, remove, online, offline), the backend's folder in xenstore, the
device. HotplugFailed, TimedOut."""


async def run_script(script: str, what: str, backend: str, device: Device) -> None:
    """Run the script; it is killed after TIMEOUT. HotplugFailed, TimedOut. What it prints goes to standard error, where
    libxl has it too; a daemon that it leaves behind is not waited for."""
    with tempfile.TemporaryFile() as said:
        await _run(script, what, backend, device, said)


async def _run(script: str, what: str, backend: str, device: Device, said: IO[bytes]) -> None:
    environment = {
        **os.environ,
        "script": script,
        "XENBUS_TYPE": device.kind.folder,
        "XENBUS_PATH": backend,
        "XENBUS_BASE_PATH": "backend",
    }
    arguments = [script, what]
    if device.kind is NIC:
        domid, devid = backend.split("/")[-2:]
        environment["vif"] = f"vif{domid}.{devid}"
        arguments.append("type_if=vif")
    try:
        process = await asyncio.create_subprocess_exec(
            *arguments, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=2, stderr=said
        )
    except OSError as e:
        raise HotplugFailed(f"the hotplug script {script} of {device} did not start: {e.strerror}") from e
    try:
        async with asyncio.timeout(TIMEOUT):
            await process.wait()
    except BaseException as e:
        process.kill()
        await process.wait()
        if isinstance(e, TimeoutError):
            raise TimedOut(f"the hotplug script `{script} {what}` of {device} took more than {TIMEOUT:g} s") from None
        raise
    if process.returncode:
        said.seek(0)
        last = (said.read().decode("utf-8", "replace").strip().splitlines() or ["nothing on standard error"])[-1]
        raise HotplugFailed(f"the hotplug script `{script} {what}` of {device} failed ({process.returncode}): {last}")
