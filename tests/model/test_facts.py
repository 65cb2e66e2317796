"""The search and the prover agree with every fact of `facts`, which knows neither of them.

Both run the same step functions and share predicates (recovery, exactness), so their agreement with each other says
nothing about these. The search's side is followed on plain states, without any search of a design; the prover's side on
Z3 terms that hold the same values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import facts_proved
import facts_searched
import pytest
from facts import AGREEMENT, ASKED, EXACT, QUIESCENT, RECOVERABLE, RETURNED, RUNS, SEEN, STATEMENTS
from facts.plain import (
    ERROR,
    FAILS,
    HOLDS,
    LOCKED,
    WAITS,
    Agreement,
    Asked,
    Call,
    Exact,
    Quiescent,
    Recoverable,
    Returned,
    Run,
    Seen,
    Statement,
    Told,
)
from facts_fields import NO_NIC
from facts_proved import Proved, proved
from facts_searched import Searched, searched

pytestmark = pytest.mark.xdist_group("facts")

ENGINES = pytest.mark.parametrize("engine", [searched, proved], ids=["searched", "proved"])
Of = Callable[..., Searched | Proved]


def words(fact: object) -> str:
    """A fact's name."""
    return str(getattr(fact, "fact", fact))


@ENGINES
@pytest.mark.parametrize("run", RUNS, ids=words)
def test_operations_answer_and_leave_what_the_fact_says(run: Run, engine: Of) -> None:
    answers, host = engine(run.design).follow(run)
    assert answers == run.answers
    assert host == run.left


PLAIN = [
    run
    for run in RUNS
    if len(run.calls) == 1 and isinstance(c := run.calls[0], Call) and not (c.dies or c.fails or c.stops)
]


@pytest.mark.parametrize("run", PLAIN, ids=words)
def test_so_does_what_each_engine_runs_alone(run: Run) -> None:
    """What decides the properties of quiescent states runs operations by itself."""
    (call,), (answer,) = run.calls, run.answers
    assert isinstance(call, Call)
    returned, told, host = searched(run.design).run_alone(run.before, call)
    assert host == run.left
    assert (returned, told) == ((True, answer) if isinstance(answer, Told) else (False, None))
    passes, told, host = proved(run.design).run_alone(run.before, call)
    assert passes == (answer not in (ERROR, WAITS))
    assert told == (answer if isinstance(answer, Told) else None)
    assert not passes or host == run.left


@ENGINES
@pytest.mark.parametrize("statement", STATEMENTS, ids=words)
def test_properties_over_the_stores(statement: Statement, engine: Of) -> None:
    assert engine(LOCKED).states(statement) == statement.says


@pytest.mark.parametrize("fact", QUIESCENT, ids=words)
def test_properties_of_quiescent_states(fact: Quiescent) -> None:
    assert searched(fact.design).judges(fact) == fact.says
    assert proved(fact.design).judges(fact) == (FAILS if fact.says == FAILS else HOLDS)


@ENGINES
@pytest.mark.parametrize("fact", EXACT, ids=words)
def test_exactness(fact: Exact, engine: Of) -> None:
    assert engine(fact.design).is_exact(fact) == fact.says


@ENGINES
@pytest.mark.parametrize("fact", RETURNED, ids=words)
def test_degraded_answers(fact: Returned, engine: Of) -> None:
    assert engine(LOCKED).is_degraded(fact) == fact.says


@ENGINES
@pytest.mark.parametrize("fact", AGREEMENT, ids=words)
def test_agreement(fact: Agreement, engine: Of) -> None:
    whole = len(fact.agree) == 4
    assert engine(LOCKED, NO_NIC).agreement(fact.host) == (fact.agree, fact.runs, fact.may_be_destroyed, whole)


@pytest.mark.parametrize("recovers", [facts_searched.recovers, facts_proved.recovers], ids=["searched", "proved"])
def test_recovery(recovers: Callable[[Sequence[Recoverable]], Mapping[str, bool]]) -> None:
    assert recovers(RECOVERABLE) == {fact.fact: fact.says for fact in RECOVERABLE}


@ENGINES
@pytest.mark.parametrize("fact", SEEN, ids=words)
def test_the_abstraction(fact: Seen, engine: Of) -> None:
    assert engine(LOCKED).sees(fact) == fact.seen


@ENGINES
@pytest.mark.parametrize("fact", ASKED, ids=words)
def test_arguments(fact: Asked, engine: Of) -> None:
    assert engine(LOCKED).may_be_asked(fact) == fact.says
