"""A design file is a design, or an error that says where and what to do; never anything else."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from places import ROOT

from confsync import load
from confsync.model.command.design_file import MAX_BYTES, DesignFileError
from confsync.model.engine.check import check
from confsync.model.engine.verdict import Verdict
from confsync.model.language import Design
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.operations import SIGNATURES
from confsync.model.libxl.state import Bounds

BASE = 'base = "xenstore_first_locked"\n'
ATTACH = "attach = [take_lock, read_template, refuse_if_present, write_template, enter_xenstore, drop_lock, allocate]\n"
GOOD = BASE + ATTACH
TINY = Bounds(slots=1, ejectable=0, configs=1, names=1, amounts=1)


def written(folder: Path, text: str | bytes, name: str = "mine.py") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def own(body: str, parameters: str = "s, me") -> str:
    """A file with a step of its own; the first line of its body is line 5."""
    return (
        f'{BASE}@step\ndef mine({parameters}):\n    """Do it."""\n    {body}\nattach = [take_lock, mine, drop_lock]\n'
    )


BAD: dict[str, tuple[str | bytes, int | None, str]] = {
    "syntax error": ("x = 1\nattach = [take_lock,\n", 2, "never closed"),
    "raises": ("x = 1\ny = 1 / 0\n", 2, "ZeroDivisionError: division by zero"),
    "unknown step": (BASE + "attach = [tak_lock]\n", 2, "no step or function `tak_lock`: did you mean `take_lock`"),
    "exits": ("import sys\nsys.exit(0)\n", 2, "SystemExit: 0"),
    "raises what is no Exception": ("x = 1\nraise BaseException('boo')\n", 2, "BaseException: boo"),
    "not UTF-8": (b"x = 1\ny = 'caf\xe9'\n", 2, "save the file as UTF-8"),
    "a comment that is not UTF-8": (b"# caf\xe9\n" + GOOD.encode(), 1, "save the file as UTF-8"),
    "a zero byte": ("x = 1\n\0\n", None, "null bytes"),
    "too large": ("#" * (MAX_BYTES + 1), None, "1,048,577 bytes are no design: the most is 1,048,576"),
    "empty": ("", None, "it gives no operation: write for example attach"),
    "no operation": (BASE, None, "it gives no operation: write for example attach"),
    "lacks operations": (ATTACH, None, f'it lacks create, detach, .* or say base = "{RECOMMENDED}"'),
    "unknown base": (
        'base = "nope"\n' + ATTACH,
        1,
        "base: there is no registered design `nope`: `confsync designs` lists them",
    ),
    "a base that is no name": ("x = 1\nbase = []\n" + ATTACH, 2, r"there is no registered design `\[\]`"),
    "misspelt operation": (GOOD + "detch = [take_lock]\n", 3, "there is no operation `detch`: did you mean `detach`?"),
    "misspelt, and the only one": (
        BASE + "attch = [take_lock]\n",
        2,
        "there is no operation `attch`: did you mean `attach`?",
    ),
    "misspelt on_failure": (
        GOOD + 'on_failur = {"attach": []}\n',
        3,
        "there is no operation `on_failur`: did you mean `on_failure`?",
    ),
    "no step": (BASE + "attach = [take_lock, 5]\n", 2, "operation `attach`: item 2, 5, is no step: name one of"),
    "a class": (BASE + "attach = [int]\n", 2, "item 1, <class 'int'>, is no step"),
    "a built-in function": (BASE + "attach = [print]\n", 2, "item 1, <built-in function print>, is no step"),
    "no list": (BASE + "attach = take_lock\n", 2, r"operation `attach`: it should be a list of steps such as \["),
    "a generator": (BASE + "attach = (s for s in [take_lock])\n", 2, "it should be a list of steps"),
    "an empty list": (BASE + "attach = []\n", 2, "operation `attach`: it has no steps: write order"),
    "branches": (own("if s.alive: s.alive = False"), 5, "a step must not branch on state: write `neg"),
    "no such field": (own("s.aliv = True"), 5, "there is no field `aliv`; the fields are alive"),
    "one parameter": (own("s.alive = True", "s"), 2, "takes 1 positional argument"),
    "a step that raises": (own("1 / 0"), 5, "ZeroDivisionError"),
    "a step that exits": (own("raise SystemExit"), 5, "SystemExit"),
    "a step that recurses": (own("mine.run(s, me)"), 5, "RecursionError"),
    "a step that returns": (own("return 5"), 2, "it returns a int|it returns an int"),
    "lacks its effect": (BASE + "attach = [take_lock, drop_lock]\n", 2, "no step of it writes `template`, `xenstore`"),
    "two steps of one name": (
        BASE + '@step\ndef take_lock(s, me):\n    """Other."""\n    s.locked = True\n    me.holds = True\n' + ATTACH,
        7,
        "there are two different steps `take_lock`; give one another name",
    ),
    "on_failure is a list": (GOOD + "on_failure = [once(take_lock, drop_lock)]\n", 3, "`on_failure` should be a dict"),
    "on_failure of what is not there": (GOOD + 'on_failure = {"detach": []}\n', 3, "that the file gives"),
    "on_failure of no list": (
        GOOD + 'on_failure = {"attach": once(take_lock, drop_lock)}\n',
        2,
        r"its clean-up should be a list such as \[once",
    ),
    "on_failure of steps": (GOOD + 'on_failure = {"attach": [drop_lock]}\n', 2, r"such as \[once"),
    "once of no step": (GOOD + 'on_failure = {"attach": [once(5, drop_lock)]}\n', 2, r"such as \[once"),
    "once to no step": (GOOD + 'on_failure = {"attach": [once(take_lock, 5)]}\n', 2, r"such as \[once"),
    "clean-up said twice": (
        BASE + 'attach = order(take_lock)\non_failure = {"attach": []}\n',
        2,
        "say its clean-up once",
    ),
    "order of no step": (BASE + "attach = order(5)\n", 2, "`5` is no step: write @step before"),
    "order with a bad clean-up": (BASE + "attach = order(take_lock, on_failure=(5,))\n", 2, "write once"),
    "designs is a number": ("designs = 5\n", None, "`designs` should be a dict"),
    "designs is empty": ("designs = {}\n", None, "`designs` should be a dict"),
    "designs by number": ("designs = {1: {}}\n", None, "`designs` should be a dict"),
    "a design is a number": ('designs = {"a": 5}\n', None, "`designs` should be a dict"),
    "a design without a name": ('designs = {"a b": {"base": "json_first"}}\n', None, "`a b` is no name for a design"),
    "a design of nothing": ('designs = {"a": {"base": "json_first"}}\n', None, "design `a`: it gives no operation"),
    "a design of a known name": ('designs = {"json_first": {}}\n', None, "a registered design `json_first` already"),
    "misspelt in designs": (
        'designs = {"a": {"attch": [take_lock]}}\n',
        None,
        "there is no operation `attch`: did you mean `attach`?",
    ),
    "recursion": ("def f():\n    f()\nf()\n", 2, "RecursionError"),
    "out of memory": ("x = 1\nx = 'a' * (1 << 60)\n", 2, "MemoryError"),
    "deep for the parser": ("x = " + "-" * 50_000 + "1\n", None, "MemoryError|RecursionError|too complex"),
    "deep for the compiler": ("x = " + "+".join("1" * 60_000) + "\n", None, "RecursionError|too complex|no operation"),
    "cannot be printed": (
        BASE + "class A:\n    def __repr__(self):\n        return 1 / 0\nattach = [A()]\n",
        4,
        "ZeroDivisionError",
    ),
    "an error that cannot be printed": (
        "class E(Exception):\n    def __str__(self):\n        return 1 / 0\nraise E\n",
        4,
        "^.*: E",
    ),
    "a list that cannot be read": (
        BASE + "class A(list):\n    def __iter__(self):\n        1 / 0\nattach = A()\n",
        4,
        "ZeroDivisionError",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_said_with_the_file_and_the_line(tmp_path: Path, name: str) -> None:
    text, line, said = BAD[name]
    path = written(tmp_path, text)
    with pytest.raises(DesignFileError, match=said) as caught:
        load(path)
    message = str(caught.value)
    assert "mine.py" in message
    assert (f"mine.py:{line}" in message) if line else not re.search(r"mine\.py:\d", message)
    assert "None" not in message


@pytest.mark.parametrize(
    ("name", "said"),
    [("a-b.py", "`a-b` is no name for a design: .* .rename the file."), ("json_first.py", "use another name")],
)
def test_a_file_name_that_is_no_name_for_a_design(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(DesignFileError, match=said):
        load(written(tmp_path, GOOD, name))


@pytest.mark.parametrize("name", ["gone.py", ".", "mine.py/x"])
def test_what_cannot_be_read(tmp_path: Path, name: str) -> None:
    written(tmp_path, GOOD)
    with pytest.raises(DesignFileError, match="cannot be read: "):
        load(tmp_path / name)


def test_an_interrupt_is_no_fault_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        load(written(tmp_path, "raise KeyboardInterrupt\n"))


# Right ones


def the(designs: dict[str, Design]) -> Design:
    (design,) = designs.values()
    return design


def test_what_the_file_leaves_out_is_the_base_s(tmp_path: Path) -> None:
    design = the(load(written(tmp_path, f'"""Mine."""\n{GOOD}')))
    base = DESIGNS[RECOMMENDED]
    assert (design.name, design.says) == ("mine", "Mine.")
    assert {n for n, o in design.operations() if o.steps != base[n].steps} == set()
    assert [str(u) for u in design["attach"].clean_up] == ["once take_lock: drop_lock"]


def test_a_mark_at_the_beginning_and_helpers_are_no_harm(tmp_path: Path) -> None:
    text = (
        "\ufeff"
        + BASE
        + "_locked = [take_lock, read_template]\nn = 5\n"
        + ATTACH.replace("take_lock, read_template", "*_locked")
    )
    assert the(load(written(tmp_path, text)))["attach"].steps == DESIGNS[RECOMMENDED]["attach"].steps


def test_all_ten_operations_need_no_base(tmp_path: Path) -> None:
    lines = []
    for name, operation in DESIGNS[RECOMMENDED].operations():
        undo = ", ".join(f"once({u.of}, {', '.join(map(str, u.steps))})" for u in operation.clean_up)
        steps = ", ".join(map(str, operation.steps))
        lines.append(f"{name} = order({steps}, on_failure=({undo}{',' if undo else ''}))\n")
    design = the(load(written(tmp_path, "".join(lines))))
    assert list(design.operations()) == list(DESIGNS[RECOMMENDED].operations())
    assert len(lines) == len(SIGNATURES)


def test_several_designs_in_a_file(tmp_path: Path) -> None:
    one = '{"says": "One.", "base": "json_first", "eject": [take_lock, unload_medium, drop_lock]}'
    found = load(written(tmp_path, f'designs = {{"one": {one}, "two": {one}}}\n'))
    assert {n: d.says for n, d in found.items()} == {"one": "One.", "two": "One."}
    assert found["one"]["attach"] == DESIGNS["json_first"]["attach"]


# What the documents show


def verdict(design: Design, name: str) -> Verdict:
    return check(design, TINY, [name]).cells[0].verdict


@pytest.mark.slow
def test_the_example_in_the_readme_is_what_it_says(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.split("## Your own design")[1].split("\n## ")[0]
    example = re.findall(r"(?:^    .*\n)+", section, re.MULTILINE)[0].replace("    ", "")
    design = the(load(written(tmp_path, example, "early_unlock.py")))
    steps = [s.name for s in design["attach"].steps]
    assert steps.index("drop_lock") + 1 == steps.index("enter_xenstore")
    assert design.says.startswith("Attach as in xenstore_first_locked, but the lock is dropped before")
    assert verdict(DESIGNS[RECOMMENDED], "xenstore_has_template") is Verdict.EXHAUSTED
    assert verdict(design, "xenstore_has_template") is Verdict.REFUTED


@pytest.mark.slow
def test_the_examples_in_the_document_are_what_they_say(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "designs.md").read_text(encoding="utf-8")
    whole, a_step, a_lemma = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    design = the(load(written(tmp_path, whole)))
    assert design.says.startswith("What this design is")
    assert verdict(design, "xenstore_has_template") is Verdict.REFUTED
    default = the(load(written(tmp_path, "".join(x for x in whole.splitlines(True) if "on_failure" not in x))))
    assert default["attach"] == design["attach"]
    unchecked = "attach = [take_lock, read_template, write_template, enter_xenstore_unchecked, drop_lock, allocate]\n"
    twice = the(load(written(tmp_path, BASE + a_step + unchecked)))
    step = twice["attach"].steps[3]
    assert (step.name, step.may_fail) == ("enter_xenstore_unchecked", True)
    assert verdict(twice, "xenstore_has_template") is Verdict.EXHAUSTED
    (lemma,) = the(load(written(tmp_path, whole + a_lemma))).lemmas
    assert lemma.at == "attach 4 write_template"
    assert not default.lemmas
    listed = re.findall(r"The operations are ([^.]*)\.", text)[0]
    assert re.split(r",\s+", listed) == list(SIGNATURES)


# Anything


def outcome(text: bytes) -> tuple[dict[str, Design], str]:
    """The designs in a file `mine.py`, or the error."""
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), text)
        try:
            return load(path), ""
        except DesignFileError as error:
            return {}, str(error).replace(str(path), "mine.py")


PIECES = [
    "base",
    "attach",
    "attch",
    "on_failure",
    "designs",
    "take_lock",
    "allocate",
    "once",
    "order",
    "step",
    "def f(s, me):",
]
PIECES += [
    "=",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    ",",
    ":",
    "\n",
    " ",
    "    ",
    "#",
    '"json_first"',
    '"attach"',
    "'",
    "5",
    "None",
    "*",
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of what Python warns about in such a text
@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=60),
        st.text(max_size=60).map(str.encode),
        st.lists(st.sampled_from(PIECES)).map(" ".join).map(str.encode),
    )
)
@example(b"")
@example(b"# -*- coding: nope -*-\n" + GOOD.encode())
@example(GOOD.encode())
def test_anything_is_a_design_or_an_error_that_names_the_file(text: bytes) -> None:
    designs, error = outcome(text)
    assert all(isinstance(d, Design) for d in designs.values())
    assert designs or re.match(r"mine\.py(:\d+)?[:,] ", error)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of what Python warns about in such a text
@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.sampled_from([*"[](),=_\"'#\n\t a0\\", ""]))
def test_a_right_one_with_a_character_changed(at: int, new: str) -> None:
    designs, error = outcome((GOOD[:at] + new + GOOD[at + 1 :]).encode())
    assert designs or re.match(r"mine\.py(:\d+)?[:,] ", error)
