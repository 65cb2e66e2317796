"""What has to be shown for each property to hold in every size: which lemmas, and what else follows from lemmas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from confsync.model.language import MADE_UP
from confsync.model.libxl.properties import PROPERTIES
from confsync.model.libxl.state import LOCKS
from confsync.proofs.libxl import configuration
from confsync.proofs.libxl.recovery import recoverable
from confsync.proofs.prover import locks
from confsync.proofs.prover.invariant.induction import Claim, Induction
from confsync.proofs.prover.invariant.lemma import Clause, Exclusive, Lemma
from confsync.proofs.prover.invariant.vocabulary import stated


@dataclass(frozen=True, slots=True)
class Needed:
    """A property is proved by these lemmas and these claims, all of them."""

    lemmas: tuple[Lemma, ...] = ()
    claims: tuple[Claim, ...] = ()


def needed(name: str, induction: Induction) -> Needed:
    """What a property needs."""
    over = PROPERTIES[name].holds
    if over:
        return Needed((Clause(None, ((stated(name, lambda s, _me, k: over(s, k)), True),)),))
    return _OTHERS[name](induction)


def _never_degraded(ind: Induction) -> Needed:
    program = ind.relation.program
    made_up = stated("the result has no made-up entry", lambda _s, me, k: me.draft[k] != MADE_UP)
    points = [n for n in range(1, len(program.points)) if program.answers(n)]
    return Needed(tuple(Clause(n, ((made_up, True),)) for n in points))


def _by(*claims: Callable[[Induction], tuple[Claim, ...]]) -> Callable[[Induction], Needed]:
    return lambda ind: Needed(claims=tuple(c for each in claims for c in each(ind)))


_OTHERS: dict[str, Callable[[Induction], Needed]] = {
    "retrieve_is_exact": _by(configuration.exact),
    "retrieve_never_degraded": _never_degraded,
    "knobs_are_reflected": _by(configuration.knobs),
    "retrieve_is_a_fixed_point": _by(configuration.fixed_point),
    "lock_is_exclusive": lambda _: Needed(tuple(map(Exclusive, LOCKS))),
    "lock_order_is_acyclic": _by(locks.acyclic),
    "always_recoverable": _by(recoverable),
    "every_operation_ends": _by(locks.somebody_goes_on, locks.somebody_begins),
}
