"""libxl's protocol as a value: all that the engines know of it."""

from __future__ import annotations

from confsync.model.language import Design, Operation, Protocol
from confsync.model.libxl.contract import CONTRACT
from confsync.model.libxl.environment import may_be_asked
from confsync.model.libxl.ghosts import GHOSTS
from confsync.model.libxl.operations import LOCKS, OBSERVER, SIGNATURES
from confsync.model.libxl.properties import PROPERTIES
from confsync.model.libxl.slices import SLICES
from confsync.model.libxl.state import Bounds, Local, Shared
from confsync.model.libxl.words import WORDS

SMALL = (
    Bounds(slots=1, ejectable=1, configs=2, names=1, amounts=1, processes=2, crashes=1),
    Bounds(slots=2, ejectable=0, configs=2, names=1, amounts=1, processes=1, crashes=2),
    Bounds(slots=0, ejectable=2, configs=2, names=1, amounts=1, processes=1, crashes=2),
    Bounds(slots=1, ejectable=1, configs=1, names=2, amounts=2, processes=1, crashes=2),
    Bounds(slots=1, ejectable=0, configs=1, names=2, amounts=1, processes=2, crashes=1),
    Bounds(slots=1, ejectable=0, configs=1, names=1, amounts=2, processes=2, crashes=1),
)
"""Devices and media, other slots than one's own, names, memory targets."""
LIBXL = Protocol(
    "libxl",
    Shared,
    Local,
    Bounds,
    SIGNATURES,
    PROPERTIES,
    may_be_asked=may_be_asked,
    locks=LOCKS,
    ghosts=GHOSTS,
    observer=OBSERVER,
    declared_slices=SLICES,
    contract=CONTRACT,
    small=SMALL,
    words=WORDS,
)
BIT = LIBXL.bits
"""Each property's bit in a mask."""


def design(name: str, says: str, **orders: Operation) -> Design:
    """A design of libxl's protocol: an order of steps for each of its operations."""
    return Design.of(LIBXL, name, says, orders)
