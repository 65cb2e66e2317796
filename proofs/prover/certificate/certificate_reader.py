"""Check a certificate with a solver alone: python3 check.py [SOLVER [OPTION...]], z3 if none is named.

The orders of steps in index.json say which transitions there must be; what a transition needs and writes, and the
lemmas, say what has to be shown of it. The solver is asked just that. A file in obligations/ may assume nothing else
and show nothing less. Exit code: 0 all is shown; 1 something is missing, weak, contradictory or not so; 2 bad input.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any


def forms(*texts: str) -> tuple[Any, ...]:  # S-expressions, their `let`s put in
    stack: list[list[Any]] = [[]]
    for token in re.findall(r";[^\n]*|\|[^|]*\||[()]|[^\s();|]+", "\n".join(texts)):
        if token == "(":
            stack.append([])
        elif token[0] != ";":
            done = tuple(stack.pop()) if token == ")" else token
            stack[-1].append(put(done[2], dict(done[1])) if done[:1] == ("let",) else done)
    return tuple(stack[0])


def put(term: Any, values: dict[Any, Any]) -> Any:
    return values.get(term, term) if isinstance(term, str) else tuple(put(t, values) for t in term)


def show(term: Any) -> str:
    return term if isinstance(term, str) else f"({' '.join(map(show, term))})"


def after(term: Any, new: dict[str, Any]) -> Any:  # what is so after a transition of `me`, said of the state before
    if isinstance(term, str):
        return new.get(term, term)
    head, rest = term[0], tuple(after(t, new) for t in term[1:])
    value = new.get(head, new.get(f"my {head}"))
    if value is None or (head not in new and rest[0] == "p"):
        return (head, *rest)
    value = put(value, {"k": rest[-1]})
    return value if head in new or rest[0] == "me" else ("ite", ("=", rest[0], "me"), value, (head, *rest))


def split(lemma: Any) -> tuple[Any, Any]:  # the location that a lemma is about, if any, and what it says there
    return lemma[1:] if lemma[0] == "=>" and lemma[1][:2] == ("=", ("at", "me")) else (None, lemma)


class Reader:
    def __init__(self, folder: Path) -> None:
        self.folder, self.index = folder, json.loads((folder / "index.json").read_text("utf-8"))
        self.unseen = {t["name"]: t for t in self.index["transitions"]}
        self.at = {name: str(n) for n, name in enumerate(self.index["locations"])}
        self.files = {(o["kind"], o["name"]): o["file"] for o in self.index["obligations"]}
        self.axioms, self.initial = (forms(*self.index["system"][x]) for x in ("axioms", "initial"))
        self.lemmas = forms(*(lemma["formula"] for lemma in self.index["invariant"]))
        self.wrong, self.undone, self.questions = list[str](), dict[str, Any](), list[tuple[str, str, Any]]()

    def orders(self) -> None:  # every transition that the orders of steps have is there, and leads where it must
        for operation in self.index["design"]["operations"]:
            name, steps, undo = (operation[key] for key in ("name", "steps", "clean_up"))
            places = [*(f"{name} {i} {s}" for i, s in enumerate(steps, 1)), "idle"]
            for i, step in enumerate(steps):
                parts = [part["steps"] for part in undo if part["once"] in steps[:i] and part["steps"]]
                self.outcomes(name, step, places[i], places[i] if i else "idle", places[i + 1], parts, parts)
        self.wrong += [f"{n}: no order of steps has this" for n, t in self.unseen.items() if t["from"] in self.undone]

    def outcomes(
        self, operation: str, step: str, here: str, begins: str, taken: Any, refused: Any, failed: Any
    ) -> None:
        facts, guards = self.index["design"]["steps"][step], dict[str, Any]()
        ways = {"takes": taken, "is refused": refused, "fails": failed} | ({"dies": "idle"} if here == begins else {})
        for way in [w for w in ways if facts.get({"is refused": "refuses", "fails": "may_fail"}.get(w), True)]:
            t, to = self.unseen.pop(f"{here} {way}", {"from": "", "to": "", "guards": []}), ways[way] or "idle"
            guards[way] = ("and", "true", *forms(*t["guards"]))
            start = to if isinstance(to, str) else f"{operation} clean-up {to[0][0]}"
            new = t["to"] not in self.undone
            if (t["from"], t["to"].partition(" #")[0]) != (begins, start) or self.undone.setdefault(t["to"], to) != to:
                self.wrong.append(f"{here} {way}: there must be a transition that leads to {start}")
            elif new and isinstance(to, list):
                then = [part for part in (to[0][1:], *to[1:]) if part]
                self.outcomes(operation, to[0][0], t["to"], t["to"], then, then, to[1:])
        cases = "true" if facts["waits"] else guards["takes"], guards.get("is refused", "false")
        self.questions.append((f"{here}: its guards leave a case out", "unsat", [("not", case) for case in cases]))

    def obligations(self) -> None:
        first = tuple(put(f, {"me": q}) for f in self.initial for q in self.index["system"]["processes"])
        self.obligation("initiation", "every lemma holds at first", first, [("not", x) for x in self.lemmas])
        for t in self.index["transitions"]:
            given = (("=", ("at", "me"), self.at[t["from"]]), *forms(t["asked"], *t["guards"]))
            self.obligation("consecution", t["name"], given, self.goals(t), [("me", "k"), ("p", "k")], given[:1])
        for claim in self.index["claims"]:
            given, fails, uses = forms(*claim["given"]), forms(claim["fails"]), forms(*claim["uses"])
            self.obligation("safety", claim["says"], given, fails, uses)
        shown: set[Any] = {(x["says"], None) for x in self.index["claims"]}
        shown |= {(f"{x['at']}: {x['says']}".removeprefix(": "), n) for n, x in enumerate(self.index["invariant"], 1)}
        for p in self.index["properties"]:
            needs = {(x["says"], x.get("number")) for x in (*p["lemmas"], *p["claims"])}
            if p["verdict"] == "PROVED" and not shown >= needs > set():
                self.wrong.append(f"{p['name']}: what would show it is not there")

    def goals(self, t: Any) -> list[Any]:  # that a lemma fails afterwards; of those that may not say what they did
        new = {symbol: forms(text)[0] for symbol, text in t["updates"].items()} | {"my at": self.at[t["to"]]}
        mine, others = [*map(split, self.lemmas)], [put(x, {"me": "p"}) for x in self.lemmas]
        same = {*others, *(says for point, says in mine if point is None)}
        there = ("=", ("at", "me"), self.at[t["to"]])
        goals = [*(says for point, says in mine if point in (None, there)), *others]
        return [("not", after(x, new)) for x in goals if after(x, new) != x or x not in same]

    def obligation(self, kind: str, name: str, given: Any, goals: Any, uses: Any = (), here: Any = ()) -> None:
        lemmas = [put(lemma, {"me": q, "k": k}) for lemma in self.lemmas for q, k in uses]
        wrong = ("or", "false", *goals)
        self.questions.append((f"{name}: what is known contradicts itself", "sat", given))
        self.questions.append((f"{name}: it can fail", "unsat", (*given, *lemmas, wrong)))
        path, fails = self.folder / self.files.pop((kind, name), "none"), "false"
        if path.is_file():
            stated = [f for f in forms(path.read_text("ascii")) if f[0][:4] not in ("set-", "decl")]
            push, pop = stated.index(("push", "1")), stated.index(("pop", "1"))
            *known, (*_, fails), it_fails, ask = [*stated[:push], *stated[pop + 1 :]]
            strange = {f[1][1] for f in known} - {*self.axioms, *given, *lemmas}
            if strange or (it_fails, ask) != (("assert", "|it fails|"), ("check-sat",)):
                self.wrong.append(f"{path.name}: it assumes or asks something else: {' '.join(map(show, strange))}")
        self.questions.append((f"{name}: its file shows less than it must", "unsat", (*here, wrong, ("not", fails))))

    def check(self, *solver: str) -> None:
        lines = [*self.index["system"]["declarations"], *(f"(assert {show(f)})" for f in self.axioms)]
        for _, _, asserts in self.questions:
            lines += ["(push 1)", *(f"(assert {show(f)})" for f in asserts), "(check-sat)", "(pop 1)"]
        with tempfile.NamedTemporaryFile("w", suffix=".smt2") as script:
            script.write("\n".join(["(set-logic QF_UFLIA)", *lines]))
            script.flush()
            said = subprocess.run([*solver, script.name], capture_output=True, text=True, check=False).stdout.split()
        if len(said) != len(self.questions):
            raise ValueError(f"the solver said {' '.join(said)[:200]!r}")
        self.wrong += [f"{q[0]} ({x})" for q, x in zip(self.questions, said, strict=True) if x != q[1]]


if __name__ == "__main__":
    try:
        reader = Reader(Path(__file__).resolve().parent)
        reader.orders()
        reader.obligations()
        reader.wrong += [f"{file}: nothing has to be shown by this" for file in reader.files.values()]
        reader.check(*sys.argv[1:] or ["z3"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        sys.exit(print(f"check.py: the certificate can't be checked: {error!r}"[:500], file=sys.stderr) or 2)
    print(*reader.wrong, f"{len(reader.questions)} questions, {len(reader.wrong)} faults", sep="\n")
    sys.exit(bool(reader.wrong))
