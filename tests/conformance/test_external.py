"""Somebody else's implementation: the example in Perl, right and wrong, and others that do not keep to the protocol."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from external_runs import DESIGN, MEDDLER, PERL, explored

from confsync.model.language import Design
from confsync.model.libxl.state import FIRST_CONFIG
from confsync.proofs.conformance.asked import Asked
from confsync.proofs.conformance.explore import Explored
from confsync.proofs.conformance.external import run
from confsync.proofs.conformance.external.messages import Message, Untold, written
from confsync.proofs.conformance.external.moves import ExternalMoves
from confsync.proofs.conformance.external.peer import Peer
from confsync.proofs.conformance.external.run import driving, explore_external
from confsync.proofs.conformance.external.told import Terms
from confsync.proofs.conformance.reproduce import Replayed
from confsync.proofs.conformance.scope import BEFORE, Scope, starts

pytestmark = pytest.mark.slow

C = FIRST_CONFIG


@pytest.mark.parametrize(
    ("scope", "pairs"),
    [
        (Scope(2, 1, operations=("attach", "swap", "rename", "retrieve")), 3 * 15),
        pytest.param(Scope(2, 1), 3 * 78, marks=pytest.mark.deep),
    ],
    ids=["some", "all"],
)
def test_the_example_conforms_on_pairs_with_a_death(scope: Scope, pairs: int) -> None:
    done = []
    report = explore_external(PERL, DESIGN, scope, lambda n, of: done.append((n, of)))
    assert report.told == ()
    assert report.conforms
    assert report.combinations == report.of == pairs
    assert done == [(n, pairs) for n in range(1, pairs + 1)]
    assert report.covered.interleavings > 10 * pairs


@pytest.mark.deep
def test_the_example_conforms_on_all_pairs_by_replay() -> None:
    """Without deaths, and without snapshots."""
    report = explored(*PERL, "--no-snapshots", scope=Scope(2))
    assert report.told == ()
    assert report.conforms


def test_snapshots_and_replay_cover_the_same() -> None:
    scope = Scope(2, 1, 1, ("detach", "rename"))
    one, other = (explored(*PERL, *options, scope=scope) for options in ((), ("--no-snapshots",)))
    assert one.conforms
    assert one.covered == other.covered


def test_failures_add_steps() -> None:
    without, with_failures = (explored(*PERL, scope=Scope(2, 0, n, ("attach", "create"))) for n in (0, 1))
    assert with_failures.conforms
    assert with_failures.covered.edges > 1.5 * without.covered.edges


BUGS = {
    "xenstore-first": (Scope(2, operations=("attach",)), "asks enter_xenstore", "template would be"),
    "unlock-early": (Scope(2, operations=("attach",)), "asks unlock", "locked would be yes, and is no"),
    "stale-template": (
        Scope(2, operations=("attach", "eject")),
        "returns an error",
        "of the operation: it has not ended",
    ),
    "keeps-the-lock": (Scope(2, operations=("rename",)), "returns an error", "locked would be no, and is yes"),
    "no-medium-check": (
        Scope(2, operations=("insert",)),
        "returns success",
        "it returned an error; in the implementation: it was done",
    ),
    "retrieve-lies": (Scope(2, 1, operations=("attach", "retrieve")), "it returns success", "it would answer"),
}
"""How each bug shows: where to look, what the last step says, what a candidate's condition says."""


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_of_the_example_is_found_and_told(bug: str) -> None:
    scope, last, why = BUGS[bug]
    report = explored(*PERL, f"--bug={bug}", scope=scope)
    (told,) = report.told
    assert not report.conforms
    assert last in told.steps[-1]
    assert any(why in candidate for candidate in told.candidates)
    assert told.token.startswith(f"conform-external:{told.start}:")


def test_every_bug_of_the_example_is_tried() -> None:
    said = subprocess.run([*PERL, "--bug=?"], capture_output=True, text=True, check=False)
    assert re.findall(r"--bug= (.*)", said.stderr)[0].split(", ") == sorted(BUGS)


def test_a_bug_that_shows_alone_is_told_with_one_operation() -> None:
    (told,) = explored(*PERL, "--bug=no-medium-check", scope=BUGS["no-medium-check"][0]).told
    assert told.operations == ("insert(slot2,c1)",)
    assert told.steps == (
        "  1. process 0, insert(slot2,c1), asks lock -> done",
        "  2. process 0, insert(slot2,c1), asks read_template -> 'c1 absent c1 name0 1024'",
        "  3. process 0, insert(slot2,c1), asks write_template -> done",
        "  4. process 0, insert(slot2,c1), asks load_medium -> done",
        "  5. process 0, insert(slot2,c1), asks unlock -> done; it returns success",
    )


def test_it_is_held_against_the_design_that_is_asked_for() -> None:
    report = explored(*PERL, scope=Scope(2, operations=("attach",)), design="json_first")
    assert len(report.told) == 1


def test_what_is_not_known_is_not_compared() -> None:
    scope = Scope(2, 1, operations=("attach", "destroy"))
    assert explored(*MEDDLER, "knows_less", *PERL, scope=scope).conforms
    with pytest.raises(Untold, match="the stores hold what was not told"):
        explored(*MEDDLER, "hides", *PERL, scope=scope)


def test_a_domain_that_is_never_let_run_is_seen_at_the_end() -> None:
    (told,) = explored(*MEDDLER, "stays_paused", *PERL, scope=Scope(2, operations=("create",))).told
    assert told.reason == "the domain is paused"


def test_what_no_two_runs_have_alike_is_an_error() -> None:
    with pytest.raises(
        Untold,
        match=r'answered {"answered": "at \d+", "asked": "lock".*The processes. steps, this time: 0 create; 0 lock',
    ):
        explored(*MEDDLER, "never_the_same", *PERL, "--no-snapshots", scope=Scope(2, operations=("rename",)))


def test_a_divergence_that_does_not_come_again_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new process takes the schedule from its beginning, and another divergence, or none, is no verdict."""
    again = run.replay_external

    def otherwise(token: str, command: Sequence[str], design: Design, *, patience: float) -> Replayed:
        return replace(again(token, command, design, patience=patience), wrong="something else")

    monkeypatch.setattr(run, "replay_external", otherwise)
    with pytest.raises(Untold, match="did not do so again"):
        explored(*PERL, scope=Scope(2, operations=("attach",)), design="json_first")


def test_stores_that_change_by_themselves_are_an_error() -> None:
    with pytest.raises(Untold, match=r'and left {"rest": null}, then .* and left {"rest": "later"}'):
        explored(*MEDDLER, "another_host_later", *PERL, scope=Scope(2, operations=("retrieve", "rename")), again=1)


def test_only_what_can_fail_is_made_to() -> None:
    with driving(PERL, DESIGN, Scope(1, 0, 1)) as explorer:
        state, place = starts(explorer)["full"].state, explorer.place(0, Asked("rename", number=1))
        said = []
        while not place.ended:
            edges = explorer.steps.edges(state, place)
            said.append([(str(edge.said[0][0]), edge.failed is not None) for edge in edges])
            state, place = edges[0].state, edges[0].place
    assert said == [[("lock", False)], [("write_name", False), ("write_name", True)], [("unlock", False)]]


@pytest.mark.parametrize("again", [1, 8])
def test_what_the_stores_do_not_tell_is_an_error_where_it_matters(again: int) -> None:
    scope = Scope(2, operations=("retrieve", "rename"))
    command = ("counts", *PERL, "--no-snapshots")
    with pytest.raises(Untold, match=r'process \d, on the same stores .*"answered": "2", .* then {.*"answered": "3"'):
        explored(*MEDDLER, *command, scope=scope, again=again)
    assert explored(*MEDDLER, "tells_the_count", *command[1:], scope=scope, again=1).conforms


ASKED = (Asked("rename", number=1), Asked("retrieve"))


def _every_schedule(peer: Peer, terms: Terms, before: Sequence[Asked], deaths: int) -> Iterator[str]:
    """Each schedule to its end, every time anew from `reset`: what the stores are then. Nothing is remembered."""
    begin: list[Message] = [{"do": "reset"}]
    for asked in before:
        peer.ask([*begin, terms.start(0, asked)])
        begin.append(terms.start(0, asked))
        while True:
            begin.append({"do": "step", "process": 0})
            if peer.ask([begin[-1]])[0]["ended"]:
                break
    begin += [terms.start(p, a) for p, a in enumerate(ASKED)]
    todo: list[tuple[list[Message], frozenset[int], frozenset[int], int]] = [
        ([], frozenset(range(len(ASKED))), frozenset(), deaths)
    ]
    while todo:
        taken, live, begun, left = todo.pop()
        stuck = True
        for p in live:
            step: Message = {"do": "step", "process": p}
            answer = peer.ask([*begin, *taken, step])[-1]
            if "blocked" not in answer:
                stuck = False
                after = live - {p} if answer["ended"] else live
                todo.append(([*taken, step], after, begun | {p}, left))
            if left and p in begun:
                stuck = False
                todo.append(([*taken, {"do": "crash", "process": p}], live - {p}, begun, left - 1))
        if stuck:
            assert not live
            yield written(peer.ask([*begin, *taken, {"do": "stores"}])[-1])


def test_the_graph_covers_what_plain_enumeration_does() -> None:
    scope = Scope(2, 1)
    with driving(PERL, DESIGN, scope) as explorer:
        start = starts(explorer)["full"]
        found = explorer.explore(start, ASKED, deaths=1)
        moves = explorer.steps
        assert isinstance(moves, ExternalMoves)
        ends = set()
        first, _ = explorer.at(start, ASKED, deaths=1)
        todo = {first}
        while todo:
            node = todo.pop()
            after = [then for _, then, _ in explorer.successors(node)]
            todo.update(after)
            if not after:
                ends.add(written(moves.told(node[0])))
        with Peer(PERL) as peer:
            peer.ask([{"do": "hello", "protocol": 1, "processes": 2, "slots": 2, "ejectable": 1}])
            plain = list(_every_schedule(peer, Terms(explorer.program), BEFORE["full"], 1))
    assert found.divergence is None
    assert found.interleavings == len(plain)
    assert ends == set(plain)


def test_two_explorations_are_alike() -> None:
    scope = Scope(2, operations=("rename",))
    one, other = (explored(*PERL, scope=scope).covered for _ in range(2))
    assert one == other != Explored()
