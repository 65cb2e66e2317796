"""Proof certificates: what is in one, that a solver passes it, and that what was tampered with does not pass."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import z3
from jsonschema import Draft202012Validator

import proofs.certificate as certificates
from model.designs import DESIGNS, RECOMMENDED
from model.step import order
from model.steps import drop_lock, retrieve_nothing
from proofs.certificate import CertificateError, may_write, write_certificate
from proofs.obligation import Kind, Obligation
from proofs.proof import Proof, prove
from proofs.smtlib import Answer, Writer, file_name, scripts

Z3 = Path(sys.executable).parent / "z3"
SCHEMA = json.loads((Path(certificates.__file__).parent / "certificate.schema.json").read_text(encoding="utf-8"))
