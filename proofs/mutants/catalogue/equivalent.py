"""Edits that are no mistakes: nothing can notice them, each with the reason."""

from __future__ import annotations

from confsync.proofs.mutants.mutant import Mutant

EQUIVALENT: tuple[tuple[Mutant, str], ...] = (
    (
        Mutant(
            "retrieve-life-once", "impl/operations/retrieve.py",
            "    await require_alive(t, domain)\n", "",
            "whether the domain is alive is not looked at after xenstore was read", "deaths",
        ),
        "the hypervisor is asked for the scheduler's parameters next, and says the same of a domain that is gone",
    ),
    (
        Mutant(
            "memory-known-once", "impl/operations/knobs.py",
            "        await require_known(x, domain)\n        kept = await", "        kept = await",
            "whether xenstore has the domain is not looked at before its memory", "deaths",
        ),
        "the memory limit is read next, and what xenstore does not have is refused there",
    ),
    (
        Mutant(
            "detach-reads-first", "impl/operations/attach.py",
            "        await transact(t, lambda x: entries.leave(x, domain, device, held))\n"
            "        template = await read_template(t, domain)\n",
            "        template = await read_template(t, domain)\n"
            "        await transact(t, lambda x: entries.leave(x, domain, device, held))\n",
            "the template is read before xenstore is left", "deaths",
        ),
        "under the lock nobody changes the template; and where there is none to read there is no device to leave",
    ),
    (
        Mutant(
            "memory-life-not-looked-at", "impl/embedded/templates.py",
            "        if born and not await self.alive(domain):\n", "        if False:\n",
            "whether the domain is alive is not looked at once the lock is got", "deaths", "a788fe0cd8",
        ),
        "whoever gets the lock of a domain that is gone finds no template, and nothing of it in xenstore: each "
        "operation refuses that anyway (the store on files, which others use too, is held to it by its own tests)",
    ),
)  # fmt: skip
"""Each with the reason. `by` is the judge that comes nearest."""
