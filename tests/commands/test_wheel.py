"""What a wheel and an sdist have in them, and that every command runs where a wheel is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest
from every_command import RUNS
from places import ROOT
from processes import LONG, TERMINAL
from users_project import PARTS, users_project

from confsync.front_door import COMMANDS

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]

DATA = {
    "confsync/py.typed",
    "confsync/impl/audit/libxl_types.json",
    "confsync/impl/embedded/schema.sql",
    "confsync/impl/shim/xenstored_shim.c",
    "confsync/model/report/cells.schema.json",
    "confsync/proofs/prover/certificate/certificate_reader.py",
    "confsync/proofs/conformance/external/protocol.schema.json",
}
"""One of each kind of what is read at run time."""
EXPLORED, TESTED = "attach-reads-before-lock", "script-failure-ignored"
"""A mutant that an exploration judges, and one that a test judges."""
INSTALLED = RUNS | {
    "mutants": (("mutants", f"--only={EXPLORED}", "--jobs=1"), 0),
    "mutants of tests": (("mutants", f"--only={TESTED}"), 2),
    "prove --certificate": (
        ("prove", "xenstore_first_locked", "--property=lock_is_exclusive", "--certificate=CERT"),
        0,
    ),
    "prove FILE": (("prove", "mine.py", "--property=lock_order_is_acyclic"), 0),
    "conform --external": (("conform", "--external=no-such-program", "--jobs=1"), 2),
}
DESIGN = '''"""As recommended, but the device is allocated under the lock."""
base = "xenstore_first_locked"
attach = [take_lock, read_template, refuse_if_present, write_template, enter_xenstore, allocate, drop_lock]
'''


def packed(kind: str, project: Path, into: Path) -> Path:
    """Build a `wheel` or an `sdist` of the project in this folder, with the build back-end of this environment."""
    into.mkdir()
    code = f"from setuptools.build_meta import build_{kind} as build; build({str(into)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, check=True)
    (found,) = into.iterdir()
    return found


def contents(wheel: Path) -> dict[str, bytes]:
    """Each file of a wheel's packages, and what is in it."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout: a build writes into it."""
    folder = tmp_path_factory.mktemp("checkout")
    leave = shutil.ignore_patterns("__pycache__", ".*", "*.egg-info", "build")
    shutil.copytree(ROOT, folder, ignore=leave, symlinks=True, dirs_exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def wheel(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed("wheel", project, tmp_path_factory.mktemp("packed") / "wheel")


@pytest.fixture(scope="module")
def wheel_of_sdist(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel that is built from the sdist alone."""
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(packed("sdist", project, folder / "packed")) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    return packed("wheel", unpacked, folder / "wheel")


def test_a_wheel_installs_one_name(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
        scripts = archive.read(next(n for n in archive.namelist() if n.endswith("/entry_points.txt"))).decode()
    assert {top for top in tops if not top.endswith(".dist-info")} == {"confsync"}
    assert len(tops) == 2
    assert scripts.split() == ["[console_scripts]", "confsync", "=", "confsync.front_door:main"]


def test_a_wheel_has_every_file_of_every_part_and_no_other(wheel: Path) -> None:
    folders = [ROOT / "confsync", *(ROOT / part for part in PARTS)]
    files = [(folder, p) for folder in folders for p in folder.rglob("*") if p.is_file() and p.suffix != ".pyc"]
    there = {"/".join(p.relative_to(ROOT).parts) for _, p in files}
    expected = {name if name.startswith("confsync/") else f"confsync/{name}" for name in there}
    assert set(contents(wheel)) == expected
    assert expected >= DATA


def test_an_sdist_makes_the_same_wheel(wheel: Path, wheel_of_sdist: Path) -> None:
    assert contents(wheel_of_sdist) == contents(wheel)


@pytest.fixture(scope="module")
def installed(wheel_of_sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel, and beside it what it depends on; no network is needed. -> its programs"""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*install, str(wheel_of_sdist)], check=True)
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([python, "-c", where], capture_output=True, text=True, check=True).stdout.strip()
    # A path in a .pth file is searched last, and no .pth file in it is read: not that of the checkout, for one.
    Path(site, "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    return Path(python).parent


@pytest.fixture(scope="module")
def work(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's project, with a host in the folder `state`, a snapshot of one, and a design."""
    folder = tmp_path_factory.mktemp("work")
    users_project(folder)
    done = run(installed, folder, "domain", "create", "--name=vm1")
    assert done.returncode == 0, done.stderr
    nodes = ("/local", "/local/domain", "/local/domain/0", "/local/domain/0/name")
    (folder / "state" / "xenstore.txt").write_text("".join(f'{node} = ""   (n0)\n' for node in nodes))
    (folder / "mine.py").write_text(DESIGN, encoding="utf-8")
    return folder


def run(programs: Path, folder: Path, *arguments: str, module: bool = False) -> subprocess.CompletedProcess[str]:
    """The installed confsync in a folder, as a program or with `python -m`."""
    call = [str(programs / "python"), "-m", "confsync"] if module else [str(programs / "confsync")]
    kept = {k: v for k, v in os.environ.items() if k not in (*TERMINAL, "PYTHONPATH")}
    env = kept | {"CONFSYNC_STATE": str(folder / "state")}
    words = [word.replace("STATE", "state").replace("CERT", "certificates") for word in arguments]
    return subprocess.run(
        [*call, *words], cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=LONG
    )


def test_every_command_is_run() -> None:
    assert {arguments[0] for arguments, _ in INSTALLED.values()} >= set(COMMANDS)


@pytest.mark.deep
@pytest.mark.parametrize("module", [False, True], ids=["confsync", "python -m confsync"])
@pytest.mark.parametrize("name", INSTALLED)
def test_every_command_runs_where_a_wheel_is_installed(name: str, module: bool, installed: Path, work: Path) -> None:
    arguments, code = INSTALLED[name]
    if "CERT" in " ".join(arguments) and module:
        arguments = tuple(word.replace("CERT", "CERT2") for word in arguments)
    done = run(installed, work, *arguments, module=module)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr


@pytest.mark.deep
def test_an_installed_confsync_says_that_it_has_no_tests_to_judge_with(installed: Path, work: Path) -> None:
    one = run(installed, work, "mutants", f"--only={TESTED}")
    assert (one.returncode, one.stdout) == (2, "")
    assert one.stderr.startswith(f"confsync: {TESTED} is judged by tests, and an installed confsync has no tests: ")
    every = run(installed, work, "mutants")
    assert every.returncode == 2
    assert "others are judged by tests" in every.stderr


@pytest.mark.deep
def test_what_runs_is_what_was_installed(installed: Path, work: Path) -> None:
    """And each module can be imported there, but for the plugin for pytest, which is for the tests."""
    code = (
        "import confsync, importlib, pkgutil, sys\n"
        "names = [m.name for m in pkgutil.walk_packages(confsync.__path__, 'confsync.')]\n"
        "for name in names:\n"
        "    if name not in ('confsync.__main__', 'confsync.proofs.mutants.witness'): importlib.import_module(name)\n"
        "print(len(names), *{m.__file__ for n, m in sys.modules.items() if n.startswith('confsync')}, sep='\\n')\n"
        f"assert not sys.modules.keys() & {set(PARTS)!r}\n"
    )
    call = [str(installed / "python"), "-P", "-c", code]
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(call, cwd=work, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    many, *files = done.stdout.splitlines()
    assert int(many) > 200
    assert all(Path(file).is_relative_to(installed.parent) for file in files)
