"""Check, prove and test designs for keeping a domain's configuration in step in two places.

>>> from confsync import DESIGNS, RECOMMENDED, Bounds, Verdict, check, prove, story
>>> tiny = Bounds(slots=1, ejectable=0, configs=1, names=1, amounts=1, processes=1, crashes=1)
>>> cells = check(DESIGNS[RECOMMENDED], "xenstore_has_template", "template_has_xenstore", bounds=tiny)
>>> {name: cell.verdict.value for name, cell in cells.items()}
{'xenstore_has_template': 'EXHAUSTED', 'template_has_xenstore': 'REFUTED'}
>>> print(story(cells["template_has_xenstore"]).splitlines()[0])
xenstore_first_locked violates template_has_xenstore in 3 steps
>>> prove(DESIGNS[RECOMMENDED], "lock_is_exclusive")["lock_is_exclusive"].verdict is Verdict.PROVED
True

`check`, `prove` and `conform` answer with a `Cell` for each property, or with a `Conformance`; `story` tells a
counterexample. `DESIGNS` has the registered designs, `load` reads a design file, and `Design.but` makes a variant of a
design with operations of your own (`order`, `once`, `step`). `LanguageError` and `DesignFileError` say what is wrong
with one.

Importing this module imports no part of the project: that happens when a name is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from confsync.model.command.design_file import DesignFileError
    from confsync.model.engine.verdict import Cell, Verdict
    from confsync.model.language import Design, LanguageError, Operation, once, order, step
    from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
    from confsync.model.libxl.properties import PROPERTIES
    from confsync.model.libxl.state import Bounds
    from confsync.questions import Conformance, check, conform, load, prove, story

_FROM = {
    "confsync.model.command.design_file": ("DesignFileError",),
    "confsync.model.libxl.designs": ("DESIGNS", "RECOMMENDED"),
    "confsync.model.language": ("Design", "LanguageError", "Operation", "once", "order", "step"),
    "confsync.model.libxl.properties": ("PROPERTIES",),
    "confsync.model.libxl.state": ("Bounds",),
    "confsync.model.engine.verdict": ("Cell", "Verdict"),
    "confsync.questions": ("Conformance", "check", "conform", "load", "prove", "story"),
}
"""Where each name is: the same as above, for when it is looked up."""

__all__ = [
    "DESIGNS",
    "PROPERTIES",
    "RECOMMENDED",
    "Bounds",
    "Cell",
    "Conformance",
    "Design",
    "DesignFileError",
    "LanguageError",
    "Operation",
    "Verdict",
    "check",
    "conform",
    "load",
    "once",
    "order",
    "prove",
    "step",
    "story",
]


def __getattr__(name: str) -> object:
    for module, names in _FROM.items():
        if name in names:
            return globals().setdefault(name, getattr(import_module(module), name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
