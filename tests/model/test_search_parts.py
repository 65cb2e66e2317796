"""The parts of the search, each beside a plainer way: sorted states, the group of renamings, one state an orbit, the
bits that a step reads, and the answers that a retrieve may give."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable

import numpy as np
import pytest
from hand_states import C1, C2
from naive import Naive
from retrieving import read_memory, read_name, retrieving
from searches import search_of, words_of

from confsync.model.engine.check import check
from confsync.model.engine.concrete import Plain
from confsync.model.engine.program import IDLE, Effect, Kind, Program
from confsync.model.engine.search.bfs import Limits
from confsync.model.engine.search.frontier import BLOCK, Packing, TooNarrow, Visited, distinct, position, present
from confsync.model.engine.search.symmetry import LARGEST, permutations, renaming
from confsync.model.engine.trace import StaleToken, TokenError, read_token, replay
from confsync.model.engine.verdict import Verdict
from confsync.model.language import Design
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.protocol import LIBXL
from confsync.model.libxl.state import AMOUNT, CONFIG, EMPTY, FIRST_CONFIG, MADE_UP, NAME, SLOT, Bounds
from confsync.model.libxl.steps import answer, drop_lock, merge_knobs, read_template, take_lock

recommended = DESIGNS[RECOMMENDED]
KNOBS = Bounds(slots=0, ejectable=0, configs=1, names=2, amounts=1, processes=2, crashes=0)

# ------------------------------------------------------------------ sorted states


def states(numbers: Iterable[int]) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.array(list(numbers), np.uint64)


@pytest.mark.parametrize("numbers", [[], [7], [7, 7], [3, 1, 2], [5, 1, 5, 1, 9, 0, 0]], ids=str)
def test_distinct_states(numbers: list[int]) -> None:
    assert distinct(states(numbers)).tolist() == sorted(set(numbers))


def test_which_states_are_present_block_after_block() -> None:
    chance = random.Random(5)
    there = sorted(chance.sample(range(20 * BLOCK), 3 * BLOCK + 17))
    known = {n: i for i, n in enumerate(there)}
    asked = sorted({*there[::3], *chance.sample(range(20 * BLOCK), 2 * BLOCK + 5), there[0], there[-1], 20 * BLOCK})
    assert len(asked) > BLOCK
    wanted = [n in known for n in asked]
    assert present(states(asked), states(there)).tolist() == wanted
    at, found = position(states(asked), states(there))
    assert found.tolist() == wanted
    assert at[found].tolist() == [known[n] for n in asked if n in known]
    assert not present(states([1, 2]), states([])).any()


def test_what_was_visited_is_not_new() -> None:
    visited, chance, known = Visited(), random.Random(2), set[int]()
    for size in (1, 3, 9, 2, 40, 1, 1, 1, 500, 30):
        level = chance.sample(range(2000), size)
        fresh = visited.unseen(states(sorted(level)))
        assert fresh.tolist() == sorted(set(level) - known)
        if fresh.size:
            visited.add_level(fresh)
        known |= set(level)
    assert len(visited) == len(known)
    assert sorted(np.concatenate(visited.levels).tolist()) == sorted(known)


@pytest.mark.parametrize("packing", [Packing.for_processes(2), Packing.for_processes(3), Packing(2, 32, 32)], ids=str)
def test_a_state_is_unpacked_as_it_was_packed(packing: Packing) -> None:
    shared = np.array([0, 1, 5, 1023], np.int64)
    local = [np.array([n, 2 * n, 3, 1000], np.int64) for n in range(packing.processes)]
    back = packing.unpack(packing.pack(shared, local))
    assert back[0].tolist() == shared.tolist()
    assert [c.tolist() for c in back[1]] == [c.tolist() for c in local]
    packing.check(1 << packing.shared_bits, 1 << packing.local_bits)
    for too_many in ((1 + (1 << packing.shared_bits), 1), (1, 1 + (1 << packing.local_bits))):
        with pytest.raises(TooNarrow):
            packing.check(*too_many)


# ------------------------------------------------------------------ renamings


def test_what_may_be_renamed() -> None:
    """Ordinary slots among themselves, drives among themselves, what users gave, and all names and amounts but the
    first, with which a domain is created."""
    bounds = Bounds(slots=2, ejectable=2, configs=2, names=3, amounts=3)
    group = permutations(LIBXL, bounds)
    assert len(group) == 2 * 2 * 2 * 2 * 2
    assert len({tuple(sorted((s.name, p) for s, p in g.items())) for g in group}) == len(group)
    for g in group:
        assert set(g[SLOT][:2]) == {0, 1}
        assert set(g[SLOT][2:]) == {2, 3}
        assert g[CONFIG][:FIRST_CONFIG] == tuple(range(FIRST_CONFIG)), "absent, empty, made up"
        assert set(g[CONFIG][FIRST_CONFIG:]) == {C1, C2}
        assert g[NAME][0] == g[AMOUNT][0] == 0
        assert set(g[NAME]) == set(g[AMOUNT]) == {0, 1, 2}
    assert group[0] == {s: tuple(range(len(p))) for s, p in group[0].items()}, "the identity comes first"


def test_a_group_that_is_too_large_is_a_subgroup() -> None:
    bounds = Bounds(slots=6, ejectable=2, configs=2, names=3, amounts=3)
    group = permutations(LIBXL, bounds)
    assert 1 < len(group) <= LARGEST
    found = {tuple(p for _, p in sorted(g.items(), key=lambda item: item[0].name)) for g in group}
    first = min(found)
    assert tuple(tuple(range(len(p))) for p in first) in found
    composed = {tuple(tuple(a[i] for i in b) for a, b in zip(g, h, strict=True)) for g in found for h in found}
    assert composed == found


def test_a_renaming_moves_every_field_of_its_sort() -> None:
    bounds = Bounds(slots=2, ejectable=0, configs=2, names=3, amounts=3)
    layout = Program(recommended, bounds).shared_layout
    swap = {SLOT: (1, 0), CONFIG: (0, 1, 2, C2, C1), NAME: (0, 2, 1), AMOUNT: (0, 2, 1)}
    before: dict[str, Plain] = {
        "alive": True, "template": (C1, MADE_UP), "xenstore": (C2, EMPTY), "closing": (True, False),
        "vouched": (C1, C1), "name": 1, "template_name": 2, "memory": 1, "granted": 0, "template_memory": 2,
        "crashes": 1,
    }  # fmt: skip
    after: dict[str, Plain] = {
        "alive": True, "template": (MADE_UP, C2), "xenstore": (EMPTY, C1), "closing": (False, True),
        "vouched": (C2, C2), "name": 2, "template_name": 1, "memory": 2, "granted": 0, "template_memory": 1,
        "crashes": 1,
    }  # fmt: skip
    words = []
    for fields in (before, after):
        word = 0
        for name, value in fields.items():
            word = layout.put(word, name, value)
        words.append(word)
    assert renaming(layout, swap)(words[0]) == words[1]
    assert renaming(layout, swap)(words[1]) == words[0]


ORBITS = Bounds(slots=0, ejectable=0, configs=1, names=3, amounts=1, processes=2, crashes=1)


@pytest.mark.parametrize(("design", "levels"), [(RECOMMENDED, 9), ("xenstore_first_unlocked", 5)])
def test_one_state_an_orbit(design: str, levels: int) -> None:
    """Every state without symmetry is a renaming of one that is found with it, and of one only."""
    program = Program(DESIGNS[design], ORBITS)
    group = permutations(LIBXL, ORBITS)
    rename = [(renaming(program.shared_layout, g), renaming(program.local_layout, g)) for g in group]
    found, whole = search_of(program, symmetric=True), search_of(program, symmetric=False)
    for search in (found, whole):
        search.run(Limits(), lambda level: level == levels)
    assert len(words_of(found)) == len(words_of(whole))
    for some, every in zip(words_of(found), words_of(whole), strict=True):
        covered = [
            {
                (of_shared(shared), tuple(of_local(word) & program.live[program.point_of(word)] for word in ordered))
                for of_shared, of_local in rename
                for ordered in itertools.permutations(local)
            }
            for shared, local in some
        ]
        assert set().union(*covered) == every
        assert sum(map(len, covered)) == len(every), "two of them are of one orbit"
    assert found.total() == whole.found.states


# ------------------------------------------------------------------ what is reached


def test_every_state_is_reached_and_no_other() -> None:
    """Names and a death, beside a dictionary: each level, and how often each transition is taken."""
    program = Program(recommended, Bounds(slots=0, ejectable=0, configs=1, names=2, amounts=1, processes=2, crashes=1))
    naive, search = Naive(program), search_of(program, symmetric=False)
    levels = [{naive.first}]
    for _ in range(8):
        levels.append({t for s in levels[-1] for t in naive.successors(s)} - set().union(*levels))
    search.run(Limits(), lambda level: level == len(levels) - 1)
    assert words_of(search) == levels


@pytest.mark.parametrize("crashes", [0, 2])
def test_so_many_die_and_no_more(crashes: int) -> None:
    program = Program(recommended, Bounds(0, 0, 1, 1, 1, processes=2, crashes=crashes))
    search = search_of(program, symmetric=True)
    search.run(Limits())
    counted = {program.shared_layout.get(word, "crashes") for word in search.pairs.shared.words}
    assert counted == set(range(crashes + 1))
    assert (Kind.CRASH in {label.kind for label in search.pairs.labels}) is (crashes > 0)


def test_what_happens_at_a_point_depends_on_what_it_reads() -> None:
    """Two states that agree on the bits that a point reads have the same outcomes there, a death included."""
    program = Program(recommended, Bounds(slots=1, ejectable=1, configs=2, names=2, amounts=2, crashes=2))
    chance, first = random.Random(11), program.first.values()
    for point in range(1, len(program.points)):
        at = program.local_layout.put(IDLE, "at", point)
        kinds = [(program.reads(point), _outcomes)]
        if point not in first:
            kinds.append((program.crash_reads(point), _death))
        for (of_shared, of_local), happens in kinds * 8:
            (shared, local), (other, own) = (_anything(program, chance, at) for _ in range(2))
            alike = shared & of_shared | other & ~of_shared, local & of_local | own & ~of_local
            assert happens(program, point, shared, local) == happens(program, point, *alike), program.points[point]


def _outcomes(program: Program, point: int, shared: int, local: int) -> object:
    effects = program.outcomes(point, shared, local, set())
    return effects and [_effect(program, e) for e in effects]


def _death(program: Program, point: int, shared: int, local: int) -> object:
    died = program.crash(point, shared, local)
    return died and _effect(program, died)


def _effect(program: Program, effect: Effect) -> object:
    return effect.kind, effect.shared_mask, effect.shared_bits, program.local_change(effect), effect.goes_to


def _anything(program: Program, chance: random.Random, at: int) -> tuple[int, int]:
    """Any shared word before the last death that there may be, and any local word at the point."""
    words = []
    for layout, start in ((program.shared_layout, 0), (program.local_layout, at)):
        word = start
        for name, place in layout.places.items():
            if name not in ("at", "watch", "crashes"):
                values = tuple(chance.randrange(layout.bounds.size_of(place.field)) for _ in range(place.count))
                word = layout.put(word, name, values if place.field.over else values[0])
        words.append(word)
    return words[0], words[1]


def test_what_a_point_leads_to() -> None:
    """A step that is taken leads on; one that fails or is refused leads to the clean-up of what was done; there a step
    that is refused is passed over, and one that fails ends its part."""
    program = Program(recommended, KNOBS)
    by_place = {p.place: n for n, p in enumerate(program.points) if n}
    lock, write = by_place["rename", "1 take_lock"], by_place["rename", "2 write_name"]
    cleanup = by_place["rename", "clean-up drop_lock"]
    assert program.leads_to(Kind.STEP, lock) == write
    assert program.leads_to(Kind.REFUSED, lock) == 0, "nothing is done that has to be undone"
    assert program.leads_to(Kind.FAILS, write) == program.leads_to(Kind.REFUSED, write) == cleanup
    assert program.leads_to(Kind.CRASH, write) == 0
    assert program.leads_to(Kind.REFUSED, cleanup) == program.leads_to(Kind.STEP, cleanup) == 0
    grant = by_place["set_memory_target", "clean-up grant_what_xenstore_says"]
    rest = by_place["set_memory_target", "clean-up drop_lock"]
    assert program.leads_to(Kind.REFUSED, grant) == program.next[grant]
    assert rest in (program.next[grant], program.failed[grant])
    close, release, leave, last = (
        by_place["create", f"clean-up {name}"]
        for name in ("close_devices", "release_devices", "leave_devices", "drop_lock")
    )
    assert program.leads_to(Kind.REFUSED, close) == program.leads_to(Kind.STEP, close) == release
    assert program.leads_to(Kind.FAILS, leave) == last


def test_what_the_outside_can_refuse() -> None:
    """A write of the template, a commit and a hypercall can fail; a lock that is free, a read and a check cannot."""
    program = Program(recommended, Bounds())
    shared = program.initial
    for field in ("alive", "saved"):
        shared = program.shared_layout.put(shared, field, True)
    kinds = {}
    for point, p in enumerate(program.points):
        if p.operation in ("rename", "set_memory_target", "attach") and not p.cleaning_up and p.remaining:
            local = program.local_layout.put(program.local_layout.put(IDLE, "at", point), "holds", True)
            effects = program.outcomes(point, shared, local, set()) or []
            kinds[p.step.name] = [e.kind for e in effects]
    taken, fails = [Kind.STEP], [Kind.STEP, Kind.FAILS]
    assert kinds == {
        "take_lock": taken, "read_template": taken, "refuse_if_present": taken, "drop_lock": taken,
        "write_template": fails, "enter_xenstore": fails, "write_name": fails, "grant_memory": fails,
        "write_memory": fails, "allocate": [Kind.REFUSED],
    }  # fmt: skip


# ------------------------------------------------------------------ exact answers


TWO_KNOBS = Bounds(slots=0, ejectable=0, configs=1, names=2, amounts=2, processes=2, crashes=0)

ANSWERS: dict[str, tuple[Design, Bounds, Verdict]] = {
    "the template's name, which no rename writes": (
        retrieving(take_lock, read_template, drop_lock, answer), KNOBS, Verdict.REFUTED,
    ),
    "xenstore's name, under the lock": (
        retrieving(take_lock, read_template, merge_knobs, drop_lock, answer), KNOBS, Verdict.EXHAUSTED,
    ),
    "a name that was true when it was read, and another came since": (
        retrieving(read_name, read_memory, answer), KNOBS, Verdict.EXHAUSTED,
    ),
    "two knobs that were never true together": (
        retrieving(read_name, read_memory, answer), TWO_KNOBS, Verdict.REFUTED,
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", ANSWERS)
def test_whether_an_answer_is_exact(what: str) -> None:
    design, bounds, verdict = ANSWERS[what]
    (cell,) = check(design, bounds, ["retrieve_is_exact"]).cells
    assert cell.verdict is verdict
    assert not cell.vacuous


# ------------------------------------------------------------------ tokens


def test_a_token_replays_its_own_run_and_no_other() -> None:
    (cell,) = check(ANSWERS["the template's name, which no rename writes"][0], KNOBS, ["retrieve_is_exact"]).cells
    assert cell.trace
    program = Program(cell.trace.program.design, KNOBS)
    token = read_token(cell.token, Bounds)
    assert replay(program, token).moves == cell.trace.moves
    with pytest.raises(StaleToken, match="something else"):
        replay(program, read_token(cell.token[:-8] + "00000000", Bounds))
    with pytest.raises(StaleToken, match="takes transition 999 of process 0"):
        replay(program, read_token(cell.token.replace(":0.", ":0.999-0.", 1), Bounds))
    with pytest.raises(TokenError, match="and there are 2"):
        replay(program, read_token(cell.token.replace(":0.", ":5.0-0.", 1), Bounds))
