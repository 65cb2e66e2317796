"""The commands of `confsync domain` on a state folder of their own, for the tests."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner, Result
from places import ROOT
from processes import LONG

from confsync.impl.command.cli import domain
from confsync.impl.configuration.template import Template
from confsync.impl.kinds import DISK, Json

UUID = "02c1497c-0060-444c-9188-579296d5d4d0"
OTHER = "11111111-2222-4333-8444-555555555555"
CREATE = ["create", "--name=vm1", f"--uuid={UUID}", "--disk=/a.img,raw,xvda,rw", "--disk=/c.iso,raw,hdc,cdrom"]


class Host:
    """A state folder, and the commands on it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.templates = folder / "state", folder / "state" / "templates"

    def run(self, *arguments: str | Path) -> Result:
        """A command in this process; an exception that it does not handle is the test's."""
        result = CliRunner().invoke(domain, ["--state", str(self.folder), *map(str, arguments)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert "Traceback" not in result.output
        return result

    def ok(self, *arguments: str | Path) -> str:
        """The same, and it succeeds and says nothing on stderr; what it prints."""
        result = self.run(*arguments)
        assert (result.exit_code, result.stderr) == (0, "")
        return result.stdout

    def refused(self, code: int, said: str, *arguments: str | Path) -> None:
        """The same, and it is refused with this code, in these words."""
        result = self.run(*arguments)
        assert said in result.stderr
        assert (result.exit_code, result.stdout) == (code, "")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A command as a process."""
        call = [sys.executable, "-m", "confsync", "domain", "--state", str(self.folder), *arguments]
        return subprocess.Popen(
            call,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            preexec_fn=_hears_ctrl_c,  # noqa: PLW1509 (the child has one thread, and starts another program)
        )

    def retrieve(self, which: str = "vm1") -> Template:
        return Template.parse(self.ok("retrieve", which).encode(), "stdout")

    def disks(self, which: str = "vm1") -> set[Json]:
        found = self.retrieve(which)
        return {(found.find(d) or {})["vdev"] for d in found.devices() if d.kind is DISK}

    def files(self) -> dict[str, bytes]:
        return {str(p.relative_to(self.folder)): p.read_bytes() for p in self.folder.rglob("*") if p.is_file()}


def _hears_ctrl_c() -> None:
    """A shell's background job ignores it, and so would what it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def ends(*processes: subprocess.Popen[str]) -> list[tuple[int, str, str]]:
    """Exit code, stdout and stderr of each."""
    try:
        outputs = [p.communicate(timeout=LONG) for p in processes]
    finally:
        for p in processes:
            p.kill()
    return [(p.returncode, out, err) for p, (out, err) in zip(processes, outputs, strict=True)]
