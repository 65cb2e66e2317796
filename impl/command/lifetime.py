"""The commands of `confsync domain` that end a domain's life, interrupt it, or have it begin again."""

from __future__ import annotations

from pathlib import Path

import click

from confsync.impl.command.advice import after_creation, after_save
from confsync.impl.command.save_file import write_saved
from confsync.impl.command.work import Work, pass_work, read_file
from confsync.impl.configuration.defaults import parse_uuid
from confsync.impl.configuration.template import Template
from confsync.impl.embedded.folder import HostFolder
from confsync.impl.operations import pause as pausing
from confsync.impl.operations.destroy import destroy as destroy_domain
from confsync.impl.operations.save import restore as restore_domain
from confsync.impl.operations.save import save as save_domain
from confsync.impl.ports import Domain, Toolstack


@click.command()
@click.argument("which", metavar="DOMAIN")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--checkpoint", is_flag=True, help="Let it run on.")
@pass_work
def save(work: Work, which: str, file: Path, *, checkpoint: bool) -> None:
    """Save a domain's configuration and destroy it."""

    async def keep(template: Template) -> None:
        write_saved(file, template.encode())

    async def act(t: Toolstack, found: Domain) -> None:
        await save_domain(t, found, keep, checkpoint=checkpoint)

    work.on_domain(which, act, after_save)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@pass_work
def restore(work: Work, file: Path) -> None:
    """Create the domain that `save` has saved."""

    with work.told(asked=True):
        template = Template.parse(read_file(file), str(file))
        uuid = parse_uuid(template.uuid or "")

    async def act(host: HostFolder) -> None:
        made = await restore_domain(host.toolstack, template)
        click.echo(f"created domain {made.domid}, {made.uuid}")

    work.on_host(act, make=True, after=lambda host: after_creation(host.toolstack, uuid))


@click.command()
@click.argument("which", metavar="DOMAIN")
@pass_work
def pause(work: Work, which: str) -> None:
    """Pause a domain until `unpause`."""
    work.on_domain(which, pausing.pause)


@click.command()
@click.argument("which", metavar="DOMAIN")
@pass_work
def unpause(work: Work, which: str) -> None:
    """Let a domain run that was paused, or that a `save` which was killed has left paused."""
    work.on_domain(which, pausing.unpause)


@click.command()
@click.argument("which", metavar="DOMAIN")
@pass_work
def destroy(work: Work, which: str) -> None:
    """Destroy a domain, whole or half made or half destroyed."""
    work.on_domain(which, destroy_domain)
