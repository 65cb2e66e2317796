"""Hotplug scripts that do not behave: what is waited for, what is kept of what they print, and what is killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from places import ROOT
from processes import LONG, until_so

from confsync.impl.errors import HotplugFailed, TimedOut
from confsync.impl.hotplug import tail
from confsync.impl.hotplug.script import MOST_QUOTED, TIMEOUT, run_script
from confsync.impl.kinds import DISK, Device

pytestmark = pytest.mark.slow

BACKEND = "/local/domain/0/backend/vbd/1/51712"
ROOT_DISK = Device(DISK, "51712")


@contextlib.contextmanager
def traced() -> Iterator[Callable[[], int]]:
    """Tells the most bytes that this process has had at a time meanwhile."""
    most = 0
    tracemalloc.start()
    try:
        yield lambda: most or tracemalloc.get_traced_memory()[1]
    finally:
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()


class Script:
    """A script, and the processes that it names in a file."""

    def __init__(self, folder: Path) -> None:
        self.path, self.named = folder / "block", folder / "pids"

    async def run(self, body: str) -> None:
        """Run it; `$PIDS` is the file for the processes that it starts."""
        self.path.write_text(f"#!/bin/sh\nPIDS={self.named}\n{body}\n")
        self.path.chmod(0o700)
        await run_script(str(self.path), "add", BACKEND, ROOT_DISK)

    def pids(self) -> list[int]:
        return [int(line) for line in self.named.read_text().split()] if self.named.exists() else []


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Script]:
    """A script; what it has left behind is killed in the end."""
    found = Script(tmp_path)
    yield found
    for pid in found.pids():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def is_running(pid: int) -> bool:
    """True if the process is there, and is no zombie that only waits for its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("keeps", ["", "2>/dev/null", ">/dev/null", ">/dev/null 2>&1"], ids=["both", "1", "2", "none"])
@pytest.mark.parametrize("ends", [0, 3])
def test_a_daemon_is_not_waited_for_and_not_killed(script: Script, keeps: str, ends: int) -> None:
    body = f"sleep 600 {keeps} &\necho $! >$PIDS\necho the reason >&2\nexit {ends}"
    if ends:
        with pytest.raises(HotplugFailed, match=r"\(3\): 'the reason'$"):
            asyncio.run(script.run(body))
    else:
        asyncio.run(script.run(body))
    (daemon,) = script.pids()
    assert is_running(daemon)


def test_a_daemon_that_prints_for_ever_does_not_keep_us(script: Script) -> None:
    with pytest.raises(HotplugFailed, match=r"failed \(3\)"):
        asyncio.run(script.run("yes >&2 &\necho $! >$PIDS\nexit 3"))


def test_what_a_script_prints_takes_neither_memory_nor_disk(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))  # there is no place for a file of it
    with traced() as most, pytest.raises(HotplugFailed, match=r"\(7\): 'the last line'$"):
        asyncio.run(script.run("head -c 16M /dev/zero >&2\necho >&2; echo the last line >&2\nexit 7"))
    assert most() < 4 << 20


def test_of_a_long_line_the_end_is_quoted(script: Script) -> None:
    with pytest.raises(HotplugFailed) as failed:
        asyncio.run(script.run("head -c 100000 /dev/zero | tr '\\0' x >&2; printf END >&2\nexit 1"))
    quoted = str(failed.value).rpartition(": ")[2]
    assert quoted == repr("x" * (MOST_QUOTED - 3) + "END")
    assert MOST_QUOTED < tail.KEPT


@pytest.mark.parametrize(
    ("printed", "quoted"),
    [
        (r"\033[2Jgone", r"'\x1b[2Jgone'"),
        (r"a\ab\rc", r"'c'"),
        (r"\342\200\256txt", r"'\u202etxt'"),
        (r"\377\376", "'\ufffd\ufffd'"),
        (r"\n \n", "it printed nothing"),
        ("", "it printed nothing"),
    ],
)
def test_nothing_that_is_quoted_steers_a_terminal(script: Script, printed: str, quoted: str) -> None:
    with pytest.raises(HotplugFailed) as failed:
        asyncio.run(script.run(f"printf '{printed}' >&2\nexit 1"))
    assert str(failed.value).endswith(f"failed (1): {quoted}")
    assert str(failed.value).isprintable()


HOSTILE = r"\033]0;title\007\033[2J\233\342\200\256"
"""A title, a cleared screen, a C1 control and a change of direction."""
TO_A_TERMINAL = """
import asyncio, sys
from confsync.impl.errors import HotplugFailed
from confsync.impl.hotplug.script import run_script
from confsync.impl.kinds import DISK, Device
try:
    asyncio.run(run_script(sys.argv[1], "add", "/b", Device(DISK, "51712")))
except HotplugFailed as e:
    sys.exit(str(e))
"""


@pytest.mark.parametrize("descriptor", [1, 2])
@pytest.mark.parametrize("ends", [0, 3])
def test_nothing_of_a_script_reaches_the_terminal_as_it_is(script: Script, descriptor: int, ends: int) -> None:
    script.path.write_text(f"#!/bin/sh\nprintf '{HOSTILE}reason\\n' >&{descriptor}\nexit {ends}\n")
    script.path.chmod(0o700)
    ours, theirs = pty.openpty()
    call = [sys.executable, "-c", TO_A_TERMINAL, str(script.path)]
    done = subprocess.run(call, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, check=False, cwd=ROOT)
    os.close(theirs)
    printed = b"".join(iter(lambda: _read(ours), b""))
    os.close(ours)
    assert (b"failed (3): " in printed, b"reason" in printed) == (bool(ends), bool(ends))
    assert not set(printed) & {0x1B, 0x07, 0x9B}
    assert "\u202e".encode() not in printed
    assert done.returncode == (1 if ends else 0)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other end is closed
        return b""


def test_what_a_script_prints_on_standard_output_has_a_bound_too(script: Script) -> None:
    with traced() as most, pytest.raises(HotplugFailed, match=r"\(7\): 'the last line'$"):
        asyncio.run(script.run("head -c 16M /dev/zero\necho; echo the last line\nexit 7"))
    assert most() < 4 << 20


FAMILY = "sleep 600 &\necho $! >$PIDS.new\n(sleep 600; true) &\necho $! >>$PIDS.new\nmv $PIDS.new $PIDS\nwait"


def test_a_script_that_takes_too_long_is_killed_with_its_children(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time is up once the script and its children are there, and not before."""
    timers: list[asyncio.Timeout] = []
    limits: list[float] = []

    def timer(seconds: float) -> asyncio.Timeout:
        limits.append(seconds)
        timers.append(asyncio.timeout_at(None))
        return timers[-1]

    async def run_out_of_time() -> None:
        with monkeypatch.context() as patch:
            patch.setattr("confsync.impl.hotplug.script.asyncio.timeout", timer)
            running = asyncio.create_task(script.run(FAMILY))
            while not (timers and script.named.exists()) and not running.done():
                await asyncio.sleep(0.002)
        timers[0].reschedule(asyncio.get_running_loop().time())
        with pytest.raises(TimedOut, match=r"block add` of disk xvda took more than 40 s"):
            await running
        assert limits == [TIMEOUT]
        assert len(script.pids()) == 2
        await until_so(lambda: not any(map(is_running, script.pids())))

    asyncio.run(asyncio.wait_for(run_out_of_time(), LONG))


def test_a_script_whose_caller_is_cancelled_is_killed_with_its_children(script: Script) -> None:
    async def cancel() -> None:
        running = asyncio.create_task(script.run(FAMILY))
        await until_so(script.named.exists)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        assert running.cancelled()
        assert len(script.pids()) == 2
        await until_so(lambda: not any(map(is_running, script.pids())))

    asyncio.run(cancel())


def test_no_descriptor_is_left_open(script: Script) -> None:
    async def all_ways() -> None:
        before = {link.name for link in Path("/proc/self/fd").iterdir()}
        await script.run("exit 0")
        with pytest.raises(HotplugFailed):
            await script.run("exit 1")
        with pytest.raises(HotplugFailed):
            await run_script("/none/such", "add", BACKEND, ROOT_DISK)
        assert {link.name for link in Path("/proc/self/fd").iterdir()} == before

    async def warm() -> None:
        await script.run("exit 0")  # what asyncio opens once is open

    asyncio.run(warm())
    asyncio.run(all_ways())
