"""A user's own design: a Python file with lists of steps.

    \"\"\"My design, in a sentence or two.\"\"\"
    base = "first_locked"     # where the operations come from that the file does not give
    write = [take_lock, read, replace, drop_lock]
    on_failure = {"write": [once(take_lock, drop_lock)]}

All steps of the protocol are there by name, and so is what a step of one's own is written with (`step`, `once`,
`order`, `neg`, `either`, `pointwise`, ...). A file with several designs gives `designs = {name: {...}}`, each such a
dict. The file is run as Python: it is code, trust it as such."""

from __future__ import annotations

import ast
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import FunctionType

from confsync.model.command.registry import Registry
from confsync.model.engine.contract import check_contract
from confsync.model.language import (
    Design,
    GivenLemma,
    LanguageError,
    Operation,
    Step,
    Undo,
    all_of,
    any_of,
    either,
    implies,
    neg,
    once,
    order,
    pointwise,
    step,
)
from confsync.terminal.text import near_file, quoted, unknown, value

MAX_BYTES = 1 << 20
WORDS: dict[str, object] = {
    "all_of": all_of,
    "any_of": any_of,
    "either": either,
    "implies": implies,
    "lemma": GivenLemma,
    "neg": neg,
    "once": once,
    "order": order,
    "pointwise": pointwise,
    "step": step,
}
"""The names of the language that a design file can use without importing them; those of its protocol come on top."""
_KNOWN = {"base", "lemmas", "on_failure", "designs", "says"}


class DesignFileError(Exception):
    """What is wrong with a design file, where, and what to write instead."""


def load(path: Path, registry: Registry) -> dict[str, Design]:
    """The designs of a protocol in a file, by name. DesignFileError names the file, the line and the way out."""
    try:
        return _Reader(path, registry).designs(_source(path))
    except (DesignFileError, KeyboardInterrupt):
        raise
    except SyntaxError as error:
        where = f":{error.lineno}" if error.lineno else ""
        raise DesignFileError(f"{value(path)}{where}: {value(error.msg)}") from None
    except BaseException as error:  # whatever a file can do: leave, recurse, raise what can't be printed
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
        where = f":{lines[-1]}" if lines else ""
        raise DesignFileError(f"{value(path)}{where}: {_words(error, registry)}") from None


def _words(error: BaseException, registry: Registry) -> str:
    if isinstance(error, LanguageError):
        return str(error)
    if isinstance(error, NameError) and error.name:
        known = [n for n in (*WORDS, *registry.vocabulary) if n[0] != "_"]
        return unknown("step or function", error.name, known, f"`confsync designs {registry.recommended}`")
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


class _Reader:
    """Reads the designs of one file."""

    def __init__(self, path: Path, registry: Registry) -> None:
        self._path, self._registry = path, registry

    def designs(self, source: str) -> dict[str, Design]:
        """The designs that the source of the file gives."""
        path, names = self._path, {**WORDS, **self._registry.vocabulary}
        given = names.copy()
        tree = ast.parse(source, str(path))
        exec(compile(tree, str(path), "exec", dont_inherit=True), names)
        mine = {n: v for n, v in names.items() if given.get(n, given) is not v and not n.startswith("_")}
        several = mine.get("designs")
        if several is None:
            says = str(names.get("__doc__") or mine.get("says") or "")
            return {path.stem: self._design(value(path), path.stem, says, mine, _lines(tree))}
        if not isinstance(several, Mapping) or not several:
            raise DesignFileError(f"{value(path)}: `designs` should be a dict from names to dicts of operations")
        found = {}
        for name, its in several.items():
            if not isinstance(name, str) or not isinstance(its, Mapping):
                raise DesignFileError(f"{value(path)}: `designs` should be a dict from names to dicts of operations")
            where = f"{value(path)}, design {quoted(name)}"
            found[name] = self._design(where, name, str(its.get("says", "")), its, {})
        return found

    def _design(self, where: str, name: str, says: str, mine: Mapping[str, object], lines: Mapping[str, int]) -> Design:
        """One design of the file. `lines`: where each name of `mine` is given its value, as far as that is known."""

        operations_of = self._registry.protocol.operations

        def at(key: str) -> str:
            return f"{where}:{lines[key]}" if key in lines else where

        if not name.isidentifier():
            raise DesignFileError(
                f"{where}: {quoted(name)} is no name for a design: use letters, digits and _ (rename the file)"
            )
        if name in self._registry.designs:
            raise DesignFileError(f"{where}: there is a registered design `{name}` already: use another name")
        known = self._registry
        operations = {n: v for n, v in mine.items() if n in operations_of}
        strays = [
            n
            for n, v in mine.items()
            if n not in operations_of and n not in _KNOWN and isinstance(v, list | tuple | Operation | Mapping)
        ]
        if strays:
            raise DesignFileError(
                f"{at(strays[0])}: {unknown('operation', strays[0], [*operations_of, *sorted(_KNOWN)])} "
                "(the name of a list or dict of your own should start with _)"
            )
        if not operations:
            raise DesignFileError(f"{where}: it gives no operation: write for example {self._registry.example}")
        base = mine.get("base")
        if base is None and len(operations) < len(operations_of):
            lacking = ", ".join(n for n in operations_of if n not in operations)
            raise DesignFileError(
                f'{where}: it lacks {lacking}: give them, or say base = "{known.recommended}" to take them from there'
            )
        if base is not None and (not isinstance(base, str) or base not in self._registry.designs):
            raise DesignFileError(
                f"{at('base')}: base: {unknown('registered design', str(base), known.designs, '`confsync designs`')}"
            )
        clean_ups = mine.get("on_failure", {})
        if not isinstance(clean_ups, Mapping) or any(n not in operations for n in clean_ups):
            raise DesignFileError(
                f"{at('on_failure')}: `on_failure` should be a dict from operations that the file gives to "
                f'lists, such as {{"{next(iter(operations))}": [once(take_lock, drop_lock)]}}'
            )
        given = {n: self._operation(f"{at(n)}, operation `{n}`", v, clean_ups.get(n)) for n, v in operations.items()}
        try:
            base_of = known.designs[base if isinstance(base, str) else known.recommended]
            design = base_of.but(name, says or name, **given)
            design = replace(design, lemmas=_lemmas(at("lemmas"), mine.get("lemmas", ())))
            check_contract(design)
        except LanguageError as error:
            about = next((n for n in operations if f"operation `{n}`" in str(error)), "")
            raise DesignFileError(f"{at(about)}: {error}") from None
        return design

    def _operation(self, where: str, given: object, clean_up: object) -> Operation:
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
                    f"{where}: item {i + 1}, {value(repr(item))}, is no step: name one of {self._registry.steps}, or a "
                    "function with @step"
                )
            found.append(item)
        parts = list(self._registry.clean_up) if clean_up is None else clean_up
        if not isinstance(parts, list | tuple) or not all(
            isinstance(u, Undo) and all(isinstance(s, Step) for s in (u.of, *u.steps)) for u in parts
        ):
            raise DesignFileError(f"{where}: its clean-up should be a list such as [once(take_lock, drop_lock)]")
        return Operation(tuple(found), tuple(parts))


def _lines(tree: ast.Module) -> dict[str, int]:
    """Where each name of the file is last given a value, at the outermost level."""
    found: dict[str, int] = {}
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        found |= {t.id: t.lineno for t in targets if isinstance(t, ast.Name)}
    return found


def _lemmas(where: str, given: object) -> tuple[GivenLemma, ...]:
    if not isinstance(given, list | tuple) or not all(isinstance(x, GivenLemma) for x in given):
        raise DesignFileError(
            f'{where}: `lemmas` should be a list such as [lemma("in words", lambda s, me, k: implies(...), '
            'at="the location where it is so")]'
        )
    return tuple(given)
