"""What an audit says that `retrieve` answers, for hosts made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from audit_hosts import GUEST, PV, Made, healthy

from confsync.impl.audit.answer import Answer, retrieve
from confsync.impl.audit.domain import open_domain
from confsync.impl.audit.host import snapshot
from confsync.impl.kinds import Json

LIBXL, LOCAL = f"/libxl/{GUEST}/device", f"/local/domain/{GUEST}"


def answered(made: Made, folder: Path, domid: int) -> Answer:
    """What `retrieve` answers."""
    return retrieve(open_domain(snapshot(made.write(folder)), domid))


def test_retrieve_leaves_out_what_is_gone_and_empties_what_is_empty(tmp_path: Path) -> None:
    made = healthy()
    entries = made.entries(GUEST, "disks")
    said = answered(made, tmp_path, GUEST).configuration
    assert said is not None
    assert said.value["disks"] == [*entries[:2], {**entries[2], "pdev_path": "", "format": "empty"}]
    assert said.value["pcidevs"] == made.templates[GUEST]["pcidevs"]
    assert (said.target_memkb, said.max_memkb, said.name) == (65536 + 8192 + 1024, 131072, "guest")


def test_retrieve_takes_a_list_that_it_cannot_read_for_an_empty_one(tmp_path: Path) -> None:
    made = healthy()
    made.put({f"{LIBXL}/vbd/51760": ""})
    said = answered(made, tmp_path, GUEST).configuration
    assert said is not None
    assert "disks" not in said.value
    assert "nics" in said.value


def test_retrieve_never_leaves_out_a_share_or_a_keyboard(tmp_path: Path) -> None:
    made = healthy()
    made.templates[PV]["p9s"] = [{"devid": 5}]
    made.remove(f"/libxl/{PV}/device/9pfs/0", f"/libxl/{PV}/device/vkbd/0")
    said = answered(made, tmp_path, PV).configuration
    assert said is not None
    assert said.value["p9s"] == [{"devid": 5}]
    assert said.value["vkbs"] == [{"devid": 0}]


def test_retrieve_without_a_name_answers_with_the_template_as_it_is(tmp_path: Path) -> None:
    made = healthy()
    made.remove(f"{LOCAL}/name")
    said = answered(made, tmp_path, GUEST).configuration
    assert said is not None
    empty: dict[str, Json] = {"arch_arm": {}, "arch_x86": {}}
    hvm: dict[str, Json] = {"vga": {}, "vnc": {}, "sdl": {}, "spice": {}, "rdm": {}}
    build = said.value["b_info"]
    assert isinstance(build, dict)
    written = {**made.templates[GUEST], "b_info": build}
    assert said.value == written
    assert build == {**cast("dict[str, Json]", made.templates[GUEST]["b_info"]), **empty, "type.hvm": hvm}
    made.put({f"{LOCAL}/name": "guest", f"{LOCAL}/memory/target": "x"})
    assert answered(made, tmp_path, GUEST) == Answer(None, "fails with ERROR_FAIL")
