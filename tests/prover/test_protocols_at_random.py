"""Nothing is proved that the search refutes, of designs put together at random in a protocol with two kinds of element,
constants and other values, a second sort, a lock, and steps that fail or are refused."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from other_protocols import named

from confsync.model import language
from confsync.model.engine.check import check
from confsync.model.engine.verdict import Verdict
from confsync.model.language import (
    Bool,
    Design,
    IndexSort,
    Invariant,
    Kind,
    LocalRecord,
    Lock,
    LockOrderAcyclic,
    LocksExclusive,
    Protocol,
    Record,
    Signature,
    Terminates,
    ValueSort,
    all_of,
    any_of,
    bound,
    count,
    either,
    element,
    flag,
    flag_map,
    implies,
    neg,
    once,
    order,
    pointwise,
    step,
    value,
    value_map,
)
from confsync.proofs.prover.proof import prove

pytestmark = pytest.mark.slow

EACH = 6
"""Designs of one seed."""
KEY = IndexSort[Any]("Key", (Kind("plain", "plain", "key{}"), Kind("odd", "odd_ones", "odd{}")))
VALUE = ValueSort("Value", ("NONE", "BAD"), "values")
NAME = ValueSort("Name", ("nameless",), "names", counted=1)
NONE, BAD = range(2)


class Stores(Record):
    store = value_map("what is stored", KEY, VALUE)
    copy = value_map("its copy", KEY, VALUE)
    mark = flag_map("the key is marked", KEY)
    up = flag("it is up")
    name = value("its name", NAME)
    copied_name = value("the copy of its name", NAME)
    locked = flag("a process holds the lock")
    crashes = count("how many processes have died")


class Mine(LocalRecord):
    key = element("the key it was asked about", KEY)
    new = value("the value it was given", VALUE)
    draft = value_map("what it has read", KEY, VALUE)
    new_name = value("the name it was given", NAME)
    holds = flag("it holds the lock")


@dataclass(frozen=True, slots=True)
class Bounds(language.Bounds):
    plain: int = bound(1, least=0, letter="a")
    odd_ones: int = bound(1, least=0, letter="o")
    values: int = bound(1, least=1, letter="v")
    names: int = bound(2, least=1, letter="n")
    processes: int = bound(2, least=1, letter="p")
    crashes: int = bound(1, least=0, letter="d")


@step
def take(s: Any, me: Any) -> None:
    """Take the lock."""
    me.waits_until(neg(s.locked))
    s.locked = True
    me.holds = True


@step
def drop(s: Any, me: Any) -> None:
    """Drop the lock."""
    me.fails_if(neg(me.holds))
    s.locked = False
    me.holds = False


@step(may_fail=True)
def store(s: Any, me: Any) -> None:
    """Store the value."""
    s.store[me.key] = me.new


@step
def copy_mine(s: Any, me: Any) -> None:
    """Write the value to the copy."""
    s.copy[me.key] = me.new


@step(may_fail=True)
def copy_all(s: Any, _me: Any) -> None:
    """Copy the store."""
    s.copy = s.store


@step
def mark_stored(s: Any, me: Any) -> None:
    """Mark the key if something is stored there."""
    s.mark[me.key] = s.store[me.key] != NONE


@step
def rename(s: Any, me: Any) -> None:
    """Write the name."""
    s.name = me.new_name


@step(may_fail=True)
def copy_name(s: Any, _me: Any) -> None:
    """Copy the name."""
    s.copied_name = s.name


@step
def clear_unmarked(s: Any, me: Any) -> None:
    """Take out what is stored; refused if it is marked."""
    me.fails_if(s.mark[me.key])
    s.store[me.key] = NONE


@step
def copy_odd(s: Any, _me: Any) -> None:
    """Copy what is stored at odd keys, and nothing else."""
    s.copy = pointwise(lambda k: either(k.odd, s.store[k], NONE))


@step(may_fail=True)
def begin(s: Any, _me: Any) -> None:
    """Bring it up."""
    s.up = True


@step
def spoil(s: Any, me: Any) -> None:
    """Store a bad value."""
    s.store[me.key] = BAD


@step
def spoil_odd(s: Any, _me: Any) -> None:
    """Store a bad value at every odd key that has none."""
    s.store = pointwise(lambda k: either(all_of(k.odd, s.store[k] == NONE), BAD, s.store[k]))


@step
def mark_if_up(s: Any, me: Any) -> None:
    """Mark the key; refused unless it is up."""
    me.fails_if(neg(s.up))
    s.mark[me.key] = True


@step
def read(s: Any, me: Any) -> None:
    """Read the store."""
    me.draft = s.store


@step
def copy_read(s: Any, me: Any) -> None:
    """Write what was read to the copy."""
    s.copy = me.draft


STEPS = (
    store,
    copy_mine,
    copy_all,
    mark_stored,
    rename,
    copy_name,
    clear_unmarked,
    copy_odd,
    begin,
    spoil,
    spoil_odd,
    mark_if_up,
)
HOLDS = {
    "copy_agrees": lambda s, k: any_of(s.copy[k] == NONE, s.copy[k] == s.store[k]),
    "marks_are_stored": lambda s, k: implies(s.mark[k], s.store[k] != NONE),
    "stored_at_odd_keys": lambda s, k: implies(s.store[k] != NONE, k.odd),
    "nothing_is_bad": lambda s, k: s.store[k] != BAD,
    "bad_at_odd_keys": lambda s, k: implies(s.store[k] == BAD, k.odd),
    "bad_is_stored": lambda s, k: implies(s.copy[k] == BAD, s.store[k] == BAD),
    "marked_while_up": lambda s, k: implies(s.mark[k], s.up),
    "names_agree": lambda s, _: s.name == s.copied_name,
}
PROPERTIES = named(
    *(Invariant(name, "", (), "", "", holds, lambda _s, _k: True) for name, holds in HOLDS.items()),
    LocksExclusive("lock_is_exclusive", "", (), "", ""),
    LockOrderAcyclic("lock_order_is_acyclic", "", (), "", ""),
    Terminates("every_operation_ends", "", (), "", ""),
)
STORES = Protocol("stores", Stores, Mine, Bounds, {}, PROPERTIES, locks=(Lock("locked", "holds", "the lock"),))


def _with_anything(_signature: Signature, _me: Any, _k: Any) -> Bool:
    return True


def _with_something(_signature: Signature, me: Any, _k: Any) -> Bool:
    return me.new != NONE  # type: ignore[no-any-return]


def designs(seed: int) -> Iterator[Design]:
    """Two operations each, of few steps, with and without the lock, of either kind of key or of any."""
    at_random = random.Random(seed)
    for n in range(EACH):
        about = at_random.choice(((("key", "odd"),), (("key", "plain"),), ()))
        any_value = at_random.random() < 0.5
        signature = Signature("something", takes=("key", "new", "new_name"), of_kind=about)
        protocol = replace(
            STORES,
            operations={"one": signature, "other": signature},
            may_be_asked=_with_anything if any_value else _with_something,
        )
        orders, locks = {}, at_random.random() < 0.6
        for name in protocol.operations:
            steps = at_random.sample(STEPS, at_random.randint(1, 3))
            if at_random.random() < 0.3:
                steps = [read, *steps, copy_read]
            undo = (once(take, drop),) if at_random.random() < 0.8 else ()
            orders[name] = order(take, *steps, drop, on_failure=undo) if locks else order(*steps)
        yield Design.of(protocol, f"seed {seed} number {n}", "", orders)


@pytest.mark.parametrize("seed", [1, 2, *(pytest.param(seed, marks=pytest.mark.deep) for seed in range(3, 40))])
def test_nothing_is_proved_that_the_search_refutes(seed: int) -> None:
    proved = refuted = 0
    for design in designs(seed):
        verdicts = prove(design).verdicts
        for cell in check(design, Bounds()).cells:
            word = verdicts[cell.property_name]
            assert not (word is Verdict.PROVED and cell.verdict is Verdict.REFUTED), (design, cell.property_name)
            proved += word is Verdict.PROVED
            refuted += cell.verdict is Verdict.REFUTED
    assert proved > EACH  # and there is something to contradict
    assert refuted
