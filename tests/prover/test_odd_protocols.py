"""Protocols that a prover made for one of them would get wrong: names that clash, no lock or three, properties that are
alike, an operation that never fails."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from other_protocols import CACHE, LOCKED, ORDERED, QUEUE, TORN, UNLOCKED, WRITE_FIRST, give, look, named

from confsync.model import language
from confsync.model.engine.check import check
from confsync.model.engine.verdict import Verdict
from confsync.model.language import (
    Design,
    FixedPoint,
    IndexSort,
    Invariant,
    Kind,
    LanguageError,
    LocalRecord,
    Lock,
    LockOrderAcyclic,
    LocksExclusive,
    Protocol,
    Record,
    Signature,
    Step,
    ValueSort,
    bound,
    count,
    element,
    flag,
    flag_map,
    implies,
    neg,
    order,
    step,
    value,
)
from confsync.proofs.prover.certificate.certificate import write_certificate
from confsync.proofs.prover.counterexample.triage import Label, triage
from confsync.proofs.prover.proof import prove

pytestmark = pytest.mark.slow

Z3 = Path(sys.executable).parent / "z3"

KEY = IndexSort[Any]("Key", (Kind("plain", "plain", "key{}"), Kind("odd", "odd_ones", "odd{}")))
VALUE = ValueSort("Value", ("NONE",), "values")


@dataclass(frozen=True, slots=True)
class Bounds(language.Bounds):
    plain: int = bound(1, least=0, letter="a")
    odd_ones: int = bound(1, least=0, letter="o")
    values: int = bound(2, least=1, letter="v")
    processes: int = bound(2, least=1, letter="p")
    crashes: int = bound(1, least=0, letter="d")


class Marked(Record):
    odd = flag_map("the key is marked: a name that a kind has", KEY)
    crashes = count("how many processes have died")


class Marking(LocalRecord):
    key = element("the key it was asked about", KEY)


@step
def mark(s: Any, me: Any) -> None:
    """Mark the key."""
    s.odd[me.key] = True


@step
def put(s: Any, me: Any) -> None:
    """Write the value."""
    s.NONE = me.new


class Written(Record):
    NONE = value("what is written: a name that a constant has", VALUE)
    crashes = count("how many processes have died")


class Writing(LocalRecord):
    new = value("the value it was given", VALUE)


def protocol(shared: type[Record], local: type[LocalRecord], takes: str, writes: str, holds: Any) -> Protocol:
    always = Invariant("always", "", (), "", "", holds, lambda _s, _k: True)
    signature = Signature("does it", takes=(takes,), writes=(writes,))
    return Protocol("odd", shared, local, Bounds, {"do": signature}, named(always))


@pytest.mark.parametrize(
    ("odd", "does", "clash"),
    [
        # Nothing marks odd keys at first: were the map the kind, each odd key would be a marked one.
        (
            protocol(Marked, Marking, "key", "odd", lambda s, k: implies(k.odd, s.odd[k])),
            mark,
            "`odd` is a field, and is a kind of Key too",
        ),
        # Were the field the constant, it would have that value for ever.
        (
            protocol(Written, Writing, "new", "NONE", lambda s, _: s.NONE == 0),
            put,
            "`NONE` is a field, and is a constant of Value too",
        ),
    ],
)
def test_what_a_proof_would_take_for_something_else_is_refused(odd: Protocol, does: Step, clash: str) -> None:
    design = Design.of(odd, "clash", "", {"do": order(does)})
    (cell,) = check(design, Bounds()).cells
    assert cell.verdict is Verdict.REFUTED
    with pytest.raises(LanguageError, match=clash):
        prove(design)


def test_constants_of_one_sort_have_names_of_their_own() -> None:
    """Two of one name would be said to differ from themselves, and everything would follow."""
    twice = ValueSort("Value", ("NONE", "NONE"), "values")

    class Place(Record):
        place = value("what is written", twice)
        crashes = count("how many processes have died")

    class Giving(LocalRecord):
        new = value("the value it was given", twice)

    @step
    def write(s: Any, me: Any) -> None:
        """Write the value."""
        s.place = me.new

    odd = protocol(Place, Giving, "new", "place", lambda s, _: s.place == 0)
    with pytest.raises(LanguageError, match="`NONE` is a constant of Value, and is a constant of Value too"):
        prove(Design.of(odd, "twice", "", {"do": order(write)}))


# Locks: none, and three


class Three(Record):
    a = flag("the lock a is taken")
    b = flag("the lock b is taken")
    c = flag("the lock c is taken")
    done = flag("something was done")
    crashes = count("how many processes have died")


class HoldsThree(LocalRecord):
    holds_a = flag("it holds a")
    holds_b = flag("it holds b")
    holds_c = flag("it holds c")


class Lockless(Record):
    done = flag("something was done")
    crashes = count("how many processes have died")


class HoldsNone(LocalRecord):
    pass


@dataclass(frozen=True, slots=True)
class Processes(language.Bounds):
    processes: int = bound(3, least=1, letter="p")
    crashes: int = bound(1, least=0, letter="d")


@cache
def taking(lock: str) -> Step:
    def take(s: Any, me: Any) -> None:
        me.waits_until(neg(getattr(s, lock)))
        setattr(s, lock, True)
        setattr(me, f"holds_{lock}", True)

    return Step(f"take_{lock}", take)


@cache
def dropping(lock: str) -> Step:
    def drop(s: Any, me: Any) -> None:
        setattr(s, lock, False)
        setattr(me, f"holds_{lock}", False)

    return Step(f"drop_{lock}", drop)


@step
def do(s: Any, _me: Any) -> None:
    """Do something."""
    s.done = True


def under(first: str, then: str) -> language.Operation:
    return order(taking(first), taking(then), do, dropping(then), dropping(first))


EXCLUSIVE = LocksExclusive("exclusive", "one process holds a lock", (), "one does", "two hold one")
ORDER = LockOrderAcyclic("ordered", "no processes wait in a circle", (), "one waits", "some do")
THREE = Protocol(
    "three",
    Three,
    HoldsThree,
    Processes,
    {name: Signature("do something", writes=("done",)) for name in ("x", "y", "z")},
    named(EXCLUSIVE, ORDER),
    locks=tuple(Lock(lock, f"holds_{lock}", lock) for lock in "abc"),
)
LOCKLESS = replace(THREE, name="lockless", shared=Lockless, local=HoldsNone, locks=())


def words(design: Design) -> dict[str, Verdict]:
    return prove(design).verdicts


def test_three_locks_that_are_taken_in_one_order() -> None:
    orders = {"x": under("a", "b"), "y": under("b", "c"), "z": under("a", "c")}
    assert set(words(Design.of(THREE, "in_order", "", orders)).values()) == {Verdict.PROVED}


def test_three_locks_that_are_waited_for_in_a_circle() -> None:
    """No two wait for each other: it takes three."""
    orders = {"x": under("a", "b"), "y": under("b", "c"), "z": under("c", "a")}
    design = Design.of(THREE, "in_a_circle", "", orders)
    proof = prove(design)
    assert proof.verdicts == {"exclusive": Verdict.PROVED, "ordered": Verdict.UNKNOWN}
    broken = [name for name in proof.found.refused if name.startswith("no ")]
    assert broken == ["no 3 wait in a circle for `a`, `c`, `b`"]
    assert triage(proof, proof.why["ordered"]).label is Label.REACHABLE


def test_of_no_lock_there_is_nothing_to_show() -> None:
    """It is shown all the same: a proof has an obligation for it."""
    proof = prove(Design.of(LOCKLESS, "lockless", "", dict.fromkeys("xyz", order(do))))
    assert proof.verdicts == {"exclusive": Verdict.PROVED, "ordered": Verdict.PROVED}
    assert "there is no lock" in [d.obligation.name for d in proof.discharged]


# Properties that are alike


@step
def put_whole(s: Any, me: Any) -> None:
    """Store the item and show it."""
    s.stored = me.item
    s.shown = me.item
    s.there = True


def fixed_point(name: str, usable: Callable[[Any], Any]) -> FixedPoint:
    form = QUEUE.properties["peek_is_a_fixed_point"]
    assert isinstance(form, FixedPoint)
    return replace(form, name=name, usable=lambda me, _: usable(me))


@pytest.mark.parametrize("names", [("holds", "fails"), ("fails", "holds")])
def test_of_two_properties_of_one_form_each_is_shown(names: tuple[str, str]) -> None:
    """Their claims have one name, and say different things."""
    forms = {"holds": fixed_point("holds", lambda _: True), "fails": fixed_point("fails", lambda me: me.item == 0)}
    two = replace(QUEUE, properties={name: forms[name] for name in names})
    design = Design.of(two, "at_once", "", {"put": order(put_whole), "peek": order(look, give)})
    searched = {c.property_name: c.verdict for c in check(design, two.bounds()).cells}
    assert searched == {"holds": Verdict.EXHAUSTED, "fails": Verdict.REFUTED}
    assert words(design) == {"holds": Verdict.PROVED, "fails": Verdict.UNKNOWN}


def test_an_argument_that_claims_nothing_proves_nothing() -> None:
    assert prove(LOCKED, ["cache_is_fresh"], arguments={"cache_is_fresh": lambda _: ()}).verdicts == {
        "cache_is_fresh": Verdict.UNKNOWN
    }


# Certificates


@pytest.mark.parametrize("design", [LOCKED, UNLOCKED, WRITE_FIRST, ORDERED, TORN], ids=lambda d: d.name)
def test_a_certificate_is_read_without_a_fault(design: Design, tmp_path: Path) -> None:
    """Of some, the clean-up of an operation is never come to, for none of its steps fails."""
    folder = write_certificate(prove(design), tmp_path / "certificate")
    run = subprocess.run([sys.executable, folder / "check.py", Z3], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, ""), run.stdout
    assert run.stdout.rstrip().endswith(" 0 faults")


def test_the_cache_has_a_sort_that_a_certificate_declares(tmp_path: Path) -> None:
    folder = write_certificate(prove(LOCKED), tmp_path / "certificate")
    sorts = {sort.name for sort in (*CACHE.value_sorts, *CACHE.index_sorts)}
    assert {f"(declare-sort {sort} 0)" for sort in sorts} <= set((folder / "index.json").read_text().split('"'))
