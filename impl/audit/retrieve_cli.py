"""`confsync retrieve`: what `xl list -l` prints for a snapshot."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from confsync.impl.audit.answer import retrieve as answer_of
from confsync.impl.audit.domain import open_domain
from confsync.impl.audit.errors import BadInput
from confsync.impl.audit.finding import shown
from confsync.impl.audit.host import Host, pair, snapshots
from confsync.impl.audit.options import DUMP, TEMPLATES
from confsync.impl.configuration.text import encode
from confsync.impl.errors import ToolstackError
from confsync.impl.kinds import Json

FAILED, BAD_INPUT = 1, 2


@click.command()
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--domain", "which", metavar="DOMAIN", help="A domain's number, name or uuid. [default: all but dom0]")
@TEMPLATES
@DUMP
@click.option(
    "--userdata", metavar="FOLDER", type=click.Path(path_type=Path), help="A copy of libxl's folder, with --xenstore."
)
@click.option(
    "--scheduling",
    metavar="JSON",
    help="The scheduler's parameters, which only the hypervisor has. [default: those of the template]",
)
def retrieve(
    folder: Path | None,
    which: str | None,
    templates: tuple[Path, ...],
    dump: Path | None,
    userdata: Path | None,
    scheduling: str | None,
) -> None:
    """Print what libxl's retrieve answers for a snapshot, as `xl list -l` prints it.

    DIR is a folder as `confsync audit` takes it; for one with several snapshots, such as before and after, one array
    is printed for each. Messages go to stderr. See docs/retrieve.md.

    Exit codes: 0 answered; 1 retrieve fails for a domain, or there is no such domain; 2 bad input.
    """
    try:
        parameters = _scheduling(scheduling)
        hosts = _hosts(folder, templates, dump, userdata)
        answered = [_print(host, which, parameters) for host in hosts]
    except (ToolstackError, OSError) as e:
        click.echo(f"confsync retrieve: {shown(str(e), 1000)[1:-1]}", err=True)
        sys.exit(BAD_INPUT)
    sys.exit(0 if all(answered) else FAILED)


def _hosts(folder: Path | None, templates: tuple[Path, ...], dump: Path | None, userdata: Path | None) -> list[Host]:
    if (folder is not None) + (dump is not None) != 1:
        raise click.UsageError("give one of DIR and --xenstore DUMP")
    if folder is not None:
        if userdata or templates:
            raise click.UsageError("--json and --userdata go with --xenstore: DIR has the files itself")
        return snapshots(folder)
    assert dump is not None
    if not templates and not userdata:
        raise click.UsageError("--xenstore needs the other side: --json FILE or --userdata FOLDER")
    return [pair(templates, dump, userdata)]


def _scheduling(text: str | None) -> Mapping[str, Json] | None:
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError as e:
        raise BadInput("--scheduling", 0, f"no JSON: {e}") from None
    if not isinstance(found, dict):
        raise BadInput("--scheduling", 0, 'it must be an object, such as {"sched": "credit2", "weight": 256}')
    return found


def _domids(host: Host, which: str | None) -> list[int]:
    """The domains that are meant. A domain that xenstore has forgotten, and whose template is there, is one: the
    hypervisor may still have it, as after a destroy that was killed."""
    known = sorted(host.store.local.keys() | {file.domid for file in host.files if file.is_template})
    if which is None:
        return [domid for domid in known if domid]
    if which.isascii() and which.isdigit():
        return [int(which)] if int(which) in known else []
    return [
        domid
        for domid in known
        if which in (host.store.local.get(domid, {}).get("name"), open_domain(host, domid).uuid or None)
    ]


def _print(host: Host, which: str | None, scheduling: Mapping[str, Json] | None) -> bool:
    """Print the answers for a host; False if one of them is a failure."""
    domids = _domids(host, which)
    if which is not None and not domids:
        _say(f"{shown(which)[1:-1]} is no domain of {shown(host.source)[1:-1]}: ERROR_DOMAIN_NOTFOUND")
        return False
    good = True
    answers: list[Json] = []
    for domid in domids:
        domain = open_domain(host, domid)
        if which is None and (domain.is_stub or (domain.file is None and domain.is_foreign)):
            continue
        answer = answer_of(domain, scheduling)
        for warning in answer.warnings:
            _say(f"domain {domid}: {warning}")
        for assumed in answer.assumed:
            _say(f"domain {domid}: a snapshot does not have {assumed}: it is worked out from the template")
        if domid not in host.store.local:
            _say(f"domain {domid}: xenstore has forgotten it: libxl answers so if the hypervisor still has it")
        if answer.config is None:
            _say(f"domain {domid}: retrieve {answer.failure}")
            good = False
        else:
            answers.append({"domid": domid, "config": answer.config})
    _write(answers)
    return good


def _say(text: str) -> None:
    click.echo(f"confsync retrieve: {text}", err=True)


def _write(answers: list[Json]) -> None:
    """As xl does: yajl's text and one more line's end."""
    text = encode(answers).decode("utf-8").removesuffix("\0") + "\n"
    click.echo(text, nl=False)
