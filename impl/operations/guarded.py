"""The lock held over a block, and the template read and replaced under it."""

from __future__ import annotations

import asyncio

from confsync.impl.configuration.template import Template
from confsync.impl.errors import DomainNotFound, InvalidArgument, MalformedConfiguration, ToolstackError
from confsync.impl.kinds import Entry, Kind
from confsync.impl.ports import Domain, Lock, Toolstack

UNWINDS = (Exception, asyncio.CancelledError)
"""What an operation cleans up after. Anything else is the end of its process, which cleans up nothing."""


class locked:
    """`async with locked(t, domain) as lock`: hold the domain's lock over a block.

    `born`: the domain must be alive once it is held, or DomainNotFound. A class, and no generator: a process that is
    played and dies is thrown out of the block, and must not give its lock up."""

    def __init__(self, t: Toolstack, domain: Domain, *, born: bool = True) -> None:
        self._t, self._domain, self._born = t, domain, born

    async def __aenter__(self) -> Lock:
        self._lock = await self._t.templates.lock(self._domain, born=self._born)
        return self._lock

    async def __aexit__(self, _type: object, failed: BaseException | None, _traceback: object) -> None:
        if failed is None:
            await self._t.templates.unlock(self._lock)
        elif isinstance(failed, UNWINDS):
            try:
                await self._t.templates.unlock(self._lock)
            except ToolstackError as also:
                failed.add_note(f"and then: {also}")


async def read_template(t: Toolstack, domain: Domain) -> Template:
    """The domain's template. TemplateMissing, MalformedConfiguration."""
    return Template.parse(await t.templates.read(domain), f"the template of {domain}")


async def replace_template(t: Toolstack, lock: Lock, template: Template) -> None:
    """Have the template file hold this, durably."""
    await t.templates.replace(lock, template.encode())


def require_proper(template: Template) -> None:
    """InvalidArgument if the template could not be read again once it is written: of what a caller gives, not all that
    Python can hold is what libxl's JSON can. Written, it would lock the domain out."""
    try:
        Template.parse(template.encode(), "the configuration")
    except (MalformedConfiguration, ValueError, RecursionError) as e:
        raise InvalidArgument(f"this cannot be kept in a template: {e}") from e


def require_proper_entry(kind: Kind, entry: Entry) -> None:
    """The same, of one device's entry."""
    try:
        template = Template.of({kind.array: [dict(entry)]}, "the configuration")
    except MalformedConfiguration as e:
        raise InvalidArgument(f"this cannot be kept in a template: {e}") from e
    require_proper(template)


async def require_alive(t: Toolstack, domain: Domain) -> None:
    """DomainNotFound if the domain is gone."""
    if not await t.hypervisor.alive(domain):
        raise DomainNotFound(f"there is no {domain}")
