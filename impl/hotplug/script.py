"""A hotplug script, run as libxl runs it [`libxl__get_hotplug_script_info`, `libxl__hotplug_disk`]."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

from impl.errors import HotplugFailed, TimedOut
from impl.kinds import NIC, Device

TIMEOUT = 40.0
"""Seconds [LIBXL_HOTPLUG_TIMEOUT]."""
Runs = Callable[[str, str, str, Device], Awaitable[None]]
"""Runs a script: its path, what it is to do (add, remove, online, offline), the backend's folder in xenstore, the
device. HotplugFailed, TimedOut."""


async def run_script(script: str, what: str, backend: str, device: Device) -> None:
    """Run the script; it is killed after TIMEOUT."""
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
            *arguments, env=environment, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
    except OSError as e:
        raise HotplugFailed(f"the hotplug script {script} of {device} did not start: {e.strerror}") from e
    try:
        async with asyncio.timeout(TIMEOUT):
            _, said = await process.communicate()
    except BaseException as e:
        process.kill()
        await process.wait()
        if isinstance(e, TimeoutError):
            raise TimedOut(f"the hotplug script `{script} {what}` of {device} took more than {TIMEOUT:g} s") from None
        raise
    if process.returncode:
        last = (said.decode("utf-8", "replace").strip().splitlines() or ["nothing on standard error"])[-1]
        raise HotplugFailed(f"the hotplug script `{script} {what}` of {device} failed ({process.returncode}): {last}")
