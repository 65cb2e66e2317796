"""`confsync domain`: create, change, retrieve and destroy domains in a state folder."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypedDict
from uuid import uuid4

import click
from click.core import ParameterSource
from rich.cells import cell_len, set_cell_size

from confsync.impl.command.advice import PROGRAM, after_creation, note_unfinished
from confsync.impl.command.lifetime import destroy, pause, restore, save, unpause
from confsync.impl.command.listing import listing
from confsync.impl.command.size import MiB
from confsync.impl.command.work import Work, name_of, pass_work, read_file
from confsync.impl.command.xl_config import read_config
from confsync.impl.command.xl_devices import device_entry, kind_named
from confsync.impl.command.xl_names import device_index, find_device
from confsync.impl.configuration.defaults import parse_uuid
from confsync.impl.configuration.template import Template
from confsync.impl.embedded.folder import HostFolder
from confsync.impl.errors import DeviceExists, DomainNotFound, InvalidArgument, MalformedConfiguration
from confsync.impl.kinds import DISK, NIC, USBDEV, Device, Json, Kind, device_of
from confsync.impl.operations import attach as plugging
from confsync.impl.operations import knobs, lifecycle, media, sweep
from confsync.impl.operations.create import create as create_domain
from confsync.impl.operations.door import MOST_VCPUS
from confsync.impl.operations.retrieve import retrieve as retrieve_configuration
from confsync.impl.ports import Domain, Toolstack
from confsync.terminal.commands import Group
from confsync.terminal.text import quoted

STATE = "confsync-state"
GIVEN = "confsync.impl.command.cli.given"
"""Where click keeps the words that the command was given."""
_NODE = re.compile(r"[A-Za-z0-9_@-]+(?:/port/[A-Za-z0-9_@-]+)?")


class Row(TypedDict):
    """A line of `list`."""

    domid: int
    name: str
    uuid: str
    memory_kb: int
    paused: bool
    state: str


SPEC = click.argument("spec", nargs=-1)


class Spoken(Group):
    """A group whose commands take text only: what is not UTF-8 can stand neither in a template nor in a name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for argument in args:
            try:
                argument.encode()
            except UnicodeEncodeError:
                ctx.fail(f"{quoted(argument)} is not UTF-8")
        ctx.meta[GIVEN] = [*args]
        return super().parse_args(ctx, args)


@click.group(cls=Spoken)
@click.option(
    "--state",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(STATE),
    envvar="CONFSYNC_STATE",
    show_default=True,
    help="The folder that the host is in; it is made if it is not there.",
)
@click.option(
    "--delay",
    type=click.FloatRange(0, 3600),
    default=0.0,
    metavar="SECONDS",
    help="How long each step of hotplug takes: time to do something else from another terminal, or to kill it.",
)
@click.pass_context
def domain(ctx: click.Context, folder: Path, delay: float) -> None:
    """Try the protocol by hand: domains on a host in a folder, from as many terminals as you like.

    Templates and locks are real files; xenstore and the hypervisor are in SQLite; a command that is killed leaves what
    a toolstack that dies would leave, and the next one copes with it. Devices are spelled as xl spells them.

    Exit codes: 0 done; 1 refused or failed, libxl's name of the error is printed; 2 bad input.
    """
    given = ctx.get_parameter_source("folder") is ParameterSource.COMMANDLINE
    program = shlex.join([*PROGRAM.split(), "--state", str(folder)]) if given else PROGRAM
    ctx.obj = Work(folder, delay, program, shlex.join([*PROGRAM.split(), *ctx.meta[GIVEN]]))


@domain.command()
@click.argument("config", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--json", "from_json", type=click.Path(path_type=Path, dir_okay=False), help="A libxl JSON file.")
@click.option("--name", help="The domain's name.")
@click.option("--uuid", help="Its uuid; a new one if it is given nowhere.")
@click.option("--memory", type=MiB(), help="Its memory, in MiB or with a unit: 256, 1g.")
@click.option("--vcpus", type=click.IntRange(1, MOST_VCPUS), help="How many vcpus it has.")
@click.option("--disk", "disks", multiple=True, metavar="SPEC", help="A disk: /a.img,raw,xvda,rw. Repeatable.")
@click.option("--vif", "vifs", multiple=True, metavar="SPEC", help="A network interface: bridge=xenbr0. Repeatable.")
@pass_work
def create(
    work: Work,
    config: Path | None,
    from_json: Path | None,
    name: str | None,
    uuid: str | None,
    memory: int | None,
    vcpus: int | None,
    disks: tuple[str, ...],
    vifs: tuple[str, ...],
) -> None:
    """Create a domain from an xl configuration file, a libxl JSON file, or options alone."""

    with work.told(asked=True):
        value = dict(_described(config, from_json).value)
        _overlay(value, "c_info", {"name": name, "uuid": uuid})
        _overlay(value, "b_info", {"target_memkb": memory, "max_memkb": memory, "max_vcpus": vcpus})
        _overlay(value, "b_info", {"avail_vcpus": [*range(vcpus)] if vcpus else None})
        for kind, specs in ((DISK, disks), (NIC, vifs)):
            if specs:
                old = value.get(kind.array)
                given = [device_entry(kind, spec) for spec in specs]
                value[kind.array] = [*(old if isinstance(old, list) else []), *given]
        whole = Template.of(value, "the configuration")
        whole = whole.with_knobs(uuid=whole.uuid or str(uuid4()))
        if not whole.name:
            raise InvalidArgument("the domain needs a name: give --name, or `name` in its configuration")
        uuid_made = parse_uuid(whole.uuid or "")

    async def act(host: HostFolder) -> None:
        made = await create_domain(host.toolstack, whole)
        click.echo(f"created domain {made.domid}, {made.uuid}")

    work.on_host(act, make=True, after=lambda host: after_creation(host.toolstack, uuid_made))


def _overlay(value: dict[str, Json], part: str, some: Mapping[str, Json]) -> None:
    old = value.get(part)
    value[part] = {**(old if isinstance(old, dict) else {}), **{k: v for k, v in some.items() if v is not None}}


def _described(config: Path | None, from_json: Path | None) -> Template:
    if config and from_json:
        raise InvalidArgument("give an xl configuration or --json, not both")
    if from_json:
        return Template.parse(read_file(from_json), str(from_json))
    if not config:
        return Template.of({"c_info": {"type": "pv"}, "b_info": {}}, "the options")
    try:
        found = read_config(read_file(config).decode(), str(config))
    except UnicodeDecodeError as e:
        raise MalformedConfiguration(str(config), f"byte {e.start}", "it is not UTF-8") from None
    for note in found.notes:
        click.echo(f"{config}: {note}", err=True)
    if found.ignored:
        click.echo(f"{config}: not kept here, and ignored: {', '.join(found.ignored)}", err=True)
    return Template.of(found.value, str(config))


@domain.command()
@click.argument("which", metavar="DOMAIN")
@click.argument("kind")
@SPEC
@pass_work
def attach(work: Work, which: str, kind: str, spec: tuple[str, ...]) -> None:
    """Attach a device: `attach vm1 disk /b.img,raw,xvdb,rw`, `attach vm1 nic bridge=xenbr0`."""

    async def act(t: Toolstack, found: Domain) -> None:
        what = kind_named(kind)
        entry = device_entry(what, *spec)
        try:
            device = await plugging.attach(t, found, what, entry)
        except DeviceExists as e:
            await note_unfinished(t, found, device_of(what, entry), e)
            raise
        click.echo(f"attached {device}")

    work.on_domain(which, act)


@domain.command()
@click.argument("which", metavar="DOMAIN")
@click.argument("kind")
@click.argument("device", nargs=-1, required=True)
@click.option("--force", is_flag=True, help="Whether or not the guest lets it go, and even if it is damaged.")
@pass_work
def detach(work: Work, which: str, kind: str, device: tuple[str, ...], *, force: bool) -> None:
    """Detach a device, by vdev, number, PCI address, CTRL/PORT; an interface by its MAC too, a TPM by its uuid."""

    async def act(t: Toolstack, found: Domain) -> None:
        what = kind_named(kind)
        one = await _meant(t, found, what, "/".join(device) if what is USBDEV else " ".join(device), force=force)
        await plugging.detach(t, found, one, force=force)
        click.echo(f"detached {one}")

    work.on_domain(which, act)


async def _meant(t: Toolstack, domain: Domain, kind: Kind, text: str, *, force: bool) -> Device:
    """The device that is named; with force, what is no device's name is the name of its node in xenstore."""
    try:
        return await find_device(t, domain, kind, text)
    except InvalidArgument:
        if not force or not _NODE.fullmatch(text):
            raise
        return Device(kind, text)


@domain.command()
@click.argument("which", metavar="DOMAIN")
@click.argument("vdev")
@click.argument("image")
@click.option("--format", "form", default="raw", show_default=True, type=click.Choice(["raw", "qcow2", "vhd", "qed"]))
@click.option("--swap", is_flag=True, help="Eject what is in the drive first.")
@pass_work
def insert(work: Work, which: str, vdev: str, image: str, form: str, *, swap: bool) -> None:
    """Put a medium into a drive: `insert vm1 hdc /b.iso`."""

    async def act(t: Toolstack, found: Domain) -> None:
        drive = Device(DISK, device_index(DISK, vdev))
        await (media.swap if swap else media.insert)(t, found, drive, image, form)

    work.on_domain(which, act)


@domain.command()
@click.argument("which", metavar="DOMAIN")
@click.argument("vdev")
@pass_work
def eject(work: Work, which: str, vdev: str) -> None:
    """Take the medium out of a drive: `eject vm1 hdc`."""
    work.on_domain(which, lambda t, found: media.eject(t, found, Device(DISK, device_index(DISK, vdev))))


@domain.command()
@click.argument("which", metavar="DOMAIN")
@click.argument("name")
@pass_work
def rename(work: Work, which: str, name: str) -> None:
    """Give a domain another name."""
    work.on_domain(which, lambda t, found: knobs.rename(t, found, name))


def _amount_command(name: str, says: str, set_it: Callable[[Toolstack, Domain, int], Awaitable[None]]) -> None:
    @domain.command(name, help=says)
    @click.argument("which", metavar="DOMAIN")
    @click.argument("size", type=MiB())
    @pass_work
    def set_amount(work: Work, which: str, size: int) -> None:
        work.on_domain(which, lambda t, found: set_it(t, found, size))


_amount_command("mem-set", "Set a domain's memory target, in MiB or with a unit: 256, 1g.", knobs.set_memory_target)
_amount_command("mem-max", "Set the most memory a domain can be given, in MiB or with a unit.", knobs.set_memory_limit)


@domain.command("vcpu-set")
@click.argument("which", metavar="DOMAIN")
@click.argument("count", type=click.IntRange(1, MOST_VCPUS))
@pass_work
def vcpu_set(work: Work, which: str, count: int) -> None:
    """Have this many of a domain's vcpus online."""
    work.on_domain(which, lambda t, found: knobs.set_vcpus(t, found, range(count)))


@domain.command("sched-credit")
@click.argument("which", metavar="DOMAIN")
@click.option("--weight", type=click.IntRange(1, 65535))
@click.option("--cap", type=click.IntRange(0, 51200))
@pass_work
def sched_credit(work: Work, which: str, weight: int | None, cap: int | None) -> None:
    """Set the scheduler's parameters of a domain."""
    given = {name: value for name, value in (("weight", weight), ("cap", cap)) if value is not None}
    work.on_domain(which, lambda t, found: knobs.set_scheduling(t, found, given))


@domain.command()
@click.argument("which", metavar="DOMAIN")
@pass_work
def retrieve(work: Work, which: str) -> None:
    """Print a domain's configuration as JSON, as libxl writes it."""

    async def act(t: Toolstack, found: Domain) -> None:
        answer = await retrieve_configuration(t, found)
        click.echo(answer.template.encode().rstrip(b"\0").decode(), nl=False)
        for device in answer.made_up:
            click.echo(f"the template says nothing of {device}: its entry is made up", err=True)

    work.read_domain(which, act)


@domain.command("list")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@pass_work
def list_domains(work: Work, form: str) -> None:
    """List the domains. Nothing is changed."""

    async def act(host: HostFolder) -> list[Row]:
        t = host.toolstack
        rows: list[Row] = []
        for d in await t.hypervisor.domains():
            with suppress(DomainNotFound):  # destroyed since
                memory, paused = await t.hypervisor.memory(d), await t.hypervisor.paused(d)
                state = lifecycle.in_words(await lifecycle.stage(t.xenstore, d), paused=paused)
                rows.append({
                    "domid": d.domid, "name": await name_of(t, d), "uuid": d.uuid, "memory_kb": memory,
                    "paused": paused, "state": state,
                })  # fmt: skip
        return rows

    rows = work.read_host(act)
    if form == "json":
        click.echo(json.dumps(rows, indent=2))
        return
    width = max((cell_len(row["name"]) for row in rows), default=4)
    states = max((len(row["state"]) for row in rows), default=7)
    states = max(states, 7)
    click.echo(f"{set_cell_size('Name', max(width, 4))}  {'ID':>5}  {'Mem':>7}  {'State':{states}}  UUID")
    for row in rows:
        name, mib = set_cell_size(row["name"], max(width, 4)), row["memory_kb"] // 1024
        click.echo(f"{name}  {row['domid']:5}  {mib:7}  {row['state']:{states}}  {row['uuid']}")


@domain.command("sweep")
@pass_work
def sweep_files(work: Work) -> None:
    """Remove the files of domains that are known to be gone, and name those of domains of which nothing is known."""

    async def act(host: HostFolder) -> None:
        for gone in await sweep.sweep(host.toolstack):
            click.echo(f"removed the files of {gone}")
        for stranger in await sweep.unknown(host.toolstack):
            click.echo(
                f"kept the files of {stranger}: this host has no record of it; remove them yourself if they are not "
                "needed",
                err=True,
            )

    work.on_host(act)


@domain.command()
@pass_work
def xenstore(work: Work) -> None:
    """Print all of xenstore, as `xenstore-ls -f -p` does."""

    async def act(host: HostFolder) -> None:
        for line in listing(host.store.tree()):
            click.echo(line)

    work.read_host(act)


for _command in (destroy, pause, restore, save, unpause):
    domain.add_command(_command)
