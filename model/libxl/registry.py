"""libxl's designs and all that belongs to them: what the front door gives the commands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from confsync.model.command.registry import Registry
from confsync.model.language import Step, Undo
from confsync.model.libxl import state, steps
from confsync.model.libxl.claims import CLAIMS
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.observed import Observed, ObservedError, read, to_design
from confsync.model.libxl.protocol import LIBXL


def observed(paths: Sequence[Path]) -> Observed:
    """The design that traces of a toolstack show; what they do not show is the recommended design's."""
    return to_design(read(paths), DESIGNS[RECOMMENDED])


REGISTRY = Registry(
    LIBXL,
    DESIGNS,
    RECOMMENDED,
    vocabulary={
        **{name: value for name, value in vars(steps).items() if isinstance(value, Step | Undo)},
        **{name: getattr(state, name) for name in ("ABSENT", "EMPTY", "MADE_UP", "Shared", "Local")},
    },
    steps="model/libxl/steps.py",
    example="attach = [take_lock, ...]",
    clean_up=(steps.unlock,),
    claims=CLAIMS,
    observed=observed,
    errors=(ObservedError,),
)
