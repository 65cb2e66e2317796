"""One command's work on a state folder: the domain that is meant, the operation run, and its failure told."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click

from confsync.impl.command.advice import PROGRAM
from confsync.impl.configuration.text import MOST_BYTES
from confsync.impl.embedded.folder import HostFolder, no_host, open_folder, read_domain, read_folder
from confsync.impl.errors import DomainNotFound, InvalidArgument, MalformedConfiguration, StoreError, ToolstackError
from confsync.impl.kinds import Device
from confsync.impl.operations import paths
from confsync.impl.operations.existence import named, read_text
from confsync.impl.ports import Domain, Toolstack
from confsync.impl.templates.proper import check_folder
from confsync.terminal.text import near_file, quoted, value

EXIT_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130
T = TypeVar("T")
_NAMED_HERE = re.compile(f"`{PROGRAM} (?!--state)")
"""A command on this host, in a message that does not know where the host is."""
After = Callable[[HostFolder], Awaitable[str | None]]


async def nothing(_host: HostFolder) -> None:
    """There is nothing to do but to run it again."""


@dataclass(frozen=True, slots=True)
class Work:
    """What the commands share."""

    folder: Path
    delay: float
    """Seconds that each step of hotplug takes."""
    program: str = PROGRAM
    """What calls a command on this host: with `--state`, if that was given."""
    command: str = ""
    """The command as it was given, to be run again."""

    def on_host(self, act: Callable[[HostFolder], Awaitable[T]], *, make: bool = False, after: After = nothing) -> T:
        """Open the folder, run `act`; exits with what its failure means. `make`: make a folder that is not there.
        `after`: what to do if it is interrupted, where running it again is not the way."""
        with self.told():
            self._check_folder(make=make)
            with open_folder(self.folder, self._behave, make=make, tells=_tell) as host:
                return _run(act(host), lambda: after(host))

    @contextmanager
    def told(self, *, asked: bool = False) -> Iterator[None]:
        """Exit with what a failure means, in words. `asked`: a malformed configuration is one that was given."""
        try:
            yield
        except ToolstackError as e:
            bad_input = isinstance(e, InvalidArgument) or (asked and isinstance(e, MalformedConfiguration))
            self._say(f"{e.code}: {e}", getattr(e, "__notes__", ()))
            sys.exit(EXIT_BAD_INPUT if bad_input else EXIT_FAILED)
        except KeyboardInterrupt as e:
            self._say("interrupted", notes := getattr(e, "__notes__", ()))
            if not notes:
                click.echo(f"  run it again: `{self.command}`", err=True)
            sys.exit(EXIT_INTERRUPTED)

    def _say(self, what: str, notes: Sequence[str]) -> None:
        for text in (what, *(f"  {note}" for note in notes)):
            click.echo(_NAMED_HERE.sub(lambda _: f"`{self.program} ", text), err=True)

    def on_domain(
        self,
        which: str,
        act: Callable[[Toolstack, Domain], Awaitable[T]],
        after: Callable[[Toolstack, Domain], Awaitable[str | None]] | None = None,
    ) -> T:
        """The same, on the domain of this number, name or uuid."""
        meant: list[Domain] = []

        async def found(host: HostFolder) -> T:
            meant.append(await find_domain(host.toolstack, which))
            return await act(host.toolstack, meant[0])

        async def advice(host: HostFolder) -> str | None:
            return await after(host.toolstack, meant[0]) if after and meant else None

        return self.on_host(found, after=advice)

    def read_host(self, act: Callable[[HostFolder], Awaitable[T]]) -> T:
        """Run `act` on the folder as it is at one instant; nothing in it is changed."""
        with self.told():
            self._check_folder(make=False)
            with read_folder(self.folder) as host:
                return asyncio.run(_awaited(act(host)))

    def read_domain(self, which: str, act: Callable[[Toolstack, Domain], Awaitable[T]]) -> T:
        """Run `act` on the domain of this number, name or uuid, as if its lock were held; nothing is changed."""
        with self.told():
            self._check_folder(make=False)
            return asyncio.run(read_domain(self.folder, lambda t: find_domain(t, which), act, tells=_tell))

    def _check_folder(self, *, make: bool) -> None:
        """InvalidArgument if there is no folder; StoreError if others can have other files stand in it."""
        try:
            check_folder(self.folder, self.folder.stat())
        except FileNotFoundError:
            if not make:
                raise no_host(self.folder) from None
        except OSError as e:
            raise StoreError(self.folder, e.strerror or str(e)) from None

    async def _behave(self, call: str, step: str, domain: Domain, device: Device) -> None:
        task = asyncio.current_task()
        if self.delay and not (task and task.cancelling()):  # who interrupts it waits no longer
            click.echo(f"{call} {device} of domain {domain.domid}: {step} ...", err=True)
            await asyncio.sleep(self.delay)


pass_work = click.make_pass_decorator(Work)


def _run(work: Awaitable[T], after: Callable[[], Awaitable[str | None]]) -> T:
    """Run it. A KeyboardInterrupt gets notes of what to do: those of the operation that it ended, or `after`'s."""
    notes: list[str | None] = []

    async def noted() -> T:
        try:
            return await work
        except asyncio.CancelledError as e:
            notes.extend(getattr(e, "__notes__", ()))
            raise

    try:
        return asyncio.run(noted())
    except KeyboardInterrupt as e:
        for note in notes or [asyncio.run(_awaited(after()))]:
            if note:
                e.add_note(note)
        raise


def _tell(text: str) -> None:
    click.echo(text, err=True)


async def _awaited(work: Awaitable[T]) -> T:
    return await work


def read_file(path: Path) -> bytes:
    """What the file holds; not more than can be a configuration, since a device has no end."""
    try:
        with path.open("rb") as file:
            found = file.read(MOST_BYTES + 1)
    except OSError as e:
        said = [f"{value(path)}: {e.strerror}", near_file(path)]
        raise InvalidArgument("; ".join(filter(None, said))) from None
    if len(found) > MOST_BYTES:
        raise MalformedConfiguration(str(path), "", f"it is larger than {MOST_BYTES} bytes")
    return found


async def find_domain(t: Toolstack, which: str) -> Domain:
    """The domain of this number, name or uuid. A number is a domain's number before it is another one's name, as it is
    to xl [libxl_domain_qualifier_to_domid]. DomainNotFound."""
    domains = {str(d.domid): d for d in await t.hypervisor.domains()}
    by_uuid = {d.uuid: d for d in domains.values()}
    found = domains.get(which) or domains.get(await named(t.xenstore, which) or "") or by_uuid.get(which.lower())
    if found is None:
        raise DomainNotFound(f"there is no domain {quoted(which)}: `confsync domain list` shows those there are")
    return found


async def name_of(t: Toolstack, domain: Domain) -> str:
    """The domain's name, "-" if it has none: it is half made, or half destroyed."""
    return await read_text(t.xenstore, paths.name(domain.domid)) or "-"
