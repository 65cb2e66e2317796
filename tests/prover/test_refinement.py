"""The recommended design refines the abstract specification; others do not, and a wrong specification is refused.

The linearization points are written down here by hand, as a reader would expect them. They are held against those that
the proof finds, and against what a search sees, which knows nothing of the proof.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import cast

import pytest
from mutants import MUTANTS, recommended
from reached import checked, reachable

from confsync.model.engine.concrete import Layout, Refused, WordCells
from confsync.model.engine.program import IDLE, Kind, Program, Transition
from confsync.model.engine.search.alone import Alone
from confsync.model.engine.search.bfs import Limits
from confsync.model.engine.trace import Trace, read_token, replay
from confsync.model.libxl.designs import DESIGNS
from confsync.model.libxl.operations import RESULT
from confsync.model.libxl.state import ABSENT, EMPTY, FIRST_CONFIG, MADE_UP, SLOT, Bounds, Local, Shared
from confsync.proofs.libxl.indistinguishable import VISIBLE, look_alike
from confsync.proofs.libxl.refinement import Refinement, refine, simulate
from confsync.proofs.libxl.specification import SPECIFICATION, Change, Domain, Specification, change, see
from confsync.proofs.prover.carrier.relation import Relation
from confsync.proofs.prover.invariant.candidates import candidates
from confsync.proofs.prover.invariant.houdini import Strengthening
from confsync.proofs.prover.invariant.lemma import Lemma
from confsync.proofs.prover.invariant.samples import take
from confsync.proofs.prover.invariant.vocabulary import Atom, atoms

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("refinement")]

POINTS = {
    "create": ("create 6 unpause",),
    "attach": ("attach 5 enter_xenstore",),
    "detach": ("detach 4 leave_xenstore",),
    "insert": ("insert 5 load_medium",),
    "eject": ("eject 3 unload_medium",),
    "swap": ("swap 3 unload_medium", "swap 10 load_medium"),
    "set_memory_target": ("set_memory_target 3 write_memory",),
    "rename": ("rename 2 write_name",),
    "retrieve": ("retrieve 5 merge_knobs",),
    "destroy": ("destroy 2 close_devices",),
}
"""Where each change happens. Xenstore says which, so it is where xenstore is committed."""
AFTER_THE_FACT = {
    "attach": {"attach 7 allocate fails", "attach 7 allocate is refused"},
    "detach": {"detach 6 forget fails"},
    "eject": {"eject 4 write_template_empty fails"},
    "swap": {
        "swap 4 write_template_empty fails",
        "swap 7 read_template is refused",
        "swap 8 refuse_unless_empty is refused",
        "swap 9 write_template fails",
        "swap 10 load_medium fails",
    },
    "destroy": {"destroy 4 leave_devices fails", "destroy 5 remove_template fails"},
}
"""The errors that come though something has happened: of a swap the eject, of the others all. An attach that fails so
has left a device without resources; of the others only tidying is left. Any other error says that nothing happened."""
SMALL = (
    Bounds(slots=0, ejectable=1, configs=2, names=2, amounts=2, processes=1, crashes=1),
    Bounds(slots=0, ejectable=1, configs=1, names=1, amounts=1, processes=2, crashes=1),
    Bounds(slots=1, ejectable=0, configs=2, names=1, amounts=1, processes=2, crashes=1),
)
STORES = frozenset({"template", "xenstore"})


# what a search sees


@dataclass(frozen=True, slots=True)
class Seen:
    """A transition that a search takes: its name as in a proof, the abstract state before and after it, and the local
    word it begins with."""

    program: Program
    name: str
    before: int
    after: int
    local: int
    t: Transition

    @property
    def operation(self) -> str:
        return self.program.points[self.t.label.point].operation


@cache
def taken(bounds: Bounds) -> tuple[Seen, ...]:
    """Every transition that the recommended design takes within bounds, seen through the abstraction function."""
    names, said, layout = (
        Relation(recommended).names,
        checked(recommended, bounds, reachable),
        Layout(Domain, bounds, {}),
    )
    program = said.program

    @cache
    def abstract(shared: int) -> int:
        cells = WordCells(layout, 0, [])
        see(Shared(WordCells(program.shared_layout, shared, [])), Domain(cells))
        return cells.word

    def seen(shared: int, local: int, t: Transition) -> Seen:
        name = f"{names[t.label.point]} {t.label.kind.value}"
        return Seen(program, name, abstract(shared), abstract(t.shared), t.started or local, t)

    return tuple(seen(*pair, t) for pair, moves in said.moves.items() for t in moves)


def test_a_search_sees_the_changes_at_the_points_and_nowhere_else() -> None:
    changed = {s.name for bounds in SMALL for s in taken(bounds) if s.before != s.after}
    assert changed == {f"{p} takes" for operation, points in POINTS.items() for p in points if operation != "retrieve"}


def test_a_search_sees_each_change_as_the_specification_has_it() -> None:
    """All but that a domain begins as it was asked for: a search no longer remembers at that point."""
    for bounds in SMALL:
        layout = Layout(Domain, bounds, {})
        seen = [s for s in taken(bounds) if s.name.removesuffix(" takes") in POINTS[s.operation]]
        for s in seen:
            number = POINTS[s.operation].index(s.name.removesuffix(" takes"))
            if s.operation == "create" or not layout.get(s.before, "runs"):
                continue
            domain, me = WordCells(layout, s.before, []), WordCells(s.program.local_layout, s.local, [])
            SPECIFICATION[s.operation][number].run(Domain(domain), Local(me))
            assert domain.word == s.after, s.name
            if s.operation == "retrieve":
                told, does = (
                    [s.program.local_layout.get(word, part) for part in RESULT] for word in (me.word, s.t.local)
                )
                assert told == does


def test_a_search_sees_the_errors_after_the_fact() -> None:
    late = {s.name for bounds in SMALL for s in taken(bounds) if _is_late(s)}
    assert late == set().union(*AFTER_THE_FACT.values())


def _is_late(s: Seen) -> bool:
    """It gives up after the first of its operation's points."""
    point = s.program.points[s.t.label.point]
    first = int(POINTS[s.operation][0].removeprefix(f"{s.operation} ").split()[0])
    gives_up = s.t.label.kind in (Kind.REFUSED, Kind.FAILS) and not point.cleaning_up
    return gives_up and point.done >= first and s.operation != "retrieve"


# the specification


@pytest.mark.quick
def test_the_specification_runs_on_plain_values() -> None:
    bounds = Bounds(slots=1, ejectable=1, configs=2, names=2, amounts=2)
    layout, program = Layout(Domain, bounds, {}), Program(recommended, bounds)
    domain, me = WordCells(layout, 0, []), WordCells(program.local_layout, 0, [])
    d, asked = Domain(domain), Local(me)
    one, drive = bounds.elements(SLOT)

    def do(operation: str) -> None:
        for each in SPECIFICATION[operation]:
            each.run(d, asked)

    asked.draft[drive] = EMPTY
    do("create")
    asked.slot, asked.config = one, FIRST_CONFIG
    do("attach")
    asked.slot, asked.config = drive, FIRST_CONFIG + 1
    do("swap")
    do("retrieve")
    assert layout.get(domain.word, "devices") == (FIRST_CONFIG, FIRST_CONFIG + 1)
    assert program.local_layout.get(me.word, "draft") == (FIRST_CONFIG, FIRST_CONFIG + 1)
    for refused in ("attach", "insert", "create"):
        with pytest.raises(Refused):
            do(refused)
    do("destroy")
    assert domain.word == 0


# the proof


@cache
def pool() -> tuple[Relation, tuple[Atom, ...], tuple[Lemma, ...]]:
    """The recommended design, and the candidates for its lemmas."""
    relation = Relation(recommended)
    vocabulary = atoms(relation.program)
    return relation, vocabulary, tuple(candidates(relation.program, vocabulary, take(recommended, vocabulary)))


def refined(specification: Specification) -> Refinement:
    relation, vocabulary, lemmas = pool()
    return simulate(Strengthening(relation, lemmas), vocabulary, specification)


@pytest.fixture(scope="module")
def found() -> Refinement:
    return refined(SPECIFICATION)


def test_the_recommended_design_refines(found: Refinement) -> None:
    assert found.holds, [str(r) for r in found.refused]
    assert "the template says what" in found.abstraction
    assert len(found.by_frame) + len(found.simulated) == len(Relation(recommended).transitions)


def test_the_points_are_where_a_reader_expects_them(found: Refinement) -> None:
    assert found.points == POINTS
    assert {o: set(found.after_the_fact(o)) for o in POINTS if found.after_the_fact(o)} == AFTER_THE_FACT
    assert set(found.after_the_fact("swap").values()) == {1}


def test_a_death_changes_nothing_and_neither_does_a_failure(found: Refinement) -> None:
    """A crash: it happened or it did not. A death writes nothing that is seen, wherever it is."""
    deaths = {t.name for t in Relation(recommended).transitions if t.label.kind in (Kind.CRASH, Kind.FAILS)}
    assert deaths
    assert deaths <= set(found.by_frame)


def test_every_change_can_happen(found: Refinement) -> None:
    """No point was proved because its transition can't be."""
    made = {
        f"safety: {p} takes: {c}" for o, points in POINTS.items() for p, c in zip(points, SPECIFICATION[o], strict=True)
    }
    possible = {d.obligation.title for d in found.discharged if d.possible}
    assert made <= possible


@change
def medium_stays(_d: Domain, _me: Local) -> None:
    """Nothing happens."""


@change
def is_replaced(d: Domain, me: Local) -> None:
    """One medium for another at once (C2, ignored); for a device, a guard the wrong way round."""
    me.fails_if(d.devices[me.slot] == ABSENT)
    d.devices[me.slot] = me.config


@change
def is_told_another_name(d: Domain, me: Local) -> None:
    """Everything but the name: the one that it was created with."""
    me.draft = d.devices
    me.draft_name = 0
    me.draft_memory = d.memory


def test_a_wrong_specification_is_refused() -> None:
    wrong: dict[str, tuple[Change, ...]] = {
        "eject": (medium_stays,),
        "swap": (is_replaced,),
        "attach": (is_replaced,),
        "retrieve": (is_told_another_name,),
        "rename": (),
        "detach": (*SPECIFICATION["detach"], *SPECIFICATION["detach"]),
    }
    found = refined({**SPECIFICATION, **wrong})
    assert {str(r) for r in found.refused} == {
        "eject 3 unload_medium takes: it is not exactly `medium_stays`",
        "swap 3 unload_medium takes: it is not exactly `is_replaced`",
        "attach 5 enter_xenstore takes: it is not exactly `is_replaced`",
        "retrieve 5 merge_knobs takes: it is not exactly `is_told_another_name`",
        "rename 2 write_name takes: it changes what is seen",
        "detach: it returns success having made `device_leaves`, not `device_leaves`, `device_leaves`",
    }


UNTRUE = "what is seen at a slot is no longer what was attached there"


@pytest.mark.parametrize(
    "name", ["as_posted", *(pytest.param(n, marks=pytest.mark.deep) for n in ("json_first", "xenstore_first"))]
)
def test_a_design_that_does_not_refine_says_where(name: str) -> None:
    """As posted and in JSON FIRST a device or medium is in xenstore before the template says what it is, and still is
    when the template no longer does. XENSTORE FIRST writes the template though the slot is taken."""
    found = refine(DESIGNS[name])
    forget = {"json_first": "detach 5 forget", "as_posted": "detach 4 forget"}
    where = {
        "attach 3 enter_xenstore",
        "insert 3 load_medium",
        "eject 3 write_template_empty",
        "swap 3 write_template_empty",
        "swap 8 load_medium",
        forget.get(name),
    }
    if name == "xenstore_first":
        where = {
            "create 6 unpause",
            "attach 3 write_template",
            "attach 5 enter_xenstore",
            "insert 3 write_template",
            "insert 5 load_medium",
            "eject 5 write_template_empty",
            "swap 5 write_template_empty",
            "swap 9 write_template",
            "swap 11 load_medium",
        }
        assert "retrieve 6 merge_knobs takes: it is not exactly `is_told`" in map(str, found.refused)
    assert not found.holds
    assert {r.where.removesuffix(" takes") for r in found.refused if r.says == UNTRUE} == where
    assert all(r.broken and r.broken.model for r in found.refused)
    assert found.points["attach"] == ()
    assert found.points["rename"] == (f"rename {1 if name == 'xenstore_first' else 2} write_name",)


@pytest.mark.deep
@pytest.mark.parametrize(
    "where",
    [
        {
            "attach: without 3 refuse_if_present": f"attach 3 write_template takes: {UNTRUE}",
            "create: 6 unpause before 5 allocate_devices": (
                "create clean-up close_devices takes: it is not exactly `begins`"
            ),
            "retrieve: 6 drop_lock before 5 merge_knobs": "retrieve 6 merge_knobs takes: it is not exactly `is_told`",
        },
        {
            "insert: 5 load_medium before 4 write_template": f"insert 4 load_medium takes: {UNTRUE}",
            "eject: 4 write_template_empty before 3 unload_medium": f"eject 3 write_template_empty takes: {UNTRUE}",
            "rename: 2 write_name before 1 take_lock": "create 6 unpause takes: it is not exactly `begins`",
        },
    ],
    ids=["without a look, undone, unlocked", "the wrong way round, unlocked"],
)
def test_a_mutant_is_refused_at_a_transition(where: dict[str, str]) -> None:
    """Three at a time, each in another operation: what is refused of each is there, and nothing else. For every change
    a design as it was posted, and a wrong specification, are refused at theirs."""
    changed = {MUTANTS[m][0]: MUTANTS[m][1][MUTANTS[m][0]] for m in where}
    found = refine(recommended.but("mutant", "three mutants in one", **changed))
    assert {str(r) for r in found.refused} == set(where.values())


# states that look alike


def looks(trace: Trace) -> tuple[object, ...]:
    """All that can be seen of the state a trace ends in."""
    layout, word = trace.program.shared_layout, trace.last.shared
    s = Shared(WordCells(layout, word, []))
    plain = [
        layout.get(word, name) for name in Shared.fields() if name not in ("xenstore", "vouched", "torn", "crashes")
    ]
    return (*plain, *((s.xenstore[k].present, s.xenstore[k].empty) for k in layout.elements(SLOT)))


@pytest.mark.parametrize(
    ("name", "moves"), [("json_first", (11, 11)), ("as_posted", (11, 11)), ("xenstore_first", (7, 11))]
)
def test_no_function_of_what_can_be_seen_says_what_is_attached(name: str, moves: tuple[int, int]) -> None:
    """In JSON FIRST: attach, with either of two configurations, and die before the template is written."""
    alike = look_alike(DESIGNS[name], Bounds(slots=1, ejectable=0, configs=2, names=1, amounts=1, processes=1))
    assert alike.pair
    traces = [replay(t.program, read_token(t.token(""), Bounds)) for t in (alike.pair.one, alike.pair.other)]
    assert tuple(len(t.moves) for t in traces) == moves
    one, other = traces
    assert looks(one) == looks(other)
    assert all(local == IDLE for t in traces for local in t.last.local)
    attached = [t.program.shared_layout.get(t.last.shared, "xenstore") for t in traces]
    assert attached[0] != attached[1]
    alone = Alone(one.program)
    answers = [alone.answer_alone(t.last.shared) for t in traces]
    assert answers[0] == answers[1]
    if name != "xenstore_first":
        assert answers[0]
        assert MADE_UP in cast("tuple[int, ...]", answers[0][0])


@pytest.mark.parametrize(
    "bounds",
    [
        Bounds(slots=1, ejectable=1, configs=2, names=1, amounts=1, processes=1, crashes=2),
        Bounds(slots=1, ejectable=0, configs=2, names=1, amounts=1, processes=2),
        Bounds(slots=0, ejectable=1, configs=2, names=1, amounts=1, processes=2),
        pytest.param(Bounds(slots=1, ejectable=1, configs=2, names=1, amounts=1, processes=2)),
    ],
    ids=str,
)
def test_in_the_recommended_design_the_stores_say_what_is_attached(bounds: Bounds) -> None:
    """Template and what can be seen of xenstore are enough, in every state. (And in every size: the design refines.)"""
    alike = look_alike(recommended, bounds, STORES, at_rest=False)
    assert alike.pair is None
    assert not alike.stopped
    assert alike.states > 10_000


def test_without_the_template_they_would_not() -> None:
    bounds = Bounds(slots=1, ejectable=0, configs=2, names=1, amounts=1, processes=1)
    hidden = frozenset(n for n in VISIBLE if not n.startswith("template"))
    alike = look_alike(recommended, bounds, hidden)
    assert alike.pair
    assert [len(t.moves) for t in (alike.pair.one, alike.pair.other)] == [7, 7]


def test_a_search_that_stops_short_says_so() -> None:
    assert "10 states" in look_alike(recommended, Bounds(), limits=Limits(max_states=10)).stopped
