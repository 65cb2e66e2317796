"""States as sorted arrays of integers: a shared number and one local number per process, packed.

Up to 64 bits a state is one `uint64`. Beyond, it is a string of big-endian bytes, which sorts the same way:
slower, and as exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
States = NDArray[Any]
"""A 1-d array: `uint64`, or fixed-width byte strings."""


class TooNarrow(Exception):
    """More distinct words than the packing has room for: pack wider and start again."""


@dataclass(frozen=True, slots=True)
class Packing:
    """How many bits a shared number and a local number take, for so many processes."""

    processes: int
    shared_bits: int
    local_bits: int

    @classmethod
    def for_processes(cls, processes: int) -> Packing:
        """The widest that fits 64 bits."""
        local = min(18, 44 // processes)
        return cls(processes, 64 - processes * local, local)

    def wider(self) -> Packing:
        """Room for 2**32 of everything, in as many bytes as it takes."""
        return Packing(self.processes, 32, 32)

    @property
    def one_word(self) -> bool:
        return self.shared_bits + self.processes * self.local_bits <= 64

    def check(self, shared: int, local: int) -> None:
        """TooNarrow if there are too many words."""
        if shared > 1 << self.shared_bits or local > 1 << self.local_bits:
            raise TooNarrow

    def pack(self, shared: Ids, local: list[Ids]) -> States:
        if not self.one_word:
            columns = np.stack([shared, *local], axis=1).astype(">u4")
            return np.ascontiguousarray(columns).view(f"S{4 * columns.shape[1]}").reshape(-1)
        packed = shared.astype(np.uint64)
        for column in local:
            packed = packed << np.uint64(self.local_bits) | column.astype(np.uint64)
        return packed

    def change(self, process: int, shared: NDArray[np.uint64], local: NDArray[np.uint64]) -> States:
        """Changes of the shared and of one local number, as a change of the packed word (one word only).
        Overwrites both."""
        shared <<= np.uint64(self.local_bits * self.processes)
        local <<= np.uint64(self.local_bits * (self.processes - 1 - process))
        shared ^= local
        return shared

    def unpack(self, states: States) -> tuple[Ids, list[Ids]]:
        """The shared numbers, and the local numbers of each process."""
        if not self.one_word:
            width = self.processes + 1
            columns = states.view(np.uint8).reshape(-1, 4 * width).view(">u4").astype(np.int64)
            return columns[:, 0], [columns[:, i + 1] for i in range(self.processes)]
        mask = np.uint64((1 << self.local_bits) - 1)
        shifts = [np.uint64(self.local_bits * (self.processes - 1 - i)) for i in range(self.processes)]
        local = [((states >> s) & mask).astype(np.int64) for s in shifts]
        return (states >> np.uint64(self.local_bits * self.processes)).astype(np.int64), local


def distinct(states: States) -> States:
    """The distinct states, sorted. Sorts in place."""
    states.sort()
    if states.size < 2:
        return states
    keep = np.empty(states.size, np.bool_)
    keep[0] = True
    np.not_equal(states[1:], states[:-1], out=keep[1:])
    return states[keep]


def position(states: States, among: States) -> tuple[Ids, NDArray[np.bool_]]:
    """Where each state is in the sorted array `among`, and whether it is there."""
    at = np.searchsorted(among, states)
    if among.size == 0:
        return at, np.zeros(states.size, np.bool_)
    at[at == among.size] = 0
    return at, among[at] == states


BLOCK = 4096
"""How many sorted states are looked up at a time: their neighbourhood then stays in the processor's cache."""


def present(states: States, among: States) -> NDArray[np.bool_]:
    """Of sorted states, whether each is in the sorted array `among`."""
    if states.size <= BLOCK or among.size <= BLOCK:
        return position(states, among)[1]
    found = np.empty(states.size, np.bool_)
    bounds = [*np.searchsorted(among, states[::BLOCK]).tolist(), among.size]
    for i, low in enumerate(bounds[:-1]):
        rows = slice(i * BLOCK, (i + 1) * BLOCK)
        found[rows] = position(states[rows], among[low : bounds[i + 1] + 1])[1]
    return found


class Visited:
    """The states found so far: sorted runs, merged so that there are few; and each level's states by themselves."""

    def __init__(self) -> None:
        self.levels: list[States] = []
        self._runs: list[States] = []

    def add_level(self, states: States) -> None:
        """`states` are sorted, distinct and new."""
        self.levels.append(states)
        self._runs.append(states)
        while len(self._runs) > 1 and self._runs[-2].size < 4 * self._runs[-1].size:
            b, a = self._runs.pop(), self._runs.pop()
            merged = np.concatenate((a, b))
            merged.sort(kind="stable")
            self._runs.append(merged)

    def unseen(self, states: States) -> States:
        """Those of these sorted states that are in no run."""
        for run in self._runs:
            if states.size:
                states = states[~present(states, run)]
        return states

    def nbytes(self) -> int:
        """Memory held, in bytes. A level that is still a run by itself is counted once."""
        arrays = {id(a): a.nbytes for a in (*self.levels, *self._runs)}
        return sum(arrays.values())

    def __len__(self) -> int:
        return sum(level.size for level in self.levels)
