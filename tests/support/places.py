"""Where things are in the checkout, whatever the folder of the test that asks."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
DATA = TESTS / "data"
MANIFEST = TESTS / "manifest.json"
