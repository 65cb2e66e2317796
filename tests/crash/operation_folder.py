"""An operation as an act on a state folder: templates as files, xenstore and hypervisor in SQLite, by a process that is
killed, loses its power, or is refused its calls on the templates."""

from __future__ import annotations

import asyncio
import copy
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from confsync.impl.configuration.template import Template
from confsync.impl.configuration.text import decode
from confsync.impl.embedded.folder import TEMPLATES, HostFolder, open_folder
from confsync.impl.errors import StoreError, ToolstackError
from confsync.impl.operations.create import create
from confsync.impl.templates.files import Files
from confsync.impl.xenstore.sqlite import FILE
from crash.disk import Trusted
from crash.operation_oracle import DONE, Oracle, Place
from crash.operation_table import Configuration, Keep, Operation
from crash.trial import Trial, Wreck

FAILED = "failed"
SAVED, SAVING = "saved", "saving"
_open = ExitStack()
"""What a traced child has open when it comes to its end: closing is no part of the operation."""


def is_sqlite(name: str) -> bool:
    """Files of SQLite's, whose recovery is not on trial."""
    return name.startswith(FILE)


TRUSTED: Trusted = is_sqlite


@dataclass(slots=True)
class FolderWork:
    """An operation on a state folder."""

    operation: Operation
    closes: bool = False
    """The act closes the folder at its end: it runs in a process that lives on."""
    oracle: Oracle = field(init=False)

    def __post_init__(self) -> None:
        self.oracle = Oracle(self.operation)

    def prepare(self, folder: Path) -> None:
        """A host with the domain as it is before, if there is one."""
        with open_folder(folder) as host:
            if self.operation.before is not None:
                configuration = Template.of(copy.deepcopy(self.operation.before), "the test's")
                asyncio.run(create(host.toolstack, configuration))

    def act(self, trial: Trial) -> None:
        """Run it, and say when it has returned."""
        with ExitStack() as stack:
            context = open_folder(trial.folder, files=trial.files)
            host = (stack if self.closes else _open).enter_context(context)
            trial.begin()
            asyncio.run(self._act(host, trial))

    async def _act(self, host: HostFolder, trial: Trial) -> None:
        await self.operation.do(host.toolstack, keeper(trial.folder, trial.files))
        trial.note(DONE)

    def act_and_tell(self, trial: Trial) -> None:
        """The same, for a process that is refused calls and lives: how it ended is told, if that is in our words."""
        try:
            self.act(trial)
        except ToolstackError as e:
            trial.note(f"{FAILED}: {type(e).__name__}: {e}")

    def check(self, wreck: Wreck) -> Sequence[str]:
        """Ask the oracle, from a process that comes after. What the folder is not allowed to be fails here too."""
        with open_folder(wreck.folder) as host:
            return asyncio.run(self.oracle.problems(place(wreck.folder, host), done=DONE in wreck.notes))


def keeper(folder: Path, files: Files) -> Keep:
    """Writes what is saved into the folder, whole or not at all, and durably."""

    async def keep(template: Template) -> None:
        try:
            descriptor = files.open(folder / SAVING, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            try:
                files.write(descriptor, template.encode())
                files.fsync(descriptor)
            finally:
                files.close(descriptor)
            files.rename(folder / SAVING, folder / SAVED)
            files.fsync_folder(folder)
        except OSError as e:
            raise StoreError(folder / SAVED, e.strerror or str(e)) from e

    return keep


def saved_in(folder: Path) -> Configuration | None:
    """What was saved in the folder."""
    try:
        return cast("Configuration", dict(decode((folder / SAVED).read_bytes(), SAVED)))
    except (OSError, ToolstackError):
        return None


def place(folder: Path, host: HostFolder) -> Place:
    """The state folder, for the oracle."""
    templates = folder / TEMPLATES

    def files() -> list[str]:
        return sorted(path.name for path in templates.iterdir())

    def held() -> list[str]:
        with host.host.exclusive() as view:
            return sorted(map(str, view.all_held()))

    def fingerprint() -> tuple[object, ...]:
        contents = {path.name: path.read_bytes() for path in templates.iterdir()}
        with host.host.exclusive() as view:
            books = str(sorted(view.guests().items())), str(sorted(view.all_held().items()))
        saved = str(saved_in(folder)), (folder / SAVING).exists()
        return tuple(sorted(contents.items())), tuple(sorted(host.store.tree().items())), books, saved

    return Place(
        host.toolstack, keeper(folder, Files()), lambda: saved_in(folder), files, lambda: sorted(host.store.tree()),
        held, fingerprint,
    )  # fmt: skip
