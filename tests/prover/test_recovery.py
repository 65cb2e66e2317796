"""`always_recoverable` in every size: whose way back is proved, what is said where there is none, and that on plain
states the argument leads to full agreement just where the search finds that something does."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np
import places
import pytest
import z3
from interpreted import Structure
from mutants import recommended

from confsync.model.engine.check import check
from confsync.model.engine.concrete import Plain, WordCells
from confsync.model.engine.program import IDLE, Kind, Program
from confsync.model.engine.search.bfs import Limits, Search
from confsync.model.engine.search.monitor import Monitor
from confsync.model.engine.search.pairs import Pairs
from confsync.model.engine.search.recover import Recoveries
from confsync.model.engine.verdict import Verdict
from confsync.model.language import Bool, Design, all_of, any_of, neg, order, step
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.ghosts import names_every_slot
from confsync.model.libxl.operations import SIGNATURES
from confsync.model.libxl.recovery import WHOLE, may_be_destroyed, memory_agrees, runs, slot_agrees, whole_agrees
from confsync.model.libxl.state import EMPTY, FIRST_CONFIG, SLOT, Bounds, Local, Shared
from confsync.model.libxl.steps import (
    close_devices,
    drop_lock,
    grant_memory,
    kill_domain,
    leave_devices,
    load_medium,
    make_domain,
    mark_closing,
    release_devices,
    remove_template,
    take_lock,
    unload_medium,
    unlock,
)
from confsync.proofs.libxl.recovery import LONGEST, About, operations, parts, recoverable, sequences
from confsync.proofs.prover.carrier.relation import Relation
from confsync.proofs.prover.carrier.terms import formula
from confsync.proofs.prover.invariant.candidates import candidates
from confsync.proofs.prover.invariant.houdini import Strengthening
from confsync.proofs.prover.invariant.induction import Claim
from confsync.proofs.prover.invariant.samples import take
from confsync.proofs.prover.invariant.vocabulary import atoms

pytestmark = pytest.mark.slow

MANIFEST = json.loads(places.MANIFEST.read_text(encoding="utf-8"))["designs"]
HOLDS = {name for name, cells in MANIFEST.items() if cells["always_recoverable"]["verdict"] == "EXHAUSTED"}
SOME = (RECOMMENDED, "as_posted")
"""Designs of which it holds. (`make verify` holds the proofs of all designs against the manifest.)"""

DEVICE = Bounds(slots=1, ejectable=0, configs=1, names=1, amounts=1, processes=2, crashes=1)
DRIVE = Bounds(slots=0, ejectable=1, configs=1, names=1, amounts=1, processes=2, crashes=1)
AMOUNTS = Bounds(slots=0, ejectable=0, configs=1, names=1, amounts=2, processes=2, crashes=1)
EVERYTHING = Bounds(slots=1, ejectable=1, configs=1, names=1, amounts=2, processes=1, crashes=2)


# ------------------------------------------------------------------ proofs


def offered(design: Design) -> Strengthening:
    """A design with its candidates."""
    relation = Relation(design)
    vocabulary = atoms(relation.program)
    return Strengthening(relation, candidates(relation.program, vocabulary, take(design, vocabulary)))


@cache
def strengthened(design: Design) -> Strengthening:
    """A design with the invariant that was found for the claims."""
    found = offered(design)
    found.keep((), recoverable(found.induction))
    return found


@pytest.mark.parametrize(
    "name", [RECOMMENDED, pytest.param("as_posted", marks=pytest.mark.deep), "xenstore_first_unlocked"]
)
def test_it_is_proved_of_the_designs_that_the_search_found_nothing_against(name: str) -> None:
    assert (not strengthened(DESIGNS[name]).refused) == (name in HOLDS)


def with_lemmas(found: Strengthening, claim: Claim) -> z3.Solver:
    """A solver that knows a claim's premises, and what every lemma says there."""
    ind, solver = found.induction, z3.Solver()
    solver.add(*(f for _, f in claim.given))
    for lemma in found.standing:
        solver.add(*(ind.says(lemma, process, k) for process, k in ind.uses(lemma, claim.uses)))
    return solver


@pytest.mark.deep
@pytest.mark.parametrize("name", SOME)
def test_what_is_claimed_is_not_claimed_of_nothing(name: str) -> None:
    """There is such a domain, and where one runs each part of it can be out of agreement: even with all candidates
    assumed that stand."""
    found = strengthened(DESIGNS[name])
    s = Shared(found.induction.relation.shared)
    for claim in found.claims:
        assert with_lemmas(found, claim).check() == z3.sat, claim.name
    for claim, part in zip(found.claims[-3:], parts(found.induction), strict=True):
        solver = with_lemmas(found, claim)
        solver.add(formula(neg(part.agrees(s))))
        assert solver.check() == z3.sat, claim.name


# ------------------------------------------------------------------ designs without a way back


@step
def refuse_if_closing(s: Shared, me: Local) -> None:
    """Give up if the device is going away already."""
    me.fails_if(s.closing[me.slot])


@step
def refuse_if_loaded(s: Shared, me: Local) -> None:
    """Give up unless the template says that the drive is empty."""
    me.fails_if(s.template[me.slot] != EMPTY)


@step
def refuse_if_empty(s: Shared, me: Local) -> None:
    """Give up if the drive is empty."""
    me.fails_if(s.xenstore[me.slot].empty)


@step
def refuse_if_torn(s: Shared, me: Local) -> None:
    """Give up unless the hypervisor grants what xenstore says."""
    me.fails_if(s.granted != s.memory)


@step
def refuse_if_paused(s: Shared, me: Local) -> None:
    """Give up if the domain does not run."""
    me.fails_if(s.paused)


@step
def refuse_if_saved(s: Shared, me: Local) -> None:
    """Give up if there is a template already."""
    me.fails_if(s.saved)


BROKEN: dict[str, tuple[Design, Bounds]] = {
    "where no operation is at work the lock is free": (
        recommended.but("kept", "a rename keeps the lock", rename=recommended["rename"].without(drop_lock)),
        DEVICE,
    ),
    "half a domain can be destroyed, or made to run": (
        recommended.but(
            "once",
            "a destruction cannot be begun again",
            destroy=recommended["destroy"].before(close_devices, refuse_if_paused),
        ),
        DEVICE,
    ),
    "where there is no domain nothing is left of any, or one can be created": (
        recommended.but(
            "in the way",
            "the domain is destroyed before its template is removed, which stands in the way of the next",
            create=recommended["create"].before(make_domain, refuse_if_saved),
            destroy=order(
                take_lock, kill_domain, release_devices, leave_devices, remove_template, drop_lock, on_failure=(unlock,)
            ),
        ),
        DEVICE,
    ),
    "where a domain runs a slot agrees, or can be mended": (
        recommended.but(
            "closed",
            "a detach cannot be begun again",
            detach=recommended["detach"].before(mark_closing, refuse_if_closing),
        ),
        DEVICE,
    ),
    "where a domain runs a drive agrees, or can be mended": (
        recommended.but(
            "loaded",
            "a medium goes in only where the template knows of none, and comes out only where there is one",
            insert=recommended["insert"].before(load_medium, refuse_if_loaded),
            eject=recommended["eject"].before(unload_medium, refuse_if_empty),
            swap=recommended["swap"].before(unload_medium, refuse_if_empty),
        ),
        DRIVE,
    ),
    "where a domain runs the memory target agrees, or can be mended": (
        recommended.but(
            "torn",
            "a memory target is set only where the last one was",
            set_memory_target=recommended["set_memory_target"].before(grant_memory, refuse_if_torn),
        ),
        AMOUNTS,
    ),
}
"""By the claim that is not so: a design, and where the search finds it out."""


@pytest.mark.parametrize("name", BROKEN)
def test_the_search_finds_no_way_back_where_there_is_none(name: str) -> None:
    (cell,) = check(*BROKEN[name], ["always_recoverable"]).cells
    assert cell.verdict is Verdict.REFUTED


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.deep if n > 0 else ()) for n, name in enumerate(BROKEN)]
)
def test_what_stands_in_the_way_is_named(name: str) -> None:
    """The claim does not follow even where all candidates are assumed."""
    found = offered(BROKEN[name][0])
    found.keep((), [claim for claim in recoverable(found.induction) if claim.name == name])
    assert found.refused.keys() == {name}


# ------------------------------------------------------------------ the argument, on plain states

Arguments = Mapping[str, Plain]


class Plainly:
    """The argument of `confsync.proofs.libxl.recovery`, followed from plain states: the operations run as the program
    runs them."""

    def __init__(self, design: Design, bounds: Bounds) -> None:
        self.program = Program(design, bounds)
        pairs = Pairs(self.program)
        search = Search(self.program, pairs, Monitor(self.program, pairs.shared, pairs.local, []), symmetric=False)
        assert search.run(Limits()).complete
        recovery = Recoveries(search, WHOLE)
        self.quiescent = [pairs.shared.words[n] for n in np.unique(np.concatenate(recovery.quiescent()))]
        self.hopeless = {pairs.shared.words[n] for n in recovery.hopeless()[0]}
        """The quiescent states that cannot be recovered, by the search."""
        self.met: Counter[str] = Counter()
        """How often the argument had to do with what."""

    def state(self, word: int) -> Shared:
        return Shared(WordCells(self.program.shared_layout, word, []))

    def asked(self, name: str, arguments: Arguments) -> int:
        """The local word with which an operation begins."""
        signature, word = SIGNATURES[name], self.program.local_layout.put(IDLE, "at", self.program.first[name])
        for argument in (*signature.takes, *(("slot",) if signature.kind("slot") else ())):
            word = self.program.local_layout.put(word, argument, arguments[argument])
        return word

    def after(self, word: int, names: tuple[str, ...], arguments: Arguments) -> int | None:
        """What operations leave, run alone one after another, where all of them succeed and may be called."""
        for name in names:
            if name == "destroy" and not may_be_destroyed(self.state(word)):
                return None
            local = self.asked(name, arguments)
            while local != IDLE:
                point = self.program.point_of(local)
                effects = self.program.outcomes(point, word, local, set())
                if effects is None or effects[0].kind is not Kind.STEP:
                    return None
                taken = self.program.apply(effects[0], point, word, local)
                word, local = taken.shared, taken.local
        return word

    def on(
        self, word: int, about: About, choices: Sequence[Arguments], wanted: Callable[[Shared], Bool]
    ) -> list[int | None]:
        """Where a short sequence leads to what is wanted: a state for each choice of arguments, None if none does."""
        names = operations(about)
        short = [q for n in range(1, LONGEST + 1) for q in itertools.product(names, repeat=n)]
        found = []
        for arguments in choices:
            ends = (self.after(word, q, arguments) for q in short)
            found.append(next((e for e in ends if e is not None and wanted(self.state(e))), None))
        return found

    def follow(self, word: int) -> list[int | None]:
        """The states that the argument leads on to, None where it fails; [] from full agreement."""
        s, agree = self.state(word), self.parts(self.state(word))
        wrong = [part for part, yes in agree.items() if not yes]
        if not wrong and whole_agrees(s):
            return []
        if not runs(s):
            self.met["half" if s.alive else "none"] += 1
            starts = [w for w in self.program.starts if self.program.point_of(w) == self.program.first["create"]]
            wholes = [{"draft": self.program.local_layout.get(w, "draft")} for w in starts]
            half = bool(s.alive)
            return self.on(
                word, names_every_slot, wholes, lambda after: any_of(runs(after), all_of(half, neg(after.alive)))
            )
        self.met.update(wrong)
        found: list[int | None] = [] if wrong else [None]
        for part in wrong:

            def mended(after: Shared, part: str = part) -> bool:
                now = self.parts(after)
                return bool(runs(after)) and now[part] and all(now[p] for p, yes in agree.items() if yes)

            found += self.on(word, *self.about(part), mended)
        return found

    def parts(self, s: Shared) -> dict[str, bool]:
        """Which parts of the domain agree."""
        each = {
            ("drive" if k.ejectable else "slot"): slot_agrees(s, k) for k in self.program.shared_layout.elements(SLOT)
        }
        return {part: bool(yes) for part, yes in {**each, "memory": memory_agrees(s)}.items()}

    def about(self, part: str) -> tuple[About, list[Arguments]]:
        """The operations about a part, and all they can be asked with."""
        bounds = Bounds.of(self.program.bounds)
        if part == "memory":
            return lambda signature: "amount" in signature.takes, [{"amount": n} for n in range(bounds.amounts)]
        k = next(k for k in bounds.elements(SLOT) if k.ejectable == (part == "drive"))
        kind = "ejectable" if k.ejectable else "ordinary"
        configs = range(FIRST_CONFIG, FIRST_CONFIG + bounds.configs)
        return lambda signature: signature.kind("slot") == kind, [{"slot": k, "config": c} for c in configs]

    def fails_from(self) -> set[int]:
        """The quiescent states from which the argument does not lead to full agreement, with some arguments."""
        lead = {word: self.follow(word) for word in self.quiescent}
        todo = [end for ends in lead.values() for end in ends if end is not None]
        while todo:
            word = todo.pop()
            if word not in lead:
                lead[word] = self.follow(word)
                todo += [end for end in lead[word] if end is not None]
        good: set[int] = set()
        while more := {word for word, ends in lead.items() if word not in good and all(e in good for e in ends)}:
            good |= more
        return set(self.quiescent) - good


def test_some_are_not_all() -> None:
    assert {*SOME} <= HOLDS
    assert "xenstore_first_unlocked" in MANIFEST.keys() - HOLDS


@pytest.mark.parametrize(
    "name",
    [RECOMMENDED, *(pytest.param(n, marks=pytest.mark.deep) for n in ("as_posted", "xenstore_first_write_back"))],
)
def test_the_argument_leads_from_every_plain_state_to_full_agreement(name: str) -> None:
    plainly = Plainly(DESIGNS[name], EVERYTHING)
    assert plainly.fails_from() == plainly.hopeless == set()
    assert plainly.met.keys() == {"half", "slot", "drive", "memory"}


@pytest.mark.parametrize(("design", "bounds"), [(DESIGNS["xenstore_first_unlocked"], DRIVE), *BROKEN.values()])
def test_the_argument_fails_just_where_the_search_finds_no_way(design: Design, bounds: Bounds) -> None:
    plainly = Plainly(design, bounds)
    assert plainly.hopeless
    assert plainly.fails_from() == plainly.hopeless


@pytest.mark.parametrize("name", [RECOMMENDED, "xenstore_first"])
def test_a_sequence_on_terms_does_what_its_operations_do_on_plain_states(name: str) -> None:
    """Whether all of its operations succeed, and every field they leave."""
    plainly, structure = Plainly(DESIGNS[name], EVERYTHING), Structure(EVERYTHING)
    relation, layout = Relation(DESIGNS[name]), plainly.program.shared_layout
    states = random.Random(0).sample(plainly.quiescent, 40)
    passed: Counter[bool] = Counter()
    for part in ("slot", "drive", "memory"):
        about, (arguments, *_) = plainly.about(part)
        terms = {n: structure.meaning(value, Local.fields()[n].sort, 0) for n, value in arguments.items()}
        for q in sequences(relation, about, terms):
            passes = structure.question(formula(q.passes))
            left = {n: structure.whole(f, q.shared.values[n]) for n, f in Shared.fields().items()}
            for word in states:
                values = {n: layout.get(word, n) for n in Shared.fields()}
                end = plainly.after(word, q.operations, arguments)
                assert passes.answer(values) == (end is not None), (q.operations, values)
                passed[end is not None] += 1
                if end is not None:
                    for n, questions in left.items():
                        plain = tuple(x.answer(values) for x in questions)
                        assert layout.get(end, n) == (plain if Shared.fields()[n].over else plain[0]), n
    assert min(passed.values()) > 100
