"""The front door: one command line, assembled from each package's own, and how every command ends.

A failure of confsync itself never looks like a verdict. What cannot be written to standard output, an exception that no
command handles, and a lack of memory all end with EXIT_FAILED and a line on standard error.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
import traceback
from importlib import import_module
from typing import TYPE_CHECKING, Any, TextIO

import click

from confsync.terminal.commands import Group
from confsync.terminal.streams import protect

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from confsync.model.command.registry import Registry
    from confsync.proofs.prover.properties import Arguments

COMMANDS = {
    "audit": "confsync.impl.audit.cli:audit",
    "check": "confsync.model.command.cli:check",
    "claims": "confsync.model.command.cli:claims",
    "conform": "confsync.proofs.conformance.cli:conform",
    "designs": "confsync.model.command.cli:list_designs",
    "domain": "confsync.impl.command.cli:domain",
    "matrix": "confsync.proofs.prover.cli:matrix",
    "mutants": "confsync.proofs.mutants.cli:mutants",
    "properties": "confsync.model.command.cli:list_properties",
    "prove": "confsync.proofs.prover.cli:prove",
    "refine": "confsync.proofs.libxl.cli:refine",
    "replay": "confsync.model.command.cli:replay_token",
    "retrieve": "confsync.impl.audit.retrieve_cli:retrieve",
}
"""Where each command is. Only the one that is run is imported: who tries `domain` by hand waits for no solver."""


EXIT_FAILED = 70
"""confsync itself failed, and nothing is said about what it was asked: EX_SOFTWARE of sysexits.h."""
EXIT_INTERRUPTED = 130
"""Ctrl-C, where a command has no code of its own for it."""
DEBUG = "CONFSYNC_DEBUG"
"""The environment variable that asks for the traceback of what is not expected."""


class Descriptor(io.RawIOBase):
    """A standard stream of this process. A write never fails: what cannot be written is dropped, and so is all that
    follows. So a command comes to its end, whatever it is about, and `error` is the last word on its output.

    A pipe that nobody reads any more is no error: whoever closed it has read enough.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number
        self.error: OSError | None = None
        self._dropping = False

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return os.isatty(self._number)

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        left = memoryview(data).cast("B")
        size = left.nbytes
        while left and not self._dropping:
            try:
                left = left[os.write(self._number, left) :]
            except BlockingIOError:
                select.select([], [self._number], [])
            except OSError as error:
                self._dropping = True
                if error.errno != errno.EPIPE:
                    self.error = error
        return size


class Closed(Descriptor):
    """A standard stream that was closed before this process began."""

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")

    def isatty(self) -> bool:
        return False

    def write(self, data: ReadableBuffer, /) -> int:
        self.error = self.error or OSError(errno.EBADF, "it is closed")
        return memoryview(data).nbytes


def _standard_streams() -> tuple[Descriptor, Descriptor]:
    """Have standard output and error be such streams."""
    out = Closed(1) if sys.stdout is None else Descriptor(1)
    err = Closed(2) if sys.stderr is None else Descriptor(2)
    # No file that a command opens may come to have the number of a standard stream.
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    sys.stdout = _text(out, sys.stdout, "strict", lines=False)
    sys.stderr = _text(err, sys.stderr, "backslashreplace", lines=True)
    return out, err


def _text(raw: Descriptor, like: TextIO | None, errors: str, *, lines: bool) -> io.TextIOWrapper:
    encoding = like.encoding if like else "utf-8"
    errors = (like.errors if like else None) or errors
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors, line_buffering=lines or raw.isatty())


class Lazy(Group):
    """A group of COMMANDS."""

    def __call__(self, *args: object, **options: object) -> object:
        """Without arguments, run as a process does: from the command line, to an exit code. With some, as click's."""
        if args or options:
            return super().__call__(*args, **options)
        out, _err = _standard_streams()
        try:
            code = self._code()
            sys.stdout.flush()
        except BaseException as error:
            code = _failed(error)
        if out.error:
            code = _say(f"standard output cannot be written: {out.error.strerror}")
        sys.exit(code)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command of the arguments; no text from outside steers the terminal."""
        protect()
        return super().main(*args, **kwargs)

    def _code(self) -> int:
        """The exit code of the command that the arguments name."""
        try:
            returned = self.main(standalone_mode=False)
        except click.ClickException as error:
            error.show()
            return error.exit_code
        except (KeyboardInterrupt, click.Abort):
            _say("interrupted")
            return EXIT_INTERRUPTED
        except SystemExit as end:
            if end.code is None or isinstance(end.code, int):
                return end.code or 0
            return _say(str(end.code))
        return returned if isinstance(returned, int) else 0

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command


def _failed(error: BaseException) -> int:
    """Say what went wrong, in one line."""
    if isinstance(error, MemoryError):
        said = "out of memory"
    elif isinstance(error, OSError) and error.strerror:
        said = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    else:
        said = f"internal error: {type(error).__name__}: {error}"
    if os.environ.get(DEBUG):
        traceback.print_exception(error)
    else:
        said += f" (set {DEBUG}=1 for the traceback)"
    return _say(said)


def _say(what: str) -> int:
    """A line on standard error. -> EXIT_FAILED"""
    click.echo(f"confsync: {' '.join(what.split())}", err=True)
    return EXIT_FAILED


class Libxl:
    """What the commands are about. It is imported where a command asks for it."""

    @property
    def registry(self) -> Registry:
        """The protocol with its designs."""
        found: Registry = import_module("confsync.model.libxl.registry").REGISTRY
        return found

    @property
    def arguments(self) -> Arguments:
        """What its properties follow from, for the prover."""
        found: Arguments = import_module("confsync.proofs.libxl.arguments").ARGUMENTS
        return found


@click.group(
    cls=Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100, "obj": Libxl()},
)
@click.version_option(package_name="confsync")
def main() -> None:
    """Check and prove how a domain's configuration is kept in step in two places, its template and xenstore.

    The designs are those of the 2014 discussion on xen-devel, their variants, your own (--design-file) and what a
    real toolstack was seen to do (check --observed). `domain` is a toolstack that follows one of them, to try by hand.

    Exit codes: 0 all hold, or all as the manifest expects; 1 something is refuted, or unlike the manifest; 2 bad
    input; 3 something was not decided: within its bounds, by a proof, or for an interrupt; 4 a token no longer means
    anything; 70 confsync itself failed: its output cannot be written, it ran out of memory, or it has an error
    (CONFSYNC_DEBUG=1 shows where). `audit` and `domain` say what theirs are.
    """
