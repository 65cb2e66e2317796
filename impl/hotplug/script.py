"""A hotplug script, run as libxl runs it [`libxl__get_hotplug_script_info`, `libxl__hotplug_disk`]."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Awaitable, Callable

from confsync.impl.errors import HotplugFailed, TimedOut
from confsync.impl.hotplug.tail import Tail
from confsync.impl.kinds import NIC, Device

TIMEOUT = 40.0
"""Seconds [LIBXL_HOTPLUG_TIMEOUT]."""
MOST_QUOTED = 500
"""Characters of a script's last line that are quoted."""
Runs = Callable[[str, str, str, Device], Awaitable[None]]
"""Runs a script: its path, what it is to do (add, remove, online, offline), the backend's folder in xenstore, the
device. HotplugFailed, TimedOut."""


async def run_script(script: str, what: str, backend: str, device: Device) -> None:
    """Run the script. HotplugFailed; TimedOut after TIMEOUT.

    Of what it prints, on standard output and standard error, the end is kept, and the last line of it is quoted if the
    script fails: nothing of it reaches the terminal as it is. A daemon that it leaves behind is not waited for,
    whatever it keeps open. A script that takes too long, or whose caller is cancelled, is killed with all that it has
    started in its process group."""
    with Tail() as said:
        process = await _start(script, what, backend, device, said)
        try:
            async with asyncio.timeout(TIMEOUT):
                await process.wait()
        except BaseException as e:
            _kill_group(process.pid)
            await process.wait()
            if isinstance(e, TimeoutError):
                raise TimedOut(
                    f"the hotplug script `{script} {what}` of {device} took more than {TIMEOUT:g} s"
                ) from None
            raise
        if process.returncode:
            raise HotplugFailed(
                f"the hotplug script `{script} {what}` of {device} failed ({process.returncode}): {_quoted(said.end())}"
            )


async def _start(script: str, what: str, backend: str, device: Device, said: Tail) -> Process:
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
        return await asyncio.create_subprocess_exec(
            *arguments, env=environment, stdin=DEVNULL, stdout=said.writer, stderr=said.writer, start_new_session=True
        )
    except OSError as e:
        raise HotplugFailed(f"the hotplug script {script} of {device} did not start: {e.strerror}") from e
    finally:
        said.give_away()


def _kill_group(pid: int) -> None:
    """Kill the script and what it has started; the script leads a session, and so a group, of its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _quoted(end: bytes) -> str:
    """The last line, in quotes; nothing in it can steer a terminal."""
    lines = end.decode("utf-8", "replace").strip().splitlines()
    return repr(lines[-1][-MOST_QUOTED:]) if lines else "it printed nothing"
