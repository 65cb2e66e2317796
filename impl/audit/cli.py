"""`confsync audit`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from confsync.impl.audit.audit import audit as audit_host
from confsync.impl.audit.finding import Audit
from confsync.impl.audit.host import Host, folder_files, pair, snapshots, state_folder
from confsync.impl.audit.live import read_live
from confsync.impl.audit.options import DUMP, TEMPLATES
from confsync.impl.audit.output import as_json, as_junit, as_sarif, as_text
from confsync.impl.errors import ToolstackError
from confsync.terminal.streams import SafeConsole
from confsync.terminal.text import value

LIBXL_FOLDER = Path("/var/lib/xen")
FOUND, BAD_INPUT = 1, 2


@click.command()
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@TEMPLATES
@DUMP
@click.option(
    "--state",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="A state folder of `confsync domain`: its host, and that toolstack's commands in the advice.",
)
@click.option("--live", is_flag=True, help="This host: xenstored's socket, and libxl's folder.")
@click.option(
    "--userdata",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help=f"libxl's folder, or a copy of it. [default with --live: {LIBXL_FOLDER}]",
)
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "junit", "sarif"]), default="text", show_default=True
)
def audit(
    folder: Path | None,
    templates: tuple[Path, ...],
    dump: Path | None,
    state: Path | None,
    live: bool,
    userdata: Path | None,
    form: str,
) -> None:
    """Hold a host's templates and xenstore against the invariants.

    DIR is a folder with xenstore.txt, what `xenstore-ls -f -p` printed, beside copies of the files in /var/lib/xen; or
    one with folders of that kind, such as before and after. See docs/audit.md for what is found, and how to mend it.

    Exit codes: 0 nothing found; 1 something found; 2 bad input.
    """
    try:
        results = _audits(folder, templates, dump, live, userdata, state)
    except ToolstackError as e:
        click.echo(f"confsync audit: {value(e, 1000)}", err=True)
        sys.exit(BAD_INPUT)
    if form == "text":
        as_text(results, SafeConsole())
    else:
        click.echo({"json": as_json, "junit": as_junit, "sarif": as_sarif}[form](results))
    sys.exit(FOUND if any(result.findings for result in results) else 0)


def _audits(
    folder: Path | None,
    templates: tuple[Path, ...],
    dump: Path | None,
    live: bool,
    userdata: Path | None,
    state: Path | None,
) -> list[Audit]:
    if (folder is not None) + (dump is not None) + (state is not None) + live != 1:
        raise click.UsageError("give one of DIR, --xenstore DUMP, --state FOLDER and --live")
    if state is not None:
        if userdata or templates:
            raise click.UsageError("--state has the templates itself")
        return [audit_host(state_folder(state))]
    if templates and dump is None:
        raise click.UsageError("--json needs --xenstore, the other side")
    if folder is not None:
        if userdata:
            raise click.UsageError("--userdata goes with --xenstore or --live: DIR has the files itself")
        return [audit_host(host) for host in snapshots(folder)]
    if dump is not None:
        if not templates and not userdata:
            raise click.UsageError("--xenstore needs the other side: --json FILE or --userdata FOLDER")
        return [audit_host(pair(templates, dump, userdata))]
    return [asyncio.run(_live(userdata or LIBXL_FOLDER))]


async def _live(userdata: Path) -> Audit:
    """A host changes while it is read: what is found must be found twice."""
    from confsync.impl.xenstore.client import Client  # noqa: PLC0415  # only a live host needs it

    xenstore = Client()
    try:
        result = audit_host(Host("live", await read_live(xenstore), folder_files(userdata), whole=True))
        if result.findings:
            found = {f.key for f in result.findings}
            result = audit_host(Host("live", await read_live(xenstore), folder_files(userdata), whole=True))
            result.findings = [f for f in result.findings if f.key in found]
    finally:
        await xenstore.close()
    return result
