"""A design's proof: the invariant that was found, the obligations, and a word on each property.

PROVED needs every lemma and every claim of the property, and all obligations of the proof, each discharged from its
formulas alone. A property without a proof is searched for a counterexample; without that either it is UNKNOWN, and what
is missing is told (`confsync.proofs.prover.counterexample.triage`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from confsync.model.engine.verdict import Verdict
from confsync.model.language import Design, GivenLemma, LanguageError
from confsync.proofs.prover.carrier.relation import Relation
from confsync.proofs.prover.carrier.solver import RLIMIT, Apart
from confsync.proofs.prover.invariant.candidates import candidates
from confsync.proofs.prover.invariant.houdini import Broken, Strengthening
from confsync.proofs.prover.invariant.induction import Claim
from confsync.proofs.prover.invariant.lemma import Clause, Lemma, Names
from confsync.proofs.prover.invariant.samples import take
from confsync.proofs.prover.invariant.vocabulary import atoms, stated
from confsync.proofs.prover.obligation import Discharged, discharge, holds_at_first, obligations
from confsync.proofs.prover.properties import Arguments, Needed, needed

NO_ARGUMENTS: Arguments = {}
Tell = Callable[[str], object]
"""Told what is being done, in a few words."""


@dataclass(frozen=True)
class Proof:
    """What became of a design. `verdicts` has PROVED, or UNKNOWN: a proof refutes nothing by itself. `why` says what
    stood in the way of each property without a proof."""

    design: Design
    names: Names
    found: Strengthening
    needs: dict[str, Needed]
    discharged: tuple[Discharged, ...]
    verdicts: dict[str, Verdict]
    why: dict[str, Broken]
    unproved_given: dict[GivenLemma, str]
    """The author's lemmas that could not be shown, and why."""
    seconds: float
    phases: dict[str, float] = field(default_factory=dict)
    """Seconds, by what they were spent on."""

    @property
    def lemmas(self) -> list[Lemma]:
        """The invariant: all lemmas that were kept."""
        return list(self.found.needed)


def prove(
    design: Design,
    names: Iterable[str] | None = None,
    *,
    arguments: Arguments = NO_ARGUMENTS,
    rlimit: int = RLIMIT,
    tell: Tell = lambda _: None,
) -> Proof:
    """Prove properties of a design, for any number of everything. `rlimit`: resource units that the solver may take
    over one question. LanguageError if the design is no design, or a lemma
    of its author's is none."""
    began = time.perf_counter()
    clock: dict[str, float] = {}

    def done(phase: str, following: str) -> None:
        clock[phase] = time.perf_counter() - began - sum(clock.values())
        tell(following)

    tell("small states")
    relation = Relation(design)
    given = {lemma: _clause(relation, lemma) for lemma in design.lemmas}
    vocabulary = atoms(relation.program)
    samples = take(design, vocabulary)
    done("small states", "candidates")
    pool = candidates(relation.program, vocabulary, samples)
    done("candidates", "strengthening")
    found, apart = Strengthening(relation, pool, rlimit), Apart()
    properties = design.protocol.properties
    asked = properties if names is None else names
    needs = apart_by_name({name: needed(properties[name], found.induction, arguments) for name in asked})
    wanted = [x for n in needs.values() for x in n.lemmas] + list(given.values())
    found.offer(x for x in wanted if holds_at_first(found.induction, x, apart))
    claims = {c.name: c for n in needs.values() for c in n.claims}
    found.keep(wanted, claims.values())
    found.prune(wanted)
    done("strengthening", "obligations")
    say = Names(relation)
    discharged = tuple(discharge(o, rlimit=rlimit, apart=apart) for o in obligations(found, say))
    done("obligations", "")
    why = {name: broken for name, n in needs.items() if (broken := _broken(found, n))}
    verdicts = verdicts_of(needs, found, discharged)
    unproved = {lemma: _why_not(found, clause) for lemma, clause in given.items() if clause not in found.needed}
    return Proof(design, say, found, needs, discharged, verdicts, why, unproved, time.perf_counter() - began, clock)


def apart_by_name(needs: Mapping[str, Needed]) -> dict[str, Needed]:
    """The same, where a claim has a name of its own: one that another property has under this name, and that says
    something else, has the property's name with it. By its name a claim is shown or refused."""
    called: dict[str, Claim] = {}

    def own(name: str, claim: Claim) -> Claim:
        if _same(called.setdefault(claim.name, claim), claim):
            return claim
        return own(name, replace(claim, name=f"{claim.name} ({name})"))

    return {name: replace(n, claims=tuple(own(name, c) for c in n.claims)) for name, n in needs.items()}


def _same(one: Claim, other: Claim) -> bool:
    """Two claims say the same, of the same processes and elements."""
    terms = [
        [*(z for _, z in c.given), c.fails, *(z for use in c.uses for z in (use.process, use.k))] for c in (one, other)
    ]
    alike = len(terms[0]) == len(terms[1]) and all(a.eq(b) for a, b in zip(*terms, strict=True))
    return alike and [use.points for use in one.uses] == [use.points for use in other.uses]


def verdicts_of(
    needs: Mapping[str, Needed], found: Strengthening, discharged: Iterable[Discharged]
) -> dict[str, Verdict]:
    """The verdict on each property. PROVED: it has lemmas or claims, its lemmas are all kept, none of its claims is
    refused, and every obligation of the proof is discharged, since each lemma rests on the others. UNKNOWN: anything
    else."""
    sound = all(d.verdict is Verdict.PROVED for d in discharged)

    def shown(n: Needed) -> bool:
        if n.missing or not (n.lemmas or n.claims):
            return False
        return all(x in found.needed for x in n.lemmas) and not any(c.name in found.refused for c in n.claims)

    return {name: Verdict.PROVED if sound and shown(n) else Verdict.UNKNOWN for name, n in needs.items()}


def _clause(relation: Relation, given: GivenLemma) -> Clause:
    """An author's lemma as one of the proof's. LanguageError names what is wrong with it."""
    where = f"design `{relation.design.name}`, lemma `{given.words}`"
    if given.at and given.at not in relation.names:
        raise LanguageError(f"{where}: there is no location `{given.at}`; there are {', '.join(relation.names[1:])}")
    point = relation.names.index(given.at) if given.at else None
    atom = stated(relation.protocol, given.words, given.holds)
    live = relation.program.live_locals[point] if point else set(relation.protocol.held)
    if strangers := sorted(atom.local - live):
        at = f"at {given.at}" if given.at else "wherever a process is"
        raise LanguageError(
            f"{where}: `me.{strangers[0]}` means nothing {at}: name a location where it does, with at=..."
        )
    return Clause(point, ((atom, True),))


def _broken(found: Strengthening, needs: Needed) -> Broken | None:
    """What first stands in a property's way."""
    lemmas = (found.broken[x] for x in needs.lemmas if x in found.broken)
    return next(lemmas, None) or next((found.refused[c.name] for c in needs.claims if c.name in found.refused), None)


def _why_not(found: Strengthening, lemma: Clause) -> str:
    broken = found.broken.get(lemma)
    if broken is None:
        return "it does not hold in the initial state"
    if broken.model is None:
        return f"the solver came to no answer: {broken.unknown}"
    return f"it can be broken by `{broken.step.name if broken.step else ''}`"
