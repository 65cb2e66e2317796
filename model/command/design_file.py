"""A user's own design: a Python file with lists of steps.

    \"\"\"My design, in a sentence or two.\"\"\"
    base = "xenstore_first_locked"     # where the operations come from that the file does not give
    attach = [take_lock, read_template, write_template, drop_lock, enter_xenstore, allocate]
    on_failure = {"attach": [once(take_lock, drop_lock)]}

All steps of `confsync.model.libxl.steps` are there by name, and so is what a step of one's own is written with (`step`,
`once`, `order`, `neg`, `either`, `pointwise`, ...). A file with several designs gives `designs = {name: {...}}`, each
such a dict. The file is run as Python: it is code, trust it as such.
"""

from __future__ import annotations

import ast
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import FunctionType

from confsync.model import language
from confsync.model.engine.contract import check_contract
from confsync.model.language import LanguageError
from confsync.model.language.step import SIGNATURES, Design, GivenLemma, Operation, Step, Undo, once, order, step
from confsync.model.libxl import state, steps
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.steps import unlock
from confsync.terminal.text import near_file, quoted, unknown, value

MAX_BYTES = 1 << 20
_KNOWN = {"base", "lemmas", "on_failure", "designs", "says"}


class DesignFileError(Exception):
    """What is wrong with a design file, where, and what to write instead."""


def _vocabulary() -> dict[str, object]:
    """The names a design file can use without importing them."""
    words = ("ABSENT", "EMPTY", "MADE_UP", "all_of", "any_of", "either", "implies", "neg", "pointwise")
    found: dict[str, object] = {n: s for n, s in vars(steps).items() if isinstance(s, Step | Undo)}
    found |= {w: getattr(language, w) for w in words}
    return found | {
        "step": step,
        "once": once,
        "order": order,
        "lemma": GivenLemma,
        "Shared": state.Shared,
        "Local": state.Local,
    }


def load(path: Path) -> dict[str, Design]:
    """The designs in a file, by name. DesignFileError names the file, the line and the way out."""
    try:
        return _load(path, _source(path))
    except (DesignFileError, KeyboardInterrupt):
        raise
    except SyntaxError as error:
        where = f":{error.lineno}" if error.lineno else ""
        raise DesignFileError(f"{value(path)}{where}: {value(error.msg)}") from None
    except BaseException as error:  # whatever a file can do: leave, recurse, raise what can't be printed
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
        where = f":{lines[-1]}" if lines else ""
        raise DesignFileError(f"{value(path)}{where}: {_words(error)}") from None


def _words(error: BaseException) -> str:
    if isinstance(error, LanguageError):
        return str(error)
    if isinstance(error, NameError) and error.name:
        known = [n for n in _vocabulary() if n[0] != "_"]
        return unknown("step or function", error.name, known, f"`confsync designs {RECOMMENDED}`")
    try:
        said = f"{type(error).__name__}: {error}"
    except Exception:  # whatever a class of the file's own does when it is printed
        said = type(error).__name__
    return value(said, 400)


def _source(path: Path) -> str:
    try:
        source = path.read_bytes()
    except OSError as error:
        said = [f"{value(path)}: cannot be read: {error.strerror}", near_file(path)]
        raise DesignFileError("; ".join(filter(None, said))) from None
    except ValueError:  # a name with a zero byte in it
        raise DesignFileError(f"{value(path)}: is no name of a file") from None
    if len(source) > MAX_BYTES:
        raise DesignFileError(f"{value(path)}: {len(source):,} bytes are no design: the most is {MAX_BYTES:,}")
    try:
        return source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = source[: error.start].count(b"\n") + 1
        raise DesignFileError(
            f"{value(path)}:{line}: byte {source[error.start]:#x} is no UTF-8: save the file as UTF-8"
        ) from None


def _load(path: Path, source: str) -> dict[str, Design]:
    names = _vocabulary()
    given = names.copy()
    tree = ast.parse(source, str(path))
    exec(compile(tree, str(path), "exec", dont_inherit=True), names)
    mine = {n: v for n, v in names.items() if given.get(n, given) is not v and not n.startswith("_")}
    several = mine.get("designs")
    if several is None:
        says = str(names.get("__doc__") or mine.get("says") or "")
        return {path.stem: _design(value(path), path.stem, says, mine, _lines(tree))}
    if not isinstance(several, Mapping) or not several:
        raise DesignFileError(f"{value(path)}: `designs` should be a dict from names to dicts of operations")
    found = {}
    for name, its in several.items():
        if not isinstance(name, str) or not isinstance(its, Mapping):
            raise DesignFileError(f"{value(path)}: `designs` should be a dict from names to dicts of operations")
        found[name] = _design(f"{value(path)}, design {quoted(name)}", name, str(its.get("says", "")), its, {})
    return found


def _lines(tree: ast.Module) -> dict[str, int]:
    """Where each name of the file is last given a value, at the outermost level."""
    found: dict[str, int] = {}
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        found |= {t.id: t.lineno for t in targets if isinstance(t, ast.Name)}
    return found


def _design(where: str, name: str, says: str, mine: Mapping[str, object], lines: Mapping[str, int]) -> Design:
    """`lines`: where each name of `mine` is given its value, as far as that is known."""

    def at(key: str) -> str:
        return f"{where}:{lines[key]}" if key in lines else where

    if not name.isidentifier():
        raise DesignFileError(
            f"{where}: {quoted(name)} is no name for a design: use letters, digits and _ (rename the file)"
        )
    if name in DESIGNS:
        raise DesignFileError(f"{where}: there is a registered design `{name}` already: use another name")
    operations = {n: v for n, v in mine.items() if n in SIGNATURES}
    strays = [
        n
        for n, v in mine.items()
        if n not in SIGNATURES and n not in _KNOWN and isinstance(v, list | tuple | Operation | Mapping)
    ]
    if strays:
        raise DesignFileError(
            f"{at(strays[0])}: {unknown('operation', strays[0], [*SIGNATURES, *sorted(_KNOWN)])} "
            "(the name of a list or dict of your own should start with _)"
        )
    if not operations:
        raise DesignFileError(f"{where}: it gives no operation: write for example attach = [take_lock, ...]")
    base = mine.get("base")
    if base is None and len(operations) < len(SIGNATURES):
        lacking = ", ".join(n for n in SIGNATURES if n not in operations)
        raise DesignFileError(
            f'{where}: it lacks {lacking}: give them, or say base = "{RECOMMENDED}" to take them from there'
        )
    if base is not None and (not isinstance(base, str) or base not in DESIGNS):
        raise DesignFileError(
            f"{at('base')}: base: {unknown('registered design', str(base), DESIGNS, '`confsync designs`')}"
        )
    clean_ups = mine.get("on_failure", {})
    if not isinstance(clean_ups, Mapping) or any(n not in operations for n in clean_ups):
        raise DesignFileError(
            f"{at('on_failure')}: `on_failure` should be a dict from operations that the file gives to lists, such as "
            '{"attach": [once(take_lock, drop_lock)]}'
        )
    given = {n: _operation(f"{at(n)}, operation `{n}`", v, clean_ups.get(n)) for n, v in operations.items()}
    try:
        design = DESIGNS[base if isinstance(base, str) else RECOMMENDED].but(name, says or name, **given)
        design = replace(design, lemmas=_lemmas(at("lemmas"), mine.get("lemmas", ())))
        check_contract(design)
    except LanguageError as error:
        about = next((n for n in operations if f"operation `{n}`" in str(error)), "")
        raise DesignFileError(f"{at(about)}: {error}") from None
    return design


def _lemmas(where: str, given: object) -> tuple[GivenLemma, ...]:
    if not isinstance(given, list | tuple) or not all(isinstance(x, GivenLemma) for x in given):
        raise DesignFileError(
            f'{where}: `lemmas` should be a list such as [lemma("in words", lambda s, me, k: implies(...), '
            'at="attach 5 enter_xenstore")]'
        )
    return tuple(given)


def _operation(where: str, given: object, clean_up: object) -> Operation:
    if isinstance(given, Operation):
        if clean_up is not None:
            raise DesignFileError(f"{where}: say its clean-up once: in order(...) or in on_failure")
        return given
    if not isinstance(given, list | tuple):
        raise DesignFileError(
            f"{where}: it should be a list of steps such as [take_lock, ...], not {value(repr(given))}"
        )
    found = []
    for i, item in enumerate(given):
        if isinstance(item, FunctionType):
            item = step(item)  # noqa: PLW2901
        if not isinstance(item, Step):
            raise DesignFileError(
                f"{where}: item {i + 1}, {value(repr(item))}, is no step: name one of model/libxl/steps.py, or a "
                "function with @step"
            )
        found.append(item)
    parts = [unlock] if clean_up is None else clean_up
    if not isinstance(parts, list | tuple) or not all(
        isinstance(u, Undo) and all(isinstance(s, Step) for s in (u.of, *u.steps)) for u in parts
    ):
        raise DesignFileError(f"{where}: its clean-up should be a list such as [once(take_lock, drop_lock)]")
    return Operation(tuple(found), tuple(parts))
