"""The checker of histories: known good and bad ones, small ones held against every order, and its own mistakes."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from confsync.proofs.conformance import linearizable
from confsync.proofs.conformance.linearizable import Call, Result, Verdict, check

Value = int


def register(value: Value, call: Call) -> Iterable[Value]:
    """A number that is written, read, and exchanged if it is what was expected."""
    match call.what:
        case ("write", int(new)):
            return [new]
        case ("read",):
            return [value] if call.returned is None or call.answer == value else []
        case ("swap", int(old), int(new)):
            after = new if value == old else value
            return [after] if call.returned is None or call.answer == (value == old) else []
    raise ValueError(call.what)


def write(called: float, returned: float | None, value: int, key: Hashable = "a") -> Call:
    return Call(key, called, returned, ("write", value))


def read(called: float, returned: float | None, value: int, key: Hashable = "a") -> Call:
    return Call(key, called, returned, ("read",), value)


def verdict(*calls: Call) -> Verdict:
    return check(calls, 0, register).verdict


OK, ILLEGAL = Verdict.OK, Verdict.ILLEGAL
HISTORIES: dict[str, tuple[Verdict, list[Call]]] = {
    "nothing": (OK, []),
    "one after the other": (OK, [write(1, 2, 1), read(3, 4, 1)]),
    "a stale read": (ILLEGAL, [write(1, 2, 1), read(3, 4, 0)]),
    "old, while it is written": (OK, [write(1, 4, 1), read(2, 3, 0)]),
    "new, while it is written": (OK, [write(1, 4, 1), read(2, 3, 1)]),
    "new, then old again": (ILLEGAL, [write(1, 6, 1), read(2, 3, 1), read(4, 5, 0)]),
    "two readers agree on two writes": (
        OK, [write(1, 9, 1), write(1, 9, 2), read(2, 3, 1), read(2, 3, 1), read(4, 5, 2), read(4, 5, 2)],
    ),
    "two readers disagree on two writes": (
        ILLEGAL, [write(1, 2, 1), write(1, 2, 2), read(3, 8, 1), read(3, 4, 2)],
    ),
    "an update that is lost": (
        ILLEGAL,
        [Call("a", 1, 3, ("swap", 0, 1), True), Call("a", 2, 4, ("swap", 0, 2), True), read(5, 6, 2)],
    ),
    "one of two swaps": (
        OK, [Call("a", 1, 3, ("swap", 0, 1), False), Call("a", 2, 4, ("swap", 0, 2), True), read(5, 6, 2)],
    ),
    "a write that never returned, seen late": (OK, [write(1, None, 1), read(3, 4, 0), read(5, 6, 1)]),
    "a write that never returned, never seen": (OK, [write(1, None, 1), read(3, 4, 0), read(5, 6, 0)]),
    "a write that never returned, undone": (ILLEGAL, [write(1, None, 1), read(3, 4, 1), read(5, 6, 0)]),
    "a write seen before it began": (ILLEGAL, [read(1, 2, 1), write(3, None, 1)]),
    "two that never returned, each seen once": (
        OK, [write(1, None, 1), write(2, None, 1), read(3, 4, 1), write(5, 6, 2), read(7, 8, 1)],
    ),
    "one that never returned, seen twice": (
        ILLEGAL, [write(1, None, 1), read(3, 4, 1), write(5, 6, 2), read(7, 8, 1)],
    ),
    "at the same instant is at the same time": (OK, [write(1, 2, 1), read(2, 3, 0)]),
}  # fmt: skip


@pytest.mark.parametrize("name", HISTORIES)
def test_known_histories(name: str) -> None:
    expected, calls = HISTORIES[name]
    assert verdict(*calls) is expected
    assert verdict(*reversed(calls)) is expected


def test_keys_are_apart() -> None:
    assert verdict(write(1, 2, 1, "a"), read(3, 4, 0, "b")) is OK
    found = check([write(1, 2, 1, "a"), read(3, 4, 1, "a"), write(1, 2, 1, "b"), read(3, 4, 0, "b")], 0, register)
    assert (found.verdict, found.key) == (ILLEGAL, "b")


def test_the_window_is_where_it_goes_wrong() -> None:
    early = [call for n in range(0, 100, 10) for call in (write(n, n + 3, n), read(n + 4, n + 5, n))]
    wrong = [write(200, 210, 7), read(205, 207, 7), read(208, 209, 90)]
    late = [write(300, 301, 5), read(302, 303, 5)]
    found = check([*early, *wrong, *late], 0, register)
    assert found.verdict is ILLEGAL
    assert [(call.called, call.what) for call in found.window] == [(c.called, c.what) for c in wrong]
    assert found.window[0].returned is None, "it had not returned when it went wrong"
    assert found.states == {90}
    assert "which was one of ['90']" in str(found)
    assert "at 208, 209 answered 90" in str(found)


@pytest.mark.slow
def test_the_limit_is_never_a_pass() -> None:
    calls = [Call("a", 0, 100, ("write", n)) for n in range(12)] + [read(101, 102, 5), read(103, 104, 77)]
    found = check(calls, 0, register, limit=50)
    assert found.verdict is Verdict.UNKNOWN
    assert check(calls, 0, register).verdict is ILLEGAL


def test_an_illegal_key_is_told_before_one_that_is_not_known() -> None:
    many = [Call("a", 0, 100, ("write", n)) for n in range(12)] + [read(101, 102, 77)]
    found = check([*many, write(1, 2, 1, "b"), read(3, 4, 0, "b")], 0, register, limit=50)
    assert (found.verdict, found.key) == (ILLEGAL, "b")


def test_a_clock_that_runs_backwards_is_refused() -> None:
    with pytest.raises(ValueError, match="returned before it was called"):
        check([write(2, 1, 1)], 0, register)


def test_many_that_died_are_no_burden() -> None:
    died = [write(n, None, n % 3 + 1) for n in range(60)]
    calls = [call for n in range(100, 300, 2) for call in (write(n, n + 1, n % 7), read(n + 1.2, n + 1.5, n % 7))]
    found = check([*died, *calls], 0, register)
    assert found.verdict is OK
    assert found.explored < 100_000


def test_a_specification_may_leave_a_choice() -> None:
    def either(value: int, call: Call) -> Iterable[int]:
        if call.what == "read":
            return [value] if call.answer == value else []
        return [value, value + 1]  # an update that failed, in part or not

    calls = [Call("a", 1, 2, "add"), Call("a", 3, 4, "add"), Call("a", 5, 6, "read", 1)]
    assert check(calls, 0, either).verdict is OK
    assert check([*calls, Call("a", 7, 8, "read", 0)], 0, either).verdict is ILLEGAL


# ------------------------------------------------------------------ against every order


def by_hand(calls: Sequence[Call]) -> bool:
    """Whether any order of any choice of those that never returned does."""
    ended = [call for call in calls if call.returned is not None]
    pending = [call for call in calls if call.returned is None]
    for count in range(len(pending) + 1):
        for chosen in itertools.combinations(pending, count):
            if any(_fits(order) for order in itertools.permutations([*ended, *chosen])):
                return True
    return False


def _fits(order: Sequence[Call]) -> bool:
    if any(later.end < earlier.called for earlier, later in itertools.combinations(order, 2)):
        return False
    state = 0
    for call in order:
        after = list(register(state, call))
        if not after:
            return False
        (state,) = after
    return True


@st.composite
def histories(draw: st.DrawFn) -> list[Call]:
    """Up to five calls, with times that meet each other, and answers that may be right."""
    calls = []
    for _ in range(draw(st.integers(0, 5))):
        called = draw(st.integers(0, 8))
        returned = draw(st.one_of(st.none(), st.integers(called, 9)))
        small = st.integers(0, 2)
        what = draw(
            st.one_of(st.tuples(st.just("write"), small), st.just(("read",)), st.tuples(st.just("swap"), small, small))
        )
        answer: Hashable = None
        if returned is not None and what[0] != "write":
            answer = draw(small if what[0] == "read" else st.booleans())
        calls.append(Call("a", called, returned, what, answer))
    return calls


def disagreement(history: list[Call]) -> bool:
    """Whether the checker says otherwise than all orders do."""
    found: Result[int] = check(history, 0, register)
    hasty: Result[int] = check(history, 0, register, quiet=lambda call: call.what == ("read",))
    return (found.verdict is OK) != by_hand(history) or found.verdict is not hasty.verdict


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(histories())
def test_it_agrees_with_every_order(history: list[Call]) -> None:
    assert not disagreement(history)
    found = check(history, 0, register)
    if found.verdict is ILLEGAL:
        assert found.window
        died = [call for call in history if call.returned is None]
        assert died or all(not by_hand_from(state, found.window) for state in found.states)


def by_hand_from(state: int, window: Sequence[Call]) -> bool:
    """Whether the window is in order from this state."""
    begin = min(call.called for call in window) - 1
    return by_hand([Call("a", begin - 1, begin - 0.5, ("write", state)), *window])


Next = tuple[list[int], list[int]]


def _any_next(self: linearizable._Search[int], placed: int) -> Next:
    left = [n for n in range(len(self._calls)) if not placed >> n & 1]
    return [n for n in left if n < self._count], [n for n in left if n >= self._count]


def _first_only(self: linearizable._Search[int], placed: int) -> Next:
    returned, pending = _next(self, placed)
    return returned[:1], pending


def _never_returned_never_happened(self: linearizable._Search[int], placed: int) -> Next:
    return _next(self, placed)[0], []


_next = linearizable._Search._next


@pytest.mark.parametrize("wrong", [_any_next, _first_only, _never_returned_never_happened])
def test_a_wrong_checker_is_noticed(wrong: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linearizable._Search, "_next", wrong)
    assert any(verdict(*calls) is not expected for expected, calls in HISTORIES.values())
