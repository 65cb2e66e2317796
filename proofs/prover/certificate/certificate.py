"""Certificates: a proof written down, for others to check with any solver and without our code.

A certificate is a folder. It is written beside its place and then moved there, so it is there as a whole or not at all.
What it holds and what is to be trusted: `docs/certificates.md`.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import z3

from confsync.model.language import Design
from confsync.proofs.prover.carrier.relation import Relation
from confsync.proofs.prover.certificate.smtlib import SAYS, Answer, Script, answers, scripts
from confsync.proofs.prover.certificate.system import System
from confsync.proofs.prover.invariant.lemma import Lemma
from confsync.proofs.prover.obligation import Kind
from confsync.proofs.prover.proof import Proof

FORMAT, VERSION = "confsync certificate", 2
"""What `index.json` begins with."""
FOLDER = "obligations"
BY_THE_FRAME = "by the frame"
"""How a transition is shown of which there is no obligation: it writes nothing that a lemma speaks of."""
CONTENTS = {"README.md", "index.json", "check.sh", "check.py", FOLDER}
READER = Path(__file__).with_name("certificate_reader.py")
"""What checks a certificate without confsync; each has a copy."""
"""All that is in a certificate's folder."""


class CertificateError(Exception):
    """A certificate can't be written where it was asked for."""


def write_certificate(proof: Proof, directory: Path) -> Path:
    """Write a proof's certificate, in the place of an older one if there is one. -> the folder. CertificateError if
    something else is there, or nothing can be written there."""
    directory = may_write(directory)
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory.parent, prefix=f".{directory.name}.") as beside:
            new, old = Path(beside, "new"), Path(beside, "old")
            _write(proof, new)
            try:
                if directory.exists():
                    directory.rename(old)
                new.rename(directory)
            except BaseException:
                if old.exists() and not directory.exists():
                    old.rename(directory)
                raise
    except OSError as error:
        raise _unwritable(directory, error) from None
    return directory


def may_write(directory: Path) -> Path:
    """The folder, links followed, if a certificate may be written there as far as can be told without writing: to be
    asked before a long proof. CertificateError as `write_certificate`."""
    try:
        directory = directory.resolve()
        there = next(p for p in (directory, *directory.parents) if p.exists())
        if not there.is_dir():
            raise CertificateError(f"{there}: is a file: name a folder for the certificate")
        if there == directory and any(there.iterdir()) and not _is_certificate(there):
            raise CertificateError(f"{there}: holds something else than a certificate: name a new or an empty folder")
    except (OSError, RuntimeError) as error:
        raise _unwritable(directory, error) from None
    writable = directory.parent if there == directory else there
    if not os.access(writable, os.W_OK | os.X_OK):
        raise CertificateError(f"{directory}: nothing can be written in {writable}: name another folder")
    return directory


def _unwritable(directory: Path, error: Exception) -> CertificateError:
    why = (error.strerror if isinstance(error, OSError) else None) or error
    return CertificateError(f"{directory}: the certificate can't be written: {why}: name another folder")


def _is_certificate(directory: Path) -> bool:
    """It is one of ours, and nothing was added that would be lost with it."""
    if not {p.name for p in directory.iterdir()} <= CONTENTS:
        return False
    try:
        index = json.loads((directory / "index.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(index, dict) and index.get("format") == FORMAT


def _write(proof: Proof, folder: Path) -> None:
    (folder / FOLDER).mkdir(parents=True)
    written = list(scripts(proof))
    for script in written:
        (folder / FOLDER / script.file).write_text(script.text, encoding="ascii")
    index = json.dumps(index_of(proof, written), indent=2, ensure_ascii=False)
    (folder / "index.json").write_text(index + "\n", encoding="utf-8")
    (folder / "README.md").write_text(_readme(proof, written), encoding="utf-8")
    (folder / "check.sh").write_text(CHECK, encoding="ascii")
    (folder / "check.sh").chmod(folder.stat().st_mode & 0o777)
    (folder / "check.py").write_bytes(READER.read_bytes())


def _path(script: Script) -> str:
    return f"{FOLDER}/{script.file}"


def index_of(proof: Proof, written: list[Script]) -> dict[str, object]:
    """All that `index.json` says; its schema is `proofs/prover/certificate/certificate.schema.json`."""
    names, relation = proof.names, proof.found.induction.relation
    numbers = {lemma: i + 1 for i, lemma in enumerate(proof.lemmas)}
    system = System(proof.found.induction)
    index: dict[str, object] = {
        "format": FORMAT,
        "version": VERSION,
        "solver": f"Z3 {z3.get_version_string()}",
        "design": {
            "name": proof.design.name,
            "says": proof.design.says.strip(),
            "operations": list(_operations(proof.design)),
            "steps": dict(_steps(relation)),
        },
        "locations": ["idle", *relation.names[1:]],
        "transitions": list(_transitions(proof, written, system)),
        "properties": [_property(proof, name, numbers, written) for name in proof.verdicts],
        "invariant": [
            {
                "number": number,
                "at": names.where(lemma),
                "says": names.says(lemma),
                "formula": system.lemma(lemma),
                "assumed_in": [_path(s) for s in written if lemma in s.uses],
            }
            for lemma, number in numbers.items()
        ],
        "claims": [system.claim(c) for c in proof.found.claims if c.name not in proof.found.refused],
        "obligations": [_obligation(s, numbers) for s in written],
    }
    return index | {"system": system.of_all()}


def _operations(design: Design) -> Iterator[dict[str, object]]:
    for name, operation in design.operations():
        yield {
            "name": name,
            "steps": [str(s) for s in operation.steps],
            "clean_up": [{"once": str(u.of), "steps": [str(s) for s in u.steps]} for u in operation.clean_up],
        }


def _steps(relation: Relation) -> Iterator[tuple[str, dict[str, bool]]]:
    """What has to be known of a step to tell which transitions there are: whether a guard of it refuses, whether one
    waits, and whether the outside can make it fail."""
    for step, touched in relation.program.footprints.items():
        yield str(step), {"refuses": touched.refuses, "waits": touched.waits, "may_fail": step.may_fail}


def _transitions(proof: Proof, written: list[Script], system: System) -> Iterator[dict[str, object]]:
    """Every transition of the design, so that none can be left out unseen."""
    locations = proof.found.induction.relation.names
    shown = {s.of.obligation.name: _path(s) for s in written if s.of.obligation.kind is Kind.CONSECUTION}
    for step in proof.found.steps:
        t = step.transition
        yield {
            "name": t.name,
            "from": locations[step.here] if step.here else "idle",
            "to": locations[t.goes_to] if t.goes_to else "idle",
            "writes": [*sorted(t.writes_shared), *(f"my {name}" for name in sorted(t.writes_local))],
            "asked": system.asked(step),
            "guards": system.texts(t.guards),
            "updates": system.updates(step),
            "shown": shown[t.name] if proof.found.goals(step) else BY_THE_FRAME,
        }


def _property(proof: Proof, name: str, numbers: dict[Lemma, int], written: list[Script]) -> dict[str, object]:
    """A property, its verdict, and what it was to be shown by. What could not be shown has no number and no file."""
    needs, verdict = proof.needs[name], proof.verdicts[name]
    claims = {s.of.obligation.name: _path(s) for s in written if s.of.obligation.kind is Kind.SAFETY}
    return {
        "name": name,
        "statement": proof.design.protocol.properties[name].statement,
        "verdict": verdict.value,
        "words": verdict.words,
        "lemmas": [{"says": proof.names(lemma), "number": numbers.get(lemma)} for lemma in needs.lemmas],
        "claims": [{"says": claim.name, "shown": claims.get(claim.name)} for claim in needs.claims],
    }


def _obligation(script: Script, numbers: dict[Lemma, int]) -> dict[str, object]:
    d = script.of
    named = [name for name, _ in (*d.obligation.premises, *d.obligation.lemmas)]
    possible = script.expected.possible
    return {
        "file": _path(script),
        "kind": d.obligation.kind.value,
        "name": d.obligation.name,
        "expected": f"{'any' if possible is Answer.UNKNOWN else possible} {script.expected.fails}",
        "answered": f"{answers(d).possible} {answers(d).fails}",
        "seconds": round(d.seconds, 6),
        "core": [name for name in dict.fromkeys(named) if name in d.core],
        "shows": [numbers[lemma] for lemma in script.shows],
    }


def _readme(proof: Proof, written: list[Script]) -> str:
    """The page that a certificate begins with."""
    impossible = sum(s.expected.possible is Answer.UNSAT for s in written)
    by_frame = len(proof.found.steps) - sum(s.of.obligation.kind is Kind.CONSECUTION for s in written)
    verdicts = "\n".join(f"| {name} | {verdict.value} | {verdict.words} |" for name, verdict in proof.verdicts.items())
    kinds = "\n".join(
        f"| {kind.value} | {sum(s.of.obligation.kind is kind for s in written)} | {says} |"
        for kind, says in SAYS.items()
    )
    return README.format(
        design=proof.design.name,
        verdicts=verdicts,
        lemmas=len(proof.lemmas),
        files=len(written),
        kinds=kinds,
        transitions=len(proof.found.steps),
        by_frame=by_frame,
        impossible=impossible,
    )


README = """# A proof of the design `{design}`

For any number of everything: elements, values, processes, operations and deaths. To check it, with a solver that reads
SMT-LIB 2 and answers more than one question a file:

    python3 check.py z3
    sh check.sh z3
    sh check.sh cvc5 --incremental

| property | verdict | |
|---|---|---|
{verdicts}

PROVED is what is certified here. UNKNOWN says only that this proof does not show it.

The proof is by induction. `index.json` has the invariant: {lemmas} lemmas that hold in every state that can be reached.
There are {files} obligations, each a file in `obligations/` that stands by itself:

| kind | how many | what each says |
|---|---|---|
{kinds}

A file asks two questions. The first is whether what is assumed can be so at all, with the whole invariant; for
{impossible} of them it can't, they are about steps that are never taken. The second is whether the obligation can fail:
`unsat` means that it holds. `check.sh` holds the answers against those in `index.json`, and sees to it that no file is
missing or left over. It needs a POSIX shell and `awk`.

## What you have to trust, besides your solver

* That the obligations are those of the design. Its operations are in `index.json` as orders of steps, and below them
  all {transitions} transitions: where each begins and ends, what it writes, and the obligation that is about it. For
  {by_frame} of them there is none (`by the frame`): they write nothing that a lemma speaks of, and end where none is
  about. In a transition's file the step's guards are under "What is known", and what it writes stands in place of the
  old value in "it fails". Take any, and hold it against the step.
* That each obligation shows all it has to, or `check.py`, which derives that from the orders of steps.
* That the lemmas and claims that `index.json` lists for a property amount to it.
"""

CHECK = r"""#!/bin/sh
# Run a solver on every obligation, and hold its answers against those that index.json expects.
#   sh check.sh [SOLVER [OPTION...]]      the solver gets a file's name after its options; z3 if none is named
# Exit code: 0 all is as expected; 1 something is not; 2 there is no such solver.
set -fu
LC_ALL=C
export LC_ALL
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) || exit 2
[ $# -gt 0 ] || set -- z3
command -v "$1" >/dev/null 2>&1 || {
    echo "check.sh: there is no solver '$1' here: sh check.sh /path/to/a/solver [OPTION...]" >&2
    exit 2
}

# A line for each obligation: its file, and the two answers expected.
expected=$(awk -F'"' '$2 == "file" { file = $4 } $2 == "expected" { print file, $4 }' "$here/index.json")
wrong=0 files=0

different() {
    wrong=$((wrong + 1))
    echo "$1"
}

listed=$(echo "$expected" | cut -d ' ' -f 1)
there=$(cd "$here" && find obligations ! -type d)
named=$(awk -F'"' '{ for (i = 2; i <= NF; i++) if ($i ~ /^obligations\//) print $i }' "$here/index.json")
for file in $({ printf '%s\n' $there $named | sort -u; printf '%s\n' $listed $listed; } | sort | uniq -u); do
    different "$file: it is not among the obligations of index.json"
done

while read -r file first second; do
    [ -n "$file" ] || continue
    files=$((files + 1))
    if [ ! -f "$here/$file" ]; then
        different "$file: there is no such file"
        continue
    fi
    answers=$(echo $("$@" "$here/$file" </dev/null 2>&1))
    case "$first $answers" in
    "any sat "* | "any unsat "* | "any unknown "*) answers="any ${answers#* }" ;;
    esac
    [ "$answers" = "$first $second" ] || different "$file: '$answers' where '$first $second' is expected"
done <<END
$expected
END

[ "$files" -gt 0 ] || different "index.json: it names no obligations"
echo "$files obligations, $wrong differences"
[ "$wrong" -eq 0 ]
"""
