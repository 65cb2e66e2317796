"""The implementation and the specification in lockstep, with wide values, in memory and in a folder."""

from __future__ import annotations

import pytest
from machines_hosts import InFolder, InMemory
from machines_lockstep import walk


def test_a_host_in_memory_stands_a_few_walks() -> None:
    walk(InMemory, examples=15)


@pytest.mark.slow
def test_a_host_in_memory_stands_many_walks() -> None:
    walk(InMemory, examples=200, steps=40)


@pytest.mark.slow
def test_a_host_in_a_folder_stands_some_walks() -> None:
    walk(InFolder, examples=15)
