"""How libxl reads a configuration's JSON and writes it again: by the fields of its types, and nothing else is kept.

A key that libxl does not know is dropped, and so is a value of another JSON type than the field's; a value of the right
JSON type that is no value of the field (an enumeration's unknown name, a number out of range) makes the whole
configuration unreadable; a default is left out on writing [gentypes.py, libxl_json.c].
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import cast

from confsync.impl.configuration.text import Exact
from confsync.impl.errors import MalformedConfiguration
from confsync.impl.kinds import Json

Fields = Mapping[str, str]
_RANGES = {
    "int": (-(2**31), 2**31 - 1), "devid": (-(2**31), 2**31 - 1), "domid": (0, 2**32 - 1), "uint8": (0, 2**8 - 1),
    "uint16": (0, 2**16 - 1), "uint32": (0, 2**32 - 1), "uint64": (0, 2**63 - 1), "memkb": (0, 2**63 - 1),
}  # fmt: skip
_LATER = "later "
"""A structure is always written, by a libxl that knows it: one that is newer than 4.17 is written if it was there."""
_UNSET = {"devid": -1, "memkb": 2**64 - 1}
_JSON_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str, type(None)), "defbool": (str,), "bool": (bool,), "uuid": (str,), "mac": (str,),
    "bitmap": (list,), "string_list": (list,), "key_value_list": (dict,),
}  # fmt: skip
_HEX = re.compile(r"[0-9a-fA-F]{32}")
_MAC = re.compile(r"[0-9a-fA-F]{1,2}(?::[0-9a-fA-F]{1,2}){5}")
_WHOLE = re.compile(r"-?[0-9]+")


@cache
def _types() -> tuple[Mapping[str, Fields], Mapping[str, tuple[str | None, tuple[str, ...]]]]:
    """The structures by name, and the enumerations: the default, and all names."""
    known = json.loads(files("confsync.impl.audit").joinpath("libxl_types.json").read_text(encoding="utf-8"))
    enums = {name: (enum["default"], tuple(enum["names"])) for name, enum in known["enums"].items()}
    return known["structs"], enums


def as_libxl_reads(value: Mapping[str, Json], source: str) -> dict[str, Json]:
    """The configuration as libxl has it after reading `value`, in the form and order in which libxl writes it.

    MalformedConfiguration, with `source` as the file: libxl cannot read it (ERROR_FAIL)."""
    return _Reader(source).struct("domain_config", value, "")


class _Reader:
    def __init__(self, source: str) -> None:
        self._source = source

    def struct(self, name: str, value: Json | Mapping[str, Json], where: str) -> dict[str, Json]:
        """A structure; what is no object has no field [libxl__json_map_get]."""
        structs, _ = _types()
        given = value if isinstance(value, Mapping) else {}
        made: dict[str, Json] = {}
        variants = [key for key in structs[name] if "." in key and isinstance(given.get(key), dict)]
        if len(variants) > 1:
            self._refuse(where, f"both `{variants[0]}` and `{variants[1]}`")
        for key, declared in structs[name].items():
            kind, _, default = declared.removeprefix(_LATER).partition(" = ")
            if "." in key and key not in variants:
                continue
            place = f"{where}.{key}" if where else key
            found = self._typed(kind, given.get(key), place) if key in given else None
            if kind.startswith("struct ") and not kind.endswith("[]"):
                if found is not None or not declared.startswith(_LATER):
                    made[key] = self.struct(kind[7:], {}, place) if found is None else found
            elif found is not None and not _is_default(kind, default, found):
                made[key] = found
        return made

    def _typed(self, kind: str, value: Json, where: str) -> Json:
        """A field's value, None if its JSON type is another than the field's."""
        if kind.endswith("[]"):
            if not isinstance(value, list):
                return None
            return [self._element(kind[:-2], below, f"{where}[{n}]") for n, below in enumerate(value)]
        if kind.startswith("struct "):
            return self.struct(kind[7:], value, where) if isinstance(value, dict) else None
        if kind in _RANGES:
            number = _whole(value)
            return None if number is None else self._number(kind, number, where)
        if not isinstance(value, _JSON_TYPES.get(kind, (str,) if kind.startswith("enum ") else (object,))):
            return None
        return self._parsed(kind, value, where)

    def _element(self, kind: str, value: Json, where: str) -> Json:
        """An array's element: one of another type than the array's cannot be read."""
        if kind.startswith("struct "):
            return self.struct(kind[7:], value, where)
        found = self._typed(kind, value, where)
        if found is None:
            self._refuse(where, f"{json.dumps(value, default=str)[:60]}, which is no {kind.removeprefix('enum ')}")
        return found

    def _number(self, kind: str, number: int, where: str) -> int | None:
        least, most = _RANGES[kind]
        if number > 2**63 - 1:
            return None  # it is no JSON_INTEGER to libxl, and so of another type
        if not least <= number <= most:
            self._refuse(where, f"{number}, which is not from {least} to {most}")
        return number

    def _parsed(self, kind: str, value: Json, where: str) -> Json:
        if kind.startswith("enum "):
            name = cast("str", value).lower()
            if name not in _types()[1][kind[5:]][1]:
                self._refuse(where, f"{value!r}, which is no {kind[5:]}")
            return name
        reader = _READERS.get(kind)
        if reader is None:
            return value
        found = reader(value)
        if found is None:
            self._refuse(where, f"{json.dumps(value, default=str)[:60]}, which is no {kind}")
        return found

    def _refuse(self, where: str, what: str) -> None:
        raise MalformedConfiguration(self._source, where, f"{what}: libxl cannot read the configuration")


def _whole(value: Json) -> int | None:
    """A number as libxl has it: without a point it is whole, and read up to the first character that is no digit."""
    if isinstance(value, Exact):
        found = None if "." in value.text else _WHOLE.match(value.text)
        return int(found[0]) if found else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _is_default(kind: str, default: str, value: Json) -> bool:
    if kind.startswith("enum ") and not kind.endswith("[]"):
        return value == _types()[1][kind[5:]][0]
    if kind in _RANGES:
        return value == (int(default) if default else _UNSET.get(kind, 0))
    if kind == "defbool":
        return value == "<default>"
    if kind in ("uuid", "mac"):
        return not str(value).strip("0-:")
    if kind == "ms_vm_genid":
        return isinstance(value, list) and not any(value)
    return kind != "string" and not value


def _defbool(value: Json) -> Json:
    """Only the beginning is looked at [libxl__defbool_parse_json]."""
    return next((name for name in ("<default>", "True", "False") if str(value).startswith(name)), None)


def _uuid(value: Json) -> Json:
    digits = str(value).replace("-", "")
    if not _HEX.fullmatch(digits):
        return None
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])).lower()


def _mac(value: Json) -> Json:
    if not _MAC.fullmatch(str(value)):
        return None
    return ":".join(f"{int(part, 16):02x}" for part in str(value).split(":"))


def _bitmap(value: Json) -> Json:
    """The last number says how many bytes there are; a number beyond them is lost [libxl__bitmap_parse_json]."""
    numbers = [_whole(bit) for bit in cast("list[Json]", value)]
    if any(bit is None or bit < 0 for bit in numbers):
        return None
    bits = [bit for bit in numbers if bit is not None]
    size = (bits[-1] // 8 + 1) * 8 if bits else 0
    return [bit for bit in sorted(set(bits)) if bit < size]


def _strings(value: Json) -> Json:
    return value if all(isinstance(text, str) for text in cast("list[Json]", value)) else None


def _pairs(value: Json) -> Json:
    texts = cast("dict[str, Json]", value).values()
    return value if all(text is None or isinstance(text, str) for text in texts) else None


def _genid(value: Json) -> Json:
    whole = [_whole(byte) for byte in value[:16]] if isinstance(value, list) else []
    if len(whole) < 16 or any(byte is None for byte in whole):
        return None
    return [byte & 255 for byte in whole if byte is not None]


_READERS: Mapping[str, Callable[[Json], Json]] = {
    "defbool": _defbool, "uuid": _uuid, "mac": _mac, "bitmap": _bitmap, "string_list": _strings,
    "key_value_list": _pairs, "ms_vm_genid": _genid,
}  # fmt: skip
