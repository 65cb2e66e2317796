"""Hosts made by hand, for an audit: a healthy one with something of everything, written as xenstore-ls and libxl do."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from confsync.impl.configuration.text import encode
from confsync.impl.kinds import Json

GUEST, DRIVER, STUB, FOREIGN, OTHER, PV = 7, 3, 8, 9, 10, 12
"""An HVM guest with a stubdom and a disk from a driver domain, the two, one of another toolstack, two PV guests."""
DOM0_FILE = "userdata-d.0.00000000-0000-0000-0000-000000000000.libxl-json"


def uuid(domid: int) -> str:
    """A domain's."""
    return f"{domid:08x}-1111-4222-8333-444444444444"


def template_name(domid: int) -> str:
    """A template's file."""
    return f"userdata-d.{domid}.{uuid(domid)}.libxl-json"


@dataclass
class Made:
    """A host as its nodes and files."""

    nodes: dict[str, str] = field(default_factory=dict)
    permissions: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    templates: dict[int, dict[str, Json]] = field(default_factory=dict)

    def domain(self, domid: int, name: str) -> None:
        """A domain's nodes, without devices."""
        local = f"/local/domain/{domid}"
        self.nodes |= {
            local: "", f"{local}/name": name, f"{local}/vm": f"/vm/{uuid(domid)}", f"{local}/domid": str(domid),
            f"{local}/memory": "", f"{local}/memory/target": "65536", f"{local}/memory/static-max": "131072",
            f"{local}/memory/videoram": "8192", f"{local}/device": "", f"{local}/device/suspend": "",
            f"{local}/device/suspend/event-channel": "", f"/libxl/{domid}": "", f"/libxl/{domid}/type": "hvm",
            f"/libxl/{domid}/dm-version": "qemu_xen",
            f"/vm/{uuid(domid)}": "", f"/vm/{uuid(domid)}/name": name, f"/vm/{uuid(domid)}/memory": "64",
        }  # fmt: skip
        self.device(domid, "console", "0", "console", frontend=f"{local}/console")

    def device(
        self, domid: int, folder: str, index: str, kind: str, *, owner: int = 0, frontend: str = "", **keys: str
    ) -> None:
        """A device in its three places. `owner`: whose backend."""
        front = frontend or f"/local/domain/{domid}/device/{folder}/{index}"
        back, own = f"/local/domain/{owner}/backend/{kind}/{domid}/{index}", f"/libxl/{domid}/device/{folder}/{index}"
        named = {name.replace("_", "-"): value for name, value in keys.items()}
        self.nodes |= {front: "", f"{front}/backend": back, f"{front}/state": "4"}
        self.nodes |= {back: "", f"{back}/frontend": front, f"{back}/online": "1", f"{back}/state": "4"}
        self.nodes |= {f"{back}/{name}": value for name, value in named.items()}
        if "script" in keys:
            self.nodes[f"{back}/hotplug-status"] = "connected"
        self.nodes |= {own: "", f"{own}/frontend": front, f"{own}/backend": back}
        self.nodes |= {f"{own}/{name}": value for name, value in named.items()}

    def disk(
        self,
        domid: int,
        number: int,
        vdev: str,
        params: str,
        *,
        owner: int = 0,
        kind: str = "vbd",
        removable: str = "0",
    ) -> None:
        """A disk."""
        script = {"script": "/etc/xen/scripts/block"} if kind == "vbd" else {}
        self.device(
            domid, "vbd", str(number), kind, owner=owner, params=params, dev=vdev, removable=removable, mode="w",
            type={"vbd": "phy"}.get(kind, kind), device_type="cdrom" if removable == "1" else "disk", **script,
        )  # fmt: skip

    def entries(self, domid: int, array: str) -> list[dict[str, Json]]:
        """A list of a domain's template."""
        return cast("list[dict[str, Json]]", self.templates[domid][array])

    def c_info(self, domid: int) -> dict[str, Json]:
        """That part of a domain's template."""
        return cast("dict[str, Json]", self.templates[domid]["c_info"])

    def put(self, nodes: dict[str, str]) -> None:
        """Write nodes."""
        self.nodes |= nodes

    def remove(self, *paths: str) -> None:
        """Remove nodes and all below them."""
        for path in paths:
            self._remove(path)

    def _remove(self, path: str) -> None:
        gone = [p for p in self.nodes if p == path or p.startswith(f"{path}/")]
        assert gone, path
        for p in gone:
            del self.nodes[p]

    def lines(self, *, permissions: bool = True) -> list[str]:
        """What xenstore-ls prints of it."""
        found = []
        above = {"/".join(path.split("/")[:n]) for path in self.nodes for n in range(2, path.count("/") + 1)}
        for path, value in sorted((dict.fromkeys(above, "") | self.nodes).items()):
            who = self.permissions.get(path, "n0")
            found.append(f'{path} = "{value}"' + (f"   ({who})" if permissions else ""))
        return found

    def write(self, folder: Path, *, permissions: bool = True) -> Path:
        """As files."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "xenstore.txt").write_text("\n".join(self.lines(permissions=permissions)) + "\n", encoding="utf-8")
        for domid, template in self.templates.items():
            (folder / template_name(domid)).write_bytes(encode(template))
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
        return folder


def _template(domid: int, name: str, kind: str, **arrays: Json) -> dict[str, Json]:
    return {
        "c_info": {"type": kind, "name": name, "uuid": uuid(domid)},
        "b_info": {
            "max_memkb": 131072,
            "target_memkb": 65536,
            "video_memkb": 8192,
            "sched_params": {},
            f"type.{kind}": {},
        },
        **arrays,
    }


def healthy() -> Made:
    """Nothing is wrong with it."""
    made = Made(
        {
            "/local": "", "/local/domain": "", "/local/domain/0": "", "/local/domain/0/name": "Domain-0",
            "/local/domain/0/domid": "0", "/libxl": "", "/libxl/0": "", "/vm": "", "/tool": "",
        },
        files={DOM0_FILE: encode({"c_info": {"name": "Domain-0"}, "b_info": {}})},
    )  # fmt: skip
    made.disk(0, 51712, "xvda", "/dev/loop7")  # attached to dom0 itself: no template has it
    for domid, name in ((GUEST, "guest"), (DRIVER, "storage"), (STUB, "guest-dm"), (OTHER, "other"), (PV, "pv")):
        made.domain(domid, name)
    made.nodes[f"/local/domain/{STUB}/target"] = str(GUEST)
    made.nodes[f"/local/domain/{GUEST}/image/device-model-domid"] = str(STUB)
    made.disk(STUB, 51712, "xvda", "/dev/vg/guest")
    made.device(STUB, "vfb", "0", "vfb")

    made.disk(GUEST, 768, "hda", "/dev/vg/guest", owner=DRIVER)
    made.disk(GUEST, 5632, "hdc", "aio:/srv/cd.iso", kind="qdisk", removable="1")
    made.disk(GUEST, 51744, "xvdc", "aio:", kind="qdisk", removable="1")
    made.device(GUEST, "vif", "0", "vif", script="/etc/xen/scripts/vif-bridge", mac="00:16:3E:00:00:01", bridge="b")
    made.device(GUEST, "vkbd", "0", "vkbd")
    made.device(GUEST, "pci", "0", "pci")
    back = f"/local/domain/0/backend/pci/{GUEST}/0"
    made.nodes |= {f"{back}/num_devs": "2", f"{back}/dev-0": "0000:03:00.0", f"{back}/dev-1": "0001:04:1f.7"}
    made.nodes |= {f"{back}/state-0": "4", f"{back}/key-0": "0000:03:00.0", f"{back}/vdevfn-0": "28"}
    made.nodes[f"/libxl/{GUEST}/device/vusb/0"] = ""  # the device model's: it has no ends
    made.nodes |= {f"/libxl/{GUEST}/device/vusb/0/port/{n}": v for n, v in (("1", "2-1"), ("2", ""))}
    made.templates[GUEST] = _template(
        GUEST, "guest", "hvm",
        disks=[
            {"pdev_path": "/dev/vg/guest", "vdev": "hda", "backend_domname": "storage"},
            {"pdev_path": "/srv/cd.iso", "vdev": "hdc", "is_cdrom": 1, "removable": 1},
            {"pdev_path": "/srv/other.iso", "vdev": "xvdc", "is_cdrom": 1, "removable": 1},
            {"pdev_path": "/dev/vg/gone", "vdev": "xvdz"},
        ],
        nics=[{"devid": 0, "mac": "00:16:3e:00:00:01"}],
        pcidevs=[{"bus": 3}, {"domain": 1, "bus": 4, "dev": 31, "func": 7}],
        usbctrls=[{"type": "devicemodel"}], usbdevs=[{"ctrl": 0, "port": 1}],
    )  # fmt: skip

    made.templates[DRIVER] = _template(DRIVER, "storage", "pv")
    made.templates[OTHER] = _template(OTHER, "other", "pvh")

    made.disk(PV, 51712, "xvda", "/dev/vg/a:b")
    made.device(PV, "vtpm", "0", "vtpm")
    made.device(PV, "9pfs", "0", "9pfs")
    made.device(PV, "vdispl", "1", "vdispl")
    made.device(PV, "vsnd", "0", "vsnd")
    made.device(PV, "vkbd", "0", "vkbd")
    made.device(PV, "vfb", "0", "vfb")
    made.templates[PV] = _template(
        PV, "pv", "pv",
        disks=[{"pdev_path": "/dev/vg/a:b", "vdev": "xvda"}], vtpms=[{"devid": 0}], p9s=[{"tag": "share"}],
        vdispls=[{"devid": 1}], vsnds=[{"devid": 0}], vkbs=[{"devid": 0}], vfbs=[{"devid": 0}],
    )  # fmt: skip

    local = f"/local/domain/{FOREIGN}"
    made.nodes |= {local: "", f"{local}/name": "xapi-guest", f"{local}/vm": f"/vm/{uuid(FOREIGN)}"}
    made.nodes |= {f"/vm/{uuid(FOREIGN)}": "", f"/vm/{uuid(FOREIGN)}/name": "xapi-guest"}
    made.nodes |= {f"{local}/device/vbd/51712": "", f"{local}/device/vbd/51712/state": "4"}
    made.nodes |= {f"/local/domain/0/backend/vbd3/{FOREIGN}/51712/state": "4"}
    return made
