"""A second opinion: cvc5 answers the very scripts that a certificate holds, and its answers are held against Z3's.

cvc5 is an optional extra, `second`: nothing else needs it.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from confsync.proofs.prover.carrier.solver import GUARD
from confsync.proofs.prover.certificate.smtlib import Answer, Answers, Script, answers, scripts
from confsync.proofs.prover.proof import Proof

RLIMIT = 100_000_000
"""cvc5's resource units for one question; docs/proofs.md has the calibration."""


class NoSecondSolver(Exception):
    """There is no cvc5 to ask."""


class Agreement(StrEnum):
    """What two solvers' answers come to. TIME_OUT: one of them had no answer within its limit, and no two
    answers differ."""

    AGREES = "agrees"
    DISAGREES = "disagrees"
    TIME_OUT = "time-out"


@dataclass(frozen=True, slots=True)
class Opinion:
    """What cvc5 says of an obligation. `seconds`: how long it took, reading included. `error`: what is wrong with the
    script ("": nothing); that is a disagreement, too."""

    kind: str
    name: str
    agreement: Agreement
    z3: Answers
    cvc5: Answers
    seconds: float
    error: str = ""


def require() -> None:
    """Nothing, where cvc5 is installed. NoSecondSolver where it is not."""
    _cvc5()


def _cvc5() -> Any:
    try:
        return importlib.import_module("cvc5")
    except ImportError as error:
        raise NoSecondSolver(
            f"a second opinion needs the solver cvc5, and it can't be loaded ({error}): pip install 'confsync[second]'"
        ) from None


def second_opinion(proof: Proof, *, rlimit: int = RLIMIT) -> Iterator[Opinion]:
    """What cvc5 says of every obligation of a proof. `rlimit`: cvc5's resource units (not Z3's) that it may
    take over one question; 0 is no limit. NoSecondSolver if it is not installed."""
    require()
    for script in scripts(proof):
        yield opinion(script, rlimit=rlimit)


def opinion(script: Script, *, rlimit: int = RLIMIT) -> Opinion:
    """What cvc5 says of one script."""
    began = time.perf_counter()
    said, error = ask(script.text, rlimit=rlimit)
    seconds = time.perf_counter() - began
    first = answers(script.of)
    o = script.of.obligation
    agreement = Agreement.DISAGREES if error else compare(first, said)
    return Opinion(o.kind.value, o.name, agreement, first, said, seconds, error)


def ask(text: str, *, rlimit: int = RLIMIT) -> tuple[Answers, str]:
    """cvc5's answers to a script's two questions, and what was wrong with the script ("": nothing)."""
    cvc5 = _cvc5()
    solver = cvc5.Solver(cvc5.TermManager())
    solver.setOption("rlimit-per", str(rlimit))
    solver.setOption("tlimit-per", str(GUARD * 1000))
    solver.setOption("seed", "0")
    parser = cvc5.InputParser(solver)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, text, "obligation")
    said: list[Answer] = []
    try:
        while not (command := parser.nextCommand()).isNull():
            answer = command.invoke(solver, parser.getSymbolManager()).strip()
            if command.getCommandName() == "check-sat" and answer in list(Answer):
                said.append(Answer(answer))
            elif answer:
                return _padded(said), answer
    except RuntimeError as error:  # it can't be parsed
        return _padded(said), str(error)
    return _padded(said), "" if len(said) == 2 else f"there are {len(said)} questions in it, not two"


def _padded(said: list[Answer]) -> Answers:
    possible, fails, *_ = [*said, Answer.UNKNOWN, Answer.UNKNOWN]
    return Answers(possible, fails)


def compare(one: Answers, other: Answers) -> Agreement:
    """What the answers of two solvers to one script come to."""
    pairs = [(one.possible, other.possible), (one.fails, other.fails)]
    if any(a is not b for a, b in pairs if Answer.UNKNOWN not in (a, b)):
        return Agreement.DISAGREES
    return Agreement.TIME_OUT if any(Answer.UNKNOWN in pair for pair in pairs) else Agreement.AGREES
