"""What the prover says of many designs, kept as text: the same as `record.py` does for the search.

For the registered designs and the wrong ones the record holds the word on each property, every lemma of the invariant
and what became of every obligation, one a line. For some of the random variants it holds the words on the properties,
and the number and a digest of the lemmas and of the obligations.

Each design is proved in a process of its own, because what Z3 answers can depend on what was built before in the same
process: an invariant that was found later can be another one. Nothing in the record is a count of Z3's work.

    python tests/support/record_proofs.py           prove what the record lacks, and add it
    python tests/support/record_proofs.py --anew    prove everything again
    python tests/support/record_proofs.py NAME      print what the record would hold of one design
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TypedDict, cast

import click
from places import DATA
from record import read_named, read_variants, wrong_designs

from confsync import load
from confsync.model.engine.verdict import Verdict
from confsync.model.language import Design
from confsync.model.libxl.designs import DESIGNS
from confsync.model.libxl.properties import PROPERTIES
from confsync.proofs.libxl.arguments import ARGUMENTS
from confsync.proofs.prover.obligation import Discharged
from confsync.proofs.prover.proof import Proof, prove

PROOFS = DATA / "record" / "proofs.json"
EVERY = 8
"""Of the variants of `record.py` every so many is proved: each takes some 15 s."""


class Proved(TypedDict):
    """What a proof of one design comes to, in words that a diff shows line by line. Of a variant `invariant` and
    `obligations` are one line each: their number and a digest."""

    properties: dict[str, str]
    invariant: list[str]
    obligations: list[str]


def names() -> list[str]:
    """The designs whose proofs the record holds: the registered ones, the wrong ones, some of the variants."""
    return [*DESIGNS, *wrong_designs(), *list(read_variants())[::EVERY]]


def is_variant(name: str) -> bool:
    """Whether it is the name of a variant of `record.py`."""
    return name.startswith("variant ")


def design_of(name: str) -> Design:
    """The design of a name in the record."""
    if not is_variant(name):
        return {**DESIGNS, **wrong_designs()}[name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "variant.py")
        path.write_text("\n".join(read_variants()[name]["source"]) + "\n", encoding="utf-8")
        return load(path)["variant"]


def refuted(name: str) -> set[str]:
    """The properties of a design that the search refutes, by its record."""
    entry = read_variants()[name] if is_variant(name) else read_named()[f"{name}, default"]
    return {p for p, said in entry["verdicts"].items() if said.startswith(Verdict.REFUTED.value)}


def proved_here(name: str) -> Proved:
    """The record of a design, proved in this process."""
    proof, by_search = prove(design_of(name), arguments=ARGUMENTS), refuted(name)
    invariant = sorted(map(proof.names, proof.lemmas))
    obligations = sorted(f"{d.obligation.title}: {_became(d)}" for d in proof.discharged)
    return {
        "properties": {p: _word(proof, p, by_search) for p in PROPERTIES},
        "invariant": _digest("lemmas", invariant) if is_variant(name) else invariant,
        "obligations": _digest("obligations", obligations) if is_variant(name) else obligations,
    }


def _word(proof: Proof, name: str, by_search: set[str]) -> str:
    """PROVED; or that the search refutes the property, or nothing is known of it, and what the proof lacks."""
    if proof.verdicts[name] is Verdict.PROVED:
        return Verdict.PROVED.value
    lacks = [proof.names(x) for x in proof.needs[name].lemmas if x not in proof.found.needed]
    lacks += [c.name for c in proof.needs[name].claims if c.name in proof.found.refused]
    word = Verdict.REFUTED.value if name in by_search else "OPEN"
    return f"{word}; not shown: {'; '.join(sorted(lacks)) or 'an obligation of the proof'}"


def _became(discharged: Discharged) -> str:
    """What became of an obligation. One whose premises contradict each other is vacuous."""
    vacuous = {True: "", False: ", vacuous", None: ", vacuous or not"}[discharged.possible]
    return f"{discharged.verdict.value}{vacuous}{f': {discharged.unknown}' if discharged.unknown else ''}"


def _digest(what: str, lines: list[str]) -> list[str]:
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return [f"{len(lines)} {what}, SHA-256 {digest[:16]}"]


def proved_apart(name: str) -> Proved:
    """The record of a design, proved in a process of its own."""
    run = subprocess.run([sys.executable, __file__, name], capture_output=True, text=True, check=False)
    assert not run.returncode, run.stderr
    return cast(Proved, json.loads(run.stdout))


def read_proofs() -> dict[str, Proved]:
    """The record of the proofs."""
    return cast("dict[str, Proved]", json.loads(PROOFS.read_text(encoding="utf-8"))) if PROOFS.exists() else {}


@click.command()
@click.argument("name", required=False)
@click.option("--anew", is_flag=True, help="Prove everything again, and not only what the record lacks.")
def main(name: str | None, anew: bool) -> None:
    """Print what the record would hold of the design NAME; without NAME, write the record."""
    if name:
        click.echo(json.dumps(proved_here(name)))
        return
    found = {} if anew else read_proofs()
    for each in names():
        if each not in found:
            click.echo(each, err=True)
            found[each] = proved_apart(each)
            ordered = {n: found[n] for n in names() if n in found}
            PROOFS.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
