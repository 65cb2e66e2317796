"""The reference implementation's `retrieve` against what the real `xl list -l` printed, field by field, for every
snapshot of a real host."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from audit_hosts import GUEST, PV, Made, healthy, template_name, uuid
from embedded_host import run
from loaded_host import domain_of, load
from snapshots import snapshots
from test_retrieve_hosts import DEAD_DEVICE_MODEL, SCHEDULING, asked, messages

from confsync.impl.audit.answer import retrieve as answer_of
from confsync.impl.audit.domain import open_domain
from confsync.impl.audit.host import pair
from confsync.impl.audit.libxl_read import as_libxl_reads
from confsync.impl.configuration.template import Template
from confsync.impl.configuration.text import decode, encode
from confsync.impl.embedded.host import CREDIT
from confsync.impl.errors import CannotList, ToolstackError
from confsync.impl.kinds import Json
from confsync.impl.operations.create import create
from confsync.impl.operations.retrieve import retrieve
from confsync.impl.ports import Domain

DELIBERATE: dict[str, str] = {
    **dict.fromkeys(
        DEAD_DEVICE_MODEL,
        "libxl asks QEMU which vcpus are online, and fails as QEMU has died; here xenstore says which they are",
    ),
    "xen-4.17/284-kill-destroy-before-unlink/after-byid": "libxl answers with the template as it is if the domain has "
    "no name in xenstore; here that is an error, as what exists is not known",
}
"""The snapshots for which the reference implementation does not do as libxl did, and why."""


def outcome(name: str) -> Json:
    """What the reference implementation answers for a snapshot; the error's name if it fails."""
    files = snapshots()[name]
    domain = domain_of(files, asked(name))
    gone = "does not exist" in messages(name) or "invalid domain identifier" in messages(name)
    host = load(files["xenstore.txt"].decode(), None if gone else domain, files.get("libxl.json"), dict(_credit(name)))
    try:
        found = run(retrieve(host.t, domain or Domain(0x7FEF, "00000000-0000-0000-0000-000000000000")))
    except ToolstackError as e:
        return type(e).__name__
    assert found.made_up == ()
    assert domain is not None
    return [{"domid": domain.domid, "config": json.loads(found.template.encode().rstrip(b"\0"))}]


def _credit(name: str) -> dict[str, int]:
    given = SCHEDULING[name.partition("/")[0]]
    return {key: value for key, value in given.items() if isinstance(value, int)}


def without_scheduler(answer: Json) -> Json:
    """The answer without the scheduler's name: a port of this toolstack has numbers alone."""
    copy = json.loads(json.dumps(answer))
    for domain in copy:
        domain["config"].get("b_info", {}).get("sched_params", {}).pop("sched", None)
    return copy  # type: ignore[no-any-return]


@pytest.mark.slow
def test_every_field_is_as_the_real_one_said() -> None:
    counts = {"answered": 0, "failed": 0, "deliberate": 0}
    for name, files in snapshots().items():
        said: Json = json.loads(files["list-l.json"] or "[]")
        ours = outcome(name)
        if name in DELIBERATE:
            assert isinstance(ours, str) == bool(said), name
            counts["deliberate"] += 1
        elif said:
            assert isinstance(ours, list), (name, ours)
            assert without_scheduler(ours) == without_scheduler(said), name
            counts["answered"] += 1
        else:
            assert isinstance(ours, str), name
            counts["failed"] += 1
    assert counts == {"answered": 216, "failed": 37, "deliberate": 4}


def test_a_domain_without_a_name_is_not_answered_for() -> None:
    assert outcome("xen-4.17/284-kill-destroy-before-unlink/after-byid") == CannotList.__name__


ARRAYS: dict[str, str] = {
    "usbctrls": "libxl compares the number, which its own entries lack, and drops every one; here the place says it",
    "usbdevs": "libxl has no reader for them, and drops every one [libxl__usbdev_devtype]",
    "p9s": "libxl has no comparison for them, and keeps what was taken away; here xenstore says what exists",
    "vkbs": "as p9s",
}
"""The parts of an answer in which the reference implementation does not do as libxl does, and why."""


def both(made: Made, domid: int, folder: Path) -> tuple[dict[str, Json], dict[str, Json]]:
    """What libxl answers for a domain of a host that was made by hand, and what the reference implementation does."""
    made.write(folder)
    libxl = answer_of(open_domain(pair((), folder / "xenstore.txt", folder), domid)).config
    host = load("\n".join(made.lines()), Domain(domid, uuid(domid)), (folder / template_name(domid)).read_bytes(), {})
    ours = run(retrieve(host.t, Domain(domid, uuid(domid)))).template.value
    assert libxl is not None
    return libxl, as_libxl_reads(ours, "ours")


@pytest.mark.parametrize("domid", [GUEST, PV])
def test_a_host_with_something_of_everything_is_answered_alike_but_for_what_is_deliberate(
    domid: int, tmp_path: Path
) -> None:
    made = healthy()
    libxl, ours = both(made, domid, tmp_path)
    differ = {key for key in libxl.keys() | ours.keys() if libxl.get(key, []) != ours.get(key, [])} - {"b_info"}
    assert differ == ({"usbctrls", "usbdevs"} if domid == GUEST else set())
    assert differ <= ARRAYS.keys()
    if domid == GUEST:
        controllers = ours["usbctrls"], ours["usbdevs"]
        assert controllers == ([{"type": "devicemodel"}], [{"ctrl": 0, "port": 1}])
        assert ours["pcidevs"] == libxl["pcidevs"] == made.templates[GUEST]["pcidevs"]


def test_a_share_that_is_gone_is_answered_by_libxl_alone(tmp_path: Path) -> None:
    made = healthy()
    made.remove(f"/libxl/{PV}/device/9pfs/0", f"/libxl/{PV}/device/vkbd/0")
    libxl, ours = both(made, PV, tmp_path)
    assert (libxl["p9s"], libxl["vkbs"]) == ([{"tag": "share"}], [{"devid": 0}])
    assert "p9s" not in ours
    assert "vkbs" not in ours


MEMORY: list[tuple[str, dict[str, Json], str, int]] = [
    ("hvm", {"max_memkb": 131072, "target_memkb": 65536, "video_memkb": 8192}, "8192", 65536 + 8192 + 1024),
    ("hvm", {"max_memkb": 65536, "target_memkb": 65536, "video_memkb": 8192}, "8192", 65536 + 8192),
    ("hvm", {"max_memkb": 65537, "target_memkb": 65536}, "0", 65536 + 1024),
    ("hvm", {"target_memkb": 65536}, "0", 65536 + 1024),
    ("hvm", {"max_memkb": 65536}, "0", 65536),
    ("pv", {"max_memkb": 131072, "target_memkb": 65536}, "0", 65536),
    ("pvh", {"max_memkb": 131072, "target_memkb": 65536}, "-1", 65535),
]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "build", "video", "expected"), MEMORY)
def test_the_memory_target_is_libxl_s(
    kind: str, build: dict[str, Json], video: str, expected: int, tmp_path: Path
) -> None:
    """`memory/target` is 65536 in each."""
    made = healthy()
    made.templates[GUEST]["b_info"] = {**build, f"type.{kind}": {}}
    made.c_info(GUEST)["type"] = kind
    made.put({f"/local/domain/{GUEST}/memory/videoram": video})
    libxl, ours = both(made, GUEST, tmp_path)
    for answer in (libxl, ours):
        assert isinstance(answer["b_info"], dict)
        assert answer["b_info"]["target_memkb"] == expected


LIBXL_MADE: list[dict[str, Json]] = [
    {
        "usbctrls": [{}, {"type": "pv"}],
        "usbdevs": [{"ctrl": 1, "port": 1, "type.hostdev": {"hostbus": 1, "hostaddr": 2}}],
    },
    {"p9s": [{"tag": "a", "path": "/a", "security_model": "none"}, {"tag": "b", "path": "/b"}]},
    {"vkbs": [{}]},
    {"b_info": {"max_memkb": 131072, "target_memkb": 65536, "video_memkb": 8192, "max_vcpus": 1, "type.hvm": {}}},
]


@pytest.mark.slow
@pytest.mark.parametrize("more", LIBXL_MADE, ids=["usb", "9p", "vkb", "memory"])
@pytest.mark.parametrize("kind", ["pv", "hvm"])
def test_create_and_retrieve_is_a_fixed_point(kind: str, more: dict[str, Json]) -> None:
    """As it is written, so it is answered, and nothing is added when it is created again."""
    value: dict[str, Json] = {
        "c_info": {"type": kind, "name": "a", "uuid": uuid(1)},
        "b_info": {"max_memkb": 65536, "target_memkb": 65536, "max_vcpus": 1},
        **more,
    }
    template, build = Template.of(value, "the test's"), value["b_info"]
    assert isinstance(build, dict)
    host = load("", None, None, CREDIT)
    answered = run(retrieve(host.t, run(create(host.t, template)))).template
    for array in more.keys() - {"b_info"}:
        assert answered.value[array] == more[array]
    assert answered.target_memkb == build["target_memkb"]
    other = load("", None, None, CREDIT)
    again = run(retrieve(other.t, run(create(other.t, answered)))).template
    assert again.encode() == answered.encode()
    assert decode(encode(again.value), "f") == decode(again.encode(), "f")
