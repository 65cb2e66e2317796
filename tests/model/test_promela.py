"""Spin stores as many states of the generated model as a plain search finds product states of the program."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from benchmarks import promela
from benchmarks.promela import SpinError, generate, run
from confsync.model.engine.program import Program
from confsync.model.engine.slice import cone
from confsync.model.language import Design, any_of, neg, once, order, pointwise, step
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.state import Bounds, Local, Shared
from confsync.model.libxl.steps import (
    allocate,
    drop_device_lock,
    enter_xenstore,
    forget,
    read_template,
    refuse_if_present,
    take_device_lock,
    write_template,
)

pytestmark = pytest.mark.slow

TINY = Bounds(configs=1, names=1, amounts=1, processes=1)


@pytest.fixture(autouse=True)
def _tools() -> None:
    missing = [tool for tool in ("spin", "gcc") if not shutil.which(tool)]
    if missing:
        why = f"NOT COMPARED WITH SPIN: {' and '.join(missing)} not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)


@pytest.fixture(autouse=True)
def _compiled_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """The models are small: to optimise them takes longer than to search them."""
    monkeypatch.setattr(promela, "COMPILER", tuple("-O0" if c == "-O2" else c for c in promela.COMPILER))


def product_states(program: Program) -> int:
    """The plainest search there is: how many states are reachable."""
    first = (program.initial, (0,) * program.bounds.processes)
    seen, waiting = {first}, [first]
    steps: dict[tuple[int, int], set[tuple[int, int]]] = {}
    while waiting:
        shared, locals_ = waiting.pop()
        for i, local in enumerate(locals_):
            if (shared, local) not in steps:
                steps[shared, local] = {(t.shared, t.local) for t in program.transitions(shared, local, set())}
            for after, then in steps[shared, local]:
                state = after, (*locals_[:i], then, *locals_[i + 1 :])
                if state not in seen:
                    seen.add(state)
                    waiting.append(state)
    return len(seen)


def agree(program: Program, where: Path) -> None:
    assert run(program, where, log2_hash=20).states == product_states(program)


SMALL = [
    Bounds(configs=1, names=1, amounts=2, processes=1),
    Bounds(slots=2, ejectable=0, configs=1, names=1, amounts=1, processes=1, crashes=2),
    Bounds(slots=0, ejectable=2, configs=1, names=1, amounts=1, processes=1, crashes=0),
]
LARGER = [
    Bounds(ejectable=0, configs=2, names=1, amounts=1, processes=2, crashes=1),
    Bounds(slots=0, ejectable=0, configs=1, names=1, amounts=1, processes=3, crashes=1),
    Bounds(slots=0, configs=1, names=1, amounts=1, processes=2, crashes=2),
    Bounds(slots=2, ejectable=1, configs=1, names=1, amounts=1, processes=1, crashes=1),
]


@pytest.mark.parametrize("bounds", SMALL, ids=str)
@pytest.mark.parametrize(
    "name", [RECOMMENDED, *(pytest.param(n, marks=pytest.mark.deep) for n in ("as_posted", "xenstore_first"))]
)
def test_spin_counts_the_same_states(name: str, bounds: Bounds, tmp_path: Path) -> None:
    agree(Program(DESIGNS[name], bounds), tmp_path)


@pytest.mark.parametrize("bounds", [LARGER[0], *(pytest.param(b, marks=pytest.mark.deep) for b in LARGER[1:])], ids=str)
def test_spin_counts_the_same_states_in_larger_bounds(bounds: Bounds, tmp_path: Path) -> None:
    agree(Program(DESIGNS[RECOMMENDED], bounds), tmp_path)


FOR_EVERY_CHANGE = {RECOMMENDED, "as_posted", "xenstore_first_locked_direct_swap_template_first"}
"""The designs that spin counts for every change; the others only in depth."""


@pytest.mark.parametrize(
    "name", [n if n in FOR_EVERY_CHANGE else pytest.param(n, marks=pytest.mark.deep) for n in sorted(DESIGNS)]
)
def test_spin_counts_the_same_states_of_every_design(name: str, tmp_path: Path) -> None:
    agree(Program(DESIGNS[name], TINY), tmp_path)


@step(may_fail=True)
def exchange(s: Shared, me: Local) -> None:
    """Guards in any order, values that are overwritten before they are used, conditions that are compared."""
    me.fails_if(neg(s.saved))
    me.waits_until(any_of(s.alive, s.closing[me.slot] == s.alive))
    me.fails_if(s.xenstore[me.slot].present)
    here, name = s.template[me.slot], s.name
    s.template = pointwise(lambda k: me.draft[k])
    me.draft[me.slot] = here
    s.name = s.template_name
    s.template_name = name
    s.saved = neg(s.locked)


def awkward() -> Design:
    attach = order(
        take_device_lock,
        read_template,
        exchange,
        write_template,
        drop_device_lock,
        enter_xenstore,
        allocate,
        on_failure=(once(take_device_lock, drop_device_lock), once(read_template, refuse_if_present, forget)),
    )
    return DESIGNS["xenstore_first"].but("awkward", "A design that nobody would want.", attach=attach)


@pytest.mark.parametrize(
    "bounds",
    [
        Bounds(ejectable=0, configs=1, amounts=1, processes=1),
        pytest.param(Bounds(configs=1, amounts=1, processes=1), marks=pytest.mark.deep),
        pytest.param(Bounds(slots=2, ejectable=0, configs=1, amounts=1, processes=1), marks=pytest.mark.deep),
    ],
    ids=str,
)
def test_a_value_is_kept_that_is_overwritten_before_it_is_used(bounds: Bounds, tmp_path: Path) -> None:
    program = Program(awkward(), bounds)
    assert "kept_1 = name; name = template_name; template_name = kept_1" in generate(program)
    agree(program, tmp_path)


def test_a_slice_of_a_program_is_a_smaller_model(tmp_path: Path) -> None:
    whole = Program(awkward(), Bounds(configs=1, processes=2, ejectable=0, crashes=0))
    part = Program(awkward(), whole.bounds, only=cone(whole, frozenset({"torn"})))
    assert len(generate(part)) < len(generate(whole))
    agree(part, tmp_path)


def test_a_search_that_is_cut_short_is_no_result(tmp_path: Path) -> None:
    program = Program(DESIGNS["as_posted"], TINY)
    with pytest.raises(SpinError, match="max_depth"):
        run(program, tmp_path, log2_hash=20, max_depth=50)
    with pytest.raises(SpinError, match="memory_mb"):
        run(program, tmp_path, log2_hash=20, memory_mb=20)
