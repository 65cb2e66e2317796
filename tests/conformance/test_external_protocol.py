"""The protocol by which somebody else's implementation is driven: its messages, what breaks it, its page."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import pytest
from external_runs import DESIGN, PERL, explored
from jsonschema import Draft202012Validator
from places import ROOT
from processes import until

from confsync.model.engine.program import Program
from confsync.proofs.conformance.external.messages import Message, ProtocolBroken, schema, validator, written
from confsync.proofs.conformance.external.moves import MOST_STEPS, ExternalMoves
from confsync.proofs.conformance.external.peer import LONGEST, Peer
from confsync.proofs.conformance.scope import Scope

pytestmark = pytest.mark.slow

DOCS = (ROOT / "docs" / "external.md").read_text("utf-8")
HELLO = '{"protocol": 1, "name": "x", "can": []}'


def _answers(*lines: str) -> tuple[str, ...]:
    """An implementation that gives these answers, and then waits for its end."""
    script = "".join(f"$_ = <STDIN>; print '{line}', qq(\\n);" for line in lines)
    return ("perl", "-e", f"$| = 1; {script} while (<STDIN>) {{}}")


STORES: dict[str, object] = {
    "alive": False, "paused": False, "saved": False, "template": ["absent"] * 3, "template_name": None,
    "template_memory": None, "xenstore": ["absent"] * 3, "closing": [False] * 3, "resources": [False] * 3, "name": None,
    "memory": None, "granted": None, "locked": False, "lock_file": False,
}  # fmt: skip


def _stores(**changed: object) -> str:
    return json.dumps(STORES | changed)


BROKEN: dict[str, tuple[Sequence[str], str]] = {
    "no such program": (("/no/such/program",), "`/no/such/program` cannot be started: .*No such file"),
    "nothing at all": ((), "cannot be started"),
    "garbage": (_answers("hello!"), 'line 1, the answer to {"do": "hello".*: this is no JSON: hello!'),
    "no UTF-8": (("perl", "-e", r'$|=1; print "\xff\n"; <STDIN>'), r"line 1, .*this is no UTF-8"),
    "another version": (_answers('{"protocol": 2, "name": "x", "can": []}'), "line 1, .*`protocol`: 1 was expected"),
    "another shape": (_answers(HELLO, "[]"), r"line 2, .* {\"do\": \"reset\"}: \[\] is not of type 'object'"),
    "one key too many": (_answers(HELLO, '{"a": 1}'), "line 2, .*"),
    "a key too few": (_answers(HELLO, "{}", "{}"), "line 3, .*'alive' is a required property"),
    "another kind of value": (_answers(HELLO, "{}", _stores(locked=3)), "line 3, .*`locked`: 3 is not of type"),
    "too few slots": (_answers(HELLO, "{}", _stores(closing=[False])), "`closing` has 1 entries: there are 3 slots"),
    "what nobody asked for": (
        _answers(HELLO, "{}", _stores(alive=True, name="bob", memory=1024, granted=1024)),
        "`name` is bob, which nobody has asked for: only name0, name1, name2",
    ),
    "an error": (_answers(HELLO, '{"error": "no memory"}'), "line 2, .*: it says: no memory"),
    "more than was asked": (_answers(HELLO + "\n[1]"), r"line 2: nothing was asked, and it says \[1\]"),
    "part of a line more": (
        ("perl", "-e", f"$|=1; <STDIN>; print '{HELLO}', qq(\\n[1); <STDIN>"),
        r"line 2: nothing was asked, and it says \[1",
    ),
    "it dies": (("perl", "-e", "<STDIN>; die 'out of luck'"), "line 1, .*it ended, with exit code .*out of luck"),
    "it is killed": (("perl", "-e", "<STDIN>; kill 9, $$"), "line 1, .*it was ended, by signal 9"),
    "it hangs": (("perl", "-e", "sleep 60"), r"line 1, .*no answer came within 0\.3 seconds"),
    "it never ends a line": (
        ("perl", "-e", f"$|=1; print 'x' x {LONGEST + 2}; sleep 60"),
        "line 1, .*longer than",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_what_breaks_the_protocol_is_named_with_its_line(what: str) -> None:
    command, message = BROKEN[what]
    program = Program(DESIGN, Scope(2).bounds)
    with pytest.raises(ProtocolBroken, match=message), Peer(command, 0.3 if "hangs" in what else 20) as peer:
        ExternalMoves(peer, program, failures=False).first()


def _loop(step: str) -> tuple[str, ...]:
    """An implementation whose every step is answered so."""
    answers = {"hello": HELLO, "stores": _stores(), "step": step}
    known = ", ".join(f"{do} => '{answer}'" for do, answer in answers.items())
    return (
        "perl",
        "-e",
        f"$|=1; my %a = ({known}); while (<STDIN>) {{ /do\": \"(\\w+)/; print $a{{$1}} || '{{}}', qq(\\n) }}",
    )


STEPS = {
    '{"asked": "spin", "ended": null}': f"has not ended after {MOST_STEPS} steps. One that waits is to",
    '{"asked": "x", "ended": "done", "answer": {"slots": [], "name": "name0", "memory": 1}}': "`answer` is there for a",
    '{"blocked": false}': "`blocked`: True was expected",
}


@pytest.mark.parametrize("step", STEPS)
def test_steps_that_cannot_be(step: str) -> None:
    with pytest.raises(ProtocolBroken, match=STEPS[step]):
        explored(*_loop(step), scope=Scope(2))


def test_one_that_always_fails_diverges() -> None:
    (told,) = explored(*_loop('{"asked": "x", "answered": "not today", "ended": "error"}'), scope=Scope(2)).told
    assert told.steps == ("  1. process 0, create(3+0+3), asks x -> 'not today'; it returns an error: not today",)


def test_one_that_never_moves_waits_for_ever() -> None:
    (told,) = explored(*_loop('{"blocked": true}'), scope=Scope(2)).told
    assert told.reason == "an operation waits for ever"


def test_failures_are_refused_where_they_are_not_offered() -> None:
    with pytest.raises(ProtocolBroken, match="does not offer `fail`: explore it with no failures"):
        explored(*PERL, "--no-fail", scope=Scope(2, 0, 1))


def test_nothing_is_left_running() -> None:
    peer = Peer(("sh", "-c", "sleep 60 & echo $!; wait"))
    with pytest.raises(ProtocolBroken, match="line 1") as caught:
        peer.ask([{"do": "hello"}])
    peer.close()
    assert "is not of type 'object'" in str(caught.value)
    child = int(re.findall(r"(\d+) is not of", str(caught.value))[0])
    gone = Path(f"/proc/{child}/stat")
    # it is killed at once; the kernel takes its time
    until(lambda: not gone.exists() or gone.read_text().rpartition(") ")[2].startswith("Z"))


def test_every_message_is_as_its_schema_says(monkeypatch: pytest.MonkeyPatch) -> None:
    said: set[tuple[str, str]] = set()
    ask = Peer.ask

    def noting(peer: Peer, requests: Sequence[Message]) -> list[Message]:
        answers = ask(peer, requests)
        for request, answer in zip(requests, answers, strict=True):
            said.update((("requests", written(request)), (str(request["do"]), written(answer))))
        return answers

    monkeypatch.setattr(Peer, "ask", noting)
    scope = Scope(2, 1, 1, ("create", "retrieve"))
    assert explored(*PERL, scope=scope).conforms
    for kind, text in said:
        message = json.loads(text)
        what = validator("requests", message["do"]) if kind == "requests" else validator("answers", kind)
        assert [e.message for e in what.iter_errors(message)] == []
    assert {kind for kind, _ in said} == {"requests", *_definitions("requests")}


def _definitions(kind: str) -> Mapping[str, Mapping[str, object]]:
    found = cast("Mapping[str, Mapping[str, Mapping[str, Mapping[str, object]]]]", schema())
    return found["$defs"][kind]


def test_the_schema_is_one_and_has_an_answer_for_each_request() -> None:
    Draft202012Validator.check_schema(schema())
    assert set(_definitions("answers")) == {"error", *_definitions("requests")}


def test_the_session_in_the_docs_is_what_the_example_says() -> None:
    session = re.findall(r"```session\n(.*?)```", DOCS, re.DOTALL)[0].splitlines()
    asked = [line[2:] for line in session if line.startswith("> ")]
    answered = [json.loads(line[2:]) for line in session if line.startswith("< ")]
    assert len(asked) == len(answered) > 8
    said = subprocess.run(PERL, input="\n".join(asked), capture_output=True, text=True, check=True).stdout
    assert [json.loads(line) for line in said.splitlines()] == answered


def _rows(text: str) -> dict[str, str]:
    """The rows of a table of keys, with what it says of each."""
    return dict(re.findall(r"^\| `(\w+`\??) \| (.*) \|$", text, re.MULTILINE))


@pytest.mark.parametrize("do", sorted(_definitions("requests")))
def test_the_docs_say_what_the_schema_does(do: str) -> None:
    section = re.findall(rf"^### {do}\n(.*?)(?=^### |\Z)", DOCS, re.DOTALL | re.MULTILINE)[0]
    request, answer = _definitions("requests")[do], _definitions("answers")[do]
    assert str(request["description"]) in " ".join(section.split())
    head, _, tail = section.partition("\n\nThe answer:\n" if do != "step" else ", or:\n")
    shapes = answer.get("oneOf", [answer])
    assert isinstance(shapes, list)
    for shape, text in ((request, head), (shapes[-1], tail)):
        keys = cast("Mapping[str, Mapping[str, str]]", shape.get("properties", {}))
        required = shape.get("required", [])
        assert isinstance(required, list)
        rows = _rows(text)
        assert set(rows) == {f"{key}`" if key in required else f"{key}`?" for key in keys if key != "do"}
        for key, what in keys.items():
            said = rows.get(f"{key}`", rows.get(f"{key}`?", ""))
            words = what.get("description", "")
            assert words.rstrip(".").split(";")[0] in said
