"""Obligations as SMT-LIB 2 scripts: a file each, for people to read and for any solver to check.

A script asks two questions. First whether what is assumed can be so at all, the rest of the invariant included; then
whether what is to be shown can fail. `unsat` to the second means that the obligation holds. Formulas are printed by Z3.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import z3

from confsync.model.engine.verdict import Verdict
from confsync.model.language import Design, Protocol
from confsync.proofs.prover.invariant.lemma import Lemma
from confsync.proofs.prover.obligation import Discharged, Kind, Obligation
from confsync.proofs.prover.proof import Proof


class Answer(StrEnum):
    """What a solver says to a question."""

    SAT = "sat"
    UNSAT = "unsat"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answers:
    """To a script's two questions: what is assumed can be so; and what is to be shown can fail."""

    possible: Answer
    fails: Answer


@dataclass(frozen=True, slots=True)
class Script:
    """An obligation of a proof as a script. `file`: a name for it, good on any file system. `uses`: the lemmas that it
    assumes. `shows`: those that it shows."""

    of: Discharged
    file: str
    text: str
    uses: tuple[Lemma, ...]
    shows: tuple[Lemma, ...]

    @property
    def expected(self) -> Answers:
        """The answers that are right; `possible` is UNKNOWN where any will do, for Z3 had none."""
        return Answers(answers(self.of).possible, Answer.UNSAT)


SAYS = {
    Kind.INITIATION: "In the initial state every lemma holds.",
    Kind.CONSECUTION: "Where the lemmas hold before this transition, they hold after it.",
    Kind.SAFETY: "This follows from the lemmas.",
}
"""What an obligation of each kind states."""
FAILS = "|it fails|"
"""What a script calls the opposite of what is to be shown."""
_UNQUOTABLE = re.compile(r"[^ -[\]-{}~]")
"""What may not stand between the bars of a quoted symbol, and what is not ASCII: not every solver reads that."""
_AT = re.compile(r"\(= \(at [^()]+\) (\d+)\)")


def symbols_of(protocol: Protocol) -> dict[str, str]:
    """What symbols stand for, in words."""
    fields = protocol.shared_fields | protocol.local_fields
    found = {name: field.__doc__ or "" for name, field in fields.items()}
    found |= {f"owner of {lock}": f"the process that took the lock of `{lock}` last" for lock in protocol.holders}
    for index in protocol.index_sorts:
        found |= {kind.name: f"the {index.name.lower()} is {kind.name}" for kind in index.kinds[1:]}
    for sort in protocol.value_sorts:
        found |= {name: f"a {sort.name}: {sort.show(n)}" for n, name in enumerate(sort.constants)}
        found[f"another {sort.name}"] = f"a {sort.name} that has no name"
    return found | {
        "me": "a process; the one that takes the step, if one is taken",
        "p": "another process",
        "k": f"any {protocol.index_sorts[0].name.lower()}" if protocol.index_sorts else "nothing in particular",
    }


def answers(discharged: Discharged) -> Answers:
    """What Z3 answered."""
    possible = {True: Answer.SAT, False: Answer.UNSAT, None: Answer.UNKNOWN}[discharged.possible]
    fails = {Verdict.PROVED: Answer.UNSAT, Verdict.REFUTED: Answer.SAT}.get(discharged.verdict, Answer.UNKNOWN)
    return Answers(possible, fails)


def scripts(proof: Proof) -> Iterator[Script]:
    """All obligations of a proof, in their order."""
    writer = Writer(proof.design, proof.found.induction.relation.names)
    steps = {s.name: s for s in proof.found.steps}
    files = _Distinct()
    for d in proof.discharged:
        o, found = d.obligation, proof.found
        step = steps[o.name] if o.kind is Kind.CONSECUTION else None
        uses = () if o.kind is Kind.INITIATION else found.used.get(step or o.name, frozenset())
        shows = [(g.lemma, ", of another process" * g.other) for g in found.goals(step)] if step else []
        if o.kind is Kind.INITIATION:
            shows = [(lemma, "") for lemma in found.needed]
        yield Script(
            d,
            files(file_name(o), "-{}") + ".smt2",
            writer.script(o, answers(d).possible, [proof.names(lemma) + whose for lemma, whose in shows]),
            tuple(x for x in found.needed if x in uses),
            tuple(dict.fromkeys(lemma for lemma, _ in shows)),
        )


def file_name(obligation: Obligation) -> str:
    """A name for an obligation's file, without an ending: lower case, digits, `_` and `-`; at most 100 characters."""
    return re.sub(r"[^a-z0-9_]+", "-", obligation.title.lower()).strip("-")[:100]


class _Distinct:
    """Makes names distinct: a number goes after one that was given out before."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def __call__(self, name: str, number: str) -> str:
        found, n = name, 1
        while found in self._given:
            n += 1
            found = name + number.format(n)
        self._given.add(found)
        return found


class Printed:
    """Formulas as text, each printed once. `symbols`: by name, a declaration and the sorts that it mentions."""

    def __init__(self) -> None:
        self.symbols: dict[str, tuple[str, frozenset[str]]] = {}
        self._texts: dict[int, tuple[str, frozenset[str]]] = {}
        self._within: dict[int, tuple[frozenset[str], bool]] = {}
        self._kept: list[Any] = []
        """The terms that are known by their number: else it would be given to others."""

    def __call__(self, formula: Any) -> tuple[str, frozenset[str]]:
        """A formula's text, and the names of the symbols in it. ValueError if two symbols have one name."""
        key = formula.get_id()
        if key not in self._texts:
            plain = formula
            symbols, short = self._look(plain)
            while short:
                plain = z3.substitute(plain, *_short_connectives(plain))
                symbols, short = self._look(plain)
            self._kept.append(formula)
            self._texts[key] = plain.sexpr(), symbols
        return self._texts[key]

    def _look(self, term: Any) -> tuple[frozenset[str], bool]:
        """The symbols in a term, and whether there is an `and` or `or` of one operand or none: SMT-LIB has none."""
        key = term.get_id()
        if key not in self._within:
            operands = term.children()
            below = [self._look(each) for each in operands]
            symbols = frozenset().union(*(names for names, _ in below))
            symbol = term.decl()
            kind = symbol.kind()
            if kind == z3.Z3_OP_UNINTERPRETED:
                symbols |= {self._declare(symbol)}
            short = len(operands) < 2 and kind in (z3.Z3_OP_AND, z3.Z3_OP_OR)
            self._kept.append(term)
            self._within[key] = symbols, short or any(each for _, each in below)
        return self._within[key]

    def _declare(self, symbol: Any) -> str:
        name = str(symbol.name())
        sorts = [*(symbol.domain(i) for i in range(symbol.arity())), symbol.range()]
        entry = symbol.sexpr(), frozenset(s.sexpr() for s in sorts if s.kind() == z3.Z3_UNINTERPRETED_SORT)
        if self.symbols.setdefault(name, entry) != entry:
            raise ValueError(f"SMT-LIB has no overloading, and two symbols are called `{name}`: rename one of them")
        return name


def _short_connectives(formula: Any) -> Iterator[tuple[Any, Any]]:
    """Each `and` or `or` of one operand or none, and what it comes to."""
    seen, todo = set[int](), [formula]
    while todo:
        term = todo.pop()
        if term.get_id() not in seen:
            seen.add(term.get_id())
            operands = term.children()
            todo += operands
            if len(operands) < 2 and (z3.is_and(term) or z3.is_or(term)):
                yield term, operands[0] if operands else z3.BoolVal(z3.is_and(term))


class Writer:
    """Writes the scripts of one design. `locations`: what the points that a process can be at are called."""

    def __init__(self, design: Design, locations: Sequence[str]) -> None:
        self.design, self.locations = design.name, locations
        self._symbols = symbols_of(design.protocol)
        self._printed = Printed()

    def script(self, o: Obligation, possible: Answer, shows: Sequence[str] = ()) -> str:
        """An obligation's script. `possible`: what is to be answered to the first question. `shows`: what each operand
        of the disjunction `fails` is the opposite of, in words. ValueError if it can't be said in SMT-LIB."""
        named = _Distinct()
        symbols: set[str] = set()

        def text(formula: Any) -> str:
            said, mentions = self._printed(formula)
            symbols.update(mentions)
            return said

        def assertions(what: str, formulas: Sequence[tuple[str, Any]]) -> list[str]:
            return [
                _assertion(text(f), f"|{named(f'{what}: ' + _UNQUOTABLE.sub('_', name), ' #{}')}|")
                for name, f in formulas
            ]

        stated = [
            *_part("What is known", assertions("known", o.premises)),
            *_part("What the lemmas say that are used", assertions("lemma", o.lemmas)),
            "; What would be so if it did not hold" + (": one of these lemmas fails." if shows else "."),
            *self._fails(o, shows, text),
            "",
        ]
        asked = [
            "; 1. Can what is assumed be so at all, together with the rest of the invariant?",
            "(push 1)",
            *(f"(assert {_flat(text(f))})" for _, f in o.others),
            f"(check-sat) ; expected: {_expectation(possible)}",
            "(pop 1)",
            "",
            "; 2. Can it fail?",
            f"(assert {FAILS})",
            "(check-sat) ; expected: unsat",
            "",
        ]
        head = [
            "; A proof obligation, written by confsync.",
            f"; design: {_comment(self.design)}",
            f"; kind:   {o.kind.value}",
            f"; name:   {_comment(o.name)}",
            ";",
            f"; {SAYS[o.kind]} It does if the second answer is `unsat`.",
            *self._where("\n".join(stated)),
            "",
            "(set-info :smt-lib-version 2.6)",
            "(set-logic QF_UFLIA)",
            *self._declarations(symbols),
            "",
        ]
        return "\n".join(head + stated + asked)

    def _fails(self, o: Obligation, shows: Sequence[str], text: Callable[[Any], str]) -> Iterator[str]:
        operands = o.fails.children() if len(shows) > 1 else [o.fails]
        if shows and len(shows) != len(operands):
            raise ValueError(f"{o.title}: {len(operands)} ways to fail, and words for {len(shows)}")
        yield f"(define-fun {FAILS} () Bool" + (" (or" if len(operands) > 1 else "")
        for i, operand in enumerate(operands):
            yield from ([f"  ; {_comment(shows[i])}"] if shows else [])
            yield _indented(text(operand))
        yield "))" if len(operands) > 1 else ")"

    def _where(self, body: str) -> Iterator[str]:
        numbers = sorted({int(n) for n in _AT.findall(body)})
        if numbers:
            yield "; Locations, the values of `at`: " + "; ".join(
                f"{n} {_comment(self.locations[n] if n else 'idle')}" for n in numbers
            )

    def _declarations(self, symbols: set[str]) -> Iterator[str]:
        declared = sorted(symbols)
        for sort in sorted(frozenset().union(*(self._printed.symbols[name][1] for name in declared))):
            yield f"(declare-sort {sort} 0)"
        for name in declared:
            words = _words(name, self._symbols)
            yield self._printed.symbols[name][0] + (f" ; {_comment(words)}" if words else "")


def _words(symbol: str, symbols: Mapping[str, str]) -> str:
    """What a symbol stands for. One that is `of` something is that of it."""
    base, _, whose = symbol.partition(" of ")
    words = symbols.get(symbol) or (symbols.get(base, "") if whose else "")
    return f"{words}; as `{whose}` has it" if words and symbol not in symbols else words


def _part(title: str, assertions: Sequence[str]) -> Iterator[str]:
    if assertions:
        yield f"; {title}."
        yield from assertions
        yield ""


def _assertion(text: str, name: str) -> str:
    if "\n" in text or len(text) + len(name) > 100:
        return f"(assert (!\n{_indented(text)}\n  :named {name}))"
    return f"(assert (! {text} :named {name}))"


def _expectation(possible: Answer) -> str:
    return {
        Answer.SAT: "sat",
        Answer.UNSAT: "unsat (it can never happen, so nothing is shown of it)",
        Answer.UNKNOWN: "any (it was not decided in time)",
    }[possible]


def _indented(text: str) -> str:
    return "  " + text.replace("\n", "\n  ")


def _flat(text: str) -> str:
    return " ".join(text.split())


def _comment(words: str) -> str:
    """Words on one line, in ASCII."""
    return _flat(words).encode("ascii", "backslashreplace").decode()
