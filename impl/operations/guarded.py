"""The lock held over a block, and the template read and replaced under it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from impl.configuration.template import Template
from impl.errors import DomainNotFound, ToolstackError
from impl.ports import Domain, Lock, Toolstack

UNWINDS = (Exception, asyncio.CancelledError)
"""What an operation cleans up after. Anything else is the end of its process, which cleans up nothing."""


@asynccontextmanager
async def locked(t: Toolstack, domain: Domain, *, born: bool = True) -> AsyncIterator[Lock]:
    """Hold the domain's lock. `born`: the domain must be alive once it is held, or DomainNotFound."""
    lock = await t.templates.lock(domain, born=born)
    try:
        yield lock
    except UNWINDS as failed:
        try:
            await t.templates.unlock(lock)
        except ToolstackError as also:
            failed.add_note(f"and then: {also}")
        raise
    await t.templates.unlock(lock)


async def read_template(t: Toolstack, domain: Domain) -> Template:
    """The domain's template. TemplateMissing, MalformedConfiguration."""
    return Template.parse(await t.templates.read(domain), f"the template of {domain}")


async def replace_template(t: Toolstack, lock: Lock, template: Template) -> None:
    """Have the template file hold this, durably."""
    await t.templates.replace(lock, template.encode())


async def require_alive(t: Toolstack, domain: Domain) -> None:
    """DomainNotFound if the domain is gone."""
    if not await t.hypervisor.alive(domain):
        raise DomainNotFound(f"there is no {domain}")
