"""The look-outs over the states that a search found: the same as naming each look-out a state, and as a dictionary."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from naive import Naive
from numpy.typing import NDArray
from places import DATA
from searches import LEAST, search_of
from test_slices import EXACT_BY_PARTS

from confsync.model.engine.check import check
from confsync.model.engine.memory import INTERRUPT
from confsync.model.engine.program import Program
from confsync.model.engine.search.alone import Answer
from confsync.model.engine.search.bfs import Limits, Search
from confsync.model.engine.search.exact import suspects, watching
from confsync.model.engine.search.frontier import Ids
from confsync.model.engine.search.lookouts import WORD, Bits, LookOuts, Unseen, _batches, first_unseen
from confsync.model.engine.search.recover import Recoveries
from confsync.model.engine.search.symmetry import permutations
from confsync.model.engine.verdict import EXIT_OPEN, EXIT_REFUTED, Verdict, exit_code
from confsync.model.language import Design
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.observed import read, to_design
from confsync.model.libxl.protocol import LIBXL
from confsync.model.libxl.state import CONFIG, Bounds

pytestmark = pytest.mark.slow

Named = tuple[int, tuple[int, ...], int, Answer]
"""A state in words, a process, and an answer."""
LAB = DATA / "observed" / "lab"
DETACH = to_design(read([LAB / "block-detach.txt"]), DESIGNS[RECOMMENDED]).design
"""A detach that never takes the entry out of the template, and holds no lock: many answers of retrieve are suspect."""
DRIVE = Bounds(slots=0, ejectable=1, configs=2, names=2, amounts=1, processes=2, crashes=0)
CASES = {"holds": DETACH, "refuted": DESIGNS["xenstore_first_unlocked"]}


def searched(design: Design, bounds: Bounds = LEAST, *, symmetric: bool = True, wide: bool = False) -> Search:
    """All states of a design."""
    search = search_of(Program(design, bounds), symmetric=symmetric)
    search.packing = search.packing.wider() if wide else search.packing
    search.run(Limits())
    return search


def depth_of(search: Search) -> int | None:
    """The depth at which an answer is returned that the domain never was; checked to be one that was suspect."""
    suspected = suspects(search.pairs)
    assert suspected, "the case is about nothing"
    found = first_unseen(search, suspected, Limits(), None)
    assert found.stopped == ""
    assert (found.depth is None) is (found.answer is None)
    return found.depth


@pytest.mark.parametrize("case", ["holds", pytest.param("refuted", marks=pytest.mark.slow)])
def test_beside_a_dictionary(case: str) -> None:
    design = CASES[case]
    found = Naive(Program(design, LEAST))._first_inexact()
    assert (found is None) is (case == "holds")
    for symmetric in (True, False):
        assert depth_of(searched(design, symmetric=symmetric)) == found
    (cell,) = check(design, LEAST, ["retrieve_is_exact"]).cells
    assert (cell.depth if cell.verdict is Verdict.REFUTED else None) == found


class Grown(LookOuts):
    """Look-outs that grow to their end, whatever is found on the way."""

    def _violated(self, keys: Ids, fresh: Bits) -> list[int]:  # noqa: ARG002
        return []

    def sets(self, answers: Iterable[Answer]) -> NDArray[np.bool_]:
        """For each state and process, which of the answers are in its set."""
        numbers = [self._number[a] for a in sorted(answers)]
        bits = np.stack([self._sets[:, n // WORD] >> np.uint64(n % WORD) & np.uint64(1) for n in numbers])
        return bits.astype(np.bool_)

    def all(self) -> set[Named]:
        """Every state, with a process and what it is on the look-out for."""
        found = set()
        shared, local = self.search.packing.unpack(self._states)
        for key, row in enumerate(self._sets.tolist()):
            at, process = divmod(key, self._processes)
            words = tuple(self.pairs.local.words[int(column[at])] for column in local)
            for n, answer in enumerate(self.answers):
                if row[n // WORD] >> n % WORD & 1:
                    found.add((self.pairs.shared.words[int(shared[at])], words, process, answer))
        return found


def grown(search: Search, answers: Iterable[Answer]) -> Grown:
    found = Grown(search, sorted(answers), [{}])
    assert found.first(Limits(), None) == Unseen()
    return found


def one_by_one(search: Search, answers: set[Answer]) -> set[Named]:
    """The same, found by a search in which each look-out is a state of its own."""
    watch, program, found = watching(search.program, answers, symmetric=False), search.program, set()
    watch.run(Limits())
    mask = watch.pairs.program.local_layout.places["watch"].mask
    for states in watch.visited.levels:
        shared, local = watch.packing.unpack(states)
        for g, *here in zip(shared.tolist(), *(c.tolist() for c in local), strict=True):
            words = [watch.pairs.local.words[n] for n in here]
            bare = tuple(w & ~mask for w in words)
            for p, word in enumerate(words):
                n = watch.pairs.watch_of(word)
                if n and not program.points[program.point_of(bare[p])].cleaning_up:
                    found.add((watch.pairs.shared.words[g], bare, p, watch.pairs.answers[n - 1]))
    return found


@pytest.mark.parametrize("case", CASES)
def test_the_sets_are_what_a_search_finds_that_names_each_look_out(case: str) -> None:
    search = searched(CASES[case], symmetric=False)
    suspected = suspects(search.pairs)
    assert grown(search, suspected).all() == one_by_one(search, suspected)


def test_wide_states_and_many_answers_are_as_exact() -> None:
    """States of more than 64 bits; more answers than a word has room for."""
    narrow, wide = (searched(DETACH, symmetric=False, wide=wide) for wide in (False, True))
    assert not wide.packing.one_word
    suspected = suspects(narrow.pairs)
    few = grown(narrow, suspected)
    assert np.array_equal(grown(wide, suspected).sets(suspected), few.sets(suspected))
    many = {((config,), 0, amount) for config in range(LEAST.size(CONFIG)) for amount in range(WORD)}
    assert suspected < many
    assert np.array_equal(grown(narrow, many).sets(suspected), few.sets(suspected))


def test_a_few_answers_at_a_time_find_the_shortest_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """However the answers are dealt out, what can be renamed to one another stays together."""
    search = searched(EXACT_BY_PARTS, DRIVE)
    suspected = suspects(search.pairs)
    at_once = first_unseen(search, suspected, Limits(), None)
    batches = len(list(_batches(LIBXL, suspected, permutations(LIBXL, search.program.bounds))))
    monkeypatch.setattr("confsync.model.engine.search.lookouts.ROOM", 1)
    assert len(list(_batches(LIBXL, suspected, permutations(LIBXL, search.program.bounds)))) > batches
    found = first_unseen(search, suspected, Limits(), None)
    assert found.depth == at_once.depth is not None
    assert first_unseen(search, suspected, Limits(), found.depth) == found
    assert first_unseen(search, suspected, Limits(), (found.depth or 0) - 1) == Unseen()


def test_a_limit_ends_it() -> None:
    search = searched(DETACH)
    suspected = suspects(search.pairs)
    assert "--max-memory" in first_unseen(search, suspected, Limits(max_bytes=1), None).stopped
    assert first_unseen(search, suspected, Limits(go_on=lambda _: False), None).stopped == INTERRUPT


def test_a_limit_leaves_the_other_properties_their_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the property whose decision hit the limit is BOUNDED."""
    design, bounds = DETACH, LEAST
    names = ["retrieve_is_exact", "template_has_xenstore", "always_recoverable", "lock_is_exclusive"]
    free = {c.property_name: c for c in check(design, bounds, names).cells}
    limit = "the bound of 7 MiB of memory"
    monkeypatch.setattr("confsync.model.engine.check.first_unseen", lambda *_: Unseen(stopped=limit))
    cells = {c.property_name: c for c in check(design, bounds, names).cells}
    assert (cells["retrieve_is_exact"].verdict, cells["retrieve_is_exact"].stopped) == (Verdict.BOUNDED, limit)
    assert {n: cells[n].verdict for n in names[1:]} == {n: free[n].verdict for n in names[1:]}
    assert {free[n].verdict for n in names} == {Verdict.EXHAUSTED, Verdict.REFUTED}
    assert exit_code(list(cells.values())) == EXIT_REFUTED


def test_a_recovery_at_its_limit_leaves_the_others_too(monkeypatch: pytest.MonkeyPatch) -> None:
    explore = Recoveries._explore

    def limited(self: Recoveries, begin: Ids) -> object:
        self.limits = Limits(max_bytes=1)
        return explore(self, begin)

    monkeypatch.setattr(Recoveries, "_explore", limited)
    names = ["always_recoverable", "template_is_faithful", "lock_is_exclusive"]
    cells = {c.property_name: c for c in check(DETACH, LEAST, names).cells}
    bounded = {n for n, c in cells.items() if c.verdict is Verdict.BOUNDED}
    assert bounded == {"always_recoverable"}
    assert "--max-memory" in cells["always_recoverable"].stopped
    assert exit_code([cells["always_recoverable"], cells["lock_is_exclusive"]]) == EXIT_OPEN


def test_what_other_searches_hold_counts() -> None:
    """The memory of all searches of a design together is held against the limit."""
    design, bounds = DETACH, LEAST
    names = ["lock_is_exclusive", "template_is_faithful", "always_recoverable"]
    free = check(design, bounds, names)
    enough = check(design, bounds, names, limits=Limits(max_bytes=free.peak_bytes))
    assert [c.verdict for c in enough.cells] == [c.verdict for c in free.cells]
    less = check(design, bounds, names, limits=Limits(max_bytes=free.peak_bytes - 1))
    assert Verdict.BOUNDED in {c.verdict for c in less.cells}
    alone = max(check(design, bounds, [n]).peak_bytes for n in names)
    assert alone < free.peak_bytes
