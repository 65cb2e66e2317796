"""Retrieves of a few steps, whose answers can be told by hand."""

from __future__ import annotations

from confsync.model.language import Design, Step, neg, order, step
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.state import Local, Shared


@step
def read_name(s: Shared, me: Local) -> None:
    """Read the name."""
    me.draft_name = s.name


@step
def read_memory(s: Shared, me: Local) -> None:
    """Read the memory target; an error if there is no domain."""
    me.fails_if(neg(s.alive))
    me.draft_memory = s.memory


def retrieving(*steps: Step) -> Design:
    """The recommended design with these steps for its retrieve."""
    return DESIGNS[RECOMMENDED].but("retrieves", "", retrieve=order(*steps))
