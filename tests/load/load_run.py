"""Many processes work on the domains of one state folder, and are killed at random: nothing is lost, and the history of
each domain is linearizable. `python tests/load/load_run.py --minutes 10 --domains 50 --processes 32`."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import click
from load_history import (
    NONE,
    Map,
    State,
    frozen,
    lost,
    matters,
    on_slots,
    quiet,
    read_logs,
    step,
    undisturbed,
)
from load_worker import KEYS, STATE, Worker, start

from confsync.impl.embedded.folder import TEMPLATES, HostFolder, open_folder
from confsync.impl.operations.destroy import destroy
from confsync.impl.operations.sweep import unknown
from confsync.impl.ports import Domain
from confsync.proofs.conformance.linearizable import Call, Result, Verdict, check

SEED = 4


@dataclass(slots=True)
class Loaded:
    """What came of it."""

    calls: list[Call]
    kills: int
    failed: list[str]
    """What a process died of by itself."""
    last: dict[object, Map] = field(default_factory=dict)
    """What each domain's last `retrieve` says, once all processes have ended."""
    before: list[Call] = field(default_factory=list)
    """The operations before that."""
    left: list[str] = field(default_factory=list)
    """What is there though every domain was destroyed."""
    slots: Result[State] | None = None
    domains: Counter[Verdict] = field(default_factory=Counter)
    wrong: list[Result[State]] = field(default_factory=list)

    @property
    def lost(self) -> list[str]:
        """What was acknowledged and is not there."""
        return lost(self.before, self.last)

    @property
    def kept(self) -> int:
        """How many acknowledged attachments had to be there at the end."""
        return sum(call.key in self.last for call, _, _ in undisturbed(self.before))


def load(folder: Path, *, seconds: float, domains: int, processes: int, pause: float, limit: int) -> Loaded:
    """Run it in an empty folder, and check it. `pause`: seconds between two kills, at most; `limit`: of the search."""
    (folder / STATE).mkdir(mode=0o700)
    until, chance = time.monotonic() + seconds, random.Random(SEED)
    with open_folder(folder / STATE):
        pass
    numbers = iter(range(1, sys.maxsize))
    running = {start(folder, next(numbers), domains, until) for _ in range(processes)}
    kills = 0
    while time.monotonic() < until:
        time.sleep(chance.uniform(0, pause))
        pid = chance.choice(sorted(running))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        kills += 1
        running = running - {pid} | {start(folder, next(numbers), domains, until)}
    for pid in running:
        os.waitpid(pid, 0)
    found = Loaded([], kills, [path.read_text() for path in sorted(folder.glob("failed-*"))])
    with open_folder(folder / STATE) as host:
        found.before = read_logs(folder)
        asyncio.run(_finish(folder, next(numbers), host, found))
    found.calls = read_logs(folder)
    judge(found, limit)
    return found


async def _finish(folder: Path, number: int, host: HostFolder, found: Loaded) -> None:
    """Retrieve every domain, destroy every domain, and look what is left."""
    t, worker = host.toolstack, Worker(folder, number, 0, 0)
    for domain in await t.hypervisor.domains():
        answer = await worker.one(t, domain, "retrieve", *KEYS[0])
        if isinstance(answer, list):
            found.last[domain.uuid] = cast(Map, frozenset(cast("tuple[tuple[str, object]]", frozen(answer))))
        await worker.one(t, domain, "destroy", *KEYS[0])
    await worker.create(t)  # it sweeps
    for domain in await t.hypervisor.domains():
        await destroy(t, domain)
    # A process that died before its new domain was made leaves a lock's file, and nobody knows whether it is needed.
    died_early = {lock_name(domain) for domain in await unknown(t)}
    found.left += [path.name for path in (folder / STATE / TEMPLATES).iterdir() if path.name not in died_early]
    found.left += [path for path in host.store.tree() if _is_domains(path)]
    with host.host.exclusive() as view:
        found.left += [str(claim) for claim in host.host.all_held()] + [str(guest) for guest in view.guests()]


def lock_name(domain: Domain) -> str:
    """The name of the lock's file of a domain."""
    return f"userdata-l.{domain.domid}.{domain.uuid}.domain-userdata-lock"


def _is_domains(path: str) -> bool:
    """A node that belongs to a domain."""
    parts = path.split("/")[1:]
    match parts:
        case ["local", "domain", "0", "backend", _, _, *_] | ["vm" | "libxl", _, *_]:
            return True
        case ["local", "domain", domid, *_]:
            return domid != "0"
    return False


def decided(calls: list[Call], limit: int) -> Result[State]:
    """Whether a history is linearizable. `matters` and `quiet` leave orders out, and a history that needs one of those
    is not refused for that: where none of the others will do, all are looked at."""
    found = check(calls, cast(State, NONE), step, limit=limit, matters=matters, quiet=quiet)
    return check(calls, cast(State, NONE), step, limit=limit) if found.verdict is Verdict.ILLEGAL else found


def judge(found: Loaded, limit: int) -> None:
    """Check the history: slot by slot, and domain by domain."""
    found.slots = decided(list(on_slots(found.calls)), limit)
    lives: dict[object, list[Call]] = {}
    for call in found.calls:
        lives.setdefault(call.key, []).append(call)
    for own in lives.values():
        result = decided(own, limit)
        found.domains[result.verdict] += 1
        if result.verdict is Verdict.ILLEGAL:
            found.wrong.append(result)


@click.command()
@click.option("--minutes", default=10.0, show_default=True)
@click.option("--domains", default=50, show_default=True)
@click.option("--processes", default=32, show_default=True)
@click.option("--pause", default=0.1, show_default=True, help="Seconds between two kills, at most.")
@click.option("--limit", default=1_000_000, show_default=True, help="Of each search.")
def main(minutes: float, domains: int, processes: int, pause: float, limit: int) -> None:
    """Run it, and print what came of it. Exit code 1 if anything is wrong, or not known."""
    with tempfile.TemporaryDirectory(prefix="load-") as folder:
        found = load(Path(folder), seconds=minutes * 60, domains=domains, processes=processes, pause=pause, limit=limit)
    kinds = Counter(str(cast("tuple[object, ...]", call.what)[0]) for call in found.calls)
    answers = Counter(
        call.answer if isinstance(call.answer, str) else "answered" for call in found.calls if call.returned
    )
    click.echo(f"{len(found.calls):,} operations on {len({c.key for c in found.calls}):,} lives: {dict(kinds)}")
    click.echo(f"answers: {dict(answers.most_common())}")
    click.echo(
        f"{found.kills:,} processes killed; {sum(c.returned is None for c in found.calls):,} operations cut short"
    )
    click.echo(f"{found.kept:,} acknowledged attachments to be there, {len(found.lost)} lost; left over: {found.left}")
    click.echo(f"slot by slot: {found.slots}")
    click.echo(f"domain by domain: { {verdict.name: count for verdict, count in found.domains.items()} }")
    for result in found.wrong:
        click.echo(str(result))
    for words in (*found.lost, *found.failed):
        click.echo(words)
    known = found.slots is not None and found.slots.verdict is Verdict.OK and set(found.domains) == {Verdict.OK}
    sys.exit(0 if known and not (found.lost or found.left or found.failed) else 1)


if __name__ == "__main__":
    main()
