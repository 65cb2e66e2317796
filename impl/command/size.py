"""Amounts of memory on the command line, as xl reads them: in MiB where no unit is given [parse_mem_size_kb]."""

from __future__ import annotations

import re

import click

from confsync.impl.command.xl_values import MOST_KIB
from confsync.terminal.text import quoted

_SIZE = re.compile(r"([0-9]{1,18})([bkmgt]?)", re.IGNORECASE)
_SHIFTS = {"b": -10, "k": 0, "": 10, "m": 10, "g": 20, "t": 30}
"""What a number with each unit is shifted by to be KiB."""


class MiB(click.ParamType[int]):
    """An amount of memory, in MiB unless it has one of the units b, k, m, g and t; as KiB, rounded down."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The amount in KiB; ends the command if the text is none, or no KiB, or more than can be meant."""
        found = _SIZE.fullmatch(str(value))
        if not found:
            self.fail(f"{quoted(str(value))} is no amount of memory, such as 256 (MiB), 262144k or 1g", param, ctx)
        shift = _SHIFTS[found[2].lower()]
        kib = int(found[1]) << shift if shift >= 0 else int(found[1]) >> -shift
        if not 0 < kib <= MOST_KIB:
            self.fail(f"{quoted(str(value))} is {kib} KiB, and must be from 1 to {MOST_KIB}", param, ctx)
        return kib
