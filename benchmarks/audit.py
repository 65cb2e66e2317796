"""A large host, made by hand, audited: time and memory by part. `python -m benchmarks.audit [domains]`."""

from __future__ import annotations

import resource
import sys
import tempfile
from collections.abc import Iterator
from multiprocessing import Process
from pathlib import Path
from time import perf_counter, process_time

from rich.console import Console
from rich.table import Table

from confsync.impl.audit.audit import audit
from confsync.impl.audit.dump import read_dump
from confsync.impl.audit.host import Host, folder_files
from confsync.impl.audit.output import as_json, as_sarif
from confsync.impl.configuration.text import encode
from confsync.impl.kinds import Json

DOMAINS = 10_000
DISKS, NICS = 2, 1
BROKEN_EVERY = 100
"""So many domains have one with a disk that the template lacks."""


def uuid(domid: int) -> str:
    """Any; each another."""
    return f"{domid:08x}-0000-4000-8000-{domid:012x}"


def nodes(domid: int) -> Iterator[tuple[str, str, str]]:
    """What xenstore has of an HVM domain: path, value, permissions; as a real one, without the backends."""
    local, libxl, own = f"/local/domain/{domid}", f"/libxl/{domid}", f"n0,r{domid}"
    for name, value in {
        "": "", "/vm": f"/vm/{uuid(domid)}", "/name": f"d{domid}", "/cpu": "", "/cpu/0": "", "/memory": "",
        "/cpu/0/availability": "online", "/memory/static-max": "65536", "/memory/target": "65536",
        "/memory/videoram": "0", "/device": "", "/control": "", "/control/platform-feature-xs_reset_watches": "1",
        "/domid": str(domid), "/store": "", "/store/port": "1", "/store/ring-ref": "1044476", "/console": "",
        "/console/backend": f"/local/domain/0/backend/console/{domid}/0", "/console/limit": "1048576",
        "/console/type": "xenconsoled", "/console/output": "pty", "/console/tty": "/dev/pts/0",
    }.items():  # fmt: skip
        yield local + name, value, own
    for folder, index, keys in devices(domid):
        frontend = f"{local}/device/{folder}/{index}"
        yield frontend, "", f"n{domid},r0"
        for name in ("backend", "backend-id", "state", "virtual-device", "device-type", "trusted"):
            yield f"{frontend}/{name}", "0", f"n{domid},r0"
        for name, value in {"": "", **keys}.items():
            yield f"{libxl}/device/{folder}/{index}{name and '/'}{name}", value, "n0"
    yield f"/vm/{uuid(domid)}", "", own
    yield f"/vm/{uuid(domid)}/name", f"d{domid}", own
    yield f"/vm/{uuid(domid)}/uuid", uuid(domid), own


def devices(domid: int) -> Iterator[tuple[str, str, dict[str, str]]]:
    """The devices of a domain, as libxl writes them."""
    common = {"frontend-id": str(domid), "online": "1", "state": "1"}
    for n in range(DISKS):
        number = str(51712 + 16 * n)
        yield "vbd", number, {
            "frontend": f"/local/domain/{domid}/device/vbd/{number}",
            "backend": f"/local/domain/0/backend/vbd/{domid}/{number}", "params": f"/dev/vg/{domid}-{n}",
            "script": "/etc/xen/scripts/block", "removable": "0", "bootable": "1", "dev": f"xvd{chr(97 + n)}",
            "type": "phy", "mode": "w", "device-type": "disk", "discard-enable": "1", "specification": "xen", **common,
        }  # fmt: skip
    for n in range(NICS):
        yield "vif", str(n), {
            "frontend": f"/local/domain/{domid}/device/vif/{n}",
            "backend": f"/local/domain/0/backend/vif/{domid}/{n}", "script": "/etc/xen/scripts/vif-bridge",
            "mac": f"00:16:3e:00:{domid >> 8:02x}:{domid & 255:02x}", "bridge": "xenbr0", "handle": str(n),
            "type": "vif", "hotplug-status": "", **common,
        }  # fmt: skip


def template(domid: int) -> bytes:
    """The domain's template."""
    disks: list[Json] = [
        {"pdev_path": f"/dev/vg/{domid}-{n}", "vdev": f"xvd{chr(97 + n)}", "format": "raw", "readwrite": 1}
        for n in range(DISKS - (domid % BROKEN_EVERY == 0))
    ]
    nics: list[Json] = [
        {"devid": n, "mac": f"00:16:3e:00:{domid >> 8:02x}:{domid & 255:02x}", "bridge": "xenbr0"} for n in range(NICS)
    ]
    c_info: Json = {"type": "pvh", "name": f"d{domid}", "uuid": uuid(domid), "run_hotplug_scripts": "True"}
    b_info: Json = {"max_vcpus": 1, "avail_vcpus": [0], "max_memkb": 65536, "target_memkb": 65536, "sched_params": {}}
    return encode({"c_info": c_info, "b_info": b_info, "disks": disks, "nics": nics, "on_reboot": "restart"})


def write_host(folder: Path, domains: int) -> None:
    """The host's files: xenstore.txt, in the order of xenstore-ls, and a template for each domain."""
    lines: list[tuple[str, str, str]] = [("/local", "", "n0"), ("/local/domain", "", "n0"), ("/libxl", "", "n0")]
    lines += [("/vm", "", "n0"), ("/local/domain/0", "", "n0"), ("/local/domain/0/name", "Domain-0", "n0")]
    for domid in range(1, domains + 1):
        lines += nodes(domid)
        for folder_name, index, keys in devices(domid):
            backend = f"/local/domain/0/backend/{folder_name}/{domid}/{index}"
            lines.append((backend, "", f"n0,r{domid}"))
            more = {"hotplug-status": "connected", "state": "4", "physical-device": "fd:1", "sectors": "4096"}
            lines += [(f"{backend}/{k}", v, f"n0,r{domid}") for k, v in {**keys, **more}.items() if k != "backend"]
        (folder / f"userdata-d.{domid}.{uuid(domid)}.libxl-json").write_bytes(template(domid))
    there = {path for path, _, _ in lines}
    above = {p for path in there for p in parents(path)} - there
    lines += [(path, "", "n0") for path in above]
    with (folder / "xenstore.txt").open("w", encoding="utf-8") as file:
        file.writelines(f'{path} = "{value}"   ({who})\n' for path, value, who in sorted(lines))


def parents(path: str) -> Iterator[str]:
    """The nodes above one: xenstore-ls prints them all."""
    while path := path.rpartition("/")[0]:
        yield path


def now() -> tuple[float, float]:
    """Seconds, by the clock and of a processor: other programs make the two differ."""
    return perf_counter(), process_time()


def passed(begin: tuple[float, float], end: tuple[float, float]) -> list[str]:
    """The seconds between, for the table."""
    return [f"{until - since:.2f}" for since, until in zip(begin, end, strict=True)]


def main() -> None:
    """Make a host, audit it, print a table."""
    domains = int(sys.argv[1]) if len(sys.argv) > 1 else DOMAINS
    table = Table(title=f"{domains:,} domains of {DISKS} disks and {NICS} nic", title_justify="left")
    for column in ("part", "seconds", "of a processor", "what"):
        table.add_column(column, justify="left" if column in ("part", "what") else "right")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        maker = Process(target=write_host, args=(folder, domains))  # so that its memory is not counted
        maker.start()
        maker.join()
        size = (folder / "xenstore.txt").stat().st_size
        begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        t0 = now()
        store = read_dump(folder / "xenstore.txt")
        t1 = now()
        host = Host("xenstore.txt", store, folder_files(folder), whole=True)
        result = audit(host)
        t2 = now()
        for write in (as_json, as_sarif):
            write([result])
        t3 = now()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    expected = domains // BROKEN_EVERY
    assert len(result.findings) == expected, f"{len(result.findings)} findings, {expected} were made"
    table.add_row("read the dump", *passed(t0, t1), f"{store.size:,} nodes, {size >> 20} MiB")
    table.add_row("audit", *passed(t1, t2), f"{result.devices:,} devices, {len(result.findings):,} findings")
    table.add_row("JSON and SARIF", *passed(t2, t3), "")
    table.add_row("all", *passed(t0, t3), f"at most {most >> 10} MiB of memory, {begin >> 10} of them before")
    Console().print(table)


if __name__ == "__main__":
    main()
