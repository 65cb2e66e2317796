"""`always_recoverable`, in every size: a way back from every state in which no operation is at work.

The argument is a ranking. A domain that is half created or half destroyed can be destroyed, or made to run. Where there
is none, nothing is left of any, or one can be created that runs. Where one runs, count what does not agree: slots, and
the memory target. For each of these there is a short sequence of operations that mends it, breaks nothing that agrees,
and leaves the domain running; so, one after the other, the count falls to none. The lock is free wherever no operation
is at work, and that is full agreement.

Sequences are not written down here: all short ones are run on terms, and a claim says that one of them always does.
Which one may depend on the state and on what is mended, but not on what is to be left in peace: so each sequence has a
slot of its own that it could break. Operations are asked with anything that a user can give: there is a sequence for
every choice of it. One that is refused counts for nothing, though what it did before that, or its clean-up, could help:
where a design recovers by nothing else, these claims are not enough.

Assumed is what the property grants, that the operations of a recovery run one after another without failing or dying;
and that a domain has finitely many slots, so that they can be counted. What is claimed of every state in which no
operation is at work holds of those on the way back too, for they are reached by operations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import z3

from confsync.model.language import Bool, Signature, all_of, any_of, implies, neg
from confsync.model.libxl.ghosts import names_every_slot
from confsync.model.libxl.operations import SIGNATURES
from confsync.model.libxl.recovery import may_be_destroyed, memory_agrees, runs, slot_agrees, whole_agrees
from confsync.model.libxl.state import Shared
from confsync.proofs.prover.alone import asked_with, quiescent, run
from confsync.proofs.prover.carrier.relation import Relation, View
from confsync.proofs.prover.carrier.terms import Z3Cells, Z3Term, formula
from confsync.proofs.prover.invariant.induction import Claim, Induction

LONGEST = 2
"""The most operations of a sequence."""
About = Callable[[Signature], bool]


@dataclass(frozen=True, slots=True)
class Sequence:
    """Operations run alone, one after another. All of them succeed where `passes` holds, and then leave `shared`."""

    operations: tuple[str, ...]
    passes: Bool
    shared: Z3Cells

    @property
    def after(self) -> Shared:
        return Shared(self.shared)

    def leads_to(self, *wanted: Bool) -> Bool:
        """All of its operations succeed, and then these are so."""
        return all_of(self.passes, *wanted)

    def then(self, relation: Relation, name: str, arguments: Mapping[str, Any]) -> Sequence:
        """This sequence and one more operation. A domain is destroyed only where it may be."""
        ran = run(relation, name, self.shared, arguments)
        allowed = may_be_destroyed(self.after) if name == "destroy" else True
        return Sequence((*self.operations, name), all_of(self.passes, allowed, *map(Z3Term, ran.passes)), ran.shared)


def operations(about: About) -> list[str]:
    """The operations that are about something, by their signatures."""
    return [name for name, signature in SIGNATURES.items() if about(signature)]


def sequences(relation: Relation, about: About, arguments: Mapping[str, Any]) -> list[Sequence]:
    """All short sequences of the operations that are `about` something, with these arguments and any others."""
    found, longest = list[Sequence](), [Sequence((), True, relation.shared)]
    for _ in range(LONGEST):
        longest = [q.then(relation, name, arguments) for q, name in product(longest, operations(about))]
        found += longest
    return found


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a domain that can be out of agreement, and which operations are about it."""

    name: str
    agrees: Callable[[Shared], Bool]
    about: About
    arguments: Mapping[str, Any] = field(default_factory=dict)


def parts(ind: Induction) -> tuple[Part, ...]:
    """Any slot `k`, of either kind, and the memory target. Of which kind it is follows from what is asked about it."""

    def agrees(s: Shared) -> Bool:
        return slot_agrees(s, Z3Term(ind.k))

    return (
        Part("a slot", agrees, lambda signature: signature.kind("slot") == "ordinary", {"slot": ind.k}),
        Part("a drive", agrees, lambda signature: signature.kind("slot") == "ejectable", {"slot": ind.k}),
        Part("the memory target", memory_agrees, lambda signature: "amount" in signature.takes),
    )


def recoverable(ind: Induction) -> tuple[Claim, ...]:
    """What the argument rests on: that there is a way on from half a domain, from none, and for each part of one."""
    unlocked = _claim(ind, "where no operation is at work the lock is free", {}, Shared(ind.relation.shared).locked)
    return (unlocked, *_from_what_does_not_run(ind), *(_mended(ind, part) for part in parts(ind)))


def _claim(ind: Induction, name: str, given: Mapping[str, Bool], fails: Bool) -> Claim:
    """Where no operation is at work and `given` is so, `fails` is not."""
    now, uses = quiescent(ind)
    return Claim(name, (*now, *((words, formula(c)) for words, c in given.items())), formula(fails), uses)


def _asked(ind: Induction, about: About, arguments: Mapping[str, Any]) -> dict[str, Bool]:
    """What is known of the operations' arguments."""
    relation, found = ind.relation, dict[str, Bool]()
    for name in operations(about):
        view = View(relation.protocol, relation.shared, asked_with(relation, name, arguments))
        known = relation.asked(relation.program.first[name], view, Z3Term(ind.k))
        found[f"what {name} is asked with"] = Z3Term(known)
    return found


def _from_what_does_not_run(ind: Induction) -> tuple[Claim, Claim]:
    """From half a domain, and from none. Whether one can be created does not depend on the slot `k`."""
    s = Shared(ind.relation.shared)
    ways = sequences(ind.relation, names_every_slot, {})
    asked = _asked(ind, names_every_slot, {})
    gone = any_of(*(q.leads_to(neg(q.after.alive)) for q in ways))
    running = any_of(*(q.leads_to(runs(q.after)) for q in ways))
    nothing_left = all_of(slot_agrees(s, Z3Term(ind.k)), memory_agrees(s), whole_agrees(s))
    return (
        _claim(
            ind,
            "half a domain can be destroyed, or made to run",
            {"there is half a domain": all_of(s.alive, neg(runs(s))), **asked},
            neg(any_of(gone, running)),
        ),
        _claim(
            ind,
            "where there is no domain nothing is left of any, or one can be created",
            {"there is no domain": neg(s.alive), **asked},
            neg(any_of(nothing_left, running)),
        ),
    )


def _mended(ind: Induction, part: Part) -> Claim:
    """Where a domain runs, a part of it agrees, or some sequence mends it and breaks nothing else."""
    s, mended = Shared(ind.relation.shared), list[Bool]()
    for q in sequences(ind.relation, part.about, part.arguments):
        other = Z3Term(z3.Const(f"slot that [{', '.join(q.operations)}] leaves in peace", ind.relation.index))
        peace = (
            implies(slot_agrees(s, other), slot_agrees(q.after, other)),
            implies(memory_agrees(s), memory_agrees(q.after)),
        )
        mended.append(q.leads_to(part.agrees(q.after), runs(q.after), *peace))
    return _claim(
        ind,
        f"where a domain runs {part.name} agrees, or can be mended",
        {"a domain runs": runs(s), **_asked(ind, part.about, part.arguments)},
        neg(any_of(part.agrees(s), *mended)),
    )
