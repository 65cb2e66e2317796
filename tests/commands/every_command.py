"""Every command of the front door, each with arguments that make it short."""

from __future__ import annotations

TINY = ("--slots=1", "--ejectable=0", "--configs=1", "--names=1", "--amounts=1", "--jobs=1")
CALM = (*TINY, "--crashes=0", "--processes=1")
LOCKED = "xenstore_first_locked"
TOKEN = "xenstore_first_locked::s1e1c2n2a2p2k1:0.0:a829a492"
RUNS: dict[str, tuple[tuple[str, ...], int]] = {
    "audit": (("audit", "STATE"), 0),
    "check": (("check", LOCKED, "--property=template_has_xenstore", *TINY), 1),
    "check --format json": (("check", LOCKED, "--property=xenstore_has_template", *CALM, "--format=json"), 0),
    "claims": (("claims", *CALM, "--max-states=1"), 3),
    "conform": (("conform", "--processes=1", "--crashes=0", "--operations=retrieve", "--jobs=1"), 0),
    "designs": (("designs",), 0),
    "domain": (("domain", "list"), 0),
    "matrix": (("matrix", LOCKED, "--no-proofs", *CALM, "--max-states=1"), 3),
    "mutants": (("mutants", "--only=script-failure-ignored", "--jobs=1"), 0),
    "properties": (("properties",), 0),
    "prove": (("prove", LOCKED, "--property=lock_order_is_acyclic"), 0),
    "refine": (("refine",), 0),
    "replay": (("replay", TOKEN), 0),
    "retrieve": (("retrieve", "STATE"), 0),
    "--help": (("--help",), 0),
    "domain --help": (("domain", "--help"), 0),
    "--version": (("--version",), 0),
}
"""By name, arguments and the exit code where all can be written. STATE: a folder with a host, and a snapshot of one."""
