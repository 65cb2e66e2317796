"""Stands before an implementation, and meddles with what it answers: `meddler.py MISCHIEF COMMAND...`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator

Message = dict[str, object]
Answers = Iterator[tuple[Message, Message]]
"""Each request with what was answered; the answer may be changed."""


def honest(talk: Answers) -> Iterator[Message]:
    """Nothing is changed."""
    for _, answer in talk:
        yield answer


def counts(talk: Answers, *, tells: bool = False) -> Iterator[Message]:
    """The host counts how often it was unlocked, and who unlocks learns that."""
    unlocked = 0
    for request, answer in talk:
        if request["do"] == "reset":
            unlocked = 0
        if answer.get("asked") == "unlock":
            unlocked += 1
            answer["answered"] = str(unlocked)
        if request["do"] == "stores" and tells:
            answer["rest"] = str(unlocked)
        yield answer


def tells_the_count(talk: Answers) -> Iterator[Message]:
    """As `counts`, and the count is told as part of the stores."""
    return counts(talk, tells=True)


def never_the_same(talk: Answers) -> Iterator[Message]:
    """No two answers of a step are alike."""
    for n, (_, answer) in enumerate(talk):
        if "asked" in answer:
            answer["answered"] = f"at {n}"
        yield answer


def another_host_later(talk: Answers) -> Iterator[Message]:
    """From the third `reset` on the stores are others."""
    resets = 0
    for request, answer in talk:
        resets += request["do"] == "reset"
        if request["do"] == "stores" and resets > 2:
            answer["rest"] = "later"
        yield answer


def knows_less(talk: Answers) -> Iterator[Message]:
    """Half of the stores are not known but for a sum over them."""
    unknown = ("template", "template_name", "template_memory", "granted", "lock_file", "saved", "paused")
    for request, answer in talk:
        if request["do"] == "stores":
            answer["rest"] = json.dumps([answer[field] for field in unknown])
            answer.update(dict.fromkeys(unknown))
            held = answer["resources"]
            assert isinstance(held, list)
            answer["resources"] = [None, *held[1:]]
        yield answer


def hides(talk: Answers) -> Iterator[Message]:
    """As `knows_less`, and not even the sum is told."""
    for answer in knows_less(talk):
        answer.pop("rest", None)
        yield answer


def stays_paused(talk: Answers) -> Iterator[Message]:
    """Who created the domain did not let it run."""
    for request, answer in talk:
        if request["do"] == "stores":
            answer["paused"] = True
        yield answer


MISCHIEF: dict[str, Callable[[Answers], Iterator[Message]]] = {
    f.__name__: f
    for f in (honest, counts, tells_the_count, never_the_same, another_host_later, knows_less, hides, stays_paused)
}


def main() -> None:
    child = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    assert child.stdin is not None
    assert child.stdout is not None

    def talk() -> Answers:
        assert child.stdin is not None
        assert child.stdout is not None
        for line in sys.stdin:
            child.stdin.write(line)
            child.stdin.flush()
            yield json.loads(line), json.loads(child.stdout.readline())

    for answer in MISCHIEF[sys.argv[1]](talk()):
        print(json.dumps(answer), flush=True)
    child.stdin.close()
    child.wait()


if __name__ == "__main__":
    main()
