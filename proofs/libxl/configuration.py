"""What a retrieve returns, held against what the domain is: the properties that are not over the stores alone.

The domain's configuration is what was attached at each slot, its name and its memory target.
"""

from __future__ import annotations

from typing import Any

import z3

from confsync.model.engine.program import Kind
from confsync.model.engine.search.exact import last_read
from confsync.model.language import MADE_UP
from confsync.model.libxl.state import RESULT
from confsync.proofs.prover.alone import nothing, quiescent, run
from confsync.proofs.prover.carrier.terms import CONFIGS, Z3Cells, negation
from confsync.proofs.prover.invariant.induction import Claim, Induction, Step

PARTS = dict(zip(RESULT, ("xenstore", "name", "memory"), strict=True))
"""What each part of a result is the answer about."""


def _differs(answer: Z3Cells, truth: Z3Cells, k: Any) -> Any:
    """A result is not what the domain is, at a slot or in a knob."""
    draft, name, memory = RESULT
    return z3.Or(
        answer.values[draft](k) != truth.values[PARTS[draft]](k),
        *(answer.values[knob] != truth.values[PARTS[knob]] for knob in (name, memory)),
    )


def exact(ind: Induction) -> tuple[Claim, ...]:
    """`retrieve_is_exact`: when its last part is read the result is what the domain is, and no later step changes it.
    That moment is the linearization point."""
    point = last_read(ind.relation.program)
    transition = next(t for t in ind.relation.transitions if t.label.point == point and t.label.kind is Kind.STEP)
    step, after = Step(ind, transition), transition.after
    wrong = z3.Or(negation(after.shared.values["alive"]), _differs(after.local, after.shared, ind.k))
    return (Claim(f"the result is exact at {ind.relation.names[point]}", tuple(step.given), wrong, step.uses),)


def knobs(ind: Induction) -> tuple[Claim, ...]:
    """`knobs_are_reflected`: where no operation is at work, a retrieve that succeeds returns the name that the domain
    has and the memory target that the hypervisor grants (unless one is torn)."""
    given, uses = quiescent(ind)
    now = ind.relation.shared
    ran = run(ind.relation, "retrieve", now, {})
    assert ran.answer
    name, memory = (ran.answer.values[r] for r in RESULT[1:])
    wrong = z3.Or(
        name != now.values["name"],
        z3.And(memory != now.values["granted"], negation(now.values["torn"])),
    )
    returns = ("a retrieve succeeds", z3.And(now.values["alive"], *ran.passes))
    return (Claim("a retrieve alone returns the knobs", (*given, returns), wrong, uses),)


def fixed_point(ind: Induction) -> tuple[Claim, ...]:
    """`retrieve_is_a_fixed_point`: where no operation is at work and a retrieve succeeds, a domain created from its
    result is created, is the same, and is retrieved the same."""
    given, uses = quiescent(ind)
    now, relation = ind.relation.shared, ind.relation
    first = run(relation, "retrieve", now, {})
    assert first.answer
    created = run(relation, "create", nothing(relation), {r: first.answer.values[r] for r in RESULT})
    again = run(relation, "retrieve", created.shared, {})
    assert again.answer
    draft, name, memory = RESULT
    wrong = z3.Or(
        first.answer.values[draft](ind.k) == CONFIGS[MADE_UP],
        negation(z3.And(*created.passes, *again.passes, created.shared.values["alive"])),
        created.shared.values["xenstore"](ind.k) != now.values["xenstore"](ind.k),
        *(created.shared.values[PARTS[r]] != now.values[PARTS[r]] for r in (name, memory)),
        again.answer.values[draft](ind.k) != first.answer.values[draft](ind.k),
        *(again.answer.values[r] != first.answer.values[r] for r in (name, memory)),
    )
    returns = ("a retrieve succeeds", z3.And(now.values["alive"], *first.passes))
    return (Claim("a domain created from the result is the same", (*given, returns), wrong, uses),)
