"""What the checker says of many designs, kept as text, so that a change that means to change nothing can show it.

The record holds the registered designs, wrong designs and random variants: each with the verdict, the number of states
and transitions and the length of the trace for each property, and how often each transition was taken. It was written
by `python tests/support/record.py`, once. A change that changes a verdict or a count on purpose changes the record as
well: the lines that it means to change and no others.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from itertools import count, islice
from pathlib import Path
from random import Random
from typing import TypedDict

import click
from places import DATA
from variants import as_file, variant

from confsync import load
from confsync.model.engine.check import Examined, check
from confsync.model.engine.contract import check_contract
from confsync.model.engine.parallel import cores, side_by_side
from confsync.model.engine.verdict import Verdict
from confsync.model.language import Design, Operation
from confsync.model.libxl.designs import DESIGNS
from confsync.model.libxl.state import Bounds

WRONG = DATA / "wrong_designs"
"""Designs with one fault each, said in the first line of the file."""
NAMED, VARIANTS = (DATA / "record" / f"{name}.json" for name in ("named", "variants"))
SMALL = Bounds(slots=1, ejectable=1, configs=1, names=1, amounts=1, processes=2, crashes=1)
MANY = 200
"""How many variants there are."""
VARIED = (
    Bounds(slots=1, ejectable=0, configs=1, names=1, amounts=1, processes=2, crashes=0),
    Bounds(slots=0, ejectable=1, configs=1, names=1, amounts=1, processes=2, crashes=0),
    Bounds(slots=1, ejectable=0, configs=1, names=1, amounts=1, processes=2, crashes=1),
    Bounds(slots=0, ejectable=1, configs=2, names=1, amounts=1, processes=2, crashes=0),
    Bounds(slots=1, ejectable=0, configs=1, names=2, amounts=1, processes=2, crashes=0),
    Bounds(slots=1, ejectable=0, configs=1, names=1, amounts=2, processes=2, crashes=0),
    Bounds(slots=1, ejectable=1, configs=2, names=1, amounts=1, processes=1, crashes=1),
    Bounds(slots=1, ejectable=0, configs=2, names=2, amounts=2, processes=1, crashes=1),
    Bounds(slots=2, ejectable=0, configs=1, names=1, amounts=2, processes=1, crashes=1),
)
"""The bounds that variants are searched within, one after another."""


class Searched(TypedDict):
    """What a search of one design within bounds comes to, in words that a diff shows line by line."""

    bounds: dict[str, int]
    verdicts: dict[str, str]
    taken: dict[str, int]
    guards: dict[str, str]


class Varied(TypedDict):
    """The same of a variant, with its design file; of its coverage only the sums."""

    source: list[str]
    bounds: dict[str, int]
    verdicts: dict[str, str]
    covered: str


def wrong_designs() -> dict[str, Design]:
    """The designs of WRONG, by name."""
    return {name: design for path in sorted(WRONG.glob("*.py")) for name, design in load(path).items()}


def named() -> dict[str, tuple[Design, Bounds]]:
    """The registered designs and the wrong ones: within the default bounds, and within small ones."""
    designs = {**DESIGNS, **wrong_designs()}
    sizes = {"default": Bounds(), "small": SMALL}
    return {f"{name}, {size}": (design, bounds) for size, bounds in sizes.items() for name, design in designs.items()}


def verdicts(examined: Examined) -> dict[str, str]:
    """For each property the verdict, the length of the trace if there is one, and the size of the search."""
    return {
        c.property_name: f"{c.verdict.value}{f' in {c.depth} steps' if c.verdict is Verdict.REFUTED else ''}"
        f"{', vacuous' if c.vacuous else ''}: {c.states} states, {c.transitions} transitions"
        for c in examined.cells
    }


def searched(design: Design, bounds: Bounds) -> Searched:
    """The record of a named design."""
    found = check(design, bounds)
    return {
        "bounds": asdict(bounds),
        "verdicts": verdicts(found),
        "taken": {" ".join(place): count for place, count in sorted(found.taken.items())},
        "guards": {
            f"{operation}: {step}, guard {which}": " and ".join(map(str, sorted(values)))
            for (operation, step, which), values in sorted(found.guards.items())
        },
    }


def varied(source: list[str], bounds: Bounds, folder: Path) -> Varied:
    """The record of a variant, whose design file is written to the folder."""
    path = folder / "variant.py"
    path.write_text("\n".join(source) + "\n", encoding="utf-8")
    found = check(load(path)["variant"], bounds)
    both = sum(len(values) == 2 for values in found.guards.values())
    return {
        "source": source,
        "bounds": asdict(bounds),
        "verdicts": verdicts(found),
        "covered": f"{len(found.taken)} transitions taken {sum(found.taken.values())} times; "
        f"{both} of {len(found.guards)} guards true and false",
    }


def read_named() -> dict[str, Searched]:
    """The record of the named designs."""
    found: dict[str, Searched] = json.loads(NAMED.read_text(encoding="utf-8"))
    return found


def read_variants() -> dict[str, Varied]:
    """The record of the variants."""
    found: dict[str, Varied] = json.loads(VARIANTS.read_text(encoding="utf-8"))
    return found


def orders(design: Design) -> dict[str, Operation]:
    """A design without its name and page."""
    return dict(design.operations())


def main() -> None:
    """Write the record anew, with what the checker says now."""
    with tempfile.TemporaryDirectory() as scratch:
        found = (variant(Random(seed), check_contract) for seed in count())
        different = ((base, design) for base, design in found if orders(design) != orders(DESIGNS[base]))
        sources = [as_file(base, design).splitlines() for base, design in islice(different, MANY)]
        NAMED.parent.mkdir(exist_ok=True)
        _write(NAMED, {name: partial(searched, *of) for name, of in named().items()})
        _write(
            VARIANTS,
            {
                f"variant {i}": partial(_varied_apart, source, VARIED[i % len(VARIED)], Path(scratch, str(i)))
                for i, source in enumerate(sources)
            },
        )


def _varied_apart(source: list[str], bounds: Bounds, folder: Path) -> Varied:
    folder.mkdir()
    return varied(source, bounds, folder)


def _write(path: Path, work: Mapping[str, Callable[[], object]]) -> None:
    """Write the results of the work, done side by side, by its names."""
    pieces = list(work.values())
    with click.progressbar(length=len(pieces), label=path.stem, file=sys.stderr) as bar:
        results = list(
            side_by_side(
                len(pieces), cores(), lambda i, _report: pieces[i](), lambda _i, done: bar.update(0 if done else 1)
            )
        )
    path.write_text(json.dumps(dict(zip(work, results, strict=True)), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
