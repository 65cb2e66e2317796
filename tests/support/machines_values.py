"""Wide values for the machines: names, configurations and device entries, proper ones and hostile ones."""

from __future__ import annotations

import unicodedata

from hypothesis import strategies as st

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""A JSON value."""

LEAST, MOST, LEVELS = -(2**63), 2**64 - 1, 100
"""What libxl's integers hold, and how deep a template may be nested."""
TOO_LONG = 4096
"""Bytes that no message to xenstore holds."""

VDEVS = {
    "xvda": 51712, "d0p0": 51712, "51712": 51712, "xvdb": 51728, "xvdb1": 51729, "d1p1": 51729, "xvdz": 268441856,
    "hda": 768, "hdb3": 835, "sda": 2048, "sdb1": 2065,
}  # fmt: skip
"""Disks, and the number of each [docs/man/xen-vbd-interface.7.pandoc]; some have several names."""
DRIVES = {"hdc": 5632, "hdd": 5696, "xvdy": 268441600}

CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXT = st.text(CHARACTERS, max_size=12)
LONG_TEXT = st.builds(
    lambda text, times: (text * times)[:60_000], st.text(CHARACTERS, min_size=1, max_size=3), st.just(20_000)
)
FIELD = st.builds("zz{}".format, TEXT)
"""A field that nobody knows."""


def deep(levels: int, inside: Json) -> Json:
    """The value in so many arrays and objects."""
    for n in range(levels):
        inside = [inside] if n % 2 else {"n": inside}
    return inside


SCALARS: st.SearchStrategy[Json] = st.one_of(
    st.none(), st.booleans(), st.integers(LEAST, MOST), st.floats(allow_nan=False, allow_infinity=False), TEXT
)
JSON: st.SearchStrategy[Json] = st.one_of(
    st.recursive(
        SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=5
    ),
    st.builds(deep, st.integers(10, LEVELS - 4), SCALARS),
    LONG_TEXT,
)
IMPROPER: st.SearchStrategy[Json] = st.sampled_from(
    [
        MOST + 1,
        LEAST - 1,
        10**40,
        "\0",
        "a\0b",
        "\ud800",
        "a\udfff",
        {"\ud800": 1},
        {"\0": 1},
        [[{"a": ["\0"]}]],
        deep(LEVELS + 1, 1),
    ]
)
"""What no template can hold."""


def proper(value: Json, level: int = 0) -> bool:
    """True if a template can hold it. `level`: how deep it stands in it."""
    match value:
        case str():
            return "\0" not in value and not any(unicodedata.category(c) == "Cs" for c in value)
        case bool() | None | float():
            return True
        case int():
            return LEAST <= value <= MOST
        case list():
            return level < LEVELS and all(proper(v, level + 1) for v in value)
    return level < LEVELS and all(proper(k) and proper(v, level + 1) for k, v in value.items())


def unknown(more: bool = True) -> st.SearchStrategy[dict[str, Json]]:
    """Fields that nobody knows; seldom one that no template can hold."""
    seldom = st.integers(0, 19).flatmap(lambda n: IMPROPER if n == 0 else JSON)
    return st.dictionaries(FIELD, seldom if more else JSON, max_size=2)


GOOD_NAMES = st.one_of(
    st.sampled_from(
        ["vm", "vm 2", "a", "ä ö", "名前", " blank ", "x" * 255, "é" * 127, "0", "1", "Domain-0", "%s", "..", "a;b"]
    ),
    st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="/"), min_size=1, max_size=20),
)
BAD_NAMES = st.sampled_from(
    ["", "a/b", "/", "x" * 256, "é" * 128, "a\nb", "a\0", "\x7f", "\u2028", "\ud800", "a\u200bb"]
)
NAMES = st.one_of(GOOD_NAMES, GOOD_NAMES, GOOD_NAMES, BAD_NAMES)


def good_name(name: str) -> bool:
    """True if a domain can have it: 1 to 255 bytes of printable characters, and no slash."""
    if any(unicodedata.category(c)[0] in "CZ" and c != " " for c in name) or "/" in name:
        return False
    return 1 <= len(name.encode()) <= 255


PATHS = st.one_of(st.builds("/{}".format, TEXT), st.sampled_from(["/a.img", "/b.iso", "/dev/vg/lv", "/" + "x" * 900]))
SELDOM_TOO_LONG = st.integers(0, 24).flatmap(lambda n: st.just("/" + "x" * TOO_LONG) if n == 0 else PATHS)
DEVID = st.one_of(st.none(), st.integers(0, 3), st.sampled_from([2**31 - 1, 17]))
BIT = st.integers(0, 1)


def _but_none(**fields: st.SearchStrategy[Json]) -> st.SearchStrategy[dict[str, Json]]:
    return st.fixed_dictionaries(fields).map(lambda found: {k: v for k, v in found.items() if v is not None})


def _drive(vdev: str, path: str, form: str, how: dict[str, Json]) -> dict[str, Json]:
    return {"vdev": vdev, "pdev_path": path, "format": form if path else "empty", **how}


CDROM: st.SearchStrategy[dict[str, Json]] = st.builds(
    _drive,
    st.sampled_from(list(DRIVES)),
    st.one_of(st.just(""), SELDOM_TOO_LONG),
    st.sampled_from(["raw", "qcow2"]),
    st.sampled_from([{"removable": 1, "is_cdrom": 1}, {"is_cdrom": 1}, {"removable": 1}]),
)
BACKEND_NAME = st.one_of(st.none(), st.none(), st.none(), GOOD_NAMES)
BACKEND_DOMID = st.one_of(st.none(), st.none(), st.integers(0, 3))
ENTRIES: dict[str, st.SearchStrategy[dict[str, Json]]] = {
    "disk": st.one_of(
        _but_none(
            vdev=st.sampled_from(list(VDEVS)), pdev_path=SELDOM_TOO_LONG, readwrite=BIT,
            format=st.sampled_from(["raw", "qcow2", "vhd"]), backend_domname=BACKEND_NAME, backend_domid=BACKEND_DOMID,
        ),
        CDROM,
    ),
    "nic": _but_none(
        devid=DEVID, bridge=st.one_of(st.none(), TEXT), mtu=st.one_of(st.none(), st.integers(68, 65535)),
        mac=st.one_of(st.none(), st.just("00:16:3e:00:00:01")), backend_domname=BACKEND_NAME,
        backend_domid=BACKEND_DOMID,
    ),
    "vtpm": _but_none(devid=DEVID, backend_domid=BACKEND_DOMID),
    "usbctrl": _but_none(devid=DEVID, version=st.integers(1, 3), ports=st.integers(1, 4), backend_domid=BACKEND_DOMID),
    "usbdev": st.fixed_dictionaries(
        {"ctrl": st.integers(0, 1), "port": st.integers(1, 2)},
        optional={"type.hostdev": st.fixed_dictionaries({"hostbus": st.integers(1, 9), "hostaddr": st.integers(1, 9)})},
    ),
    "pci": _but_none(
        domain=st.one_of(st.none(), st.just(0xFFFF)), bus=st.integers(0, 2), dev=st.one_of(st.none(), st.just(31)),
        func=st.integers(0, 1), permissive=BIT, backend_domid=BACKEND_DOMID,
    ),
    "p9": _but_none(devid=DEVID, tag=TEXT, path=PATHS),
    "vdispl": _but_none(
        devid=DEVID, be_alloc=BIT,
        connectors=st.lists(
            st.fixed_dictionaries({"unique_id": TEXT, "width": st.just(800), "height": st.just(600)}), max_size=2
        ),
    ),
    "vsnd": _but_none(devid=DEVID, long_name=TEXT, short_name=TEXT),
    "vkb": _but_none(devid=DEVID, unique_id=TEXT, backend_domid=BACKEND_DOMID),
}  # fmt: skip
"""An entry of each kind that is all right, if it stands alone; seldom with a text that xenstore cannot take."""
KIND_NAMES = st.sampled_from(list(ENTRIES))


@st.composite
def entries(draw: st.DrawFn, kind: str) -> dict[str, Json]:
    """An entry, with fields that nobody knows."""
    return {**draw(ENTRIES[kind]), **draw(unknown())}


ARRAYS = {kind: f"{kind}s" for kind in ENTRIES} | {"pci": "pcidevs"}


ONLINE: list[Json] = [None, None, [0], [0, 1], []]
SCHEDULING: list[Json] = [None, None, {"weight": 512}, {"weight": 1, "cap": 50}]


@st.composite
def configurations(draw: st.DrawFn, uuid: str) -> dict[str, Json]:
    """A configuration of a domain."""
    memory = st.one_of(st.none(), st.sampled_from([1, 1024, 65536, 2**31]), st.integers(0, 2**40))
    build: dict[str, Json] = {
        "max_vcpus": draw(st.sampled_from([None, 1, 2, 4, 0, 513])),
        "max_memkb": draw(memory),
        "target_memkb": draw(memory),
        "video_memkb": draw(st.sampled_from([None, None, 0, 8, 16384])),
        "avail_vcpus": draw(st.sampled_from(ONLINE)),
        "sched_params": draw(st.sampled_from(SCHEDULING)),
    }
    value: dict[str, Json] = {
        "c_info": {"type": "pv", "name": draw(NAMES), "uuid": uuid, **draw(unknown())},
        "b_info": {**{k: v for k, v in build.items() if v is not None}, **draw(unknown())},
        **draw(unknown()),
    }
    for kind in draw(st.lists(KIND_NAMES, max_size=4)):
        listed = value.setdefault(ARRAYS[kind], [])
        assert isinstance(listed, list)
        listed.append(draw(entries(kind)))
    return value
