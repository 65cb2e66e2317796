"""What has to be shown for each property to hold in every size: which lemmas, and what else follows from lemmas."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from confsync.model.language import (
    AloneInvariant,
    AnswerInvariant,
    FixedPoint,
    Invariant,
    Linearizable,
    LockOrderAcyclic,
    LocksExclusive,
    Property,
    Terminates,
)
from confsync.proofs.prover import answers, locks
from confsync.proofs.prover.invariant.induction import Claim, Induction
from confsync.proofs.prover.invariant.lemma import Clause, Exclusive, Lemma
from confsync.proofs.prover.invariant.vocabulary import stated

Arguments = Mapping[str, Callable[[Induction], tuple[Claim, ...]]]
"""By property, what it follows from: for properties of a form that the prover has no argument of its own for."""


@dataclass(frozen=True, slots=True)
class Needed:
    """A property is proved by these lemmas and these claims, all of them. `missing`: why there is no such argument."""

    lemmas: tuple[Lemma, ...] = ()
    claims: tuple[Claim, ...] = ()
    missing: str = ""


def needed(p: Property, induction: Induction, arguments: Arguments) -> Needed:  # noqa: PLR0911 - one for each form
    """What a property needs."""
    protocol = induction.relation.protocol
    if p.name in arguments:
        return Needed(claims=arguments[p.name](induction))
    match p:
        case Invariant():
            return Needed((Clause(None, ((stated(protocol, p.name, lambda s, _me, k: p.holds(s, k)), True),)),))
        case AnswerInvariant():
            return Needed(answers.usable(induction, p))
        case Linearizable():
            return Needed(claims=answers.exact(induction))
        case AloneInvariant():
            return Needed(claims=answers.alone(induction, p))
        case FixedPoint():
            return Needed(claims=answers.fixed_point(induction, p))
        case LocksExclusive():
            return Needed(tuple(map(Exclusive, protocol.holders)), () if protocol.locks else (locks.no_lock(),))
        case LockOrderAcyclic():
            return Needed(claims=locks.acyclic(induction))
        case Terminates():
            return Needed(claims=(*locks.somebody_goes_on(induction), *locks.somebody_begins(induction)))
        case _:
            return Needed(missing=f"the prover has no argument for it: it is decided {p.decided}, within bounds")
