"""The mutants of the recommended design, and what is known of them.

A mutant is the design with one step left out, or two neighbours exchanged, in one operation or its clean-up. What
is here is what a reader has to know: which of them are no designs, and which of them no claim tells from the design,
with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from confsync.model.language import Design, Operation, Undo
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED

recommended = DESIGNS[RECOMMENDED]


def _edits(operation: Operation) -> Iterator[tuple[str, Operation]]:
    steps, undos = operation.steps, operation.clean_up
    for i, s in enumerate(steps):
        yield f"without {i + 1} {s}", operation.dropping(i)
    for i, (a, b) in enumerate(pairwise(steps)):
        yield f"{i + 2} {b} before {i + 1} {a}", operation.swapping(i)
    for n, undo in enumerate(undos):
        part = Operation(undo.steps)
        edits = [(f"without {s}", part.dropping(i)) for i, s in enumerate(undo.steps)]
        pairs = pairwise(undo.steps)
        edits += [(f"{b} before {a}", part.swapping(i)) for i, (a, b) in enumerate(pairs)]
        for words, edited in edits:
            changed = (*undos[:n], Undo(undo.of, edited.steps), *undos[n + 1 :])
            yield f"clean-up once {undo.of}: {words}", replace(operation, clean_up=changed)
    for n in range(len(undos) - 1):
        changed = (*undos[:n], undos[n + 1], undos[n], *undos[n + 2 :])
        yield f"clean-up once {undos[n + 1].of} before that once {undos[n].of}", replace(operation, clean_up=changed)


MUTANTS: dict[str, tuple[str, Design]] = {
    f"{name}: {words}": (name, recommended.but("mutant", f"{name}: {words}", **{name: edited}))
    for name, operation in recommended.operations()
    for words, edited in _edits(operation)
}
"""By what was changed: the operation, and the design."""

_LACKS = "it would return success without doing what its name says"
_UNKNOWN = "which nothing has given a value"
_OPEN_END = "end it with a step that does neither"

NO_DESIGN = {
    "create: without 2 make_domain": _LACKS,
    "create: without 3 save_template": _LACKS,
    "create: without 5 allocate_devices": _LACKS,
    "attach: without 2 read_template": _UNKNOWN,
    "attach: without 4 write_template": _LACKS,
    "attach: without 5 enter_xenstore": _LACKS,
    "attach: without 7 allocate": _LACKS,
    "detach: without 2 release": _LACKS,
    "detach: without 4 leave_xenstore": _LACKS,
    "detach: without 5 read_template": _UNKNOWN,
    "detach: 6 forget before 5 read_template": _UNKNOWN,
    "insert: without 2 read_template": _UNKNOWN,
    "insert: without 4 write_template": _LACKS,
    "insert: without 5 load_medium": _LACKS,
    "eject: without 2 read_template": _UNKNOWN,
    "eject: without 3 unload_medium": _LACKS,
    "swap: without 2 read_template": _UNKNOWN,
    "set_memory_target: without 2 grant_memory": _LACKS,
    "set_memory_target: without 3 write_memory": _LACKS,
    "rename: without 2 write_name": _LACKS,
    "retrieve: without 2 read_template": _UNKNOWN,
    "retrieve: 3 merge_devices before 2 read_template": _UNKNOWN,
    "retrieve: without 7 answer": _OPEN_END,
    "retrieve: 7 answer before 6 drop_lock": _OPEN_END,
    "destroy: without 3 release_devices": _LACKS,
    "destroy: without 4 leave_devices": _LACKS,
    "destroy: without 5 remove_template": _LACKS,
    "destroy: without 6 kill_domain": _LACKS,
}
"""Those that are refused at once, with what is said of them."""

_LOCKED = "under the lock nobody else changes what the two steps read, and neither reads what the other writes"
_NO_DRIVE = (
    "the two steps differ only where there is no template to read; there xenstore has no device either "
    "[xenstore_has_template], and the other step is refused as well"
)
_LONGER = "the lock is held for longer and nothing waits meanwhile for what another holds: fewer runs, none of them new"
_ATOMIC = (
    "a rename is one commit, which a retrieve reads as the last part of its result; no lock is needed for it [L1]. It "
    "is no refinement, though: during a creation it returns success, and the domain begins with another name"
)

EQUIVALENT = {
    "create: clean-up once make_domain: without kill_domain": (
        "a creation that fails then leaves what one that dies there leaves: a paused domain without a template, which "
        "may be destroyed; every property has to allow that anyway"
    ),
    "attach: 3 refuse_if_present before 2 read_template": _LOCKED,
    "attach: 7 allocate before 6 drop_lock": _LONGER,
    "detach: 3 take_lock before 2 release": _LONGER,
    "detach: 5 read_template before 4 leave_xenstore": _NO_DRIVE,
    "insert: 3 refuse_unless_empty before 2 read_template": _LOCKED,
    "eject: 3 unload_medium before 2 read_template": _NO_DRIVE,
    "swap: 3 unload_medium before 2 read_template": _NO_DRIVE,
    "swap: 8 refuse_unless_empty before 7 read_template": _LOCKED,
    "swap: without 4 write_template_empty": (
        "the medium stays in the template, which is allowed while xenstore says empty [C1], until write_template "
        "replaces it; where that is not reached, an insert and an eject take it out"
    ),
    "rename: 2 write_name before 1 take_lock": _ATOMIC,
    "rename: 3 drop_lock before 2 write_name": _ATOMIC,
    "retrieve: 4 merge_media before 3 merge_devices": "each of the two reads and writes its own kind of slot",
    "retrieve: 5 merge_knobs before 4 merge_media": _LOCKED,
    "detach: without 6 forget": (
        "the entry stays in the template, where it is not present for all purposes [X4]; it is replaced when the "
        "device is attached again (libxl leaves it, too)"
    ),
    "eject: without 4 write_template_empty": (
        "the medium stays in the template, which is allowed while xenstore says empty [C1]; it is replaced when a "
        "medium is inserted again"
    ),
}
"""Those that do what the design does, as far as any claim goes, each with the reason."""
