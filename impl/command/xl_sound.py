"""A sound card as xl spells it: a list of items, each a card, a PCM device or a stream [xl.cfg(5); parse_vsnd_item]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from confsync.impl.command.xl_words import Parameters, c_number, choice, without_defaults, words
from confsync.impl.errors import InvalidArgument
from confsync.impl.kinds import Json
from confsync.terminal.text import quoted

_WIDTHS = ("s16", "u16", "s24", "u24", "s32", "u32", "f32", "f64", "iec958_subframe")
FORMATS = (
    "s8", "u8", *(f"{width}_{end}" for width in _WIDTHS for end in ("le", "be")),
    "mu_law", "a_law", "ima_adpcm", "mpeg", "gsm",
)  # fmt: skip
"""Formats of a sample [libxl_vsnd_pcm_format]."""


@dataclass
class _Card:
    """What the items have said so far."""

    fields: dict[str, Json] = field(default_factory=dict)
    params: dict[str, Json] = field(default_factory=dict)
    pcms: list[tuple[dict[str, Json], list[dict[str, Json]]]] = field(default_factory=list)


def sound_card(items: Sequence[str]) -> dict[str, Json]:
    """The template's entry of a card: items such as `card,short-name=Main`, `pcm,name=dev1` and
    `stream,unique-id=0,type=p`; a stream belongs to the PCM device before it. InvalidArgument."""
    card = _Card()
    for number, item in enumerate(items, start=1):
        try:
            _read(card, item)
        except InvalidArgument as e:
            raise InvalidArgument(f"item {number}, {quoted(item)}: {e}") from None
    pcms: list[Json] = [{**pcm, **({"streams": [*streams]} if streams else {})} for pcm, streams in card.pcms]
    return {**card.fields, "params": card.params, **({"pcms": pcms} if pcms else {})}


def _read(card: _Card, item: str) -> None:
    head, *rest = words(item) or [""]
    given = Parameters(rest)
    if head.lower() == "card":
        named = {"backend_domname": given.backend()}
        named |= {"short_name": given.text("short-name"), "long_name": given.text("long-name")}
        for name, value in (without_defaults(named) | _params(given)).items():
            into = card.fields if name in named else card.params
            if name in into:
                raise InvalidArgument(f"another item has given the card's {name.replace('_', '-')}")
            into[name] = value
    elif head.lower() == "pcm":
        card.pcms.append((without_defaults({"name": given.text("name")}) | {"params": _params(given)}, []))
    elif head.lower() == "stream":
        if not card.pcms:
            card.pcms.append(({"params": {}}, []))
        card.pcms[-1][1].append(_stream(given))
    else:
        raise InvalidArgument(f"{quoted(head)} is no item: there are card, pcm and stream")
    given.finish()


def _stream(given: Parameters) -> dict[str, Json]:
    """`id` is the name that the manual page's own example has for `unique-id`."""
    unique, short = given.text("unique-id"), given.text("id")
    if unique is not None and short is not None:
        raise InvalidArgument("'unique-id' is given twice: id is another name for it")
    named = {"unique_id": short if unique is None else unique, "type": given.choice("type", ("p", "c"))}
    return {**without_defaults(named), "params": _params(given)}


def _params(given: Parameters) -> dict[str, Json]:
    """What every item can say of its samples."""
    rates, formats = given.text("sample-rates"), given.text("sample-formats")
    numbers = {name: given.c_number(name) for name in ("channels-min", "channels-max", "buffer-size")}
    return without_defaults(
        {
            "sample_rates": None if rates is None else [c_number("sample-rates", rate) for rate in _parts(rates)],
            "sample_formats": None
            if formats is None
            else [choice("sample format", form, FORMATS) for form in _parts(formats)],
            **{name.replace("-", "_"): value for name, value in numbers.items()},
        }
    )


def _parts(text: str) -> list[str]:
    return [part for part in text.split(";") if part]
