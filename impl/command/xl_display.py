"""Displays, keyboards and framebuffers as xl spells them [xl.cfg(5); parse_vdispl_config, parse_vkb_config]."""

from __future__ import annotations

import re
from collections.abc import Sequence

from confsync.impl.command.xl_words import MOST_UINT32, Parameters, decimal, without_defaults
from confsync.impl.errors import InvalidArgument
from confsync.impl.kinds import Json
from confsync.terminal.text import quoted

_CONNECTOR = re.compile(r"([^:]+):([0-9]{1,10})x([0-9]{1,10})")
_FEATURES = ("disable-keyboard", "disable-pointer", "abs-pointer", "raw-pointer", "multi-touch")
_TOUCH = ("multi-touch-width", "multi-touch-height", "multi-touch-num-contacts")


def vdispl(words: Sequence[str]) -> dict[str, Json]:
    """The template's entry of a display: `connectors=id0:1920x1080;id1:800x600,be-alloc=1`. InvalidArgument."""
    given = Parameters(words)
    backend, alloc, connectors = given.backend(), given.boolean("be-alloc"), given.text("connectors")
    given.finish()
    found: list[Json] = [_connector(text) for text in (connectors or "").split(";") if text]
    if not found:
        raise InvalidArgument("it has no connectors: give one or more, such as connectors=id0:1920x1080")
    return without_defaults({"backend_domname": backend, "be_alloc": alloc, "connectors": found})


def _connector(text: str) -> dict[str, Json]:
    found = _CONNECTOR.fullmatch(text)
    if not found:
        raise InvalidArgument(f"{quoted(text)} is no connector: it is such as id0:1920x1080")
    width, height = (decimal("a connector's size", size, MOST_UINT32) for size in found.groups()[1:])
    return without_defaults({"unique_id": found[1], "width": width, "height": height})


def vkb(words: Sequence[str]) -> dict[str, Json]:
    """The template's entry of a keyboard: `unique-id=k,backend-type=linux,width=800,height=600`. InvalidArgument."""
    given = Parameters(words)
    entry: dict[str, Json] = {"backend_domname": given.backend()}
    entry["backend_type"] = given.choice("backend-type", ("qemu", "linux"))
    entry["unique_id"] = given.text("unique-id")
    features = {name: given.boolean(f"feature-{name}") for name in _FEATURES}
    numbers = {name: given.c_number(name) for name in ("width", "height", *_TOUCH)}
    given.finish()
    if not entry["backend_type"]:
        raise InvalidArgument("it has no backend-type: it is qemu or linux")
    touched = any(numbers[name] for name in _TOUCH)
    if features["multi-touch"] is False and touched:
        raise InvalidArgument(
            f"feature-multi-touch is 0, and yet {', '.join(n for n in _TOUCH if numbers[n])} is given"
        )
    if features["multi-touch"] and not touched:
        raise InvalidArgument(f"feature-multi-touch needs one of {', '.join(_TOUCH)}")
    features["multi-touch"] = touched
    entry |= {f"feature_{name.replace('-', '_')}": value for name, value in features.items()}
    return without_defaults({**entry, **{name.replace("-", "_"): value for name, value in numbers.items()}})


def vfb(words: Sequence[str]) -> dict[str, Json]:
    """The template's entry of a framebuffer: `vnc=1,vnclisten=0.0.0.0,keymap=de`. InvalidArgument."""
    given = Parameters(words)
    booleans = {name: given.boolean(name) for name in ("vnc", "vncunused", "sdl", "opengl")}
    shows = {name: None if value is None else str(value) for name, value in booleans.items()}
    vnc: dict[str, Json] = {
        "enable": shows["vnc"],
        "listen": given.text("vnclisten"),
        "passwd": given.text("vncpasswd"),
    }
    vnc |= {"display": given.decimal("vncdisplay"), "findunused": shows["vncunused"]}
    sdl: dict[str, Json] = {"enable": shows["sdl"], "opengl": shows["opengl"]}
    sdl |= {"display": given.text("display"), "xauthority": given.text("xauthority")}
    keymap = given.text("keymap")
    given.finish()
    return without_defaults({"vnc": without_defaults(vnc), "sdl": without_defaults(sdl), "keymap": keymap})
