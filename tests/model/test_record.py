"""What the checker says of the registered designs, of wrong ones and of random variants is what the record says."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from record import MANY, VARIED, WRONG, named, orders, read_named, read_variants, searched, varied
from variants import as_file, variant

from confsync import load
from confsync.model.engine.contract import check_contract
from confsync.model.engine.verdict import Verdict
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.state import Bounds

VARIANTS = read_variants()
EACH = 20
"""Of so many variants one is searched for every change; all are in the deep tests."""


def of_size(size: str) -> list[object]:
    """The named designs of a size. `make verify` searches the registered ones: only one of them is for `make test`."""
    found = {n: n.removesuffix(f", {size}") for n in named() if n.endswith(f", {size}")}
    later = DESIGNS.keys() - {RECOMMENDED}
    return [pytest.param(n, marks=pytest.mark.deep if design in later else ()) for n, design in found.items()]


@pytest.mark.slow
@pytest.mark.parametrize("name", of_size("small"))
def test_the_designs_within_small_bounds(name: str) -> None:
    assert searched(*named()[name]) == read_named()[name]


@pytest.mark.deep
@pytest.mark.parametrize("name", of_size("default"))
def test_the_designs_within_the_default_bounds(name: str) -> None:
    assert searched(*named()[name]) == read_named()[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", list(VARIANTS)[::EACH])
def test_variants(name: str, tmp_path: Path) -> None:
    was = VARIANTS[name]
    assert varied(was["source"], Bounds(**was["bounds"]), tmp_path) == was


@pytest.mark.deep
@pytest.mark.parametrize("name", [n for i, n in enumerate(VARIANTS) if i % EACH])
def test_more_variants(name: str, tmp_path: Path) -> None:
    was = VARIANTS[name]
    assert varied(was["source"], Bounds(**was["bounds"]), tmp_path) == was


def test_the_record_holds_what_it_says() -> None:
    """Every registered design, every wrong one, two hundred variants, each property, and verdicts of both kinds."""
    wrong = {path.stem for path in WRONG.glob("*.py")}
    assert len(wrong) >= 7
    assert set(read_named()) == {f"{n}, {size}" for n in {*DESIGNS, *wrong} for size in ("default", "small")}
    assert len(VARIANTS) == MANY
    assert {tuple(v["bounds"].values()) for v in VARIANTS.values()} == {
        tuple(getattr(b, n) for n in Bounds.least()) for b in VARIED
    }
    for entry in (*read_named().values(), *VARIANTS.values()):
        words = {said.split(" ")[0].rstrip(":,") for said in entry["verdicts"].values()}
        assert words <= {Verdict.EXHAUSTED.value, Verdict.REFUTED.value}, "a search that was cut short is no record"
    assert len({"\n".join(v["source"]) for v in VARIANTS.values()}) > 150
    refuted = sum(any("REFUTED" in said for said in v["verdicts"].values()) for v in VARIANTS.values())
    assert refuted > 0


@pytest.mark.slow
def test_a_variant_is_what_its_design_file_says(tmp_path: Path) -> None:
    """What is kept is the design file; nothing of the variant is lost in it."""
    for seed in range(20):
        base, design = variant(Random(seed), check_contract)
        if orders(design) == orders(DESIGNS[base]):
            continue
        path = tmp_path / "variant.py"
        path.write_text(as_file(base, design), encoding="utf-8")
        assert orders(load(path)["variant"]) == orders(design)
