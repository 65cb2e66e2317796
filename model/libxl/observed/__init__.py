"""A design read from what a real toolstack was seen to do.

`read` turns trace files into traces, each event of which is a step, part of one, nothing that the model keeps,
or unknown: no step stands for it. `to_design` turns traces into a design, and says what it was read from, what
was borrowed, what was assumed and what is unknown. Nothing is dropped without a word.
"""

from collections.abc import Sequence
from pathlib import Path

from confsync.model.libxl.observed.design import Observed, to_design
from confsync.model.libxl.observed.files import sources
from confsync.model.libxl.observed.recognise import recognise
from confsync.model.libxl.observed.trace import Event, ObservedError, Placed, Taken, Trace

__all__ = ["Event", "Observed", "ObservedError", "Placed", "Taken", "Trace", "read", "to_design"]


def read(paths: Sequence[Path]) -> list[Trace]:
    """The traces in these files, and in the folders among them. ObservedError for what is no trace."""
    traces = []
    for source in sources(paths):
        seen = recognise(source.operation, source.acts, source.complete)
        traces.append(
            Trace(
                source.path,
                source.operation,
                seen.events,
                source.complete,
                source.why,
                seen.steps,
                seen.assumed,
                seen.unfit,
            )
        )
    return traces
