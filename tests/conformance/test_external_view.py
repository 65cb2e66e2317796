"""What an implementation tells of its stores, in the model's terms."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from confsync.model.engine.concrete import Plain
from confsync.model.engine.program import Program
from confsync.model.libxl.designs import DESIGNS, RECOMMENDED
from confsync.model.libxl.state import ABSENT, EMPTY, FIRST_CONFIG, MADE_UP
from confsync.proofs.conformance.asked import amount, name
from confsync.proofs.conformance.external.messages import ProtocolBroken
from confsync.proofs.conformance.external.told import COMPARED, Terms
from confsync.proofs.conformance.scope import Scope

DESIGN = DESIGNS[RECOMMENDED]
C = FIRST_CONFIG


def _told_of(program: Program, word: int) -> dict[str, object]:
    """What an implementation would tell whose stores are a shared word of the model."""
    spelled: dict[str, Mapping[Plain, object]] = {}
    entries: Mapping[Plain, object] = {ABSENT: "absent", EMPTY: "empty", C: "c1", C + 1: "c2"}
    spelled |= dict.fromkeys(("template", "xenstore"), entries)
    spelled |= {f: {n: name(n) for n in range(3)} for f in ("name", "template_name")}
    spelled |= {f: {n: amount(n) for n in range(3)} for f in ("memory", "granted", "template_memory")}
    found: dict[str, object] = {}
    for field in COMPARED:
        value = program.shared_layout.get(word, field)
        spell = spelled.get(field)
        if isinstance(value, tuple):
            found[field] = [spell[v] if spell else v for v in value]
        else:
            found[field] = spell[value] if spell else value
    return found


def test_every_value_that_is_told_counts() -> None:
    program = Program(DESIGN, Scope(2).bounds)
    terms, put = Terms(program), program.shared_layout.put
    values: dict[str, Plain] = {
        "alive": True, "saved": True, "template": (C, ABSENT, EMPTY), "template_name": 2, "template_memory": 1,
        "xenstore": (ABSENT, C + 1, C), "closing": (False, True, False), "resources": (True, False, False), "name": 1,
        "memory": 2, "granted": 1, "locked": True, "lock_file": True,
    }  # fmt: skip
    word = 0
    for field, value in values.items():
        word = put(word, field, value)
    assert set(values) == set(COMPARED)
    assert terms.view(_told_of(program, word)).fits(word)
    for field, value in values.items():
        others = (
            [value[::-1] if value != value[::-1] else value[1:] + value[:1]]
            if isinstance(value, tuple)
            else [not value]
        )
        for other in others:
            changed = put(word, field, other)
            assert not terms.view(_told_of(program, word)).fits(changed), field
            assert terms.view(_told_of(program, word) | {field: None}).fits(changed), field


def test_what_is_not_there_is_not_looked_at_and_is_nothing() -> None:
    program = Program(DESIGN, Scope(2).bounds)
    told = _told_of(program, 0) | {"name": "name2", "granted": 3072, "template": ["c1"] * 3, "template_memory": 2048}
    view, put = Terms(program).view(told), program.shared_layout.put
    assert view.fits(0)
    for field, value in (("name", 2), ("memory", 1), ("granted", 2), ("template_name", 1), ("template", (C, C, C))):
        assert not view.fits(put(0, field, value)), field


def test_of_a_list_that_is_known_in_part_the_rest_counts() -> None:
    program = Program(DESIGN, Scope(2).bounds)
    terms, put = Terms(program), program.shared_layout.put
    told = _told_of(program, put(put(0, "alive", True), "xenstore", (C, C, ABSENT))) | {
        "xenstore": [None, "c1", "absent"]
    }
    fits = {
        x: terms.view(told).fits(put(put(0, "alive", True), "xenstore", x))
        for x in ((EMPTY, C, ABSENT), (C, EMPTY, ABSENT))
    }
    assert fits == {(EMPTY, C, ABSENT): True, (C, EMPTY, ABSENT): False}


def test_a_retrieve_that_made_an_entry_up_is_read_as_such() -> None:
    terms = Terms(Program(DESIGN, Scope(2).bounds))
    told = {"slots": ["made_up", "absent", "empty"], "name": "name1", "memory": 3072}
    assert terms.answer(told) == ((MADE_UP, ABSENT, EMPTY), 1, 2)
    with pytest.raises(ProtocolBroken, match="2 entries"):
        terms.answer(told | {"slots": ["absent", "empty"]})
