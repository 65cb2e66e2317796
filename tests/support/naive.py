"""The model searched the plain way: a dictionary, a queue, and each property as its statement says it.

Nothing of `confsync.model.engine.search` is in here: no NumPy, no numbers for words, no symmetry, no slices. What a
small step does is `Program.transitions`; everything after that is written a second time, to be slow and easy to
believe."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, TypeVar

from confsync.model.engine.program import IDLE, Kind, Label, Program, Transition
from confsync.model.engine.trace import Move
from confsync.model.language import AnswerInvariant, Invariant, Linearizable, Property
from confsync.model.language.properties import OF_PROCESSES
from confsync.model.libxl.properties import PROPERTIES
from confsync.model.libxl.state import ABSENT, EMPTY, MADE_UP, SLOT

State = tuple[int, tuple[int, ...]]
"""A whole state: the shared word, and each process's local word."""
Answer = tuple[tuple[int, ...], int, int]
"""A whole configuration: what is at each slot, the name, the memory target."""
Seen = frozenset[Answer | None]
"""What the domain has been since a retrieve was called."""
S = TypeVar("S", bound=Hashable)

DIES, FAILS = Kind.CRASH, Kind.FAILS


def walk(first: S, successors: Callable[[S], Iterable[S]]) -> Iterator[tuple[S, int]]:
    """Every state that can be reached, with the length of a shortest way to it; in the order of that length."""
    depth = {first: 0}
    queue = deque([first])
    while queue:
        here = queue.popleft()
        yield here, depth[here]
        for there in successors(here):
            if there not in depth:
                depth[there] = depth[here] + 1
                queue.append(there)


@dataclass(frozen=True, slots=True)
class Found:
    """All reachable states with their depth; how often each transition was taken; for each property the length of
    a shortest trace that violates it, None if there is none."""

    depth: dict[State, int]
    taken: Counter[Label]
    shortest: dict[str, int | None]


class Naive:
    """A program, and what its properties say of a state."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.first: State = (program.initial, (IDLE,) * program.bounds.processes)
        self._moves: dict[tuple[int, int], list[Transition]] = {}
        self._stores: dict[int, Any] = {}
        self._results: dict[int, tuple[int, ...]] = {}
        self._recoverable: set[int] = set()

    # What can happen.

    def moves(self, shared: int, local: int) -> list[Transition]:
        """The small steps of one process."""
        if (shared, local) not in self._moves:
            self._moves[shared, local] = list(self.program.transitions(shared, local, set()))
        return self._moves[shared, local]

    def successors(self, state: State) -> Iterator[State]:
        shared, local = state
        for p, word in enumerate(local):
            for t in self.moves(shared, word):
                yield t.shared, (*local[:p], t.local, *local[p + 1 :])

    def alone(self, shared: int, local: int) -> tuple[int, int | None]:
        """One operation from its beginning to its end: nothing made to fail, no death, nobody else. -> the stores
        after it, and the local word with which it took its last step (None if that did not succeed, or it waits)."""
        last: int | None = None
        while local != IDLE:
            possible = [t for t in self.moves(shared, local) if t.label.kind not in (DIES, FAILS)]
            if not possible:
                return shared, None
            (t,) = possible
            last = local if t.label.kind is Kind.STEP and not self.point(local).cleaning_up else None
            shared, local = t.shared, t.local
        return shared, last

    # What a word says.

    def stores(self, shared: int) -> Any:
        """The shared fields by name; a map is a tuple over the slots."""
        if shared not in self._stores:
            layout = self.program.shared_layout
            self._stores[shared] = SimpleNamespace(**{n: layout.get(shared, n) for n in layout.places})
        return self._stores[shared]

    def local(self, word: int, field: str) -> Any:
        return self.program.local_layout.get(word, field)

    def point(self, local: int) -> Any:
        return self.program.points[self.program.point_of(local)]

    def truth(self, shared: int) -> Answer | None:
        """What the domain is: the configurations that were attached, name and memory target. None: no domain."""
        s = self.stores(shared)
        return (s.xenstore, s.name, s.memory) if s.alive else None

    def result(self, local: int) -> Answer:
        draft, name, memory = (self.local(local, f) for f in ("draft", "draft_name", "draft_memory"))
        return draft, name, memory

    def returns(self, shared: int, local: int) -> bool:
        """The process is in a retrieve that will succeed with its next step, its last."""
        point = self.point(local)
        if point.operation != "retrieve" or point.cleaning_up or len(point.remaining) != 1:
            return False
        return any(t.label.kind is Kind.STEP for t in self.moves(shared, local))

    def begin(self, operation: str, **arguments: Any) -> int:
        """The local word of an operation that has been asked for and has taken no step."""
        word = self.program.local_layout.put(IDLE, "at", self.program.first[operation])
        for field, given in arguments.items():
            word = self.program.local_layout.put(word, field, given)
        return word

    def retrieved(self, shared: int) -> Answer | None:
        """What a retrieve alone returns; None if it returns an error."""
        last = self.alone(shared, self.begin("retrieve"))[1]
        return None if last is None else self.result(last)

    # What the properties say.

    def bad_stores(self, shared: int) -> Iterator[str]:
        """The properties over the stores that this state violates."""
        s = self.stores(shared)
        for k in self.program.shared_layout.elements(SLOT):
            was, saved, attached = s.xenstore[k.index], s.template[k.index], s.resources[k.index]
            if was != ABSENT and saved == ABSENT:
                yield "xenstore_has_template"
            if saved != ABSENT and was == ABSENT:
                yield "template_has_xenstore"
            if attached and was == ABSENT:
                yield "resources_have_xenstore"
            if attached and saved == ABSENT:
                yield "resources_have_template"
            if was not in (ABSENT, EMPTY) and saved != was:
                yield "template_is_faithful"
                if k.ejectable:
                    yield "medium_agrees"
            if s.vouched[k.index] != ABSENT and s.vouched[k.index] != saved:
                yield "no_lost_update"
        left_behind = s.lock_file and not s.locked and s.crashes == 0
        if not s.alive and (s.saved or left_behind):
            yield "userdata_dies_with_domain"

    def bad_processes(self, state: State) -> Iterator[str]:
        """The properties of where the processes are that this state violates."""
        shared, local = state
        busy = [p for p, word in enumerate(local) if word != IDLE]
        if any(self.returns(shared, word) and MADE_UP in self.result(word)[0] for word in local):
            yield "retrieve_never_degraded"
        for held in ("holds", "holds_device_lock"):
            if sum(bool(self.local(local[p], held)) for p in busy) > 1:
                yield "lock_is_exclusive"
        waits_for = {p: {q for q in busy if self._waits(shared, local[p], local[q])} for p in busy}
        if any(p in reach_all(waits_for[p], waits_for) for p in busy):
            yield "lock_order_is_acyclic"
        asked = [local[p] for p in busy] or self.program.starts
        stuck = all if busy else any
        if stuck(self.blocked(shared, word) for word in asked):
            yield "every_operation_ends"

    def blocked(self, shared: int, local: int) -> bool:
        return all(t.label.kind is DIES for t in self.moves(shared, local))

    def _waits(self, shared: int, local: int, other: int) -> bool:
        """The one process cannot go on, and could if a lock that the other holds were free."""
        if not self.blocked(shared, local):
            return False
        for lock, held in (("locked", "holds"), ("device_locked", "holds_device_lock")):
            free = self.program.shared_layout.put(shared, lock, False)
            if self.local(other, held) and not self.blocked(free, local):
                return True
        return False

    def bad_quiescent(self, shared: int) -> Iterator[str]:
        """The properties of what operations do alone that these stores violate, no operation being at work."""
        s = self.stores(shared)
        answer, truth = self.retrieved(shared), self.truth(shared)
        if truth is not None and answer is not None:
            if answer[1] != s.name or (answer[2] != s.granted and not s.torn):
                yield "knobs_are_reflected"
            draft, name, memory = answer
            again = self.begin("create", draft=draft, draft_name=name, draft_memory=memory)
            copy = self.alone(self.program.initial, again)[0]
            if MADE_UP in draft or self.truth(copy) != truth or self.retrieved(copy) != answer:
                yield "retrieve_is_a_fixed_point"
        if not self.recoverable(shared):
            yield "always_recoverable"

    def agrees(self, shared: int) -> bool:
        """Full agreement: everything says the same, and nothing is half-way."""
        s = self.stores(shared)
        return (
            s.template == s.xenstore
            and all(held == (there != ABSENT) for held, there in zip(s.resources, s.xenstore, strict=True))
            and not any(s.closing)
            and s.saved == s.alive
            and s.granted == s.memory
            and not (s.paused or s.locked)
        )

    def recoverable(self, shared: int) -> bool:
        """Operations, one after another, lead to full agreement."""
        queue, met = deque([shared]), {shared}
        while queue:
            here = queue.popleft()
            if self.agrees(here) or here in self._recoverable:
                self._recoverable.add(shared)
                return True
            for there in self._one_operation(here):
                if there not in met:
                    met.add(there)
                    queue.append(there)
        return False

    def _one_operation(self, shared: int) -> Iterator[int]:
        """The stores after any one operation; a domain that is whole is not destroyed."""
        s = self.stores(shared)
        whole = s.alive and s.saved and not s.paused
        for word in self.program.starts:
            if self.point(word).operation != "destroy" or (s.alive and not whole):
                after = self._after(shared, word)
                if after is not None:
                    yield after

    def _after(self, shared: int, word: int) -> int | None:
        """The stores after an operation alone, None if it never ends."""
        while word != IDLE:
            possible = [t for t in self.moves(shared, word) if t.label.kind not in (DIES, FAILS)]
            if not possible:
                return None
            shared, word = possible[0].shared, possible[0].local
        return shared

    def notices(self, seen: Seen, before: int, local: int, t: Transition, *, mine: bool) -> Seen:
        """What a process knows the domain to have been, after somebody's transition. `local`: its word before."""
        after = t.local if mine else local
        point = self.point(after)
        if point.operation != "retrieve" or point.cleaning_up:
            return frozenset()
        return seen | {self.truth(t.shared)} | ({self.truth(before)} if local == IDLE else set())

    def inexact(self, shared: int, local: int, seen: Seen) -> bool:
        """A retrieve is about to return what the domain was at no instant since its call."""
        return self.returns(shared, local) and self.result(local) not in seen

    def all_notice(self, seen: list[Seen], before: State, process: int, t: Transition) -> list[Seen]:
        """What each process knows the domain to have been, after a transition of one of them."""
        each = zip(seen, before[1], strict=True)
        return [self.notices(s, before[0], word, t, mine=q == process) for q, (s, word) in enumerate(each)]

    def bad(self, state: State, seen: list[Seen], how: type[Property]) -> set[str]:
        """What a state violates, of the properties of this form."""
        shared, local = state
        if how is Invariant:
            return set(self.bad_stores(shared))
        if how is Linearizable:
            inexact = any(self.inexact(shared, word, s) for word, s in zip(local, seen, strict=True))
            return {"retrieve_is_exact"} if inexact else set()
        if issubclass(how, (AnswerInvariant, *OF_PROCESSES)):
            return set(self.bad_processes(state))
        return set() if any(local) else set(self.bad_quiescent(shared))

    # Everything at once.

    def search(self) -> Found:
        """Look at every state."""
        depth = dict(walk(self.first, self.successors))
        taken: Counter[Label] = Counter()
        shortest: dict[str, int | None] = dict.fromkeys(PROPERTIES)
        for (shared, local), n in depth.items():
            taken.update(t.label for word in local for t in self.moves(shared, word))
            for name in {*self.bad_stores(shared), *self.bad_processes((shared, local))} | (
                set() if any(local) else set(self.bad_quiescent(shared))
            ):
                if shortest[name] is None:
                    shortest[name] = n
        shortest["retrieve_is_exact"] = self._first_inexact()
        return Found(depth, taken, shortest)

    def _first_inexact(self) -> int | None:
        """Subset construction: with each process, all that the domain has been since its retrieve was called."""
        nothing: Seen = frozenset()

        def successors(state: tuple[int, tuple[tuple[int, Seen], ...]]) -> Iterator[Any]:
            shared, processes = state
            for p, (word, _) in enumerate(processes):
                for t in self.moves(shared, word):
                    yield (
                        t.shared,
                        tuple(
                            (t.local if q == p else w, self.notices(seen, shared, w, t, mine=q == p))
                            for q, (w, seen) in enumerate(processes)
                        ),
                    )

        shared, local = self.first
        ways = walk((shared, tuple((word, nothing) for word in local)), successors)
        return next((n for (g, ps), n in ways if any(self.inexact(g, w, seen) for w, seen in ps)), None)


def reach_all(first: Iterable[int], edges: dict[int, set[int]]) -> set[int]:
    """All nodes on a way from `first`, these included."""
    return {n for f in first for n, _ in walk(f, lambda n: edges[n])}


def violates(program: Program, moves: Iterable[Move], name: str) -> bool:
    """Whether the last state of a run violates a property; how it came there counts for `retrieve_is_exact`."""
    naive = Naive(program)
    state, seen = naive.first, [frozenset[Answer | None]()] * program.bounds.processes
    for m in moves:
        assert (m.before.shared, m.before.local) == state
        seen = naive.all_notice(seen, state, m.process, m.transition)
        state = (m.after.shared, m.after.local)
    return name in naive.bad(state, seen, type(PROPERTIES[name]))
