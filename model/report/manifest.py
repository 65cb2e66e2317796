"""The manifest: the verdict that is expected of every design and property, the refuted ones included.

A difference in either direction is a failure: a property that no longer holds, and one that no longer fails.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypedDict, cast

from confsync.model.engine.verdict import Cell, Verdict
from confsync.model.language import Bounds
from confsync.terminal.text import near_file, value


class Expected(TypedDict):
    """One cell: `depth` is the length of the shortest trace of a refuted one, the last level of another. `proof`: what
    a proof for any size comes to; "" if none was tried."""

    verdict: str
    proof: str
    vacuous: bool
    depth: int
    states: int


class Manifest(TypedDict):
    bounds: dict[str, int]
    designs: dict[str, dict[str, Expected]]


class ManifestError(Exception):
    """A manifest that can't be read: the file and what is wrong with it."""


def expected_of(cell: Cell) -> Expected:
    """What a manifest would say of a cell."""
    proof = cell.proof.value if cell.proof else ""
    return Expected(verdict=cell.verdict.value, proof=proof, vacuous=cell.vacuous, depth=cell.depth, states=cell.states)


def of(cells: Iterable[Cell], bounds: Bounds) -> str:
    """The manifest that these cells would be as expected by, as JSON text."""
    designs: dict[str, dict[str, Expected]] = {}
    for c in cells:
        designs.setdefault(c.design, {})[c.property_name] = expected_of(c)
    return json.dumps({"bounds": bounds.counts(), "designs": designs}, indent=1) + "\n"


def write(path: Path, text: str) -> None:
    """Have the text in the file, all of it or as it was before. OSError."""
    path = path.resolve()
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")  # a device or a pipe has no earlier contents to keep
        return
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as beside:
        new = Path(beside, "new")
        new.write_text(text, encoding="utf-8")
        if path.exists():
            new.chmod(path.stat().st_mode & 0o777)
        new.replace(path)


def read(path: Path, bounds: type[Bounds]) -> Manifest:
    """Read a manifest of a protocol with such bounds. ManifestError names the file and the place."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        said = [f"{value(path)}: cannot be read: {error.strerror}", near_file(path)]
        raise ManifestError("; ".join(filter(None, said))) from None
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{value(path)}: is no JSON: {error}") from None
    if not isinstance(data, dict) or set(data) != {"bounds", "designs"}:
        raise ManifestError(f"{path}: should be an object with `bounds` and `designs`")
    _check(f"{path}: bounds", data["bounds"], dict.fromkeys(bounds.declared(), int))
    for design, cells in _object(f"{path}: designs", data["designs"]).items():
        for name, cell in _object(f"{path}: {design}", cells).items():
            _check(f"{path}: {design} {name}", cell, _CELL)
            for key, words in (("verdict", Verdict.__members__), ("proof", ("", *Verdict.__members__))):
                if cell[key] not in words:
                    raise ManifestError(
                        f"{path}: {design} {name}: {key} {cell[key]!r} is none of {', '.join(Verdict.__members__)}"
                    )
    return cast(Manifest, data)


_CELL: dict[str, type] = {"verdict": str, "proof": str, "vacuous": bool, "depth": int, "states": int}


def _object(where: str, data: object) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise ManifestError(f"{where}: should be an object, not {str(data)[:40]!r}")
    return data


def _check(where: str, data: object, types: dict[str, type]) -> None:
    """An object with these keys, and values of these types."""
    if not isinstance(data, dict) or {k: type(v) for k, v in data.items()} != types:
        wanted = ", ".join(f"{k} ({t.__name__})" for k, t in types.items())
        raise ManifestError(f"{where}: should be an object with {wanted}")


def differences(manifest: Manifest, cells: Iterable[Cell], bounds: Bounds) -> list[str]:
    """In what the cells differ from the manifest, a sentence each; cells that only one of them has included. Where no
    proof was tried, its word is not looked at."""
    if manifest["bounds"] != bounds.counts():
        return [f"the manifest is for the bounds {manifest['bounds']}, and these are {bounds.counts()}"]
    found = {(c.design, c.property_name): expected_of(c) for c in cells}
    wanted = {(d, p): e for d, each in manifest["designs"].items() for p, e in each.items()}
    out = []
    for key in sorted(found.keys() | wanted.keys()):
        where = f"{key[0]} {key[1]}"
        if key not in wanted:
            out.append(f"{where}: {found[key]['verdict']}, and the manifest does not have it")
        elif key not in found:
            out.append(f"{where}: {wanted[key]['verdict']} expected, and it was not checked")
        else:
            was, now = dict(wanted[key]), dict(found[key])
            keys = [k for k in was if was[k] != now[k] and (k != "proof" or now[k])]
            if keys:
                changed = ", ".join(f"{k} {was[k]} -> {now[k]}" for k in keys)
                out.append(f"{where}: not as expected: {changed}")
    return out
