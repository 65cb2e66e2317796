"""The messages of the protocol, by their schema, `protocol.schema.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

VERSION = 1
MOST_SHOWN = 200
Message = Mapping[str, object]


class ProtocolBroken(Exception):
    """The implementation could not be driven: it does not keep to the protocol, is gone, or gave an error."""


class Untold(ProtocolBroken):
    """On the same stores, and after it had told the same, it went on in another way: something that it did not tell had
    a say, so nothing can be said of the schedules that were not taken."""


@cache
def schema() -> Mapping[str, object]:
    """The JSON schema of all messages."""
    text = files("confsync.proofs.conformance.external").joinpath("protocol.schema.json").read_text(encoding="utf-8")
    return cast("Mapping[str, object]", json.loads(text))


@cache
def validator(kind: str, do: str) -> Draft202012Validator:
    """Tells whether a message is a request (`requests`) or an answer (`answers`) of this name."""
    return Draft202012Validator({"$ref": f"#/$defs/{kind}/{do}", "$defs": schema()["$defs"]})


def read_answer(do: str, line: str) -> Message:
    """An answer to a request of this name. ProtocolBroken says why it is none."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError) as e:
        raise ProtocolBroken(f"this is no JSON: {shown(line)}") from e
    return _as_it_must_be(do, written(said))


@cache
def _as_it_must_be(do: str, text: str) -> Message:
    """Most are met over and over again, so it is worked out once for each, however it was spelled."""
    said = json.loads(text)
    if isinstance(said, dict) and "error" in said and validator("answers", "error").is_valid(said):
        raise ProtocolBroken(f"it says: {shown(said['error'])}")
    wrong = best_match(validator("answers", do).iter_errors(said))
    if wrong:
        where = wrong.json_path.removeprefix("$").removeprefix(".")
        raise ProtocolBroken(f"{f'`{where}`: ' if where else ''}{shown(wrong.message)}")
    return cast("Message", said)


def written(message: Message) -> str:
    """A message as one line, alike for messages that are alike."""
    return json.dumps(message, sort_keys=True)


def shown(text: str) -> str:
    """A text, not too long."""
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 3]}..."
