"""The reference implementation's `retrieve` of what libxl made: nothing is synthesized that libxl makes by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from embedded_host import EmbeddedHost, configuration, run

from confsync.impl.audit.libxl_read import as_libxl_reads
from confsync.impl.errors import MalformedConfiguration
from confsync.impl.kinds import VKB, Device, Json
from confsync.impl.operations.create import create
from confsync.impl.operations.destroy import destroy
from confsync.impl.operations.retrieve import retrieve


@pytest.mark.parametrize("more", [0, 1])
def test_the_keyboard_of_an_hvm_domain_is_not_synthesized(tmp_path: Path, more: int) -> None:
    host = EmbeddedHost(tmp_path)
    hvm: dict[str, Json] = {"type": "hvm", "name": "a", "uuid": "02c1497c-0060-444c-9188-579296d5d4d0"}
    domain = run(create(host.t, configuration(c_info=hvm)))
    xenstore = host.store.connect()
    for index in range(1 + more):
        run(xenstore.write(f"/libxl/{domain.domid}/device/vkbd/{index}/online", b"1"))
    found = run(retrieve(host.t, domain))
    assert found.made_up == ((Device(VKB, "1"),) if more else ())
    assert found.template.value.get("vkbs") == ([{"devid": 1}] if more else None)
    run(destroy(host.t, domain))
    again = run(create(host.t, found.template))
    assert run(retrieve(host.t, again)).template == found.template


@pytest.mark.parametrize("params", ["", "aio:", "aio:(null)", "/run/xen/empty-cdrom.1", "phy:/var/run/xen/empty-cdrom"])
def test_every_way_to_say_that_a_drive_is_empty_is_known(tmp_path: Path, params: str) -> None:
    host = EmbeddedHost(tmp_path)
    domain = run(create(host.t, configuration()))
    run(host.store.connect().write(f"/libxl/{domain.domid}/device/vbd/5632/params", params.encode()))
    disks = run(retrieve(host.t, domain)).template.value["disks"]
    assert isinstance(disks, list)
    drive = disks[1]
    assert isinstance(drive, dict)
    assert (drive["pdev_path"], drive["format"]) == ("", "empty")


def test_libxl_drops_what_it_does_not_know() -> None:
    given: dict[str, Json] = {
        "disks": [{"vdev": "xvda", "format": "RAW", "new": 1, "readwrite": "1", "backend_domid": 0}], "nics": 3,
        "c_info": {"name": 5, "uuid": "02C1497C0060444C9188579296D5D4D0"}, "future": {},
    }  # fmt: skip
    read = as_libxl_reads(given, "f")
    assert read["disks"] == [{"vdev": "xvda", "format": "raw"}]
    assert read["c_info"] == {"uuid": "02c1497c-0060-444c-9188-579296d5d4d0"}
    assert "nics" not in read
    assert "future" not in read
    for wrong in ({"disks": [{"format": "zip"}]}, {"b_info": {"max_vcpus": 2**31}}, {"c_info": {"uuid": "x"}}):
        with pytest.raises(MalformedConfiguration, match="libxl cannot read"):
            as_libxl_reads(wrong, "f")  # type: ignore[arg-type]
