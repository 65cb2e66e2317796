"""What the memory target in xenstore is short of the configuration's."""

from __future__ import annotations

import re
from collections.abc import Mapping

from confsync.impl.kinds import Json

POD_KB = 1024
"""What libxl keeps back of an HVM domain that is populated on demand, in KiB [LIBXL_MAXMEM_CONSTANT]."""

_AMOUNT = re.compile(r"-1|[0-9]{1,19}")


def parse_amount(text: str) -> int:
    """An amount of memory as xenstore has it, in KiB. ValueError: it is none. libxl up to 4.14 writes -1 for the
    graphics card of a PVH domain, and counts with it [0a20a53df1]."""
    if not _AMOUNT.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no amount")
    return int(text)


def kept_back(build: Mapping[str, Json], video_kb: int, *, hvm: bool) -> int:
    """In KiB, what `b_info.target_memkb` has more than `memory/target` in xenstore: the graphics card's memory, and
    POD_KB for an HVM domain whose template has a limit above its target [libxl__get_targetmem_fudge]. The template says
    so from the domain's creation on: setting memory changes xenstore alone.

    `build`: the template's `b_info`."""
    limit, target = (_kb(build.get(name)) for name in ("max_memkb", "target_memkb"))
    return video_kb + (POD_KB if hvm and limit > target else 0)


def _kb(value: Json) -> int:
    """An amount; one that is not given is libxl's largest number [LIBXL_MEMKB_DEFAULT]."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 2**64 - 1
