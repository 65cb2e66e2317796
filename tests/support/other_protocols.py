"""Protocols that are not libxl's, so that the engines are seen to know none by name.

CACHE: a value in a database and its copy in a cache, written by processes that die; one index sort, one lock, no
observer. QUEUE: no index sort, two locks, an observer. BINDINGS: two index sorts, no lock.
"""

from __future__ import annotations

from dataclasses import dataclass

from confsync.model import language
from confsync.model.language import (
    Bool,
    Design,
    FixedPoint,
    IndexSort,
    Invariant,
    Kind,
    Linearizable,
    LocalRecord,
    Lock,
    LockOrderAcyclic,
    LocksExclusive,
    Observer,
    Property,
    Protocol,
    Record,
    Signature,
    Terminates,
    ValueSort,
    any_of,
    bound,
    count,
    element,
    flag,
    flag_map,
    implies,
    neg,
    once,
    order,
    step,
    value,
    value_map,
)


def named(*properties: Property) -> dict[str, Property]:
    return {p.name: p for p in properties}


# CACHE

KEY = IndexSort[object]("Key", (Kind("plain", "keys", "key{}"),))
VALUE = ValueSort("Value", ("NOTHING",), "values", shown="v{}")
NOTHING = 0


class CacheState(Record):
    database = value_map("what is stored", KEY, VALUE)
    cache = value_map("what readers see; NOTHING: not cached", KEY, VALUE)
    locked = flag("a process holds the lock")
    crashes = count("how many processes have died")


class CacheLocal(LocalRecord):
    key = element("the key it was asked about", KEY)
    new = value("the value it was given", VALUE)
    seen = value("the value it has read", VALUE)
    holds = flag("it holds the lock")


@dataclass(frozen=True, slots=True)
class CacheBounds(language.Bounds):
    keys: int = bound(1, "keys", least=0, letter="k")
    values: int = bound(2, "values", least=1, letter="v")
    processes: int = bound(2, "processes", least=1, letter="p")
    crashes: int = bound(1, "deaths", least=0, letter="d")


@step
def take(s: CacheState, me: CacheLocal) -> None:
    """Take the lock."""
    me.waits_until(neg(s.locked))
    s.locked = True
    me.holds = True


@step
def drop(s: CacheState, me: CacheLocal) -> None:
    """Drop the lock."""
    s.locked = False
    me.holds = False


@step(may_fail=True)
def write_database(s: CacheState, me: CacheLocal) -> None:
    """Store the value."""
    s.database[me.key] = me.new


@step
def invalidate(s: CacheState, me: CacheLocal) -> None:
    """Take the key out of the cache."""
    s.cache[me.key] = NOTHING


@step
def read_database(s: CacheState, me: CacheLocal) -> None:
    """Read the stored value."""
    me.seen = s.database[me.key]


@step
def fill(s: CacheState, me: CacheLocal) -> None:
    """Put what was read into the cache."""
    s.cache[me.key] = me.seen


def is_fresh(s: CacheState, k: object) -> Bool:
    return any_of(s.cache[k] == NOTHING, s.cache[k] == s.database[k])


CACHE = Protocol(
    "cache",
    CacheState,
    CacheLocal,
    CacheBounds,
    {
        "write": Signature("store a value", takes=("key", "new"), writes=("database",), told="write {new} to {key}"),
        "read": Signature("read a value", takes=("key",), writes=("cache",)),
    },
    named(
        Invariant(
            "cache_is_fresh",
            "the cache never contradicts the database",
            (),
            "something is cached",
            "{key} has {cache} in the cache and {database} in the database",
            is_fresh,
            lambda s, k: s.cache[k] != NOTHING,
        ),
        LocksExclusive("lock_is_exclusive", "one process holds the lock", (), "one does", "two processes hold it"),
        Terminates("every_operation_ends", "every operation ends", (), "one is at work", "none can go on"),
    ),
    may_be_asked=lambda signature, me, _: me.new != NOTHING if "new" in signature.takes else True,
    locks=(Lock("locked", "holds", "the lock"),),
)
_UNLOCK = (once(take, drop),)
LOCKED = Design.of(
    CACHE,
    "locked",
    "Invalidate, then write, under the lock.",
    {
        "write": order(take, invalidate, write_database, drop, on_failure=_UNLOCK),
        "read": order(take, read_database, fill, drop, on_failure=_UNLOCK),
    },
)
UNLOCKED = LOCKED.without("unlocked", "Invalidate, then write, without a lock.", take, drop)
WRITE_FIRST = LOCKED.but(
    "write_first",
    "Write, then invalidate, under the lock.",
    write=order(take, write_database, invalidate, drop, on_failure=_UNLOCK),
)


# QUEUE: one item, its state in two places, each with a lock.

ITEM = ValueSort("Item", ("NONE",), "items", shown="item{}")


class QueueState(Record):
    stored = value("the item that is stored", ITEM)
    shown = value("the item that is shown", ITEM)
    there = flag("there is an item")
    store_locked = flag("a process holds the store's lock")
    show_locked = flag("a process holds the display's lock")
    crashes = count("how many processes have died")


class QueueLocal(LocalRecord):
    item = value("the item it was given, or has read", ITEM)
    holds_store = flag("it holds the store's lock")
    holds_show = flag("it holds the display's lock")


@dataclass(frozen=True, slots=True)
class QueueBounds(language.Bounds):
    items: int = bound(2, "items", least=1, letter="i")
    processes: int = bound(2, "processes", least=1, letter="p")
    crashes: int = bound(1, "deaths", least=0, letter="d")


@step
def take_store(s: QueueState, me: QueueLocal) -> None:
    """Take the store's lock."""
    me.waits_until(neg(s.store_locked))
    s.store_locked = True
    me.holds_store = True


@step
def take_show(s: QueueState, me: QueueLocal) -> None:
    """Take the display's lock."""
    me.waits_until(neg(s.show_locked))
    s.show_locked = True
    me.holds_show = True


@step
def drop_both(s: QueueState, me: QueueLocal) -> None:
    """Drop the locks that it holds."""
    s.store_locked = False
    s.show_locked = False
    me.holds_store = False
    me.holds_show = False


@step
def store(s: QueueState, me: QueueLocal) -> None:
    """Store the item."""
    s.stored = me.item
    s.there = True


@step
def show(s: QueueState, me: QueueLocal) -> None:
    """Show the item."""
    s.shown = me.item


@step
def look(s: QueueState, me: QueueLocal) -> None:
    """Read the item that is shown; an error if there is none."""
    me.fails_if(neg(s.there))
    me.item = s.shown


@step
def give(s: QueueState, me: QueueLocal) -> None:
    """Return what was read."""


QUEUE = Protocol(
    "queue",
    QueueState,
    QueueLocal,
    QueueBounds,
    {
        "put": Signature("put an item", takes=("item",), writes=("stored", "shown")),
        "peek": Signature("look which item there is"),
    },
    named(
        Linearizable("peek_is_exact", "peek returns the stored item", (), "a peek returns", "peek returns {result}"),
        FixedPoint(
            "peek_is_a_fixed_point",
            "putting what peek returns changes nothing",
            (),
            "a peek succeeds",
            "peek returns {result}",
            lambda me, _: me.item != 0,
            lambda me, _: me.item != 0,
        ),
        LocksExclusive("locks_are_exclusive", "one process holds a lock", (), "one does", "two processes hold one"),
        LockOrderAcyclic("locks_are_ordered", "no circle", (), "one that holds a lock takes one", "a circle"),
        Terminates("every_operation_ends", "every operation ends", (), "one is at work", "none can go on"),
    ),
    may_be_asked=lambda signature, me, _: me.item != 0 if "item" in signature.takes else True,
    locks=(
        Lock("store_locked", "holds_store", "the store's lock"),
        Lock("show_locked", "holds_show", "the display's lock"),
    ),
    observer=Observer("peek", {"item": "stored"}, exists="there", recreates="put", subject="the item"),
)
_DROP = (once(take_store, drop_both), once(take_show, drop_both))
ORDERED = Design.of(
    QUEUE,
    "ordered",
    "Both take the store's lock first.",
    {
        "put": order(take_store, take_show, store, show, drop_both, on_failure=_DROP[:1]),
        "peek": order(take_store, take_show, look, drop_both, give, on_failure=_DROP[:1]),
    },
)
CROSSED = ORDERED.but(
    "crossed",
    "Peek takes the display's lock first.",
    peek=order(take_show, take_store, look, drop_both, give, on_failure=_DROP[1:]),
)
TORN = ORDERED.without("torn", "No locks: an item can be stored and not shown yet.", take_store, take_show)


# BINDINGS

MACHINE = IndexSort[object]("Machine", (Kind("small", "small", "small{}"), Kind("large", "large", "large{}")))
PORT = IndexSort[object]("Port", (Kind("any", "ports", "port{}"),))


class BindingState(Record):
    busy = flag_map("the machine serves a port", MACHINE)
    bound = flag_map("a machine serves the port", PORT)
    crashes = count("how many processes have died")


class BindingLocal(LocalRecord):
    machine = element("the machine it was asked about", MACHINE)
    port = element("the port it was asked about", PORT)


@dataclass(frozen=True, slots=True)
class BindingBounds(language.Bounds):
    small: int = bound(1, "small machines", least=0, letter="s")
    large: int = bound(1, "large machines", least=0, letter="l")
    ports: int = bound(2, "ports", least=0, letter="o")
    processes: int = bound(2, "processes", least=1, letter="p")
    crashes: int = bound(1, "deaths", least=0, letter="d")


@step
def reserve(s: BindingState, me: BindingLocal) -> None:
    """Reserve the machine; refused if it is busy."""
    me.fails_if(s.busy[me.machine])
    s.busy[me.machine] = True


@step(may_fail=True)
def bind(s: BindingState, me: BindingLocal) -> None:
    """Bind the port; refused if it is bound."""
    me.fails_if(s.bound[me.port])
    s.bound[me.port] = True


@step
def free(s: BindingState, me: BindingLocal) -> None:
    """Free the machine."""
    s.busy[me.machine] = False


BINDINGS = Protocol(
    "bindings",
    BindingState,
    BindingLocal,
    BindingBounds,
    {
        "serve": Signature(
            "serve a port", takes=("machine", "port"), of_kind=(("machine", "large"),), writes=("busy", "bound")
        )
    },
    named(
        Invariant(
            "small_is_idle",
            "a small machine serves no port",
            (),
            "a large one does",
            "{machine} is busy",
            lambda s, k: implies(neg(k.large), neg(s.busy[k])),
            lambda s, k: s.busy[k],
            over=MACHINE,
        ),
        Invariant(
            "no_port_is_bound",
            "a port is not bound",
            (),
            "always",
            "{port} is bound",
            lambda s, k: neg(s.bound[k]),
            lambda _s, _k: True,
            over=PORT,
        ),
    ),
)
SERVE = Design.of(
    BINDINGS, "serve", "Reserve, then bind.", {"serve": order(reserve, bind, on_failure=(once(reserve, free),))}
)
