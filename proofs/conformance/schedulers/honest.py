"""Is an operation a function of what its ports answered? It is run twice on the same answers, and must ask the same.

What it asks the clock, the system's random numbers or another task for is not among the answers; this says where
that shows.
"""

from __future__ import annotations

from itertools import zip_longest

from confsync.proofs.conformance.calls import Call, asking
from confsync.proofs.conformance.steps import Place, Running, resume

TIMES = 3


def _asks(place: Place) -> list[Call | None]:
    """What it asks for, on the answers that it got."""
    running: Running = place.work(asking())
    call, _ = resume(running, None)
    found = [call]
    for answer in place.observed:
        if call is None:
            break
        call, _ = resume(running, answer)
        found.append(call)
    return found


def find_nondeterminism(place: Place) -> str:
    """Where an operation that is there did another thing on the same answers; "" if it did not."""
    first = _asks(place)
    for _ in range(TIMES - 1):
        for n, (one, other) in enumerate(zip_longest(first, _asks(place))):
            if one != other:
                return (
                    f"process {place.process}, call {n + 1}: after the same {n} answers it asked for {one}, and then "
                    f"for {other}. Something that is no port had a say: the clock, random numbers, the order of a set"
                )
    return ""
