"""One command's work on a state folder: the domain that is meant, the operation run, and its failure told."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click

from impl.embedded.folder import HostFolder, open_folder, read_domain, read_folder
from impl.errors import DomainNotFound, InvalidArgument, MalformedConfiguration, StoreError, ToolstackError
from impl.kinds import Device
from impl.operations import paths
from impl.operations.existence import named, read_text
from impl.ports import Domain, Toolstack
from impl.templates.proper import check_folder
from terminal.text import quoted

EXIT_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Work:
    """What the commands share."""

    folder: Path
    delay: float
    """Seconds that each step of hotplug takes."""

    def on_host(self, act: Callable[[HostFolder], Awaitable[T]], *, make: bool = False) -> T:
        """Open the folder, run `act`; exits with what its failure means. `make`: make a folder that is not there."""
        with told():
            self._check_folder(make=make)
            with open_folder(self.folder, self._behave, make=make, tells=_tell) as host:
                return asyncio.run(_awaited(act(host)))

    def on_domain(self, which: str, act: Callable[[Toolstack, Domain], Awaitable[T]]) -> T:
        """The same, on the domain of this number, name or uuid."""

        async def found(host: HostFolder) -> T:
            try:
                one = await find_domain(host.toolstack, which)
            except DomainNotFound as e:
                raise DomainNotFound(f"{e}: `{self._spelled('list')}` shows those there are") from None
            return await act(host.toolstack, one)

        return self.on_host(found)

    def _spelled(self, command: str) -> str:
        """A command on this folder, as it is typed."""
        return f"confsync domain --state {shlex.quote(str(self.folder))} {command}"

    def read_host(self, act: Callable[[HostFolder], Awaitable[T]]) -> T:
        """Run `act` on the folder as it is at one instant; nothing in it is changed."""
        with told():
            self._check_folder(make=False)
            with read_folder(self.folder) as host:
                return asyncio.run(_awaited(act(host)))

    def read_domain(self, which: str, act: Callable[[Toolstack, Domain], Awaitable[T]]) -> T:
        """Run `act` on the domain of this number, name or uuid, as if its lock were held; nothing is changed."""
        with told():
            self._check_folder(make=False)
            return asyncio.run(read_domain(self.folder, lambda t: find_domain(t, which), act, tells=_tell))

    def _check_folder(self, *, make: bool) -> None:
        """InvalidArgument if there is no folder; StoreError if others can have other files stand in it."""
        try:
            check_folder(self.folder, self.folder.stat())
        except FileNotFoundError:
            if not make:
                create = self._spelled("create --name vm1")
                raise InvalidArgument(f"{self.folder}: there is no host here: `{create}` makes one") from None
        except OSError as e:
            raise StoreError(self.folder, e.strerror or str(e)) from None

    async def _behave(self, call: str, step: str, domain: Domain, device: Device) -> None:
        task = asyncio.current_task()
        if self.delay and not (task and task.cancelling()):  # who interrupts it waits no longer
            click.echo(f"{call} {device} of domain {domain.domid}: {step} ...", err=True)
            await asyncio.sleep(self.delay)


@contextmanager
def told(*, asked: bool = False) -> Iterator[None]:
    """Exit with what a failure means, in words. `asked`: a malformed configuration is one that was given."""
    try:
        yield
    except ToolstackError as e:
        bad_input = isinstance(e, InvalidArgument) or (asked and isinstance(e, MalformedConfiguration))
        click.echo(f"{e.code}: {e}", err=True)
        for note in getattr(e, "__notes__", ()):
            click.echo(f"  {note}", err=True)
        sys.exit(EXIT_BAD_INPUT if bad_input else EXIT_FAILED)
    except KeyboardInterrupt:
        click.echo("interrupted: run it again to finish what was begun", err=True)
        sys.exit(EXIT_INTERRUPTED)


def _tell(text: str) -> None:
    click.echo(text, err=True)


async def _awaited(work: Awaitable[T]) -> T:
    return await work


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
