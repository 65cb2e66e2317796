"""Z3 for one question: in a context apart, with a fixed seed, limited in Z3's resource units and not in time.

Terms are built in Z3's main context, and what Z3 does there depends on everything that was built before: the numbers
of its terms decide in which order it looks at them. A `Solver` translates what it is asked into a context apart. Its
answers then depend on the questions of that context, and on one thing more: the order in which Z3 lists the constants
of a model can differ with what the process did before, so that other lemmas are found first. Proofs repeated in one
process took up to 2 % more or less work; a command proves each design in a process of its own.

Resource units (`rlimit`) count the solver's own work, so a busy machine changes no answer. The wall clock is a guard
against a solver that hangs within one unit; where it fires, that is said, and the answer is unknown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import z3

RLIMIT = 10_000_000
"""Z3 resource units for one question; docs/proofs.md has the calibration."""
GUARD = 3_600
"""Seconds of wall clock for one question."""
GUARD_FIRED = f"the wall-clock guard of {GUARD:,} s fired: the machine, and not the question, decided that"
_STOPPED = ("timeout", "canceled", "resource")
"""Words of Z3 for both limits: it does not always tell which one it was."""


class Apart:
    """A context for several solvers, and what was translated into it: a formula is translated once. A context costs
    15 ms and 16 MiB."""

    def __init__(self) -> None:
        self.context = z3.Context()
        self._translated: dict[int, tuple[Any, Any]] = {}
        """Each formula and its translation, by the `id` of the formula: kept, so that no other gets the same."""

    def translate(self, formula: Any) -> Any:
        """The formula in this context."""
        known = self._translated.get(id(formula))
        if known is None:
            ast = z3.Z3_translate(formula.ctx_ref(), formula.as_ast(), self.context.ref())
            known = self._translated[id(formula)] = formula, z3.BoolRef(ast, self.context)
        return known[1]


class Solver:
    """A solver in a context apart. Formulas go in and models come out in the main context."""

    def __init__(
        self,
        rlimit: int = RLIMIT,
        *,
        seed: int = 0,
        logic: str = "",
        apart: Apart | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`rlimit`: resource units for one question, 0 for no limit. `logic`: for a solver that is made for it.
        `apart`: a context to share with solvers that are always asked the same questions in the same order; without
        it the solver makes its own."""
        self.rlimit = rlimit
        self._apart = apart or Apart()
        context = self._apart.context
        self._solver: Any = z3.SolverFor(logic, ctx=context) if logic else z3.SimpleSolver(ctx=context)
        self._solver.set("rlimit", rlimit)
        self._solver.set("timeout", GUARD * 1000)
        self._solver.set("random_seed", seed)
        self._clock = clock
        self._seconds = 0.0
        self._assumed: dict[int, Any] = {}
        """Each assumption, by the number of its translation."""
        self._assumptions: dict[int, Any] = {}
        """The translation of each assumption, by the `id` of the assumption, which the context keeps."""

    def add(self, *formulas: Any) -> None:
        """Assert formulas."""
        for formula in formulas:
            self._assert(self._apart.translate(formula).as_ast())

    def add_if(self, condition: Any, formula: Any) -> None:
        """Assert that a formula follows from a condition, which can be an assumption."""
        a, b = self._apart.translate(condition), self._apart.translate(formula)
        follows = z3.BoolRef(z3.Z3_mk_implies(a.ctx.ref(), a.as_ast(), b.as_ast()), a.ctx)
        self._assert(follows.as_ast())

    def _assert(self, ast: Any) -> None:
        z3.Z3_solver_assert(self._apart.context.ref(), self._solver.solver, ast)

    def push(self) -> None:
        """What is asserted from here on is dropped by `pop`."""
        self._solver.push()

    def pop(self) -> None:
        """Drop what was asserted since `push`."""
        self._solver.pop()

    def check(self, assumptions: Iterable[Any] = ()) -> z3.CheckSatResult:
        """Whether what is asserted can be so, together with assumptions."""
        given = [self._assumption(a).as_ast() for a in assumptions]
        context, began = self._apart.context.ref(), self._clock()
        answer = z3.Z3_solver_check_assumptions(context, self._solver.solver, len(given), (z3.Ast * len(given))(*given))
        self._seconds = self._clock() - began
        return z3.CheckSatResult(answer)

    def _assumption(self, formula: Any) -> Any:
        known = self._assumptions.get(id(formula))
        if known is None:
            known = self._assumptions[id(formula)] = self._apart.translate(formula)
            self._assumed[known.get_id()] = formula
        return known

    def core(self) -> list[Any]:
        """After unsat, the assumptions that it rests on."""
        return [self._assumed[c.get_id()] for c in self._solver.unsat_core() if c.get_id() in self._assumed]

    def model(self) -> Any:
        """After sat, the model, for terms of the main context."""
        return self._solver.model().translate(z3.main_ctx())

    def own_model(self) -> Any:
        """After sat, the model, for `true_in`."""
        return self._solver.model()

    def true_in(self, model: Any, formula: Any) -> bool:
        """Whether a model of this solver makes a formula true. Evaluated in the solver's context, because the value
        that completes a model can depend on the context."""
        return bool(z3.is_true(model.eval(self._apart.translate(formula), model_completion=True)))

    def used(self) -> int:
        """Resource units taken so far, by all questions."""
        return int(self._solver.statistics().get_key_value("rlimit count"))

    def reason(self) -> str:
        """After unknown, why: the limit, the wall clock, or the solver's own words."""
        said = str(self._solver.reason_unknown())
        if self._seconds >= GUARD:
            return GUARD_FIRED
        return f"the limit of {self.rlimit:,} resource units" if any(word in said for word in _STOPPED) else said
